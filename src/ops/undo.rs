//! `undo` and `redo`: takes back the last command that moved refs, or does it again.
//!
//! Nothing is remembered for it: the journal has every move of every ref. Taking a command back is
//! one more record that moves the refs to where they were, and says so in its reasons; so `undo`
//! twice goes further back, `redo` goes forward again, and any other command ends what could be
//! done again.
//!
//! The working tree follows where the command had changed it. What a command had only recorded
//! (`commit`, `add`) stays in the files.

use crate::index::Base;
use crate::object::{Commit, Source};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules};
use crate::store::{Error as StoreError, Move, Publication, RefEdit, Slot, Target};
use crate::worktree::Failed;

use super::pending;
use super::travel::{self, Journey};
use super::{Error, begin, merging};

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Back.
    Undo,
    /// Forward again.
    Redo,
}

impl Direction {
    /// The command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Redo => "redo",
        }
    }
}

/// How.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Which way.
    pub direction: Direction,
    /// Only say what would move.
    pub dry_run: bool,
    /// Who does it.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The record of the command that was taken back or done again.
    pub number: u64,
    /// Which command it was.
    pub verb: String,
    /// What its record says of it.
    pub reason: String,
    /// The refs that moved, or would.
    pub moved: Vec<RefEdit>,
    /// Paths of the working tree that would change, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Files written.
    pub written: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

/// Goes back or forward.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let attempt = || attempt(repo, options, monitor);
    begin::run(repo, &options.actor, &options.rules, monitor, attempt)
}

fn attempt(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let (number, moves) = find(repo, options.direction)?;
    let verb = verb_of(repo, number, &moves)?;
    let reason = moves[0].reason.clone();
    let cannot =
        |why: String| Error::CannotUndo { what: options.direction.name(), verb: verb.clone(), why };
    if verb == "init" {
        return Err(cannot("there was nothing before it".to_owned()));
    }
    let moved = edits(options.direction, number, moves);
    for edit in &moved {
        if repo.store().target(&edit.name) != edit.old {
            return Err(cannot(format!("'{}' has moved since", edit.name)));
        }
    }
    let mut outcome = Outcome {
        number,
        verb: verb.clone(),
        reason,
        moved: moved.clone(),
        would_change: Vec::new(),
        written: 0,
        removed: 0,
        failed: Vec::new(),
        not_representable: Vec::new(),
    };
    let name = options.direction.name();
    let done = if repo.is_bare() {
        if options.dry_run {
            return Ok(outcome);
        }
        let publication = Publication::new(name, &options.actor.to_actor()).with_refs(moved);
        repo.store().publish(publication).map(drop).map_err(Error::from)
    } else {
        go(repo, options, moved, &mut outcome, monitor)
    };
    match done {
        Err(Error::Store(StoreError::BadTarget { name, .. } | StoreError::Moved { name })) => {
            Err(cannot(format!("'{name}' cannot go back: what it pointed to is gone")))
        }
        done => done.map(|()| outcome),
    }
}

fn go(
    repo: &Repository,
    options: &Options<'_>,
    moved: Vec<RefEdit>,
    outcome: &mut Outcome,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let mut working = repo.working(&options.rules, monitor)?;
    let goal = goal(repo, &moved)?;
    let name = options.direction.name();
    let actor = options.actor.to_actor();
    let mut beside = Vec::new();
    if let Some(merging) = merging::find(repo)?
        && moved.iter().any(|edit| edit.new.is_none() && edit.name == repo.own_ref("merge"))
        && !options.dry_run
    {
        // What a merge wrote beside files goes with it.
        beside = merging.untouched_beside(&working, |_| true)?;
    }
    if !brings_files(outcome) {
        if !options.dry_run {
            repo.store().publish(Publication::new(name, &actor).with_refs(moved))?;
            travel::adopt(&mut working, goal)?;
        }
        return Ok(());
    }
    let mut to = goal.tree;
    let mut index = None;
    let back = moved.iter().find(|edit| edit.name == repo.own_ref("merge"));
    if let (Some(Target::Id(id)), false) = (back.and_then(|edit| edit.new.clone()), options.dry_run)
    {
        // And what it wrote comes back with it.
        let merging = merging::read(repo.store(), id)?;
        let beside: Vec<_> =
            merging.beside.into_iter().map(|(_, place, entry)| (place, entry)).collect();
        to = merging::with_files(&working, name, &actor, goal.tree, &beside)?;
        index = goal.tree.filter(|_| to != goal.tree);
    }
    let journey = Journey {
        from: merging::with_files(&working, name, &actor, working.base.tree, &beside)?,
        commit: goal.commit,
        tree: to,
        index,
        refs: moved,
        dry_run: options.dry_run,
        ..Journey::new(name, &options.actor, &working)
    };
    let plan = travel::plan(&working, journey, monitor)?;
    if options.dry_run {
        outcome.would_change = travel::would_change(plan.steps);
        return Ok(());
    }
    let applied = pending::carry_out(&mut working, plan, monitor)?;
    (outcome.written, outcome.removed) = (applied.files, applied.removed);
    (outcome.failed, outcome.not_representable) = (applied.failed, applied.not_representable);
    Ok(())
}

/// Whether the command changed files, and not only what is recorded of them.
fn brings_files(outcome: &Outcome) -> bool {
    match outcome.verb.as_str() {
        "commit" | "add" | "restore" | "branch" | "tag" => false,
        "reset" => {
            !outcome.reason.starts_with("reset --soft")
                && !outcome.reason.starts_with("reset --mixed")
        }
        "rm" | "rm --cached" => !outcome.reason.starts_with("rm --cached"),
        _ => true,
    }
}

/// The commit HEAD is on and the tree the index describes after these moves.
fn goal(repo: &Repository, moved: &[RefEdit]) -> Result<Base, Error> {
    let after = |name: &str| match moved.iter().find(|edit| edit.name == name) {
        Some(edit) => edit.new.clone(),
        None => repo.store().target(name),
    };
    let default = format!("refs/heads/{}", crate::repo::DEFAULT_BRANCH);
    let mut target = after(&repo.head_name()).or(Some(Target::Symbolic(default)));
    // A HEAD is on a branch, a branch on a commit; more steps there are not.
    for _ in 0..4 {
        if let Some(Target::Symbolic(name)) = &target {
            target = after(name);
        }
    }
    let commit = match target {
        Some(Target::Id(id)) => Some(id),
        _ => None,
    };
    let tree = match (after(&repo.own_ref("staged")), commit) {
        (Some(Target::Id(staged)), _) => Some(staged),
        (_, Some(id)) => Some(repo.store().object::<Commit>(&id)?.tree),
        _ => None,
    };
    Ok(Base { commit, tree })
}

fn edits(direction: Direction, number: u64, moves: Vec<Move>) -> Vec<RefEdit> {
    let edit = |one: Move| {
        let (old, new) = match direction {
            Direction::Undo => (one.new, one.old),
            Direction::Redo => (one.old, one.new),
        };
        let reason = format!("{} {number}: {}", direction.name(), one.reason);
        RefEdit { name: one.name, old, new, reason }
    };
    moves.into_iter().map(edit).filter(|edit| edit.old != edit.new).collect()
}

/// The moves of the command that is next to be taken back or done again.
fn find(repo: &Repository, direction: Direction) -> Result<(u64, Vec<Move>), Error> {
    let store = repo.store();
    let all = store.journal().moves(&store.state()).map_err(StoreError::from)?;
    let (mut done, mut undone): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut last = 0;
    for one in &all {
        if one.number == last {
            continue;
        }
        last = one.number;
        match said(&one.reason) {
            Some((Direction::Undo, number)) => {
                done.retain(|done| *done != number);
                undone.push(number);
            }
            Some((Direction::Redo, number)) => {
                undone.retain(|undone| *undone != number);
                done.push(number);
            }
            None => {
                done.push(one.number);
                undone.clear();
            }
        }
    }
    let stack = match direction {
        Direction::Undo => done,
        Direction::Redo => undone,
    };
    let number = *stack.last().ok_or(Error::NothingTo(direction.name()))?;
    let moves: Vec<Move> = all.into_iter().filter(|one| one.number == number).collect();
    // What it undid may have been forgotten since.
    if moves.is_empty() { Err(Error::NothingTo(direction.name())) } else { Ok((number, moves)) }
}

/// What a reason says that was taken back or done again.
fn said(reason: &str) -> Option<(Direction, u64)> {
    let (word, rest) = reason.split_once(' ')?;
    let direction = match word {
        "undo" => Direction::Undo,
        "redo" => Direction::Redo,
        _ => return None,
    };
    Some((direction, rest.split_once(':')?.0.parse().ok()?))
}

/// Which command made a record; of one that a checkpoint has replaced, what its reason says.
fn verb_of(repo: &Repository, number: u64, moves: &[Move]) -> Result<String, Error> {
    let slot = repo.store().journal().read(number).map_err(StoreError::from)?;
    Ok(match slot {
        Slot::Record(record, _) => record.verb,
        _ => {
            let word = moves[0].reason.split([' ', ':']).next();
            word.unwrap_or_default().to_owned()
        }
    })
}

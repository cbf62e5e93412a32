//! `reset`: moves the branch to another commit, and what is staged and the working tree with it as
//! far as that was asked for.

use crate::git::readable;
use crate::hash::Id;
use crate::index::Base;
use crate::object::{Commit, Node, Source};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules, Working};
use crate::store::{Publication, RefEdit};
use crate::worktree::{Applied, Failed};

use super::pending;
use super::travel::{self, Journey, Unsaved};
use super::{Error, begin, merging, moved, revisions};

/// What moves with the branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: what differs from the commit then is staged.
    Soft,
    /// What is staged: nothing is then. Files stay as they are.
    #[default]
    Mixed,
    /// Files too; what is not recorded of tracked ones is thrown away.
    Hard,
    /// Files too; if something unsaved is in the way, nothing happens.
    Keep,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Soft => "reset --soft",
            Self::Mixed => "reset --mixed",
            Self::Hard => "reset --hard",
            Self::Keep => "reset --keep",
        }
    }
}

/// Where to go, and with what.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// What goes along.
    pub mode: Mode,
    /// Where to; `None` stays at HEAD.
    pub revision: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who does it.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Where HEAD was.
    pub from: Option<Id>,
    /// Where it is, or would be.
    pub to: Option<Id>,
    /// The first line of that commit's message.
    pub subject: String,
    /// Paths of the working tree that would change, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Files written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

/// Goes.
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
    if matches!(options.mode, Mode::Soft | Mode::Keep) {
        merging::refuse(repo, options.mode.name())?;
    }
    let mut working = repo.working(&options.rules, monitor)?;
    let from = working.head.commit();
    let to = match &options.revision {
        Some(text) => Some(revisions::commit(repo, text, monitor)?),
        None => from,
    };
    let mut outcome = Outcome { from, to, ..Outcome::default() };
    let tree = match to {
        Some(id) => {
            let commit: Commit = repo.store().object(&id)?;
            outcome.subject = String::from_utf8_lossy(readable(&commit).subject()).into_owned();
            Some(commit.tree)
        }
        None => None,
    };
    let base = Base { commit: to, tree };
    match options.mode {
        Mode::Soft => {
            let on = tree.unwrap_or_else(Node::empty_id);
            let now = working.base.tree.unwrap_or_else(Node::empty_id);
            let staged = (now != on).then_some((now, on));
            if !options.dry_run {
                publish(&working, options, base, staged)?;
            }
        }
        Mode::Mixed if options.dry_run => {}
        Mode::Mixed => {
            publish(&working, options, base, None)?;
            travel::adopt(&mut working, base)?;
        }
        Mode::Hard => travel(&mut working, options, base, &mut outcome, monitor)?,
        Mode::Keep => {
            if working.staged.is_some() && !options.dry_run {
                // What was staged and is not in the way stays in the files.
                let here = Base { commit: from, tree: working.head_tree };
                check_staged(&working, tree)?;
                publish(&working, options, here, None)?;
                travel::adopt(&mut working, here)?;
                working = repo.working(&options.rules, monitor)?;
            }
            travel(&mut working, options, base, &mut outcome, monitor)?;
        }
    }
    Ok(outcome)
}

/// What is staged must not be in the way of what changes.
fn check_staged(working: &Working<'_>, goal: Option<Id>) -> Result<(), Error> {
    let store = working.repo.store();
    let mut paths = Vec::new();
    for change in super::status::staged_changes(working, &crate::path::Pathspec::all())? {
        let entry = |tree: Option<Id>| match tree {
            Some(tree) => crate::repo::find_entry(store, &tree, &change.path),
            None => Ok(None),
        };
        let is_same = match (entry(working.head_tree)?, entry(goal)?) {
            (None, None) => true,
            (Some(here), Some(goal)) => here.is_same_as(&goal),
            _ => false,
        };
        if !is_same {
            paths.push(change.path);
        }
    }
    if paths.is_empty() { Ok(()) } else { Err(Error::WouldOverwrite { paths }) }
}

fn moves(
    working: &Working<'_>,
    options: &Options<'_>,
    to: Base,
    staged: Option<(Id, Id)>,
) -> Vec<RefEdit> {
    let repo = working.repo;
    let mut refs = Vec::new();
    if let Some(id) = to.commit
        && working.head.commit() != Some(id)
    {
        let word = options.revision.as_deref().unwrap_or("HEAD");
        let reason = format!("{}: moving to {word}", options.mode.name());
        refs.extend(moved::to_commit(repo, &working.head, id, reason));
    }
    refs.extend(moved::staged(repo, staged, options.mode.name()));
    refs.extend(merging::moved(repo, None, options.mode.name()));
    refs
}

fn publish(
    working: &Working<'_>,
    options: &Options<'_>,
    to: Base,
    staged: Option<(Id, Id)>,
) -> Result<(), Error> {
    let refs = moves(working, options, to, staged);
    if !refs.is_empty() {
        let publication = Publication::new("reset", &options.actor.to_actor()).with_refs(refs);
        working.repo.store().publish(publication)?;
    }
    Ok(())
}

fn travel(
    working: &mut Working<'_>,
    options: &Options<'_>,
    to: Base,
    outcome: &mut Outcome,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let mut beside = Vec::new();
    if let Some(merging) = merging::find(working.repo)?
        && !options.dry_run
    {
        beside = merging.untouched_beside(working, |_| true)?;
    }
    let actor = options.actor.to_actor();
    let journey = Journey {
        from: merging::with_files(working, "reset", &actor, working.base.tree, &beside)?,
        commit: to.commit,
        tree: to.tree,
        refs: moves(working, options, to, None),
        unsaved: match options.mode {
            Mode::Hard => Unsaved::Discard,
            _ => Unsaved::Keep,
        },
        dry_run: options.dry_run,
        ..Journey::new("reset", &options.actor, working)
    };
    let plan = travel::plan(working, journey, monitor)?;
    if options.dry_run {
        outcome.would_change = travel::would_change(plan.steps);
        return Ok(());
    }
    let Applied { failed, not_representable, files, bytes, removed, .. } =
        pending::carry_out(working, plan, monitor)?;
    (outcome.written, outcome.bytes, outcome.removed) = (files, bytes, removed);
    (outcome.failed, outcome.not_representable) = (failed, not_representable);
    Ok(())
}

//! `mv`: renames files in the working tree and stages it.

use std::collections::BTreeSet;

use crate::index::{Known, Presence, Tracked};
use crate::object::tree::Edit;
use crate::object::{Entry, Node};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules, Working};
use crate::store::Batch;
use crate::worktree::{Applied, Obstacles, Spellings, Step, Walker};

use super::pending::{self, Plan};
use super::{Error, begin, staging};

/// What to move, and where.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// What: tracked files or directories.
    pub sources: Vec<RepoPath>,
    /// A new name; or a directory they are moved into.
    pub destination: RepoPath,
    /// Replace a file that is there.
    pub force: bool,
    /// Only say what would be moved.
    pub dry_run: bool,
    /// Who moves.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What was moved.
#[derive(Debug, Default)]
pub struct Outcome {
    /// From where to where.
    pub moved: Vec<(RepoPath, RepoPath)>,
}

/// Moves.
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
    let mut working = repo.working(&options.rules, monitor)?;
    let mut walker = Walker::new(working.tree.root.clone());
    let mut spellings = Spellings::new(working.tree.root.clone(), &working.volume);
    let into = walker.open(&options.destination).is_ok();
    if options.sources.len() > 1 && !into {
        return Err(Error::NotADirectory(options.destination.clone()));
    }
    let mut outcome = Outcome::default();
    let mut edits: Vec<Edit> = Vec::new();
    let mut rows: Vec<(RepoPath, Option<Tracked>)> = Vec::new();
    for source in &options.sources {
        let entry = working.entry(source)?;
        let entry = entry.ok_or_else(|| Error::NoMatch(source.to_string()))?;
        let target = match into {
            true => options.destination.join(source.name()),
            false => options.destination.clone(),
        };
        if target.is_within(source) {
            return Err(Error::IntoItself(source.clone()));
        }
        let Some((parent, name)) = target.split() else {
            return Err(Error::NotADirectory(target));
        };
        let there = walker.open(&parent).and_then(|dir| dir.stat(name));
        // Only the spelling changes: what answers to the new name is what is moved.
        let is_itself = spellings
            .taken_by(&target, &mut |other| Ok::<_, std::io::Error>(other == source))
            .is_ok_and(|taken| taken.is_some());
        if there.is_ok() && !options.force && !is_itself {
            return Err(Error::Exists { kind: "file", name: target.to_string() });
        }
        edits.push(Edit { path: source.clone(), entry: None });
        edits.push(Edit {
            path: target.clone(),
            entry: Some(Entry { name: name.to_vec(), ..entry.clone() }),
        });
        carry_rows(&working, source, &target, &entry, &mut rows)?;
        outcome.moved.push((source.clone(), target));
    }
    if options.dry_run {
        return Ok(outcome);
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    let now = working.base.tree.unwrap_or_else(Node::empty_id);
    let batch = Batch::begin(repo.store())?;
    let tree = staging::tree_with(&batch, Some(&now), edits)?;
    let sealed = batch.seal()?;
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let plan = Plan::of_staging(&working, "mv", &options.actor, tree, sealed)?;
    pending::carry_out_by(&mut working, plan, monitor, |working, steps| {
        rename_all(working, &mut walker, &outcome.moved)?;
        // What stands beside a conflict has the name of what it stands beside.
        let is_moved = |path: &RepoPath| {
            let mut moved = outcome.moved.iter();
            moved.any(|(source, target)| path.is_within(source) || path.is_within(target))
        };
        let is_above = |path: &RepoPath| {
            let mut moved = outcome.moved.iter();
            moved.any(|(source, target)| source.is_within(path) || target.is_within(path))
        };
        let steps: Vec<Step> = steps
            .iter()
            .filter(|step| !is_moved(&step.path) && !is_above(&step.path))
            .cloned()
            .collect();
        let nothing = BTreeSet::new();
        let beside = pending::apply(working, &steps, &nothing, Obstacles::Keep, monitor)?;
        rows.extend(beside.rows);
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Applied { rows, ..Applied::default() })
    })?;
    Ok(outcome)
}

/// Renames all of them, or none.
fn rename_all(
    working: &Working<'_>,
    walker: &mut Walker,
    moved: &[(RepoPath, RepoPath)],
) -> Result<(), Error> {
    let mut done = Vec::new();
    for (source, target) in moved {
        let row = working.index.get(source)?;
        if row.is_some_and(|row| row.presence == Presence::NotRepresentable) {
            // It is not there; `restore` brings it under its new name.
            continue;
        }
        let Err(error) = rename(walker, source, target) else {
            done.push((source, target));
            continue;
        };
        let back =
            done.into_iter().rev().try_for_each(|(source, target)| rename(walker, target, source));
        if back.is_ok() {
            // All is as it was, so there is nothing to be finished.
            pending::remove_note(working.repo)?;
        }
        return Err(error);
    }
    Ok(())
}

fn rename(walker: &mut Walker, source: &RepoPath, target: &RepoPath) -> Result<(), Error> {
    let failed = |path: &RepoPath| {
        let path = path.clone();
        move |source| Error::Worktree { path, source }
    };
    let (Some((from, name)), Some((to, new_name))) = (source.split(), target.split()) else {
        return Ok(());
    };
    let from = walker.open(&from).map_err(failed(source))?;
    let to = walker.open(&to).map_err(failed(target))?;
    from.rename(name, &*to, new_name).map_err(failed(target))
}

/// What the index knows of files goes with them: they need not be read again.
fn carry_rows(
    working: &Working<'_>,
    source: &RepoPath,
    target: &RepoPath,
    entry: &Entry,
    rows: &mut Vec<(RepoPath, Option<Tracked>)>,
) -> Result<(), Error> {
    let renamed = |known: Tracked| Tracked { name: target.name().to_vec(), ..known };
    let row = working.index.get(source)?.unwrap_or_else(|| Tracked::of_entry(entry));
    rows.push((source.clone(), None));
    rows.push((target.clone(), Some(renamed(row))));
    let mut stack = vec![(source.clone(), target.clone())];
    while let Some((from, to)) = stack.pop() {
        let Some(view) = working.index.directory(&from)? else { continue };
        for row in view.iter() {
            let known = row.tracked();
            let (below, new) = (from.join(row.name()), to.join(row.name()));
            if matches!(known.what, Known::Directory) {
                stack.push((below, new.clone()));
            }
            rows.push((new, Some(known)));
        }
    }
    Ok(())
}

//! `resolve`: says of paths that a merge left open, or that were recorded as conflicts, that they are
//! now as they should be.

use std::collections::BTreeSet;

use crate::object::{Entry, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules, Working};
use crate::worktree::Walker;

use super::merging::{self, Merging, Unmerged};
use super::pending::holds;
use super::{Error, add, begin, kept};

/// Which paths.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Files and directories.
    pub paths: Pathspec,
    /// Even with the markers still in them.
    pub force: bool,
    /// Only say which.
    pub dry_run: bool,
    /// Who says so.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The paths that are decided.
    pub resolved: Vec<RepoPath>,
    /// How many a merge under way has left, if there is one.
    pub left: Option<usize>,
}

/// Takes the files as they are.
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
    let merging = merging::find(repo)?;
    let working = repo.working(&options.rules, monitor)?;
    let unmerged = merging.as_ref().map_or(&[][..], |merging| &merging.unmerged);
    let (chosen, left): (Vec<&Unmerged>, Vec<&Unmerged>) =
        unmerged.iter().partition(|unmerged| options.paths.matches(&unmerged.path));
    let recorded = kept::recorded_at(&working, &options.paths)?;
    if chosen.is_empty() && recorded.is_empty() {
        let given = options.paths.inclusions().next().unwrap_or(".").to_owned();
        let is_known = |path: &&RepoPath| matches!(working.entry(path), Ok(Some(_)));
        if options.paths.plain_paths().unwrap_or_default().iter().any(is_known) {
            return Err(Error::NotInConflict(given));
        }
        return Err(match merging {
            None => Error::NotMerging,
            Some(_) => Error::NoMatch(given),
        });
    }
    if !options.force {
        let mut found = BTreeSet::new();
        if let Some(merging) = &merging {
            found.extend(marked(&working, merging, &chosen)?);
        }
        for (path, _) in &recorded {
            if kept::has_markers(&working, path)? {
                found.insert(path.clone());
            }
        }
        if !found.is_empty() {
            return Err(Error::Marked { paths: found.into_iter().collect() });
        }
    }
    let without_file = kept::without_file(&working, recorded.iter().map(|(path, _)| path))?;
    if !without_file.is_empty() {
        return Err(Error::NothingThere { paths: without_file });
    }
    let resolved: BTreeSet<RepoPath> = chosen
        .iter()
        .map(|unmerged| unmerged.path.clone())
        .chain(recorded.into_iter().map(|(path, _)| path))
        .collect();
    let outcome = Outcome {
        resolved: resolved.into_iter().collect(),
        left: merging.as_ref().map(|_| left.len()),
    };
    if options.dry_run {
        return Ok(outcome);
    }
    if let Some(merging) = &merging {
        // What the merge wrote beside them has served its purpose.
        merging.tidy_beside(&working, |path| outcome.resolved.contains(path))?;
    }
    drop(working);
    let adding = add::Options {
        paths: Pathspec::of_paths(outcome.resolved.iter().cloned()),
        only_tracked: false,
        force: true,
        dry_run: false,
        actor: options.actor.clone(),
        rules: options.rules,
    };
    begin::until_undisturbed(repo, || add::stage(repo, &adding, "resolve", monitor))?;
    Ok(outcome)
}

/// Those that are still the text with markers that the merge wrote.
fn marked(
    working: &Working<'_>,
    merging: &Merging,
    chosen: &[&Unmerged],
) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut found = Vec::new();
    for Unmerged { path, stages } in chosen {
        let Some(merged) = merging.merged else { continue };
        let written: Option<Entry> = crate::repo::find_entry(working.repo.store(), &merged, path)?;
        let Some(written) = written.filter(|entry| matches!(entry.what, What::File { .. })) else {
            continue;
        };
        let is_a_version = stages.iter().flatten().any(|stage| stage.what == written.what);
        let Some((parent, name)) = path.split() else { continue };
        let Ok(dir) = walker.open(&parent) else { continue };
        let Ok(stat) = dir.stat(name) else { continue };
        if !is_a_version && holds(working.repo, &*dir, name, &stat, &written)? {
            found.push(path.clone());
        }
    }
    Ok(found)
}

//! `rm`: stages the removal of files, and removes them from the working tree.

use crate::diff;
use crate::index::{Base, Update};
use crate::object::Node;
use crate::object::tree::Edit;
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules};
use crate::store::{Batch, Error as StoreError};
use crate::worktree::{Step, Walker};

use super::pending::{self, Plan};
use super::{Error, begin, merging, staging, travel};

/// What to remove.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Which paths.
    pub paths: Pathspec,
    /// Leave the files in the working tree.
    pub cached: bool,
    /// Directories too.
    pub recursive: bool,
    /// Even what is not saved.
    pub force: bool,
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Who removes.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What was removed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The files.
    pub removed: Vec<RepoPath>,
}

/// Removes.
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
    let now = working.base.tree.unwrap_or_else(Node::empty_id);
    let mut steps: Vec<Step> = Vec::new();
    diff::trees::<_, StoreError>(repo.store(), Some(&now), None, &options.paths, &mut |change| {
        steps.push(Step { path: change.path, old: change.old, new: None });
        Ok(())
    })?;
    if steps.is_empty() {
        let given = options.paths.inclusions().next().unwrap_or(".").to_owned();
        return Err(Error::NoMatch(given));
    }
    if !options.recursive {
        let named = options.paths.plain_paths().unwrap_or_default();
        for path in named {
            if working.entry(path)?.is_some_and(|entry| entry.is_directory()) {
                return Err(Error::IsDirectory(path.clone()));
            }
        }
    }
    if !options.force && !options.cached {
        let paths = travel::in_the_way(&working, &steps)?;
        if !paths.is_empty() {
            return Err(Error::WouldRemove { paths });
        }
        // What is staged and nowhere else would be lost with the file.
        let staged = super::status::staged_changes(&working, &options.paths)?;
        let paths: Vec<RepoPath> = staged
            .into_iter()
            .filter(|change| change.new.is_some())
            .map(|change| change.path)
            .collect();
        if !paths.is_empty() {
            return Err(Error::WouldRemove { paths });
        }
    }
    let outcome = Outcome { removed: steps.iter().map(|step| step.path.clone()).collect() };
    if options.dry_run {
        return Ok(outcome);
    }
    let edits: Vec<Edit> =
        steps.iter().map(|step| Edit { path: step.path.clone(), entry: None }).collect();
    // What was recorded empty is not removed with what was to be in it, unless it is named.
    let recorded = working.head_tree.unwrap_or_else(Node::empty_id);
    let is_left = |path: &RepoPath| !options.paths.matches(path);
    let edits = staging::keeping_recorded(repo.store(), &now, &recorded, edits, is_left)?;
    let batch = Batch::begin(repo.store())?;
    let tree = staging::tree_with(&batch, Some(&now), edits)?;
    let verb = if options.cached { "rm --cached" } else { "rm" };
    let decided = merging::decide(repo, &batch, verb, |path| {
        steps.binary_search_by(|step| step.path.cmp(path)).is_ok()
    })?;
    let sealed = batch.seal()?;
    if options.cached {
        staging::publish(&working, verb, &options.actor, tree, sealed, decided)?;
        let rows = steps.iter().map(|step| (step.path.clone(), None)).collect();
        let base = Base { commit: working.base.commit, tree: Some(tree) };
        let _ = working.index.update(Update::new(base, rows))?;
        return Ok(outcome);
    }
    let mut plan = Plan::of_staging(&working, verb, &options.actor, tree, sealed)?;
    plan.refs.extend(decided);
    let applied = pending::carry_out(&mut working, plan, monitor)?;
    if let Some(failed) = applied.failed.into_iter().next() {
        return Err(Error::Worktree { path: failed.path, source: failed.error });
    }
    remove_empty(&working, &steps, tree)?;
    Ok(outcome)
}

/// Removes directories that are empty now and not recorded.
fn remove_empty(
    working: &crate::repo::Working<'_>,
    steps: &[Step],
    tree: crate::hash::Id,
) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    for step in steps.iter().rev() {
        let Some((mut above, _)) = step.path.split() else { continue };
        while let Some((parent, name)) = above.split() {
            let is_recorded =
                crate::repo::find_entry(working.repo.store(), &tree, &above)?.is_some();
            let Ok(dir) = walker.open(&parent) else { break };
            if is_recorded || dir.remove_dir(name).is_err() {
                break;
            }
            above = parent;
        }
    }
    Ok(())
}

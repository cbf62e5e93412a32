//! `restore`: brings files back as they were recorded, in the working tree or in what is staged.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::diff;
use crate::disk::FileKind;
use crate::hash::Id;
use crate::index::{Base, Presence};
use crate::object::tree::Edit;
use crate::object::{Entry, Node};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Repository, Rules, Working, find_entry};
use crate::store::{Batch, Error as StoreError, Publication, Store};
use crate::worktree::scan::{self, ChangeKind, DirectoryFound, Nested, Untracked, Visitor};
use crate::worktree::{Failed, Obstacles, Step, Walker, steps_between};

use super::pending::{self, Before, Lost, Pending, Plan};
use super::{Error, begin, kept, moved, revisions, staging, travel};

/// A side of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What was there before the merge.
    Ours,
    /// What came with it.
    Theirs,
}

/// What to bring back.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// From which revision; else from what is staged, or for `staged` from HEAD.
    pub source: Option<Vec<u8>>,
    /// Which paths.
    pub paths: Pathspec,
    /// In what is staged.
    pub staged: bool,
    /// In the working tree.
    pub worktree: bool,
    /// Of paths that a merge left open, this side's version.
    pub side: Option<Side>,
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
    /// Files written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that are no longer staged.
    pub unstaged: u64,
    /// Paths concerned, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

/// Brings back.
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
    let source = match &options.source {
        Some(text) => Some(revisions::tree(repo, text, monitor)?),
        None => None,
    };
    let mut outcome = Outcome::default();
    if let Some(side) = options.side {
        let actor = options.actor.to_actor();
        let (tree, paths) = super::merge::side_of(&working, &options.paths, side, &actor)?;
        let options = Options { paths, ..options.clone() };
        bring_back(&mut working, Some(tree), &options, &mut outcome, monitor)?;
        return Ok(outcome);
    }
    if options.staged {
        unstage(&mut working, source, options, &mut outcome)?;
        if options.worktree {
            working = repo.working(&options.rules, monitor)?;
        }
    }
    if options.worktree {
        bring_back(&mut working, source, options, &mut outcome, monitor)?;
    }
    Ok(outcome)
}

/// What is staged of these paths becomes what it is in HEAD, or in the source.
fn unstage(
    working: &mut Working<'_>,
    source: Option<Id>,
    options: &Options<'_>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let repo = working.repo;
    let base = working.head_tree.unwrap_or_else(Node::empty_id);
    let now = working.base.tree.unwrap_or_else(Node::empty_id);
    let goal = source.unwrap_or(base);
    for path in options.paths.plain_paths().unwrap_or_default() {
        let is_in = |tree| Ok::<_, Error>(find_entry(repo.store(), tree, path)?.is_some());
        if !path.is_root() && !is_in(&now)? && !is_in(&goal)? {
            return Err(Error::NoMatch(path.to_string()));
        }
    }
    let mut edits = Vec::new();
    diff::trees::<_, StoreError>(
        repo.store(),
        Some(&now),
        Some(&goal),
        &options.paths,
        &mut |change| {
            edits.push(Edit { path: change.path, entry: change.new });
            Ok(())
        },
    )?;
    outcome.unstaged = edits.len() as u64;
    if options.dry_run {
        outcome.would_change.extend(edits.into_iter().map(|edit| edit.path));
        return Ok(());
    }
    if edits.is_empty() {
        return Ok(());
    }
    let edits = staging::keeping_recorded(repo.store(), &now, &goal, edits, |_| true)?;
    let batch = Batch::begin(repo.store())?;
    let tree = staging::tree_with(&batch, Some(&now), edits)?;
    let staged = (tree != base).then_some((tree, base));
    let publication = Publication::new("restore", &options.actor.to_actor())
        .with_packs(batch.seal()?)
        .with_refs(moved::staged(repo, staged, "restore"));
    repo.store().publish(publication)?;
    travel::adopt(working, Base { commit: working.base.commit, tree: Some(tree) })
}

fn bring_back(
    working: &mut Working<'_>,
    source: Option<Id>,
    options: &Options<'_>,
    outcome: &mut Outcome,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let store = working.repo.store();
    let recorded = source.or(working.base.tree);
    let changed = changed_paths(working, &options.paths, monitor)?;
    if let Some(source) = &source {
        check_decided(working, source, &options.paths)?;
    }
    let mut goal = recorded;
    let mut steps = Vec::new();
    if !options.dry_run {
        let actor = options.actor.to_actor();
        // Of a conflict that is named, what is gone from beside it comes back too.
        let mut shown = changed.clone();
        for path in options.paths.plain_paths().unwrap_or_default() {
            if working.entry(path)?.is_some_and(|entry| kept::terms(&entry).is_some()) {
                shown.push(path.clone());
            }
        }
        let trees = kept::show(working, ("restore", &actor), recorded, recorded, &shown)?;
        goal = trees.to;
        let mut walker = Walker::new(working.tree.root.clone());
        for (path, entry) in trees.beside {
            let Some((parent, name)) = path.split() else { continue };
            if walker.open(&parent).and_then(|dir| dir.stat(name)).is_err() {
                steps.push(Step { path, old: None, new: Some(entry) });
            }
        }
    }
    for path in changed {
        let new = match &goal {
            Some(goal) => find_entry(store, goal, &path)?,
            None => None,
        };
        if new.is_none()
            && let Some(base) = &working.base.tree
        {
            // It goes though it was changed.
            let old = find_entry(store, base, &path)?;
            steps.push(Step { path, old, new });
            continue;
        }
        expand(store, path, new, &mut steps)?;
    }
    if let Some(source) = &source {
        let from = working.base.tree.as_ref();
        steps.extend(steps_between(store, from, Some(source), &options.paths)?);
    }
    with_parents(working, goal.as_ref(), &mut steps)?;
    if options.dry_run {
        outcome.would_change.extend(travel::would_change(steps));
        return Ok(());
    }
    if steps.is_empty() {
        if goal.is_none() || !matches_anything(working, goal.as_ref(), options)? {
            let given = options.paths.inclusions().next().unwrap_or(".").to_owned();
            return Err(Error::NoMatch(given));
        }
        return Ok(());
    }
    let obstacles = Obstacles::Remove;
    let thrown_away = Lost {
        changed: &BTreeSet::new(),
        steps: &steps,
        is_lost: &|_| true,
        before: Before::Unknown,
        obstacles,
    };
    let overwritten = thrown_away.stamps(working);
    let pending = Pending {
        verb: "restore".to_owned(),
        actor: options.actor.to_actor(),
        boot: None,
        from: None,
        to: goal,
        paths: steps.iter().map(|step| step.path.as_bytes().to_vec()).collect(),
        adopts: false,
        index: None,
        commit: working.base.commit,
        refs: Vec::new(),
        overwritten,
    };
    let plan = Plan { pending, steps, obstacles, sealed: None, refs: Vec::new() };
    let applied = pending::carry_out(working, plan, monitor)?;
    if source.is_none() {
        // What was brought back is what the index describes.
        let mut rows = applied.rows;
        kept::as_recorded(working.repo.store(), recorded.as_ref(), goal.as_ref(), &mut rows)?;
        let mut update = crate::index::Update::new(working.base, rows);
        if let Some(boot) = working.repo.disk().boot_id() {
            update.unsynced = crate::index::Unsynced::Under(boot);
        }
        let _ = working.index.update(update)?;
    }
    outcome.written = applied.files;
    outcome.bytes = applied.bytes;
    outcome.removed = applied.removed;
    outcome.failed = applied.failed;
    outcome.not_representable = applied.not_representable;
    Ok(())
}

/// A conflict that stands elsewhere and not in the index would be a file like any other here, markers
/// and all: it can only be taken for what it is.
fn check_decided(working: &Working<'_>, source: &Id, paths: &Pathspec) -> Result<(), Error> {
    let mut undecided = Vec::new();
    diff::trees::<_, StoreError>(
        working.repo.store(),
        working.base.tree.as_ref(),
        Some(source),
        paths,
        &mut |change| {
            if change.new.is_some_and(|new| kept::terms(&new).is_some()) {
                undecided.push(change.path);
            }
            Ok(())
        },
    )?;
    match undecided.is_empty() {
        true => Ok(()),
        false => Err(Error::Undecided { paths: undecided }),
    }
}

/// Whether the paths name anything that is recorded.
fn matches_anything(
    working: &Working<'_>,
    goal: Option<&Id>,
    options: &Options<'_>,
) -> Result<bool, Error> {
    if options.paths.is_all() {
        return Ok(true);
    }
    let differs = diff::differ(working.repo.store(), None, goal, &options.paths)?;
    Ok(differs)
}

/// Adds the directories that the steps need and that are not there; sorts, each path once.
pub(super) fn with_parents(
    working: &Working<'_>,
    goal: Option<&Id>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut looked_at: BTreeSet<RepoPath> = BTreeSet::new();
    let mut missing = Vec::new();
    for step in steps.iter().filter(|step| step.new.is_some()) {
        let mut path = step.path.clone();
        while let Some((parent, _)) = path.split() {
            if parent.is_root() || !looked_at.insert(parent.clone()) {
                break;
            }
            if walker.open(&parent).is_err()
                && let Some(goal) = goal
            {
                let new = find_entry(working.repo.store(), goal, &parent)?;
                missing.push(Step { path: parent.clone(), old: None, new });
            }
            path = parent;
        }
    }
    steps.append(&mut missing);
    steps.sort_by(|a, b| a.path.cmp(&b.path));
    steps.dedup_by(|missing, step| {
        let is_one = missing.path == step.path;
        let was_and_stays = [&step.old, &step.new];
        if is_one && was_and_stays.iter().all(|one| one.as_ref().is_some_and(Entry::is_directory)) {
            // It was a directory and is gone: it has to be made.
            step.old = None;
        }
        is_one
    });
    Ok(())
}

/// A step for a path and, if a directory is to be there, for everything in it.
pub(super) fn expand(
    store: &Store,
    path: RepoPath,
    new: Option<Entry>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let tree = new.as_ref().and_then(Entry::tree);
    steps.push(Step { path: path.clone(), old: None, new });
    if let Some(tree) = tree {
        diff::entries::<_, StoreError>(
            store,
            None,
            Some(&tree),
            &Pathspec::all(),
            &mut |change| {
                let mut below = path.as_bytes().to_vec();
                below.push(b'/');
                below.extend_from_slice(change.path.as_bytes());
                if let Ok(path) = RepoPath::new(below) {
                    steps.push(Step { path, old: None, new: change.new });
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

#[derive(Default)]
struct Paths(Mutex<Vec<Changed>>);

/// A path, and whether it is a directory that is not there.
type Changed = (RepoPath, bool);

impl Visitor for Paths {
    fn directory(&self, found: DirectoryFound<'_>) {
        let changed: Vec<Changed> = found
            .changes
            .iter()
            .filter(|change| !matches!(change.kind, ChangeKind::Added | ChangeKind::Undecided))
            .map(|change| {
                let was_directory = change
                    .tracked
                    .as_ref()
                    .is_some_and(|known| known.what == crate::index::Known::Directory);
                (found.path.join(&change.name), was_directory)
            })
            .chain(
                found
                    .directories
                    .iter()
                    .filter(|sub| {
                        sub.tracked.as_ref().is_some_and(|known| known.mode != sub.stat.mode)
                    })
                    .map(|sub| (found.path.join(&sub.name), false)),
            )
            .collect();
        if !changed.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(changed);
        }
    }
}

/// Tracked paths whose files are or may be other than recorded, sorted.
pub(super) fn changed_paths(
    working: &Working<'_>,
    paths: &Pathspec,
    monitor: &dyn Monitor,
) -> Result<Vec<RepoPath>, Error> {
    let request = scan::Request {
        root: &working.tree.root,
        index: &working.index,
        volume: &working.volume,
        ignore: &working.ignore,
        pathspec: paths,
        untracked: Untracked::No,
        spare: false,
        tell_ignored: false,
        nested: Nested::Skip,
        boot: working.repo.disk().boot_id(),
    };
    let found = Paths::default();
    monitor.begin(Stage::Scanning, None, None);
    scan::scan(&request, &found, monitor).map_err(crate::worktree::record::Error::from)?;
    let mut found = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    // What was in a directory that is gone is brought back with it.
    found.dedup_by(|(path, _), (before, is_gone)| *is_gone && path.is_within(before));
    let mut found: Vec<RepoPath> = found.into_iter().map(|(path, _)| path).collect();
    not_brought(working, paths, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// What is tracked and is not here, though nobody deleted it. What the file system had no place for
/// may have one now.
fn not_brought(
    working: &Working<'_>,
    paths: &Pathspec,
    found: &mut Vec<RepoPath>,
) -> Result<(), Error> {
    let mut stack = vec![RepoPath::root()];
    while let Some(directory) = stack.pop() {
        let Some(view) = working.index.directory(&directory)? else { continue };
        for row in view.iter() {
            let is_directory = row.kind() == Some(FileKind::Directory);
            let is_here = row.presence() == Presence::Here;
            if !is_directory && is_here {
                continue;
            }
            let path = directory.join(row.name());
            if !is_here && paths.matches(&path) {
                found.push(path.clone());
            }
            if is_directory && paths.may_match_below(&path) {
                stack.push(path);
            }
        }
    }
    Ok(())
}

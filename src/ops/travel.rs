//! Going from the tree that the index describes to another one, with the working tree and the refs.
//!
//! What is planned here is carried out by [`pending`](super::pending), so that it can be finished
//! whatever happens. Nothing unsaved is overwritten unless that was asked for.

use std::collections::BTreeSet;

use crate::hash::Id;
use crate::index::{Base, Presence, Tracked, Update};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Working};
use crate::store::RefEdit;
use crate::worktree::{Obstacles, Step, Walker, steps_between};

use super::pending::{self, Before, Lost, Pending, Plan, holds};
use super::{Error, kept, restore};

/// What becomes of unsaved work that is in the way.
pub(super) enum Unsaved {
    /// It stays, and nothing happens.
    Keep,
    /// It is thrown away, and so is all that is not recorded of tracked files.
    Discard,
    /// At these paths it is thrown away, at others it stays.
    DiscardAt(BTreeSet<RepoPath>),
}

/// Where to go.
pub(super) struct Journey {
    /// Which command goes.
    pub(super) verb: &'static str,
    /// For whom.
    pub(super) actor: String,
    /// The commit that HEAD is on afterwards.
    pub(super) commit: Option<Id>,
    /// The tree that the working tree has: what the index describes, and perhaps more.
    pub(super) from: Option<Id>,
    /// The tree that the working tree has afterwards.
    pub(super) tree: Option<Id>,
    /// The tree the index describes then, if it is another one: what `tree` has besides is written
    /// and not tracked.
    pub(super) index: Option<Id>,
    /// The refs that move.
    pub(super) refs: Vec<RefEdit>,
    /// What becomes of unsaved work.
    pub(super) unsaved: Unsaved,
    /// Only to say what would change: nothing is stored, so conflicts are not shown.
    pub(super) dry_run: bool,
}

impl Journey {
    /// From where one is to nowhere yet, with nothing unsaved lost.
    pub(super) fn new(verb: &'static str, actor: &Person, working: &Working<'_>) -> Self {
        Self {
            verb,
            actor: actor.to_actor(),
            commit: working.head.commit(),
            from: working.base.tree,
            tree: None,
            index: None,
            refs: Vec::new(),
            unsaved: Unsaved::Keep,
            dry_run: false,
        }
    }
}

/// What has to be done to get there.
pub(super) fn plan(
    working: &Working<'_>,
    mut journey: Journey,
    monitor: &dyn Monitor,
) -> Result<Plan, Error> {
    let found = match &journey.unsaved {
        Unsaved::Discard => restore::changed_paths(working, &Pathspec::all(), monitor)?,
        Unsaved::DiscardAt(paths) if !paths.is_empty() => {
            let paths = Pathspec::of_paths(paths.iter().cloned());
            restore::changed_paths(working, &paths, monitor)?
        }
        Unsaved::DiscardAt(_) | Unsaved::Keep => Vec::new(),
    };
    monitor.begin(Stage::Comparing, None, None);
    if !journey.dry_run {
        let said = (journey.verb, &journey.actor[..]);
        let mut shown = found.clone();
        if matches!(journey.unsaved, Unsaved::Discard) {
            // What stands beside a conflict is not tracked: nothing else tells that it is gone.
            shown.extend(kept::incomplete(working)?);
        }
        let trees = kept::show(working, said, journey.from, journey.tree, &shown)?;
        if trees.to != journey.tree {
            journey.index = journey.index.or(journey.tree);
        }
        (journey.from, journey.tree) = (trees.from, trees.to);
    }
    let (from, to) = (journey.from.as_ref(), journey.tree.as_ref());
    let mut steps = steps_between(working.repo.store(), from, to, &Pathspec::all())?;
    add_held_back(working, journey.tree, &mut steps)?;
    let nothing = BTreeSet::new();
    let lost = match &journey.unsaved {
        Unsaved::Keep => Some(&nothing),
        Unsaved::Discard => None,
        Unsaved::DiscardAt(paths) => Some(paths),
    };
    if lost.is_none_or(|lost| !lost.is_empty()) {
        add_changed(working, journey.tree, &found, &mut steps)?;
    } else {
        restore::with_parents(working, journey.tree.as_ref(), &mut steps)?;
    }
    let changed = BTreeSet::from_iter(found);
    if let Some(lost) = lost {
        let mut paths = in_the_way(working, &steps)?;
        paths.retain(|path| !lost.contains(path));
        if !paths.is_empty() {
            return Err(Error::WouldOverwrite { paths });
        }
    }
    let obstacles = match journey.unsaved {
        Unsaved::Discard => Obstacles::Remove,
        Unsaved::Keep | Unsaved::DiscardAt(_) => Obstacles::Keep,
    };
    let thrown_away = Lost {
        changed: &changed,
        steps: &steps,
        is_lost: &|step| lost.is_none_or(|lost| lost.contains(&step.path)),
        before: Before::Known,
        obstacles,
    };
    let overwritten = thrown_away.stamps(working);
    let pending = Pending {
        verb: journey.verb.to_owned(),
        actor: journey.actor,
        boot: None,
        from: journey.from,
        to: journey.tree,
        paths: Vec::new(),
        adopts: true,
        index: journey.index,
        commit: journey.commit,
        refs: Vec::new(),
        overwritten,
    };
    Ok(Plan { pending, steps, obstacles, sealed: None, refs: journey.refs })
}

/// What a dry run names: the paths that steps change. A directory that stays one is told of by what
/// changes in it.
pub(super) fn would_change(steps: Vec<Step>) -> Vec<RepoPath> {
    let stays = |step: &Step| match (&step.old, &step.new) {
        (Some(old), Some(new)) => old.is_directory() && new.is_directory() && old.mode == new.mode,
        _ => false,
    };
    steps.into_iter().filter(|step| !stays(step)).map(|step| step.path).collect()
}

/// Makes the index describe another tree and leaves the files as they are. What is not among them
/// was deleted, unless the index knew it as not brought here.
pub(super) fn adopt(working: &mut Working<'_>, base: Base) -> Result<(), Error> {
    if working.index.is_lost() {
        return Ok(());
    }
    let (from, to) = (working.base.tree.as_ref(), base.tree.as_ref());
    let steps = steps_between(working.repo.store(), from, to, &Pathspec::all())?;
    // What the file system has no place for was not deleted.
    let taken = pending::taken(working, &steps)?;
    let mut rows = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        let known = working.index.get(&step.path)?.filter(|_| step.old.is_some());
        let cannot = taken.contains(&at) || !working.volume.can_hold(step.path.name());
        let otherwise = if cannot { Presence::NotRepresentable } else { Presence::Here };
        let row = step.new.as_ref().map(|entry| Tracked {
            presence: known.map_or(otherwise, |known| known.presence),
            ..Tracked::of_entry(entry)
        });
        rows.push((step.path, row));
    }
    // A cache: whoever finds it behind catches up.
    let _ = working.index.update(Update::new(base, rows))?;
    Ok(())
}

/// Where a name goes, what the file system took for the same may have its place now.
fn add_held_back(
    working: &Working<'_>,
    goal: Option<Id>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let (Some(goal), false) = (goal, working.volume.tells_names_apart()) else { return Ok(()) };
    let left: BTreeSet<RepoPath> = steps
        .iter()
        .filter(|step| step.new.is_none())
        .filter_map(|step| step.path.split().map(|(parent, _)| parent))
        .collect();
    let mut found = Vec::new();
    for directory in left {
        let Some(view) = working.index.directory(&directory)? else { continue };
        for row in view.iter().filter(|row| row.presence() == Presence::NotRepresentable) {
            let path = directory.join(row.name());
            let is_step = steps.binary_search_by(|step| step.path.cmp(&path)).is_ok();
            if !is_step && working.volume.can_hold(row.name()) {
                found.push(path);
            }
        }
    }
    for path in found {
        let new = crate::repo::find_entry(working.repo.store(), &goal, &path)?;
        if new.is_some() {
            restore::expand(working.repo.store(), path, new, steps)?;
        }
    }
    steps.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// What differs from what is recorded at these paths is written anew.
fn add_changed(
    working: &Working<'_>,
    goal: Option<Id>,
    changed: &[RepoPath],
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut more = Vec::new();
    for path in changed.iter().cloned() {
        let new = match steps.binary_search_by(|step| step.path.cmp(&path)) {
            Err(_) => match goal {
                Some(goal) => crate::repo::find_entry(working.repo.store(), &goal, &path)?,
                None => None,
            },
            Ok(at) => {
                let step = &mut steps[at];
                let Some(new) = &step.new else { continue };
                if new.is_directory() {
                    // With a directory that is gone, what is in it and stays the same is gone too.
                    if walker.open(&path).is_ok() {
                        continue;
                    }
                    Some(new.clone())
                } else {
                    // What is there is not what was recorded: the content has to be written, even
                    // if it stays the same.
                    if step.old.as_ref().is_some_and(|old| !old.is_directory()) {
                        step.old = None;
                    }
                    continue;
                }
            }
        };
        restore::expand(working.repo.store(), path, new, &mut more)?;
    }
    steps.append(&mut more);
    restore::with_parents(working, goal.as_ref(), steps)
}

/// The paths where something unsaved stands in the way of the steps.
pub(super) fn in_the_way(working: &Working<'_>, steps: &[Step]) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut found = Vec::new();
    // What stands there under another spelling is asked about by its own name.
    let taken = pending::taken(working, steps)?;
    for (at, step) in steps.iter().enumerate() {
        if taken.contains(&at) {
            continue;
        }
        let Some((parent, name)) = step.path.split() else { continue };
        let Ok(dir) = walker.open(&parent) else { continue };
        let Ok(stat) = dir.stat(name) else { continue };
        let is_directory = stat.kind == crate::disk::FileKind::Directory;
        if is_directory {
            // A directory in the way of a file is in the way by what is in it, which is asked
            // about by itself; untracked files in it keep it, and the file cannot be written.
            let wants_file = step.new.as_ref().is_some_and(|new| !new.is_directory());
            let was_directory = step.old.as_ref().is_some_and(crate::object::Entry::is_directory);
            if wants_file && (!was_directory || has_untracked(working, &*dir, name, &step.path)?) {
                found.push(step.path.clone());
            }
            continue;
        }
        if step.new.as_ref().is_some_and(crate::object::Entry::is_directory)
            && step.old.as_ref().is_some_and(crate::object::Entry::is_directory)
        {
            found.push(step.path.clone());
            continue;
        }
        let known = working.index.get(&step.path)?;
        let is_known = known.as_ref().is_some_and(|known| {
            known.seen.is_some_and(|seen| {
                seen.matches(&stat, &working.volume) == crate::index::Matches::Same
            })
        });
        if is_known && step.old.is_some() {
            continue;
        }
        let is_one = |entry: &Option<crate::object::Entry>| match entry {
            Some(entry) => holds(working.repo, &*dir, name, &stat, entry),
            None => Ok(false),
        };
        if !is_one(&step.old)? && !is_one(&step.new)? {
            found.push(step.path.clone());
        }
    }
    Ok(found)
}

/// Whether something that is not tracked is in a directory, or in one below it.
fn has_untracked(
    working: &Working<'_>,
    dir: &dyn crate::disk::Dir,
    name: &[u8],
    path: &RepoPath,
) -> Result<bool, Error> {
    let Ok(dir) = dir.dir(name) else { return Ok(false) };
    for found in dir.list().unwrap_or_default() {
        let Ok(()) = crate::path::check_name(&found.name) else { return Ok(true) };
        let below = path.join(&found.name);
        if working.index.get(&below)?.is_none()
            || (found.kind != Some(crate::disk::FileKind::File)
                && has_untracked(working, &*dir, &found.name, &below)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

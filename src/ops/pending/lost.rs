//! Finding what a command is about to throw away, before its note is written.
//!
//! Whoever finishes the change may throw away just that: it is named with what it looks like now, and
//! what cannot be looked at is not known again and stays. Deliberately absent: whether it may be
//! thrown away at all, which the command has asked before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::note::{Overwritten, Stamp};
use crate::disk::{self, Dir, DirRef, FileKind};
use crate::path::RepoPath;
use crate::repo::Working;
use crate::worktree::{Obstacles, Step, Walker, is_of_repository};

/// Whether whoever finishes the change can tell what was there before by a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Before {
    /// What the steps' `old` says is known.
    Known,
    /// Nothing is known of it.
    Unknown,
}

/// What is to be thrown away.
pub(in crate::ops) struct Lost<'a> {
    /// Tracked paths that are not as they were recorded.
    pub(in crate::ops) changed: &'a BTreeSet<RepoPath>,
    /// What is done, sorted by path.
    pub(in crate::ops) steps: &'a [Step],
    /// Of which of the steps what stands in their place is thrown away.
    pub(in crate::ops) is_lost: &'a dyn Fn(&Step) -> bool,
    /// What of it a tree tells.
    pub(in crate::ops) before: Before,
    /// Whether a directory that stands where a file is to be goes with all that is in it.
    pub(in crate::ops) obstacles: Obstacles,
}

impl Lost<'_> {
    /// What stands now at these paths, where no tree tells. What cannot be looked at cannot be known
    /// again either, and then it stays.
    pub(in crate::ops) fn stamps(&self, working: &Working<'_>) -> Vec<Overwritten> {
        let mut walker = Walker::new(working.tree.root.clone());
        let mut all: BTreeMap<RepoPath, Option<Stamp>> = BTreeMap::new();
        for path in self.changed {
            let step = self.steps.binary_search_by(|step| step.path.cmp(path));
            let was = match (step, look(&mut walker, path)) {
                (Ok(at), Some((dir, stat))) => {
                    self.add_below(&self.steps[at], &*dir, &mut all);
                    gives_way(&self.steps[at], &stat).then(|| Stamp::of(&stat))
                }
                _ => None,
            };
            all.insert(path.clone(), was);
        }
        for step in self.steps {
            if !(self.is_lost)(step) || self.changed.contains(&step.path) {
                continue;
            }
            let is_told = step.old.is_some() && self.before == Before::Known;
            // Of the many files that only differ between two trees none need be looked at.
            if is_told && !(step.was_directory() && wants_file(step)) {
                continue;
            }
            let Some((dir, stat)) = look(&mut walker, &step.path) else { continue };
            self.add_below(step, &*dir, &mut all);
            if !is_told && gives_way(step, &stat) {
                all.insert(step.path.clone(), Some(Stamp::of(&stat)));
            }
        }
        let one = |(path, was): (RepoPath, _)| Overwritten { path: path.as_bytes().to_vec(), was };
        all.into_iter().map(one).collect()
    }

    /// All that is in a directory that stands where a file is to be; nothing if a repository is in
    /// it, which is never removed.
    fn add_below(&self, step: &Step, dir: &dyn Dir, all: &mut BTreeMap<RepoPath, Option<Stamp>>) {
        let mut found = Vec::new();
        if wants_file(step)
            && self.obstacles == Obstacles::Remove
            && let Ok(dir) = dir.dir(step.path.name())
            && stamp_below(&*dir, &step.path, &mut found).is_ok_and(|is_all| is_all)
        {
            all.extend(found.into_iter().map(|(path, stamp)| (path, Some(stamp))));
        }
    }
}

fn wants_file(step: &Step) -> bool {
    step.new.is_some() && !step.will_be_directory()
}

/// Whether what stands there goes with the step.
fn gives_way(step: &Step, stat: &disk::Stat) -> bool {
    let is_directory = stat.kind == FileKind::Directory;
    match (&step.old, &step.new) {
        // What is a directory stays one.
        (_, Some(new)) => !(new.is_directory() && is_directory),
        // What is of another kind is not what was to go.
        (Some(old), None) => old.is_directory() == is_directory,
        (None, None) => false,
    }
}

/// What stands at a path, and the directory it is in.
fn look(walker: &mut Walker, path: &RepoPath) -> Option<(DirRef, disk::Stat)> {
    let (parent, name) = path.split()?;
    let dir = walker.open(&parent).ok()?;
    let stat = dir.stat(name).ok()?;
    Some((dir, stat))
}

/// Finds all that is in a directory; false if a repository is.
fn stamp_below(
    dir: &dyn Dir,
    path: &RepoPath,
    found: &mut Vec<(RepoPath, Stamp)>,
) -> io::Result<bool> {
    for one in dir.list()? {
        if is_of_repository(&one.name) {
            return Ok(false);
        }
        let below = path.join(&one.name);
        let stat = dir.stat(&one.name)?;
        found.push((below.clone(), Stamp::of(&stat)));
        if stat.kind == FileKind::Directory && !stamp_below(&*dir.dir(&one.name)?, &below, found)? {
            return Ok(false);
        }
    }
    Ok(true)
}

//! Changing the working tree from what one tree says to what another says.
//!
//! Small new files are written in place, large ones and what replaces others beside and renamed.
//! Nothing is synced here: who calls has announced the change and marks what was written as not yet
//! durable. Every directory is opened one name at a time without following symbolic links, so
//! nothing is ever written outside the working tree, whatever a tree says.
//!
//! What the file system cannot hold is not written: names and links it does not have, and names it
//! takes for that of something else that stays or came first. Their rows say so, and what stands in
//! the place is neither replaced nor removed in their name.

mod content;
mod directories;
mod files;
mod names;
mod nested;
mod remove;
mod shares;

use std::collections::BTreeSet;
use std::io;

use crate::clock::Random;
use crate::diff;
use crate::disk::DirRef;
use crate::hash::Id;
use crate::index::{Index, Presence, Tracked, Volume};
use crate::object::{Entry, Source};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::store::{Error as StoreError, Store};

use super::walker::Walker;

use directories::{finish_directories, make_directories};
use files::write_files;
use names::Names;
use remove::remove;

pub(crate) use nested::{holds_repository, is_of_repository};

/// What becomes of one path.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub path: RepoPath,
    /// What the tree before says of it.
    pub old: Option<Entry>,
    /// What the tree after says of it.
    pub new: Option<Entry>,
}

impl Step {
    /// Whether a directory was there.
    pub fn was_directory(&self) -> bool {
        self.old.as_ref().is_some_and(Entry::is_directory)
    }

    /// Whether a directory is to be there.
    pub fn will_be_directory(&self) -> bool {
        self.new.as_ref().is_some_and(Entry::is_directory)
    }
}

/// What goes from one tree to another, where the paths are meant. A tree that is `None` is empty.
pub fn steps_between<S: Source<Error = StoreError>>(
    source: &S,
    from: Option<&Id>,
    to: Option<&Id>,
    pathspec: &Pathspec,
) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    diff::entries::<_, StoreError>(source, from, to, pathspec, &mut |change| {
        steps.push(Step { path: change.path, old: change.old, new: change.new });
        Ok(())
    })?;
    Ok(steps)
}

/// A path that could not be changed, and why.
#[derive(Debug)]
pub struct Failed {
    /// Which.
    pub path: RepoPath,
    /// Why.
    pub error: io::Error,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the index should say of each path now; `None` removes it.
    pub rows: Vec<(RepoPath, Option<Tracked>)>,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
}

/// What becomes of what is not recorded and stands where something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacles {
    /// It stays, and what was to be there is not written.
    Keep,
    /// It is removed: of a directory everything that is in it, unless a repository is.
    Remove,
}

/// Where and how to write.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The root of the working tree.
    pub root: &'a DirRef,
    /// What its file system can express.
    pub volume: &'a Volume,
    /// What is known to be in it.
    pub index: &'a Index,
    /// Paths that no step names and that are as they should be, whatever the index says.
    pub settled: &'a BTreeSet<RepoPath>,
    /// What becomes of what stands in the way.
    pub obstacles: Obstacles,
    /// Where content comes from.
    pub store: &'a Store,
    /// Makes temporary names.
    pub random: &'a dyn Random,
    /// Is told.
    pub monitor: &'a dyn Monitor,
}

/// Changes the working tree. Steps are sorted by path. The caller has made sure that nothing
/// unsaved stands in the way.
pub fn apply(target: Target<'_>, steps: &[Step]) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let mut names = Names::new(target, steps);
    remove(&mut names, &mut applied);
    names.after_removal(&applied.failed);
    make_directories(&mut names, &mut applied);
    write_files(&mut names, &mut applied)?;
    finish_directories(target, steps, &mut applied);
    applied.tell_failed(steps);
    applied.rows.sort_by(|a, b| a.0.cmp(&b.0));
    applied.failed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(applied)
}

impl Applied {
    /// Nothing is known of the file where a path could not be changed: what was known of it before
    /// would be taken for what the tree after says.
    fn tell_failed(&mut self, steps: &[Step]) {
        let failed: BTreeSet<&RepoPath> = self.failed.iter().map(|failed| &failed.path).collect();
        self.rows.retain(|(path, _)| !failed.contains(path));
        let rows = failed.into_iter().filter_map(|path| {
            let at = steps.binary_search_by(|step| step.path.cmp(path)).ok()?;
            Some((path.clone(), steps[at].new.as_ref().map(Tracked::of_entry)))
        });
        self.rows.extend(rows);
    }

    /// A path the file system cannot hold stays in the index, as not there.
    fn hold_back(&mut self, path: &RepoPath, new: &Entry) {
        self.not_representable.push(path.clone());
        let mut row = Tracked::of_entry(new);
        row.presence = Presence::NotRepresentable;
        self.rows.push((path.clone(), Some(row)));
    }

    fn take(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.failed.extend(other.failed);
        self.not_representable.extend(other.not_representable);
        self.files += other.files;
        self.bytes += other.bytes;
        self.removed += other.removed;
    }
}

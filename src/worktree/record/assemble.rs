//! Building whole trees from the bottom up, while their directories are being recorded: the tree of
//! a first recording, or directories that are new.
//!
//! A directory is built as soon as its own files and all its directories are; then its entries
//! are forgotten. Because the walk goes depth first, few directories are open at once.

use std::collections::HashMap;

use crate::object::tree::{Builder, Root};
use crate::object::{Entry, Sink, What};
use crate::path::RepoPath;

/// Directories that are not finished.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: HashMap<RepoPath, Open>,
}

/// A directory whose parts are still coming.
#[derive(Debug)]
struct Open {
    /// Its own entry, but for its tree; `None` for the root.
    shell: Option<Entry>,
    entries: Vec<Entry>,
    /// Parts that will come: directories below it, parts of its own files, and being looked at.
    missing: usize,
}

/// A directory all of whose parts are there.
#[derive(Debug)]
pub(super) struct Complete {
    path: RepoPath,
    /// The directory it is in, if that is being built too.
    parent: Option<RepoPath>,
    shell: Option<Entry>,
    entries: Vec<Entry>,
}

/// What came of a directory.
#[derive(Debug)]
pub(super) enum Built {
    /// It is the root of the tree.
    Tree(Root),
    /// It is in a directory, by path, that is being built too, and has this entry there.
    Within(RepoPath, Entry),
    /// It is the topmost that is built: its path and its entry.
    New(RepoPath, Entry),
}

impl Assembly {
    /// A whole tree will come.
    pub(super) fn of_tree() -> Self {
        let mut assembly = Self::default();
        assembly.expect(RepoPath::root(), None);
        assembly
    }

    /// Whether a directory is one that is being built.
    pub(super) fn has(&self, path: &RepoPath) -> bool {
        self.open.contains_key(path)
    }

    /// A directory will be looked at.
    pub(super) fn expect(&mut self, path: RepoPath, shell: Option<Entry>) {
        self.open.insert(path, Open { shell, entries: Vec::new(), missing: 1 });
    }

    /// A directory was looked at: so many parts of it will come.
    pub(super) fn found(&mut self, path: &RepoPath, parts: usize) -> Option<Complete> {
        if let Some(open) = self.open.get_mut(path) {
            open.missing += parts;
        }
        self.add(path, Vec::new())
    }

    /// A part of a directory's own entries; returns the directory if it is complete.
    pub(super) fn add(&mut self, path: &RepoPath, entries: Vec<Entry>) -> Option<Complete> {
        let open = self.open.get_mut(path)?;
        take_all(&mut open.entries, entries);
        open.missing -= 1;
        if open.missing > 0 {
            return None;
        }
        let Open { shell, entries, .. } = self.open.remove(path)?;
        // Those above are completed after those below.
        let parent = path.split().map(|(parent, _)| parent).filter(|above| self.has(above));
        Some(Complete { path: path.clone(), parent, shell, entries })
    }

    /// A directory that could not be looked at and does not come.
    pub(super) fn give_up(&mut self, path: &RepoPath) -> Option<Complete> {
        self.open.remove(path)?;
        let (parent, _) = path.split()?;
        self.add(&parent, Vec::new())
    }

    /// A directory some parts of which never came.
    pub(super) fn unfinished(&self) -> Option<RepoPath> {
        self.open.keys().min().cloned()
    }
}

/// Appends all of `more`; nothing is copied if they are the first.
pub(super) fn take_all<T>(to: &mut Vec<T>, more: Vec<T>) {
    if to.is_empty() {
        *to = more;
    } else {
        to.extend(more);
    }
}

impl Complete {
    /// Writes the directory's nodes.
    pub(super) fn build<S: Sink>(mut self, sink: &mut S) -> Result<Built, S::Error> {
        self.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut builder = Builder::new();
        for entry in self.entries {
            builder.push(entry, sink)?;
        }
        let root = builder.finish(sink)?;
        let Some(shell) = self.shell else { return Ok(Built::Tree(root)) };
        let (files, bytes) = (root.totals.files, root.totals.bytes);
        let entry = Entry { what: What::Directory { files, bytes, tree: root.id }, ..shell };
        Ok(match self.parent {
            Some(parent) => Built::Within(parent, entry),
            None => Built::New(self.path, entry),
        })
    }
}

//! Building a whole tree from the bottom up, while its directories are being recorded.
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
    shell: Option<Entry>,
    entries: Vec<Entry>,
}

impl Assembly {
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
        open.entries.extend(entries);
        open.missing -= 1;
        if open.missing > 0 {
            return None;
        }
        let Open { shell, entries, .. } = self.open.remove(path)?;
        Some(Complete { path: path.clone(), shell, entries })
    }

    /// A directory that could not be looked at and does not come.
    pub(super) fn give_up(&mut self, path: &RepoPath) -> Option<Complete> {
        self.open.remove(path)?;
        let (parent, _) = path.split()?;
        self.add(&parent, Vec::new())
    }
}

impl Complete {
    /// Writes the directory's nodes; returns the root of the whole tree, or the directory it is in
    /// and its entry there.
    pub(super) fn build<S: Sink>(
        mut self,
        sink: &mut S,
    ) -> Result<Result<Root, (RepoPath, Entry)>, S::Error> {
        self.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut builder = Builder::new();
        for entry in self.entries {
            builder.push(entry, sink)?;
        }
        let root = builder.finish(sink)?;
        Ok(match (self.path.split(), self.shell) {
            (Some((parent, _)), Some(shell)) => {
                let (files, bytes) = (root.totals.files, root.totals.bytes);
                let what = What::Directory { files, bytes, tree: root.id };
                Err((parent, Entry { what, ..shell }))
            }
            _ => Ok(root),
        })
    }
}

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
#[derive(Debug, Default)]
struct Open {
    entries: Vec<Entry>,
    /// Directories below it that will come, and parts of its own files.
    missing: usize,
}

/// A directory all of whose parts are there.
#[derive(Debug)]
pub(super) struct Complete {
    path: RepoPath,
    entries: Vec<Entry>,
}

impl Assembly {
    /// A directory has been found: so many parts of it will come, directories included. Each
    /// directory below it is announced with the entry it will get, but for its tree.
    pub(super) fn announce(&mut self, path: RepoPath, parts: usize) {
        self.open.entry(path).or_default().missing += parts;
    }

    /// A part of a directory's own entries; returns the directory if it is complete.
    pub(super) fn add(&mut self, path: &RepoPath, entries: Vec<Entry>) -> Option<Complete> {
        let open = self.open.get_mut(path)?;
        open.entries.extend(entries);
        open.missing -= 1;
        if open.missing > 0 {
            return None;
        }
        let open = self.open.remove(path)?;
        Some(Complete { path: path.clone(), entries: open.entries })
    }
}

impl Complete {
    /// Writes the directory's nodes.
    pub(super) fn build<S: Sink>(mut self, sink: &mut S) -> Result<(RepoPath, Root), S::Error> {
        self.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut builder = Builder::new();
        for entry in self.entries {
            builder.push(entry, sink)?;
        }
        Ok((self.path, builder.finish(sink)?))
    }
}

/// The entry of a directory with this tree.
pub(super) fn with_tree(entry: Entry, root: &Root) -> Entry {
    let what =
        What::Directory { files: root.totals.files, bytes: root.totals.bytes, tree: root.id };
    Entry { what, ..entry }
}

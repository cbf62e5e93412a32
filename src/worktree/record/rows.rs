//! Rows for a new index, put into the order of a walk.
//!
//! Directories are finished in any order; the index is written in the order of paths. What comes
//! early waits here until nothing before it can come any more. Because the walk goes depth first,
//! little waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{IndexWriter, Tracked};
use crate::path::RepoPath;

/// The rows of directories, on their way into an index.
pub(super) struct Rows {
    writer: IndexWriter,
    /// Directories that have been found and whose rows are not known yet.
    outstanding: BTreeSet<RepoPath>,
    waiting: BTreeMap<RepoPath, Vec<Tracked>>,
}

impl Rows {
    pub(super) fn new(writer: IndexWriter) -> Self {
        Self { writer, outstanding: BTreeSet::from([RepoPath::root()]), waiting: BTreeMap::new() }
    }

    /// These directories will come.
    pub(super) fn expect(&mut self, directories: impl IntoIterator<Item = RepoPath>) {
        self.outstanding.extend(directories);
    }

    /// The rows of a directory, in any order.
    pub(super) fn push(
        &mut self,
        directory: RepoPath,
        mut rows: Vec<Tracked>,
    ) -> Result<(), crate::index::Error> {
        rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.outstanding.remove(&directory);
        self.waiting.insert(directory, rows);
        while let Some(first) = self.waiting.first_entry() {
            if self.outstanding.first().is_some_and(|open| open < first.key()) {
                break;
            }
            let (directory, rows) = first.remove_entry();
            self.writer.push(&directory, &rows)?;
        }
        Ok(())
    }

    pub(super) fn into_writer(self) -> IndexWriter {
        self.writer
    }
}

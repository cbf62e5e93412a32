//! Rows for the index, put into the order of a walk.
//!
//! Directories are finished in any order; a run of the index is written in the order of paths. What
//! comes early waits here until nothing before it can come any more. Because the walk goes depth
//! first, little waits.
//!
//! The rows of a whole tree go straight into a new index. Those of new directories are kept: they
//! are few, as a rule, and change an index that stays. If there are very many, they too go into a
//! run, and are not held in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{Error, Index, IndexWriter, Tracked};
use crate::path::RepoPath;

/// As many rows of new directories are held: some 16 MiB of them.
const MOST_HELD: usize = 65_536;

/// The rows of directories, on their way into an index.
pub(super) struct Rows<'a> {
    writer: Option<IndexWriter>,
    /// The index to which rows of new directories come.
    index: Option<&'a Index>,
    /// Directories that have been found and whose rows are not known yet.
    outstanding: BTreeSet<RepoPath>,
    waiting: BTreeMap<RepoPath, Vec<Tracked>>,
    /// How many rows wait.
    held: usize,
}

/// Where all rows are.
pub(super) enum Finished {
    /// In a run.
    Written(Box<IndexWriter>),
    /// In memory, by path, each with what is tracked there.
    Held(Vec<(RepoPath, Option<Tracked>)>),
}

impl<'a> Rows<'a> {
    /// For the rows of a whole tree.
    pub(super) fn of_tree(writer: IndexWriter) -> Self {
        Self { writer: Some(writer), index: None, ..Self::empty() }
    }

    /// For those of directories that this index does not know.
    pub(super) fn of_new_directories(index: &'a Index) -> Self {
        Self { writer: None, index: Some(index), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            writer: None,
            index: None,
            outstanding: BTreeSet::from([RepoPath::root()]),
            waiting: BTreeMap::new(),
            held: 0,
        }
    }

    /// These directories will come.
    pub(super) fn expect(&mut self, directories: impl IntoIterator<Item = RepoPath>) {
        self.outstanding.extend(directories);
    }

    /// The rows of a directory, in any order; none if it is not a new one.
    pub(super) fn push(
        &mut self,
        directory: RepoPath,
        mut rows: Vec<Tracked>,
    ) -> Result<(), Error> {
        self.outstanding.remove(&directory);
        if !rows.is_empty() {
            rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            self.held += rows.len();
            self.waiting.insert(directory, rows);
        }
        if self.writer.is_none() && self.held > MOST_HELD {
            self.writer = self.index.map(Index::writer).transpose()?;
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        while let Some(first) = self.waiting.first_entry() {
            if self.outstanding.first().is_some_and(|open| open < first.key()) {
                break;
            }
            let (directory, rows) = first.remove_entry();
            self.held -= rows.len();
            writer.push(&directory, &rows)?;
        }
        Ok(())
    }

    /// What came of all rows.
    pub(super) fn finish(self) -> Result<Finished, Error> {
        let Some(mut writer) = self.writer else {
            let mut rows = Vec::with_capacity(self.held);
            for (directory, in_it) in self.waiting {
                rows.extend(in_it.into_iter().map(|row| (directory.join(&row.name), Some(row))));
            }
            return Ok(Finished::Held(rows));
        };
        // Directories that never came hold nothing up any more.
        for (directory, rows) in self.waiting {
            writer.push(&directory, &rows)?;
        }
        Ok(Finished::Written(Box::new(writer)))
    }
}

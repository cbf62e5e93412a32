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
    /// Where a run is written once there are very many.
    index: &'a Index,
    /// As many rows are held; after that a run is written.
    most_held: usize,
    /// Rows were thrown away, because no run can be written here.
    lost: bool,
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
    /// Nowhere: no run can be written here.
    Lost,
}

impl<'a> Rows<'a> {
    /// For the rows of a whole tree: a new index is written.
    pub(super) fn of_tree(index: &'a Index) -> Result<Self, Error> {
        let mut rows = Self::holding(index, 0);
        rows.begin_run()?;
        Ok(rows)
    }

    /// For those of directories that this index does not know.
    pub(super) fn of_new_directories(index: &'a Index) -> Self {
        Self::holding(index, MOST_HELD)
    }

    fn holding(index: &'a Index, most_held: usize) -> Self {
        Self {
            writer: None,
            index,
            most_held,
            lost: false,
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
        if !rows.is_empty() && !self.lost {
            rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            self.held += rows.len();
            self.waiting.insert(directory, rows);
        }
        if self.writer.is_none() && self.held > self.most_held {
            self.begin_run()?;
        }
        let written = self.write();
        self.or_lose(written)
    }

    fn begin_run(&mut self) -> Result<(), Error> {
        let begun = self.index.writer().map(|writer| self.writer = Some(writer));
        self.or_lose(begun)
    }

    /// The index is a cache: where it cannot be written, what is recorded is recorded all the same,
    /// and the next command finds out what the index was not told.
    fn or_lose(&mut self, written: Result<(), Error>) -> Result<(), Error> {
        match written {
            Err(error) if error.is_refusal() => {
                (self.lost, self.writer, self.held) = (true, None, 0);
                self.waiting.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Writes what nothing can come before any more.
    fn write(&mut self) -> Result<(), Error> {
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
    pub(super) fn finish(mut self) -> Result<Finished, Error> {
        // Nothing is awaited any more.
        self.outstanding.clear();
        let written = self.write();
        self.or_lose(written)?;
        if self.lost {
            return Ok(Finished::Lost);
        }
        let Some(writer) = self.writer else {
            let mut rows = Vec::with_capacity(self.held);
            for (directory, in_it) in self.waiting {
                rows.extend(in_it.into_iter().map(|row| (directory.join(&row.name), Some(row))));
            }
            return Ok(Finished::Held(rows));
        };
        Ok(Finished::Written(Box::new(writer)))
    }
}

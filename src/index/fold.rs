//! Folding: what changed since the run was written, and the run, become a new run.
//!
//! Pages that nothing changed are copied as they are. Directories that the index did not know may
//! have been written to a run of their own while they were found ([`Beside`]): their pages go
//! between the others, so that however many files are new, none of their rows is held in memory.

use std::io;

use super::current::{Error, Index, Place, load};
use super::key;
use super::node::Reference;
use super::overlay::{Overlay, State};
use super::run::{Damaged, Run};
use super::update::{Updated, is_refusal, switch_run};
use super::writer::{IndexWriter, Marks, RunWriter, Unnamed, run_name};
use crate::path::RepoPath;

/// Everything in directories that the index does not know yet, in a run that nobody names.
#[derive(Debug)]
pub struct Beside {
    /// Their entries.
    pub writer: IndexWriter,
    /// The topmost of these directories. What an older state of the index had below them is gone.
    pub below: Vec<RepoPath>,
}

/// The same, complete.
pub(super) struct Pages {
    run: Run,
    /// The keys that belong to it: from, and up to, each in order.
    ranges: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Whether rows may be marked as not synced.
    pub(super) marked: bool,
    _file: Unnamed,
}

impl Beside {
    /// Completes the run. `None` if somebody took it for a leftover.
    pub(super) fn finish(self, place: &Place) -> Result<Option<Pages>, Error> {
        let (generation, marked, file) = self.writer.finish_beside()?;
        let bytes = match place.index_dir()?.map(&run_name(&generation)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let Some(run) = Run::open(bytes, generation) else { return Ok(None) };
        let range = |directory: &RepoPath| {
            let from = key::prefix_below(directory.as_bytes());
            let to = key::after_prefix(&from);
            (from, to)
        };
        let mut ranges: Vec<_> = self.below.iter().map(range).collect();
        ranges.sort();
        Ok(Some(Pages { run, ranges, marked, _file: file }))
    }
}

impl Pages {
    /// Whether a key is below one of its directories.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        let after = self.ranges.partition_point(|(from, _)| &from[..] <= key);
        after.checked_sub(1).is_some_and(|at| {
            let (_, to) = &self.ranges[at];
            to.as_ref().is_none_or(|to| key < &to[..])
        })
    }

    fn references(&self) -> Result<Vec<Reference<'_>>, Damaged> {
        let mut references = Vec::new();
        self.run.each_page(&[], None, |reference| {
            references.push(reference);
            Ok(())
        })?;
        Ok(references)
    }
}

impl Index {
    /// Writes run and overlay, and what was written beside them, into a new run. What the overlay
    /// says of directories that stand beside is newer than they are.
    pub(super) fn fold(
        &mut self,
        mut state: State,
        overlay: &Overlay,
        beside: Option<&Pages>,
    ) -> Result<Updated, Error> {
        let Some(content) = &self.content else { return Ok(Updated::Skipped) };
        let marks = match state.boot {
            None if state.marked => Marks::Clear,
            _ => Marks::Keep,
        };
        let dir = self.place.index_dir()?;
        let run = match RunWriter::create(&dir, &*self.place.random) {
            Err(error) if is_refusal(&error) => return Ok(Updated::Skipped),
            other => other?,
        };
        let mut merge = Merge { run, overlay, at: 0, marks, pending: None, error: None };
        self.checked(merge.pages(&content.run, beside))?;
        state.generation = merge.run.generation();
        state.marked &= marks == Marks::Keep;
        state.rows = 0;
        let name = match merge.error.map_or_else(|| merge.run.finish(), Err) {
            // What is left of it is removed by the next one.
            Err(error) if is_refusal(&error) => return Ok(Updated::Skipped),
            other => other?,
        };
        let updated = switch_run(&self.place, &state, &name)?;
        if updated == Updated::Done {
            self.content = load(&mut self.place)?;
        }
        Ok(updated)
    }
}

/// Lays the overlay over runs, page by page.
struct Merge<'a> {
    run: RunWriter,
    overlay: &'a Overlay,
    at: usize,
    marks: Marks,
    /// The page that comes next, once it is known where the one behind it begins.
    pending: Option<(&'a Run, Reference<'a>)>,
    /// The first error of writing; nothing is written after it.
    error: Option<io::Error>,
}

impl<'a> Merge<'a> {
    /// All pages, in the order of their keys, and all rows of the overlay.
    fn pages(&mut self, old: &'a Run, beside: Option<&'a Pages>) -> Result<(), Damaged> {
        let added = beside.map_or(Ok(Vec::new()), Pages::references)?;
        let mut added = beside
            .into_iter()
            .flat_map(|beside| added.iter().map(move |reference| (&beside.run, *reference)));
        let mut next = added.next();
        old.each_page(&[], None, |reference| {
            while let Some(new) = next.filter(|(_, new)| new.key < reference.key) {
                self.take(new)?;
                next = added.next();
            }
            let is_gone = beside.is_some_and(|beside| beside.has(reference.key));
            if is_gone { Ok(()) } else { self.take((old, reference)) }
        })?;
        while let Some(new) = next {
            self.take(new)?;
            next = added.next();
        }
        if let Some((run, page)) = self.pending.take() {
            self.page(run, page, None)?;
        }
        self.rows_before(None);
        Ok(())
    }

    fn take(&mut self, (run, page): (&'a Run, Reference<'a>)) -> Result<(), Damaged> {
        match self.pending.replace((run, page)) {
            Some((run, before)) => self.page(run, before, Some(page.key)),
            None => Ok(()),
        }
    }

    fn is_before(&self, key: Option<&[u8]>) -> bool {
        self.at < self.overlay.len() && key.is_none_or(|key| self.overlay.key(self.at) < key)
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }

    /// The next row of the overlay, unless it says that nothing is tracked.
    fn overlay_row(&mut self) {
        let key = self.overlay.key(self.at);
        if let (Some(row), Some(length)) =
            (self.overlay.row(self.at, true), key::prefix_length(key))
        {
            let written = self.run.row(key, length, row, self.marks);
            self.note(written);
        }
        self.at += 1;
    }

    fn rows_before(&mut self, key: Option<&[u8]>) {
        while self.error.is_none() && self.is_before(key) {
            self.overlay_row();
        }
    }

    /// A page with what the overlay says before `next`, where the one behind it begins.
    fn page(
        &mut self,
        from: &Run,
        reference: Reference<'_>,
        next: Option<&[u8]>,
    ) -> Result<(), Damaged> {
        self.rows_before(Some(reference.key));
        if self.error.is_some() {
            return Ok(());
        }
        let page = from.page(reference, true)?;
        let length = key::prefix_length(reference.key).ok_or(Damaged)?;
        let prefix = &reference.key[..length];
        // A page that is being filled goes on being filled, so that pages do not become small.
        if !self.is_before(next) && self.marks == Marks::Keep && !self.run.is_within(prefix) {
            let written = self.run.page(reference, from.page_bytes(reference)?);
            self.note(written);
            return Ok(());
        }
        let mut key = prefix.to_vec();
        for at in 0..page.len() {
            let row = page.row(at);
            key.truncate(length);
            key.extend_from_slice(row.name());
            self.rows_before(Some(&key));
            if self.at < self.overlay.len() && self.overlay.key(self.at) == key {
                self.overlay_row();
            } else {
                let written = self.run.row(&key, length, row, self.marks);
                self.note(written);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::disk::MemoryDisk;
    use crate::index::testing::*;
    use crate::index::{Tracked, Update};
    use crate::table::Durability;

    /// The index with directories that it does not know, each with a row of its own.
    fn with_new(index: &mut Index, new: &Model, below: &[&str]) -> Result<Updated, Error> {
        let mut writer = index.writer()?;
        let mut directories: BTreeMap<RepoPath, Vec<&Tracked>> = BTreeMap::new();
        for (at, tracked) in new {
            directories.entry(at.split().unwrap().0).or_default().push(tracked);
        }
        let topmost = directories.remove(&RepoPath::root()).unwrap_or_default();
        for (directory, entries) in directories {
            writer.push(&directory, entries)?;
        }
        let changes = topmost.into_iter().map(|row| (path_of(row), Some(row.clone()))).collect();
        let below = below.iter().map(|directory| path(directory)).collect();
        let beside = Some(Beside { writer, below });
        index.update(Update {
            beside,
            durability: Durability::Now,
            ..Update::new(base(2), changes)
        })
    }

    fn path_of(row: &Tracked) -> RepoPath {
        RepoPath::root().join(&row.name)
    }

    fn named(name: &str, files: u64) -> Model {
        let mut model = Model::from([(path(name), directory(name.as_bytes()))]);
        for number in 0..files {
            let file_name = format!("n{number:04}");
            let at = path(&format!("{name}/{file_name}"));
            model.insert(at, file(file_name.as_bytes(), 7_000 + number));
        }
        model
    }

    #[test]
    fn new_directories_come_between_the_others() {
        let disk = MemoryDisk::new();
        let mut expected = model(3, 700);
        create(&disk, &expected, base(1));
        let mut new = named("a", 600);
        new.extend(named("d000b", 300));
        new.extend(named("z", 1));
        let mut index = open(&disk, 2);
        let below = ["a", "d000b", "z"];
        assert_eq!(with_new(&mut index, &new, &below).unwrap(), Updated::Done);
        expected.extend(new);
        assert!(says(&disk) == Some((base(2), expected.clone())));
        assert!(content(&index).unwrap() == expected);
    }

    #[test]
    fn what_was_tracked_below_a_directory_that_comes_anew_is_gone() {
        let disk = MemoryDisk::new();
        let mut expected = model(3, 300);
        create(&disk, &expected, base(1));
        let mut index = open(&disk, 2);
        // It was removed, which the overlay says, and the run still has its pages.
        let removed = Update::new(base(1), vec![(path("d001"), None)]);
        assert_eq!(index.update(removed).unwrap(), Updated::Done);
        let mut new = named("d001", 20);
        // Some names come back.
        new.insert(path("d001/f00007"), file(b"f00007", 9_000));
        assert_eq!(with_new(&mut index, &new, &["d001"]).unwrap(), Updated::Done);
        expected.retain(|at, _| !at.is_within(&path("d001")));
        expected.extend(new);
        assert!(says(&disk) == Some((base(2), expected)));
    }

    #[test]
    fn a_power_failure_while_new_directories_come_leaves_the_old_index_or_the_new() {
        let before = model(2, 40);
        let new = named("d000b", 300);
        let after = before.clone().into_iter().chain(new.clone()).collect();
        survives_power_loss(&before, &after, Durability::Now, |disk| {
            let mut index = Index::open(disk.open(Path::new("/r/.annals")).unwrap(), random())?;
            with_new(&mut index, &new, &["d000b"])
        });
    }
}

//! The index as it is now: a run with an overlay over it.
//!
//! An [`Index`] is what was there when it was opened: it holds no lock, and what others change
//! meanwhile is not seen. Reading verifies each page once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use super::entry::{Base, Known, Tracked};
use super::key;
use super::listed::{self, Listed};
use super::overlay::{self, Overlay, State};
use super::row::Row;
use super::run::{Damaged, Run};
use super::update;
use super::view::DirectoryView;
use super::writer::{IndexWriter, run_name};
use crate::clock::Random;
use crate::disk::{DirRef, make_dirs};
use crate::path::RepoPath;
use crate::table::{self, Database};

/// The directory in `.annals`.
pub(super) const DIRECTORY: &[u8] = b"index";
/// Why the index cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot use the index: {0}")]
    Io(#[from] io::Error),
    /// Bytes are not what was written. The index now counts as lost: whoever was reading begins
    /// again, with an empty one.
    #[error("the index is damaged and will be made anew")]
    Damaged,
    /// Entries were given out of order.
    #[error("entries for the index are not sorted")]
    Order,
}

impl Error {
    /// Whether this place does not let us write, which is no reason to fail: the index is a cache.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Io(error) if update::is_refusal(error))
    }
}

impl From<table::Error> for Error {
    fn from(error: table::Error) -> Self {
        match error {
            table::Error::Io(error) => Self::Io(error),
            table::Error::Damaged | table::Error::Moved => Self::Damaged,
        }
    }
}

/// Where an index is kept and which revision of it was seen.
#[derive(Clone, Debug)]
pub(super) struct Place {
    state_dir: DirRef,
    pub(super) random: Arc<dyn Random>,
    /// `None` if no overlay could be read.
    pub(super) revision: Option<[u8; 16]>,
}

impl Place {
    /// The directory, made if need be.
    pub(super) fn index_dir(&self) -> io::Result<DirRef> {
        make_dirs(&*self.state_dir, DIRECTORY)?;
        self.state_dir.dir(DIRECTORY)
    }
}

/// What was last seen of the working tree.
#[derive(Debug)]
pub struct Index {
    pub(super) place: Place,
    pub(super) content: Option<Content>,
    /// Set when damage is found after opening.
    damaged: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) state: State,
    pub(super) run: Run,
    pub(super) overlay: Overlay,
    /// Rows of the overlay that are in memory only.
    pub(super) unwritten: Overlay,
    pub(super) listed: listed::All,
}

impl Index {
    /// Opens the index in `state_dir`, the directory `.annals`. If there is none, or it is
    /// damaged, the index is lost: empty and without a base.
    pub fn open(state_dir: DirRef, random: Arc<dyn Random>) -> Result<Self, Error> {
        let mut place = Place { state_dir, random, revision: None };
        let content = load(&mut place)?;
        Ok(Self { place, content, damaged: AtomicBool::new(false) })
    }

    pub(super) fn content(&self) -> Option<&Content> {
        self.content.as_ref().filter(|_| !self.damaged.load(Ordering::Relaxed))
    }

    /// Notes damage, so that nothing more is believed.
    pub(super) fn checked<T>(&self, result: Result<T, Damaged>) -> Result<T, Error> {
        result.map_err(|Damaged| {
            self.damaged.store(true, Ordering::Relaxed);
            Error::Damaged
        })
    }

    /// What the index describes; nothing if it is lost.
    pub fn base(&self) -> Base {
        self.content().map(|content| content.state.base()).unwrap_or_default()
    }

    /// Whether nothing is known: there is no index, or it is damaged.
    pub fn is_lost(&self) -> bool {
        self.content().is_none()
    }

    /// The boot under which the entries marked unsynced were written, if any are.
    pub fn unsynced_boot(&self) -> Option<[u8; 16]> {
        self.content()?.state.boot
    }

    /// What is tracked at `path`.
    pub fn get(&self, path: &RepoPath) -> Result<Option<Tracked>, Error> {
        Ok(self.row(path)?.map(|row| row.tracked()))
    }

    /// The row of `path`, where it lies.
    pub fn row(&self, path: &RepoPath) -> Result<Option<Row<'_>>, Error> {
        key::key_of(path).map_or(Ok(None), |key| self.find(&key))
    }

    fn find(&self, key: &[u8]) -> Result<Option<Row<'_>>, Error> {
        let Some(content) = self.content() else { return Ok(None) };
        let marks_count = content.state.boot.is_some();
        if let Some(at) = content.overlay.find(key) {
            return Ok(content.overlay.row(at, marks_count));
        }
        let Some(length) = key::prefix_length(key) else { return Ok(None) };
        self.checked(content.run.find(key, length, marks_count))
    }

    /// The entries of a directory; `None` if it is not tracked as a directory.
    pub fn directory(&self, path: &RepoPath) -> Result<Option<DirectoryView<'_>>, Error> {
        let Some(content) = self.content() else { return Ok(None) };
        let marks_count = content.state.boot.is_some();
        let prefix = key::prefix_of(path.as_bytes());
        let pages = self.checked(content.run.directory(&prefix, marks_count))?;
        let changed = content.overlay.between(&prefix, key::after_prefix(&prefix).as_deref());
        if pages.is_empty() || !changed.is_empty() {
            // An empty directory has no pages, and one that was removed may have some.
            let is_directory = match key::key_of(path) {
                None => true,
                Some(key) => {
                    self.find(&key)?.is_some_and(|row| row.tracked().what == Known::Directory)
                }
            };
            if !is_directory {
                return Ok(None);
            }
        }
        let prefix_length = prefix.len();
        let overlay = &content.overlay;
        Ok(Some(DirectoryView { pages, overlay, changed, prefix_length, marks_count }))
    }

    /// The large directory `path` as it was listed.
    pub fn listed(&self, path: &RepoPath) -> Option<Listed> {
        self.content()?.listed.get(path.as_bytes()).copied()
    }

    /// How many pages of the run were looked into since it was opened.
    pub fn pages_read(&self) -> u64 {
        self.content().map_or(0, |content| content.run.pages_read())
    }

    /// How many entries there are, roughly: what the overlay changed counts twice.
    pub fn entries_at_most(&self) -> u64 {
        self.content().map_or(0, |content| content.run.rows() + content.overlay.len() as u64)
    }

    /// Begins a whole new index.
    pub fn writer(&self) -> Result<IndexWriter, Error> {
        IndexWriter::new(self.place.clone())
    }
}

/// Reads what is there; `None` if it is lost. Notes the revision.
pub(super) fn load(place: &mut Place) -> Result<Option<Content>, Error> {
    for _ in 0..8 {
        place.revision = None;
        let dir = match place.state_dir.dir(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let read = Database::open_to_read(&*dir, overlay::NAME, overlay::VERSION)
            .and_then(|database| database.map(|database| read_all(&database)).transpose());
        let (state, overlay, listed) = match read {
            Ok(Some(Some(found))) => found,
            Ok(_) | Err(table::Error::Damaged) => return Ok(None),
            Err(table::Error::Moved) => continue,
            Err(table::Error::Io(error)) => return Err(error.into()),
        };
        place.revision = Some(state.revision);
        let bytes = match dir.map(&run_name(&state.generation)) {
            // Another run has taken its place since the overlay was read, or it is lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        return Ok(Run::open(bytes, state.generation).map(|run| Content {
            state,
            run,
            overlay,
            unwritten: Overlay::default(),
            listed,
        }));
    }
    Ok(None)
}

/// All of the overlay's file.
fn read_all(database: &Database) -> Result<Option<(State, Overlay, listed::All)>, table::Error> {
    let Some((state, overlay)) = Overlay::read(database)? else { return Ok(None) };
    Ok(Some((state, overlay, listed::read(database)?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;
    use crate::index::testing::*;
    use crate::index::{Update, Updated};
    use crate::table::Durability;

    #[test]
    fn a_missing_index_is_lost_and_can_only_be_written_whole() {
        let disk = MemoryDisk::new();
        let mut index = open(&disk, 1);
        assert!(index.is_lost());
        assert_eq!(index.base(), Base::default());
        assert!(index.get(&path("a")).unwrap().is_none());
        assert!(index.directory(&RepoPath::root()).unwrap().is_none());
        let change = Update::new(base(1), vec![(path("a"), Some(file(b"a", 1)))]);
        assert_eq!(index.update(change).unwrap(), Updated::Skipped);
        assert_eq!(write(&index, &Model::new(), base(1)).unwrap(), Updated::Done);
        let index = open(&disk, 2);
        assert!(!index.is_lost());
        assert_eq!(index.base(), base(1));
        assert_eq!(index.directory(&RepoPath::root()).unwrap().unwrap().iter().count(), 0);
        assert!(index.directory(&path("a")).unwrap().is_none());
    }

    #[test]
    fn what_was_written_is_read_back() {
        let disk = MemoryDisk::new();
        let model = model(20, 700);
        assert_eq!(write(&open(&disk, 1), &model, base(1)).unwrap(), Updated::Done);
        let index = open(&disk, 2);
        assert_eq!(content(&index).unwrap(), model);
        for (path, tracked) in model.iter().step_by(37) {
            assert_eq!(index.get(path).unwrap().as_ref(), Some(tracked));
        }
        for missing in ["d", "d000/f", "d000/f00000x", "d019/g", "e", "d000/f00000/x"] {
            assert!(index.get(&path(missing)).unwrap().is_none(), "{missing}");
            assert!(index.directory(&path(missing)).unwrap().is_none(), "{missing}");
        }
    }

    #[test]
    fn looking_up_a_path_reads_one_page() {
        let disk = MemoryDisk::new();
        create(&disk, &model(200, 300), base(1));
        let index = open(&disk, 2);
        assert_eq!(index.pages_read(), 0);
        index.get(&path("d150/f00123")).unwrap().unwrap();
        assert!(index.pages_read() <= 2, "one node and one page");
        let before = index.pages_read();
        index.directory(&path("d050")).unwrap().unwrap();
        assert!(index.pages_read() - before <= 4, "at most two nodes, and two pages");
    }

    #[test]
    fn a_flipped_bit_is_noticed_or_changes_nothing() {
        let disk = MemoryDisk::new();
        create(&disk, &model(3, 40), base(1));
        let change = vec![(path("d001/f00000"), Some(file(b"f00000", 9000)))];
        let durable = Update { durability: Durability::Now, ..Update::new(base(2), change) };
        assert_eq!(open(&disk, 2).update(durable).unwrap(), Updated::Done);
        let right = says(&disk);
        assert!(right.is_some());
        let mut lost = 0;
        for name in disk.tree("/r/.annals/index").into_keys() {
            let name = format!("/r/.annals/index/{}", String::from_utf8(name).unwrap());
            let bytes = disk.read(&name).unwrap();
            let step = bytes.len() / 500 + 1;
            for at in (0..bytes.len()).step_by(step) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at % 8);
                disk.write(&name, &damaged);
                match says(&disk) {
                    None => lost += 1,
                    found => assert_eq!(found, right, "byte {at} of {name}"),
                }
                disk.write(&name, &bytes);
            }
            for cut in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
                disk.write(&name, &bytes[..cut]);
                if let Some(found) = says(&disk) {
                    assert_eq!(Some(found), right, "{cut} bytes of {name}");
                }
                disk.write(&name, &bytes);
            }
        }
        assert!(lost > 500, "{lost}");
    }

    #[test]
    fn a_damaged_index_can_be_written_anew() {
        for name in ["overlay.redb", "overlay.redb.log", "run"] {
            let disk = MemoryDisk::new();
            create(&disk, &model(3, 40), base(1));
            for found in disk.tree("/r/.annals/index").into_keys() {
                let found = String::from_utf8(found).unwrap();
                if found == name || name == "run" && found.starts_with("run-") {
                    let damaged = format!("/r/.annals/index/{found}");
                    let length = disk.read(&damaged).unwrap().len();
                    disk.write(&damaged, vec![1; length]);
                }
            }
            let index = open(&disk, 2);
            assert!(index.is_lost(), "{name}");
            let written = write(&index, &model(2, 30), base(2)).unwrap();
            assert_eq!(written, Updated::Done, "{name}");
            assert_eq!(says(&disk), Some((base(2), model(2, 30))), "{name}");
        }
    }
}

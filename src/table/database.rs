//! One redb file: opened late, held for milliseconds, never wrong.
//!
//! A database is derived data with a version. What is missing, damaged or of another version is
//! made anew when it is opened for writing and looks empty when it is opened for reading. Writers
//! exclude each other with a kernel lock on `NAME.lock` and never wait; readers take no lock and
//! need no right to write.
//!
//! Always true: what is read is what some finished write left, complete (see [`super::pages`]).
//! Two durabilities, because a sync costs more than everything else here together: without one, a
//! power failure may take the newest writes, and the state before them is found; with it, nothing
//! that was finished is lost without being noticed.
//!
//! Deliberately absent: waiting and retrying. Whoever finds [`Opened::Busy`] decides.

use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;

use super::pages::{Backend, Obstacle, Pages};
use crate::disk::{Dir, Lock, Wait};

/// redb keeps this many bytes of pages; its default is a gigabyte.
const CACHE_BYTES: usize = 8 << 20;

/// Why a table cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot use the derived table: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not what was written: what it held must be made anew.
    #[error("the derived table is damaged")]
    Damaged,
    /// It was rewritten while it was read: opening it again shows the new state.
    #[error("the derived table was rewritten while it was read")]
    Moved,
}

/// What opening gives.
#[derive(Debug)]
pub enum Opened {
    /// The database.
    Ready(Database),
    /// Somebody else is writing, or there can be no lock here.
    Busy,
}

/// How sure a finished write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power failure.
    Now,
    /// It survives the death of the process; a power failure may take it.
    Eventually,
}

/// An open database.
pub struct Database {
    pages: Arc<Pages>,
    redb: redb::Database,
    lock: Option<Lock>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("for_writing", &self.lock.is_some()).finish()
    }
}

type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

impl Database {
    /// Opens the database `name` for writing; makes it anew if it is missing, damaged or of
    /// another version. Never waits.
    pub fn open(dir: &dyn Dir, name: &[u8], version: u32) -> Result<Opened, Error> {
        let lock = match dir.lock(&[name, b".lock"].concat(), Wait::No) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(Opened::Busy),
            // Without locks two writers would spoil it: such a place keeps no derived tables.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Opened::Busy),
            Err(error) => return Err(error.into()),
        };
        let pages = Arc::new(Pages::open_or_create(dir, name, version)?);
        let redb = match build(&pages) {
            Err(Error::Damaged) => {
                pages.begin_anew()?;
                build(&pages)?
            }
            other => other?,
        };
        Ok(Opened::Ready(Self { pages, redb, lock: Some(lock) }))
    }

    /// Opens the database `name` for reading, without a lock. `None` if it is missing, damaged or
    /// of another version.
    pub fn open_to_read(dir: &dyn Dir, name: &[u8], version: u32) -> Result<Option<Self>, Error> {
        let Some(pages) = Pages::open(dir, name, version)? else { return Ok(None) };
        let pages = Arc::new(pages);
        match build(&pages) {
            Ok(redb) => Ok(Some(Self { pages, redb, lock: None })),
            Err(Error::Damaged) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Throws everything away, in a database opened for writing.
    pub fn begin_anew(&mut self) -> Result<(), Error> {
        self.pages.begin_anew()?;
        self.redb = build(&self.pages)?;
        Ok(())
    }

    /// The value of `key`.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let found = table.get(key).map_err(|error| self.storage(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Shows keys and values in the order of the keys, until told to stop.
    pub fn visit(
        &self,
        table: &str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut visitor: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        let rows = table.range::<&[u8]>((from, to)).map_err(|error| self.storage(error))?;
        for row in rows {
            let (key, value) = row.map_err(|error| self.storage(error))?;
            if visitor(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The keys and values from `from` up to and without `to`.
    #[allow(clippy::type_complexity)]
    pub fn range(
        &self,
        table: &str,
        from: &[u8],
        to: &[u8],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let mut rows = Vec::new();
        self.visit(table, Bound::Included(from), Bound::Excluded(to), |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Changes rows. Nobody else sees it before [`Self::finish`]; if `change` fails, none of it
    /// happened.
    pub fn write<E: From<Error>>(
        &mut self,
        change: impl FnOnce(&mut Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let transaction = self.redb.begin_write().map_err(|error| self.other(error))?;
        let mut batch = Batch { database: self, transaction: &transaction };
        match change(&mut batch) {
            Ok(()) => transaction.commit().map_err(|error| self.other(error).into()),
            Err(error) => {
                transaction.abort().map_err(|error| self.storage(error))?;
                Err(error)
            }
        }
    }

    /// Closes the database; what was written becomes visible to others, all of it at once. Others
    /// can write as soon as the lock that comes back is dropped.
    pub fn finish(self, durability: Durability) -> Result<Option<Lock>, Error> {
        let Self { pages, redb, lock } = self;
        drop(redb);
        if lock.is_some() {
            pages.append(durability == Durability::Now)?;
        }
        Ok(lock)
    }

    fn table(&self, name: &str) -> Result<Option<Table>, Error> {
        let transaction = self.redb.begin_read().map_err(|error| self.other(error))?;
        match transaction.open_table(Definition::new(name)) {
            Ok(table) => Ok(Some(table)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.other(error)),
        }
    }

    fn storage(&self, error: redb::StorageError) -> Error {
        self.other(error)
    }

    fn other(&self, error: impl Into<redb::Error>) -> Error {
        explain(&self.pages, error.into())
    }
}

/// Changes to a database that happen together.
pub struct Batch<'a> {
    database: &'a Database,
    transaction: &'a redb::WriteTransaction,
}

impl Batch<'_> {
    /// Opens a table, which is created if need be.
    pub fn table(&mut self, name: &str) -> Result<BatchTable<'_>, Error> {
        let table = self.transaction.open_table(Definition::new(name));
        let table = table.map_err(|error| self.database.other(error))?;
        Ok(BatchTable { database: self.database, table })
    }

    /// Removes all rows of a table.
    pub fn clear(&mut self, name: &str) -> Result<(), Error> {
        let deleted = self.transaction.delete_table(Definition::new(name));
        deleted.map_err(|error| self.database.other(error))?;
        Ok(())
    }
}

/// A table in a batch.
pub struct BatchTable<'a> {
    database: &'a Database,
    table: redb::Table<'a, &'static [u8], &'static [u8]>,
}

impl BatchTable<'_> {
    /// The value of `key`, with the changes of this batch.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self.table.get(key).map_err(|error| self.database.storage(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Sets the value of `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let old = self.table.insert(key, value);
        old.map(drop).map_err(|error| self.database.storage(error))
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        let old = self.table.remove(key);
        old.map(drop).map_err(|error| self.database.storage(error))
    }
}

fn build(pages: &Arc<Pages>) -> Result<redb::Database, Error> {
    redb::Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(Backend(pages.clone()))
        .map_err(|error| explain(pages, error.into()))
}

/// What went wrong below redb says more than what redb makes of it.
fn explain(pages: &Pages, error: redb::Error) -> Error {
    match (pages.obstacle(), error) {
        (Some(Obstacle::Damaged), _) => Error::Damaged,
        (Some(Obstacle::Moved), _) => Error::Moved,
        (None, redb::Error::Io(error)) => Error::Io(error),
        (None, redb::Error::PreviousIo) => Error::Io(io::Error::other("an earlier error")),
        // Every page is as it was written, so this is another format of redb.
        (None, _) => Error::Damaged,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{DirRef, Disk, Fault, FaultyDisk, MemoryDisk, OsDisk, Survival};

    fn root(disk: &dyn Disk) -> DirRef {
        disk.create(Path::new("/table")).unwrap()
    }

    fn ready(dir: &DirRef) -> Database {
        match Database::open(&**dir, b"t", 1).unwrap() {
            Opened::Ready(database) => database,
            Opened::Busy => panic!("busy"),
        }
    }

    fn put(dir: &DirRef, key: &str, value: &str, durability: Durability) -> Result<(), Error> {
        let Opened::Ready(mut database) = Database::open(&**dir, b"t", 1)? else { panic!("busy") };
        database.write(|batch| batch.table("rows")?.put(key.as_bytes(), value.as_bytes()))?;
        database.finish(durability).map(drop)
    }

    /// All rows, as a reader sees them.
    fn rows(dir: &DirRef) -> Option<Vec<(String, String)>> {
        let database = Database::open_to_read(&**dir, b"t", 1).unwrap()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut rows = Vec::new();
        let visited = database.visit("rows", Bound::Unbounded, Bound::Unbounded, |key, value| {
            rows.push((text(key), text(value)));
            ControlFlow::Continue(())
        });
        match visited {
            Ok(()) => Some(rows),
            Err(Error::Damaged) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    #[test]
    fn what_was_finished_is_read_and_what_was_not_is_not() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        assert_eq!(rows(&dir), None);
        put(&dir, "a", "1", Durability::Now).unwrap();
        let mut database = ready(&dir);
        database.write(|batch| batch.table("rows")?.put(b"b", b"2")).unwrap();
        assert_eq!(database.get("rows", b"b").unwrap().unwrap(), b"2");
        drop(database);
        assert_eq!(rows(&dir), pairs(&[("a", "1")]));
        let mut database = ready(&dir);
        let failed: Result<(), Error> = database.write(|batch| {
            batch.table("rows")?.delete(b"a")?;
            Err(Error::Damaged)
        });
        assert!(failed.is_err());
        database.finish(Durability::Now).unwrap();
        assert_eq!(rows(&dir), pairs(&[("a", "1")]));
    }

    #[test]
    fn a_second_writer_is_turned_away_and_a_reader_is_not() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        put(&dir, "a", "1", Durability::Now).unwrap();
        let first = ready(&dir);
        assert!(matches!(Database::open(&*dir, b"t", 1).unwrap(), Opened::Busy));
        assert_eq!(rows(&dir), pairs(&[("a", "1")]));
        drop(first);
        assert!(matches!(Database::open(&*dir, b"t", 1).unwrap(), Opened::Ready(_)));
    }

    #[test]
    fn a_read_only_disk_can_be_read() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        put(&dir, "a", "1", Durability::Now).unwrap();
        disk.set_read_only(true);
        assert_eq!(rows(&dir), pairs(&[("a", "1")]));
        assert!(Database::open(&*dir, b"t", 1).is_err());
    }

    #[test]
    fn another_version_is_begun_anew() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        put(&dir, "a", "1", Durability::Now).unwrap();
        assert!(Database::open_to_read(&*dir, b"t", 2).unwrap().is_none());
        let Opened::Ready(database) = Database::open(&*dir, b"t", 2).unwrap() else { panic!() };
        assert!(database.get("rows", b"a").unwrap().is_none());
        database.finish(Durability::Now).unwrap();
        assert_eq!(rows(&dir), None);
    }

    #[test]
    fn a_large_log_is_carried_over_and_readers_before_it_notice() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        let long = "v".repeat(3000);
        put(&dir, "000", &long, Durability::Now).unwrap();
        let early = Database::open_to_read(&*dir, b"t", 1).unwrap().unwrap();
        for number in 1..300 {
            put(&dir, &format!("{number:03}"), &long, Durability::Eventually).unwrap();
        }
        assert!(disk.read("/table/t.log").unwrap().len() < 2 << 20);
        assert!(disk.read("/table/t").unwrap().len() > 300 * 3000);
        assert_eq!(rows(&dir).unwrap().len(), 300);
        // Everything the early reader needs is in the log it has read, or it is told.
        match early.get("rows", b"000") {
            Ok(value) => assert_eq!(value.unwrap(), long.as_bytes()),
            Err(error) => assert!(matches!(error, Error::Moved), "{error}"),
        }
        // Shrinking and growing again shows no old page.
        let mut database = ready(&dir);
        database.write(|batch| batch.clear("rows")).unwrap();
        database.finish(Durability::Now).unwrap();
        assert_eq!(rows(&dir), pairs(&[]));
        for number in 0..300 {
            put(&dir, &format!("{number:03}"), "short", Durability::Eventually).unwrap();
        }
        assert_eq!(rows(&dir).unwrap().len(), 300);
    }

    #[test]
    fn pages_that_stand_together_are_read_at_once() {
        let memory = MemoryDisk::new();
        let long = "v".repeat(150_000);
        for number in 0..10 {
            put(&root(&memory), &number.to_string(), &long, Durability::Eventually).unwrap();
        }
        let disk = FaultyDisk::new(Arc::new(memory));
        let dir = disk.open(Path::new("/table")).unwrap();
        let database = Database::open_to_read(&*dir, b"t", 1).unwrap().unwrap();
        disk.reset_counts();
        assert_eq!(database.get("rows", b"3").unwrap().unwrap().len(), long.len());
        // Forty pages of the row, and a few on the way to it.
        assert!(disk.counts().reads <= 12, "{}", disk.counts().reads);
    }

    /// After a power failure at any operation, the rows of some finished write are there, not
    /// older than the last durable one.
    #[test]
    fn a_power_failure_leaves_a_finished_write_not_older_than_the_last_durable_one() {
        let long = "v".repeat(150_000);
        let mut cut = 0;
        loop {
            let memory = MemoryDisk::new();
            let disk = FaultyDisk::new(Arc::new(memory.clone()));
            put(&root(&memory), "0", &long, Durability::Now).unwrap();
            disk.set_fault(Fault::dying_after(cut).torn());
            let dir = disk.open(Path::new("/table")).unwrap();
            let (mut finished, mut durable) = (0, 0);
            let mut failed = false;
            for step in 1..=8 {
                let durability =
                    if step % 3 == 0 { Durability::Now } else { Durability::Eventually };
                match put(&dir, &step.to_string(), &long, durability) {
                    Ok(()) if durability == Durability::Now => (finished, durable) = (step, step),
                    Ok(()) => finished = step,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            let mut survivals = vec![Survival::Nothing, Survival::Everything];
            survivals.extend((0..6).map(Survival::Some));
            for survival in survivals {
                let image = memory.image_after_power_loss(survival);
                let found = rows(&root(&image)).map(|rows| rows.len());
                // The write under way may have become complete.
                let allowed = durable + 1..=finished + 2;
                assert!(
                    found.is_some_and(|found| allowed.contains(&found)),
                    "{found:?} rows of {allowed:?} after operation {cut}, {survival:?}"
                );
                if survival == Survival::Everything {
                    assert!(found.unwrap() > finished);
                }
                // Whatever is found can be written on.
                put(&root(&image), "next", "1", Durability::Now).unwrap();
                assert_eq!(rows(&root(&image)).unwrap().len(), found.unwrap() + 1);
            }
            if !failed {
                assert!(cut > 20, "only {cut} operations");
                return;
            }
            cut += 1;
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_or_changes_nothing() {
        let disk = MemoryDisk::new();
        let dir = root(&disk);
        let long = "v".repeat(1500);
        for number in 0..40 {
            put(&dir, &format!("{number:03}"), &long, Durability::Eventually).unwrap();
        }
        put(&dir, "last", &long, Durability::Now).unwrap();
        let right = rows(&dir).unwrap();
        let names = ["/table/t", "/table/t.log"];
        let whole = names.map(|name| disk.read(name).unwrap());
        for (name, bytes) in names.iter().zip(&whole) {
            for at in (0..bytes.len()).step_by(bytes.len() / 400 + 1).chain(0..64) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at % 8);
                disk.write(name, &damaged);
                if let Some(found) = rows(&dir) {
                    assert!(found == right, "byte {at} of {name}");
                } else {
                    let mut database = ready(&dir);
                    if database.get("rows", b"last").is_err() {
                        database.begin_anew().unwrap();
                    }
                    drop(database);
                }
                for (name, bytes) in names.iter().zip(&whole) {
                    disk.write(name, bytes);
                }
            }
        }
    }

    #[test]
    fn it_works_on_the_operating_system() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = OsDisk::new().open(temporary.path()).unwrap();
        for number in 0..60 {
            put(&dir, &format!("{number:02}"), "v", Durability::Eventually).unwrap();
        }
        assert_eq!(rows(&dir).unwrap().len(), 60);
    }
}

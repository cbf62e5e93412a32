//! The journal: the one mutable thing of a store, and the truth.
//!
//! Record *n* is created only if it does not exist, which is the one atomic step of the whole
//! system. Refs and packs are what the records say when they are read in order; checkpoints save
//! reading all of them. The lock is for politeness and for deleting old records; it never decides
//! who wins.
//!
//! Absent: any judgement of what a record changes. `publish` decides that.

mod check;
mod checkpoint;
mod follow;
mod layered;
mod newest;
mod record;
mod runs;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;

use std::io;

use bstr::ByteSlice;
use thiserror::Error;

use crate::clock::Random;
use crate::disk::{self, DirRef, Lock, Wait};
use crate::hash::{self, Id, hex};

pub use check::Checked;
pub use checkpoint::Move;
pub use layered::Layered;
pub use newest::Newest;
pub use record::{Effect, PackInfo, ParseError, Record, Target};
pub use runs::{Changes, Run};
pub use state::{CHECKPOINT_EVERY, State};

/// The longest record that is read, in bytes.
const LONGEST_RECORD: u64 = 64 << 20;
/// What one record itself may say, in bytes: the next repeats it beside as much of its own, and
/// the sum must stay readable.
const LONGEST_EFFECTS: usize = 24 << 20;
/// What stands under a number that was given up with nothing under it. It does not verify.
pub(super) const GIVEN_UP: &str = "no record: it was lost, and a later one gives up its number\n";
/// The longest checkpoint or run that is read.
const LONGEST_CHECKPOINT: u64 = 1 << 30;

/// Why the journal cannot be read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system failed.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file of the store.
        path: String,
        /// What the file system said.
        source: io::Error,
    },
    /// A file is of a newer version.
    #[error("cannot read '{path}': {source}")]
    Parse {
        /// Which file.
        path: String,
        /// What is wrong.
        source: ParseError,
    },
    /// The place cannot create a file only if it does not exist.
    #[error("cannot write here: the file system can neither link nor rename without replacing")]
    NoExclusiveCreation,
    /// One record would say more than can be read back.
    #[error("too much for one record of the journal: {bytes} bytes")]
    RecordTooLong {
        /// How long it would be.
        bytes: usize,
    },
}

pub(super) fn io_error(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// What stands under a record's number.
#[derive(Debug)]
pub enum Slot {
    /// Nothing.
    Absent,
    /// A file that does not verify; the hash of its bytes.
    Damaged(Id),
    /// A record and its hash.
    Record(Box<Record>, Id),
}

/// The journal of the store in a directory.
#[derive(Clone, Debug)]
pub struct Journal {
    dir: DirRef,
}

fn record_path(number: u64) -> String {
    format!("journal/{}/{number}", number / 1000)
}

impl Journal {
    /// The journal below this directory (`.annals`).
    pub fn new(dir: DirRef) -> Self {
        Self { dir }
    }

    /// Looks at record `number`.
    pub fn read(&self, number: u64) -> Result<Slot, Error> {
        let path = record_path(number);
        let bytes = match disk::read_all(&*self.dir, path.as_bytes(), LONGEST_RECORD) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Slot::Absent),
            // Too long to be a record: damage, not a reading error.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Slot::Damaged(Id::default()));
            }
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        match Record::parse(&bytes) {
            Ok((record, id)) if record.number == number => Ok(Slot::Record(Box::new(record), id)),
            Ok(_) | Err(ParseError::Damaged) => Ok(Slot::Damaged(hash::hash(&bytes))),
            Err(source) => Err(Error::Parse { path, source }),
        }
    }

    /// Whether there is a file for record `number`, whatever it says.
    fn is_there(&self, number: u64) -> Result<bool, Error> {
        let path = record_path(number);
        match self.dir.stat(path.as_bytes()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// The highest number that is taken, by listing.
    pub fn highest(&self) -> Result<u64, Error> {
        let mut folders = self.numbers_in("journal")?;
        folders.sort_unstable();
        let mut highest = self.numbers_in("journal/checkpoints")?.into_iter().max().unwrap_or(0);
        for folder in folders.into_iter().rev() {
            if let Some(number) = self.numbers_in(&format!("journal/{folder}"))?.into_iter().max() {
                highest = highest.max(number);
                break;
            }
        }
        Ok(highest)
    }

    /// The lowest number above this one that is taken, by listing.
    fn next_taken(&self, above: u64) -> Result<Option<u64>, Error> {
        let mut folders = self.numbers_in("journal")?;
        folders.retain(|folder| *folder >= above / 1000);
        folders.sort_unstable();
        for folder in folders {
            let numbers = self.numbers_in(&format!("journal/{folder}"))?;
            if let Some(next) = numbers.into_iter().filter(|number| *number > above).min() {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// The names in a folder that are numbers.
    fn numbers_in(&self, folder: &str) -> Result<Vec<u64>, Error> {
        match self.dir.dir(folder.as_bytes()).and_then(|dir| dir.list()) {
            Ok(found) => Ok(found
                .iter()
                .filter_map(|found| found.name.to_str().ok()?.parse().ok())
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("list", folder)(error)),
        }
    }

    /// Puts a file that is no record under each of these numbers that is free, so that nobody ever
    /// takes it for a record; durable when it returns. Under a number that is not free stays what
    /// stands there.
    pub(super) fn give_up(&self, numbers: &[u64], random: &dyn Random) -> Result<(), Error> {
        for number in numbers {
            self.put_new(&record_path(*number), GIVEN_UP.as_bytes(), random)?;
        }
        Ok(())
    }

    /// Creates a record if its number is free. Durable when it returns `true`; `false` if somebody
    /// else has the number. An error may mean either: read the record and compare nonces.
    pub fn create(&self, record: &Record, random: &dyn Random) -> Result<bool, Error> {
        let path = record_path(record.number);
        let (text, _) = record.to_text();
        if text.len() > LONGEST_EFFECTS {
            let own = Record { before: Vec::new(), ..record.clone() }.to_text().0.len();
            if own > LONGEST_EFFECTS {
                return Err(Error::RecordTooLong { bytes: own });
            }
        }
        self.put_new(&path, text.as_bytes(), random)
    }

    /// Creates a file of the journal only if it does not exist; durable when it returns.
    pub(super) fn put_new(
        &self,
        path: &str,
        bytes: &[u8],
        random: &dyn Random,
    ) -> Result<bool, Error> {
        let temporary = format!("tmp/{}.new", hex(&random.sixteen()));
        let folder = path.rfind('/').map_or("", |slash| &path[..slash]);
        disk::make_dirs(&*self.dir, folder.as_bytes()).map_err(io_error("create", folder))?;
        let created = match self.dir.create(temporary.as_bytes(), 0o444) {
            // A copy may have come without empty directories.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::make_dirs(&*self.dir, b"tmp")
                    .and_then(|()| self.dir.create(temporary.as_bytes(), 0o444))
            }
            created => created,
        };
        let written = created.and_then(|file| {
            file.write_at(bytes, 0)?;
            file.sync()
        });
        let placed = written.map_err(io_error("write", &temporary)).and_then(|()| {
            let (from, to) = (temporary.as_bytes(), path.as_bytes());
            let linked = match self.dir.link(from, &*self.dir, to) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.dir.rename_new(from, &*self.dir, to)
                }
                linked => linked,
            };
            match linked {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    Err(Error::NoExclusiveCreation)
                }
                Err(error) => Err(io_error("create", path)(error)),
            }
        });
        // The temporary name may be left by a crash; gc removes it.
        let _ = self.dir.remove_file(temporary.as_bytes());
        if placed? {
            let synced = self.dir.dir(folder.as_bytes()).and_then(|dir| dir.sync());
            synced.map_err(io_error("sync", folder))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes the lock of politeness. Gives up waiting after two seconds: then the work goes on
    /// without it, because a sleeping process must not stop everybody.
    pub fn lock(&self) -> Option<Lock> {
        for _ in 0..200 {
            match self.dir.lock(b"journal/lock", Wait::No) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(10)),
                Err(_) => return None,
            }
        }
        None
    }
}

/// A text that ends with the hash of its lines.
pub(super) fn ended_text(text: String) -> String {
    record::end_text(text).0
}

/// The lines of a text that ends with their hash; `None` if they do not match.
pub(super) fn checked_text(bytes: &[u8]) -> Option<&str> {
    record::checked_lines(bytes).ok().map(|(lines, _)| lines)
}

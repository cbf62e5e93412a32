//! The only door to the file system.
//!
//! [`Disk`] opens directories by the paths people type; from there on everything is relative to a
//! directory handle ([`Dir`]). The working tree is always walked one name at a time and no call
//! follows a symbolic link in its last component, so nothing can be led out of it. The store passes
//! relative paths of several components (`journal/0/17`) below its own directory, which nobody else
//! writes to.
//!
//! Three implementations: [`OsDisk`] (the operating system), [`MemoryDisk`] (in memory; knows what
//! is durable and what a power failure would leave; can be given the limits of poor file systems)
//! and [`FaultyDisk`] (counts the operations of another disk and fails the n-th).
//!
//! Deliberately absent: caching, retrying, and any knowledge of repositories.

mod block;
#[cfg(test)]
mod conformance;
mod faulty;
mod memory;
mod os;

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

pub use crate::clock::Time;
pub use block::{BLOCK, Block, write_long};
pub use faulty::{Counts, Fault, FaultyDisk};
pub use memory::{Limits, MemoryDisk, Survival, TreeEntry};
pub use os::OsDisk;

/// A file system, entered by the paths people type.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens an existing directory. Symbolic links in `path` are followed: a person chose them.
    fn open(&self, path: &Path) -> io::Result<DirRef>;

    /// Creates the directory and the ones above it that do not exist, then opens it.
    fn create(&self, path: &Path) -> io::Result<DirRef>;

    /// The absolute path without symbolic links, `.` or `..`.
    fn canonical(&self, path: &Path) -> io::Result<std::path::PathBuf>;

    /// Identifies the running system since it was started: another value means that everything
    /// not synced may be lost. `None` where the system does not tell.
    fn boot_id(&self) -> Option<[u8; 16]>;
}

/// A shared handle of an open directory.
pub type DirRef = Arc<dyn Dir>;

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Special,
}

/// Whether an error says that nothing is there: neither the thing, nor a directory that it could be
/// in.
pub fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What the file system says of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its kind.
    pub kind: FileKind,
    /// Permission bits, at most `0o7777`.
    pub mode: u16,
    /// Length in bytes.
    pub size: u64,
    /// When the content was last changed.
    pub mtime: Time,
    /// When anything about the file was last changed, by the file system's own clock.
    pub ctime: Time,
    /// The file's number in its file system.
    pub inode: u64,
    /// The file system's number. Changes between mounts; never compared to find changes.
    pub device: u64,
    /// How many names the file has.
    pub links: u64,
    /// Bytes that take space on the disk; less than `size` for sparse files.
    pub allocated: u64,
}

/// A name found in a directory, with its kind where the directory itself tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Raw bytes of the name.
    pub name: Vec<u8>,
    /// Its kind, if known without asking again.
    pub kind: Option<FileKind>,
}

/// A name with what the file system says of it, or why it cannot be asked.
pub type Answer = (Vec<u8>, io::Result<Stat>);

/// An open directory. Paths are raw bytes, relative to it; the last component is never followed if
/// it is a symbolic link. Calls that create something fail with `AlreadyExists` if it is there.
pub trait Dir: Send + Sync + fmt::Debug {
    /// The names in this directory, `.` and `..` excepted, in the order in which asking about them
    /// is cheapest.
    fn list(&self) -> io::Result<Vec<Found>>;

    /// These names with what the file system says of each, in no order. A name that is not there
    /// is left out; one that cannot be asked about has its error.
    fn ask(&self, names: Vec<Vec<u8>>) -> io::Result<Vec<Answer>> {
        let is_there = |asked: &Answer| {
            asked.1.as_ref().err().is_none_or(|error| error.kind() != io::ErrorKind::NotFound)
        };
        let asked = |name: Vec<u8>| {
            let stat = self.stat(&name);
            (name, stat)
        };
        Ok(names.into_iter().map(asked).filter(is_there).collect())
    }

    /// The names in this directory with what the file system says of each, in no order. A name
    /// that vanished in between is left out; one that cannot be asked about has its error.
    fn scan(&self) -> io::Result<Vec<Answer>> {
        self.ask(self.list()?.into_iter().map(|found| found.name).collect())
    }

    /// What the file system says of `path`.
    fn stat(&self, path: &[u8]) -> io::Result<Stat>;

    /// What the file system says of this directory itself.
    fn stat_self(&self) -> io::Result<Stat>;

    /// Opens the directory `path`. Fails with `NotADirectory` if it is a symbolic link.
    fn dir(&self, path: &[u8]) -> io::Result<DirRef>;

    /// Opens a regular file for reading. Never blocks on a pipe or device, and fails on a
    /// symbolic link.
    fn open(&self, path: &[u8]) -> io::Result<FileRef>;

    /// Opens a regular file for reading, and says what the file system says of it.
    fn open_with_stat(&self, path: &[u8]) -> io::Result<(FileRef, Stat)> {
        let file = self.open(path)?;
        let stat = file.stat()?;
        Ok((file, stat))
    }

    /// Opens a file for reading that was a regular one when the directory was looked at. It may
    /// have become something else since: what is read from it counts only if the opened file is
    /// asked afterwards, and says what the directory said, or that it did not change since it was
    /// opened. Saves asking twice.
    fn open_listed(&self, path: &[u8]) -> io::Result<FileRef> {
        self.open(path)
    }

    /// What a symbolic link points to.
    fn link_target(&self, path: &[u8]) -> io::Result<Vec<u8>>;

    /// Creates a new file, open for reading and writing.
    fn create(&self, path: &[u8], mode: u16) -> io::Result<FileRef>;

    /// Opens a file for reading and writing, creating it if need be.
    fn open_or_create(&self, path: &[u8], mode: u16) -> io::Result<FileRef>;

    /// Creates a directory.
    fn make_dir(&self, path: &[u8], mode: u16) -> io::Result<()>;

    /// Creates a symbolic link at `path`.
    fn make_symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()>;

    /// Gives the file `from` a second name, `to` in the directory `to_dir`, if that is free.
    /// Fails with `Unsupported` where the file system has no hard links.
    fn link(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()>;

    /// Renames, replacing what is at `to` in `to_dir`.
    fn rename(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()>;

    /// Renames only if `to` is free, in one atomic step. Fails with `Unsupported` where the file
    /// system cannot.
    fn rename_new(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()>;

    /// Removes a file or symbolic link.
    fn remove_file(&self, path: &[u8]) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &[u8]) -> io::Result<()>;

    /// Sets permission bits of a file or directory (never through a symbolic link).
    fn set_mode(&self, path: &[u8], mode: u16) -> io::Result<()>;

    /// Sets the modification time of a file, directory or symbolic link itself.
    fn set_mtime(&self, path: &[u8], mtime: Time) -> io::Result<()>;

    /// Makes the names in this directory durable: what was created, renamed or removed in it.
    fn sync(&self) -> io::Result<()>;

    /// Makes everything written to this file system durable (`syncfs`).
    fn sync_file_system(&self) -> io::Result<()>;

    /// The time by the clock that gives files here their times, as far as that is known without
    /// writing.
    fn now(&self) -> Time;

    /// A number of the file system that stays the same between mounts, so that a copy on another
    /// one can be told from the original. 0 where the system does not tell.
    fn file_system_id(&self) -> io::Result<u64>;

    /// Takes a kernel lock on the file `path`, which is created if need be. The lock goes when the
    /// guard is dropped or the process dies. With [`Wait::No`], `None` means that someone else has
    /// it. Fails with `Unsupported` where the file system has no locks.
    fn lock(&self, path: &[u8], wait: Wait) -> io::Result<Option<Lock>>;

    /// The whole file as bytes: mapped into memory where possible. Only for files that are never
    /// written again once they have their name.
    fn map(&self, path: &[u8]) -> io::Result<Bytes>;

    /// The type behind the trait, so that two directories of one disk can know each other.
    fn as_any(&self) -> &dyn Any;
}

/// Whether to wait for a lock that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Come back at once.
    No,
    /// Wait until it is free.
    Yes,
}

/// A held lock; dropping it releases it.
pub struct Lock(#[allow(dead_code)] Box<dyn Any + Send + Sync>);

impl Lock {
    pub(crate) fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// What [`File::write_past_cache`] can write begins at a multiple of this, and is as long.
pub const DIRECT_STEP: usize = 4096;

/// A shared handle of an open file.
pub type FileRef = Arc<dyn File>;

/// An open file. Reads and writes say where, so a handle can be shared by threads.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, past the page cache where the file system can do that
    /// and both are multiples of [`DIRECT_STEP`] (in memory too). For long files that are written
    /// once, front to back: it saves a copy of everything, and leaves the cache to others.
    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// What the file system says of this open file.
    fn stat(&self) -> io::Result<Stat>;

    /// Cuts or extends the file.
    fn set_len(&self, size: u64) -> io::Result<()>;

    /// Makes the content durable. After an error nothing about this file may be believed: write
    /// anew under another name.
    fn sync(&self) -> io::Result<()>;

    /// Sets permission bits.
    fn set_mode(&self, mode: u16) -> io::Result<()>;

    /// Sets the modification time.
    fn set_mtime(&self, mtime: Time) -> io::Result<()>;

    /// The next run of bytes at or after `offset` that are not a hole, as the file system tells
    /// it; `None` if only a hole follows. Without support: everything is data.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>>;
}

impl dyn File + '_ {
    /// Reads until `buffer` is full or the file ends; returns how many bytes came.
    pub fn read_full_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Reads until at least `least` bytes came or the file ends, once in any case; returns how many
    /// came.
    pub fn read_least_at(&self, buffer: &mut [u8], least: usize, offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => return Ok(filled),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if filled >= least {
                return Ok(filled);
            }
        }
    }

    /// Reads exactly `buffer.len()` bytes; `UnexpectedEof` if the file is shorter.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_full_at(buffer, offset)? {
            count if count == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The bytes of a file that is never written again: mapped, or held.
#[derive(Clone)]
pub struct Bytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Bytes {
    /// Wraps whatever holds the bytes.
    pub fn new(holder: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(holder))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}

/// Reads a whole file of at most `limit` bytes; a longer one is `InvalidData`.
pub fn read_all(dir: &dyn Dir, path: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let (file, stat) = dir.open_with_stat(path)?;
    let size = stat.size;
    if size > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size} bytes where at most {limit} are expected"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let count = file.read_full_at(&mut bytes, 0)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Creates the directories of `path` below `dir` that do not exist, and makes each durable.
pub fn make_dirs(dir: &dyn Dir, path: &[u8]) -> io::Result<()> {
    for end in (0..=path.len()).filter(|&end| end == path.len() || path[end] == b'/') {
        match dir.make_dir(&path[..end], 0o777) {
            Ok(()) => match path[..end].iter().rposition(|&byte| byte == b'/') {
                Some(slash) => dir.dir(&path[..slash])?.sync()?,
                None => dir.sync()?,
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Replaces the file `path` by `bytes` so that after a crash it has the old content or the new:
/// written beside, synced, renamed, the directory synced. `unique` makes the temporary name.
pub fn replace(dir: &dyn Dir, path: &[u8], unique: [u8; 4], bytes: &[u8]) -> io::Result<()> {
    replace_by(dir, path, unique, |file| {
        file.write_at(bytes, 0)?;
        file.sync()
    })?;
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => dir.dir(&path[..slash])?.sync(),
        None => dir.sync(),
    }
}

/// The same for derived data, which is not synced: after a crash it may have any content, and whoever
/// reads it can tell.
pub fn replace_derived(
    dir: &dyn Dir,
    path: &[u8],
    unique: [u8; 4],
    bytes: &[u8],
) -> io::Result<()> {
    replace_by(dir, path, unique, |file| file.write_at(bytes, 0))
}

fn replace_by(
    dir: &dyn Dir,
    path: &[u8],
    unique: [u8; 4],
    write: impl FnOnce(&FileRef) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.to_vec();
    beside.extend_from_slice(format!(".{:08x}.tmp", u32::from_be_bytes(unique)).as_bytes());
    let written = dir
        .create(&beside, 0o666)
        .and_then(|file| write(&file))
        .and_then(|()| dir.rename(&beside, dir, path));
    if written.is_err() {
        // Best effort: what stays behind is a temporary file that gc removes.
        let _ = dir.remove_file(&beside);
    }
    written
}

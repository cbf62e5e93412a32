//! A file system in memory that knows what a power failure would leave of it.
//!
//! Each file has its current bytes and those that are durable; each directory has its current names
//! and, for every name changed since the directory was synced, what it stood for before. Syncing a
//! file says nothing about its name, syncing a directory nothing about the content below: as little
//! as POSIX promises. [`MemoryDisk::image_after_power_loss`] makes a disk of what survives.
//!
//! Always true: nothing depends on the machine's clock, on chance or on the order of a hash map.
//! Deliberately absent: users (permission bits are kept, not enforced), access times, and any wait
//! but the one for a lock.

mod handles;
mod node;
mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::os::create_durably;
use crate::disk::{DirRef, Disk, FileKind, Stat};

use handles::MemoryDir;
use node::{Body, Chance, Node};
use volume::Volume;

const ROOT: u64 = 1;
const SECTOR: usize = 512;
const BLOCK: usize = 4096;
/// Taken from the modes of what is created, as most people's shells do.
const UMASK: u16 = 0o022;
/// Files here are really in memory; a test that writes at the far end of one is mistaken.
const LARGEST_FILE: u64 = 1 << 32;

/// What a file system cannot express, or does its own way.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keeps permission bits. If not, everything reads as 0o755 and setting them does nothing.
    pub exec_bits: bool,
    /// Has symbolic links.
    pub symlinks: bool,
    /// Has hard links.
    pub hard_links: bool,
    /// Tells `a` from `A`. If not, it still keeps the case a name was created with.
    pub case_sensitive: bool,
    /// Takes a letter with an accent for the letter and the accent. It still keeps what a name was
    /// created with. Known are the small letters of Latin-1 with an acute accent.
    pub normalises: bool,
    /// Times are rounded down to multiples of this.
    pub mtime_step_nanoseconds: u64,
    /// Files keep their inode numbers when the disk is mounted again.
    pub stable_inodes: bool,
    /// Bytes that no name may have.
    pub forbidden_bytes: &'static [u8],
    /// Has locks.
    pub locks: bool,
    /// Can rename without replacing in one step.
    pub rename_new: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            exec_bits: true,
            symlinks: true,
            hard_links: true,
            case_sensitive: true,
            normalises: false,
            mtime_step_nanoseconds: 1,
            stable_inodes: true,
            forbidden_bytes: b"",
            locks: true,
            rename_new: true,
        }
    }
}

impl Limits {
    /// A camera's memory card or an external drive.
    pub fn exfat() -> Self {
        Self {
            exec_bits: false,
            symlinks: false,
            hard_links: false,
            case_sensitive: false,
            normalises: false,
            mtime_step_nanoseconds: 2_000_000_000,
            stable_inodes: false,
            forbidden_bytes: b"\"*:<>?|\\",
            locks: true,
            rename_new: true,
        }
    }
}

/// What of the unsynced changes is still there after the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of them: the power failed before anything reached the disk.
    Nothing,
    /// All of them: the process was killed, the system runs on. They are still unsynced, and the
    /// boot id is the same.
    Everything,
    /// Some, by this seed: the power failed while the system was writing in an order of its own.
    Some(u64),
}

/// One file, directory or symbolic link in a [`MemoryDisk::tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its kind.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u16,
    /// Modification time.
    pub mtime: Time,
    /// A file's bytes, a symbolic link's target.
    pub content: Vec<u8>,
}

/// A whole file system in memory. A clone is the same disk.
#[derive(Clone)]
pub struct MemoryDisk(Arc<Shared>);

struct Shared {
    volume: Mutex<Volume>,
    unlocked: Condvar,
}

type ReadHook = Arc<dyn Fn(&MemoryDisk, &[u8], u64) + Send + Sync>;

impl MemoryDisk {
    /// An empty disk as good as a Linux file system.
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// An empty disk with these limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self::of(Volume::new(limits))
    }

    fn of(volume: Volume) -> Self {
        Self(Arc::new(Shared { volume: Mutex::new(volume), unlocked: Condvar::new() }))
    }

    fn volume(&self) -> MutexGuard<'_, Volume> {
        self.0.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new, independent disk with what the failure leaves, mounted anew: nothing is locked, and
    /// unless the system ran on (`Everything`), all is durable and boot id and device differ.
    pub fn image_after_power_loss(&self, survival: Survival) -> Self {
        let volume = self.volume();
        Self::of(match survival {
            Survival::Everything => volume.image_after_kill(),
            Survival::Nothing => volume.image(None),
            Survival::Some(seed) => volume.image(Some(Chance::new(seed))),
        })
    }

    /// Unplugs the disk properly and plugs it in again: all is durable, the device is another, and
    /// so are the inode numbers unless they are stable.
    pub fn remount(&self) {
        let mut volume = self.volume();
        volume.sync_all();
        volume.mounts += 1;
    }

    /// Sets the disk's clock.
    pub fn set_time(&self, time: Time) {
        self.volume().now = time;
    }

    /// How far each change moves the disk's clock on, after it is stamped. A millisecond at first.
    pub fn set_step(&self, nanoseconds: u64) {
        self.volume().step_nanoseconds = nanoseconds;
    }

    /// Lets the disk's clock be ahead of the machine's, as a server's may be, or behind it.
    pub fn set_ahead(&self, nanoseconds: i64) {
        self.volume().ahead_nanoseconds = nanoseconds;
    }

    /// Makes every call that changes something fail, or lets them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.volume().read_only = read_only;
    }

    /// Lists every name twice, as may happen to one that is replaced by renaming meanwhile.
    pub fn set_lists_twice(&self, lists_twice: bool) {
        self.volume().lists_twice = lists_twice;
    }

    /// Lets the files take this many bytes at most, in blocks of 4,096.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.volume().capacity = bytes;
    }

    /// The bytes that files take, in blocks of 4,096.
    pub fn used(&self) -> u64 {
        self.volume().used()
    }

    /// Makes reading this file, or listing this directory, fail with an I/O error.
    pub fn make_unreadable(&self, path: &str) {
        self.change(path, |node| node.unreadable = true);
    }

    /// Ends what [`Self::make_unreadable`] began.
    pub fn make_readable(&self, path: &str) {
        self.change(path, |node| node.unreadable = false);
    }

    /// Makes opening this file or directory fail, as if somebody else owned it.
    pub fn make_closed(&self, path: &str) {
        self.change(path, |node| node.closed = true);
    }

    /// Makes the names in this directory stay as they are, as if somebody else owned it.
    pub fn make_fixed(&self, path: &str) {
        self.change(path, |node| node.fixed = true);
    }

    /// Makes the sync of a file fail after this many have succeeded. As on Linux, what was unsynced
    /// then never becomes durable, although it can be read and later syncs report success.
    pub fn fail_sync_after(&self, successes: u64) {
        self.volume().syncs_until_failure = Some(successes);
    }

    /// Calls `hook` before each read of a file, with the path it was opened by and the offset.
    /// The hook may change the disk.
    pub fn on_read(&self, hook: impl Fn(&Self, &[u8], u64) + Send + Sync + 'static) {
        self.volume().on_read = Some(Arc::new(hook));
    }

    /// Writes a file, in place if it exists, with the directories above it. For tests: panics.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = Path::new(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            panic!("not a file's path: {path:?}")
        };
        Disk::create(self, parent)
            .and_then(|dir| dir.open_or_create(name.as_bytes(), 0o666))
            .and_then(|file| file.set_len(0).and_then(|()| file.write_at(bytes.as_ref(), 0)))
            .unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
    }

    /// The bytes of a file, if it is one; symbolic links are followed. Not seen by hooks.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let volume = self.volume();
        let inode = volume.walk(ROOT, path.as_bytes(), true).ok()?;
        match &volume.node(inode).body {
            Body::File { current, .. } => Some(current.bytes.clone()),
            _ => None,
        }
    }

    /// Everything below a directory, by path relative to it. Empty if there is none.
    pub fn tree(&self, path: &str) -> BTreeMap<Vec<u8>, TreeEntry> {
        let volume = self.volume();
        let mut tree = BTreeMap::new();
        let mut todo = vec![(Vec::new(), volume.walk(ROOT, path.as_bytes(), true))];
        while let Some((prefix, inode)) = todo.pop() {
            let Ok(directory) = inode.and_then(|inode| volume.directory(inode)) else { continue };
            for entry in directory.entries.values() {
                let path = [&prefix[..], &entry.name].concat();
                let node = volume.node(entry.inode);
                let content = match &node.body {
                    Body::File { current, .. } => current.bytes.clone(),
                    Body::Symlink(target) => target.clone(),
                    Body::Directory(_) | Body::Special => Vec::new(),
                };
                let Stat { kind, mode, mtime, .. } = volume.stat(entry.inode);
                if kind == FileKind::Directory {
                    todo.push(([&path[..], b"/"].concat(), Ok(entry.inode)));
                }
                tree.insert(path, TreeEntry { kind, mode, mtime, content });
            }
        }
        tree
    }

    /// Makes a pipe. For tests: panics.
    pub fn make_special(&self, path: &str) {
        let mut volume = self.volume();
        let (dir, name) = volume.parent(ROOT, path.as_bytes()).expect("the directory exists");
        volume.add(dir, &name, Body::Special, 0o644).expect("the name is free");
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Node)) {
        let mut volume = self.volume();
        match volume.walk(ROOT, path.as_bytes(), false) {
            Ok(inode) => change(volume.node_mut(inode)),
            Err(error) => panic!("no {path:?} on this disk: {error}"),
        }
    }

    fn dir_handle(&self, volume: &Volume, inode: u64, path: Vec<u8>) -> DirRef {
        let open = volume.node(inode).open.clone();
        Arc::new(MemoryDir { disk: self.clone(), inode, path, _open: open })
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryDisk")
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> io::Result<DirRef> {
        let canonical = self.canonical(path)?.into_os_string().into_vec();
        let volume = self.volume();
        let inode = volume.walk(ROOT, &canonical, false)?;
        volume.directory(inode)?;
        Ok(self.dir_handle(&volume, inode, canonical))
    }

    fn create(&self, path: &Path) -> io::Result<DirRef> {
        create_durably(self, path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        if !path.is_absolute() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"));
        }
        let volume = self.volume();
        let mut inode = volume.walk(ROOT, path.as_os_str().as_bytes(), true)?;
        let mut names = Vec::new();
        if volume.directory(inode).is_err() {
            // A file does not know the directories it is in: its name is as it was given.
            let (dir, name) = volume.parent(ROOT, path.as_os_str().as_bytes())?;
            names.push(name);
            inode = dir;
        }
        while inode != ROOT {
            let above = volume.directory(inode)?.parent;
            let mut siblings = volume.directory(above)?.entries.values();
            names.push(siblings.find(|it| it.inode == inode).ok_or(Errno::NOENT)?.name.clone());
            inode = above;
        }
        names.push(Vec::new());
        names.reverse();
        let path = if names.len() == 1 { b"/".to_vec() } else { names.join(&b'/') };
        Ok(PathBuf::from(std::ffi::OsString::from_vec(path)))
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        Some(self.volume().boot_id)
    }
}

#[cfg(test)]
mod tests;

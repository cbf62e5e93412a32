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

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::os::{check_path, create_durably, not_a_regular_file, other_disk, unsupported};
use crate::disk::{Bytes, Dir, DirRef, Disk, File, FileKind, FileRef, Found, Lock, Stat, Wait};

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

    /// Makes every call that changes something fail, or lets them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.volume().read_only = read_only;
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

/// A name as lookups compare it.
type Key = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Vec<u8>,
    inode: u64,
}

#[derive(Clone)]
struct Directory {
    parent: u64,
    entries: BTreeMap<Key, Entry>,
    /// For each name changed since the last sync: what it stood for then, and what in between.
    unsynced: BTreeMap<Key, Vec<Option<Entry>>>,
}

impl Directory {
    fn set(&mut self, key: Key, entry: Option<Entry>) {
        let before = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(&key),
        };
        let states = self.unsynced.entry(key).or_default();
        states.push(before);
        if states.len() > 4 {
            states.remove(1);
        }
    }

    /// Every inode that a name stands for or would stand for after a failure.
    fn inodes(&self) -> impl Iterator<Item = u64> {
        let unsynced = self.unsynced.values().flatten().flatten();
        self.entries.values().chain(unsynced).map(|entry| entry.inode)
    }
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Whether a block has ever been written; if not, it is a hole.
    written: Vec<bool>,
}

impl Content {
    fn resize(&mut self, size: usize) {
        self.bytes.resize(size, 0);
        self.written.resize(size.div_ceil(BLOCK), false);
    }

    /// Writes until a block is needed that is not free; returns how many bytes that were.
    fn write(&mut self, bytes: &[u8], offset: usize, free_blocks: &mut u64) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done;
            let count = (BLOCK - at % BLOCK).min(bytes.len() - done);
            if !self.written.get(at / BLOCK).is_some_and(|&written| written) {
                if *free_blocks == 0 {
                    break;
                }
                *free_blocks -= 1;
            }
            if self.bytes.len() < at + count {
                self.resize(at + count);
            }
            self.bytes[at..at + count].copy_from_slice(&bytes[done..done + count]);
            self.written[at / BLOCK] = true;
            done += count;
        }
        done
    }

    fn allocated(&self) -> u64 {
        self.written.iter().filter(|&&written| written).count() as u64 * BLOCK as u64
    }

    fn next_data(&self, offset: u64) -> Option<Range<u64>> {
        let first = usize::try_from(offset).ok().filter(|&first| first < self.bytes.len())?;
        let start = (first / BLOCK..self.written.len()).find(|&block| self.written[block])?;
        let end = (start..self.written.len()).find(|&block| !self.written[block]);
        let end = end.map_or(self.bytes.len(), |end| end * BLOCK);
        Some((start * BLOCK).max(first) as u64..end as u64)
    }

    /// What is left if only some sectors of the change from `durable` to `self` were written.
    fn torn(&self, durable: &Self, chance: &mut Chance) -> Self {
        let (old, new) = (durable.bytes.len(), self.bytes.len());
        let size = match chance.below(3) {
            0 => old,
            1 => new,
            // Cut at a sector that the growth reached.
            _ if new > old => {
                let sectors = (new - old).div_ceil(SECTOR) as u64 + 1;
                (old / SECTOR * SECTOR + chance.below(sectors) as usize * SECTOR).clamp(old, new)
            }
            _ => new,
        };
        let mut torn = durable.clone();
        torn.resize(size);
        // All, none or half of the sectors: independent draws alone would never leave a large
        // file whole.
        let odds = [0, 2, 2, 4][chance.below(4) as usize];
        for start in (0..size.min(new)).step_by(SECTOR) {
            let end = (start + SECTOR).min(size).min(new);
            if torn.bytes[start..end] != self.bytes[start..end] && chance.below(4) < odds {
                torn.bytes[start..end].copy_from_slice(&self.bytes[start..end]);
                torn.written[start / BLOCK] = true;
            }
        }
        torn
    }
}

#[derive(Clone)]
enum Body {
    File { current: Arc<Content>, durable: Arc<Content> },
    Directory(Directory),
    Symlink(Vec<u8>),
    Special,
}

#[derive(Clone, Copy)]
struct Facts {
    mode: u16,
    mtime: Time,
    ctime: Time,
}

#[derive(Clone)]
struct Node {
    body: Body,
    facts: Facts,
    durable_facts: Facts,
    /// How many names it has now; a directory has one.
    names: u64,
    unreadable: bool,
    /// A sync failed: what was unsynced will never be durable.
    write_lost: bool,
    /// Held by every open handle, so that removed files stay as long as they are open.
    open: Arc<()>,
}

impl Node {
    fn sync(&mut self) {
        self.durable_facts = self.facts;
        match &mut self.body {
            Body::File { current, durable } if !self.write_lost => *durable = current.clone(),
            Body::Directory(directory) => directory.unsynced.clear(),
            _ => {}
        }
    }

    /// The node as the disk has it after a failure, for an image: without names yet.
    fn survivor(&self, chance: &mut Option<Chance>) -> Self {
        let keeps = chance.as_mut().is_some_and(|chance| chance.below(2) == 0);
        let facts = if keeps { self.facts } else { self.durable_facts };
        let body = match &self.body {
            Body::File { current, durable } => {
                let left = match chance {
                    Some(chance) if !Arc::ptr_eq(current, durable) && !self.write_lost => {
                        Arc::new(current.torn(durable, chance))
                    }
                    _ => durable.clone(),
                };
                Body::File { current: left.clone(), durable: left }
            }
            Body::Directory(directory) => Body::Directory(Directory {
                parent: directory.parent,
                entries: BTreeMap::new(),
                unsynced: BTreeMap::new(),
            }),
            other => other.clone(),
        };
        let unreadable = self.unreadable;
        let open = Arc::default();
        Self { body, facts, durable_facts: facts, names: 1, unreadable, write_lost: false, open }
    }
}

/// Pseudo-random numbers (splitmix64).
struct Chance {
    state: u64,
    /// Of 8: how likely a changed name is found in its last state. Drawn once, so that some images
    /// lose nearly all and some nearly nothing.
    name_odds: u64,
}

impl Chance {
    fn new(seed: u64) -> Self {
        let mut chance = Self { state: seed, name_odds: 0 };
        chance.name_odds = [1, 4, 4, 7][chance.below(4) as usize];
        chance
    }

    /// What a changed name stands for: its last state, or one it had since it was durable.
    fn state<'a>(
        &mut self,
        before: &'a [Option<Entry>],
        current: Option<&'a Entry>,
    ) -> Option<&'a Entry> {
        if self.below(8) < self.name_odds {
            return current;
        }
        before[self.below(before.len() as u64) as usize].as_ref()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}

#[derive(Clone)]
struct Volume {
    nodes: BTreeMap<u64, Node>,
    next_inode: u64,
    limits: Limits,
    now: Time,
    step_nanoseconds: u64,
    read_only: bool,
    capacity: Option<u64>,
    syncs_until_failure: Option<u64>,
    boot_id: [u8; 16],
    mounts: u64,
    locked: BTreeSet<u64>,
    removals: usize,
    on_read: Option<ReadHook>,
}

/// Letters followed by an acute accent become one.
fn composed(text: &str) -> String {
    let pairs = [
        ("a\u{301}", "\u{e1}"),
        ("e\u{301}", "\u{e9}"),
        ("i\u{301}", "\u{ed}"),
        ("o\u{301}", "\u{f3}"),
        ("u\u{301}", "\u{fa}"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (two, one)| text.replace(two, one))
}

impl Volume {
    fn new(limits: Limits) -> Self {
        let now = Time::from_seconds(1_700_000_000);
        let mut volume = Self {
            nodes: BTreeMap::new(),
            next_inode: ROOT,
            limits,
            now,
            step_nanoseconds: 1_000_000,
            read_only: false,
            capacity: None,
            syncs_until_failure: None,
            boot_id: *b"first boot......",
            mounts: 0,
            locked: BTreeSet::new(),
            removals: 0,
            on_read: None,
        };
        volume.insert(empty_directory(ROOT), 0o755, now);
        volume
    }

    fn insert(&mut self, body: Body, mode: u16, now: Time) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        let facts = Facts { mode: mode & 0o7777, mtime: now, ctime: now };
        let node = Node {
            body,
            facts,
            durable_facts: facts,
            names: 1,
            unreadable: false,
            write_lost: false,
            open: Arc::default(),
        };
        self.nodes.insert(inode, node);
        inode
    }

    fn node(&self, inode: u64) -> &Node {
        self.nodes.get(&inode).expect("what has a name or is open is on the disk")
    }

    fn node_mut(&mut self, inode: u64) -> &mut Node {
        self.nodes.get_mut(&inode).expect("what has a name or is open is on the disk")
    }

    fn directory(&self, inode: u64) -> io::Result<&Directory> {
        match &self.node(inode).body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn readable(&self, inode: u64) -> io::Result<&Node> {
        let node = self.node(inode);
        if node.unreadable { Err(Errno::IO.into()) } else { Ok(node) }
    }

    fn regular(&self, inode: u64) -> io::Result<&Arc<Content>> {
        match &self.node(inode).body {
            Body::File { current, .. } => Ok(current),
            _ => Err(not_a_regular_file()),
        }
    }

    fn key(&self, name: &[u8]) -> Key {
        let limits = &self.limits;
        match std::str::from_utf8(name) {
            _ if limits.case_sensitive && !limits.normalises => name.to_vec(),
            Ok(text) => {
                let text = if limits.normalises { composed(text) } else { text.to_owned() };
                match limits.case_sensitive {
                    true => text.into_bytes(),
                    false => text.to_lowercase().into_bytes(),
                }
            }
            Err(_) if limits.case_sensitive => name.to_vec(),
            Err(_) => name.to_ascii_lowercase(),
        }
    }

    fn find(&self, dir: u64, name: &[u8]) -> io::Result<u64> {
        let entry = self.directory(dir)?.entries.get(&self.key(name));
        entry.map(|entry| entry.inode).ok_or_else(|| Errno::NOENT.into())
    }

    /// The inode of a path, which may have `.`, `..` and symbolic links in it.
    fn walk(&self, start: u64, path: &[u8], follow_last: bool) -> io::Result<u64> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let named = |part: &&[u8]| !part.is_empty() && *part != b".";
            let parts = path.split(|&byte| byte == b'/').filter(named);
            parts.rev().map(<[u8]>::to_vec).collect()
        };
        let base = |path: &[u8], here| if path.starts_with(b"/") { ROOT } else { here };
        let mut here = base(path, start);
        let mut rest = parts(path);
        let mut followed = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                here = self.directory(here)?.parent;
                continue;
            }
            let inode = self.find(here, &part)?;
            match &self.node(inode).body {
                Body::Symlink(target) if follow_last || !rest.is_empty() => {
                    followed += 1;
                    if followed > 40 {
                        return Err(Errno::LOOP.into());
                    }
                    here = base(target, here);
                    rest.extend(parts(target));
                }
                _ => here = inode,
            }
        }
        Ok(here)
    }

    /// The directory that has the last name of a path, and that name.
    fn parent(&self, start: u64, path: &[u8]) -> io::Result<(u64, Vec<u8>)> {
        let slash = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let dir = self.walk(start, &path[..slash], true)?;
        self.directory(dir)?;
        Ok((dir, path[slash..].to_vec()))
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
    }

    /// The directory and name for something new, if that can be created.
    fn place(&self, start: u64, path: &[u8]) -> io::Result<(u64, Vec<u8>)> {
        let (dir, name) = self.parent(start, path)?;
        if self.find(dir, &name).is_ok() {
            return Err(Errno::EXIST.into());
        }
        self.check_name(dir, &name)?;
        Ok((dir, name))
    }

    fn check_name(&self, dir: u64, name: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG.into());
        }
        if name.iter().any(|byte| self.limits.forbidden_bytes.contains(byte)) {
            return Err(Errno::INVAL.into());
        }
        if self.node(dir).names == 0 {
            return Err(Errno::NOENT.into());
        }
        Ok(())
    }

    /// The time of a change; the next one is later.
    fn tick(&mut self) -> Time {
        let now = self.now;
        let nanoseconds = u64::from(now.nanoseconds) + self.step_nanoseconds;
        self.now.seconds += (nanoseconds / 1_000_000_000) as i64;
        self.now.nanoseconds = (nanoseconds % 1_000_000_000) as u32;
        self.round(now)
    }

    fn round(&self, time: Time) -> Time {
        let all = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        let all = all - all.rem_euclid(i128::from(self.limits.mtime_step_nanoseconds.max(1)));
        Time {
            seconds: all.div_euclid(1_000_000_000) as i64,
            nanoseconds: all.rem_euclid(1_000_000_000) as u32,
        }
    }

    fn set_name(&mut self, dir: u64, name: &[u8], inode: Option<u64>, now: Time) {
        let key = self.key(name);
        let node = self.node_mut(dir);
        node.facts.mtime = now;
        node.facts.ctime = now;
        if let Body::Directory(directory) = &mut node.body {
            directory.set(key, inode.map(|inode| Entry { name: name.to_vec(), inode }));
        }
    }

    fn add(&mut self, dir: u64, name: &[u8], body: Body, mode: u16) -> io::Result<u64> {
        let now = self.tick();
        let inode = self.insert(body, mode, now);
        self.set_name(dir, name, Some(inode), now);
        Ok(inode)
    }

    /// Takes one name from an inode; its entry is already gone or replaced.
    fn forget_name(&mut self, inode: u64, now: Time) {
        let node = self.node_mut(inode);
        node.names -= 1;
        node.facts.ctime = now;
        self.removals += 1;
        if self.removals > 1_000.max(self.nodes.len() / 2) {
            self.removals = 0;
            self.sweep();
        }
    }

    /// Drops the nodes that have no name, now or after a failure, and are not open.
    fn sweep(&mut self) {
        let held = |(inode, node): (&u64, &Node)| {
            let held = *inode == ROOT || Arc::strong_count(&node.open) > 1;
            (held || node.names > 0 || self.locked.contains(inode)).then_some(*inode)
        };
        let mut todo: Vec<u64> = self.nodes.iter().filter_map(held).collect();
        let mut kept = BTreeSet::new();
        while let Some(inode) = todo.pop() {
            if kept.insert(inode)
                && let Body::Directory(directory) = &self.node(inode).body
            {
                todo.extend(directory.inodes());
            }
        }
        self.nodes.retain(|inode, _| kept.contains(inode));
    }

    fn link(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) -> io::Result<()> {
        let inode = self.walk(from.0, from.1, false)?;
        let (dir, name) = self.place(to.0, to.1)?;
        if !self.limits.hard_links || matches!(self.node(inode).body, Body::Directory(_)) {
            return Err(unsupported(Errno::PERM));
        }
        let now = self.tick();
        self.set_name(dir, &name, Some(inode), now);
        let node = self.node_mut(inode);
        node.names += 1;
        node.facts.ctime = now;
        Ok(())
    }

    fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) -> io::Result<()> {
        let (from_dir, from_name) = self.parent(from.0, from.1)?;
        let inode = self.find(from_dir, &from_name)?;
        let (to_dir, to_name) = self.parent(to.0, to.1)?;
        self.check_name(to_dir, &to_name)?;
        let respelled = from_dir == to_dir && self.key(&from_name) == self.key(&to_name);
        let replaced = self.find(to_dir, &to_name).ok().filter(|_| !respelled);
        if replaced == Some(inode) {
            return Ok(()); // two names of one file: POSIX leaves both
        }
        let is_dir = self.directory(inode).is_ok();
        if let Some(replaced) = replaced {
            match self.directory(replaced) {
                Ok(_) if !is_dir => return Err(Errno::ISDIR.into()),
                Ok(directory) if !directory.entries.is_empty() => {
                    return Err(Errno::NOTEMPTY.into());
                }
                Err(_) if is_dir => return Err(Errno::NOTDIR.into()),
                _ => {}
            }
        }
        let mut above = to_dir;
        while is_dir && above != ROOT {
            if above == inode {
                return Err(Errno::INVAL.into());
            }
            above = self.directory(above)?.parent;
        }
        let now = self.tick();
        if !respelled {
            self.set_name(from_dir, &from_name, None, now);
        }
        self.set_name(to_dir, &to_name, Some(inode), now);
        let node = self.node_mut(inode);
        node.facts.ctime = now;
        if let Body::Directory(directory) = &mut node.body {
            directory.parent = to_dir;
        }
        if let Some(replaced) = replaced {
            self.forget_name(replaced, now);
        }
        Ok(())
    }

    fn remove(&mut self, start: u64, path: &[u8], wanted: FileKind) -> io::Result<()> {
        let (dir, name) = self.parent(start, path)?;
        let inode = self.find(dir, &name)?;
        self.check_writable()?;
        match (self.directory(inode), wanted) {
            (Ok(_), FileKind::File) => return Err(Errno::ISDIR.into()),
            (Err(error), FileKind::Directory) => return Err(error),
            (Ok(directory), _) if !directory.entries.is_empty() => {
                return Err(Errno::NOTEMPTY.into());
            }
            _ => {}
        }
        let now = self.tick();
        self.set_name(dir, &name, None, now);
        self.forget_name(inode, now);
        Ok(())
    }

    fn set_mode(&mut self, inode: u64, mode: u16) -> io::Result<()> {
        self.check_writable()?;
        if matches!(self.node(inode).body, Body::Symlink(_)) {
            return Err(unsupported(Errno::OPNOTSUPP));
        }
        if self.limits.exec_bits {
            let now = self.tick();
            let facts = &mut self.node_mut(inode).facts;
            facts.mode = mode & 0o7777;
            facts.ctime = now;
        }
        Ok(())
    }

    fn set_mtime(&mut self, inode: u64, mtime: Time) -> io::Result<()> {
        self.check_writable()?;
        let (now, mtime) = (self.tick(), self.round(mtime));
        let facts = &mut self.node_mut(inode).facts;
        facts.mtime = mtime;
        facts.ctime = now;
        Ok(())
    }

    /// Changes a file's content; the change gets the blocks that are free.
    fn change<T>(
        &mut self,
        inode: u64,
        change: impl FnOnce(&mut Content, &mut u64) -> T,
    ) -> io::Result<T> {
        self.check_writable()?;
        let free = self.capacity.map(|capacity| capacity.saturating_sub(self.used()));
        let mut free_blocks = free.map_or(u64::MAX, |free| free / BLOCK as u64);
        let now = self.tick();
        let node = self.node_mut(inode);
        node.facts.mtime = now;
        node.facts.ctime = now;
        match &mut node.body {
            Body::File { current, .. } => Ok(change(Arc::make_mut(current), &mut free_blocks)),
            _ => Err(not_a_regular_file()),
        }
    }

    fn used(&self) -> u64 {
        let named = self.nodes.values().filter(|node| node.names > 0);
        named
            .map(
                |node| {
                    if let Body::File { current, .. } = &node.body {
                        current.allocated()
                    } else {
                        0
                    }
                },
            )
            .sum()
    }

    fn stat(&self, inode: u64) -> Stat {
        let node = self.node(inode);
        let (kind, size, allocated) = match &node.body {
            Body::File { current, .. } => {
                (FileKind::File, current.bytes.len() as u64, current.allocated())
            }
            Body::Directory(_) => (FileKind::Directory, BLOCK as u64, BLOCK as u64),
            Body::Symlink(target) => (FileKind::Symlink, target.len() as u64, 0),
            Body::Special => (FileKind::Special, 0, 0),
        };
        let moved = if self.limits.stable_inodes { 0 } else { self.mounts * 1_000_000_007 };
        Stat {
            kind,
            mode: if self.limits.exec_bits { node.facts.mode } else { 0o755 },
            size,
            mtime: node.facts.mtime,
            ctime: node.facts.ctime,
            inode: inode + moved,
            device: 100 + self.mounts,
            links: node.names,
            allocated,
        }
    }

    fn open_or_create(&mut self, start: u64, path: &[u8], mode: u16) -> io::Result<u64> {
        let (dir, name) = self.parent(start, path)?;
        match self.find(dir, &name) {
            Ok(inode) => {
                self.regular(inode)?;
                self.check_writable()?;
                Ok(inode)
            }
            Err(_) => {
                self.check_name(dir, &name)?;
                self.add(dir, &name, empty_file(), mode & !UMASK)
            }
        }
    }

    fn sync_file(&mut self, inode: u64) -> io::Result<()> {
        match &mut self.syncs_until_failure {
            Some(0) => {
                self.syncs_until_failure = None;
                self.node_mut(inode).write_lost = true;
                return Err(Errno::IO.into());
            }
            Some(successes) => *successes -= 1,
            None => {}
        }
        self.node_mut(inode).sync();
        Ok(())
    }

    fn sync_all(&mut self) {
        self.nodes.values_mut().for_each(Node::sync);
    }

    fn image_after_kill(&self) -> Self {
        let mut image = self.clone();
        image.locked.clear();
        image.on_read = None;
        for node in image.nodes.values_mut() {
            node.open = Arc::default();
        }
        image
    }

    fn image(&self, mut chance: Option<Chance>) -> Self {
        let mut nodes = BTreeMap::from([(ROOT, self.node(ROOT).survivor(&mut chance))]);
        let mut todo = vec![(ROOT, ROOT)];
        while let Some((inode, parent)) = todo.pop() {
            let Ok(directory) = self.directory(inode) else { continue };
            let mut entries = BTreeMap::new();
            let keys: BTreeSet<&Key> =
                directory.entries.keys().chain(directory.unsynced.keys()).collect();
            for key in keys {
                let current = directory.entries.get(key);
                let before = directory.unsynced.get(key).map_or(&[][..], |states| &states[..]);
                let left = match &mut chance {
                    _ if before.is_empty() => current,
                    None => before[0].as_ref(),
                    Some(chance) => chance.state(before, current),
                };
                let Some(entry) = left else { continue };
                let is_dir = self.directory(entry.inode).is_ok();
                match nodes.get_mut(&entry.inode) {
                    // A file system's own journal never leaves a directory with two names.
                    Some(_) if is_dir => continue,
                    Some(known) => known.names += 1,
                    None => {
                        nodes.insert(entry.inode, self.node(entry.inode).survivor(&mut chance));
                        if is_dir {
                            todo.push((entry.inode, inode));
                        }
                    }
                }
                entries.insert(key.clone(), entry.clone());
            }
            if let Some(Node { body: Body::Directory(directory), .. }) = nodes.get_mut(&inode) {
                directory.parent = parent;
                directory.entries = entries;
            }
        }
        let next_boot = u128::from_be_bytes(self.boot_id).wrapping_add(1);
        Self {
            nodes,
            boot_id: next_boot.to_be_bytes(),
            mounts: self.mounts + 1,
            locked: BTreeSet::new(),
            removals: 0,
            syncs_until_failure: None,
            on_read: None,
            ..*self
        }
    }
}

fn empty_directory(parent: u64) -> Body {
    Body::Directory(Directory { parent, entries: BTreeMap::new(), unsynced: BTreeMap::new() })
}

fn empty_file() -> Body {
    let content = Arc::new(Content::default());
    Body::File { current: content.clone(), durable: content }
}

#[derive(Debug)]
struct MemoryDir {
    disk: MemoryDisk,
    inode: u64,
    path: Vec<u8>,
    _open: Arc<()>,
}

impl MemoryDir {
    fn file(&self, volume: &Volume, inode: u64, path: &[u8], writable: bool) -> FileRef {
        let path = self.absolute(path);
        let _open = volume.node(inode).open.clone();
        Arc::new(MemoryFile { disk: self.disk.clone(), inode, path, writable, _open })
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let above = if self.path == b"/" { &[][..] } else { &self.path[..] };
        [above, b"/", path].concat()
    }

    /// Checks both paths of a call that takes two, and finds the second directory.
    fn paired(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<u64> {
        check_path(from)?;
        check_path(to)?;
        match to_dir.as_any().downcast_ref::<Self>() {
            Some(to_dir) if Arc::ptr_eq(&to_dir.disk.0, &self.disk.0) => Ok(to_dir.inode),
            Some(_) => Err(Errno::XDEV.into()),
            None => Err(other_disk()),
        }
    }
}

impl Dir for MemoryDir {
    fn list(&self) -> io::Result<Vec<Found>> {
        let volume = self.disk.volume();
        volume.readable(self.inode)?;
        let found = |entry: &Entry| Found {
            name: entry.name.clone(),
            kind: Some(volume.stat(entry.inode).kind),
        };
        Ok(volume.directory(self.inode)?.entries.values().map(found).collect())
    }

    fn scan(&self) -> io::Result<Vec<(Vec<u8>, io::Result<Stat>)>> {
        let volume = self.disk.volume();
        volume.readable(self.inode)?;
        let scanned = |entry: &Entry| (entry.name.clone(), Ok(volume.stat(entry.inode)));
        Ok(volume.directory(self.inode)?.entries.values().map(scanned).collect())
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        check_path(path)?;
        let volume = self.disk.volume();
        Ok(volume.stat(volume.walk(self.inode, path, false)?))
    }

    fn stat_self(&self) -> io::Result<Stat> {
        Ok(self.disk.volume().stat(self.inode))
    }

    fn dir(&self, path: &[u8]) -> io::Result<DirRef> {
        check_path(path)?;
        let volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        volume.directory(inode)?;
        Ok(self.disk.dir_handle(&volume, inode, self.absolute(path)))
    }

    fn open(&self, path: &[u8]) -> io::Result<FileRef> {
        check_path(path)?;
        let volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        volume.regular(inode)?;
        Ok(self.file(&volume, inode, path, false))
    }

    fn link_target(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        check_path(path)?;
        let volume = self.disk.volume();
        match &volume.node(volume.walk(self.inode, path, false)?).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let (dir, name) = volume.place(self.inode, path)?;
        let inode = volume.add(dir, &name, empty_file(), mode & !UMASK)?;
        Ok(self.file(&volume, inode, path, true))
    }

    fn open_or_create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let inode = volume.open_or_create(self.inode, path, mode)?;
        Ok(self.file(&volume, inode, path, true))
    }

    fn make_dir(&self, path: &[u8], mode: u16) -> io::Result<()> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let (dir, name) = volume.place(self.inode, path)?;
        volume.add(dir, &name, empty_directory(dir), mode & !UMASK)?;
        Ok(())
    }

    fn make_symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let (dir, name) = volume.place(self.inode, path)?;
        if !volume.limits.symlinks {
            return Err(unsupported(Errno::PERM));
        }
        volume.add(dir, &name, Body::Symlink(target.to_vec()), 0o777)?;
        Ok(())
    }

    fn link(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        let to_dir = self.paired(from, to_dir, to)?;
        self.disk.volume().link((self.inode, from), (to_dir, to))
    }

    fn rename(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        let to_dir = self.paired(from, to_dir, to)?;
        self.disk.volume().rename((self.inode, from), (to_dir, to))
    }

    fn rename_new(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        let to_dir = self.paired(from, to_dir, to)?;
        let mut volume = self.disk.volume();
        volume.walk(self.inode, from, false)?;
        volume.place(to_dir, to)?;
        if !volume.limits.rename_new {
            return Err(unsupported(Errno::INVAL));
        }
        volume.rename((self.inode, from), (to_dir, to))
    }

    fn remove_file(&self, path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        self.disk.volume().remove(self.inode, path, FileKind::File)
    }

    fn remove_dir(&self, path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        self.disk.volume().remove(self.inode, path, FileKind::Directory)
    }

    fn set_mode(&self, path: &[u8], mode: u16) -> io::Result<()> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        volume.set_mode(inode, mode)
    }

    fn set_mtime(&self, path: &[u8], mtime: Time) -> io::Result<()> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        volume.set_mtime(inode, mtime)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.volume().node_mut(self.inode).sync();
        Ok(())
    }

    fn sync_file_system(&self) -> io::Result<()> {
        self.disk.volume().sync_all();
        Ok(())
    }

    fn now(&self) -> Time {
        self.disk.volume().now
    }

    fn file_system_id(&self) -> io::Result<u64> {
        Ok(1)
    }

    fn lock(&self, path: &[u8], wait: Wait) -> io::Result<Option<Lock>> {
        check_path(path)?;
        let mut volume = self.disk.volume();
        let inode = volume.open_or_create(self.inode, path, 0o666)?;
        if !volume.limits.locks {
            return Err(unsupported(Errno::NOLCK));
        }
        // Keeps the file while it is waited for, as an open descriptor does.
        let _open = volume.node(inode).open.clone();
        while !volume.locked.insert(inode) {
            if wait == Wait::No {
                return Ok(None);
            }
            volume = self.disk.0.unlocked.wait(volume).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(Some(Lock::new(MemoryLock { disk: self.disk.clone(), inode })))
    }

    fn map(&self, path: &[u8]) -> io::Result<Bytes> {
        struct Mapped(Arc<Content>);
        impl AsRef<[u8]> for Mapped {
            fn as_ref(&self) -> &[u8] {
                &self.0.bytes
            }
        }
        check_path(path)?;
        let volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        let content = volume.regular(inode)?.clone();
        volume.readable(inode)?;
        Ok(Bytes::new(Mapped(content)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct MemoryLock {
    disk: MemoryDisk,
    inode: u64,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.volume().locked.remove(&self.inode);
        self.disk.0.unlocked.notify_all();
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    inode: u64,
    path: Vec<u8>,
    writable: bool,
    _open: Arc<()>,
}

impl MemoryFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(Errno::BADF.into()) }
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let hook = self.disk.volume().on_read.clone();
        if let Some(hook) = hook {
            hook(&self.disk, &self.path, offset);
        }
        let volume = self.disk.volume();
        volume.readable(self.inode)?;
        let bytes = &volume.regular(self.inode)?.bytes;
        let rest = &bytes[usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= LARGEST_FILE);
        end.ok_or(Errno::FBIG)?;
        let written = self.disk.volume().change(self.inode, |content, free_blocks| {
            content.write(bytes, offset as usize, free_blocks)
        })?;
        if written == bytes.len() { Ok(()) } else { Err(Errno::NOSPC.into()) }
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.volume().stat(self.inode))
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.check_writable()?;
        if size > LARGEST_FILE {
            return Err(Errno::FBIG.into());
        }
        self.disk.volume().change(self.inode, |content, _| content.resize(size as usize))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.volume().sync_file(self.inode)
    }

    fn set_mode(&self, mode: u16) -> io::Result<()> {
        self.disk.volume().set_mode(self.inode, mode)
    }

    fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        self.disk.volume().set_mtime(self.inode, mtime)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok(self.disk.volume().regular(self.inode)?.next_data(offset))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fresh() -> (MemoryDisk, DirRef) {
        with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> (MemoryDisk, DirRef) {
        let disk = MemoryDisk::with_limits(limits);
        let dir = Disk::create(&disk, Path::new("/repo")).unwrap();
        (disk, dir)
    }

    fn images(disk: &MemoryDisk) -> impl Iterator<Item = MemoryDisk> {
        (0..400).map(|seed| disk.image_after_power_loss(Survival::Some(seed)))
    }

    /// What is at a path over many power failures, without repetition.
    fn seen(disk: &MemoryDisk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
        images(disk).map(|image| image.read(path)).collect()
    }

    fn durable(disk: &MemoryDisk, dir: &DirRef, path: &str, bytes: &str) {
        disk.write(&format!("/repo/{path}"), bytes);
        dir.sync_file_system().unwrap();
    }

    fn some(text: &str) -> Option<Vec<u8>> {
        Some(text.as_bytes().to_vec())
    }

    #[test]
    fn a_created_repository_directory_survives_but_nothing_unsynced_in_it() {
        let (disk, dir) = fresh();
        dir.create(b"file", 0o666).unwrap().sync().unwrap();
        let image = disk.image_after_power_loss(Survival::Nothing);
        assert_eq!(image.tree("/").into_keys().collect::<Vec<_>>(), [b"repo"]);
        assert_eq!(disk.image_after_power_loss(Survival::Everything).tree("/"), disk.tree("/"));
    }

    #[test]
    fn a_name_may_be_durable_before_its_bytes() {
        let (disk, dir) = fresh();
        let file = dir.create(b"file", 0o666).unwrap();
        file.write_at(b"bytes", 0).unwrap();
        dir.sync().unwrap();
        assert_eq!(disk.image_after_power_loss(Survival::Nothing).read("/repo/file"), some(""));
        assert_eq!(seen(&disk, "/repo/file"), [some(""), some("\0\0\0\0\0"), some("bytes")].into());
        file.sync().unwrap();
        assert_eq!(seen(&disk, "/repo/file"), [some("bytes")].into());
    }

    #[test]
    fn an_unsynced_replacement_is_the_old_file_or_the_new_but_never_none() {
        let (disk, dir) = fresh();
        durable(&disk, &dir, "file", "old");
        let file = dir.create(b"new", 0o666).unwrap();
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap();
        dir.rename(b"new", &*dir, b"file").unwrap();
        assert_eq!(disk.image_after_power_loss(Survival::Nothing).read("/repo/file"), some("old"));
        assert_eq!(seen(&disk, "/repo/file"), [some("old"), some("new")].into());
        assert_eq!(seen(&disk, "/repo/new"), [None, some("new")].into());
        dir.sync().unwrap();
        assert_eq!(seen(&disk, "/repo/file"), [some("new")].into());
        assert_eq!(seen(&disk, "/repo/new"), [None].into());
    }

    #[test]
    fn a_removal_may_survive_without_the_creation_that_followed() {
        let (disk, dir) = fresh();
        durable(&disk, &dir, "file", "old");
        dir.remove_file(b"file").unwrap();
        let file = dir.create(b"file", 0o666).unwrap();
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(seen(&disk, "/repo/file"), [some("old"), None, some("new")].into());
    }

    #[test]
    fn a_rename_between_directories_may_leave_both_names_or_none() {
        let (disk, dir) = fresh();
        dir.make_dir(b"other", 0o777).unwrap();
        durable(&disk, &dir, "file", "it");
        dir.rename(b"file", &*dir.dir(b"other").unwrap(), b"file").unwrap();
        let names = |image: MemoryDisk| {
            (image.read("/repo/file").is_some(), image.read("/repo/other/file").is_some())
        };
        assert_eq!(names(disk.image_after_power_loss(Survival::Nothing)), (true, false));
        let all = images(&disk).map(names).collect::<BTreeSet<_>>();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_directory_never_has_two_names_or_itself_below_it() {
        let (disk, dir) = fresh();
        disk.write("/repo/a/b/file", "it");
        dir.sync_file_system().unwrap();
        dir.rename(b"a/b", &*dir, b"b").unwrap();
        dir.rename(b"a", &*dir.dir(b"b").unwrap(), b"a").unwrap();
        for image in images(&disk) {
            let names: Vec<_> = image.tree("/repo").into_keys().collect();
            assert!(names.iter().filter(|name| name.ends_with(b"file")).count() <= 1, "{names:?}");
        }
    }

    #[test]
    fn each_sector_of_an_overwritten_file_is_the_old_or_the_new() {
        let (disk, dir) = fresh();
        durable(&disk, &dir, "file", &"o".repeat(4 * SECTOR));
        let file = dir.open_or_create(b"file", 0).unwrap();
        file.write_at(&[b'n'; 4 * SECTOR], 0).unwrap();
        let torn = seen(&disk, "/repo/file");
        assert_eq!(torn.len(), 16);
        for bytes in torn.into_iter().flatten() {
            assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|it| *it == sector[0])));
        }
    }

    #[test]
    fn a_grown_file_may_be_cut_or_filled_with_zeros() {
        let (disk, dir) = fresh();
        durable(&disk, &dir, "file", &"o".repeat(700));
        dir.open_or_create(b"file", 0).unwrap().write_at(&[b'n'; 2_000], 700).unwrap();
        let torn: Vec<_> = seen(&disk, "/repo/file").into_iter().flatten().collect();
        let sizes: BTreeSet<_> = torn.iter().map(Vec::len).collect();
        assert_eq!(sizes, [700, 1_024, 1_536, 2_048, 2_560, 2_700].into());
        assert!(torn.iter().all(|bytes| bytes[..700].iter().all(|&byte| byte == b'o')));
        assert!(torn.iter().any(|bytes| bytes.len() == 2_700 && bytes[2_699] == 0));
        assert!(
            torn.iter()
                .any(|bytes| bytes.len() == 2_700 && bytes[700..].iter().all(|&byte| byte == b'n'))
        );
    }

    #[test]
    fn an_image_depends_only_on_its_seed_and_is_another_disk_after_another_boot() {
        let (disk, _dir) = fresh();
        for number in 0..20 {
            disk.write(&format!("/repo/{number}"), "it");
        }
        let [one, two] = [7, 7].map(|seed| disk.image_after_power_loss(Survival::Some(seed)));
        assert_eq!(one.tree("/"), two.tree("/"));
        assert_ne!(one.tree("/"), disk.tree("/"));
        assert_ne!(one.boot_id(), disk.boot_id());
        one.write("/repo/other", "it");
        assert_eq!(disk.read("/repo/other"), None);
        assert_eq!(two.read("/repo/other"), None);
    }

    #[test]
    fn a_killed_process_leaves_everything_unsynced_in_the_same_boot() {
        let (disk, dir) = fresh();
        disk.write("/repo/file", "it");
        let _lock = dir.lock(b"lock", Wait::No).unwrap().unwrap();
        let image = disk.image_after_power_loss(Survival::Everything);
        assert_eq!(image.boot_id(), disk.boot_id());
        assert_eq!(image.image_after_power_loss(Survival::Nothing).read("/repo/file"), None);
        let dir = Disk::open(&image, Path::new("/repo")).unwrap();
        assert!(dir.lock(b"lock", Wait::No).unwrap().is_some(), "its locks are gone");
    }

    #[test]
    fn after_a_failed_sync_the_bytes_are_never_durable_though_later_syncs_succeed() {
        let (disk, dir) = fresh();
        let file = dir.create(b"file", 0o666).unwrap();
        file.write_at(b"one", 0).unwrap();
        disk.fail_sync_after(1);
        file.sync().unwrap();
        file.write_at(b"two", 0).unwrap();
        file.sync().unwrap_err();
        file.sync().unwrap();
        dir.sync().unwrap();
        assert_eq!(disk.read("/repo/file"), some("two"));
        assert_eq!(seen(&disk, "/repo/file"), [some("one")].into());
    }

    #[test]
    fn a_removed_directory_comes_back_with_what_was_durable_in_it() {
        let (disk, dir) = fresh();
        disk.write("/repo/a/kept", "it");
        durable(&disk, &dir, "a/gone", "it");
        let a = dir.dir(b"a").unwrap();
        a.remove_file(b"gone").unwrap();
        a.sync().unwrap();
        a.remove_file(b"kept").unwrap();
        dir.remove_dir(b"a").unwrap();
        assert_eq!(a.create(b"new", 0o666).unwrap_err().kind(), io::ErrorKind::NotFound);
        let left = disk.image_after_power_loss(Survival::Nothing).tree("/repo");
        assert_eq!(left.into_keys().collect::<Vec<_>>(), [&b"a"[..], b"a/kept"]);
    }

    #[test]
    fn each_change_is_stamped_by_the_clock_that_was_set() {
        let (disk, dir) = fresh();
        disk.set_time(Time { seconds: -1, nanoseconds: 999_999_999 });
        disk.set_step(1);
        let file = dir.create(b"file", 0o666).unwrap();
        assert_eq!(file.stat().unwrap().mtime, Time { seconds: -1, nanoseconds: 999_999_999 });
        assert_eq!(dir.stat_self().unwrap().mtime, Time { seconds: -1, nanoseconds: 999_999_999 });
        file.write_at(b"it", 0).unwrap();
        assert_eq!(file.stat().unwrap().mtime, Time::default());
        file.set_mtime(Time::from_seconds(5)).unwrap();
        let stat = file.stat().unwrap();
        assert_eq!(stat.mtime, Time::from_seconds(5));
        assert_eq!(stat.ctime, Time { seconds: 0, nanoseconds: 1 });
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_takes_more_when_something_is_removed() {
        let (disk, dir) = fresh();
        disk.write("/repo/old", [1; BLOCK]);
        disk.set_capacity(Some(2 * BLOCK as u64));
        let file = dir.create(b"new", 0o666).unwrap();
        let error = file.write_at(&[2; BLOCK + 1], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.stat().unwrap().size, BLOCK as u64);
        file.write_at(&[3; BLOCK], 0).unwrap();
        dir.remove_file(b"old").unwrap();
        file.write_at(&[2; BLOCK + 1], 0).unwrap();
        assert_eq!(disk.used(), 2 * BLOCK as u64);
    }

    #[test]
    fn a_read_only_disk_can_only_be_read() {
        let (disk, dir) = fresh();
        disk.write("/repo/file", "it");
        disk.set_read_only(true);
        let refused = [
            dir.create(b"a", 0o666).map(drop),
            dir.open_or_create(b"file", 0o666).map(drop),
            dir.make_dir(b"a", 0o777),
            dir.make_symlink(b"a", b"a"),
            dir.link(b"file", &*dir, b"a"),
            dir.rename(b"file", &*dir, b"a"),
            dir.rename_new(b"file", &*dir, b"a"),
            dir.remove_file(b"file"),
            dir.set_mode(b"file", 0),
            dir.set_mtime(b"file", Time::default()),
            dir.lock(b"lock", Wait::No).map(drop),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
        }
        assert_eq!(*dir.map(b"file").unwrap(), *b"it");
    }

    #[test]
    fn an_unreadable_file_can_be_opened_but_not_read() {
        let (disk, dir) = fresh();
        disk.write("/repo/file", "it");
        disk.make_unreadable("/repo/file");
        let file = dir.open(b"file").unwrap();
        assert_eq!(
            file.read_at(&mut [0], 0).unwrap_err().raw_os_error(),
            Some(Errno::IO.raw_os_error())
        );
        assert!(dir.map(b"file").is_err());
        disk.make_readable("/repo/file");
        assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
    }

    #[test]
    fn a_file_can_change_while_it_is_read() {
        let (disk, dir) = fresh();
        disk.write("/repo/a/file", "old");
        disk.on_read(|disk, path, offset| {
            if (path, offset) == (b"/repo/a/file", 1) {
                disk.write("/repo/a/file", "new");
            }
        });
        let file = dir.dir(b"a").unwrap().open(b"file").unwrap();
        let mut read = [0; 3];
        file.read_exact_at(&mut read[..1], 0).unwrap();
        file.read_exact_at(&mut read[1..], 1).unwrap();
        assert_eq!(read, *b"oew");
    }

    #[test]
    fn exfat_has_no_links_modes_or_case_but_keeps_how_names_were_written() {
        let (disk, dir) = with_limits(Limits::exfat());
        disk.set_time(Time { seconds: 1_001, nanoseconds: 5 });
        disk.write("/repo/File", "it");
        assert_eq!(dir.stat(b"fILE").unwrap().mtime, Time::from_seconds(1_000));
        assert_eq!(dir.create(b"FILE", 0o666).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.list().unwrap()[0].name, b"File");
        dir.rename(b"File", &*dir, b"file").unwrap();
        assert_eq!(dir.list().unwrap()[0].name, b"file");
        assert_eq!(dir.list().unwrap().len(), 1);
        dir.set_mode(b"file", 0o600).unwrap();
        assert_eq!(dir.stat(b"file").unwrap().mode, 0o755);
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(dir.make_symlink(b"a", b"b")), io::ErrorKind::Unsupported);
        assert_eq!(kind(dir.link(b"file", &*dir, b"b")), io::ErrorKind::Unsupported);
        assert_eq!(kind(dir.make_dir(b"a:b", 0o777)), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn mounting_again_changes_the_device_and_inodes_that_are_not_stable() {
        for (limits, stable) in [(Limits::default(), true), (Limits::exfat(), false)] {
            let (disk, dir) = with_limits(limits);
            let before = dir.stat_self().unwrap();
            disk.remount();
            let after = dir.stat_self().unwrap();
            assert_ne!(after.device, before.device);
            assert_eq!(after.inode == before.inode, stable);
        }
    }

    #[test]
    fn what_nobody_can_reach_any_more_takes_no_memory() {
        let (disk, dir) = fresh();
        let open = dir.create(b"open", 0o666).unwrap();
        open.write_at(b"still here", 0).unwrap();
        dir.remove_file(b"open").unwrap();
        for _ in 0..5_000 {
            disk.write("/repo/new", "it");
            dir.rename(b"new", &*dir, b"file").unwrap();
            dir.sync().unwrap();
        }
        assert!(disk.volume().nodes.len() < 1_100);
        let mut read = [0; 10];
        open.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, *b"still here");
    }

    #[test]
    fn paths_that_people_type_are_resolved() {
        let (disk, dir) = fresh();
        disk.write("/repo/a/file", "it");
        dir.make_symlink(b"../repo/a", b"link").unwrap();
        dir.make_symlink(b"loop", b"loop").unwrap();
        let canonical = |path| disk.canonical(Path::new(path));
        assert_eq!(canonical("/repo/./link/../link/").unwrap(), Path::new("/repo/a"));
        assert_eq!(canonical("/repo/a/file").unwrap(), Path::new("/repo/a/file"));
        assert_eq!(canonical("/").unwrap(), Path::new("/"));
        assert!(canonical("repo").is_err());
        assert!(canonical("/repo/loop").is_err());
        assert!(canonical("/repo/none").is_err());
        assert!(Disk::open(&disk, Path::new("/repo/link")).unwrap().open(b"file").is_ok());
        assert!(Disk::open(&disk, Path::new("/repo/a/file")).is_err());
    }
}

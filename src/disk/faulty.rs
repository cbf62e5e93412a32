//! Another disk, with every call counted and the n-th made to fail.
//!
//! What changes something (an *operation*) is numbered from 1 since the fault was set; whoever runs
//! a verb again and again with the power cut after 0, 1, 2 … operations has seen every state that a
//! killed process can leave. With a [`MemoryDisk`](crate::disk::MemoryDisk) below, each of those
//! states has the images of a power failure as well.
//!
//! Always true: without a fault, every call does what the disk below does. Locks are the guards of
//! the disk below, so letting them go works on a dead disk too. Deliberately absent: delays, and
//! any damage to bytes already written.

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::{Answer, Bytes, Dir, DirRef, Disk, File, FileRef, Found, Lock, Stat, Wait};

/// How often each kind of call was made; failed ones count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub struct Counts {
    pub dirs_opened: u64,
    pub opens: u64,
    pub creates: u64,
    pub reads: u64,
    pub bytes_read: u64,
    pub writes: u64,
    pub bytes_written: u64,
    pub set_lens: u64,
    pub stats: u64,
    pub lists: u64,
    pub scans: u64,
    /// Names that lists and scans returned.
    pub scanned: u64,
    pub syncs: u64,
    pub dir_syncs: u64,
    pub file_system_syncs: u64,
    pub make_dirs: u64,
    pub symlinks: u64,
    pub link_targets: u64,
    pub links: u64,
    pub renames: u64,
    pub removes: u64,
    pub set_modes: u64,
    pub set_mtimes: u64,
    pub locks: u64,
    pub maps: u64,
    pub data_ranges: u64,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fault(Kind);

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    None,
    Dying {
        after: u64,
        torn: bool,
    },
    Failing {
        at: u64,
        kind: io::ErrorKind,
        once: bool,
        what: What,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Operations,
    Reads,
}

impl Fault {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// The first `operations` operations succeed; the next one does nothing and fails, and from
    /// there on every call fails.
    pub fn dying_after(operations: u64) -> Self {
        Self(Kind::Dying { after: operations, torn: false })
    }

    /// Of a [dying](Self::dying_after) disk: if the operation that fails is a write, its first
    /// half is written.
    pub fn torn(self) -> Self {
        match self.0 {
            Kind::Dying { after, .. } => Self(Kind::Dying { after, torn: true }),
            other => Self(other),
        }
    }

    /// The operation of this number, counted from 1, does nothing and fails; all that follow too
    /// unless `once`. The kind `Other` stands for an input/output error.
    pub fn failing_at(operation: u64, kind: io::ErrorKind, once: bool) -> Self {
        Self(Kind::Failing { at: operation, kind, once, what: What::Operations })
    }

    /// Like [`Self::failing_at`], of reads and maps of files.
    pub fn failing_reads_at(read: u64, kind: io::ErrorKind, once: bool) -> Self {
        Self(Kind::Failing { at: read, kind, once, what: What::Reads })
    }
}

/// A disk that counts and fails. A clone is the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    meter: Meter,
}

impl FaultyDisk {
    /// Counts what is done to `inner`; nothing fails yet.
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, meter: Meter::default() }
    }

    /// Sets what goes wrong from now on and starts numbering operations and reads anew. A dead
    /// disk lives again.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.meter.state();
        let hook = state.hook.take();
        *state = State { hook, fault, counts: state.counts, ..State::default() };
    }

    /// Has this called before each call from now on, by the thread that makes it: a place where
    /// another thread may be given its turn.
    pub fn before_each(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.meter.state().hook = Some(Arc::new(hook));
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.meter.state().counts
    }

    /// Counts from zero again. The numbering of operations goes on.
    pub fn reset_counts(&self) {
        self.meter.state().counts = Counts::default();
    }

    /// How many operations were asked for since the fault was set, those that failed included.
    pub fn operations(&self) -> u64 {
        self.meter.state().operations
    }

    /// Whether the disk has died of [`Fault::dying_after`].
    pub fn is_dead(&self) -> bool {
        self.meter.state().dead
    }

    fn dir_handle(&self, inner: DirRef) -> DirRef {
        Arc::new(FaultyDir { inner, meter: self.meter.clone() })
    }
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyDisk({:?})", self.inner)
    }
}

/// What is called before each call of a disk.
type Hook = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    hook: Option<Hook>,
    counts: Counts,
    fault: Fault,
    operations: u64,
    reads: u64,
    dead: bool,
}

#[derive(Clone, Default)]
struct Meter(Arc<Mutex<State>>);

/// What becomes of an operation.
enum Verdict {
    Done,
    /// Half of it is done, then this.
    Torn(io::Error),
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        let hook = self.state().hook.clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Before a call that changes nothing.
    fn look(&self, count: impl FnOnce(&mut Counts)) -> io::Result<()> {
        self.announce();
        let mut state = self.state();
        count(&mut state.counts);
        if state.dead { Err(dead()) } else { Ok(()) }
    }

    /// Before a call that reads a file's content.
    fn read(&self, count: impl FnOnce(&mut Counts)) -> io::Result<()> {
        self.look(count)?;
        let mut state = self.state();
        state.reads += 1;
        let number = state.reads;
        state.fault.check(What::Reads, number)
    }

    /// Before an operation that happens as a whole or not at all.
    fn operate(&self, count: impl FnOnce(&mut Counts)) -> io::Result<()> {
        match self.judge(count)? {
            Verdict::Done => Ok(()),
            Verdict::Torn(error) => Err(error),
        }
    }

    fn judge(&self, count: impl FnOnce(&mut Counts)) -> io::Result<Verdict> {
        self.announce();
        let mut state = self.state();
        count(&mut state.counts);
        state.operations += 1;
        if state.dead {
            return Err(dead());
        }
        match state.fault.0 {
            Kind::Dying { after, torn } if state.operations > after => {
                state.dead = true;
                if torn { Ok(Verdict::Torn(dead())) } else { Err(dead()) }
            }
            _ => state.fault.check(What::Operations, state.operations).map(|()| Verdict::Done),
        }
    }
}

impl Fault {
    fn check(self, asked: What, number: u64) -> io::Result<()> {
        match self.0 {
            Kind::Failing { at, kind, once, what }
                if what == asked && (number == at || number > at && !once) =>
            {
                Err(match kind {
                    io::ErrorKind::Other => Errno::IO.into(),
                    kind => io::Error::new(kind, format!("made to fail: {kind}")),
                })
            }
            _ => Ok(()),
        }
    }
}

fn dead() -> io::Error {
    io::Error::other("power is gone")
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<DirRef> {
        self.meter.look(|counts| counts.dirs_opened += 1)?;
        Ok(self.dir_handle(self.inner.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<DirRef> {
        self.meter.operate(|counts| counts.make_dirs += 1)?;
        Ok(self.dir_handle(self.inner.create(path)?))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.meter.look(|_| {})?;
        self.inner.canonical(path)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.inner.boot_id()
    }
}

struct FaultyDir {
    inner: DirRef,
    meter: Meter,
}

impl fmt::Debug for FaultyDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyDir({:?})", self.inner)
    }
}

impl FaultyDir {
    fn file(&self, inner: FileRef) -> FileRef {
        Arc::new(FaultyFile { inner, meter: self.meter.clone() })
    }
}

/// The directory that the disk below knows.
fn below(dir: &dyn Dir) -> &dyn Dir {
    dir.as_any().downcast_ref::<FaultyDir>().map_or(dir, |faulty| &*faulty.inner)
}

impl Dir for FaultyDir {
    fn list(&self) -> io::Result<Vec<Found>> {
        self.meter.look(|counts| counts.lists += 1)?;
        let found = self.inner.list()?;
        self.meter.state().counts.scanned += found.len() as u64;
        Ok(found)
    }

    fn ask(&self, names: Vec<Vec<u8>>) -> io::Result<Vec<Answer>> {
        self.meter.look(|counts| counts.stats += names.len() as u64)?;
        self.inner.ask(names)
    }

    fn scan(&self) -> io::Result<Vec<Answer>> {
        self.meter.look(|counts| counts.scans += 1)?;
        let scanned = self.inner.scan()?;
        self.meter.state().counts.scanned += scanned.len() as u64;
        Ok(scanned)
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        self.meter.look(|counts| counts.stats += 1)?;
        self.inner.stat(path)
    }

    fn stat_self(&self) -> io::Result<Stat> {
        self.meter.look(|counts| counts.stats += 1)?;
        self.inner.stat_self()
    }

    fn dir(&self, path: &[u8]) -> io::Result<DirRef> {
        self.meter.look(|counts| counts.dirs_opened += 1)?;
        Ok(Arc::new(Self { inner: self.inner.dir(path)?, meter: self.meter.clone() }))
    }

    fn open(&self, path: &[u8]) -> io::Result<FileRef> {
        self.meter.look(|counts| counts.opens += 1)?;
        Ok(self.file(self.inner.open(path)?))
    }

    fn open_with_stat(&self, path: &[u8]) -> io::Result<(FileRef, Stat)> {
        self.meter.look(|counts| counts.opens += 1)?;
        let (file, stat) = self.inner.open_with_stat(path)?;
        self.meter.state().counts.stats += 1;
        Ok((self.file(file), stat))
    }

    fn open_listed(&self, path: &[u8]) -> io::Result<FileRef> {
        self.meter.look(|counts| counts.opens += 1)?;
        Ok(self.file(self.inner.open_listed(path)?))
    }

    fn link_target(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.meter.look(|counts| counts.link_targets += 1)?;
        self.inner.link_target(path)
    }

    fn create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        self.meter.operate(|counts| counts.creates += 1)?;
        Ok(self.file(self.inner.create(path, mode)?))
    }

    fn open_or_create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        self.meter.operate(|counts| counts.creates += 1)?;
        Ok(self.file(self.inner.open_or_create(path, mode)?))
    }

    fn make_dir(&self, path: &[u8], mode: u16) -> io::Result<()> {
        self.meter.operate(|counts| counts.make_dirs += 1)?;
        self.inner.make_dir(path, mode)
    }

    fn make_symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.symlinks += 1)?;
        self.inner.make_symlink(target, path)
    }

    fn link(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.links += 1)?;
        self.inner.link(from, below(to_dir), to)
    }

    fn rename(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.renames += 1)?;
        self.inner.rename(from, below(to_dir), to)
    }

    fn rename_new(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.renames += 1)?;
        self.inner.rename_new(from, below(to_dir), to)
    }

    fn remove_file(&self, path: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.removes += 1)?;
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &[u8]) -> io::Result<()> {
        self.meter.operate(|counts| counts.removes += 1)?;
        self.inner.remove_dir(path)
    }

    fn set_mode(&self, path: &[u8], mode: u16) -> io::Result<()> {
        self.meter.operate(|counts| counts.set_modes += 1)?;
        self.inner.set_mode(path, mode)
    }

    fn set_mtime(&self, path: &[u8], mtime: Time) -> io::Result<()> {
        self.meter.operate(|counts| counts.set_mtimes += 1)?;
        self.inner.set_mtime(path, mtime)
    }

    fn sync(&self) -> io::Result<()> {
        self.meter.operate(|counts| counts.dir_syncs += 1)?;
        self.inner.sync()
    }

    fn sync_file_system(&self) -> io::Result<()> {
        self.meter.operate(|counts| counts.file_system_syncs += 1)?;
        self.inner.sync_file_system()
    }

    fn now(&self) -> Time {
        self.inner.now()
    }

    fn file_system_id(&self) -> io::Result<u64> {
        self.inner.file_system_id()
    }

    fn lock(&self, path: &[u8], wait: Wait) -> io::Result<Option<Lock>> {
        self.meter.look(|counts| counts.locks += 1)?;
        self.inner.lock(path, wait)
    }

    fn map(&self, path: &[u8]) -> io::Result<Bytes> {
        self.meter.read(|counts| counts.maps += 1)?;
        self.inner.map(path)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct FaultyFile {
    inner: FileRef,
    meter: Meter,
}

impl fmt::Debug for FaultyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyFile({:?})", self.inner)
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.meter.read(|counts| counts.reads += 1)?;
        let count = self.inner.read_at(buffer, offset)?;
        self.meter.state().counts.bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let verdict = self.meter.judge(|counts| counts.writes += 1)?;
        let (bytes, end) = match verdict {
            Verdict::Done => (bytes, Ok(())),
            Verdict::Torn(error) => (&bytes[..bytes.len() / 2], Err(error)),
        };
        self.inner.write_at(bytes, offset)?;
        self.meter.state().counts.bytes_written += bytes.len() as u64;
        end
    }

    fn stat(&self) -> io::Result<Stat> {
        self.meter.look(|counts| counts.stats += 1)?;
        self.inner.stat()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.meter.operate(|counts| counts.set_lens += 1)?;
        self.inner.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.meter.operate(|counts| counts.syncs += 1)?;
        self.inner.sync()
    }

    fn set_mode(&self, mode: u16) -> io::Result<()> {
        self.meter.operate(|counts| counts.set_modes += 1)?;
        self.inner.set_mode(mode)
    }

    fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        self.meter.operate(|counts| counts.set_mtimes += 1)?;
        self.inner.set_mtime(mtime)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        self.meter.look(|counts| counts.data_ranges += 1)?;
        self.inner.next_data(offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::disk::{MemoryDisk, Survival, replace};

    fn fresh() -> (MemoryDisk, FaultyDisk, DirRef) {
        let memory = MemoryDisk::new();
        let disk = FaultyDisk::new(Arc::new(memory.clone()));
        let dir = disk.create(Path::new("/repo")).unwrap();
        disk.set_fault(Fault::none());
        disk.reset_counts();
        (memory, disk, dir)
    }

    #[test]
    fn every_call_and_byte_is_counted() {
        let (_, disk, dir) = fresh();
        replace(&*dir, b"file", [0; 4], b"bytes").unwrap();
        let file = dir.open(b"file").unwrap();
        file.read_full_at(&mut [0; 9], 0).unwrap();
        dir.scan().unwrap();
        let counted = Counts {
            creates: 1,
            writes: 1,
            bytes_written: 5,
            syncs: 1,
            renames: 1,
            dir_syncs: 1,
            opens: 1,
            reads: 2,
            bytes_read: 5,
            scans: 1,
            scanned: 1,
            ..Counts::default()
        };
        assert_eq!(disk.counts(), counted);
        assert_eq!(disk.operations(), 5);
        disk.reset_counts();
        assert_eq!(disk.counts(), Counts::default());
    }

    #[test]
    fn replacing_a_file_survives_a_power_failure_after_any_operation() {
        for survivors in 0.. {
            let (memory, disk, dir) = fresh();
            replace(&*dir, b"file", [0; 4], b"old").unwrap();
            disk.set_fault(Fault::dying_after(survivors).torn());
            let replaced = replace(&*dir, b"file", [1; 4], b"new");
            for survival in (0..50).map(Survival::Some).chain([Survival::Nothing]) {
                match memory.image_after_power_loss(survival).read("/repo/file").unwrap() {
                    old if old == b"old" => assert!(replaced.is_err()),
                    new => assert_eq!(new, b"new"),
                }
            }
            assert_eq!(disk.is_dead(), replaced.is_err());
            if replaced.is_ok() {
                assert_eq!(survivors, 5);
                return;
            }
        }
    }

    #[test]
    fn on_a_dead_disk_nothing_works_but_letting_go_of_locks() {
        let (memory, disk, dir) = fresh();
        let file = dir.create(b"file", 0o666).unwrap();
        let lock = dir.lock(b"lock", Wait::No).unwrap().unwrap();
        disk.set_fault(Fault::dying_after(0).torn());
        assert!(file.stat().is_ok(), "it dies of a change");
        file.write_at(b"bytes", 0).unwrap_err();
        assert_eq!(memory.read("/repo/file").unwrap(), b"by");
        file.write_at(b"bytes", 0).unwrap_err();
        assert_eq!(memory.read("/repo/file").unwrap(), b"by");
        assert!(file.stat().is_err());
        assert!(dir.list().is_err());
        assert!(dir.lock(b"lock", Wait::Yes).is_err());
        assert!(disk.open(Path::new("/repo")).is_err());
        drop(lock);
        let dir = Disk::open(&memory, Path::new("/repo")).unwrap();
        assert!(dir.lock(b"lock", Wait::No).unwrap().is_some());
    }

    #[test]
    fn an_operation_fails_once_or_from_there_on() {
        for (once, last) in [(true, true), (false, false)] {
            let (_, disk, dir) = fresh();
            disk.set_fault(Fault::failing_at(2, io::ErrorKind::StorageFull, once));
            dir.make_dir(b"1", 0o777).unwrap();
            let error = dir.make_dir(b"2", 0o777).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert_eq!(dir.make_dir(b"3", 0o777).is_ok(), last);
            assert!(dir.stat(b"2").is_err());
            assert!(dir.stat(b"1").is_ok());
        }
    }

    #[test]
    fn a_read_fails_by_number_and_other_calls_do_not_count() {
        let (memory, disk, dir) = fresh();
        memory.write("/repo/file", "it");
        disk.set_fault(Fault::failing_reads_at(2, io::ErrorKind::Other, true));
        let file = dir.open(b"file").unwrap();
        assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
        dir.make_dir(b"1", 0o777).unwrap();
        assert_eq!(dir.map(b"file").unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
        assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
    }
}

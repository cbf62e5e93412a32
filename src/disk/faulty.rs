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
use crate::disk::{Bytes, Dir, DirRef, Disk, File, FileRef, Found, Lock, Stat, Wait};

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

    fn scan(&self) -> io::Result<Vec<(Vec<u8>, io::Result<Stat>)>> {
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
        Ok((self.file(file), stat))
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

/// What every disk promises, whatever is below.
#[cfg(test)]
mod conformance {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::io::ErrorKind;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::disk::{FileKind, MemoryDisk, OsDisk, make_dirs, read_all};

    fn on_every_disk(check: impl Fn(&dyn Disk, &Path)) {
        let place = tempfile::tempdir().unwrap();
        let real = OsDisk::new().canonical(place.path()).unwrap();
        check(&OsDisk::new(), &real.join("repo"));
        check(&FaultyDisk::new(Arc::new(OsDisk::new())), &real.join("faulty"));
        check(&MemoryDisk::new(), Path::new("/a/repo"));
        check(&FaultyDisk::new(Arc::new(MemoryDisk::new())), Path::new("/repo"));
    }

    fn in_every_directory(check: impl Fn(DirRef)) {
        on_every_disk(|disk, path| check(disk.create(path).unwrap()));
    }

    fn write(dir: &DirRef, path: &[u8], bytes: &[u8]) {
        dir.create(path, 0o644).unwrap().write_at(bytes, 0).unwrap();
    }

    fn read(dir: &DirRef, path: &[u8]) -> Vec<u8> {
        read_all(&**dir, path, 1 << 20).unwrap()
    }

    fn kind<T: fmt::Debug>(result: io::Result<T>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    /// A directory with `file`, `dir` (with `dir/inner`), `link` to file and `dirlink` to dir.
    fn furnished(dir: &DirRef) {
        write(dir, b"file", b"it");
        dir.make_dir(b"dir", 0o777).unwrap();
        write(dir, b"dir/inner", b"within");
        dir.make_symlink(b"file", b"link").unwrap();
        dir.make_symlink(b"dir", b"dirlink").unwrap();
    }

    #[test]
    fn a_directory_is_opened_only_if_it_is_one() {
        on_every_disk(|disk, path| {
            assert_eq!(kind(disk.open(path)), ErrorKind::NotFound);
            let dir = disk.create(&path.join("a/b")).unwrap();
            disk.create(&path.join("a/b")).unwrap();
            write(&dir, b"file", b"");
            assert_eq!(kind(disk.open(&path.join("a/b/file"))), ErrorKind::NotADirectory);
            assert_eq!(kind(disk.create(&path.join("a/b/file"))), ErrorKind::NotADirectory);
            dir.make_symlink(b"..", b"up").unwrap();
            let canonical = disk.canonical(&path.join("a/b/up/b/up/.")).unwrap();
            assert_eq!(canonical, path.join("a"));
            let above = disk.open(&path.join("a/b/up")).unwrap();
            assert_eq!(read(&above, b"b/file"), b"");
        });
    }

    #[test]
    fn what_exists_is_not_created_again() {
        in_every_directory(|dir| {
            furnished(&dir);
            for taken in [&b"file"[..], b"dir", b"link", b"dir/inner"] {
                assert_eq!(kind(dir.create(taken, 0o644)), ErrorKind::AlreadyExists);
                assert_eq!(kind(dir.make_dir(taken, 0o755)), ErrorKind::AlreadyExists);
                assert_eq!(kind(dir.make_symlink(b"x", taken)), ErrorKind::AlreadyExists);
                assert_eq!(kind(dir.link(b"file", &*dir, taken)), ErrorKind::AlreadyExists);
                assert_eq!(kind(dir.rename_new(b"file", &*dir, taken)), ErrorKind::AlreadyExists);
            }
            assert_eq!(dir.open_or_create(b"file", 0).unwrap().stat().unwrap().size, 2);
            assert_eq!(dir.open_or_create(b"other", 0o644).unwrap().stat().unwrap().size, 0);
        });
    }

    #[test]
    fn what_is_missing_is_not_found() {
        in_every_directory(|dir| {
            furnished(&dir);
            for missing in [&b"none"[..], b"dir/none", b"none/none"] {
                assert_eq!(kind(dir.stat(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.dir(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.open(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.map(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.link_target(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.link(missing, &*dir, b"new")), ErrorKind::NotFound);
                assert_eq!(kind(dir.rename(missing, &*dir, b"new")), ErrorKind::NotFound);
                assert_eq!(kind(dir.rename_new(missing, &*dir, b"new")), ErrorKind::NotFound);
                assert_eq!(kind(dir.remove_file(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.remove_dir(missing)), ErrorKind::NotFound);
                assert_eq!(kind(dir.set_mode(missing, 0)), ErrorKind::NotFound);
                assert_eq!(kind(dir.set_mtime(missing, Time::default())), ErrorKind::NotFound);
            }
            assert_eq!(kind(dir.create(b"none/new", 0o644)), ErrorKind::NotFound);
            assert_eq!(kind(dir.lock(b"none/lock", Wait::No)), ErrorKind::NotFound);
            assert_eq!(kind(dir.rename(b"file", &*dir, b"none/new")), ErrorKind::NotFound);
        });
    }

    #[test]
    fn symbolic_links_are_never_followed() {
        in_every_directory(|dir| {
            furnished(&dir);
            assert_eq!(kind(dir.dir(b"dirlink")), ErrorKind::NotADirectory);
            assert_eq!(kind(dir.dir(b"file")), ErrorKind::NotADirectory);
            assert_eq!(kind(dir.stat(b"file/x")), ErrorKind::NotADirectory);
            for not_a_file in [&b"link"[..], b"dirlink", b"dir"] {
                assert_eq!(kind(dir.open(not_a_file)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.map(not_a_file)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.open_or_create(not_a_file, 0)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.lock(not_a_file, Wait::No)), ErrorKind::InvalidInput);
            }
            assert_eq!(dir.stat(b"link").unwrap().kind, FileKind::Symlink);
            assert_eq!(dir.stat(b"link").unwrap().size, 4);
            assert_eq!(dir.link_target(b"link").unwrap(), b"file");
            assert_eq!(kind(dir.link_target(b"file")), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.set_mode(b"link", 0)), ErrorKind::Unsupported);
            dir.set_mtime(b"link", Time::from_seconds(7)).unwrap();
            assert_eq!(dir.stat(b"link").unwrap().mtime, Time::from_seconds(7));
            assert_ne!(dir.stat(b"file").unwrap().mtime, Time::from_seconds(7));
            assert_eq!(kind(dir.remove_dir(b"dirlink")), ErrorKind::NotADirectory);
            dir.remove_file(b"dirlink").unwrap();
            assert_eq!(read(&dir, b"dir/inner"), b"within");
        });
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        in_every_directory(|dir| {
            furnished(&dir);
            let unsafe_paths = [
                &b""[..],
                b".",
                b"..",
                b"/",
                b"/etc",
                b"dir/..",
                b"dir/",
                b"dirlink/",
                b"a//b",
                b"a\0",
            ];
            for path in unsafe_paths {
                assert_eq!(kind(dir.stat(path)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.dir(path)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.open(path)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.create(path, 0)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.make_dir(path, 0)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.rename(b"file", &*dir, path)), ErrorKind::InvalidInput);
                assert_eq!(kind(dir.remove_file(path)), ErrorKind::InvalidInput);
            }
            let long = [b'a'; 256];
            assert_eq!(kind(dir.create(&long, 0o644)), ErrorKind::InvalidFilename);
        });
    }

    #[test]
    fn only_an_empty_directory_is_removed_or_replaced() {
        in_every_directory(|dir| {
            furnished(&dir);
            assert_eq!(kind(dir.remove_dir(b"dir")), ErrorKind::DirectoryNotEmpty);
            assert_eq!(kind(dir.remove_dir(b"file")), ErrorKind::NotADirectory);
            assert_eq!(kind(dir.remove_file(b"dir")), ErrorKind::IsADirectory);
            assert_eq!(kind(dir.rename(b"file", &*dir, b"dir")), ErrorKind::IsADirectory);
            assert_eq!(kind(dir.rename(b"dir", &*dir, b"file")), ErrorKind::NotADirectory);
            dir.make_dir(b"other", 0o755).unwrap();
            assert_eq!(kind(dir.rename(b"other", &*dir, b"dir")), ErrorKind::DirectoryNotEmpty);
            assert_eq!(kind(dir.rename(b"dir", &*dir, b"dir/in")), ErrorKind::InvalidInput);
            dir.rename(b"dir", &*dir, b"other").unwrap();
            assert_eq!(read(&dir, b"other/inner"), b"within");
            dir.remove_file(b"other/inner").unwrap();
            dir.remove_dir(b"other").unwrap();
            assert_eq!(kind(dir.stat(b"other")), ErrorKind::NotFound);
        });
    }

    #[test]
    fn a_rename_replaces_and_goes_between_directories() {
        in_every_directory(|dir| {
            furnished(&dir);
            let inner = dir.dir(b"dir").unwrap();
            dir.rename(b"file", &*inner, b"inner").unwrap();
            assert_eq!(read(&dir, b"dir/inner"), b"it");
            assert_eq!(kind(dir.stat(b"file")), ErrorKind::NotFound);
            inner.rename_new(b"inner", &*dir, b"new").unwrap();
            assert_eq!(read(&dir, b"new"), b"it");
            inner.rename(b"none", &*dir, b"new").unwrap_err();
            assert_eq!(read(&dir, b"new"), b"it");
        });
    }

    #[test]
    fn a_linked_file_has_two_names_and_one_content() {
        in_every_directory(|dir| {
            furnished(&dir);
            dir.link(b"file", &*dir.dir(b"dir").unwrap(), b"second").unwrap();
            dir.open_or_create(b"file", 0).unwrap().write_at(b"changed", 0).unwrap();
            assert_eq!(read(&dir, b"dir/second"), b"changed");
            let (one, two) = (dir.stat(b"file").unwrap(), dir.stat(b"dir/second").unwrap());
            assert_eq!((one.inode, one.links), (two.inode, 2));
            dir.rename(b"file", &*dir, b"dir/second").unwrap();
            assert_eq!(dir.stat(b"file").unwrap().links, 2, "renaming onto itself does nothing");
            dir.remove_file(b"file").unwrap();
            assert_eq!(dir.stat(b"dir/second").unwrap().links, 1);
            dir.link(b"link", &*dir, b"same").unwrap();
            assert_eq!(dir.link_target(b"same").unwrap(), b"file");
            assert_eq!(kind(dir.link(b"dir", &*dir, b"dir2")), ErrorKind::Unsupported);
        });
    }

    #[test]
    fn a_scan_tells_what_each_stat_would() {
        in_every_directory(|dir| {
            furnished(&dir);
            let scanned: BTreeMap<_, _> =
                dir.scan().unwrap().into_iter().map(|(name, stat)| (name, stat.unwrap())).collect();
            let mut names: Vec<_> = dir.list().unwrap();
            names.sort_by(|a, b| a.name.cmp(&b.name));
            let kinds = [FileKind::Directory, FileKind::Symlink, FileKind::File, FileKind::Symlink];
            for (found, kind) in names.iter().zip(kinds) {
                assert_eq!(found.kind.unwrap_or(kind), kind);
            }
            assert!(names.iter().map(|found| &found.name).eq(scanned.keys()));
            for (name, stat) in scanned {
                assert_eq!(stat, dir.stat(&name).unwrap());
            }
            assert_eq!(dir.stat(b"dir").unwrap(), dir.dir(b"dir").unwrap().stat_self().unwrap());
        });
    }

    #[test]
    fn files_are_read_and_written_anywhere() {
        in_every_directory(|dir| {
            let file = dir.create(b"file", 0o644).unwrap();
            file.write_at(b"world", 6).unwrap();
            file.write_at(b"hello ", 0).unwrap();
            let mut buffer = [0; 20];
            assert_eq!(file.read_full_at(&mut buffer, 0).unwrap(), 11);
            assert_eq!(&buffer[..11], b"hello world");
            assert_eq!(file.read_at(&mut buffer, 11).unwrap(), 0);
            assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0);
            assert_eq!(kind(file.read_exact_at(&mut buffer, 0)), ErrorKind::UnexpectedEof);
            file.set_len(5).unwrap();
            assert_eq!(read(&dir, b"file"), b"hello");
            file.set_len(7).unwrap();
            assert_eq!(read(&dir, b"file"), b"hello\0\0");
            file.sync().unwrap();
            dir.sync().unwrap();
            dir.sync_file_system().unwrap();
            let for_reading = dir.open(b"file").unwrap();
            assert!(for_reading.write_at(b"x", 0).is_err());
            dir.remove_file(b"file").unwrap();
            assert_eq!(for_reading.read_full_at(&mut buffer, 0).unwrap(), 7, "open files stay");
            assert_eq!(for_reading.stat().unwrap().links, 0);
        });
    }

    #[test]
    fn holes_are_told_from_data() {
        in_every_directory(|dir| {
            let file = dir.create(b"file", 0o644).unwrap();
            assert_eq!(file.next_data(0).unwrap(), None);
            file.set_len(4 << 20).unwrap();
            file.write_at(&[1; 65_536], 1 << 20).unwrap();
            file.sync().unwrap();
            let data = file.next_data(0).unwrap().unwrap();
            assert!(data.start <= 1 << 20 && data.end >= (1 << 20) + 65_536, "{data:?}");
            if data.end < 4 << 20 {
                assert_eq!(data, 1 << 20..(1 << 20) + 65_536);
                assert_eq!(file.next_data((1 << 20) + 5).unwrap().unwrap().start, (1 << 20) + 5);
                assert_eq!(file.next_data(2 << 20).unwrap(), None);
                assert!(file.stat().unwrap().allocated < 4 << 20);
            }
            assert_eq!(file.next_data(4 << 20).unwrap(), None);
        });
    }

    #[test]
    fn modes_and_times_are_kept_as_set() {
        in_every_directory(|dir| {
            furnished(&dir);
            dir.set_mode(b"file", 0o755).unwrap();
            dir.set_mode(b"dir", 0o1750).unwrap();
            assert_eq!(dir.stat(b"file").unwrap().mode, 0o755);
            assert_eq!(dir.stat(b"dir").unwrap().mode, 0o1750);
            let file = dir.open(b"file").unwrap();
            file.set_mode(0o640).unwrap();
            assert_eq!(file.stat().unwrap().mode, 0o640);
            for seconds in [-1_000_000_000, -1, 0, 1 << 32] {
                let time = Time { seconds, nanoseconds: 123_456_789 };
                dir.set_mtime(b"file", time).unwrap();
                assert_eq!(file.stat().unwrap().mtime, time);
                file.set_mtime(Time::from_seconds(seconds)).unwrap();
                assert_eq!(dir.stat(b"file").unwrap().mtime, Time::from_seconds(seconds));
            }
            dir.set_mtime(b"dir", Time::from_seconds(9)).unwrap();
            assert_eq!(dir.stat(b"dir").unwrap().mtime, Time::from_seconds(9));
        });
    }

    #[test]
    fn a_map_has_the_bytes_even_of_an_empty_or_removed_file() {
        in_every_directory(|dir| {
            furnished(&dir);
            write(&dir, b"empty", b"");
            assert_eq!(*dir.map(b"empty").unwrap(), *b"");
            let mapped = dir.map(b"dir/inner").unwrap();
            dir.remove_file(b"dir/inner").unwrap();
            assert_eq!(*mapped.clone(), *b"within");
        });
    }

    #[test]
    fn a_lock_excludes_every_other_handle_until_it_is_dropped() {
        on_every_disk(|disk, path| {
            let (one, two) = (disk.create(path).unwrap(), disk.open(path).unwrap());
            let lock = one.lock(b"lock", Wait::No).unwrap().unwrap();
            assert!(two.lock(b"lock", Wait::No).unwrap().is_none());
            assert!(one.lock(b"lock", Wait::No).unwrap().is_none());
            assert!(two.lock(b"other", Wait::No).unwrap().is_some());
            let (sender, receiver) = mpsc::channel();
            let waiter = std::thread::spawn(move || {
                let lock = two.lock(b"lock", Wait::Yes).unwrap().unwrap();
                sender.send(()).unwrap();
                drop(lock);
            });
            assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
            drop(lock);
            receiver.recv_timeout(Duration::from_secs(20)).unwrap();
            waiter.join().unwrap();
            assert!(one.lock(b"lock", Wait::No).unwrap().is_some());
            assert_eq!(one.stat(b"lock").unwrap().kind, FileKind::File, "the file stays");
        });
    }

    #[test]
    fn directories_of_different_disks_are_not_mixed_up() {
        in_every_directory(|dir| {
            furnished(&dir);
            let place = tempfile::tempdir().unwrap();
            let memory = MemoryDisk::new().open(Path::new("/")).unwrap();
            let real = OsDisk::new().open(place.path()).unwrap();
            let mixed = [&memory, &real].map(|other| dir.rename(b"file", &**other, b"x").is_ok());
            assert_ne!(mixed, [true, true]);
            assert!(memory.stat(b"x").is_err());
        });
    }

    #[test]
    fn several_directories_are_made_at_once() {
        in_every_directory(|dir| {
            make_dirs(&*dir, b"a/b/c").unwrap();
            make_dirs(&*dir, b"a/b/d").unwrap();
            write(&dir, b"a/b/d/file", b"it");
            assert_eq!(read(&dir.dir(b"a/b").unwrap(), b"d/file"), b"it");
        });
    }
}

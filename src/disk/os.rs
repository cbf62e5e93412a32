//! The operating system's file system (Unix).
//!
//! Every call is relative to a directory's descriptor and refuses paths that are absolute or have
//! an empty part, `.` or `..`. Interrupted calls are made again; nothing else is. The only file of
//! the crate that uses `std::fs`, system calls and memory maps.
//!
//! Deliberately absent: any protection of intermediate components. Whoever walks a tree that
//! somebody else writes to goes one name at a time ([`Dir::dir`]).

use std::any::Any;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, SeekFrom, Timespec, Timestamps};
use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::{
    Answer, Bytes, DIRECT_STEP, Dir, DirRef, Disk, File, FileKind, FileRef, Found, Lock, Stat,
    Wait, read_all,
};

/// The file system of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk(());

impl OsDisk {
    /// Also lets this process open as many files as it may ever open: walkers hold many
    /// directories, and the usual soft limit of 1,024 is there for programs that use `select`.
    pub fn new() -> Self {
        static LIMIT_RAISED: Once = Once::new();
        LIMIT_RAISED.call_once(|| {
            use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
            let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
            // Refused (some systems cap below the hard limit): the limit stays what it was.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        });
        Self(())
    }
}

impl Default for OsDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &Path) -> io::Result<DirRef> {
        let fd = retry(|| rustix::fs::open(path, directory_flags(), Mode::empty()))?;
        Ok(Arc::new(OsDir { fd }))
    }

    fn create(&self, path: &Path) -> io::Result<DirRef> {
        create_durably(self, path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        parse_boot_id(&std::fs::read("/proc/sys/kernel/random/boot_id").ok()?)
    }
}

/// Opens the directory `path`, having created what did not exist of it and made that durable.
pub(super) fn create_durably(disk: &dyn Disk, path: &Path) -> io::Result<DirRef> {
    match (disk.open(path), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => create_durably(disk, parent)?,
                _ => disk.open(Path::new("."))?,
            };
            match parent.make_dir(name.as_bytes(), 0o777) {
                Ok(()) => parent.sync()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            disk.open(path)
        }
        (opened, _) => opened,
    }
}

/// Refuses a path that is not a plain way down from a directory. A trailing slash would make the
/// system follow a symbolic link that it was told not to follow.
pub(super) fn check_path(path: &[u8]) -> io::Result<()> {
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    if path.split(|&byte| byte == b'/').all(plain) {
        return Ok(());
    }
    let shown = path.escape_ascii();
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("unsafe path \"{shown}\"")))
}

/// What opening anything but a regular file as a file ends in.
pub(super) fn not_a_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Keeps the cause's text but says the one thing a caller can act on.
pub(super) fn unsupported(cause: Errno) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, io::Error::from(cause))
}

/// Two directories of which one is not of this disk cannot know each other.
pub(super) fn other_disk() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the target directory is of another kind of disk")
}

#[derive(Debug)]
struct OsDir {
    fd: OwnedFd,
}

impl OsDir {
    /// Calls `each` with every name but `.` and `..`, its inode number and its kind.
    ///
    /// Opens the directory anew, because the position in a directory belongs to the descriptor,
    /// which other threads use too.
    #[cfg(target_os = "linux")]
    fn each_name(&self, mut each: impl FnMut(&[u8], u64, FileType)) -> io::Result<()> {
        let fd = retry(|| rustix::fs::openat(&self.fd, ".", directory_flags(), Mode::empty()))?;
        // Some 2,000 names a call. Below the size from which the allocator asks the kernel each
        // time; only the part that is used is ever touched.
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut entries = rustix::fs::RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => match entry.file_name().to_bytes() {
                    b"." | b".." => {}
                    name => each(name, entry.ino(), entry.file_type()),
                },
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn each_name(&self, mut each: impl FnMut(&[u8], u64, FileType)) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => each(name, entry.ino(), entry.file_type()),
            }
        }
        Ok(())
    }

    /// Opens whatever is not a symbolic link, without waiting for anybody.
    fn open_any(&self, path: &[u8], flags: OFlags, mode: u16) -> io::Result<OsFile> {
        check_path(path)?;
        // A pipe without a writer would block the open; a terminal could become ours.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = retry(|| rustix::fs::openat(&self.fd, path, flags, mode_bits(mode)));
        let fd = opened.map_err(|error| {
            match Errno::from_io_error(&error) {
                // A symbolic link, a directory opened for writing, a socket.
                Some(Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO) => {
                    not_a_regular_file()
                }
                _ => error,
            }
        })?;
        Ok(OsFile { file: fd.into(), direct: AtomicBool::new(false) })
    }

    fn open_regular(&self, path: &[u8], flags: OFlags, mode: u16) -> io::Result<(OsFile, Stat)> {
        let file = self.open_any(path, flags, mode)?;
        let stat = file.stat()?;
        if stat.kind == FileKind::File { Ok((file, stat)) } else { Err(not_a_regular_file()) }
    }
}

/// A directory of so many names is looked at by several threads.
const SHARED_FROM: usize = 4096;

impl Dir for OsDir {
    fn list(&self) -> io::Result<Vec<Found>> {
        let mut names = Vec::new();
        self.each_name(|name, inode, kind| {
            names.push((inode, Found { name: name.to_vec(), kind: kind_of(kind) }));
        })?;
        // Directories give names in the order of a hash; asking in the order of the inodes reads
        // each block of the inode table once when nothing is cached.
        names.sort_unstable_by_key(|&(inode, _)| inode);
        Ok(names.into_iter().map(|(_, found)| found).collect())
    }

    fn ask(&self, mut names: Vec<Vec<u8>>) -> io::Result<Vec<Answer>> {
        let ask = |names: Vec<Vec<u8>>| {
            let mut answers = Vec::with_capacity(names.len());
            for name in names {
                let asked = &name[..];
                match retry(|| rustix::fs::statat(&self.fd, asked, AtFlags::SYMLINK_NOFOLLOW)) {
                    Ok(stat) => answers.push((name, Ok(to_stat(&stat)))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => answers.push((name, Err(error))),
                }
            }
            answers
        };
        if names.len() < SHARED_FROM {
            return Ok(ask(names));
        }
        // Asking how many there are reads several files: not for every directory.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // Of a very large directory the names are asked about by several threads.
        let share = names.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let mut others = Vec::new();
            while names.len() > share {
                let theirs = names.split_off(names.len() - share);
                others.push(scope.spawn(|| ask(theirs)));
            }
            let mut answers = ask(names);
            for other in others {
                let part = other.join().map_err(|_| io::Error::other("a thread died"))?;
                answers.extend(part);
            }
            Ok(answers)
        })
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        check_path(path)?;
        retry(|| rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW))
            .map(|stat| to_stat(&stat))
    }

    fn stat_self(&self) -> io::Result<Stat> {
        retry(|| rustix::fs::fstat(&self.fd)).map(|stat| to_stat(&stat))
    }

    fn dir(&self, path: &[u8]) -> io::Result<DirRef> {
        check_path(path)?;
        let flags = directory_flags() | OFlags::NOFOLLOW;
        match retry(|| rustix::fs::openat(&self.fd, path, flags, Mode::empty())) {
            Ok(fd) => Ok(Arc::new(Self { fd })),
            // Systems differ in what they call a symbolic link that is not to be followed.
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::MLINK) => Err(Errno::NOTDIR.into()),
                _ => Err(error),
            },
        }
    }

    fn open(&self, path: &[u8]) -> io::Result<FileRef> {
        Ok(self.open_with_stat(path)?.0)
    }

    fn open_with_stat(&self, path: &[u8]) -> io::Result<(FileRef, Stat)> {
        let (file, stat) = self.open_regular(path, OFlags::RDONLY, 0)?;
        Ok((Arc::new(file), stat))
    }

    fn open_listed(&self, path: &[u8]) -> io::Result<FileRef> {
        Ok(Arc::new(self.open_any(path, OFlags::RDONLY, 0)?))
    }

    fn link_target(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        check_path(path)?;
        retry(|| rustix::fs::readlinkat(&self.fd, path, Vec::new())).map(|it| it.into_bytes())
    }

    fn create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        // What is made so is a regular file: it need not be asked.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(Arc::new(self.open_any(path, flags, mode)?))
    }

    fn open_or_create(&self, path: &[u8], mode: u16) -> io::Result<FileRef> {
        Ok(Arc::new(self.open_regular(path, OFlags::RDWR | OFlags::CREATE, mode)?.0))
    }

    fn make_dir(&self, path: &[u8], mode: u16) -> io::Result<()> {
        check_path(path)?;
        retry(|| rustix::fs::mkdirat(&self.fd, path, mode_bits(mode)))
    }

    fn make_symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        retry(|| rustix::fs::symlinkat(target, &self.fd, path)).map_err(|error| {
            match Errno::from_io_error(&error) {
                Some(cause @ (Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)) => unsupported(cause),
                _ => error,
            }
        })
    }

    fn link(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        let to_fd = paired(from, to_dir, to)?;
        retry(|| rustix::fs::linkat(&self.fd, from, to_fd, to, AtFlags::empty())).map_err(|error| {
            match Errno::from_io_error(&error) {
                Some(cause @ (Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)) => unsupported(cause),
                _ => error,
            }
        })
    }

    fn rename(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        let to_fd = paired(from, to_dir, to)?;
        retry(|| rustix::fs::renameat(&self.fd, from, to_fd, to))
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn rename_new(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<()> {
        use rustix::fs::RenameFlags;
        let to_fd = paired(from, to_dir, to)?;
        retry(|| rustix::fs::renameat_with(&self.fd, from, to_fd, to, RenameFlags::NOREPLACE))
            .map_err(|error| match Errno::from_io_error(&error) {
                // EINVAL: the kernel knows the call, the file system does not know the flag.
                Some(cause @ (Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)) => {
                    unsupported(cause)
                }
                _ => error,
            })
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn rename_new(&self, _: &[u8], _: &dyn Dir, _: &[u8]) -> io::Result<()> {
        Err(unsupported(Errno::NOSYS))
    }

    fn remove_file(&self, path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        retry(|| rustix::fs::unlinkat(&self.fd, path, AtFlags::empty()))
    }

    fn remove_dir(&self, path: &[u8]) -> io::Result<()> {
        check_path(path)?;
        retry(|| rustix::fs::unlinkat(&self.fd, path, AtFlags::REMOVEDIR)).map_err(|error| {
            match Errno::from_io_error(&error) {
                // Some systems say "exists" of what is in the directory.
                Some(Errno::EXIST) => Errno::NOTEMPTY.into(),
                _ => error,
            }
        })
    }

    #[cfg(target_os = "linux")]
    fn set_mode(&self, path: &[u8], mode: u16) -> io::Result<()> {
        check_path(path)?;
        // Linux before 6.6 cannot change the mode at a path without following symbolic links. A
        // descriptor that only names the file can be looked at first and then changed by way of
        // /proc, even if its present mode forbids to read it.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::openat(&self.fd, path, flags, Mode::empty()))?;
        let stat = retry(|| rustix::fs::fstat(&fd))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(unsupported(Errno::OPNOTSUPP));
        }
        let named = format!("/proc/self/fd/{}", fd.as_raw_fd());
        retry(|| rustix::fs::chmod(&named, mode_bits(mode)))
    }

    #[cfg(not(target_os = "linux"))]
    fn set_mode(&self, path: &[u8], mode: u16) -> io::Result<()> {
        if self.stat(path)?.kind == FileKind::Symlink {
            return Err(unsupported(Errno::OPNOTSUPP));
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        retry(|| rustix::fs::chmodat(&self.fd, path, mode_bits(mode), flags))
    }

    fn set_mtime(&self, path: &[u8], mtime: Time) -> io::Result<()> {
        check_path(path)?;
        let times = only_mtime(mtime);
        retry(|| rustix::fs::utimensat(&self.fd, path, &times, AtFlags::SYMLINK_NOFOLLOW))
    }

    fn sync(&self) -> io::Result<()> {
        match retry(|| rustix::fs::fsync(&self.fd)) {
            // A file system that has nothing to sync about directories.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            done => done,
        }
    }

    #[cfg(target_os = "linux")]
    fn sync_file_system(&self) -> io::Result<()> {
        retry(|| rustix::fs::syncfs(&self.fd))
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_file_system(&self) -> io::Result<()> {
        rustix::fs::sync();
        self.sync()
    }

    fn now(&self) -> Time {
        std::time::SystemTime::now().into()
    }

    fn file_system_id(&self) -> io::Result<u64> {
        retry(|| rustix::fs::fstatvfs(&self.fd)).map(|volume| volume.f_fsid)
    }

    fn lock(&self, path: &[u8], wait: Wait) -> io::Result<Option<Lock>> {
        // The file is opened anew each time, so that two locks of one process exclude each other
        // too, and never removed, so that everybody locks the same inode.
        let file = self.open_regular(path, OFlags::RDWR | OFlags::CREATE, 0o666)?.0.file;
        let operation = match wait {
            Wait::No => FlockOperation::NonBlockingLockExclusive,
            Wait::Yes => FlockOperation::LockExclusive,
        };
        match retry(|| rustix::fs::flock(&file, operation)) {
            Ok(()) => Ok(Some(Lock::new(OsLock { file }))),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::WOULDBLOCK) => Ok(None),
                // ENOLCK: a network file system whose server does not lock.
                Some(cause @ (Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK)) => {
                    Err(unsupported(cause))
                }
                _ => Err(error),
            },
        }
    }

    fn map(&self, path: &[u8]) -> io::Result<Bytes> {
        let (OsFile { file, .. }, _) = self.open_regular(path, OFlags::RDONLY, 0)?;
        // Mapping no bytes is an error.
        if retry(|| rustix::fs::fstat(&file))?.st_size == 0 {
            return Ok(Bytes::new([]));
        }
        match map(&file) {
            Ok(mapped) => Ok(Bytes::new(mapped)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {
                read_all(self, path, u64::MAX).map(Bytes::new)
            }
            Err(error) => Err(error),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Maps a file whose bytes nobody writes again.
#[allow(unsafe_code)]
fn map(file: &std::fs::File) -> io::Result<memmap2::Mmap> {
    // SAFETY: a map is sound only while nobody changes or cuts the file below it, which no program
    // can prevent. It is sound enough here: what is mapped lies in the store's own directory, has
    // got its name by a rename after its last byte was written, and is never opened for writing
    // again, only removed, which leaves the map intact. Readers check every byte against a hash
    // or bounds and believe no length. Whoever cuts such a file by hand ends this process (SIGBUS)
    // but cannot make it record anything wrong: it dies as in a power failure.
    unsafe { memmap2::Mmap::map(file) }
}

#[derive(Debug)]
struct OsFile {
    file: std::fs::File,
    /// Whether writes go past the page cache now.
    direct: AtomicBool,
}

impl OsFile {
    /// From now on, writes go past the page cache or do not. Refused where the file system cannot.
    fn set_direct(&self, wanted: bool) -> io::Result<()> {
        if self.direct.load(Ordering::Relaxed) == wanted {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        {
            let mut flags = retry(|| rustix::fs::fcntl_getfl(&self.file))?;
            flags.set(OFlags::DIRECT, wanted);
            retry(|| rustix::fs::fcntl_setfl(&self.file, flags))?;
            self.direct.store(wanted, Ordering::Relaxed);
            Ok(())
        }
        #[cfg(not(target_os = "linux"))]
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.set_direct(false)?;
        self.file.write_all_at(bytes, offset)
    }

    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let step = DIRECT_STEP as u64;
        let fits = bytes.as_ptr().addr().is_multiple_of(DIRECT_STEP)
            && bytes.len().is_multiple_of(DIRECT_STEP)
            && offset.is_multiple_of(step);
        if !fits || self.set_direct(true).is_err() {
            return self.write_at(bytes, offset);
        }
        match self.file.write_all_at(bytes, offset) {
            // Larger steps are wanted here, or it stopped within one: the cache will do.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.write_at(bytes, offset)
            }
            done => done,
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        retry(|| rustix::fs::fstat(&self.file)).map(|stat| to_stat(&stat))
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn set_mode(&self, mode: u16) -> io::Result<()> {
        retry(|| rustix::fs::fchmod(&self.file, mode_bits(mode)))
    }

    fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        let times = only_mtime(mtime);
        retry(|| rustix::fs::futimens(&self.file, &times))
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        // Seeking moves the descriptor's position, which nothing here uses.
        match retry(|| rustix::fs::seek(&self.file, SeekFrom::Data(offset))) {
            Ok(start) => {
                let end = retry(|| rustix::fs::seek(&self.file, SeekFrom::Hole(start)))?;
                Ok(Some(start..end))
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NXIO) => Ok(None),
                Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOTTY) => {
                    let size = self.stat()?.size;
                    Ok((offset < size).then_some(offset..size))
                }
                _ => Err(error),
            },
        }
    }
}

/// Unlocks explicitly: a child process that was just forked may hold a copy of the descriptor.
struct OsLock {
    file: std::fs::File,
}

impl Drop for OsLock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

/// Checks both paths of a call that takes two, and finds the second directory's descriptor.
fn paired<'a>(from: &[u8], to_dir: &'a dyn Dir, to: &[u8]) -> io::Result<BorrowedFd<'a>> {
    check_path(from)?;
    check_path(to)?;
    let to_dir = to_dir.as_any().downcast_ref::<OsDir>().ok_or_else(other_disk)?;
    Ok(to_dir.fd.as_fd())
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn mode_bits(mode: u16) -> Mode {
    Mode::from_raw_mode((mode & 0o7777).into())
}

fn only_mtime(mtime: Time) -> Timestamps {
    let unchanged = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let changed = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: unchanged, last_modification: changed }
}

fn kind_of(kind: FileType) -> Option<FileKind> {
    match kind {
        FileType::RegularFile => Some(FileKind::File),
        FileType::Directory => Some(FileKind::Directory),
        FileType::Symlink => Some(FileKind::Symlink),
        FileType::Unknown => None,
        _ => Some(FileKind::Special),
    }
}

// The fields' types differ between systems.
#[allow(clippy::unnecessary_cast)]
fn to_stat(stat: &rustix::fs::Stat) -> Stat {
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
    Stat {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)).unwrap_or(FileKind::Special),
        mode: (stat.st_mode & 0o7777) as u16,
        size: stat.st_size as u64,
        mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        inode: stat.st_ino as u64,
        device: stat.st_dev as u64,
        links: stat.st_nlink as u64,
        allocated: stat.st_blocks as u64 * 512,
    }
}

/// The sixteen bytes of a UUID in text.
fn parse_boot_id(text: &[u8]) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b'\n'))
        .map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |a, b| a << 4 | b)).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fresh() -> (tempfile::TempDir, DirRef) {
        let place = tempfile::tempdir().unwrap();
        let dir = OsDisk::new().open(place.path()).unwrap();
        (place, dir)
    }

    fn write(dir: &DirRef, path: &[u8], bytes: &[u8]) {
        dir.create(path, 0o644).unwrap().write_at(bytes, 0).unwrap();
    }

    #[test]
    fn a_uuid_is_sixteen_bytes_and_anything_else_is_no_boot_id() {
        let text = b"00112233-4455-6677-8899-aabbccddeeff\n";
        assert_eq!(parse_boot_id(text).unwrap()[..3], [0, 0x11, 0x22]);
        assert_eq!(parse_boot_id(&text[..35]), None);
        assert_eq!(parse_boot_id(b"no uuid"), None);
        #[cfg(target_os = "linux")]
        assert!(OsDisk::new().boot_id().is_some());
    }

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        OsDisk::new();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_writer() {
        let (place, dir) = fresh();
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(dir.open(b"pipe").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(dir.stat(b"pipe").unwrap().kind, FileKind::Special);
        let socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
        assert_eq!(dir.open(b"socket").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(socket);
    }

    #[test]
    fn a_mode_is_never_changed_through_a_symbolic_link() {
        let (_place, dir) = fresh();
        write(&dir, b"file", b"");
        dir.make_symlink(b"file", b"link").unwrap();
        assert_eq!(dir.set_mode(b"link", 0o600).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(dir.stat(b"file").unwrap().mode, 0o644);
        dir.set_mode(b"file", 0).unwrap();
        dir.set_mode(b"file", 0o755).unwrap();
        assert_eq!(dir.stat(b"file").unwrap().mode, 0o755);
    }

    #[test]
    fn a_lock_is_free_again_when_its_process_is_killed() {
        let (place, dir) = fresh();
        let Ok(mut holder) = std::process::Command::new("flock")
            .arg("--no-fork")
            .arg(place.path().join("lock"))
            .args(["sleep", "60"])
            .spawn()
        else {
            return; // no flock(1) here
        };
        while dir.lock(b"lock", Wait::No).unwrap().is_some() {
            std::thread::yield_now();
        }
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert!(dir.lock(b"lock", Wait::No).unwrap().is_some());
    }

    #[test]
    fn a_large_directory_is_scanned_completely() {
        let (_place, dir) = fresh();
        for number in 0..5_000 {
            write(
                &dir,
                format!("a name of some length, so that buffers fill: {number}").as_bytes(),
                b"",
            );
        }
        assert_eq!(dir.scan().unwrap().len(), 5_000);
        assert_eq!(dir.list().unwrap().len(), 5_000);
        assert_eq!(dir.list().unwrap().len(), 5_000, "listing does not depend on a position");
    }

    #[test]
    fn relative_paths_can_be_created_too() {
        let place = tempfile::tempdir().unwrap();
        let disk = OsDisk::new();
        disk.create(&place.path().join("a/b/../c")).unwrap_err();
        disk.create(&place.path().join("a/b/c/")).unwrap();
        disk.create(&place.path().join("a/b/../d")).unwrap();
        let canonical = disk.canonical(&place.path().join("a/./b/../d")).unwrap();
        assert_eq!(canonical, disk.canonical(place.path()).unwrap().join("a/d"));
        assert_eq!(Some("d".as_ref()), canonical.file_name());
    }
}

//! Open directories and files.

use std::any::Any;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::os::{check_path, other_disk, unsupported};
use crate::disk::{Bytes, Dir, DirRef, File, FileKind, FileRef, Found, Lock, Stat, Wait};

use super::node::{Body, Content, Entry, empty_directory, empty_file};
use super::volume::Volume;
use super::{LARGEST_FILE, MemoryDisk, UMASK};

#[derive(Debug)]
pub(super) struct MemoryDir {
    pub(super) disk: MemoryDisk,
    pub(super) inode: u64,
    pub(super) path: Vec<u8>,
    pub(super) _open: Arc<()>,
}

impl MemoryDir {
    pub(super) fn file(&self, volume: &Volume, inode: u64, path: &[u8], writable: bool) -> FileRef {
        let path = self.absolute(path);
        let _open = volume.node(inode).open.clone();
        Arc::new(MemoryFile { disk: self.disk.clone(), inode, path, writable, _open })
    }

    pub(super) fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let above = if self.path == b"/" { &[][..] } else { &self.path[..] };
        [above, b"/", path].concat()
    }

    /// Checks both paths of a call that takes two, and finds the second directory.
    pub(super) fn paired(&self, from: &[u8], to_dir: &dyn Dir, to: &[u8]) -> io::Result<u64> {
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
        let times = if volume.lists_twice { 2 } else { 1 };
        let entries = volume.directory(self.inode)?.entries.values();
        Ok(entries.flat_map(|entry| std::iter::repeat_n(entry, times)).map(found).collect())
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
        volume.check_not_closed(inode)?;
        Ok(self.disk.dir_handle(&volume, inode, self.absolute(path)))
    }

    fn open(&self, path: &[u8]) -> io::Result<FileRef> {
        check_path(path)?;
        let volume = self.disk.volume();
        let inode = volume.walk(self.inode, path, false)?;
        volume.regular(inode)?;
        volume.check_not_closed(inode)?;
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
        let volume = self.disk.volume();
        volume.now.later_by(-i128::from(volume.ahead_nanoseconds))
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

pub(super) struct MemoryLock {
    pub(super) disk: MemoryDisk,
    pub(super) inode: u64,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.volume().locked.remove(&self.inode);
        self.disk.0.unlocked.notify_all();
    }
}

#[derive(Debug)]
pub(super) struct MemoryFile {
    pub(super) disk: MemoryDisk,
    pub(super) inode: u64,
    pub(super) path: Vec<u8>,
    pub(super) writable: bool,
    pub(super) _open: Arc<()>,
}

impl MemoryFile {
    pub(super) fn check_writable(&self) -> io::Result<()> {
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

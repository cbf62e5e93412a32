//! Writing a pack, frame by frame.

use std::io;

use crate::codec;
use crate::disk::{Dir, FileRef};
use crate::hash::{ContentHasher, Id};
use crate::object::MOST_OBJECTS;

use super::{Class, Frame, HEADER_BYTES, MAGIC, ObjectRow, PackTable, VERSION};

/// A pack being written into a temporary file.
#[derive(Debug)]
pub struct PackWriter {
    class: Class,
    file: FileRef,
    offset: u64,
    hasher: ContentHasher,
    table: PackTable,
    /// Bytes not yet written: small frames are gathered.
    pending: Vec<u8>,
}

/// A finished pack, synced but under its temporary name.
#[derive(Clone, Debug)]
pub struct Written {
    /// What it holds.
    pub class: Class,
    /// The hash it ends with.
    pub hash: Id,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its table.
    pub table: PackTable,
}

/// Small frames are gathered until they are so many bytes.
const GATHER: usize = 1 << 20;
/// A frame of so many bytes is written as it is: copying it would cost more than a call.
const LARGE: usize = 128 << 10;

impl PackWriter {
    /// Begins a pack in the new file `path`.
    pub fn create(dir: &dyn Dir, path: &str, class: Class) -> io::Result<Self> {
        let file = dir.create(path.as_bytes(), 0o444)?;
        let mut writer = Self {
            class,
            file,
            offset: 0,
            hasher: ContentHasher::default(),
            table: PackTable::default(),
            pending: Vec::new(),
        };
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8] = VERSION;
        header[9] = class.number();
        writer.write(&header)?;
        Ok(writer)
    }

    /// What it holds.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Bytes so far, table aside.
    pub fn bytes(&self) -> u64 {
        self.offset + self.pending.len() as u64
    }

    /// Whether another frame of so many objects still fits.
    pub fn has_room_for(&self, objects: usize) -> bool {
        self.table.objects.len() + objects <= MOST_OBJECTS
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.write(frame.stored)?;
        self.table.frames.push(frame.row);
        self.table.objects.extend_from_slice(&frame.objects);
        Ok(())
    }

    /// The objects so far.
    pub fn objects(&self) -> &[ObjectRow] {
        &self.table.objects
    }

    /// Writes table and trailer and makes the content durable.
    pub fn finish(mut self) -> io::Result<Written> {
        let table = codec::encode(&self.table);
        let offset = self.bytes();
        self.write(&table)?;
        self.write(&offset.to_le_bytes())?;
        self.write(&(table.len() as u64).to_le_bytes())?;
        let hash = self.hasher.finish();
        self.pending.extend_from_slice(hash.as_bytes());
        self.flush()?;
        self.file.sync()?;
        Ok(Written { class: self.class, hash, bytes: self.offset, table: self.table })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        if bytes.len() >= LARGE {
            self.flush()?;
            self.file.write_at(bytes, self.offset)?;
            self.offset += bytes.len() as u64;
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_at(&self.pending, self.offset)?;
        self.offset += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

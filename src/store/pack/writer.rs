//! Writing a pack, frame by frame.

use std::io;

use crate::codec;
use crate::disk::Dir;
use crate::hash::Id;
use crate::object::MOST_OBJECTS;

use super::stream::{Blocks, Stream};
use super::{Class, Frame, HEADER_BYTES, MAGIC, ObjectRow, PackTable, VERSION};

/// A pack being written into a temporary file.
#[derive(Debug)]
pub struct PackWriter {
    class: Class,
    stream: Stream,
    table: PackTable,
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

impl PackWriter {
    /// Begins a pack in the new file `path`.
    pub fn create(dir: &dyn Dir, path: &str, class: Class, blocks: &Blocks) -> io::Result<Self> {
        let mut stream = Stream::new(dir.create(path.as_bytes(), 0o444)?, blocks.clone());
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8] = VERSION;
        header[9] = class.number();
        stream.write(&header)?;
        Ok(Self { class, stream, table: PackTable::default() })
    }

    /// What it holds.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Bytes so far, table aside.
    pub fn bytes(&self) -> u64 {
        self.stream.bytes()
    }

    /// Whether another frame of so many objects still fits.
    pub fn has_room_for(&self, objects: usize) -> bool {
        self.table.objects.len() + objects <= MOST_OBJECTS
    }

    /// Appends a frame. An error may be of an earlier one.
    pub fn push(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.stream.write(frame.stored)?;
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
        self.stream.write(&table)?;
        self.stream.write(&offset.to_le_bytes())?;
        self.stream.write(&(table.len() as u64).to_le_bytes())?;
        let (hash, bytes) = self.stream.finish()?;
        Ok(Written { class: self.class, hash, bytes, table: self.table })
    }
}

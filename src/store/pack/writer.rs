//! Writing a pack, frame by frame.

use std::io;

use crate::codec;
use crate::disk::Dir;
use crate::hash::Id;
use crate::object::MOST_OBJECTS;

use super::stream::{Blocks, Stream};
use super::{
    ARCHIVE_AT, Class, Frame, HEADER_BYTES, MAGIC, MOST_FRAME_BYTES, ObjectRow, PackTable, VERSION,
};

/// A pack being written into a temporary file.
#[derive(Debug)]
pub struct PackWriter {
    class: Class,
    is_archive: bool,
    stream: Stream,
    table: PackTable,
}

/// A finished pack, synced but under its temporary name.
#[derive(Clone, Debug)]
pub struct Written {
    /// What it holds.
    pub class: Class,
    /// Whether its frames may be long.
    pub is_archive: bool,
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
        Self::begin(dir, path, class, blocks, false)
    }

    /// Begins an archive in the new file `path`.
    pub fn create_archive(
        dir: &dyn Dir,
        path: &str,
        class: Class,
        blocks: &Blocks,
    ) -> io::Result<Self> {
        Self::begin(dir, path, class, blocks, true)
    }

    fn begin(
        dir: &dyn Dir,
        path: &str,
        class: Class,
        blocks: &Blocks,
        is_archive: bool,
    ) -> io::Result<Self> {
        let mut stream = Stream::new(dir.create(path.as_bytes(), 0o444)?, blocks.clone());
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8] = VERSION;
        header[9] = class.number();
        header[ARCHIVE_AT] = u8::from(is_archive);
        stream.write(&header)?;
        Ok(Self { class, is_archive, stream, table: PackTable::default() })
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

    /// Appends a frame. Long ones belong into archives. An error may be of an earlier one.
    pub fn push(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        debug_assert!(self.is_archive || frame.row.raw as usize <= MOST_FRAME_BYTES);
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
        let Self { class, is_archive, stream, table } = self;
        let (hash, bytes) = stream.finish()?;
        Ok(Written { class, is_archive, hash, bytes, table })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk, MemoryDisk, read_all};
    use crate::hash::Kind;
    use crate::store::pack::FrameBuilder;

    #[test]
    fn the_header_says_whether_a_pack_is_an_archive() {
        let dir = MemoryDisk::new().create(Path::new("/packs")).unwrap();
        let blocks = Blocks::default();
        for (name, is_archive) in [("pack", false), ("archive", true)] {
            let create = if is_archive { PackWriter::create_archive } else { PackWriter::create };
            let mut writer = create(&*dir, name, Class::Data, &blocks).unwrap();
            let mut builder = FrameBuilder::new();
            builder.push(Kind::Chunk, Kind::Chunk.id_of(b"bytes"), b"bytes");
            writer.push(&builder.finish(super::super::Level::FIRST)).unwrap();
            assert_eq!(writer.finish().unwrap().is_archive, is_archive);
            let bytes = read_all(&*dir, name.as_bytes(), 1 << 20).unwrap();
            let header = [&b"ANNLPACK"[..], &[1, 4, u8::from(is_archive), 0, 0, 0, 0, 0]].concat();
            assert_eq!(bytes[..16], header);
        }
    }
}

//! A git blob as content of Annals.

use crate::chunk::{self, SPAN_LIMIT, Sizes, Sketcher};
use crate::hash::{ContentHasher, Id, Kind};
use crate::object::manifest::{self, FEW, ListBuilder, NEAR, SMALL};
use crate::object::{ChunkRef, Chunks, Manifest};
use crate::store::{Age, Arranged, Class, Error};

/// What a file's content is in Annals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Its length in bytes.
    pub size: u64,
    /// Chunk or manifest.
    pub id: Id,
}

/// A run of bytes that is to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) class: Class,
    pub(super) id: Id,
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Cuts content that is in memory. `pieces` gets its chunks, in order; storing them is left to the
/// caller, who knows which belong next to each other.
pub(super) fn cut(
    bytes: &[u8],
    sketcher: &mut Sketcher,
    writer: &mut Arranged<'_, '_>,
    pieces: &mut Vec<Piece>,
) -> Result<Content, Error> {
    let size = bytes.len() as u64;
    let content = Kind::Chunk.id_of(bytes);
    if size <= SMALL {
        if size > 0 {
            let length = bytes.len();
            pieces.push(Piece { class: Class::Near, id: content, start: 0, length });
        }
        return Ok(Content { size, id: content });
    }
    let near = size <= NEAR && manifest::is_text(bytes);
    let class = if near { Class::Near } else { Class::Data };
    let sizes = chunk::sizes(size);
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let length = chunk::next(&bytes[start..], sizes);
        let chunk = &bytes[start..start + length];
        let id = if length == bytes.len() { content } else { Kind::Chunk.id_of(chunk) };
        chunks.push(ChunkRef { id, length: length as u32 });
        pieces.push(Piece { class, id, start, length });
        start += length;
    }
    sketcher.update(bytes);
    let sketch = *sketcher.finish_and_reset().as_bytes();
    let chunks = Chunks::of(chunks, writer)?;
    let manifest = Manifest { size, content, chunker: chunk::CHUNKER, near, sketch, chunks };
    Ok(Content { size, id: writer.put_manifest(&manifest)? })
}

/// Content that is too long to be held in memory: cut and stored as it comes.
pub(super) struct Stream {
    size: u64,
    sizes: Sizes,
    rest: Vec<u8>,
    hasher: ContentHasher,
    /// Of its spans, or of its chunks if it is longer than those are counted.
    sketcher: Sketcher,
    list: ListBuilder,
    few: Vec<ChunkRef>,
    count: u64,
}

impl Stream {
    /// Begins content of this length, which is more than [`NEAR`].
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            sizes: chunk::sizes(size),
            rest: Vec::new(),
            hasher: ContentHasher::default(),
            sketcher: Sketcher::new(),
            list: ListBuilder::new(),
            few: Vec::new(),
            count: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        writer: &mut Arranged<'_, '_>,
    ) -> Result<(), Error> {
        self.hasher.update(bytes);
        if self.size <= SPAN_LIMIT {
            self.sketcher.update(bytes);
        }
        self.rest.extend_from_slice(bytes);
        self.cut(false, writer)
    }

    fn cut(&mut self, at_end: bool, writer: &mut Arranged<'_, '_>) -> Result<(), Error> {
        let mut start = 0;
        while self.rest.len() - start >= if at_end { 1 } else { self.sizes.max } {
            let length = chunk::next(&self.rest[start..], self.sizes);
            let bytes = &self.rest[start..start + length];
            let id = Kind::Chunk.id_of(bytes);
            writer.put_chunk(Class::Data, Age::older(self.size), id, bytes)?;
            let chunk = ChunkRef { id, length: length as u32 };
            if self.size > SPAN_LIMIT {
                let first = id.as_bytes().first_chunk().copied().unwrap_or_default();
                self.sketcher.chunk(u64::from_le_bytes(first), length as u64);
            }
            self.list.push(chunk, writer)?;
            if self.few.len() <= FEW {
                self.few.push(chunk);
            }
            self.count += 1;
            start += length;
        }
        self.rest.drain(..start);
        Ok(())
    }

    /// Ends it.
    pub(super) fn finish(mut self, writer: &mut Arranged<'_, '_>) -> Result<Content, Error> {
        self.cut(true, writer)?;
        let chunks = match self.count {
            1 => Chunks::One,
            count if count <= FEW as u64 => Chunks::Few(self.few),
            count => Chunks::Many { list: self.list.finish(writer)?, count },
        };
        let manifest = Manifest {
            size: self.size,
            content: self.hasher.finish(),
            chunker: chunk::CHUNKER,
            near: false,
            sketch: *self.sketcher.finish().as_bytes(),
            chunks,
        };
        Ok(Content { size: self.size, id: writer.put_manifest(&manifest)? })
    }
}

//! The door of one thread into a batch.

use std::sync::Arc;

use crate::hash::{Id, Kind};
use crate::object::{Manifest, Node, Object, Sink, Source};

use super::super::pack::{Frame, FrameBuilder, Level, frame};
use super::super::{Class, Error};
use super::Batch;

/// A frame of content is finished when it has so many bytes.
const FRAME_BYTES: usize = 1 << 20;
/// A frame of metadata: smaller, because a few nodes of it are read at a time.
const META_FRAME_BYTES: usize = 64 << 10;
/// Chunks of at least so many bytes stand alone if they do not compress.
const ALONE_BYTES: usize = 32 << 10;

/// One thread's door into a batch.
#[derive(Debug)]
pub struct Writer<'b, 's> {
    batch: &'b Batch<'s>,
    frames: [FrameBuilder; 4],
}

impl<'b, 's> Writer<'b, 's> {
    pub(super) fn new(batch: &'b Batch<'s>) -> Self {
        Self { batch, frames: Default::default() }
    }

    /// The batch.
    pub fn batch(&self) -> &'b Batch<'s> {
        self.batch
    }

    /// Puts a chunk whose id is known. Returns whether it was new.
    pub fn put_chunk(&mut self, class: Class, id: Id, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.is_empty() || !self.batch.claim(Kind::Chunk, &id) {
            return Ok(false);
        }
        // Longer content that is near is text, which always compresses.
        let may_stand_alone = class == Class::Data && bytes.len() >= ALONE_BYTES;
        if may_stand_alone && !frame::compresses(bytes) {
            self.batch.push_frame(class, &Frame::alone(Kind::Chunk, id, bytes))?;
            return Ok(true);
        }
        self.gather(class, Kind::Chunk, id, bytes)?;
        Ok(true)
    }

    /// Adds an object to the frame of its class that is being filled; a full one is handed over.
    fn gather(&mut self, class: Class, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let builder = &mut self.frames[class as usize];
        let most = if class == Class::Meta { META_FRAME_BYTES } else { FRAME_BYTES };
        if builder.len() + bytes.len() > most && !builder.is_empty() {
            let frame = finish(builder, class, self.batch.store.compression);
            self.batch.push_frame(class, &frame)?;
        }
        self.frames[class as usize].push(kind, id, bytes);
        Ok(())
    }

    /// Puts a manifest and remembers which content it is of.
    pub fn put_manifest(&mut self, manifest: &Manifest) -> Result<Id, Error> {
        let id = self.put(Kind::Manifest, manifest.to_bytes())?;
        self.batch.remember_content(manifest.content, id);
        Ok(id)
    }

    /// Hands over unfinished frames. A writer that is dropped without it loses what it holds.
    pub fn flush(&mut self) -> Result<(), Error> {
        for class in Class::ALL {
            let builder = &mut self.frames[class as usize];
            if !builder.is_empty() {
                let frame = finish(builder, class, self.batch.store.compression);
                self.batch.push_frame(class, &frame)?;
            }
        }
        Ok(())
    }
}

/// A frame of what was gathered. Only large content of any kind may not be worth compressing.
fn finish(builder: &mut FrameBuilder, class: Class, level: Level) -> Frame<'_> {
    match class {
        Class::Data => builder.finish(level),
        Class::Meta | Class::List | Class::Near => builder.finish_compressible(level),
    }
}

impl Sink for Writer<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let id = kind.id_of(&bytes);
        if bytes.len() > frame::MOST_FRAME_BYTES {
            return Err(Error::TooLong { kind, bytes: bytes.len() });
        }
        if self.batch.claim(kind, &id) {
            let class = if kind == Kind::List { Class::List } else { Class::Meta };
            self.gather(class, kind, id, &bytes)?;
        }
        Ok(id)
    }
}

impl Source for Writer<'_, '_> {
    type Error = Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        for frame in &self.frames {
            if let Some(bytes) = frame.get(id) {
                return Ok(Arc::from(bytes));
            }
        }
        self.batch.store.bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, Error> {
        self.batch.store.tree(id)
    }
}

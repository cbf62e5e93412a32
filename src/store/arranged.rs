//! Arranged writing: objects that come in the order that compresses.
//!
//! A first recording writes objects as they are met; whoever has a whole history at hand can do
//! better, and write it as it would be after being repacked: each kind in frames of its own, the
//! versions of one path next to each other, compressed thoroughly. The caller brings the order
//! (kind, path, newest first); the frames are made here. The newest versions stand apart from
//! older ones, so that a working tree is made from few and short frames.

use crate::hash::{Id, Kind};
use crate::object::{Manifest, Sink};

use super::batch::Batch;
use super::pack::{Frame, FrameBuilder, Level, MOST_FRAME_BYTES, frame};
use super::{Class, Error};

/// Chunks of at least so many bytes stand alone if they do not compress.
const ALONE_BYTES: usize = 32 << 10;
/// A frame has at most so many objects: a pack must have room for a few frames.
const FRAME_OBJECTS: usize = 8_192;

/// How old a version of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It is what a working tree would have.
    Newest,
    /// It has been replaced, or is gone.
    Older,
}

/// What shares frames.
#[derive(Clone, Copy)]
enum Lane {
    Commits,
    Trees,
    Manifests,
    Lists,
    NewestNear,
    OlderNear,
    NewestData,
    OlderData,
}

const LANES: usize = 8;

impl Lane {
    fn of_chunk(class: Class, age: Age) -> Self {
        match (class, age) {
            (Class::Near, Age::Newest) => Self::NewestNear,
            (Class::Near, Age::Older) => Self::OlderNear,
            (_, Age::Newest) => Self::NewestData,
            (_, Age::Older) => Self::OlderData,
        }
    }

    fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Commit => Self::Commits,
            Kind::Tree => Self::Trees,
            Kind::List => Self::Lists,
            _ => Self::Manifests,
        }
    }

    fn all() -> [Self; LANES] {
        [
            Self::Commits,
            Self::Trees,
            Self::Manifests,
            Self::Lists,
            Self::NewestNear,
            Self::OlderNear,
            Self::NewestData,
            Self::OlderData,
        ]
    }

    fn class(self) -> Class {
        match self {
            Self::Commits | Self::Trees | Self::Manifests => Class::Meta,
            Self::Lists => Class::List,
            Self::NewestNear | Self::OlderNear => Class::Near,
            Self::NewestData | Self::OlderData => Class::Data,
        }
    }

    /// A frame is finished before it would have more bytes than this.
    fn frame_bytes(self) -> usize {
        match self {
            Self::Commits => 256 << 10,
            Self::OlderNear | Self::OlderData => MOST_FRAME_BYTES,
            _ => 1 << 20,
        }
    }
}

/// One thread's door into a batch for objects that come in order.
#[derive(Debug)]
pub struct Arranged<'b, 's> {
    batch: &'b Batch<'s>,
    frames: [FrameBuilder; LANES],
}

impl<'b, 's> Arranged<'b, 's> {
    /// A door into this batch.
    pub fn new(batch: &'b Batch<'s>) -> Self {
        Self { batch, frames: Default::default() }
    }

    /// The batch.
    pub fn batch(&self) -> &'b Batch<'s> {
        self.batch
    }

    /// Puts a chunk whose id is known. Returns whether it was new.
    pub fn put_chunk(
        &mut self,
        class: Class,
        age: Age,
        id: Id,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        if bytes.is_empty() || !self.batch.claim(Kind::Chunk, &id) {
            return Ok(false);
        }
        if bytes.len() >= ALONE_BYTES && !frame::compresses(bytes) {
            self.batch.push_frame(class, &Frame::alone(Kind::Chunk, id, bytes))?;
        } else {
            self.gather(Lane::of_chunk(class, age), Kind::Chunk, id, bytes)?;
        }
        Ok(true)
    }

    /// Puts a manifest and remembers which content it is of.
    pub fn put_manifest(&mut self, manifest: &Manifest) -> Result<Id, Error> {
        use crate::object::Object;
        let id = self.put(Kind::Manifest, manifest.to_bytes())?;
        self.batch.remember_content(manifest.content, id);
        Ok(id)
    }

    /// Puts an object whose id is known.
    pub fn put_known(&mut self, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > MOST_FRAME_BYTES {
            return Err(Error::TooLong { kind, bytes: bytes.len() });
        }
        if self.batch.claim(kind, &id) {
            self.gather(Lane::of_kind(kind), kind, id, bytes)?;
        }
        Ok(())
    }

    fn gather(&mut self, lane: Lane, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let builder = &mut self.frames[lane as usize];
        let is_full =
            builder.len() + bytes.len() > lane.frame_bytes() || builder.objects() >= FRAME_OBJECTS;
        if is_full && !builder.is_empty() {
            let frame = builder.finish(Level::Thorough);
            self.batch.push_frame(lane.class(), &frame)?;
        }
        self.frames[lane as usize].push(kind, id, bytes);
        Ok(())
    }

    /// Hands over unfinished frames. A writer that is dropped without it loses what it holds.
    pub fn flush(&mut self) -> Result<(), Error> {
        for lane in Lane::all() {
            let builder = &mut self.frames[lane as usize];
            if !builder.is_empty() {
                let frame = builder.finish(Level::Thorough);
                self.batch.push_frame(lane.class(), &frame)?;
            }
        }
        Ok(())
    }
}

impl Sink for Arranged<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let id = kind.id_of(&bytes);
        self.put_known(kind, id, &bytes)?;
        Ok(id)
    }
}

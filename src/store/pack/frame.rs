//! Frames: objects that are compressed together.
//!
//! Objects of one frame compress against each other, which takes the place of deltas: reading one
//! object costs one frame. Content that does not compress is recognised by a probe and left as it
//! is.

use std::cell::RefCell;

use zstd::zstd_safe::{CParameter, DCtx, InBuffer, OutBuffer};

use crate::hash::{Id, Kind};

use super::{Damage, Form, FrameRow, ObjectRow};

/// The most bytes of the objects of one frame.
pub const MOST_FRAME_BYTES: usize = 4 << 20;
/// The same in an archive.
pub const MOST_ARCHIVE_FRAME_BYTES: usize = 16 << 20;

/// How hard to compress: a level of zstd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Level(u8);

impl Level {
    /// As content is first recorded, if nobody asks for another.
    pub const FIRST: Self = Self(2);
    /// As it is written when all of it is at hand.
    pub const THOROUGH: Self = Self(9);

    /// This one of zstd's levels: 1, the fastest, to 19.
    pub fn new(number: u8) -> Option<Self> {
        (1..=19).contains(&number).then_some(Self(number))
    }
}

/// A frame ready to be written into a pack.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Its bytes as they stand in the pack.
    pub stored: &'a [u8],
    /// What the table says of it.
    pub row: FrameRow,
    /// Its objects.
    pub objects: Vec<ObjectRow>,
}

impl<'a> Frame<'a> {
    /// A frame of one object, as it is.
    pub fn alone(kind: Kind, id: Id, bytes: &'a [u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("objects are at most 4 MiB");
        Self {
            stored: bytes,
            row: FrameRow { form: Form::Raw, stored: length, raw: length, objects: 1 },
            objects: vec![ObjectRow { kind: kind.number(), id, length }],
        }
    }
}

/// Collects objects for one frame.
#[derive(Clone, Debug, Default)]
pub struct FrameBuilder {
    raw: Vec<u8>,
    /// What the last frame became.
    stored: Vec<u8>,
    objects: Vec<ObjectRow>,
}

impl FrameBuilder {
    /// An empty frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// How many objects it has.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Whether it has no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Adds an object.
    pub fn push(&mut self, kind: Kind, id: Id, bytes: &[u8]) {
        debug_assert!(bytes.len() <= MOST_FRAME_BYTES);
        self.raw.extend_from_slice(bytes);
        let length = u32::try_from(bytes.len()).expect("objects are at most 4 MiB");
        self.objects.push(ObjectRow { kind: kind.number(), id, length });
    }

    /// The bytes of the objects so far: to find one again before it is written.
    pub fn get(&self, id: &Id) -> Option<&[u8]> {
        let mut offset = 0;
        for row in &self.objects {
            let end = offset + row.length as usize;
            if row.id == *id {
                return Some(&self.raw[offset..end]);
            }
            offset = end;
        }
        None
    }

    /// Compresses what there is, and starts anew with the same memory.
    pub fn finish(&mut self, level: Level) -> Frame<'_> {
        let is_worth_it = self.is_worth_compressing();
        self.finish_as(is_worth_it, level)
    }

    /// The same without a probe: for what is text or metadata as a rule.
    pub fn finish_compressible(&mut self, level: Level) -> Frame<'_> {
        self.finish_as(true, level)
    }

    fn finish_as(&mut self, is_worth_it: bool, level: Level) -> Frame<'_> {
        let is_smaller = is_worth_it && self.compress(level);
        if !is_smaller {
            std::mem::swap(&mut self.raw, &mut self.stored);
        }
        let raw = if is_smaller { self.raw.len() } else { self.stored.len() };
        let length = |bytes: usize| u32::try_from(bytes).expect("frames are at most 16 MiB");
        let row = FrameRow {
            form: if is_smaller { Form::Zstd } else { Form::Raw },
            stored: length(self.stored.len()),
            raw: length(raw),
            objects: u32::try_from(self.objects.len()).expect("a pack has at most 65,536 objects"),
        };
        self.raw.clear();
        Frame { stored: &self.stored, row, objects: std::mem::take(&mut self.objects) }
    }

    /// Whether what there is became smaller.
    fn compress(&mut self, level: Level) -> bool {
        self.stored.clear();
        self.stored.reserve(zstd::zstd_safe::compress_bound(self.raw.len()));
        let is_far = level >= Level::THOROUGH && self.raw.len() > FAR_FROM;
        let reach = if is_far { Reach::Far } else { Reach::Near };
        let compressed = with_compressor(level, reach, |compressor| {
            compressor.compress_to_buffer(&self.raw, &mut self.stored)
        });
        compressed.is_ok() && self.stored.len() < self.raw.len()
    }

    /// Long frames are probed: photographs, films and archives are not worth the time.
    fn is_worth_compressing(&self) -> bool {
        self.raw.len() < PROBE_FROM || compresses(&self.raw)
    }
}

const PROBE_FROM: usize = 64 * 1024;
const PROBE_BYTES: usize = 4 * 1024;

/// Whether samples from the beginning, the middle and the end of `bytes` compress by at least a
/// sixteenth.
pub(crate) fn compresses(bytes: &[u8]) -> bool {
    if bytes.len() < 4 * PROBE_BYTES {
        return probe(bytes);
    }
    let last = bytes.len() - PROBE_BYTES;
    [0, last / 3, last / 3 * 2, last]
        .into_iter()
        .any(|start| probe(&bytes[start..start + PROBE_BYTES]))
}

fn probe(sample: &[u8]) -> bool {
    thread_local! {
        static PROBE: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    PROBE.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(1).ok();
        }
        let compressed = slot.as_mut().and_then(|compressor| compressor.compress(sample).ok());
        compressed.is_some_and(|compressed| compressed.len() < sample.len() - sample.len() / 16)
    })
}

/// Longer frames are searched for what is alike far apart: versions of one file.
const FAR_FROM: usize = 1 << 20;
/// So far, as a power of two: a whole archive frame.
const FAR_WINDOW: u32 = 24;

/// How far apart things that are alike are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Near,
    Far,
}

type Compressor = zstd::bulk::Compressor<'static>;

fn compressor(level: Level, reach: Reach) -> std::io::Result<Compressor> {
    let mut compressor = Compressor::new(level.0.into())?;
    if reach == Reach::Far {
        compressor.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
        compressor.set_parameter(CParameter::WindowLog(FAR_WINDOW))?;
    }
    Ok(compressor)
}

fn with_compressor<T>(
    level: Level,
    reach: Reach,
    work: impl FnOnce(&mut Compressor) -> std::io::Result<T>,
) -> std::io::Result<T> {
    thread_local! {
        static COMPRESSORS: RefCell<Vec<(Level, Reach, Compressor)>> =
            const { RefCell::new(Vec::new()) };
    }
    COMPRESSORS.with_borrow_mut(|compressors| {
        if !compressors.iter().any(|known| (known.0, known.1) == (level, reach)) {
            compressors.push((level, reach, compressor(level, reach)?));
        }
        let found = compressors.iter_mut().find(|known| (known.0, known.1) == (level, reach));
        work(&mut found.expect("it was added above").2)
    })
}

/// The bytes of a frame's objects. Never allocates more than the row says, which the table has
/// been checked to keep below [`MOST_ARCHIVE_FRAME_BYTES`].
pub(crate) fn open(stored: &[u8], row: &FrameRow, index: usize) -> Result<Vec<u8>, Damage> {
    let mut raw = Vec::new();
    open_into(stored, row, index, &mut raw)?;
    Ok(raw)
}

/// The same, into an empty buffer.
pub(crate) fn open_into(
    stored: &[u8],
    row: &FrameRow,
    index: usize,
    into: &mut Vec<u8>,
) -> Result<(), Damage> {
    let raw = row.raw as usize;
    if stored.len() != row.stored as usize || raw > MOST_ARCHIVE_FRAME_BYTES {
        return Err(Damage::Frame(index));
    }
    match row.form {
        Form::Raw if stored.len() == raw => into.extend_from_slice(stored),
        Form::Raw => return Err(Damage::Frame(index)),
        Form::Zstd => {
            thread_local! {
                static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
                    const { RefCell::new(None) };
            }
            into.reserve_exact(raw);
            let length = DECOMPRESSOR.with_borrow_mut(|slot| {
                if slot.is_none() {
                    *slot = zstd::bulk::Decompressor::new().ok();
                }
                slot.as_mut()?.decompress_to_buffer(stored, into).ok()
            });
            if length != Some(raw) || into.len() != raw {
                return Err(Damage::Frame(index));
            }
        }
    }
    Ok(())
}

/// As many of the first bytes of a frame's objects as there is room for. A frame of which much less
/// is wanted than there is in it is opened only so far: then nothing but the objects' own ids tells
/// whether it is sound.
pub(crate) fn open_start(
    stored: &[u8],
    row: &FrameRow,
    index: usize,
    into: &mut [u8],
) -> Result<(), Damage> {
    let raw = row.raw as usize;
    if stored.len() != row.stored as usize || into.len() > raw || raw > MOST_ARCHIVE_FRAME_BYTES {
        return Err(Damage::Frame(index));
    }
    if row.form == Form::Raw {
        let start = stored.get(..into.len()).ok_or(Damage::Frame(index))?;
        into.copy_from_slice(start);
        return Ok(());
    }
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    }
    let opened = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = DCtx::try_create();
        }
        let decompressor = slot.as_mut()?;
        if into.len() == raw {
            return (decompressor.decompress(into, stored) == Ok(raw)).then_some(());
        }
        decompressor.init().ok()?;
        let mut input = InBuffer::around(stored);
        let mut output = OutBuffer::around(into);
        while output.pos() < output.capacity() {
            let before = (input.pos(), output.pos());
            decompressor.decompress_stream(&mut output, &mut input).ok()?;
            if (input.pos(), output.pos()) == before {
                return None;
            }
        }
        Some(())
    });
    opened.ok_or(Damage::Frame(index))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_opens_to_what_was_put_in() {
        let mut builder = FrameBuilder::new();
        for number in 0..200u32 {
            let bytes = format!("line {number}\n").repeat(20).into_bytes();
            builder.push(Kind::Chunk, Kind::Chunk.id_of(&bytes), &bytes);
        }
        let raw = builder.raw.clone();
        let frame = builder.finish(Level::FIRST);
        assert_eq!(frame.row.form, Form::Zstd);
        assert!(frame.stored.len() * 5 < raw.len());
        assert_eq!(open(frame.stored, &frame.row, 0).unwrap(), raw);
        assert!(builder.is_empty());
    }

    #[test]
    fn the_start_of_a_frame_is_what_the_whole_begins_with() {
        let mut builder = FrameBuilder::new();
        for number in 0..3_000u32 {
            let bytes = format!("{number} lines of {number}\n").repeat(20).into_bytes();
            builder.push(Kind::Chunk, Kind::Chunk.id_of(&bytes), &bytes);
        }
        let raw = builder.raw.clone();
        let frame = builder.finish(Level::FIRST);
        for needed in [0, 1, 100, 200_000, raw.len() / 2, raw.len()] {
            let mut start = vec![7; needed];
            open_start(frame.stored, &frame.row, 0, &mut start).unwrap();
            assert_eq!(start, raw[..needed], "{needed}");
        }
        let opened = |stored: &[u8], needed| {
            let row = FrameRow { stored: stored.len() as u32, ..frame.row };
            open_start(stored, &row, 0, &mut vec![0; needed])
        };
        assert!(opened(&frame.stored[..frame.stored.len() / 2], raw.len() - 1).is_err());
        assert!(opened(&frame.stored[..frame.stored.len() / 2], raw.len()).is_err());
        assert!(opened(frame.stored, raw.len() + 1).is_err());
        assert!(opened(&[7; 100], 10).is_err());
    }

    #[test]
    fn what_does_not_compress_is_left_as_it_is() {
        let mut random = vec![0; 300_000];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        assert!(!compresses(&random));
        let mut builder = FrameBuilder::new();
        builder.push(Kind::Chunk, Kind::Chunk.id_of(&random), &random);
        assert_eq!(builder.finish(Level::FIRST).row.form, Form::Raw);
    }

    #[test]
    fn a_frame_that_yields_more_or_less_than_it_says_is_damage() {
        let mut builder = FrameBuilder::new();
        builder.push(Kind::Chunk, Id::EMPTY, &[7; 1000]);
        let frame = builder.finish(Level::FIRST);
        for raw in [999, 1001, 0] {
            let row = FrameRow { raw, ..frame.row };
            assert!(open(frame.stored, &row, 0).is_err());
        }
    }
}

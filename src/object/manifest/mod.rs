//! Manifests: what makes up one file's content, and the chunk lists of large files.
//!
//! A manifest is metadata that every clone has: about 150 bytes, whatever the size of the file.
//! The list of a file of more than eight chunks is apart, in balanced nodes cut by content, so that
//! one edit in a terabyte rewrites a few of them.

mod list;

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{ContentId, Id, Kind};

use super::Object;

pub use list::{List, ListBuilder, ListChild, ListCursor};

/// Content of at most this many bytes has no manifest: its one chunk is its content.
pub const SMALL: u64 = 16 * 1024;
/// Text of at most this many bytes is kept near.
pub const NEAR: u64 = 1 << 20;
/// The longest chunk of format 1.
pub const LONGEST_CHUNK: u32 = 4 << 20;
/// The most chunks that a manifest itself holds.
pub const FEW: usize = 8;
/// How many bytes decide whether a file is text.
pub const TEXT_PROBE: usize = 8_000;

/// One chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChunkRef {
    /// Which.
    pub id: Id,
    /// Its length in bytes.
    pub length: u32,
}

/// Where the chunk list is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Chunks {
    /// The file is one chunk, whose id is the content id.
    One,
    /// Two to eight chunks.
    Few(Vec<ChunkRef>),
    /// More: the root node of the list and how many chunks it has.
    Many {
        /// The root node.
        list: Id,
        /// Number of chunks.
        count: u64,
    },
}

/// What makes up the content of a file of more than 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    /// Length of the file in bytes.
    pub size: u64,
    /// BLAKE3 of its whole bytes.
    pub content: ContentId,
    /// The number of the chunker that cut it.
    pub chunker: u16,
    /// Text of at most 1 MiB: kept by default even where large content is not.
    pub near: bool,
    /// The similarity sketch.
    pub sketch: [u8; 64],
    /// Its chunks.
    pub chunks: Chunks,
}

/// Whether a file of `size` bytes that begins with `start` (at least its first 8,000 bytes) is text
/// as git sees it: no zero byte there.
pub fn is_text(start: &[u8]) -> bool {
    !start[..start.len().min(TEXT_PROBE)].contains(&0)
}

impl Validate for Manifest {
    fn validate(&self) -> Result<(), Error> {
        if self.size <= SMALL {
            return Err(Error::Invalid("a manifest of a small file"));
        }
        if self.near && self.size > NEAR {
            return Err(Error::Invalid("a manifest says near of a large file"));
        }
        let longest = u64::from(LONGEST_CHUNK);
        match &self.chunks {
            Chunks::One if self.size <= longest => Ok(()),
            Chunks::One => Err(Error::Invalid("a manifest of one chunk that is too long")),
            Chunks::Few(chunks) => {
                if !(2..=FEW).contains(&chunks.len()) {
                    return Err(Error::Invalid("a manifest holds an impossible number of chunks"));
                }
                let proper = |chunk: &ChunkRef| chunk.length > 0 && chunk.length <= LONGEST_CHUNK;
                let sum: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
                if !chunks.iter().all(proper) || sum != self.size {
                    return Err(Error::Invalid("the chunks of a manifest do not add up"));
                }
                Ok(())
            }
            Chunks::Many { count, .. } => {
                let possible = *count > FEW as u64
                    && *count <= self.size
                    && count.checked_mul(longest).is_none_or(|most| most >= self.size);
                if possible {
                    Ok(())
                } else {
                    Err(Error::Invalid("a list of an impossible length"))
                }
            }
        }
    }
}

impl Object for Manifest {
    const KIND: Kind = Kind::Manifest;
}

//! Checking a manifest against the content it is of.

use crate::chunk::{self, Sketcher};
use crate::hash::{ContentHasher, Id, Kind};
use crate::object::manifest::{FEW, ListCursor, NEAR, TEXT_PROBE, is_text};
use crate::object::{ChunkRef, Chunks, Manifest};

use super::super::{Error, Store};

/// Reads all of the content and computes anew what the manifest says of it. `None` if it is right,
/// else the first thing that is not. Memory does not depend on the size.
pub fn check_manifest(
    store: &Store,
    manifest: &Manifest,
    sketcher: &mut Sketcher,
) -> Result<Option<&'static str>, Error> {
    sketcher.reset();
    let mut sums = Sums {
        store,
        sketcher,
        by_spans: manifest.size <= chunk::SPAN_LIMIT,
        hasher: ContentHasher::default(),
        start: Vec::new(),
        chunks: 0,
        bytes: 0,
    };
    let mut lengths_agree = true;
    match &manifest.chunks {
        Chunks::One => {
            let length = u32::try_from(manifest.size).unwrap_or(u32::MAX);
            lengths_agree = sums.take(&ChunkRef { id: manifest.content, length })?;
        }
        Chunks::Few(chunks) => {
            for chunk in chunks {
                lengths_agree &= sums.take(chunk)?;
            }
        }
        Chunks::Many { list, .. } => {
            let mut cursor = ListCursor::new(store, list);
            while let Some(chunk) = cursor.next_chunk()? {
                lengths_agree &= sums.take(&chunk)?;
            }
        }
    }
    let is_near = manifest.size <= NEAR && is_text(&sums.start);
    let counts_agree = match &manifest.chunks {
        Chunks::Many { count, .. } => sums.chunks == *count && sums.chunks > FEW as u64,
        _ => true,
    };
    Ok(if !lengths_agree || sums.bytes != manifest.size {
        Some("its chunks have other lengths than it says")
    } else if !counts_agree {
        Some("it has another number of chunks than it says")
    } else if sums.hasher.finish() != manifest.content {
        Some("its content is not what its content id says")
    } else if is_near != manifest.near {
        Some("it says near of content that is not, or the other way round")
    } else if manifest.chunker != chunk::CHUNKER {
        Some("it was cut by an unknown chunker")
    } else if sums.sketcher.finish_and_reset().as_bytes() != &manifest.sketch {
        Some("its sketch is not that of its content")
    } else {
        None
    })
}

struct Sums<'a> {
    store: &'a Store,
    sketcher: &'a mut Sketcher,
    by_spans: bool,
    hasher: ContentHasher,
    start: Vec<u8>,
    chunks: u64,
    bytes: u64,
}

impl Sums<'_> {
    /// Takes the next chunk; `false` if it has not the length it should have.
    fn take(&mut self, chunk: &ChunkRef) -> Result<bool, Error> {
        let bytes = self.store.read(Kind::Chunk, &chunk.id)?;
        self.hasher.update(&bytes);
        if self.by_spans {
            self.sketcher.update(&bytes);
        } else {
            self.sketcher.chunk(first_eight(&chunk.id), chunk.length.into());
        }
        if self.start.len() < TEXT_PROBE {
            let wanted = bytes.len().min(TEXT_PROBE - self.start.len());
            self.start.extend_from_slice(&bytes[..wanted]);
        }
        self.chunks += 1;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len() as u64 == u64::from(chunk.length))
    }
}

/// As the sketch takes them: little-endian.
fn first_eight(id: &Id) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&id.as_bytes()[..8]);
    u64::from_le_bytes(head)
}

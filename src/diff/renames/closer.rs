//! A closer look at larger contents, where sketches do not decide.
//!
//! A sketch tells how similar two files are to some points, so near the threshold it does not
//! decide. There contents are compared piece by piece, as git compares them: the figure is git's,
//! to the last digit.
//!
//! For people's eyes whatever is here is looked at; what is not, and what would be too much, keeps
//! the figure of its sketch. For merges the limits are drawn by sizes and manifests alone, and what
//! is not here is named: their answer must not depend on what is here.

use std::sync::{Mutex, PoisonError};

use crate::hash::{Id, Kind};
use crate::object::manifest::NEAR;
use crate::object::{ChunkRef, List, Object, Source};

use super::lines::Weights;

/// No longer content is looked at.
pub(super) const LONGEST: u64 = NEAR;

/// A figure that is so far from the one that counts, in hundredths of a percent, decides what
/// people see.
pub(super) const MARGIN: u32 = 1_500;

/// And so far, what a merge makes of it.
pub(super) const MERGE_MARGIN: u32 = 1_200;

/// So many bytes of contents are looked at in all.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// And so many at a time.
const AT_ONCE: u64 = 16 << 20;

/// A content, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) size: u64,
    pub(super) chunks: Vec<ChunkRef>,
    /// The root of the list of its chunks, if they have to be looked up there.
    pub(super) list: Option<Id>,
}

/// What contents are made of; `None` for those that are not here or not what they should be.
pub(super) fn weigh<S: Source>(
    source: &S,
    mut all: Vec<Parts>,
) -> Result<Vec<Option<Weights>>, S::Error> {
    look_up(source, &mut all)?;
    let mut weights = Vec::with_capacity(all.len());
    let mut start = 0;
    while start < all.len() {
        let mut bytes = 0;
        let fitting = all[start..].iter().take_while(|parts| {
            bytes += parts.size;
            bytes <= AT_ONCE
        });
        let end = start + fitting.count().max(1);
        weigh_some(source, &all[start..end], &mut weights)?;
        start = end;
    }
    Ok(weights)
}

/// Finds the chunks of those that have a list. One of more than a single node is never so short.
fn look_up<S: Source>(source: &S, all: &mut [Parts]) -> Result<(), S::Error> {
    let (mut wanted, mut whose) = (Vec::new(), Vec::new());
    for (at, parts) in all.iter().enumerate() {
        if let Some(list) = parts.list {
            wanted.push((Kind::List, list));
            whose.push(at);
        }
    }
    let found = Mutex::new(Vec::new());
    source.each_if_here(&wanted, &|at, bytes| {
        if let Some(List::Leaf(chunks)) = bytes.map(List::from_bytes).transpose()? {
            found.lock().unwrap_or_else(PoisonError::into_inner).push((whose[at], chunks));
        }
        Ok(())
    })?;
    for (at, chunks) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        all[at].chunks = chunks;
    }
    Ok(())
}

fn weigh_some<S: Source>(
    source: &S,
    some: &[Parts],
    weights: &mut Vec<Option<Weights>>,
) -> Result<(), S::Error> {
    let chunks = some.iter().flat_map(|parts| &parts.chunks);
    let wanted: Vec<(Kind, Id)> = chunks.map(|chunk| (Kind::Chunk, chunk.id)).collect();
    let pieces = Mutex::new(vec![None; wanted.len()]);
    source.each_if_here(&wanted, &|at, bytes| {
        let piece = bytes.map(<[u8]>::to_vec);
        pieces.lock().unwrap_or_else(PoisonError::into_inner)[at] = piece;
        Ok(())
    })?;
    let pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut pieces = pieces.into_iter();
    for parts in some {
        let mut content = Some(Vec::new());
        for piece in pieces.by_ref().take(parts.chunks.len()) {
            match (&mut content, piece) {
                (Some(content), Some(piece)) => content.extend(piece),
                (content, _) => *content = None,
            }
        }
        let whole = content.filter(|content| content.len() as u64 == parts.size);
        weights.push(whole.map(|content| Weights::of(&content)));
    }
    Ok(())
}

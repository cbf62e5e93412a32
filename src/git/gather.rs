//! Contents of many files, read together.
//!
//! Versions of one file have their first chunks next to each other, then their second chunks, and
//! so on: whoever reads one version after the other opens many frames for each. So contents are
//! read in groups, each frame once for a group, and put together in memory.

use std::sync::{Mutex, PoisonError};

use crate::hash::{Id, IdMap, Kind};
use crate::object::manifest::ListCursor;
use crate::object::{Chunks, Manifest, Source};
use crate::store::{Store, content_kind};

use super::Error;

/// A group has so many bytes of contents, and one content at least.
const GROUP_BYTES: u64 = 32 << 20;

/// A content that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: Id,
    pub(super) size: u64,
    /// A path at which it stands.
    pub(super) path: Vec<u8>,
}

/// Divides contents into groups that are read together. Longer contents than `most` stand alone.
pub(super) fn groups(wanted: &[Wanted], most: u64) -> Vec<&[Wanted]> {
    let mut groups = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, one) in wanted.iter().enumerate() {
        let is_full = held + one.size > GROUP_BYTES || one.size > most;
        if at > start && (is_full || wanted[start].size > most) {
            groups.push(&wanted[start..at]);
            (start, held) = (at, 0);
        }
        held += one.size;
    }
    if start < wanted.len() {
        groups.push(&wanted[start..]);
    }
    groups
}

/// The chunks of a content, in order.
pub(super) fn chunks_of(store: &Store, id: &Id, size: u64) -> Result<Vec<Id>, Error> {
    if content_kind(size) == Kind::Chunk {
        return Ok(vec![*id]);
    }
    let manifest: Manifest = store.object(id)?;
    Ok(match &manifest.chunks {
        Chunks::One => vec![manifest.content],
        Chunks::Few(chunks) => chunks.iter().map(|chunk| chunk.id).collect(),
        Chunks::Many { list, .. } => {
            let (mut found, mut cursor) = (Vec::new(), ListCursor::new(store, list));
            while let Some(chunk) = cursor.next_chunk()? {
                found.push(chunk.id);
            }
            found
        }
    })
}

/// What became of a content.
pub(super) type Gathered<'w> = (&'w Wanted, Option<Vec<u8>>);

/// Reads the contents of a group; `None` for one of which something is not here.
pub(super) fn read<'w>(store: &Store, group: &'w [Wanted]) -> Result<Vec<Gathered<'w>>, Error> {
    let mut parts = Vec::with_capacity(group.len());
    for one in group {
        parts.push(chunks_of(store, &one.id, one.size)?);
    }
    let mut ids: Vec<Id> = parts.iter().flatten().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    let wanted: Vec<(Kind, Id)> = ids.into_iter().map(|id| (Kind::Chunk, id)).collect();
    let chunks: Mutex<IdMap<Vec<u8>>> = Mutex::default();
    store.each_if_here(&wanted, &|at, bytes| {
        if let Some(bytes) = bytes {
            let mut chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner);
            chunks.insert(wanted[at].1, bytes.to_vec());
        }
        Ok(())
    })?;
    let chunks = chunks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let join = |ids: Vec<Id>| {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend_from_slice(chunks.get(&id)?);
        }
        Some(bytes)
    };
    Ok(group.iter().zip(parts).map(|(one, ids)| (one, join(ids))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_as_long_as_they_may_be_and_what_is_too_long_stands_alone() {
        let wanted = |sizes: &[u64]| -> Vec<Wanted> {
            let one = |size: &u64| Wanted { id: Id::EMPTY, size: *size << 20, path: Vec::new() };
            sizes.iter().map(one).collect()
        };
        let lengths = |sizes: &[u64]| -> Vec<usize> {
            groups(&wanted(sizes), 16 << 20).iter().map(|group| group.len()).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[0, 1, 2]), [3]);
        assert_eq!(lengths(&[15, 15, 15, 15, 2]), [2, 3]);
        assert_eq!(lengths(&[1, 20, 1, 1]), [1, 1, 2]);
        assert_eq!(lengths(&[20, 20]), [1, 1]);
    }
}

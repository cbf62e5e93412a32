//! The content of a recorded file, piece by piece.

use crate::codec;
use crate::hash::{Id, Kind};
use crate::object::manifest::ListCursor;
use crate::object::{Chunks, List, Manifest, Source};

use super::{Content, Error, Store, content_kind};

/// Calls `piece` with each chunk of a content, in order. Memory does not depend on the size.
pub fn read_content<E: From<Error>>(
    store: &Store,
    size: u64,
    content: &Id,
    mut piece: impl FnMut(Content) -> Result<(), E>,
) -> Result<(), E> {
    if content_kind(size) == Kind::Chunk {
        return piece(store.read(Kind::Chunk, content)?);
    }
    let manifest: Manifest = store.object(content)?;
    match &manifest.chunks {
        Chunks::One => piece(store.read(Kind::Chunk, &manifest.content)?),
        Chunks::Few(chunks) => {
            chunks.iter().try_for_each(|chunk| piece(store.read(Kind::Chunk, &chunk.id)?))
        }
        Chunks::Many { list, count } => {
            // A forged list could stand for far more than its manifest says.
            let root: List = store.object(list)?;
            if root.totals() != Some((*count, manifest.size)) {
                let wrong = "a chunk list is not what its manifest says";
                return Err(Error::Object(codec::Error::Invalid(wrong)).into());
            }
            let mut cursor = ListCursor::new(store, list);
            while let Some(chunk) = cursor.next_chunk()? {
                piece(store.read(Kind::Chunk, &chunk.id)?)?;
            }
            Ok(())
        }
    }
}

/// A small content as a whole, such as a symbolic link's target or a text.
pub fn read_small(store: &Store, size: u64, content: &Id) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    read_content(store, size, content, |piece| {
        bytes.extend_from_slice(&piece);
        Ok::<_, Error>(())
    })?;
    Ok(bytes)
}

//! One object, whatever its kind.

use crate::hash::{Id, Kind};
use crate::object::{Attributes, Commit, List, Manifest, Node, Source, Table, Tag};
use crate::repo::Repository;

use super::Error;

/// An object, decoded.
#[derive(Clone, Debug)]
pub enum Inspected {
    /// Bytes of a file.
    Chunk(Vec<u8>),
    /// A node of a chunk list.
    List(List),
    /// A manifest.
    Manifest(Manifest),
    /// A node of a directory.
    Tree(Node),
    /// A commit.
    Commit(Commit),
    /// An annotated tag.
    Tag(Tag),
    /// What a content pack holds.
    Table(Table),
    /// Attributes of a file.
    Attributes(Attributes),
    /// An object of a kind that has no form yet.
    Other(Vec<u8>),
}

/// Reads and decodes an object.
pub fn run(repo: &Repository, kind: Kind, id: &Id) -> Result<Inspected, Error> {
    let store = repo.store();
    Ok(match kind {
        Kind::Chunk => Inspected::Chunk(store.read(kind, id)?.to_vec()),
        Kind::List => Inspected::List(store.object(id)?),
        Kind::Manifest => Inspected::Manifest(store.object(id)?),
        Kind::Tree => Inspected::Tree((*store.tree(id)?).clone()),
        Kind::Commit => Inspected::Commit(store.object(id)?),
        Kind::Tag => Inspected::Tag(store.object(id)?),
        Kind::Table => Inspected::Table(store.object(id)?),
        Kind::Attributes => Inspected::Attributes(store.object(id)?),
        Kind::Inventory | Kind::Notes => Inspected::Other(store.read(kind, id)?.to_vec()),
    })
}

/// Its bytes, as they are hashed.
pub fn raw(repo: &Repository, kind: Kind, id: &Id) -> Result<Vec<u8>, Error> {
    Ok(repo.store().read(kind, id)?.to_vec())
}

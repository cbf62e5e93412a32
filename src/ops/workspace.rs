//! Where a merge works: the store, and in memory what the merge makes.
//!
//! Much of what a merge makes is not part of its result: trees and texts of merged bases. So
//! nothing is written until the result is known, and then only what it consists of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::chunk::{self, SPAN_LIMIT, Sketcher};
use crate::codec;
use crate::hash::{Id, IdMap, Kind};
use crate::merge::Contents;
use crate::object::manifest::{self, ListCursor, NEAR};
use crate::object::{
    ChunkRef, Chunks, Commit, Entry, List, Manifest, Node, Object, Sink, Source, Take, Term, What,
    each_of_two,
};
use crate::store::{Class, Error, Store, Writer, content_kind};

/// The feature a store needs that has conflicts as entries.
pub(super) const CONFLICTS: &str = "conflicts";

/// A store, and objects that it does not have yet.
pub(super) struct Workspace<'s> {
    store: &'s Store,
    made: IdMap<Made>,
    /// Nodes of the store that were decoded: both sides of a merge are compared with one base, and
    /// then edited.
    nodes: Mutex<IdMap<Arc<Node>>>,
}

/// So many decoded nodes are kept.
const MOST_NODES: usize = 2_048;

/// An object in memory.
struct Made {
    kind: Kind,
    class: Class,
    bytes: Arc<[u8]>,
}

impl<'s> Workspace<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self { store, made: IdMap::default(), nodes: Mutex::default() }
    }

    /// Whether the tree is new, and has to be written.
    pub(super) fn is_new(&self, tree: &Id) -> bool {
        self.made.contains_key(tree) && !self.store.contains(Kind::Tree, tree)
    }

    /// Whether a content is here in full, without reading it.
    pub(super) fn has_content(&self, size: u64, content: &Id) -> Result<bool, Error> {
        let has = |kind: Kind, id: &Id| {
            self.made.get(id).is_some_and(|made| made.kind == kind) || self.store.contains(kind, id)
        };
        if *content == Id::EMPTY {
            return Ok(true);
        }
        if content_kind(size) == Kind::Chunk {
            return Ok(has(Kind::Chunk, content));
        }
        let manifest: Manifest = self.object(content)?;
        match &manifest.chunks {
            Chunks::One => Ok(has(Kind::Chunk, &manifest.content)),
            Chunks::Few(chunks) => Ok(chunks.iter().all(|chunk| has(Kind::Chunk, &chunk.id))),
            Chunks::Many { list, .. } => {
                let mut cursor = ListCursor::new(self, list);
                loop {
                    match cursor.next_chunk() {
                        Ok(None) => return Ok(true),
                        Ok(Some(chunk)) if has(Kind::Chunk, &chunk.id) => {}
                        Ok(Some(_)) | Err(Error::Missing { kind: Kind::List, .. }) => {
                            return Ok(false);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// Writes what a tree consists of and the store does not have. Tells whether a conflict is
    /// among it: then the store needs [`CONFLICTS`].
    pub(super) fn write(&self, tree: &Id, writer: &mut Writer<'_, '_>) -> Result<bool, Error> {
        let mut has_conflicts = false;
        let mut seen = HashSet::new();
        let mut trees = vec![*tree];
        while let Some(id) = trees.pop() {
            let Some(made) = self.made.get(&id) else { continue };
            if !seen.insert(id) {
                continue;
            }
            match Node::from_bytes(&made.bytes)? {
                Node::Inner { children, .. } => {
                    trees.extend(children.iter().map(|child| child.node));
                }
                Node::Leaf(entries) => {
                    for entry in &entries {
                        has_conflicts |= matches!(entry.what, What::Conflict { .. });
                        self.write_entry(entry, &mut trees, writer)?;
                    }
                }
            }
            writer.put(Kind::Tree, made.bytes.to_vec())?;
        }
        Ok(has_conflicts)
    }

    /// Writes a commit that was made, and its tree. Tells the same as [`Self::write`].
    pub(super) fn write_commit(&self, id: &Id, writer: &mut Writer<'_, '_>) -> Result<bool, Error> {
        let commit: Commit = self.object(id)?;
        let has_conflicts = self.write(&commit.tree, writer)?;
        self.write_object(Some(id), writer)?;
        Ok(has_conflicts)
    }

    fn write_entry(
        &self,
        entry: &Entry,
        trees: &mut Vec<Id>,
        writer: &mut Writer<'_, '_>,
    ) -> Result<(), Error> {
        self.write_object(entry.attributes.as_ref(), writer)?;
        match &entry.what {
            What::File { content, .. } => self.write_object(Some(content), writer),
            What::Symlink { target, .. } => self.write_object(Some(target), writer),
            What::Directory { tree, .. } => {
                trees.push(*tree);
                Ok(())
            }
            What::Conflict { removes, adds } => removes.iter().chain(adds).try_for_each(|term| {
                let (content, attributes) = match term {
                    Term::File { content, attributes, .. } => (Some(content), attributes.as_ref()),
                    Term::Symlink { target, attributes, .. } => (Some(target), attributes.as_ref()),
                    Term::Directory { tree, attributes, .. } => {
                        trees.push(*tree);
                        (None, attributes.as_ref())
                    }
                    Term::Special { attributes, .. } => (None, Some(attributes)),
                    Term::Absent | Term::Gitlink { .. } => (None, None),
                };
                self.write_object(content, writer)?;
                self.write_object(attributes, writer)
            }),
            What::Special | What::Gitlink { .. } => Ok(()),
        }
    }

    /// Writes an object that was made, and what it consists of.
    fn write_object(&self, id: Option<&Id>, writer: &mut Writer<'_, '_>) -> Result<(), Error> {
        let Some((id, made)) = id.and_then(|id| Some((id, self.made.get(id)?))) else {
            return Ok(());
        };
        match made.kind {
            Kind::Chunk => {
                writer.put_chunk(made.class, *id, &made.bytes)?;
            }
            Kind::Manifest => {
                let manifest = Manifest::from_bytes(&made.bytes)?;
                match &manifest.chunks {
                    Chunks::One => self.write_object(Some(&manifest.content), writer)?,
                    Chunks::Few(chunks) => {
                        chunks.iter().try_for_each(|c| self.write_object(Some(&c.id), writer))?;
                    }
                    Chunks::Many { list, .. } => self.write_object(Some(list), writer)?,
                }
                writer.put_manifest(&manifest)?;
            }
            Kind::List => {
                match List::from_bytes(&made.bytes)? {
                    List::Leaf(chunks) => {
                        chunks.iter().try_for_each(|c| self.write_object(Some(&c.id), writer))?;
                    }
                    List::Inner { children, .. } => {
                        children
                            .iter()
                            .try_for_each(|c| self.write_object(Some(&c.node), writer))?;
                    }
                }
                writer.put(made.kind, made.bytes.to_vec())?;
            }
            _ => {
                writer.put(made.kind, made.bytes.to_vec())?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, kind: Kind, class: Class, id: Id, bytes: &[u8]) {
        self.made.entry(id).or_insert_with(|| Made { kind, class, bytes: bytes.into() });
    }

    /// The chunks of a manifest one after another; `None` if one of them is not here.
    fn join(&self, manifest: &Manifest) -> Result<Option<Vec<u8>>, Error> {
        let mut bytes = Vec::new();
        let mut add = |id: &Id| {
            let chunk = self.bytes_if_here(Kind::Chunk, id)?;
            if let Some(chunk) = &chunk {
                bytes.extend_from_slice(chunk);
            }
            Ok::<bool, Error>(chunk.is_some())
        };
        match &manifest.chunks {
            Chunks::One => {
                if !add(&manifest.content)? {
                    return Ok(None);
                }
            }
            Chunks::Few(chunks) => {
                for chunk in chunks {
                    if !add(&chunk.id)? {
                        return Ok(None);
                    }
                }
            }
            Chunks::Many { list, count } => {
                let Some(root) = self.bytes_if_here(Kind::List, list)? else { return Ok(None) };
                // A forged list could stand for far more than its manifest says.
                if List::from_bytes(&root)?.totals() != Some((*count, manifest.size)) {
                    let wrong = "a chunk list is not what its manifest says";
                    return Err(codec::Error::Invalid(wrong).into());
                }
                let mut cursor = ListCursor::new(self, list);
                loop {
                    match cursor.next_chunk() {
                        Ok(None) => break,
                        Ok(Some(chunk)) => {
                            if !add(&chunk.id)? {
                                return Ok(None);
                            }
                        }
                        Err(Error::Missing { kind: Kind::List, .. }) => return Ok(None),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(Some(bytes))
    }
}

impl Source for Workspace<'_> {
    type Error = Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        match self.made.get(id) {
            Some(made) if made.kind == kind => Ok(made.bytes.clone()),
            _ => self.store.bytes(kind, id),
        }
    }

    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, Error> {
        match self.made.get(id) {
            Some(made) if made.kind == kind => Ok(Some(made.bytes.clone())),
            _ => self.store.bytes_if_here(kind, id),
        }
    }

    fn each_if_here(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), Error> {
        let own = |kind: Kind, id: &Id| {
            let made = self.made.get(id).filter(|made| made.kind == kind);
            made.map(|made| made.bytes.clone())
        };
        each_of_two(own, self.store, wanted, take)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, Error> {
        if let Some(made) = self.made.get(id).filter(|made| made.kind == Kind::Tree) {
            return Ok(Arc::new(Node::from_bytes(&made.bytes)?));
        }
        let nodes = || self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = nodes().get(id) {
            return Ok(known.clone());
        }
        let node = self.store.tree(id)?;
        let mut nodes = nodes();
        if nodes.len() >= MOST_NODES {
            nodes.clear();
        }
        nodes.insert(*id, node.clone());
        Ok(node)
    }
}

impl Sink for Workspace<'_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let id = kind.id_of(&bytes);
        let class = if kind == Kind::List { Class::List } else { Class::Meta };
        self.keep(kind, class, id, &bytes);
        Ok(id)
    }
}

impl Contents for Workspace<'_> {
    fn read(&self, size: u64, content: &Id) -> Result<Option<Vec<u8>>, Error> {
        if *content == Id::EMPTY {
            return Ok(Some(Vec::new()));
        }
        if content_kind(size) == Kind::Chunk {
            let found = self.bytes_if_here(Kind::Chunk, content)?;
            return Ok(found.map(|bytes| bytes.to_vec()));
        }
        let manifest: Manifest = self.object(content)?;
        self.join(&manifest)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Id, Error> {
        let size = bytes.len() as u64;
        if bytes.is_empty() {
            return Ok(Id::EMPTY);
        }
        let content = Kind::Chunk.id_of(bytes);
        if content_kind(size) == Kind::Chunk {
            self.keep(Kind::Chunk, Class::Near, content, bytes);
            return Ok(content);
        }
        let near = size <= NEAR && manifest::is_text(bytes);
        let class = if near { Class::Near } else { Class::Data };
        let sizes = chunk::sizes(size);
        let by_spans = size <= SPAN_LIMIT;
        let mut sketcher = Sketcher::new();
        if by_spans {
            sketcher.update(bytes);
        }
        let mut chunks = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let length = chunk::next(&bytes[start..], sizes);
            let piece = &bytes[start..start + length];
            let id = Kind::Chunk.id_of(piece);
            self.keep(Kind::Chunk, class, id, piece);
            if !by_spans && let Some(head) = id.as_bytes().first_chunk() {
                sketcher.chunk(u64::from_le_bytes(*head), length as u64);
            }
            chunks.push(ChunkRef { id, length: length as u32 });
            start += length;
        }
        let chunks = Chunks::of(chunks, self)?;
        let sketch = *sketcher.finish().as_bytes();
        let manifest = Manifest { size, content, chunker: chunk::CHUNKER, near, sketch, chunks };
        self.put(Kind::Manifest, manifest.to_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::{Env, SeededRandom, SteppingClock, Time};
    use crate::disk::{Disk, MemoryDisk};
    use crate::store::{Batch, Publication};

    #[test]
    fn a_node_that_both_sides_need_is_decoded_once() {
        let disk = MemoryDisk::new();
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1), 1)),
            random: Arc::new(SeededRandom::new(1)),
        };
        let store = Store::create(disk.create(Path::new("/s")).unwrap(), env).unwrap();
        let entry = |name: &str| Entry {
            name: name.as_bytes().to_vec(),
            mode: 0o644,
            mtime: None,
            attributes: None,
            what: What::File { size: 0, content: Id::EMPTY },
        };
        let node = Node::Leaf(vec![entry("a"), entry("b")]);
        let batch = Batch::begin(&store).unwrap();
        let mut writer = batch.writer();
        let id = writer.put(Kind::Tree, node.to_bytes()).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let packs = batch.seal().unwrap();
        store.publish(Publication::new("test", "A").with_packs(packs)).unwrap();
        let room = Workspace::new(&store);
        let first = room.tree(&id).unwrap();
        assert_eq!(*first, node);
        assert!(Arc::ptr_eq(&first, &room.tree(&id).unwrap()));
    }
}

//! The store, with what only one comparison needs on top: tree nodes that are made for it, and files
//! of the working tree that are not recorded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chunk::{CHUNKER, SPAN_LIMIT, Sketcher};
use crate::codec;
use crate::disk;
use crate::hash::{self, Id, Kind};
use crate::object::manifest::LONGEST_CHUNK;
use crate::object::tree::Edit;
use crate::object::{Chunks, Manifest, Node, Object, Sink, Source, Take, each_of_two};
use crate::path::RepoPath;
use crate::repo::Repository;
use crate::store::{self, content_kind};
use crate::worktree::Walker;

use super::Error;

/// The store, tree nodes that only this comparison needs, and files that are not recorded.
pub(super) struct Overlay<'s> {
    repo: &'s Repository,
    nodes: HashMap<Id, Arc<[u8]>>,
    /// Files of the working tree by their content ids, each with its size.
    files: HashMap<Id, (RepoPath, u64)>,
}

impl<'s> Overlay<'s> {
    /// Nothing but the store.
    pub(super) fn new(repo: &'s Repository) -> Self {
        Self { repo, nodes: HashMap::new(), files: HashMap::new() }
    }

    /// A file of the working tree has this content, as far as is known.
    pub(super) fn add_file(&mut self, content: Id, path: RepoPath, size: u64) {
        self.files.insert(content, (path, size));
    }

    /// An object that the store need not have.
    fn own(&self, kind: Kind, id: &Id) -> Option<Arc<[u8]>> {
        self.nodes.get(id).cloned().or_else(|| self.on_disk(kind, id))
    }

    /// What the working tree has of an object: a small content, or what a manifest would say. A
    /// file that changed meanwhile has nothing to tell.
    fn on_disk(&self, kind: Kind, id: &Id) -> Option<Arc<[u8]>> {
        let (path, size) = self.files.get(id)?;
        let is_chunk = kind == Kind::Chunk && *size <= u64::from(LONGEST_CHUNK);
        if !is_chunk && content_kind(*size) != kind || *size > SPAN_LIMIT {
            return None;
        }
        let (parent, name) = path.split()?;
        let dir = Walker::new(self.repo.worktree().ok()?.root.clone()).open(&parent).ok()?;
        let bytes = disk::read_all(&*dir, name, *size).ok()?;
        if hash::hash(&bytes) != *id {
            return None;
        }
        if kind == Kind::Chunk {
            return Some(bytes.into());
        }
        let mut sketcher = Sketcher::new();
        sketcher.update(&bytes);
        let manifest = Manifest {
            size: *size,
            content: *id,
            chunker: CHUNKER,
            near: false,
            sketch: *sketcher.finish().as_bytes(),
            chunks: match *size <= u64::from(LONGEST_CHUNK) {
                true => Chunks::One,
                // Nobody looks for the list: chunks are not compared beyond what a manifest names.
                false => Chunks::Many { list: Id::EMPTY, count: size.div_ceil(16 << 10).max(9) },
            },
        };
        Some(manifest.to_bytes().into())
    }
}

impl Source for Overlay<'_> {
    type Error = store::Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, store::Error> {
        match self.own(kind, id) {
            Some(bytes) => Ok(bytes),
            None => self.repo.store().bytes(kind, id),
        }
    }

    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, store::Error> {
        match self.bytes(kind, id) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(store::Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn each_if_here(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), store::Error> {
        each_of_two(|kind, id| self.own(kind, id), self.repo.store(), wanted, take)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, store::Error> {
        match self.nodes.get(id) {
            Some(bytes) => {
                let node = Node::from_bytes(bytes);
                Ok(Arc::new(node.map_err(|error: codec::Error| store::Error::from(error))?))
            }
            None => self.repo.store().tree(id),
        }
    }
}

impl Sink for Overlay<'_> {
    type Error = store::Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, store::Error> {
        let id = kind.id_of(&bytes);
        self.nodes.insert(id, bytes.into());
        Ok(id)
    }
}

/// A directory that lost its last file and is still there is not gone. Leaves the edits sorted.
pub(super) fn keep_directories(
    repo: &Repository,
    base: Option<&Id>,
    walker: &mut Walker,
    edits: &mut Vec<Edit>,
) -> Result<(), Error> {
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    edits.dedup_by(|a, b| a.path == b.path);
    let Some(base) = base else { return Ok(()) };
    let mut kept: Vec<Edit> = Vec::new();
    let mut asked = RepoPath::root();
    for removed in edits.iter().filter(|edit| edit.entry.is_none()) {
        let Some((parent, _)) = removed.path.split() else { continue };
        // Those of one directory follow each other.
        if parent == std::mem::replace(&mut asked, parent.clone())
            || parent.is_root()
            || edits.binary_search_by(|edit| edit.path.cmp(&parent)).is_ok()
            || walker.open(&parent).is_err()
        {
            continue;
        }
        let entry = crate::repo::find_entry(repo.store(), base, &parent)?;
        kept.push(Edit { path: parent, entry });
    }
    edits.extend(kept);
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    edits.dedup_by(|a, b| a.path == b.path);
    Ok(())
}

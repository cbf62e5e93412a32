//! What a merge reads and makes: the contents of the store, and those it has made itself, which no
//! record lists yet.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hash::{Id, Kind};
use crate::merge;
use crate::object::{Node, Object, Sink, Source, Take, each_of_two};
use crate::store::{Batch, Error, Store};
use crate::worktree::read_content;
use crate::worktree::record::Hand;

/// The door of a merge into a batch.
pub(super) struct Contents<'b, 's> {
    store: &'s Store,
    hand: Hand<'b, 's>,
    /// Objects that were made.
    objects: HashMap<(Kind, Id), Arc<[u8]>>,
    /// Whole contents that were made.
    made: HashMap<Id, Arc<[u8]>>,
}

impl<'b, 's> Contents<'b, 's> {
    /// Begins with what the store has.
    pub(super) fn new(batch: &'b Batch<'s>) -> Self {
        Self {
            store: batch.store(),
            hand: Hand::new(batch.writer()),
            objects: HashMap::new(),
            made: HashMap::new(),
        }
    }

    /// Hands over everything that was made.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.hand.writer().flush()
    }
}

impl Source for Contents<'_, '_> {
    type Error = Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        match self.objects.get(&(kind, *id)) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.store.bytes(kind, id),
        }
    }

    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, Error> {
        match self.objects.get(&(kind, *id)) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => self.store.bytes_if_here(kind, id),
        }
    }

    fn each_if_here(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), Error> {
        let own = |kind: Kind, id: &Id| self.objects.get(&(kind, *id)).cloned();
        each_of_two(own, self.store, wanted, take)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, Error> {
        match self.objects.get(&(Kind::Tree, *id)) {
            Some(bytes) => Ok(Arc::new(Node::from_bytes(bytes)?)),
            None => self.store.tree(id),
        }
    }
}

impl Sink for Contents<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let kept = Arc::from(&bytes[..]);
        let id = self.hand.writer().put(kind, bytes)?;
        self.objects.insert((kind, id), kept);
        Ok(id)
    }
}

impl merge::Contents for Contents<'_, '_> {
    fn read(&self, size: u64, content: &Id) -> Result<Option<Vec<u8>>, Error> {
        if let Some(bytes) = self.made.get(content) {
            return Ok(Some(bytes.to_vec()));
        }
        let mut bytes = Vec::new();
        let read = read_content::<Error>(self.store, size, content, |piece| {
            bytes.extend_from_slice(&piece);
            Ok(())
        });
        match read {
            Ok(()) => Ok(Some(bytes)),
            // Not here: whoever merges is told so, and decides nothing.
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Id, Error> {
        let (id, manifest) = self.hand.record_bytes(bytes)?;
        if let Some(manifest) = manifest {
            self.objects.insert((Kind::Manifest, id), Arc::from(manifest.to_bytes()));
        }
        self.made.insert(id, Arc::from(bytes));
        Ok(id)
    }
}

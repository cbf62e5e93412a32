//! The commit graph kept in a table: parents, times, trees and generation numbers, so that walks
//! far into history need not decode every commit's words.
//!
//! Derived: what is not in the table is decoded and counted, and put there when a walk is done and
//! the table opens at once. Ids name what they stand for, so an entry can be missing but not
//! out of date.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::codec::{self, Decode, Encode, Validate};
use crate::hash::Id;
use crate::object::{Commit, Source};
use crate::store::{Error, Store};
use crate::table::{self, Database, Durability, Opened};

use super::{Graph, GraphCommit};

const FILE: &[u8] = b"lookup/graph.redb";
const TABLE: &str = "commits";
const VERSION: u32 = 1;

/// The graph of a store's commits.
pub struct StoredGraph<'s> {
    store: &'s Store,
    /// Opened when it is first needed.
    table: OnceCell<Option<Database>>,
    known: RefCell<HashMap<Id, GraphCommit>>,
    /// What the table does not have yet.
    fresh: RefCell<Vec<Id>>,
}

/// An entry of the table.
#[derive(Encode, Decode)]
struct Row {
    generation: u32,
    seconds: i64,
    tree: Id,
    parents: Vec<Id>,
}

impl Validate for Row {
    fn validate(&self) -> Result<(), codec::Error> {
        if self.generation == 0 {
            return Err(codec::Error::Invalid("a commit has no generation"));
        }
        Ok(())
    }
}

impl<'s> StoredGraph<'s> {
    /// The graph of this store. A table that is missing, damaged or busy is done without.
    pub fn open(store: &'s Store) -> Self {
        Self { store, table: OnceCell::new(), known: RefCell::default(), fresh: RefCell::default() }
    }

    /// Keeps what was counted, if the table opens at once.
    pub fn save(self) {
        let Self { store, table, known, fresh } = self;
        drop(table);
        let fresh = fresh.into_inner();
        if fresh.is_empty() {
            return;
        }
        let Ok(Opened::Ready(mut table)) = Database::open(&**store.dir(), FILE, VERSION) else {
            return;
        };
        let known = known.into_inner();
        let written = table.write(|batch| -> Result<(), table::Error> {
            let mut rows = batch.table(TABLE)?;
            for id in &fresh {
                if let Some(GraphCommit { parents, generation: Some(generation), seconds, tree }) =
                    known.get(id)
                {
                    let row = Row {
                        generation: *generation,
                        seconds: *seconds,
                        tree: *tree,
                        parents: parents.clone(),
                    };
                    rows.put(id.as_bytes(), &codec::encode(&row))?;
                }
            }
            Ok(())
        });
        // Derived: a table that could not be written is written another time.
        if written.is_ok() {
            let _ = table.finish(Durability::Eventually);
        }
    }

    fn look_up(&self, id: &Id) -> Option<GraphCommit> {
        if let Some(known) = self.known.borrow().get(id) {
            return Some(known.clone());
        }
        let open = || Database::open_to_read(&**self.store.dir(), FILE, VERSION).ok().flatten();
        let bytes = self.table.get_or_init(open).as_ref()?.get(TABLE, id.as_bytes()).ok()??;
        let row: Row = codec::decode(&bytes).ok()?;
        let commit = GraphCommit {
            parents: row.parents,
            generation: Some(row.generation),
            seconds: row.seconds,
            tree: row.tree,
        };
        self.known.borrow_mut().insert(*id, commit.clone());
        Some(commit)
    }

    /// Counts the generation of a commit: of all its ancestors first that are not counted yet.
    fn count(&self, id: &Id) -> Result<GraphCommit, Error> {
        let mut stack = vec![*id];
        let mut decoded: HashMap<Id, GraphCommit> = HashMap::new();
        while let Some(next) = stack.last().copied() {
            if self.look_up(&next).is_some() {
                stack.pop();
                continue;
            }
            let parents = match decoded.entry(next) {
                Entry::Occupied(known) => known.get().parents.clone(),
                Entry::Vacant(place) => {
                    let Commit { tree, parents, committer, .. } = self.store.object(&next)?;
                    let seconds = committer.seconds;
                    let commit = GraphCommit { parents, generation: None, seconds, tree };
                    place.insert(commit).parents.clone()
                }
            };
            let mut generation = 1;
            let mut missing = false;
            for parent in &parents {
                match self.look_up(parent) {
                    Some(known) => {
                        generation = generation.max(known.generation.unwrap_or(0) + 1);
                    }
                    None => {
                        stack.push(*parent);
                        missing = true;
                    }
                }
            }
            if !missing {
                stack.pop();
                if let Some(mut commit) = decoded.remove(&next) {
                    commit.generation = Some(generation);
                    self.known.borrow_mut().insert(next, commit);
                    self.fresh.borrow_mut().push(next);
                }
            }
        }
        match self.look_up(id) {
            Some(commit) => Ok(commit),
            None => Err(Error::Missing { kind: crate::hash::Kind::Commit, id: *id }),
        }
    }
}

impl Graph for StoredGraph<'_> {
    type Error = Error;

    fn commit(&self, id: &Id) -> Result<GraphCommit, Error> {
        match self.look_up(id) {
            Some(commit) => Ok(commit),
            None => self.count(id),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Env, SeededRandom, SteppingClock, Time};
    use crate::disk::{Disk, MemoryDisk};
    use crate::object::{Node, Object, Signature, Sink};
    use crate::store::{Batch, Publication, RefEdit, Target};

    /// A store with a chain of commits; returns the newest.
    fn chain(disk: &MemoryDisk, length: u32) -> (Store, Id) {
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1), 1)),
            random: Arc::new(SeededRandom::new(1)),
        };
        let store = Store::create(disk.create(Path::new("/s")).unwrap(), env).unwrap();
        let batch = Batch::begin(&store).unwrap();
        let mut writer = batch.writer();
        let tree = writer.put(crate::hash::Kind::Tree, Node::Leaf(Vec::new()).to_bytes()).unwrap();
        let mut parents = Vec::new();
        for number in 0..length {
            let who = Signature {
                name: b"A".to_vec(),
                email: b"a".to_vec(),
                seconds: i64::from(number),
                zone_minutes: 0,
            };
            let (author, committer) = (who.clone(), who);
            let message = number.to_string().into_bytes();
            let commit = Commit { tree, parents, author, committer, message, headers: Vec::new() };
            parents = vec![writer.put(Commit::KIND, commit.to_bytes()).unwrap()];
        }
        writer.flush().unwrap();
        drop(writer);
        let tip = parents[0];
        let edit = RefEdit {
            name: "refs/heads/main".into(),
            old: None,
            new: Some(Target::Id(tip)),
            reason: "test".into(),
        };
        let sealed = batch.seal().unwrap();
        store.publish(Publication::new("test", "A").with_packs(sealed).with_refs([edit])).unwrap();
        (store, tip)
    }

    #[test]
    fn generations_are_counted_once_and_kept() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 500);
        let graph = StoredGraph::open(&store);
        assert_eq!(graph.commit(&tip).unwrap().generation, Some(500));
        graph.save();
        let again = StoredGraph::open(&store);
        let commit = again.commit(&tip).unwrap();
        assert_eq!(commit.generation, Some(500));
        assert!(again.fresh.borrow().is_empty());
        let plain = crate::history::Commits(&store).commit(&tip).unwrap();
        assert_eq!(GraphCommit { generation: None, ..commit }, plain);
    }

    #[test]
    fn a_damaged_table_is_done_without() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 10);
        let graph = StoredGraph::open(&store);
        graph.commit(&tip).unwrap();
        graph.save();
        for (path, _) in disk.tree("/s/lookup") {
            let path = format!("/s/lookup/{}", String::from_utf8(path).unwrap());
            if path.contains("graph") && disk.read(&path).is_some_and(|bytes| bytes.len() > 40) {
                let mut bytes = disk.read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 255;
                disk.write(&path, &bytes);
            }
        }
        let graph = StoredGraph::open(&store);
        assert_eq!(graph.commit(&tip).unwrap().generation, Some(10));
    }
}

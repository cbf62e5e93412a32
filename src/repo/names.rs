//! Names: what revisions are made of, as this repository sees them.

use std::sync::Arc;

use crate::hash::{Id, Kind, Prefix};
use crate::history::Names;
use crate::merge;
use crate::object::{Commit, Entry, Node, Source, What};
use crate::path::RepoPath;
use crate::store::{Error as StoreError, Move, Target};

use super::{Repository, find_entry};

impl Source for Repository {
    type Error = StoreError;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, StoreError> {
        self.store.bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, StoreError> {
        self.store.tree(id)
    }
}

impl Names for Repository {
    fn head_name(&self) -> Option<String> {
        Some(Self::head_name(self))
    }

    fn target(&self, name: &str) -> Result<Option<Target>, StoreError> {
        Ok(self.store.target(name))
    }

    fn names(&self, prefix: &str) -> Result<Vec<(String, Target)>, StoreError> {
        Ok(self.store.refs(prefix))
    }

    fn moves(&self, name: &str) -> Result<Vec<Move>, StoreError> {
        let all = self.store.journal().moves(&self.store.state())?;
        let mut moves = if name == Self::head_name(self) {
            moves_of_head(name, all)
        } else {
            all.into_iter().filter(|one| one.name == name).collect()
        };
        moves.reverse();
        Ok(moves)
    }

    fn find(&self, prefix: &Prefix) -> Result<Vec<(Id, Kind)>, StoreError> {
        let found = self.store.lookup().find_prefix(&self.store.state(), prefix);
        let mut known: Vec<(Id, Kind)> = Vec::new();
        for (id, kind) in found {
            match kind {
                Some(kind) => known.push((id, kind)),
                // A content id: its manifest stands for it, unless a chunk of that id does.
                None => {
                    if let Some((manifest, _)) = self.store.manifest_of(&id)? {
                        known.push((manifest, Kind::Manifest));
                    }
                }
            }
        }
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }

    fn kind(&self, id: &Id) -> Result<Option<Kind>, StoreError> {
        // What is empty is named without ever being stored.
        if *id == Node::empty_id() {
            return Ok(Some(Kind::Tree));
        }
        if *id == Id::EMPTY {
            return Ok(Some(Kind::Chunk));
        }
        let mut kinds = self.store.kinds(id);
        // One id may stand for a chunk only in content; what a person means comes first.
        if kinds.is_empty() && self.store.manifest_of(id)?.is_some() {
            return Ok(Some(Kind::Manifest));
        }
        kinds.sort_by_key(|kind| match kind {
            Kind::Commit => 0,
            Kind::Tag => 1,
            Kind::Tree => 2,
            Kind::Manifest => 3,
            _ => 4,
        });
        Ok(kinds.first().copied())
    }

    fn tracked(&self, path: &RepoPath, stage: u8) -> Result<Option<Entry>, StoreError> {
        if stage != 0 {
            return self.left_open(path, stage);
        }
        let tree = match self.staged() {
            Some(staged) => Some(staged.tree),
            None => self.head_tree().map_err(into_store)?,
        };
        match tree {
            Some(tree) => find_entry(&self.store, &tree, path).map_err(into_store),
            None => Ok(None),
        }
    }
}

impl Repository {
    /// A version of a path that a merge left open: of the base (1), ours (2) or theirs (3). Of a
    /// conflict that was recorded, which has no sides: its base, its first and its second version.
    fn left_open(&self, path: &RepoPath, stage: u8) -> Result<Option<Entry>, StoreError> {
        let directory = match stage {
            1 => "base",
            2 => "ours",
            _ => "theirs",
        };
        if let Some(Target::Id(merge)) = self.store.target(&self.own_ref("merge")) {
            let tree = self.store.object::<Commit>(&merge)?.tree;
            let start = RepoPath::root().join(directory.as_bytes());
            let path = path.parts().fold(start, |path, part| path.join(part));
            let found = find_entry(&self.store, &tree, &path).map_err(into_store)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let Some(Entry { what: What::Conflict { removes, adds }, name, .. }) =
            self.tracked(path, 0)?
        else {
            return Ok(None);
        };
        let terms = if stage == 1 { removes } else { adds };
        let version = merge::versions(&terms).nth(usize::from(stage.max(2) - 2));
        Ok(version.map(|version| Entry { name, ..version }))
    }
}

fn into_store(error: super::Error) -> StoreError {
    match error {
        super::Error::Store(error) => error,
        other => StoreError::Io {
            action: "read",
            path: "HEAD".to_owned(),
            source: std::io::Error::other(other.to_string()),
        },
    }
}

/// HEAD's moves: its own, and those of the branch it was on at the time. Oldest first.
fn moves_of_head(head: &str, all: Vec<Move>) -> Vec<Move> {
    let mut current: Option<String> = None;
    let mut moves: Vec<Move> = Vec::new();
    let mut record = (0, Vec::new());
    let mut flush = |record: &mut (u64, Vec<Move>), current: &mut Option<String>| {
        // Of one record HEAD's own move comes first: it says which branch counts from then on.
        let own = record.1.iter().position(|one: &Move| one.name == head);
        if let Some(at) = own {
            let own = record.1.remove(at);
            *current = match &own.new {
                Some(Target::Symbolic(name)) => Some(name.clone()),
                _ => None,
            };
            if own.reason != "init" {
                moves.push(own);
            }
        }
        for one in record.1.drain(..) {
            if Some(&one.name) == current.as_ref() && own.is_none() {
                moves.push(Move { name: head.to_owned(), ..one });
            }
        }
    };
    for one in all {
        if one.number != record.0 {
            flush(&mut record, &mut current);
            record.0 = one.number;
        }
        record.1.push(one);
    }
    flush(&mut record, &mut current);
    moves
}

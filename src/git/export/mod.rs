//! Writing a history of Annals as git's objects.
//!
//! What came from git gets git's bytes back: commits and tags from their headers, trees from their
//! entries, or verbatim where git would have written them otherwise; each is compared with the id
//! it had. What was made in Annals becomes what git would write; what git has no place for is left
//! out and named. Both are a function of the objects alone.
//!
//! Contents are read in about the order in which they are stored, then trees and commits are made,
//! those of parents first. What did not change since a commit that git has is not read here: git's own
//! tree says what it is called there.

mod contents;
mod trees;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gix_hash::ObjectId;

use crate::git::Error;
use crate::git::convert;
use crate::git::ids::IdMap;
use crate::git::leaves::Leaves;
use crate::git::pack::PackStream;
use crate::git::pipe::{Git, Reader};
use crate::git::raw::{self, Type};
use crate::hash::Id;
use crate::object::{Commit, Header, Tag};
use crate::store::Store;

use trees::{Base, Place};

/// What cannot be written as git.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// A pipe or device.
    Special,
    /// A path that nobody has decided on.
    Conflict,
    /// A name that git reserves for itself.
    Name,
    /// A link to a repository that hashes in another way.
    Gitlink,
}

/// Writes objects into a git repository, or only tells their ids.
pub struct Exporter<'a> {
    store: &'a Store,
    git: &'a Git,
    contents: HashMap<Id, ObjectId>,
    trees: HashMap<(Id, Purpose), ObjectId>,
    leaves: Leaves,
    pack: PackStream<'a>,
    writes: bool,
    /// Whether some of what is needed is known to git alone.
    pub uses_bases: bool,
    asker: Option<Reader>,
    /// What was left out, with the path.
    pub left_out: BTreeSet<(Vec<u8>, LeftOut)>,
}

/// For whom a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::git) enum Purpose {
    /// For a commit that came from git: everything stays.
    Faithful,
    /// For one made in Annals: what git refuses is left out.
    Clean,
}

/// A commit that was written or is there.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Git's id.
    pub id: ObjectId,
    /// Git's tree.
    tree: ObjectId,
    /// Our tree.
    ours: Id,
    /// Some of its trees are not what git would write.
    odd: bool,
}

impl<'a> Exporter<'a> {
    /// Writes into this repository.
    pub fn new(store: &'a Store, git: &'a Git) -> Self {
        Self {
            store,
            git,
            contents: HashMap::new(),
            trees: HashMap::new(),
            leaves: Leaves::default(),
            pack: PackStream::new(git),
            writes: true,
            uses_bases: true,
            asker: None,
            left_out: BTreeSet::new(),
        }
    }

    /// Tells ids and writes nothing.
    pub fn without_writing(store: &'a Store, git: &'a Git) -> Self {
        Self { writes: false, ..Self::new(store, git) }
    }

    /// Hands everything over to git; how many objects were written.
    pub fn finish(&mut self) -> Result<u64, Error> {
        self.pack.finish()?;
        Ok(self.pack.written)
    }

    /// What a commit is that git has, if it has it. Its parents are known to be there.
    pub fn find(
        &mut self,
        id: &Id,
        commit: &Commit,
        parents: &[Written],
        there: &IdMap<()>,
    ) -> Result<Option<Written>, Error> {
        let hash = self.git.hash();
        let ids: Vec<ObjectId> = parents.iter().map(|parent| parent.id).collect();
        let Some(bytes) = convert::commit_to_git(hash, commit, &ids) else {
            // Without its contents, it is written when somebody has them.
            let found = match self.commit(id, commit, parents) {
                Err(Error::NotHere { .. }) => return Ok(None),
                found => found?,
            };
            return Ok(Some(found).filter(|found| there.contains_key(&found.id)));
        };
        let Ok(raw) = raw::parse_commit(hash, &bytes) else { return Ok(None) };
        let found = raw::id_of(hash, Type::Commit, &bytes).filter(|id| there.contains_key(id));
        let odd = convert::trees_from_git(&commit.headers).next().is_some();
        Ok(found.map(|id| Written { id, tree: raw.tree, ours: commit.tree, odd }))
    }

    /// Writes an object; `path` is where a tree stands.
    pub(super) fn put(
        &mut self,
        kind: Type,
        path: &[u8],
        bytes: Vec<u8>,
    ) -> Result<ObjectId, Error> {
        let id = raw::id_of(self.git.hash(), kind, &bytes);
        let why = "its bytes collide with others of the same git id";
        let id = id.ok_or(Error::NoPlace { id: crate::hash::hash(&bytes), why })?;
        if self.writes {
            if kind == Type::Tree && self.uses_bases {
                self.pack.keep_tree(id, bytes.clone());
            }
            self.pack.put(kind, path, bytes)?;
        }
        Ok(id)
    }

    /// Writes a commit whose parents are written.
    pub fn commit(
        &mut self,
        id: &Id,
        commit: &Commit,
        parents: &[Written],
    ) -> Result<Written, Error> {
        let ids: Vec<ObjectId> = parents.iter().map(|parent| parent.id).collect();
        let base = parents
            .first()
            .filter(|parent| !parent.odd && self.uses_bases)
            .map(|parent| Base { ours: parent.ours, git: parent.tree });
        let none = BTreeMap::new();
        let Some(bytes) = convert::commit_to_git(self.git.hash(), commit, &ids) else {
            let place = Place { path: Vec::new(), purpose: Purpose::Clean, odd: &none };
            let tree = self.tree(&commit.tree, base, &place)?;
            let bytes = convert::new_commit_to_git(commit, tree, &ids);
            let git = self.put(Type::Commit, &[], bytes)?;
            return Ok(Written { id: git, tree, ours: commit.tree, odd: false });
        };
        let why = "what it says of git is damaged";
        let wanted = raw::parse_commit(self.git.hash(), &bytes)
            .map_err(|_| Error::NoPlace { id: *id, why })?;
        let (wanted_tree, wanted_parents) = (wanted.tree, wanted.parents);
        if wanted_parents != ids {
            return Err(Error::NoPlace { id: *id, why });
        }
        let odd = odd_trees(&commit.headers);
        let place = Place { path: Vec::new(), purpose: Purpose::Faithful, odd: &odd };
        let mut tree = self.tree(&commit.tree, base, &place)?;
        if tree != wanted_tree {
            // What was taken over from the commit before may have been made by another program.
            self.trees.remove(&(commit.tree, Purpose::Faithful));
            tree = self.tree(&commit.tree, None, &place)?;
        }
        if tree != wanted_tree {
            return Err(Error::NoPlace { id: *id, why: "its tree is not the one that git had" });
        }
        let git = self.put(Type::Commit, &[], bytes)?;
        Ok(Written { id: git, tree, ours: commit.tree, odd: !odd.is_empty() })
    }

    /// Writes a tag whose target is written.
    pub fn tag(&mut self, id: &Id, tag: &Tag, target: (ObjectId, Type)) -> Result<ObjectId, Error> {
        let bytes = match convert::tag_to_git(self.git.hash(), tag) {
            Some(bytes) => {
                let raw = raw::parse_tag(self.git.hash(), &bytes);
                if raw.is_ok_and(|raw| (raw.target, raw.target_type) != target) {
                    return Err(Error::NoPlace { id: *id, why: "what it says of git is damaged" });
                }
                bytes
            }
            None => convert::new_tag_to_git(tag, target.0, target.1),
        };
        self.put(Type::Tag, &[], bytes)
    }
}

fn odd_trees(headers: &[Header]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let trees = convert::trees_from_git(headers);
    trees.map(|(path, bytes)| (path.to_vec(), bytes.to_vec())).collect()
}

/// Names that git does not let into a tree.
fn is_reserved(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

//! Which commits of git are here already: that follows from the commits of Annals.

use std::collections::HashMap;

use gix_hash::ObjectId;

use crate::hash::{Id, Kind};
use crate::object::{Commit, Source, Tag};
use crate::store::Store;

use super::Error;
use super::convert;
use super::ids::IdMap;
use super::raw::{self, Type};

/// The commits that came from a git that hashes so: git's ids with ours. Reads every commit.
pub fn known_commits(store: &Store, hash: gix_hash::Kind) -> Result<IdMap<Id>, Error> {
    let mut ids: HashMap<Id, Option<ObjectId>> = HashMap::new();
    let mut known = IdMap::default();
    let mut stack: Vec<Id> = Vec::new();
    for (_, root) in store.roots() {
        stack.extend(commit_of(store, root)?);
    }
    while let Some(id) = stack.last().copied() {
        if ids.contains_key(&id) {
            stack.pop();
            continue;
        }
        let commit: Commit = store.object(&id)?;
        let unknown = commit.parents.iter().filter(|parent| !ids.contains_key(parent));
        let before = stack.len();
        stack.extend(unknown.copied());
        if stack.len() > before {
            continue;
        }
        stack.pop();
        let parents: Option<Vec<ObjectId>> =
            commit.parents.iter().map(|parent| ids.get(parent).copied().flatten()).collect();
        let git = parents
            .and_then(|parents| convert::commit_to_git(hash, &commit, &parents))
            .and_then(|bytes| raw::id_of(hash, Type::Commit, &bytes));
        if let Some(git) = git {
            known.insert(git, id);
        }
        ids.insert(id, git);
    }
    Ok(known)
}

/// How the git hashed that a commit came from; `None` if it did not.
pub fn hash_of(commit: &Commit) -> Option<gix_hash::Kind> {
    match convert::from_git(&commit.headers)? {
        convert::FromGit::Short { hash, .. } => Some(hash),
        convert::FromGit::Verbatim(header) => {
            let digits = header.strip_prefix(b"tree ")?.split(|&byte| byte == b'\n').next()?;
            gix_hash::Kind::from_hex_len(digits.len())
        }
    }
}

/// The commit that a root leads to, through tags.
pub fn commit_of(store: &Store, mut id: Id) -> Result<Option<Id>, Error> {
    loop {
        if store.contains(Kind::Commit, &id) {
            return Ok(Some(id));
        }
        if !store.contains(Kind::Tag, &id) {
            return Ok(None);
        }
        id = store.object::<Tag>(&id)?.target;
    }
}

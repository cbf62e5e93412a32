//! Trees on their way to git: what did not change since one that git has keeps its id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gix_hash::ObjectId;

use crate::git::Error;
use crate::git::leaves::{GitEntry, Part};
use crate::git::raw::{self, Mode, Type};
use crate::hash::Id;
use crate::object::tree::{Cursor, Head};
use crate::object::{Entry, Tag, What};
use crate::store::{self, Store};

use super::{Exporter, LeftOut, Purpose, is_reserved, odd_trees};

/// Names of a tree that git has: what they are here, and there.
type BaseNames = HashMap<Vec<u8>, (What, ObjectId)>;

/// A tree that git has, and what it is here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) ours: Id,
    pub(super) git: ObjectId,
}

/// Where a tree is, and what is odd there.
pub(super) struct Place<'o> {
    pub(super) path: Vec<u8>,
    pub(super) purpose: Purpose,
    pub(super) odd: &'o BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Place<'_> {
    fn join(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// Whether this directory or something below is kept verbatim.
    fn has_odd(&self) -> bool {
        if self.path.is_empty() {
            return !self.odd.is_empty();
        }
        let below = [&self.path[..], b"/"].concat();
        self.odd.contains_key(&self.path)
            || self
                .odd
                .range(below.clone()..)
                .next()
                .is_some_and(|(path, _)| path.starts_with(&below))
    }
}

impl Exporter<'_> {
    /// Writes a tree that is named by itself; `tag` is what names it.
    pub fn lone_tree(&mut self, tree: &Id, tag: Option<&Tag>) -> Result<ObjectId, Error> {
        let headers = tag.map_or(&[][..], |tag| &tag.headers);
        let odd = odd_trees(headers);
        let place = Place { path: Vec::new(), purpose: Purpose::Faithful, odd: &odd };
        self.tree(tree, None, &place)
    }

    pub(super) fn tree(
        &mut self,
        tree: &Id,
        base: Option<Base>,
        place: &Place<'_>,
    ) -> Result<ObjectId, Error> {
        let is_odd = place.has_odd();
        if !is_odd && let Some(found) = self.known_tree(tree, base, place.purpose) {
            return Ok(found);
        }
        let left_out = self.left_out.len();
        let mut names = None;
        let mut parts: Vec<Arc<Part>> = Vec::new();
        let mut entries: Vec<GitEntry> = Vec::new();
        // A copy of the reference: the cursor must not hold on to `self`.
        let store = self.store;
        let mut cursor = Cursor::new(store, tree)?;
        loop {
            match cursor.head() {
                None => break,
                Some(Head::Entry(entry)) => {
                    let entry = entry.clone();
                    cursor.skip();
                    entries.extend(self.entry(entry, base, &mut names, place)?);
                }
                Some(Head::Node { level: 0, child }) if base.is_none() && !is_odd => {
                    let (key, count) = ((child.node, place.purpose), child.totals.entries);
                    match self.leaves.get(key) {
                        Some(known) => {
                            cursor.skip();
                            parts.push(known);
                        }
                        None => {
                            cursor.enter()?;
                            parts.extend(self.leaf(&mut cursor, key, count, place)?);
                        }
                    }
                }
                Some(Head::Node { .. }) => cursor.enter()?,
            }
        }
        if let Some(verbatim) = place.odd.get(&place.path) {
            return self.put(Type::Tree, &place.path, verbatim.clone());
        }
        parts.extend(Part::new(entries).map(Arc::new));
        let bytes = Part::join(self.git.hash(), &parts);
        let git = self.put(Type::Tree, &place.path, bytes)?;
        // Where something is left out, it is named for each path it stands at.
        if !is_odd && self.left_out.len() == left_out {
            self.trees.insert((*tree, place.purpose), git);
        }
        Ok(git)
    }

    /// What git's tree says of so many entries, which are a leaf of ours.
    fn leaf(
        &mut self,
        cursor: &mut Cursor<'_, Store>,
        key: (Id, Purpose),
        count: u64,
        place: &Place<'_>,
    ) -> Result<Option<Arc<Part>>, Error> {
        let left_out = self.left_out.len();
        let mut entries = Vec::new();
        for _ in 0..count {
            let Some(Head::Entry(entry)) = cursor.head() else { break };
            let entry = entry.clone();
            cursor.skip();
            entries.extend(self.entry(entry, None, &mut None, place)?);
        }
        let part = Part::new(entries).map(Arc::new);
        if let Some(part) = &part
            && self.left_out.len() == left_out
        {
            self.leaves.put(key, part.clone());
        }
        Ok(part)
    }

    fn known_tree(&self, tree: &Id, base: Option<Base>, purpose: Purpose) -> Option<ObjectId> {
        let same = base.filter(|base| base.ours == *tree).map(|base| base.git);
        same.or_else(|| self.trees.get(&(*tree, purpose)).copied())
    }

    /// What git's tree says of an entry; `None` if it is left out.
    fn entry(
        &mut self,
        entry: Entry,
        base: Option<Base>,
        names: &mut Option<BaseNames>,
        place: &Place<'_>,
    ) -> Result<Option<(Vec<u8>, Mode, ObjectId)>, Error> {
        let mut left_out = |why| {
            self.left_out.insert((place.join(&entry.name), why));
            Ok(None)
        };
        if place.purpose == Purpose::Clean && is_reserved(&entry.name) {
            return left_out(LeftOut::Name);
        }
        let is_executable = entry.is_executable();
        let (mode, id, size) = match &entry.what {
            What::Special => return left_out(LeftOut::Special),
            What::Conflict { .. } => return left_out(LeftOut::Conflict),
            What::Gitlink { commit } => {
                let id = raw::id_from_bytes(commit).filter(|id| id.kind() == self.git.hash());
                return match id {
                    Some(id) => Ok(Some((entry.name, Mode::Gitlink, id))),
                    None => left_out(LeftOut::Gitlink),
                };
            }
            What::Directory { tree, .. } => {
                let below =
                    Place { path: place.join(&entry.name), purpose: place.purpose, odd: place.odd };
                let known = self.known_tree(tree, None, place.purpose);
                if let Some(id) = known.filter(|_| !below.has_odd()) {
                    return Ok(Some((entry.name, Mode::Tree, id)));
                }
                let old = self.base_entry(base, names, &entry.name)?;
                let base = old.and_then(|(old, git)| match old {
                    What::Directory { tree, .. } => Some(Base { ours: tree, git }),
                    _ => None,
                });
                let id = self.tree(tree, base, &below)?;
                return Ok(Some((entry.name, Mode::Tree, id)));
            }
            What::Symlink { size, target } => (Mode::Symlink, *target, *size),
            What::File { size, content } if is_executable => (Mode::Executable, *content, *size),
            What::File { size, content } => (Mode::File, *content, *size),
        };
        if let Some(git) = self.contents.get(&id) {
            return Ok(Some((entry.name, mode, *git)));
        }
        let same = match self.base_entry(base, names, &entry.name)? {
            Some((What::File { content, .. }, git)) if content == id => Some(git),
            Some((What::Symlink { target, .. }, git)) if target == id => Some(git),
            _ => None,
        };
        let git = match same {
            Some(git) => {
                self.contents.insert(id, git);
                git
            }
            None => self.content(&id, size).map_err(|error| match error {
                Error::Store(store::Error::Missing { .. }) => {
                    Error::NotHere { paths: vec![place.join(&entry.name)] }
                }
                other => other,
            })?,
        };
        Ok(Some((entry.name, mode, git)))
    }

    /// What the tree that git has says of a name, and what that is here.
    fn base_entry(
        &mut self,
        base: Option<Base>,
        names: &mut Option<BaseNames>,
        name: &[u8],
    ) -> Result<Option<(What, ObjectId)>, Error> {
        let Some(base) = base else { return Ok(None) };
        let names = match names {
            Some(names) => names,
            none => none.insert(self.base_names(base)?),
        };
        Ok(names.get(name).cloned())
    }

    fn base_names(&mut self, base: Base) -> Result<BaseNames, Error> {
        let raw = match self.pack.tree(&base.git) {
            Some(raw) => raw.to_vec(),
            None => {
                self.pack.wait()?;
                let asker = match &mut self.asker {
                    Some(asker) => asker,
                    none => none.insert(self.git.ask()?),
                };
                let mut raw = Vec::new();
                match asker.get(&base.git, &mut raw) {
                    Ok(Type::Tree) => raw,
                    // Then everything is made anew.
                    Ok(_) | Err(Error::Missing(_)) => return Ok(BaseNames::new()),
                    Err(error) => return Err(error),
                }
            }
        };
        let malformed = |why| Error::Malformed { id: base.git, why };
        let mut ids: HashMap<&[u8], ObjectId> = HashMap::new();
        let mut rest = &raw[..];
        while let Some(entry) = raw::next_entry(self.git.hash(), &mut rest).map_err(malformed)? {
            ids.extend(raw::id_from_bytes(entry.id).map(|id| (entry.name, id)));
        }
        let mut names = BaseNames::new();
        let mut cursor = Cursor::new(self.store, &base.ours)?;
        loop {
            match cursor.head() {
                None => return Ok(names),
                Some(Head::Node { .. }) => cursor.enter()?,
                Some(Head::Entry(entry)) => {
                    if let Some(id) = ids.get(&entry.name[..]) {
                        names.insert(entry.name.clone(), (entry.what.clone(), *id));
                    }
                    cursor.skip();
                }
            }
        }
    }
}

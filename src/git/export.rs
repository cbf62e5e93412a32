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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, mpsc};

use gix_hash::ObjectId;

use crate::diff;
use crate::hash::{Id, Kind};
use crate::object::tree::{Cursor, Head};
use crate::object::{Commit, Entry, Header, Node, Source, Tag, What};
use crate::path::Pathspec;
use crate::progress::Monitor;
use crate::store::{self, Store, read_content};

use super::Error;
use super::convert;
use super::gather::{self, Wanted};
use super::ids::IdMap;
use super::leaves::{GitEntry, Leaves, Part};
use super::pack::PackStream;
use super::pipe::{Git, Process, Reader};
use super::raw::{self, Mode, Type};

/// Longer contents are never in memory as a whole.
const STREAMED_FROM: u64 = 64 << 20;

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
pub(super) enum Purpose {
    /// For a commit that came from git: everything stays.
    Faithful,
    /// For one made in Annals: what git refuses is left out.
    Clean,
}

/// A tree that git has, and what it is here.
#[derive(Clone, Copy, Debug)]
struct Base {
    ours: Id,
    git: ObjectId,
}

/// Where a tree is, and what is odd there.
struct Place<'o> {
    path: Vec<u8>,
    purpose: Purpose,
    odd: &'o BTreeMap<Vec<u8>, Vec<u8>>,
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

    /// Writes the contents that these trees have and the trees before them have not, in the order
    /// in which they are stored.
    pub fn contents(
        &mut self,
        trees: &[(Id, Option<Id>)],
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let mut wanted = self.wanted(trees)?;
        let mut absent: BTreeSet<Vec<u8>> = BTreeSet::new();
        let (lookup, state) = (self.store.lookup(), self.store.state());
        let mut packs: BTreeMap<String, u32> = BTreeMap::new();
        let mut order: Vec<(Vec<Spot>, Wanted)> = Vec::new();
        for one in wanted.drain(..) {
            // Versions that share their first chunks are told apart by those after.
            let mut places = Vec::new();
            for id in gather::chunks_of(self.store, &one.id, one.size)? {
                let place = lookup.find(&state, Kind::Chunk, &id);
                if place.is_none() && id != Id::EMPTY {
                    absent.insert(one.path.clone());
                }
                places.push(place.map(|place| {
                    let next = packs.len() as u32;
                    (*packs.entry(place.pack).or_insert(next), place.frame, place.offset)
                }));
            }
            order.push((places, one));
        }
        if !absent.is_empty() {
            return Err(Error::NotHere { paths: absent.into_iter().collect() });
        }
        order.sort_unstable_by(|a, b| (&a.0, a.1.id).cmp(&(&b.0, b.1.id)));
        let wanted: Vec<Wanted> = order.into_iter().map(|(_, one)| one).collect();
        let groups = gather::groups(&wanted, STREAMED_FROM);
        let store = self.store;
        std::thread::scope(|scope| {
            // One group is read while the one before it is written.
            let (sender, read) = mpsc::sync_channel(0);
            scope.spawn(move || {
                for group in groups {
                    let found = match group {
                        [one] if one.size > STREAMED_FROM => Ok(vec![(one, None)]),
                        _ => gather::read(store, group),
                    };
                    let is_last = found.is_err();
                    if sender.send(found).is_err() || is_last {
                        return;
                    }
                }
            });
            for group in read {
                for (one, bytes) in group? {
                    self.gathered(one, bytes, &mut absent)?;
                    monitor.advance(1, one.size);
                }
            }
            Ok::<_, Error>(())
        })?;
        match absent.is_empty() {
            true => Ok(()),
            false => Err(Error::NotHere { paths: absent.into_iter().collect() }),
        }
    }

    fn gathered(
        &mut self,
        one: &Wanted,
        bytes: Option<Vec<u8>>,
        absent: &mut BTreeSet<Vec<u8>>,
    ) -> Result<(), Error> {
        let written = match bytes {
            Some(bytes) => self
                .put(Type::Blob, &[], bytes)
                .map(|git| self.contents.insert(one.id, git))
                .map(drop),
            // It is too long, or something of it is missing, which reading it will tell.
            None => self.content(&one.id, one.size).map(drop),
        };
        match written {
            Err(Error::Store(store::Error::Missing { .. })) => {
                absent.insert(one.path.clone());
                Ok(())
            }
            written => written,
        }
    }

    /// The contents that are not written yet, each once.
    fn wanted(&self, trees: &[(Id, Option<Id>)]) -> Result<Vec<Wanted>, Error> {
        let mut wanted: crate::hash::IdMap<Wanted> = HashMap::default();
        let mut want = |what: &What, path: &[u8]| {
            let (id, size) = match *what {
                What::File { size, content } => (content, size),
                What::Symlink { size, target } => (target, size),
                _ => return,
            };
            if !self.contents.contains_key(&id) {
                wanted.entry(id).or_insert_with(|| Wanted { id, size, path: path.to_vec() });
            }
        };
        let mut seen = IdSet::default();
        for (tree, before) in trees {
            if !self.uses_bases {
                self.each_new(tree, &mut Vec::new(), &mut seen, &mut want)?;
                continue;
            }
            let all = Pathspec::all();
            diff::trees::<_, store::Error>(
                self.store,
                before.as_ref(),
                Some(tree),
                &all,
                &mut |change| {
                    // What a commit that came from git has under such a name is read when it is met.
                    if let Some(entry) = &change.new
                        && !change.path.parts().any(is_reserved)
                    {
                        want(&entry.what, change.path.as_bytes());
                    }
                    Ok(())
                },
            )?;
        }
        Ok(wanted.into_values().collect())
    }

    /// Calls `want` with all files in nodes that have not been seen.
    fn each_new(
        &self,
        node: &Id,
        path: &mut Vec<u8>,
        seen: &mut IdSet,
        want: &mut dyn FnMut(&What, &[u8]),
    ) -> Result<(), Error> {
        if !seen.insert(*node) {
            return Ok(());
        }
        match &*self.store.tree(node)? {
            Node::Inner { children, .. } => {
                children.iter().try_for_each(|child| self.each_new(&child.node, path, seen, want))
            }
            Node::Leaf(entries) => entries.iter().try_for_each(|entry| {
                // What a commit that came from git has under such a name is read when it is met.
                if is_reserved(&entry.name) {
                    return Ok(());
                }
                let length = path.len();
                if length > 0 {
                    path.push(b'/');
                }
                path.extend_from_slice(&entry.name);
                match &entry.what {
                    What::Directory { tree, .. } => self.each_new(tree, path, seen, want)?,
                    what => want(what, path),
                }
                path.truncate(length);
                Ok(())
            }),
        }
    }

    /// Git's id of a content, which is written if need be.
    pub fn content(&mut self, id: &Id, size: u64) -> Result<ObjectId, Error> {
        if let Some(found) = self.contents.get(id) {
            return Ok(*found);
        }
        let found = if size > STREAMED_FROM {
            self.stream(id, size)?
        } else {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            read_content(self.store, size, id, |piece| {
                bytes.extend_from_slice(&piece);
                Ok::<_, Error>(())
            })?;
            self.put(Type::Blob, &[], bytes)?
        };
        self.contents.insert(*id, found);
        Ok(found)
    }

    /// A content that is too long to be held in memory goes through git itself.
    fn stream(&mut self, id: &Id, size: u64) -> Result<ObjectId, Error> {
        let mut hasher = raw::hasher_for(self.git.hash(), Type::Blob, size);
        let mut process = None;
        let mut input = None;
        if self.writes {
            let asked = ["hash-object", "-w", "--stdin", "-t", "blob", "--no-filters"];
            let mut started =
                Process::start(self.git.command(&asked).stdin(Stdio::piped()), asked[0])?;
            input = started.take_input();
            process = Some(started);
        }
        read_content(self.store, size, id, |piece| {
            hasher.update(&piece);
            if let Some(pipe) = &mut input
                && let Err(source) = pipe.write_all(&piece)
            {
                return Err(Error::Pipe { command: "hash-object".to_owned(), source });
            }
            Ok(())
        })?;
        drop(input);
        if let Some(mut process) = process {
            process.read_to_end(&mut Vec::new())?;
            process.finish()?;
        }
        let why = "its bytes collide with others of the same git id";
        hasher.try_finalize().map_err(|_| Error::NoPlace { id: *id, why })
    }

    /// Writes an object; `path` is where a tree stands.
    fn put(&mut self, kind: Type, path: &[u8], bytes: Vec<u8>) -> Result<ObjectId, Error> {
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

    /// Writes a tree that is named by itself; `tag` is what names it.
    pub fn lone_tree(&mut self, tree: &Id, tag: Option<&Tag>) -> Result<ObjectId, Error> {
        let headers = tag.map_or(&[][..], |tag| &tag.headers);
        let odd = odd_trees(headers);
        let place = Place { path: Vec::new(), purpose: Purpose::Faithful, odd: &odd };
        self.tree(tree, None, &place)
    }

    fn tree(
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

/// Where a chunk is: the number of its pack, its frame, its offset there.
type Spot = Option<(u32, u32, u32)>;

/// Names of a tree that git has: what they are here, and there.
type BaseNames = HashMap<Vec<u8>, (What, ObjectId)>;

type IdSet = std::collections::HashSet<Id, std::hash::BuildHasherDefault<crate::hash::IdHasher>>;

fn odd_trees(headers: &[Header]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let trees = convert::trees_from_git(headers);
    trees.map(|(path, bytes)| (path.to_vec(), bytes.to_vec())).collect()
}

/// Names that git does not let into a tree.
fn is_reserved(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

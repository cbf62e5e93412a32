//! Contents on their way to git, in about the order in which they are stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::process::Stdio;
use std::sync::mpsc;

use gix_hash::ObjectId;

use crate::diff;
use crate::git::Error;
use crate::git::gather::{self, Wanted};
use crate::git::pipe::Process;
use crate::git::raw::{self, Type};
use crate::hash::{Id, Kind};
use crate::object::{Node, Source, What};
use crate::path::Pathspec;
use crate::progress::Monitor;
use crate::store::{self, PackName, read_content};

use super::{Exporter, is_reserved};

/// Longer contents are never in memory as a whole.
const STREAMED_FROM: u64 = 64 << 20;

/// Where a chunk is: the number of its pack, its frame, its offset there.
type Spot = Option<(u32, u32, u32)>;

type IdSet = std::collections::HashSet<Id, std::hash::BuildHasherDefault<crate::hash::IdHasher>>;

impl Exporter<'_> {
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
        let mut packs: BTreeMap<PackName, u32> = BTreeMap::new();
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
}

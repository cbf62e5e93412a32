//! Reading a history of git into a batch, in the order that compresses.
//!
//! First git lists what the history has: ids, lengths, and where each was first met. Then contents
//! are read path by path, the newest version first; then directories, the deepest first, likewise;
//! then commits, parents first; then tags. The order costs git little, because it stores objects
//! in nearly the same one. Memory holds some 150 bytes for each object of the history, and for each
//! thread the contents that are being put in order (`HELD_BYTES`).
//!
//! What becomes of an object depends on its bytes alone, never on the order.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gix_hash::ObjectId;

use crate::chunk::Sketcher;
use crate::hash::{Id, Kind};
use crate::object::manifest::NEAR;
use crate::object::{Object, Sink};
use crate::progress::Monitor;
use crate::store::pack::MOST_FRAME_BYTES;
use crate::store::{Age, Arranged, Batch, content_kind};

use super::Error;
use super::content::{self, Content, Piece, Stream};
use super::convert;
use super::ids::IdMap;
use super::pipe::{Git, Reader};
use super::raw::{self, Type};
use super::trees::{Maps, TreeHand, check_type};

/// Longer contents are never in memory as a whole.
const STREAMED_FROM: u64 = 64 << 20;
/// How many trees one thread takes at a time, at most.
const TREES_AT_ONCE: usize = 8192;
/// And at least.
const FEWEST_TREES: usize = 256;

/// An object that is to be read.
#[derive(Clone, Copy, Debug)]
struct Item {
    id: ObjectId,
    size: u64,
    path: u32,
    age: Age,
}

/// What a history has that is not here yet.
#[derive(Debug, Default)]
pub struct Plan {
    /// Commits, children before their parents.
    commits: Vec<ObjectId>,
    tags: Vec<ObjectId>,
    trees: Vec<Item>,
    contents: Vec<Item>,
    paths: Vec<Box<[u8]>>,
    bytes: u64,
}

impl Plan {
    /// Asks git what is reached from `wanted` and not from `known`. `newest` are the directories
    /// and contents that people will look at first.
    pub fn make(
        git: &Git,
        wanted: &[ObjectId],
        known: &[ObjectId],
        newest: &HashSet<ObjectId>,
    ) -> Result<Self, Error> {
        let mut plan = Self::default();
        let mut numbers: HashMap<Box<[u8]>, u32> = HashMap::new();
        git.list(wanted, known, &mut |listed, path| {
            plan.bytes += listed.size;
            match listed.kind {
                Type::Commit => plan.commits.push(listed.id),
                Type::Tag => plan.tags.push(listed.id),
                Type::Tree | Type::Blob => {
                    let path = match numbers.get(path) {
                        Some(number) => *number,
                        None => {
                            let number = numbers.len() as u32;
                            numbers.insert(path.into(), number);
                            plan.paths.push(path.into());
                            number
                        }
                    };
                    let age = match newest.contains(&listed.id) {
                        true => Age::Recent,
                        false => Age::older(listed.size),
                    };
                    let item = Item { id: listed.id, size: listed.size, path, age };
                    match listed.kind {
                        Type::Tree => plan.trees.push(item),
                        _ => plan.contents.push(item),
                    }
                }
            }
        })?;
        drop(numbers);
        find_recent(&mut plan.contents);
        find_recent(&mut plan.trees);
        plan.arrange();
        Ok(plan)
    }

    /// Sorts by path; the order within a path is by age already.
    fn arrange(&mut self) {
        let mut order: Vec<u32> = (0..self.paths.len() as u32).collect();
        order.sort_unstable_by_key(|&number| &self.paths[number as usize]);
        let mut ranks = vec![0u32; order.len()];
        for (rank, number) in order.into_iter().enumerate() {
            ranks[number as usize] = rank as u32;
        }
        self.contents.sort_by_key(|item| ranks[item.path as usize]);
        let depth = |path: &[u8]| match path.is_empty() {
            true => 0,
            false => 1 + path.iter().filter(|&&byte| byte == b'/').count(),
        };
        let depths: Vec<usize> = self.paths.iter().map(|path| depth(path)).collect();
        self.trees.sort_by_key(|item| {
            let path = item.path as usize;
            (std::cmp::Reverse(depths[path]), ranks[path])
        });
    }

    /// How many commits there are.
    pub fn commits(&self) -> u64 {
        self.commits.len() as u64
    }

    /// How many objects there are.
    pub fn objects(&self) -> u64 {
        let count = self.commits.len() + self.tags.len() + self.trees.len() + self.contents.len();
        count as u64
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The parts of the trees that must be converted one after the other: a level each.
    fn levels(&self) -> Vec<&[Item]> {
        let depth = |item: &Item| {
            let path = &self.paths[item.path as usize];
            if path.is_empty() { 0 } else { 1 + path.iter().filter(|&&byte| byte == b'/').count() }
        };
        self.trees.chunk_by(|a, b| depth(a) == depth(b)).collect()
    }
}

/// Of those that were replaced last as many are recent as make up the bytes of the newest: whoever
/// compares the newest commits needs both.
fn find_recent(items: &mut [Item]) {
    let newest = items.iter().filter(|item| item.age == Age::Recent);
    let mut left: u64 = newest.map(|item| item.size).sum();
    for item in items.iter_mut().filter(|item| item.age != Age::Recent) {
        let Some(rest) = left.checked_sub(item.size) else { break };
        left = rest;
        item.age = Age::Recent;
    }
}

/// An object of Annals that came from git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Imported {
    /// Commits that were converted, with those known before.
    pub commits: IdMap<Id>,
    /// Annotated tags.
    pub tags: IdMap<Converted>,
    maps: Maps,
    /// Commits that have trees which git would not write.
    pub odd: Vec<ObjectId>,
}

/// What is known before an import, and how it goes about it.
#[derive(Debug)]
pub struct Known<'a> {
    /// Commits that are here: git's ids with ours.
    pub commits: IdMap<Id>,
    /// What interrupted imports have noted.
    pub notes: Vec<Vec<u8>>,
    /// Who imports, for the records of a long import.
    pub actor: &'a str,
    /// When to do what.
    pub pace: Pace,
}

/// When an import does what. There is one for everybody; others are for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Contents are put in order within so many bytes, by each thread.
    pub held_bytes: u64,
    /// What was read is listed as often as this: an import that is interrupted goes on from there.
    pub list_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { held_bytes: 96 << 20, list_every: Duration::from_secs(60) }
    }
}

/// The contents that notes speak of, as far as they are here. The batch relies on them.
fn noted(hash: gix_hash::Kind, notes: &[Vec<u8>], batch: &Batch<'_>) -> IdMap<Content> {
    let length = hash.len_in_bytes();
    let rows = notes.iter().flat_map(|note| note.chunks_exact(length + 8 + 32));
    let read = |row: &[u8]| {
        let git = raw::id_from_bytes(&row[..length])?;
        let size = u64::from_le_bytes(*row[length..].first_chunk()?);
        let id = Id::from_bytes(*row.last_chunk()?);
        batch.has(content_kind(size), &id).then_some((git, Content { size, id }))
    };
    rows.filter_map(read).collect()
}

fn note(found: &[Vec<(ObjectId, Content)>]) -> Vec<u8> {
    let mut note = Vec::new();
    for (git, content) in found.iter().flatten() {
        note.extend_from_slice(git.as_slice());
        note.extend_from_slice(&content.size.to_le_bytes());
        note.extend_from_slice(content.id.as_bytes());
    }
    note
}

/// Reads a planned history into the batch.
pub fn import(
    git: &Git,
    plan: &Plan,
    batch: &Batch<'_>,
    known: Known<'_>,
    monitor: &dyn Monitor,
) -> Result<Imported, Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut imported = Imported::default();
    imported.maps.contents = contents(git, plan, batch, &known, threads, monitor)?;
    imported.commits = known.commits;
    for level in plan.levels() {
        let fresh = trees(git, level, &imported.maps, batch, threads, monitor)?;
        imported.maps.extend(fresh);
    }
    let maps = std::mem::take(&mut imported.maps);
    let mut hand = TreeHand::new(git, &maps, Arranged::new(batch));
    read_commits(git, plan, &mut hand, &mut imported, monitor)?;
    for id in &plan.tags {
        tag(git, id, &mut hand, &mut imported, 0)?;
    }
    hand.writer.flush()?;
    let fresh = std::mem::take(&mut hand.fresh);
    drop(hand);
    imported.maps = maps;
    imported.maps.extend(fresh);
    Ok(imported)
}

impl Imported {
    /// Whether a tree has names or orders that only a commit or an annotated tag can keep.
    pub fn is_odd_tree(&self, id: &ObjectId) -> bool {
        self.maps.odd.contains_key(id)
    }

    /// What a ref of git is to point to in Annals.
    pub fn target(
        &mut self,
        git: &Git,
        batch: &Batch<'_>,
        id: &ObjectId,
        kind: Type,
    ) -> Result<Converted, Error> {
        let maps = std::mem::take(&mut self.maps);
        let mut hand = TreeHand::new(git, &maps, Arranged::new(batch));
        let found = target(git, id, kind, &mut hand, self, 0);
        hand.writer.flush()?;
        let fresh = std::mem::take(&mut hand.fresh);
        drop(hand);
        self.maps = maps;
        self.maps.extend(fresh);
        found
    }
}

/// Runs over shares of work with all threads; the first error ends it.
fn share<T: Clone + Sync, R: Send>(
    work: &[T],
    threads: usize,
    hand: impl Fn(&mut dyn FnMut() -> Option<(usize, T)>) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Mutex<Vec<Result<R, Error>>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(work.len()).max(1) {
            scope.spawn(|| {
                let mut take = || {
                    if failed.load(Ordering::Relaxed) {
                        return None;
                    }
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    work.get(at).map(|share| (at, share.clone()))
                };
                let result = hand(&mut take);
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

/// Reads all contents, path by path, and lists what it has if that takes long.
fn contents(
    git: &Git,
    plan: &Plan,
    batch: &Batch<'_>,
    known: &Known<'_>,
    threads: usize,
    monitor: &dyn Monitor,
) -> Result<IdMap<Content>, Error> {
    let mut map = noted(git.hash(), &known.notes, batch);
    map.reserve(plan.contents.len());
    let (there, missing): (Vec<Item>, Vec<Item>) =
        plan.contents.iter().copied().partition(|item| map.contains_key(&item.id));
    there.iter().for_each(|item| monitor.advance(1, item.size));
    let mut shares: Vec<&[Item]> = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, item) in missing.iter().enumerate() {
        if held > 0 && held + item.size > known.pace.held_bytes {
            shares.push(&missing[start..at]);
            (start, held) = (at, 0);
        }
        held += item.size;
    }
    shares.push(&missing[start..]);
    let mut done = 0;
    while done < shares.len() {
        let begun = Instant::now();
        let taken = AtomicUsize::new(0);
        let found = share(&shares[done..], threads, |next| {
            let mut hand = ContentHand {
                writer: Arranged::new(batch),
                sketcher: Sketcher::new(),
                found: Vec::new(),
                monitor,
            };
            while let Some((_, share)) = next() {
                taken.fetch_add(1, Ordering::Relaxed);
                hand.read(git, share)?;
                if begun.elapsed() >= known.pace.list_every {
                    break;
                }
            }
            hand.writer.flush()?;
            Ok(hand.found)
        })?;
        done += taken.into_inner();
        if done < shares.len() {
            batch.keep_note(note(&found))?;
            batch.list_session(known.actor)?;
        }
        map.extend(found.into_iter().flatten());
    }
    Ok(map)
}

/// One thread that reads contents.
struct ContentHand<'a, 'b, 's> {
    writer: Arranged<'b, 's>,
    sketcher: Sketcher,
    found: Vec<(ObjectId, Content)>,
    monitor: &'a dyn Monitor,
}

impl ContentHand<'_, '_, '_> {
    /// Reads neighbours, and stores their chunks so that those of one place in a file, in all its
    /// versions, follow each other.
    fn read(&mut self, git: &Git, share: &[Item]) -> Result<(), Error> {
        if share.is_empty() {
            return Ok(());
        }
        let ids: Vec<ObjectId> = share.iter().map(|item| item.id).collect();
        let mut reader = git.read(&ids)?;
        let mut held: Vec<u8> = Vec::new();
        let mut order: Vec<(u32, usize, usize, Age, Piece)> = Vec::new();
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for (at, item) in share.iter().enumerate() {
            if item.size > STREAMED_FROM {
                self.stream(&mut reader, item)?;
                continue;
            }
            check_type(&item.id, reader.next(&item.id, &mut bytes)?, Type::Blob)?;
            pieces.clear();
            let content = content::cut(&bytes, &mut self.sketcher, &mut self.writer, &mut pieces)?;
            self.found.push((item.id, content));
            for (number, piece) in pieces.iter().enumerate() {
                let start = held.len() + piece.start;
                order.push((item.path, number, at, item.age, Piece { start, ..*piece }));
            }
            held.extend_from_slice(&bytes);
            self.monitor.advance(1, item.size);
        }
        // The share is sorted by path: its first item tells where a path stands.
        let mut first: HashMap<u32, usize> = HashMap::new();
        for (at, item) in share.iter().enumerate() {
            first.entry(item.path).or_insert(at);
        }
        order.sort_by_key(|&(path, number, at, ..)| (first.get(&path).copied(), number, at));
        for (_, _, _, age, piece) in order {
            let bytes = &held[piece.start..piece.start + piece.length];
            self.writer.put_chunk(piece.class, age, piece.id, bytes)?;
        }
        Ok(())
    }

    fn stream(&mut self, reader: &mut Reader, item: &Item) -> Result<(), Error> {
        const { assert!(STREAMED_FROM > NEAR) };
        let mut stream = Stream::new(item.size);
        let kind = reader.next_in_pieces(&item.id, MOST_FRAME_BYTES, &mut |bytes| {
            self.monitor.advance(0, bytes.len() as u64);
            Ok(stream.take(bytes, &mut self.writer)?)
        })?;
        check_type(&item.id, kind, Type::Blob)?;
        self.found.push((item.id, stream.finish(&mut self.writer)?));
        self.monitor.advance(1, 0);
        Ok(())
    }
}

/// Converts the directories of one level.
fn trees(
    git: &Git,
    level: &[Item],
    known: &Maps,
    batch: &Batch<'_>,
    threads: usize,
    monitor: &dyn Monitor,
) -> Result<Maps, Error> {
    let at_once = (level.len() / (2 * threads)).clamp(FEWEST_TREES, TREES_AT_ONCE);
    let shares: Vec<&[Item]> = level.chunks(at_once).collect();
    let found = share(&shares, threads, |next| {
        let mut hand = TreeHand::new(git, known, Arranged::new(batch));
        while let Some((_, share)) = next() {
            let ids: Vec<ObjectId> = share.iter().map(|item| item.id).collect();
            let mut reader = git.read(&ids)?;
            for item in share {
                let mut raw = Vec::new();
                check_type(&item.id, reader.next(&item.id, &mut raw)?, Type::Tree)?;
                hand.writer.stand(item.path, item.age);
                hand.convert(&item.id, raw)?;
                monitor.advance(1, item.size);
            }
        }
        hand.writer.flush()?;
        Ok(hand.fresh)
    })?;
    let mut fresh = Maps::default();
    found.into_iter().for_each(|maps| fresh.extend(maps));
    Ok(fresh)
}

fn read_commits(
    git: &Git,
    plan: &Plan,
    hand: &mut TreeHand<'_, '_, '_>,
    imported: &mut Imported,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let ids: Vec<ObjectId> = plan.commits.iter().rev().copied().collect();
    let mut reader = git.read(&ids)?;
    let mut bytes = Vec::new();
    for id in ids {
        check_type(&id, reader.next(&id, &mut bytes)?, Type::Commit)?;
        monitor.advance(1, bytes.len() as u64);
        // It may be known though its branch has gone.
        if imported.commits.contains_key(&id) {
            continue;
        }
        let malformed = |why| Error::Malformed { id, why };
        let commit = raw::parse_commit(git.hash(), &bytes).map_err(malformed)?;
        let tree = hand.tree(&commit.tree)?;
        let parents: Option<Vec<Id>> =
            commit.parents.iter().map(|parent| imported.commits.get(parent).copied()).collect();
        let parents = parents.ok_or_else(|| malformed("a parent is not part of the history"))?;
        let odd = hand.odd_trees(&commit.tree)?;
        if !odd.is_empty() {
            imported.odd.push(id);
        }
        let commit = convert::commit_from_git(git.hash(), &bytes, tree.id, parents, odd)
            .map_err(malformed)?;
        let ours = put(&id, &commit, hand)?;
        imported.commits.insert(id, ours);
    }
    Ok(())
}

fn put<T: Object>(id: &ObjectId, object: &T, hand: &mut TreeHand<'_, '_, '_>) -> Result<Id, Error> {
    let bytes = object.to_bytes();
    if bytes.len() > MOST_FRAME_BYTES {
        return Err(Error::TooLong { id: *id, bytes: bytes.len(), kind: T::KIND });
    }
    Ok(hand.writer.put(T::KIND, bytes)?)
}

fn target(
    git: &Git,
    id: &ObjectId,
    kind: Type,
    hand: &mut TreeHand<'_, '_, '_>,
    imported: &mut Imported,
    depth: usize,
) -> Result<Converted, Error> {
    Ok(match kind {
        Type::Commit => {
            let found = imported.commits.get(id).copied();
            let why = "it is not part of the history";
            let id = found.ok_or(Error::Malformed { id: *id, why })?;
            Converted { kind: Kind::Commit, id }
        }
        Type::Tree => Converted { kind: Kind::Tree, id: hand.tree(id)?.id },
        Type::Blob => {
            let content = hand.content(id)?;
            Converted { kind: content_kind(content.size), id: content.id }
        }
        Type::Tag => tag(git, id, hand, imported, depth + 1)?,
    })
}

fn tag(
    git: &Git,
    id: &ObjectId,
    hand: &mut TreeHand<'_, '_, '_>,
    imported: &mut Imported,
    depth: usize,
) -> Result<Converted, Error> {
    if let Some(found) = imported.tags.get(id) {
        return Ok(*found);
    }
    let malformed = |why| Error::Malformed { id: *id, why };
    if depth > 64 {
        return Err(malformed("it names a tag that names a tag, and so on"));
    }
    let bytes = hand.ask(id, Type::Tag)?;
    let raw = raw::parse_tag(git.hash(), &bytes).map_err(malformed)?;
    let named = target(git, &raw.target, raw.target_type, hand, imported, depth)?;
    let trees = match raw.target_type {
        Type::Tree => hand.odd_trees(&raw.target)?,
        _ => Vec::new(),
    };
    let tag = convert::tag_from_git(git.hash(), &bytes, named.id, named.kind, trees)
        .map_err(malformed)?;
    let converted = Converted { kind: Kind::Tag, id: put(id, &tag, hand)? };
    imported.tags.insert(*id, converted);
    Ok(converted)
}

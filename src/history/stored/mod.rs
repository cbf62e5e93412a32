//! The commit graph kept in a table: parents, times, trees and generation numbers, so that walks
//! far into history need not decode every commit's words.
//!
//! Derived: what is not in the table is decoded and counted, and put there when a walk is done,
//! enough has gathered, and the table opens at once. Ids name what they stand for, so an entry can
//! be missing but not out of date. Commits have numbers in the order in which they came, parents
//! before children, and stand in blocks of 256 ([`block`]); a number means something only in one
//! table, which has a name by which it is known.
//!
//! A table that turns out to be damaged in the middle of a walk ends the walk with an error, and
//! [`StoredGraph::ask`] then asks again without it.

mod block;
mod changes;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::hash_map::{self, Entry};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::codec;
use crate::hash::{Id, IdMap, Kind};
use crate::object::{Commit, Source};
use crate::progress::{Monitor, Stage};
use crate::store::{Error, Store};
use crate::table::{self, Batch, Database, Durability, Opened};

use super::walk::Pair;
use super::{Age, Graph, Number};
use block::{Block, Row};
pub use changes::Asked;
use changes::{Told, Trees};

const FILE: &[u8] = b"lookup/graph.redb";
const VERSION: u32 = 2;

/// Id → number.
const NUMBERS: &str = "numbers";
/// Number of a block → [`Block`], ids, ids of trees.
const COMMITS: &str = "commits";
const NAMES: &str = "names";
const TREES: &str = "trees";
/// Number of a block → which paths its commits changed ([`changes`]).
const CHANGES: &str = "changes";
/// Under the empty key the name of the table and how many commits it has; under the other, of how
/// many of them the changes are known.
const ABOUT: &str = "about";
const LEARNT: &[u8] = b"learnt";

/// Of so many blocks the changes are found out before they are written.
const LEARN_BLOCKS: u32 = 32;

/// The table is written once so many commits are not in it.
const SAVE_EVERY: usize = 32;

/// The graph of a store's commits.
pub struct StoredGraph<'s> {
    store: &'s Store,
    /// Opened when it is first needed.
    table: OnceCell<Table>,
    fresh: RefCell<Fresh>,
}

/// What the table has, read block by block.
#[derive(Default)]
struct Table {
    database: Option<Database>,
    name: [u8; 16],
    count: u32,
    commits: Vec<OnceCell<Block>>,
    names: Vec<OnceCell<Vec<Id>>>,
    trees: Vec<OnceCell<Vec<Id>>>,
    has_failed: Cell<bool>,
}

/// What the table does not have yet. Numbers go on from there.
#[derive(Default)]
struct Fresh {
    numbers: IdMap<Number>,
    commits: Vec<FreshCommit>,
}

struct FreshCommit {
    id: Id,
    tree: Id,
    row: Row,
}

impl Table {
    fn open(store: &Store) -> Self {
        let opened = Database::open_to_read(&**store.dir(), FILE, VERSION).ok().flatten();
        let Some(database) = opened else { return Self::default() };
        let Some((name, count)) = about(database.get(ABOUT, b"").ok().flatten()) else {
            return Self::default();
        };
        let blocks = count.div_ceil(block::LENGTH) as usize;
        Self {
            database: Some(database),
            name,
            count,
            commits: vec![OnceCell::new(); blocks],
            names: vec![OnceCell::new(); blocks],
            trees: vec![OnceCell::new(); blocks],
            has_failed: Cell::new(false),
        }
    }

    fn number(&self, id: &Id) -> Result<Option<Number>, Error> {
        let Some(database) = &self.database else { return Ok(None) };
        let found = self.noting(database.get(NUMBERS, id.as_bytes()))?;
        let Some(bytes) = found else { return Ok(None) };
        let number = bytes.try_into().map(u32::from_le_bytes).ok();
        let number = number.filter(|number| *number < self.count);
        number.map(|number| Some(Number(number))).ok_or_else(|| self.damaged())
    }

    fn block(&self, commit: Number) -> Result<(&Block, u32), Error> {
        let block = commit.0 / block::LENGTH;
        let read = |bytes| Block::open(bytes, block * block::LENGTH);
        let found = self.read(&self.commits, COMMITS, block, read)?;
        let at = commit.0 % block::LENGTH;
        if at < found.len() { Ok((found, at)) } else { Err(self.damaged()) }
    }

    fn id(&self, table: &str, blocks: &[OnceCell<Vec<Id>>], commit: Number) -> Result<Id, Error> {
        let block = commit.0 / block::LENGTH;
        let ids = self.read(blocks, table, block, |bytes| block::ids(&bytes))?;
        ids.get((commit.0 % block::LENGTH) as usize).copied().ok_or_else(|| self.damaged())
    }

    fn read<'t, T>(
        &self,
        blocks: &'t [OnceCell<T>],
        table: &str,
        block: u32,
        read: impl FnOnce(Vec<u8>) -> Option<T>,
    ) -> Result<&'t T, Error> {
        let Some((cell, database)) = blocks.get(block as usize).zip(self.database.as_ref()) else {
            return Err(self.damaged());
        };
        if let Some(known) = cell.get() {
            return Ok(known);
        }
        let bytes = self.noting(database.get(table, &block.to_be_bytes()))?;
        let found = bytes.and_then(read).ok_or_else(|| self.damaged())?;
        Ok(cell.get_or_init(|| found))
    }

    fn told(&self, asked: &Asked, block: u32) -> Result<Option<Told>, Error> {
        let Some(database) = &self.database else { return Ok(None) };
        let Some(bytes) = self.noting(database.get(CHANGES, &block.to_be_bytes()))? else {
            return Ok(None);
        };
        Told::read(&bytes, &asked.hashes).map(Some).ok_or_else(|| self.damaged())
    }

    /// Of how many commits, from the first, it is known which paths they changed.
    fn learnt(&self) -> Result<u32, Error> {
        let Some(database) = &self.database else { return Ok(0) };
        let known = self.noting(database.get(ABOUT, LEARNT))?;
        let known = known.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        Ok(known.min(self.count))
    }

    fn noting<T>(&self, found: Result<T, table::Error>) -> Result<T, Error> {
        found.map_err(|_| self.damaged())
    }

    fn damaged(&self) -> Error {
        self.has_failed.set(true);
        Error::Object(codec::Error::Invalid("the commit graph is damaged"))
    }
}

fn about(bytes: Option<Vec<u8>>) -> Option<([u8; 16], u32)> {
    let bytes: [u8; 20] = bytes?.try_into().ok()?;
    let (name, count) = bytes.split_first_chunk::<16>()?;
    let count = u32::from_le_bytes(count.try_into().ok()?);
    Some((*name, count))
}

impl<'s> StoredGraph<'s> {
    /// The graph of this store. A table that is missing, damaged or busy is done without.
    pub fn open(store: &'s Store) -> Self {
        Self { store, table: OnceCell::new(), fresh: RefCell::default() }
    }

    /// Asks something of a store's graph, and keeps what had to be counted for the answer. If the
    /// table turns out to be damaged, or to be rewritten meanwhile, it is asked again.
    pub fn ask<T, E>(
        store: &'s Store,
        mut question: impl FnMut(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..2 {
            let graph = Self::open(store);
            let answer = question(&graph);
            if !graph.table.get().is_some_and(|table| table.has_failed.get()) {
                graph.save();
                return answer;
            }
        }
        let graph = Self { table: OnceCell::from(Table::default()), ..Self::open(store) };
        let answer = question(&graph);
        graph.save();
        answer
    }

    /// Keeps what was counted, if it is enough and the table opens at once.
    pub fn save(self) {
        let Self { store, table, fresh } = self;
        let (table, fresh) = (table.into_inner().unwrap_or_default(), fresh.into_inner());
        let Table { database, name, count, has_failed, .. } = table;
        drop(database);
        if fresh.commits.len() < SAVE_EVERY || has_failed.get() {
            return;
        }
        let Ok(Opened::Ready(mut table)) = Database::open(&**store.dir(), FILE, VERSION) else {
            return;
        };
        let known = about(table.get(ABOUT, b"").ok().flatten());
        let name = match known {
            Some(known) if known == (name, count) => name,
            // Another process was faster, and numbered in another way.
            Some(_) if count > 0 => return,
            // It is empty, or was damaged when it was read.
            _ => {
                if known.is_some() && table.begin_anew().is_err() {
                    return;
                }
                store.env().random.sixteen()
            }
        };
        let written = table.write(|batch| put(batch, name, count, &fresh.commits));
        // Derived: a table that could not be written is written another time.
        if written.is_ok() {
            let _ = table.finish(Durability::Eventually);
        }
    }

    /// Whether a commit and what it follows are the same along these paths, if the table knows.
    pub fn is_same(&self, asked: &Asked, pair: &Pair) -> Result<Option<bool>, Error> {
        let table = self.table();
        if pair.commit.0 >= table.count {
            return Ok(None);
        }
        let (block, at) = (pair.commit.0 / block::LENGTH, pair.commit.0 % block::LENGTH);
        let mut told = asked.told.borrow_mut();
        let told = match told.entry(block) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(table.told(asked, block)?),
        };
        Ok(told.as_ref().and_then(|told| told.is_same(at, pair)))
    }

    /// Finds out which paths the commits changed that the table has and knows nothing of, if they
    /// are many and it can be written to. Compares trees: the first time it takes long.
    pub fn learn(store: &Store, monitor: &dyn Monitor) -> Result<(), Error> {
        let mut is_told = false;
        loop {
            let graph = StoredGraph::open(store);
            let (count, learnt) = (graph.table().count, graph.table().learnt()?);
            if count - learnt < SAVE_EVERY as u32 {
                return Ok(());
            }
            if !std::mem::replace(&mut is_told, true) {
                monitor.begin(Stage::Indexing, Some(u64::from(count - learnt)), None);
            }
            let first = learnt / block::LENGTH;
            let end = count.div_ceil(block::LENGTH).min(first + LEARN_BLOCKS);
            let mut compared = Vec::new();
            for block in first..end {
                compared.push((block, graph.trees_of(block)?));
            }
            let learnt = count.min(end * block::LENGTH);
            let name = graph.table().name;
            drop(graph);
            let built = build_changes(store, &compared, monitor)?;
            if !write_changes(store, name, &built, learnt) {
                return Ok(());
            }
        }
    }

    /// What is to be compared of the commits of a block.
    fn trees_of(&self, block: u32) -> Result<Vec<Trees>, Error> {
        let first = block * block::LENGTH;
        let mut commits = Vec::new();
        for commit in first..(first + block::LENGTH).min(self.table().count) {
            let (tree, mut parents) = (self.tree(Number(commit))?, Vec::new());
            self.parents(Number(commit), &mut parents)?;
            let parents: Result<_, Error> =
                parents.into_iter().map(|parent| self.tree(parent)).collect();
            commits.push(Trees { tree, parents: parents? });
        }
        Ok(commits)
    }

    fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::open(self.store))
    }

    /// The number of a commit that was counted.
    fn counted(&self, id: &Id) -> Result<Option<Number>, Error> {
        if let Some(number) = self.fresh.borrow().numbers.get(id) {
            return Ok(Some(*number));
        }
        self.table().number(id)
    }

    /// Counts the generation of a commit: of all its ancestors first that are not counted yet.
    fn count(&self, id: &Id) -> Result<Number, Error> {
        let mut stack = vec![*id];
        let mut decoded: IdMap<(Id, i64, Vec<Id>)> = IdMap::default();
        // Those of the table that were met, so that it is asked once for each.
        let mut known: IdMap<Number> = IdMap::default();
        while let Some(next) = stack.last().copied() {
            if known.contains_key(&next) {
                stack.pop();
                continue;
            }
            let (_, _, ids) = match decoded.entry(next) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let Commit { tree, parents, committer, .. } = self.store.object(&next)?;
                    place.insert((tree, committer.seconds, parents))
                }
            };
            let mut parents = Vec::new();
            let mut generation = 1;
            for parent in ids.iter() {
                let number = match known.get(parent) {
                    Some(number) => Some(*number),
                    None => self.counted(parent)?,
                };
                match number {
                    Some(number) => {
                        known.insert(*parent, number);
                        let above = self.age(number)?.generation.unwrap_or(0);
                        generation = generation.max(above.saturating_add(1));
                        parents.push(number);
                    }
                    None => stack.push(*parent),
                }
            }
            if parents.len() == ids.len() {
                stack.pop();
                if let Some((tree, seconds, _)) = decoded.remove(&next) {
                    let row = Row { seconds, generation, parents };
                    known.insert(next, self.add(FreshCommit { id: next, tree, row }));
                }
            }
        }
        let missing = || Error::Missing { kind: Kind::Commit, id: *id };
        known.get(id).copied().ok_or_else(missing)
    }

    fn add(&self, commit: FreshCommit) -> Number {
        let base = self.table().count;
        let fresh = &mut *self.fresh.borrow_mut();
        let number = Number(base.saturating_add(fresh.commits.len() as u32));
        fresh.numbers.insert(commit.id, number);
        fresh.commits.push(commit);
        number
    }

    /// Asks the table of a commit, or what it does not have yet.
    fn with<T>(
        &self,
        commit: Number,
        in_table: impl FnOnce(&Table) -> Result<T, Error>,
        fresh: impl FnOnce(&FreshCommit) -> T,
    ) -> Result<T, Error> {
        let table = self.table();
        match commit.0.checked_sub(table.count) {
            None => in_table(table),
            Some(at) => Ok(fresh(&self.fresh.borrow().commits[at as usize])),
        }
    }
}

/// Compares the commits of several blocks, in several threads; gives the blocks' bytes.
fn build_changes(
    store: &Store,
    blocks: &[(u32, Vec<Trees>)],
    monitor: &dyn Monitor,
) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(u32, Vec<u8>)>, Error> {
        let mut built = Vec::new();
        while let Some((block, commits)) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            built.push((*block, changes::build(store, commits)?));
            monitor.advance(commits.len() as u64, 0);
        }
        Ok(built)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(blocks.len());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut built = work()?;
        for other in others {
            match other.join() {
                Ok(more) => built.extend(more?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(built)
    })
}

/// Keeps what was found out, if the table is still the same and opens at once; says whether.
fn write_changes(store: &Store, name: [u8; 16], built: &[(u32, Vec<u8>)], learnt: u32) -> bool {
    let Ok(Opened::Ready(mut table)) = Database::open(&**store.dir(), FILE, VERSION) else {
        return false;
    };
    let is_same = about(table.get(ABOUT, b"").ok().flatten()).is_some_and(|about| about.0 == name);
    let written = table.write(|batch| -> Result<(), table::Error> {
        for (block, bytes) in built {
            batch.table(CHANGES)?.put(&block.to_be_bytes(), bytes)?;
        }
        batch.table(ABOUT)?.put(LEARNT, &learnt.to_le_bytes())
    });
    is_same && written.is_ok() && table.finish(Durability::Eventually).is_ok()
}

/// Adds commits to those the table has.
fn put(
    batch: &mut Batch<'_>,
    name: [u8; 16],
    count: u32,
    fresh: &[FreshCommit],
) -> Result<(), table::Error> {
    // The last block may have room.
    let first = count / block::LENGTH;
    let skip = (count % block::LENGTH) as usize;
    let key = first.to_be_bytes();
    let (mut rows, mut names, mut trees) = (Vec::new(), Vec::new(), Vec::new());
    if skip > 0 {
        let last = batch.table(COMMITS)?.get(&key)?;
        let last = last.and_then(|bytes| Block::open(bytes, first * block::LENGTH));
        rows = last.ok_or(table::Error::Damaged)?.rows();
        names = batch.table(NAMES)?.get(&key)?.unwrap_or_default();
        trees = batch.table(TREES)?.get(&key)?.unwrap_or_default();
        if rows.len() != skip || names.len() != skip * 32 || trees.len() != skip * 32 {
            return Err(table::Error::Damaged);
        }
    }
    let mut block = first;
    for (at, commit) in fresh.iter().enumerate() {
        rows.push(commit.row.clone());
        names.extend_from_slice(commit.id.as_bytes());
        trees.extend_from_slice(commit.tree.as_bytes());
        if rows.len() == block::LENGTH as usize || at + 1 == fresh.len() {
            let key = block.to_be_bytes();
            batch.table(COMMITS)?.put(&key, &Block::build(&rows))?;
            batch.table(NAMES)?.put(&key, &names)?;
            batch.table(TREES)?.put(&key, &trees)?;
            rows.clear();
            names.clear();
            trees.clear();
            block += 1;
        }
    }
    // In order of ids, so that each page is changed once.
    let mut numbers: Vec<(Id, u32)> =
        fresh.iter().zip(count..).map(|(commit, number)| (commit.id, number)).collect();
    numbers.sort_unstable();
    let mut table = batch.table(NUMBERS)?;
    for (id, number) in numbers {
        table.put(id.as_bytes(), &number.to_le_bytes())?;
    }
    drop(table);
    let count = count + fresh.len() as u32;
    batch.table(ABOUT)?.put(b"", &[&name[..], &count.to_le_bytes()].concat())
}

impl Graph for StoredGraph<'_> {
    type Error = Error;

    fn number(&self, id: &Id) -> Result<Number, Error> {
        match self.counted(id)? {
            Some(number) => Ok(number),
            None => self.count(id),
        }
    }

    fn id(&self, commit: Number) -> Result<Id, Error> {
        self.with(commit, |table| table.id(NAMES, &table.names, commit), |fresh| fresh.id)
    }

    fn age(&self, commit: Number) -> Result<Age, Error> {
        let in_table = |table: &Table| table.block(commit).map(|(block, at)| block.age(at));
        self.with(commit, in_table, |FreshCommit { row, .. }| Age {
            generation: Some(row.generation),
            seconds: row.seconds,
        })
    }

    fn parents(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), Error> {
        let place = &mut *into;
        let Some(at) = commit.0.checked_sub(self.table().count) else {
            let (block, at) = self.table().block(commit)?;
            block.parents(at, place);
            return Ok(());
        };
        place.extend_from_slice(&self.fresh.borrow().commits[at as usize].row.parents);
        Ok(())
    }

    fn tree(&self, commit: Number) -> Result<Id, Error> {
        self.with(commit, |table| table.id(TREES, &table.trees, commit), |fresh| fresh.tree)
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
    use crate::history::walk::{Options, Walk};
    use crate::object::tree::Builder;
    use crate::object::{Entry, Object, Signature, Sink, What};
    use crate::path::{Pathspec, RepoPath};
    use crate::progress::Silent;
    use crate::store::{Batch, Publication, RefEdit, Target, Writer};

    fn tree_of(writer: &mut Writer<'_, '_>, files: &[(&str, u32)], below: Option<u32>) -> Id {
        let mut builder = Builder::new();
        for (name, content) in files {
            let content = Kind::Chunk.id_of(&content.to_le_bytes());
            let what = What::File { size: 4, content };
            let name = name.as_bytes().to_vec();
            let entry = Entry { name, mode: 0o644, mtime: None, attributes: None, what };
            builder.push(entry, writer).unwrap();
        }
        if let Some(content) = below {
            let tree = tree_of(writer, &[("a", content)], None);
            let what = What::Directory { files: 1, bytes: 4, tree };
            let entry =
                Entry { name: b"d".to_vec(), mode: 0o755, mtime: None, attributes: None, what };
            builder.push(entry, writer).unwrap();
        }
        builder.finish(writer).unwrap().id
    }

    /// A store with a chain of commits; returns the newest.
    fn chain(disk: &MemoryDisk, length: u32) -> (Store, Id) {
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1), 1)),
            random: Arc::new(SeededRandom::new(1)),
        };
        let store = Store::create(disk.create(Path::new("/s")).unwrap(), env).unwrap();
        let batch = Batch::begin(&store).unwrap();
        let mut writer = batch.writer();
        let mut parents = Vec::new();
        for number in 0..length {
            // Every tenth commit changes `d/a`; they all change `b`.
            let tree = tree_of(&mut writer, &[("b", number)], Some(number / 10));
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

    /// What the graph says of a commit.
    fn told(graph: &impl Graph<Error = Error>, id: &Id) -> (Age, Vec<Id>, Id) {
        let number = graph.number(id).unwrap();
        assert_eq!(graph.id(number).unwrap(), *id);
        let mut parents = Vec::new();
        graph.parents(number, &mut parents).unwrap();
        let parents = parents.into_iter().map(|parent| graph.id(parent).unwrap()).collect();
        (graph.age(number).unwrap(), parents, graph.tree(number).unwrap())
    }

    #[test]
    fn generations_are_counted_once_and_kept() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 600);
        let commits = crate::history::Commits::new(&store);
        let graph = StoredGraph::open(&store);
        // Counted in three steps, so that blocks are begun, filled up and gone on with.
        for step in [50, 400, 600] {
            let graph = StoredGraph::open(&store);
            let mut id = tip;
            for _ in step..600 {
                id = told(&commits, &id).1[0];
            }
            assert_eq!(told(&graph, &id).0.generation, Some(step));
            graph.save();
        }
        drop(graph);
        let again = StoredGraph::open(&store);
        let mut id = tip;
        for step in (1..=600).rev() {
            let (age, parents, tree) = told(&again, &id);
            assert_eq!(age.generation, Some(step));
            let age = Age { generation: None, ..age };
            assert_eq!((age, parents.clone(), tree), told(&commits, &id));
            id = parents.first().copied().unwrap_or(id);
        }
        assert!(again.fresh.borrow().commits.is_empty());
    }

    #[test]
    fn a_few_new_commits_are_counted_without_being_kept() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 31);
        for _ in 0..2 {
            let graph = StoredGraph::open(&store);
            graph.number(&tip).unwrap();
            assert_eq!(graph.fresh.borrow().commits.len(), 31);
            graph.save();
        }
        assert!(!disk.tree("/s/lookup").iter().any(|(path, _)| path.ends_with(b"graph.redb")));
    }

    #[test]
    fn of_two_that_count_at_once_one_is_kept() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 100);
        let (one, two) = (StoredGraph::open(&store), StoredGraph::open(&store));
        one.number(&tip).unwrap();
        // Numbered in another order, if there were more than one.
        two.number(&tip).unwrap();
        one.save();
        two.save();
        let graph = StoredGraph::open(&store);
        assert_eq!(told(&graph, &tip).0.generation, Some(100));
        assert_eq!(graph.table().count, 100);
    }

    #[test]
    fn whatever_is_damaged_the_answer_is_the_same_and_the_table_is_made_anew() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 300);
        let ask = || {
            StoredGraph::ask(&store, |graph| {
                let (mut number, mut length) = (graph.number(&tip)?, 1);
                loop {
                    let mut parents = Vec::new();
                    graph.id(number)?;
                    graph.tree(number)?;
                    graph.parents(number, &mut parents)?;
                    let Some(parent) = parents.first() else { return Ok::<_, Error>(length) };
                    (number, length) = (*parent, length + 1);
                }
            })
        };
        assert_eq!(ask().unwrap(), 300);
        let path = "/s/lookup/graph.redb";
        for (name, step) in [("", 997), (".log", 997)] {
            let path = format!("{path}{name}");
            let whole = disk.read(&path).unwrap();
            for at in (0..whole.len()).step_by(step) {
                let mut bytes = whole.clone();
                bytes[at] ^= 255;
                disk.write(&path, &bytes);
                assert_eq!(ask().unwrap(), 300, "{path} {at}");
                disk.write(&path, &whole);
            }
        }
        disk.write(path, b"nonsense");
        assert_eq!(ask().unwrap(), 300);
        assert_eq!(StoredGraph::open(&store).table().count, 300, "made anew");
    }

    #[test]
    fn once_it_is_known_which_paths_changed_no_tree_is_read() {
        let disk = MemoryDisk::new();
        let (store, tip) = chain(&disk, 600);
        StoredGraph::ask(&store, |graph| graph.number(&tip).map(|_| ())).unwrap();
        let shown = |path: &str| {
            let paths = Pathspec::of_paths([RepoPath::new(path).unwrap()]);
            let asked = Asked::new(&paths).unwrap();
            let graph = StoredGraph::open(&store);
            let unknown = Cell::new(0);
            let walk = Walk::new(&graph, Options { include: vec![tip], ..Options::default() });
            let walk = walk.comparing(|pair| {
                let known = graph.is_same(&asked, pair)?;
                unknown.set(unknown.get() + u32::from(known.is_none()));
                Ok(known.unwrap_or(true))
            });
            (walk.map(Result::unwrap).count(), unknown.get())
        };
        assert_eq!(shown("d/a"), (0, 600));
        StoredGraph::learn(&store, &Silent).unwrap();
        assert_eq!(shown("d/a"), (60, 0));
        assert_eq!(shown("d"), (60, 0));
        assert_eq!(shown("b"), (600, 0));
        assert_eq!(shown("a"), (0, 0));
        // What is known is not found out again.
        let before = disk.read("/s/lookup/graph.redb");
        StoredGraph::learn(&store, &Silent).unwrap();
        assert!(disk.read("/s/lookup/graph.redb") == before);
    }
}

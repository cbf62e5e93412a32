//! The commit graph: what one commit follows, without its words.
//!
//! Walks carry numbers about in place of ids, so that what they remember of a commit is a place in
//! an array. [`Commits`] decodes commits as they are asked for; [`super::StoredGraph`] keeps what
//! was counted in a table. Every walk works with either, and no answer may differ.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use crate::hash::{Id, IdHasher, IdMap};
use crate::object::{Commit, Source};

/// A commit's number in one graph, as long as that is open. Nothing follows from its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub(super) u32);

impl Number {
    /// As an index.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What decides when a walk looks at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// One more than the largest generation among its parents, 1 for a root; `None` if nobody has
    /// counted. A commit with a generation has only parents with one.
    pub generation: Option<u32>,
    /// When it was recorded, as the committer's clock had it.
    pub seconds: i64,
}

/// Gives commits by number.
pub trait Graph {
    /// What can go wrong.
    type Error;

    /// The number of a commit. It need not have been read.
    fn number(&self, id: &Id) -> Result<Number, Self::Error>;

    /// The commit of this number.
    fn id(&self, commit: Number) -> Result<Id, Self::Error>;

    /// How old it is.
    fn age(&self, commit: Number) -> Result<Age, Self::Error>;

    /// Adds the commits it follows, the one it was made on first.
    fn parents(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), Self::Error>;

    /// Its tree.
    fn tree(&self, commit: Number) -> Result<Id, Self::Error>;
}

/// The graph as the commits themselves tell it. Each is decoded once.
#[derive(Debug)]
pub struct Commits<'s, S> {
    source: &'s S,
    known: RefCell<Known>,
    keeps: bool,
}

/// Commits that were named, and what those say that were read.
#[derive(Debug, Default)]
struct Known {
    numbers: IdMap<Number>,
    commits: Vec<(Id, Option<Read>)>,
    parents: Vec<Number>,
    /// Decoded commits that nobody has taken yet.
    kept: HashMap<Number, Box<Commit>, BuildHasherDefault<IdHasher>>,
}

/// There are many of these: what is rarely asked for is read again.
#[derive(Clone, Copy, Debug)]
struct Read {
    seconds: i64,
    /// Where in the list of parents its own begin, and how many they are.
    parents: (u32, u32),
}

impl Read {
    fn parents(self) -> Range<usize> {
        let (first, count) = self.parents;
        first as usize..first as usize + count as usize
    }
}

/// Room for so many commits is made at once where all of them will be walked.
const ROOM: usize = 14_000;

impl Known {
    fn with_room() -> Self {
        Self {
            numbers: IdMap::with_capacity_and_hasher(ROOM, BuildHasherDefault::default()),
            commits: Vec::with_capacity(ROOM),
            parents: Vec::with_capacity(ROOM),
            ..Self::default()
        }
    }

    fn number(&mut self, id: &Id) -> Number {
        let next = Number(u32::try_from(self.commits.len()).unwrap_or(u32::MAX));
        match self.numbers.entry(*id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.commits.push((*id, None));
                *place.insert(next)
            }
        }
    }
}

impl<'s, S: Source> Commits<'s, S> {
    /// The commits of this source.
    pub fn new(source: &'s S) -> Self {
        Self { source, known: RefCell::default(), keeps: false }
    }

    /// The same, for a walk whose commits are shown: what was decoded is kept until it is taken.
    pub fn keeping(source: &'s S) -> Self {
        Self { source, known: RefCell::new(Known::with_room()), keeps: true }
    }

    /// The whole commit.
    pub fn take(&self, commit: Number) -> Result<Commit, S::Error> {
        let kept = self.known.borrow_mut().kept.remove(&commit);
        kept.map_or_else(|| self.source.object(&self.id(commit)?), |kept| Ok(*kept))
    }

    /// Shows the whole commit and leaves it where it is.
    pub fn with<T>(&self, commit: Number, show: impl FnOnce(&Commit) -> T) -> Result<T, S::Error> {
        if let Some(kept) = self.known.borrow().kept.get(&commit) {
            return Ok(show(kept));
        }
        Ok(show(&self.source.object(&self.id(commit)?)?))
    }

    fn read(&self, number: Number) -> Result<Read, S::Error> {
        let id = match &self.known.borrow().commits[number.index()] {
            (_, Some(read)) => return Ok(*read),
            (id, None) => *id,
        };
        let commit: Commit = self.source.object(&id)?;
        let known = &mut *self.known.borrow_mut();
        let start = known.parents.len();
        for parent in &commit.parents {
            let parent = known.number(parent);
            known.parents.push(parent);
        }
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let parents = (place(start), place(known.parents.len() - start));
        let read = Read { seconds: commit.committer.seconds, parents };
        known.commits[number.index()].1 = Some(read);
        if self.keeps {
            known.kept.insert(number, Box::new(commit));
        }
        Ok(read)
    }
}

impl<S: Source> Graph for Commits<'_, S> {
    type Error = S::Error;

    fn number(&self, id: &Id) -> Result<Number, S::Error> {
        Ok(self.known.borrow_mut().number(id))
    }

    fn id(&self, commit: Number) -> Result<Id, S::Error> {
        Ok(self.known.borrow().commits[commit.index()].0)
    }

    fn age(&self, commit: Number) -> Result<Age, S::Error> {
        Ok(Age { generation: None, seconds: self.read(commit)?.seconds })
    }

    fn parents(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), S::Error> {
        let read = self.read(commit)?;
        into.extend_from_slice(&self.known.borrow().parents[read.parents()]);
        Ok(())
    }

    /// Decodes the commit again, unless it is kept.
    fn tree(&self, commit: Number) -> Result<Id, S::Error> {
        self.with(commit, |commit| commit.tree)
    }
}

/// What a walk remembers of each commit it has met: a byte of marks, by number.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u8>);

impl Marks {
    pub(super) fn get(&self, commit: Number) -> u8 {
        self.0.get(commit.index()).copied().unwrap_or(0)
    }

    pub(super) fn get_mut(&mut self, commit: Number) -> &mut u8 {
        let at = commit.index();
        if at >= self.0.len() {
            self.0.resize((at + 1).max(self.0.len() * 2), 0);
        }
        &mut self.0[at]
    }

    /// Sets these marks; says whether one of them is new.
    pub(super) fn add(&mut self, commit: Number, marks: u8) -> bool {
        let known = self.get_mut(commit);
        let is_new = *known & marks != marks;
        *known |= marks;
        is_new
    }
}

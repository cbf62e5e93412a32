//! The walk that lists first: some commits are left out, or parents must not come before children.
//!
//! Whether a commit is left out may become known only after it was reached, when a clock was wrong.
//! Like git, the walk goes on for a few commits after nothing but left-out ones are waiting. Where
//! the graph has generations it goes on until no left-out commit can reach one that is listed, and
//! the answer is exact whatever the clocks say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::hash::Id;
use crate::history::{Graph, GraphCommit};

use super::{Follow, Followed, Options, Order, Same, Step, simplify};

/// How many left-out commits are looked at after the last one of interest.
const SLOP: u8 = 5;

/// It is left out.
const LEFT_OUT: u8 = 1;
/// It was named as one to leave out: a boundary that is compared with as if it were shown.
const BOTTOM: u8 = 2;
const SEEN: u8 = 4;
const QUEUED: u8 = 8;
const SAME: u8 = 16;

#[derive(Default)]
struct Known {
    flags: u8,
    commit: Option<GraphCommit>,
    /// Of its parents, the only one that is followed.
    only: Option<usize>,
}

impl Known {
    fn parents(&self) -> &[Id] {
        match (&self.commit, self.only) {
            (None, _) => &[],
            (Some(commit), None) => &commit.parents,
            (Some(commit), Some(only)) => &commit.parents[only..=only],
        }
    }
}

/// Commits that have been listed.
pub(super) struct Limit {
    known: HashMap<Id, Known>,
    /// The last one comes first.
    listed: Vec<Id>,
}

impl Limit {
    pub(super) fn new<G: Graph>(
        graph: &G,
        options: &Options,
        same: &mut Option<Same<'_, G::Error>>,
    ) -> Result<Self, G::Error> {
        let mut listing = Listing {
            graph,
            options,
            known: HashMap::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            interesting: 0,
        };
        let mut listed = listing.list(same)?;
        let known = listing.known;
        match options.order {
            Order::Time => {}
            Order::Topological => listed = sorted(&known, &listed, &mut Latest::default()),
            Order::TopologicalByTime => listed = sorted(&known, &listed, &mut Newest::default()),
        }
        listed.reverse();
        Ok(Self { known, listed })
    }

    pub(super) fn next(&mut self) -> Option<Followed> {
        while let Some(id) = self.listed.pop() {
            let known = self.known.get_mut(&id)?;
            if known.flags & LEFT_OUT == 0 {
                let is_same = known.flags & SAME != 0;
                return Some(Followed { step: Step { id, commit: known.commit.take()? }, is_same });
            }
        }
        None
    }
}

struct Listing<'w, G> {
    graph: &'w G,
    options: &'w Options,
    known: HashMap<Id, Known>,
    /// Newest first; of one age, the one that came first.
    queue: BinaryHeap<(i64, Reverse<u64>, Id)>,
    queued: u64,
    /// How many in the queue are not left out.
    interesting: usize,
}

impl<G: Graph> Listing<'_, G> {
    fn list(&mut self, same: &mut Option<Same<'_, G::Error>>) -> Result<Vec<Id>, G::Error> {
        let (exclude, include) = (&self.options.exclude, &self.options.include);
        for id in exclude {
            self.load(id)?;
            self.leave_out(id);
            self.known.entry(*id).or_default().flags |= BOTTOM;
            self.leave_out_parents(id);
        }
        for id in include.iter().chain(exclude) {
            self.enqueue(id)?;
        }
        let mut listed = Vec::new();
        let (mut slop, mut last) = (SLOP, i64::MAX);
        while let Some((seconds, _, id)) = self.pop() {
            if self.options.since.is_some_and(|since| seconds < since) {
                self.leave_out(&id);
            }
            if self.is_left_out(&id) {
                self.follow_left_out(&id)?;
                slop = match self.queue.peek() {
                    None => 0,
                    Some((next, ..)) if last <= *next || self.interesting > 0 => SLOP,
                    Some(_) => slop - 1,
                };
                if slop == 0 {
                    break;
                }
                continue;
            }
            self.follow(&id, same)?;
            // Parents of a commit that is too new are listed, but it does not stand between them.
            if self.options.until.is_none_or(|until| seconds <= until) {
                last = seconds;
                listed.push(id);
            }
        }
        self.settle(&listed)?;
        Ok(listed)
    }

    fn pop(&mut self) -> Option<(i64, Reverse<u64>, Id)> {
        let turn = self.queue.pop()?;
        let known = self.known.entry(turn.2).or_default();
        known.flags &= !QUEUED;
        self.interesting -= usize::from(known.flags & LEFT_OUT == 0);
        Some(turn)
    }

    fn enqueue(&mut self, id: &Id) -> Result<(), G::Error> {
        let seconds = self.load(id)?;
        let known = self.known.entry(*id).or_default();
        if known.flags & SEEN == 0 {
            known.flags |= SEEN | QUEUED;
            self.queued += 1;
            self.interesting += usize::from(known.flags & LEFT_OUT == 0);
            self.queue.push((seconds, Reverse(self.queued), *id));
        }
        Ok(())
    }

    /// Reads a commit unless that was done; gives its time.
    fn load(&mut self, id: &Id) -> Result<i64, G::Error> {
        let known = self.known.entry(*id).or_default();
        if let Some(commit) = &known.commit {
            return Ok(commit.seconds);
        }
        let commit = self.graph.commit(id)?;
        let seconds = commit.seconds;
        known.commit = Some(commit);
        Ok(seconds)
    }

    fn is_left_out(&self, id: &Id) -> bool {
        self.known.get(id).is_some_and(|known| known.flags & LEFT_OUT != 0)
    }

    /// Leaves a commit out; says whether that is new.
    fn leave_out(&mut self, id: &Id) -> bool {
        let known = self.known.entry(*id).or_default();
        if known.flags & LEFT_OUT != 0 {
            return false;
        }
        known.flags |= LEFT_OUT;
        self.interesting -= usize::from(known.flags & QUEUED != 0);
        true
    }

    /// Leaves out what a commit follows, as far down as it is known by now.
    fn leave_out_parents(&mut self, id: &Id) {
        let mut open = vec![*id];
        while let Some(id) = open.pop() {
            let parents =
                self.known.get(&id).map_or_else(Vec::new, |known| known.parents().to_vec());
            for parent in parents {
                if self.leave_out(&parent) {
                    open.push(parent);
                }
            }
        }
    }

    fn parents(&self, id: &Id) -> Vec<Id> {
        let commit = self.known.get(id).and_then(|known| known.commit.as_ref());
        commit.map_or_else(Vec::new, |commit| commit.parents.clone())
    }

    fn follow_left_out(&mut self, id: &Id) -> Result<(), G::Error> {
        for parent in self.parents(id) {
            self.leave_out(&parent);
            self.load(&parent)?;
            self.leave_out_parents(&parent);
            self.enqueue(&parent)?;
        }
        self.leave_out_parents(id);
        Ok(())
    }

    fn follow(&mut self, id: &Id, same: &mut Option<Same<'_, G::Error>>) -> Result<(), G::Error> {
        let mut parents = self.parents(id);
        if self.options.follow == Follow::First {
            parents.truncate(1);
        }
        if let Some(same) = same {
            let mut trees = Vec::new();
            for parent in &parents {
                self.load(parent)?;
                let known = self.known.entry(*parent).or_default();
                let is_relevant = known.flags & (LEFT_OUT | BOTTOM) != LEFT_OUT;
                trees.extend(known.commit.as_ref().map(|commit| (commit.tree, is_relevant)));
            }
            let known = self.known.entry(*id).or_default();
            if let Some(commit) = &known.commit {
                let simplified = simplify(same, &commit.tree, &trees, self.options.follow)?;
                known.only = simplified.only;
                known.flags |= if simplified.is_same { SAME } else { 0 };
                if let Some(only) = simplified.only {
                    parents = vec![parents[only]];
                }
            }
        }
        for parent in parents {
            self.enqueue(&parent)?;
        }
        Ok(())
    }

    /// Follows left-out commits down to the lowest generation that is listed. Without generations
    /// this would be the whole history, and the slop must do.
    fn settle(&mut self, listed: &[Id]) -> Result<(), G::Error> {
        let generation = |known: &HashMap<Id, Known>, id: &Id| {
            known.get(id).and_then(|known| known.commit.as_ref()?.generation)
        };
        let shown = listed.iter().filter(|id| !self.is_left_out(id));
        let Some(lowest) = shown.filter_map(|id| generation(&self.known, id)).min() else {
            return Ok(());
        };
        let mut open = BinaryHeap::new();
        for (.., id) in &self.queue {
            let Some(generation) = generation(&self.known, id) else { return Ok(()) };
            open.push((generation, *id));
        }
        while let Some((generation, id)) = open.pop() {
            if generation <= lowest {
                break;
            }
            for parent in self.parents(&id) {
                self.leave_out(&parent);
                self.load(&parent)?;
                self.leave_out_parents(&parent);
                let known = self.known.entry(parent).or_default();
                if known.flags & SEEN == 0 {
                    known.flags |= SEEN;
                    let counted = known.commit.as_ref().and_then(|commit| commit.generation);
                    open.push((counted.unwrap_or(0), parent));
                }
            }
        }
        Ok(())
    }
}

/// Commits whose children have all been put in order, and which of them comes next.
trait Ready {
    fn start(&mut self, tips: Vec<(i64, Id)>);
    fn push(&mut self, seconds: i64, id: Id);
    fn pop(&mut self) -> Option<Id>;
}

/// The one that became ready last.
#[derive(Default)]
struct Latest(Vec<Id>);

impl Ready for Latest {
    fn start(&mut self, tips: Vec<(i64, Id)>) {
        self.0.extend(tips.into_iter().rev().map(|(_, id)| id));
    }

    fn push(&mut self, _: i64, id: Id) {
        self.0.push(id);
    }

    fn pop(&mut self) -> Option<Id> {
        self.0.pop()
    }
}

/// The newest; of one age, the one that became ready first.
#[derive(Default)]
struct Newest {
    queue: BinaryHeap<(i64, Reverse<usize>, Id)>,
    pushed: usize,
}

impl Ready for Newest {
    fn start(&mut self, tips: Vec<(i64, Id)>) {
        for (seconds, id) in tips {
            self.push(seconds, id);
        }
    }

    fn push(&mut self, seconds: i64, id: Id) {
        self.pushed += 1;
        self.queue.push((seconds, Reverse(self.pushed), id));
    }

    fn pop(&mut self) -> Option<Id> {
        self.queue.pop().map(|(.., id)| id)
    }
}

/// The same commits with no parent before any of its children.
fn sorted(known: &HashMap<Id, Known>, listed: &[Id], ready: &mut impl Ready) -> Vec<Id> {
    let mut children: HashMap<Id, usize> = listed.iter().map(|id| (*id, 0)).collect();
    let parents = |id: &Id| known.get(id).map_or(&[][..], Known::parents);
    let seconds = |id: &Id| {
        known.get(id).and_then(|known| known.commit.as_ref()).map_or(0, |commit| commit.seconds)
    };
    for parent in listed.iter().flat_map(parents) {
        if let Some(count) = children.get_mut(parent) {
            *count += 1;
        }
    }
    let tips = listed.iter().filter(|id| children.get(id) == Some(&0));
    ready.start(tips.map(|id| (seconds(id), *id)).collect());
    let mut sorted = Vec::with_capacity(listed.len());
    while let Some(id) = ready.pop() {
        for parent in parents(&id) {
            if let Some(count) = children.get_mut(parent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(seconds(parent), *parent);
                }
            }
        }
        sorted.push(id);
    }
    sorted
}

//! The walk that lists first: some commits are left out, or parents must not come before children.
//!
//! Whether a commit is left out may become known only after it was reached, when a clock was wrong.
//! Like git, the walk goes on for a few commits after nothing but left-out ones are waiting. Where
//! the graph has generations it goes on until no left-out commit can reach one that is listed, and
//! the answer is exact whatever the clocks say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::history::graph::Marks;
use crate::history::{Graph, Number};

use super::{Follow, Followed, Options, Order, Same, simplify};

/// How many left-out commits are looked at after the last one of interest.
const SLOP: u8 = 5;

/// It is left out.
const LEFT_OUT: u8 = 1;
/// It was named as one to leave out: a boundary that is compared with as if it were shown.
const BOTTOM: u8 = 2;
const SEEN: u8 = 4;
const QUEUED: u8 = 8;
const SAME: u8 = 16;
/// It was met: what it follows may be left out with it.
const LOADED: u8 = 32;
const LISTED: u8 = 64;

/// Commits that have been listed.
pub(super) struct Limit {
    marks: Marks,
    only: HashMap<Number, usize>,
    /// The last one comes first.
    listed: Vec<(Number, i64)>,
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
            marks: Marks::default(),
            only: HashMap::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            interesting: 0,
        };
        let mut listed = listing.list(same)?;
        match options.order {
            Order::Time => {}
            Order::Topological => listed = listing.sorted(&listed, &mut Latest::default())?,
            Order::TopologicalByTime => listed = listing.sorted(&listed, &mut Newest::default())?,
        }
        listed.reverse();
        Ok(Self { marks: listing.marks, only: listing.only, listed })
    }

    /// The commit, if it was listed and is not left out.
    pub(super) fn listed<G: Graph>(
        &self,
        graph: &G,
        commit: Number,
    ) -> Result<Option<Followed>, G::Error> {
        let marks = self.marks.get(commit);
        if marks & (LISTED | LEFT_OUT) != LISTED {
            return Ok(None);
        }
        let seconds = graph.age(commit)?.seconds;
        Ok(Some(Followed { commit, seconds, is_same: marks & SAME != 0 }))
    }

    /// The first commit, from `parent` down along the only line that is followed, that changes
    /// something; `None` if there is none, or the line from `commit` to `parent` is not followed.
    pub(super) fn next_below<G: Graph>(
        &self,
        graph: &G,
        follow: Follow,
        commit: Number,
        parent: Number,
    ) -> Result<Option<Number>, G::Error> {
        let mut parents = Vec::new();
        let mut followed = |commit: Number| -> Result<Vec<Number>, G::Error> {
            parents.clear();
            graph.parents(commit, &mut parents)?;
            if follow == Follow::First {
                parents.truncate(1);
            }
            Ok(match self.only.get(&commit) {
                Some(only) => vec![parents[*only]],
                None => parents.clone(),
            })
        };
        if !followed(commit)?.contains(&parent) {
            return Ok(None);
        }
        let mut next = parent;
        while self.marks.get(next) & (SAME | LEFT_OUT) == SAME {
            match followed(next)?[..] {
                [below] => next = below,
                [] => return Ok(None),
                _ => break,
            }
        }
        Ok(Some(next))
    }

    pub(super) fn next(&mut self) -> Option<Followed> {
        while let Some((commit, seconds)) = self.listed.pop() {
            let marks = self.marks.get(commit);
            if marks & LEFT_OUT == 0 {
                return Some(Followed { commit, seconds, is_same: marks & SAME != 0 });
            }
        }
        None
    }
}

struct Listing<'w, G> {
    graph: &'w G,
    options: &'w Options,
    marks: Marks,
    /// Of the parents of a commit, the only one that is followed.
    only: HashMap<Number, usize>,
    /// Newest first; of one age, the one that came first.
    queue: BinaryHeap<(i64, Reverse<u64>, Number)>,
    queued: u64,
    /// How many in the queue are not left out.
    interesting: usize,
}

impl<G: Graph> Listing<'_, G> {
    fn list(
        &mut self,
        same: &mut Option<Same<'_, G::Error>>,
    ) -> Result<Vec<(Number, i64)>, G::Error> {
        let mut tips = Vec::new();
        for id in &self.options.include {
            tips.push(self.graph.number(id)?);
        }
        for id in &self.options.exclude {
            let commit = self.graph.number(id)?;
            self.leave_out(commit);
            self.marks.add(commit, BOTTOM | LOADED);
            self.leave_out_parents(commit)?;
            tips.push(commit);
        }
        for commit in tips {
            self.enqueue(commit)?;
        }
        let mut listed = Vec::new();
        let (mut slop, mut last) = (SLOP, i64::MAX);
        while let Some((seconds, _, commit)) = self.pop() {
            if self.options.since.is_some_and(|since| seconds < since) {
                self.leave_out(commit);
            }
            if self.is_left_out(commit) {
                self.follow_left_out(commit)?;
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
            self.follow(commit, same)?;
            // Parents of a commit that is too new are listed, but it does not stand between them.
            if self.options.until.is_none_or(|until| seconds <= until) {
                last = seconds;
                self.marks.add(commit, LISTED);
                listed.push((commit, seconds));
            }
        }
        self.settle(&listed)?;
        Ok(listed)
    }

    fn pop(&mut self) -> Option<(i64, Reverse<u64>, Number)> {
        let turn = self.queue.pop()?;
        let marks = self.marks.get_mut(turn.2);
        *marks &= !QUEUED;
        self.interesting -= usize::from(*marks & LEFT_OUT == 0);
        Some(turn)
    }

    fn enqueue(&mut self, commit: Number) -> Result<(), G::Error> {
        if self.marks.get(commit) & SEEN == 0 {
            self.marks.add(commit, SEEN | LOADED | QUEUED);
            self.queued += 1;
            self.interesting += usize::from(!self.is_left_out(commit));
            self.queue.push((self.graph.age(commit)?.seconds, Reverse(self.queued), commit));
        }
        Ok(())
    }

    fn is_left_out(&self, commit: Number) -> bool {
        self.marks.get(commit) & LEFT_OUT != 0
    }

    /// Leaves a commit out; says whether that is new.
    fn leave_out(&mut self, commit: Number) -> bool {
        let is_new = self.marks.add(commit, LEFT_OUT);
        self.interesting -= usize::from(is_new && self.marks.get(commit) & QUEUED != 0);
        is_new
    }

    /// Leaves out what a commit follows, as far down as it was met by now.
    fn leave_out_parents(&mut self, commit: Number) -> Result<(), G::Error> {
        let (mut open, mut parents) = (vec![commit], Vec::new());
        while let Some(commit) = open.pop() {
            if self.marks.get(commit) & LOADED == 0 {
                continue;
            }
            self.followed(commit, &mut parents)?;
            for parent in parents.drain(..) {
                if self.leave_out(parent) {
                    open.push(parent);
                }
            }
        }
        Ok(())
    }

    fn follow_left_out(&mut self, commit: Number) -> Result<(), G::Error> {
        let mut parents = Vec::new();
        self.graph.parents(commit, &mut parents)?;
        for parent in parents {
            self.leave_out(parent);
            self.marks.add(parent, LOADED);
            self.leave_out_parents(parent)?;
            self.enqueue(parent)?;
        }
        self.leave_out_parents(commit)
    }

    /// The parents of a commit that are followed.
    fn followed(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), G::Error> {
        self.graph.parents(commit, into)?;
        if let Some(only) = self.only.get(&commit) {
            let only = into[*only];
            into.clear();
            into.push(only);
        }
        Ok(())
    }

    fn follow(
        &mut self,
        commit: Number,
        same: &mut Option<Same<'_, G::Error>>,
    ) -> Result<(), G::Error> {
        let mut parents = Vec::new();
        self.graph.parents(commit, &mut parents)?;
        if self.options.follow == Follow::First {
            parents.truncate(1);
        }
        if let Some(same) = same {
            let mut compared = Vec::new();
            for parent in &parents {
                self.marks.add(*parent, LOADED);
                let is_relevant = self.marks.get(*parent) & (LEFT_OUT | BOTTOM) != LEFT_OUT;
                compared.push((*parent, is_relevant));
            }
            let simplified = simplify(same, commit, &compared, self.options.follow)?;
            if simplified.is_same {
                self.marks.add(commit, SAME);
            }
            if let Some(only) = simplified.only {
                self.only.insert(commit, only);
                parents = vec![parents[only]];
            }
        }
        for parent in parents {
            self.enqueue(parent)?;
        }
        Ok(())
    }

    /// Follows left-out commits down to the lowest generation that is listed. Without generations
    /// this would be the whole history, and the slop must do.
    fn settle(&mut self, listed: &[(Number, i64)]) -> Result<(), G::Error> {
        let mut lowest = None;
        for (commit, _) in listed.iter().filter(|(commit, _)| !self.is_left_out(*commit)) {
            let Some(generation) = self.graph.age(*commit)?.generation else { return Ok(()) };
            lowest = Some(lowest.map_or(generation, |lowest: u32| lowest.min(generation)));
        }
        let Some(lowest) = lowest else { return Ok(()) };
        let mut open = BinaryHeap::new();
        for (.., commit) in &self.queue {
            let Some(generation) = self.graph.age(*commit)?.generation else { return Ok(()) };
            open.push((generation, *commit));
        }
        let mut parents = Vec::new();
        while let Some((generation, commit)) = open.pop() {
            if generation <= lowest {
                break;
            }
            self.graph.parents(commit, &mut parents)?;
            for parent in parents.drain(..) {
                self.leave_out(parent);
                self.marks.add(parent, LOADED);
                self.leave_out_parents(parent)?;
                if self.marks.add(parent, SEEN) {
                    open.push((self.graph.age(parent)?.generation.unwrap_or(0), parent));
                }
            }
        }
        Ok(())
    }

    /// The same commits with no parent before any of its children.
    fn sorted(
        &self,
        listed: &[(Number, i64)],
        ready: &mut impl Ready,
    ) -> Result<Vec<(Number, i64)>, G::Error> {
        let mut children: HashMap<Number, usize> =
            listed.iter().map(|(commit, _)| (*commit, 0)).collect();
        let mut parents = Vec::new();
        for (commit, _) in listed {
            self.followed(*commit, &mut parents)?;
            for parent in parents.drain(..) {
                if let Some(count) = children.get_mut(&parent) {
                    *count += 1;
                }
            }
        }
        let tips = listed.iter().filter(|(commit, _)| children.get(commit) == Some(&0));
        ready.start(tips.copied().collect());
        let mut sorted = Vec::with_capacity(listed.len());
        while let Some((commit, seconds)) = ready.pop() {
            self.followed(commit, &mut parents)?;
            for parent in parents.drain(..) {
                if let Some(count) = children.get_mut(&parent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(parent, self.graph.age(parent)?.seconds);
                    }
                }
            }
            sorted.push((commit, seconds));
        }
        Ok(sorted)
    }
}

/// Commits whose children have all been put in order, and which of them comes next.
trait Ready {
    fn start(&mut self, tips: Vec<(Number, i64)>);
    fn push(&mut self, commit: Number, seconds: i64);
    fn pop(&mut self) -> Option<(Number, i64)>;
}

/// The one that became ready last.
#[derive(Default)]
struct Latest(Vec<(Number, i64)>);

impl Ready for Latest {
    fn start(&mut self, tips: Vec<(Number, i64)>) {
        self.0.extend(tips.into_iter().rev());
    }

    fn push(&mut self, commit: Number, seconds: i64) {
        self.0.push((commit, seconds));
    }

    fn pop(&mut self) -> Option<(Number, i64)> {
        self.0.pop()
    }
}

/// The newest; of one age, the one that became ready first.
#[derive(Default)]
struct Newest {
    queue: BinaryHeap<(i64, Reverse<usize>, Number)>,
    pushed: usize,
}

impl Ready for Newest {
    fn start(&mut self, tips: Vec<(Number, i64)>) {
        for (commit, seconds) in tips {
            self.push(commit, seconds);
        }
    }

    fn push(&mut self, commit: Number, seconds: i64) {
        self.pushed += 1;
        self.queue.push((seconds, Reverse(self.pushed), commit));
    }

    fn pop(&mut self) -> Option<(Number, i64)> {
        self.queue.pop().map(|(seconds, _, commit)| (commit, seconds))
    }
}

//! The lazy walk: nothing is left out, so a commit can be shown as soon as it is reached.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::history::graph::Marks;
use crate::history::{Graph, Number};

use super::{Follow, Followed, Options, Same, Simplified, simplify};

/// Newest first; of one age, the one that came first.
type Turn = (i64, Reverse<u64>);

const SEEN: u8 = 1;

pub(super) struct Stream {
    queue: BinaryHeap<(Turn, Number)>,
    marks: Marks,
    queued: u64,
    parents: Vec<Number>,
}

impl Stream {
    pub(super) fn new<G: Graph>(graph: &G, options: &Options) -> Result<Self, G::Error> {
        let (queue, marks, parents) = (BinaryHeap::new(), Marks::default(), Vec::new());
        let mut stream = Self { queue, marks, queued: 0, parents };
        for id in &options.include {
            stream.add(graph, graph.number(id)?)?;
        }
        Ok(stream)
    }

    fn add<G: Graph>(&mut self, graph: &G, commit: Number) -> Result<(), G::Error> {
        if self.marks.add(commit, SEEN) {
            self.queued += 1;
            self.queue.push(((graph.age(commit)?.seconds, Reverse(self.queued)), commit));
        }
        Ok(())
    }

    pub(super) fn next<G: Graph>(
        &mut self,
        graph: &G,
        options: &Options,
        same: &mut Option<Same<'_, G::Error>>,
    ) -> Result<Option<Followed>, G::Error> {
        while let Some(((seconds, _), commit)) = self.queue.pop() {
            if options.since.is_some_and(|since| seconds < since) {
                continue;
            }
            let is_same = self.follow(graph, options, same, commit)?;
            return Ok(Some(Followed { commit, seconds, is_same }));
        }
        Ok(None)
    }

    /// Queues the parents that are followed, and says whether the commit changes nothing.
    fn follow<G: Graph>(
        &mut self,
        graph: &G,
        options: &Options,
        same: &mut Option<Same<'_, G::Error>>,
        commit: Number,
    ) -> Result<bool, G::Error> {
        let mut parents = std::mem::take(&mut self.parents);
        parents.clear();
        graph.parents(commit, &mut parents)?;
        if options.follow == Follow::First {
            parents.truncate(1);
        }
        let mut is_same = false;
        let mut followed = 0..parents.len();
        if let Some(same) = same {
            let compared: Vec<_> = parents.iter().map(|parent| (*parent, true)).collect();
            let simplified: Simplified = simplify(same, commit, &compared, options.follow)?;
            is_same = simplified.is_same;
            if let Some(only) = simplified.only {
                followed = only..only + 1;
            }
        }
        for parent in &parents[followed] {
            self.add(graph, *parent)?;
        }
        self.parents = parents;
        Ok(is_same)
    }
}

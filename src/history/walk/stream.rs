//! The lazy walk: nothing is left out, so a commit can be shown as soon as it is reached.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::hash::Id;
use crate::history::{Graph, GraphCommit};

use super::{Follow, Followed, Options, Same, Simplified, Step, simplify};

/// Newest first; of one age, the one that came first.
type Turn = (i64, Reverse<u64>);

pub(super) struct Stream {
    queue: BinaryHeap<(Turn, Id)>,
    /// The commits in the queue.
    waiting: HashMap<Id, GraphCommit>,
    /// Every commit that was ever queued, with its tree.
    seen: HashMap<Id, Id>,
    queued: u64,
}

impl Stream {
    pub(super) fn new<G: Graph>(graph: &G, options: &Options) -> Result<Self, G::Error> {
        let (queue, waiting, seen) = (BinaryHeap::new(), HashMap::new(), HashMap::new());
        let mut stream = Self { queue, waiting, seen, queued: 0 };
        for id in &options.include {
            stream.add(graph, id)?;
        }
        Ok(stream)
    }

    fn add<G: Graph>(&mut self, graph: &G, id: &Id) -> Result<(), G::Error> {
        if self.seen.contains_key(id) {
            return Ok(());
        }
        let commit = graph.commit(id)?;
        self.enqueue(*id, commit);
        Ok(())
    }

    fn enqueue(&mut self, id: Id, commit: GraphCommit) {
        self.queued += 1;
        self.queue.push(((commit.seconds, Reverse(self.queued)), id));
        self.seen.insert(id, commit.tree);
        self.waiting.insert(id, commit);
    }

    pub(super) fn next<G: Graph>(
        &mut self,
        graph: &G,
        options: &Options,
        same: &mut Option<Same<'_, G::Error>>,
    ) -> Result<Option<Followed>, G::Error> {
        while let Some((_, id)) = self.queue.pop() {
            let Some(commit) = self.waiting.remove(&id) else { continue };
            if options.since.is_some_and(|since| commit.seconds < since) {
                continue;
            }
            let is_same = self.follow(graph, options, same, &commit)?;
            return Ok(Some(Followed { step: Step { id, commit }, is_same }));
        }
        Ok(None)
    }

    /// Queues the parents that are followed, and says whether the commit changes nothing.
    fn follow<G: Graph>(
        &mut self,
        graph: &G,
        options: &Options,
        same: &mut Option<Same<'_, G::Error>>,
        commit: &GraphCommit,
    ) -> Result<bool, G::Error> {
        let followed = match options.follow {
            Follow::All => &commit.parents[..],
            Follow::First => &commit.parents[..commit.parents.len().min(1)],
        };
        let Some(same) = same else {
            for parent in followed {
                self.add(graph, parent)?;
            }
            return Ok(false);
        };
        let (mut read, mut trees) = (Vec::new(), Vec::new());
        for parent in followed {
            let (tree, commit) = match self.seen.get(parent) {
                Some(tree) => (*tree, None),
                None => {
                    let commit = graph.commit(parent)?;
                    (commit.tree, Some(commit))
                }
            };
            trees.push((tree, true));
            read.push((*parent, commit));
        }
        let Simplified { only, is_same } = simplify(same, &commit.tree, &trees, options.follow)?;
        for (index, (parent, commit)) in read.into_iter().enumerate() {
            if only.is_none_or(|only| only == index)
                && let Some(commit) = commit
                && !self.seen.contains_key(&parent)
            {
                self.enqueue(parent, commit);
            }
        }
        Ok(is_same)
    }
}

//! Ancestors: the commits that two lines of work have in common.
//!
//! Commits are read as they are needed, from the tips down. Answers are right whatever the
//! committers' clocks say: a date, or a generation where the graph knows it, only decides what is
//! looked at first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::hash::Id;

use super::graph::Marks;
use super::{Age, Graph, Number};

/// The best common ancestors of two commits, newest first: those that are not themselves ancestors
/// of another common one. Several if histories cross, none if they are unrelated.
pub fn merge_bases<G: Graph>(graph: &G, a: &Id, b: &Id) -> Result<Vec<Id>, G::Error> {
    merge_bases_many(graph, a, std::slice::from_ref(b))
}

/// The best common ancestors of `one` and a merge of all `others`, newest first.
pub fn merge_bases_many<G: Graph>(graph: &G, one: &Id, others: &[Id]) -> Result<Vec<Id>, G::Error> {
    let bases = common(graph, graph.number(one)?, &numbers(graph, others)?)?;
    newest_first(graph, bases)
}

/// The best common ancestors of all of these together, as an octopus merge needs them.
pub fn octopus<G: Graph>(graph: &G, commits: &[Id]) -> Result<Vec<Id>, G::Error> {
    let commits = numbers(graph, commits)?;
    let Some((first, others)) = commits.split_first() else { return Ok(Vec::new()) };
    let mut bases = vec![*first];
    for other in others {
        let mut next = Vec::new();
        for base in bases {
            next.extend(common(graph, base, &[*other])?);
        }
        bases = maximal(graph, next)?;
    }
    newest_first(graph, bases)
}

/// Whether `ancestor` is `descendant` or was recorded on the way to it.
pub fn is_ancestor<G: Graph>(graph: &G, ancestor: &Id, descendant: &Id) -> Result<bool, G::Error> {
    let (ancestor, descendant) = (graph.number(ancestor)?, graph.number(descendant)?);
    if ancestor == descendant {
        return Ok(true);
    }
    let mut paint = Paint::new(graph);
    paint.add(ancestor, FIRST)?;
    paint.add(descendant, SECOND)?;
    let lowest = graph.age(ancestor)?.generation;
    if let (Some(lowest), Some(highest)) = (lowest, graph.age(descendant)?.generation)
        && lowest >= highest
    {
        return Ok(false);
    }
    paint.lowest = lowest;
    while paint.step()?.is_some() {
        if paint.has(ancestor, SECOND) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of `commits` that no other of them reaches, each once, in the order given.
pub fn independent<G: Graph>(graph: &G, commits: &[Id]) -> Result<Vec<Id>, G::Error> {
    maximal(graph, numbers(graph, commits)?)?.into_iter().map(|commit| graph.id(commit)).collect()
}

fn numbers<G: Graph>(graph: &G, commits: &[Id]) -> Result<Vec<Number>, G::Error> {
    commits.iter().map(|commit| graph.number(commit)).collect()
}

/// The best common ancestors of `one` and a merge of all `others`, in no order.
fn common<G: Graph>(graph: &G, one: Number, others: &[Number]) -> Result<Vec<Number>, G::Error> {
    let mut paint = Paint::new(graph);
    paint.add(one, FIRST)?;
    for other in others {
        paint.add(*other, SECOND)?;
    }
    let mut found = Vec::new();
    while let Some(commit) = paint.step()? {
        if paint.marks.get(commit) & (BOTH | STALE) == BOTH {
            found.push(commit);
        }
    }
    // Some turned out to lie below another.
    found.retain(|commit| !paint.has(*commit, STALE));
    maximal(graph, found)
}

/// Leaves out what another one reaches, and what was there before.
fn maximal<G: Graph>(graph: &G, mut commits: Vec<Number>) -> Result<Vec<Number>, G::Error> {
    let mut seen = HashSet::new();
    commits.retain(|commit| seen.insert(*commit));
    let mut at = 0;
    while commits.len() > 1 && at < commits.len() {
        let mut paint = Paint::new(graph);
        for (index, commit) in commits.iter().enumerate() {
            paint.add(*commit, if index == at { FIRST } else { SECOND })?;
        }
        let this = commits[at];
        let mut is_reached = paint.has(this, SECOND);
        while !is_reached && paint.step()?.is_some() {
            is_reached = paint.has(this, SECOND);
        }
        if is_reached {
            commits.remove(at);
            continue;
        }
        // What this one reaches is no candidate either, and is known now.
        commits.retain(|commit| *commit == this || !paint.has(*commit, FIRST));
        at = commits.iter().position(|commit| *commit == this).map_or(0, |index| index + 1);
    }
    Ok(commits)
}

fn newest_first<G: Graph>(graph: &G, commits: Vec<Number>) -> Result<Vec<Id>, G::Error> {
    let mut dated = Vec::with_capacity(commits.len());
    for commit in commits {
        dated.push((Reverse(graph.age(commit)?.seconds), graph.id(commit)?));
    }
    dated.sort();
    Ok(dated.into_iter().map(|(_, commit)| commit).collect())
}

const FIRST: u8 = 1;
const SECOND: u8 = 2;
const BOTH: u8 = FIRST | SECOND;
/// An ancestor of a common ancestor: of no interest, and so is everything below it.
const STALE: u8 = 4;
const QUEUED: u8 = 8;

/// Paints commits downwards from two sides until nothing of interest is left.
///
/// No commit above a best common ancestor is stale, so each of them is found from both sides before
/// the queue holds nothing but stale commits. Some that are no best ones may be found too.
struct Paint<'g, G> {
    graph: &'g G,
    marks: Marks,
    queue: BinaryHeap<Queued>,
    /// How many in the queue are not stale.
    fresh: usize,
    /// Commits of this generation or below cannot lead to what is looked for.
    lowest: Option<u32>,
    parents: Vec<Number>,
}

/// A commit that is to be looked at, ordered by generation, the uncounted ones first, then by date.
/// One number, because comparing them is most of the work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Queued(u128);

impl Queued {
    fn new(generation: u32, seconds: i64, commit: Number) -> Self {
        // With the sign turned, times before 1970 come below those after.
        let seconds = seconds as u64 ^ (1 << 63);
        Self(u128::from(generation) << 96 | u128::from(seconds) << 32 | u128::from(commit.0))
    }

    fn generation(self) -> u32 {
        (self.0 >> 96) as u32
    }

    fn commit(self) -> Number {
        Number(self.0 as u32)
    }
}

impl<'g, G: Graph> Paint<'g, G> {
    fn new(graph: &'g G) -> Self {
        let (marks, queue, parents) = (Marks::default(), BinaryHeap::new(), Vec::new());
        Self { graph, marks, queue, fresh: 0, lowest: None, parents }
    }

    fn has(&self, commit: Number, mark: u8) -> bool {
        self.marks.get(commit) & mark != 0
    }

    /// Paints a commit and, if that is new to it, queues it.
    fn add(&mut self, commit: Number, marks: u8) -> Result<(), G::Error> {
        let painted = self.marks.get_mut(commit);
        if *painted & marks == marks {
            return Ok(());
        }
        let was = *painted;
        *painted |= marks | QUEUED;
        if was & QUEUED == 0 {
            self.fresh += usize::from(*painted & STALE == 0);
            let Age { generation, seconds } = self.graph.age(commit)?;
            self.queue.push(Queued::new(generation.unwrap_or(u32::MAX), seconds, commit));
        } else if was & STALE == 0 && marks & STALE != 0 {
            self.fresh -= 1;
        }
        Ok(())
    }

    /// Looks at one commit; `None` once only stale ones are left.
    fn step(&mut self) -> Result<Option<Number>, G::Error> {
        if self.fresh == 0 {
            return Ok(None);
        }
        let Some(next) = self.queue.pop() else { return Ok(None) };
        let (generation, commit) = (next.generation(), next.commit());
        let painted = self.marks.get_mut(commit);
        *painted &= !QUEUED;
        self.fresh -= usize::from(*painted & STALE == 0);
        let mut marks = *painted & (BOTH | STALE);
        if marks & BOTH == BOTH {
            marks |= STALE;
        }
        if self.lowest.is_some_and(|lowest| generation <= lowest) {
            return Ok(Some(commit));
        }
        let mut parents = std::mem::take(&mut self.parents);
        self.graph.parents(commit, &mut parents)?;
        for parent in parents.drain(..) {
            self.add(parent, marks)?;
        }
        self.parents = parents;
        Ok(Some(commit))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use petgraph::algo::has_path_connecting;
    use petgraph::graph::{DiGraph, NodeIndex};

    use super::*;
    use crate::codec;
    use crate::history::Commits;
    use crate::history::testing::{Clocks, Git, Plan, Random, World, history, write_to_git};

    /// A graph that counts generations for the first so many commits, and what is asked.
    struct Counted<'w> {
        commits: Commits<'w, World>,
        world: &'w World,
        generations: Vec<u32>,
        counted: usize,
        asked: RefCell<BTreeSet<Number>>,
    }

    impl<'w> Counted<'w> {
        fn new(world: &'w World, plans: &[Plan], counted: usize) -> Self {
            let mut generations: Vec<u32> = Vec::new();
            for plan in plans {
                let above = plan.parents.iter().map(|parent| generations[*parent]).max();
                generations.push(above.unwrap_or(0) + 1);
            }
            let (commits, asked) = (Commits::new(world), RefCell::default());
            Self { commits, world, generations, counted, asked }
        }
    }

    impl Graph for Counted<'_> {
        type Error = codec::Error;

        fn number(&self, id: &Id) -> Result<Number, codec::Error> {
            self.commits.number(id)
        }

        fn id(&self, commit: Number) -> Result<Id, codec::Error> {
            self.commits.id(commit)
        }

        fn age(&self, commit: Number) -> Result<Age, codec::Error> {
            self.asked.borrow_mut().insert(commit);
            let number = self.world.number(&self.commits.id(commit)?);
            let generation = (number < self.counted).then(|| self.generations[number]);
            Ok(Age { generation, ..self.commits.age(commit)? })
        }

        fn parents(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), codec::Error> {
            self.asked.borrow_mut().insert(commit);
            self.commits.parents(commit, into)
        }

        fn tree(&self, commit: Number) -> Result<Id, codec::Error> {
            self.commits.tree(commit)
        }
    }

    fn digraph(plans: &[Plan]) -> DiGraph<(), ()> {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = plans.iter().map(|_| graph.add_node(())).collect();
        for (index, plan) in plans.iter().enumerate() {
            for parent in &plan.parents {
                graph.add_edge(nodes[index], nodes[*parent], ());
            }
        }
        graph
    }

    const CLOCKS: [Clocks; 4] = [Clocks::Right, Clocks::Coarse, Clocks::Skewed, Clocks::Random];

    fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn the_best_common_ancestors_are_those_of_the_definition() {
        let mut random = Random(1);
        for round in 0..40 {
            let plans = history(&mut random, 45, CLOCKS[round % 4]);
            let world = World::of(&plans);
            let oracle = digraph(&plans);
            let reaches = |from: usize, to: usize| {
                has_path_connecting(&oracle, NodeIndex::new(from), NodeIndex::new(to), None)
            };
            let counted = Counted::new(&world, &plans, [0, 20, 45][round % 3]);
            for _ in 0..60 {
                let (a, b) = (random.below(plans.len()), random.below(plans.len()));
                let common: Vec<usize> =
                    (0..plans.len()).filter(|c| reaches(a, *c) && reaches(b, *c)).collect();
                let best = |c: &usize| !common.iter().any(|d| d != c && reaches(*d, *c));
                let best: Vec<usize> = common.iter().copied().filter(best).collect();
                let (a_id, b_id) = (world.commits[a], world.commits[b]);
                let ours = world.numbers(&merge_bases(&counted, &a_id, &b_id).unwrap());
                assert_eq!(sorted(ours), best, "{a} {b}");
                assert_eq!(is_ancestor(&counted, &a_id, &b_id).unwrap(), reaches(b, a));
            }
            for _ in 0..20 {
                let some: BTreeSet<usize> = (0..4).map(|_| random.below(plans.len())).collect();
                let some: Vec<usize> = some.into_iter().collect();
                let heads = |c: &usize| !some.iter().any(|d| d != c && reaches(*d, *c));
                let heads: Vec<usize> = some.iter().copied().filter(heads).collect();
                let ids: Vec<Id> = some.iter().map(|number| world.commits[*number]).collect();
                assert_eq!(world.numbers(&independent(&counted, &ids).unwrap()), heads);
            }
        }
    }

    #[test]
    fn merge_bases_are_gits() {
        let mut random = Random(2);
        let mut crossed = 0;
        for clocks in CLOCKS {
            let Some(git) = Git::new("merge bases") else { return };
            let plans = history(&mut random, 60, clocks);
            write_to_git(&git, &plans);
            let world = World::of(&plans);
            let graph = Commits::new(&world);
            let of_git = |arguments: &[&str], some: &[usize]| -> Vec<usize> {
                let names: Vec<String> = some.iter().map(|number| format!("c{number}")).collect();
                let mut command = arguments.to_vec();
                command.extend(names.iter().map(String::as_str));
                let output = git.command(&command).output().unwrap();
                let ids = String::from_utf8(output.stdout).unwrap();
                if ids.is_empty() {
                    return Vec::new();
                }
                let shown =
                    git.feed(&["log", "--no-walk=unsorted", "--stdin", "--format=%s"], &ids);
                shown.lines().map(|subject| subject[1..].parse().unwrap()).collect()
            };
            for _ in 0..60 {
                // Neighbours: commits far apart seldom have more than one best common ancestor.
                let start = random.below(plans.len() - 8);
                let some: Vec<usize> =
                    (0..2 + random.below(3)).map(|_| start + random.below(8)).collect();
                let ids: Vec<Id> = some.iter().map(|number| world.commits[*number]).collect();
                let ours = merge_bases_many(&graph, &ids[0], &ids[1..]).unwrap();
                crossed += usize::from(ours.len() > 1);
                let theirs = of_git(&["merge-base", "--all"], &some);
                let times = |numbers: &[usize]| -> Vec<i64> {
                    numbers.iter().map(|number| plans[*number].seconds).collect()
                };
                let ours = world.numbers(&ours);
                assert_eq!(times(&ours), times(&theirs), "{some:?}");
                assert_eq!(sorted(ours), sorted(theirs), "{some:?}");
                let ours = world.numbers(&octopus(&graph, &ids).unwrap());
                assert_eq!(
                    sorted(ours),
                    sorted(of_git(&["merge-base", "--octopus", "--all"], &some))
                );
                let ours = world.numbers(&independent(&graph, &ids).unwrap());
                assert_eq!(sorted(ours), sorted(of_git(&["merge-base", "--independent"], &some)));
            }
        }
        assert!(crossed > 20, "the histories should cross: {crossed}");
    }

    #[test]
    fn only_what_is_needed_is_read() {
        // A long line; two branches fork near its tip.
        let mut plans: Vec<Plan> = history(&mut Random(3), 1, Clocks::Right);
        let follow = |plans: &mut Vec<Plan>, parent: usize| {
            let mut plan = plans[parent].clone();
            plan.parents = vec![parent];
            plan.seconds += 10;
            plans.push(plan);
            plans.len() - 1
        };
        let mut tip = 0;
        for _ in 0..500 {
            tip = follow(&mut plans, tip);
        }
        let a = follow(&mut plans, tip);
        let b = follow(&mut plans, tip);
        let world = World::of(&plans);
        let graph = Counted::new(&world, &plans, 0);
        let bases = merge_bases(&graph, &world.commits[a], &world.commits[b]).unwrap();
        assert_eq!(world.numbers(&bases), [tip]);
        assert!(is_ancestor(&graph, &world.commits[tip], &world.commits[a]).unwrap());
        assert!(graph.asked.borrow().len() < 20);

        let graph = Counted::new(&world, &plans, plans.len());
        assert!(!is_ancestor(&graph, &world.commits[a], &world.commits[3]).unwrap());
        assert!(graph.asked.borrow().len() <= 2, "generations say no at once");
    }
}

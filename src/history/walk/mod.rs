//! Walking: commits from the newest back, as `git log` and `git rev-list` go.
//!
//! Without anything to leave out, the walk is lazy and remembers only which commits it has seen.
//! With exclusions or in topological order the commits are listed first.
//!
//! Limited to paths, the walk follows history as git does by default: a commit that changes nothing
//! there is not shown, and of a merge only the first parent that has the same content is followed.

mod limit;
mod same;
mod stream;

use crate::hash::Id;

use super::{Graph, Number};

use limit::Limit;
pub use same::same_along;
pub(super) use same::{each_difference, same_at};
use stream::Stream;

/// In which order commits come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time among those whose turn it may be; a skewed clock can put a parent first.
    #[default]
    Time,
    /// No parent before its children, one line of work after the other.
    Topological,
    /// No parent before its children, by time otherwise.
    TopologicalByTime,
}

/// From which end commits are shown. The limits count from the newest in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Newest first.
    #[default]
    Back,
    /// Oldest first.
    Forward,
}

/// Which parents of an interesting commit are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// All of them.
    #[default]
    All,
    /// The one it was made on.
    First,
}

/// Whether merges are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merges {
    /// Like everything else.
    #[default]
    Shown,
    /// Nothing else is.
    Only,
    /// They are not.
    Hidden,
}

/// What to walk.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to begin.
    pub include: Vec<Id>,
    /// Commits that are left out together with everything they follow.
    pub exclude: Vec<Id>,
    /// In which order commits come.
    pub order: Order,
    /// From which end.
    pub direction: Direction,
    /// Which parents are followed.
    pub follow: Follow,
    /// Whether merges are shown.
    pub merges: Merges,
    /// Where to turn back: neither a commit from before this second nor what it follows is shown.
    pub since: Option<i64>,
    /// Commits from after this second are followed but not shown.
    pub until: Option<i64>,
    /// How many of those that would be shown are not.
    pub skip: u64,
    /// How many are shown at most.
    pub limit: Option<u64>,
}

/// A commit on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub id: Id,
    /// Its number in the graph.
    pub number: Number,
}

/// A commit and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The commit.
    pub commit: Number,
    /// One of those it follows, and which; `None` stands for the empty tree before a root.
    pub parent: Option<(usize, Number)>,
}

/// Says whether two commits hold the same along the paths meant.
type Same<'g, E> = Box<dyn FnMut(&Pair) -> Result<bool, E> + 'g>;
type Keep<'g, E> = Box<dyn FnMut(&Step) -> Result<bool, E> + 'g>;

/// A walk; yields what is to be shown.
pub struct Walk<'g, G: Graph> {
    graph: &'g G,
    options: Options,
    same: Option<Same<'g, G::Error>>,
    keep: Option<Keep<'g, G::Error>>,
    stage: Stage,
    skipped: u64,
    shown: u64,
}

enum Stage {
    Unstarted,
    Lazy(Stream),
    Listed(Limit),
    /// The last one comes first.
    Turned(Vec<Step>),
    Over,
}

/// A commit that has been followed, before it is asked whether it is shown.
struct Followed {
    commit: Number,
    seconds: i64,
    /// It has the same content along the paths as what it was made on.
    is_same: bool,
}

impl<'g, G: Graph> Walk<'g, G> {
    /// Prepares a walk; nothing is read yet.
    pub fn new(graph: &'g G, options: Options) -> Self {
        let stage = Stage::Unstarted;
        Self { graph, options, same: None, keep: None, stage, skipped: 0, shown: 0 }
    }

    /// Shows only commits that change something, as `same` says of two trees ([`same_along`]);
    /// `None` stands for the empty tree before a root.
    #[must_use]
    pub fn along(
        self,
        mut same: impl FnMut(Option<&Id>, &Id) -> Result<bool, G::Error> + 'g,
    ) -> Self {
        let graph = self.graph;
        self.comparing(move |pair| {
            let before = pair.parent.map(|(_, parent)| graph.tree(parent)).transpose()?;
            same(before.as_ref(), &graph.tree(pair.commit)?)
        })
    }

    /// Shows only commits that change something, as `same` says of a commit and what it follows.
    #[must_use]
    pub fn comparing(mut self, same: impl FnMut(&Pair) -> Result<bool, G::Error> + 'g) -> Self {
        self.same = Some(Box::new(same));
        self
    }

    /// Shows only commits for which `keep` says so. The limits count only these.
    #[must_use]
    pub fn keeping(mut self, keep: impl FnMut(&Step) -> Result<bool, G::Error> + 'g) -> Self {
        self.keep = Some(Box::new(keep));
        self
    }

    fn start(&mut self) -> Result<(), G::Error> {
        let is_lazy = self.options.exclude.is_empty() && self.options.order == Order::Time;
        self.stage = if is_lazy {
            Stage::Lazy(Stream::new(self.graph, &self.options)?)
        } else {
            Stage::Listed(Limit::new(self.graph, &self.options, &mut self.same)?)
        };
        if self.options.direction == Direction::Forward {
            let mut steps = Vec::new();
            while let Some(step) = self.next_shown()? {
                steps.push(step);
            }
            self.stage = Stage::Turned(steps);
        }
        Ok(())
    }

    fn next_shown(&mut self) -> Result<Option<Step>, G::Error> {
        loop {
            if self.options.limit.is_some_and(|limit| self.shown >= limit) {
                return Ok(None);
            }
            let followed = match &mut self.stage {
                Stage::Lazy(stream) => stream.next(self.graph, &self.options, &mut self.same)?,
                Stage::Listed(limit) => limit.next(),
                _ => None,
            };
            let Some(followed) = followed else { return Ok(None) };
            let Some(step) = self.shown_as(&followed)? else { continue };
            if self.skipped < self.options.skip {
                self.skipped += 1;
                continue;
            }
            self.shown += 1;
            return Ok(Some(step));
        }
    }

    /// The commit, if it is one to show.
    fn shown_as(&mut self, followed: &Followed) -> Result<Option<Step>, G::Error> {
        let Followed { commit: number, seconds, is_same } = *followed;
        if is_same || self.options.until.is_some_and(|until| seconds > until) {
            return Ok(None);
        }
        if self.options.merges != Merges::Shown {
            let mut parents = Vec::new();
            self.graph.parents(number, &mut parents)?;
            if (parents.len() > 1) != (self.options.merges == Merges::Only) {
                return Ok(None);
            }
        }
        let step = Step { id: self.graph.id(number)?, number };
        let is_kept = self.keep.as_mut().map_or(Ok(true), |keep| keep(&step))?;
        Ok(is_kept.then_some(step))
    }

    /// Shows each commit with those of its parents that are shown too, and no parent before its
    /// children. Where commits between are left out because they change nothing along the paths,
    /// the next one that does stands for a parent.
    #[must_use]
    pub fn connected(mut self) -> Connected<'g, G> {
        self.options.direction = Direction::Back;
        if self.options.order == Order::Time {
            self.options.order = Order::Topological;
        }
        Connected(self)
    }

    /// Where the line from a commit to one of its parents leads to.
    fn next_below(&mut self, commit: Number, parent: Number) -> Result<Option<Number>, G::Error> {
        let Stage::Listed(limit) = &self.stage else { return Ok(None) };
        let Some(parent) = limit.next_below(self.graph, self.options.follow, commit, parent)?
        else {
            return Ok(None);
        };
        let Some(followed) = limit.listed(self.graph, parent)? else { return Ok(None) };
        Ok(self.shown_as(&followed)?.map(|_| parent))
    }

    fn advance(&mut self) -> Result<Option<Step>, G::Error> {
        if matches!(self.stage, Stage::Unstarted) {
            self.start()?;
        }
        match &mut self.stage {
            Stage::Turned(steps) => Ok(steps.pop()),
            _ => self.next_shown(),
        }
    }
}

impl<G: Graph> Iterator for Walk<'_, G> {
    type Item = Result<Step, G::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.stage = Stage::Over;
        }
        next
    }
}

/// A walk that says how what it shows hangs together.
pub struct Connected<'g, G: Graph>(Walk<'g, G>);

impl<G: Graph> Connected<'_, G> {
    fn parents(&mut self, commit: Number) -> Result<Vec<Number>, G::Error> {
        let mut parents = Vec::new();
        self.0.graph.parents(commit, &mut parents)?;
        let mut connected = Vec::new();
        for parent in parents {
            if let Some(parent) = self.0.next_below(commit, parent)?
                && !connected.contains(&parent)
            {
                connected.push(parent);
            }
        }
        Ok(connected)
    }
}

impl<G: Graph> Iterator for Connected<'_, G> {
    type Item = Result<(Step, Vec<Number>), G::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = match self.0.next()? {
            Ok(step) => step,
            Err(error) => return Some(Err(error)),
        };
        Some(self.parents(step.number).map(|parents| (step, parents)))
    }
}

/// Where history goes on from a commit when only some paths matter.
struct Simplified {
    /// The only parent that is followed, because it has the same content.
    only: Option<usize>,
    is_same: bool,
}

/// Compares a commit with its parents, each given with whether it may be shown. A parent that may
/// not be shown is never the only one followed, and it does not make a merge worth showing if there
/// are others to compare with.
fn simplify<E>(
    same: &mut Same<'_, E>,
    commit: Number,
    parents: &[(Number, bool)],
    follow: Follow,
) -> Result<Simplified, E> {
    if parents.is_empty() {
        let is_same = same(&Pair { commit, parent: None })?;
        return Ok(Simplified { only: None, is_same });
    }
    let compared = match follow {
        Follow::All => parents,
        Follow::First => &parents[..1],
    };
    let (mut relevant_change, mut other_change) = (false, false);
    for (index, (parent, is_relevant)) in compared.iter().enumerate() {
        if !same(&Pair { commit, parent: Some((index, *parent)) })? {
            relevant_change |= is_relevant;
            other_change |= !is_relevant;
        } else if *is_relevant {
            return Ok(Simplified { only: Some(index), is_same: true });
        }
    }
    let any_relevant = compared.iter().any(|(_, is_relevant)| *is_relevant);
    let is_same = if any_relevant { !relevant_change } else { !other_change };
    Ok(Simplified { only: None, is_same })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! Walking: commits from the newest back, as `git log` and `git rev-list` go.
//!
//! Without anything to leave out, the walk is lazy and remembers only which commits it has seen.
//! With exclusions or in topological order the commits are listed first. The graph is asked once
//! for each commit.
//!
//! Limited to paths, the walk follows history as git does by default: a commit that changes nothing
//! there is not shown, and of a merge only the first parent that has the same content is followed.

mod limit;
mod same;
mod stream;

use crate::hash::Id;

use super::{Graph, GraphCommit};

use limit::Limit;
pub use same::same_along;
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
    /// What the graph knows of it.
    pub commit: GraphCommit,
}

/// Says whether two trees, the first one possibly empty, hold the same along the paths meant.
type Same<'g, E> = Box<dyn FnMut(Option<&Id>, &Id) -> Result<bool, E> + 'g>;
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
    step: Step,
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
        mut self,
        same: impl FnMut(Option<&Id>, &Id) -> Result<bool, G::Error> + 'g,
    ) -> Self {
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
            if !self.is_shown(&followed)? {
                continue;
            }
            if self.skipped < self.options.skip {
                self.skipped += 1;
                continue;
            }
            self.shown += 1;
            return Ok(Some(followed.step));
        }
    }

    fn is_shown(&mut self, followed: &Followed) -> Result<bool, G::Error> {
        let commit = &followed.step.commit;
        let merges = match self.options.merges {
            Merges::Shown => true,
            Merges::Only => commit.parents.len() > 1,
            Merges::Hidden => commit.parents.len() < 2,
        };
        let is_late = self.options.until.is_some_and(|until| commit.seconds > until);
        if !merges || is_late || followed.is_same {
            return Ok(false);
        }
        self.keep.as_mut().map_or(Ok(true), |keep| keep(&followed.step))
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
    tree: &Id,
    parents: &[(Id, bool)],
    follow: Follow,
) -> Result<Simplified, E> {
    if parents.is_empty() {
        return Ok(Simplified { only: None, is_same: same(None, tree)? });
    }
    let compared = match follow {
        Follow::All => parents,
        Follow::First => &parents[..1],
    };
    let (mut relevant_change, mut other_change) = (false, false);
    for (index, (parent, is_relevant)) in compared.iter().enumerate() {
        if !same(Some(parent), tree)? {
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

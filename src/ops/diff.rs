//! What differs between any two of a commit, the index and the working tree.

use crate::diff::stat::Counts;
use crate::diff::text::{self, Body, Options as TextOptions};
use crate::diff::{self, Change};
use crate::hash::Id;
use crate::object::{Entry, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::Repository;
use crate::store;
use crate::worktree::read_small;

use super::Error;

/// One side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing.
    Empty,
    /// A recorded tree.
    Tree(Id),
    /// What is staged.
    Index,
    /// The files themselves.
    Worktree,
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// Before.
    pub old: Side,
    /// After.
    pub new: Side,
    /// Which paths.
    pub paths: Pathspec,
}

/// Tells `visit` every path that differs, in order.
pub fn run<E>(
    repo: &Repository,
    options: &Options,
    _monitor: &dyn Monitor,
    visit: &mut dyn FnMut(Change) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let old = tree(repo, options.old)?;
    let new = tree(repo, options.new)?;
    diff::trees(repo.store(), old.as_ref(), new.as_ref(), &options.paths, visit)
}

fn tree(repo: &Repository, side: Side) -> Result<Option<Id>, Error> {
    match side {
        Side::Empty | Side::Worktree => Ok(None),
        Side::Tree(id) => Ok(Some(id)),
        Side::Index => match repo.staged() {
            Some(staged) => Ok(Some(staged.tree)),
            None => Ok(repo.head_tree()?),
        },
    }
}

/// What a side of a change holds, for showing it.
pub fn body(
    repo: &Repository,
    _side: Side,
    _path: &RepoPath,
    entry: Option<&Entry>,
) -> Result<Body, Error> {
    let Some(entry) = entry else { return Ok(Body::Absent) };
    let (size, content) = match &entry.what {
        What::File { size, content } => (*size, content),
        What::Symlink { size, target } => (*size, target),
        _ => return Ok(Body::Text(Vec::new())),
    };
    if size > text::LONGEST {
        return Ok(Body::Binary(size));
    }
    Ok(Body::of(read_small(repo.store(), size, content)?))
}

/// How many lines differ.
pub fn counts(old: &Body, new: &Body) -> Counts {
    let lines = |body: &Body| match body {
        Body::Text(bytes) => bytes.clone(),
        _ => Vec::new(),
    };
    if old.is_opaque() || new.is_opaque() {
        return Counts::Binary { old: old.len(), new: new.len() };
    }
    let (added, deleted) = text::counts(&lines(old), &lines(new), TextOptions::default());
    Counts::Lines { added, deleted }
}

/// Whether anything differs.
pub fn differs(repo: &Repository, options: &Options, monitor: &dyn Monitor) -> Result<bool, Error> {
    match run(repo, options, monitor, &mut |_| Err(Stop::Found)) {
        Ok(()) => Ok(false),
        Err(Stop::Found) => Ok(true),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a comparison that looks for one change ends early.
enum Stop {
    Found,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

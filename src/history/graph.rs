//! The commit graph: what one commit follows, without its words.
//!
//! [`Commits`] decodes commits as they are asked for. A table of generation numbers may stand in
//! for it later; every walk works with either, and no answer may differ.

use crate::hash::Id;
use crate::object::{Commit, Source};

/// What walks need to know of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphCommit {
    /// The commits it follows, the one it was made on first.
    pub parents: Vec<Id>,
    /// One more than the largest generation among its parents, 1 for a root; `None` if nobody has
    /// counted. A commit with a generation has only parents with one.
    pub generation: Option<u32>,
    /// When it was recorded, as the committer's clock had it.
    pub seconds: i64,
    /// Its tree.
    pub tree: Id,
}

/// Gives commits by id.
pub trait Graph {
    /// What can go wrong.
    type Error;

    /// What is known of this commit.
    fn commit(&self, id: &Id) -> Result<GraphCommit, Self::Error>;
}

/// The graph as the commits themselves tell it.
#[derive(Debug)]
pub struct Commits<'s, S>(pub &'s S);

impl<S: Source> Graph for Commits<'_, S> {
    type Error = S::Error;

    fn commit(&self, id: &Id) -> Result<GraphCommit, S::Error> {
        let Commit { tree, parents, committer, .. } = self.0.object(id)?;
        Ok(GraphCommit { parents, generation: None, seconds: committer.seconds, tree })
    }
}

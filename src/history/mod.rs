//! History: questions asked of commits and of the names that point at them.
//!
//! Nothing here writes. What a question needs of the store comes in through [`Names`] (refs, their
//! moves, short ids) and [`Graph`] (what one commit follows), so that every answer can be checked
//! against git on histories held in memory. What a file looks like before and after is `diff`'s
//! business; only whether some paths differ at all is asked here, to leave out commits.

pub mod ancestor;
mod arrangement;
pub mod dates;
pub mod drawing;
mod graph;
mod losses;
pub mod reachable;
pub mod refname;
pub mod revision;
mod stored;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
pub mod walk;

use crate::hash::{Id, Kind, Prefix};
use crate::object::{Entry, Source};
use crate::path::RepoPath;

pub use crate::store::{Move, Target};
pub use arrangement::arrange;
pub use graph::{Age, Commits, Graph, Number};
pub use losses::{Loss, losses};
pub use stored::{Asked, StoredGraph};

/// Refs, their moves and short ids: what a store knows beyond objects.
///
/// Names are full (`refs/heads/main`) throughout.
pub trait Names: Source<Error: std::error::Error + Send + Sync + 'static> {
    /// The HEAD of this working tree, `refs/worktree/ID/HEAD`; `None` where there is none.
    fn head_name(&self) -> Option<String>;

    /// What a ref points at; `None` if it does not exist.
    fn target(&self, name: &str) -> Result<Option<Target>, Self::Error>;

    /// All refs whose names begin with `prefix`, sorted by name.
    fn names(&self, prefix: &str) -> Result<Vec<(String, Target)>, Self::Error>;

    /// The moves of a ref, newest first, deleted ones included. HEAD's include those of the branch
    /// it was on at the time.
    fn moves(&self, name: &str) -> Result<Vec<Move>, Self::Error>;

    /// Every object whose id begins so.
    fn find(&self, prefix: &Prefix) -> Result<Vec<(Id, Kind)>, Self::Error>;

    /// The kind of an object; `None` if it is not there.
    fn kind(&self, id: &Id) -> Result<Option<Kind>, Self::Error>;

    /// What the index has for a path: staged (0) or a side of a conflict (1 to 3).
    fn tracked(&self, path: &RepoPath, stage: u8) -> Result<Option<Entry>, Self::Error>;
}

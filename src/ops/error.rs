//! Why a verb could not do its work.

use thiserror::Error as ThisError;

use crate::hash::Id;
use crate::path::RepoPath;
use crate::worktree::record;
use crate::{index, repo, store};

/// Why a verb could not do its work. Nothing was changed unless it says so.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The repository cannot be used.
    #[error(transparent)]
    Repo(#[from] repo::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// Recording failed.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// There is nothing to record.
    #[error("nothing to commit")]
    NothingToCommit,
    /// No message was given.
    #[error("no commit message was given")]
    NoMessage,
    /// A path matches nothing.
    #[error("'{0}' did not match anything")]
    NoMatch(String),
    /// Unsaved work would be overwritten.
    #[error("{} would be overwritten", count(paths))]
    WouldOverwrite {
        /// The files.
        paths: Vec<RepoPath>,
    },
    /// There is no such revision.
    #[error("'{0}' is not a branch or commit")]
    NotFound(String),
    /// A ref has that name already.
    #[error("a {kind} named '{name}' is there already")]
    Exists {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It is not a proper name.
    #[error("'{name}' is not a proper name: {why}")]
    BadName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something else changes the working tree right now.
    #[error("another command is changing this working tree")]
    Busy,
    /// An object is not of the kind that is needed.
    #[error("{id} is not a {wanted}")]
    WrongKind {
        /// Which.
        id: Id,
        /// What it should be.
        wanted: &'static str,
    },
    /// Repositories lie in the working tree, and the settings say that this is an error.
    #[error("{} in the working tree", repositories(paths))]
    Nested {
        /// Where.
        paths: Vec<RepoPath>,
    },
    /// The same thing kept happening.
    #[error("gave up: others kept moving '{0}'")]
    TooBusy(String),
    /// The working tree cannot be written.
    #[error("cannot change '{path}': {source}")]
    Worktree {
        /// Which path.
        path: RepoPath,
        /// What the file system said.
        source: std::io::Error,
    },
}

fn count(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}'"),
        many => format!("{} files", many.len()),
    }
}

fn repositories(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}' is another repository"),
        many => format!("{} other repositories are", many.len()),
    }
}

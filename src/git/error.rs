//! Why a history could not be exchanged with git.

use std::path::PathBuf;

use gix_hash::ObjectId;
use thiserror::Error as ThisError;

use crate::hash::{Id, Kind};
use crate::{codec, store};

/// Why a history could not be exchanged with git.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The program `git` could not be started.
    #[error("cannot run 'git': {0}")]
    Start(#[source] std::io::Error),
    /// The pipe to git broke.
    #[error("cannot talk to 'git {command}': {source}")]
    Pipe {
        /// What it was to do.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Git refused.
    #[error("'git {command}' failed: {text}")]
    Failed {
        /// What it was to do.
        command: String,
        /// What it said.
        text: String,
    },
    /// Git said something that makes no sense here.
    #[error("'git {command}' answered something unexpected: {text}")]
    Answer {
        /// What it was to do.
        command: String,
        /// What it said.
        text: String,
    },
    /// An object is not in the git repository.
    #[error("the git repository has no object {0}")]
    Missing(ObjectId),
    /// An object does not have the id it goes by.
    #[error("git object {0} is damaged: its bytes do not have that id")]
    WrongId(ObjectId),
    /// An object makes no sense.
    #[error("git object {id} is damaged: {why}")]
    Malformed {
        /// Which.
        id: ObjectId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An object does not fit into one of Annals.
    #[error("git object {id} is too long to be kept: {bytes} bytes of a {kind}")]
    TooLong {
        /// Which.
        id: ObjectId,
        /// How long the object of Annals would be.
        bytes: usize,
        /// What it would be.
        kind: Kind,
    },
    /// There is no git repository.
    #[error("'{}' is no git repository", .0.display())]
    NoRepository(PathBuf),
    /// A repository cannot be made where other things are.
    #[error("'{}' is neither a git repository nor empty", .0.display())]
    InTheWay(PathBuf),
    /// A directory cannot be used.
    #[error("cannot make a git repository of '{}': {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Only a part of the history is there.
    #[error("the git repository is shallow: its history is cut off")]
    Shallow,
    /// Something that git has no place for.
    #[error("{id} cannot be written as git: {why}")]
    NoPlace {
        /// The object of Annals.
        id: Id,
        /// Why not.
        why: &'static str,
    },
    /// Contents that are needed are not here.
    #[error("{} not here", shown(paths))]
    NotHere {
        /// Their paths in the history.
        paths: Vec<Vec<u8>>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object of Annals is damaged.
    #[error(transparent)]
    Object(#[from] codec::Error),
}

fn shown(paths: &[Vec<u8>]) -> String {
    match paths {
        [one] => format!("the content of '{}' is", crate::path::quoted(one)),
        many => format!("the contents of {} files are", many.len()),
    }
}

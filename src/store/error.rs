//! What can go wrong with a store.

use std::io;

use thiserror::Error as ThisError;

use crate::codec;
use crate::hash::{Id, Kind};

use super::journal;

/// Why a store cannot be read or written.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The file system failed. Never taken to mean that something is missing.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file of the store.
        path: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(journal::Error),
    /// The directory holds no store.
    #[error("this is not an Annals store")]
    NotAStore,
    /// The store is of a version this program does not know.
    #[error("the store is of another version: '{0}'")]
    Version(String),
    /// The `format` file does not verify, and there is no journal to go by.
    #[error("the file 'format' is damaged")]
    DamagedFormat,
    /// Reading needs a feature this program does not have.
    #[error("reading this store needs the feature '{0}'")]
    Feature(String),
    /// Writing needs something this program does not have.
    #[error("this program is too old to write to this store: {0}")]
    TooOldToWrite(String),
    /// An object that should be here is not.
    #[error("{kind} {id} is missing")]
    Missing {
        /// Its kind.
        kind: Kind,
        /// Which.
        id: Id,
    },
    /// An object is here and is wrong.
    #[error("{kind} {id} in pack {pack} is corrupt")]
    Corrupt {
        /// Its kind.
        kind: Kind,
        /// Which.
        id: Id,
        /// Where.
        pack: String,
    },
    /// An object decodes to nonsense.
    #[error("{0}")]
    Object(codec::Error),
    /// A ref moved since it was looked at.
    #[error("'{name}' was moved by somebody else meanwhile")]
    Moved {
        /// Which.
        name: String,
    },
    /// An object is longer than any frame may be.
    #[error("a {kind} of {bytes} bytes is too long: at most 4 MiB can be stored")]
    TooLong {
        /// Its kind.
        kind: Kind,
        /// Its length.
        bytes: usize,
    },
    /// Records have been here and none is left: a new journal would make garbage of every pack.
    #[error("nothing is written: the journal is gone")]
    JournalGone,
    /// Records are missing before others that are there, and no record gives them up.
    #[error("nothing is written: records {first} to {last} of the journal are missing")]
    Hole {
        /// The first that is missing.
        first: u64,
        /// The last.
        last: u64,
    },
    /// So many of the newest records are gone that no record gives them up.
    #[error(
        "nothing is written: records {first} to {last} of the journal are gone, too many at once"
    )]
    TooManyLost {
        /// The first that is gone.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Something the writer relied on has been removed meanwhile.
    #[error("content that was relied on has been removed meanwhile")]
    Gone,
    /// A ref was to be given a value that is not a proper object.
    #[error("'{name}' cannot point to {id}: {why}")]
    BadTarget {
        /// The ref.
        name: String,
        /// The value.
        id: Id,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Error {
    /// For `map_err`: what was tried, on which file of the store.
    pub(crate) fn io(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the `format` file is not there or not sound.
    pub(super) fn is_lost_format(&self) -> bool {
        match self {
            Self::DamagedFormat | Self::NotAStore => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether the file system cannot be written to at all.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Journal(journal::Error::Io { source, .. }) => {
                matches!(
                    source.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                )
            }
            Self::Journal(journal::Error::NoExclusiveCreation) => true,
            _ => false,
        }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Journal(journal::Error::Io { source, .. }) => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        Self::Journal(error)
    }
}

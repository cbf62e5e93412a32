//! What is asked of a scan.

use crate::disk::DirRef;
use crate::index::{self, Index, Volume};
use crate::path::Pathspec;
use crate::worktree::ignore::Ignore;

/// Why the working tree cannot be scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index failed.
    #[error(transparent)]
    Index(index::Error),
    /// The index was found to be damaged on the way. It now counts as lost: what was told before
    /// this is worth nothing, and the scan has to begin again with an index made anew.
    #[error("cannot scan the working tree: the index was found to be damaged on the way")]
    IndexDamaged,
}

impl From<index::Error> for Error {
    fn from(error: index::Error) -> Self {
        match error {
            index::Error::Damaged => Self::IndexDamaged,
            other => Self::Index(other),
        }
    }
}

/// What to scan, and against what.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The root of the working tree.
    pub root: &'a DirRef,
    /// What is known of it.
    pub index: &'a Index,
    /// What its file system can express.
    pub volume: &'a Volume,
    /// Rules that hold everywhere; those of directories are found on the way.
    pub ignore: &'a Ignore,
    /// What is asked about. Paths without patterns are walked to directly.
    pub pathspec: &'a Pathspec,
    /// Whether untracked things are looked for.
    pub untracked: Untracked,
    /// Untracked files that are probably small need not be asked about: whoever asks reads them
    /// and finds out. Used for directories in which nothing is tracked.
    pub spare: bool,
    /// Whether ignored names are told of.
    pub tell_ignored: bool,
    /// What becomes of repositories in the working tree.
    pub nested: Nested,
    /// Which boot this is: rows marked unsynced under another one are not trusted.
    pub boot: Option<[u8; 16]>,
}

/// Whether untracked things are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untracked {
    /// All of them, also within untracked directories.
    All,
    /// Untracked directories are told of, not looked into.
    Directories,
    /// Nothing that is not tracked.
    No,
}

/// What becomes of Annals repositories in the working tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// They are named and left alone.
    Skip,
    /// Their files are recorded, without their state.
    Data,
}

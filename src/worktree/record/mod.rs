//! Recording: files of the working tree on their way into the store.
//!
//! The scan finds what may have changed, one directory after the other; here it is read, by as
//! many threads as there are processors, and becomes entries and rows of the index. A first
//! recording builds its tree and its index as it goes, so that memory does not depend on how many
//! files there are. So does a later one with directories that are new; apart from them it collects
//! edits: memory in proportion to what changed.

mod assemble;
mod change;
mod content;
mod directories;
mod jobs;
mod recorder;
mod rows;

use std::collections::BTreeSet;
use std::io;

use crate::index::{self, Beside, IndexWriter, Tracked};
use crate::object::Entry;
use crate::object::tree::{Edit, Root};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::store::{Batch, Error as StoreError, SeenFile};

use super::{FileClock, scan};

pub use content::{Hand, Outcome, Recorded, hash_file};
pub use jobs::Jobs;
pub use recorder::record;

/// Why recording failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index did.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The working tree cannot be scanned.
    #[error(transparent)]
    Scan(#[from] scan::Error),
    /// Something was announced and never looked at, so that a directory is not whole.
    #[error("cannot record '{0}': it changed while it was looked at; try again")]
    Unfinished(RepoPath),
    /// A target is longer than any link may be.
    #[error("cannot record the symbolic link '{0}': its target is longer than 16 KiB")]
    LongLink(RepoPath),
}

/// What to record, and how.
pub struct Request<'a, 's> {
    /// Where content goes.
    pub batch: &'a Batch<'s>,
    /// What to scan.
    pub scan: scan::Request<'a>,
    /// What is built at once, instead of being told as edits.
    pub whole: Whole,
    /// Which working tree this is.
    pub worktree: [u8; 16],
    /// What an interrupted session had read, sorted by path.
    pub already_seen: &'a [SeenFile],
    /// Record modification times even where nothing else changed.
    pub always_times: bool,
    /// Conflicts that are decided by what stands there, changed or not.
    pub decided: &'a BTreeSet<RepoPath>,
    /// Gives the files their times.
    pub clock: &'a FileClock,
    /// Who records, for the journal.
    pub actor: &'a str,
    /// Is told.
    pub monitor: &'a dyn Monitor,
}

/// What is built at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Nothing: every file that changed is an edit.
    Nothing,
    /// Directories that the index does not know: each is one edit. All paths must be asked about.
    NewDirectories,
    /// The tree, and the index: nothing is tracked yet.
    Tree,
}

/// A file that was not recorded, and why.
#[derive(Debug)]
pub struct Unread {
    /// Which.
    pub path: RepoPath,
    /// Why.
    pub why: Why,
}

/// Why a file was not recorded.
#[derive(Debug)]
pub enum Why {
    /// A directory is recorded there of which not everything is here, so recording it would delete
    /// what nobody deleted.
    InTheWay,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It changed each time it was read.
    Changing,
    /// It was gone, or something else, when it was to be read.
    Vanished,
}

/// What was recorded.
#[derive(Default)]
pub struct Recording {
    /// The whole tree, if it was built anew.
    pub root: Option<Root>,
    /// The index to go with it.
    pub index: Option<IndexWriter>,
    /// What is in new directories, if that is very much. Otherwise it is among the rows.
    pub beside: Option<Beside>,
    /// Not all rows could be kept: the index must stay as it is, and be caught up with later.
    pub index_is_behind: bool,
    /// Otherwise: what changed, sorted by path.
    pub edits: Vec<Edit>,
    /// What the index should say of paths, changed or only looked at again.
    pub rows: Vec<(RepoPath, Option<Tracked>)>,
    /// Directories whose own entries are to be looked at again.
    pub directories: BTreeSet<RepoPath>,
    /// Those that were built at once.
    new_directories: Vec<RepoPath>,
    /// Those that turned out not to come, after rows of them were told.
    given_up: BTreeSet<RepoPath>,
    /// Edits in place of a conflict nobody had decided on, whether they decide it or not: the
    /// caller knows.
    pub undecided: Vec<RepoPath>,
    /// What was not recorded.
    pub unread: Vec<Unread>,
    /// Files that are new.
    pub added: u64,
    /// Files that changed.
    pub modified: u64,
    /// Files that are gone.
    pub deleted: u64,
    /// Files that were read.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
}

impl Recording {
    fn take(&mut self, mut other: Self) {
        self.edits.append(&mut other.edits);
        self.rows.append(&mut other.rows);
        self.undecided.append(&mut other.undecided);
        self.unread.append(&mut other.unread);
        self.added += other.added;
        self.modified += other.modified;
        self.deleted += other.deleted;
        self.files_read += other.files_read;
        self.bytes_read += other.bytes_read;
    }

    /// A new directory that was built.
    fn take_directory(&mut self, path: RepoPath, entry: Entry) {
        self.rows.push((path.clone(), Some(Tracked::of_entry(&entry))));
        self.edits.push(Edit { path: path.clone(), entry: Some(entry) });
        self.new_directories.push(path);
    }
}

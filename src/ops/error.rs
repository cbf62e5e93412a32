//! Why a verb could not do its work.

use thiserror::Error as ThisError;

use crate::hash::Id;
use crate::history::refname::RefNameError;
use crate::history::revision;
use crate::path::{PatternError, RepoPath};
use crate::worktree::{record, scan};
use crate::{codec, git, index, repo, store};

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
    /// A history could not be exchanged with git.
    #[error(transparent)]
    Git(#[from] git::Error),
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
    /// Unsaved work would be removed.
    #[error("{} would be removed, and what is in it is recorded nowhere", count(paths))]
    WouldRemove {
        /// The files.
        paths: Vec<RepoPath>,
    },
    /// What was named is ignored.
    #[error("{} ignored", are(paths))]
    Ignored {
        /// What was named.
        paths: Vec<RepoPath>,
    },
    /// It is a directory, and that was not asked for.
    #[error("'{0}' is a directory")]
    IsDirectory(RepoPath),
    /// It is not a directory.
    #[error("'{0}' is not a directory")]
    NotADirectory(RepoPath),
    /// Something would be moved into itself.
    #[error("'{0}' cannot be moved into itself")]
    IntoItself(RepoPath),
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
    /// A change of the working tree was interrupted, and its note is of a version this program does
    /// not know.
    #[error(
        "cannot finish an interrupted change of the working tree: its note '.annals/pending' is of version {0}"
    )]
    PendingVersion(u8),
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
    /// A revision means nothing.
    #[error(transparent)]
    Revision(#[from] revision::Error<store::Error>),
    /// A pathspec is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A name may not be given to a branch or tag.
    #[error(transparent)]
    Name(#[from] RefNameError),
    /// An object is damaged.
    #[error(transparent)]
    Object(#[from] codec::Error),
    /// A word is neither a revision nor a path.
    #[error("'{0}' is neither a revision nor a path")]
    NeitherRevisionNorPath(String),
    /// A word is both.
    #[error("'{0}' is both a revision and a path")]
    Ambiguous(String),
    /// A tree has no such path.
    #[error("there is no '{path}' in '{revision}'")]
    NoSuchPath {
        /// The tree, as it was given.
        revision: String,
        /// The path.
        path: RepoPath,
    },
    /// A directory was given where a file is needed.
    #[error("'{0}' is a directory")]
    Directory(String),
    /// Something without content was given where a file is needed.
    #[error("'{0}' has no content")]
    NoContent(String),
    /// There is no such branch.
    #[error("there is no branch '{0}'")]
    NoBranch(String),
    /// The other repository has no such branch.
    #[error("the git repository has no branch '{0}'")]
    NoBranchThere(String),
    /// A branch cannot be moved without the files that belong to it.
    #[error("cannot move the branch '{name}' there: it is checked out")]
    CheckedOut {
        /// Its name.
        name: String,
        /// Where it was to go.
        start: Id,
    },
    /// There is no such tag.
    #[error("there is no tag '{0}'")]
    NoTag(String),
    /// There is no such ref, and never was.
    #[error("there is no ref '{0}'")]
    NoRef(String),
    /// The branch is in use.
    #[error("cannot delete the branch '{0}': it is the current one")]
    CurrentBranch(String),
    /// The branch holds work that would be forgotten.
    #[error("cannot delete the branch '{branch}': it has commits that '{head}' has not")]
    NotMerged {
        /// The branch.
        branch: String,
        /// Where one is.
        head: String,
    },
    /// Two commits have no common ancestor.
    #[error("the two sides of '{0}' have no common ancestor")]
    Unrelated(String),
    /// A merge is under way.
    #[error("cannot {verb}: a merge is under way")]
    Merging {
        /// What cannot be done then.
        verb: &'static str,
    },
    /// No merge is under way.
    #[error("no merge is under way")]
    NotMerging,
    /// No conflict is where one was to be decided.
    #[error("'{0}' is not in conflict")]
    NotInConflict(String),
    /// A merge has left something open.
    #[error("{} not decided yet", are(paths))]
    Unmerged {
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// Files are still as the merge wrote them, with markers.
    #[error("{} the markers of a merge", have(paths))]
    Marked {
        /// The files.
        paths: Vec<RepoPath>,
    },
    /// A conflict is recorded where a version is wanted.
    #[error("{} not decided there", are(paths))]
    Undecided {
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// A conflict that was recorded has no sides.
    #[error(
        "cannot take one side: a conflict that was recorded has versions, and nobody knows whose"
    )]
    NoSides {
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// Nothing is there to decide a conflict.
    #[error("nothing stands there to be taken: {} not here", are(paths))]
    NothingThere {
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// Something is staged.
    #[error("cannot merge: {} staged", are(paths))]
    Staged {
        /// What.
        paths: Vec<RepoPath>,
    },
    /// The branch has work of its own.
    #[error("cannot go forward to '{0}': the branch has commits of its own")]
    NotForward(String),
    /// Contents are not here, and without them nothing can be decided.
    #[error("cannot merge: the content of {} is not here", count(paths))]
    NeedsContent {
        /// Of which files.
        paths: Vec<RepoPath>,
    },
    /// Of several lines of work one conflicts with the others.
    #[error("cannot merge '{word}' along with the others: {} in conflict", are(paths))]
    Octopus {
        /// Which.
        word: String,
        /// Where.
        paths: Vec<RepoPath>,
    },
    /// There is no command to take back or to do again.
    #[error("there is nothing to {0}")]
    NothingTo(&'static str),
    /// A command cannot be taken back or done again.
    #[error("cannot {what} '{verb}': {why}")]
    CannotUndo {
        /// `undo` or `redo`.
        what: &'static str,
        /// The command.
        verb: String,
        /// Why not.
        why: String,
    },
    /// Two commits that are to be merged have no common ancestor.
    #[error("cannot merge {} and {}: they have no common ancestor", ours.short(12), theirs.short(12))]
    NothingInCommon {
        /// Ours.
        ours: Id,
        /// Theirs.
        theirs: Id,
    },
    /// A merge needs contents that are not in this store.
    #[error("cannot merge: the content of {} is not here", count(paths))]
    Elsewhere {
        /// Which files; the root if it only decides what a file was called.
        paths: Vec<RepoPath>,
    },
    /// What was read could not be passed on.
    #[error("cannot write: {0}")]
    Write(#[source] std::io::Error),
}

impl Error {
    /// Whether the index was found to be damaged.
    pub(super) fn is_damaged_index(&self) -> bool {
        match self {
            Self::Index(index::Error::Damaged)
            | Self::Repo(repo::Error::Index(index::Error::Damaged))
            | Self::Record(record::Error::Index(index::Error::Damaged))
            | Self::Record(record::Error::Scan(scan::Error::IndexDamaged)) => true,
            // Met on the way to a file.
            Self::Worktree { source, .. } => {
                let within = source.get_ref().and_then(|within| within.downcast_ref());
                matches!(within, Some(index::Error::Damaged))
            }
            _ => false,
        }
    }
}

fn count(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}'"),
        many => format!("{} files", many.len()),
    }
}

fn are(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}' is"),
        many => format!("{} files are", many.len()),
    }
}

fn have(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}' still has"),
        many => format!("{} files still have", many.len()),
    }
}

fn repositories(paths: &[RepoPath]) -> String {
    match paths {
        [one] => format!("'{one}' is another repository"),
        many => format!("{} other repositories are", many.len()),
    }
}

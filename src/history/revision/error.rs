//! What can be wrong with a revision, each with what was asked.

use thiserror::Error;

use crate::hash::{Id, Kind};
use crate::object::Signature;
use crate::path::{NameError, RepoPath};

use super::{Far, SyntaxError, Wanted};

/// An object that a short id may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: Id,
    /// Its kind.
    pub kind: Kind,
    /// Of a commit or tag: who recorded it and when, and the first line of the message.
    pub about: Option<(Option<Signature>, Vec<u8>)>,
}

/// Something to say although an answer was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A short name means several refs; the first one was taken.
    AmbiguousName {
        /// What was asked.
        name: String,
        /// The full names, in order.
        refs: Vec<String>,
    },
    /// The journal of a ref does not go back to the date asked for; its oldest value was taken.
    LogTooShort {
        /// The full name of the ref, or HEAD.
        name: String,
        /// The oldest move, in seconds since 1970.
        seconds: i64,
    },
}

/// Why a revision cannot be found. `asked` is the whole of what was typed.
#[derive(Debug, Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// Nothing has this name.
    #[error("'{name}' is not a revision")]
    Unknown {
        /// What was asked.
        asked: String,
        /// The part of it that names nothing.
        name: String,
        /// Short names of refs that are spelt much like it, the nearest first.
        similar: Vec<String>,
    },
    /// It is not written as a revision is.
    #[error("'{asked}' is not a revision: {reason}")]
    Syntax {
        /// What was asked.
        asked: String,
        /// What is wrong.
        reason: SyntaxError,
    },
    /// A short id means several objects.
    #[error("'{prefix}' is ambiguous: {} objects begin so", candidates.len())]
    Ambiguous {
        /// What was asked.
        asked: String,
        /// The short id.
        prefix: String,
        /// What it may mean, the likelier kinds first.
        candidates: Vec<Candidate>,
    },
    /// The current branch has no commit yet.
    #[error("'{asked}' is not a revision: '{branch}' has no commit yet")]
    Unborn {
        /// What was asked.
        asked: String,
        /// The branch.
        branch: String,
    },
    /// An object that should be there is not.
    #[error("cannot read '{asked}': object {id} is missing")]
    Missing {
        /// What was asked.
        asked: String,
        /// The object.
        id: Id,
    },
    /// It leads to an object of another kind.
    #[error("'{asked}' is a {}, not a {}", kind_name(*kind), wanted_name(*wanted, *kind))]
    WrongKind {
        /// What was asked.
        asked: String,
        /// What it leads to.
        id: Id,
        /// The kind of that.
        kind: Kind,
        /// What was wanted.
        wanted: Wanted,
    },
    /// A commit does not have that many parents.
    #[error("'{asked}' is not a revision: {} has {}", commit.short(8), counted(*has, "parent"))]
    NoParent {
        /// What was asked.
        asked: String,
        /// The commit.
        commit: Id,
        /// How many parents it has.
        has: usize,
    },
    /// History does not go back that far.
    #[error("'{asked}' is not a revision: history goes back {} from there", counted(*has, "commit"))]
    NoAncestor {
        /// What was asked.
        asked: String,
        /// How far it goes.
        has: usize,
    },
    /// What messages are searched for is no pattern.
    #[error("'{asked}' is not a revision: '{text}' is not a pattern: {why}")]
    BadPattern {
        /// What was asked.
        asked: String,
        /// The pattern.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// No message matches.
    #[error("'{asked}' is not a revision: no commit message matches '{text}'")]
    NoMatch {
        /// What was asked.
        asked: String,
        /// The text.
        text: String,
    },
    /// A tree has no such path.
    #[error("'{path}' does not exist in '{revision}'")]
    NoPath {
        /// What was asked.
        asked: String,
        /// The path from the root.
        path: RepoPath,
        /// The revision before the colon.
        revision: String,
    },
    /// The index has no such path.
    #[error("'{path}' is not tracked{}", stage_name(*stage))]
    NotTracked {
        /// What was asked.
        asked: String,
        /// The path from the root.
        path: RepoPath,
        /// 0, or a side of a conflict.
        stage: u8,
    },
    /// What stands at a path has no content that could be named.
    #[error("'{path}' has no content of its own: it is a {what}")]
    NoContent {
        /// What was asked.
        asked: String,
        /// The path.
        path: RepoPath,
        /// What it is.
        what: &'static str,
    },
    /// What stands after the colon cannot be a path.
    #[error("'{asked}' is not a revision: {source}")]
    Path {
        /// What was asked.
        asked: String,
        /// The rule it breaks.
        source: NameError,
    },
    /// A path leads out of the repository.
    #[error("'{asked}' is outside the repository")]
    Outside {
        /// What was asked.
        asked: String,
    },
    /// A relative path where there is no working tree.
    #[error("'{asked}' is not a revision: a relative path needs a working tree")]
    NoWorkingTree {
        /// What was asked.
        asked: String,
    },
    /// HEAD is not on a branch.
    #[error("'{asked}' is not a revision: no branch is checked out")]
    NoBranch {
        /// What was asked.
        asked: String,
    },
    /// Only branches have others that belong to them.
    #[error("'{asked}' is not a revision: '{name}' is not a branch")]
    NotABranch {
        /// What was asked.
        asked: String,
        /// The ref, or what else was named.
        name: String,
    },
    /// No other branch belongs to this one.
    #[error("branch '{branch}' has no {} branch", far_name(*far))]
    NoFar {
        /// What was asked.
        asked: String,
        /// The branch, by its short name.
        branch: String,
        /// Which one was wanted.
        far: Far,
    },
    /// The other branch has never been fetched, or is gone.
    #[error("the {} branch '{name}' of '{branch}' is not here", far_name(*far))]
    FarMissing {
        /// What was asked.
        asked: String,
        /// The branch, by its short name.
        branch: String,
        /// The full name of the other one.
        name: String,
        /// Which one was wanted.
        far: Far,
    },
    /// There were not that many switches.
    #[error("'{asked}' is not a revision: HEAD has been switched {}", counted(*has, "time"))]
    NoPrevious {
        /// What was asked.
        asked: String,
        /// How many there were.
        has: usize,
    },
    /// A ref did not move that often.
    #[error("'{asked}' is not a revision: of '{name}' the journal has {}", counted(*has, "move"))]
    NoMove {
        /// What was asked.
        asked: String,
        /// The full name of the ref, or HEAD.
        name: String,
        /// How many there were.
        has: usize,
    },
    /// A ref did not exist then.
    #[error("'{asked}' is not a revision: '{name}' did not exist then")]
    NotThen {
        /// What was asked.
        asked: String,
        /// The full name of the ref, or HEAD.
        name: String,
    },
    /// What stands in `@{…}` is not a date.
    #[error("'{asked}' is not a revision: '{text}' is not a date")]
    NotADate {
        /// What was asked.
        asked: String,
        /// What should be one.
        text: String,
    },
    /// Symbolic refs lead in a circle.
    #[error("'{name}' leads to itself")]
    Circle {
        /// What was asked.
        asked: String,
        /// One of the refs.
        name: String,
    },
    /// What follows `--branches=` is not a pattern.
    #[error("'{glob}' is not a pattern: {reason}")]
    Glob {
        /// The pattern.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] E),
}

/// How content is stored is nobody's business here.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Chunk | Kind::Manifest => "file",
        kind => kind.name(),
    }
}

fn wanted_name(wanted: Wanted, found: Kind) -> &'static str {
    match wanted {
        Wanted::Any => "object",
        Wanted::Commit => "commit",
        Wanted::Tree if matches!(found, Kind::Chunk | Kind::Manifest) => "directory",
        Wanted::Tree => "tree",
        Wanted::Content => "file's content",
        Wanted::Tag => "tag",
    }
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn stage_name(stage: u8) -> &'static str {
    match stage {
        0 => "",
        1 => " as a common base of a conflict",
        2 => " as our side of a conflict",
        _ => " as their side of a conflict",
    }
}

fn far_name(far: Far) -> &'static str {
    match far {
        Far::Upstream => "upstream",
        Far::Push => "push",
    }
}

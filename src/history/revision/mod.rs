//! Revisions: what people type to name a commit, a tree, a file, or a set of commits.
//!
//! The syntax is git's (`main~2`, `v1^{tree}`, `@{yesterday}`, `abc123`, `main..dev`, `HEAD:path`).
//! [`parse()`] and [`parse_word`] are pure; [`Revisions`] asks the store. What is worth a warning is
//! kept as data, and so are candidates and similar names in errors: nothing here words a hint.

mod error;
mod evaluate;
mod moves;
mod name;
mod parse;
mod path;
mod set;
mod word;

use crate::clock::{Clock, Time};
use crate::hash::{Id, Kind};
use crate::object::Entry;
use crate::path::RepoPath;

use super::Names;

pub use error::{Candidate, Error, Warning};
pub use parse::{Base, Expression, Peel, Search, Step, SyntaxError, parse};
pub use set::RevisionSet;
pub use word::{Members, Word, is_set, parse_word};

/// What an expression means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The object.
    pub id: Id,
    /// Its kind.
    pub kind: Kind,
    /// For `REV:path` and `:path`: the path and what stands there. Not for the root, `REV:`.
    pub path: Option<(RepoPath, Entry)>,
    /// The full name of the ref that was named, if the expression is a ref and nothing more. HEAD
    /// on a branch gives the branch.
    pub full_name: Option<String>,
}

/// What is wanted. It decides between objects whose ids begin alike, and tags lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever it is.
    Any,
    /// A commit.
    Commit,
    /// A tree; a commit stands for its own.
    Tree,
    /// The content of a file: a chunk or a manifest.
    Content,
    /// An annotated tag.
    Tag,
}

/// Which other branch belongs to a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// The one it is brought up to date from: `@{upstream}`.
    Upstream,
    /// The one it is pushed to: `@{push}`.
    Push,
}

/// What a revision depends on besides the store.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The directory of whoever asks, for `./`; `None` without a working tree.
    pub here: Option<&'a RepoPath>,
    /// The time now, for dates.
    pub now: Time,
    /// The wall clock of whoever asks.
    pub zone: &'a dyn Clock,
    /// The full name of the ref that belongs to a branch (full name), as the configuration says.
    pub far: &'a dyn Fn(&str, Far) -> Option<String>,
}

/// Finds what revisions mean, one after the other.
pub struct Revisions<'a, N> {
    names: &'a N,
    context: Context<'a>,
    warnings: Vec<Warning>,
}

impl<'a, N: Names> Revisions<'a, N> {
    /// Asks `names`, on behalf of somebody in `context`.
    pub fn new(names: &'a N, context: Context<'a>) -> Self {
        Self { names, context, warnings: Vec::new() }
    }

    /// What there was to warn of so far, each once.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

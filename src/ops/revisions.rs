//! Revisions as people type them: what they mean in this repository.
//!
//! The grammar and its meaning are `history::revision`; here it is given the refs, moves and short
//! ids of a repository.

use crate::hash::Id;
use crate::history::StoredGraph;
use crate::history::revision::{self, Context, Revisions, Wanted, Warning};
use crate::progress::Monitor;
use crate::repo::Repository;
use crate::store;

use super::Error;

pub use crate::history::revision::{Found, RevisionSet};

/// What `text` means.
pub fn find(
    repo: &Repository,
    text: impl AsRef<[u8]>,
    monitor: &dyn Monitor,
) -> Result<Found, Error> {
    find_as(repo, text, Wanted::Any, monitor)
}

/// What `text` means to somebody who wants this.
pub fn find_as(
    repo: &Repository,
    text: impl AsRef<[u8]>,
    wanted: Wanted,
    monitor: &dyn Monitor,
) -> Result<Found, Error> {
    ask(repo, monitor, |revisions| revisions.find_as(text, wanted))
}

/// The commit `text` means.
pub fn commit(
    repo: &Repository,
    text: impl AsRef<[u8]>,
    monitor: &dyn Monitor,
) -> Result<Id, Error> {
    Ok(find_as(repo, text, Wanted::Commit, monitor)?.id)
}

/// The tree `text` means; a commit stands for its own.
pub fn tree(repo: &Repository, text: impl AsRef<[u8]>, monitor: &dyn Monitor) -> Result<Id, Error> {
    Ok(find_as(repo, text, Wanted::Tree, monitor)?.id)
}

/// The commits that several words mean together: `A`, `^A`, `A..B`, `--all`.
pub fn set(
    repo: &Repository,
    words: &[impl AsRef<[u8]>],
    monitor: &dyn Monitor,
) -> Result<RevisionSet, Error> {
    StoredGraph::ask(repo.store(), |graph| {
        ask(repo, monitor, |revisions| revisions.set(words, graph))
    })
}

fn ask<'r, T>(
    repo: &'r Repository,
    monitor: &dyn Monitor,
    question: impl FnOnce(&mut Revisions<'r, Repository>) -> Result<T, revision::Error<store::Error>>,
) -> Result<T, Error> {
    let clock = &*repo.env().clock;
    let context = Context {
        here: (!repo.is_bare()).then(|| repo.here()),
        now: clock.now(),
        zone: clock,
        // No branch has one elsewhere until there are remotes.
        far: &|_, _| None,
    };
    let mut revisions = Revisions::new(repo, context);
    let answer = question(&mut revisions)?;
    for warning in revisions.warnings() {
        monitor.notice(&match warning {
            Warning::AmbiguousName { name, refs } => {
                format!("'{name}' is ambiguous: it is taken for '{}'", refs[0])
            }
            Warning::LogTooShort { name, .. } => {
                format!(
                    "the journal of '{name}' does not go back that far; its oldest value is taken"
                )
            }
        });
    }
    Ok(answer)
}

//! Revisions as people type them: what they mean in this repository.
//!
//! The grammar and its meaning are `history::revision`; here it is given the refs, moves and short
//! ids of a repository.

use std::sync::Arc;

use crate::hash::{Id, Kind, Prefix};
use crate::history::revision::{self, Context, Revisions, Wanted, Warning};
use crate::history::{Names, StoredGraph};
use crate::object::{Entry, Node, Object, Source};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::repo::{self, Repository, find_entry};
use crate::store::{self, Move, Target};

use super::{Error, reflog};

pub use crate::history::revision::{Found, RevisionSet};

/// What `text` means.
pub fn find(repo: &Repository, text: &str, monitor: &dyn Monitor) -> Result<Found, Error> {
    find_as(repo, text, Wanted::Any, monitor)
}

/// What `text` means to somebody who wants this.
pub fn find_as(
    repo: &Repository,
    text: &str,
    wanted: Wanted,
    monitor: &dyn Monitor,
) -> Result<Found, Error> {
    ask(repo, monitor, |revisions| revisions.find_as(text, wanted))
}

/// The commit `text` means.
pub fn commit(repo: &Repository, text: &str, monitor: &dyn Monitor) -> Result<Id, Error> {
    Ok(find_as(repo, text, Wanted::Commit, monitor)?.id)
}

/// The tree `text` means; a commit stands for its own.
pub fn tree(repo: &Repository, text: &str, monitor: &dyn Monitor) -> Result<Id, Error> {
    Ok(find_as(repo, text, Wanted::Tree, monitor)?.id)
}

/// The commits that several words mean together: `A`, `^A`, `A..B`, `--all`.
pub fn set(
    repo: &Repository,
    words: &[String],
    monitor: &dyn Monitor,
) -> Result<RevisionSet, Error> {
    let graph = StoredGraph::open(repo.store());
    let set = ask(repo, monitor, |revisions| revisions.set(words, &graph));
    graph.save();
    set
}

fn ask<'r, T>(
    repo: &'r Repository,
    monitor: &dyn Monitor,
    question: impl FnOnce(
        &mut Revisions<'_, RepositoryNames<'r>>,
    ) -> Result<T, revision::Error<store::Error>>,
) -> Result<T, Error> {
    let names = RepositoryNames(repo);
    let clock = &*repo.env().clock;
    let context = Context {
        here: (!repo.is_bare()).then(|| repo.here()),
        now: clock.now(),
        zone: clock,
        // No branch has one elsewhere until there are remotes.
        far: &|_, _| None,
    };
    let mut revisions = Revisions::new(&names, context);
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

/// What revisions are made of, as a repository has it.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryNames<'r>(pub &'r Repository);

impl Source for RepositoryNames<'_> {
    type Error = store::Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, store::Error> {
        self.0.store().bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, store::Error> {
        self.0.store().tree(id)
    }

    fn object<T: Object>(&self, id: &Id) -> Result<T, store::Error> {
        self.0.store().object(id)
    }
}

impl Names for RepositoryNames<'_> {
    fn head_name(&self) -> Option<String> {
        Some(self.0.head_name())
    }

    fn target(&self, name: &str) -> Result<Option<Target>, store::Error> {
        Ok(self.0.store().target(name))
    }

    fn names(&self, prefix: &str) -> Result<Vec<(String, Target)>, store::Error> {
        Ok(self.0.store().refs(prefix))
    }

    fn moves(&self, name: &str) -> Result<Vec<Move>, store::Error> {
        reflog::moves(self.0, name)
    }

    fn find(&self, prefix: &Prefix) -> Result<Vec<(Id, Kind)>, store::Error> {
        let store = self.0.store();
        let found = store.lookup().find_prefix(&store.state(), prefix);
        // A content id stands for the manifest it belongs to.
        Ok(found.into_iter().map(|(id, kind)| (id, kind.unwrap_or(Kind::Manifest))).collect())
    }

    fn kind(&self, id: &Id) -> Result<Option<Kind>, store::Error> {
        // What is empty is named without ever being stored.
        if *id == Node::empty_id() {
            return Ok(Some(Kind::Tree));
        }
        if *id == Id::EMPTY {
            return Ok(Some(Kind::Chunk));
        }
        let store = self.0.store();
        let kinds = store.lookup().kinds(&store.state(), id);
        let preferred = kinds.iter().copied().flatten().min_by_key(|kind| *kind == Kind::Chunk);
        Ok(preferred.or_else(|| (!kinds.is_empty()).then_some(Kind::Manifest)))
    }

    fn tracked(&self, path: &RepoPath, stage: u8) -> Result<Option<Entry>, store::Error> {
        // Conflicts are entries of trees; there are no other sides.
        if stage != 0 {
            return Ok(None);
        }
        let tree = match self.0.staged() {
            Some(staged) => Some(staged.tree),
            None => self.0.head_tree().ok().flatten(),
        };
        let Some(tree) = tree else { return Ok(None) };
        match find_entry(self.0.store(), &tree, path) {
            Ok(entry) => Ok(entry),
            Err(repo::Error::Store(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

//! Where lines of work went apart: their best common ancestors.

use crate::hash::Id;
use crate::history::{StoredGraph, ancestor};
use crate::repo::Repository;
use crate::store;

use super::Error;

/// The best common ancestors of `one` and a merge of all `others`, newest first.
pub fn best(repo: &Repository, one: &Id, others: &[Id]) -> Result<Vec<Id>, Error> {
    ask(repo, |graph| ancestor::merge_bases_many(graph, one, others))
}

/// The best common ancestors of all of these together, newest first.
pub fn octopus(repo: &Repository, commits: &[Id]) -> Result<Vec<Id>, Error> {
    ask(repo, |graph| ancestor::octopus(graph, commits))
}

/// Those that no other of them reaches, each once, in the order given.
pub fn independent(repo: &Repository, commits: &[Id]) -> Result<Vec<Id>, Error> {
    ask(repo, |graph| ancestor::independent(graph, commits))
}

/// Whether `descendant` is `ancestor` or follows it.
pub fn is_ancestor(repo: &Repository, ancestor: &Id, descendant: &Id) -> Result<bool, Error> {
    ask(repo, |graph| ancestor::is_ancestor(graph, ancestor, descendant))
}

fn ask<T>(
    repo: &Repository,
    question: impl FnMut(&StoredGraph<'_>) -> Result<T, store::Error>,
) -> Result<T, Error> {
    Ok(StoredGraph::ask(repo.store(), question)?)
}

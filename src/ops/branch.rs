//! Branches: listing, making, renaming and deleting them.

use crate::git::readable;
use crate::hash::Id;
use crate::history::{StoredGraph, ancestor, refname};
use crate::object::{Commit, Source};
use crate::repo::{Head, Person, Repository};
use crate::store::{Publication, RefEdit, Target};

use super::Error;

/// Where branches are.
pub const PREFIX: &str = "refs/heads/";

/// A branch.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// Its commit.
    pub id: Id,
    /// Whether HEAD is on it.
    pub is_current: bool,
}

/// All branches, sorted by name.
pub fn list(repo: &Repository) -> Vec<Branch> {
    let current = current(repo);
    let found = repo.store().refs(PREFIX).into_iter().filter_map(|(full, _)| {
        let id = repo.store().resolve(&full)?;
        let name = full.strip_prefix(PREFIX)?.to_owned();
        let is_current = current.as_deref() == Some(&name);
        Some(Branch { name, id, is_current })
    });
    found.collect()
}

/// The first line of what a branch's commit says.
pub fn subject(repo: &Repository, id: &Id) -> Result<Vec<u8>, Error> {
    let commit: Commit = repo.store().object(id)?;
    Ok(readable(&commit).subject().to_vec())
}

/// The branch HEAD is on, whether or not it has commits.
pub fn current(repo: &Repository) -> Option<String> {
    match repo.head() {
        Head::Branch { name, .. } => Some(name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()),
        Head::Detached(_) => None,
    }
}

/// What to do about something that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Do it all the same.
    Yes,
}

/// Makes a branch at a commit; with [`Force::Yes`], moves one that is there. Tells where that was.
pub fn create(
    repo: &Repository,
    actor: &Person,
    name: &str,
    start: &Id,
    force: Force,
) -> Result<Option<Id>, Error> {
    refname::check_branch(name)?;
    let full = format!("{PREFIX}{name}");
    let (old, was) = (repo.store().target(&full), repo.store().resolve(&full));
    if old.is_some() && force == Force::No {
        return Err(exists(name));
    }
    if old.is_some() && current(repo).as_deref() == Some(name) {
        return Err(Error::CheckedOut { name: name.to_owned(), start: *start });
    }
    let edit = RefEdit {
        name: full,
        old,
        new: Some(Target::Id(*start)),
        reason: format!("branch: created at {}", start.short(8)),
    };
    publish(repo, actor, vec![edit])?;
    Ok(was)
}

/// Deletes branches, all or none; tells where they were.
pub fn delete(
    repo: &Repository,
    actor: &Person,
    names: &[String],
    force: Force,
) -> Result<Vec<Branch>, Error> {
    let (mut deleted, mut edits) = (Vec::new(), Vec::new());
    for name in names {
        let full = format!("{PREFIX}{name}");
        let id = repo.store().resolve(&full).ok_or_else(|| Error::NoBranch(name.clone()))?;
        if current(repo).as_ref() == Some(name) {
            return Err(Error::CurrentBranch(name.clone()));
        }
        if force == Force::No {
            let is_kept = match repo.head().commit() {
                Some(head) => StoredGraph::ask(repo.store(), |graph| {
                    ancestor::is_ancestor(graph, &id, &head)
                })?,
                None => false,
            };
            if !is_kept {
                let head = current(repo).unwrap_or_else(|| "HEAD".to_owned());
                return Err(Error::NotMerged { branch: name.clone(), head });
            }
        }
        let old = repo.store().target(&full);
        edits.push(RefEdit { name: full, old, new: None, reason: "branch: deleted".to_owned() });
        deleted.push(Branch { name: name.clone(), id, is_current: false });
    }
    publish(repo, actor, edits)?;
    Ok(deleted)
}

/// Renames a branch; HEADs that are on it follow. Tells where it is, if it has commits.
pub fn rename(
    repo: &Repository,
    actor: &Person,
    old: &str,
    new: &str,
    force: Force,
) -> Result<Option<Id>, Error> {
    refname::check_branch(new)?;
    let (from, to) = (format!("{PREFIX}{old}"), format!("{PREFIX}{new}"));
    let (was, id) = (repo.store().target(&from), repo.store().resolve(&from));
    let is_current = current(repo).as_deref() == Some(old);
    if was.is_none() && !is_current {
        return Err(Error::NoBranch(old.to_owned()));
    }
    if old == new {
        return Ok(id);
    }
    let there = repo.store().target(&to);
    if there.is_some() && force == Force::No {
        return Err(exists(new));
    }
    let reason = format!("branch: renamed {old} to {new}");
    let mut edits = Vec::new();
    if was.is_some() {
        let edit = |name: &str, old, new| RefEdit {
            name: name.to_owned(),
            old,
            new,
            reason: reason.clone(),
        };
        edits.push(edit(&to, there, was.clone()));
        edits.push(edit(&from, was, None));
    }
    let mut heads: Vec<String> = repo
        .store()
        .refs("refs/worktree/")
        .into_iter()
        .filter(|(name, target)| {
            name.ends_with("/HEAD") && *target == Target::Symbolic(from.clone())
        })
        .map(|(name, _)| name)
        .collect();
    if is_current && !heads.contains(&repo.head_name()) {
        heads.push(repo.head_name());
    }
    for head in heads {
        let old = repo.store().target(&head);
        let new = Some(Target::Symbolic(to.clone()));
        edits.push(RefEdit { name: head, old, new, reason: reason.clone() });
    }
    publish(repo, actor, edits)?;
    Ok(id)
}

fn exists(name: &str) -> Error {
    Error::Exists { kind: "branch", name: name.to_owned() }
}

fn publish(repo: &Repository, actor: &Person, edits: Vec<RefEdit>) -> Result<(), Error> {
    repo.store().publish(Publication::new("branch", &actor.to_actor()).with_refs(edits))?;
    Ok(())
}

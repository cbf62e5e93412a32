//! Where a ref has been.

use crate::hash::Id;
use crate::history::Names;
use crate::repo::Repository;
use crate::store::{self, Error as StoreError, Move, Target};

use super::Error;

/// One move, and where the ref was after it.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The move.
    pub moved: Move,
    /// The object the ref led to then, through what it pointed to; `None` if to nothing yet.
    pub id: Option<Id>,
}

/// The moves of a ref, newest first; those of HEAD include those of the branch it was on.
pub fn run(repo: &Repository, name: &str) -> Result<Vec<Logged>, Error> {
    let full = full_name(repo, name);
    let all = all_moves(repo)?;
    let found = repo.moves(&full)?;
    if found.is_empty() && repo.store().target(&full).is_none() {
        return Err(Error::NoRef(name.to_owned()));
    }
    let then = |moved: &Move| match &moved.new {
        Some(Target::Symbolic(branch)) => {
            let mut before = all.iter().rev().filter(|other| other.number <= moved.number);
            match before.find(|other| other.name == *branch)?.new {
                Some(Target::Id(id)) => Some(id),
                _ => None,
            }
        }
        Some(Target::Id(id)) => Some(*id),
        None => None,
    };
    Ok(found.into_iter().map(|moved| Logged { id: then(&moved), moved }).collect())
}

/// All ref moves, oldest first.
fn all_moves(repo: &Repository) -> Result<Vec<Move>, store::Error> {
    let state = repo.store().state();
    repo.store().journal().moves(&state).map_err(StoreError::from)
}

/// The full name of the ref a short one means.
fn full_name(repo: &Repository, name: &str) -> String {
    if name == "HEAD" || name == "@" {
        return repo.head_name();
    }
    let candidates = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
    let mut names = candidates.iter().map(|prefix| format!("{prefix}{name}"));
    names
        .find(|name| repo.store().target(name).is_some())
        .unwrap_or_else(|| format!("refs/heads/{name}"))
}

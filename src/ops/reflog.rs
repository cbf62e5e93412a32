//! Where a ref has been.

use crate::hash::Id;
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
    let found = of_ref(repo, &full, &all);
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

/// The moves of a ref that is given by its full name.
pub(super) fn moves(repo: &Repository, full: &str) -> Result<Vec<Move>, store::Error> {
    Ok(of_ref(repo, full, &all_moves(repo)?))
}

fn of_ref(repo: &Repository, full: &str, moves: &[Move]) -> Vec<Move> {
    let head = repo.head_name();
    if full != head {
        return moves.iter().filter(|moved| moved.name == full).rev().cloned().collect();
    }
    // Which branch HEAD was on follows from its own moves, oldest first.
    let mut on: Option<String> = None;
    let mut found: Vec<Move> = Vec::new();
    for moved in moves {
        if moved.name == head {
            on = match &moved.new {
                Some(Target::Symbolic(branch)) => Some(branch.clone()),
                _ => None,
            };
            found.push(moved.clone());
        } else if on.as_ref() == Some(&moved.name) {
            // A record that moves both is one move of HEAD.
            match found.last_mut() {
                Some(last) if last.number == moved.number => *last = moved.clone(),
                _ => found.push(moved.clone()),
            }
        }
    }
    found.reverse();
    found
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

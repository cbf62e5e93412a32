//! Where a ref has been.

use crate::repo::Repository;
use crate::store::{self, Error as StoreError, Move, Target};

use super::Error;

/// The moves of a ref, newest first; those of HEAD include those of the branch it was on.
pub fn run(repo: &Repository, name: &str) -> Result<Vec<Move>, Error> {
    let full = full_name(repo, name);
    let found = moves(repo, &full)?;
    if found.is_empty() && repo.store().target(&full).is_none() {
        return Err(Error::NoRef(name.to_owned()));
    }
    Ok(found)
}

/// The moves of a ref that is given by its full name.
pub(super) fn moves(repo: &Repository, full: &str) -> Result<Vec<Move>, store::Error> {
    let state = repo.store().state();
    let moves = repo.store().journal().moves(&state).map_err(StoreError::from)?;
    let head = repo.head_name();
    if full != head {
        return Ok(moves.into_iter().filter(|moved| moved.name == full).rev().collect());
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
            found.push(moved);
        } else if on.as_ref() == Some(&moved.name) {
            // A record that moves both is one move of HEAD.
            match found.last_mut() {
                Some(last) if last.number == moved.number => *last = moved,
                _ => found.push(moved),
            }
        }
    }
    found.reverse();
    Ok(found)
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

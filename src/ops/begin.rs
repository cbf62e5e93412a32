//! How every command begins that changes what is recorded, staged or in the working tree.

use crate::disk;
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules};
use crate::store::Error as StoreError;

use super::{Error, pending};

/// How often a race is run again before giving up.
const ATTEMPTS: usize = 100;

/// Runs a command that changes what is recorded, staged or in the working tree: what was
/// interrupted is finished, nobody else works here meanwhile, what others recorded is read; and if
/// the index is found to be damaged on the way, it is made anew and the command begins again.
pub(super) fn run<T>(
    repo: &Repository,
    actor: &Person,
    rules: &Rules<'_>,
    monitor: &dyn Monitor,
    attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let finish = || pending::finish_interrupted(repo, actor, monitor);
    with_sound_index(repo, rules, monitor, finish)?;
    let _lock = pending::lock(repo)?;
    repo.store().refresh()?;
    renew_worktree_file(repo)?;
    with_sound_index(repo, rules, monitor, attempt)
}

/// Makes the file with the working tree's id anew if it is lost or damaged and the journal knows
/// the id: it alone tells several working trees apart.
fn renew_worktree_file(repo: &Repository) -> Result<(), Error> {
    let Ok(worktree) = repo.worktree() else { return Ok(()) };
    let store = repo.store();
    let text = format!("{}\n", crate::hash::hex(&worktree.id));
    // One that is too long to be read is damaged, too.
    let found = store.read_file("worktree", 4096).ok().flatten();
    let is_known = store.target(&repo.head_name()).is_some();
    if is_known && found.as_deref() != Some(text.as_bytes()) {
        let random = store.env().random.four();
        disk::replace(&**store.dir(), b"worktree", random, text.as_bytes()).map_err(|source| {
            StoreError::Io { action: "write", path: "worktree".into(), source }
        })?;
    }
    Ok(())
}

/// Runs a command, and once more with the index made anew if that is found to be damaged on the
/// way. Nothing was concluded from it before that. What was recorded before that, the second
/// attempt begins with: damage found only when the index is to be changed is no error.
pub(super) fn with_sound_index<T>(
    repo: &Repository,
    rules: &Rules<'_>,
    monitor: &dyn Monitor,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    match attempt() {
        Err(error) if error.is_damaged_index() => {
            repo.working(rules, monitor)?.make_index_anew(monitor)?;
            attempt()
        }
        done => done,
    }
}

/// Runs a command again from what is there now, for as long as others are faster. Content that was
/// stored is found again.
pub(super) fn until_undisturbed<T>(
    repo: &Repository,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut moved = "HEAD".to_owned();
    for _ in 0..ATTEMPTS {
        match attempt() {
            Err(Error::Store(StoreError::Moved { name })) => moved = name,
            Err(Error::Store(StoreError::Gone)) => {}
            done => return done,
        }
        repo.store().refresh()?;
    }
    Err(Error::TooBusy(moved))
}

//! How every command begins that changes what is recorded, staged or in the working tree.

use crate::disk::Lock;
use crate::progress::Monitor;
use crate::repo::{Person, Repository, Rules};
use crate::store::Error as StoreError;

use super::{Error, pending};

/// How often a race is run again before giving up.
const ATTEMPTS: usize = 100;

/// Finishes what was interrupted, takes the lock of the working tree and reads what others
/// recorded. The command goes on for as long as it holds what is returned.
pub(super) fn begin(
    repo: &Repository,
    actor: &Person,
    monitor: &dyn Monitor,
) -> Result<Option<Lock>, Error> {
    pending::finish_interrupted(repo, actor, monitor)?;
    let lock = pending::lock(repo)?;
    repo.store().refresh()?;
    Ok(lock)
}

/// Runs a command, and once more with the index made anew if that is found to be damaged on the
/// way. Nothing was concluded from it before that, and nothing recorded.
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

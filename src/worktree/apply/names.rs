//! Whose the names are: where the file system may take two for one, or cannot have one at all.

use std::collections::HashSet;
use std::io;

use crate::index::{Presence, Volume};
use crate::object::{Entry, What};
use crate::path::RepoPath;

use super::super::spelling::Spellings;
use super::{Failed, Step, Target};

/// Whose the names are.
pub(super) struct Names<'a> {
    pub(super) target: Target<'a>,
    pub(super) steps: &'a [Step],
    pub(super) spellings: Spellings,
    /// Directories that were not made because the file system cannot hold them.
    pub(super) held_back: HashSet<RepoPath>,
    /// Paths that should have been removed and could not be.
    failed: HashSet<RepoPath>,
}

impl<'a> Names<'a> {
    pub(super) fn new(target: Target<'a>, steps: &'a [Step]) -> Self {
        let spellings = Spellings::new(target.root.clone(), target.volume);
        Self { target, steps, spellings, held_back: HashSet::new(), failed: HashSet::new() }
    }

    /// What was to go is gone, but for these.
    pub(super) fn after_removal(&mut self, failed: &[Failed]) {
        self.spellings.forget();
        self.failed = failed.iter().map(|failed| failed.path.clone()).collect();
    }

    fn step(&self, path: &RepoPath) -> Option<&Step> {
        let found = self.steps.binary_search_by(|step| step.path.cmp(path));
        found.ok().map(|at| &self.steps[at])
    }

    /// Whether something that no step names stands at a path or is to stand there.
    fn is_known(&self, path: &RepoPath) -> io::Result<bool> {
        if self.target.settled.contains(path) {
            return Ok(true);
        }
        let row = self.target.index.get(path).map_err(io::Error::other)?;
        Ok(row.is_some_and(|row| row.presence == Presence::Here))
    }

    /// Whether what stands where a path would be is another's, that is there before the change.
    pub(super) fn was_anothers(&mut self, path: &RepoPath) -> io::Result<bool> {
        let mut spellings = self.take_spellings();
        let taken = spellings.taken_by(path, &mut |other| match self.step(other) {
            Some(_) => Ok::<_, io::Error>(true),
            None => self.is_known(other),
        });
        self.spellings = spellings;
        Ok(taken?.is_some())
    }

    /// Whether the file system has no place for a path: it cannot have that name, or something that
    /// stays or came first has it under another spelling.
    pub(super) fn has_no_place(&mut self, path: &RepoPath, new: &Entry) -> io::Result<bool> {
        let Some((parent, name)) = path.split() else { return Ok(false) };
        if !self.held_back.is_empty() {
            let mut above = parent;
            loop {
                if self.held_back.contains(&above) {
                    return Ok(true);
                }
                let Some((next, _)) = above.split() else { break };
                above = next;
            }
        }
        let volume = self.target.volume;
        let is_link = matches!(new.what, What::Symlink { .. });
        if !volume.can_hold(name) || (is_link && !volume.symlinks) {
            return Ok(true);
        }
        let mut spellings = self.take_spellings();
        let taken = spellings.taken_by(path, &mut |other| match self.step(other) {
            Some(step) => Ok::<_, io::Error>(step.new.is_some() || self.failed.contains(other)),
            None => self.is_known(other),
        });
        self.spellings = spellings;
        Ok(taken?.is_some())
    }

    fn take_spellings(&mut self) -> Spellings {
        let other = Spellings::new(self.target.root.clone(), &Volume::default());
        std::mem::replace(&mut self.spellings, other)
    }
}

//! What could not be brought into the working tree.

use std::process::ExitCode;

use annals::path::RepoPath;
use annals::worktree::Failed;

use crate::context::Context;
use crate::output::reason;
use crate::report::{Error, NO};

/// What is to be told when files were written.
pub(super) struct Brought<'a> {
    /// Paths that could not be changed.
    pub(super) failed: &'a [Failed],
    /// Paths this file system cannot hold.
    pub(super) not_representable: &'a [RepoPath],
}

impl Brought<'_> {
    /// Tells it; exit code 1 if something failed.
    pub(super) fn tell(&self, context: &Context) -> Result<ExitCode, Error> {
        let output = context.output();
        for failed in self.failed {
            let why = reason(&failed.error);
            output.warn(&format!("'{}' could not be changed: {why}", failed.path));
        }
        for path in self.not_representable {
            output.warn(&format!(
                "'{path}' is not representable here: it is recorded, and this file system has no \
                 place for it"
            ));
        }
        Ok(if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
    }
}

//! What was, could not be or would be brought into the working tree.

use std::process::ExitCode;

use annals::path::RepoPath;
use annals::worktree::Failed;
use serde_json::Value;

use crate::context::Context;
use crate::output::{reason, text_json};
use crate::report::{Error, NO};

/// What is to be told when files were written.
pub(super) struct Brought<'a> {
    /// Paths that could not be changed.
    pub(super) failed: &'a [Failed],
    /// Paths this file system cannot hold.
    pub(super) not_representable: &'a [RepoPath],
}

/// Names what a dry run would change: a line each, or all of them in the one object.
pub(super) fn tell_would_change(
    context: &Context,
    is_dry: bool,
    paths: &[RepoPath],
    value: &mut Value,
) -> Result<(), Error> {
    let output = context.output();
    if !context.is_json() {
        return paths.iter().try_for_each(|path| output.line(output.path(path)));
    }
    if is_dry {
        value["would_change"] = paths.iter().map(|path| text_json(path.as_bytes())).collect();
    }
    Ok(())
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

//! What was not recorded although it is there. Shared by `commit`, `add` and `init`.

use std::io;
use std::process::ExitCode;

use annals::path::{NameError, RepoPath};
use annals::worktree::record::{Unread, Why};

use crate::context::Context;
use crate::output::reason;
use crate::report::{Error, NO};

/// What was not recorded.
pub(super) struct LeftOut<'a> {
    pub(super) unread: &'a [Unread],
    pub(super) unreadable: &'a [(RepoPath, io::Error)],
    pub(super) refused: &'a [(String, NameError)],
    pub(super) nested: &'a [RepoPath],
}

impl LeftOut<'_> {
    /// Names each; exit code 1 if there is any.
    pub(super) fn tell(&self, context: &Context) -> Result<ExitCode, Error> {
        let output = context.output();
        for unread in self.unread {
            let why = match &unread.why {
                Why::Unreadable(error) => reason(error),
                Why::Changing => "it kept changing while it was read".to_owned(),
                Why::Vanished => "it vanished before it was read".to_owned(),
            };
            output.warn(&format!("'{}' was not recorded: {why}", unread.path));
        }
        for (path, error) in self.unreadable {
            output.warn(&format!("'{path}' was not recorded: {}", reason(error)));
        }
        for (name, error) in self.refused {
            output.warn(&format!("'{name}' was not recorded: {error}"));
        }
        for path in self.nested {
            output.warn(&format!("'{path}' was not recorded: it is a repository of its own"));
        }
        let is_any = !self.unread.is_empty()
            || !self.unreadable.is_empty()
            || !self.refused.is_empty()
            || !self.nested.is_empty();
        Ok(if is_any { ExitCode::from(NO) } else { ExitCode::SUCCESS })
    }
}

//! What was not recorded although it is there. Shared by `commit`, `add` and `init`.

use std::io;
use std::process::ExitCode;

use annals::path::{NameError, RepoPath};
use annals::worktree::record::{Unread, Why};

use crate::context::Context;
use crate::output::reason;
use crate::report::{Error, NO};

/// Why a file is not recorded that has taken the place of a directory.
pub(super) const IN_THE_WAY: &str = "a directory is recorded there of which not everything is here";

/// Names lines of files of ignore rules that are no rules.
pub(super) fn tell_bad_rules(context: &Context, bad_rules: &[(RepoPath, String)]) {
    for (path, wrong) in bad_rules {
        context.output().warn(&format!("'{path}', {wrong}; the line is passed over"));
    }
}

/// What was not recorded.
pub(super) struct LeftOut<'a> {
    pub(super) unread: &'a [Unread],
    pub(super) unreadable: &'a [(RepoPath, io::Error)],
    pub(super) refused: &'a [(String, NameError)],
    pub(super) nested: &'a [RepoPath],
    pub(super) bad_rules: &'a [(RepoPath, String)],
}

impl LeftOut<'_> {
    /// Names each; exit code 1 if there is any.
    pub(super) fn tell(&self, context: &Context) -> Result<ExitCode, Error> {
        let output = context.output();
        tell_bad_rules(context, self.bad_rules);
        for unread in self.unread {
            let why = match &unread.why {
                Why::InTheWay => IN_THE_WAY.to_owned(),
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

//! `annals restore`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::restore;
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted};
use crate::report::Error;

use super::brought::{Brought, tell_would_change};

/// Bring files back as they were recorded
///
/// Changes that are not recorded are lost.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(value_name = "PATHS", required = true)]
    paths: Vec<OsString>,
    /// From this revision (default: what is staged; with --staged, the current commit)
    #[arg(short, long, value_name = "REV")]
    source: Option<OsString>,
    /// Take back what was chosen with add
    #[arg(short = 'S', long)]
    staged: bool,
    /// Bring back the files themselves (the default without --staged)
    #[arg(short = 'W', long)]
    worktree: bool,
    /// Of files that a merge left open, the version from before the merge
    #[arg(long, conflicts_with_all = ["theirs", "source", "staged"])]
    ours: bool,
    /// Of files that a merge left open, the version that came with it
    #[arg(long, conflicts_with_all = ["source", "staged"])]
    theirs: bool,
    /// Show what would change and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let options = restore::Options {
        source: args.source.as_ref().map(|text| text.as_encoded_bytes().to_vec()),
        paths: context.pathspec(&args.paths)?,
        staged: args.staged,
        worktree: args.worktree || !args.staged,
        side: match (args.ours, args.theirs) {
            (true, _) => Some(restore::Side::Ours),
            (_, true) => Some(restore::Side::Theirs),
            _ => None,
        },
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = restore::run(repo, &options, context.monitor())?;
    let output = context.output();
    let mut value = json!({
        "written": outcome.written, "bytes": outcome.bytes,
        "removed": outcome.removed, "unstaged": outcome.unstaged,
    });
    tell_would_change(context, args.dry_run, &outcome.would_change, &mut value)?;
    if context.is_json() {
        output.json(&value)?;
    }
    if !args.dry_run {
        let (written, removed) = (outcome.written, outcome.removed);
        let bytes = bytes_text(outcome.bytes);
        if options.worktree {
            let files = counted(written, "file", "files");
            output.say(format!("Restored {files} ({bytes}), removed {removed}"))?;
        }
        if args.staged {
            let paths = counted(outcome.unstaged, "path", "paths");
            output.say(format!("Took back {paths}"))?;
        }
    }
    Brought { failed: &outcome.failed, not_representable: &outcome.not_representable }.tell(context)
}

//! `annals reset`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::{reset, restore};
use annals::path::quoted;
use serde_json::json;

use crate::context::Context;
use crate::output::id_json;
use crate::report::Error;

use super::brought::{Brought, tell_would_change};

/// Move the current branch to another commit
///
/// What was committed since stays in the store: `annals undo` or `annals reflog` find it again.
/// With paths nothing moves: what is staged of them becomes as it is in the commit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A commit (default: the current one), then paths
    #[arg(value_name = "REV|PATH")]
    words: Vec<OsString>,
    /// Paths
    #[arg(last = true, value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Move only the branch; what differs then is staged
    #[arg(long, group = "mode")]
    soft: bool,
    /// Move the branch, with nothing staged; files stay as they are (the default)
    #[arg(long, group = "mode")]
    mixed: bool,
    /// Move files too; changes that are not recorded are lost
    #[arg(long, group = "mode")]
    hard: bool,
    /// Move files too, unless changes that are not recorded are in the way
    #[arg(long, group = "mode")]
    keep: bool,
    /// Show what would change and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let words = context.words(&args.words, &args.paths, 1)?;
    let revision = words.revisions.first().cloned();
    if let [_, second, ..] = &words.revisions[..] {
        let second = quoted(second);
        return Err(Error::usage(format!("'{second}' is one revision too many")));
    }
    if !words.paths.is_empty() {
        if args.soft || args.hard || args.keep {
            return Err(Error::usage("--soft, --hard and --keep are about whole commits"));
        }
        let options = restore::Options {
            source: revision,
            paths: context.pathspec(&words.paths)?,
            staged: true,
            worktree: false,
            side: None,
            dry_run: args.dry_run,
            actor: context.committer()?,
            rules: rules.rules(),
        };
        let outcome = restore::run(repo, &options, context.monitor())?;
        let mut value = json!({ "unstaged": outcome.unstaged });
        tell_would_change(context, args.dry_run, &outcome.would_change, &mut value)?;
        if context.is_json() {
            context.output().json(&value)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = reset::Options {
        mode: match (args.soft, args.hard, args.keep) {
            (true, _, _) => reset::Mode::Soft,
            (_, true, _) => reset::Mode::Hard,
            (_, _, true) => reset::Mode::Keep,
            _ => reset::Mode::Mixed,
        },
        revision: revision.map(|text| String::from_utf8_lossy(&text).into_owned()),
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = reset::run(repo, &options, context.monitor())?;
    let output = context.output();
    let mut value = json!({
        "from": outcome.from.as_ref().map(id_json),
        "to": outcome.to.as_ref().map(id_json),
        "written": outcome.written, "bytes": outcome.bytes, "removed": outcome.removed,
    });
    tell_would_change(context, args.dry_run, &outcome.would_change, &mut value)?;
    if context.is_json() {
        output.json(&value)?;
    } else if let Some(id) = &outcome.to {
        let is = if args.dry_run { "would be" } else { "is now" };
        output.say(format!("HEAD {is} at {} {}", id.short(8), outcome.subject))?;
    }
    Brought { failed: &outcome.failed, not_representable: &outcome.not_representable }.tell(context)
}

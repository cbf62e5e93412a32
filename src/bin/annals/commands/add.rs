//! `annals add`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::{self, add};
use serde_json::json;

use crate::context::Context;
use crate::output::text_json;
use crate::report::Error;

use super::left_out::LeftOut;

/// Choose what the next commit records
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Everything
    #[arg(short = 'A', long)]
    all: bool,
    /// Only what is tracked already
    #[arg(short, long)]
    update: bool,
    /// Also what is ignored
    #[arg(short, long)]
    force: bool,
    /// Show what would be chosen and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    if args.paths.is_empty() && !args.all && !args.update {
        return Err(Error::Usage {
            text: "nothing was named".to_owned(),
            hint: Some("`annals add .` chooses everything in this directory".to_owned()),
        });
    }
    let rules = context.rules()?;
    let options = add::Options {
        paths: context.pathspec(&args.paths)?,
        only_tracked: args.update,
        force: args.force,
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = add::run(repo, &options, context.monitor())?;
    let output = context.output();
    for (letter, paths) in
        [('A', &outcome.added), ('M', &outcome.modified), ('D', &outcome.deleted)]
    {
        for path in paths {
            if context.is_json() {
                let path = text_json(path.as_bytes());
                output.json(&json!({ "path": path, "staged": letter.to_string() }))?;
            } else if args.dry_run || context.is_verbose() {
                let line = format!("{letter} {}", output.quoting.text(path.as_bytes()));
                output.line(line)?;
            }
        }
    }
    let left_out = LeftOut {
        unread: &outcome.unread,
        unreadable: &outcome.unreadable,
        refused: &outcome.refused,
        nested: &outcome.nested,
        bad_rules: &outcome.bad_rules,
    }
    .tell(context)?;
    if outcome.ignored.is_empty() {
        return Ok(left_out);
    }
    // What else was named is staged all the same, as in git.
    Err(ops::Error::Ignored { paths: outcome.ignored }.into())
}

//! `annals resolve`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::resolve;
use serde_json::json;

use crate::context::Context;
use crate::output::text_json;
use crate::report::Error;

/// Say that files a merge left open are as they should be
///
/// Files that show conflicts which were recorded, too. Of a merge under way, `annals restore --ours` or `--theirs` takes one side's version first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(value_name = "PATHS", required = true)]
    paths: Vec<OsString>,
    /// Even with markers still in them
    #[arg(short, long)]
    force: bool,
    /// Show which and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let rules = context.rules()?;
    let options = resolve::Options {
        paths: context.pathspec(&args.paths)?,
        force: args.force,
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = resolve::run(context.repository()?, &options, context.monitor())?;
    let output = context.output();
    for path in &outcome.resolved {
        if context.is_json() {
            output.json(&json!({ "resolved": text_json(path.as_bytes()) }))?;
        } else if args.dry_run {
            output.line(output.path(path))?;
        } else {
            output.say(format!("Resolved '{}'", output.quoting.text(path.as_bytes())))?;
        }
    }
    if !context.is_json() {
        output.say(match outcome.left {
            None => "`annals commit` records it; `annals status` lists what is left".to_owned(),
            Some(0) => "Nothing is left to decide: `annals commit` records the merge".to_owned(),
            Some(left) => format!("{left} left; `annals status` lists them"),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `annals rm`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::rm;
use serde_json::json;

use crate::context::Context;
use crate::output::text_json;
use crate::report::Error;

/// Remove files, here and from the next commit
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(value_name = "PATHS", required = true)]
    paths: Vec<OsString>,
    /// Leave the files where they are
    #[arg(long)]
    cached: bool,
    /// Directories too
    #[arg(short)]
    recursive: bool,
    /// Even files with changes that are not recorded
    #[arg(short, long)]
    force: bool,
    /// Show what would be removed and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let options = rm::Options {
        paths: context.pathspec(&args.paths)?,
        cached: args.cached,
        recursive: args.recursive,
        force: args.force,
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = rm::run(repo, &options, context.monitor())?;
    let output = context.output();
    for path in &outcome.removed {
        if context.is_json() {
            output.json(&json!({ "removed": text_json(path.as_bytes()) }))?;
        } else {
            output.say(format!("rm '{}'", output.quoting.text(path.as_bytes())))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

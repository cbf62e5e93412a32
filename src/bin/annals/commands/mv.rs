//! `annals mv`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::mv;
use serde_json::json;

use crate::context::Context;
use crate::output::text_json;
use crate::report::Error;

/// Rename or move files, here and in the next commit
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to move, and at last its new name or the directory it goes to
    #[arg(value_names = ["SOURCE", "DESTINATION"], required = true, num_args = 2..)]
    paths: Vec<OsString>,
    /// Replace a file that is there
    #[arg(short, long)]
    force: bool,
    /// Show what would be moved and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let mut paths = Vec::new();
    for given in &args.paths {
        paths.push(context.path(given)?);
    }
    let destination = paths.pop().unwrap_or_default();
    let options = mv::Options {
        sources: paths,
        destination,
        force: args.force,
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = mv::run(repo, &options, context.monitor())?;
    let output = context.output();
    for (from, to) in &outcome.moved {
        if context.is_json() {
            let (from, to) = (text_json(from.as_bytes()), text_json(to.as_bytes()));
            output.json(&json!({ "from": from, "to": to }))?;
        } else if args.dry_run || context.is_verbose() {
            let name = |path: &annals::path::RepoPath| output.quoting.text(path.as_bytes());
            output.line(format!("{} -> {}", name(from), name(to)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

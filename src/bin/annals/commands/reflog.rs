//! `annals reflog`.

use std::process::ExitCode;

use annals::ops::reflog;
use serde_json::json;

use crate::context::Context;
use crate::output::{id_json, time_json};
use crate::report::Error;

/// Show where a ref has been
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which (default: HEAD)
    #[arg(value_name = "REF", default_value = "HEAD")]
    name: String,
    /// Show at most so many
    #[arg(short = 'n', long = "max-count", value_name = "NUMBER")]
    limit: Option<usize>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let output = context.output();
    context.page()?;
    let moves = reflog::run(repo, &args.name)?;
    for (number, logged) in moves.iter().enumerate().take(args.limit.unwrap_or(usize::MAX)) {
        let (moved, id) = (&logged.moved, &logged.id);
        if context.is_json() {
            output.json(&json!({
                "record": moved.number,
                "time": time_json(Some(moved.time)),
                "actor": moved.actor,
                "id": id.as_ref().map(id_json),
                "reason": moved.reason,
            }))?;
            continue;
        }
        // Before the first commit HEAD led to nothing.
        let Some(id) = id.map(|id| id.short(8)) else { continue };
        let id = output.color.yellow(&id);
        output.line(format!("{id} {}@{{{number}}}: {}", args.name, moved.reason))?;
    }
    Ok(ExitCode::SUCCESS)
}

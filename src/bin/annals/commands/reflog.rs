//! `annals reflog`.

use std::process::ExitCode;

use annals::ops::reflog;
use annals::store::Target;
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
    let target = |target: &Option<Target>| match target {
        Some(Target::Id(id)) => Some(*id),
        Some(Target::Symbolic(name)) => repo.store().resolve(name),
        None => None,
    };
    for (number, moved) in moves.iter().enumerate().take(args.limit.unwrap_or(usize::MAX)) {
        let at = target(&moved.new);
        if context.is_json() {
            output.json(&json!({
                "record": moved.number,
                "time": time_json(Some(moved.time)),
                "actor": moved.actor,
                "old": target(&moved.old).as_ref().map(id_json),
                "new": at.as_ref().map(id_json),
                "reason": moved.reason,
            }))?;
            continue;
        }
        let id = at.map_or_else(|| "0".repeat(8), |id| id.short(8));
        let id = output.color.yellow(&id);
        output.line(format!("{id} {}@{{{number}}}: {}", args.name, moved.reason))?;
    }
    Ok(ExitCode::SUCCESS)
}

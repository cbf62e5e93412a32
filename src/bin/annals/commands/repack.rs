//! `annals repack`.

use std::process::ExitCode;

use annals::ops::repack::{self, Extent, Outcome};
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted};
use crate::report::Error;

/// Rewrite packs so that they take less room
///
/// Puts what was recorded in the order of paths, versions next to each other, and compresses it
/// thoroughly. Nothing is left out, and nothing but packs changes. What was rewritten before is left
/// alone until what came since is half as much. Room for what is rewritten, at most 8 GiB at a time,
/// has to be free.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rewrite everything that may become smaller
    #[arg(short, long)]
    all: bool,
    /// Do nothing until it is worth the time
    #[arg(long, conflicts_with = "all")]
    auto: bool,
    /// Say what would be rewritten and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// As git has it: packs that were rewritten go in any case
    #[arg(short = 'd', hide = true)]
    delete: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let extent = match (args.all, args.auto) {
        (true, _) => Extent::All,
        (_, true) => Extent::WhatIsDue,
        _ => Extent::Loose,
    };
    let repo = context.repository()?;
    let options = repack::Options { extent, actor: context.committer()? };
    if args.dry_run {
        let plan = repack::plan(repo, &options)?;
        return show_plan(context, &plan);
    }
    let outcome = repack::run(repo, &options, context.monitor())?;
    show(context, &outcome)?;
    // It is said, and for fsck to explain.
    for path in &outcome.unsound {
        context
            .output()
            .warn(&format!("'{path}' is missing or damaged: `annals fsck` says what is lost"));
    }
    Ok(ExitCode::from(u8::from(!outcome.unsound.is_empty())))
}

fn show_plan(context: &Context, plan: &repack::Plan) -> Result<ExitCode, Error> {
    let output = context.output();
    if context.is_json() {
        output.json(&json!({ "packs_before": plan.packs(), "bytes_before": plan.bytes() }))?;
    } else if plan.packs() == 0 {
        output.line("Nothing to repack")?;
    } else {
        let packs = counted(plan.packs() as u64, "pack", "packs");
        output.line(format!("Would rewrite {packs} ({})", bytes_text(plan.bytes())))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    if context.is_json() {
        return output.json(&json!({
            "packs_before": outcome.packs_before, "bytes_before": outcome.bytes_before,
            "packs": outcome.packs, "bytes": outcome.bytes, "objects": outcome.objects,
            "unsound": outcome.unsound,
        }));
    }
    if outcome.packs_before == 0 {
        return output.say("Nothing to repack");
    }
    output.say(format!(
        "Repacked {}: {} in {} became {} in {}",
        counted(outcome.objects, "object", "objects"),
        bytes_text(outcome.bytes_before),
        counted(outcome.packs_before, "pack", "packs"),
        bytes_text(outcome.bytes),
        counted(outcome.packs, "pack", "packs"),
    ))
}

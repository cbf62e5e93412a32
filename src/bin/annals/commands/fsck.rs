//! `annals fsck`.

use std::process::ExitCode;

use annals::ops::fsck::{self, Depth, Outcome, Severity};
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted, id_json, text_json};
use crate::report::Error;

/// Check that everything is there and sound
///
/// Reads and hashes everything, and names exactly what is damaged, missing or lost. Exits with the
/// sum of: 1 objects are damaged, 2 something is missing, 4 packs, 8 journal, refs or format,
/// 16 derived data was made anew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do not read content: only what connects it
    #[arg(long)]
    connectivity_only: bool,
    /// Name objects that nothing needs
    #[arg(long)]
    dangling: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let options = fsck::Options {
        depth: if args.connectivity_only { Depth::Connectivity } else { Depth::Complete },
        most_dangling: if args.dangling { 10_000 } else { 0 },
        ..fsck::Options::default()
    };
    let outcome = fsck::run(repo, &options, context.monitor())?;
    if context.is_json() {
        print_json(context, &outcome)?;
    } else {
        print(context, &outcome)?;
    }
    Ok(ExitCode::from(outcome.exit_code()))
}

fn print(context: &Context, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    for finding in &outcome.findings {
        let label = match finding.severity {
            Severity::Error => output.color.red("damaged:"),
            _ => output.color.yellow("note:"),
        };
        output.line(format!("{label} {finding}"))?;
    }
    for (id, count) in &outcome.more {
        output.line(format!("and {count} more of '{id}'"))?;
    }
    for loss in &outcome.lost {
        let (path, commit) = (output.quoting.text(loss.path.as_bytes()), loss.commit.short(8));
        output.line(format!("{} '{path}' of {commit}", output.color.red("lost:")))?;
    }
    if outcome.lost_more > 0 {
        let more = counted(outcome.lost_more, "more lost path", "more lost paths");
        output.line(format!("and {more}"))?;
    }
    for (kind, id) in &outcome.dangling_objects {
        output.line(format!("dangling {kind} {id}"))?;
    }
    let garbage = &outcome.garbage;
    if garbage.packs > 0 {
        let packs = counted(garbage.packs, "pack file is", "pack files are");
        let bytes = bytes_text(garbage.pack_bytes);
        let label = output.color.yellow("note:");
        output
            .line(format!("{label} {packs} listed by no record ({bytes}): on the way, or left"))?;
    }
    output.say(format!(
        "Checked {} ({}), {}, {}, {}: {}",
        counted(outcome.packs, "pack", "packs"),
        bytes_text(outcome.pack_bytes),
        counted(outcome.objects, "object", "objects"),
        counted(outcome.records, "record", "records"),
        counted(outcome.refs, "ref", "refs"),
        if outcome.is_clean() { "everything is sound" } else { "not everything is sound" },
    ))
}

fn print_json(context: &Context, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    for finding in &outcome.findings {
        output.json(&json!({ "finding": finding }))?;
    }
    for loss in &outcome.lost {
        output.json(&json!({
            "lost": text_json(loss.path.as_bytes()), "commit": id_json(&loss.commit),
        }))?;
    }
    for (kind, id) in &outcome.dangling_objects {
        output.json(&json!({ "dangling": id_json(id), "kind": kind.name() }))?;
    }
    output.json(&json!({
        "clean": outcome.is_clean(), "exit": outcome.exit_code(),
        "packs": outcome.packs, "pack_bytes": outcome.pack_bytes, "objects": outcome.objects,
        "records": outcome.records, "checkpoints": outcome.checkpoints, "refs": outcome.refs,
        "reachable": outcome.reachable, "dangling": outcome.dangling,
        "lost_more": outcome.lost_more, "unlisted_packs": outcome.garbage.packs,
        "unlisted_bytes": outcome.garbage.pack_bytes, "temporary": outcome.garbage.temporary,
    }))
}

//! `annals merge`.

use std::process::ExitCode;

use annals::merge::{Favour, Style};
use annals::ops::merge::{self, Came, FastForward, Outcome, Until};
use annals::ops::{commit, merging};
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted, id_json, text_json};
use crate::report::{Error, NO};

use super::brought::{Brought, tell_would_change};
use super::drivers::Drivers;

/// Bring other lines of work into this one
///
/// What cannot be decided is left to you: texts have markers around it, other files have the other
/// version beside them. `annals status` lists what is open, `annals resolve` says that a file is as
/// it should be, `annals commit` records the merge, and `annals merge --abort` takes it back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Branches, tags or commits
    #[arg(value_name = "REV", required_unless_present = "ending")]
    heads: Vec<String>,
    /// Go forward without a merge if the branch has nothing of its own (the default)
    #[arg(long, overrides_with_all = ["no_ff", "ff_only"])]
    ff: bool,
    /// Record a merge even then
    #[arg(long, overrides_with = "ff_only")]
    no_ff: bool,
    /// Go forward or do nothing
    #[arg(long)]
    ff_only: bool,
    /// Stage what the merge changes, and forget that it was one
    #[arg(long, conflicts_with_all = ["no_ff", "no_commit"])]
    squash: bool,
    /// Stop before recording
    #[arg(long)]
    no_commit: bool,
    /// Say what the merge is for; several are paragraphs
    #[arg(short, long, value_name = "TEXT")]
    message: Vec<String>,
    /// Where both sides changed the same, take ours or theirs
    #[arg(short = 'X', long = "strategy-option", value_name = "SIDE")]
    favour: Vec<String>,
    /// What conflicts in texts show: merge or diff3
    #[arg(long, value_name = "STYLE")]
    conflict: Option<String>,
    /// Merge histories that have nothing in common
    #[arg(long)]
    allow_unrelated_histories: bool,
    /// Record what cannot be decided as it is, for somebody to resolve later
    #[arg(long)]
    keep_conflicts: bool,
    /// Take the merge under way back
    #[arg(long, group = "ending", conflicts_with_all = ["heads", "continue_"])]
    abort: bool,
    /// Record the merge under way
    #[arg(long = "continue", group = "ending", conflicts_with = "heads")]
    continue_: bool,
    /// Show what would come of it and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    if args.abort {
        return abort(context, args);
    }
    if args.continue_ {
        return conclude(context, args);
    }
    let drivers = Drivers::new(context)?;
    let rules = context.rules()?;
    let options = merge::Options {
        heads: args.heads.clone(),
        fast_forward: match (args.no_ff, args.ff_only) {
            (_, true) => FastForward::Only,
            (true, _) => FastForward::Never,
            _ => FastForward::Allow,
        },
        until: match (args.squash, args.no_commit) {
            (true, _) => Until::Squashed,
            (_, true) => Until::Staged,
            _ => Until::Commit,
        },
        message: message(args),
        favour: favour(&args.favour)?,
        style: style(context, args.conflict.as_deref())?,
        allow_unrelated: args.allow_unrelated_histories,
        keep_conflicts: args.keep_conflicts,
        driver: &drivers,
        dry_run: args.dry_run,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = merge::run(context.repository()?, &options, context.monitor())?;
    drivers.tell(context);
    print(context, &outcome, args)?;
    let told = Brought { failed: &outcome.failed, not_representable: &outcome.not_representable }
        .tell(context)?;
    Ok(if outcome.result == Came::Conflicts { ExitCode::from(NO) } else { told })
}

fn message(args: &Args) -> Vec<u8> {
    let mut message = args.message.join("\n\n").into_bytes();
    message.truncate(message.trim_ascii_end().len());
    if !message.is_empty() {
        message.push(b'\n');
    }
    message
}

fn favour(words: &[String]) -> Result<Favour, Error> {
    let mut favour = Favour::Nobody;
    for word in words {
        favour = match word.as_str() {
            "ours" => Favour::Ours,
            "theirs" => Favour::Theirs,
            "union" => Favour::Union,
            other => return Err(Error::usage(format!("'{other}' is not ours, theirs or union"))),
        };
    }
    Ok(favour)
}

fn style(context: &Context, given: Option<&str>) -> Result<Style, Error> {
    let set = context.config()?.choice("merge.conflictstyle")?;
    match given.unwrap_or(&set) {
        "merge" => Ok(Style::Merge),
        "diff3" => Ok(Style::Diff3),
        other => Err(Error::usage(format!("'{other}' is not merge or diff3"))),
    }
}

fn print(context: &Context, outcome: &Outcome, args: &Args) -> Result<(), Error> {
    let output = context.output();
    let (result, commit) = match outcome.result {
        Came::UpToDate => ("up-to-date", outcome.from),
        Came::Forward(id) => ("fast-forward", Some(id)),
        Came::Merged(id) => ("merged", Some(id)),
        Came::Staged => ("staged", None),
        Came::Conflicts => ("conflicts", None),
        Came::Clean => ("clean", None),
    };
    if context.is_json() {
        let conflicts = outcome.conflicts.iter().map(|conflict| {
            json!({ "path": text_json(conflict.path.as_bytes()), "kind": conflict.kind.name() })
        });
        let mut value = json!({
            "result": result, "commit": commit.as_ref().map(id_json),
            "conflicts": conflicts.collect::<Vec<_>>(),
            "written": outcome.written, "bytes": outcome.bytes, "removed": outcome.removed,
        });
        tell_would_change(context, args.dry_run, &outcome.would_change, &mut value)?;
        return output.json(&value);
    }
    for message in &outcome.messages {
        match message.kind {
            Some(kind) => output.line(format!("CONFLICT ({kind}): {}", message.text))?,
            None => output.say(&message.text)?,
        }
    }
    // What nothing was said of is at least named.
    for conflict in &outcome.conflicts {
        if outcome.messages.iter().all(|message| message.path != conflict.path) {
            output.line(format!("CONFLICT ({}): '{}'", conflict.kind, conflict.path))?;
        }
    }
    output.say(match outcome.result {
        Came::UpToDate => "Already up to date".to_owned(),
        Came::Forward(id) if args.dry_run => format!("Would go forward to {}", id.short(8)),
        Came::Forward(id) => match outcome.from {
            Some(from) => format!("Went forward from {} to {}", from.short(8), id.short(8)),
            None => format!("HEAD is now at {}", id.short(8)),
        },
        Came::Merged(id) if outcome.conflicts.is_empty() => format!("Merged as {}", id.short(8)),
        Came::Merged(id) => format!("Merged as {}, with what was kept undecided", id.short(8)),
        Came::Staged if args.squash => {
            "What the merge changes is staged; `annals commit` records it".to_owned()
        }
        Came::Staged => "The merge is staged; `annals commit` records it".to_owned(),
        Came::Conflicts if args.dry_run => "There would be conflicts".to_owned(),
        Came::Conflicts => "Decide on these, then `annals resolve PATHS` and `annals commit`; \
                            or `annals merge --abort`"
            .to_owned(),
        Came::Clean => "There would be no conflicts".to_owned(),
    })?;
    if outcome.written + outcome.removed > 0 {
        let bytes = bytes_text(outcome.bytes);
        output.say(format!(
            "  {} written ({bytes}), {} removed",
            counted(outcome.written, "file", "files"),
            outcome.removed
        ))?;
    }
    Ok(())
}

fn abort(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let rules = context.rules()?;
    let options =
        merge::Abort { dry_run: args.dry_run, actor: context.committer()?, rules: rules.rules() };
    let aborted = merge::abort(context.repository()?, &options, context.monitor())?;
    let output = context.output();
    let mut value = json!({ "written": aborted.written, "removed": aborted.removed });
    tell_would_change(context, args.dry_run, &aborted.would_change, &mut value)?;
    if context.is_json() {
        output.json(&value)?;
    } else if !args.dry_run {
        output.say("Took the merge back")?;
    }
    Brought { failed: &aborted.failed, not_representable: &aborted.not_representable }.tell(context)
}

/// Records the merge under way, with the message it has.
fn conclude(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    if merging::find(repo)?.is_none() {
        return Err(annals::ops::Error::NotMerging.into());
    }
    let rules = context.rules()?;
    let options = commit::Options {
        message: message(args),
        dry_run: args.dry_run,
        author: Some(context.author()?),
        rules: rules.rules(),
        ..commit::Options::new("", context.committer()?)
    };
    let outcome = commit::run(repo, &options, context.monitor())?;
    super::commit::print(context, &outcome, args.dry_run)?;
    Ok(ExitCode::SUCCESS)
}

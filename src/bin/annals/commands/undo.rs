//! `annals undo` and `annals redo`.

use std::process::ExitCode;

use annals::ops::undo::{self, Direction, Outcome};
use annals::store::{RefEdit, Target};
use serde_json::json;

use crate::context::Context;
use crate::report::Error;

use super::brought::{Brought, tell_would_change};

/// Take back the last command that moved a branch, a tag, HEAD or what is staged
///
/// Again takes back the one before. Files follow if the command had changed them, unless something
/// that is not recorded is in the way; what was only recorded stays in the files.
#[derive(Debug, clap::Args)]
pub(crate) struct Undo {
    /// Show what would move and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Do again what undo has taken back
#[derive(Debug, clap::Args)]
pub(crate) struct Redo {
    /// Show what would move and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn undo(context: &Context, args: &Undo) -> Result<ExitCode, Error> {
    run(context, Direction::Undo, args.dry_run)
}

pub(crate) fn redo(context: &Context, args: &Redo) -> Result<ExitCode, Error> {
    run(context, Direction::Redo, args.dry_run)
}

fn run(context: &Context, direction: Direction, dry_run: bool) -> Result<ExitCode, Error> {
    let rules = context.rules()?;
    let options =
        undo::Options { direction, dry_run, actor: context.committer()?, rules: rules.rules() };
    let outcome = undo::run(context.repository()?, &options, context.monitor())?;
    print(context, direction, dry_run, &outcome)?;
    Brought { failed: &outcome.failed, not_representable: &outcome.not_representable }.tell(context)
}

fn print(
    context: &Context,
    direction: Direction,
    dry_run: bool,
    outcome: &Outcome,
) -> Result<(), Error> {
    let output = context.output();
    let text = |target: &Option<Target>| match target {
        Some(Target::Id(id)) => Some(id.to_string()),
        Some(Target::Symbolic(name)) => Some(name.clone()),
        None => None,
    };
    if context.is_json() {
        let moved = outcome.moved.iter().map(
            |edit| json!({ "ref": edit.name, "old": text(&edit.old), "new": text(&edit.new) }),
        );
        let mut value = json!({
            "record": outcome.number, "verb": outcome.verb, "reason": outcome.reason,
            "moved": moved.collect::<Vec<_>>(),
            "written": outcome.written, "removed": outcome.removed,
        });
        tell_would_change(context, dry_run, &outcome.would_change, &mut value)?;
        return output.json(&value);
    }
    let verb = match (direction, dry_run) {
        (Direction::Undo, false) => "Took back",
        (Direction::Undo, true) => "Would take back",
        (Direction::Redo, false) => "Did again",
        (Direction::Redo, true) => "Would do again",
    };
    let tell = |line: String| if dry_run { output.line(line) } else { output.say(line) };
    tell(format!("{verb} '{}'", outcome.reason))?;
    moved(direction, &outcome.moved).into_iter().try_for_each(tell)?;
    outcome.would_change.iter().try_for_each(|path| output.line(output.path(path)))
}

/// What moved, in the words of whoever uses it.
fn moved(direction: Direction, edits: &[RefEdit]) -> Vec<String> {
    let shown = |target: &Option<Target>| match target {
        Some(Target::Id(id)) => id.short(8),
        Some(Target::Symbolic(name)) => short(name),
        None => "nothing".to_owned(),
    };
    let mut lines = Vec::new();
    for edit in edits {
        let own = edit.name.strip_prefix("refs/worktree/").and_then(|rest| rest.split_once('/'));
        lines.push(match (own, &edit.new, direction) {
            // It goes with what is staged.
            (Some((_, "staged-base")), ..) => continue,
            (Some((_, "staged")), None, _) => "what is staged: nothing".to_owned(),
            (Some((_, "staged")), _, Direction::Undo) => {
                "what is staged: as it was before".to_owned()
            }
            (Some((_, "staged")), _, Direction::Redo) => {
                "what is staged: as it was after".to_owned()
            }
            (Some((_, "merge")), None, _) => "the merge: no longer under way".to_owned(),
            (Some((_, "merge")), Some(_), _) if edit.old.is_none() => {
                "the merge: under way again".to_owned()
            }
            (Some((_, "merge")), _, Direction::Undo) => "the merge: as it was before".to_owned(),
            (Some((_, "merge")), _, Direction::Redo) => "the merge: as it was after".to_owned(),
            (Some((_, own)), ..) => {
                format!("{own}: {} to {}", shown(&edit.old), shown(&edit.new))
            }
            (None, ..) => {
                format!("{}: {} to {}", short(&edit.name), shown(&edit.old), shown(&edit.new))
            }
        });
    }
    lines.into_iter().map(|line| format!("  {line}")).collect()
}

/// A ref as people call it.
fn short(name: &str) -> String {
    match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
        (Some(branch), _) => branch.to_owned(),
        (_, Some(tag)) => format!("tag {tag}"),
        _ => name.strip_prefix("refs/").unwrap_or(name).to_owned(),
    }
}

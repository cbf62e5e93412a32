//! `annals switch`.

use std::process::ExitCode;

use annals::ops::switch::{self, Outcome, To};
use annals::repo::Head;
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted, id_json};
use crate::report::Error;

use super::brought::Brought;

/// Go to another branch or commit, with the working tree
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A branch; - is the one before; with -c, where the new branch begins
    #[arg(value_name = "BRANCH|START", allow_hyphen_values = true)]
    target: Option<String>,
    /// Make a branch and go to it
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["detach", "replace"])]
    create: Option<String>,
    /// Make a branch, or move it if it is there, and go to it
    #[arg(short = 'C', long = "force-create", value_name = "NAME", conflicts_with = "detach")]
    replace: Option<String>,
    /// Go to a commit, on no branch
    #[arg(short, long)]
    detach: bool,
    /// Throw away changes that are in the way
    #[arg(short = 'f', long, visible_aliases = ["discard-changes", "force"])]
    discard: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let target = args.target.clone();
    let new = args.create.as_ref().or(args.replace.as_ref());
    let to = match (new, target) {
        (Some(name), start) => {
            To::NewBranch { name: name.clone(), start, replace: args.replace.is_some() }
        }
        (None, Some(target)) if target == "-" => To::Previous,
        (None, Some(target)) if args.detach => To::Detached(target),
        (None, Some(target)) => To::Branch(target),
        (None, None) if args.detach => To::Detached("HEAD".to_owned()),
        (None, None) => return Err(Error::usage("where to? a branch is needed")),
    };
    let options = switch::Options {
        to,
        discard: args.discard,
        actor: context.committer()?,
        rules: rules.rules(),
    };
    let outcome = switch::run(repo, &options, context.monitor())?;
    print(context, &outcome)?;
    Brought { failed: &outcome.failed, not_representable: &outcome.not_representable }.tell(context)
}

fn print(context: &Context, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    let short = |name: &str| name.trim_start_matches("refs/heads/").to_owned();
    if context.is_json() {
        let branch = match &outcome.head {
            Head::Branch { name, .. } => Some(short(name)),
            Head::Detached(_) => None,
        };
        return output.json(&json!({
            "branch": branch,
            "commit": outcome.head.commit().as_ref().map(id_json),
            "created": outcome.created.is_some(), "replaced": outcome.replaced,
            "written": outcome.written, "bytes": outcome.bytes, "removed": outcome.removed,
        }));
    }
    output.say(match (&outcome.head, &outcome.created) {
        (Head::Branch { name, .. }, Some(_)) => {
            format!("Switched to a new branch '{}'", short(name))
        }
        (Head::Branch { name, .. }, None) if outcome.replaced => match &outcome.from {
            Head::Branch { name: from, .. } if from == name => {
                format!("Reset branch '{}'", short(name))
            }
            _ => format!("Switched to and reset branch '{}'", short(name)),
        },
        (Head::Branch { .. }, None) if outcome.head == outcome.from => {
            "This is where you are already".to_owned()
        }
        (Head::Branch { name, .. }, None) => format!("Switched to branch '{}'", short(name)),
        (Head::Detached(id), _) => format!("HEAD is now at {}, on no branch", id.short(8)),
    })?;
    if outcome.written + outcome.removed > 0 {
        output.say(format!(
            "  {} written ({}), {} removed",
            counted(outcome.written, "file", "files"),
            bytes_text(outcome.bytes),
            outcome.removed
        ))?;
    }
    Ok(())
}

//! `annals export`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use annals::git::LeftOut;
use annals::ops::export::{self, Outcome};
use annals::ops::import::Fate;
use annals::path::quoted;
use serde_json::json;

use super::import::word;
use crate::context::Context;
use crate::output::{counted, id_json, text_json};
use crate::report::{Error, NO};

/// Write the history for another program
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    to: To,
}

#[derive(Debug, clap::Subcommand)]
enum To {
    Git(GitArgs),
}

/// Write the history into a git repository
///
/// What came from git gets the ids back that it had. Running it again writes what is new.
#[derive(Debug, clap::Args)]
struct GitArgs {
    /// The git repository; if there is nothing, or an empty directory, a bare one is made
    #[arg(value_name = "REPO")]
    target: PathBuf,
    /// Only branches that fit a pattern, and the tags they lead to
    #[arg(short, long, value_name = "PATTERN", num_args = 1, value_delimiter = ',')]
    branches: Vec<String>,
    /// Move branches and tags that stand elsewhere there
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let To::Git(args) = &args.to;
    let started = Instant::now();
    let options = export::Options {
        target: context.directory().join(&args.target),
        branches: args.branches.clone(),
        force: args.force,
    };
    let outcome = export::run(context.repository()?, &options, context.monitor())?;
    tell(context, &outcome, started.elapsed().as_secs_f64())?;
    Ok(if outcome.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn tell(context: &Context, outcome: &Outcome, seconds: f64) -> Result<(), Error> {
    let output = context.output();
    for one in &outcome.refs {
        if context.is_json() {
            let (id, fate) = (id_json(&one.id), word(one.fate));
            output.json(&json!({ "ref": one.name, "id": id, "git": one.git, "fate": fate }))?;
            continue;
        }
        match one.fate {
            Fate::Kept => context.output().warn(&format!(
                "{} stands elsewhere there and was left there; `--force` moves it",
                one.name
            )),
            Fate::InUse => context.output().warn(&format!(
                "{} was not moved: its files are checked out there; `git switch --detach` there lets it go",
                one.name
            )),
            Fate::Symbolic => context.output().warn(&format!(
                "{} was not moved: it stands for another branch there",
                one.name
            )),
            _ => {}
        }
    }
    for (path, why) in &outcome.left_out {
        let why = match why {
            LeftOut::Special => "a pipe or device",
            LeftOut::Conflict => "a conflict nobody has decided",
            LeftOut::Name => "git keeps this name for itself",
            LeftOut::Gitlink => "a commit of a repository that hashes otherwise",
        };
        if context.is_json() {
            output.json(&json!({ "path": text_json(path), "left-out": why }))?;
        } else {
            context.output().warn(&format!("{} was left out: {why}", quoted(path)));
        }
    }
    if context.is_json() {
        output.json(&json!({
            "commits": outcome.commits, "objects": outcome.objects, "made": outcome.made,
            "seconds": seconds,
        }))?;
        return Ok(());
    }
    let moved = outcome
        .refs
        .iter()
        .filter(|one| matches!(one.fate, Fate::New | Fate::Moved | Fate::Forced))
        .count();
    if moved == 0 && outcome.commits == 0 {
        return output.say("Nothing is new");
    }
    output.say(format!(
        "Exported {} and {} ({}), in {seconds:.1} s",
        counted(outcome.commits, "commit", "commits"),
        counted(moved as u64, "branch or tag", "branches and tags"),
        counted(outcome.objects, "object", "objects"),
    ))
}

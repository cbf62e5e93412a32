//! `annals merge-base`.

use std::process::ExitCode;

use annals::ops::{merge_base, revisions};
use serde_json::json;

use crate::context::Context;
use crate::output::id_json;
use crate::report::{Error, NO};

/// Find where lines of work went apart
///
/// Prints the best common ancestor of the first commit and a merge of all others. If histories
/// cross there are several; the newest is printed, or all of them with --all. Exits with 1 if
/// there is none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Commits
    #[arg(value_name = "REV", required = true)]
    revisions: Vec<String>,
    /// Print all of them
    #[arg(short, long)]
    all: bool,
    /// The best common ancestors of all the commits together, as for merging them at once
    #[arg(long, group = "question")]
    octopus: bool,
    /// Print those of the commits that no other of them reaches
    #[arg(long, group = "question", conflicts_with = "all")]
    independent: bool,
    /// Say with the exit code, 0 or 1, whether the second commit is the first or follows it
    #[arg(long, group = "question", conflicts_with = "all")]
    is_ancestor: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let mut ids = Vec::new();
    for text in &args.revisions {
        ids.push(revisions::commit(repo, text, context.monitor())?);
    }
    if args.is_ancestor {
        let [ancestor, descendant] = ids[..] else {
            return Err(Error::usage("--is-ancestor takes exactly two commits"));
        };
        let answer = merge_base::is_ancestor(repo, &ancestor, &descendant)?;
        if context.is_json() {
            context.output().json(&json!({"is_ancestor": answer}))?;
        }
        return Ok(if answer { ExitCode::SUCCESS } else { ExitCode::from(NO) });
    }
    let mut found = if args.octopus {
        merge_base::octopus(repo, &ids)?
    } else if args.independent {
        merge_base::independent(repo, &ids)?
    } else {
        let [one, others @ ..] = &ids[..] else { return Ok(ExitCode::from(NO)) };
        if others.is_empty() {
            return Err(Error::usage("two commits are needed, or more"));
        }
        merge_base::best(repo, one, others)?
    };
    if !args.all && !args.independent {
        found.truncate(1);
    }
    for id in &found {
        match context.is_json() {
            true => context.output().json(&json!({"id": id_json(id)}))?,
            false => context.output().line(id.to_string())?,
        }
    }
    Ok(if found.is_empty() { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

//! `annals init`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use annals::ops::{self, commit, init};
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted, id_json};
use crate::report::Error;

/// Make a directory a repository, in place
///
/// With --commit, records everything in it too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which (default: the current one)
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Record everything in it, with this message
    #[arg(long, value_name = "MESSAGE", conflicts_with = "bare")]
    commit: Option<String>,
    /// Make one without a working tree
    #[arg(long)]
    bare: bool,
    /// The name of its first branch (default: main)
    #[arg(short = 'b', long = "initial-branch", value_name = "NAME")]
    branch: Option<String>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let path = match &args.directory {
        Some(directory) => context.directory().join(directory),
        None => context.directory().to_owned(),
    };
    let config = context.config()?;
    let branch = match &args.branch {
        Some(branch) => branch.clone(),
        None => config.text("init.default-branch")?.unwrap_or_default(),
    };
    annals::history::refname::check_branch(&branch).map_err(ops::Error::from)?;
    let options = init::Options { bare: args.bare, branch, actor: context.committer()? };
    let (repo, outcome) =
        init::run(context.disk().clone(), &path, context.env().clone(), &options)?;
    let repo = context.set_up(repo)?;
    let output = context.output();
    let state = repo.state_path().display();
    output.say(match outcome.existed {
        true => format!("There was a repository already: {state}"),
        false => format!("Made a repository: {state}"),
    })?;
    if context.is_json() {
        let path = repo.state_path().display().to_string();
        output.json(&json!({ "state": path, "existed": outcome.existed }))?;
    }
    let Some(message) = &args.commit else { return Ok(ExitCode::SUCCESS) };
    let rules = context.rules()?;
    let message = format!("{}\n", message.trim_end());
    let options = commit::Options {
        author: Some(context.author()?),
        date: context.author_time()?,
        rules: rules.rules(),
        refuse_nested: rules.refuses_nested(),
        ..commit::Options::new(&message, context.committer()?)
    };
    let recorded = match commit::run(&repo, &options, context.monitor()) {
        // An empty directory is a repository too.
        Err(ops::Error::NothingToCommit) if !outcome.existed => {
            output.say("There is nothing in it to record yet")?;
            return Ok(ExitCode::SUCCESS);
        }
        recorded => recorded?,
    };
    let seconds = started.elapsed().as_secs_f64();
    if context.is_json() {
        output.json(&json!({
            "commit": recorded.commit.as_ref().map(id_json),
            "files": recorded.files, "bytes": recorded.bytes,
            "stored": recorded.bytes_stored, "seconds": seconds,
        }))?;
    }
    if let Some(id) = &recorded.commit {
        let rate = bytes_text((recorded.bytes_read as f64 / seconds.max(0.001)) as u64);
        output.say(format!(
            "Recorded {}, {}, as {}: {} stored, in {seconds:.1} s ({rate}/s)",
            counted(recorded.files, "file", "files"),
            bytes_text(recorded.bytes),
            id.short(8),
            bytes_text(recorded.bytes_stored),
        ))?;
    }
    super::commit::tell_left_out(context, &recorded)
}

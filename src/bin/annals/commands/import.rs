//! `annals import`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use annals::git::Pace;
use annals::ops::import::{self, Fate, Outcome};
use annals::ops::init;
use annals::repo::{Error as RepoError, Repository};
use annals::store;
use serde_json::json;

use crate::context::Context;
use crate::output::{bytes_text, counted, id_json};
use crate::report::{Error, NO};

/// Take in a history that another program has recorded
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Git(GitArgs),
}

/// Take in the history of a git repository
///
/// Branches and tags keep their names. Running it again takes in what is new. Everything that is
/// taken in can be written back by `annals export git`, with the same ids.
#[derive(Debug, clap::Args)]
struct GitArgs {
    /// The git repository
    #[arg(value_name = "REPO")]
    source: PathBuf,
    /// Into the repository in this directory, which is made if need be (default: the current one)
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only branches that fit a pattern, and the tags they lead to
    #[arg(short, long, value_name = "PATTERN", num_args = 1, value_delimiter = ',')]
    branches: Vec<String>,
    /// If a repository has to be made, make one without a working tree
    #[arg(long, requires = "directory")]
    bare: bool,
    /// Move branches and tags that stand elsewhere here
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let From::Git(args) = &args.from;
    let started = Instant::now();
    let rules = context.rules()?;
    let options = import::Options {
        source: context.directory().join(&args.source),
        branches: args.branches.clone(),
        force: args.force,
        actor: context.committer()?,
        rules: rules.rules(),
        pace: Pace::default(),
    };
    let made;
    let repo = match &args.directory {
        Some(directory) => {
            made = open_or_make(context, directory, args.bare, &options)?;
            &made
        }
        None => context.repository()?,
    };
    let outcome = import::run(repo, &options, context.monitor())?;
    tell(context, &outcome, started.elapsed().as_secs_f64())?;
    Ok(if outcome.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// The repository in this directory itself, not in one above it.
fn open_or_make(
    context: &Context,
    directory: &std::path::Path,
    bare: bool,
    options: &import::Options<'_>,
) -> Result<Repository, Error> {
    let path = context.directory().join(directory);
    match Repository::open(context.disk().clone(), &path, context.env().clone()) {
        Ok(repo) if repo.here().is_root() => return context.set_up(repo),
        Ok(_) | Err(RepoError::NotFound(_) | RepoError::Io { .. }) => {}
        // An import that was killed while it made the repository.
        Err(RepoError::Store(store::Error::Io { source, .. }))
            if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let branch = match import::first_branch(options)? {
        Some(branch) => branch,
        None => context.config()?.text("init.default-branch")?.unwrap_or_default(),
    };
    let init = init::Options { bare, branch, actor: options.actor.clone() };
    let (repo, _) = init::run(context.disk().clone(), &path, context.env().clone(), &init)?;
    context.set_up(repo)
}

fn tell(context: &Context, outcome: &Outcome, seconds: f64) -> Result<(), Error> {
    let output = context.output();
    for one in &outcome.refs {
        let word = word(one.fate);
        if context.is_json() {
            output.json(&json!({
                "ref": one.name, "git": one.git, "id": one.id.as_ref().map(id_json), "fate": word,
            }))?;
            continue;
        }
        match one.fate {
            Fate::Kept => context.output().warn(&format!(
                "{} stands elsewhere here and was left there; `--force` moves it",
                one.name
            )),
            Fate::BadName => context
                .output()
                .warn(&format!("{} was left out: its name cannot be kept", one.name)),
            Fate::OddTree => context
                .output()
                .warn(&format!("{} was left out: git would not write the tree it names", one.name)),
            _ => {}
        }
    }
    if context.is_json() {
        output.json(&json!({
            "commits": outcome.commits, "objects": outcome.objects, "bytes": outcome.bytes,
            "stored": outcome.stored, "odd": outcome.odd, "written": outcome.written,
            "seconds": seconds,
        }))?;
        return Ok(());
    }
    let moved = outcome
        .refs
        .iter()
        .filter(|one| matches!(one.fate, Fate::New | Fate::Moved | Fate::Forced))
        .count();
    if outcome.odd > 0 {
        output.say(format!(
            "{} with trees that git itself would not write: kept as they are, for export",
            counted(outcome.odd, "commit", "commits")
        ))?;
    }
    if moved == 0 && outcome.commits == 0 {
        return output.say("Nothing is new");
    }
    output.say(format!(
        "Imported {} and {} ({} of {}), {} stored, in {seconds:.1} s",
        counted(outcome.commits, "commit", "commits"),
        counted(moved as u64, "branch or tag", "branches and tags"),
        counted(outcome.objects, "object", "objects"),
        bytes_text(outcome.bytes),
        bytes_text(outcome.stored),
    ))?;
    Ok(())
}

pub(super) fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::New => "new",
        Fate::Moved => "moved",
        Fate::Forced => "forced",
        Fate::Same => "same",
        Fate::Ahead => "ahead",
        Fate::Kept => "kept",
        Fate::InUse => "in-use",
        Fate::Symbolic => "symbolic",
        Fate::BadName => "bad-name",
        Fate::OddTree => "odd-tree",
    }
}

//! `annals rev-parse`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::history::revision::is_set;
use annals::ops::{branch, revisions};
use annals::path::quoted;

use serde_json::{Value, json};

use crate::context::Context;
use crate::output::text_json;
use crate::report::{Error, NO};

/// Print what revisions mean, and where the repository is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Revisions and ranges
    #[arg(value_name = "REV")]
    revisions: Vec<OsString>,
    /// What all refs and HEAD mean
    #[arg(long)]
    all: bool,
    /// What all branches mean
    #[arg(long)]
    branches: bool,
    /// What all tags mean
    #[arg(long)]
    tags: bool,
    /// Shorten ids
    #[arg(long, value_name = "DIGITS", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "8")]
    short: Option<usize>,
    /// Insist on exactly one object that is there
    #[arg(long)]
    verify: bool,
    /// Print names of branches instead of ids
    #[arg(long)]
    abbrev_ref: bool,
    /// Print the root of the working tree
    #[arg(long)]
    show_toplevel: bool,
    /// Print where in the working tree this is
    #[arg(long)]
    show_prefix: bool,
    /// Print the directory of the repository's state
    #[arg(long, visible_alias = "git-dir")]
    state_dir: bool,
    /// Print whether the repository has no working tree
    #[arg(long)]
    is_bare_repository: bool,
    /// Print whether this is in a working tree
    #[arg(long)]
    is_inside_work_tree: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    if args.show_toplevel {
        tell(context, "toplevel", repo.worktree()?.path.as_os_str().as_encoded_bytes())?;
    }
    if args.show_prefix {
        let here = repo.here().as_bytes();
        let prefix = if here.is_empty() { Vec::new() } else { [here, b"/"].concat() };
        tell(context, "prefix", &prefix)?;
    }
    if args.state_dir {
        tell(context, "state_dir", repo.state_path().as_os_str().as_encoded_bytes())?;
    }
    if args.is_bare_repository {
        tell_whether(context, "is_bare_repository", repo.is_bare())?;
    }
    if args.is_inside_work_tree {
        tell_whether(context, "is_inside_work_tree", !repo.is_bare())?;
    }
    if args.verify && args.revisions.len() != 1 {
        return Err(Error::usage("one revision is needed, nothing more"));
    }
    match print(context, args) {
        Err(Error::Ops(_) | Error::Repo(_)) if args.verify && context.is_quiet() => {
            Err(Error::Silent(NO))
        }
        printed => printed.map(|()| ExitCode::SUCCESS),
    }
}

/// One answer, under its name in JSON.
fn tell(context: &Context, name: &str, answer: &[u8]) -> Result<(), Error> {
    let output = context.output();
    match context.is_json() {
        true => output.json(&Value::from_iter([(name, text_json(answer))])),
        false => output.line(answer),
    }
}

fn tell_whether(context: &Context, name: &str, answer: bool) -> Result<(), Error> {
    let output = context.output();
    match context.is_json() {
        true => output.json(&Value::from_iter([(name, answer)])),
        false => output.line(answer.to_string()),
    }
}

fn print(context: &Context, args: &Args) -> Result<(), Error> {
    let repo = context.repository()?;
    let output = context.output();
    let refs = [("--all", args.all), ("--branches", args.branches), ("--tags", args.tags)];
    let refs =
        refs.into_iter().filter(|(_, is_asked)| *is_asked).map(|(word, _)| OsString::from(word));
    for text in &refs.chain(args.revisions.iter().cloned()).collect::<Vec<_>>() {
        let bytes = text.as_encoded_bytes();
        if args.abbrev_ref {
            let name = match (text.to_str(), branch::current(repo)) {
                (Some("HEAD" | "@"), Some(name)) => name,
                (Some("HEAD" | "@"), None) => "HEAD".to_owned(),
                _ => {
                    let found = revisions::find(repo, bytes, context.monitor())?;
                    let branch = found
                        .full_name
                        .as_deref()
                        .and_then(|name| name.strip_prefix("refs/heads/"));
                    branch.map_or_else(|| quoted(bytes), str::to_owned)
                }
            };
            match context.is_json() {
                true => output.json(&json!({ "revision": text_json(bytes), "name": name }))?,
                false => output.line(name)?,
            }
            continue;
        }
        let shown = |id: &annals::hash::Id| match args.short {
            Some(digits) => id.short(digits.clamp(4, 64)),
            None => id.to_string(),
        };
        let tell = |id: &annals::hash::Id, is_excluded: bool| {
            let id = shown(id);
            if context.is_json() {
                let value =
                    json!({ "revision": text_json(bytes), "id": id, "excluded": is_excluded });
                return output.json(&value);
            }
            output.line(if is_excluded { format!("^{id}") } else { id })
        };
        if args.verify || !is_set(bytes) {
            tell(&revisions::find(repo, bytes, context.monitor())?.id, false)?;
            continue;
        }
        let range = revisions::set(repo, &[bytes], context.monitor())?;
        range.include.iter().try_for_each(|id| tell(id, false))?;
        range.exclude.iter().try_for_each(|id| tell(id, true))?;
    }
    Ok(())
}

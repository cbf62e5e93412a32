//! `annals ls`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::diff::text::git_mode;
use annals::history::dates::DateStyle;
use annals::object::Entry;
use annals::ops::{ls, revisions};
use annals::path::{RepoPath, quoted};
use serde_json::json;

use crate::context::Context;
use crate::output::{Quoting, id_json, relative, text_json, time_json};
use crate::report::Error;

/// List what was recorded
///
/// Without a revision, of the current commit; without paths, of the current directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A revision or tree, then paths
    #[arg(value_name = "REV|PATH")]
    words: Vec<OsString>,
    /// Paths
    #[arg(last = true, value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Show mode, size, time and content id
    #[arg(short)]
    long: bool,
    /// Look into directories
    #[arg(short)]
    recursive: bool,
    /// Show directories too when looking into them
    #[arg(short)]
    trees: bool,
    /// End names with a zero byte and leave them unquoted
    #[arg(short = 'z')]
    null: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let words = context.words(&args.words, &args.paths, 1)?;
    let revision = words.revisions.first().map_or(&b"HEAD"[..], Vec::as_slice);
    let options = ls::Options {
        tree: revisions::tree(repo, revision, context.monitor())?,
        revision: quoted(revision),
        paths: context.pathspec(&words.paths)?,
        here: repo.here().clone(),
        depth: match (args.recursive, args.trees) {
            (false, _) => ls::Depth::One,
            (true, false) => ls::Depth::Files,
            (true, true) => ls::Depth::All,
        },
    };
    context.page()?;
    ls::run(repo, &options, &mut |path, entry| show(context, args, path, entry))?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, args: &Args, path: &RepoPath, entry: &Entry) -> Result<(), Error> {
    let output = context.output();
    let content = || ls::content_id(context.repository()?.store(), entry).map_err(Error::from);
    if context.is_json() {
        return output.json(&json!({
            "path": text_json(path.as_bytes()),
            "mode": git_mode(entry),
            "size": entry.size(),
            "mtime": time_json(entry.mtime),
            "content": content()?.as_ref().map(id_json),
        }));
    }
    let mut line = Vec::new();
    if args.long {
        let time = entry.mtime.map_or_else(String::new, |time| {
            let zone = context.env().clock.zone_minutes(time);
            DateStyle::Iso.format(time, zone, time)[..19].to_owned()
        });
        let id = content()?.map_or_else(String::new, |id| id.short(12));
        let (mode, size) = (git_mode(entry), entry.size());
        line.extend_from_slice(format!("{mode} {size:>12} {time:19} {id:12} ").as_bytes());
    }
    let quoting = if args.null { Quoting::Raw } else { output.quoting };
    let mut name = relative(context.repository()?.here(), path);
    if entry.is_directory() && !args.null {
        name.push(b'/');
    }
    line.extend(quoting.show(&name));
    line.push(if args.null { 0 } else { b'\n' });
    output.write(&line)
}

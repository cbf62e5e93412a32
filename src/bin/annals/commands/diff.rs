//! `annals diff`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::diff::renames::Difference;
use annals::history::revision::is_set;
use annals::ops::diff::{self, Side};
use annals::ops::{log, revisions};
use annals::path::quoted;

use crate::context::Context;
use crate::report::{Error, NO};

use super::changes::Format;

/// Show what differs between commits, what is staged, and the working tree
///
/// Without revisions, what changed in the working tree and is not staged; with one, how the working
/// tree differs from it; with two, or A..B, how the second differs from the first; A...B shows what
/// B changed since it and A went apart. Two files, as REV:PATH, are compared with each other.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Revisions, then paths
    #[arg(value_name = "REV|PATH")]
    words: Vec<OsString>,
    /// Paths
    #[arg(last = true, value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Compare with what is staged, not with the working tree
    #[arg(long, visible_alias = "staged")]
    cached: bool,
    /// Exit with 1 if anything differs; with -q, print nothing
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let words = context.words(&args.words, &args.paths, 2)?;
    if let Some(differences) = files(context, &words.revisions)? {
        if !words.paths.is_empty() {
            return Err(Error::usage("two files are compared, and no paths beside them"));
        }
        if !context.is_quiet() {
            context.page()?;
            args.format.or_patch().show_files(context, &differences)?;
        }
        return Ok(ended(context, args, !differences.is_empty()));
    }
    let (old, new) = sides(context, args, &words.revisions)?;
    let rules = context.rules()?;
    let paths = context.pathspec(&words.paths)?;
    let options = diff::Options { old, new, paths, rules: rules.rules() };
    let differs = if context.is_quiet() {
        diff::differs(repo, &options, context.monitor())?
    } else {
        context.page()?;
        args.format.or_patch().show(context, &options)?
    };
    Ok(ended(context, args, differs))
}

fn ended(context: &Context, args: &Args, differs: bool) -> ExitCode {
    let is_told = args.exit_code || context.is_quiet();
    if differs && is_told { ExitCode::from(NO) } else { ExitCode::SUCCESS }
}

/// What differs between two files, if two were named.
fn files(context: &Context, words: &[Vec<u8>]) -> Result<Option<Vec<Difference>>, Error> {
    let [old, new] = words else { return Ok(None) };
    if is_set(old) || is_set(new) {
        return Ok(None);
    }
    let (repo, monitor) = (context.repository()?, context.monitor());
    let found = |text: &[u8]| revisions::find(repo, text, monitor);
    Ok(diff::files(&found(old)?, &found(new)?))
}

fn sides(context: &Context, args: &Args, words: &[Vec<u8>]) -> Result<(Side, Side), Error> {
    let repo = context.repository()?;
    let tree = |text: &[u8]| revisions::tree(repo, text, context.monitor()).map(Side::Tree);
    let new = if args.cached { Side::Index } else { Side::Worktree };
    Ok(match words {
        [] if args.cached => (repo.head_tree()?.map_or(Side::Empty, Side::Tree), new),
        [] => (Side::Index, new),
        [one] => {
            let set = revisions::set(repo, words, context.monitor());
            match set {
                Ok(set) if !set.symmetric.is_empty() => {
                    let (_, b) = set.symmetric[0];
                    let base = set.exclude.first().copied();
                    let base = base.ok_or_else(|| annals::ops::Error::Unrelated(quoted(one)))?;
                    if set.exclude.len() > 1 {
                        let (count, id, one) = (set.exclude.len(), base.short(8), quoted(one));
                        context.output().warn(&format!(
                            "'{one}' has {count} merge bases; it is compared with {id}, the newest"
                        ));
                    }
                    let tree = |id| Ok::<_, Error>(Side::Tree(log::commit(repo, id)?.tree));
                    (tree(&base)?, tree(&b)?)
                }
                // A..B, and A^!, which is A beside its parent.
                Ok(set) if !set.exclude.is_empty() && set.include.len() == 1 => {
                    let tree = |id| Ok::<_, Error>(Side::Tree(log::commit(repo, id)?.tree));
                    (tree(&set.exclude[0])?, tree(&set.include[0])?)
                }
                _ => (tree(one)?, new),
            }
        }
        [a, b] => {
            if words.iter().any(|word| is_set(word)) {
                return Err(Error::usage("a range is compared with nothing else"));
            }
            (tree(a)?, tree(b)?)
        }
        _ => return Err(Error::usage("at most two revisions can be compared")),
    })
}

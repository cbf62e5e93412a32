//! `annals branch`.

use std::process::ExitCode;

use annals::hash::Id;
use annals::ops::branch::{self, Branch, Force};
use annals::ops::revisions;
use serde_json::json;

use crate::context::Context;
use crate::output::{Quoting, Table, id_json, text_json};
use crate::report::Error;

/// List, make, rename or delete branches
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A new branch, and where it begins (default: the current commit)
    #[arg(value_names = ["NAME", "START"], num_args = 0..)]
    names: Vec<String>,
    /// Delete branches whose work is in the current one
    #[arg(short, long, conflicts_with_all = ["delete_anyway", "rename", "show_current"])]
    delete: bool,
    /// Delete branches
    #[arg(short = 'D', conflicts_with_all = ["rename", "show_current"])]
    delete_anyway: bool,
    /// Rename a branch (default: the current one)
    #[arg(short = 'm', long = "move", conflicts_with = "show_current")]
    rename: bool,
    /// Make, move or rename although a branch of that name is there
    #[arg(short, long)]
    force: bool,
    /// Print the name of the current branch
    #[arg(long)]
    show_current: bool,
    /// List, with names to choose from
    #[arg(short, long)]
    list: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let output = context.output();
    let force = if args.force { Force::Yes } else { Force::No };
    let usage = |text: &str| Err(Error::usage(text));
    if args.show_current {
        match branch::current(repo) {
            name if context.is_json() => output.json(&json!({ "name": name }))?,
            Some(name) => output.line(name)?,
            None => {}
        }
    } else if args.delete || args.delete_anyway {
        if args.names.is_empty() {
            return usage("which branch shall be deleted?");
        }
        let force = if args.delete_anyway { Force::Yes } else { force };
        for gone in branch::delete(repo, &context.committer()?, &args.names, force)? {
            tell_moved(context, &gone.name, None, Some(&gone.id))?;
            output.say(format!(
                "Deleted the branch {} (it was at {})",
                gone.name,
                gone.id.short(8)
            ))?;
        }
    } else if args.rename {
        let current = branch::current(repo);
        let (old, new) = match (&args.names[..], &current) {
            ([new], Some(current)) => (current, new),
            ([old, new], _) => (old, new),
            _ => return usage("a new name is needed"),
        };
        let id = branch::rename(repo, &context.committer()?, old, new, force)?;
        if context.is_json() {
            output.json(&json!({ "name": new, "from": old, "id": id.as_ref().map(id_json) }))?;
        }
    } else if args.list || args.names.is_empty() {
        list(context, &args.names)?;
    } else {
        let start = match &args.names[..] {
            [_] => repo.head_commit()?,
            [_, start] => revisions::commit(repo, start, context.monitor())?,
            _ => return usage("a name and a start are needed, nothing more"),
        };
        let name = &args.names[0];
        let was = branch::create(repo, &context.committer()?, name, &start, force)?;
        tell_moved(context, name, Some(&start), was.as_ref())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells other programs where a branch or tag is now and where it was.
pub(super) fn tell_moved(
    context: &Context,
    name: &str,
    id: Option<&Id>,
    was: Option<&Id>,
) -> Result<(), Error> {
    if !context.is_json() {
        return Ok(());
    }
    context.output().json(&json!({ "name": name, "id": id.map(id_json), "was": was.map(id_json) }))
}

fn list(context: &Context, patterns: &[String]) -> Result<(), Error> {
    let (repo, output) = (context.repository()?, context.output());
    let mut table = Table::new();
    for Branch { name, id, is_current } in branch::list(repo) {
        if !super::fits(&name, patterns) {
            continue;
        }
        let subject = branch::subject(repo, &id)?;
        if context.is_json() {
            output.json(&json!({
                "name": name, "id": id_json(&id), "current": is_current,
                "subject": text_json(&subject),
            }))?;
            continue;
        }
        let mark = if is_current { "*" } else { " " };
        let name = if is_current { output.color.green(&name) } else { name };
        let name = format!("{mark} {name}");
        match context.is_verbose() {
            true => table.row([name, id.short(8), Quoting::Usual.text(&subject)]),
            false => table.row([name]),
        }
    }
    table.lines().try_for_each(|line| output.line(line))
}

//! `annals tag`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use annals::ops::{revisions, tag};
use annals::path::quoted;
use bstr::ByteSlice;
use serde_json::json;

use crate::context::Context;
use crate::editor;
use crate::output::{Quoting, Table, id_json, person_json, text_json};
use crate::report::Error;

use super::branch::tell_moved;

/// List, make or delete tags
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A new tag, and what it names (default: the current commit)
    #[arg(value_names = ["NAME", "REV"], num_args = 0..)]
    names: Vec<OsString>,
    /// Make one that says who made it, when and why
    #[arg(short, long)]
    annotate: bool,
    /// Why: makes an annotated tag
    #[arg(short, long, value_name = "TEXT")]
    message: Vec<String>,
    /// Take the message from a file; - is standard input: makes an annotated tag
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "message")]
    file: Option<PathBuf>,
    /// Delete tags
    #[arg(short, long, conflicts_with_all = ["annotate", "list"])]
    delete: bool,
    /// List those that fit a pattern
    #[arg(short, long)]
    list: bool,
    /// Replace a tag of that name
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let output = context.output();
    if args.delete {
        if args.names.is_empty() {
            return Err(Error::usage("which tag shall be deleted?"));
        }
        for gone in tag::delete(repo, &context.committer()?, &texts(&args.names)?)? {
            tell_moved(context, &gone.name, None, Some(&gone.id))?;
            output.say(format!(
                "Deleted the tag {} (it was at {})",
                gone.name,
                gone.id.short(8)
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.list || args.names.is_empty() {
        return list(context, &texts(&args.names)?);
    }
    let is_given = !args.message.is_empty() || args.file.is_some();
    let is_annotated = args.annotate || is_given;
    let target = match &args.names[..] {
        [_] => revisions::find(repo, "HEAD", context.monitor())?,
        [_, revision] => revisions::find(repo, revision.as_encoded_bytes(), context.monitor())?,
        _ => return Err(Error::usage("a name and a revision are needed, nothing more")),
    };
    let name = text(&args.names[0])?;
    let message = match super::commit::given(&args.message, args.file.as_deref())? {
        _ if !is_annotated => Vec::new(),
        Some(message) => message,
        None if is_given => return Err(Error::EmptyMessage),
        None => {
            let what = format!("Say what the tag '{name}' is for. Lines that begin with '#' are");
            let about = [what, "left out; without a message no tag is made.".to_owned()];
            editor::ask(context, b"", &about)?
        }
    };
    let options = tag::Options {
        name,
        target: target.id,
        target_kind: target.kind,
        annotation: is_annotated
            .then(|| context.signature().map(|who| (who, message)))
            .transpose()?,
        replace: args.force,
    };
    let made = tag::create(repo, &context.committer()?, &options)?;
    tell_moved(context, &options.name, Some(&made.id), made.was.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

/// A name: unlike what a path may be called, it is text.
fn text(name: &OsStr) -> Result<String, Error> {
    let text = name.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        let name = quoted(name.as_encoded_bytes());
        Error::usage(format!("'{name}' is not the name of a tag: it is not UTF-8"))
    })
}

fn texts(names: &[OsString]) -> Result<Vec<String>, Error> {
    names.iter().map(|name| text(name)).collect()
}

fn list(context: &Context, patterns: &[String]) -> Result<ExitCode, Error> {
    let (repo, output) = (context.repository()?, context.output());
    let mut table = Table::new();
    for listed in tag::list(repo) {
        if !super::fits(&listed.name, patterns) {
            continue;
        }
        if !context.is_json() && !context.is_verbose() {
            table.row([listed.name]);
            continue;
        }
        let annotation = tag::annotation(repo, &listed.id)?;
        if context.is_json() {
            output.json(&json!({
                "name": listed.name,
                "id": id_json(&listed.id),
                "target": annotation.as_ref().map(|tag| id_json(&tag.target)),
                "tagger": annotation.as_ref().and_then(|tag| tag.tagger.as_ref().map(person_json)),
                "message": annotation.as_ref().map(|tag| text_json(&tag.message)),
            }))?;
            continue;
        }
        let words = annotation.map_or_else(Vec::new, |tag| tag.message);
        let first = words.lines().next().unwrap_or_default();
        table.row([listed.name, listed.id.short(8), Quoting::Usual.text(first)]);
    }
    table.lines().try_for_each(|line| output.line(line))?;
    Ok(ExitCode::SUCCESS)
}

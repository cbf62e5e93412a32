//! `annals show`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::hash::{Id, Kind};
use annals::object::Tag;
use annals::ops::{cat, inspect, log, ls, revisions, tag};
use annals::path::{Pathspec, RepoPath, quoted};
use serde_json::json;

use crate::context::Context;
use crate::output::{entry_json, id_json, text_json};
use crate::pretty::{Pretty, who};
use crate::report::Error;

use super::cat_object::describe;
use super::changes::Format;

/// Show a commit, a tag, a directory or a file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to show (default: the current commit)
    #[arg(value_name = "REV|REV:PATH")]
    objects: Vec<OsString>,
    /// Show each commit on one line
    #[arg(long)]
    oneline: bool,
    /// oneline, short, medium, full, fuller, or a pattern: %H %h %an %ad %s %b %D …
    #[arg(long, alias = "pretty", value_name = "FORMAT")]
    format: Option<String>,
    /// Show dates so: iso, iso-strict, rfc, short, relative, unix, raw, format:…
    #[arg(long, value_name = "STYLE")]
    date: Option<String>,
    /// Do not show what changed
    #[arg(short = 's', long)]
    no_patch: bool,
    #[command(flatten)]
    format_of_changes: Format,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    context.page()?;
    let format = if args.oneline { Some("oneline") } else { args.format.as_deref() };
    let pretty = Pretty::new(context, format, args.date.as_deref(), log::decorations(repo)?)?;
    let head = ["HEAD".into()];
    let objects = if args.objects.is_empty() { &head[..] } else { &args.objects[..] };
    for (number, text) in objects.iter().enumerate() {
        if number > 0 && !context.is_json() {
            context.output().line("")?;
        }
        let text = text.as_encoded_bytes();
        let found = revisions::find(repo, text, context.monitor())?;
        let text = quoted(text);
        match found.path {
            Some((path, entry)) if !entry.is_directory() && context.is_json() => {
                let mut value = entry_json(&entry);
                value["path"] = text_json(path.as_bytes());
                context.output().json(&value)?;
            }
            Some((_, entry)) if !entry.is_directory() => {
                copy(context, &cat::Options::Entry { text, entry })?;
            }
            _ => object(context, args, &pretty, &text, found.id, found.kind)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn object(
    context: &Context,
    args: &Args,
    pretty: &Pretty<'_>,
    text: &str,
    id: Id,
    kind: Kind,
) -> Result<(), Error> {
    let repo = context.repository()?;
    match kind {
        Kind::Commit => {
            let commit = log::commit(repo, &id)?;
            if context.is_json() {
                let format = match args.no_patch {
                    true => Format::default(),
                    false => args.format_of_changes.or_patch(),
                };
                let all = Pathspec::all();
                let mut value = super::log::commit_json(context, &format, &all, &id, &commit)?;
                value["kind"] = kind.name().into();
                return context.output().json(&value);
            }
            context.output().write(&pretty.show(&id, &commit))?;
            if args.no_patch {
                return Ok(());
            }
            if pretty.has_paragraphs() {
                context.output().line("")?;
            }
            let options = super::log::compared(context, &commit, &Pathspec::all())?;
            args.format_of_changes.or_patch().show(context, &options)?;
            Ok(())
        }
        Kind::Tag => {
            if let Some(tag) = tag::annotation(repo, &id)? {
                match context.is_json() {
                    true => describe(context, &id, &inspect::run(repo, kind, &id)?)?,
                    false => show_tag(context, pretty, &tag)?,
                }
                let kind = Kind::from_number(tag.target_kind).unwrap_or(Kind::Commit);
                return object(context, args, pretty, text, tag.target, kind);
            }
            Ok(())
        }
        Kind::Tree => tree(context, text, id),
        Kind::Chunk | Kind::Manifest if !context.is_json() => {
            copy(context, &cat::Options::Object { text: text.to_owned(), id, kind })
        }
        kind => describe(context, &id, &inspect::run(repo, kind, &id)?),
    }
}

fn show_tag(context: &Context, pretty: &Pretty<'_>, tag: &Tag) -> Result<(), Error> {
    let output = context.output();
    let name = String::from_utf8_lossy(&tag.name);
    output.line(output.color.yellow(&format!("tag {name}")))?;
    if let Some(tagger) = &tag.tagger {
        output.line(output.readable([b"Tagger: ", &who(tagger)[..]].concat()))?;
        output.line(format!("Date:   {}", pretty.date(tagger)))?;
    }
    output.line("")?;
    output.write(&output.readable(tag.message.clone()))?;
    output.line("")
}

fn tree(context: &Context, text: &str, id: Id) -> Result<(), Error> {
    let output = context.output();
    let options = ls::Options {
        tree: id,
        revision: text.to_owned(),
        paths: Pathspec::all(),
        here: RepoPath::root(),
        depth: ls::Depth::One,
    };
    if context.is_json() {
        let mut entries = Vec::new();
        ls::run::<Error>(context.repository()?, &options, &mut |path, entry| {
            let mut value = entry_json(entry);
            value["name"] = text_json(path.as_bytes());
            entries.push(value);
            Ok(())
        })?;
        let value = json!({ "id": id_json(&id), "kind": Kind::Tree.name(), "entries": entries });
        return output.json(&value);
    }
    output.line(output.color.yellow(&format!("tree {text}")))?;
    output.line("")?;
    ls::run(context.repository()?, &options, &mut |path, entry| {
        let mut line = output.path(path);
        if entry.is_directory() {
            line.push(b'/');
        }
        output.line(line)
    })
}

/// Passes content on as it is.
pub(super) fn copy(context: &Context, options: &cat::Options) -> Result<(), Error> {
    let mut failed = None;
    let copied = cat::run(context.repository()?, options, &mut |piece| {
        context.output().write(piece).map_err(|error| {
            failed = Some(error);
            std::io::ErrorKind::Other.into()
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(copied?),
    }
}

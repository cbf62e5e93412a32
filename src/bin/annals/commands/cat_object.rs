//! `annals cat-object`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::diff::text::git_mode;
use annals::hash::{Id, Kind};
use annals::object::{Chunks, Commit, List, Manifest, Node, Table, Tag};
use annals::ops::inspect::{self, Inspected};
use annals::ops::revisions;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Quoting, bytes_text, counted, entry_json, id_json, person_json, text_json};
use crate::pretty::who;
use crate::report::Error;

/// Show any object so that a person understands it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids or revisions
    #[arg(value_name = "ID", required = true)]
    objects: Vec<OsString>,
    /// Print only its kind
    #[arg(long = "type", short = 't', conflicts_with_all = ["size", "raw"])]
    kind: bool,
    /// Print only its length in bytes
    #[arg(long, short = 's', conflicts_with = "raw")]
    size: bool,
    /// Print its bytes as they are stored
    #[arg(long)]
    raw: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    if args.raw && context.is_json() {
        return Err(Error::usage("--raw passes bytes on as they are, which --json cannot"));
    }
    let (repo, output) = (context.repository()?, context.output());
    for text in &args.objects {
        let found = revisions::find(repo, text.as_encoded_bytes(), context.monitor())?;
        let (id, kind) = (found.id, found.kind);
        let mut value = json!({ "id": id_json(&id), "kind": kind.name() });
        if args.kind {
            match context.is_json() {
                true => output.json(&value)?,
                false => output.line(kind.name())?,
            }
        } else if args.size {
            let size = inspect::raw(repo, kind, &id)?.len();
            value["size"] = size.into();
            match context.is_json() {
                true => output.json(&value)?,
                false => output.line(size.to_string())?,
            }
        } else if args.raw {
            output.write(&inspect::raw(repo, kind, &id)?)?;
        } else {
            describe(context, &id, &inspect::run(repo, kind, &id)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows an object.
pub(super) fn describe(context: &Context, id: &Id, object: &Inspected) -> Result<(), Error> {
    let output = context.output();
    let kind = kind(object);
    if context.is_json() {
        let mut value = to_json(object);
        value["id"] = id_json(id);
        value["kind"] = kind.name().into();
        return output.json(&value);
    }
    output.line(output.color.yellow(&format!("{kind} {id}")))?;
    let mut lines = Vec::new();
    match object {
        Inspected::Chunk(bytes) | Inspected::Other(bytes) => chunk_lines(bytes, &mut lines),
        Inspected::List(list) => list_lines(list, &mut lines),
        Inspected::Manifest(manifest) => manifest_lines(manifest, &mut lines),
        Inspected::Tree(node) => tree_lines(node, &mut lines),
        Inspected::Commit(commit) => commit_lines(commit, &mut lines),
        Inspected::Tag(tag) => tag_lines(tag, &mut lines),
        Inspected::Table(table) => table_lines(table, &mut lines),
        Inspected::Attributes(attributes) => lines.push(format!("{attributes:#?}")),
    }
    lines.iter().try_for_each(|line| output.line(line))
}

fn kind(object: &Inspected) -> Kind {
    match object {
        Inspected::Chunk(_) => Kind::Chunk,
        Inspected::List(_) => Kind::List,
        Inspected::Manifest(_) => Kind::Manifest,
        Inspected::Tree(_) => Kind::Tree,
        Inspected::Commit(_) => Kind::Commit,
        Inspected::Tag(_) => Kind::Tag,
        Inspected::Table(_) => Kind::Table,
        Inspected::Attributes(_) => Kind::Attributes,
        Inspected::Other(_) => Kind::Notes,
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1024 { bytes_text(bytes) } else { format!("{bytes} B ({})", bytes_text(bytes)) }
}

/// The first bytes, as digits and as letters.
fn chunk_lines(bytes: &[u8], lines: &mut Vec<String>) {
    lines.push(format!("size     {}", size(bytes.len() as u64)));
    for (number, row) in bytes.chunks(16).take(16).enumerate() {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let letters: String = row.iter().map(letter).collect();
        lines.push(format!("{:08x} {:47}  {letters}", number * 16, digits.join(" ")));
    }
    if bytes.len() > 256 {
        let more = counted((bytes.len() - 256) as u64, "byte", "bytes");
        lines.push(format!("… and {more} more"));
    }
}

fn list_lines(list: &List, lines: &mut Vec<String>) {
    let (chunks, bytes) = list.totals().unwrap_or_default();
    lines.push(format!("level    {}", list.level()));
    lines.push(format!("chunks   {chunks}"));
    lines.push(format!("bytes    {}", size(bytes)));
    match list {
        List::Leaf(chunks) => {
            lines.extend(
                chunks.iter().map(|chunk| format!("chunk    {} {:>9}", chunk.id, chunk.length)),
            );
        }
        List::Inner { children, .. } => lines.extend(children.iter().map(|child| {
            format!("list     {} {:>9} chunks {:>14} bytes", child.node, child.chunks, child.bytes)
        })),
    }
}

fn manifest_lines(manifest: &Manifest, lines: &mut Vec<String>) {
    lines.push(format!("size     {}", size(manifest.size)));
    lines.push(format!("content  {}", manifest.content));
    lines.push(format!("chunker  {}", manifest.chunker));
    lines.push(format!("near     {}", if manifest.near { "yes" } else { "no" }));
    lines.push(format!("sketch   {}", annals::hash::hex(&manifest.sketch)));
    match &manifest.chunks {
        Chunks::One => lines.push(format!("chunk    {} {:>9}", manifest.content, manifest.size)),
        Chunks::Few(chunks) => {
            lines.extend(
                chunks.iter().map(|chunk| format!("chunk    {} {:>9}", chunk.id, chunk.length)),
            );
        }
        Chunks::Many { list, count } => lines.push(format!("list     {list} {count:>9} chunks")),
    }
}

fn tree_lines(node: &Node, lines: &mut Vec<String>) {
    let totals = node.totals();
    lines.push(format!("level    {}", node.level()));
    lines.push(format!("entries  {}", totals.entries));
    lines.push(format!("files    {}", totals.files));
    lines.push(format!("bytes    {}", size(totals.bytes)));
    match node {
        Node::Leaf(entries) => lines.extend(entries.iter().map(|entry| {
            let id = match entry_json(entry)["content"].as_str() {
                Some(id) => id.to_owned(),
                None => "-".repeat(64),
            };
            let name = Quoting::Usual.text(&entry.name);
            format!("{} {id} {:>12} {name}", git_mode(entry), entry.size())
        })),
        Node::Inner { children, .. } => lines.extend(children.iter().map(|child| {
            let name = Quoting::Usual.text(&child.last);
            format!("node     {} {:>12} up to {name}", child.node, child.totals.entries)
        })),
    }
}

fn commit_lines(commit: &Commit, lines: &mut Vec<String>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    lines.push(format!("tree      {}", commit.tree));
    lines.extend(commit.parents.iter().map(|parent| format!("parent    {parent}")));
    for (title, signature) in [("author   ", &commit.author), ("committer", &commit.committer)] {
        let who = lossy(&who(signature));
        let (seconds, zone) = (signature.seconds, signature.zone_minutes);
        lines.push(format!("{title} {who} {seconds} {zone:+}"));
    }
    for header in &commit.headers {
        lines.push(format!("{} {}", lossy(&header.name), lossy(&header.value)));
    }
    lines.push(String::new());
    lines.push(lossy(&commit.message).trim_end().to_owned());
}

fn tag_lines(tag: &Tag, lines: &mut Vec<String>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kind = Kind::from_number(tag.target_kind).map_or("object", Kind::name);
    lines.push(format!("target   {kind} {}", tag.target));
    lines.push(format!("name     {}", lossy(&tag.name)));
    if let Some(tagger) = &tag.tagger {
        lines.push(format!("tagger   {} {}", lossy(&who(tagger)), tagger.seconds));
    }
    lines.push(String::new());
    lines.push(lossy(&tag.message).trim_end().to_owned());
}

fn table_lines(table: &Table, lines: &mut Vec<String>) {
    let bytes = table.rows.iter().map(|row| u64::from(row.length)).sum();
    let kind = Kind::from_number(table.kind).map_or("object", Kind::name);
    lines.push(format!("objects  {} of kind {kind}", table.rows.len()));
    lines.push(format!("bytes    {}", size(bytes)));
    lines.extend(table.rows.iter().map(|row| format!("{kind:8} {} {:>9}", row.id, row.length)));
}

fn to_json(object: &Inspected) -> Value {
    let chunks = |chunks: &[annals::object::ChunkRef]| -> Value {
        chunks.iter().map(|c| json!({"id": id_json(&c.id), "length": c.length})).collect()
    };
    match object {
        Inspected::Chunk(bytes) | Inspected::Other(bytes) => json!({"size": bytes.len()}),
        Inspected::List(List::Leaf(leaf)) => json!({"level": 0, "chunks": chunks(leaf)}),
        Inspected::List(List::Inner { level, children }) => json!({
            "level": level,
            "children": children.iter().map(|child| json!({
                "id": id_json(&child.node), "chunks": child.chunks, "bytes": child.bytes,
            })).collect::<Vec<_>>(),
        }),
        Inspected::Manifest(manifest) => json!({
            "size": manifest.size,
            "content": id_json(&manifest.content),
            "chunker": manifest.chunker,
            "near": manifest.near,
            "sketch": annals::hash::hex(&manifest.sketch),
            "chunks": match &manifest.chunks {
                Chunks::One => json!([{"id": id_json(&manifest.content), "length": manifest.size}]),
                Chunks::Few(few) => chunks(few),
                Chunks::Many { list, count } => json!({"list": id_json(list), "count": count}),
            },
        }),
        Inspected::Tree(Node::Leaf(entries)) => json!({
            "level": 0,
            "entries": entries.iter().map(|entry| {
                let mut value = entry_json(entry);
                value["name"] = text_json(&entry.name);
                value
            }).collect::<Vec<_>>(),
        }),
        Inspected::Tree(Node::Inner { level, children }) => json!({
            "level": level,
            "children": children.iter().map(|child| json!({
                "id": id_json(&child.node), "last": text_json(&child.last),
                "entries": child.totals.entries, "files": child.totals.files,
                "bytes": child.totals.bytes,
            })).collect::<Vec<_>>(),
        }),
        Inspected::Commit(commit) => json!({
            "tree": id_json(&commit.tree),
            "parents": commit.parents.iter().map(id_json).collect::<Vec<_>>(),
            "author": person_json(&commit.author),
            "committer": person_json(&commit.committer),
            "message": text_json(&commit.message),
        }),
        Inspected::Tag(tag) => json!({
            "target": id_json(&tag.target),
            "name": text_json(&tag.name),
            "tagger": tag.tagger.as_ref().map(person_json),
            "message": text_json(&tag.message),
        }),
        Inspected::Table(table) => json!({
            "rows": table.rows.iter().map(|row| {
                json!({"id": id_json(&row.id), "length": row.length})
            }).collect::<Vec<_>>(),
        }),
        Inspected::Attributes(attributes) => json!({"text": format!("{attributes:?}")}),
    }
}

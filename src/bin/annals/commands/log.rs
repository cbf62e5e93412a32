//! `annals log`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use annals::git::{encoding, readable};
use annals::hash::Id;
use annals::history::drawing::{Drawing, Row};
use annals::history::walk::{Direction, Follow, Merges, Order};
use annals::object::Commit;
use annals::ops::diff::{self, Side};
use annals::ops::log::{self, Decoration};
use annals::ops::{follow, revisions};
use annals::path::{Pathspec, RepoPath};
use annals::repo::Rules;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{change_json, id_json, person_json, text_json};
use crate::pretty::Pretty;
use crate::report::Error;

use super::changes::Format;

/// Show history
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Revisions and ranges (default: HEAD), then paths; -5 means at most five
    #[arg(value_name = "REV|PATH", allow_negative_numbers = true)]
    words: Vec<OsString>,
    /// Paths: only commits that change them
    #[arg(last = true, value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Show at most so many
    #[arg(short = 'n', long = "max-count", value_name = "NUMBER", allow_negative_numbers = true)]
    limit: Option<i64>,
    /// Leave out so many first
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    skip: u64,
    /// Show each on one line
    #[arg(long)]
    oneline: bool,
    /// oneline, short, medium, full, fuller, or a pattern: %H %h %an %ad %s %b %D …
    #[arg(long, alias = "pretty", value_name = "FORMAT")]
    format: Option<String>,
    /// Show dates so: iso, iso-strict, rfc, short, relative, unix, raw, format:…
    #[arg(long, value_name = "STYLE")]
    date: Option<String>,
    /// None from before
    #[arg(long, alias = "after", value_name = "DATE")]
    since: Option<String>,
    /// None from after
    #[arg(long, alias = "before", value_name = "DATE")]
    until: Option<String>,
    /// Only by authors whose name or address contains this
    #[arg(long, value_name = "TEXT")]
    author: Vec<String>,
    /// Only messages that contain this
    #[arg(long, value_name = "TEXT")]
    grep: Vec<String>,
    /// Oldest first
    #[arg(long)]
    reverse: bool,
    /// Follow only the first parent of merges
    #[arg(long)]
    first_parent: bool,
    /// Only merges
    #[arg(long, conflicts_with = "no_merges")]
    merges: bool,
    /// No merges
    #[arg(long)]
    no_merges: bool,
    /// From all branches and tags
    #[arg(long)]
    all: bool,
    /// From all branches, or those that match
    #[arg(long, value_name = "GLOB", num_args = 0..=1, require_equals = true)]
    branches: Option<Option<String>>,
    /// From all tags, or those that match
    #[arg(long, value_name = "GLOB", num_args = 0..=1, require_equals = true)]
    tags: Option<Option<String>>,
    /// Draw beside it how commits follow each other
    #[arg(long, conflicts_with = "reverse")]
    graph: bool,
    /// No commit before those that follow it, one line of work after the other
    #[arg(long)]
    topo_order: bool,
    /// No commit before those that follow it, by date otherwise
    #[arg(long, conflicts_with = "topo_order")]
    date_order: bool,
    /// Show the names of commits: short, full (with refs/heads/ and the like) or no
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "short", hide_possible_values = true)]
    decorate: Option<Decorate>,
    /// Show no names of commits
    #[arg(long, conflicts_with = "decorate")]
    no_decorate: bool,
    /// Follow one file or directory, whatever it was called before
    #[arg(long, conflicts_with_all = ["graph", "topo_order", "date_order"])]
    follow: bool,
    #[command(flatten)]
    format_of_changes: Format,
}

/// How names of commits are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Decorate {
    Short,
    Full,
    No,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let (options, paths) = options(context, args)?;
    context.page()?;
    let names = match args.decorate {
        _ if args.no_decorate => BTreeMap::new(),
        Some(Decorate::No) => BTreeMap::new(),
        Some(Decorate::Full) => full_names(log::decorations(repo)?),
        Some(Decorate::Short) | None => log::decorations(repo)?,
    };
    let format = if args.oneline { Some("oneline") } else { args.format.as_deref() };
    let pretty = Pretty::new(context, format, args.date.as_deref(), names)?;
    // What programs read has the parents of each commit, and no drawing.
    if args.graph && !context.is_json() {
        return graph(context, args, &options, &pretty, &paths);
    }
    let mut is_first = true;
    let mut tell = |id: &Id, commit: &Commit, paths: &Pathspec| {
        if context.is_json() {
            let format = &args.format_of_changes;
            return context.output().json(&commit_json(context, format, paths, id, commit)?);
        }
        if !std::mem::take(&mut is_first) {
            context.output().write(pretty.separator())?;
        }
        context.output().write(&pretty.show(id, commit))?;
        // As in git, nothing is compared at merges unless one line of history is followed.
        if !args.format_of_changes.is_some() || (commit.parents.len() > 1 && !args.first_parent) {
            return Ok(());
        }
        if pretty.has_paragraphs() {
            context.output().line("")?;
        }
        args.format_of_changes.show(context, &compared(context, commit, paths)?)?;
        Ok(())
    };
    if args.follow {
        let path = followed_path(&paths)?;
        let renames = args.format_of_changes.followed(context)?;
        follow::run(repo, &options, &path, &renames, &mut |followed, commit| {
            let paths = Pathspec::of_paths(followed.paths.iter().cloned());
            tell(&followed.id, commit, &paths)
        })?;
    } else {
        log::run(repo, &options, context.monitor(), &mut |id, commit| tell(id, commit, &paths))?;
    }
    if !is_first && !pretty.has_paragraphs() {
        context.output().write(pretty.separator())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The same with the whole names of refs.
fn full_names(names: BTreeMap<Id, Vec<Decoration>>) -> BTreeMap<Id, Vec<Decoration>> {
    let full = |name| match name {
        Decoration::Head(branch) => {
            Decoration::Head(branch.map(|branch| format!("refs/heads/{branch}")))
        }
        Decoration::Tag(tag) => Decoration::Tag(format!("refs/tags/{tag}")),
        Decoration::Branch(branch) => Decoration::Branch(format!("refs/heads/{branch}")),
        Decoration::Other(name) => Decoration::Other(name),
    };
    names.into_iter().map(|(id, names)| (id, names.into_iter().map(full).collect())).collect()
}

/// Shows the same beside a drawing of how commits follow each other.
fn graph(
    context: &Context,
    args: &Args,
    options: &log::Options,
    pretty: &Pretty<'_>,
    paths: &Pathspec,
) -> Result<ExitCode, Error> {
    let (repo, output) = (context.repository()?, context.output());
    let mut drawing = Drawing::new();
    let mut is_first = true;
    log::connected(repo, options, context.monitor(), &mut |shown, commit| {
        let paint = |row: Row| output.color.cells(&row.cells);
        if !std::mem::take(&mut is_first) && pretty.has_paragraphs() {
            output.line(paint(drawing.row()))?;
        }
        drawing.begin(shown.number, shown.parents.clone());
        let mut row = drawing.row();
        while !row.is_commit {
            output.line(paint(row))?;
            row = drawing.row();
        }
        let text = pretty.show(&shown.id, commit);
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            if number > 0 {
                row = drawing.row();
            }
            output.write(&paint(std::mem::take(&mut row)))?;
            output.line(line)?;
        }
        while !drawing.is_done() {
            output.line(paint(drawing.row()))?;
        }
        if !args.format_of_changes.is_some() || (commit.parents.len() > 1 && !args.first_parent) {
            return Ok(());
        }
        let beside = paint(drawing.row());
        if pretty.has_paragraphs() {
            output.line(&beside)?;
        }
        output.set_beside(beside);
        let told = compared(context, commit, paths)
            .and_then(|options| args.format_of_changes.show(context, &options));
        output.set_beside(Vec::new());
        told.map(|_| ())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The one path that is followed.
fn followed_path(paths: &Pathspec) -> Result<RepoPath, Error> {
    match paths.plain_paths().as_deref() {
        Some([path]) if !path.is_root() => Ok((*path).clone()),
        _ => Err(Error::usage("--follow needs one file or directory, named without a pattern")),
    }
}

fn options(context: &Context, args: &Args) -> Result<(log::Options, Pathspec), Error> {
    let repo = context.repository()?;
    // As in git, a limit below zero is none.
    let given = args.limit.and_then(|limit| u64::try_from(limit).ok());
    let (mut limit, mut words) = (given, Vec::new());
    for word in &args.words {
        match word.to_str().and_then(|word| word.strip_prefix('-')?.parse().ok()) {
            Some(number) => limit = Some(number),
            None => words.push(word.clone()),
        }
    }
    let split = context.words(&words, &args.paths, usize::MAX)?;
    let mut revisions = split.revisions;
    if args.all {
        revisions.push(b"--all".to_vec());
    }
    for (word, given) in [("--branches", &args.branches), ("--tags", &args.tags)] {
        match given {
            Some(Some(glob)) => revisions.push(format!("{word}={glob}").into_bytes()),
            Some(None) => revisions.push(word.as_bytes().to_vec()),
            None => {}
        }
    }
    let set = revisions::set(repo, &revisions, context.monitor())?;
    // Where refs were asked for and there are none, nothing is shown.
    let asks_for_refs = args.all || args.branches.is_some() || args.tags.is_some();
    let include = match set.is_empty() && !asks_for_refs {
        true => vec![repo.head_commit()?],
        false => set.include,
    };
    let paths = context.pathspec(&split.paths)?;
    let second = |text: &Option<String>| -> Result<Option<i64>, Error> {
        text.as_ref().map(|text| Ok(context.date(text)?.0.seconds)).transpose()
    };
    let options = log::Options {
        include,
        exclude: set.exclude,
        paths: paths.clone(),
        order: match (args.date_order, args.topo_order || args.graph) {
            (true, _) => Order::TopologicalByTime,
            (_, true) => Order::Topological,
            _ => Order::Time,
        },
        direction: if args.reverse { Direction::Forward } else { Direction::Back },
        follow: if args.first_parent { Follow::First } else { Follow::All },
        merges: match (args.merges, args.no_merges) {
            (true, _) => Merges::Only,
            (_, true) => Merges::Hidden,
            _ => Merges::Shown,
        },
        since: second(&args.since)?,
        until: second(&args.until)?,
        skip: args.skip,
        limit,
        authors: args.author.clone(),
        messages: args.grep.clone(),
    };
    Ok((options, paths))
}

/// A commit against its first parent.
pub(super) fn compared(
    context: &Context,
    commit: &Commit,
    paths: &Pathspec,
) -> Result<diff::Options<'static>, Error> {
    let old = match commit.parents.first() {
        Some(parent) => Side::Tree(log::commit(context.repository()?, parent)?.tree),
        None => Side::Empty,
    };
    let (new, paths) = (Side::Tree(commit.tree), paths.clone());
    Ok(diff::Options { old, new, paths, rules: Rules::default() })
}

/// A commit, with what it changed if the format shows that.
pub(super) fn commit_json(
    context: &Context,
    format: &Format,
    paths: &Pathspec,
    id: &Id,
    commit: &Commit,
) -> Result<Value, Error> {
    let encoding = encoding(commit);
    let commit = &*readable(commit);
    let mut value = json!({
        "id": id_json(id),
        "tree": id_json(&commit.tree),
        "parents": commit.parents.iter().map(id_json).collect::<Vec<_>>(),
        "author": person_json(&commit.author),
        "committer": person_json(&commit.committer),
        "message": text_json(&commit.message),
    });
    if let Some(encoding) = encoding {
        value["encoding"] = text_json(encoding);
    }
    if format.is_some() {
        let mut changes = Vec::new();
        let options = compared(context, commit, paths)?;
        format.each(context, &options, &mut |difference| {
            changes.push(change_json(difference));
            Ok(())
        })?;
        value["changes"] = changes.into();
    }
    Ok(value)
}

//! `annals commit`.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals::diff::Status;
use annals::git::readable;
use annals::object::{Commit, Source};
use annals::ops::commit::{self, Outcome};
use annals::ops::status;
use annals::repo::{Head, Person};
use serde_json::json;

use crate::context::{Context, read_outside};
use crate::editor;
use crate::output::{bytes_text, id_json, text_json};
use crate::report::{Error, NO};

use super::brought::tell_would_change;
use super::left_out::LeftOut;

/// Record changes
///
/// Records what was staged with `add`; if nothing was, everything that changed, new files included;
/// with paths, what changed there. Without a message an editor is opened: that of ANNALS_EDITOR,
/// core.editor, VISUAL or EDITOR.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Record only these
    #[arg(value_name = "PATHS")]
    paths: Vec<OsString>,
    /// Say why; several are paragraphs
    #[arg(short, long, value_name = "TEXT")]
    message: Vec<String>,
    /// Take the message from a file; - is standard input
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "message")]
    file: Option<PathBuf>,
    /// Keep the message as it is: none is asked for
    #[arg(long)]
    no_edit: bool,
    /// Record everything that changed even if something is staged
    #[arg(short, long)]
    all: bool,
    /// Replace the current commit
    #[arg(long)]
    amend: bool,
    /// Record a commit even if nothing changed
    #[arg(long)]
    allow_empty: bool,
    /// Who made the change: "NAME <EMAIL>"
    #[arg(long, value_name = "WHO")]
    author: Option<String>,
    /// When the change was made
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// Show what would be recorded and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let author = match &args.author {
        Some(text) => Some(person(text)?),
        // An amended commit keeps its author unless another is named.
        None if args.amend => None,
        None => Some(context.author()?),
    };
    let options = commit::Options {
        message: message(context, args)?,
        amend: args.amend,
        allow_empty: args.allow_empty,
        dry_run: args.dry_run,
        author,
        date: match &args.date {
            Some(text) => Some(context.date(text)?),
            None => context.author_time()?,
        },
        paths: context.pathspec(&args.paths)?,
        everything: args.all,
        always_times: context.config()?.choice("record.times")? == "always",
        rules: rules.rules(),
        refuse_nested: rules.refuses_nested(),
        ..commit::Options::new("", context.committer()?)
    };
    let outcome = commit::run(repo, &options, context.monitor())?;
    print(context, &outcome, args.dry_run)?;
    tell_left_out(context, &outcome)
}

fn message(context: &Context, args: &Args) -> Result<Vec<u8>, Error> {
    let given = given(&args.message, args.file.as_deref())?;
    let is_given = !args.message.is_empty() || args.file.is_some();
    match given {
        Some(message) => Ok(message),
        None if is_given => Err(Error::EmptyMessage),
        // The message of an amended commit stays; nothing is asked in a dry run.
        None if args.dry_run && !args.amend => Ok(b"\n".to_vec()),
        None if args.no_edit || args.dry_run => Ok(Vec::new()),
        None => ask(context, args),
    }
}

/// Has the message written in an editor, below it what will be recorded.
fn ask(context: &Context, args: &Args) -> Result<Vec<u8>, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let options = status::Options {
        paths: context.pathspec(&args.paths)?,
        rules: rules.rules(),
        ..status::Options::default()
    };
    let found = status::run(repo, &options, context.monitor())?;
    let has_something = found.merging.is_some() || !found.staged.is_empty() || found.has_changes();
    if !has_something && !args.amend && !args.allow_empty {
        return Err(annals::ops::Error::NothingToCommit.into());
    }
    let old: Vec<u8> = match (args.amend, repo.head().commit()) {
        (true, Some(id)) => readable(&repo.store().object::<Commit>(&id)?).message.clone(),
        (true, None) => return Err(annals::repo::Error::Unborn("HEAD".to_owned()).into()),
        // What a merge under way would say.
        (false, _) => found.merging.as_ref().map_or(Vec::new(), |merge| merge.message.clone()),
    };
    let mut about = vec![
        "Say why. Lines that begin with '#' are left out; without a message nothing".to_owned(),
        "is recorded.".to_owned(),
        String::new(),
    ];
    about.push(match &found.head {
        Head::Branch { name, .. } => {
            format!("On branch {}", name.strip_prefix("refs/heads/").unwrap_or(name))
        }
        Head::Detached(id) => format!("On no branch, at {}", id.short(8)),
    });
    let mut lines = Vec::new();
    let quoted = |name: &[u8]| context.output().quoting.text(name);
    let mut line = |word: &str, name: &str| lines.push(format!("\t{word}{name}"));
    let is_staged_alone = !found.staged.is_empty() && args.paths.is_empty() && !args.all;
    for one in &found.staged {
        line(super::status::word_of(one), &super::status::moved_name(one, quoted));
    }
    if !is_staged_alone {
        for unstaged in &found.unstaged {
            line(super::status::word(unstaged.status), &quoted(unstaged.path.as_bytes()));
        }
        for name in &found.untracked {
            line(super::status::word(Status::Added), &quoted(name));
        }
    }
    about.push(match lines.is_empty() {
        true => "No file changes.".to_owned(),
        false => "To be recorded:".to_owned(),
    });
    let more = lines.len().saturating_sub(LISTED);
    lines.truncate(LISTED);
    about.extend(lines);
    if more > 0 {
        about.push(format!("\tand {more} more"));
    }
    editor::ask(context, &old, &about)
}

/// So many changes are listed below a message that is being written.
const LISTED: usize = 1000;

/// A message given as words or as a file; `None` if it is empty.
pub(super) fn given(words: &[String], file: Option<&Path>) -> Result<Option<Vec<u8>>, Error> {
    let mut message = match file {
        None => words.join("\n\n").into_bytes(),
        Some(path) if path.as_os_str() == "-" => {
            let mut text = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut text);
            read.map_err(|source| Error::file("read", "standard input".as_ref(), source))?;
            text
        }
        Some(path) => read_outside(path).map_err(|source| Error::file("read", path, source))?,
    };
    message.truncate(message.trim_ascii_end().len());
    if message.is_empty() {
        return Ok(None);
    }
    message.push(b'\n');
    Ok(Some(message))
}

fn person(text: &str) -> Result<Person, Error> {
    let split = text.split_once('<').and_then(|(name, rest)| {
        Some(Person { name: name.trim().to_owned(), email: rest.strip_suffix('>')?.to_owned() })
    });
    split.ok_or_else(|| Error::usage(format!("'{text}' is not an author: it is 'NAME <EMAIL>'")))
}

pub(super) fn print(context: &Context, outcome: &Outcome, is_dry: bool) -> Result<(), Error> {
    let output = context.output();
    if context.is_json() {
        let mut value = json!({
            "commit": outcome.commit.as_ref().map(id_json),
            "branch": outcome.branch,
            "parent": outcome.parent.as_ref().map(id_json),
            "added": outcome.added, "modified": outcome.modified, "deleted": outcome.deleted,
            "files": outcome.files, "bytes": outcome.bytes,
            "new": outcome.bytes_new, "stored": outcome.bytes_stored,
            "unread": outcome.unread.iter().map(|unread| text_json(unread.path.as_bytes()))
                .collect::<Vec<_>>(),
        });
        tell_would_change(context, is_dry, &outcome.would_change, &mut value)?;
        return output.json(&value);
    }
    let mut counts = format!(
        "{} added, {} modified, {} deleted",
        outcome.added, outcome.modified, outcome.deleted
    );
    let (added, deleted) = (outcome.directories_added, outcome.directories_deleted);
    if added + deleted > 0 {
        counts = format!("directories: {added} added, {deleted} deleted");
    }
    if is_dry {
        return output.line(format!("Would record: {counts}"));
    }
    let Some(id) = &outcome.commit else { return Ok(()) };
    let branch = match &outcome.branch {
        Some(name) => name.trim_start_matches("refs/heads/"),
        None => "detached HEAD",
    };
    let root = if outcome.parent.is_none() { " (first commit)" } else { "" };
    output.say(format!("[{branch}{root} {}] {}", id.short(8), outcome.subject))?;
    output.say(format!("  {counts}; {} stored", bytes_text(outcome.bytes_stored)))
}

/// Names what was not recorded; exit code 1 if that matters.
pub(super) fn tell_left_out(context: &Context, outcome: &Outcome) -> Result<ExitCode, Error> {
    if context.is_verbose() {
        for path in &outcome.special {
            let text = format!("'{path}' was not recorded: it is a pipe, socket or device");
            context.output().warn(&text);
        }
    }
    for path in &outcome.undecided {
        let text = format!("'{path}' stays a conflict: there are markers in it still");
        context.output().warn(&text);
    }
    let left_out = LeftOut {
        unread: &outcome.unread,
        unreadable: &outcome.unreadable,
        refused: &outcome.refused,
        nested: &outcome.nested,
        bad_rules: &outcome.bad_rules,
    }
    .tell(context)?;
    Ok(if outcome.undecided.is_empty() { left_out } else { ExitCode::from(NO) })
}

//! `annals status`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use annals::diff::Status;
use annals::diff::renames::{self, Difference, Directories, How, Line, Origin};
use annals::ops::status::{self, Outcome, Untracked};
use annals::path::RepoPath;
use annals::repo::Head;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Color, Quoting, id_json, relative, text_json};
use crate::report::Error;

use super::left_out::{IN_THE_WAY, tell_bad_rules};
use super::renames::{Renames, folded_text};

/// Show what changed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these paths
    #[arg(value_name = "PATHS")]
    paths: Vec<OsString>,
    /// One line a path
    #[arg(short, long)]
    short: bool,
    /// One line a path, in a form that does not change (git's version 1)
    #[arg(long, value_name = "VERSION", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "v1")]
    porcelain: Option<String>,
    /// Show the branch too
    #[arg(short, long)]
    branch: bool,
    /// End names with a zero byte and leave them unquoted
    #[arg(short = 'z')]
    null: bool,
    /// Show what is ignored too
    #[arg(long)]
    ignored: bool,
    /// Show untracked files: all, normal (directories as one) or no
    #[arg(short = 'u', long, value_name = "MODE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "all", default_value = "normal", hide_default_value = true)]
    untracked_files: String,
    #[command(flatten)]
    renames: Renames,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let rules = context.rules()?;
    let is_plain = args.porcelain.is_some() || args.null;
    let renames = args.renames.options(context)?;
    let options = status::Options {
        paths: context.pathspec(&args.paths)?,
        untracked: match args.untracked_files.as_str() {
            "all" => Untracked::All,
            "no" => Untracked::No,
            "normal" => Untracked::Directories,
            other => return Err(Error::usage(format!("'{other}' is not all, normal or no"))),
        },
        ignored: args.ignored,
        rules: rules.rules(),
        renames,
        // Lines for scripts are git's, which never says this.
        relocated: renames.filter(|_| !is_plain || context.is_json()),
    };
    let outcome = status::run(repo, &options, context.monitor())?;
    if args.porcelain.as_deref().is_some_and(|version| !matches!(version, "v1" | "1")) {
        return Err(Error::usage("only version 1 of --porcelain is known"));
    }
    let is_lines = args.short || args.porcelain.is_some() || args.null;
    if is_lines && !context.is_json() {
        // The lines are git's, which has no letter for it.
        for path in &outcome.not_representable {
            context.output().warn(&format!("'{path}' is not representable here"));
        }
    }
    if context.is_json() {
        json(context, args, &outcome)?;
    } else if is_lines {
        short(context, args, &outcome)?;
    } else {
        long(context, args, &outcome)?;
    }
    for (path, error) in outcome.unreadable.iter().filter(|_| is_lines || context.is_json()) {
        context
            .output()
            .warn(&format!("cannot look at '{path}': {}", crate::output::reason(error)));
    }
    for (name, error) in outcome.refused.iter().filter(|_| is_lines || context.is_json()) {
        context.output().warn(&format!("'{name}' cannot be recorded: {error}"));
    }
    for path in &outcome.in_the_way {
        context.output().warn(&format!("'{path}' will not be recorded: {IN_THE_WAY}"));
    }
    tell_bad_rules(context, &outcome.bad_rules);
    Ok(ExitCode::SUCCESS)
}

/// Two letters and a name, sorted by name; what is not tracked comes last, as in git.
fn short(context: &Context, args: &Args, outcome: &Outcome) -> Result<(), Error> {
    let is_plain = args.porcelain.is_some() || args.null;
    let here = if is_plain { RepoPath::root() } else { context.repository()?.here().clone() };
    let output = context.output();
    let write = |letters: [char; 2], origin: Option<&RepoPath>, name: &[u8]| {
        let mut line = String::from_iter(letters);
        if !is_plain && output.color.is_on() {
            let paint = |letter: char, paint: fn(Color, &str) -> String| match letter {
                ' ' => " ".to_owned(),
                letter => paint(output.color, &letter.to_string()),
            };
            let first: fn(Color, &str) -> String =
                if letters[0] == '?' { Color::red } else { Color::green };
            line = paint(letters[0], first) + &paint(letters[1], Color::red);
        }
        line.push(' ');
        let mut line = line.into_bytes();
        let name = show(context, args.null, &here, name);
        match origin.map(|path| show(context, args.null, &here, path.as_bytes())) {
            Some(origin) if args.null => line.extend([&name[..], b"\0", &origin].concat()),
            Some(origin) => line.extend([&apart(origin)[..], b" -> ", &apart(name)].concat()),
            None if args.null => line.extend(name),
            None => line.extend(apart(name)),
        }
        line.push(if args.null { 0 } else { b'\n' });
        output.write(&line)
    };
    if args.branch {
        let text = match &outcome.head {
            Head::Branch { name, commit: Some(_) } => short_name(name).to_owned(),
            Head::Branch { name, commit: None } => {
                format!("No commits yet on {}", short_name(name))
            }
            Head::Detached(_) => "HEAD (no branch)".to_owned(),
        };
        output.write(format!("## {text}").as_bytes())?;
        output.write(if args.null { b"\0" } else { b"\n" })?;
    }
    for (path, (letters, origin)) in letters(outcome) {
        write(letters, origin.map(|origin| &origin.path), path.as_bytes())?;
    }
    outcome.untracked.iter().try_for_each(|name| write(['?', '?'], None, name))?;
    outcome.ignored.iter().try_for_each(|name| write(['!', '!'], None, name))
}

/// Two letters, and where a renamed file was.
type Letters<'o> = ([char; 2], Option<&'o Origin>);

/// The letters of each tracked path that changed: staged, then not staged. One that something else
/// was moved to, after what was there was staged as gone, is there twice.
fn letters(outcome: &Outcome) -> Vec<(RepoPath, Letters<'_>)> {
    let mut found = BTreeMap::<RepoPath, Letters<'_>>::new();
    for one in &outcome.staged {
        let letters = [one.letter(), ' '];
        found.insert(one.change.path.clone(), (letters, one.origin.as_ref()));
    }
    for unstaged in &outcome.unstaged {
        let (letters, _) = found.entry(unstaged.path.clone()).or_insert(([' ', ' '], None));
        letters[1] = unstaged.status.letter();
    }
    for kept in &outcome.kept {
        found.insert(kept.open.path.clone(), (kept.open.letters(), None));
    }
    for unmerged in outcome.merging.iter().flat_map(|merging| &merging.unmerged) {
        found.insert(unmerged.path.clone(), (unmerged.letters(), None));
    }
    let mut found: Vec<_> = found.into_iter().collect();
    for one in &outcome.relocated {
        found.push((one.change.path.clone(), ([' ', one.letter()], one.origin.as_ref())));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn show(context: &Context, null: bool, here: &RepoPath, name: &[u8]) -> Vec<u8> {
    let is_directory = name.ends_with(b"/");
    let plain = name.strip_suffix(b"/").unwrap_or(name);
    let mut shown = match RepoPath::new(plain) {
        Ok(path) => relative(here, &path),
        Err(_) => plain.to_vec(),
    };
    if is_directory {
        shown.push(b'/');
    }
    if null { shown } else { context.output().quoting.show(&shown) }
}

/// A name with spaces is in quotes, as in git, or it could be taken for two with an arrow.
fn apart(name: Vec<u8>) -> Vec<u8> {
    match name.contains(&b' ') && !name.starts_with(b"\"") {
        true => [b"\"", &name[..], b"\""].concat(),
        false => name,
    }
}

/// How a difference is called where it stands before a name.
pub(super) fn word_of(one: &Difference) -> &'static str {
    match &one.origin {
        Some(Origin { how: How::Copied, .. }) => "copied:     ",
        Some(_) => "renamed:    ",
        None => word(one.change.status()),
    }
}

/// The name of what differs, after the one it had before.
pub(super) fn moved_name(one: &Difference, shown: impl Fn(&[u8]) -> String) -> String {
    let name = shown(one.change.path.as_bytes());
    match &one.origin {
        Some(origin) => format!("{} -> {name}", shown(origin.path.as_bytes())),
        None => name,
    }
}

/// How a change is called where it stands before a name.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Added => "new file:   ",
        Status::Deleted => "deleted:    ",
        Status::Modified => "modified:   ",
        Status::TypeChanged => "typechange: ",
    }
}

fn short_name(name: &str) -> &str {
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

fn long(context: &Context, args: &Args, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    let color = output.color;
    let here = context.repository()?.here().clone();
    match &outcome.head {
        Head::Branch { name, commit } => {
            output.line(format!("On branch {}", short_name(name)))?;
            if commit.is_none() {
                output.line("\nNo commits yet")?;
            }
        }
        Head::Detached(id) => {
            output.line(format!("{} {}", color.red("HEAD detached at"), id.short(8)))?;
        }
    }
    if outcome.is_changing {
        output.line("\nA command that changes the working tree was interrupted or is at work;")?;
        output.line("the next one finishes it.")?;
    }
    let unmerged = outcome.merging.as_ref().map_or(&[][..], |merging| &merging.unmerged);
    if outcome.merging.is_some() {
        output.line("\nA merge is under way:")?;
        output.line(match unmerged.is_empty() {
            true => "  (\"annals commit\" records it, \"annals merge --abort\" takes it back)",
            false => "  (decide on what is listed below; \"annals merge --abort\" takes it back)",
        })?;
    }
    let is_open = |path: &RepoPath| {
        let kept = outcome.kept.iter().map(|kept| &kept.open);
        unmerged.iter().chain(kept).any(|open| open.path == *path)
    };
    let section = |title: &str, hint: &str, lines: Vec<Vec<u8>>| -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        output.line(format!("\n{title}:\n  ({hint})"))?;
        lines.iter().try_for_each(|line| output.line([b"\t", &line[..]].concat()))
    };
    let open = unmerged.iter().map(|open| {
        let name = Quoting::Raw.text(&show(context, false, &here, open.path.as_bytes()));
        color.red(&format!("{:<17}{name}", format!("{}:", open.words()))).into_bytes()
    });
    section(
        "Not decided yet",
        "use \"annals resolve PATH...\" when a file is as it should be",
        open.collect(),
    )?;
    let kept = outcome.kept.iter().map(|kept| {
        let name = Quoting::Raw.text(&show(context, false, &here, kept.open.path.as_bytes()));
        let gone: Vec<String> = kept
            .gone_beside
            .iter()
            .map(|path| Quoting::Raw.text(&show(context, false, &here, path.as_bytes())))
            .collect();
        let there = match (kept.stat.is_none(), gone.is_empty()) {
            (true, _) => " (nothing is there)".to_owned(),
            (false, true) => String::new(),
            (false, false) => format!(" ({} is gone)", gone.join(", ")),
        };
        let words = format!("{}:", kept.open.words_without_sides());
        color.red(&format!("{words:<18}{name}{there}")).into_bytes()
    });
    section(
        "Recorded as conflicts",
        "edit, then \"annals resolve PATH...\" and \"annals commit\"; commits keep what is unchanged",
        kept.collect(),
    )?;
    let name = |path: &RepoPath| Quoting::Raw.text(&show(context, false, &here, path.as_bytes()));
    let lines = |all: &[Difference], directories: &Directories| -> Vec<(RepoPath, String)> {
        let lines = match args.renames.folds() {
            true => renames::fold(all, directories),
            false => (0..all.len()).map(Line::One).collect(),
        };
        let lines = lines.into_iter().map(|line| match line {
            Line::One(at) => {
                let named = moved_name(&all[at], |bytes| {
                    Quoting::Raw.text(&show(context, false, &here, bytes))
                });
                (all[at].change.path.clone(), format!("{}{named}", word_of(&all[at])))
            }
            Line::Directory(folded) => {
                let text = folded_text(&folded, &name(&folded.from), &name(&folded.to));
                (folded.to, format!("renamed:    {text}"))
            }
        });
        lines.collect()
    };
    let staged = lines(&outcome.staged, &outcome.directories);
    let staged = staged.into_iter().map(|(_, line)| color.green(&line).into_bytes()).collect();
    section(
        "Changes to be committed",
        "use \"annals restore --staged PATH...\" to unstage",
        staged,
    )?;
    let unstaged = outcome.unstaged.iter().filter(|c| !is_open(&c.path));
    let mut unstaged: Vec<(RepoPath, String)> = unstaged
        .map(|c| (c.path.clone(), format!("{}{}", word(c.status), name(&c.path))))
        .collect();
    unstaged.extend(lines(&outcome.relocated, &outcome.relocated_directories));
    unstaged.sort_by(|a, b| a.0.cmp(&b.0));
    let unstaged = unstaged.into_iter().map(|(_, line)| color.red(&line).into_bytes()).collect();
    let hint = "use \"annals commit\" to record them, \"annals restore PATH...\" to discard them";
    section("Changes not staged for commit", hint, unstaged)?;
    let names = |names: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let shown =
            |name: &Vec<u8>| color.red(&Quoting::Raw.text(&show(context, false, &here, name)));
        names.iter().map(|name| shown(name).into_bytes()).collect()
    };
    let hint = "\"annals commit\" records them too unless something is staged";
    section("Untracked files", hint, names(&outcome.untracked))?;
    section("Ignored files", "see .annalsignore", names(&outcome.ignored))?;
    let held_back: Vec<Vec<u8>> =
        outcome.not_representable.iter().map(|path| path.as_bytes().to_vec()).collect();
    let hint = "recorded, and kept by every commit, though this file system has no place for them";
    section("Not representable here", hint, names(&held_back))?;
    let unreadable = outcome.unreadable.iter().map(|(path, error)| {
        let why = crate::output::reason(error);
        color.red(&format!("{}: {why}", name(path))).into_bytes()
    });
    let hint = "nothing is known of them: they are neither changed nor deleted";
    section("Not readable", hint, unreadable.collect())?;
    let refused = outcome.refused.iter();
    let refused = refused.map(|(name, error)| color.red(&format!("{name}: {error}")).into_bytes());
    let hint = "every commit leaves them out, and says so: give them other names";
    section("Names that cannot be recorded", hint, refused.collect())?;
    if outcome.is_clean() {
        output.line(match (outcome.unreadable.is_empty(), outcome.refused.is_empty()) {
            (true, true) => "nothing to commit, working tree clean",
            (true, false) => "\nnothing to commit but what cannot be recorded",
            (false, _) => "\nnothing to commit, as far as can be read",
        })?;
    } else if outcome.staged.is_empty() && outcome.merging.is_none() && outcome.has_changes() {
        output.line("\nnothing is staged: \"annals commit\" records everything above")?;
    }
    Ok(())
}

fn json(context: &Context, args: &Args, outcome: &Outcome) -> Result<(), Error> {
    let output = context.output();
    if args.branch {
        let (branch, commit) = match &outcome.head {
            Head::Branch { name, commit } => (Some(short_name(name)), commit.as_ref()),
            Head::Detached(id) => (None, Some(id)),
        };
        let merging = outcome.merging.as_ref().map(|merging| {
            json!({
                "parents": merging.parents.iter().map(id_json).collect::<Vec<_>>(),
                "message": text_json(&merging.message),
                "unmerged": merging.unmerged.len(),
            })
        });
        output.json(&json!({
            "branch": branch, "commit": commit.map(id_json), "merging": merging,
            "interrupted": outcome.is_changing,
        }))?;
    }
    let one = |path: &[u8], letters: [Option<char>; 2], origin: Option<&Origin>| {
        let [staged, unstaged] = letters.map(|letter| letter.map(String::from));
        output.json(&json!({
            "path": text_json(path), "staged": staged, "unstaged": unstaged,
            "from": origin.map_or(Value::Null, |origin| text_json(origin.path.as_bytes())),
            "score": origin.map(|origin| f64::from(origin.score) / 100.0),
        }))
    };
    let some = |letter: char| (letter != ' ').then_some(letter);
    for (path, (letters, origin)) in letters(outcome) {
        one(path.as_bytes(), letters.map(some), origin)?;
    }
    outcome.untracked.iter().try_for_each(|name| one(name, [None, Some('?')], None))?;
    outcome.ignored.iter().try_for_each(|name| one(name, [None, Some('!')], None))?;
    outcome.not_representable.iter().try_for_each(|path| {
        output.json(&json!({ "path": text_json(path.as_bytes()), "not_representable": true }))
    })?;
    outcome.unreadable.iter().try_for_each(|(path, _)| {
        output.json(&json!({ "path": text_json(path.as_bytes()), "unreadable": true }))
    })
}

//! Errors as people see them: what failed, what to do about it, and the exit code.
//!
//! The library says what happened; only here is it put into hints and codes. 0 is success, 1 the
//! ordinary "no" (differences, nothing found, some files unread), 128 a failure, 129 a wrong call.

use std::io;
use std::path::{Path, PathBuf};

use annals::clock::Time;
use annals::history::dates::DateStyle;
use annals::history::revision;
use annals::worktree::record;
use annals::{config, ops, path, repo, store};
use serde_json::json;

use crate::output::{Color, reason, standard_error};

/// The ordinary "no".
pub(crate) const NO: u8 = 1;
/// It failed.
pub(crate) const FAILED: u8 = 128;
/// It was called wrongly.
pub(crate) const USAGE: u8 = 129;
/// Whoever was reading has stopped: as if the signal had ended us.
pub(crate) const PIPE: u8 = 141;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Error {
    Repo(repo::Error),
    Store(store::Error),
    Ops(ops::Error),
    Config(config::Error),
    /// What was asked for is not set, and is no setting.
    NoSuchSetting(config::Error),
    Path(path::PatternError),
    /// The command was called wrongly.
    Usage {
        text: String,
        hint: Option<String>,
    },
    /// A file outside the repository.
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    CurrentDirectory(io::Error),
    /// A message is needed, and no editor is known that could be asked for it.
    NoEditor,
    /// The editor could not be run, or failed.
    Editor {
        command: String,
        why: String,
    },
    /// The editor lost what is no text in a message.
    NotTextToEditor {
        command: String,
    },
    /// Nothing was written in the editor.
    EmptyMessage,
    /// Nobody reads what is written.
    Closed,
    /// Standard output failed.
    Output(io::Error),
    /// The "no" of a command that was told not to say anything.
    Silent(u8),
}

impl Error {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage { text: text.into(), hint: None }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    pub(crate) fn from_writing(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    repo::Error => Repo,
    store::Error => Store,
    ops::Error => Ops,
    config::Error => Config,
    path::PatternError => Path,
}

/// What is told of an error.
struct Told {
    /// A name that does not change, for programs.
    id: &'static str,
    text: String,
    hints: Vec<String>,
    code: u8,
}

impl Told {
    fn new(id: &'static str, text: impl ToString) -> Self {
        Self { id, text: text.to_string(), hints: Vec::new(), code: FAILED }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// Tells the error and gives the exit code. `discards` is the option by which the command throws
/// away what is in the way.
pub(crate) fn report(error: &Error, color: Color, is_json: bool, discards: Option<&str>) -> u8 {
    let told = match error {
        Error::Closed => return PIPE,
        Error::Silent(code) => return *code,
        Error::Repo(error) => of_repo(error),
        Error::Store(error) => of_store(error),
        Error::Ops(
            error @ (ops::Error::WouldOverwrite { paths } | ops::Error::WouldRemove { paths }),
        ) => {
            let told = listed("would-overwrite", error, paths);
            let keeps = "`annals commit` keeps what is in them";
            told.hint(match discards {
                Some(option) => format!("{keeps}, `{option}` throws it away"),
                None => keeps.to_owned(),
            })
        }
        Error::Ops(error) => of_ops(error),
        Error::Config(error) => of_config(error),
        Error::NoSuchSetting(error) => of_config(error).code(NO),
        Error::Path(error) => Told::new("path", error),
        Error::Usage { text, hint } => {
            let told = Told::new("usage", text).code(USAGE);
            hint.iter().fold(told, |told, hint| told.hint(hint))
        }
        Error::File { action, path, source } => {
            Told::new("file", format!("cannot {action} '{}': {}", path.display(), reason(source)))
        }
        Error::NoEditor => Told::new("no-message", "no message was given, and no editor is set")
            .hint("`-m MESSAGE` gives one; ANNALS_EDITOR, core.editor, VISUAL or EDITOR name an editor"),
        Error::Editor { command, why } => {
            Told::new("editor", format!("nothing was recorded: the editor '{command}' failed: {why}"))
                .hint("`-m MESSAGE` gives the message without an editor")
                .code(NO)
        }
        Error::NotTextToEditor { command } => Told::new(
            "editor",
            format!(
                "nothing was recorded: the message is not UTF-8, and the editor '{command}' replaced bytes of it with U+FFFD"
            ),
        )
        .hint("`-m MESSAGE` gives another message; `--no-edit` keeps the one there is")
        .code(NO),
        Error::EmptyMessage => {
            Told::new("no-message", "nothing was recorded: the message is empty").code(NO)
        }
        Error::CurrentDirectory(source) => Told::new(
            "current-directory",
            format!("cannot find the current directory: {}", reason(source)),
        ),
        Error::Output(source) => {
            Told::new("output", format!("cannot write to standard output: {}", reason(source)))
        }
    };
    if is_json {
        standard_error(
            &json!({"error": {
                "id": told.id, "text": told.text, "hints": told.hints, "exit": told.code,
            }})
            .to_string(),
        );
        return told.code;
    }
    let color = color.on_errors();
    standard_error(&format!("{} {}", color.red("error:"), told.text));
    for hint in &told.hints {
        standard_error(&format!("{} {hint}", color.yellow("hint:")));
    }
    told.code
}

/// What can be done about records that are gone, below the warning that they are.
pub(crate) fn hint_at_lost(lost: store::Lost, color: Color) {
    let text = match lost {
        store::Lost::Newest { .. } => {
            "put them back from a copy now: the next command that records something gives them up"
        }
        store::Lost::Other { .. } => {
            "if that is not meant, put the journal back from a copy before anything is recorded"
        }
        store::Lost::Everything => BRING_JOURNAL_BACK,
    };
    standard_error(&format!("{} {text}", color.on_errors().yellow("hint:")));
}

const BRING_JOURNAL_BACK: &str =
    "put the folder 'journal' back from a copy; until then nothing can be recorded";

fn of_config(error: &config::Error) -> Told {
    let told = Told::new("config", error);
    match error {
        config::Error::Unknown { similar: Some(name), .. } => {
            told.hint(format!("did you mean '{name}'?"))
        }
        config::Error::Unknown { similar: None, .. } => {
            told.hint("`annals config keys` lists all settings")
        }
        _ => told,
    }
}

fn of_repo(error: &repo::Error) -> Told {
    match error {
        repo::Error::NotFound(_) => Told::new("no-repository", error)
            .hint("`annals init --commit MESSAGE` makes one here and records everything in it"),
        repo::Error::Io { action, path, source } => {
            Told::new("file", format!("cannot {action} '{}': {}", path.display(), reason(source)))
        }
        repo::Error::Store(error) => of_store(error),
        repo::Error::Index(error) => Told::new("index", error),
        repo::Error::IndexBusy => Told::new("busy", error).hint("try again when it is done"),
        repo::Error::Bare => Told::new("bare", error),
        repo::Error::Unborn(_) => Told::new("unborn", error)
            .hint("`annals commit -m MESSAGE` records everything for the first time"),
    }
}

fn of_store(error: &store::Error) -> Told {
    if error.is_disk_full() {
        return Told::new("disk-full", error).hint("nothing is lost; make room and run it again");
    }
    if error.is_read_only() {
        return Told::new("read-only", error)
            .hint("this repository cannot be written to; commands that only read work");
    }
    match error {
        store::Error::Io { action, path, source } => {
            Told::new("file", format!("cannot {action} '{path}': {}", reason(source)))
        }
        store::Error::Missing { .. } => {
            Told::new("missing", error).hint("`annals fsck` lists everything that is missing")
        }
        store::Error::Corrupt { .. } => {
            Told::new("corrupt", error).hint("`annals fsck` lists everything that is damaged")
        }
        store::Error::Moved { .. } | store::Error::Gone => Told::new("moved", error)
            .hint("another command was faster; nothing was changed, try again"),
        store::Error::NotAStore => Told::new("no-store", error),
        store::Error::JournalGone => Told::new("journal-gone", error).hint(BRING_JOURNAL_BACK),
        store::Error::Hole { .. } => {
            Told::new("records-missing", error).hint("put them back from a copy; reading works")
        }
        store::Error::TooManyLost { .. } => Told::new("records-missing", error).hint(
            "put them back from a copy; without one, removing the file 'newest' gives all of them up unsaid",
        ),
        store::Error::Version(_) | store::Error::Feature(_) | store::Error::TooOldToWrite(_) => {
            Told::new("version", error).hint("a newer version of annals can do it")
        }
        _ => Told::new("store", error),
    }
}

/// An error with the paths it is about.
fn listed(id: &'static str, error: &ops::Error, paths: &[path::RepoPath]) -> Told {
    let mut told = Told::new(id, error);
    for path in paths.iter().take(10) {
        told.text += &format!("\n  {path}");
    }
    if paths.len() > 10 {
        told.text += &format!("\n  and {} more", paths.len() - 10);
    }
    told
}

fn of_ops(error: &ops::Error) -> Told {
    match error {
        ops::Error::Repo(error) => of_repo(error),
        ops::Error::Store(error) | ops::Error::Record(record::Error::Store(error)) => {
            of_store(error)
        }
        ops::Error::Index(_) => Told::new("index", error),
        ops::Error::Git(error) => of_git(error),
        ops::Error::Revision(error) => of_revision(error),
        ops::Error::Pattern(_) => Told::new("path", error),
        ops::Error::Name(_) | ops::Error::BadName { .. } => Told::new("name", error),
        ops::Error::NothingToCommit => Told::new("nothing-to-commit", error)
            .hint("`annals commit --allow-empty` records a commit all the same")
            .code(NO),
        ops::Error::NoMessage => {
            Told::new("no-message", error).hint("`annals commit -m MESSAGE` says why")
        }
        ops::Error::NoMatch(_) => Told::new("no-match", error)
            .hint("`annals status` lists what changed, `annals ls` what is recorded"),
        ops::Error::IsDirectory(path) => {
            Told::new("directory", error).hint(format!("`-r {path}` means everything in it"))
        }
        ops::Error::NotFound(_) => Told::new("not-found", error)
            .hint("`annals branch` lists branches, `annals log` commits"),
        ops::Error::Exists { kind, name } => {
            Told::new("exists", error).hint(format!("`annals {kind} -f {name}` replaces it"))
        }
        ops::Error::PendingVersion(_) => Told::new("version", error)
            .hint("nothing was changed; a newer version of annals finishes it, and commands that only read work meanwhile"),
        ops::Error::Busy => Told::new("busy", error).hint("try again when it is done"),
        ops::Error::TooBusy(_) => Told::new("busy", error).hint("nothing was changed, try again"),
        ops::Error::Nested { paths } => {
            let mut told = Told::new("nested", error);
            for path in paths.iter().take(10) {
                told.text += &format!("\n  {path}");
            }
            told.hint("`annals -c record.nested=skip commit` leaves them out, `=data` records their files")
        }
        ops::Error::NeitherRevisionNorPath(word) => Told::new("not-found", error)
            .hint(format!("`-- {word}` means a path that is no longer there")),
        ops::Error::Ambiguous(word) => Told::new("ambiguous", error)
            .hint(format!("`-- {word}` means the path, `{word} --` the revision")),
        ops::Error::NoSuchPath { revision, .. } => Told::new("not-found", error)
            .hint(format!("`annals ls -r {revision}` lists what is there")),
        ops::Error::Directory(text) => {
            Told::new("directory", error).hint(format!("`annals show {text}` lists what is in it"))
        }
        ops::Error::NotMerged { branch, .. } => Told::new("not-merged", error)
            .hint(format!("`annals branch -D {branch}` deletes it all the same")),
        ops::Error::CurrentBranch(_) => {
            Told::new("current-branch", error).hint("`annals switch` goes to another one first")
        }
        ops::Error::NoBranch(_) => {
            Told::new("not-found", error).hint("`annals branch` lists all branches")
        }
        ops::Error::NoBranchThere(_) => Told::new("not-found", error)
            .hint("`git branch` in the git repository lists its branches"),
        ops::Error::CheckedOut { start, .. } => Told::new("current-branch", error).hint(format!(
            "`annals reset --keep {}` moves it, and the files along",
            start.short(8)
        )),
        ops::Error::NoTag(_) => Told::new("not-found", error).hint("`annals tag` lists all tags"),
        ops::Error::Merging { .. } => Told::new("merging", error)
            .hint("`annals commit` records it, `annals merge --abort` takes it back"),
        ops::Error::Ignored { paths } => listed("ignored", error, paths)
            .hint("`annals add -f` takes them all the same")
            .code(NO),
        ops::Error::NotInConflict(_) => Told::new("not-in-conflict", error)
            .hint("`annals status` lists what is"),
        ops::Error::NotMerging => Told::new("not-merging", error),
        ops::Error::Unmerged { paths } => listed("unmerged", error, paths)
            .hint("`annals resolve PATHS` says that a file is as it should be"),
        ops::Error::Marked { paths } => listed("marked", error, paths)
            .hint("edit them, or in a merge take one side with `annals restore --ours` or `--theirs`; `-f` takes them as they are"),
        ops::Error::Undecided { paths } => listed("undecided", error, paths)
            .hint("`annals restore --staged --worktree` with the same source takes the conflict itself"),
        ops::Error::NoSides { paths } => listed("no-sides", error, paths)
            .hint("`annals cat :2:PATH` and `:3:PATH` show its versions, `:1:PATH` their base; write the one you want to the file, then `annals resolve PATH`"),
        ops::Error::NothingThere { paths } => listed("nothing-there", error, paths)
            .hint("`annals restore PATH` shows a conflict, `annals rm PATH` decides that nothing is to be there"),
        ops::Error::Staged { paths } => listed("staged", error, paths)
            .hint("`annals commit` records it, `annals reset` takes it back"),
        ops::Error::NotForward(_) => Told::new("not-forward", error)
            .hint("`annals merge` without `--ff-only` records a merge"),
        ops::Error::NeedsContent { paths } => listed("needs-content", error, paths)
            .hint("`annals merge --keep-conflicts` records these as not decided"),
        ops::Error::Octopus { paths, .. } => listed("conflict", error, paths)
            .hint("nothing was changed; merge them one after the other")
            .code(NO),
        ops::Error::NothingTo(_) => Told::new("nothing-to-undo", error)
            .hint("`annals reflog` shows where a branch has been")
            .code(NO),
        ops::Error::CannotUndo { .. } => Told::new("cannot-undo", error)
            .hint("nothing was changed; `annals reflog` shows where a branch has been"),
        ops::Error::Elsewhere { paths } => {
            let mut told = Told::new("elsewhere", error);
            for path in paths.iter().filter(|path| !path.is_root()).take(10) {
                told.text += &format!("\n  {path}");
            }
            told.hint("`--keep-conflicts` records a conflict in their place, to be settled later")
        }
        ops::Error::NothingInCommon { .. } => Told::new("unrelated", error)
            .hint("`--allow-unrelated-histories` merges what has nothing in common"),
        ops::Error::Worktree { path, source } => {
            Told::new("file", format!("cannot change '{path}': {}", reason(source)))
        }
        _ => Told::new("failed", error),
    }
}

fn of_git(error: &annals::git::Error) -> Told {
    use annals::git::Error;
    let told = Told::new("git", error);
    match error {
        Error::Start(_) => told.hint("the program `git` is needed for this"),
        Error::NoRepository(_) => told.hint(
            "name the directory that has the `.git`, or a bare repository; none above it is looked for",
        ),
        Error::InTheWay(_) => {
            told.hint("a directory that is empty or not there yet becomes a git repository")
        }
        Error::Shallow => told.hint("`git fetch --unshallow` there brings the rest"),
        Error::Missing(_) | Error::WrongId(_) | Error::Malformed { .. } => {
            told.hint("`git fsck` there lists everything that is damaged; nothing was changed here")
        }
        Error::Store(error) => of_store(error),
        Error::NotHere { paths } => {
            let mut told = told;
            for path in paths.iter().take(10) {
                told.text += &format!("\n  {}", annals::path::quoted(path));
            }
            if paths.len() > 10 {
                told.text += &format!("\n  and {} more", paths.len() - 10);
            }
            told.hint("`annals fsck` tells more; nothing was changed there")
        }
        _ => told,
    }
}

fn of_revision(error: &revision::Error<store::Error>) -> Told {
    match error {
        revision::Error::Store(error) => of_store(error),
        revision::Error::Unknown { similar, .. } => {
            let told = Told::new("not-found", error);
            match similar.first() {
                Some(name) => told.hint(format!("did you mean '{name}'?")),
                None => told.hint("`annals branch` lists branches, `annals log` commits"),
            }
        }
        revision::Error::Ambiguous { candidates, .. } => {
            let mut told = Told::new("ambiguous", error);
            for candidate in candidates {
                told.text += &format!("\n  {} {}", candidate.id.short(12), candidate.kind);
                if let Some((who, subject)) = &candidate.about {
                    let date = who.as_ref().map_or_else(String::new, |who| {
                        let time = Time::from_seconds(who.seconds);
                        format!(" {}", DateStyle::Short.format(time, who.zone_minutes, time))
                    });
                    told.text += &format!("{date} {}", String::from_utf8_lossy(subject));
                }
            }
            told.hint("more digits say which one is meant")
        }
        revision::Error::Unborn { .. } => Told::new("unborn", error)
            .hint("`annals commit -m MESSAGE` records everything for the first time"),
        revision::Error::NoPath { revision, .. } => Told::new("not-found", error)
            .hint(format!("`annals ls -r {revision}` lists what is there")),
        _ => Told::new("not-found", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_full_disk_nothing_is_promised_that_not_every_command_keeps() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let (action, path) = ("write", "packs".to_owned());
            let told = of_store(&store::Error::Io { action, path, source: kind.into() });
            assert_eq!(told.id, "disk-full");
            let while_recording = |error| ops::Error::Record(record::Error::Store(error));
            let (action, path) = ("write", "packs".to_owned());
            let error = store::Error::Io { action, path, source: kind.into() };
            assert_eq!(of_ops(&while_recording(error)).id, "disk-full");
            assert_eq!(told.hints, ["nothing is lost; make room and run it again"]);
        }
    }
}

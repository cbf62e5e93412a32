//! Merges of made-up histories, judged by git.
//!
//! Histories are generated: edits, renames, renamed directories, deletions, modes, symbolic links,
//! files that become directories and back, and histories that cross. Each is written to git and to
//! a store, and merged by `git merge-tree` (with `merge.directoryRenames=true`: git's default calls
//! every file that follows its directory a conflict) and by `annals merge-tree`. Trees must be
//! equal, file by file with the text of conflicts, and so must the paths in conflict. What differs
//! on purpose is in [`reason`], each with its reason.
//!
//! `ANNALS_MERGES=5000 cargo test --test suite git::merges` tries more of them, and `ANNALS_SEED=9000`
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use annals::merge::Merged;

use crate::support::histories::{Came, File, History, Room, Tree, history, seconds};

/// What stands for a blob that git names and does not have.
const MISSING: &[u8] = b"missing";
/// Git's mode of a directory.
const DIRECTORY: u32 = 0o40000;
struct Git {
    folder: tempfile::TempDir,
    cat: std::process::Child,
    known: HashMap<String, Vec<u8>>,
}

impl Git {
    /// `None`, aloud, without a git that merges trees.
    fn with(histories: &[History]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let help = Command::new("git").args(["merge-tree", "-h"]).output();
        let can = help.is_ok_and(|said| {
            let text = [said.stdout, said.stderr].concat();
            String::from_utf8_lossy(&text).contains("--write-tree")
        });
        if !can {
            eprintln!("skipped: there is no git here that has `merge-tree --write-tree`");
            return None;
        }
        let run = |args: &[&str]| {
            assert!(command(folder.path(), args).status().unwrap().success());
        };
        run(&["init", "-q", "--bare"]);
        let mut stream = Vec::new();
        for (number, history) in histories.iter().enumerate() {
            for (index, made) in history.commits.iter().enumerate() {
                let mark = number * 10 + index + 1;
                let head = format!(
                    "commit refs/heads/h{number}-{index}\nmark :{mark}\ncommitter A <a@example.org> {} +0000\ndata 0\n",
                    seconds(index)
                );
                stream.extend(head.into_bytes());
                for (which, parent) in made.parents.iter().enumerate() {
                    let word = if which == 0 { "from" } else { "merge" };
                    stream.extend(format!("{word} :{}\n", number * 10 + parent + 1).into_bytes());
                }
                stream.extend(b"deleteall\n");
                for (path, (mode, bytes)) in &made.tree {
                    let head = format!("M {mode:o} inline {path}\ndata {}\n", bytes.len());
                    stream.extend(head.into_bytes());
                    stream.extend(bytes);
                    stream.push(b'\n');
                }
                stream.push(b'\n');
            }
        }
        let mut import = command(folder.path(), &["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(&stream).unwrap();
        assert!(import.wait().unwrap().success());
        let cat = command(folder.path(), &["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self { folder, cat, known: HashMap::new() })
    }

    /// Merges two commits of each history; all at once, which saves starting git for each.
    fn merge_all(&mut self, histories: &[History]) -> Vec<(Came, String)> {
        let mut child = command(self.folder.path(), &["merge-tree", "--write-tree", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sides: Vec<[usize; 2]> = histories.iter().map(|history| history.sides).collect();
        let feed = std::thread::spawn(move || {
            for (number, [ours, theirs]) in sides.into_iter().enumerate() {
                writeln!(stdin, "h{number}-{ours} h{number}-{theirs}").unwrap();
            }
        });
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        feed.join().unwrap();
        assert!(child.wait().unwrap().success());
        let text = String::from_utf8(said).unwrap();
        let mut fields = text.split('\0');
        let mut made = Vec::new();
        for _ in histories {
            let is_clean = fields.next().unwrap() == "1";
            let tree = fields.next().unwrap().to_owned();
            let mut conflicts = BTreeSet::new();
            for field in fields.by_ref().take_while(|field| !field.is_empty()) {
                conflicts.insert(field.split_once('\t').unwrap().1.to_owned());
            }
            let mut messages = Vec::new();
            if !is_clean {
                while let Ok(paths) = fields.next().unwrap().parse::<usize>() {
                    // Behind the paths come what kind of message it is, and what it says.
                    messages.push(fields.nth(paths + 1).unwrap().trim_end());
                }
            }
            let mut files = Tree::new();
            self.read(&tree, "", &mut files);
            made.push((Came { tree: files, conflicts }, messages.join("\n")));
        }
        made
    }

    /// Reads the files below a tree.
    fn read(&mut self, id: &str, at: &str, into: &mut Tree) {
        let bytes = self.object(id);
        let mut rest = &bytes[..];
        while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
            let end = rest.iter().position(|&byte| byte == 0).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let mode = u32::from_str_radix(&text(&rest[..space]), 8).unwrap();
            let path = format!("{at}{}", text(&rest[space + 1..end]));
            let id: String =
                rest[end + 1..end + 21].iter().map(|byte| format!("{byte:02x}")).collect();
            rest = &rest[end + 21..];
            if mode == DIRECTORY {
                self.read(&id, &format!("{path}/"), into);
            } else {
                let bytes = self.object(&id);
                into.insert(path, (mode, bytes));
            }
        }
    }

    fn object(&mut self, id: &str) -> Vec<u8> {
        if let Some(bytes) = self.known.get(id) {
            return bytes.clone();
        }
        writeln!(self.cat.stdin.as_mut().unwrap(), "{id}").unwrap();
        let mut out = BufReader::with_capacity(1, self.cat.stdout.as_mut().unwrap());
        let mut head = String::new();
        out.read_line(&mut head).unwrap();
        // Some merges of git's name a blob that does not exist.
        let Ok(size) = head.trim_end().rsplit(' ').next().unwrap_or_default().parse::<usize>()
        else {
            return MISSING.to_vec();
        };
        let mut bytes = vec![0; size + 1];
        out.read_exact(&mut bytes).unwrap();
        bytes.pop();
        self.known.insert(id.to_owned(), bytes.clone());
        bytes
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        drop(self.cat.stdin.take());
        let _ = self.cat.wait();
    }
}

fn command(path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(path)
        .args(["-c", "merge.directoryRenames=true"])
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", path)
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

/// Why a merge may differ from git's, if there is a reason.
fn reason(
    history: &History,
    (git, messages): &(Came, String),
    annals: &Came,
) -> Option<&'static str> {
    if git.tree.values().any(|(_, bytes)| bytes == MISSING) {
        return Some("git names a blob that does not exist");
    }
    let named: BTreeSet<&String> = git.tree.keys().chain(&git.conflicts).collect();
    let is_below = |path: &String, is_file: &dyn Fn(&String) -> bool| {
        path.match_indices('/').any(|(at, _)| is_file(&path[..at].to_owned()))
    };
    let is_left_out = |path: &&String| {
        messages.contains(&format!("moving it to {path}"))
            && is_below(path, &|above| git.tree.contains_key(above))
    };
    if named.iter().any(|path| is_below(path, &|above| named.contains(above)))
        || annals.tree.keys().any(|path| is_left_out(&path))
    {
        return Some("git puts a file into a file, and leaves one of them out");
    }
    if are_equal_files_gone(history, git, annals) {
        return Some("of several equal files git calls another one renamed");
    }
    None
}

/// Whether a side has under a new name what several files were that it has no more, and nothing
/// else differs.
fn are_equal_files_gone(history: &History, git: &Came, annals: &Came) -> bool {
    let all = || history.commits.iter().map(|made| &made.tree);
    let mut doubtful: BTreeSet<&File> = BTreeSet::new();
    for side in history.sides.map(|side| &history.commits[side].tree) {
        for base in all() {
            let gone = |file: &File| {
                base.iter().filter(|(path, is)| *is == file && side.get(*path) != Some(is)).count()
            };
            let new = side.iter().filter(|(path, file)| base.get(*path) != Some(file));
            doubtful.extend(new.map(|(_, file)| file).filter(|file| gone(file) > 1));
        }
    }
    let is_doubtful = |path: &&String| {
        all().any(|tree| tree.get(*path).is_some_and(|file| doubtful.contains(file)))
    };
    let paths: BTreeSet<&String> = git.tree.keys().chain(annals.tree.keys()).collect();
    let mut differ = paths.into_iter().filter(|path| git.tree.get(*path) != annals.tree.get(*path));
    let mut unequal = git.conflicts.symmetric_difference(&annals.conflicts);
    differ.all(|path| is_doubtful(&path)) && unequal.all(|path| is_doubtful(&path))
}

#[test]
fn generated_merges_are_those_of_git() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("ANNALS_SEED").unwrap_or(0);
    let wanted = number("ANNALS_MERGES").unwrap_or(2_000);
    let histories: Vec<History> = (first..first + wanted).map(history).collect();
    let Some(mut git) = Git::with(&histories) else { return };
    let annals = Room::with(&histories);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut clean, mut wrong) = (0, Vec::new());
    for (number, theirs) in git.merge_all(&histories).into_iter().enumerate() {
        let history = &histories[number];
        let (ours, merged) = annals.merge(number, history.sides);
        let tell = || explain(first + number as u64, history, &theirs, &ours, &merged);
        let mut is_lossy = false;
        if merged.is_clean() {
            clean += 1;
            let lost = annals.lost_lines(number, history, &ours.tree);
            if !lost.is_empty() {
                wrong.push(format!("lost {lost:?}\n{}", tell()));
            }
            is_lossy = theirs.0.conflicts.is_empty()
                && !annals.lost_lines(number, history, &theirs.0.tree).is_empty();
        }
        if ours == theirs.0 {
            continue;
        }
        let is_lossy = is_lossy.then_some("git loses lines that nobody deleted");
        match is_lossy.or_else(|| reason(history, &theirs, &ours)) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None => wrong.push(tell()),
        }
    }
    eprintln!("{wanted} merges, {clean} clean, for a reason not git's: {reasons:?}");
    for text in wrong.iter().take(12) {
        eprintln!("{text}");
    }
    assert!(wrong.is_empty(), "{} of {wanted} merges are not git's", wrong.len());
}

fn explain(
    seed: u64,
    history: &History,
    (git, messages): &(Came, String),
    annals: &Came,
    merged: &Merged,
) -> String {
    let mut text = format!("---- seed {seed}\n");
    for (number, made) in history.commits.iter().enumerate() {
        text += &format!("commit {number}, after {:?}\n", made.parents);
        for (path, (mode, bytes)) in &made.tree {
            let start: String = String::from_utf8_lossy(bytes).chars().take(50).collect();
            text += &format!("  {mode:o} {path} {}\n", start.replace('\n', ";"));
        }
    }
    for path in git.tree.keys().chain(annals.tree.keys()).collect::<BTreeSet<_>>() {
        let (theirs, ours) = (git.tree.get(path), annals.tree.get(path));
        if theirs != ours {
            let show = |file: Option<&File>| match file {
                Some((mode, bytes)) => {
                    let text = String::from_utf8_lossy(bytes).replace('\n', ";");
                    format!("{mode:o} {}", text.chars().take(700).collect::<String>())
                }
                None => "-".to_owned(),
            };
            text += &format!("{path}\n  git    {}\n  annals {}\n", show(theirs), show(ours));
        }
    }
    text +=
        &format!("git conflicts    {:?}\nannals conflicts {:?}\n", git.conflicts, annals.conflicts);
    text += &format!("git says\n  {}\nannals says\n", messages.replace('\n', "\n  "));
    for message in &merged.messages {
        text += &format!("  {:?} {}\n", message.kind.map(|kind| kind.name()), message.text);
    }
    text
}

//! Merges of made-up histories, judged by git.
//!
//! Histories are generated: edits, renames, renamed directories, deletions, modes, symbolic links,
//! files that become directories and back, and histories that cross. Each is written to git and to
//! a store, and merged by `git merge-tree` (with `merge.directoryRenames=true`: git's default calls
//! every file that follows its directory a conflict) and by `annals merge-tree`. Trees must be
//! equal, file by file with the text of conflicts, and so must the paths in conflict. What differs
//! on purpose is in [`reason`], each with its reason.
//!
//! `ANNALS_MERGES=5000 cargo test --test suite git::merges` tries more of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::MemoryDisk;
use annals::hash::{Id, Kind};
use annals::merge::{Labels, Merged, NoDriver, Options as MergeOptions};
use annals::object::tree::{Cursor, Edit, edit};
use annals::object::{Commit, Entry, Object, Signature, Sink, Source, What};
use annals::ops::merge_tree::{self, Sides, Unrelated};
use annals::path::RepoPath;
use annals::repo::{Person, Repository};
use annals::store::{Batch, Class, Publication};

/// What stands at a path: git's mode and the bytes.
type File = (u32, Vec<u8>);
type Tree = BTreeMap<String, File>;

/// What stands for a blob that git names and does not have.
const MISSING: &[u8] = b"missing";
const FILE: u32 = 0o100644;
const EXECUTABLE: u32 = 0o100755;
const SYMLINK: u32 = 0o120000;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const WORDS: [&str; 16] = [
    "alpha", "beta", "gamma", "delta", "return", "if", "while", "match", "let", "use", "photo",
    "film", "sound", "index", "store", "merge",
];
const DIRECTORIES: [&str; 8] =
    ["", "src/", "src/core/", "lib/", "lib/deep/er/", "doc/", "doc/img/", "old/"];

fn line(random: &mut Random) -> String {
    match random.below(8) {
        0 => "\n".to_owned(),
        1 => "}\n".to_owned(),
        _ => format!("{} {} {}\n", random.pick(&WORDS), random.pick(&WORDS), random.below(1000)),
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    let lines = 3 + random.below(30);
    let mut text: String = (0..lines).map(|_| line(random)).collect();
    if random.one_in(12) {
        text.pop();
    }
    if random.one_in(15) {
        text = text.replace('\n', "\r\n");
    }
    text.into_bytes()
}

fn edited(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(lines.len() + 1);
        match random.below(4) {
            0 => lines.insert(at, line(random).into_bytes()),
            1 if at < lines.len() => drop(lines.remove(at)),
            2 if at < lines.len() => {
                let copy = random.pick(&lines).clone();
                lines.insert(at, copy);
            }
            _ if at < lines.len() => lines[at] = line(random).into_bytes(),
            _ => lines.push(line(random).into_bytes()),
        }
    }
    lines.concat()
}

fn name(random: &mut Random) -> String {
    format!("{}f{}", random.pick(&DIRECTORIES), random.below(24))
}

/// Whether something can be put there without another file being in the way.
fn is_free(tree: &Tree, path: &str) -> bool {
    tree.keys().all(|other| {
        other != path
            && !other.starts_with(&format!("{path}/"))
            && !path.starts_with(&format!("{other}/"))
    })
}

fn start(random: &mut Random) -> Tree {
    let mut tree = Tree::new();
    for _ in 0..4 + random.below(14) {
        let path = name(random);
        if is_free(&tree, &path) {
            let file = match random.below(12) {
                0 => (SYMLINK, random.pick(&WORDS).as_bytes().to_vec()),
                1 => (EXECUTABLE, text(random)),
                2 => (FILE, [b"\0", &text(random)[..]].concat()),
                _ => (FILE, text(random)),
            };
            tree.insert(path, file);
        }
    }
    tree
}

/// One change, as a person makes it.
fn change(random: &mut Random, tree: &mut Tree) {
    let paths: Vec<String> = tree.keys().cloned().collect();
    if paths.is_empty() {
        tree.insert(name(random), (FILE, text(random)));
        return;
    }
    let path = random.pick(&paths).clone();
    let (mode, bytes) = tree[&path].clone();
    match random.below(20) {
        0..=6 if mode == SYMLINK => {
            tree.insert(path, (SYMLINK, random.pick(&WORDS).as_bytes().to_vec()));
        }
        0..=6 => {
            tree.insert(path, (mode, edited(random, &bytes)));
        }
        7 | 8 => {
            let to = name(random);
            if is_free(tree, &to) {
                tree.remove(&path);
                let bytes = if random.one_in(3) && mode != SYMLINK {
                    edited(random, &bytes)
                } else {
                    bytes
                };
                tree.insert(to, (mode, bytes));
            }
        }
        9 | 10 => rename_directory(random, tree, &path),
        11 => {
            tree.remove(&path);
        }
        12 => {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            if !directory.is_empty() {
                tree.retain(|other, _| !other.starts_with(&format!("{directory}/")));
            }
        }
        13 if mode != SYMLINK => {
            tree.insert(path, (mode ^ 0o111, bytes));
        }
        14 => {
            tree.remove(&path);
            tree.insert(format!("{path}/in"), (mode, bytes));
        }
        15 => {
            if let Some((directory, _)) = path.rsplit_once('/') {
                tree.retain(|other, _| !other.starts_with(&format!("{directory}/")));
                if is_free(tree, directory) {
                    tree.insert(directory.to_owned(), (FILE, text(random)));
                }
            }
        }
        16 => {
            let file =
                if mode == SYMLINK { (FILE, text(random)) } else { (SYMLINK, b"target".to_vec()) };
            tree.insert(path, file);
        }
        _ => {
            // Beside what is there, or anywhere.
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let beside = format!("{directory}/n{}", random.below(6));
            let to = match random.one_in(2) && !directory.is_empty() {
                true => beside,
                false => name(random),
            };
            if is_free(tree, &to) {
                tree.insert(to, (FILE, text(random)));
            }
        }
    }
}

fn rename_directory(random: &mut Random, tree: &mut Tree, path: &str) {
    let Some((directory, _)) = path.rsplit_once('/') else { return };
    let to = match random.below(3) {
        0 => format!("moved{}", random.below(3)),
        1 => format!("src/moved{}", random.below(3)),
        _ => DIRECTORIES[1 + random.below(DIRECTORIES.len() - 1)].trim_end_matches('/').to_owned(),
    };
    let within = format!("{directory}/");
    if to.starts_with(&within) || to == directory {
        return;
    }
    let moved: Vec<String> =
        tree.keys().filter(|path| path.starts_with(&within)).cloned().collect();
    let mut next = tree.clone();
    for from in moved {
        let Some(file) = next.remove(&from) else { continue };
        let target = format!("{to}/{}", &from[within.len()..]);
        if !is_free(&next, &target) {
            return;
        }
        next.insert(target, file);
    }
    *tree = next;
}

/// What somebody makes of two versions who looks at whole files only, and prefers one side.
fn combined(base: &Tree, first: &Tree, second: &Tree) -> Tree {
    let mut tree = first.clone();
    for path in base.keys().chain(second.keys()).collect::<BTreeSet<_>>() {
        if first.get(path) == base.get(path) {
            match second.get(path) {
                Some(file) if is_free(&tree, path) || tree.contains_key(path) => {
                    tree.insert(path.clone(), file.clone());
                }
                Some(_) => {}
                None => drop(tree.remove(path)),
            }
        }
    }
    tree
}

/// A commit of a history: its tree and the numbers of the commits it follows.
struct Made {
    tree: Tree,
    parents: Vec<usize>,
}

/// A history, and the two commits of it that are merged.
struct History {
    commits: Vec<Made>,
    sides: [usize; 2],
}

fn history(seed: u64) -> History {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995);
    for _ in 0..4 {
        random.below(2);
    }
    let base = start(&mut random);
    let changed = |random: &mut Random, from: &Tree| {
        let mut tree = from.clone();
        for _ in 0..1 + random.below(6) {
            change(random, &mut tree);
        }
        tree
    };
    let (ours, theirs) = (changed(&mut random, &base), changed(&mut random, &base));
    let crosses = random.one_in(5);
    let mut commits = vec![
        Made { tree: base.clone(), parents: vec![] },
        Made { tree: ours.clone(), parents: vec![0] },
        Made { tree: theirs.clone(), parents: vec![0] },
    ];
    let mut sides = [1, 2];
    if crosses {
        let (a, b) = (combined(&base, &ours, &theirs), combined(&base, &theirs, &ours));
        let (a, b) = (changed(&mut random, &a), changed(&mut random, &b));
        commits.push(Made { tree: a, parents: vec![1, 2] });
        commits.push(Made { tree: b, parents: vec![2, 1] });
        sides = [3, 4];
    }
    History { commits, sides }
}

/// When a commit was made. Never two at once: the order of merge bases would be anybody's guess.
fn seconds(number: usize) -> i64 {
    1_600_000_000 + 60 * number as i64
}

/// What came of a merge: the files, and the paths in conflict.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    tree: Tree,
    conflicts: BTreeSet<String>,
}

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

    fn merge(&mut self, number: usize, [ours, theirs]: [usize; 2]) -> (Result, String) {
        let (ours, theirs) = (format!("h{number}-{ours}"), format!("h{number}-{theirs}"));
        let args = ["merge-tree", "--write-tree", "-z", &ours, &theirs];
        let said = command(self.folder.path(), &args).output().unwrap();
        assert!(matches!(said.status.code(), Some(0 | 1)), "{said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        let mut fields = text.split('\0');
        let tree = fields.next().unwrap().to_owned();
        let mut conflicts = BTreeSet::new();
        for field in fields.by_ref().take_while(|field| !field.is_empty()) {
            conflicts.insert(field.split_once('\t').unwrap().1.to_owned());
        }
        let messages: Vec<&str> = fields.collect();
        (Result { tree: self.tree(&tree), conflicts }, messages.join("\n"))
    }

    fn tree(&mut self, id: &str) -> Tree {
        let said = command(self.folder.path(), &["ls-tree", "-r", "-z", id]).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let mut tree = Tree::new();
        for entry in text.split_terminator('\0') {
            let (head, path) = entry.split_once('\t').unwrap();
            let mut words = head.split(' ');
            let mode = u32::from_str_radix(words.next().unwrap(), 8).unwrap();
            let id = words.nth(1).unwrap();
            let bytes = self.blob(id);
            tree.insert(path.to_owned(), (mode, bytes));
        }
        tree
    }

    fn blob(&mut self, id: &str) -> Vec<u8> {
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

struct Annals {
    repo: Repository,
    commits: Vec<Vec<Id>>,
}

fn person() -> Person {
    Person { name: "A".into(), email: "a@example.org".into() }
}

impl Annals {
    fn with(histories: &[History]) -> Self {
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 1)),
            random: Arc::new(SeededRandom::new(7)),
        };
        let disk = Arc::new(MemoryDisk::new());
        let (repo, _) = Repository::create(disk, Path::new("/bare"), env, true).unwrap();
        let batch = Batch::begin(repo.store()).unwrap();
        let mut writer = batch.writer();
        let mut commits = Vec::new();
        for history in histories {
            let mut ids: Vec<Id> = Vec::new();
            for (index, made) in history.commits.iter().enumerate() {
                let mut edits = Vec::new();
                for (path, (mode, bytes)) in &made.tree {
                    let id = Kind::Chunk.id_of(bytes);
                    writer.put_chunk(Class::Near, id, bytes).unwrap();
                    let size = bytes.len() as u64;
                    let (what, mode) = match *mode {
                        SYMLINK => (What::Symlink { size, target: id }, 0),
                        mode => (What::File { size, content: id }, (mode & 0o777) as u16),
                    };
                    let path = RepoPath::new(path.as_bytes()).unwrap();
                    let name = path.name().to_vec();
                    let entry = Entry { name, mode, mtime: None, attributes: None, what };
                    edits.push(Edit { path, entry: Some(entry) });
                }
                edits.sort_by(|a, b| a.path.cmp(&b.path));
                let tree = edit(&mut writer, None, edits).unwrap().id;
                let who = Signature {
                    name: b"A".to_vec(),
                    email: b"a@example.org".to_vec(),
                    seconds: seconds(index),
                    zone_minutes: 0,
                };
                let commit = Commit {
                    tree,
                    parents: made.parents.iter().map(|&parent| ids[parent]).collect(),
                    author: who.clone(),
                    committer: who,
                    message: Vec::new(),
                    headers: Vec::new(),
                };
                ids.push(writer.put(Kind::Commit, commit.to_bytes()).unwrap());
            }
            commits.push(ids);
        }
        writer.flush().unwrap();
        drop(writer);
        let packs = batch.seal().unwrap();
        repo.store().publish(Publication::new("test", "A").with_packs(packs)).unwrap();
        Self { repo, commits }
    }

    fn merge(&self, number: usize, [ours, theirs]: [usize; 2]) -> (Result, Merged) {
        let commits = [self.commits[number][ours], self.commits[number][theirs]];
        let label = |index: usize| format!("h{number}-{index}").into_bytes();
        let labels = Labels { base: b"base".to_vec(), ours: label(ours), theirs: label(theirs) };
        let options = merge_tree::Options {
            sides: Sides::Commits { commits, unrelated: Unrelated::Refused },
            merge: MergeOptions { labels, ..MergeOptions::default() },
            driver: &NoDriver,
        };
        let merged = merge_tree::run(&self.repo, &person(), &options).unwrap();
        let mut tree = Tree::new();
        self.read(&merged.tree, &RepoPath::root(), &mut tree);
        let staged =
            merged.conflicts.iter().filter(|conflict| conflict.stages.iter().any(Option::is_some));
        let conflicts = staged.map(|conflict| conflict.path.to_string()).collect();
        (Result { tree, conflicts }, merged)
    }

    fn read(&self, tree: &Id, at: &RepoPath, into: &mut Tree) {
        let store = self.repo.store();
        let mut cursor = Cursor::new(store, tree).unwrap();
        while let Some(entry) = cursor.next_entry().unwrap() {
            let path = at.join(&entry.name);
            let read = |id: &Id| store.bytes(Kind::Chunk, id).unwrap().to_vec();
            match &entry.what {
                What::Directory { tree, .. } => self.read(tree, &path, into),
                What::File { content, .. } => {
                    let mode = if entry.mode & 0o100 != 0 { EXECUTABLE } else { FILE };
                    into.insert(path.to_string(), (mode, read(content)));
                }
                What::Symlink { target, .. } => {
                    into.insert(path.to_string(), (SYMLINK, read(target)));
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    }
}

/// Why a merge may differ from git's, if there is a reason.
fn reason(
    git: &Result,
    _messages: &str,
    _annals: &Result,
    _merged: &Merged,
) -> Option<&'static str> {
    if git.tree.values().any(|(_, bytes)| bytes == MISSING) {
        return Some("git names a blob that does not exist");
    }
    let named: BTreeSet<&String> = git.tree.keys().chain(&git.conflicts).collect();
    let is_below_a_file = |path: &&&String| {
        path.match_indices('/').any(|(at, _)| named.contains(&path[..at].to_owned()))
    };
    if named.iter().any(|path| is_below_a_file(&path)) {
        return Some("git puts a file into a file, and leaves one of them out");
    }
    None
}

/// Lines that both sides still have, or that one side added, and that the merge has not.
fn lost_lines(base: &Tree, sides: [&Tree; 2], merged: &Tree) -> Vec<String> {
    let count = |tree: &Tree| {
        let mut lines: HashMap<Vec<u8>, isize> = HashMap::new();
        for (mode, bytes) in tree.values() {
            if *mode != SYMLINK && !bytes.contains(&0) {
                for line in bytes.split(|&byte| byte == b'\n') {
                    *lines.entry(line.to_vec()).or_default() += 1;
                }
            }
        }
        lines
    };
    let (base, merged) = (count(base), count(merged));
    let (ours, theirs) = (count(sides[0]), count(sides[1]));
    let mut lost = Vec::new();
    for line in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let of = |lines: &HashMap<Vec<u8>, isize>| lines.get(line).copied().unwrap_or(0);
        let (b, o, t) = (of(&base), of(&ours), of(&theirs));
        // A line may go only if a side has fewer of it than the base.
        if o >= b && t >= b && of(&merged) == 0 {
            lost.push(String::from_utf8_lossy(line).into_owned());
        }
    }
    lost
}

#[test]
fn generated_merges_are_those_of_git() {
    let wanted = std::env::var("ANNALS_MERGES").ok().and_then(|text| text.parse().ok());
    let first: u64 =
        std::env::var("ANNALS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let wanted: u64 = wanted.unwrap_or(250);
    let histories: Vec<History> = (first..first + wanted).map(history).collect();
    let Some(mut git) = Git::with(&histories) else { return };
    let annals = Annals::with(&histories);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut clean, mut wrong) = (0, Vec::new());
    for (number, history) in histories.iter().enumerate() {
        let (theirs, messages) = git.merge(number, history.sides);
        let (ours, merged) = annals.merge(number, history.sides);
        let [a, b] = history.sides.map(|side| &history.commits[side].tree);
        let lost = |tree: &Tree| lost_lines(&history.commits[0].tree, [a, b], tree);
        let mut is_lossy = false;
        // Where histories cross, a line may have gone on the way.
        if merged.is_clean() && history.commits.len() == 3 {
            is_lossy = theirs.conflicts.is_empty() && !lost(&theirs.tree).is_empty();
            let lost = lost(&ours.tree);
            if !lost.is_empty() {
                wrong.push(format!(
                    "lost {lost:?}\n{}",
                    explain(first + number as u64, &theirs, &messages, &ours, &merged)
                ));
            }
        }
        clean += usize::from(merged.is_clean());
        if ours == theirs {
            continue;
        }
        if is_lossy {
            *reasons.entry("git loses lines that nobody deleted").or_default() += 1;
            continue;
        }
        match reason(&theirs, &messages, &ours, &merged) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None => wrong.push(explain(first + number as u64, &theirs, &messages, &ours, &merged)),
        }
    }
    eprintln!("{wanted} merges, {clean} clean, for a reason not git's: {reasons:?}");
    for text in wrong.iter().take(12) {
        eprintln!("{text}");
    }
    assert!(wrong.is_empty(), "{} of {wanted} merges are not git's", wrong.len());
}

fn explain(seed: u64, git: &Result, messages: &str, annals: &Result, merged: &Merged) -> String {
    let mut text = format!("---- seed {seed}\n");
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
    let fields = messages.split('\n').filter(|field| field.contains(' ')).collect::<Vec<_>>();
    text += &format!("git says\n  {}\nannals says\n", fields.join("\n  "));
    for message in &merged.messages {
        text += &format!("  {:?} {}\n", message.kind.map(|kind| kind.name()), message.text);
    }
    text
}

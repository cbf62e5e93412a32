//! Made-up histories of trees, and a store in memory to merge them in.
//!
//! Edits, renames, renamed directories, deletions, modes, symbolic links, files that become
//! directories and back, and histories that cross: all from one number.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::MemoryDisk;
use annals::hash::{Id, Kind};
use annals::merge::{Labels, Merged, NoDriver, Options as MergeOptions};
use annals::object::tree::{Cursor, Edit, edit};
use annals::object::{Commit, Entry, Node, Object, Signature, Sink, Source, What};
use annals::ops::merge_tree::{self, Sides, Unrelated};
use annals::path::RepoPath;
use annals::repo::{Person, Repository};
use annals::store::{Batch, Class, Publication, Writer};

/// What stands at a path: git's mode and the bytes.
pub(crate) type File = (u32, Vec<u8>);
pub(crate) type Tree = BTreeMap<String, File>;

pub(crate) const FILE: u32 = 0o100644;
pub(crate) const EXECUTABLE: u32 = 0o100755;
pub(crate) const SYMLINK: u32 = 0o120000;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const WORDS: [&str; 16] = [
    "alpha", "beta", "gamma", "delta", "return", "if", "while", "match", "let", "use", "photo",
    "film", "sound", "index", "store", "merge",
];
const DIRECTORIES: [&str; 8] =
    ["", "src/", "src/core/", "lib/", "lib/deep/er/", "doc/", "doc/img/", "old/"];

pub(crate) fn line(random: &mut Random) -> String {
    match random.below(8) {
        0 => "\n".to_owned(),
        1 => "}\n".to_owned(),
        _ => format!("{} {} {}\n", random.pick(&WORDS), random.pick(&WORDS), random.below(1000)),
    }
}

pub(crate) fn text(random: &mut Random) -> Vec<u8> {
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

pub(crate) fn edited(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
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

pub(crate) fn name(random: &mut Random) -> String {
    format!("{}f{}", random.pick(&DIRECTORIES), random.below(24))
}

/// Whether something can be put there without another file being in the way.
pub(crate) fn is_free(tree: &Tree, path: &str) -> bool {
    tree.keys().all(|other| {
        other != path
            && !other.starts_with(&format!("{path}/"))
            && !path.starts_with(&format!("{other}/"))
    })
}

pub(crate) fn start(random: &mut Random) -> Tree {
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
pub(crate) fn change(random: &mut Random, tree: &mut Tree) {
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

pub(crate) fn rename_directory(random: &mut Random, tree: &mut Tree, path: &str) {
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
pub(crate) fn combined(base: &Tree, first: &Tree, second: &Tree) -> Tree {
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
pub(crate) struct Made {
    pub(crate) tree: Tree,
    pub(crate) parents: Vec<usize>,
}

/// A history, and the two commits of it that are merged.
pub(crate) struct History {
    pub(crate) commits: Vec<Made>,
    pub(crate) sides: [usize; 2],
}

pub(crate) fn history(seed: u64) -> History {
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
pub(crate) fn seconds(number: usize) -> i64 {
    1_600_000_000 + 60 * number as i64
}

/// What came of a merge: the files, and the paths in conflict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) tree: Tree,
    pub(crate) conflicts: BTreeSet<String>,
}

/// A store in memory.
pub(crate) struct Room {
    pub(crate) repo: Repository,
    commits: Vec<Vec<Id>>,
}

fn person() -> Person {
    Person { name: "A".into(), email: "a@example.org".into() }
}

fn put_tree(writer: &mut Writer<'_, '_>, tree: &Tree) -> Id {
    let mut edits = Vec::new();
    for (path, (mode, bytes)) in tree {
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
    if edits.is_empty() {
        return writer.put(Kind::Tree, Node::Leaf(Vec::new()).to_bytes()).unwrap();
    }
    edit(writer, None, edits).unwrap().id
}

impl Room {
    pub(crate) fn new() -> Self {
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 1)),
            random: Arc::new(SeededRandom::new(7)),
        };
        let disk = Arc::new(MemoryDisk::new());
        let (repo, _) = Repository::create(disk, Path::new("/bare"), env, true).unwrap();
        Self { repo, commits: Vec::new() }
    }

    fn publish<T>(&self, put: impl FnOnce(&mut Writer<'_, '_>) -> T) -> T {
        let batch = Batch::begin(self.repo.store()).unwrap();
        let mut writer = batch.writer();
        let made = put(&mut writer);
        writer.flush().unwrap();
        drop(writer);
        let packs = batch.seal().unwrap();
        self.repo.store().publish(Publication::new("test", "A").with_packs(packs)).unwrap();
        made
    }

    /// Writes trees and tells their ids.
    pub(crate) fn trees<const N: usize>(&self, trees: [&Tree; N]) -> [Id; N] {
        self.publish(|writer| trees.map(|tree| put_tree(writer, tree)))
    }

    /// A store with the commits of these histories.
    pub(crate) fn with(histories: &[History]) -> Self {
        let mut room = Self::new();
        let commits = room.publish(|writer| {
            histories.iter().map(|history| commits_of(writer, history)).collect()
        });
        room.commits = commits;
        room
    }

    fn run(&self, sides: Sides, options: MergeOptions) -> Merged {
        let options = merge_tree::Options { sides, merge: options, driver: &NoDriver };
        merge_tree::run(&self.repo, &person(), &options).unwrap()
    }

    /// Merges two trees.
    pub(crate) fn merge_trees(
        &self,
        [base, ours, theirs]: [Id; 3],
        options: MergeOptions,
    ) -> Merged {
        self.run(Sides::Trees { base, trees: [ours, theirs] }, options)
    }

    /// Merges two commits of a history.
    pub(crate) fn merge(&self, number: usize, [ours, theirs]: [usize; 2]) -> (Came, Merged) {
        let commits = [self.commits[number][ours], self.commits[number][theirs]];
        let label = |index: usize| format!("h{number}-{index}").into_bytes();
        let labels = Labels { base: b"base".to_vec(), ours: label(ours), theirs: label(theirs) };
        let sides = Sides::Commits { commits, unrelated: Unrelated::Refused };
        let merged = self.run(sides, MergeOptions { labels, ..MergeOptions::default() });
        (Came { tree: self.read(&merged.tree), conflicts: in_conflict(&merged) }, merged)
    }

    /// Lines that a merge of a history's sides has lost: gone, though neither side has fewer of
    /// them than any version on the way, of which merging several bases makes one more.
    pub(crate) fn lost_lines(
        &self,
        number: usize,
        history: &History,
        merged: &Tree,
    ) -> Vec<String> {
        let bases = history.sides[0];
        let mut common: Vec<Tree> =
            history.commits[..bases].iter().map(|made| made.tree.clone()).collect();
        if common.len() > 1 {
            common.push(self.merge(number, [1, 2]).0.tree);
        }
        lost_lines(&common, history.sides.map(|side| &history.commits[side].tree), merged)
    }

    /// The files of a tree.
    pub(crate) fn read(&self, tree: &Id) -> Tree {
        let mut found = Tree::new();
        self.read_below(tree, &RepoPath::root(), &mut found);
        found
    }

    fn read_below(&self, tree: &Id, at: &RepoPath, into: &mut Tree) {
        let store = self.repo.store();
        let mut cursor = Cursor::new(store, tree).unwrap();
        while let Some(entry) = cursor.next_entry().unwrap() {
            let path = at.join(&entry.name);
            let read = |id: &Id| store.bytes(Kind::Chunk, id).unwrap().to_vec();
            match &entry.what {
                What::Directory { tree, .. } => self.read_below(tree, &path, into),
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

fn commits_of(writer: &mut Writer<'_, '_>, history: &History) -> Vec<Id> {
    let mut ids: Vec<Id> = Vec::new();
    for (index, made) in history.commits.iter().enumerate() {
        let tree = put_tree(writer, &made.tree);
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
    ids
}

/// The paths of which versions are to be chosen from.
pub(crate) fn in_conflict(merged: &Merged) -> BTreeSet<String> {
    let staged =
        merged.conflicts.iter().filter(|conflict| conflict.stages.iter().any(Option::is_some));
    staged.map(|conflict| conflict.path.to_string()).collect()
}

/// Lines that are gone though neither side has fewer of them than any tree both came from.
pub(crate) fn lost_lines(common: &[Tree], sides: [&Tree; 2], merged: &Tree) -> Vec<String> {
    let count = |tree: &Tree| {
        let mut lines: HashMap<Vec<u8>, usize> = HashMap::new();
        for (mode, bytes) in tree.values() {
            if *mode != SYMLINK && !bytes.contains(&0) {
                for line in bytes.split(|&byte| byte == b'\n') {
                    *lines.entry(line.to_vec()).or_default() += 1;
                }
            }
        }
        lines
    };
    let common: Vec<_> = common.iter().map(count).collect();
    let (merged, sides) = (count(merged), sides.map(count));
    let of =
        |lines: &HashMap<Vec<u8>, usize>, line: &Vec<u8>| lines.get(line).copied().unwrap_or(0);
    let all: BTreeSet<&Vec<u8>> = sides.iter().flat_map(HashMap::keys).collect();
    let is_lost = |line: &Vec<u8>| {
        let most = common.iter().map(|lines| of(lines, line)).max().unwrap_or(0);
        of(&merged, line) == 0 && sides.iter().all(|side| of(side, line) >= most)
    };
    let lost = all.into_iter().filter(|line| is_lost(line));
    lost.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

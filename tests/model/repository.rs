//! Any sequence of edits, deletes, commits, switches and restores behaves like a map of paths.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::{Disk, MemoryDisk};
use annals::ops::{self, commit, init, restore, status, switch};
use annals::path::{Pathspec, RepoPath};
use annals::progress::Silent;
use annals::repo::{Person, Repository, Rules};
use proptest::prelude::*;

/// Files by path. Directories are there where files are in them.
type Tree = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    Delete(usize),
    Rename(usize, usize),
    Commit,
    CommitPath(usize),
    Add(usize),
    Branch(u8),
    Switch(u8),
    Restore(usize),
    RestoreAll,
}

/// Paths that get in each other's way on purpose: `a` is a file and `a/…` needs it to be a
/// directory.
const PATHS: [&str; 9] = ["a", "a/b", "a/c/d", "e", "f/g", "f/g/h", "f/i", "j/k/l/m", "n"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = 0..PATHS.len();
    let step = prop_oneof![
        6 => (path.clone(), 0u8..6).prop_map(|(path, version)| Step::Write(path, version)),
        2 => path.clone().prop_map(Step::Delete),
        1 => (path.clone(), path.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => Just(Step::Commit),
        1 => path.clone().prop_map(Step::CommitPath),
        1 => path.clone().prop_map(Step::Add),
        1 => (0u8..3).prop_map(Step::Branch),
        2 => (0u8..3).prop_map(Step::Switch),
        1 => path.prop_map(Step::Restore),
        1 => Just(Step::RestoreAll),
    ];
    proptest::collection::vec(step, 1..40)
}

struct World {
    disk: MemoryDisk,
    /// What is in the working tree.
    files: Tree,
    /// What each branch's newest commit says; `None` before the first.
    branches: BTreeMap<String, Option<Tree>>,
    head: String,
    /// What is staged, if it differs from HEAD.
    staged: Option<Tree>,
    opened: u64,
}

fn person() -> Person {
    Person { name: "A".into(), email: "a@example.org".into() }
}

fn path(index: usize) -> RepoPath {
    RepoPath::new(PATHS[index]).unwrap()
}

/// Long contents have manifests, the longest of several chunks.
fn content(version: u8) -> Vec<u8> {
    match version {
        0 => Vec::new(),
        1 => b"small".to_vec(),
        2 => b"other".to_vec(),
        3 => "a line of text\n".repeat(2_000).into_bytes(),
        4 => (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect(),
        _ => vec![version; 40_000],
    }
}

impl World {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 1)),
            random: Arc::new(SeededRandom::new(7)),
        };
        let any: Arc<dyn Disk> = Arc::new(disk.clone());
        init::run(any, Path::new("/w"), env, &init::Options::new(person())).unwrap();
        Self {
            disk,
            files: Tree::new(),
            branches: BTreeMap::from([("main".to_owned(), None)]),
            head: "main".into(),
            staged: None,
            opened: 7,
        }
    }

    /// Every command opens the repository anew, as processes do.
    fn open(&mut self) -> Repository {
        self.opened += 1;
        let env = Env {
            clock: Arc::new(SteppingClock::new(
                Time::from_seconds(1_700_000_000 + 100 * self.opened as i64),
                1,
            )),
            random: Arc::new(SeededRandom::new(self.opened)),
        };
        // Files are not read within two clock ticks of being written.
        let later = Time::from_seconds(1_700_000_000 + 10 * self.opened as i64);
        self.disk.set_time(later);
        Repository::open(Arc::new(self.disk.clone()), Path::new("/w"), env).unwrap()
    }

    fn head_tree(&self) -> Tree {
        self.branches[&self.head].clone().unwrap_or_default()
    }

    fn described(&self) -> Tree {
        self.staged.clone().unwrap_or_else(|| self.head_tree())
    }

    /// Whether a path names a file or directory that is there or recorded.
    fn names_something(&self, path: &str) -> bool {
        let (described, head) = (self.described(), self.head_tree());
        self.files
            .keys()
            .chain(described.keys())
            .chain(head.keys())
            .any(|candidate| candidate == path || candidate.starts_with(&format!("{path}/")))
    }

    /// Whether a file can stand at this path beside what is there.
    fn fits(&self, index: usize) -> bool {
        let path = PATHS[index];
        self.files.keys().all(|other| {
            !other.starts_with(&format!("{path}/")) && !path.starts_with(&format!("{other}/"))
        })
    }

    fn write(&mut self, index: usize, bytes: Vec<u8>) {
        if self.fits(index) {
            let root = self.disk.open(Path::new("/w")).unwrap();
            if let Some(slash) = PATHS[index].rfind('/') {
                annals::disk::make_dirs(&*root, &PATHS[index].as_bytes()[..slash]).unwrap();
            }
            self.disk.write(&format!("/w/{}", PATHS[index]), &bytes);
            self.files.insert(PATHS[index].to_owned(), bytes);
        }
    }

    fn delete(&mut self, index: usize) {
        if self.files.remove(PATHS[index]).is_some() {
            let root = self.disk.open(Path::new("/w")).unwrap();
            root.remove_file(PATHS[index].as_bytes()).unwrap();
            // Empty directories go too: the map knows none.
            let mut above = PATHS[index];
            while let Some(slash) = above.rfind('/') {
                above = &above[..slash];
                if root.remove_dir(above.as_bytes()).is_err() {
                    break;
                }
            }
        }
    }

    fn on_disk(&self) -> Tree {
        self.disk
            .tree("/w")
            .into_iter()
            .filter_map(|(path, entry)| {
                let path = String::from_utf8(path).unwrap();
                let is_file = entry.kind == annals::disk::FileKind::File;
                (is_file && !path.starts_with(".annals")).then_some((path, entry.content))
            })
            .collect()
    }

    /// What a tree says, read file by file.
    fn recorded(&mut self, tree: &annals::hash::Id) -> Tree {
        let repo = self.open();
        let mut found = Tree::new();
        annals::diff::trees::<_, annals::store::Error>(
            repo.store(),
            None,
            Some(tree),
            &Pathspec::all(),
            &mut |change| {
                let new = change.new.unwrap();
                if let annals::object::What::File { size, content } = new.what {
                    let bytes = annals::worktree::read_small(repo.store(), size, &content)?;
                    found.insert(change.path.to_string(), bytes);
                }
                Ok(())
            },
        )
        .unwrap();
        found
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Write(index, version) => self.write(*index, content(*version)),
            Step::Delete(index) => self.delete(*index),
            Step::Rename(from, to) => {
                if let Some(bytes) = self.files.get(PATHS[*from]).cloned()
                    && from != to
                    && !self.files.contains_key(PATHS[*to])
                    && self.fits(*to)
                {
                    self.delete(*from);
                    self.write(*to, bytes);
                }
            }
            Step::Commit => {
                let repo = self.open();
                let outcome = commit::run(&repo, &commit::Options::new("all", person()), &Silent);
                let goal = self.staged.take().unwrap_or_else(|| self.files.clone());
                self.expect_commit(outcome, goal);
            }
            Step::CommitPath(index) => {
                let repo = self.open();
                let mut options = commit::Options::new("one", person());
                options.paths = Pathspec::of_paths([path(*index)]);
                let outcome = commit::run(&repo, &options, &Silent);
                if matches!(outcome, Err(ops::Error::NoMatch(_))) {
                    assert!(!self.names_something(PATHS[*index]));
                    return;
                }
                let goal = with_path(self.head_tree(), &self.files, PATHS[*index]);
                if let Some(staged) = self.staged.take() {
                    let staged = with_path(staged, &self.files, PATHS[*index]);
                    self.staged = (staged != goal).then_some(staged);
                }
                self.expect_commit(outcome, goal);
            }
            Step::Add(index) => {
                let repo = self.open();
                let options = ops::add::Options {
                    paths: Pathspec::of_paths([path(*index)]),
                    only_tracked: false,
                    force: false,
                    dry_run: false,
                    actor: person(),
                    rules: Rules::default(),
                };
                match ops::add::run(&repo, &options, &Silent) {
                    Ok(_) => {}
                    Err(ops::Error::NoMatch(_)) => {
                        assert!(!self.names_something(PATHS[*index]));
                        return;
                    }
                    Err(other) => panic!("{other}"),
                }
                let staged = with_path(self.described(), &self.files, PATHS[*index]);
                self.staged = (staged != self.head_tree()).then_some(staged);
            }
            Step::Branch(number) => {
                let name = format!("b{number}");
                let to = switch::To::NewBranch { name: name.clone(), start: None, replace: true };
                self.switch(to).unwrap();
                let tree = self.branches[&self.head].clone();
                self.branches.insert(name.clone(), tree);
                self.head = name;
            }
            Step::Switch(number) => {
                let name = format!("b{number}");
                let name = if self.branches.contains_key(&name) { name } else { "main".into() };
                let Some(goal) = self.branches[&name].clone() else { return };
                let is_saved = self.files == self.head_tree() && self.staged.is_none();
                match self.switch(switch::To::Branch(name.clone())) {
                    Ok(_) => {
                        // Unsaved work either was not in the way or did not exist.
                        if is_saved {
                            self.files = goal;
                            assert_eq!(self.on_disk(), self.files);
                        } else {
                            // What is staged comes along; only what is described
                            // differently then is written.
                            let (head, described) = (self.head_tree(), self.described());
                            let mut carried = goal.clone();
                            for path in head.keys().chain(described.keys()) {
                                if head.get(path) != described.get(path) {
                                    match described.get(path) {
                                        Some(bytes) => carried.insert(path.clone(), bytes.clone()),
                                        None => carried.remove(path),
                                    };
                                }
                            }
                            for path in described.keys().chain(carried.keys()) {
                                match carried.get(path) {
                                    new if new == described.get(path) => None,
                                    Some(bytes) => self.files.insert(path.clone(), bytes.clone()),
                                    None => self.files.remove(path),
                                };
                            }
                            assert_eq!(self.on_disk(), self.files);
                            self.staged = (carried != goal).then_some(carried);
                        }
                        self.head = name;
                    }
                    Err(ops::Error::WouldOverwrite { paths }) => {
                        assert!(!is_saved, "refused for {paths:?}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Restore(index) => self.restore(Pathspec::of_paths([path(*index)]), |candidate| {
                candidate == PATHS[*index] || candidate.starts_with(&format!("{}/", PATHS[*index]))
            }),
            Step::RestoreAll => self.restore(Pathspec::all(), |_| true),
        }
        assert_eq!(self.on_disk(), self.files, "after {step:?}");
    }

    fn switch(&mut self, to: switch::To) -> Result<switch::Outcome, ops::Error> {
        let repo = self.open();
        let options =
            switch::Options { to, discard: false, actor: person(), rules: Rules::default() };
        switch::run(&repo, &options, &Silent)
    }

    fn restore(&mut self, paths: Pathspec, is_meant: impl Fn(&str) -> bool) {
        let repo = self.open();
        let described = self.described();
        let in_the_way = described.keys().filter(|path| is_meant(path)).any(|path| {
            self.files.keys().any(|other| {
                path.starts_with(&format!("{other}/")) || other.starts_with(&format!("{path}/"))
            })
        });
        let options = restore::Options {
            source: None,
            paths,
            staged: false,
            worktree: true,
            side: None,
            dry_run: false,
            actor: person(),
            rules: Rules::default(),
        };
        let outcome = restore::run(&repo, &options, &Silent);
        if in_the_way {
            // A file where a directory is needed, or the other way: what happens then is up to
            // what is there; nothing of what was recorded may be lost.
            self.files = self.on_disk();
            return;
        }
        match outcome {
            Ok(outcome) => assert!(outcome.failed.is_empty(), "{:?}", outcome.failed),
            Err(ops::Error::NoMatch(_)) => {}
            Err(other) => panic!("{other}"),
        }
        for (path, bytes) in described.iter().filter(|(path, _)| is_meant(path)) {
            self.files.insert(path.clone(), bytes.clone());
        }
    }

    fn expect_commit(&mut self, outcome: Result<commit::Outcome, ops::Error>, goal: Tree) {
        match outcome {
            Ok(outcome) => {
                assert!(outcome.is_complete());
                let tree = outcome.tree.unwrap();
                assert_eq!(self.recorded(&tree), goal);
            }
            Err(ops::Error::NothingToCommit) => {
                assert_eq!(goal, self.head_tree(), "there was something to commit");
                return;
            }
            Err(other) => panic!("{other}"),
        }
        self.branches.insert(self.head.clone(), Some(goal));
    }

    /// Status says what the maps say.
    fn check_status(&mut self) {
        let repo = self.open();
        let options =
            status::Options { untracked: status::Untracked::All, ..status::Options::default() };
        let found = status::run(&repo, &options, &Silent).unwrap();
        let described = self.described();
        let mut changed: Vec<String> = described
            .iter()
            .filter(|(path, bytes)| self.files.get(*path) != Some(bytes))
            .map(|(path, _)| path.clone())
            .collect();
        changed.sort();
        let mut shown: Vec<String> = found
            .unstaged
            .iter()
            .map(|one| one.path.to_string())
            .filter(|path| described.contains_key(path))
            .collect();
        shown.sort();
        assert_eq!(shown, changed);
        let mut untracked: Vec<String> =
            self.files.keys().filter(|path| !described.contains_key(*path)).cloned().collect();
        untracked.sort();
        let mut shown: Vec<String> = found
            .untracked
            .iter()
            .map(|path| String::from_utf8(path.clone()).unwrap())
            .filter(|path| !path.ends_with('/'))
            .collect();
        shown.sort();
        assert_eq!(shown, untracked);
    }
}

/// A tree with what the working tree has at and below a path.
fn with_path(mut tree: Tree, files: &Tree, path: &str) -> Tree {
    let below = |candidate: &str| candidate == path || candidate.starts_with(&format!("{path}/"));
    tree.retain(|candidate, _| !below(candidate));
    for (candidate, bytes) in files.iter().filter(|(candidate, _)| below(candidate)) {
        // A file in the place of a directory takes what was below it along, and the other way.
        tree.retain(|other, _| {
            !other.starts_with(&format!("{candidate}/"))
                && !candidate.starts_with(&format!("{other}/"))
        });
        tree.insert(candidate.clone(), bytes.clone());
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn any_sequence_of_steps_behaves_like_a_map(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
            world.check_status();
        }
    }
}

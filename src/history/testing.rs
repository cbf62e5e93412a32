//! What the tests of this module share: git as a judge, random histories, and a store in memory
//! that mirrors them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Move, Names, Target};
use crate::clock::{Env, SeededRandom, SteppingClock, Time};
use crate::codec;
use crate::disk::{Disk, MemoryDisk};
use crate::hash::{Id, Kind, Prefix};
use crate::object::testing::Memory;
use crate::object::tree::Builder;
use crate::object::{Commit, Entry, Node, Object, Signature, Sink, Source, What};
use crate::path::RepoPath;
use crate::store::{Batch, Class, Publication, RefEdit, Store, Target as StoreTarget};

/// The installed git, in an empty repository of its own.
pub(crate) struct Git {
    directory: TempDir,
}

impl Git {
    /// `None`, and says so aloud, if git is not installed.
    #[allow(clippy::print_stderr)]
    pub(crate) fn new(what: &str) -> Option<Self> {
        let git = Self { directory: TempDir::new().unwrap() };
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("SKIPPED: {what} is not compared with git, which is not installed");
            return None;
        }
        git.run(&["init", "--quiet", "--initial-branch=main"]);
        Some(git)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        let settings = [
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("TZ", "UTC0"),
            ("LC_ALL", "C"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@b"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@b"),
        ];
        command.envs(settings);
        command
    }

    fn finish(mut command: Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", shown(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a command prints; it must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        Self::finish(self.command(arguments))
    }

    pub(crate) fn run_in_zone(&self, zone: &str, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        command.env("TZ", zone);
        Self::finish(command)
    }

    /// As if committed at this time.
    pub(crate) fn run_at(&self, seconds: i64, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let date = format!("{seconds} +0000");
        command.env("GIT_COMMITTER_DATE", &date).env("GIT_AUTHOR_DATE", &date);
        Self::finish(command)
    }

    pub(crate) fn succeeds(&self, arguments: &[&str]) -> bool {
        self.command(arguments).output().unwrap().status.success()
    }

    /// What a command prints when it is given this to read; it must succeed.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "{command:?}: {}", shown(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Numbers that follow from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from((mixed >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// How far the committers' clocks may be trusted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clocks {
    /// Every commit is later than those it follows.
    Right,
    /// Many commits have the same time.
    Coarse,
    /// Now and then one is far off.
    Skewed,
    /// Times mean nothing.
    Random,
}

/// A commit to be made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) parents: Vec<usize>,
    pub(crate) seconds: i64,
    pub(crate) files: BTreeMap<String, String>,
}

impl Plan {
    pub(crate) fn message(index: usize) -> String {
        format!("c{index}\n\nword{} and fix{}\n", index % 7, index % 5)
    }
}

const PATHS: [&str; 7] = ["a", "b", "d/a", "d/b", "d/e/a", "f/x", "f/y"];

/// A random history with merges, criss-crosses and now and then another root.
pub(crate) fn history(random: &mut Random, length: usize, clocks: Clocks) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for index in 0..length {
        let mut parents = Vec::new();
        if index > 0 && !random.one_in(25) {
            let wanted = [1, 1, 1, 2, 2, 3][random.below(6)];
            for _ in 0..wanted {
                let parent = index - 1 - random.below(index.min(6));
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
        }
        // Merging what was just merged the other way round makes two best common ancestors.
        if let Some(last) = plans.last()
            && last.parents.len() == 2
            && random.one_in(3)
        {
            parents = vec![last.parents[1], last.parents[0]];
        }
        let latest = parents.iter().map(|parent| plans[*parent].seconds).max();
        let number = i64::try_from(index).unwrap();
        let noise = i64::try_from(random.below(1000)).unwrap();
        let seconds = match clocks {
            Clocks::Right => latest.unwrap_or(1_700_000_000) + 1 + noise,
            Clocks::Coarse => 1_700_000_000 + number / 4,
            Clocks::Skewed if random.one_in(8) => 1_700_000_000 + noise * 40,
            Clocks::Skewed => 1_700_000_000 + number * 100,
            Clocks::Random => 1_700_000_000 + noise,
        };
        let mut files = parents.first().map_or_else(BTreeMap::new, |p| plans[*p].files.clone());
        for other in parents.iter().skip(1) {
            for (path, content) in &plans[*other].files {
                if random.one_in(2) {
                    files.insert(path.clone(), content.clone());
                }
            }
        }
        if files.is_empty() || !random.one_in(3) {
            let path = PATHS[random.below(PATHS.len())];
            if random.one_in(6) {
                files.remove(path);
            } else {
                files.insert(path.to_owned(), format!("content {}", random.below(6)));
            }
        }
        plans.push(Plan { parents, seconds, files });
    }
    plans
}

/// Makes the history in git, with a branch `c<number>` for each commit.
pub(crate) fn write_to_git(git: &Git, plans: &[Plan]) {
    let mut stream = String::new();
    for (index, plan) in plans.iter().enumerate() {
        let message = Plan::message(index);
        stream += &format!(
            "commit refs/heads/c{index}\nmark :{}\ncommitter A <a@b> {} +0000\ndata {}\n{message}\n",
            index + 1,
            plan.seconds,
            message.len(),
        );
        for (at, parent) in plan.parents.iter().enumerate() {
            let word = if at == 0 { "from" } else { "merge" };
            stream += &format!("{word} :{}\n", parent + 1);
        }
        stream += "deleteall\n";
        for (path, content) in &plan.files {
            stream += &format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len());
        }
        stream += "\n";
    }
    git.feed(&["fast-import", "--quiet"], &stream);
}

/// A store in memory, with refs and their moves.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) memory: RefCell<Memory>,
    pub(crate) head: Option<String>,
    pub(crate) refs: BTreeMap<String, Target>,
    /// Oldest first.
    pub(crate) moves: BTreeMap<String, Vec<Move>>,
    pub(crate) staged: BTreeMap<(RepoPath, u8), Entry>,
    /// The commits, in order of their numbers.
    pub(crate) commits: Vec<Id>,
}

impl World {
    pub(crate) fn put<T: Object>(&self, object: &T) -> Id {
        self.memory.borrow_mut().put(T::KIND, object.to_bytes()).unwrap()
    }

    pub(crate) fn put_file(&self, content: &str) -> Id {
        self.memory.borrow_mut().put(Kind::Chunk, content.as_bytes().to_vec()).unwrap()
    }

    /// The same history as [`write_to_git`] makes.
    pub(crate) fn of(plans: &[Plan]) -> Self {
        let mut world = Self::default();
        for (index, plan) in plans.iter().enumerate() {
            let parents = plan.parents.iter().map(|parent| world.commits[*parent]).collect();
            let tree = world.put_tree(&plan.files);
            let id = world.put_commit(tree, parents, plan.seconds, &Plan::message(index));
            world.commits.push(id);
            world.refs.insert(format!("refs/heads/c{index}"), Target::Id(id));
        }
        world
    }

    pub(crate) fn put_commit(&self, tree: Id, parents: Vec<Id>, seconds: i64, message: &str) -> Id {
        let who =
            Signature { name: b"A".to_vec(), email: b"a@b".to_vec(), seconds, zone_minutes: 0 };
        self.put(&Commit {
            tree,
            parents,
            author: who.clone(),
            committer: who,
            message: message.into(),
            headers: Vec::new(),
        })
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> Entry {
        let size = u64::try_from(content.len()).unwrap();
        let what = What::File { size, content: self.put_file(content) };
        Entry { name: name.into(), mode: 0o644, mtime: None, attributes: None, what }
    }

    pub(crate) fn put_tree(&self, files: &BTreeMap<String, String>) -> Id {
        let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        let mut below: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for (path, content) in files {
            match path.split_once('/') {
                None => {
                    entries.insert(path.clone().into(), self.file(path, content));
                }
                Some((name, rest)) => {
                    below.entry(name).or_default().insert(rest.to_owned(), content.clone());
                }
            }
        }
        for (name, files) in below {
            let tree = self.put_tree(&files);
            let totals = self.tree(&tree).unwrap().totals();
            let what = What::Directory { files: totals.files, bytes: totals.bytes, tree };
            let entry =
                Entry { name: name.into(), mode: 0o755, mtime: None, attributes: None, what };
            entries.insert(name.into(), entry);
        }
        let mut builder = Builder::new();
        let mut memory = self.memory.borrow_mut();
        for entry in entries.into_values() {
            builder.push(entry, &mut *memory).unwrap();
        }
        builder.finish(&mut *memory).unwrap().id
    }

    /// The number of a commit.
    pub(crate) fn number(&self, id: &Id) -> usize {
        self.commits.iter().position(|commit| commit == id).unwrap()
    }

    pub(crate) fn numbers(&self, ids: &[Id]) -> Vec<usize> {
        ids.iter().map(|id| self.number(id)).collect()
    }
}

impl Source for World {
    type Error = codec::Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, codec::Error> {
        self.memory.borrow().bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, codec::Error> {
        self.memory.borrow().tree(id)
    }
}

impl Names for World {
    fn head_name(&self) -> Option<String> {
        self.head.clone()
    }

    fn target(&self, name: &str) -> Result<Option<Target>, codec::Error> {
        Ok(self.refs.get(name).cloned())
    }

    fn names(&self, prefix: &str) -> Result<Vec<(String, Target)>, codec::Error> {
        let found = self.refs.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(found.map(|(name, target)| (name.clone(), target.clone())).collect())
    }

    fn moves(&self, name: &str) -> Result<Vec<Move>, codec::Error> {
        Ok(self.moves.get(name).into_iter().flatten().rev().cloned().collect())
    }

    fn find(&self, prefix: &Prefix) -> Result<Vec<(Id, Kind)>, codec::Error> {
        let memory = self.memory.borrow();
        let mut found: Vec<(Id, Kind)> = memory
            .objects
            .iter()
            .filter(|(id, _)| prefix.matches(id))
            .map(|(id, (kind, _))| (*id, *kind))
            .collect();
        found.sort();
        Ok(found)
    }

    fn kind(&self, id: &Id) -> Result<Option<Kind>, codec::Error> {
        Ok(self.memory.borrow().objects.get(id).map(|(kind, _)| *kind))
    }

    fn tracked(&self, path: &RepoPath, stage: u8) -> Result<Option<Entry>, codec::Error> {
        Ok(self.staged.get(&(path.clone(), stage)).cloned())
    }
}

/// A store in memory that is being filled.
pub(crate) struct Stored {
    pub(crate) store: Store,
    pending: RefCell<Vec<(Kind, Vec<u8>)>>,
    known: RefCell<Memory>,
}

/// A store in memory with nothing in it.
pub(crate) fn stored() -> Stored {
    let dir = MemoryDisk::new().create(Path::new("/s")).unwrap();
    let env = Env {
        clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 1)),
        random: Arc::new(SeededRandom::new(1)),
    };
    let store = Store::create(dir, env).unwrap();
    Stored { store, pending: RefCell::default(), known: RefCell::default() }
}

impl Stored {
    pub(crate) fn put(&self, kind: Kind, bytes: Vec<u8>) -> Id {
        self.pending.borrow_mut().push((kind, bytes.clone()));
        self.known.borrow_mut().put(kind, bytes).unwrap()
    }

    pub(crate) fn chunk(&self, text: &str) -> Id {
        self.put(Kind::Chunk, text.as_bytes().to_vec())
    }

    /// A directory of few entries, sorted by name.
    pub(crate) fn tree(&self, entries: Vec<Entry>) -> Id {
        self.put(Kind::Tree, Node::Leaf(entries).to_bytes())
    }

    pub(crate) fn commit(&self, tree: Id, parents: &[Id]) -> Id {
        let who =
            Signature { name: b"A".to_vec(), email: b"a".to_vec(), seconds: 1, zone_minutes: 0 };
        let commit = Commit {
            tree,
            parents: parents.to_vec(),
            author: who.clone(),
            committer: who,
            message: b"m".to_vec(),
            headers: Vec::new(),
        };
        self.put(Kind::Commit, commit.to_bytes())
    }

    /// Publishes everything, with a branch at a commit.
    pub(crate) fn publish(self, commit: Id) -> Store {
        let batch = Batch::begin(&self.store).unwrap();
        let mut writer = batch.writer();
        for (kind, bytes) in self.pending.take() {
            match kind {
                Kind::Chunk => {
                    let id = kind.id_of(&bytes);
                    writer.put_chunk(Class::Near, id, &bytes).unwrap();
                }
                kind => {
                    Sink::put(&mut writer, kind, bytes).unwrap();
                }
            }
        }
        writer.flush().unwrap();
        drop(writer);
        let edit = RefEdit {
            name: "refs/heads/main".to_owned(),
            old: None,
            new: Some(StoreTarget::Id(commit)),
            reason: String::new(),
        };
        let publication = Publication::new("commit", "A").with_packs(batch.seal().unwrap());
        self.store.publish(publication.with_refs([edit])).unwrap();
        self.store
    }
}

/// An entry for a small file, a letter long.
pub(crate) fn file(name: &str, content: &Id) -> Entry {
    let what = What::File { size: 3, content: *content };
    Entry { name: name.into(), mode: 0o644, mtime: None, attributes: None, what }
}

/// An entry for a directory of which nothing is said but that it is there.
pub(crate) fn directory(name: &str, tree: Id) -> Entry {
    let what = What::Directory { files: 1, bytes: 3, tree };
    Entry { name: name.into(), mode: 0o755, mtime: None, attributes: None, what }
}

//! A world of its own for each test: a directory, a home, a clock, and the real program.
//!
//! Nothing of the machine's settings or identity gets in, and the clock stands still unless a test
//! moves it; so the same commands say the same every time.

pub(crate) mod histories;

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use annals::clock::Env;
use annals::disk::OsDisk;
use annals::hash::Id;
use annals::object::{Commit, Object, Sink, Source};
use annals::path::RepoPath;
use annals::progress::{Monitor, Stage};
use annals::repo::Repository;
use annals::store::{Batch, Publication, RefEdit, Target};
use tempfile::TempDir;

/// A directory with a repository in it, and a program to run there.
pub(crate) struct World {
    folder: TempDir,
    now: Cell<i64>,
}

/// What the program said, and how it ended.
#[must_use = "say how it should have ended"]
pub(crate) struct Said {
    line: String,
    output: Output,
}

/// Keeps what a person should know.
#[derive(Default)]
pub(crate) struct Notices(pub(crate) Mutex<Vec<String>>);

impl Monitor for Notices {
    fn begin(&self, _: Stage, _: Option<u64>, _: Option<u64>) {}
    fn advance(&self, _: u64, _: u64) {}
    fn at(&self, _: &RepoPath) {}
    fn notice(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl World {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder, now: Cell::new(1_700_000_000) }
    }

    /// A repository without commits.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.run("init").ok();
        world
    }

    /// A repository with these commits, each `message: file=text file=text`; a file without text
    /// goes.
    pub(crate) fn with(commits: &[&str]) -> Self {
        let world = Self::new();
        for commit in commits {
            let (message, files) = commit.split_once(": ").unwrap();
            for file in files.split(' ') {
                match file.split_once('=') {
                    Some((path, text)) => world.write(path, format!("{text}\n")),
                    None => std::fs::remove_file(world.path(file)).unwrap(),
                }
            }
            world.commit(message);
        }
        world
    }

    /// On `side`; `main` and `side` fork at `base`, and each has a file of its own.
    pub(crate) fn forked() -> Self {
        let world = Self::with(&["base: a=1"]);
        world.run("branch side").ok();
        world.write("b", "main\n");
        world.commit("on main");
        world.run("switch -q side").ok();
        world.write("c", "side\n");
        world.commit("on side");
        world
    }

    /// Records everything.
    pub(crate) fn commit(&self, message: &str) {
        self.later(60);
        self.run_args(&["commit", "-q", "-m", message]).ok();
    }

    /// Records a commit that follows these revisions, with the tree of the first, and makes a
    /// branch for it, without touching the working tree.
    pub(crate) fn record_merge(&self, branch: &str, parents: &[&str]) {
        self.record_commit(branch, parents[0], parents);
    }

    /// The same without parents, with the tree of this revision.
    pub(crate) fn record_root(&self, branch: &str, tree: &str) {
        self.record_commit(branch, tree, &[]);
    }

    fn record_commit(&self, branch: &str, like: &str, parents: &[&str]) {
        self.later(60);
        let repo = self.repository();
        let find = |name: &&str| -> Id {
            self.says(&format!("rev-parse {name}^{{commit}}")).parse().unwrap()
        };
        let mut commit: Commit = repo.store().object(&find(&like)).unwrap();
        commit.committer.seconds = self.now.get();
        commit.parents = parents.iter().map(find).collect();
        commit.message = branch.into();
        let batch = Batch::begin(repo.store()).unwrap();
        let mut writer = batch.writer();
        let id = writer.put(Commit::KIND, commit.to_bytes()).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let name = format!("refs/heads/{branch}");
        let (old, new) = (repo.store().target(&name), Some(Target::Id(id)));
        let edit = RefEdit { name, old, new, reason: "merge".to_owned() };
        let publication = Publication::new("merge", "Ada").with_packs(batch.seal().unwrap());
        repo.store().publish(publication.with_refs([edit])).unwrap();
    }

    /// The repository, to be used without the program.
    fn repository(&self) -> Repository {
        Repository::open(Arc::new(OsDisk::new()), &self.path(""), Env::system()).unwrap()
    }

    /// Moves the clock on.
    pub(crate) fn later(&self, seconds: i64) {
        self.now.set(self.now.get() + seconds);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the program with words separated by spaces.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.run_args(&line.split(' ').collect::<Vec<_>>())
    }

    /// Runs the program.
    pub(crate) fn run_args(&self, args: &[&str]) -> Said {
        self.run_in(Path::new(""), args)
    }

    /// Runs the program with an editor: a command of the shell that is given the file's name.
    pub(crate) fn run_edited(&self, editor: &str, args: &[&str]) -> Said {
        let output = self.command(args).env("EDITOR", editor).output();
        Said { line: args.join(" "), output: output.unwrap() }
    }

    /// What somebody at a terminal sees of the program, given more variables.
    pub(crate) fn on_terminal(&self, variables: &[(&str, &str)], args: &[&str]) -> String {
        use std::io::Read;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        // It must not become the terminal of the tests themselves.
        let no_control = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let theirs = std::fs::File::options()
            .read(true)
            .write(true)
            .custom_flags(no_control)
            .open(std::ffi::OsStr::from_bytes(name.to_bytes()))
            .unwrap();
        let mut command = self.command(args);
        command
            .envs(variables.iter().copied())
            .env("COLUMNS", "80")
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs);
        let mut child = command.spawn().unwrap();
        // The terminal is closed when nobody has it any more.
        drop(command);
        let mut seen = Vec::new();
        let mut part = [0; 4096];
        let mut ours = std::fs::File::from(ours);
        while let Ok(read @ 1..) = ours.read(&mut part) {
            seen.extend_from_slice(&part[..read]);
        }
        assert!(child.wait().unwrap().success(), "annals {}", args.join(" "));
        String::from_utf8_lossy(&seen).replace("\r\n", "\n")
    }

    /// Runs the program in a directory of the repository.
    pub(crate) fn run_in(&self, directory: &Path, args: &[&str]) -> Said {
        let output = self.command(args).current_dir(self.path("").join(directory)).output();
        Said { line: args.join(" "), output: output.unwrap() }
    }

    /// The program, to be run in some other way.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let home = self.folder.path();
        let mut command = Command::new(program());
        command
            .args(args)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TZ", "UTC")
            .env("ANNALS_CONFIG_USER", home.join("config.toml"))
            .env("ANNALS_CONFIG_SYSTEM", home.join("system.toml"))
            .env("ANNALS_AUTHOR_NAME", "Ada")
            .env("ANNALS_AUTHOR_EMAIL", "ada@example.org")
            .env("ANNALS_COMMITTER_NAME", "Carl")
            .env("ANNALS_COMMITTER_EMAIL", "carl@example.org")
            .env("ANNALS_NOW", self.now.get().to_string())
            .stdin(Stdio::null());
        command
    }

    /// What one command prints, without the last line feed.
    pub(crate) fn says(&self, line: &str) -> String {
        self.run(line).ok().trim_end().to_owned()
    }
}

/// The program that was just built, unless another is to be tried.
fn program() -> OsString {
    std::env::var_os("ANNALS_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_annals").into())
}

impl Said {
    /// It succeeded; what it printed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.ends(0).0
    }

    /// It failed with this code; what it said about that.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        self.ends(code).1
    }

    /// It ended with this code; what it printed and what it said beside.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> (String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&self.output.stdout), text(&self.output.stderr));
        let found = self.output.status.code();
        assert_eq!(found, Some(code), "annals {}\n{out}{err}", self.line);
        (out, err)
    }

    /// It succeeded; the bytes it printed.
    #[track_caller]
    pub(crate) fn bytes(self) -> Vec<u8> {
        assert!(self.output.status.success(), "annals {}", self.line);
        self.output.stdout
    }
}

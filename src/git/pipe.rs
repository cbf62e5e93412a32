//! The pipe to git: a git repository as its own program shows it.
//!
//! Everything that is read is checked against its id, so a damaged repository, or a git that
//! rewrites what it shows (replacements, grafts), is found out. Nothing is ever fetched from
//! elsewhere, and git's own settings of the environment do not count.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use bstr::ByteSlice;
use gix_hash::ObjectId;

use crate::disk::{Dir, Disk, OsDisk};

use super::Error;
use super::ids::IdMap;
use super::raw::{self, Type};

const BUFFER: usize = 256 << 10;

/// Stands in a repository until it has been made.
const UNFINISHED: &[u8] = b"annals-export-unfinished";

/// A git repository.
#[derive(Clone, Debug)]
pub struct Git {
    path: PathBuf,
    hash: gix_hash::Kind,
    head: Option<String>,
}

/// A ref of a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRef {
    /// Its full name.
    pub name: Vec<u8>,
    /// What it points to.
    pub id: ObjectId,
    /// Of which type that is.
    pub kind: Type,
    /// It stands for another ref.
    pub is_symbolic: bool,
}

/// An object that a history needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: ObjectId,
    /// Its type.
    pub kind: Type,
    /// Its length in bytes.
    pub size: u64,
}

impl Git {
    /// Opens the repository at this path itself, and never one above it, as git would.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !seems_one(path) {
            return Err(Error::NoRepository(path.to_owned()));
        }
        let mut git = Self { path: path.to_owned(), hash: gix_hash::Kind::Sha1, head: None };
        let asked =
            ["rev-parse", "--is-shallow-repository", "--show-object-format", "--absolute-git-dir"];
        let answer = git.output(&asked, b"")?;
        // The last is a path, which may hold line feeds.
        let mut lines = answer.splitn(3, |&byte| byte == b'\n');
        let (shallow, hash, found) = (lines.next(), lines.next(), lines.next());
        let found = found.and_then(|found| found.strip_suffix(b"\n"));
        let Some(found) = found.and_then(|found| found.to_path().ok()) else {
            return Err(git.unexpected(&asked[0], &answer));
        };
        if !is_of(path, found) {
            return Err(Error::NoRepository(path.to_owned()));
        }
        if shallow == Some(b"true") {
            return Err(Error::Shallow);
        }
        git.hash = match hash {
            Some(b"sha1") => gix_hash::Kind::Sha1,
            Some(b"sha256") => gix_hash::Kind::Sha256,
            _ => return Err(git.unexpected(&asked[0], &answer)),
        };
        git.head = git
            .output(&["symbolic-ref", "--quiet", "HEAD"], b"")
            .ok()
            .and_then(|name| String::from_utf8(name.trim().to_vec()).ok());
        Ok(git)
    }

    /// Whether a repository is to be made at this path: nothing is there, or an empty directory, or
    /// what an interrupted [`Git::make`] left.
    pub fn is_to_be_made(path: &Path) -> Result<bool, Error> {
        let failed = |source| Error::Directory { path: path.to_owned(), source };
        match OsDisk::new().open(path) {
            Ok(directory) => {
                let found = directory.list().map_err(failed)?;
                Ok(found.is_empty() || found.iter().any(|one| one.name == UNFINISHED))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Makes a bare repository that hashes so and whose HEAD stands for this branch, and opens it.
    pub fn make(path: &Path, hash: gix_hash::Kind, head: Option<&str>) -> Result<Self, Error> {
        let failed = |source| Error::Directory { path: path.to_owned(), source };
        let directory = OsDisk::new().create(path).map_err(failed)?;
        directory.open_or_create(UNFINISHED, 0o644).map_err(failed)?;
        // A git that was killed leaves its locks, and the next one would wait for it.
        for lock in [&b"HEAD.lock"[..], b"config.lock"] {
            remove(&*directory, lock).map_err(failed)?;
        }
        let git = Self { path: PathBuf::from("."), hash, head: None };
        let mut command = git.command(&["init", "--quiet", "--bare"]);
        command.arg(format!("--object-format={hash}")).arg(path);
        let mut process = Process::start(&mut command, "init")?;
        process.read_to_end(&mut Vec::new())?;
        process.finish()?;
        let mut git = Self::open(path)?;
        if let Some(head) = head {
            git.output(&["symbolic-ref", "HEAD", head], b"")?;
            git.head = Some(head.to_owned());
        }
        remove(&*directory, UNFINISHED).map_err(failed)?;
        Ok(git)
    }

    /// How it hashes.
    pub fn hash(&self) -> gix_hash::Kind {
        self.hash
    }

    /// The branch HEAD is on, by full name, whether or not it exists.
    pub fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    fn unexpected(&self, command: &impl AsRef<str>, answer: &[u8]) -> Error {
        let text = lines(answer).next().unwrap_or_default().as_bstr().to_string();
        Error::Answer { command: command.as_ref().to_owned(), text }
    }

    /// Git, told to work here and to show things as they are.
    pub(super) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        for variable in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            "GIT_NAMESPACE",
            "GIT_CEILING_DIRECTORIES",
            "GIT_SHALLOW_FILE",
            "GIT_REPLACE_REF_BASE",
            "GIT_TRACE",
        ] {
            command.env_remove(variable);
        }
        command
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .arg("-C")
            .arg(&self.path)
            .args(["-c", "core.deltaBaseCacheLimit=128m", "-c", "advice.graftFileDeprecated=false"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end and takes what it prints.
    pub fn output<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Result<Vec<u8>, Error> {
        let name = arguments.first().map(|name| name.as_ref().to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let mut process = Process::start(self.command(arguments).stdin(Stdio::piped()), &name)?;
        let feeder = process.feed(input.to_vec());
        let mut answer = Vec::new();
        let read = process.read_to_end(&mut answer);
        feeder.join();
        process.finish()?;
        read?;
        Ok(answer)
    }

    /// All refs, in the order of their names; a symbolic one with what it leads to.
    pub fn refs(&self) -> Result<Vec<GitRef>, Error> {
        let asked = ["for-each-ref", "--format=%(objectname) %(objecttype) %(symref) %(refname)"];
        let answer = self.output(&asked, b"")?;
        let mut refs = Vec::new();
        for line in lines(&answer) {
            let mut words = line.splitn(4, |&byte| byte == b' ');
            let (id, kind) = (words.next(), words.next());
            let (symbolic, name) = (words.next().unwrap_or_default(), words.next());
            let id = id.and_then(|digits| raw::parse_id(self.hash, digits));
            let kind = kind.and_then(Type::from_name);
            let (Some(id), Some(kind), Some(name)) = (id, kind, name) else {
                return Err(self.unexpected(&asked[0], line));
            };
            refs.push(GitRef { name: name.to_vec(), id, kind, is_symbolic: !symbolic.is_empty() });
        }
        Ok(refs)
    }

    /// The names of tags whose commits these commits lead to.
    pub fn tags_reached(&self, from: &[ObjectId]) -> Result<Vec<Vec<u8>>, Error> {
        let mut arguments = vec!["for-each-ref".to_owned(), "--format=%(refname)".to_owned()];
        arguments.extend(from.iter().map(|id| format!("--merged={id}")));
        arguments.push("refs/tags/".to_owned());
        let answer = self.output(&arguments, b"")?;
        Ok(lines(&answer).map(<[u8]>::to_vec).collect())
    }

    /// Everything that is reached from `wanted` and not from `known`, commits with children before
    /// their parents, then trees and content as the newest commits reach them. `take` also gets the
    /// path at which an object was first met: a hint, which may be cut.
    pub fn list(
        &self,
        wanted: &[ObjectId],
        known: &[ObjectId],
        take: &mut dyn FnMut(Listed, &[u8]),
    ) -> Result<(), Error> {
        let mut input = Vec::new();
        for id in wanted {
            input.extend_from_slice(format!("{id}\n").as_bytes());
        }
        for id in known {
            input.extend_from_slice(format!("^{id}\n").as_bytes());
        }
        let walk = ["rev-list", "--objects", "--date-order", "--stdin"];
        let mut walker = Process::start(self.command(&walk).stdin(Stdio::piped()), walk[0])?;
        let feeder = walker.feed(input);
        let check = [
            "cat-file",
            "--batch-check=%(objectname) %(objecttype) %(objectsize) %(rest)",
            "--buffer",
        ];
        let found = walker.take_output();
        let mut checker = Process::start(self.command(&check).stdin(found), check[0])?;
        let mut line = Vec::new();
        let mut failed = None;
        loop {
            line.clear();
            if checker.read_line(&mut line)? == 0 {
                break;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let mut words = text.splitn(4, |&byte| byte == b' ');
            let id = words.next().and_then(|digits| raw::parse_id(self.hash, digits));
            let Some(id) = id else {
                failed = Some(self.unexpected(&check[0], text));
                break;
            };
            let kind = words.next().unwrap_or_default();
            let size = words.next().and_then(|digits| digits.to_str().ok()?.parse().ok());
            let (Some(kind), Some(size)) = (Type::from_name(kind), size) else {
                failed = Some(match kind {
                    b"missing" => Error::Missing(id),
                    _ => self.unexpected(&check[0], text),
                });
                break;
            };
            take(Listed { id, kind, size }, words.next().unwrap_or_default());
        }
        if let Some(error) = failed {
            return Err(error);
        }
        feeder.join();
        walker.finish()?;
        checker.finish()
    }

    /// The directories below a commit's or tree's root, and the contents of all files.
    pub fn objects_of(&self, tree: &ObjectId) -> Result<Vec<ObjectId>, Error> {
        let asked = ["ls-tree", "-r", "-t", "-z", &tree.to_string()];
        let answer = self.output(&asked, b"")?;
        let ids = answer.split(|&byte| byte == 0).filter_map(|line| {
            let digits = line.split(|&byte| byte == b'\t').next()?.rsplit(|&b| b == b' ').next()?;
            raw::parse_id(self.hash, digits)
        });
        Ok(ids.collect())
    }

    /// The commits that its refs lead to.
    pub fn commits(&self) -> Result<IdMap<()>, Error> {
        let answer = self.output(&["rev-list", "--all"], b"")?;
        let ids = lines(&answer).filter_map(|line| raw::parse_id(self.hash, line));
        Ok(ids.map(|id| (id, ())).collect())
    }

    /// The branches whose files are checked out somewhere, by full name.
    pub fn checked_out(&self) -> Result<HashSet<Vec<u8>>, Error> {
        let asked = ["worktree", "list", "--porcelain"];
        let answer = self.output(&asked, b"")?;
        let mut found = HashSet::new();
        let mut is_bare = false;
        for line in lines(&answer) {
            if line.starts_with(b"worktree ") {
                is_bare = false;
            }
            is_bare |= line == b"bare";
            if let Some(name) = line.strip_prefix(b"branch ")
                && !is_bare
            {
                found.insert(name.to_vec());
            }
        }
        Ok(found)
    }

    /// Moves refs, all or none, each from where it is thought to be.
    pub fn move_refs(&self, moves: &[(String, Option<ObjectId>, ObjectId)]) -> Result<(), Error> {
        let mut input = Vec::new();
        for (name, old, new) in moves {
            let old = old.unwrap_or_else(|| self.hash.null());
            input.extend_from_slice(format!("update {name}\0{new}\0{old}\0").as_bytes());
        }
        let asked = ["update-ref", "-m", "annals export", "--stdin", "-z"];
        self.output(&asked, &input).map(drop)
    }

    /// Whether one commit leads to another through parents.
    pub fn is_ancestor(&self, ancestor: &ObjectId, descendant: &ObjectId) -> Result<bool, Error> {
        let asked = ["merge-base", "--is-ancestor", &ancestor.to_string(), &descendant.to_string()];
        match self.command(&asked).output().map_err(Error::Start)? {
            answer if answer.status.success() => Ok(true),
            answer if answer.status.code() == Some(1) => Ok(false),
            answer => Err(Error::Failed {
                command: asked[0].to_owned(),
                text: answer.stderr.trim().as_bstr().to_string(),
            }),
        }
    }

    /// Which of these objects are there.
    pub fn has(&self, ids: &[ObjectId]) -> Result<Vec<bool>, Error> {
        let mut input = Vec::new();
        for id in ids {
            input.extend_from_slice(format!("{id}\n").as_bytes());
        }
        let asked = ["cat-file", "--batch-check=%(objecttype)", "--buffer"];
        let answer = self.output(&asked, &input)?;
        let found: Vec<bool> = lines(&answer).map(|line| Type::from_name(line).is_some()).collect();
        if found.len() != ids.len() {
            return Err(self.unexpected(&asked[0], &answer));
        }
        Ok(found)
    }

    /// Reads these objects, in this order.
    pub fn read(&self, ids: &[ObjectId]) -> Result<Reader, Error> {
        let mut input = Vec::with_capacity(ids.len() * (self.hash.len_in_hex() + 1));
        for id in ids {
            let _ = id.write_hex_to(&mut input);
            input.push(b'\n');
        }
        let asked = ["cat-file", "--batch", "--buffer"];
        let mut process = Process::start(self.command(&asked).stdin(Stdio::piped()), asked[0])?;
        let feeder = process.feed(input);
        Ok(Reader { process, hash: self.hash, feeder: Some(feeder), input: None })
    }

    /// Reads objects as they are asked for.
    pub fn ask(&self) -> Result<Reader, Error> {
        let asked = ["cat-file", "--batch"];
        let mut process = Process::start(self.command(&asked).stdin(Stdio::piped()), asked[0])?;
        let input = process.child.stdin.take();
        Ok(Reader { process, hash: self.hash, feeder: None, input })
    }
}

/// Whether something at this path is what git takes for a repository.
fn seems_one(path: &Path) -> bool {
    let is_one = |path: &Path| {
        let has_objects = path.join("objects").is_dir() && path.join("refs").is_dir();
        // That of another working tree has its objects elsewhere.
        let is_linked = path.join("commondir").is_file();
        path.join("HEAD").symlink_metadata().is_ok() && (has_objects || is_linked)
    };
    let own = path.join(".git");
    own.is_file() || is_one(&own) || is_one(path)
}

/// Whether the repository that git found from this directory is the one in it.
fn is_of(path: &Path, found: &Path) -> bool {
    let is_found = |path: &Path| match (path.canonicalize(), found.canonicalize()) {
        (Ok(path), Ok(found)) => path == found,
        _ => false,
    };
    let own = path.join(".git");
    // A file says where the repository is, and git does not pass over one that is wrong.
    own.is_file() || is_found(&own) || is_found(path)
}

/// Removes a file, if it is there.
fn remove(directory: &dyn Dir, name: &[u8]) -> io::Result<()> {
    match directory.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn lines(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    answer.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// Reads objects and believes them when their bytes have their ids.
#[derive(Debug)]
pub struct Reader {
    process: Process,
    hash: gix_hash::Kind,
    feeder: Option<Feeder>,
    input: Option<ChildStdin>,
}

impl Reader {
    /// Asks for an object and reads it.
    pub fn get(&mut self, id: &ObjectId, bytes: &mut Vec<u8>) -> Result<Type, Error> {
        if let Some(input) = &mut self.input {
            let asked = input.write_all(format!("{id}\n").as_bytes()).and_then(|()| input.flush());
            // If git is gone, reading tells why.
            if asked.is_err() {
                self.input = None;
            }
        }
        self.next(id, bytes)
    }

    /// Reads the next object, which is to have this id, into `bytes`.
    pub fn next(&mut self, id: &ObjectId, bytes: &mut Vec<u8>) -> Result<Type, Error> {
        let (kind, size) = self.head(id)?;
        bytes.clear();
        bytes.reserve(usize::try_from(size).unwrap_or(usize::MAX).min(1 << 30));
        let read = (&mut self.process.output).take(size).read_to_end(bytes);
        self.process.piped(read)?;
        if bytes.len() as u64 != size {
            return Err(self.process.died());
        }
        self.end()?;
        match raw::id_of(self.hash, kind, bytes) {
            Some(found) if found == *id => Ok(kind),
            _ => Err(Error::WrongId(*id)),
        }
    }

    /// Reads an object in pieces of at most `most` bytes.
    pub fn next_in_pieces(
        &mut self,
        id: &ObjectId,
        most: usize,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Type, Error> {
        let (kind, size) = self.head(id)?;
        let mut hasher = raw::hasher_for(self.hash, kind, size);
        let mut left = size;
        let mut piece = Vec::new();
        while left > 0 {
            piece.clear();
            let read =
                (&mut self.process.output).take(left.min(most as u64)).read_to_end(&mut piece);
            self.process.piped(read)?;
            if piece.is_empty() {
                return Err(self.process.died());
            }
            left -= piece.len() as u64;
            hasher.update(&piece);
            take(&piece)?;
        }
        self.end()?;
        match hasher.try_finalize() {
            Ok(found) if found == *id => Ok(kind),
            _ => Err(Error::WrongId(*id)),
        }
    }

    /// Reads the line before an object.
    fn head(&mut self, id: &ObjectId) -> Result<(Type, u64), Error> {
        let mut line = Vec::new();
        if self.process.read_line(&mut line)? == 0 {
            return Err(self.process.died());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let mut words = text.split(|&byte| byte == b' ');
        let found = words.next().and_then(|digits| raw::parse_id(self.hash, digits));
        let kind = words.next().unwrap_or_default();
        let size = words.next().and_then(|digits| digits.to_str().ok()?.parse().ok());
        match (found, Type::from_name(kind), size) {
            (Some(found), Some(kind), Some(size)) if found == *id => Ok((kind, size)),
            (Some(found), None, _) if found == *id && kind == b"missing" => {
                Err(Error::Missing(found))
            }
            _ => Err(Error::Answer {
                command: "cat-file".to_owned(),
                text: text.as_bstr().to_string(),
            }),
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        let mut end = [0];
        let read = self.process.output.read_exact(&mut end);
        self.process.piped(read)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.input = None;
        self.process.kill();
        if let Some(feeder) = self.feeder.take() {
            feeder.join();
        }
    }
}

/// Writes to a process while somebody else reads from it.
#[derive(Debug)]
pub(super) struct Feeder(Option<JoinHandle<()>>);

impl Feeder {
    /// Waits until everything is written, or the process is gone.
    pub(super) fn join(mut self) {
        if let Some(thread) = self.0.take() {
            // It only writes, and a failure shows in what git answers.
            let _ = thread.join();
        }
    }
}

/// A running git. It ends with whoever started it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    output: BufReader<PipeEnd>,
    name: String,
}

#[derive(Debug)]
enum PipeEnd {
    Open(ChildStdout),
    /// Somebody else reads it.
    Given,
}

impl Read for PipeEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Open(pipe) => pipe.read(buffer),
            Self::Given => Ok(0),
        }
    }
}

impl Process {
    pub(super) fn start(command: &mut Command, name: &str) -> Result<Self, Error> {
        let mut child = command.spawn().map_err(Error::Start)?;
        let pipe = child.stdout.take().map_or(PipeEnd::Given, PipeEnd::Open);
        let output = BufReader::with_capacity(BUFFER, pipe);
        Ok(Self { child, output, name: name.to_owned() })
    }

    /// Its input, to be written to by the caller.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Writes this to it, in a thread of its own.
    pub(super) fn feed(&mut self, input: Vec<u8>) -> Feeder {
        let pipe = self.child.stdin.take();
        Feeder(Some(std::thread::spawn(move || {
            if let Some(mut pipe) = pipe {
                // A process that is gone says why when it is waited for.
                let _ = pipe.write_all(&input);
            }
        })))
    }

    fn take_output(&mut self) -> Stdio {
        match std::mem::replace(self.output.get_mut(), PipeEnd::Given) {
            PipeEnd::Open(pipe) => Stdio::from(pipe),
            PipeEnd::Given => Stdio::null(),
        }
    }

    fn piped<T>(&self, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|source| Error::Pipe { command: self.name.clone(), source })
    }

    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<usize, Error> {
        let read = self.output.read_until(b'\n', line);
        self.piped(read)
    }

    pub(super) fn read_to_end(&mut self, answer: &mut Vec<u8>) -> Result<(), Error> {
        let read = self.output.read_to_end(answer);
        self.piped(read).map(drop)
    }

    /// Why it ended before its time.
    fn died(&mut self) -> Error {
        match self.wait() {
            Err(error) => error,
            Ok(()) => Error::Answer { command: self.name.clone(), text: "nothing".to_owned() },
        }
    }

    fn wait(&mut self) -> Result<(), Error> {
        let mut text = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            let mut bytes = Vec::new();
            // What it has to say is only for people.
            let _ = (&mut pipe).take(1 << 16).read_to_end(&mut bytes);
            text = bytes.trim().as_bstr().to_string();
        }
        let status = self.child.wait();
        let status = self.piped(status)?;
        if status.success() {
            return Ok(());
        }
        if text.is_empty() {
            text = status.to_string();
        }
        Err(Error::Failed { command: self.name.clone(), text })
    }

    /// Waits for its end and tells whether all went well.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.wait()
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

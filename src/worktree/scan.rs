//! Scanning: what in the working tree may differ from what the index knows.
//!
//! One directory after the other is listed and compared with the index's rows for it, by as many
//! threads as there are processors, depth first and in the order of a walk, so that few are open at
//! once. What is found is told to a [`Visitor`] by the thread that found it; nothing is kept here,
//! so memory does not depend on the number of files. No content is read: a file whose stat differs
//! is told of as [`ChangeKind::Unsure`], and whoever asked decides.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirRef, FileKind, Stat, read_all};
use crate::index::{self, Index, Known, Matches, Presence, Row, Seen, Tracked, Volume};
use crate::path::{self, NameError, Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};

use super::ignore::Ignore;

/// A longer file of rules is not read.
const LONGEST_RULE_FILE: u64 = 1 << 20;

/// Why the working tree cannot be scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] index::Error),
}

/// What to scan, and against what.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The root of the working tree.
    pub root: &'a DirRef,
    /// What is known of it.
    pub index: &'a Index,
    /// What its file system can express.
    pub volume: &'a Volume,
    /// Rules that hold everywhere.
    pub ignore: &'a Ignore,
    /// What is asked about.
    pub pathspec: &'a Pathspec,
    /// Whether untracked things are looked for.
    pub untracked: Untracked,
    /// Whether ignored names are told of.
    pub tell_ignored: bool,
    /// What becomes of repositories in the working tree.
    pub nested: Nested,
}

/// Whether untracked things are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untracked {
    /// All of them, also within untracked directories.
    All,
    /// Untracked directories are told of, not looked into.
    Directories,
    /// Nothing that is not tracked.
    No,
}

/// What becomes of Annals repositories in the working tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// They are named and left alone.
    Skip,
    /// Their files are recorded, without their state.
    Data,
}

/// How a thing differs from what the index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is not tracked.
    Added,
    /// It is gone.
    Deleted,
    /// It is another kind of thing.
    TypeChanged,
    /// Its content may have changed: only reading tells.
    Unsure,
    /// Its content is the same; its permission bits are not.
    ModeOnly,
}

/// One thing that is or may be different. Directories are told of apart.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name in its directory.
    pub name: Vec<u8>,
    /// How it differs.
    pub kind: ChangeKind,
    /// What is there; `None` if nothing is.
    pub stat: Option<Stat>,
    /// What the index says.
    pub tracked: Option<Tracked>,
}

/// A directory on disk.
#[derive(Clone, Debug)]
pub struct Subdirectory {
    /// Its name in its directory.
    pub name: Vec<u8>,
    /// What the file system says of it.
    pub stat: Stat,
    /// What the index says.
    pub tracked: Option<Tracked>,
    /// Whether it will be looked into.
    pub descend: bool,
}

/// What was found in one directory.
pub struct DirectoryFound<'a> {
    /// The directory.
    pub dir: &'a DirRef,
    /// Its path.
    pub path: &'a RepoPath,
    /// Whether only some names in it were asked about.
    pub partial: bool,
    /// What differs, sorted by name.
    pub changes: Vec<Change>,
    /// Directories, sorted by name.
    pub directories: Vec<Subdirectory>,
    /// Rows whose stat is out of date although nothing changed, with the new one.
    pub refreshed: Vec<(Vec<u8>, Tracked)>,
    /// Ignored names, if asked for; directories end in `/`.
    pub ignored: Vec<Vec<u8>>,
}

/// Is told what a scan finds, by several threads: each directory once, before those in it.
pub trait Visitor: Sync {
    /// A directory was looked at.
    fn directory(&self, found: DirectoryFound<'_>);
}

/// What a scan met besides.
#[derive(Debug, Default)]
pub struct Summary {
    /// Directories and files that could not be looked at.
    pub unreadable: Vec<(RepoPath, io::Error)>,
    /// Names that may not stand in a tree, as they are shown, with the rule they break.
    pub refused: Vec<(String, NameError)>,
    /// Pipes, sockets and devices that are not tracked.
    pub special: Vec<RepoPath>,
    /// Repositories within.
    pub nested: Vec<RepoPath>,
    /// Inclusions of the pathspec that something matched.
    pub files: u64,
    /// Directories looked at.
    pub directories: u64,
}

impl Summary {
    fn take(&mut self, mut other: Self) {
        self.unreadable.append(&mut other.unreadable);
        self.refused.append(&mut other.refused);
        self.special.append(&mut other.special);
        self.nested.append(&mut other.nested);
        self.files += other.files;
        self.directories += other.directories;
    }
}

/// One directory to look at.
struct Task {
    parent: Parent,
    path: RepoPath,
    ignore: Ignore,
    /// Only these names, sorted; `None`: all.
    only: Option<Vec<Vec<u8>>>,
    /// Whether the whole directory is asked about, so that the pathspec need not be asked again.
    whole: bool,
}

/// How a directory is opened: only when its turn comes, so that few are open.
enum Parent {
    Open(DirRef),
    Below(DirRef, Vec<u8>),
}

#[derive(Default)]
struct Queue {
    tasks: Vec<Task>,
    busy: usize,
    failed: Option<Error>,
}

struct Scan<'a> {
    request: &'a Request<'a>,
    visitor: &'a dyn Visitor,
    monitor: &'a dyn Monitor,
    queue: Mutex<Queue>,
    wake: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at what was asked for.
pub fn scan(
    request: &Request<'_>,
    visitor: &dyn Visitor,
    monitor: &dyn Monitor,
) -> Result<Summary, Error> {
    monitor.begin(Stage::Scanning, None, None);
    let mut summary = Summary::default();
    let tasks = first_tasks(request, &mut summary);
    let threads = match &tasks[..] {
        [one] if one.only.is_some() => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let queue = Queue { tasks, busy: 0, failed: None };
    let scan = Scan { request, visitor, monitor, queue: Mutex::new(queue), wake: Condvar::new() };
    if threads == 1 {
        summary.take(scan.work());
    } else {
        let summaries = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| scan.work())).collect();
            let mut all = vec![scan.work()];
            all.extend(others.into_iter().filter_map(|other| other.join().ok()));
            all
        });
        summaries.into_iter().for_each(|other| summary.take(other));
    }
    let failed = locked(&scan.queue).failed.take();
    summary.unreadable.sort_by(|a, b| a.0.cmp(&b.0));
    failed.map_or(Ok(summary), Err)
}

/// The root; or, where only paths were named, the directories they are in.
fn first_tasks(request: &Request<'_>, summary: &mut Summary) -> Vec<Task> {
    let root = || Task {
        parent: Parent::Open(request.root.clone()),
        path: RepoPath::root(),
        ignore: request.ignore.clone(),
        only: None,
        whole: request.pathspec.is_all(),
    };
    let Some(paths) = request.pathspec.plain_paths() else { return vec![root()] };
    if paths.iter().any(|path| path.is_root()) {
        return vec![Task { whole: true, ..root() }];
    }
    let mut parents: BTreeMap<RepoPath, Vec<Vec<u8>>> = BTreeMap::new();
    for path in &paths {
        // A path within another that was named comes with it.
        let is_covered = paths.iter().any(|other| other != path && path.is_within(other));
        if let (Some((parent, name)), false) = (path.split(), is_covered) {
            parents.entry(parent).or_default().push(name.to_vec());
        }
    }
    let mut walker = super::Walker::new(request.root.clone());
    let mut tasks = Vec::new();
    for (path, mut names) in parents {
        names.sort_unstable();
        names.dedup();
        let mut ignore = request.ignore.clone();
        let mut above = RepoPath::root();
        for part in path.parts() {
            if let Ok(dir) = walker.open(&above) {
                ignore = with_rules_of(&ignore, &dir, &above, None);
            }
            above = above.join(part);
        }
        match walker.open(&path) {
            Ok(dir) => tasks.push(Task {
                parent: Parent::Open(dir),
                path,
                ignore,
                only: Some(names),
                whole: true,
            }),
            // What was in it is gone: the nearest directory that is there tells.
            Err(error) if is_gone(&error) => {
                let gone = nearest(request, &mut walker, &path);
                tasks.extend(gone);
            }
            Err(error) => summary.unreadable.push((path, error)),
        }
    }
    tasks.reverse();
    tasks
}

fn nearest(request: &Request<'_>, walker: &mut super::Walker, path: &RepoPath) -> Option<Task> {
    let mut below = path.clone();
    while let Some((parent, name)) = below.split() {
        if let Ok(dir) = walker.open(&parent) {
            return Some(Task {
                parent: Parent::Open(dir),
                ignore: request.ignore.clone(),
                only: Some(vec![name.to_vec()]),
                path: parent,
                whole: true,
            });
        }
        below = parent;
    }
    None
}

/// The rules of a directory; `names`, sorted, saves looking for files that are not there.
fn with_rules_of(
    ignore: &Ignore,
    dir: &DirRef,
    path: &RepoPath,
    names: Option<&[(Vec<u8>, io::Result<Stat>)]>,
) -> Ignore {
    let mut ignore = ignore.clone();
    for file in ignore.rule_files() {
        let is_there = names
            .is_none_or(|names| names.binary_search_by(|(name, _)| name[..].cmp(file)).is_ok());
        // Rules that cannot be read are no rules: the file itself is reported when it is read.
        if is_there && let Ok(text) = read_all(&**dir, file, LONGEST_RULE_FILE) {
            ignore = ignore.with_rules(path, &text, |_| {});
        }
    }
    ignore
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Scan<'_> {
    fn work(&self) -> Summary {
        let mut summary = Summary::default();
        loop {
            let task = {
                let mut queue = locked(&self.queue);
                loop {
                    if queue.failed.is_some() {
                        return summary;
                    }
                    if let Some(task) = queue.tasks.pop() {
                        queue.busy += 1;
                        break task;
                    }
                    if queue.busy == 0 {
                        return summary;
                    }
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let below = self.look(task, &mut summary);
            let mut queue = locked(&self.queue);
            queue.busy -= 1;
            match below {
                Ok(below) => queue.tasks.extend(below.into_iter().rev()),
                Err(error) => {
                    queue.failed.get_or_insert(error);
                }
            }
            self.wake.notify_all();
        }
    }

    /// Looks at one directory; returns those in it that are to be looked at.
    fn look(&self, task: Task, summary: &mut Summary) -> Result<Vec<Task>, Error> {
        let request = self.request;
        let opened = match &task.parent {
            Parent::Open(dir) => Ok(dir.clone()),
            Parent::Below(dir, name) => dir.dir(name),
        };
        let dir = match opened {
            Ok(dir) => dir,
            // Gone since it was listed: the next scan tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                summary.unreadable.push((task.path, error));
                return Ok(Vec::new());
            }
        };
        let mut listed = match &task.only {
            Some(names) => names
                .iter()
                .filter_map(|name| match dir.stat(name) {
                    Err(error) if is_gone(&error) => None,
                    stat => Some((name.clone(), stat)),
                })
                .collect(),
            None => match dir.scan() {
                Ok(listed) => listed,
                Err(error) => {
                    summary.unreadable.push((task.path, error));
                    return Ok(Vec::new());
                }
            },
        };
        listed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        summary.directories += 1;
        summary.files += listed.len() as u64;
        self.monitor.advance(listed.len() as u64, 0);
        let is_nested = |name: &[u8]| name == path::STATE && !task.path.is_root();
        if task.only.is_none() && listed.iter().any(|(name, _)| is_nested(name)) {
            summary.nested.push(task.path.clone());
            if request.nested == Nested::Skip {
                return Ok(Vec::new());
            }
        }
        let names = task.only.is_none().then_some(&listed[..]);
        let ignore = with_rules_of(&task.ignore, &dir, &task.path, names);
        let mut found = DirectoryFound {
            dir: &dir,
            path: &task.path,
            partial: task.only.is_some() || !task.whole,
            changes: Vec::new(),
            directories: Vec::new(),
            refreshed: Vec::new(),
            ignored: Vec::new(),
        };
        let mut asked =
            Asked { scan: self, task: &task, ignore: &ignore, found: &mut found, summary };
        asked.compare(listed)?;
        let below = found
            .directories
            .iter()
            .filter(|sub| sub.descend)
            .map(|sub| {
                let path = task.path.join(&sub.name);
                Task {
                    parent: Parent::Below(dir.clone(), sub.name.clone()),
                    whole: task.whole || request.pathspec.matches(&path),
                    path,
                    ignore: ignore.clone(),
                    only: None,
                }
            })
            .collect();
        self.visitor.directory(found);
        Ok(below)
    }
}

/// One directory being compared.
struct Asked<'a, 'f> {
    scan: &'a Scan<'a>,
    task: &'a Task,
    ignore: &'a Ignore,
    found: &'a mut DirectoryFound<'f>,
    summary: &'a mut Summary,
}

impl Asked<'_, '_> {
    /// Goes through what is there and what the index says, both sorted by name.
    fn compare(&mut self, listed: Vec<(Vec<u8>, io::Result<Stat>)>) -> Result<(), Error> {
        let index = self.scan.request.index;
        if let Some(names) = &self.task.only {
            for name in names {
                let known = index.get(&self.task.path.join(name))?;
                let stat = listed.iter().find(|(listed, _)| listed == name);
                match (stat, known) {
                    (Some((_, Ok(stat))), Some(known)) => {
                        let volume = self.scan.request.volume;
                        let matches = matches(&known, stat, volume);
                        self.both(name, stat, matches, || known.clone());
                    }
                    (Some((_, Ok(stat))), None) => self.only_there(name, stat),
                    (Some((_, Err(error))), _) => {
                        let error = io::Error::new(error.kind(), error.to_string());
                        self.summary.unreadable.push((self.task.path.join(name), error));
                    }
                    (None, Some(known)) => self.only_known(&known),
                    (None, None) => {}
                }
            }
            return Ok(());
        }
        let view = index.directory(&self.task.path)?;
        let mut rows = view.as_ref().map(|view| view.iter()).into_iter().flatten().peekable();
        for (name, stat) in listed {
            while let Some(row) = rows.next_if(|row| *row.name() < name[..]) {
                self.only_known_row(&row);
            }
            let row = rows.next_if(|row| *row.name() == name[..]);
            let stat = match stat {
                Ok(stat) => stat,
                Err(error) => {
                    if path::check_name(&name).is_ok() {
                        self.summary.unreadable.push((self.task.path.join(&name), error));
                    }
                    continue;
                }
            };
            match row {
                Some(row) => {
                    let volume = self.scan.request.volume;
                    // Almost every file ends here.
                    if row.is_certainly_unchanged(&stat, volume) && row.presence() == Presence::Here
                    {
                        continue;
                    }
                    let matches = row.matches(&stat, volume);
                    self.both(&name, &stat, matches, || row.tracked());
                }
                None => self.only_there(&name, &stat),
            }
        }
        for row in rows {
            self.only_known_row(&row);
        }
        Ok(())
    }

    fn is_meant(&self, name: &[u8]) -> bool {
        self.task.whole || self.scan.request.pathspec.matches(&self.task.path.join(name))
    }

    fn may_descend(&self, name: &[u8]) -> bool {
        self.task.whole || self.scan.request.pathspec.may_match_below(&self.task.path.join(name))
    }

    fn only_known_row(&mut self, row: &Row<'_>) {
        if row.presence() == Presence::Here {
            self.only_known(&row.tracked());
        }
    }

    /// The index knows it and it is not there. Only what was brought here can have been deleted.
    fn only_known(&mut self, known: &Tracked) {
        if known.presence != Presence::Here
            || matches!(known.what, Known::Other(_))
            || !self.is_meant(&known.name)
        {
            return;
        }
        self.found.changes.push(Change {
            name: known.name.clone(),
            kind: ChangeKind::Deleted,
            stat: None,
            tracked: Some(known.clone()),
        });
    }

    /// It is there and the index does not know it.
    fn only_there(&mut self, name: &[u8], stat: &Stat) {
        let request = self.scan.request;
        if name == path::STATE || path::is_temporary(name) {
            return;
        }
        if request.untracked == Untracked::No {
            return;
        }
        let is_directory = stat.kind == FileKind::Directory;
        if !self.is_meant(name) && !(is_directory && self.may_descend(name)) {
            return;
        }
        if let Err(error) = path::check_name(name) {
            let shown = format!("{}/{}", self.task.path, path::quoted(name));
            self.summary.refused.push((shown.trim_start_matches('/').to_owned(), error));
            return;
        }
        if !self.ignore.is_empty()
            && self.ignore.is_ignored(&self.task.path.join(name), is_directory)
        {
            if request.tell_ignored {
                let mut shown = name.to_vec();
                if is_directory {
                    shown.push(b'/');
                }
                self.found.ignored.push(shown);
            }
            return;
        }
        match stat.kind {
            FileKind::Directory => self.found.directories.push(Subdirectory {
                name: name.to_vec(),
                stat: *stat,
                tracked: None,
                descend: request.untracked == Untracked::All,
            }),
            FileKind::Special => self.summary.special.push(self.task.path.join(name)),
            FileKind::File | FileKind::Symlink => self.found.changes.push(Change {
                name: name.to_vec(),
                kind: ChangeKind::Added,
                stat: Some(*stat),
                tracked: None,
            }),
        }
    }

    /// It is there and the index knows it.
    fn both(
        &mut self,
        name: &[u8],
        stat: &Stat,
        matches: Matches,
        tracked: impl FnOnce() -> Tracked,
    ) {
        let is_directory = stat.kind == FileKind::Directory;
        if !self.is_meant(name) && !(is_directory && self.may_descend(name)) {
            return;
        }
        let known = tracked();
        if is_directory {
            let was_directory = matches!(known.what, Known::Directory);
            if !was_directory && self.is_meant(name) {
                self.push(name, ChangeKind::Deleted, None, known.clone());
            }
            self.found.directories.push(Subdirectory {
                name: name.to_vec(),
                stat: *stat,
                tracked: was_directory.then_some(known),
                descend: true,
            });
            return;
        }
        let volume = self.scan.request.volume;
        let kind_known = match known.what {
            Known::File { .. } => Some(FileKind::File),
            Known::Symlink { .. } => Some(FileKind::Symlink),
            Known::Directory => Some(FileKind::Directory),
            Known::Other(_) => None,
        };
        if stat.kind == FileKind::Special {
            self.summary.special.push(self.task.path.join(name));
            return;
        }
        // A link that this file system could not hold and stands here as a file is not a change.
        if known.presence == Presence::NotRepresentable {
            return;
        }
        if kind_known != Some(stat.kind) {
            self.push(name, ChangeKind::TypeChanged, Some(*stat), known);
            return;
        }
        let mode_differs =
            volume.exec_bits && stat.kind == FileKind::File && stat.mode != known.mode;
        match matches {
            Matches::Content => self.push(name, ChangeKind::Unsure, Some(*stat), known),
            _ if mode_differs => self.push(name, ChangeKind::ModeOnly, Some(*stat), known),
            Matches::Same => {}
            Matches::MetadataOnly => {
                let mut row = known;
                row.seen = row.seen.map(|seen| Seen {
                    mtime: stat.mtime,
                    ctime: stat.ctime,
                    inode: stat.inode,
                    mode: stat.mode,
                    ..seen
                });
                self.found.refreshed.push((name.to_vec(), row));
            }
        }
    }

    fn push(&mut self, name: &[u8], kind: ChangeKind, stat: Option<Stat>, known: Tracked) {
        let change = Change { name: name.to_vec(), kind, stat, tracked: Some(known) };
        self.found.changes.push(change);
    }
}

fn matches(known: &Tracked, stat: &Stat, volume: &Volume) -> Matches {
    match &known.seen {
        Some(seen) => seen.matches(stat, volume),
        None => Matches::Content,
    }
}

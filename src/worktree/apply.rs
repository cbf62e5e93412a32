//! Changing the working tree from what one tree says to what another says.
//!
//! Small new files are written in place, large ones and what replaces others beside and renamed. Nothing is synced
//! here: who calls has announced the change and marks what was written as not yet durable. Every
//! directory is opened one name at a time without following symbolic links, so nothing is ever
//! written outside the working tree, whatever a tree says.
//!
//! What the file system cannot hold is not written: names and links it does not have, and names it
//! takes for that of something else that stays or came first. Their rows say so, and what stands in
//! the place is neither replaced nor removed in their name.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::Random;
use crate::diff;
use crate::disk::{self, Dir, DirRef, FileKind, FileRef, Stat};
use crate::hash::{Id, Kind, hex};
use crate::index::{Index, Presence, Seen, Tracked, Volume};
use crate::object::{Entry, Source, What};
use crate::path::{self, Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::store::{Error as StoreError, Store, read_content, read_small};

use super::spelling::Spellings;

/// What becomes of one path.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub path: RepoPath,
    /// What the tree before says of it.
    pub old: Option<Entry>,
    /// What the tree after says of it.
    pub new: Option<Entry>,
}

impl Step {
    /// Whether a directory was there.
    pub fn was_directory(&self) -> bool {
        self.old.as_ref().is_some_and(Entry::is_directory)
    }

    /// Whether a directory is to be there.
    pub fn will_be_directory(&self) -> bool {
        self.new.as_ref().is_some_and(Entry::is_directory)
    }
}

/// What goes from one tree to another, where the paths are meant. A tree that is `None` is empty.
pub fn steps_between<S: Source<Error = StoreError>>(
    source: &S,
    from: Option<&Id>,
    to: Option<&Id>,
    pathspec: &Pathspec,
) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    diff::entries::<_, StoreError>(source, from, to, pathspec, &mut |change| {
        steps.push(Step { path: change.path, old: change.old, new: change.new });
        Ok(())
    })?;
    Ok(steps)
}

/// A path that could not be changed, and why.
#[derive(Debug)]
pub struct Failed {
    /// Which.
    pub path: RepoPath,
    /// Why.
    pub error: io::Error,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the index should say of each path now; `None` removes it.
    pub rows: Vec<(RepoPath, Option<Tracked>)>,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
}

/// What becomes of what is not recorded and stands where something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacles {
    /// It stays, and what was to be there is not written.
    Keep,
    /// It is removed: of a directory everything that is in it, unless a repository is.
    Remove,
}

/// Where and how to write.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The root of the working tree.
    pub root: &'a DirRef,
    /// What its file system can express.
    pub volume: &'a Volume,
    /// What is known to be in it.
    pub index: &'a Index,
    /// Paths that no step names and that are as they should be, whatever the index says.
    pub settled: &'a BTreeSet<RepoPath>,
    /// What becomes of what stands in the way.
    pub obstacles: Obstacles,
    /// Where content comes from.
    pub store: &'a Store,
    /// Makes temporary names.
    pub random: &'a dyn Random,
    /// Is told.
    pub monitor: &'a dyn Monitor,
}

/// Changes the working tree. Steps are sorted by path. The caller has made sure that nothing
/// unsaved stands in the way.
pub fn apply(target: Target<'_>, steps: &[Step]) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let mut names = Names {
        target,
        steps,
        spellings: Spellings::new(target.root.clone(), target.volume),
        held_back: HashSet::new(),
        failed: HashSet::new(),
    };
    remove(&mut names, &mut applied);
    names.spellings.forget();
    names.failed = applied.failed.iter().map(|failed| failed.path.clone()).collect();
    make_directories(&mut names, &mut applied);
    write_files(&mut names, &mut applied)?;
    finish_directories(target, steps, &mut applied);
    applied.tell_failed(steps);
    applied.rows.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(applied)
}

/// Whose the names are.
struct Names<'a> {
    target: Target<'a>,
    steps: &'a [Step],
    spellings: Spellings,
    /// Directories that were not made because the file system cannot hold them.
    held_back: HashSet<RepoPath>,
    /// Paths that should have been removed and could not be.
    failed: HashSet<RepoPath>,
}

impl Names<'_> {
    fn step(&self, path: &RepoPath) -> Option<&Step> {
        let found = self.steps.binary_search_by(|step| step.path.cmp(path));
        found.ok().map(|at| &self.steps[at])
    }

    /// Whether something that no step names stands at a path or is to stand there.
    fn is_known(&self, path: &RepoPath) -> io::Result<bool> {
        if self.target.settled.contains(path) {
            return Ok(true);
        }
        let row = self.target.index.get(path).map_err(io::Error::other)?;
        Ok(row.is_some_and(|row| row.presence == Presence::Here))
    }

    /// Whether what stands where a path would be is another's, that is there before the change.
    fn was_anothers(&mut self, path: &RepoPath) -> io::Result<bool> {
        let mut spellings = self.take_spellings();
        let taken = spellings.taken_by(path, &mut |other| match self.step(other) {
            Some(_) => Ok::<_, io::Error>(true),
            None => self.is_known(other),
        });
        self.spellings = spellings;
        Ok(taken?.is_some())
    }

    /// Whether the file system has no place for a path: it cannot have that name, or something that
    /// stays or came first has it under another spelling.
    fn has_no_place(&mut self, path: &RepoPath, new: &Entry) -> io::Result<bool> {
        let Some((parent, name)) = path.split() else { return Ok(false) };
        if !self.held_back.is_empty() {
            let mut above = parent;
            loop {
                if self.held_back.contains(&above) {
                    return Ok(true);
                }
                let Some((next, _)) = above.split() else { break };
                above = next;
            }
        }
        let volume = self.target.volume;
        let is_link = matches!(new.what, What::Symlink { .. });
        if !volume.can_hold(name) || (is_link && !volume.symlinks) {
            return Ok(true);
        }
        let mut spellings = self.take_spellings();
        let taken = spellings.taken_by(path, &mut |other| match self.step(other) {
            Some(step) => Ok::<_, io::Error>(step.new.is_some() || self.failed.contains(other)),
            None => self.is_known(other),
        });
        self.spellings = spellings;
        Ok(taken?.is_some())
    }

    fn take_spellings(&mut self) -> Spellings {
        let other = Spellings::new(self.target.root.clone(), &Volume::default());
        std::mem::replace(&mut self.spellings, other)
    }
}

impl Applied {
    /// Nothing is known of the file where a path could not be changed: what was known of it before
    /// would be taken for what the tree after says.
    fn tell_failed(&mut self, steps: &[Step]) {
        let failed: BTreeSet<&RepoPath> = self.failed.iter().map(|failed| &failed.path).collect();
        self.rows.retain(|(path, _)| !failed.contains(path));
        let rows = failed.into_iter().filter_map(|path| {
            let at = steps.binary_search_by(|step| step.path.cmp(path)).ok()?;
            Some((path.clone(), steps[at].new.as_ref().map(Tracked::of_entry)))
        });
        self.rows.extend(rows);
    }

    /// A path the file system cannot hold stays in the index, as not there.
    fn hold_back(&mut self, path: &RepoPath, new: &Entry) {
        self.not_representable.push(path.clone());
        let mut row = Tracked::of_entry(new);
        row.presence = Presence::NotRepresentable;
        self.rows.push((path.clone(), Some(row)));
    }
}

/// Removes what is not there any more or becomes something of another kind. Deepest first, so that
/// directories are empty when their turn comes; one that is not (files of the user's) stays.
fn remove(names: &mut Names<'_>, applied: &mut Applied) {
    let mut dirs = Walker::new(names.target.root.clone());
    for step in names.steps.iter().rev() {
        let Some(old) = &step.old else { continue };
        let goes = match &step.new {
            None => true,
            // A conflict that is not shown is no file: what stood there, the text of another one
            // perhaps, would be taken for how it was settled.
            Some(Entry { what: What::Conflict { .. }, .. }) => true,
            Some(new) => old.is_directory() != new.is_directory(),
        };
        if !goes {
            continue;
        }
        let Some((parent, name)) = step.path.split() else { continue };
        let removed = names.was_anothers(&step.path).and_then(|is_anothers| {
            if is_anothers {
                return Err(io::ErrorKind::NotFound.into());
            }
            let dir = dirs.open(&parent)?;
            if old.is_directory() { dir.remove_dir(name) } else { dir.remove_file(name) }
        });
        match removed {
            Ok(()) => applied.removed += u64::from(!old.is_directory()),
            Err(error) if disk::is_nothing(&error) => {}
            Err(error) => match error.kind() {
                // What there is is a directory of the user's: the file is gone.
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::IsADirectory => {}
                _ => {
                    applied.failed.push(Failed { path: step.path.clone(), error });
                    continue;
                }
            },
        }
        if step.new.is_none() {
            applied.rows.push((step.path.clone(), None));
        }
    }
}

fn make_directories(names: &mut Names<'_>, applied: &mut Applied) {
    let mut dirs = Walker::new(names.target.root.clone());
    for step in names.steps {
        let Some(new) = step.new.as_ref().filter(|new| new.is_directory()) else { continue };
        match names.has_no_place(&step.path, new) {
            Ok(true) => {
                applied.hold_back(&step.path, new);
                names.held_back.insert(step.path.clone());
                continue;
            }
            Ok(false) if step.was_directory() => continue,
            Ok(false) => {}
            Err(error) => {
                applied.failed.push(Failed { path: step.path.clone(), error });
                continue;
            }
        }
        let Some((parent, name)) = step.path.split() else { continue };
        let made = dirs.open(&parent).and_then(|dir| match dir.make_dir(name, 0o777) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match dir.stat(name)?.kind {
                    FileKind::Directory => Ok(()),
                    _ if names.target.obstacles == Obstacles::Remove => {
                        dir.remove_file(name)?;
                        dir.make_dir(name, 0o777)
                    }
                    _ => Err(error),
                }
            }
            made => {
                made?;
                names.spellings.made(&step.path, &dir.stat(name)?);
                Ok(())
            }
        });
        if let Err(error) = made {
            applied.failed.push(Failed { path: step.path.clone(), error });
        }
    }
}

/// Modes and times of directories come last: writing into them would change the times.
fn finish_directories(target: Target<'_>, steps: &[Step], applied: &mut Applied) {
    let mut dirs = Walker::new(target.root.clone());
    let failed = applied.failed.iter().map(|failed| &failed.path);
    let left_out: BTreeSet<RepoPath> = failed.chain(&applied.not_representable).cloned().collect();
    for step in steps.iter().rev() {
        let Some(new) = step.new.as_ref().filter(|new| new.is_directory()) else { continue };
        let Some((parent, name)) = step.path.split() else { continue };
        if left_out.contains(&step.path) {
            continue;
        }
        let set = dirs.open(&parent).and_then(|dir| {
            if target.volume.exec_bits && dir.stat(name)?.mode != new.mode {
                dir.set_mode(name, new.mode)?;
            }
            new.mtime.map_or(Ok(()), |mtime| dir.set_mtime(name, mtime))
        });
        if let Err(error) = set {
            applied.failed.push(Failed { path: step.path.clone(), error });
        }
        applied.rows.push((step.path.clone(), Some(Tracked::of_entry(new))));
    }
}

/// What one thread takes at a time: neighbours share frames, but a few large files are shared out.
const GROUP: usize = 64;

fn write_files(names: &mut Names<'_>, applied: &mut Applied) -> Result<(), StoreError> {
    let target = names.target;
    let steps = names.steps.iter();
    let is_file = |step: &&Step| step.new.as_ref().is_some_and(|new| !new.is_directory());
    if !target.volume.tells_names_apart() {
        return write_in_turn(names, steps.filter(is_file), applied);
    }
    let mut files: Vec<&Step> = Vec::new();
    for step in steps.filter(is_file) {
        if has_place(names, step, applied) {
            files.push(step);
        }
    }
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let outcome = Mutex::new((std::mem::take(applied), None::<StoreError>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let group = (files.len() / (threads * 8)).clamp(1, GROUP);
    let work = || {
        let mut dirs = Walker::new(target.root.clone());
        let mut mine = Applied::default();
        while !stop.load(Ordering::Relaxed) {
            let start = next.fetch_add(group, Ordering::Relaxed);
            if start >= files.len() {
                break;
            }
            for step in &files[start..files.len().min(start + group)] {
                match write_one(target, &mut dirs, step, &mut mine) {
                    Ok(()) => {}
                    Err(Failure::Io(error)) => {
                        mine.failed.push(Failed { path: step.path.clone(), error });
                    }
                    Err(Failure::Store(error)) => {
                        stop.store(true, Ordering::Relaxed);
                        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                        outcome.1.get_or_insert(error);
                        break;
                    }
                }
            }
        }
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.0.take(mine);
    };
    if files.len() < 2 || threads == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 1..threads.min(files.len()) {
                scope.spawn(work);
            }
            work();
        });
    }
    let (all, error) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    *applied = all;
    error.map_or(Ok(()), Err)
}

/// Whether there is a place for a file; if not, this says so.
fn has_place(names: &mut Names<'_>, step: &Step, applied: &mut Applied) -> bool {
    let Some(new) = &step.new else { return false };
    match names.has_no_place(&step.path, new) {
        Ok(false) => return true,
        Ok(true) => applied.hold_back(&step.path, new),
        Err(error) => applied.failed.push(Failed { path: step.path.clone(), error }),
    }
    false
}

/// Where a name may be another's, whether there is a place for a file depends on those before it.
fn write_in_turn<'a>(
    names: &mut Names<'_>,
    files: impl Iterator<Item = &'a Step>,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let target = names.target;
    let mut dirs = Walker::new(target.root.clone());
    for step in files {
        if !has_place(names, step, applied) {
            continue;
        }
        match write_one(target, &mut dirs, step, applied) {
            Ok(()) => {}
            Err(Failure::Io(error)) => {
                applied.failed.push(Failed { path: step.path.clone(), error });
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        let Some((parent, name)) = step.path.split() else { continue };
        if let Ok(stat) = dirs.open(&parent).and_then(|dir| dir.stat(name)) {
            names.spellings.made(&step.path, &stat);
        }
    }
    Ok(())
}

impl Applied {
    fn take(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.failed.extend(other.failed);
        self.not_representable.extend(other.not_representable);
        self.files += other.files;
        self.bytes += other.bytes;
        self.removed += other.removed;
    }
}

enum Failure {
    Io(io::Error),
    Store(StoreError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn write_one(
    target: Target<'_>,
    dirs: &mut Walker,
    step: &Step,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let Some(new) = &step.new else { return Ok(()) };
    let Some((parent, name)) = step.path.split() else { return Ok(()) };
    // The third gate: whatever let this name in, it does not get out.
    path::check_name(name)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    target.monitor.at(&step.path);
    let dir = dirs.open(&parent)?;
    let only_times = step.old.as_ref().is_some_and(|old| old.what == new.what);
    if only_times && let Ok(stat) = dir.stat(name) {
        return touch(target, &*dir, name, new, &stat, step, applied);
    }
    let stat = match &new.what {
        What::File { size, content } => {
            let file = write_file(target, &*dir, name, new, *size, content)?;
            applied.files += 1;
            applied.bytes += *size;
            target.monitor.advance(1, *size);
            file
        }
        What::Symlink { size, target: link } => {
            let pointed = read_small(target.store, *size, link)?;
            write_link(target, &*dir, name, &pointed)?;
            if let Some(mtime) = new.mtime {
                dir.set_mtime(name, mtime)?;
            }
            applied.files += 1;
            target.monitor.advance(1, *size);
            dir.stat(name)?
        }
        // Not something a file system holds by this profile: the index keeps it.
        What::Special | What::Conflict { .. } | What::Gitlink { .. } | What::Directory { .. } => {
            if matches!(new.what, What::Conflict { .. }) {
                target.monitor.notice(&format!(
                    "the conflict '{}' is not shown: a version is not here, or none has a place \
                     in a working tree",
                    step.path
                ));
            }
            let mut row = Tracked::of_entry(new);
            row.presence = Presence::NotBrought;
            applied.rows.push((step.path.clone(), Some(row)));
            return Ok(());
        }
    };
    push_row(target, new, &stat, step, applied);
    Ok(())
}

fn push_row(target: Target<'_>, new: &Entry, stat: &Stat, step: &Step, applied: &mut Applied) {
    let mut row = Tracked::of_entry(new);
    // We wrote it ourselves, just now: nobody has changed it within one step of the clock, or the
    // change shows in the change time.
    row.seen = Some(Seen { racy: false, ..Seen::of(stat, stat.ctime, target.volume) });
    row.unsynced = true;
    applied.rows.push((step.path.clone(), Some(row)));
}

fn touch(
    target: Target<'_>,
    dir: &dyn Dir,
    name: &[u8],
    new: &Entry,
    stat: &Stat,
    step: &Step,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let is_file = matches!(new.what, What::File { .. });
    if is_file && target.volume.exec_bits && stat.mode != new.mode {
        dir.set_mode(name, new.mode)?;
    }
    if let Some(mtime) = new.mtime {
        dir.set_mtime(name, mtime)?;
    }
    let stat = dir.stat(name)?;
    push_row(target, new, &stat, step, applied);
    Ok(())
}

fn beside(random: &dyn Random) -> Vec<u8> {
    [path::TEMPORARY, hex(&random.four()).as_bytes()].concat()
}

fn write_file(
    target: Target<'_>,
    dir: &dyn Dir,
    name: &[u8],
    new: &Entry,
    size: u64,
    content: &crate::hash::Id,
) -> Result<Stat, Failure> {
    // What takes long to write appears under its name when it is complete.
    let created = match size <= IN_PLACE {
        true => dir.create(name, new.mode),
        false => Err(io::ErrorKind::AlreadyExists.into()),
    };
    match created {
        Ok(file) => {
            let filled = fill(target, &file, new, size, content);
            if filled.is_err() {
                // A file we began and cannot finish is not left for somebody to take for real.
                let _ = dir.remove_file(name);
            }
            filled
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let temporary = beside(target.random);
            let file = dir.create(&temporary, new.mode)?;
            let filled = fill(target, &file, new, size, content).and_then(|stat| {
                replace(target, dir, &temporary, name)?;
                Ok(stat)
            });
            if filled.is_err() {
                let _ = dir.remove_file(&temporary);
            }
            // Renaming moves the change time.
            filled.and_then(|_| Ok(dir.stat(name)?))
        }
        Err(error) => Err(error.into()),
    }
}

fn fill(
    target: Target<'_>,
    file: &FileRef,
    new: &Entry,
    size: u64,
    content: &crate::hash::Id,
) -> Result<Stat, Failure> {
    let mut offset = 0;
    let mut ends_in_hole = false;
    read_content(target.store, size, content, |piece| {
        // Long runs of zeros become holes again.
        ends_in_hole = piece.len() >= HOLE && piece.iter().all(|&byte| byte == 0);
        if !ends_in_hole {
            file.write_at(&piece, offset)?;
        }
        offset += piece.len() as u64;
        Ok::<_, Failure>(())
    })?;
    if ends_in_hole {
        file.set_len(offset)?;
    }
    if offset != size {
        let id = *content;
        return Err(StoreError::Missing { kind: Kind::Manifest, id }.into());
    }
    if let Some(mtime) = new.mtime {
        file.set_mtime(mtime)?;
    }
    let stat = file.stat()?;
    if target.volume.exec_bits && stat.mode != new.mode {
        file.set_mode(new.mode)?;
        return Ok(file.stat()?);
    }
    Ok(stat)
}

/// Files up to this size are created under their names where nothing stands: much faster with many
/// small ones. If that is cut off, the note of the change tells that the file is torn.
const IN_PLACE: u64 = 64 * 1024;

/// Chunks of zeros at least this long are not written but left out.
const HOLE: usize = 64 * 1024;

fn write_link(
    target: Target<'_>,
    dir: &dyn Dir,
    name: &[u8],
    pointed: &[u8],
) -> Result<(), Failure> {
    match dir.make_symlink(pointed, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let temporary = beside(target.random);
            dir.make_symlink(pointed, &temporary)?;
            let replaced = replace(target, dir, &temporary, name);
            if replaced.is_err() {
                let _ = dir.remove_file(&temporary);
            }
            Ok(replaced?)
        }
        made => Ok(made?),
    }
}

/// Puts what was written beside in its place, where a directory may stand.
fn replace(target: Target<'_>, dir: &dyn Dir, temporary: &[u8], name: &[u8]) -> io::Result<()> {
    match dir.rename(temporary, dir, name) {
        Err(error)
            if error.kind() == io::ErrorKind::IsADirectory
                && target.obstacles == Obstacles::Remove =>
        {
            if holds_repository(&*dir.dir(name)?)? {
                return Err(error);
            }
            empty(&*dir.dir(name)?)?;
            dir.remove_dir(name)?;
            dir.rename(temporary, dir, name)
        }
        renamed => renamed,
    }
}

/// Whether what has this name makes the directory it is in a repository.
pub(crate) fn is_of_repository(name: &[u8]) -> bool {
    name == b".git" || path::check_name(name).is_err()
}

/// Whether a directory is a repository, or one below it is. Its history is recorded nowhere else.
pub(crate) fn holds_repository(dir: &dyn Dir) -> io::Result<bool> {
    for found in dir.list()? {
        if is_of_repository(&found.name) {
            return Ok(true);
        }
        if is_dir(dir, &found)? && holds_repository(&*dir.dir(&found.name)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_dir(dir: &dyn Dir, found: &disk::Found) -> io::Result<bool> {
    let kind = found.kind.map_or_else(|| Ok(dir.stat(&found.name)?.kind), Ok::<_, io::Error>)?;
    Ok(kind == FileKind::Directory)
}

/// Removes all that is in a directory.
fn empty(dir: &dyn Dir) -> io::Result<()> {
    for found in dir.list()? {
        if is_dir(dir, &found)? {
            empty(&*dir.dir(&found.name)?)?;
            dir.remove_dir(&found.name)?;
        } else {
            dir.remove_file(&found.name)?;
        }
    }
    Ok(())
}

/// Opens directories of the working tree one name at a time, keeping the way to the last one.
#[derive(Debug)]
pub struct Walker {
    root: DirRef,
    way: Vec<(Vec<u8>, DirRef)>,
}

impl Walker {
    /// Begins at the root.
    pub fn new(root: DirRef) -> Self {
        Self { root, way: Vec::new() }
    }

    /// Opens a directory. A symbolic link on the way is an error: nothing is reached through one.
    pub fn open(&mut self, path: &RepoPath) -> io::Result<DirRef> {
        let same =
            path.parts().zip(&self.way).take_while(|(part, (name, _))| *part == &name[..]).count();
        self.way.truncate(same);
        for part in path.parts().skip(same) {
            let dir = self.way.last().map_or(&self.root, |(_, dir)| dir).dir(part)?;
            self.way.push((part.to_vec(), dir));
        }
        Ok(self.way.last().map_or(&self.root, |(_, dir)| dir).clone())
    }
}

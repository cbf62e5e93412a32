//! Finishing what a command that died had begun.
//!
//! Each path is looked at, and what is neither as before, nor as it should be, nor torn, nor what
//! the command was told to throw away, is the user's and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::super::{Error, kept, restore};
use super::note::{FILE, Pending, PendingRef, Stamp, is_pending, read_note, remove_note};
use super::plan::{apply, lock, settle, taken};
use crate::disk::{self, Dir, FileKind};
use crate::hash::{Id, Kind, hex};
use crate::index::{Presence, Tracked};
use crate::object::{Entry, Manifest, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Repository, Rules, Working};
use crate::store::{Error as StoreError, Publication, RefEdit, content_kind};
use crate::worktree::record::hash_file;
use crate::worktree::{Applied, Failed, Obstacles, Step, Walker};
use crate::worktree::{holds_repository, read_content, steps_between};

/// Finishes what a command that died had begun. If it still lives, says so.
pub(in crate::ops) fn finish_interrupted(
    repo: &Repository,
    actor: &Person,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    if repo.is_bare() || !is_pending(repo) {
        return Ok(());
    }
    let _lock = lock(repo)?;
    let Some(pending) = read_note(repo)? else { return Ok(()) };
    // Whoever left it may have died before it was durable; from here on it must not be lost.
    repo.store().dir().sync().map_err(StoreError::io("sync", FILE))?;
    monitor.notice(&format!("finishing an interrupted '{}'", pending.verb));
    let mut working = repo.working(&Rules::default(), monitor)?;
    let paths: Vec<RepoPath> =
        pending.paths.iter().filter_map(|path| RepoPath::new(path.clone()).ok()).collect();
    let pathspec = if paths.is_empty() { Pathspec::all() } else { Pathspec::of_paths(paths) };
    // Where something may have been written beside its place, whatever has become of it.
    let given = pending.paths.iter().filter_map(|path| RepoPath::new(path.clone()).ok());
    let mut parents: BTreeSet<RepoPath> =
        given.filter_map(|path| path.split().map(|(parent, _)| parent)).collect();
    let from = if pending.adopts { pending.from } else { None };
    let mut all = steps_between(repo.store(), from.as_ref(), pending.to.as_ref(), &pathspec)?;
    let stamps = add_overwritten(repo, &pending, &mut all)?;
    let same_boot = pending.boot.is_some() && pending.boot == repo.disk().boot_id();
    let mut failed = clear(&working, pending.to.as_ref(), &stamps, same_boot)?;
    parents.extend(all.iter().filter_map(|step| step.path.split().map(|(parent, _)| parent)));
    let mut steps = Vec::new();
    let mut rows: Vec<(RepoPath, Option<Tracked>)> = Vec::new();
    // What is as it should be keeps its place from what the file system takes for the same.
    let mut settled = BTreeSet::new();
    let tells_names_apart = working.volume.tells_names_apart();
    let taken = taken(&working, &all)?;
    let mut finder =
        Finder { working: &working, walker: Walker::new(working.tree.root.clone()), same_boot };
    for (at, step) in all.into_iter().enumerate() {
        let found = match taken.contains(&at) {
            true if step.new.is_some() => Found::Write,
            true => Found::Done,
            false => finder.look(&step, stamps.get(&step.path))?,
        };
        if !tells_names_apart && step.new.is_some() && matches!(found, Found::Done | Found::Users) {
            settled.insert(step.path.clone());
        }
        match found {
            Found::Change => steps.push(step),
            Found::Write => steps.push(Step { old: None, ..step }),
            Found::Done => rows.extend(finder.row(&step)?),
            Found::Users => {
                rows.push((step.path, step.new.as_ref().map(Tracked::of_entry)));
            }
            Found::Closed(error) => {
                rows.push((step.path.clone(), step.new.as_ref().map(Tracked::of_entry)));
                failed.push(Failed { path: step.path, error });
            }
        }
    }
    restore::with_parents(&working, pending.to.as_ref(), &mut steps)?;
    remove_leftovers(&working, &parents);
    monitor.begin(Stage::Writing, Some(steps.len() as u64), None);
    let mut applied = apply(&working, &steps, &settled, Obstacles::Keep, monitor)?;
    applied.failed.append(&mut failed);
    applied.failed.sort_by(|a, b| a.path.cmp(&b.path));
    applied.failed.dedup_by(|a, b| a.path == b.path);
    tell_failed(&applied, monitor);
    applied.rows.extend(rows);
    applied.rows.sort_by(|a, b| a.0.cmp(&b.0));
    applied.rows.dedup_by(|a, b| a.0 == b.0);
    settle(&mut working, &pending, &mut applied)?;
    let edits: Vec<RefEdit> = pending.refs.iter().cloned().map(PendingRef::edit).collect();
    let is_due = edits.iter().all(|edit| repo.store().target(&edit.name) == edit.old);
    if is_due && !edits.is_empty() {
        let publication = Publication::new(&pending.verb, &actor.to_actor()).with_refs(edits);
        match repo.store().publish(publication) {
            Ok(_) | Err(StoreError::Moved { .. }) => {}
            // What it was to point to never became durable: then the tree is as the refs say, and
            // what was written shows as changes.
            Err(StoreError::BadTarget { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Without the note nobody makes up for what never became durable.
    working.tree.root.sync_file_system().map_err(StoreError::io("sync", "the working tree"))?;
    remove_note(repo)
}

/// Adds steps for what the command was told to overwrite besides what differs between the trees.
/// Returns what stood there.
fn add_overwritten(
    repo: &Repository,
    pending: &Pending,
    all: &mut Vec<Step>,
) -> Result<BTreeMap<RepoPath, Stamp>, Error> {
    let mut stamps = BTreeMap::new();
    let mut more = Vec::new();
    for one in &pending.overwritten {
        let Ok(path) = RepoPath::new(one.path.clone()) else { continue };
        if let Some(was) = one.was {
            stamps.insert(path.clone(), was);
        }
        let new = match &pending.to {
            Some(tree) => crate::repo::find_entry(repo.store(), tree, &path)?,
            None => None,
        };
        if new.is_some() {
            restore::expand(repo.store(), path, new, &mut more)?;
        }
    }
    // Of two steps for one path the one that knows what was there comes first and stays.
    all.append(&mut more);
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all.dedup_by(|b, a| a.path == b.path);
    Ok(stamps)
}

/// Removes what the command was told to throw away where nothing is to be, or something of another
/// kind: what has come to stand there since stays, and the directories it is in.
///
/// Returns what could not be removed. As without an interruption it is told of and left: if it
/// ended the command, every later one would end with it until somebody repaired it by hand.
fn clear(
    working: &Working<'_>,
    goal: Option<&Id>,
    stamps: &BTreeMap<RepoPath, Stamp>,
    same_boot: bool,
) -> Result<Vec<Failed>, Error> {
    let mut failed = Vec::new();
    let spared = repositories(working, goal, stamps, &mut failed)?;
    let mut walker = Walker::new(working.tree.root.clone());
    // Deepest first: a directory is empty when its turn comes.
    for (path, stamp) in stamps.iter().rev() {
        let Some((parent, name)) = path.split() else { continue };
        if spared.iter().any(|directory| path.is_within(directory)) {
            continue;
        }
        let there = walker.open(&parent).and_then(|dir| dir.stat(name).map(|stat| (dir, stat)));
        let (dir, stat) = match there {
            Ok(there) => there,
            Err(error) => {
                if !disk::is_nothing(&error) {
                    failed.push(Failed { path: path.clone(), error });
                }
                continue;
            }
        };
        let new = meant(working, goal, path)?;
        let is_directory = stat.kind == FileKind::Directory;
        let stays = new.is_some_and(|new| new.is_directory() == is_directory);
        if stays || !stamp.is(&stat, same_boot) {
            continue;
        }
        let removed = if is_directory { dir.remove_dir(name) } else { dir.remove_file(name) };
        match removed {
            Err(error) if disk::is_nothing(&error) => {}
            // What is in it came since, or could not be removed.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => failed.push(Failed { path: path.clone(), error }),
            Ok(()) => {}
        }
    }
    Ok(failed)
}

/// The directories where a file is to be that are repositories by now, or have one in them: as
/// without an interruption nothing in them is removed.
fn repositories(
    working: &Working<'_>,
    goal: Option<&Id>,
    stamps: &BTreeMap<RepoPath, Stamp>,
    failed: &mut Vec<Failed>,
) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut spared = Vec::new();
    let mut last: Option<&RepoPath> = None;
    for path in stamps.keys() {
        // The whole of a directory was looked at when its turn came.
        if last.is_some_and(|last| path.is_within(last)) {
            continue;
        }
        let new = meant(working, goal, path)?;
        if new.is_none_or(|new| new.is_directory()) {
            continue;
        }
        let Some((parent, name)) = path.split() else { continue };
        let looked = walker.open(&parent).and_then(|dir| match dir.stat(name)?.kind {
            FileKind::Directory => holds_repository(&*dir.dir(name)?),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        });
        match looked {
            Ok(false) => {}
            Ok(true) => spared.push(path.clone()),
            Err(error) if disk::is_nothing(&error) => continue,
            // Nothing is known of what could not be looked at.
            Err(error) => {
                failed.push(Failed { path: path.clone(), error });
                spared.push(path.clone());
            }
        }
        last = Some(path);
    }
    Ok(spared)
}

/// What is to be at a path.
fn meant(
    working: &Working<'_>,
    goal: Option<&Id>,
    path: &RepoPath,
) -> Result<Option<Entry>, Error> {
    match goal {
        Some(goal) => Ok(crate::repo::find_entry(working.repo.store(), goal, path)?),
        None => Ok(None),
    }
}

/// Says what could not be finished. It shows as changed from now on.
fn tell_failed(applied: &Applied, monitor: &dyn Monitor) {
    const TOLD: usize = 10;
    for failed in applied.failed.iter().take(TOLD) {
        monitor.notice(&format!("'{}' could not be changed: {}", failed.path, failed.error));
    }
    if applied.failed.len() > TOLD {
        monitor.notice(&format!("and {} more", applied.failed.len() - TOLD));
    }
}

/// Removes files that were written beside those they were to replace.
fn remove_leftovers(working: &Working<'_>, parents: &BTreeSet<RepoPath>) {
    let mut walker = Walker::new(working.tree.root.clone());
    for parent in parents {
        let Ok(dir) = walker.open(parent) else { continue };
        for found in dir.list().unwrap_or_default() {
            if crate::path::is_temporary(&found.name) {
                // What stays is passed over by every scan.
                let _ = dir.remove_file(&found.name);
            }
        }
    }
}

/// What became of one path.
enum Found {
    /// It is as it was before.
    Change,
    /// Nothing is there, or what is there is to be replaced.
    Write,
    /// It is as it should be.
    Done,
    /// It is neither: the user's.
    Users,
    /// Nobody may look at it here: it stays, and is told of.
    Closed(io::Error),
}

struct Finder<'a, 'r> {
    working: &'a Working<'r>,
    walker: Walker,
    /// Whether the change began under this boot.
    same_boot: bool,
}

impl Finder<'_, '_> {
    fn look(&mut self, step: &Step, stamp: Option<&Stamp>) -> Result<Found, Error> {
        let Some((parent, name)) = step.path.split() else { return Ok(Found::Done) };
        let there =
            self.walker.open(&parent).and_then(|dir| dir.stat(name).map(|stat| (dir, stat)));
        let (dir, stat) = match there {
            Ok(there) => there,
            Err(error) => {
                return match error.kind() {
                    _ if disk::is_nothing(&error) && step.new.is_some() => Ok(Found::Write),
                    _ if disk::is_nothing(&error) => Ok(Found::Done),
                    io::ErrorKind::PermissionDenied => Ok(Found::Closed(error)),
                    _ => Err(Error::Worktree { path: step.path.clone(), source: error }),
                };
            }
        };
        let known = self.known(step, &*dir, name, &stat);
        if let Ok(Some(found)) = known {
            return Ok(found);
        }
        if stamp.is_some_and(|stamp| stamp.is(&stat, self.same_boot)) {
            // The command was told to throw it away.
            let is_replaced =
                step.new.is_some() && step.was_directory() == step.will_be_directory();
            return Ok(if is_replaced { Found::Write } else { Found::Change });
        }
        if let Err(error) = known {
            return match dir.open(name) {
                Err(closed) if closed.kind() == io::ErrorKind::PermissionDenied => {
                    Ok(Found::Closed(closed))
                }
                _ => Err(error),
            };
        }
        if let Some(new) = &step.new
            && self.is_torn(&*dir, name, &stat, new)?
        {
            self.rescue(&*dir, name)?;
            return Ok(Found::Write);
        }
        Ok(Found::Users)
    }

    /// What became of a path where one of the trees says what is there.
    fn known(
        &self,
        step: &Step,
        dir: &dyn Dir,
        name: &[u8],
        stat: &disk::Stat,
    ) -> Result<Option<Found>, Error> {
        let is = |entry: &Entry| holds(self.working.repo, dir, name, stat, entry);
        if let Some(new) = &step.new
            && is(new)?
        {
            // The content is there; mode and time may not be.
            return Ok(Some(if new.is_directory() { Found::Change } else { Found::Done }));
        }
        match &step.old {
            Some(old) if is(old)? => Ok(Some(Found::Change)),
            _ => Ok(None),
        }
    }

    /// Whether a file is the beginning of what it should be, with zeros where something is
    /// missing: what a power failure leaves of a file that was being written.
    fn is_torn(
        &self,
        dir: &dyn Dir,
        name: &[u8],
        stat: &disk::Stat,
        new: &Entry,
    ) -> Result<bool, Error> {
        let What::File { size, content } = &new.what else { return Ok(false) };
        if stat.kind != FileKind::File || stat.size > *size {
            return Ok(false);
        }
        let Ok(file) = dir.open(name) else { return Ok(false) };
        let mut offset = 0u64;
        let mut torn = true;
        let mut buffer = Vec::new();
        read_content::<StoreError>(self.working.repo.store(), *size, content, |piece| {
            let within = stat.size.saturating_sub(offset).min(piece.len() as u64) as usize;
            buffer.resize(within, 0);
            let read = file.read_full_at(&mut buffer, offset).unwrap_or(0);
            torn &= read == within
                && buffer
                    .iter()
                    .zip(&piece[..within])
                    .all(|(there, meant)| there == meant || *there == 0);
            offset += piece.len() as u64;
            Ok(())
        })?;
        Ok(torn)
    }

    /// Puts a torn file aside: nothing is deleted that might be somebody's.
    fn rescue(&self, dir: &dyn Dir, name: &[u8]) -> Result<(), Error> {
        let state = self.working.repo.store().dir();
        disk::make_dirs(&**state, b"lost-found").map_err(StoreError::io("create", "lost-found"))?;
        let aside = format!("lost-found/{}-torn", hex(&self.working.repo.env().random.four()));
        dir.rename(name, &**state, aside.as_bytes()).map_err(StoreError::io("rename", &aside))?;
        Ok(())
    }

    fn row(&mut self, step: &Step) -> Result<Option<(RepoPath, Option<Tracked>)>, Error> {
        let row = step.new.as_ref().map(|new| {
            let mut row = Tracked::of_entry(new);
            row.presence = Presence::Here;
            row
        });
        Ok(Some((step.path.clone(), row)))
    }
}

/// Whether what is there under a name has the content of an entry, or is what it shows.
pub(in crate::ops) fn holds(
    repo: &Repository,
    dir: &dyn Dir,
    name: &[u8],
    stat: &disk::Stat,
    entry: &Entry,
) -> Result<bool, Error> {
    match entry.what {
        What::Conflict { .. } => kept::is_shown(repo.store(), dir, name, stat, entry),
        _ => holds_in(repo.store(), dir, name, stat, entry),
    }
}

/// The same of what is no conflict, with the objects of this source.
pub(in crate::ops) fn holds_in<S: Source<Error = StoreError>>(
    source: &S,
    dir: &dyn Dir,
    name: &[u8],
    stat: &disk::Stat,
    entry: &Entry,
) -> Result<bool, Error> {
    let unreadable = |source| StoreError::io("read", &crate::path::quoted(name))(source);
    Ok(match (&entry.what, stat.kind) {
        (What::Directory { .. }, FileKind::Directory) => true,
        (What::File { size, content }, FileKind::File) if *size == stat.size => {
            let Some((_, id)) = hash_file(dir, name).map_err(unreadable)? else {
                return Ok(false);
            };
            match content_kind(*size) {
                Kind::Chunk => id == *content,
                _ => source.object::<Manifest>(content)?.content == id,
            }
        }
        (What::Symlink { target, .. }, FileKind::Symlink) => {
            let pointed = dir.link_target(name).map_err(unreadable)?;
            Kind::Chunk.id_of(&pointed) == *target
        }
        _ => false,
    })
}

//! Files and links, by as many threads as there are processors.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::disk::{Dir, Stat};
use crate::index::{Presence, Seen, Tracked};
use crate::object::{Entry, What};
use crate::path;
use crate::store::{Error as StoreError, read_small};

use super::content::{write_file, write_link};
use super::names::Names;
use super::shares::share_out;
use super::{Applied, Failed, Step, Target, Walker};

pub(super) fn write_files(names: &mut Names<'_>, applied: &mut Applied) -> Result<(), StoreError> {
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
    let stop = AtomicBool::new(false);
    let outcome = Mutex::new((std::mem::take(applied), None::<StoreError>));
    share_out(&files, 2, |share| {
        let mut dirs = Walker::new(target.root.clone());
        let (mut mine, mut stopped) = (Applied::default(), None);
        for step in share {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match write_one(target, &mut dirs, step, &mut mine) {
                Ok(()) => {}
                Err(Failure::Io(error)) => {
                    mine.failed.push(Failed { path: step.path.clone(), error });
                }
                Err(Failure::Store(error)) => {
                    stop.store(true, Ordering::Relaxed);
                    stopped = Some(error);
                }
            }
        }
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.0.take(mine);
        outcome.1 = outcome.1.take().or(stopped);
    });
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

/// What went wrong: with the working tree, or with the store.
pub(super) enum Failure {
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

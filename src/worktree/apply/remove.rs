//! What goes, before anything comes.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::disk;
use crate::object::{Entry, What};

use super::names::Names;
use super::shares::share_out;
use super::{Applied, Failed, Step, Walker};

/// So many files are removed by several threads: fewer are gone before a thread has begun.
const SHARED_FROM: usize = 128;

/// Removes what is not there any more or becomes something of another kind: files first, then
/// directories, deepest first, so that they are empty when their turn comes. One that is not (files
/// of the user's) stays.
pub(super) fn remove(names: &mut Names<'_>, applied: &mut Applied) {
    let root = names.target.root;
    let is_directory = |step: &&Step| step.old.as_ref().is_some_and(Entry::is_directory);
    let steps = names.steps.iter().rev().filter(|step| goes(step));
    if !names.target.volume.tells_names_apart() {
        let mut dirs = Walker::new(root.clone());
        for step in steps {
            let removed = names.was_anothers(&step.path).and_then(|is_anothers| {
                if is_anothers { Ok(()) } else { remove_one(&mut dirs, step, applied) }
            });
            tell(removed, step, applied);
        }
        return;
    }
    let (directories, files): (Vec<&Step>, Vec<&Step>) = steps.partition(is_directory);
    let outcome = Mutex::new(std::mem::take(applied));
    share_out(&files, SHARED_FROM, |share| {
        let (mut dirs, mut mine) = (Walker::new(root.clone()), Applied::default());
        for step in share {
            let removed = remove_one(&mut dirs, step, &mut mine);
            tell(removed, step, &mut mine);
        }
        outcome.lock().unwrap_or_else(PoisonError::into_inner).take(mine);
    });
    *applied = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut dirs = Walker::new(root.clone());
    for step in directories {
        let removed = remove_one(&mut dirs, step, applied);
        tell(removed, step, applied);
    }
}

/// Whether what was there goes.
fn goes(step: &Step) -> bool {
    let Some(old) = step.old.as_ref().filter(|_| !step.path.is_root()) else { return false };
    match &step.new {
        None => true,
        // A conflict that is not shown is no file: what stood there, the text of another one
        // perhaps, would be taken for how it was settled.
        Some(Entry { what: What::Conflict { .. }, .. }) => true,
        Some(new) => old.is_directory() != new.is_directory(),
    }
}

fn remove_one(dirs: &mut Walker, step: &Step, applied: &mut Applied) -> io::Result<()> {
    let Some((parent, name)) = step.path.split() else { return Ok(()) };
    let dir = dirs.open(&parent)?;
    if step.was_directory() {
        return dir.remove_dir(name);
    }
    dir.remove_file(name)?;
    applied.removed += 1;
    Ok(())
}

/// Notes what came of it.
fn tell(removed: io::Result<()>, step: &Step, applied: &mut Applied) {
    if let Err(error) = removed {
        // What there is is a directory of the user's: the file is gone.
        let is_users =
            matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::IsADirectory);
        if !is_users && !disk::is_nothing(&error) {
            applied.failed.push(Failed { path: step.path.clone(), error });
            return;
        }
    }
    if step.new.is_none() {
        applied.rows.push((step.path.clone(), None));
    }
}

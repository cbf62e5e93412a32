//! Directories that stand in the way: emptied, unless a repository is in them.

use std::io;

use crate::disk::{self, Dir, FileKind};
use crate::path;

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
pub(super) fn empty(dir: &dyn Dir) -> io::Result<()> {
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

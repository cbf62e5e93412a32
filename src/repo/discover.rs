//! Finding the repository that a directory is in.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, FileKind};
use crate::path::RepoPath;

use super::Error;

/// Where a repository is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The directory that holds its state.
    pub state: PathBuf,
    /// The root of its working tree.
    pub worktree: Option<PathBuf>,
    /// The directory it was looked for from, within the working tree.
    pub here: RepoPath,
}

/// Looks for a repository at `start` and above it.
pub fn discover(disk: &dyn Disk, start: &Path) -> Result<Found, Error> {
    let absolute = disk.canonical(start).map_err(|source| Error::Io {
        action: "open",
        path: start.to_owned(),
        source,
    })?;
    let mut at: Option<&Path> = Some(&absolute);
    while let Some(path) = at {
        if let Ok(dir) = disk.open(path) {
            let has =
                |name: &str, kind| dir.stat(name.as_bytes()).is_ok_and(|stat| stat.kind == kind);
            // One of the two may be lost; the journal knows what `format` says.
            let has_state = has(".annals/format", FileKind::File)
                || (has(".annals/journal", FileKind::Directory)
                    && has(".annals/packs", FileKind::Directory));
            if has(".annals", FileKind::Directory) && has_state {
                let here = absolute.strip_prefix(path).unwrap_or(Path::new(""));
                let here = RepoPath::new(here.as_os_str().as_encoded_bytes().to_vec());
                return Ok(Found {
                    state: path.join(".annals"),
                    worktree: Some(path.to_owned()),
                    here: here.unwrap_or_default(),
                });
            }
            // What may not be entered is there all the same, and is no reason to make another.
            if has(".annals", FileKind::Directory)
                && let Err(source) = dir.stat(b".annals/format")
                && source.kind() == io::ErrorKind::PermissionDenied
            {
                let path = path.join(".annals");
                return Err(Error::Io { action: "open", path, source });
            }
            let is_state = path.file_name().is_some_and(|name| name == ".annals");
            let is_bare = (is_state || has("format", FileKind::File))
                && has("journal", FileKind::Directory)
                && has("packs", FileKind::Directory);
            if is_bare {
                let worktree = if is_state { path.parent().map(Path::to_owned) } else { None };
                return Ok(Found { state: path.to_owned(), worktree, here: RepoPath::root() });
            }
        }
        at = path.parent();
    }
    Err(Error::NotFound(absolute))
}

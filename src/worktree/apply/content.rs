//! Writing one file or link: in place, or beside and renamed.

use std::io;

use crate::clock::Random;
use crate::disk::{Dir, FileRef, Stat};
use crate::hash::{Id, Kind, hex};
use crate::object::Entry;
use crate::path;
use crate::store::{Error as StoreError, read_content};

use super::files::Failure;
use super::nested::{empty, holds_repository};
use super::{Obstacles, Target};

/// Files up to this size are created under their names where nothing stands: much faster with many
/// small ones. If that is cut off, the note of the change tells that the file is torn.
const IN_PLACE: u64 = 64 * 1024;

/// Chunks of zeros at least this long are not written but left out.
const HOLE: usize = 64 * 1024;

fn beside(random: &dyn Random) -> Vec<u8> {
    [path::TEMPORARY, hex(&random.four()).as_bytes()].concat()
}

pub(super) fn write_file(
    target: Target<'_>,
    dir: &dyn Dir,
    name: &[u8],
    new: &Entry,
    size: u64,
    content: &Id,
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
    content: &Id,
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

pub(super) fn write_link(
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

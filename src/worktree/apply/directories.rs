//! Directories: made before what is in them, and completed after it.

use std::collections::BTreeSet;
use std::io;

use crate::disk::FileKind;
use crate::index::Tracked;
use crate::path::RepoPath;

use super::names::Names;
use super::{Applied, Failed, Obstacles, Step, Target, Walker};

pub(super) fn make_directories(names: &mut Names<'_>, applied: &mut Applied) {
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
pub(super) fn finish_directories(target: Target<'_>, steps: &[Step], applied: &mut Applied) {
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

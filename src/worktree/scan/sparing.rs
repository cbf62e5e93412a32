//! Listing a directory in which nothing is tracked, for somebody who reads all its files anyway.
//!
//! Reading a small file tells its size, and asking about an open file is cheaper than finding it by
//! its name. But how the work is divided follows from sizes, so where files are long they are
//! known beforehand: some of them are asked about first, and if these are small the others are
//! left to whoever reads them. A wrong guess costs balance, nothing else.

use std::io;

use crate::disk::{Dir, FileKind, Found, Stat};
use crate::object::manifest::SMALL;

/// A name, with its stat if it was asked about. Without one, the directory says that it is a file.
pub(super) type Spared = (Vec<u8>, Option<io::Result<Stat>>);

/// In directories of fewer files all are asked about.
const WORTH: usize = 32;
/// One file of so many is asked about first.
const SAMPLED: usize = 8;

/// The names found in a directory, in no order, some of them with their stats. Those that must be
/// asked about and are not there any more are left out.
pub(super) fn ask(dir: &dyn Dir, found: Vec<Found>) -> io::Result<Vec<Spared>> {
    let files = found.iter().filter(|found| is_file(found)).count();
    let mut spared = Vec::new();
    let (mut asked, mut place) = (Vec::with_capacity(found.len()), 0);
    for found in found {
        if !is_file(&found) || files < WORTH {
            asked.push(found.name);
            continue;
        }
        place += 1;
        let names = if place % SAMPLED == 1 { &mut asked } else { &mut spared };
        names.push(found.name);
    }
    let mut answers = dir.ask(asked)?;
    let is_long = |stat: &Stat| stat.kind == FileKind::File && stat.size > SMALL;
    if answers.iter().any(|(_, stat)| stat.as_ref().is_ok_and(is_long)) {
        answers.extend(dir.ask(std::mem::take(&mut spared))?);
    }
    let answered = answers.into_iter().map(|(name, stat)| (name, Some(stat)));
    Ok(answered.chain(spared.into_iter().map(|name| (name, None))).collect())
}

fn is_file(found: &Found) -> bool {
    found.kind == Some(FileKind::File)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Disk, FaultyDisk, MemoryDisk};

    /// How many names were asked about, and how many have a stat.
    fn scanned(files: &[(usize, usize)]) -> (u64, usize) {
        let disk = MemoryDisk::new();
        let mut number = 0;
        for &(count, size) in files {
            for _ in 0..count {
                number += 1;
                disk.write(&format!("/r/{number:04}"), vec![0; size]);
            }
        }
        disk.create(Path::new("/r/below")).unwrap();
        let disk = FaultyDisk::new(Arc::new(disk));
        let root = disk.open(Path::new("/r")).unwrap();
        disk.reset_counts();
        let names = ask(&*root, root.list().unwrap()).unwrap();
        assert_eq!(names.len(), number + 1);
        let below = names.iter().find(|(name, _)| name == b"below").unwrap();
        assert!(below.1.as_ref().unwrap().is_ok());
        let told = names.iter().filter(|(_, stat)| stat.is_some()).count();
        (disk.counts().stats, told)
    }

    #[test]
    fn of_many_small_files_few_are_asked_about_and_of_others_all() {
        assert_eq!(scanned(&[(800, 100)]), (101, 101));
        assert_eq!(scanned(&[(30, 100)]), (31, 31));
        assert_eq!(scanned(&[(400, 100), (400, 20_000)]), (801, 801));
        assert_eq!(scanned(&[(0, 0)]), (1, 1));
    }
}

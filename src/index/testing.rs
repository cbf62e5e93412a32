//! Indexes to try things on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Base, Error, Index, Known, Presence, Seen, Tracked, Updated};
use crate::clock::{Random, SeededRandom, Time};
use crate::disk::{DirRef, Disk};
use crate::hash::{self, Id};
use crate::object::What;
use crate::path::RepoPath;

pub(super) type Model = BTreeMap<RepoPath, Tracked>;

pub(super) fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(7))
}

pub(super) fn state_dir(disk: &dyn Disk) -> DirRef {
    disk.create(Path::new("/r/.annals")).unwrap()
}

pub(super) fn open(disk: &dyn Disk, seed: u64) -> Index {
    Index::open(state_dir(disk), Arc::new(SeededRandom::new(seed))).unwrap()
}

pub(super) fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

pub(super) fn base(number: u64) -> Base {
    let id = hash::hash(&number.to_le_bytes());
    Base { commit: Some(id), tree: Some(id) }
}

pub(super) fn file(name: &[u8], number: u64) -> Tracked {
    let mtime = Time { seconds: number as i64, nanoseconds: 5 };
    Tracked {
        name: name.to_vec(),
        mode: 0o644,
        mtime: Some(mtime),
        attributes: None,
        what: Known::File { size: number + 1, content: hash::hash(&number.to_le_bytes()) },
        seen: Some(Seen {
            size: number + 1,
            mtime,
            ctime: mtime,
            inode: number,
            mode: 0o644,
            racy: false,
        }),
        presence: Presence::Here,
        unsynced: false,
    }
}

/// A model of `directories` × `files` files, some of them unusual.
pub(super) fn model(directories: u64, files: u64) -> Model {
    let mut model = Model::new();
    for above in 0..directories {
        let name = format!("d{above:03}");
        model.insert(path(&name), directory(name.as_bytes()));
        for number in 0..files {
            let name = format!("f{number:05}");
            let mut tracked = file(name.as_bytes(), above * files + number);
            match number % 10 {
                3 => tracked.attributes = Some(Id::EMPTY),
                5 => (tracked.seen, tracked.presence) = (None, Presence::NotBrought),
                7 => tracked.what = Known::Other(What::Special),
                _ => {}
            }
            model.insert(path(&format!("d{above:03}/{name}")), tracked);
        }
    }
    model
}

pub(super) fn write(index: &Index, model: &Model, base: Base) -> Result<Updated, Error> {
    let mut writer = index.writer()?;
    let mut directories: BTreeMap<RepoPath, Vec<&Tracked>> = BTreeMap::new();
    for (path, tracked) in model {
        directories.entry(path.split().unwrap().0).or_default().push(tracked);
    }
    for (directory, mut entries) in directories {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        writer.push(&directory, entries)?;
    }
    writer.finish(base, None)
}

/// Writes a new index.
pub(super) fn create(disk: &dyn Disk, model: &Model, base: Base) {
    assert_eq!(write(&open(disk, 1), model, base).unwrap(), Updated::Done);
}

/// Everything in an index, by walking it.
pub(super) fn content(index: &Index) -> Result<Model, Error> {
    let mut model = Model::new();
    let mut todo = vec![RepoPath::root()];
    while let Some(directory) = todo.pop() {
        let Some(view) = index.directory(&directory)? else { continue };
        let mut last = Vec::new();
        for row in &view {
            assert!(row.name() > &last[..], "sorted");
            last = row.name().to_vec();
            let tracked = row.tracked();
            let path = directory.join(row.name());
            if tracked.what == Known::Directory {
                todo.push(path.clone());
            }
            model.insert(path, tracked);
        }
    }
    Ok(model)
}

/// What an index says, or `None` if it is lost or says that it is damaged.
pub(super) fn says(disk: &dyn Disk) -> Option<(Base, Model)> {
    let index = open(disk, 99);
    match content(&index) {
        Ok(model) if !index.is_lost() => Some((index.base(), model)),
        Ok(_) => None,
        Err(Error::Damaged) => {
            assert!(index.is_lost());
            assert_eq!(index.base(), Base::default());
            assert!(content(&index).unwrap().is_empty());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A directory as it is added when only something in it is given.
pub(super) fn directory(name: &[u8]) -> Tracked {
    Tracked { mode: 0o755, mtime: None, what: Known::Directory, seen: None, ..file(name, 0) }
}

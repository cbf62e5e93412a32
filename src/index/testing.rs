//! Indexes to try things on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Base, Error, Index, Known, Presence, Seen, Tracked, Updated};
use crate::clock::{Random, SeededRandom, Time};
use crate::disk::{DirRef, Disk, Fault, FaultyDisk, MemoryDisk, Survival};
use crate::hash::{self, Id};
use crate::object::What;
use crate::path::RepoPath;
use crate::table::Durability;

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
    // As a very long one would be.
    writer.settle_from(0);
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

/// Cuts the power before each operation of `verb` and looks at what is left.
pub(super) fn survives_power_loss(
    before: &Model,
    after: &Model,
    durability: Durability,
    verb: impl Fn(&dyn Disk) -> Result<Updated, Error>,
) {
    let mut operations = 0;
    loop {
        let memory = MemoryDisk::new();
        create(&memory, before, base(1));
        let disk = FaultyDisk::new(Arc::new(memory.clone()));
        let fault = Fault::dying_after(operations);
        disk.set_fault(if operations % 2 == 0 { fault } else { fault.torn() });
        let finished = verb(&disk).is_ok_and(|updated| updated == Updated::Done);
        let mut survivals = vec![Survival::Nothing, Survival::Everything];
        survivals.extend((0..5).map(Survival::Some));
        for survival in survivals {
            let image = memory.image_after_power_loss(survival);
            match says(&image) {
                Some((found, model)) if found == base(1) => {
                    assert!(!finished || durability == Durability::Eventually);
                    assert!(model == *before, "{operations} {survival:?}");
                }
                Some((found, model)) => {
                    assert_eq!(found, base(2), "{operations} {survival:?}");
                    assert!(model == *after, "{operations} {survival:?}");
                }
                None => panic!("lost after {operations}, {survival:?}"),
            }
            // Work goes on from there.
            let written = write(&open(&image, 5), after, base(3)).unwrap();
            assert_eq!(written, Updated::Done);
            assert!(says(&image) == Some((base(3), after.clone())));
            let files = image.tree("/r/.annals/index");
            assert_eq!(files.keys().filter(|name| name.starts_with(b"run-")).count(), 1);
        }
        if finished && !disk.is_dead() {
            return;
        }
        operations += 1;
    }
}

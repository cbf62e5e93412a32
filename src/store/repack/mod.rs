//! Repacking: packs are written anew in the order that compresses.
//!
//! What is recorded stands in packs as it came. Here it is gathered path by path, newest first, and
//! compressed thoroughly. Every object of the old packs is in the new ones, also what nothing
//! needs: one record brings these and takes those away, and only then their files go. Whoever relied
//! on one of them meanwhile is told, and looks again.
//!
//! A pack that is not sound keeps what it has and stays. Absent: which path an object belongs to,
//! which is said by whoever walks history ([`Repack::place`]); and what is not needed any more,
//! which is for gc.

mod loose;
mod rewrite;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::FileRef;
use crate::hash::{Id, Kind};
use crate::progress::{Monitor, Stage};

use super::arranged::{Age, Arranged};
use super::batch::Batch;
use super::journal::Slot;
use super::pack::{FrameRow, HEADER_BYTES, read_table};
use super::{Class, Effect, Error, PackInfo, Publication, Store, pack_path};

pub use loose::{Extent, Plan};

/// Where an object stands among those of its kind and age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The number of the path it belongs to.
    pub path: u32,
    /// Which part of what is there: the number of a chunk, or of a node.
    pub part: u32,
    /// The number of the version, the newest first.
    pub turn: u32,
}

/// What is known of an object that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It has its place now.
    Now,
    /// It had one before.
    Before,
    /// It is not in the packs that are rewritten.
    Elsewhere,
}

/// An object on its way.
#[derive(Clone, Copy, Debug)]
struct Row {
    kind: Kind,
    id: Id,
    length: u32,
    pack: u32,
    frame: u32,
    offset: u32,
    age: Age,
    /// Before it is placed, where it stands: behind all that was placed.
    rank: Rank,
}

impl Row {
    fn is_placed(&self) -> bool {
        self.rank.path != u32::MAX
    }
}

/// A pack that is rewritten.
#[derive(Debug)]
struct Old {
    info: PackInfo,
    file: FileRef,
    /// Where its frames begin, and what its table says of them.
    frames: Vec<(u64, FrameRow)>,
    /// Something in it is not sound: it stays.
    is_damaged: AtomicBool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Packs that went.
    pub packs_before: u64,
    /// Their bytes.
    pub bytes_before: u64,
    /// Packs that came.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were written.
    pub objects: u64,
    /// Packs that are missing, or not sound and stayed: their paths.
    pub unsound: Vec<String>,
}

/// Packs that are about to be rewritten.
#[derive(Debug)]
pub struct Repack<'s> {
    store: &'s Store,
    batch: Batch<'s>,
    old: Vec<Old>,
    /// Sorted by kind and id.
    rows: Vec<Row>,
    unplaced: usize,
    /// Packs that are not there or have no sound table.
    unsound: Vec<String>,
}

impl Store {
    /// Begins to rewrite these packs. What is not there or has no sound table is left as it is.
    pub fn begin_repack(&self, packs: &[PackInfo]) -> Result<Repack<'_>, Error> {
        let batch = Batch::rewrite(self)?;
        let (mut old, mut rows, mut unsound) = (Vec::new(), Vec::new(), Vec::new());
        for info in packs {
            let path = pack_path(info.class, &info.name);
            let file = match self.dir().open(path.as_bytes()) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    unsound.push(path);
                    continue;
                }
                Err(error) => return Err(Error::io("open", &path)(error)),
            };
            let read = read_table(file.clone()).map_err(Error::io("read", &path))?;
            let Ok(pack) = read else {
                unsound.push(path);
                continue;
            };
            let mut objects = pack.table.objects.iter();
            let (mut frames, mut start) = (Vec::new(), HEADER_BYTES);
            for row in pack.table.frames {
                let mut offset = 0;
                for object in objects.by_ref().take(row.objects as usize) {
                    let kind = Kind::from_number(object.kind).expect("the table was validated");
                    let position = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    rows.push(Row {
                        kind,
                        id: object.id,
                        length: object.length,
                        pack: old.len() as u32,
                        frame: frames.len() as u32,
                        offset,
                        age: Age::older(u64::from(object.length)),
                        rank: Rank { path: u32::MAX, part: 0, turn: position },
                    });
                    offset += object.length;
                }
                frames.push((start, row));
                start += u64::from(row.stored);
            }
            let is_damaged = AtomicBool::new(false);
            old.push(Old { info: info.clone(), file, frames, is_damaged });
        }
        rows.sort_unstable_by_key(|row| (row.kind, row.id));
        let unplaced = rows.len();
        Ok(Repack { store: self, batch, old, rows, unplaced, unsound })
    }

    /// Removes what killed commands have left: folders of sessions that listed nothing, and files of
    /// packs that a record took away. A pack on its way to its first record is nobody's yet and is
    /// left alone.
    pub fn clear_up(&self) -> Result<(), Error> {
        self.dead_sessions([0; 16])?;
        let state = self.refresh()?;
        let mut unlisted = self.unlisted_files()?;
        let mut number = state.number;
        while number > 0 && !unlisted.is_empty() {
            let effects = match self.journal().read(number)? {
                Slot::Record(record, _) => record.effects,
                Slot::Damaged(_) => Vec::new(),
                Slot::Absent => break,
            };
            for effect in effects {
                if let Effect::PackRemoved { name, .. } = effect
                    && unlisted.remove(&name).is_some()
                {
                    self.remove_pack(&name);
                }
            }
            number -= 1;
        }
        Ok(())
    }
}

impl<'s> Repack<'s> {
    /// Whether everything has its place.
    pub fn is_placed(&self) -> bool {
        self.unplaced == 0
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.rows.len()
    }

    /// Says where an object belongs. The first word counts. What nothing is said of stands behind
    /// everything else, as it stood.
    pub fn place(&mut self, kind: Kind, id: &Id, age: Age, rank: Rank) -> Placed {
        let start = self.rows.partition_point(|row| (row.kind, row.id) < (kind, *id));
        let same =
            self.rows[start..].iter_mut().take_while(|row| (row.kind, row.id) == (kind, *id));
        let mut placed = Placed::Elsewhere;
        // It may be in several packs: whichever is sound is taken.
        for row in same {
            if row.is_placed() {
                return Placed::Before;
            }
            (row.age, row.rank) = (age, rank);
            self.unplaced -= 1;
            placed = Placed::Now;
        }
        placed
    }

    /// Writes them and publishes. [`Error::Gone`] means that somebody else was faster and nothing
    /// was changed.
    pub fn run(self, actor: &str, monitor: &dyn Monitor) -> Result<Rewritten, Error> {
        let Self { store, batch, old, mut rows, mut unsound, .. } = self;
        let bytes = rows.iter().map(|row| u64::from(row.length)).sum();
        monitor.begin(Stage::Repacking, Some(rows.len() as u64), Some(bytes));
        // Content first: which packs stay is known before their tables are met.
        let is_meta = |row: &Row| old[row.pack as usize].info.class == Class::Meta;
        rows.sort_unstable_by_key(|row| (is_meta(row), row.kind, row.age, row.rank));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut writers: Vec<Arranged<'_, '_>> =
            (0..threads).map(|_| Arranged::new(&batch)).collect();
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let (window, behind) = rest.split_at(rewrite::window_of(rest, &is_meta));
            rest = behind;
            let found = rewrite::gather(&old, window)?;
            let tables = rewrite::tables_kept(&batch, &old);
            rewrite::write(&mut writers, &old, window, &found, &tables)?;
            let bytes = window.iter().map(|row| u64::from(row.length)).sum();
            monitor.advance(window.len() as u64, bytes);
        }
        writers.iter_mut().try_for_each(Arranged::flush)?;
        drop(writers);
        let (damaged, sound): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|pack| pack.is_damaged.load(Ordering::Relaxed));
        let path = |pack: &Old| pack_path(pack.info.class, &pack.info.name);
        unsound.extend(damaged.iter().map(path));
        let mut rewritten = Rewritten {
            unsound,
            packs_before: sound.len() as u64,
            bytes_before: sound.iter().map(|pack| pack.info.bytes).sum(),
            ..Rewritten::default()
        };
        if sound.is_empty() {
            return Ok(rewritten);
        }
        let sealed = batch.seal_instead_of(sound.into_iter().map(|pack| pack.info.name))?;
        rewritten.packs = sealed.packs.len() as u64;
        rewritten.bytes = sealed.packs.iter().map(|pack| pack.bytes).sum();
        rewritten.objects = sealed.made.objects;
        store.publish(Publication::new("repack", actor).with_packs(sealed))?;
        // Files that are gone take room while they are open.
        store.frames.forget();
        Ok(rewritten)
    }
}

#[cfg(test)]
mod tests;

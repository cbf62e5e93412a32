//! What is rewritten, a stretch at a time: read in the order in which it stands, each frame once,
//! and handed to the writers in the order in which it is to stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::hash::{Id, Kind};

use super::super::arranged::Arranged;
use super::super::batch::Batch;
use super::super::pack::frame;
use super::super::{Error, pack_path};
use super::{Old, Row};

/// So many bytes of objects are in memory at a time.
const WINDOW_BYTES: u64 = 64 << 20;

/// How many of these rows are read at once: at least one, and content and metadata apart.
pub(super) fn window_of(rows: &[Row], is_meta: &impl Fn(&Row) -> bool) -> usize {
    let mut bytes = 0;
    let more = |row: &&Row| {
        let is_first = bytes == 0;
        bytes += u64::from(row.length);
        is_first || bytes <= WINDOW_BYTES && is_meta(row) == is_meta(&rows[0])
    };
    rows.iter().take_while(more).count()
}

/// What content packs held is said in the metadata as long as they are listed: the tables of all
/// that stay.
pub(super) fn tables_kept(batch: &Batch<'_>, old: &[Old]) -> BTreeSet<Id> {
    let goes: BTreeMap<&str, bool> = old
        .iter()
        .map(|pack| (pack.info.name.as_str(), !pack.is_damaged.load(Ordering::Relaxed)))
        .collect();
    let packs = batch.base().packs.values();
    let stays = packs.filter(|pack| !goes.get(pack.name.as_str()).copied().unwrap_or_default());
    stays.filter_map(|pack| pack.table).collect()
}

/// The bytes of these objects; nothing for what is not sound. Each frame is opened once.
pub(super) fn gather(old: &[Old], rows: &[Row]) -> Result<Vec<OnceLock<Vec<u8>>>, Error> {
    let found: Vec<OnceLock<Vec<u8>>> = rows.iter().map(|_| OnceLock::new()).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&at| (rows[at].pack, rows[at].frame));
    let groups: Vec<&[usize]> = order
        .chunk_by(|&a, &b| (rows[a].pack, rows[a].frame) == (rows[b].pack, rows[b].frame))
        .collect();
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = gather_frame(old, rows, group, &found) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                next.store(groups.len(), Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(groups.len()) {
            scope.spawn(work);
        }
        work();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

fn gather_frame(
    old: &[Old],
    rows: &[Row],
    group: &[usize],
    found: &[OnceLock<Vec<u8>>],
) -> Result<(), Error> {
    let first = &rows[group[0]];
    let pack = &old[first.pack as usize];
    let (start, row) = &pack.frames[first.frame as usize];
    let mut stored = vec![0; row.stored as usize];
    let path = || pack_path(pack.info.class, &pack.info.name);
    pack.file.read_exact_at(&mut stored, *start).map_err(|e| Error::io("read", &path())(e))?;
    let raw = frame::open(&stored, row, first.frame as usize).ok();
    for &at in group {
        let Row { kind, id, offset, length, .. } = rows[at];
        let bytes =
            raw.as_ref().and_then(|raw| raw.get(offset as usize..(offset + length) as usize));
        match bytes.filter(|bytes| kind.id_of(bytes) == id) {
            Some(bytes) => {
                let _ = found[at].set(bytes.to_vec());
            }
            None => pack.is_damaged.store(true, Ordering::Relaxed),
        }
    }
    Ok(())
}

/// Hands the objects to the writers, a stretch of them to each.
pub(super) fn write(
    writers: &mut [Arranged<'_, '_>],
    old: &[Old],
    rows: &[Row],
    found: &[OnceLock<Vec<u8>>],
    tables: &BTreeSet<Id>,
) -> Result<(), Error> {
    let each = rows.len().div_ceil(writers.len());
    let outcomes: Mutex<Result<(), Error>> = Mutex::new(Ok(()));
    std::thread::scope(|scope| {
        for ((writer, rows), found) in
            writers.iter_mut().zip(rows.chunks(each)).zip(found.chunks(each))
        {
            let mut work = move || -> Result<(), Error> {
                for (row, bytes) in rows.iter().zip(found) {
                    let Some(bytes) = bytes.get() else { continue };
                    if row.kind != Kind::Table || tables.contains(&row.id) {
                        let class = old[row.pack as usize].info.class;
                        writer.put_again(class, row.age, row.kind, row.id, bytes)?;
                    }
                }
                Ok(())
            };
            let outcomes = &outcomes;
            scope.spawn(move || {
                if let Err(error) = work() {
                    *outcomes.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

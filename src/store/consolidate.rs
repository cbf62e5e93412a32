//! Merging small packs, so that ten thousand commits are not ten thousand packs.
//!
//! The record that would add the 33rd pack under 1 MiB of its class merges them: the smaller half
//! at least, and on while a pack is not larger than all before it together. So a byte is rewritten
//! a logarithmic number of times. Everything in the merged packs is in the new one, but for tables
//! of packs that have left.

use std::collections::{BTreeSet, HashSet};

use crate::hash::{Id, Kind};

use super::pack::{FrameBuilder, MOST_FRAME_BYTES, PackWriter, Written, read_table};
use super::{Class, Error, PackInfo, State, Store, pack_path};

/// Packs below this size are small, in bytes.
pub(super) const SMALL_PACK: u64 = 1 << 20;
/// So many small packs of a class may be there.
const MOST_SMALL: usize = 32;
/// Frames of merged packs.
const FRAME_BYTES: usize = 1 << 20;

/// The packs to be merged with so many small ones of the batch's own, if it is time.
pub(super) fn plan(state: &State, class: Class, own: usize) -> Option<Vec<PackInfo>> {
    let mut small: Vec<&PackInfo> = state
        .packs
        .values()
        .filter(|pack| pack.class == class && pack.bytes < SMALL_PACK && pack.session.is_none())
        .collect();
    if own == 0 || small.len() + own <= MOST_SMALL {
        return None;
    }
    small.sort_by_key(|pack| pack.bytes);
    let half = small.len().div_ceil(2);
    let mut sum = 0;
    let mut taken = 0;
    for pack in &small {
        if taken >= half && pack.bytes > sum {
            break;
        }
        sum += pack.bytes;
        taken += 1;
    }
    Some(small[..taken].iter().map(|pack| (*pack).clone()).collect())
}

/// One object on its way.
type Row = (Kind, Id, Vec<u8>);

/// Writes the merged pack: the planned packs and the batch's own at their temporary paths. Returns
/// it with the names of the packs that are in it; `None` if nothing could be merged.
pub(super) fn merge(
    store: &Store,
    mut writer: PackWriter,
    class: Class,
    plan: &[PackInfo],
    own: &[String],
    new_tables: &BTreeSet<Id>,
) -> Result<Option<(Written, Vec<String>)>, Error> {
    let state = store.state();
    let merged: BTreeSet<&str> = plan.iter().map(|pack| pack.name.as_str()).collect();
    let tables: BTreeSet<Id> = state
        .packs
        .values()
        .filter(|pack| !merged.contains(pack.name.as_str()))
        .filter_map(|pack| pack.table)
        .chain(new_tables.iter().copied())
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashSet<(Kind, Id)> = HashSet::new();
    let mut names = Vec::new();
    // Newest first: versions that follow each other compress against each other.
    for path in own {
        if !read_objects(store, path, &mut rows)? {
            return Ok(None);
        }
    }
    for pack in plan {
        // A damaged pack stays as it is, for repair.
        if read_objects(store, &pack_path(pack.class, &pack.name), &mut rows)? {
            names.push(pack.name.clone());
        }
    }
    rows.retain(|(kind, id, _)| {
        (*kind != Kind::Table || tables.contains(id)) && seen.insert((*kind, *id))
    });
    rows.sort_by_key(|(kind, ..)| *kind);
    if rows.is_empty() || names.is_empty() || !writer.has_room_for(rows.len()) {
        return Ok(None);
    }
    let failed = || Error::io("write", class.name());
    let mut builder = FrameBuilder::new();
    let mut last_kind = None;
    for (kind, id, bytes) in &rows {
        let is_full = builder.len() + bytes.len() > FRAME_BYTES.min(MOST_FRAME_BYTES);
        if !builder.is_empty() && (is_full || last_kind != Some(*kind)) {
            writer.push(&builder.finish(store.compression)).map_err(failed())?;
        }
        last_kind = Some(*kind);
        builder.push(*kind, *id, bytes);
    }
    writer.push(&builder.finish(store.compression)).map_err(failed())?;
    Ok(Some((writer.finish().map_err(failed())?, names)))
}

/// Reads all objects of a pack; `false` if any of it is missing or unsound.
fn read_objects(store: &Store, path: &str, rows: &mut Vec<Row>) -> Result<bool, Error> {
    let file = match store.dir().open(path.as_bytes()) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let Ok(pack) = read_table(file).map_err(Error::io("read", path))? else { return Ok(false) };
    let start = rows.len();
    let mut objects = pack.table.objects.iter();
    for (index, frame) in pack.frames() {
        let Ok(raw) = frame.map_err(Error::io("read", path))? else {
            rows.truncate(start);
            return Ok(false);
        };
        let mut offset = 0;
        for row in objects.by_ref().take(pack.table.frames[index].objects as usize) {
            let bytes = raw[offset..offset + row.length as usize].to_vec();
            offset += bytes.len();
            let kind = Kind::from_number(row.kind).filter(|kind| kind.id_of(&bytes) == row.id);
            let Some(kind) = kind else {
                rows.truncate(start);
                return Ok(false);
            };
            rows.push((kind, row.id, bytes));
        }
    }
    Ok(true)
}

//! Reading packs: the table, frames, and the complete check.

use std::io;

use crate::codec;
use crate::disk::FileRef;
use crate::hash::{ContentHasher, Id, Kind};

use super::{
    ARCHIVE_AT, Class, Damage, FrameRow, HEADER_BYTES, MAGIC, MOST_TABLE_BYTES, PackTable,
    TRAILER_BYTES, VERSION, frame,
};

/// What is known of a pack from its last bytes.
#[derive(Debug)]
pub struct PackReader {
    file: FileRef,
    /// Its class, as its header says.
    pub class: Class,
    /// The hash it ends with.
    pub hash: Id,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its table.
    pub table: PackTable,
}

/// A pack cannot be read, or its bytes are wrong.
pub type Outcome<T> = io::Result<Result<T, Damage>>;

/// Reads the header, trailer and table of a pack.
pub fn read_table(file: FileRef) -> Outcome<PackReader> {
    let bytes = file.stat()?.size;
    if bytes < HEADER_BYTES + TRAILER_BYTES {
        return Ok(Err(Damage::Shape("it is too short to be a pack")));
    }
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(&mut header, 0)?;
    if header[..8] != MAGIC {
        return Ok(Err(Damage::Shape("it does not begin as a pack")));
    }
    if header[8] != VERSION {
        return Ok(Err(Damage::Version(header[8])));
    }
    let Some(class) = Class::ALL.into_iter().find(|class| class.number() == header[9]) else {
        return Ok(Err(Damage::Shape("it is of an unknown class")));
    };
    let is_archive = match header[ARCHIVE_AT] {
        0 => false,
        1 => true,
        _ => return Ok(Err(Damage::Shape("its header says what it cannot be"))),
    };
    if header[ARCHIVE_AT + 1..].iter().any(|&byte| byte != 0) {
        return Ok(Err(Damage::Shape("its header has bytes that should be zero")));
    }
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact_at(&mut trailer, bytes - TRAILER_BYTES)?;
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&trailer[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    let (offset, length) = (number(0), number(8));
    let mut hash = [0; 32];
    hash.copy_from_slice(&trailer[16..]);
    let ends = offset.checked_add(length).and_then(|end| end.checked_add(TRAILER_BYTES));
    if offset < HEADER_BYTES || ends != Some(bytes) {
        return Ok(Err(Damage::Shape("its trailer does not say where its table is")));
    }
    if length > MOST_TABLE_BYTES {
        return Ok(Err(Damage::Shape("its table is too long")));
    }
    let mut table = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut table, offset)?;
    let table: PackTable = match codec::decode(&table) {
        Ok(table) => table,
        Err(error) => return Ok(Err(Damage::Table(error))),
    };
    if table.has_long_frames() && !is_archive {
        return Ok(Err(Damage::Shape("a frame is too long")));
    }
    let stored: u64 = table.frames.iter().map(|frame| u64::from(frame.stored)).sum();
    if HEADER_BYTES + stored != offset {
        return Ok(Err(Damage::Shape("its frames and its table do not meet")));
    }
    let fits = |row: &super::ObjectRow| Kind::from_number(row.kind).is_some_and(|k| class.holds(k));
    if !table.objects.iter().all(fits) {
        return Ok(Err(Damage::Shape("it holds objects of another class")));
    }
    Ok(Ok(PackReader { file, class, hash: Id::from_bytes(hash), bytes, table }))
}

impl PackReader {
    /// The bytes of each frame's objects, in order, with the frame's number.
    pub fn frames(&self) -> impl Iterator<Item = (usize, Outcome<Vec<u8>>)> {
        let mut offset = HEADER_BYTES;
        self.table.frames.iter().enumerate().map(move |(index, row)| {
            let read = self.read_frame(index, row, offset);
            offset += u64::from(row.stored);
            (index, read)
        })
    }

    fn read_frame(&self, index: usize, row: &FrameRow, offset: u64) -> Outcome<Vec<u8>> {
        let mut stored = vec![0; row.stored as usize];
        self.file.read_exact_at(&mut stored, offset)?;
        Ok(frame::open(&stored, row, index))
    }
}

/// Checks everything a pack can be checked for: its hash, every frame, every object's id. Calls
/// `object` with each sound object and collects what is wrong.
pub fn check_pack(
    file: FileRef,
    mut object: impl FnMut(Kind, Id, &[u8]),
) -> io::Result<(Option<PackReader>, Vec<Damage>)> {
    let pack = match read_table(file)? {
        Ok(pack) => pack,
        Err(damage) => return Ok((None, vec![damage])),
    };
    let mut damage = Vec::new();
    let mut hasher = ContentHasher::default();
    let mut header = [0; HEADER_BYTES as usize];
    pack.file.read_exact_at(&mut header, 0)?;
    hasher.update(&header);
    let mut rows = pack.table.objects.iter();
    let mut offset = HEADER_BYTES;
    for (index, frame) in pack.table.frames.iter().enumerate() {
        let count = frame.objects as usize;
        let mut stored = vec![0; frame.stored as usize];
        pack.file.read_exact_at(&mut stored, offset)?;
        offset += u64::from(frame.stored);
        hasher.update(&stored);
        match frame::open(&stored, frame, index) {
            Ok(raw) => {
                let mut offset = 0;
                for row in rows.by_ref().take(count) {
                    let bytes = &raw[offset..offset + row.length as usize];
                    offset += bytes.len();
                    let kind = Kind::from_number(row.kind).expect("the table was validated");
                    if kind.id_of(bytes) == row.id {
                        object(kind, row.id, bytes);
                    } else {
                        damage.push(Damage::Object { kind, id: row.id });
                    }
                }
            }
            Err(error) => {
                rows.by_ref().take(count).for_each(drop);
                damage.push(error);
            }
        }
    }
    // The frames and the table meet, and what follows is the trailer.
    let mut rest = vec![0; usize::try_from(pack.bytes - 32 - offset).unwrap_or_default()];
    pack.file.read_exact_at(&mut rest, offset)?;
    hasher.update(&rest);
    if hasher.finish() != pack.hash {
        damage.insert(0, Damage::Hash);
    }
    Ok((Some(pack), damage))
}

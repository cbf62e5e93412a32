//! One run of the lookup: rows of places, and the packs and frames they speak of.

use std::io;

use crate::disk::Dir;
use crate::hash::{Id, Kind, Prefix, compare_hashes};
use crate::table::{RunBuilder, SortedRun};

use super::super::pack::{Class, Form, FrameRow, HEADER_BYTES, NAME, PackName, PackTable};

/// A row: id 32, pack 4, kind and frame 4, offset 4, length 4; numbers little-endian.
const ROW: usize = 48;
/// The number that stands in a row for a content id in place of a kind.
const CONTENT: u32 = 15;
/// A pack: name 41, class 1, first frame 4, frames 4.
const PACK: usize = NAME + 9;
/// A frame: offset 8, stored 4, raw 4 with the form in the highest bit.
const FRAME: usize = 16;
const ZSTD: u32 = 1 << 31;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The pack's name.
    pub pack: PackName,
    /// The pack's class.
    pub class: Class,
    /// The object's kind; `None` if the id asked for is a content id and the place is that of its
    /// manifest.
    pub kind: Option<Kind>,
    /// The frame's number in the pack.
    pub frame: u32,
    /// Where the frame begins in the pack.
    pub frame_offset: u64,
    /// How many bytes it takes there.
    pub stored: u32,
    /// How many bytes its objects are.
    pub raw: u32,
    /// How they stand there.
    pub form: Form,
    /// Where the object begins in the frame.
    pub offset: u32,
    /// Its length.
    pub length: u32,
}

impl Place {
    /// What the pack's table says of the frame; how many objects are in it is not known here.
    pub(crate) fn row(&self) -> FrameRow {
        FrameRow { form: self.form, stored: self.stored, raw: self.raw, objects: 0 }
    }
}

/// What is to be known of a pack that is taken into the lookup.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Its table.
    pub table: PackTable,
    /// Content ids of the manifests in it, with the manifests' ids.
    pub contents: Vec<(Id, Id)>,
}

impl Indexed {
    /// Where an object is in this pack, found by looking at one after the other.
    pub fn find(&self, kind: Kind, id: &Id) -> Option<Place> {
        if !self.class.holds(kind) {
            return None;
        }
        let mut frame_offset = HEADER_BYTES;
        let mut objects = self.table.objects.iter();
        for (number, frame) in self.table.frames.iter().enumerate() {
            let mut offset = 0;
            for row in objects.by_ref().take(frame.objects as usize) {
                if row.id == *id && row.kind == kind.number() {
                    return Some(Place {
                        pack: PackName::new(self.name.as_bytes())?,
                        class: self.class,
                        kind: Some(kind),
                        frame: u32::try_from(number).ok()?,
                        frame_offset,
                        stored: frame.stored,
                        raw: frame.raw,
                        form: frame.form,
                        offset,
                        length: row.length,
                    });
                }
                offset += row.length;
            }
            frame_offset += u64::from(frame.stored);
        }
        None
    }
}

/// A run over some packs.
#[derive(Debug)]
pub struct PackRun {
    run: SortedRun,
    packs: usize,
}

/// A pack of a run.
#[derive(Clone, Copy, Debug)]
pub struct PackRow<'a>(&'a [u8]);

impl<'a> PackRow<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        // Checked when the run was opened.
        std::str::from_utf8(&self.0[..NAME]).unwrap_or_default()
    }

    /// Its class.
    pub fn class(self) -> Class {
        let class = Class::ALL.into_iter().find(|class| class.number() == self.0[NAME]);
        class.unwrap_or(Class::Meta)
    }

    fn frames(self) -> (u32, u32) {
        (number(self.0, NAME + 1), number(self.0, NAME + 5))
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Packs and frames, as they stand beside the rows.
#[derive(Default)]
struct Extra {
    packs: Vec<u8>,
    frames: Vec<u8>,
}

impl Extra {
    fn push_pack(&mut self, name: &str, class: Class, frames: &[u8]) {
        let first = u32::try_from(self.frames.len() / FRAME).expect("a run covers few frames");
        let count = u32::try_from(frames.len() / FRAME).expect("a pack has few frames");
        self.packs.extend_from_slice(name.as_bytes());
        self.packs.push(class.number());
        self.packs.extend_from_slice(&first.to_le_bytes());
        self.packs.extend_from_slice(&count.to_le_bytes());
        self.frames.extend_from_slice(frames);
    }

    fn finish(self) -> Vec<u8> {
        let count = u32::try_from(self.packs.len() / PACK).expect("a run covers few packs");
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(self.packs);
        bytes.extend(self.frames);
        bytes
    }
}

impl PackRun {
    /// Builds a run in memory; `None` only if the parts do not fit together.
    pub fn build(packs: Vec<Indexed>) -> Option<Self> {
        let mut extra = Extra::default();
        for pack in &packs {
            extra.push_pack(&pack.name, pack.class, &frames_of(pack));
        }
        let count = packs.iter().map(|pack| pack.table.objects.len()).sum();
        let rows = sorted_rows(packs, shares(count))?;
        let builder = RunBuilder::of_rows(ROW, rows.into_flattened());
        Self::open(SortedRun::from_builder(builder, &extra.finish())?)
    }

    /// Takes a run that was read; `None` if it is not one of the lookup.
    pub fn open(run: SortedRun) -> Option<Self> {
        let extra = run.extra();
        let packs = usize::try_from(number(extra.get(..4)?, 0)).ok()?;
        let frames_at = packs.checked_mul(PACK)?.checked_add(4)?;
        let frames = extra.get(frames_at..)?.len();
        if !frames.is_multiple_of(FRAME) || (!run.is_empty() && run.row(0).len() != ROW) {
            return None;
        }
        let opened = Self { run, packs };
        for pack in opened.packs() {
            let (first, count) = pack.frames();
            let end = (first as usize).checked_add(count as usize)?;
            if end > frames / FRAME || PackName::new(&pack.0[..NAME]).is_none() {
                return None;
            }
        }
        Some(opened)
    }

    /// Both runs as one, without the packs that `keep` refuses. Newer rows follow older ones.
    pub fn merge(older: &Self, newer: &Self, keep: impl Fn(&str) -> bool) -> Option<Self> {
        let mut extra = Extra::default();
        let mut renumber = [Vec::new(), Vec::new()];
        let mut next = 0u32;
        for (run, numbers) in [older, newer].into_iter().zip(&mut renumber) {
            for pack in run.packs() {
                if keep(pack.name()) {
                    let (first, count) = pack.frames();
                    let at = 4 + run.packs * PACK + first as usize * FRAME;
                    let frames = &run.run.extra()[at..at + count as usize * FRAME];
                    extra.push_pack(pack.name(), pack.class(), frames);
                    numbers.push(Some(next));
                    next += 1;
                } else {
                    numbers.push(None);
                }
            }
        }
        let mut builder = RunBuilder::new(ROW);
        let mut push = |run: usize, row: &[u8]| {
            let number = renumber[run].get(number(row, 32) as usize).copied().flatten();
            if let Some(number) = number {
                let mut row: [u8; ROW] = row.try_into().ok()?;
                row[32..36].copy_from_slice(&number.to_le_bytes());
                builder.push(&row);
            }
            Some(())
        };
        let (mut a, mut b) = (0, 0);
        while a < older.run.len() || b < newer.run.len() {
            let take_older = b >= newer.run.len()
                || (a < older.run.len() && older.run.row(a)[..32] <= newer.run.row(b)[..32]);
            if take_older {
                push(0, older.run.row(a))?;
                a += 1;
            } else {
                push(1, newer.run.row(b))?;
                b += 1;
            }
        }
        Self::open(SortedRun::from_builder(builder, &extra.finish())?)
    }

    /// Writes the run into a new file.
    pub fn write(&self, dir: &dyn Dir, path: &str) -> io::Result<()> {
        self.run.write(dir, path)
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.run.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty()
    }

    /// The packs it covers.
    pub fn packs(&self) -> impl Iterator<Item = PackRow<'_>> {
        self.run.extra()[4..4 + self.packs * PACK].chunks_exact(PACK).map(PackRow)
    }

    /// The places of an id.
    pub fn find<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = Place> + 'a {
        self.run.find(id.as_bytes()).filter_map(|row| self.place(row))
    }

    /// Calls `found` with each id that begins so.
    pub fn prefixed(&self, prefix: &Prefix, mut found: impl FnMut(Id, Place)) {
        for index in self.run.lower_bound(prefix.first().as_bytes())..self.run.len() {
            let row = self.run.row(index);
            let id = id_of(row);
            if !prefix.matches(&id) {
                break;
            }
            if let Some(place) = self.place(row) {
                found(id, place);
            }
        }
    }

    /// Calls `each` with every row.
    pub fn each(&self, mut each: impl FnMut(Id, Place, PackRow<'_>)) {
        for index in 0..self.run.len() {
            let row = self.run.row(index);
            if let (Some(place), Some(pack)) = (self.place(row), self.pack(number(row, 32))) {
                each(id_of(row), place, pack);
            }
        }
    }

    /// Calls `each` with the number of the pack of every row of an object.
    pub(super) fn each_pack(&self, mut each: impl FnMut(usize)) {
        for index in 0..self.run.len() {
            let row = self.run.row(index);
            let pack = number(row, 32) as usize;
            if pack < self.packs && number(row, 36) >> 28 != CONTENT {
                each(pack);
            }
        }
    }

    fn pack(&self, index: u32) -> Option<PackRow<'_>> {
        self.packs().nth(index as usize)
    }

    fn place(&self, row: &[u8]) -> Option<Place> {
        let index = number(row, 32) as usize;
        if index >= self.packs {
            return None;
        }
        let start = 4 + index * PACK;
        let pack = PackRow(&self.run.extra()[start..start + PACK]);
        let packed = number(row, 36);
        let (kind, frame) = (packed >> 28, packed & ((1 << 28) - 1));
        let (first, count) = pack.frames();
        if frame >= count {
            return None;
        }
        let at = 4 + self.packs * PACK + (first + frame) as usize * FRAME;
        let bytes = self.run.extra().get(at..at + FRAME)?;
        let mut offset = [0; 8];
        offset.copy_from_slice(&bytes[..8]);
        let raw = number(bytes, 12);
        Some(Place {
            pack: PackName::new(&pack.0[..NAME])?,
            class: pack.class(),
            kind: if kind == CONTENT { None } else { Some(Kind::from_number(kind as u8)?) },
            frame,
            frame_offset: u64::from_le_bytes(offset),
            stored: number(bytes, 8),
            raw: raw & !ZSTD,
            form: if raw & ZSTD == 0 { Form::Raw } else { Form::Zstd },
            offset: number(row, 40),
            length: number(row, 44),
        })
    }
}

/// The frames of a pack as they stand beside the rows.
fn frames_of(pack: &Indexed) -> Vec<u8> {
    let mut frames = Vec::with_capacity(pack.table.frames.len() * FRAME);
    let mut offset = HEADER_BYTES;
    for frame in &pack.table.frames {
        let form = if frame.form == Form::Zstd { ZSTD } else { 0 };
        frames.extend_from_slice(&offset.to_le_bytes());
        frames.extend_from_slice(&frame.stored.to_le_bytes());
        frames.extend_from_slice(&(frame.raw | form).to_le_bytes());
        offset += u64::from(frame.stored);
    }
    frames
}

/// From so many rows on, several threads make them.
const SHARED_FROM: usize = 65_536;
/// Each looks through all tables, so they are not very many.
const MOST_SHARES: usize = 8;

/// In so many shares this many rows are made.
fn shares(rows: usize) -> usize {
    if rows < SHARED_FROM {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SHARES)
}

/// The rows of packs, sorted by their bytes. Ids are spread evenly: each thread takes those that
/// begin with its share of the numbers.
fn sorted_rows(packs: Vec<Indexed>, shares: usize) -> Option<Vec<[u8; ROW]>> {
    let count: usize =
        packs.iter().map(|pack| pack.table.objects.len() + pack.contents.len()).sum();
    let mut rows = Vec::with_capacity(count);
    let packs_of = &packs;
    let share = |number: usize, rows: &mut Vec<[u8; ROW]>| {
        let is_mine = |id: &Id| usize::from(id.as_bytes()[0]) * shares / 256 == number;
        push_rows(packs_of, &is_mine, rows)?;
        rows.sort_unstable_by(compare_hashes);
        Some(())
    };
    let others = std::thread::scope(|scope| {
        let others: Vec<_> = (1..shares)
            .map(|number| {
                scope.spawn(move || {
                    let mut rows = Vec::with_capacity(count / shares + count / 64);
                    share(number, &mut rows).map(|()| rows)
                })
            })
            .collect();
        share(0, &mut rows)?;
        others.into_iter().map(|other| other.join().ok().flatten()).collect::<Option<Vec<_>>>()
    })?;
    drop(packs);
    others.into_iter().for_each(|others| rows.extend(others));
    Some(rows)
}

/// Appends the rows of those ids that are meant.
fn push_rows(
    packs: &[Indexed],
    is_meant: &dyn Fn(&Id) -> bool,
    rows: &mut Vec<[u8; ROW]>,
) -> Option<()> {
    for (index, pack) in packs.iter().enumerate() {
        let index = u32::try_from(index).ok()?;
        let mut objects = pack.table.objects.iter();
        let mut manifests: Vec<(Id, [u8; ROW])> = Vec::new();
        for (frame_number, frame) in pack.table.frames.iter().enumerate() {
            let mut within = 0u32;
            let frame_number = u32::try_from(frame_number).ok()?;
            for object in objects.by_ref().take(frame.objects as usize) {
                let has_content =
                    object.kind == Kind::Manifest.number() && !pack.contents.is_empty();
                let is_meant = is_meant(&object.id);
                if is_meant || has_content {
                    let mut row = [0; ROW];
                    row[..32].copy_from_slice(object.id.as_bytes());
                    row[32..36].copy_from_slice(&index.to_le_bytes());
                    let kind = u32::from(object.kind) << 28 | frame_number;
                    row[36..40].copy_from_slice(&kind.to_le_bytes());
                    row[40..44].copy_from_slice(&within.to_le_bytes());
                    row[44..48].copy_from_slice(&object.length.to_le_bytes());
                    if has_content {
                        manifests.push((object.id, row));
                    }
                    if is_meant {
                        rows.push(row);
                    }
                }
                within += object.length;
            }
        }
        manifests.sort_unstable_by_key(|(id, _)| *id);
        for (content, manifest) in pack.contents.iter().filter(|(content, _)| is_meant(content)) {
            if let Ok(at) = manifests.binary_search_by_key(manifest, |(id, _)| *id) {
                let mut row = manifests[at].1;
                row[..32].copy_from_slice(content.as_bytes());
                let frame = number(&row, 36) & ((1 << 28) - 1) | CONTENT << 28;
                row[36..40].copy_from_slice(&frame.to_le_bytes());
                rows.push(row);
            }
        }
    }
    Some(())
}

fn id_of(row: &[u8]) -> Id {
    let mut id = [0; 32];
    id.copy_from_slice(&row[..32]);
    Id::from_bytes(id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{Random as _, SeededRandom};
    use crate::store::pack::ObjectRow;

    fn pack(name: u8, kind: Kind, lengths: &[u32], random: &SeededRandom) -> Indexed {
        let mut pack = Indexed {
            name: format!("{name:041}"),
            class: if kind == Kind::Chunk { Class::Near } else { Class::Meta },
            table: PackTable::default(),
            contents: Vec::new(),
        };
        for (at, &length) in lengths.iter().enumerate() {
            let id =
                Id::from_bytes([random.sixteen(), random.sixteen()].concat().try_into().unwrap());
            pack.table.objects.push(ObjectRow { kind: kind.number(), id, length });
            if at.is_multiple_of(7) {
                let (form, objects) = (Form::Zstd, 0);
                pack.table.frames.push(FrameRow { form, stored: length, raw: length, objects });
            }
            pack.table.frames.last_mut().unwrap().objects += 1;
            if kind == Kind::Manifest {
                let content = [random.sixteen(), random.sixteen()].concat().try_into().unwrap();
                pack.contents.push((Id::from_bytes(content), id));
            }
        }
        pack
    }

    #[test]
    fn rows_are_the_same_however_many_make_them() {
        let random = SeededRandom::new(3);
        let lengths: Vec<u32> = (1..1_000).collect();
        let packs = [
            pack(1, Kind::Chunk, &lengths, &random),
            pack(2, Kind::Manifest, &lengths[..300], &random),
            pack(3, Kind::Tree, &[], &random),
            pack(4, Kind::Tree, &lengths[..1], &random),
        ];
        let alone = sorted_rows(packs.to_vec(), 1).unwrap();
        assert_eq!(alone.len(), 999 + 2 * 300 + 1);
        assert!(alone.is_sorted());
        for shares in [2, 3, MOST_SHARES] {
            assert!(sorted_rows(packs.to_vec(), shares).unwrap() == alone);
        }
        let run = PackRun::build(packs.to_vec()).unwrap();
        for pack in &packs {
            for row in &pack.table.objects {
                let kind = Kind::from_number(row.kind).unwrap();
                assert_eq!(run.find(&row.id).next(), pack.find(kind, &row.id));
            }
            for (content, manifest) in &pack.contents {
                let [found, meant] = [content, manifest].map(|id| run.find(id).next().unwrap());
                assert_eq!(Place { kind: None, ..meant }, found);
            }
        }
    }
}

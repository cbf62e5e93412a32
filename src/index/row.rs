//! Rows: one entry as fixed-width bytes that are compared where they lie.
//!
//! ```text
//!  0   8  size                                             all numbers little-endian
//!  8   8  mtime as seen, nanoseconds since 1970, signed; if never seen, as recorded
//! 16   8  ctime as seen
//! 24   8  inode as seen
//! 32  32  content, or target of a symbolic link
//! 64   2  mode as recorded (12 bits), kind (2 bits), seen (1 bit), racy (1 bit)
//! 66   2  mode as seen (12 bits), presence (2 bits), unsynced (1 bit), extra (1 bit)
//! 68   4  where this row's bytes in the heap end (31 bits); the mtime above is also as recorded
//!         (1 bit)
//! heap    the name; if extra: name, then the codec's bytes of `Extra`, then length of the name (2)
//! ```
//!
//! What does not fit (attributes, an odd time, a conflict) is repeated whole in `Extra`.

use super::entry::{Known, Presence, Tracked};
use super::stat::{Matches, Seen};
use super::volume::Volume;
use crate::clock::Time;
use crate::codec::{self, Decode, Encode, Validate};
use crate::disk::{FileKind, Stat};
use crate::hash::Id;
use crate::object::What;

/// Bytes of the fixed part.
pub(super) const WIDTH: usize = 72;

const FILE: u16 = 0;
const SYMLINK: u16 = 1;
const DIRECTORY: u16 = 2;
const OTHER: u16 = 3;
const SEEN: u16 = 1 << 14;
const RACY: u16 = 1 << 15;
const UNSYNCED: u16 = 1 << 14;
const EXTRA: u16 = 1 << 15;
const SAME_TIME: u32 = 1 << 31;

#[derive(Encode, Decode)]
struct Extra {
    mtime: Option<Time>,
    attributes: Option<Id>,
    other: Option<What>,
    seen: Option<Seen>,
}

impl Validate for Extra {
    fn validate(&self) -> Result<(), codec::Error> {
        let times =
            [self.mtime, self.seen.map(|seen| seen.mtime), self.seen.map(|seen| seen.ctime)];
        if times.iter().flatten().any(|time| time.nanoseconds >= 1_000_000_000) {
            return Err(codec::Error::Invalid("a time has more than a second of nanoseconds"));
        }
        Ok(())
    }
}

/// One entry where it lies, in a mapped page or in the overlay.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    fixed: &'a [u8; WIDTH],
    heap: &'a [u8],
    /// Whether marks of not being synced still mean something.
    marks_count: bool,
}

impl<'a> Row<'a> {
    pub(super) fn new(fixed: &'a [u8; WIDTH], heap: &'a [u8], marks_count: bool) -> Self {
        Self { fixed, heap, marks_count }
    }

    /// A row whose heap bytes follow directly, as in the overlay. `None` if that cannot be.
    pub(super) fn of_bytes(bytes: &'a [u8], marks_count: bool) -> Option<Self> {
        let (fixed, heap) = bytes.split_first_chunk()?;
        (heap_end(fixed) == heap.len() && is_sound(fixed, heap))
            .then(|| Self::new(fixed, heap, marks_count))
    }

    pub(super) fn parts(&self) -> (&'a [u8; WIDTH], &'a [u8]) {
        (self.fixed, self.heap)
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        &self.heap[..self.name_length()]
    }

    #[inline]
    fn name_length(&self) -> usize {
        if self.half(66) & EXTRA == 0 {
            return self.heap.len();
        }
        let end = self.heap.len();
        usize::from(u16::from_le_bytes([self.heap[end - 2], self.heap[end - 1]]))
    }

    #[inline]
    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.fixed[at], self.fixed[at + 1]])
    }

    #[inline]
    fn word(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.fixed[at..at + 8]);
        u64::from_le_bytes(word)
    }

    /// What the directory would call it; `None` for a conflict or a gitlink.
    #[inline]
    pub fn kind(&self) -> Option<FileKind> {
        match self.half(64) >> 12 & 3 {
            FILE => Some(FileKind::File),
            SYMLINK => Some(FileKind::Symlink),
            DIRECTORY => Some(FileKind::Directory),
            _ => match self.extra()?.other {
                Some(What::Special) => Some(FileKind::Special),
                _ => None,
            },
        }
    }

    /// Whether it is in the working tree.
    #[inline]
    pub fn presence(&self) -> Presence {
        match self.half(66) >> 12 & 3 {
            1 => Presence::NotBrought,
            2 => Presence::NotRepresentable,
            _ => Presence::Here,
        }
    }

    /// The file's number when it was last seen; 0 if that is not known at once.
    #[inline]
    pub fn inode(&self) -> u64 {
        self.word(24)
    }

    /// Whether it was written by us and is perhaps not durable.
    #[inline]
    pub fn is_unsynced(&self) -> bool {
        self.marks_count && self.half(66) & UNSYNCED != 0
    }

    /// Whether a file or symbolic link with this stat is certainly the one last seen, with the mode
    /// that is recorded. Quick, and yes for almost every file; where it says no, ask
    /// [`Self::matches`].
    #[inline]
    pub fn is_certainly_unchanged(&self, stat: &Stat, volume: &Volume) -> bool {
        let modes = self.half(64);
        let kind = match stat.kind {
            FileKind::File => FILE,
            FileKind::Symlink => SYMLINK,
            _ => return false,
        };
        modes & (SEEN | RACY | 3 << 12) == SEEN | kind << 12
            && self.half(66) & !UNSYNCED == stat.mode
            && (modes & 0o7777 == stat.mode || kind == SYMLINK || !volume.exec_bits)
            && self.word(0) == stat.size
            && nanoseconds(stat.mtime) == Some(self.word(8) as i64)
            && nanoseconds(stat.ctime) == Some(self.word(16) as i64)
            && (self.word(24) == stat.inode || !volume.stable_inodes)
    }

    /// Compares with what a file looks like now; `Content` if it was never looked at.
    pub fn matches(&self, stat: &Stat, volume: &Volume) -> Matches {
        match self.seen() {
            _ if self.kind() != Some(stat.kind) => Matches::Content,
            Some(seen) => seen.matches(stat, volume),
            None => Matches::Content,
        }
    }

    /// The file when its content was last known.
    pub fn seen(&self) -> Option<Seen> {
        if let Some(extra) = self.extra() {
            return extra.seen;
        }
        let modes = self.half(64);
        (modes & SEEN != 0).then(|| Seen {
            size: self.word(0),
            mtime: time(self.word(8) as i64),
            ctime: time(self.word(16) as i64),
            inode: self.word(24),
            mode: self.half(66) & 0o7777,
            racy: modes & RACY != 0,
        })
    }

    fn extra(&self) -> Option<Extra> {
        if self.half(66) & EXTRA == 0 {
            return None;
        }
        // Rows are checked when their page is: see `is_sound`.
        codec::decode(&self.heap[self.name_length()..self.heap.len() - 2]).ok()
    }

    /// The whole entry.
    pub fn tracked(&self) -> Tracked {
        let modes = self.half(64);
        let size = self.word(0);
        let mut id = [0; 32];
        id.copy_from_slice(&self.fixed[32..64]);
        let id = Id::from_bytes(id);
        let recorded = u32::from_le_bytes([0, 0, 0, self.fixed[71]]) & SAME_TIME != 0;
        let extra = self.extra();
        let what = match modes >> 12 & 3 {
            FILE => Known::File { size, content: id },
            SYMLINK => Known::Symlink { size, target: id },
            DIRECTORY => Known::Directory,
            _ => match extra.as_ref().and_then(|extra| extra.other.clone()) {
                Some(other) => Known::Other(other),
                None => Known::Other(What::Special),
            },
        };
        Tracked {
            name: self.name().to_vec(),
            mode: modes & 0o7777,
            mtime: match &extra {
                Some(extra) => extra.mtime,
                None => recorded.then(|| time(self.word(8) as i64)),
            },
            attributes: extra.and_then(|extra| extra.attributes),
            what,
            seen: self.seen(),
            presence: self.presence(),
            unsynced: self.is_unsynced(),
        }
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tracked().fmt(f)
    }
}

/// Where the row's heap bytes end.
#[inline]
pub(super) fn heap_end(fixed: &[u8; WIDTH]) -> usize {
    (u32::from_le_bytes([fixed[68], fixed[69], fixed[70], fixed[71]]) & !SAME_TIME) as usize
}

/// The row with its heap bytes ending elsewhere, as it is moved from page to page.
pub(super) fn with_heap_end(fixed: &[u8; WIDTH], end: usize) -> [u8; WIDTH] {
    let mut moved = *fixed;
    let same_time = u32::from_le_bytes([0, 0, 0, fixed[71]]) & SAME_TIME;
    moved[68..].copy_from_slice(&(end as u32 & !SAME_TIME | same_time).to_le_bytes());
    moved
}

/// The row without its mark of not being synced.
pub(super) fn without_mark(fixed: &[u8; WIDTH]) -> [u8; WIDTH] {
    let mut cleared = *fixed;
    cleared[67] &= !((UNSYNCED >> 8) as u8);
    cleared
}

/// Whether reading the row is safe: its heap bytes hold a name and, if announced, an `Extra`.
pub(super) fn is_sound(fixed: &[u8; WIDTH], heap: &[u8]) -> bool {
    let row = Row::new(fixed, heap, true);
    if row.half(66) & EXTRA != 0 && (heap.len() < 2 || row.name_length() > heap.len() - 2) {
        return false;
    }
    let extra_is_there = row.half(66) & EXTRA != 0;
    !row.name().is_empty()
        && row.half(66) >> 12 & 3 != 3
        && (row.half(64) >> 12 & 3 != OTHER || extra_is_there)
        && (!extra_is_there || row.extra().is_some())
}

/// Encodes an entry: the fixed part, with the heap bytes appended to `heap`.
pub(super) fn encode(tracked: &Tracked, heap: &mut Vec<u8>) -> [u8; WIDTH] {
    let mut fixed = [0; WIDTH];
    let (kind, size, id) = match &tracked.what {
        Known::File { size, content } => (FILE, *size, content.as_bytes()),
        Known::Symlink { size, target } => (SYMLINK, *size, target.as_bytes()),
        Known::Directory => (DIRECTORY, 0, &[0; 32]),
        Known::Other(_) => (OTHER, 0, &[0; 32]),
    };
    fixed[..8].copy_from_slice(&size.to_le_bytes());
    fixed[32..64].copy_from_slice(id);
    let mut modes = tracked.mode & 0o7777 | kind << 12;
    let mut marks = match tracked.presence {
        Presence::Here => 0,
        Presence::NotBrought => 1 << 12,
        Presence::NotRepresentable => 2 << 12,
    };
    if tracked.unsynced {
        marks |= UNSYNCED;
    }
    heap.extend_from_slice(&tracked.name);
    let mut same_time = 0;
    if let Some(times) = plain_times(tracked, size) {
        for (at, number) in [(8, times.mtime), (16, times.ctime)] {
            fixed[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        if tracked.mtime.is_some() {
            same_time = SAME_TIME;
        }
        if let Some(seen) = tracked.seen {
            fixed[24..32].copy_from_slice(&seen.inode.to_le_bytes());
            modes |= SEEN | if seen.racy { RACY } else { 0 };
            marks |= seen.mode & 0o7777;
        }
    } else {
        marks |= EXTRA;
        let other = match &tracked.what {
            Known::Other(other) => Some(other.clone()),
            _ => None,
        };
        let (mtime, attributes, seen) = (tracked.mtime, tracked.attributes, tracked.seen);
        heap.extend_from_slice(&codec::encode(&Extra { mtime, attributes, other, seen }));
        heap.extend_from_slice(&(tracked.name.len() as u16).to_le_bytes());
    }
    fixed[64..66].copy_from_slice(&modes.to_le_bytes());
    fixed[66..68].copy_from_slice(&marks.to_le_bytes());
    fixed[68..72].copy_from_slice(&(heap.len() as u32 & !SAME_TIME | same_time).to_le_bytes());
    fixed
}

struct Times {
    mtime: i64,
    ctime: i64,
}

/// The times of the fixed part, if everything about the entry fits there.
fn plain_times(tracked: &Tracked, size: u64) -> Option<Times> {
    if tracked.attributes.is_some() || matches!(tracked.what, Known::Other(_)) {
        return None;
    }
    match (tracked.seen, tracked.mtime) {
        (Some(seen), recorded)
            if seen.size == size && recorded.is_none_or(|recorded| recorded == seen.mtime) =>
        {
            Some(Times { mtime: nanoseconds(seen.mtime)?, ctime: nanoseconds(seen.ctime)? })
        }
        (None, Some(recorded)) => Some(Times { mtime: nanoseconds(recorded)?, ctime: 0 }),
        (None, None) => Some(Times { mtime: 0, ctime: 0 }),
        (Some(_), _) => None,
    }
}

#[inline]
fn nanoseconds(time: Time) -> Option<i64> {
    time.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(time.nanoseconds))
}

fn time(nanoseconds: i64) -> Time {
    Time {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hash;

    fn example() -> Tracked {
        let mtime = Time { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
        Tracked {
            name: b"name".to_vec(),
            mode: 0o755,
            mtime: Some(mtime),
            attributes: None,
            what: Known::File { size: 5, content: hash::hash(b"hello") },
            seen: Some(Seen {
                size: 5,
                mtime,
                ctime: Time::from_seconds(1_700_000_001),
                inode: u64::MAX,
                mode: 0o750,
                racy: true,
            }),
            presence: Presence::Here,
            unsynced: true,
        }
    }

    fn bytes_of(tracked: &Tracked) -> Vec<u8> {
        let mut heap = Vec::new();
        let fixed = encode(tracked, &mut heap);
        [&fixed[..], &heap].concat()
    }

    #[test]
    fn every_entry_is_read_back_as_it_was_written() {
        let plain = example();
        let seen = plain.seen.unwrap();
        let early = Time { seconds: -62_135_596_800, nanoseconds: 1 };
        let variants = [
            Tracked { unsynced: false, presence: Presence::NotRepresentable, ..plain.clone() },
            Tracked { seen: None, presence: Presence::NotBrought, ..plain.clone() },
            Tracked { seen: None, mtime: None, ..plain.clone() },
            Tracked { mtime: None, ..plain.clone() },
            Tracked { mtime: Some(early), ..plain.clone() },
            Tracked { seen: Some(Seen { mtime: early, ..seen }), ..plain.clone() },
            Tracked { seen: Some(Seen { size: 6, ..seen }), ..plain.clone() },
            Tracked { attributes: Some(Id::EMPTY), ..plain.clone() },
            Tracked { what: Known::Directory, seen: None, ..plain.clone() },
            Tracked { what: Known::Other(What::Special), ..plain.clone() },
            Tracked {
                what: Known::Symlink { size: 5, target: hash::hash(b"there") },
                mode: 0,
                ..plain.clone()
            },
            plain,
        ];
        for tracked in variants {
            let bytes = bytes_of(&tracked);
            let row = Row::of_bytes(&bytes, true).unwrap();
            assert_eq!(row.tracked(), tracked);
            assert_eq!(row.seen(), tracked.seen);
        }
    }

    #[test]
    fn an_ordinary_row_is_its_fixed_part_and_its_name() {
        assert_eq!(bytes_of(&example()).len(), WIDTH + 4);
    }

    #[test]
    fn marks_mean_nothing_once_they_were_cleared() {
        let bytes = bytes_of(&example());
        assert!(!Row::of_bytes(&bytes, false).unwrap().is_unsynced());
        let (fixed, heap) = bytes.split_first_chunk().unwrap();
        assert!(!Row::new(&without_mark(fixed), heap, true).is_unsynced());
    }

    #[test]
    fn the_quick_answer_is_never_yes_where_the_careful_one_is_no() {
        let mut tracked = example();
        let volume = Volume::default();
        let stat = Stat {
            kind: FileKind::File,
            mode: 0o750,
            size: 5,
            mtime: tracked.seen.unwrap().mtime,
            ctime: tracked.seen.unwrap().ctime,
            inode: u64::MAX,
            device: 0,
            links: 1,
            allocated: 0,
        };
        let judge = |tracked: &Tracked, stat: &Stat| {
            let bytes = bytes_of(tracked);
            let row = Row::of_bytes(&bytes, true).unwrap();
            let quick = row.is_certainly_unchanged(stat, &volume);
            assert!(!quick || row.matches(stat, &volume) == Matches::Same);
            quick
        };
        assert!(!judge(&tracked, &stat), "racy");
        tracked.seen.as_mut().unwrap().racy = false;
        assert!(!judge(&tracked, &stat), "another mode than recorded");
        tracked.mode = 0o750;
        assert!(judge(&tracked, &stat));
        assert!(!judge(&Tracked { seen: None, ..tracked.clone() }, &stat));
        assert!(!judge(&tracked, &Stat { kind: FileKind::Symlink, ..stat }));
        assert!(!judge(&tracked, &Stat { mode: 0o755, ..stat }));
        assert!(!judge(&tracked, &Stat { size: 6, ..stat }));
        assert!(!judge(&tracked, &Stat { mtime: Time::default(), ..stat }));
        assert!(!judge(&tracked, &Stat { ctime: Time::default(), ..stat }));
        assert!(!judge(&tracked, &Stat { inode: 1, ..stat }));
        assert!(!judge(&Tracked { presence: Presence::NotBrought, ..tracked }, &stat));
    }

    #[test]
    fn bytes_that_are_no_row_are_refused() {
        let bytes = bytes_of(&Tracked { attributes: Some(Id::EMPTY), ..example() });
        for cut in 0..bytes.len() {
            assert!(Row::of_bytes(&bytes[..cut], true).is_none());
        }
        assert!(Row::of_bytes(&[0; WIDTH], true).is_none());
    }
}

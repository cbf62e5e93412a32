//! Sorted runs: immutable files of fixed-size rows, sorted by a 32-byte key, mapped into memory.
//!
//! ```text
//! header 64 | extra | fanout | rows
//! ```
//!
//! The header holds the sizes, a checksum of header, extra and fanout, and one of the rows. A run
//! is derived data: it is never repaired, only made anew. The rows' checksum is verified on opening
//! where that is cheap; larger runs are synced before they get their name, and whoever uses a row
//! checks what it leads to.

use std::cmp::Ordering;
use std::io;
use std::ops::Range;

use crate::disk::{Bytes, Dir, write_long};
use crate::hash::{self, compare_hashes};

const MAGIC: [u8; 8] = *b"ANNLRUN1";
const HEADER: usize = 64;
/// The length of a key in bytes.
pub const KEY: usize = 32;
/// Rows of at most so many bytes are verified on opening.
const VERIFY_UP_TO: usize = 1 << 20;

/// A sorted run.
#[derive(Clone, Debug)]
pub struct SortedRun {
    bytes: Bytes,
    row_bytes: usize,
    extra: Range<usize>,
    fanout: Range<usize>,
    fanout_bits: u32,
    rows: usize,
    count: usize,
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

fn bits_for(count: usize) -> u32 {
    (count.max(1).ilog2()).saturating_sub(4).min(22)
}

fn slot(key: &[u8], bits: u32) -> usize {
    let head = u32::from_be_bytes([key[0], key[1], key[2], key[3]]);
    if bits == 0 { 0 } else { (head >> (32 - bits)) as usize }
}

/// Writes a run: rows are pushed in order.
#[derive(Debug)]
pub struct RunBuilder {
    row_bytes: usize,
    rows: Vec<u8>,
}

impl RunBuilder {
    /// Begins a run of rows of this length.
    pub fn new(row_bytes: usize) -> Self {
        debug_assert!(row_bytes >= KEY);
        Self { row_bytes, rows: Vec::new() }
    }

    /// A run of these rows, one after the other, in order.
    pub fn of_rows(row_bytes: usize, rows: Vec<u8>) -> Self {
        debug_assert!(row_bytes >= KEY && rows.len().is_multiple_of(row_bytes));
        Self { row_bytes, rows }
    }

    /// Appends a row; its key is not below the last.
    pub fn push(&mut self, row: &[u8]) {
        debug_assert_eq!(row.len(), self.row_bytes);
        self.rows.extend_from_slice(row);
    }

    /// The bytes of the run, in two parts: everything up to the rows, and the rows.
    pub fn finish(self, extra: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let count = self.rows.len() / self.row_bytes;
        let bits = bits_for(count);
        let mut fanout = vec![0u32; (1 << bits) + 1];
        for row in self.rows.chunks_exact(self.row_bytes) {
            fanout[slot(row, bits) + 1] += 1;
        }
        for at in 1..fanout.len() {
            fanout[at] += fanout[at - 1];
        }
        let mut head = vec![0; HEADER];
        head[..8].copy_from_slice(&MAGIC);
        let mut put = |at: usize, value: u64| {
            head[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(8, self.row_bytes as u64);
        put(16, extra.len() as u64);
        put(24, u64::from(bits));
        put(32, count as u64);
        put(40, hash::checksum(&self.rows));
        head.extend_from_slice(extra);
        for value in fanout {
            head.extend_from_slice(&value.to_le_bytes());
        }
        let checksum = hash::checksum(&head);
        head[48..56].copy_from_slice(&checksum.to_le_bytes());
        (head, self.rows)
    }
}

impl SortedRun {
    /// Opens a run; `None` if its bytes are not one.
    pub fn open(bytes: Bytes) -> Option<Self> {
        if bytes.len() < HEADER || bytes[..8] != MAGIC {
            return None;
        }
        let size = |at: usize| usize::try_from(number(&bytes, at)).ok();
        let (row_bytes, extra, count) = (size(8)?, size(16)?, size(32)?);
        let bits = u32::try_from(number(&bytes, 24)).ok().filter(|bits| *bits <= 22)?;
        let extra = HEADER..HEADER.checked_add(extra)?;
        let fanout = extra.end..extra.end.checked_add(((1usize << bits) + 1) * 4)?;
        let rows = fanout.end;
        let end = rows.checked_add(count.checked_mul(row_bytes)?)?;
        if row_bytes < KEY || end != bytes.len() {
            return None;
        }
        let mut head = bytes[..rows].to_vec();
        head[48..56].fill(0);
        if hash::checksum(&head) != number(&bytes, 48) {
            return None;
        }
        if end - rows <= VERIFY_UP_TO && hash::checksum(&bytes[rows..]) != number(&bytes, 40) {
            return None;
        }
        Some(Self { row_bytes, extra, fanout, fanout_bits: bits, rows, count, bytes })
    }

    /// Opens a run that was built in memory.
    pub fn from_builder(builder: RunBuilder, extra: &[u8]) -> Option<Self> {
        // Both parts in the memory of the rows: there may be very many.
        let (head, mut bytes) = builder.finish(extra);
        bytes.reserve_exact(head.len());
        bytes.splice(0..0, head);
        Self::open(Bytes::new(bytes))
    }

    /// Writes the run into a new file. It is synced only if it is too large to be verified
    /// whenever it is opened.
    pub fn write(&self, dir: &dyn Dir, path: &str) -> io::Result<()> {
        let file = dir.create(path.as_bytes(), 0o444)?;
        if self.bytes.len() - self.rows <= VERIFY_UP_TO {
            return file.write_at(&self.bytes, 0);
        }
        write_long(&*file, &self.bytes)?;
        file.sync()
    }

    /// Verifies the rows, whatever their size.
    pub fn verify(&self) -> bool {
        hash::checksum(&self.bytes[self.rows..]) == number(&self.bytes, 40)
    }

    /// What was stored beside the rows.
    pub fn extra(&self) -> &[u8] {
        &self.bytes[self.extra.clone()]
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Row `index`.
    pub fn row(&self, index: usize) -> &[u8] {
        let start = self.rows + index * self.row_bytes;
        &self.bytes[start..start + self.row_bytes]
    }

    /// The first row whose key is not below `key`.
    pub fn lower_bound(&self, key: &[u8; KEY]) -> usize {
        // Whoever holds the bytes is asked for them once.
        let bytes = &self.bytes[..];
        let (fanout, rows) = (&bytes[self.fanout.clone()], &bytes[self.rows..]);
        let at = slot(key, self.fanout_bits) * 4;
        let bound = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&fanout[at..at + 4]);
            (u32::from_le_bytes(four) as usize).min(self.count)
        };
        let (mut low, mut high) = (bound(at), bound(at + 4));
        let is_below = |index: usize| {
            let found = rows[index * self.row_bytes..].first_chunk();
            found.map(|found| compare_hashes(found, key)) == Some(Ordering::Less)
        };
        // Keys are hashes, so the next bits tell about where it is: the search begins there, in
        // steps that grow, and mostly ends within a cache line or two.
        if low < high {
            let head = key.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
            let share = (head << self.fanout_bits) >> 32;
            let guess = low + (((high - low) as u64 * share) >> 32) as usize;
            let mut step = 1;
            if is_below(guess) {
                low = guess + 1;
                while low < high {
                    let probe = (guess + step).min(high - 1);
                    if !is_below(probe) {
                        high = probe;
                        break;
                    }
                    low = probe + 1;
                    step *= 2;
                }
            } else {
                high = guess;
                while low < high {
                    let probe = guess.saturating_sub(step).max(low);
                    if is_below(probe) {
                        low = probe + 1;
                        break;
                    }
                    high = probe;
                    step *= 2;
                }
            }
        }
        while low < high {
            let middle = (low + high) / 2;
            if is_below(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The rows of this key.
    pub fn find<'a>(&'a self, key: &'a [u8; KEY]) -> impl Iterator<Item = &'a [u8]> {
        let rows = &self.bytes[self.rows + self.lower_bound(key) * self.row_bytes..];
        rows.chunks_exact(self.row_bytes).take_while(move |row| row[..KEY] == key[..])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(number: u32) -> [u8; KEY] {
        *hash::hash(&number.to_le_bytes()).as_bytes()
    }

    fn run(count: u32) -> SortedRun {
        let mut rows: Vec<[u8; 36]> = (0..count)
            .map(|number| {
                let mut row = [0; 36];
                row[..32].copy_from_slice(&key(number));
                row[32..].copy_from_slice(&number.to_le_bytes());
                row
            })
            .collect();
        rows.sort_unstable();
        let mut builder = RunBuilder::new(36);
        rows.iter().for_each(|row| builder.push(row));
        SortedRun::from_builder(builder, b"beside").unwrap()
    }

    #[test]
    fn every_row_is_found_and_nothing_else() {
        for count in [0, 1, 15, 1_000, 40_000] {
            let run = run(count);
            assert_eq!(run.extra(), b"beside");
            for number in 0..count {
                let key = key(number);
                let found: Vec<_> = run.find(&key).collect();
                assert_eq!(found.len(), 1);
                assert_eq!(found[0][32..], number.to_le_bytes());
            }
            assert_eq!(run.find(&key(count)).count(), 0);
            assert!(run.verify());
        }
    }

    #[test]
    fn keys_are_found_however_they_are_spread() {
        let spreads: [fn(u32) -> u32; 4] =
            [|n| n, |n| n << 16, |n| u32::MAX - n * n, |n| if n % 9 == 0 { n } else { n << 20 }];
        for spread in spreads {
            let mut keys: Vec<[u8; KEY]> = (0..700)
                .map(|number| {
                    let mut key = [7; KEY];
                    key[..4].copy_from_slice(&spread(number).to_be_bytes());
                    key
                })
                .collect();
            keys.sort_unstable();
            let mut builder = RunBuilder::new(KEY);
            keys.iter().for_each(|key| builder.push(key));
            let run = SortedRun::from_builder(builder, b"").unwrap();
            for key in &keys {
                for last in [6, 7, 8] {
                    let mut asked = *key;
                    asked[KEY - 1] = last;
                    let expected = keys.partition_point(|key| *key < asked);
                    assert_eq!(run.lower_bound(&asked), expected);
                }
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_seen_on_opening() {
        let run = run(100);
        for at in 0..run.bytes.len() {
            let mut bytes = run.bytes.to_vec();
            bytes[at] ^= 4;
            let is_padding = (56..64).contains(&at);
            assert!(SortedRun::open(Bytes::new(bytes)).is_none() || is_padding, "byte {at}");
        }
    }
}

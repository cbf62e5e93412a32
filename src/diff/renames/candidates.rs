//! Which old files are worth comparing with a new one.
//!
//! Every file has keys; files that share one are candidates. A small file's keys are its rarest
//! lines, as many as any partner must share at least one of: so no partner is missed. A larger
//! one's are the bands of its sketch, and the chunks its manifest names.
//!
//! Keys that very many old files have say little and would cost much: of those files only some are
//! looked at, and of a new file's candidates only those that have most in common with it. Both
//! limits are far above what real collections reach; which files they leave out depends on the
//! changes alone.

use std::collections::HashMap;

use crate::chunk::{Sketch, band_keys};
use crate::object::ChunkRef;

use super::lines::Lines;

/// Of the old files with one key, so many are looked at: those of the new one's name first.
const MOST_OF_A_KEY: usize = 64;

/// So many candidates of a new file are compared with it: those that share most.
const MOST_CANDIDATES: usize = 256;

/// A band of a sketch stands for so many bytes of its file.
const BANDS: u64 = 128;

/// One key of a file, and how many bytes of the file it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    key: u64,
    bytes: u64,
}

const LINE: u64 = 1 << 60;
const BAND: u64 = 2 << 60;
const CHUNK: u64 = 3 << 60;

/// How many old files have a line, roughly: lines that fall together count as one.
pub(super) struct Rarity(Vec<u32>);

const RARITY_BITS: u32 = 20;

impl Rarity {
    pub(super) fn new() -> Self {
        Self(vec![0; 1 << RARITY_BITS])
    }

    pub(super) fn count(&mut self, lines: &Lines) {
        for (line, _) in lines.pieces() {
            let place = &mut self.0[place(line)];
            *place = place.saturating_add(1);
        }
    }

    /// The keys of a file of `size` bytes: any file that shares at least `needed` bytes of lines
    /// with it, and has as many to share, has one of these keys too.
    pub(super) fn keys(&self, lines: &Lines, needed: u64) -> Vec<Key> {
        let mut ordered: Vec<(u32, u32, u32)> =
            lines.pieces().map(|(line, bytes)| (self.0[place(line)], line, bytes)).collect();
        ordered.sort_unstable();
        let mut rest: u64 = ordered.iter().map(|&(_, _, bytes)| u64::from(bytes)).sum();
        let mut keys = Vec::new();
        for (_, line, bytes) in ordered {
            // What comes after is too little to be all that is shared.
            if rest < needed {
                break;
            }
            keys.push(Key { key: LINE | u64::from(line), bytes: bytes.into() });
            rest -= u64::from(bytes);
        }
        keys
    }
}

fn place(line: u32) -> usize {
    (line.wrapping_mul(0x9E37_79B1) >> (32 - RARITY_BITS)) as usize
}

/// The keys of a sketch, of `width` slots each. Sketches of spans and of chunks share none.
pub(super) fn sketch_keys(
    sketch: &Sketch,
    size: u64,
    is_of_chunks: bool,
    width: usize,
) -> impl Iterator<Item = Key> {
    let sort = BAND | u64::from(is_of_chunks) << 59;
    let bytes = size.div_ceil(BANDS);
    band_keys(sketch, width).map(move |(band, key)| {
        let key = sort | u64::from(band) << 32 | u64::from(key);
        Key { key, bytes }
    })
}

/// The keys of the chunks that a manifest names.
pub(super) fn chunk_keys(chunks: &[ChunkRef]) -> impl Iterator<Item = Key> {
    chunks
        .iter()
        .map(|chunk| Key { key: CHUNK | chunk.id.head() >> 4, bytes: u64::from(chunk.length) })
}

/// How many slots of a sketch make a key, by how many pairs there could be: the more, the fewer
/// meet by chance. Files that may be less similar than 40 % need narrower keys to meet at all.
pub(super) fn width(old: usize, new: usize, threshold: u16) -> usize {
    let pairs = old as u64 * new as u64;
    let width = match pairs {
        0..=1_000_000_000 => 3,
        1_000_000_001..=100_000_000_000 => 4,
        _ => 5,
    };
    if threshold < 4_000 { width - 1 } else { width }
}

/// The old files by their keys.
#[derive(Default)]
pub(super) struct Postings<'c> {
    names: HashMap<&'c [u8], u32>,
    /// Key, name, and which file; sorted once all are there.
    all: Vec<(u64, u32, u32)>,
}

impl<'c> Postings<'c> {
    /// Takes an old file's keys.
    pub(super) fn add(&mut self, old: usize, name: &'c [u8], keys: &[Key]) {
        let next = self.names.len() as u32;
        let name = *self.names.entry(name).or_insert(next);
        self.all.extend(keys.iter().map(|key| (key.key, name, old as u32)));
    }

    /// Makes it ready to be asked.
    pub(super) fn finish(&mut self) {
        self.all.sort_unstable();
        self.all.dedup();
    }

    /// The candidates of a new file among the old ones that `fit`, in order.
    pub(super) fn of(&self, name: &[u8], keys: &[Key], fits: impl Fn(usize) -> bool) -> Vec<usize> {
        let name = self.names.get(name).copied();
        let mut hits: Vec<(u32, u64)> = Vec::new();
        for key in keys {
            let start = self.all.partition_point(|&(other, ..)| other < key.key);
            let same = self.all[start..].iter().take_while(|&&(other, ..)| other == key.key);
            let mut taken = 0;
            for &(_, other, old) in same.clone().take(MOST_OF_A_KEY) {
                taken += 1;
                if Some(other) != name && fits(old as usize) {
                    hits.push((old, key.bytes));
                }
            }
            let Some(name) = name else { continue };
            let namesakes = match taken < MOST_OF_A_KEY {
                true => start,
                false => self.all.partition_point(|&(k, n, _)| (k, n) < (key.key, name)),
            };
            let namesakes = self.all[namesakes..]
                .iter()
                .take(MOST_OF_A_KEY)
                .take_while(|&&(other, ..)| other == key.key)
                .filter(|&&(_, other, old)| other == name && fits(old as usize));
            hits.extend(namesakes.map(|&(.., old)| (old, key.bytes)));
        }
        hits.sort_unstable();
        let mut together: Vec<(u32, u64)> = Vec::new();
        for (old, bytes) in hits {
            match together.last_mut() {
                Some((last, sum)) if *last == old => *sum += bytes,
                _ => together.push((old, bytes)),
            }
        }
        if together.len() > MOST_CANDIDATES {
            together.sort_by_key(|&(old, bytes)| (std::cmp::Reverse(bytes), old));
            together.truncate(MOST_CANDIDATES);
            together.sort_unstable();
        }
        together.into_iter().map(|(old, _)| old as usize).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(key: u64) -> Key {
        Key { key, bytes: 10 }
    }

    #[test]
    fn files_that_share_a_key_are_candidates_and_no_others() {
        let mut postings = Postings::default();
        postings.add(0, b"a", &[key(1), key(2)]);
        postings.add(1, b"b", &[key(3)]);
        postings.add(2, b"c", &[key(2), key(3)]);
        postings.finish();
        assert_eq!(postings.of(b"x", &[key(2)], |_| true), [0, 2]);
        assert_eq!(postings.of(b"c", &[key(2), key(3)], |_| true), [0, 1, 2]);
        assert_eq!(postings.of(b"c", &[key(3)], |old| old != 1), [2]);
        assert!(postings.of(b"a", &[key(4)], |_| true).is_empty());
    }

    #[test]
    fn of_a_key_that_all_have_the_namesake_is_a_candidate() {
        let mut postings = Postings::default();
        let names: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
        for (old, name) in names.iter().enumerate() {
            postings.add(old, name.as_bytes(), &[key(7)]);
        }
        postings.finish();
        let found = postings.of(b"0900", &[key(7)], |_| true);
        assert_eq!(found.len(), MOST_OF_A_KEY + 1);
        assert!(found.contains(&900));
    }

    #[test]
    fn rare_lines_are_keys_until_the_rest_is_too_little() {
        let common = "common\n".repeat(10);
        let file = |own: &str| Lines::of(format!("{own}\n{common}").as_bytes());
        let mut rarity = Rarity::new();
        (0..50).for_each(|n| rarity.count(&file(&format!("number {n}"))));
        // 80 bytes, of which 70 are common to all: with 71 to share, the own line must be shared.
        let lines = file("number 17");
        assert_eq!(rarity.keys(&lines, 71).len(), 1);
        assert_eq!(rarity.keys(&lines, 40).len(), 2);
        assert_eq!(rarity.keys(&lines, 81).len(), 0);
    }
}

//! What two contents have in common, as git counts it.
//!
//! A content is cut behind each line feed, and where there is none after 64 bytes. What two
//! contents share is the bytes of the pieces that are in both, each as often as it is in both. git
//! tells pieces apart by a number below 107,927, so we do: the score is the same to the last digit.

use crate::object::manifest;

/// Pieces are told apart by a number below this one.
const BUCKETS: u32 = 107_927;

/// No piece is longer.
const LONGEST: usize = 64;

/// The pieces of one content: 17 bits that say which one counts as equal, 32 that tell it from
/// most others, and 15 for how many bytes there are of it; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(Vec<u64>);

const BYTES_BITS: u32 = 15;
const VALUE_BITS: u32 = 32;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;

impl Lines {
    /// The pieces of a content of at most 16 KiB.
    pub(super) fn of(bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() as u64 <= manifest::SMALL);
        let mut found = Vec::with_capacity(bytes.len() / 24 + 1);
        each_piece(bytes, |value, length| {
            let bucket = u64::from(value % BUCKETS);
            let which = bucket << VALUE_BITS | u64::from(value);
            found.push(which << BYTES_BITS | length as u64);
        });
        found.sort_unstable();
        let mut lines: Vec<u64> = Vec::with_capacity(found.len());
        for piece in found {
            match lines.last_mut() {
                Some(last) if *last >> BYTES_BITS == piece >> BYTES_BITS => {
                    *last += piece & BYTES_MASK;
                }
                _ => lines.push(piece),
            }
        }
        lines.shrink_to_fit();
        Self(lines)
    }

    /// How many bytes it holds in memory.
    pub(super) fn memory(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }

    /// Each different piece, and how many bytes there are of it.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|&piece| ((piece >> BYTES_BITS) as u32, (piece & BYTES_MASK) as u32))
    }

    /// How many bytes are in both.
    pub(super) fn shared(&self, other: &Self) -> u64 {
        let bucket = |piece: u64| piece >> (BYTES_BITS + VALUE_BITS);
        let take = |pieces: &[u64], at: &mut usize, which: u64| {
            let mut bytes = 0;
            while let Some(&piece) = pieces.get(*at)
                && bucket(piece) == which
            {
                bytes += piece & BYTES_MASK;
                *at += 1;
            }
            bytes
        };
        let (mut mine, mut theirs, mut shared) = (0, 0, 0);
        while let (Some(&a), Some(&b)) = (self.0.get(mine), other.0.get(theirs)) {
            let which = bucket(a).min(bucket(b));
            let (a, b) = (take(&self.0, &mut mine, which), take(&other.0, &mut theirs, which));
            shared += a.min(b);
        }
        shared
    }
}

/// Tells the number of each piece, and how many bytes it has.
fn each_piece(bytes: &[u8], mut push: impl FnMut(u32, usize)) {
    let is_text = manifest::is_text(bytes);
    let (mut a, mut b, mut length) = (0u32, 0u32, 0usize);
    let value = |a: u32, b: u32| a.wrapping_add(b.wrapping_mul(0x61));
    for (at, &byte) in bytes.iter().enumerate() {
        // Text is the same with either end of line.
        if is_text && byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
            continue;
        }
        (a, b) = (a << 7 ^ b >> 25, b << 7 ^ a >> 25);
        a = a.wrapping_add(byte.into());
        length += 1;
        if length == LONGEST || byte == b'\n' {
            push(value(a, b), length);
            (a, b, length) = (0, 0, 0);
        }
    }
    if length > 0 {
        push(value(a, b), length);
    }
}

/// How many bytes of a content of any size count as equal to what: 17 bits that say to what, and
/// how many; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights(Vec<u64>);

const WEIGHT_BITS: u32 = u64::BITS - 17;
const WEIGHT_MASK: u64 = (1 << WEIGHT_BITS) - 1;

impl Weights {
    /// The pieces of a content.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut found = Vec::with_capacity(bytes.len() / 24 + 1);
        each_piece(bytes, |value, length| {
            found.push(u64::from(value % BUCKETS) << WEIGHT_BITS | length as u64);
        });
        found.sort_unstable();
        found.dedup_by(|piece, before| {
            let is_same = *piece >> WEIGHT_BITS == *before >> WEIGHT_BITS;
            if is_same {
                *before += *piece & WEIGHT_MASK;
            }
            is_same
        });
        found.shrink_to_fit();
        Self(found)
    }

    /// How many bytes are in both.
    pub(super) fn shared(&self, other: &Self) -> u64 {
        let (mut mine, mut theirs, mut shared) = (0, 0, 0);
        while let (Some(&a), Some(&b)) = (self.0.get(mine), other.0.get(theirs)) {
            let order = (a >> WEIGHT_BITS).cmp(&(b >> WEIGHT_BITS));
            if order.is_eq() {
                shared += (a & WEIGHT_MASK).min(b & WEIGHT_MASK);
            }
            mine += usize::from(order.is_le());
            theirs += usize::from(order.is_ge());
        }
        shared
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shared(a: &str, b: &str) -> u64 {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let shared = Lines::of(a).shared(&Lines::of(b));
        assert_eq!(Weights::of(a).shared(&Weights::of(b)), shared);
        shared
    }

    #[test]
    fn lines_in_both_count_as_often_as_they_are_in_both() {
        assert_eq!(shared("a\nb\nb\nc\n", "c\nb\nx\n"), 4);
        assert_eq!(shared("b\nb\nb\n", "b\nb\n"), 4);
        assert_eq!(shared("", "b\n"), 0);
        assert_eq!(shared("a\nlast", "last"), 4);
    }

    #[test]
    fn either_end_of_line_is_the_same_text_and_not_the_same_bytes() {
        assert_eq!(shared("one\r\ntwo\r\n", "one\ntwo\n"), 8);
        assert_eq!(shared("\0one\r\ntwo\r\n", "\0one\ntwo\n"), 0);
        assert_eq!(shared("a\rb\n", "a\rb\n"), 4);
    }

    #[test]
    fn content_without_lines_is_cut_after_64_bytes() {
        let long: String = (0..200).map(|n| char::from(b'a' + n % 23)).collect();
        assert_eq!(shared(&long, &long), 200);
        assert_eq!(shared(&long, &format!("{}X", &long[..128])), 128);
        assert_eq!(Lines::of(&[b'x'; 16_384]).pieces().collect::<Vec<_>>().len(), 1);
        assert_eq!(Lines::of(&[b'x'; 16_384]).shared(&Lines::of(&[b'x'; 16_384])), 16_384);
        let large = Weights::of(&[b'x'; 1 << 20]);
        assert_eq!(large.shared(&large), 1 << 20);
    }
}

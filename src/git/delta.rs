//! What one version of an object is in terms of another: copies and insertions, as git reads them.
//!
//! What both share in the beginning and the end is found by comparing. What is between is looked
//! for in blocks: of every 16 bytes of the base the place is noted, and each place of the new bytes
//! is looked up.

/// Blocks of the base have so many bytes.
const BLOCK: usize = 16;
/// An insertion has at most so many bytes.
const MOST_INSERTED: usize = 127;
/// A copy has at most so many bytes.
const MOST_COPIED: usize = 0xff_ffff;

/// How `new` differs from `base`, if that takes less than half of `new`.
pub(super) fn delta(base: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    // Longer ones have no place in a copy.
    u32::try_from(base.len()).ok()?;
    let most = new.len() / 2;
    let start = base.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&base[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut delta = Delta { out: Vec::new(), base, new, done: 0, most };
    varint(&mut delta.out, base.len());
    varint(&mut delta.out, new.len());
    delta.copy(0, 0, start);
    let (old, middle) = (start..base.len() - end, start..new.len() - end);
    if old.len() >= BLOCK && middle.len() >= BLOCK {
        delta.match_blocks(old, middle)?;
    }
    delta.copy(base.len() - end, new.len() - end, end);
    delta.insert(new.len());
    (delta.out.len() <= most).then_some(delta.out)
}

struct Delta<'a> {
    out: Vec<u8>,
    base: &'a [u8],
    new: &'a [u8],
    /// So much of `new` is described.
    done: usize,
    most: usize,
}

impl Delta<'_> {
    /// Describes what is between by blocks of the base; `None` once it is too much.
    fn match_blocks(
        &mut self,
        old: std::ops::Range<usize>,
        middle: std::ops::Range<usize>,
    ) -> Option<()> {
        let (base, new) = (self.base, self.new);
        let bits = (old.len() / BLOCK).next_power_of_two().trailing_zeros() + 1;
        let mut places = vec![u32::MAX; 1 << bits];
        for at in old.step_by(BLOCK) {
            let Some(block) = base.get(at..at + BLOCK) else { break };
            let place = &mut places[slot(block, bits)];
            // Of blocks that are alike the first.
            if *place == u32::MAX {
                *place = at as u32;
            }
        }
        let mut at = middle.start;
        while at + BLOCK <= middle.end {
            let found = places[slot(&new[at..at + BLOCK], bits)] as usize;
            let is_same =
                base.get(found..).is_some_and(|rest| rest.starts_with(&new[at..at + BLOCK]));
            if !is_same {
                at += 1;
                continue;
            }
            let ahead = base[found..].iter().zip(&new[at..middle.end]).take_while(|(a, b)| a == b);
            let ahead = ahead.count();
            let behind = base[..found].iter().rev().zip(new[self.done..at].iter().rev());
            let behind = behind.take_while(|(a, b)| a == b).count();
            self.copy(found - behind, at - behind, behind + ahead);
            at += ahead;
            if self.out.len() > self.most {
                return None;
            }
        }
        Some(())
    }

    /// Copies from the base what stands at `at` in the new bytes; what is before is inserted.
    fn copy(&mut self, mut from: usize, at: usize, mut length: usize) {
        self.insert(at);
        self.done = at + length;
        while length > 0 {
            let part = length.min(MOST_COPIED);
            let code_at = self.out.len();
            let mut code = 0x80;
            self.out.push(code);
            for (bit, byte) in (from as u32).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    code |= 1 << bit;
                    self.out.push(byte);
                }
            }
            for (bit, byte) in (part as u32).to_le_bytes().into_iter().take(3).enumerate() {
                if byte != 0 {
                    code |= 0x10 << bit;
                    self.out.push(byte);
                }
            }
            self.out[code_at] = code;
            from += part;
            length -= part;
        }
    }

    /// Inserts what has not been described before this place.
    fn insert(&mut self, end: usize) {
        for part in self.new[self.done..end].chunks(MOST_INSERTED) {
            self.out.push(part.len() as u8);
            self.out.extend_from_slice(part);
        }
        self.done = end;
    }
}

/// Where the place of a block is noted.
fn slot(block: &[u8], bits: u32) -> usize {
    let half = |at: usize| {
        block
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |eight| u64::from_le_bytes(*eight))
    };
    let mixed =
        (half(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(8)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed >> (64 - bits)) as usize
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a difference makes of its base, as git reads it.
    fn apply(base: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut at = 0;
        let mut number = || {
            let (mut value, mut shift) = (0usize, 0);
            loop {
                let byte = delta[at];
                at += 1;
                value |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        };
        assert_eq!(number(), base.len());
        let length = number();
        let mut out = Vec::new();
        while at < delta.len() {
            let code = delta[at];
            at += 1;
            if code & 0x80 == 0 {
                out.extend_from_slice(&delta[at..at + usize::from(code)]);
                at += usize::from(code);
                continue;
            }
            let mut read = |bits: std::ops::Range<u32>| {
                let first = bits.start;
                bits.fold(0usize, |value, bit| {
                    if code & (1 << bit) == 0 {
                        return value;
                    }
                    let byte = usize::from(delta[at]);
                    at += 1;
                    value | byte << (8 * (bit - first))
                })
            };
            let offset = read(0..4);
            let size = match read(4..7) {
                0 => 0x10000,
                size => size,
            };
            out.extend_from_slice(&base[offset..offset + size]);
        }
        assert_eq!(out.len(), length);
        out
    }

    #[test]
    fn a_difference_makes_the_new_of_the_old() {
        let long: Vec<u8> = (0..70_000u32).flat_map(u32::to_le_bytes).collect();
        let mut edited = long.clone();
        edited.splice(100_000..100_010, [7; 500]);
        let mut often = long.clone();
        for at in (0..often.len()).step_by(5_000) {
            often[at] ^= 0xff;
        }
        let moved = [&long[200_000..], &long[..200_000]].concat();
        for (old, new) in [
            (&long[..], &edited[..]),
            (&edited[..], &long[..]),
            (&long, &often),
            (&often, &edited),
            (&long, &moved),
            (b"a text that stays the same", b"a text that stays the same"),
            (b"a text that Xstays", b"a text that stays"),
            (&[b'a'; 40], &[b'a'; 70]),
            (&[b'a'; 70], &[b'a'; 40]),
        ] {
            let delta = delta(old, new).unwrap();
            assert!(delta.len() < 40 || delta.len() < new.len() / 100);
            assert_eq!(apply(old, &delta), new);
        }
        assert_eq!(delta(b"abc", b"xyz"), None);
        assert_eq!(delta(b"", b""), None);
        let mut noise = vec![0; 50_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert_eq!(delta(&long, &noise), None);
    }
}

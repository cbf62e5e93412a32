//! Sums of pages: quick enough to check every page that is read.
//!
//! Eight lanes of 64 bits, each `(lane ^ word) * odd`, rotated, word after word; then folded. Every
//! step can be undone, so a change within one word of the input always changes the sum, and any
//! other damage is missed once in 2^64. Not a hash: whoever can write here needs no collision.
//!
//! A status of a million files reads 87 MB of pages. Measured, of the 30 ns a file that reading the
//! index may take: 4 with this, 23 with BLAKE3; with eight files a directory, 4 and 76.

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const LANES: usize = 8;

/// The sum of `bytes`.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let mut lanes = [ODD; LANES];
    let (blocks, rest) = bytes.as_chunks::<{ 8 * LANES }>();
    for block in blocks {
        take(&mut lanes, block);
    }
    let mut last = [0; 8 * LANES];
    last[..rest.len()].copy_from_slice(rest);
    take(&mut lanes, &last);
    // The length last, so that zero bytes at the end count.
    lanes.into_iter().fold(bytes.len() as u64, |sum, lane| step(sum, lane.rotate_left(32)))
}

#[inline]
fn take(lanes: &mut [u64; LANES], block: &[u8; 8 * LANES]) {
    let (words, _) = block.as_chunks();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = step(*lane, u64::from_le_bytes(*word));
    }
}

#[inline]
fn step(lane: u64, word: u64) -> u64 {
    (lane ^ word).wrapping_mul(ODD).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_the_length_count() {
        for length in [0, 1, 7, 8, 63, 64, 65, 200] {
            let bytes: Vec<u8> = (0..length).collect();
            let right = sum(&bytes);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(sum(&flipped), right, "bit {bit} of {length} bytes");
            }
            assert_ne!(sum(&[&bytes[..], &[0]].concat()), right);
        }
    }

    #[test]
    fn it_stays_what_it_is() {
        assert_eq!(sum(b"annals"), 14_050_390_363_917_710_340);
    }
}

//! Where a chunk ends: FastCDC v2020, normalisation level 1, no seed.
//!
//! A boundary depends only on the bytes of its own chunk (and on the end of the file), so a file
//! can be cut while it is read, one chunk at a time, in a buffer of [`Sizes::max`] bytes.
//!
//! The search is the `fastcdc` crate's; the golden cut points below would show if it ever moved
//! one. Nothing here allocates: the crate's tables are static, and the masks are constants.

use fastcdc::v2020::{MASKS, cut};

use crate::chunk::parameters::Sizes;

/// Normalisation level 1: below the average a boundary is twice as rare, above it twice as common.
const NORMALISATION: usize = 1;

/// The length of the first chunk of `bytes`, which must hold at least `sizes.max` bytes or
/// everything up to the end of the file. No bytes have no chunk: the answer is 0.
pub fn next(bytes: &[u8], sizes: Sizes) -> usize {
    debug_assert!(sizes.average.is_power_of_two(), "the average picks the masks by its logarithm");
    // What `FastCDC::with_level` does at every construction, without its floating-point logarithm.
    // Zeros never satisfy a mask of format 1; looking at them is faster than searching them.
    let longest = &bytes[..bytes.len().min(sizes.max)];
    if is_zero(longest) {
        return longest.len();
    }
    let bits = sizes.average.trailing_zeros() as usize;
    let (strict, relaxed) = (MASKS[bits + NORMALISATION], MASKS[bits - NORMALISATION]);
    let (_, length) =
        cut(bytes, sizes.min, sizes.average, sizes.max, strict, relaxed, strict << 1, relaxed << 1);
    length
}

fn is_zero(bytes: &[u8]) -> bool {
    let all = |bytes: &[u8]| bytes.iter().fold(0, |any, byte| any | byte) == 0;
    all(&bytes[..bytes.len().min(16)]) && bytes.chunks(4096).all(all)
}

/// The length of the chunks cut from an endless run of zero bytes, so holes need no reading.
///
/// Zeros never satisfy a mask of format 1, so such a chunk has the greatest length there is.
pub fn zero_run(sizes: Sizes) -> usize {
    sizes.max
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fastcdc::v2020::{FastCDC, Normalization};
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::parameters::sizes;

    const MIB: usize = 1 << 20;

    /// Bytes that look random and are the same everywhere: BLAKE3's output for no input.
    fn stream(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn cuts(mut bytes: &[u8], sizes: Sizes) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !bytes.is_empty() {
            let length = next(bytes, sizes);
            lengths.push(length);
            bytes = &bytes[length..];
        }
        lengths
    }

    fn reference(bytes: &[u8], sizes: Sizes) -> Vec<usize> {
        let Sizes { min, average, max } = sizes;
        FastCDC::with_level(bytes, min, average, max, Normalization::Level1)
            .map(|chunk| chunk.length)
            .collect()
    }

    /// Cuts as a reader does: refill up to `buffer` bytes in pieces of `piece`, cut one chunk.
    fn cuts_while_reading(bytes: &[u8], sizes: Sizes, buffer: usize, piece: usize) -> Vec<usize> {
        let (mut lengths, mut held, mut unread) = (Vec::new(), Vec::new(), bytes);
        loop {
            while held.len() < buffer && !unread.is_empty() {
                let (read, rest) =
                    unread.split_at(piece.min(unread.len()).min(buffer - held.len()));
                held.extend_from_slice(read);
                unread = rest;
            }
            if held.is_empty() {
                return lengths;
            }
            let length = next(&held, sizes);
            lengths.push(length);
            held.drain(..length);
        }
    }

    #[test]
    fn cut_points_of_small_files_are_pinned() {
        let found = cuts(&stream(MIB), sizes(MIB as u64));
        assert_eq!(found, GOLDEN_SMALL);
    }

    #[test]
    fn cut_points_of_middling_files_are_pinned() {
        let found = cuts(&stream(8 * MIB), sizes(8 * MIB as u64));
        assert_eq!(found, GOLDEN_MIDDLING);
    }

    #[test]
    fn cut_points_of_large_files_are_pinned() {
        let found = cuts(&stream(16 * MIB), sizes(5 << 30));
        assert_eq!(found, GOLDEN_LARGE);
    }

    #[test]
    fn runs_of_zeros_are_cut_as_anything_else() {
        for (before, zeros, after) in [(0, 3 * MIB, 100), (100, MIB, MIB), (300_000, 700_000, 0)] {
            let mut bytes = stream(before);
            bytes.resize(before + zeros, 0);
            bytes.extend(stream(after));
            for sizes in [sizes(1), sizes(1 << 30)] {
                assert_eq!(cuts(&bytes, sizes), reference(&bytes, sizes));
            }
        }
    }

    #[test]
    fn an_endless_run_of_zeros_is_cut_where_zero_run_says() {
        let zeros = vec![0; 2 * 4 * MIB + 2];
        for file_bytes in [1, 1 << 30, 1 << 40] {
            let sizes = sizes(file_bytes);
            assert_eq!(next(&zeros, sizes), zero_run(sizes));
            assert_eq!(next(&zeros[..sizes.max], sizes), zero_run(sizes));
            assert_eq!(next(&zeros[..sizes.max - 1], sizes), sizes.max - 1);
        }
    }

    #[test]
    fn no_bytes_have_no_chunk_and_few_bytes_have_one() {
        let sizes = sizes(1);
        assert_eq!(next(&[], sizes), 0);
        assert_eq!(next(&[1], sizes), 1);
        assert_eq!(next(&stream(sizes.min), sizes), sizes.min);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn cutting_while_reading_gives_what_the_crate_cuts_from_the_whole(
            skip in 0_usize..100_000,
            length in 0_usize..6 * MIB,
            piece in 1_usize..300_000,
            spare in 0_usize..300_000,
            class in prop::sample::select(vec![1_u64, 1 << 30, 1 << 40]),
            zeros in 0_usize..600_000,
        ) {
            let sizes = sizes(class);
            let mut bytes = stream(skip + length).split_off(skip);
            let end = zeros.min(length);
            bytes[end / 3..end].fill(0);
            let expected = reference(&bytes, sizes);
            prop_assert_eq!(&cuts(&bytes, sizes), &expected);
            let buffer = sizes.max + spare;
            prop_assert_eq!(&cuts_while_reading(&bytes, sizes, buffer, piece), &expected);
        }
    }

    const GOLDEN_SMALL: &[usize] = &[
        32_798, 100_912, 40_249, 68_411, 152_004, 75_528, 61_313, 86_054, 69_684, 80_169, 58_517,
        51_479, 153_692, 17_766,
    ];
    const GOLDEN_MIDDLING: &[usize] = &[
        531_215, 93_777, 506_155, 463_976, 351_611, 67_744, 440_903, 378_761, 498_246, 171_426,
        112_611, 371_838, 222_492, 263_352, 350_797, 190_204, 111_510, 265_924, 469_021, 112_970,
        436_487, 133_278, 75_724, 479_457, 348_851, 342_452, 409_042, 103_684, 85_100,
    ];
    const GOLDEN_LARGE: &[usize] = &[
        1_660_009, 795_372, 1_161_044, 1_398_683, 1_395_912, 1_892_488, 1_387_872, 1_074_712,
        1_082_699, 583_878, 439_507, 1_228_670, 2_372_646, 303_724,
    ];
}

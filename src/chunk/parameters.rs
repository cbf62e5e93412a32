//! The chunker's numbers: constants of format 1, chosen by the size of the file alone.
//!
//! A file that grows past a limit is cut anew once; in exchange the same content has the same
//! manifest everywhere. Nothing is configurable here, on purpose.

/// The number of the chunker of format 1, as it stands in every manifest.
pub const CHUNKER: u16 = 1;

/// Content of at most this many bytes has no manifest: its one chunk is its content.
pub const SMALL: u64 = 16 * KIB as u64;

/// No chunk of any file is longer than this many bytes.
pub const LARGEST: usize = 4 * MIB;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;

/// How long the chunks of one file are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// No chunk is shorter, except the last of a file.
    pub min: usize,
    /// What the chunker aims at: a power of two.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

/// The chunk sizes of a file of `file_bytes` bytes.
pub fn sizes(file_bytes: u64) -> Sizes {
    if file_bytes <= 4 * MIB as u64 {
        Sizes { min: 16 * KIB, average: 64 * KIB, max: 256 * KIB }
    } else if file_bytes <= 4 * GIB {
        Sizes { min: 64 * KIB, average: 256 * KIB, max: MIB }
    } else {
        Sizes { min: 256 * KIB, average: MIB, max: LARGEST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_a_limit_still_has_the_smaller_chunks() {
        assert_eq!(sizes(0).average, 65_536);
        assert_eq!(sizes(4_194_304).average, 65_536);
        assert_eq!(sizes(4_194_305).average, 262_144);
        assert_eq!(sizes(4_294_967_296).average, 262_144);
        assert_eq!(sizes(4_294_967_297).average, 1_048_576);
        assert_eq!(sizes(u64::MAX), Sizes { min: 262_144, average: 1_048_576, max: 4_194_304 });
    }

    #[test]
    fn every_class_keeps_the_quarter_and_the_fourfold() {
        for file_bytes in [1, 1 << 30, 1 << 40] {
            let sizes = sizes(file_bytes);
            assert!(sizes.average.is_power_of_two());
            assert_eq!((sizes.min * 4, sizes.max / 4), (sizes.average, sizes.average));
            assert!(sizes.max <= LARGEST);
        }
    }

    #[test]
    fn small_content_is_no_longer_than_the_shortest_chunk() {
        assert_eq!(SMALL, sizes(0).min as u64);
    }
}

//! Sketches: 64 bytes that say how similar two contents are, without either content.
//!
//! A sketch is 128 slots of 4 bits, a byte-weighted min-hash over a file's lines (or, above
//! [`SPAN_LIMIT`], over its chunks). Two contents agree in a slot about as often as they share
//! bytes. `reference/sketch.md` has the definition, the measurements and the golden vectors that
//! the tests here and in `sketcher` hold us to.
//!
//! A sketch is part of its manifest's id, so it is the same on every machine. It is no proof of
//! anything: a forged one misleads rename detection, and nothing else may rest on it.
//!
//! Deciding what counts as a rename is not here, nor is the search for candidates beyond the keys
//! it sorts by: that is `diff`'s business.

use std::fmt;

/// Files of at most this many bytes are sketched by their spans, larger ones by their chunks.
///
/// The two sorts measure different things: never compare one with the other.
pub const SPAN_LIMIT: u64 = 64 << 20;

/// Slots in a sketch, two to a byte, the even one in the low half.
pub(crate) const SLOTS: usize = 128;

/// Distances between the slots of one band: no difference occurs twice, so two bands share at most
/// one slot, and fail almost independently.
const BAND_OFFSETS: [usize; 5] = [0, 1, 5, 25, 54];

/// What a manifest remembers of its content's lines: 128 slots of 4 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sketch([u8; 64]);

impl Sketch {
    /// The sketch with these bytes, as they stand in a manifest. Any 64 bytes are a sketch.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they stand in a manifest.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    fn slots(&self) -> [u8; SLOTS] {
        std::array::from_fn(|slot| self.0[slot / 2] >> (slot % 2 * 4) & 15)
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

/// How many of the 128 slots agree. Unrelated contents agree in about eight.
pub fn equal_slots(a: &Sketch, b: &Sketch) -> u32 {
    let mut unequal = 0;
    for (a, b) in a.0.as_chunks::<8>().0.iter().zip(b.0.as_chunks::<8>().0) {
        let mut different = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        different |= different >> 2;
        different |= different >> 1;
        unequal += (different & 0x1111_1111_1111_1111).count_ones();
    }
    SLOTS as u32 - unequal
}

/// How similar two different contents are, in hundredths of a percent, at most 9999: the shared
/// bytes as a part of the larger content.
///
/// `shared_chunk_bytes` counts the bytes in chunks known to be in both, each as often as in both,
/// and 0 if no chunk list is at hand; it is a certain lower bound, so the larger figure counts.
/// Only the caller can know that contents are identical (their ids are), which alone is 10000.
pub fn estimate(
    a: &Sketch,
    a_bytes: u64,
    b: &Sketch,
    b_bytes: u64,
    shared_chunk_bytes: u64,
) -> u32 {
    let larger = u128::from(a_bytes.max(b_bytes));
    if larger == 0 {
        return 0;
    }
    // One slot in sixteen agrees by chance, so J, the part that is common to both, is n / 1920.
    let n = u128::from((16 * equal_slots(a, b)).saturating_sub(128));
    let common = n * (u128::from(a_bytes) + u128::from(b_bytes)) / (1920 + n);
    let sketched = common.min(a_bytes.min(b_bytes).into());
    let shared = sketched.max(shared_chunk_bytes.into());
    // Both quotients of the definition have this divisor, so the larger numerator decides.
    (shared * 10_000 / larger).min(9_999) as u32
}

/// The 128 keys under which a sketch is found: contents that share a key are worth comparing.
///
/// A key is the value of `r` slots (1 to 5) of its band. The wider, the fewer chance meetings, and
/// the more partners near 50 % are missed: 3 finds 99.7 % of those, 4 finds 94 %, 5 finds 71 %.
pub fn band_keys(sketch: &Sketch, r: usize) -> impl Iterator<Item = (u8, u32)> + use<> {
    let slots = sketch.slots();
    let offsets = &BAND_OFFSETS[..r.min(BAND_OFFSETS.len())];
    (0..SLOTS as u8).map(move |band| {
        let slot = |offset| u32::from(slots[(usize::from(band) + offset) % SLOTS]);
        (band, offsets.iter().fold(0, |key, &offset| key << 4 | slot(offset)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn slot_by_slot(a: &Sketch, b: &Sketch) -> u32 {
        (0..64).map(|i| a.0[i] ^ b.0[i]).fold(0, |equal, different| {
            equal + u32::from(different & 15 == 0) + u32::from(different >> 4 == 0)
        })
    }

    fn arbitrary(seed: u8) -> Sketch {
        let mut bytes = [0; 64];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        Sketch::from_bytes(bytes)
    }

    /// `sketch` with its first `count` slots changed.
    fn differing(sketch: Sketch, count: usize) -> Sketch {
        let mut bytes = sketch.0;
        for slot in 0..count {
            bytes[slot / 2] ^= 5 << (slot % 2 * 4);
        }
        Sketch(bytes)
    }

    #[test]
    fn equal_slots_are_counted_as_one_would_by_hand() {
        for seed in 0..200 {
            let (a, b) = (arbitrary(seed), arbitrary(seed.wrapping_add(1)));
            assert_eq!(equal_slots(&a, &b), slot_by_slot(&a, &b));
            assert_eq!(equal_slots(&a, &a), 128);
            let changed = usize::from(seed) % 129;
            assert_eq!(equal_slots(&a, &differing(a, changed)), 128 - changed as u32);
        }
    }

    #[test]
    fn unrelated_sketches_are_not_similar() {
        let (a, b) = (arbitrary(1), arbitrary(2));
        assert!(estimate(&a, 20_000, &b, 20_000, 0) < 1_500);
        // As many agreements as chance gives are none.
        assert_eq!(estimate(&a, 20_000, &differing(a, 120), 20_000, 0), 0);
        assert_eq!(estimate(&a, 20_000, &differing(a, 128), 20_000, 0), 0);
    }

    #[test]
    fn agreement_in_every_slot_is_not_identity() {
        let a = arbitrary(1);
        assert_eq!(estimate(&a, 20_000, &a, 20_000, 20_000), 9_999);
        // A copy of half: the shared bytes cannot exceed the smaller content.
        assert_eq!(estimate(&a, 20_000, &a, 10_000, 0), 5_000);
    }

    #[test]
    fn shared_chunks_are_a_lower_bound() {
        let (a, b) = (arbitrary(1), arbitrary(2));
        assert_eq!(estimate(&a, 300_000, &b, 400_000, 300_000), 7_500);
        assert_eq!(estimate(&a, 400_000, &differing(a, 46), 400_000, 1), 7_628);
    }

    #[test]
    fn half_similar_files_agree_in_48_slots() {
        let a = arbitrary(1);
        assert!(estimate(&a, 20_000, &differing(a, 80), 20_000, 0) >= 5_000);
        assert!(estimate(&a, 20_000, &differing(a, 81), 20_000, 0) < 5_000);
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let a = arbitrary(1);
        assert_eq!(estimate(&a, u64::MAX, &a, u64::MAX, u64::MAX), 9_999);
        assert_eq!(estimate(&a, 0, &a, 0, 0), 0);
        assert_eq!(estimate(&a, 0, &a, 1, 0), 0);
    }

    #[test]
    fn a_band_holds_the_slots_at_its_offsets() {
        let a = arbitrary(3);
        let slots = a.slots();
        assert_eq!(slots[0], a.0[0] & 15);
        assert_eq!(slots[1], a.0[0] >> 4);
        for (width, shift) in [(3, 8), (4, 12), (5, 16)] {
            let keys: Vec<_> = band_keys(&a, width).collect();
            assert_eq!(keys.len(), 128);
            let (band, key) = keys[127];
            assert_eq!(band, 127);
            assert_eq!(key >> shift, u32::from(slots[127]));
            assert_eq!(key >> (shift - 4) & 15, u32::from(slots[0]));
            assert_eq!(key >> (shift - 8) & 15, u32::from(slots[4]));
            assert!(keys.iter().all(|(_, key)| *key < 1 << (4 * width)));
        }
    }

    #[test]
    fn two_bands_share_at_most_one_slot() {
        let mut differences = HashSet::new();
        for a in BAND_OFFSETS {
            for b in BAND_OFFSETS {
                assert!(a == b || differences.insert((128 + a - b) % 128));
            }
        }
    }

    #[test]
    fn similar_sketches_meet_in_some_band() {
        let a = arbitrary(4);
        let b = differing(a, 60);
        let met = |width| band_keys(&a, width).zip(band_keys(&b, width)).filter(|(a, b)| a == b);
        assert!(met(3).count() > 20);
        assert!(met(5).count() > 0);
    }

    #[test]
    fn a_sketch_is_shown_in_hexadecimal() {
        let shown = format!("{:?}", Sketch::from_bytes([0xa5; 64]));
        assert_eq!(shown, format!("Sketch({})", "a5".repeat(64)));
    }
}

//! Computing a sketch while the content goes by.
//!
//! Each span becomes an element (its hash, and how often it came before), each element about one
//! number for every sixteen bytes of its span, and each number goes to one of 128 slots, which
//! keeps the smallest. Four bits of each of those are the sketch.
//!
//! The table that counts occurrences has a fixed size, so memory does not depend on the content. It
//! is a definition, not a cache: an evicted hash counts from zero again, on every machine.
//!
//! How spans are found is in `spans`, what sketches mean in `sketch`.

use crate::chunk::sketch::{SLOTS, Sketch};
use crate::chunk::spans::{self, BLOCK, CAPACITY, LONGEST, Spans};

/// Entries of the occurrence table.
const ENTRIES: usize = 1 << 14;

/// The bits of a hash that choose its entry, and so need not be kept in it.
const INDEX_SHIFT: u32 = 32;
const INDEX_BITS: u64 = (ENTRIES as u64 - 1) << INDEX_SHIFT;

const OCCURRENCE_FACTOR: u64 = 0xD1B5_4A32_D192_ED03;
const SLOT_FACTOR: u64 = 0xBF58_476D_1CE4_E5B9;

/// Sketches one content after the other.
///
/// It holds some 700 KiB: make one per thread, and [`finish_and_reset`](Self::finish_and_reset) it.
pub struct Sketcher {
    occurrences: Occurrences,
    slots: Slots,
    spans: Box<Spans>,
    candidates: Box<[u64]>,
    /// The start of a span that ends in bytes to come.
    open: [u8; LONGEST],
    open_bytes: usize,
}

impl Default for Sketcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketcher {
    /// A sketcher that has seen nothing.
    pub fn new() -> Self {
        Self {
            occurrences: Occurrences::new(),
            slots: Slots::new(),
            spans: Box::new(Spans::new()),
            candidates: vec![0; CAPACITY + HEAVIEST].into_boxed_slice(),
            open: [0; LONGEST],
            open_bytes: 0,
        }
    }

    /// Takes the next bytes of a content of at most `SPAN_LIMIT` bytes. How it is split between
    /// calls makes no difference to the sketch.
    pub fn update(&mut self, bytes: &[u8]) {
        let Some(bytes) = self.close_open(bytes) else { return };
        let (mut start, mut scanned) = (0, 0);
        while scanned < bytes.len() {
            let end = bytes.len().min(scanned + BLOCK);
            // Eight bytes more, so that the last spans are read as quickly as the others.
            let window = &bytes[start..bytes.len().min(end + 8)];
            start += self.spans.cut(window, scanned - start, end - start);
            self.sketch_spans();
            scanned = end;
        }
        self.open_bytes = bytes.len() - start;
        self.open[..self.open_bytes].copy_from_slice(&bytes[start..]);
    }

    /// Takes the next chunk of a content of more than `SPAN_LIMIT` bytes: the first eight bytes of
    /// its id, little-endian, and its length.
    ///
    /// Such a sketch is for files whose bytes, and whose chunk list, may be elsewhere: from the
    /// manifests alone it tells that one is an edited copy of the other. It weighs chunks by
    /// length, and sees shared chunks only, so it is never compared with one made of spans. Of
    /// pairs of 500 chunks it estimates the bytes in shared chunks with a mean error of 3.5 points,
    /// 15 at worst (a test below measures it); at some 0.2 ms a gigabyte it costs nothing.
    ///
    /// The work is proportional to `length`, so that must be a checked one (at most `LARGEST`).
    pub fn chunk(&mut self, id_first_8: u64, length: u64) {
        let element = self.occurrences.element(id_first_8);
        let weight = length.wrapping_add(element >> 52) >> 12;
        let mut number = element;
        for _ in 0..weight {
            number = number.wrapping_mul(SLOT_FACTOR);
            self.slots.offer(number);
        }
    }

    /// The sketch of what was taken since the start or the last reset.
    pub fn finish(mut self) -> Sketch {
        self.finish_and_reset()
    }

    /// The sketch of what was taken, after which the sketcher is as good as new.
    pub fn finish_and_reset(&mut self) -> Sketch {
        self.end_open(self.open_bytes);
        let sketch = self.slots.quantise();
        self.reset();
        sketch
    }

    /// Forgets what was taken: the next bytes are the first of another content.
    pub fn reset(&mut self) {
        self.occurrences.reset();
        self.slots = Slots::new();
        self.open_bytes = 0;
    }

    /// Ends the span left open by earlier bytes. Returns the bytes behind it, or nothing if it has
    /// taken them all.
    fn close_open<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let seen = self.open_bytes;
        if seen == 0 {
            return Some(bytes);
        }
        let taken = bytes.len().min(LONGEST - seen);
        self.open[seen..seen + taken].copy_from_slice(&bytes[..taken]);
        if let Some(end) = spans::end(&self.open[..seen + taken], seen) {
            self.end_open(end);
            return Some(&bytes[end - seen..]);
        }
        self.open_bytes += taken;
        None
    }

    /// Makes a span of the first bytes of `open`.
    fn end_open(&mut self, length: usize) {
        if length > 0 {
            let element = self.occurrences.element(spans::hash_one(&self.open[..length]));
            let mut number = element;
            for _ in 0..weight(length as u64, element) {
                number = number.wrapping_mul(SLOT_FACTOR);
                self.slots.offer(number);
            }
        }
        self.open_bytes = 0;
    }

    /// Takes the spans of one block.
    fn sketch_spans(&mut self) {
        let largest = self.slots.largest;
        let mut count = 0;
        for (length, hash) in self.spans.iter() {
            let element = self.occurrences.element(hash);
            let weight = weight(length, element);
            let mut number = element;
            let candidates = &mut self.candidates[count..][..HEAVIEST];
            let mut kept = 0;
            // Writes more than it keeps: that is cheaper than a loop of unforeseeable length.
            for place in 0..UNROLLED {
                number = number.wrapping_mul(SLOT_FACTOR);
                candidates[kept] = number;
                kept += usize::from((place < weight) & (number <= largest));
            }
            if weight > UNROLLED {
                for place in UNROLLED..HEAVIEST as u64 {
                    number = number.wrapping_mul(SLOT_FACTOR);
                    candidates[kept] = number;
                    kept += usize::from((place < weight) & (number <= largest));
                }
            }
            count += kept;
        }
        for &number in &self.candidates[..count] {
            self.slots.offer(number);
        }
        self.slots.find_largest();
    }
}

/// As many numbers of a span as are computed whether it weighs so much or not.
const UNROLLED: u64 = 3;

/// No span weighs more.
const HEAVIEST: usize = LONGEST.div_ceil(16);

/// The weight of a span: its length in units of 16 bytes, rounded by its hash, not always up.
fn weight(length: u64, element: u64) -> u64 {
    (length + (element >> 60)) >> 4
}

/// How often each hash has come before.
struct Occurrences {
    /// The mark and the count of each entry. A mark is the hash, with the generation in place of
    /// the bits that chose the entry, so entries of earlier contents need no clearing.
    entries: Box<[[u64; 2]]>,
    /// From 1: no mark of any content is zero, as those of a new table are.
    generation: u64,
}

impl Occurrences {
    fn new() -> Self {
        Self { entries: vec![[0; 2]; ENTRIES].into_boxed_slice(), generation: 1 }
    }

    fn reset(&mut self) {
        self.generation += 1;
        if self.generation == ENTRIES as u64 {
            self.entries.fill([0; 2]);
            self.generation = 1;
        }
    }

    /// The element for the next occurrence of `hash`.
    fn element(&mut self, hash: u64) -> u64 {
        let mark = hash & !INDEX_BITS | self.generation << INDEX_SHIFT;
        let entry = &mut self.entries[(hash >> INDEX_SHIFT) as usize % ENTRIES];
        // Without a branch: whether a line came before is hard to foresee.
        let count = u64::from(entry[0] == mark) * (entry[1] + 1);
        *entry = [mark, count];
        hash.wrapping_add(count.wrapping_mul(OCCURRENCE_FACTOR))
    }
}

/// The smallest number offered to each slot.
struct Slots {
    smallest: [u64; SLOTS],
    /// The largest number of all was offered, so that it does not always mean an empty slot.
    topped: bool,
    /// No slot keeps a number larger than this. At times too large, never too small.
    largest: u64,
}

impl Slots {
    const fn new() -> Self {
        Self { smallest: [u64::MAX; SLOTS], topped: false, largest: u64::MAX }
    }

    fn offer(&mut self, number: u64) {
        let slot = &mut self.smallest[(number >> 25) as usize % SLOTS];
        *slot = number.min(*slot);
        self.topped |= number == u64::MAX;
    }

    fn find_largest(&mut self) {
        self.largest = self.smallest.iter().copied().fold(0, u64::max);
    }

    fn quantise(&self) -> Sketch {
        // Only the last slot can be offered that number.
        let value = |slot: usize| match self.smallest[slot] {
            u64::MAX if slot < SLOTS - 1 || !self.topped => 0,
            number => (number >> 21) as u8 % 16,
        };
        Sketch::from_bytes(std::array::from_fn(|i| value(2 * i) | value(2 * i + 1) << 4))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::chunk::sketch::{equal_slots, estimate};
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn sketch(bytes: &[u8]) -> Sketch {
        let mut sketcher = Sketcher::new();
        sketcher.update(bytes);
        sketcher.finish()
    }

    fn hex(sketch: &Sketch) -> String {
        sketch.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn stream(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn lines(ending: &str) -> Vec<u8> {
        (0..2000).flat_map(|i| format!("line {i}{ending}").into_bytes()).collect()
    }

    fn edited_lines() -> Vec<u8> {
        let word = |i| if i % 4 == 0 { "LINE" } else { "line" };
        (0..2000).flat_map(|i| format!("{} {i}\n", word(i)).into_bytes()).collect()
    }

    fn formula() -> Vec<u8> {
        (0..20_000_u64).map(|i| ((31 * i * i + 7 * i) >> 3) as u8).collect()
    }

    /// The lengths of the spans of `bytes`, cut one by one.
    fn span_lengths(mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !bytes.is_empty() {
            let length = spans::end(bytes, 0).unwrap_or(bytes.len());
            lengths.push(length);
            bytes = &bytes[length..];
        }
        lengths
    }

    /// The definition, word for word and slowly: what the passes above must give.
    fn by_definition(bytes: &[u8]) -> Sketch {
        const KC: u64 = 0x9E37_79B9_7F4A_7C15;
        const KH: u128 = 0xC2B2_AE3D_27D4_EB4F;
        const KO: u64 = 0xD1B5_4A32_D192_ED03;
        const KM: u64 = 0xBF58_476D_1CE4_E5B9;
        let le64 = |bytes: &[u8]| bytes.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b));
        let mut table: HashMap<u64, (u64, u64)> = HashMap::new();
        let mut slots: [Option<u64>; 128] = [None; 128];
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            let ends = |n: usize| {
                rest[n - 1] == 10
                    || n >= 64 && le64(&rest[n - 8..n]).wrapping_mul(KC) >> 60 == 0
                    || n == 128
                    || n == rest.len()
            };
            let n = (1..).find(|&n| ends(n)).unwrap();
            let mut t = rest[..n].to_vec();
            if t.ends_with(b"\r\n") {
                t.remove(n - 2);
            }
            let mut h = t.len() as u64;
            for v in t.chunks(8) {
                let p = u128::from(h ^ le64(v)) * KH;
                h = p as u64 ^ (p >> 64) as u64;
            }
            let entry = table.entry((h >> 32) % 16_384).or_insert((!h, 0));
            *entry = (h, if entry.0 == h { entry.1 + 1 } else { 0 });
            let e = h.wrapping_add(entry.1.wrapping_mul(KO));
            let mut a = e;
            for _ in 0..(n as u64 + (e >> 60)) >> 4 {
                a = a.wrapping_mul(KM);
                let slot = &mut slots[(a >> 25) as usize % 128];
                *slot = Some(slot.map_or(a, |kept| kept.min(a)));
            }
            start += n;
        }
        let value = |slot: usize| slots[slot].map_or(0, |a| (a >> 21) as u8 % 16);
        Sketch::from_bytes(std::array::from_fn(|i| value(2 * i) + 16 * value(2 * i + 1)))
    }

    #[test]
    fn a_short_line_weighs_nothing() {
        assert_eq!(spans::hash_one(b"hello\n"), 0x0ca2_bab8_0f1a_84e8);
        assert_eq!(sketch(b"hello\n"), Sketch::from_bytes([0; 64]));
        assert_eq!(sketch(b""), Sketch::from_bytes([0; 64]));
    }

    #[test]
    fn zeros_have_their_golden_sketch() {
        let zeros = vec![0; 20_000];
        assert_eq!(span_lengths(&zeros).len(), 313);
        assert_eq!(hex(&sketch(&zeros)), GOLDEN_ZEROS);
    }

    #[test]
    fn lines_have_their_golden_sketch() {
        let (a, b) = (lines("\n"), edited_lines());
        assert_eq!((a.len(), b.len()), (18_890, 18_890));
        assert_eq!(span_lengths(&a).len(), 2_000);
        let (a, b) = (sketch(&a), sketch(&b));
        assert_eq!(hex(&a), GOLDEN_A);
        assert_eq!(hex(&b), GOLDEN_B);
        assert_eq!(equal_slots(&a, &b), 82);
        assert_eq!(estimate(&a, 18_890, &b, 18_890, 0), 7_628);
    }

    #[test]
    fn lines_that_end_in_two_bytes_have_their_golden_sketch() {
        let bytes = lines("\r\n");
        assert_eq!(bytes.len(), 20_890);
        assert_eq!(span_lengths(&bytes).len(), 2_000);
        assert_eq!(hex(&sketch(&bytes)), GOLDEN_A_CRLF);
    }

    #[test]
    fn bytes_without_lines_have_their_golden_sketch() {
        let bytes = formula();
        let lengths = span_lengths(&bytes);
        assert_eq!(lengths.len(), 294);
        assert_eq!(lengths[..8], [49, 100, 92, 67, 73, 17, 117, 78]);
        assert_eq!(hex(&sketch(&bytes)), GOLDEN_FORMULA);
        let bytes = stream(65_536);
        assert_eq!(span_lengths(&bytes).len(), 987);
        assert_eq!(hex(&sketch(&bytes)), GOLDEN_STREAM);
    }

    #[test]
    fn a_span_may_end_exactly_where_the_bytes_do() {
        for length in [63, 64, 65, 127, 128, 129, 8_191, 8_192, 8_193, 8_320, 16_384] {
            for mut bytes in [vec![0; length], stream(length), vec![b'\n'; length]] {
                assert_eq!(sketch(&bytes), by_definition(&bytes), "{length} bytes");
                bytes[length - 1] = b'\n';
                bytes[length - 2] = b'\r';
                assert_eq!(sketch(&bytes), by_definition(&bytes), "{length} bytes, CR LF");
            }
        }
    }

    #[test]
    fn repeated_and_evicted_lines_are_counted_as_defined() {
        let line = |i: u64| format!("{:x}\n", (i % 7_000 + i / 7_000 * 3_500) * 0x9E37_79B9);
        let bytes = (0..60_000).flat_map(|i| line(i).into_bytes()).collect::<Vec<_>>();
        assert!(bytes.len() > 500_000);
        assert_eq!(sketch(&bytes), by_definition(&bytes));
    }

    #[test]
    fn a_sketcher_used_again_has_forgotten_everything() {
        let (a, b) = (lines("\n"), formula());
        let mut sketcher = Sketcher::new();
        // More contents than there are generations, so the table is cleared once.
        for _ in 0..ENTRIES + 2 {
            sketcher.update(b"line 7\nline 8\nleft open");
            sketcher.reset();
        }
        for _ in 0..3 {
            sketcher.update(&a);
            assert_eq!(sketcher.finish_and_reset(), sketch(&a));
            sketcher.update(&b);
            assert_eq!(sketcher.finish_and_reset(), sketch(&b));
        }
    }

    #[test]
    fn the_largest_number_of_all_fills_a_slot() {
        let mut slots = Slots::new();
        assert_eq!(slots.quantise(), Sketch::from_bytes([0; 64]));
        slots.offer(u64::MAX);
        assert_eq!(slots.quantise().as_bytes()[63], 0xf0);
    }

    #[test]
    fn chunks_have_their_golden_sketch() {
        let mut sketcher = Sketcher::new();
        for i in (0..250).chain(0..50) {
            sketcher.chunk(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(i), 300_000 + 1_000 * i);
        }
        // Computed by a second program, in Python, from the definition.
        assert_eq!(hex(&sketcher.finish()), GOLDEN_CHUNKS);
    }

    #[test]
    fn chunk_sketches_estimate_the_bytes_in_shared_chunks() {
        let random = |i: u64| spans::hash_one(&i.to_le_bytes());
        let length = |id: u64| 65_536 + random(id) % 400_000;
        let sketched = |ids: &[u64]| {
            let mut sketcher = Sketcher::new();
            ids.iter().for_each(|&id| sketcher.chunk(id, length(id)));
            (sketcher.finish(), ids.iter().map(|&id| length(id)).sum::<u64>())
        };
        let (mut errors, mut largest) = (0, 0);
        for trial in 0..100 {
            let a: Vec<u64> = (0..500).map(|i| random(1_000 * trial + i)).collect();
            let kept = 500 * trial as usize / 100;
            let b: Vec<u64> = a[..kept]
                .iter()
                .copied()
                .chain((kept as u64..500).map(|i| random(1_000_000 + 1_000 * trial + i)))
                .collect();
            let shared: u64 = a[..kept].iter().map(|&id| length(id)).sum();
            let ((a, a_bytes), (b, b_bytes)) = (sketched(&a), sketched(&b));
            let truth = (shared * 10_000 / a_bytes.max(b_bytes)) as u32;
            let error = estimate(&a, a_bytes, &b, b_bytes, 0).abs_diff(truth);
            errors += error;
            largest = error.max(largest);
        }
        assert!(errors / 100 < 400, "mean error of {} hundredths of a point", errors / 100);
        assert!(largest < 1_500, "an error of {largest} hundredths of a point");
    }

    /// Text with short and long lines, both line endings, and runs without any.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-c ]{0,70}\n",
            2 => "[a-c]{0,40}\r\n",
            1 => "[a-z]{0,300}",
            1 => "\r{0,3}\n{0,3}",
        ];
        prop::collection::vec(piece, 0..600).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_split_of_the_content_gives_what_the_definition_says(
            content in content(),
            splits in prop::collection::vec((0_usize..200, 0_usize..20_000), 0..40),
        ) {
            let expected = by_definition(&content);
            prop_assert_eq!(sketch(&content), expected);
            let (mut sketcher, mut rest) = (Sketcher::new(), &content[..]);
            for length in splits.iter().flat_map(|&(short, long)| [short, 1, long]) {
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                sketcher.update(piece);
                rest = behind;
            }
            sketcher.update(rest);
            prop_assert_eq!(sketcher.finish_and_reset(), expected);
            content.iter().for_each(|&byte| sketcher.update(&[byte]));
            prop_assert_eq!(sketcher.finish(), expected);
        }
    }

    const GOLDEN_CHUNKS: &str = concat!(
        "809b4eb2c8e888d11475df311cdc16a2f153b7ce9c1a307095f438b765c56f76",
        "9727440dd1653093ff291fa0a219d3ba8f868e1f674621d14ffda89cd9a5028b",
    );
    const GOLDEN_ZEROS: &str = concat!(
        "57d20cb074fbc18a306411be6fc4742fd43bb3c9a753014fdacffd0eeb6eb948",
        "b8630e33f1064296be703ec8a66a7d3820348c8d3fe8c51275814c8986954be5",
    );
    const GOLDEN_A: &str = concat!(
        "50fbe0f49cd549ccebe734942b07cdcb838178c6064be3918cc731474222d19c",
        "224c63c0632222770ea70c6bda2b68efa62685e9862d3b79268209c9ad189ace",
    );
    const GOLDEN_B: &str = concat!(
        "a0fde0f99cdc498cebe7d4992d07cda08c8148ce464be395bcc73147422ad1ee",
        "224467c0639222ca0ef75c6bd32c66bff65685e9869c9b382ad220c5a01c9ad9",
    );
    const GOLDEN_A_CRLF: &str = concat!(
        "10fbe0f4bcdd49ccebe734942b07cdcb834170c6064be3918cc735474220d19c",
        "724c03c06322227709a70c6bda2b68ef762683e9462d3b79268209c9ab189ace",
    );
    const GOLDEN_FORMULA: &str = concat!(
        "d1e158a53de8eca408a45cdb131922d2be17b6478e21d51c1fcc4d0b43254e02",
        "5c709e9c0c2a50cf405301f3bbb9fa3221c50ff4ef140b303729be36a1018a6a",
    );
    const GOLDEN_STREAM: &str = concat!(
        "54094f21ca388d0483f12e73e084d69f67d03cce669dda5c85644ef2db668fc5",
        "ef214d4bd2df7e641f850b187feac3f4f8623bf76d2ee39575f6cb5a4549b5cf",
    );
}

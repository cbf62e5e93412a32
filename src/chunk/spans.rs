//! Spans: the pieces a sketch is made of, and their hashes.
//!
//! A span ends with its line feed, or, where lines are long, at a place its last eight bytes
//! choose between 64 and 128 bytes. Both rules look back only, so spans do not depend on how the
//! content was read.
//!
//! This runs over every byte recorded, and lines have unforeseeable lengths: what costs is not
//! arithmetic but wrongly predicted branches. Hence a block is worked on in passes: first the ends
//! of all lines, then all spans, then the hashes of all spans of one word, of two words, and so on.

/// No span is longer.
pub(crate) const LONGEST: usize = 128;

/// How many bytes [`Spans::cut`] looks at in one go: with all arrays about half of a small L1.
pub(crate) const BLOCK: usize = 8 << 10;

/// Without a line feed, a span has at least this many bytes.
const SHORTEST_CUT: usize = 64;

/// A block, the open span before it, and nothing but line feeds: no block has more spans.
pub(crate) const CAPACITY: usize = BLOCK + LONGEST;

/// As many ends of lines as are written down for 64 bytes, whether there are as many or not.
const FEW: usize = 4;

const CUT_FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
const HASH_FACTOR: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// The spans of one block, in order.
pub(crate) struct Spans {
    count: usize,
    spans: [Span; CAPACITY],
    hashes: [u64; CAPACITY],
    /// Where lines end.
    lines: [u16; CAPACITY],
    /// The spans of one word, of two, and so on: a class is hashed without wrong predictions.
    classes: Box<[[u16; CAPACITY]]>,
    sizes: [usize; LONGEST / 8],
}

/// Where a span is in the window.
#[derive(Clone, Copy)]
struct Span {
    start: u16,
    /// What the span weighs: all its bytes.
    length: u8,
    /// What is hashed of it: all, but for the carriage return before a line feed.
    hashed: u8,
}

impl Spans {
    /// Room for the spans of one block.
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            spans: [Span { start: 0, length: 0, hashed: 0 }; CAPACITY],
            hashes: [0; CAPACITY],
            lines: [0; CAPACITY],
            classes: vec![[0; CAPACITY]; LONGEST / 8].into_boxed_slice(),
            sizes: [0; LONGEST / 8],
        }
    }

    /// The (length, hash) of each span found last, in the order of the content.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let lengths = self.spans[..self.count].iter().map(|span| u64::from(span.length));
        lengths.zip(self.hashes[..self.count].iter().copied())
    }

    /// Finds the spans that end in `window[..to]`, and returns where the next one starts.
    ///
    /// The window starts with a span and has no end of one in `window[..from]`, nor does it need
    /// looking for: those bytes were the open end of the block before. Bytes behind `to` are looked
    /// at but do not matter; eight of them make it faster.
    pub(crate) fn cut(&mut self, window: &[u8], from: usize, to: usize) -> usize {
        let lines = self.find_lines(&window[from..to], from);
        self.count = 0;
        let mut start = 0;
        for line in 0..lines {
            let end = usize::from(self.lines[line]);
            start = self.cut_long(window, start, end);
            if start < end {
                self.push(window, start, end);
                start = end;
            }
        }
        start = self.cut_long(window, start, to);
        self.hash(window);
        start
    }

    /// Notes in `lines` where lines end in `bytes`, which start at `offset` in the window.
    fn find_lines(&mut self, bytes: &[u8], offset: usize) -> usize {
        let (words, rest) = bytes.as_chunks();
        let mut lines = 0;
        for (word, bytes) in words.iter().enumerate() {
            lines += note_bits(line_feeds(bytes), offset + word * 64, &mut self.lines[lines..]);
        }
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        let offset = offset + words.len() * 64;
        lines + note_bits(line_feeds(&last), offset, &mut self.lines[lines..])
    }

    /// Cuts as many spans from `start` as end before `end` for want of a line feed.
    fn cut_long(&mut self, window: &[u8], mut start: usize, end: usize) -> usize {
        while end - start >= SHORTEST_CUT {
            let Some(length) = cut(&window[start..end], SHORTEST_CUT) else { break };
            self.push(window, start, start + length);
            start += length;
        }
        start
    }

    fn push(&mut self, window: &[u8], start: usize, end: usize) {
        let span = Span::new(window, start, end);
        let class = span.words() - 1;
        self.classes[class][self.sizes[class]] = self.count as u16;
        self.sizes[class] += 1;
        self.spans[self.count] = span;
        self.count += 1;
    }

    fn hash(&mut self, window: &[u8]) {
        for (class, size) in self.sizes.iter_mut().enumerate() {
            for &place in &self.classes[class][..*size] {
                let place = usize::from(place);
                self.hashes[place] = self.spans[place].hash(window, class + 1);
            }
            *size = 0;
        }
    }
}

impl Span {
    fn new(bytes: &[u8], start: usize, end: usize) -> Self {
        // Without branches, for empty lines come as they like: a span of one byte looks at itself.
        let returned = bytes[end.max(2) - 2] == b'\r';
        let ended = bytes[end - 1] == b'\n';
        let longer = end - start > 1;
        let length = (end - start) as u8;
        let hashed = length - u8::from(returned & ended & longer);
        Self { start: start as u16, length, hashed }
    }

    /// How many words of eight bytes hold what is hashed.
    fn words(self) -> usize {
        usize::from(self.hashed).div_ceil(8)
    }

    fn hash(self, window: &[u8], words: usize) -> u64 {
        let start = usize::from(self.start);
        match window.get(start..start + words * 8) {
            Some(bytes) => self.hash_words(bytes.as_chunks().0),
            None => self.hash_at_end(&window[start..], words),
        }
    }

    /// Hashes a span whose last word ends behind the window.
    #[cold]
    fn hash_at_end(self, bytes: &[u8], words: usize) -> u64 {
        let mut padded = [0; LONGEST];
        padded[..bytes.len()].copy_from_slice(bytes);
        self.hash_words(&padded.as_chunks().0[..words])
    }

    /// Hashes the words of the span, the last of which may hold bytes behind it.
    fn hash_words(self, words: &[[u8; 8]]) -> u64 {
        let mut hash = u64::from(self.hashed);
        let (last, others) = words.split_last().expect("no span is empty");
        for word in others {
            hash = mix(hash, u64::from_le_bytes(*word));
        }
        let unused = words.len() * 8 - usize::from(self.hashed);
        let last = u64::from_le_bytes(*last) & u64::MAX >> (8 * unused);
        // Where a carriage return is left out it is the last byte here, and should be the line
        // feed behind it.
        let swap = u64::from(self.length - self.hashed) * u64::from(b'\r' ^ b'\n');
        mix(hash, last ^ swap << (56 - 8 * unused))
    }
}

/// The end of the span that starts `bytes`, if it is among them; none is in `bytes[..seen]`.
pub(crate) fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    let line = bytes[seen..].iter().position(|&byte| byte == b'\n').map(|at| seen + at + 1);
    let before = &bytes[..line.unwrap_or(bytes.len())];
    cut(before, SHORTEST_CUT.max(seen + 1)).or(line)
}

/// The hash of one span.
pub(crate) fn hash_one(bytes: &[u8]) -> u64 {
    let span = Span::new(bytes, 0, bytes.len());
    span.hash(bytes, span.words())
}

/// Where a span without line feeds ends, if that is in `bytes`, at `from` (64 or more) or behind.
fn cut(bytes: &[u8], from: usize) -> Option<usize> {
    let last = bytes.len().min(LONGEST);
    for (at, tail) in bytes[..last].windows(8).enumerate().skip(from - 8) {
        let tail = tail.first_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
        if tail.wrapping_mul(CUT_FACTOR) >> 60 == 0 {
            return Some(at + 8);
        }
    }
    (last == LONGEST).then_some(LONGEST)
}

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(HASH_FACTOR);
    product as u64 ^ (product >> 64) as u64
}

/// One bit for each byte that is a line feed, the first lowest, and how many they are.
fn line_feeds(bytes: &[u8; 64]) -> (u64, usize) {
    let mut equal = [0; 64];
    // The compiler makes vectors of this loop.
    for (equal, &byte) in equal.iter_mut().zip(bytes) {
        *equal = u8::from(byte == b'\n');
    }
    let (mut found, mut counts) = (0, 0_u64);
    for (place, word) in equal.as_chunks().0.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        counts += word;
        // Moves the lowest bit of byte i to bit i of the highest byte.
        let bits = word.wrapping_mul(0x0102_0408_1020_4080) >> 56;
        found |= bits << (place * 8);
    }
    (found, (counts.wrapping_mul(0x0101_0101_0101_0101) >> 56) as usize)
}

/// Writes down the place behind each bit of `found`, and returns how many there are.
fn note_bits((mut found, count): (u64, usize), offset: usize, places: &mut [u16]) -> usize {
    let places = &mut places[..64];
    // Writes more than it keeps: most often all, and then there is no branch to foresee.
    for place in &mut places[..FEW] {
        *place = (offset + found.trailing_zeros() as usize + 1) as u16;
        found &= found.wrapping_sub(1);
    }
    if count > FEW {
        for place in &mut places[FEW..count] {
            *place = (offset + found.trailing_zeros() as usize + 1) as u16;
            found &= found - 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_hashed_alike_with_either_ending() {
        for length in 0..126 {
            let text = "x".repeat(length);
            let unix = hash_one(format!("{text}\n").as_bytes());
            let dos = hash_one(format!("{text}\r\n").as_bytes());
            assert_eq!(unix, dos, "{length} bytes");
            assert_ne!(unix, hash_one(format!("{text}\r").as_bytes()));
        }
    }

    #[test]
    fn a_carriage_return_elsewhere_is_hashed() {
        assert_ne!(hash_one(b"a\rb\n"), hash_one(b"ab\n"));
        assert_ne!(hash_one(b"a\r\r\n"), hash_one(b"a\n"));
    }

    #[test]
    fn trailing_zeros_are_not_padding() {
        let hashes = [1, 2, 7, 8, 9].map(|length| hash_one(&[0; 9][..length]));
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash));
        }
    }

    #[test]
    fn a_line_of_64_bytes_is_one_span() {
        let mut line = [b'x'; 65];
        line[63] = b'\n';
        assert_eq!(end(&line, 0), Some(64));
        assert_eq!(end(&line[..63], 0), None);
        assert_eq!(end(&line, 63), Some(64));
    }

    proptest! {
        #[test]
        fn line_feeds_are_found_at_their_places(
            bytes in prop::collection::vec(prop::sample::select(&b"\n\x0b\x8a\0"[..]), 64),
        ) {
            let expected: Vec<u16> =
                (0..64_u16).filter(|&at| bytes[usize::from(at)] == b'\n').map(|at| 101 + at).collect();
            let mut places = [0; 70];
            let found = line_feeds(bytes.first_chunk().expect("64 bytes"));
            let count = note_bits(found, 100, &mut places);
            prop_assert_eq!(&places[..count], &expected[..]);
        }
    }
}

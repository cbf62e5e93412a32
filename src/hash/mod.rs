//! Ids: what objects are called.
//!
//! An id is 32 bytes of BLAKE3. A chunk's id is the plain hash of its bytes, what `b3sum` prints;
//! every other kind is hashed with a context of its own (`derive_key`), so the bytes of one kind
//! can never pass for another. A kind names its format version too: a new version of a kind is a
//! new kind with a new number and a new context.

mod prefix;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::str::FromStr;
use std::sync::LazyLock;

use thiserror::Error;

use crate::codec::{Decode, Encode};

pub use prefix::Prefix;

/// The name of an object: a BLAKE3 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Id([u8; 32]);

impl Ord for Id {
    /// As bytes. Ids differ early, so their first bytes are compared as one number: sorting
    /// millions of them takes half the time.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare_hashes(&self.0, &other.0)
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of arrays of bytes that begin with a hash.
pub fn compare_hashes<const N: usize>(a: &[u8; N], b: &[u8; N]) -> std::cmp::Ordering {
    let head = |bytes: &[u8; N]| bytes.first_chunk().map(|head| u64::from_be_bytes(*head));
    head(a).cmp(&head(b)).then_with(|| a.cmp(b))
}

/// The BLAKE3 hash of a file's whole bytes, what `b3sum` prints.
pub type ContentId = Id;

/// A map by id.
pub type IdMap<V> = HashMap<Id, V, BuildHasherDefault<IdHasher>>;

/// Hashes an id to a part of itself: ids are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 = self.0.rotate_left(1) ^ u64::from_le_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The kinds of objects of format 1. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A run of a file's bytes.
    Chunk = 1,
    /// A node of the chunk list of a file of more than eight chunks.
    List = 2,
    /// What makes up one file's content.
    Manifest = 3,
    /// A node of a directory.
    Tree = 4,
    /// A commit.
    Commit = 5,
    /// An annotated tag.
    Tag = 6,
    /// The ids and lengths of a content pack.
    Table = 7,
    /// Owner, group, extended attributes and the like of one entry.
    Attributes = 8,
    /// A node of what one repository holds.
    Inventory = 9,
    /// A node of notes about contents.
    Notes = 10,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; 10] = [
        Self::Chunk,
        Self::List,
        Self::Manifest,
        Self::Tree,
        Self::Commit,
        Self::Tag,
        Self::Table,
        Self::Attributes,
        Self::Inventory,
        Self::Notes,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its number in packs and tables.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name in commands and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chunk => "chunk",
            Self::List => "list",
            Self::Manifest => "manifest",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
            Self::Table => "table",
            Self::Attributes => "attributes",
            Self::Inventory => "inventory",
            Self::Notes => "notes",
        }
    }

    /// The id of an object of this kind.
    pub fn id_of(self, bytes: &[u8]) -> Id {
        if self == Self::Chunk {
            return Id(*blake3::hash(bytes).as_bytes());
        }
        static HASHERS: LazyLock<Vec<blake3::Hasher>> = LazyLock::new(|| {
            let context = |kind: &Kind| format!("annals {} 1", kind.name());
            Kind::ALL.iter().map(|kind| blake3::Hasher::new_derive_key(&context(kind))).collect()
        });
        let mut hasher = HASHERS[usize::from(self.number()) - 1].clone();
        hasher.update(bytes);
        Id(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The hash that decides where nodes of balanced trees end: 64 bits of
/// `derive_key("annals tree boundary 1", key)`, little-endian.
pub fn boundary_bits(key: &[u8]) -> u64 {
    static HASHER: LazyLock<blake3::Hasher> =
        LazyLock::new(|| blake3::Hasher::new_derive_key("annals tree boundary 1"));
    let mut hasher = HASHER.clone();
    hasher.update(key);
    let mut bits = [0; 8];
    bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bits)
}

/// Hashes bytes that come piece by piece into the id of a chunk or the content id of a file.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything taken.
    pub fn finish(&self) -> ContentId {
        Id(*self.0.finalize().as_bytes())
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// The plain BLAKE3 of `bytes`: a content id, a checksum of a file.
pub fn hash(bytes: &[u8]) -> Id {
    Id(*blake3::hash(bytes).as_bytes())
}

/// The first eight bytes of the plain BLAKE3 of `bytes`: a checksum of derived data.
pub fn checksum(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Text that is not an id.
#[derive(Debug, Error)]
#[error("'{0}' is not an id: 64 hexadecimal digits are expected")]
pub struct NotAnId(String);

impl Id {
    /// The id of the empty content. It is never stored: everybody has it.
    pub const EMPTY: Self = Self([
        0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9,
        0x49, 0x9b, 0xcb, 0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f,
        0x32, 0x62,
    ]);

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a number, big-endian: sorts as ids do.
    pub fn head(&self) -> u64 {
        let mut head = [0; 8];
        head.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(head)
    }

    /// The first `digits` hexadecimal digits.
    pub fn short(&self, digits: usize) -> String {
        let mut text = hex(&self.as_bytes()[..digits.div_ceil(2)]);
        text.truncate(digits);
        text
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes that lower-case hexadecimal digits stand for, if there are exactly `N` of them.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.short(12))
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        unhex(text).map(Self).ok_or_else(|| NotAnId(text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_called_what_b3sum_prints() {
        assert_eq!(Kind::Chunk.id_of(b""), Id::EMPTY);
        assert_eq!(hash(b""), Id::EMPTY);
        let mut hasher = ContentHasher::default();
        hasher.update(b"he");
        hasher.update(b"llo");
        assert_eq!(hasher.finish(), Kind::Chunk.id_of(b"hello"));
    }

    #[test]
    fn equal_bytes_of_different_kinds_have_different_ids() {
        let mut ids: Vec<Id> = Kind::ALL.iter().map(|kind| kind.id_of(b"same")).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), Kind::ALL.len());
    }

    #[test]
    fn kinds_are_found_by_their_numbers() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(11), None);
    }

    #[test]
    fn an_id_is_read_back_as_it_is_shown() {
        let id = hash(b"x");
        assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        assert!("af13".parse::<Id>().is_err());
        assert!(id.to_string().to_uppercase().parse::<Id>().is_err());
    }
}

//! What the targets share: bytes put where a parser looks for them, and checksums made right, so
//! that the fuzzer gets past them.

use std::path::Path;

use annals::codec::{self, Decode, Encode, Validate};
use annals::disk::{DirRef, Disk, MemoryDisk};
use annals::hash::hash;
use annals::object::Object;

/// What decodes as an object is encoded to the same bytes.
pub fn object<T: Object>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

/// What decodes is encoded to the same bytes.
pub fn value<T: Encode + Decode<()> + Validate>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>(bytes) {
        assert_eq!(codec::encode(&value), bytes);
    }
}

/// A text with a magic line and a right last line.
pub fn ended(magic: &str, lines: &[u8]) -> Vec<u8> {
    let mut text = format!("{magic}\n").into_bytes();
    text.extend_from_slice(lines);
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let end = format!("end {}\n", hash(&text));
    text.extend(end.into_bytes());
    text
}

/// A directory in memory with these bytes in `file`.
pub fn directory(bytes: &[u8]) -> DirRef {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/d")).expect("memory has room");
    disk.write("/d/file", bytes);
    dir
}

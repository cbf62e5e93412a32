//! Parts of git's trees, made of the leaves of ours.
//!
//! Of a large directory each version changes a leaf or two, so what git would write of a leaf is
//! kept for a while. Git sorts a directory as if its name ended in a slash: parts that follow each
//! other are a tree only if their borders are in that order, and are sorted anew otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use gix_hash::ObjectId;

use crate::hash::Id;

use super::export::Purpose;
use super::raw::{self, Mode};

/// So many bytes are kept, twice.
const KEEP_BYTES: usize = 32 << 20;

/// An entry of a tree of git.
pub(super) type GitEntry = (Vec<u8>, Mode, ObjectId);

/// Some entries as git writes them, in its order.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Vec<u8>,
    first: (Vec<u8>, bool),
    last: (Vec<u8>, bool),
}

impl Part {
    /// These entries; `None` if there are none.
    pub(super) fn new(mut entries: Vec<GitEntry>) -> Option<Self> {
        entries.sort_by(|a, b| raw::git_order((&a.0, is_tree(a)), (&b.0, is_tree(b))));
        let border = |entry: &GitEntry| (entry.0.clone(), is_tree(entry));
        let (first, last) = (border(entries.first()?), border(entries.last()?));
        let mut bytes = Vec::new();
        for (name, mode, id) in entries {
            bytes.extend_from_slice(mode.digits());
            bytes.push(b' ');
            bytes.extend_from_slice(&name);
            bytes.push(0);
            bytes.extend_from_slice(id.as_slice());
        }
        Some(Self { bytes, first, last })
    }

    fn is_before(&self, other: &Self) -> bool {
        let (last, first) = (&self.last, &other.first);
        raw::git_order((&last.0, last.1), (&first.0, first.1)).is_lt()
    }

    /// The tree that these parts make.
    pub(super) fn join(hash: gix_hash::Kind, parts: &[Arc<Self>]) -> Vec<u8> {
        let bytes = concat(parts.iter().map(|part| &part.bytes[..]));
        if parts.is_sorted_by(|a, b| a.is_before(b)) {
            return bytes;
        }
        let (mut rest, mut entries) = (&bytes[..], Vec::new());
        // They were written here, so they can be read.
        while let Ok(Some(entry)) = raw::next_entry(hash, &mut rest) {
            entries.push(entry);
        }
        let is_tree = |mode: &[u8]| mode == Mode::Tree.digits();
        entries
            .sort_by(|a, b| raw::git_order((a.name, is_tree(a.mode)), (b.name, is_tree(b.mode))));
        concat(entries.iter().map(|entry| entry.bytes))
    }
}

fn concat<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    parts.for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn is_tree(entry: &GitEntry) -> bool {
    entry.1 == Mode::Tree
}

/// Parts that were made lately. What was not asked for since as many bytes were made goes.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    young: HashMap<(Id, Purpose), Arc<Part>>,
    old: HashMap<(Id, Purpose), Arc<Part>>,
    bytes: usize,
}

impl Leaves {
    /// What a leaf became.
    pub(super) fn get(&mut self, key: (Id, Purpose)) -> Option<Arc<Part>> {
        if let Some(found) = self.young.get(&key) {
            return Some(found.clone());
        }
        let found = self.old.remove(&key)?;
        self.put(key, found.clone());
        Some(found)
    }

    /// Keeps what a leaf became.
    pub(super) fn put(&mut self, key: (Id, Purpose), part: Arc<Part>) {
        self.bytes += part.bytes.len();
        self.young.insert(key, part);
        if self.bytes > KEEP_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HASH: gix_hash::Kind = gix_hash::Kind::Sha1;

    fn part(entries: &[(&str, Mode)]) -> Arc<Part> {
        let id = |name: &str| raw::id_of(HASH, raw::Type::Blob, name.as_bytes()).unwrap();
        let entries =
            entries.iter().map(|(name, mode)| (name.as_bytes().to_vec(), *mode, id(name)));
        Arc::new(Part::new(entries.collect()).unwrap())
    }

    #[test]
    fn however_a_tree_is_parted_it_is_written_in_the_order_of_git() {
        let entries = [
            ("a", Mode::Tree),
            ("a-b", Mode::File),
            ("a.c", Mode::Executable),
            ("a0", Mode::File),
            ("b", Mode::File),
            ("b.", Mode::Tree),
            ("c", Mode::Symlink),
        ];
        let whole = Part::join(HASH, &[part(&entries)]);
        let names = |mut rest: &[u8]| {
            let mut names = Vec::new();
            while let Some(entry) = raw::next_entry(HASH, &mut rest).unwrap() {
                names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            }
            names
        };
        // "a/" stands between "a.c" and "a0".
        assert_eq!(names(&whole), ["a-b", "a.c", "a", "a0", "b", "b.", "c"]);
        for cut in 1..entries.len() {
            let (one, two) = entries.split_at(cut);
            assert_eq!(Part::join(HASH, &[part(one), part(two)]), whole, "{cut}");
        }
        assert_eq!(Part::join(HASH, &[]), b"");
        assert!(Part::new(Vec::new()).is_none());
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let mut leaves = Leaves::default();
        let name = "n".repeat(1000);
        let key = |number: u32| {
            (Id::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes()), Purpose::Clean)
        };
        for number in 0..100_000 {
            leaves.put(key(number), part(&[(&name, Mode::File)]));
            assert!(leaves.get(key(0)).is_some(), "{number}");
        }
        assert!(leaves.get(key(1)).is_none());
        assert!(leaves.get(key(99_999)).is_some());
        assert!(leaves.young.len() + leaves.old.len() < 70_000);
    }
}

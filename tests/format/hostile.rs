//! Whether bytes from elsewhere fail politely: with a typed error, without a panic, and without
//! asking for more memory than [`memory::MOST`].
//!
//! Every truncation and every flipped byte of real samples is tried, then what somebody would
//! think up: lengths that lie, bombs, disorder, names that lead out of the tree, levels that go
//! round in circles, sums that overflow.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use annals::clock::Env;
use annals::codec::{self, Error};
use annals::disk::{Bytes, DirRef, Disk, MemoryDisk};
use annals::hash::{Id, Kind, Prefix, hash};
use annals::object::manifest::{ListChild, ListCursor};
use annals::object::tree::{Child, Cursor, Totals, find};
use annals::object::{
    Attributes, ChunkRef, Chunks, Commit, Entry, List, Manifest, Node, Object, Source, Table,
    TableRow, Tag, Term, What,
};
use annals::ops::pending::{Pending, Unknown};
use annals::store::journal::{Changes, Journal, Newest, ParseError};
use annals::store::lookup::{Indexed, PackRun};
use annals::store::pack::{
    Damage, Form, FrameRow, MOST_TABLE_BYTES, ObjectRow, PackTable, check_pack, read_table,
};
use annals::store::{Class, Publication, Record, Seen, State, Store};
use annals::table::SortedRun;

use super::{memory, samples};

/// Decodes an object and encodes it again; an error if it does not decode.
pub(crate) fn reencode(kind: Kind, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    fn again<T: Object>(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(T::from_bytes(bytes)?.to_bytes())
    }
    match kind {
        Kind::Chunk => Ok(bytes.to_vec()),
        Kind::List => again::<List>(bytes),
        Kind::Manifest => again::<Manifest>(bytes),
        Kind::Tree => again::<Node>(bytes),
        Kind::Commit => again::<Commit>(bytes),
        Kind::Tag => again::<Tag>(bytes),
        Kind::Table => again::<Table>(bytes),
        Kind::Attributes => again::<Attributes>(bytes),
        Kind::Inventory | Kind::Notes => Err(Error::Invalid("not in version 1")),
    }
}

/// Bytes that decode have to be the one encoding of what they say, and cost little memory.
fn is_polite(kind: Kind, bytes: &[u8]) {
    let (again, peak) = memory::peak(|| reencode(kind, bytes));
    assert!(again.is_err() || again.is_ok_and(|again| again == bytes), "{kind} {bytes:02x?}");
    assert!(peak <= memory::MOST, "{kind}: {peak} bytes of memory for {bytes:02x?}");
}

/// The samples, and larger ones: full nodes and long lists.
fn many_objects() -> Vec<(Kind, Vec<u8>)> {
    let mut objects: Vec<(Kind, Vec<u8>)> =
        samples::objects().into_iter().map(|sample| (sample.kind, sample.bytes)).collect();
    let entries: Vec<Entry> = (0..31)
        .map(|number| {
            let content = hash(&[number]);
            samples::entry(&format!("{number:03}"), 0o644, What::File { size: 70_000, content })
        })
        .collect();
    objects.push((Kind::Tree, Node::Leaf(entries).to_bytes()));
    let chunks = (0..31).map(|number| ChunkRef { id: hash(&[number]), length: 4 << 20 }).collect();
    objects.push((Kind::List, List::Leaf(chunks).to_bytes()));
    objects.retain(|(kind, _)| *kind != Kind::Chunk);
    objects
}

#[test]
fn every_truncated_object_is_refused() {
    for (kind, bytes) in many_objects() {
        for length in 0..bytes.len() {
            assert!(reencode(kind, &bytes[..length]).is_err(), "{kind} cut at {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(reencode(kind, &longer), Err(Error::Trailing { trailing: 1 })));
    }
}

#[test]
fn every_flipped_byte_of_an_object_is_refused_or_means_something_else() {
    for (kind, bytes) in many_objects() {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x02, 0x04, 0x10, 0x20, 0x40, 0x80, 0xfb, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= flip;
                is_polite(kind, &flipped);
                assert_ne!(kind.id_of(&flipped), kind.id_of(&bytes));
            }
        }
    }
}

/// Numbers that something of this length is not there for.
const LIES: [u64; 8] =
    [251, 65_536, 1_000_000, 2_000_000, 16_000_000, 1_000_000_000, 1 << 40, u64::MAX];

fn integer(number: u64) -> Vec<u8> {
    match number {
        0..=250 => vec![number as u8],
        251..=0xffff => [&[251][..], &(number as u16).to_le_bytes()].concat(),
        0x1_0000..=0xffff_ffff => [&[252][..], &(number as u32).to_le_bytes()].concat(),
        _ => [&[253][..], &number.to_le_bytes()].concat(),
    }
}

#[test]
fn lengths_that_lie_anywhere_in_an_object_ask_for_little_memory() {
    for (kind, bytes) in many_objects() {
        for at in 0..bytes.len() {
            for lie in LIES {
                let lying = [&bytes[..at], &integer(lie), &bytes[at + 1..]].concat();
                is_polite(kind, &lying);
            }
        }
    }
}

#[test]
fn lists_of_a_thousand_million_ask_for_little_memory() {
    let million = integer(1_000_000_000);
    for (kind, start) in [
        (Kind::List, vec![0]),
        (Kind::List, vec![1, 1]),
        (Kind::Tree, vec![0]),
        (Kind::Tree, vec![1, 1]),
        (Kind::Table, vec![1]),
        (Kind::Commit, vec![0; 32]),
        (Kind::Tag, [&[0; 32][..], &[5]].concat()),
        (Kind::Attributes, vec![0, 1]),
    ] {
        // Followed by nothing, and by as many zeros as an object may have.
        for zeros in [0, 4 << 20] {
            let bytes = [&start[..], &million, &vec![0; zeros]].concat();
            let (decoded, peak) = memory::peak(|| reencode(kind, &bytes).is_ok());
            assert!(!decoded && peak <= memory::MOST, "{kind}: {peak}");
        }
    }
}

#[test]
fn as_many_elements_as_an_object_has_bytes_ask_for_little_memory() {
    // Counts that are true: an element of one byte may take a hundred in memory.
    for count in [400_000, 1_000_000, 2_000_000, 4_000_000] {
        let zeros = vec![0; (4 << 20) - 40];
        for (kind, start) in [
            (Kind::List, vec![0]),
            (Kind::Tree, vec![0]),
            (Kind::Tree, vec![1, 1]),
            (Kind::Table, vec![1]),
            (Kind::Attributes, vec![0, 1]),
            (Kind::Attributes, vec![0, 0, 0, 1]),
            // One entry named `a`, a conflict.
            (Kind::Tree, vec![0, 1, 1, b'a', 0, 0, 0, 4]),
        ] {
            let bytes = [&start[..], &integer(count), &zeros].concat();
            let (decoded, peak) = memory::peak(|| reencode(kind, &bytes).is_ok());
            assert!(!decoded && peak <= memory::MOST, "{kind} of {count}: {peak}");
        }
    }
}

/// The same, one list after the other: what the first took must not be forgotten.
#[test]
fn two_lists_in_a_row_ask_for_little_memory_together() {
    let count = 1_390_000usize;
    let pairs = [&[0, 1][..], &integer(count as u64), &vec![0; 2 * count], &[0, 1]].concat();
    let attributes = [&pairs[..], &integer(1_300_000)].concat();
    let (decoded, first) = memory::peak(|| reencode(Kind::Attributes, &attributes).is_ok());
    assert!(!decoded);
    let count = 600_000usize;
    let absent = [&integer(count as u64)[..], &vec![0; count]].concat();
    let conflict = [&[0, 1, 1, b'a', 0, 0, 0, 4][..], &absent, &absent].concat();
    let (decoded, second) = memory::peak(|| reencode(Kind::Tree, &conflict).is_ok());
    assert!(!decoded);
    assert!(first.max(second) <= memory::MOST, "{first} and {second} bytes of memory");
}

fn refused<T: Object>(value: &T, why: &str) {
    match T::from_bytes(&value.to_bytes()) {
        Err(Error::Invalid(said)) => assert!(said.contains(why), "'{said}' instead of '{why}'"),
        other => panic!("{:?} instead of '{why}'", other.map(|_| "decoded")),
    }
}

fn file(name: &str) -> Entry {
    samples::entry(name, 0o644, What::File { size: 6, content: hash(b"hello\n") })
}

#[test]
fn names_that_lead_out_of_the_tree_are_refused() {
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "/",
        "/etc",
        "../x",
        "a\0b",
        ".annals",
        ".ANNALS",
        ".Annals",
        ".annals.",
        ".annals ",
        ".annals::$DATA",
        ".annals:x",
        ".an\u{200c}nals",
        "\u{feff}.annals",
        "ANNALS~1",
        "annals~23",
    ] {
        refused(&Node::Leaf(vec![file(name)]), "not allowed");
    }
    refused(&Node::Leaf(vec![file(&"n".repeat(1025))]), "not allowed");
    assert!(Node::from_bytes(&Node::Leaf(vec![file(&"n".repeat(1024))]).to_bytes()).is_ok());
}

#[test]
fn disorder_and_duplicates_are_refused() {
    refused(&Node::Leaf(vec![file("b"), file("a")]), "not sorted");
    refused(&Node::Leaf(vec![file("a"), file("a")]), "not sorted");
    let child = |last: &str| Child {
        last: last.into(),
        node: hash(b"n"),
        totals: Totals { entries: 32, files: 32, bytes: 1 },
    };
    let inner = |children| Node::Inner { level: 1, children };
    refused(&inner(vec![child("b"), child("a")]), "not sorted");
    refused(&inner(vec![child("a"), child("a")]), "not sorted");
    let row = |byte| TableRow { id: Id::from_bytes([byte; 32]), length: 1 };
    refused(&Table { kind: 1, rows: vec![row(2), row(1)] }, "not sorted");
    refused(&Table { kind: 1, rows: vec![row(1), row(1)] }, "not sorted");
    let extended = |names: [&[u8]; 2]| Attributes {
        extended: Some(names.map(|name| (name.to_vec(), Vec::new())).to_vec()),
        ..Attributes::default()
    };
    refused(&extended([b"b", b"a"]), "not sorted");
    refused(&extended([b"a", b"a"]), "not sorted");
    let holes =
        |holes: &[(u64, u64)]| Attributes { holes: Some(holes.to_vec()), ..Attributes::default() };
    refused(&holes(&[(10, 5), (0, 5)]), "holes");
    refused(&holes(&[(0, 5), (5, 5)]), "holes");
    refused(&holes(&[(0, 0)]), "holes");
    let conflict = |removes: Vec<Term>, adds: Vec<Term>| {
        Node::Leaf(vec![samples::entry("c", 0, What::Conflict { removes, adds })])
    };
    let link = |byte| Term::Gitlink { commit: vec![byte; 20] };
    refused(&conflict(vec![link(3)], vec![link(2), link(1)]), "not sorted");
    refused(&conflict(vec![link(1)], vec![link(1), link(2)]), "cancel");
    refused(&conflict(vec![], vec![link(1)]), "add up");
    refused(&conflict(vec![link(1)], vec![link(2)]), "add up");
}

#[test]
fn levels_that_cannot_be_are_refused() {
    for level in [0, 12, 13, 200, 255] {
        let child = Child {
            last: b"a".to_vec(),
            node: hash(b"n"),
            totals: Totals { entries: 1, files: 1, bytes: 1 },
        };
        refused(&Node::Inner { level, children: vec![child] }, "impossible");
        let child = ListChild { last: hash(b"a"), node: hash(b"n"), chunks: 1, bytes: 1 };
        refused(&List::Inner { level, children: vec![child] }, "impossible");
    }
    refused(&Node::Inner { level: 1, children: Vec::new() }, "impossible");
    refused(&List::Inner { level: 1, children: Vec::new() }, "impossible");
    refused(&List::Leaf(Vec::new()), "impossible");
}

#[test]
fn nodes_that_should_have_ended_are_refused() {
    let many = |count: usize| Node::Leaf((0..count).map(|n| file(&format!("{n:06}"))).collect());
    refused(&many(257), "ended earlier");
    let ends = (0..)
        .map(|n| format!("{n:06}"))
        .skip(31)
        .find(|name| annals::object::boundary::ends(name.as_bytes(), 0, 32));
    let at: usize = ends.unwrap().parse().unwrap();
    assert!(Node::from_bytes(&many(at + 1).to_bytes()).is_ok());
    refused(&many(at + 2), "ended earlier");
}

#[test]
fn sums_that_overflow_are_refused() {
    let file = |name, size| samples::entry(name, 0, What::File { size, content: hash(b"x") });
    refused(&Node::Leaf(vec![file("a", u64::MAX), file("b", 1)]), "overflow");
    let directory = |name, files, bytes| {
        samples::entry(name, 0, What::Directory { files, bytes, tree: hash(b"t") })
    };
    refused(&Node::Leaf(vec![directory("a", u64::MAX, 0), directory("b", 1, 0)]), "overflow");
    let child = |last: &str, entries, files, bytes| Child {
        last: last.into(),
        node: hash(b"n"),
        totals: Totals { entries, files, bytes },
    };
    for (entries, files, bytes) in [(u64::MAX, 1, 1), (1, u64::MAX, 1), (1, 1, u64::MAX)] {
        let children = vec![child("a", entries, files, bytes), child("b", 1, 1, 1)];
        refused(&Node::Inner { level: 1, children }, "overflow");
    }
    let below = |chunks, bytes| ListChild { last: hash(b"l"), node: hash(b"n"), chunks, bytes };
    let list = |children| List::Inner { level: 1, children };
    refused(&list(vec![below(u64::MAX, 1), below(1, 1)]), "overflow");
    refused(&list(vec![below(1, u64::MAX), below(1, 1)]), "overflow");
    let holes = Some(vec![(u64::MAX, 2)]);
    refused(&Attributes { holes, ..Attributes::default() }, "too long");
    // Terms of a conflict saturate instead: a version is one file among others.
    let term = |byte, size| Term::File { mode: 0, size, content: hash(&[byte]), attributes: None };
    let adds = vec![term(1, u64::MAX), term(2, u64::MAX)];
    let entry = samples::entry("c", 0, What::Conflict { removes: vec![Term::Absent], adds });
    let node = Node::Leaf(vec![entry]);
    assert!(node.to_bytes().len() < 200 && node.totals().bytes == u64::MAX);
}

#[test]
fn values_out_of_their_bounds_are_refused() {
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = file("a");
        change(&mut entry);
        Node::Leaf(vec![entry])
    };
    refused(&with(&|entry| entry.mode = 0o10000), "permission bits");
    let late = annals::clock::Time { seconds: 0, nanoseconds: 1_000_000_000 };
    refused(&with(&|entry| entry.mtime = Some(late)), "nanoseconds");
    refused(&with(&|e| e.what = What::File { size: 0, content: hash(b"x") }), "empty");
    refused(&with(&|e| e.what = What::File { size: 1, content: Id::EMPTY }), "empty");
    let link = |size, mode| {
        move |entry: &mut Entry| {
            entry.mode = mode;
            entry.what = What::Symlink { size, target: hash(b"x") };
        }
    };
    refused(&with(&link(0, 0)), "target");
    refused(&with(&link(16_385, 0)), "target");
    refused(&with(&link(1, 0o777)), "mode");
    refused(&with(&|entry| entry.what = What::Special), "no attributes");
    let git = |length, mode| {
        move |entry: &mut Entry| {
            entry.mode = mode;
            entry.what = What::Gitlink { commit: vec![1; length] };
        }
    };
    refused(&with(&git(19, 0)), "git id");
    refused(&with(&git(20, 1)), "mode");
    refused(&Attributes::default(), "nothing");

    let manifest = samples::manifest_of_two;
    let chunks = |chunks| Manifest { chunks, ..manifest() };
    refused(&Manifest { size: 16_384, ..manifest() }, "small");
    refused(&Manifest { size: 5 << 20, near: true, ..manifest() }, "near");
    refused(&Manifest { size: 5 << 20, chunks: Chunks::One, ..manifest() }, "too long");
    let chunk = |length| ChunkRef { id: hash(b"c"), length };
    refused(&chunks(Chunks::Few(vec![chunk(100_000)])), "number of chunks");
    refused(&chunks(Chunks::Few(vec![chunk(11_112); 9])), "number of chunks");
    refused(&chunks(Chunks::Few(vec![chunk(1), chunk(99_998)])), "add up");
    refused(&chunks(Chunks::Few(vec![chunk(0), chunk(100_000)])), "add up");
    refused(&chunks(Chunks::Few(vec![chunk(u32::MAX); 2])), "add up");
    for count in [0, 8, 100_001, u64::MAX] {
        refused(&chunks(Chunks::Many { list: hash(b"l"), count }), "impossible");
    }
    let huge = Manifest { size: u64::MAX, ..chunks(Chunks::Many { list: hash(b"l"), count: 9 }) };
    refused(&huge, "impossible");
    refused(&List::Leaf(vec![chunk(0)]), "impossible");
    refused(&List::Leaf(vec![chunk((4 << 20) + 1)]), "impossible");

    let row = |length| TableRow { id: hash(b"c"), length };
    refused(&Table { kind: 0, rows: vec![row(1)] }, "kind");
    refused(&Table { kind: 11, rows: vec![row(1)] }, "kind");
    refused(&Table { kind: 1, rows: vec![row(0)] }, "length");
    refused(&Table { kind: 1, rows: vec![row((4 << 20) + 1)] }, "length");
    refused(&Table { kind: 1, rows: Vec::new() }, "rows");
    let mut rows: Vec<TableRow> = (0..65_537u32)
        .map(|number| TableRow { id: hash(&number.to_le_bytes()), length: 1 })
        .collect();
    rows.sort_unstable();
    refused(&Table { kind: 1, rows }, "rows");

    refused(&Tag { target_kind: 2, ..samples::tag() }, "kind");
    refused(&Tag { name: Vec::new(), ..samples::tag() }, "name");
    refused(&Tag { name: b"a\nb".to_vec(), ..samples::tag() }, "name");
    for name in ["a<b", "a>b", "a\nb", "a\0b"] {
        let author = annals::object::Signature { name: name.into(), ..samples::signature() };
        refused(&Commit { author, ..samples::commit() }, "signature");
    }
    for name in ["", "a b", "a\n"] {
        let headers = vec![annals::object::Header { name: name.into(), value: Vec::new() }];
        refused(&Commit { headers, ..samples::commit() }, "header");
    }
}

/// Gives nodes under any id, as a forger would like a store to.
#[derive(Default)]
struct Forged {
    objects: HashMap<Id, Vec<u8>>,
    reads: RefCell<usize>,
}

impl Source for Forged {
    type Error = Error;

    fn bytes(&self, _: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        *self.reads.borrow_mut() += 1;
        let found = self.objects.get(id).ok_or(Error::Invalid("not there"))?;
        Ok(Arc::from(&found[..]))
    }
}

fn walk_tree(source: &Forged, root: &Id) -> Result<usize, Error> {
    let mut cursor = Cursor::new(source, root)?;
    let mut entries = 0;
    while cursor.next_entry()?.is_some() {
        entries += 1;
    }
    Ok(entries)
}

fn walk_list(source: &Forged, root: &Id) -> Result<usize, Error> {
    let mut cursor = ListCursor::new(source, root);
    let mut chunks = 0;
    while cursor.next_chunk()?.is_some() {
        chunks += 1;
    }
    Ok(chunks)
}

#[test]
fn trees_that_go_round_in_circles_or_are_not_what_their_parents_say_are_refused() {
    let (root, leaf) = (hash(b"root"), hash(b"leaf"));
    let entries = Node::Leaf(vec![file("a"), file("b")]);
    let honest = Child { last: b"b".to_vec(), node: leaf, totals: entries.totals() };
    let with = |level, child: Child| {
        let mut source = Forged::default();
        source.objects.insert(leaf, entries.to_bytes());
        let inner = Node::Inner { level, children: vec![child] };
        source.objects.insert(root, inner.to_bytes());
        source
    };
    assert_eq!(walk_tree(&with(1, honest.clone()), &root).unwrap(), 2);
    // A circle, and a leaf two levels down.
    for (level, node) in [(1, root), (2, leaf), (11, root)] {
        let source = with(level, Child { node, ..honest.clone() });
        assert!(matches!(walk_tree(&source, &root), Err(Error::Invalid(_))));
        assert!(matches!(find(&source, &root, b"a"), Err(Error::Invalid(_))));
        assert!(*source.reads.borrow() <= 4);
    }
    for lie in [
        Child { last: b"c".to_vec(), ..honest.clone() },
        Child { totals: Totals { entries: 3, ..honest.totals }, ..honest.clone() },
        Child { totals: Totals { files: 3, ..honest.totals }, ..honest.clone() },
        Child { totals: Totals { bytes: 13, ..honest.totals }, ..honest.clone() },
    ] {
        assert!(matches!(walk_tree(&with(1, lie), &root), Err(Error::Invalid(_))));
    }
}

#[test]
fn lists_that_go_round_in_circles_or_are_not_what_their_parents_say_are_refused() {
    let (root, leaf) = (hash(b"root"), hash(b"leaf"));
    let chunks = samples::list_leaf();
    let (count, bytes) = chunks.totals().unwrap();
    let last = match &chunks {
        List::Leaf(chunks) => chunks[1].id,
        List::Inner { .. } => panic!("a leaf"),
    };
    let honest = ListChild { last, node: leaf, chunks: count, bytes };
    let with = |level, child| {
        let mut source = Forged::default();
        source.objects.insert(leaf, chunks.to_bytes());
        source.objects.insert(root, List::Inner { level, children: vec![child] }.to_bytes());
        source
    };
    assert_eq!(walk_list(&with(1, honest), &root).unwrap(), 2);
    for (level, node) in [(1, root), (2, leaf), (11, root)] {
        let source = with(level, ListChild { node, ..honest });
        assert!(matches!(walk_list(&source, &root), Err(Error::Invalid(_))));
        assert!(*source.reads.borrow() <= 2);
    }
    for lie in [
        ListChild { last: hash(b"other"), ..honest },
        ListChild { chunks: 3, ..honest },
        ListChild { bytes: bytes + 1, ..honest },
    ] {
        assert!(matches!(walk_list(&with(1, lie), &root), Err(Error::Invalid(_))));
    }
}

#[test]
fn a_small_list_that_stands_for_endless_chunks_says_so_in_its_root() {
    // Each level names the one below 31 times: eight nodes, 10^11 chunks.
    let mut source = Forged::default();
    let mut node = samples::list_leaf();
    for level in 1..8 {
        let id = node.id();
        source.objects.insert(id, node.to_bytes());
        let (chunks, bytes) = node.totals().unwrap();
        let child = ListChild { last: hash(b"never"), node: id, chunks, bytes };
        node = List::Inner { level, children: vec![child; 31] };
    }
    assert_eq!(node.totals().unwrap().0, 2 * 31u64.pow(7));
    // Who compares that with the manifest, which has the true size, never begins to read.
    let manifest = samples::manifest_with_list();
    let Chunks::Many { count, .. } = manifest.chunks else { panic!("a list") };
    assert_ne!(node.totals(), Some((count, manifest.size)));
}

fn place(bytes: &[u8]) -> (MemoryDisk, DirRef) {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/d")).unwrap();
    disk.write("/d/file", bytes);
    (disk, dir)
}

/// What is wrong with a pack of these bytes; empty if nothing is.
fn damage_of(bytes: &[u8]) -> Vec<Damage> {
    let (_disk, dir) = place(bytes);
    let (_, damage) = check_pack(dir.open(b"file").unwrap(), |kind, id, bytes| {
        assert_eq!(kind.id_of(bytes), id);
    })
    .unwrap();
    damage
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_pack_is_damage() {
    let bytes = samples::pack();
    assert!(damage_of(&bytes).is_empty());
    for at in 0..bytes.len() {
        assert!(!damage_of(&bytes[..at]).is_empty(), "cut at {at}");
        for flip in [1, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= flip;
            assert!(!damage_of(&flipped).is_empty(), "byte {at}");
        }
    }
    assert!(!damage_of(&[&bytes[..], b"more"].concat()).is_empty());
}

/// A pack with this table and these frames, whose hash is right.
fn forged_pack(class: u8, frames: &[u8], table: &[u8]) -> Vec<u8> {
    forged_pack_or_archive(class, 0, frames, table)
}

fn forged_pack_or_archive(class: u8, archive: u8, frames: &[u8], table: &[u8]) -> Vec<u8> {
    let mut bytes = b"ANNLPACK\x01".to_vec();
    bytes.extend([class, archive]);
    bytes.extend([0; 5]);
    bytes.extend_from_slice(frames);
    let at = bytes.len() as u64;
    bytes.extend_from_slice(table);
    bytes.extend(at.to_le_bytes());
    bytes.extend((table.len() as u64).to_le_bytes());
    bytes.extend(hash(&bytes).as_bytes());
    bytes
}

#[test]
fn a_forged_pack_with_a_right_hash_is_damage_all_the_same() {
    let object = |kind, length| ObjectRow { kind, id: hash(samples::HELLO), length };
    let raw = |stored, raw, objects| FrameRow { form: Form::Raw, stored, raw, objects };
    let table = |frames: Vec<FrameRow>, objects: Vec<ObjectRow>| {
        codec::encode(&PackTable { frames, objects })
    };
    let good = table(vec![raw(6, 6, 1)], vec![object(1, 6)]);
    assert!(damage_of(&forged_pack(3, samples::HELLO, &good)).is_empty());
    let bad = |what: &str, class, table: &[u8]| {
        let bytes = forged_pack(class, samples::HELLO, table);
        let (damage, peak) = memory::peak(|| damage_of(&bytes));
        assert!(!damage.is_empty(), "{what}");
        assert!(peak <= memory::MOST, "{what}: {peak}");
    };
    bad("an unknown class", 0, &good);
    bad("an unknown class", 5, &good);
    bad("chunks in a pack of metadata", 1, &good);
    bad("chunks in a pack of lists", 2, &good);
    bad("no frames", 3, &table(vec![], vec![]));
    bad("an empty frame", 3, &table(vec![raw(6, 6, 1), raw(0, 0, 0)], vec![object(1, 6)]));
    bad("an empty object", 3, &table(vec![raw(6, 6, 2)], vec![object(1, 6), object(1, 0)]));
    bad("two lengths", 3, &table(vec![raw(6, 7, 1)], vec![object(1, 7)]));
    bad("objects that do not add up", 3, &table(vec![raw(6, 6, 1)], vec![object(1, 5)]));
    bad("more objects than are there", 3, &table(vec![raw(6, 6, 9)], vec![object(1, 6)]));
    bad("objects in no frame", 3, &table(vec![raw(6, 6, 1)], vec![object(1, 6); 2]));
    bad("frames that do not meet the table", 3, &table(vec![raw(5, 5, 1)], vec![object(1, 5)]));
    bad("an unknown kind", 3, &table(vec![raw(6, 6, 1)], vec![object(11, 6)]));
    bad("another kind", 3, &table(vec![raw(6, 6, 1)], vec![object(2, 6)]));
    let long = FrameRow { form: Form::Zstd, stored: 6, raw: (4 << 20) + 1, objects: 1 };
    bad("a frame that is too long", 3, &table(vec![long], vec![object(1, (4 << 20) + 1)]));
    let grown = FrameRow { form: Form::Zstd, stored: 6, raw: 6, objects: 1 };
    bad("a frame that grew", 3, &table(vec![grown], vec![object(1, 6)]));
    let overflowing = vec![raw(u32::MAX, u32::MAX, 2)];
    bad("sums", 3, &table(overflowing, vec![object(1, u32::MAX), object(1, 0)]));
    for lie in LIES {
        bad("frames that are not there", 3, &integer(lie));
        bad("objects that are not there", 3, &[&good[..5], &integer(lie)].concat());
    }
}

#[test]
fn only_an_archive_has_long_frames_and_even_these_have_an_end() {
    let chunk = vec![7u8; 4 << 20];
    let table = |count: u32, raw: u32, stored: usize| {
        let frames =
            vec![FrameRow { form: Form::Zstd, stored: stored as u32, raw, objects: count }];
        let objects =
            vec![ObjectRow { kind: 1, id: hash(&chunk), length: 4 << 20 }; count as usize];
        codec::encode(&PackTable { frames, objects })
    };
    for (count, is_good) in [(1, [true, true]), (2, [false, true]), (4, [false, true])] {
        let stored = zstd::bulk::compress(&chunk.repeat(count), 3).unwrap();
        let table = table(count as u32, (count as u32) << 22, stored.len());
        for archive in [0, 1] {
            let damage = damage_of(&forged_pack_or_archive(4, archive, &stored, &table));
            assert_eq!(damage.is_empty(), is_good[usize::from(archive)], "{count} {damage:?}");
        }
        assert!(!damage_of(&forged_pack_or_archive(4, 2, &stored, &table)).is_empty());
    }
    let stored = zstd::bulk::compress(&chunk.repeat(5), 3).unwrap();
    let bytes = forged_pack_or_archive(4, 1, &stored, &table(5, 5 << 22, stored.len()));
    let (damage, peak) = memory::peak(|| damage_of(&bytes));
    assert!(!damage.is_empty() && peak <= memory::MOST, "{damage:?} {peak}");
}

#[test]
fn a_bomb_in_a_frame_is_damage_and_asks_for_little_memory() {
    let zeros = vec![0u8; 256 << 20];
    let bomb = zstd::bulk::compress(&zeros, 3).unwrap();
    drop(zeros);
    assert!(bomb.len() < 100_000);
    for raw in [1 << 20, 4 << 20] {
        let stored = bomb.len() as u32;
        let frames = vec![FrameRow { form: Form::Zstd, stored, raw, objects: 1 }];
        let objects = vec![ObjectRow { kind: 1, id: hash(b"x"), length: raw }];
        let table = codec::encode(&PackTable { frames, objects });
        let bytes = forged_pack(4, &bomb, &table);
        let (damage, peak) = memory::peak(|| damage_of(&bytes));
        assert!(matches!(damage[..], [Damage::Frame(0)]), "{damage:?}");
        assert!(peak <= memory::MOST, "{peak}");
    }
}

#[test]
fn a_trailer_that_lies_is_damage() {
    let bytes = samples::pack();
    let end = bytes.len() - 48;
    for (offset, length) in [
        (0, bytes.len() as u64 - 48),
        (u64::MAX, 1),
        (u64::MAX - 47, 48),
        (16, u64::MAX),
        (1 << 63, 1 << 63),
        (17, bytes.len() as u64 - 48 - 17),
    ] {
        let mut lying = bytes.clone();
        lying[end..end + 8].copy_from_slice(&u64::to_le_bytes(offset));
        lying[end + 8..end + 16].copy_from_slice(&u64::to_le_bytes(length));
        let (damage, peak) = memory::peak(|| damage_of(&lying));
        assert!(!damage.is_empty() && peak <= memory::MOST);
    }
    // A table that is really there and longer than any table can be.
    let long = forged_pack(3, b"", &vec![0; MOST_TABLE_BYTES as usize + 1]);
    let (_disk, dir) = place(&long);
    let read = || read_table(dir.open(b"file").unwrap()).unwrap().err();
    let (damage, peak) = memory::peak(read);
    assert!(matches!(damage, Some(Damage::Shape(_))) && peak < 1 << 20, "{peak}");
}

/// A run of the lookup over some packs, as bytes.
fn lookup_run(objects: u32) -> Vec<u8> {
    let per_pack = 40_000;
    let packs = (0..objects.div_ceil(per_pack)).map(|pack| {
        let count = per_pack.min(objects - pack * per_pack);
        let rows = (0..count).map(|number| {
            let id = hash(&(pack * per_pack + number).to_le_bytes());
            ObjectRow { kind: 3, id, length: 100 }
        });
        let frame =
            FrameRow { form: Form::Raw, stored: count * 100, raw: count * 100, objects: count };
        Indexed {
            name: format!("{pack:032x}-00000000"),
            class: Class::Meta,
            table: PackTable { frames: vec![frame], objects: rows.collect() },
            contents: vec![(hash(b"content"), hash(&0u32.to_le_bytes()))],
        }
    });
    let run = PackRun::build(packs.collect()).unwrap();
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/d")).unwrap();
    run.write(&*dir, "run").unwrap();
    disk.read("/d/run").unwrap()
}

fn open_run(bytes: Vec<u8>) -> Option<PackRun> {
    SortedRun::open(Bytes::new(bytes)).and_then(PackRun::open)
}

/// Asks a run everything it can be asked.
fn ask(run: &PackRun, number: u32) {
    let id = hash(&number.to_le_bytes());
    let _ = run.find(&id).count();
    run.prefixed(&Prefix::parse(&id.to_string()[..4]).unwrap(), |_, _| {});
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_lookup_run_is_seen() {
    let bytes = lookup_run(300);
    let whole = open_run(bytes.clone()).unwrap();
    assert_eq!((whole.len(), whole.find(&hash(b"content")).count()), (301, 1));
    for at in 0..bytes.len() {
        assert!(open_run(bytes[..at].to_vec()).is_none(), "cut at {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x81;
        let is_padding = (56..64).contains(&at);
        assert!(open_run(flipped).is_none() || is_padding, "byte {at}");
    }
}

#[test]
fn a_large_lookup_run_that_is_not_verified_never_panics() {
    let count = 60_000;
    let bytes = lookup_run(count);
    assert!(bytes.len() > 2 << 20);
    let rows_at = bytes.len() - (count as usize + 1) * 48;
    let mut flipped = bytes.clone();
    // Numbers of packs, frames, kinds and lengths, all at once, a different one in each row.
    for row in 0..count as usize {
        let at = rows_at + row * 48;
        flipped[at + 32 + row % 16] ^= 0xff;
        flipped[at + row % 32] ^= (row % 251) as u8;
    }
    let run = open_run(flipped).unwrap();
    (0..count).step_by(7).for_each(|number| ask(&run, number));
    run.each(|_, _, _| {});
    let whole = open_run(bytes).unwrap();
    let merged = PackRun::merge(&whole, &run, |pack| pack.starts_with("0000")).unwrap();
    ask(&merged, 1);
}

#[test]
fn a_forged_lookup_run_is_refused_or_harmless() {
    let bytes = lookup_run(50);
    for at in (8..48).step_by(8) {
        for lie in LIES.into_iter().chain([0, 1, 2, 23, 31, 32, 33, 47, 49, 1 << 32, 1 << 63]) {
            let mut forged = bytes.clone();
            forged[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            forged[48..56].fill(0);
            // With the checksum it should have, if the sizes allow one.
            let number = |at: usize| u64::from_le_bytes(forged[at..at + 8].try_into().unwrap());
            let fanout = 1u64.checked_shl(number(24) as u32).unwrap_or(0).wrapping_add(1);
            let head = number(16).wrapping_add(fanout.wrapping_mul(4)).wrapping_add(64);
            if let Some(head) = forged.get(..usize::try_from(head).unwrap_or(usize::MAX)) {
                let checksum = annals::hash::checksum(head);
                forged[48..56].copy_from_slice(&checksum.to_le_bytes());
            }
            let (run, peak) = memory::peak(|| open_run(forged));
            assert!(peak <= memory::MOST);
            run.iter().for_each(|run| ask(run, 1));
        }
    }
    // What stands beside the rows, with a right checksum.
    let beside = 64..bytes.len() - 51 * 48 - 4 * 3;
    for at in beside {
        for flip in [1, 0x80, 0xff] {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            forged[48..56].fill(0);
            let head = forged.len() - 51 * 48;
            let checksum = annals::hash::checksum(&forged[..head]);
            forged[48..56].copy_from_slice(&checksum.to_le_bytes());
            let Some(run) = open_run(forged) else { continue };
            (0..50).for_each(|number| ask(&run, number));
            run.each(|_, _, _| {});
            let _ = PackRun::merge(&run, &run, |pack| pack.len() == 41);
        }
    }
}

/// The text with its last line made right again.
fn ended_anew(text: &[u8]) -> Vec<u8> {
    let body = &text[..text.len() - "end ".len() - 64 - 1];
    let mut ended = body.to_vec();
    ended.extend(format!("end {}\n", hash(body)).into_bytes());
    ended
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_text_of_the_journal_is_seen() {
    for (name, text) in texts() {
        for at in 0..text.len() {
            assert!(matches!(parse(name, &text[..at]), Err(ParseError::Damaged)), "cut at {at}");
            for flip in [1, 0x20, 0x80] {
                let mut flipped = text.clone();
                flipped[at] ^= flip;
                assert!(matches!(parse(name, &flipped), Err(ParseError::Damaged)), "byte {at}");
            }
        }
    }
}

fn texts() -> [(&'static str, Vec<u8>); 5] {
    [
        ("record", samples::record().to_text().0.into_bytes()),
        ("record", samples::record_of_everything().to_text().0.into_bytes()),
        ("checkpoint", samples::state().to_text(&[(1, 256)]).into_bytes()),
        ("checkpoint", samples::state_on_runs().to_text(&[(1, 512), (513, 768)]).into_bytes()),
        ("run", samples::newer_run().to_text(513, 768).0.into_bytes()),
    ]
}

/// Parses, and parses again what writing that gives.
fn parse(name: &str, text: &[u8]) -> Result<(), ParseError> {
    if name == "record" {
        let (record, _) = Record::parse(text)?;
        let (again, _) = Record::parse(record.to_text().0.as_bytes()).unwrap();
        assert_eq!(Record { has_unknown_lines: false, ..record }, again);
    } else if name == "run" {
        let (changes, run) = Changes::parse(text)?;
        // Nothing is gone in the lowest run.
        if run.first != 1 {
            let again = changes.to_text(run.first, run.last).0;
            let known = Changes { has_unknown_lines: false, ..changes };
            assert_eq!(Changes::parse(again.as_bytes()).unwrap().0, known);
        }
    } else {
        let (state, moves) = State::parse(text)?;
        assert_eq!(State::parse(state.to_text(&moves).as_bytes()).unwrap(), (state, moves));
    }
    Ok(())
}

#[test]
fn a_forged_text_of_the_journal_with_a_right_hash_is_a_typed_error_or_is_read() {
    for (name, text) in texts() {
        for at in 0..text.len() - 69 {
            for new in [b'\n', b' ', b'%', b'@', b'-', b'+', b'.', b'0', b'A', b'z', 0, 0xff] {
                let mut forged = text.clone();
                forged[at] = new;
                let _ = parse(name, &ended_anew(&forged));
                let mut longer = text.clone();
                longer.insert(at, new);
                let _ = parse(name, &ended_anew(&longer));
            }
            let mut shorter = text.clone();
            shorter.remove(at);
            let _ = parse(name, &ended_anew(&shorter));
        }
    }
}

#[test]
fn names_in_the_journal_never_become_paths_elsewhere() {
    let text = String::from_utf8(samples::record_of_everything().to_text().0.into_bytes()).unwrap();
    let pack = samples::record_of_everything();
    let name = format!(
        "{}-01234567",
        &samples::record()
            .effects
            .iter()
            .find_map(|effect| match effect {
                annals::store::Effect::PackAdded(pack) => Some(pack.name[..32].to_owned()),
                _ => None,
            })
            .unwrap()
    );
    assert_eq!(pack.number, 3);
    for bad in ["../../../../etc/passwd", "..", ".", "", "/", "a/b", "ABCDEF", &name.to_uppercase()]
    {
        let forged = ended_anew(text.replace(&name, bad).as_bytes());
        assert!(matches!(Record::parse(&forged), Err(ParseError::Line { .. })), "{bad}");
        let forged = ended_anew(text.replace("00112233aabbccdd", bad).as_bytes());
        assert!(matches!(Record::parse(&forged), Err(ParseError::Line { .. })), "{bad}");
    }
}

#[test]
fn damaged_ref_moves_lose_a_reflog_and_nothing_else() {
    let state = samples::state();
    let place = |moves: &[u8]| {
        let disk = MemoryDisk::new();
        let dir = disk.create(Path::new("/d")).unwrap();
        disk.write("/d/journal/checkpoints/256", state.to_text(&[(1, 256)]));
        disk.write("/d/journal/moves/1-256", moves);
        let journal = Journal::new(dir);
        let moves = journal.moves(&state).unwrap();
        (moves.len(), journal.check_checkpoint(256).unwrap())
    };
    let line = "1 1763630000.000000005 a refs/heads/main - @refs/heads/x why\n";
    let text = format!("annals-moves 1\n{line}end {}\n", "0".repeat(64)).into_bytes();
    let text = ended_anew(&text);
    assert_eq!(place(&text), (1, true));
    for at in 0..text.len() {
        assert_eq!(place(&text[..at]), (0, false));
        let mut flipped = text.clone();
        flipped[at] ^= 1;
        assert_eq!(place(&flipped), (0, false));
        if at < text.len() - 69 {
            place(&ended_anew(&flipped));
        }
    }
}

#[test]
fn files_of_the_journal_that_are_too_long_are_damage_or_an_error() {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/d")).unwrap();
    disk.write("/d/journal/0/1", vec![b'a'; 70 << 20]);
    let (state, peak) = memory::peak(|| Journal::new(dir).replay(None).unwrap());
    assert_eq!((state.number, state.damage.len()), (0, 1));
    assert!(peak <= memory::MOST, "{peak}");
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_note_is_seen() {
    let bytes = samples::note().to_bytes();
    for at in 0..bytes.len() {
        assert_eq!(Pending::from_bytes(&bytes[..at]), Err(Unknown::Damaged));
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(Pending::from_bytes(&flipped), Err(Unknown::Damaged));
    }
}

#[test]
fn notes_that_lie_ask_for_little_memory() {
    let bytes = samples::note().to_bytes();
    let above = &bytes[..bytes.len() - 8];
    for at in 5..above.len() {
        for lie in LIES {
            let lying = samples::summed(&[&above[..at], &integer(lie), &above[at + 1..]].concat());
            let (decoded, peak) = memory::peak(|| Pending::from_bytes(&lying));
            assert!(decoded.is_err() || decoded.is_ok_and(|note| note.to_bytes() == lying));
            assert!(peak <= memory::MOST, "{peak}");
        }
    }
}

#[test]
fn seen_files_that_lie_ask_for_little_memory() {
    let bytes = codec::encode(&samples::seen());
    for at in 0..bytes.len() {
        assert!(codec::decode::<Seen>(&bytes[..at]).is_err());
        for lie in LIES {
            let lying = [&bytes[..at], &integer(lie), &bytes[at + 1..]].concat();
            let (decoded, peak) = memory::peak(|| codec::decode::<Seen>(&lying));
            assert!(decoded.is_err() || decoded.is_ok_and(|seen| codec::encode(&seen) == lying));
            assert!(peak <= memory::MOST, "{peak}");
        }
    }
}

#[test]
fn every_truncation_and_every_flipped_byte_of_the_newest_record_says_nothing() {
    let text = samples::newest().to_text().into_bytes();
    assert_eq!(Newest::parse(&text), Some(samples::newest()));
    for at in 0..text.len() {
        assert_eq!(Newest::parse(&text[..at]), None, "cut at {at}");
        for flip in [1, 0x20, 0x80] {
            let mut flipped = text.clone();
            flipped[at] ^= flip;
            assert_eq!(Newest::parse(&flipped), None, "byte {at}");
        }
    }
    assert_eq!(Newest::parse(&[&text[..], b"\n"].concat()), None);
}

#[test]
fn a_forged_newest_record_with_a_right_hash_says_nothing_or_has_one_text() {
    let text = samples::newest().to_text().into_bytes();
    let is_lawful = |forged: Vec<u8>| {
        let forged = ended_anew(&forged);
        let (found, peak) = memory::peak(|| Newest::parse(&forged));
        assert!(found.is_none_or(|found| found.to_text().as_bytes() == forged));
        assert!(peak <= memory::MOST, "{peak}");
    };
    for at in 0..text.len() - 69 {
        for new in [b'\n', b' ', b'%', b'+', b'-', b'0', b'9', b'A', b'z', 0, 0xff] {
            let mut forged = text.clone();
            forged[at] = new;
            is_lawful(forged);
            let mut longer = text.clone();
            longer.insert(at, new);
            is_lawful(longer);
        }
        let mut shorter = text.clone();
        shorter.remove(at);
        is_lawful(shorter);
    }
}

/// Whatever number it claims, the store is read, and what is written is written or refused.
#[test]
fn a_newest_record_that_claims_a_great_number_costs_nothing() {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/d")).unwrap();
    let store = Store::create(dir.clone(), Env::system()).unwrap();
    store.publish(Publication::new("test", "A <a@b>")).unwrap();
    let own = store.identity().store;
    for number in [0, 1, 4099, 1 << 20, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        disk.write("/d/newest", Newest { store: own, number, hash: Id::EMPTY }.to_text());
        let (store, peak) = memory::peak(|| Store::open(dir.clone(), Env::system()).unwrap());
        assert_eq!(store.state().number, 1);
        assert!(peak <= memory::MOST, "{peak}");
        if number > 4098 {
            let (refused, peak) =
                memory::peak(|| store.publish(Publication::new("test", "A <a@b>")));
            assert!(refused.is_err() && peak <= memory::MOST, "{number}");
        }
    }
}

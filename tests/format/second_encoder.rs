//! A second encoder: `wincode`, over mirrors of every stored type, gives the same bytes.
//!
//! The mirrors are written from `docs/format.md`: bincode could be replaced without touching a
//! repository.

use annals::codec;
use annals::hash::Kind;
use wincode::config::Configuration;
use wincode::{SchemaRead, SchemaWrite};

use super::{page, samples};

type Id = [u8; 32];
type Bytes = Vec<u8>;

macro_rules! mirror {
    (struct $name:ident $body:tt) => {
        #[derive(SchemaRead, SchemaWrite)]
        struct $name $body
    };
    (enum $name:ident $body:tt) => {
        #[derive(SchemaRead, SchemaWrite)]
        enum $name $body
    };
}

macro_rules! mirrors {
    ($($what:tt $name:ident $body:tt)*) => {
        $(mirror!($what $name $body);)*
    };
}

mirrors! {
    struct Time { seconds: i64, nanoseconds: u32 }
    struct ChunkRef { id: Id, length: u32 }
    enum Chunks { One, Few(Vec<ChunkRef>), Many { list: Id, count: u64 } }
    struct Manifest {
        size: u64, content: Id, chunker: u16, near: bool, sketch: [u8; 64], chunks: Chunks
    }
    struct ListChild { last: Id, node: Id, chunks: u64, bytes: u64 }
    enum List { Leaf(Vec<ChunkRef>), Inner { level: u8, children: Vec<ListChild> } }
    struct Totals { entries: u64, files: u64, bytes: u64 }
    struct Child { last: Bytes, node: Id, totals: Totals }
    enum Node { Leaf(Vec<Entry>), Inner { level: u8, children: Vec<Child> } }
    struct Entry {
        name: Bytes, mode: u16, mtime: Option<Time>, attributes: Option<Id>, what: What
    }
    enum What {
        File { size: u64, content: Id },
        Symlink { size: u64, target: Id },
        Directory { files: u64, bytes: u64, tree: Id },
        Special,
        Conflict { removes: Vec<Term>, adds: Vec<Term> },
        Gitlink { commit: Bytes },
    }
    enum Term {
        Absent,
        File { mode: u16, size: u64, content: Id, attributes: Option<Id> },
        Symlink { size: u64, target: Id, attributes: Option<Id> },
        Directory { mode: u16, files: u64, bytes: u64, tree: Id, attributes: Option<Id> },
        Special { mode: u16, attributes: Id },
        Gitlink { commit: Bytes },
    }
    struct Owner { uid: u32, gid: u32, user: Bytes, group: Bytes }
    enum Device { Pipe, Block(u32, u32), Character(u32, u32) }
    struct Attributes {
        owner: Option<Owner>,
        extended: Option<Vec<(Bytes, Bytes)>>,
        link_group: Option<[u8; 16]>,
        holes: Option<Vec<(u64, u64)>>,
        device: Option<Device>,
        birth: Option<Time>,
    }
    struct Signature { name: Bytes, email: Bytes, seconds: i64, zone_minutes: i16 }
    struct Header { name: Bytes, value: Bytes }
    struct Commit {
        tree: Id,
        parents: Vec<Id>,
        author: Signature,
        committer: Signature,
        message: Bytes,
        headers: Vec<Header>,
    }
    struct Tag {
        target: Id,
        target_kind: u8,
        name: Bytes,
        tagger: Option<Signature>,
        message: Bytes,
        headers: Vec<Header>,
    }
    struct TableRow { id: Id, length: u32 }
    struct Table { kind: u8, rows: Vec<TableRow> }
    enum Form { Raw, Zstd }
    struct FrameRow { form: Form, stored: u32, raw: u32, objects: u32 }
    struct ObjectRow { kind: u8, id: Id, length: u32 }
    struct PackTable { frames: Vec<FrameRow>, objects: Vec<ObjectRow> }
    struct SeenFile { path: Bytes, size: u64, mtime: Time, ctime: Time, inode: u64, content: Id }
    struct Seen { worktree: [u8; 16], files: Vec<SeenFile> }
    enum Target { Id(Id), Symbolic(Bytes) }
    struct MovingRef { name: Bytes, old: Option<Target>, new: Option<Target>, reason: Bytes }
    struct Stamp { size: u64, mtime: Time, ctime: Option<Time>, inode: u64 }
    struct Overwritten { path: Bytes, was: Option<Stamp> }
    struct Note {
        verb: Bytes,
        actor: Bytes,
        boot: Option<[u8; 16]>,
        from: Option<Id>,
        to: Option<Id>,
        paths: Vec<Bytes>,
        adopts: bool,
        index: Option<Id>,
        commit: Option<Id>,
        refs: Vec<MovingRef>,
        overwritten: Vec<Overwritten>,
    }
}

macro_rules! again {
    ($type:ty, $bytes:expr) => {{
        let config = Configuration::default().with_varint_encoding().with_tag_encoding::<u32>();
        let value: $type = wincode::config::deserialize_exact($bytes, config).unwrap();
        wincode::config::serialize(&value, config).unwrap()
    }};
}

/// Decodes and encodes an object without bincode.
pub(crate) fn decode_and_encode(kind: Kind, bytes: &[u8]) -> Vec<u8> {
    match kind {
        Kind::List => again!(List, bytes),
        Kind::Manifest => again!(Manifest, bytes),
        Kind::Tree => again!(Node, bytes),
        Kind::Commit => again!(Commit, bytes),
        Kind::Tag => again!(Tag, bytes),
        Kind::Table => again!(Table, bytes),
        Kind::Attributes => again!(Attributes, bytes),
        Kind::Chunk | Kind::Inventory | Kind::Notes => bytes.to_vec(),
    }
}

#[test]
fn a_second_encoder_gives_the_bytes_of_every_object_on_the_page() {
    for sample in samples::objects() {
        let again = decode_and_encode(sample.kind, &page::block(sample.name).bytes());
        assert_eq!(again, sample.bytes, "{}", sample.name);
    }
}

#[test]
fn a_second_encoder_gives_the_bytes_of_pack_tables_seen_files_and_notes() {
    let note = samples::note().to_bytes();
    let body = &note[5..note.len() - 8];
    assert_eq!(again!(Note, body), body);
    let seen = codec::encode(&samples::seen());
    assert_eq!(again!(Seen, &seen), seen);
    let pack = samples::pack();
    let at = |end: usize| {
        let eight: [u8; 8] = pack[pack.len() - end..][..8].try_into().unwrap();
        u64::from_le_bytes(eight) as usize
    };
    let table = &pack[at(48)..at(48) + at(40)];
    assert_eq!(again!(PackTable, table), table);
}

//! One small value of every kind: what the examples of `docs/format.md` show, and what the hostile
//! tests cut and flip.

use std::path::Path;

use annals::chunk;
use annals::clock::Time;
use annals::disk::{Disk, MemoryDisk};
use annals::hash::{Id, Kind, hash};
use annals::object::manifest::{ListChild, is_text};
use annals::object::tree::{Child, Totals};
use annals::object::{
    Attributes, ChunkRef, Chunks, Commit, Device, Entry, Header, List, Manifest, Node, Object,
    Owner, Signature, Table, TableRow, Tag, Term, What,
};
use annals::ops::pending::{Overwritten, Pending, PendingRef, PendingTarget, Stamp};
use annals::store::journal::{Changes, Layered, Newest};
use annals::store::pack::{Blocks, FrameBuilder, Level, PackWriter};
use annals::store::{Class, Effect, PackInfo, Record, Seen, SeenFile, State, Target};

/// An object of some kind: the name of its example, its kind and its bytes.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
}

fn sample<T: Object>(name: &'static str, value: &T) -> Sample {
    Sample { name, kind: T::KIND, bytes: value.to_bytes() }
}

/// An object for every example of an object in `docs/format.md`, in its order.
pub(crate) fn objects() -> Vec<Sample> {
    vec![
        Sample { name: "chunk", kind: Kind::Chunk, bytes: HELLO.to_vec() },
        sample("manifest of one chunk", &manifest_of_one()),
        sample("manifest of two chunks", &manifest_of_two()),
        sample("manifest with a list", &manifest_with_list()),
        sample("list leaf", &list_leaf()),
        sample("list inner node", &list_inner()),
        sample("tree leaf", &tree_leaf()),
        sample("tree inner node", &tree_inner()),
        sample("tree leaf of an empty directory", &Node::Leaf(Vec::new())),
        sample("tree leaf with a special file, a conflict and a gitlink", &tree_reserved()),
        sample("attributes", &attributes()),
        sample("commit", &commit()),
        sample("tag", &tag()),
        sample("table", &table()),
    ]
}

pub(crate) const HELLO: &[u8] = b"hello\n";

/// `line 0` to `line 1999`, each with a line feed.
pub(crate) fn lines() -> Vec<u8> {
    (0..2000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
}

/// So many bytes that look random and are the same everywhere: BLAKE3's output for no input.
pub(crate) fn stream(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn small_id(text: &str) -> Id {
    Kind::Chunk.id_of(text.as_bytes())
}

/// The manifest of this content, made as a reader of `docs/format.md` would.
pub(crate) fn manifest_of(content: &[u8]) -> Manifest {
    let size = content.len() as u64;
    let sizes = chunk::sizes(size);
    let (mut rest, mut chunks) = (content, Vec::new());
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(chunk::next(rest, sizes));
        chunks.push(ChunkRef { id: hash(head), length: head.len() as u32 });
        rest = tail;
    }
    let mut sketcher = chunk::Sketcher::new();
    sketcher.update(content);
    Manifest {
        size,
        content: hash(content),
        chunker: chunk::CHUNKER,
        near: is_text(content) && size <= 1 << 20,
        sketch: *sketcher.finish().as_bytes(),
        chunks: if chunks.len() == 1 { Chunks::One } else { Chunks::Few(chunks) },
    }
}

pub(crate) fn manifest_of_one() -> Manifest {
    manifest_of(&lines())
}

pub(crate) fn manifest_of_two() -> Manifest {
    manifest_of(&stream(100_000))
}

pub(crate) fn manifest_with_list() -> Manifest {
    let count = 300;
    Manifest {
        size: 40_000_000,
        chunks: Chunks::Many { list: list_inner().id(), count },
        ..manifest_of_two()
    }
}

pub(crate) fn list_leaf() -> List {
    List::Leaf(vec![
        ChunkRef { id: small_id("a"), length: 200 },
        ChunkRef { id: small_id("b"), length: 300_000 },
    ])
}

pub(crate) fn list_inner() -> List {
    List::Inner {
        level: 1,
        children: vec![
            ListChild {
                last: small_id("z"),
                node: small_id("node"),
                chunks: 298,
                bytes: 39_699_800,
            },
            ListChild { last: small_id("b"), node: list_leaf().id(), chunks: 2, bytes: 300_200 },
        ],
    }
}

pub(crate) fn entry(name: &str, mode: u16, what: What) -> Entry {
    Entry { name: name.into(), mode, mtime: None, attributes: None, what }
}

pub(crate) fn tree_leaf() -> Node {
    let time = Time { seconds: 1_763_630_000, nanoseconds: 123_456_789 };
    Node::Leaf(vec![
        entry("empty", 0o644, What::File { size: 0, content: Id::EMPTY }),
        Entry {
            mtime: Some(time),
            ..entry("hello.txt", 0o644, What::File { size: 6, content: hash(HELLO) })
        },
        entry("lines", 0o644, What::File { size: 18_890, content: manifest_of_one().id() }),
        entry("link", 0, What::Symlink { size: 5, target: small_id("hello") }),
        entry(
            "sub",
            0o755,
            What::Directory { files: 0, bytes: 0, tree: Node::Leaf(Vec::new()).id() },
        ),
    ])
}

pub(crate) fn tree_inner() -> Node {
    Node::Inner {
        level: 1,
        children: vec![
            Child {
                last: b"m.txt".to_vec(),
                node: small_id("node"),
                totals: Totals { entries: 40, files: 40, bytes: 70_000 },
            },
            Child {
                last: b"sub".to_vec(),
                node: tree_leaf().id(),
                totals: Totals { entries: 5, files: 4, bytes: 18_901 },
            },
        ],
    }
}

pub(crate) fn tree_reserved() -> Node {
    let file = |text: &str| Term::File {
        mode: 0o644,
        size: text.len() as u64,
        content: small_id(text),
        attributes: None,
    };
    let mut adds = vec![file("mine"), file("yours")];
    adds.sort();
    Node::Leaf(vec![
        entry("both", 0, What::Conflict { removes: vec![Term::Absent], adds }),
        Entry { attributes: Some(attributes().id()), ..entry("pipe", 0o600, What::Special) },
        entry("repo", 0, What::Gitlink { commit: vec![0x5a; 20] }),
    ])
}

pub(crate) fn attributes() -> Attributes {
    Attributes {
        owner: Some(Owner { uid: 1000, gid: 100, user: b"ann".to_vec(), group: b"users".to_vec() }),
        extended: Some(vec![(b"user.note".to_vec(), b"x".to_vec())]),
        link_group: None,
        holes: None,
        device: Some(Device::Pipe),
        birth: Some(Time { seconds: -1, nanoseconds: 500_000_000 }),
    }
}

pub(crate) fn signature() -> Signature {
    Signature {
        name: b"Ann".to_vec(),
        email: b"ann@example.org".to_vec(),
        seconds: 1_763_630_000,
        zone_minutes: -90,
    }
}

pub(crate) fn commit() -> Commit {
    Commit {
        tree: tree_leaf().id(),
        parents: vec![small_id("parent")],
        author: signature(),
        committer: Signature { zone_minutes: 60, ..signature() },
        message: b"first\n".to_vec(),
        headers: vec![Header { name: b"x".to_vec(), value: b"y".to_vec() }],
    }
}

pub(crate) fn tag() -> Tag {
    Tag {
        target: commit().id(),
        target_kind: Kind::Commit.number(),
        name: b"v1".to_vec(),
        tagger: Some(signature()),
        message: b"One.\n".to_vec(),
        headers: Vec::new(),
    }
}

pub(crate) fn table() -> Table {
    let mut rows = vec![
        TableRow { id: hash(HELLO), length: 6 },
        TableRow { id: small_id("hello"), length: 5 },
    ];
    rows.sort();
    Table { kind: Kind::Chunk.number(), rows }
}

pub(crate) fn seen() -> Seen {
    let time = Time { seconds: 1_763_630_000, nanoseconds: 0 };
    Seen {
        worktree: [7; 16],
        files: vec![SeenFile {
            path: b"sub/hello.txt".to_vec(),
            size: 6,
            mtime: time,
            ctime: Time { nanoseconds: 1, ..time },
            inode: 1_000_000,
            content: hash(HELLO),
        }],
    }
}

/// Bytes with the checksum at their end.
pub(crate) fn summed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &hash(bytes).as_bytes()[..8]].concat()
}

/// A store that has been at the second record.
pub(crate) fn newest() -> Newest {
    let (_, hash) = record_of_everything().to_text();
    Newest { store: std::array::from_fn(|at| at as u8), number: 3, hash }
}

/// The note of a `reset --hard` that throws something away.
pub(crate) fn note() -> Pending {
    let time = Time { seconds: 1_763_630_000, nanoseconds: 0 };
    let tree = Kind::Tree.id_of(&tree_leaf().to_bytes());
    let commit = Kind::Commit.id_of(&commit().to_bytes());
    let stamp = Stamp {
        size: 6,
        mtime: time,
        ctime: Some(Time { nanoseconds: 1, ..time }),
        inode: 1_000_000,
    };
    Pending {
        verb: "reset".to_owned(),
        actor: "A U <u@example.org>".to_owned(),
        boot: Some([9; 16]),
        from: Some(Kind::Tree.id_of(&Node::Leaf(Vec::new()).to_bytes())),
        to: Some(tree),
        paths: vec![b"sub".to_vec()],
        adopts: true,
        index: None,
        commit: Some(commit),
        refs: vec![
            PendingRef {
                name: "refs/heads/main".to_owned(),
                old: None,
                new: Some(PendingTarget::Id(commit)),
                reason: "reset".to_owned(),
            },
            PendingRef {
                name: "refs/worktree/000102030405060708090a0b0c0d0e0f/HEAD".to_owned(),
                old: Some(PendingTarget::Id(commit)),
                new: Some(PendingTarget::Symbolic("refs/heads/main".to_owned())),
                reason: "reset".to_owned(),
            },
        ],
        overwritten: vec![
            Overwritten { path: b"sub/hello.txt".to_vec(), was: Some(stamp) },
            Overwritten { path: b"sub/none".to_vec(), was: None },
        ],
    }
}

/// A small pack: one frame of one chunk as it is, one of two chunks compressed.
pub(crate) fn pack() -> Vec<u8> {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/p")).unwrap();
    let mut writer = PackWriter::create(&*dir, "pack", Class::Near, &Blocks::default()).unwrap();
    let mut frames = FrameBuilder::new();
    frames.push(Kind::Chunk, hash(HELLO), HELLO);
    writer.push(&frames.finish(Level::new(3).unwrap())).unwrap();
    for letter in [b'a', b'b'] {
        let bytes = vec![letter; 600];
        frames.push(Kind::Chunk, hash(&bytes), &bytes);
    }
    writer.push(&frames.finish(Level::new(3).unwrap())).unwrap();
    writer.finish().unwrap();
    disk.read("/p/pack").unwrap()
}

fn pack_info(class: Class, random: &str) -> PackInfo {
    let is_content = class != Class::Meta;
    let hash = Id::from_bytes(*pack().last_chunk().unwrap());
    PackInfo {
        class,
        name: format!("{}-{random}", hash.short(32)),
        hash,
        bytes: pack().len() as u64,
        table: is_content.then(|| table().id()),
        session: None,
    }
}

const WORKTREE: &str = "refs/worktree/000102030405060708090a0b0c0d0e0f";

/// The first record of a store: the first commit.
pub(crate) fn record() -> Record {
    let moved = |name: String, new| Effect::Ref {
        name,
        old: None,
        new: Some(new),
        reason: "commit (initial): first".into(),
    };
    Record {
        number: 1,
        previous: Id::from_bytes([0; 32]),
        nonce: *b"sixteen bytes ok",
        time: Time { seconds: 1_763_630_000, nanoseconds: 5 },
        actor: "Ünal <u@example.org>".into(),
        verb: "commit".into(),
        incarnation: [0xcc; 16],
        effects: vec![
            Effect::PackAdded(pack_info(Class::Near, "01234567")),
            moved("refs/heads/main".into(), Target::Id(commit().id())),
            moved(format!("{WORKTREE}/HEAD"), Target::Symbolic("refs/heads/main".into())),
        ],
        before: Vec::new(),
        has_unknown_lines: false,
    }
}

/// A record with a line of every other kind.
pub(crate) fn record_of_everything() -> Record {
    let (first, previous) = (record(), record().to_text().1);
    let session = "00112233aabbccdd";
    let merged = pack_info(Class::Data, "89abcdef");
    Record {
        number: 3,
        previous,
        verb: "every line".into(),
        effects: vec![
            Effect::Incarnation { new: [0xdd; 16], after: 1, hash: previous },
            Effect::Skips { number: 2, hash: Id::default() },
            Effect::Require { reading: true, feature: "conflicts".into() },
            Effect::Require { reading: false, feature: "dead lists".into() },
            Effect::PackAdded(PackInfo { session: Some(session.into()), ..merged.clone() }),
            Effect::PackRemoved {
                name: pack_info(Class::Near, "01234567").name,
                into: Some(merged.name.clone()),
            },
            Effect::PackRemoved { name: merged.name.clone(), into: None },
            Effect::SessionEnded(session.into()),
            Effect::Dead { pack: merged.name, table: table().id() },
            Effect::Ref {
                name: "refs/heads/old name".into(),
                old: Some(Target::Id(commit().id())),
                new: None,
                reason: String::new(),
            },
        ],
        before: first.effects.clone(),
        incarnation: [0xdd; 16],
        ..first
    }
}

/// What the records 1 to 512 changed: there is nothing below it.
pub(crate) fn lowest_run() -> Changes {
    let commit = Target::Id(commit().id());
    let head = Target::Symbolic("refs/heads/main".into());
    let packs = [pack_info(Class::Near, "01234567"), pack_info(Class::Data, "89abcdef")];
    Changes {
        refs: [
            ("refs/heads/main".to_owned(), Some(commit.clone())),
            ("refs/heads/old name".to_owned(), Some(commit)),
            (format!("{WORKTREE}/HEAD"), Some(head)),
        ]
        .into(),
        packs: packs.map(|pack| (pack.name.clone(), Some(pack))).into(),
        has_unknown_lines: false,
    }
}

/// What the records 513 to 768 changed.
pub(crate) fn newer_run() -> Changes {
    let packs = [pack_info(Class::Near, "01234567"), pack_info(Class::Meta, "76543210")];
    let [gone, new] = packs;
    Changes {
        refs: [
            ("refs/heads/old name".to_owned(), None),
            ("refs/tags/v1".to_owned(), Some(Target::Id(tag().id()))),
        ]
        .into(),
        packs: [(gone.name, None), (new.name.clone(), Some(new))].into(),
        has_unknown_lines: false,
    }
}

/// The state after record 768 as its checkpoint says it: what the runs say is not in it.
pub(crate) fn state_on_runs() -> State {
    let run = |first, last, changes: Changes| {
        Changes::parse(changes.to_text(first, last).0.as_bytes()).unwrap().1
    };
    let runs = vec![run(1, 512, lowest_run()), run(513, 768, newer_run())];
    State { number: 768, runs, refs: Layered::default(), packs: Layered::default(), ..state() }
}

/// The state after record 256, if only the first had said anything.
pub(crate) fn state() -> State {
    let mut state = State::default();
    let (_, hash) = record().to_text();
    state.apply(record(), hash);
    state.number = 256;
    state.required.insert("conflicts".into(), true);
    state
}

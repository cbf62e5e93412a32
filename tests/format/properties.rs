//! What holds for every value: it reads back as it was written, and bytes that read are the only
//! ones that say so.

use annals::clock::Time;
use annals::codec;
use annals::hash::{Id, Kind, hash};
use annals::object::manifest::ListChild;
use annals::object::tree::{Child, Totals};
use annals::object::{
    Attributes, ChunkRef, Chunks, Commit, Device, Entry, Header, List, Manifest, Node, Object,
    Owner, Signature, Table, TableRow, Tag, Term, What,
};
use annals::path::check_name;
use annals::store::journal::{Changes, Run};
use annals::store::pack::{Form, FrameRow, ObjectRow, PackTable};
use annals::store::{Class, Effect, PackInfo, Record, Seen, SeenFile, State, Target};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::hostile::reencode;
use super::second_encoder;

fn id() -> impl Strategy<Value = Id> {
    any::<[u8; 32]>().prop_map(Id::from_bytes)
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

/// Numbers of all lengths, not mostly the longest.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
}

fn time() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0..63u32, 0..1_000_000_000u32)
        .prop_map(|(seconds, shift, nanoseconds)| Time { seconds: seconds >> shift, nanoseconds })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let plain = "[a-c]{1,3}".prop_map(String::into_bytes);
    prop_oneof![plain, bytes(40)].prop_filter("a lawful name", |name| check_name(name).is_ok())
}

fn mode() -> impl Strategy<Value = u16> {
    0..=0o7777u16
}

fn size() -> impl Strategy<Value = u64> {
    1..1u64 << 40
}

fn gitlink() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 20), vec(any::<u8>(), 32)]
}

fn term() -> impl Strategy<Value = Term> {
    prop_oneof![
        Just(Term::Absent),
        (mode(), size(), id(), option::of(id())).prop_map(|(mode, size, content, attributes)| {
            Term::File { mode, size, content, attributes }
        }),
        (1..=16_384u64, id(), option::of(id()))
            .prop_map(|(size, target, attributes)| Term::Symlink { size, target, attributes }),
        (mode(), size(), size(), id(), option::of(id())).prop_map(
            |(mode, files, bytes, tree, attributes)| {
                Term::Directory { mode, files, bytes, tree, attributes }
            }
        ),
        (mode(), id()).prop_map(|(mode, attributes)| Term::Special { mode, attributes }),
        gitlink().prop_map(|commit| Term::Gitlink { commit }),
    ]
}

fn conflict() -> impl Strategy<Value = What> {
    vec(term(), 1..4).prop_flat_map(|mut removes| {
        removes.sort();
        vec(term(), removes.len() + 1).prop_filter_map("terms that cancel", move |mut adds| {
            adds.sort();
            let cancel = removes.iter().any(|term| adds.contains(term));
            (!cancel).then(|| What::Conflict { removes: removes.clone(), adds })
        })
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let what = prop_oneof![
        4 => (size(), id()).prop_map(|(size, content)| What::File { size, content }),
        1 => Just(What::File { size: 0, content: Id::EMPTY }),
        1 => (1..=16_384u64, id()).prop_map(|(size, target)| What::Symlink { size, target }),
        2 => (size(), size(), id())
            .prop_map(|(files, bytes, tree)| What::Directory { files, bytes, tree }),
        1 => Just(What::Special),
        1 => conflict(),
        1 => gitlink().prop_map(|commit| What::Gitlink { commit }),
    ];
    (name(), mode(), option::of(time()), option::of(id()), id(), what).prop_map(
        |(name, mode, mtime, attributes, some, what)| {
            let has_mode =
                matches!(what, What::File { .. } | What::Directory { .. } | What::Special);
            let mode = if has_mode { mode } else { 0 };
            let (mtime, attributes) = match what {
                What::Special => (mtime, Some(some)),
                What::Conflict { .. } => (None, None),
                _ => (mtime, attributes),
            };
            Entry { name, mode, mtime, attributes, what }
        },
    )
}

fn tree() -> impl Strategy<Value = Node> {
    let leaf = vec(entry(), 0..31).prop_map(|mut entries| {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        Node::Leaf(entries)
    });
    let totals = (size(), size(), size()).prop_map(|(entries, files, bytes)| Totals {
        entries,
        files,
        bytes,
    });
    let child =
        (name(), id(), totals).prop_map(|(last, node, totals)| Child { last, node, totals });
    let inner = (1..12u8, vec(child, 1..31)).prop_map(|(level, mut children)| {
        children.sort_by(|a, b| a.last.cmp(&b.last));
        children.dedup_by(|a, b| a.last == b.last);
        Node::Inner { level, children }
    });
    prop_oneof![leaf, inner]
}

fn chunk() -> impl Strategy<Value = ChunkRef> {
    (id(), 1..=4u32 << 20).prop_map(|(id, length)| ChunkRef { id, length })
}

fn list() -> impl Strategy<Value = List> {
    let child = (id(), id(), size(), size()).prop_map(|(last, node, chunks, bytes)| ListChild {
        last,
        node,
        chunks,
        bytes,
    });
    prop_oneof![
        vec(chunk(), 1..31).prop_map(List::Leaf),
        (1..12u8, vec(child, 1..31)).prop_map(|(level, children)| List::Inner { level, children }),
    ]
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let few = vec((id(), 10_000..=4u32 << 20), 2..=8).prop_map(|chunks| {
        let chunks: Vec<ChunkRef> =
            chunks.into_iter().map(|(id, length)| ChunkRef { id, length }).collect();
        (chunks.iter().map(|chunk| u64::from(chunk.length)).sum(), Chunks::Few(chunks))
    });
    let chunks = prop_oneof![
        (16_385..=4u64 << 20).prop_map(|size| (size, Chunks::One)),
        few,
        (1 << 23..1u64 << 60, id(), 1..1_000u64).prop_map(|(size, list, more)| {
            (size, Chunks::Many { list, count: (size >> 22).max(8) + more })
        }),
    ];
    (chunks, id(), any::<u16>(), any::<bool>(), vec(any::<u8>(), 64)).prop_map(
        |((size, chunks), content, chunker, near, sketch)| Manifest {
            size,
            content,
            chunker,
            near: near && size <= 1 << 20,
            sketch: sketch.try_into().unwrap(),
            chunks,
        },
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    ("[^<>\n\0]{0,9}", "[^<>\n\0]{0,9}", time(), any::<i16>()).prop_map(
        |(name, email, time, zone_minutes)| Signature {
            name: name.into(),
            email: email.into(),
            seconds: time.seconds,
            zone_minutes,
        },
    )
}

fn headers() -> impl Strategy<Value = Vec<Header>> {
    vec((vec(b'!'.., 1..9), bytes(20)).prop_map(|(name, value)| Header { name, value }), 0..4)
}

fn commit() -> impl Strategy<Value = Commit> {
    (id(), vec(id(), 0..4), signature(), signature(), bytes(300), headers()).prop_map(
        |(tree, parents, author, committer, message, headers)| Commit {
            tree,
            parents,
            author,
            committer,
            message,
            headers,
        },
    )
}

fn tag() -> impl Strategy<Value = Tag> {
    let name = "[^\n\0]{1,9}".prop_map(String::into_bytes);
    let kind = select(vec![1u8, 3, 4, 5, 6]);
    (id(), kind, name, option::of(signature()), bytes(300), headers()).prop_map(
        |(target, target_kind, name, tagger, message, headers)| Tag {
            target,
            target_kind,
            name,
            tagger,
            message,
            headers,
        },
    )
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let owner = (any::<u32>(), any::<u32>(), bytes(9), bytes(9))
        .prop_map(|(uid, gid, user, group)| Owner { uid, gid, user, group });
    let extended = vec((bytes(9), bytes(300)), 0..5).prop_map(|mut extended| {
        extended.sort();
        extended.dedup_by(|a, b| a.0 == b.0);
        extended
    });
    let holes = vec((1..1u64 << 30, 1..1u64 << 30), 0..5).prop_map(|gaps| {
        let mut end = 0;
        gaps.into_iter()
            .map(|(gap, length)| {
                let hole = (end + gap, length);
                end = hole.0 + length;
                hole
            })
            .collect()
    });
    let device = prop_oneof![
        Just(Device::Pipe),
        any::<(u32, u32)>().prop_map(|(major, minor)| Device::Block(major, minor)),
        any::<(u32, u32)>().prop_map(|(major, minor)| Device::Character(major, minor)),
    ];
    (
        option::of(owner),
        option::of(extended),
        option::of(any::<[u8; 16]>()),
        option::of(holes),
        option::of(device),
        option::of(time()),
    )
        .prop_map(|(owner, extended, link_group, holes, device, birth)| Attributes {
            owner,
            extended,
            link_group,
            holes,
            device,
            birth,
        })
        .prop_filter("says something", |attributes| *attributes != Attributes::default())
}

fn table() -> impl Strategy<Value = Table> {
    (1..=10u8, vec(chunk(), 1..40)).prop_map(|(kind, chunks)| {
        let mut rows: Vec<TableRow> =
            chunks.into_iter().map(|c| TableRow { id: c.id, length: c.length }).collect();
        rows.sort();
        rows.dedup_by_key(|row| row.id);
        Table { kind, rows }
    })
}

fn pack_table() -> impl Strategy<Value = PackTable> {
    let frame = (any::<bool>(), vec((1..=10u8, id(), 2..10_000u32), 1..6));
    vec(frame, 1..6).prop_map(|frames| {
        let mut table = PackTable::default();
        for (is_raw, objects) in frames {
            let raw = objects.iter().map(|(_, _, length)| length).sum();
            let form = if is_raw { Form::Raw } else { Form::Zstd };
            let stored = if is_raw { raw } else { raw / 2 };
            let count = objects.len() as u32;
            table.frames.push(FrameRow { form, stored, raw, objects: count });
            let rows = objects.into_iter().map(|(kind, id, length)| ObjectRow { kind, id, length });
            table.objects.extend(rows);
        }
        table
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    let file = (bytes(40), number(), time(), time(), number(), id()).prop_map(
        |(path, size, mtime, ctime, inode, content)| SeenFile {
            path,
            size,
            mtime,
            ctime,
            inode,
            content,
        },
    );
    (any::<[u8; 16]>(), vec(file, 0..20)).prop_map(|(worktree, files)| Seen { worktree, files })
}

/// Places to change in some bytes, and what to put there.
fn changes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let byte = prop_oneof![any::<u8>(), select(vec![0, 1, 2, 250, 251, 252, 253, 254, 255])];
    vec((any::<usize>(), byte), 1..4)
}

fn changed(bytes: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for &(at, byte) in changes {
        let at = at % changed.len();
        changed[at] = byte;
    }
    changed
}

/// That a value reads back, is written by the second encoder alike, and that changed bytes are
/// refused or are the one encoding of something else.
fn holds_for<T: Object + PartialEq + std::fmt::Debug>(
    value: &T,
    changes: &[(usize, u8)],
) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes();
    prop_assert_eq!(&T::from_bytes(&bytes).unwrap(), value);
    prop_assert_eq!(&second_encoder::decode_and_encode(T::KIND, &bytes), &bytes);
    let changed = changed(&bytes, changes);
    if let Ok(again) = reencode(T::KIND, &changed) {
        prop_assert_eq!(&again, &changed);
        prop_assert_eq!(second_encoder::decode_and_encode(T::KIND, &changed), changed);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_list(value in list(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_manifest(value in manifest(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_tree(value in tree(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_commit(value in commit(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_tag(value in tag(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_table(value in table(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_attributes(value in attributes(), changes in changes()) {
        holds_for(&value, &changes)?;
    }

    #[test]
    fn any_pack_table(value in pack_table(), changes in changes()) {
        let bytes = codec::encode(&value);
        prop_assert_eq!(&codec::decode::<PackTable>(&bytes).unwrap(), &value);
        let changed = changed(&bytes, &changes);
        if let Ok(again) = codec::decode::<PackTable>(&changed) {
            prop_assert_eq!(codec::encode(&again), changed);
        }
    }

    #[test]
    fn any_seen_files(value in seen(), changes in changes()) {
        let bytes = codec::encode(&value);
        prop_assert_eq!(&codec::decode::<Seen>(&bytes).unwrap(), &value);
        let changed = changed(&bytes, &changes);
        if let Ok(again) = codec::decode::<Seen>(&changed) {
            prop_assert_eq!(codec::encode(&again), changed);
        }
    }

    #[test]
    fn any_bytes_at_all(bytes in bytes(200)) {
        for kind in Kind::ALL {
            if let Ok(again) = reencode(kind, &bytes) {
                prop_assert_eq!(&again, &bytes);
            }
        }
        let _ = Record::parse(&bytes);
        let _ = State::parse(&bytes);
    }

    #[test]
    fn any_record(value in record()) {
        let (text, hash) = value.to_text();
        prop_assert_eq!(Record::parse(text.as_bytes()).unwrap(), (value, hash));
    }

    #[test]
    fn any_record_with_changes_and_a_right_hash(value in record(), changes in changes()) {
        let (text, _) = value.to_text();
        let body = &text.as_bytes()[..text.len() - 69];
        let mut forged = changed(body, &changes);
        forged.extend(format!("end {}\n", hash(&forged)).into_bytes());
        if let Ok((read, _)) = Record::parse(&forged) {
            let again = Record { has_unknown_lines: false, ..read };
            prop_assert_eq!(Record::parse(again.to_text().0.as_bytes()).unwrap().0, again);
        }
    }

    #[test]
    fn any_checkpoint(records in vec(record(), 0..6), runs in vec((number(), number()), 0..3)) {
        let mut state = State::default();
        for record in records {
            let (_, hash) = record.to_text();
            state.apply(record, hash);
        }
        prop_assert_eq!(State::parse(state.to_text(&runs).as_bytes()).unwrap(), (state, runs));
    }

    #[test]
    fn any_run(
        refs in btree_map(text(), option::of(target()), 0..8),
        packs in btree_map(pack_name(), option::of(pack()), 0..8),
    ) {
        let named = |(name, pack): (String, Option<PackInfo>)| {
            (name.clone(), pack.map(|pack| PackInfo { name, ..pack }))
        };
        let packs = packs.into_iter().map(named).collect();
        let changes = Changes { refs, packs, has_unknown_lines: false };
        let (text, hash) = changes.to_text(257, 512);
        let run = Run { first: 257, last: 512, hash };
        prop_assert_eq!(Changes::parse(text.as_bytes()).unwrap(), (changes, run));
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/ %]{0,12}", any::<String>()]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![id().prop_map(Target::Id), text().prop_map(Target::Symbolic)]
}

fn pack_name() -> impl Strategy<Value = String> {
    "[0-9a-f]{32}-[0-9a-f]{8}"
}

fn session() -> impl Strategy<Value = String> {
    "[0-9a-f]{16}"
}

fn pack() -> impl Strategy<Value = PackInfo> {
    (
        select(Class::ALL.to_vec()),
        pack_name(),
        id(),
        number(),
        option::of(id()),
        option::of(session()),
    )
        .prop_map(|(class, name, hash, bytes, table, session)| PackInfo {
            class,
            name,
            hash,
            bytes,
            table,
            session,
        })
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        (text(), option::of(target()), option::of(target()), text())
            .prop_map(|(name, old, new, reason)| Effect::Ref { name, old, new, reason }),
        pack().prop_map(Effect::PackAdded),
        (pack_name(), option::of(pack_name()))
            .prop_map(|(name, into)| Effect::PackRemoved { name, into }),
        session().prop_map(Effect::SessionEnded),
        (any::<bool>(), text()).prop_map(|(reading, feature)| Effect::Require { reading, feature }),
        (number(), id()).prop_map(|(number, hash)| Effect::Skips { number, hash }),
        (any::<[u8; 16]>(), number(), id()).prop_map(|(new, after, hash)| Effect::Incarnation {
            new,
            after,
            hash
        }),
        (pack_name(), id()).prop_map(|(pack, table)| Effect::Dead { pack, table }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let sixteen = any::<[u8; 16]>;
    (
        number(),
        id(),
        sixteen(),
        time(),
        text(),
        text(),
        sixteen(),
        vec(effect(), 0..8),
        vec(effect(), 0..4),
    )
        .prop_map(
            |(number, previous, nonce, time, actor, verb, incarnation, effects, before)| Record {
                number,
                previous,
                nonce,
                time,
                actor,
                verb,
                incarnation,
                effects,
                before,
                has_unknown_lines: false,
            },
        )
}

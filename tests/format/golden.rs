//! Whether the bytes are what `docs/format.md` says.
//!
//! The page is read, not copied: an example that is changed there fails here, and so does one that
//! is added and not tested.

use std::collections::BTreeSet;
use std::path::Path;

use annals::chunk::{self, Sketcher};
use annals::clock::Env;
use annals::codec::{self, Decode, Encode, Validate};
use annals::disk::{DirRef, Disk, MemoryDisk};
use annals::hash::{Kind, boundary_bits, hash, hex};
use annals::object::{Attributes, Commit, List, Manifest, Node, Object, Table, Tag};
use annals::ops::pending::{Pending, Unknown};
use annals::store::journal::{Changes, Journal, Newest, ParseError};
use annals::store::pack::{check_pack, read_table};
use annals::store::{Effect, Identity, Publication, Record, Seen, State, Store};

use super::page::{Block, block, blocks, unhex};
use super::samples;

fn reencoded<T: Object>(bytes: &[u8]) -> Vec<u8> {
    T::from_bytes(bytes).unwrap().to_bytes()
}

/// Decodes and encodes an object.
fn decode_and_encode(kind: Kind, bytes: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Chunk => bytes.to_vec(),
        Kind::List => reencoded::<List>(bytes),
        Kind::Manifest => reencoded::<Manifest>(bytes),
        Kind::Tree => reencoded::<Node>(bytes),
        Kind::Commit => reencoded::<Commit>(bytes),
        Kind::Tag => reencoded::<Tag>(bytes),
        Kind::Table => reencoded::<Table>(bytes),
        Kind::Attributes => reencoded::<Attributes>(bytes),
        Kind::Inventory | Kind::Notes => panic!("{kind} has no bytes in version 1"),
    }
}

#[test]
fn every_object_on_the_page_has_the_bytes_and_the_id_that_it_says() {
    for sample in samples::objects() {
        let example = block(sample.name);
        let (found, id) = (hex(&sample.bytes), sample.kind.id_of(&sample.bytes).to_string());
        assert_eq!(hex(&example.bytes()), found, "'{}' is encoded otherwise", sample.name);
        assert_eq!(example.id(), Some(&*id), "'{}' has another id", sample.name);
        let again = decode_and_encode(sample.kind, &example.bytes());
        assert_eq!(hex(&again), found, "'{}' reads back otherwise", sample.name);
    }
}

#[test]
fn every_hex_block_on_the_page_is_tested() {
    let mut tested: BTreeSet<String> =
        samples::objects().iter().map(|sample| sample.name.to_owned()).collect();
    let others = [
        "pack",
        "seen files",
        "note",
        "sketch of 20,000 zero bytes",
        "sketch of the lines 0 to 1999",
    ];
    tested.extend(others.map(str::to_owned));
    let shown: BTreeSet<String> = blocks()
        .into_iter()
        .filter(|block| block.language == "hex")
        .map(|block| block.name.expect("a hex block names what it is in its first line"))
        .collect();
    assert_eq!(shown, tested);
}

/// A value of one type in the codec.
macro_rules! integer {
    ($name:ident, $type:ty) => {
        #[derive(Encode, Decode)]
        struct $name($type);

        impl Validate for $name {
            fn validate(&self) -> Result<(), codec::Error> {
                Ok(())
            }
        }
    };
}

integer!(Unsigned, u64);
integer!(Signed, i64);

#[test]
fn integers_are_encoded_as_the_page_shows() {
    for row in block("integers: unsigned, then signed").rows() {
        let [sign, number, bytes] = row[..] else { panic!("{row:?}") };
        let bytes = unhex(bytes).unwrap();
        let (encoded, again) = match sign {
            "u" => {
                let value = Unsigned(number.parse().unwrap());
                (codec::encode(&value), codec::decode::<Unsigned>(&bytes).unwrap().0.to_string())
            }
            "i" => {
                let value = Signed(number.parse().unwrap());
                (codec::encode(&value), codec::decode::<Signed>(&bytes).unwrap().0.to_string())
            }
            other => panic!("{other}"),
        };
        assert_eq!((&encoded, &*again), (&bytes, number), "{number}");
    }
}

#[test]
fn kinds_have_the_numbers_names_and_contexts_of_the_page() {
    let page = block("kinds: number, name, context");
    let mut kinds = 0;
    for row in page.rows() {
        let kind = Kind::from_number(row[0].parse().unwrap()).unwrap();
        assert_eq!(kind.name(), row[1]);
        let expected = match &row[2..] {
            ["-"] => blake3::hash(b"bytes"),
            context => {
                blake3::Hasher::new_derive_key(&context.join(" ")).update(b"bytes").finalize()
            }
        };
        assert_eq!(kind.id_of(b"bytes").as_bytes(), expected.as_bytes(), "{kind}");
        kinds += 1;
    }
    assert_eq!(kinds, Kind::ALL.len());
}

#[test]
fn boundaries_are_where_the_page_says() {
    for row in block("boundary: B of the ASCII bytes of some names").rows() {
        let mut hasher = blake3::Hasher::new_derive_key("annals tree boundary 1");
        let first: [u8; 8] =
            *hasher.update(row[0].as_bytes()).finalize().as_bytes().first_chunk().unwrap();
        assert_eq!(format!("{:016x}", u64::from_le_bytes(first)), row[1]);
        assert_eq!(boundary_bits(row[0].as_bytes()), u64::from_le_bytes(first));
        assert!(annals::object::boundary::ends(row[0].as_bytes(), 0, 32));
        assert!(!annals::object::boundary::ends(row[0].as_bytes(), 0, 31));
    }
}

#[test]
fn files_are_cut_where_the_page_says() {
    let pinned = |block: &Block| -> Vec<usize> {
        block.rows().flatten().map(|length| length.parse().unwrap()).collect()
    };
    for (name, file) in [
        ("cut points of a file of 1048576 bytes", 1_048_576),
        ("cut points of a file of 8388608 bytes", 8_388_608),
        ("cut points of the first 16777216 bytes of a file of 5368709120 bytes", 5_368_709_120),
    ] {
        let expected = pinned(&block(name));
        let bytes = samples::stream(expected.iter().sum());
        let (mut rest, mut found) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = chunk::next(rest, chunk::sizes(file));
            found.push(length);
            rest = &rest[length..];
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn sketches_are_what_the_page_says() {
    for (name, content) in [
        ("sketch of 20,000 zero bytes", vec![0; 20_000]),
        ("sketch of the lines 0 to 1999", samples::lines()),
    ] {
        let mut sketcher = Sketcher::new();
        sketcher.update(&content);
        assert_eq!(hex(sketcher.finish().as_bytes()), hex(&block(name).bytes()), "{name}");
    }
}

fn directory() -> (MemoryDisk, DirRef) {
    let disk = MemoryDisk::new();
    let dir = disk.create(Path::new("/s")).unwrap();
    (disk, dir)
}

#[test]
fn the_pack_on_the_page_opens_and_its_table_is_encoded_so() {
    let bytes = block("pack").bytes();
    let (disk, dir) = directory();
    disk.write("/s/pack", &bytes);
    let mut objects = Vec::new();
    let open = || dir.open(b"pack").unwrap();
    let (pack, damage) =
        check_pack(open(), |kind, id, bytes| objects.push((kind, id, bytes.to_vec()))).unwrap();
    assert!(damage.is_empty(), "{damage:?}");
    let contents = [samples::HELLO.to_vec(), vec![b'a'; 600], vec![b'b'; 600]];
    let expected = contents.map(|bytes| (Kind::Chunk, hash(&bytes), bytes));
    assert_eq!(objects, expected);
    let pack = pack.unwrap();
    assert_eq!(read_table(open()).unwrap().unwrap().table, pack.table);
    let table = codec::encode(&pack.table);
    assert_eq!(bytes[bytes.len() - 48 - table.len()..bytes.len() - 48], table);
    assert_eq!(*pack.hash.as_bytes(), *blake3::hash(&bytes[..bytes.len() - 32]).as_bytes());
    // What is written today may be compressed otherwise, but nothing else may differ.
    let written = samples::pack();
    assert_eq!(written[..22], bytes[..22]);
}

#[test]
fn seen_files_are_encoded_as_the_page_shows() {
    let bytes = block("seen files").bytes();
    assert_eq!(codec::decode::<Seen>(&bytes).unwrap(), samples::seen());
    assert_eq!(hex(&codec::encode(&samples::seen())), hex(&bytes));
}

#[test]
fn a_note_is_encoded_as_the_page_shows() {
    let bytes = block("note").bytes();
    assert_eq!(hex(&samples::note().to_bytes()), hex(&bytes));
    assert_eq!(Pending::from_bytes(&bytes), Ok(samples::note()));
}

/// The first programs wrote no magic and no version.
#[test]
fn a_note_of_the_first_programs_is_read_for_ever() {
    let bytes = block("note").bytes();
    let old = samples::summed(&bytes[5..bytes.len() - 8]);
    assert_eq!(Pending::from_bytes(&old), Ok(samples::note()));
}

/// Another version is told from damage, and neither is taken for what it is not.
#[test]
fn a_note_of_another_version_is_known_as_one() {
    let mut bytes = block("note").bytes();
    bytes[4] = 2;
    assert_eq!(Pending::from_bytes(&bytes), Err(Unknown::Damaged));
    let newer = samples::summed(&bytes[..bytes.len() - 8]);
    assert_eq!(Pending::from_bytes(&newer), Err(Unknown::Version(2)));
    assert_eq!(Pending::from_bytes(&samples::summed(b"PEND")), Err(Unknown::Damaged));
}

/// The texts on the page that begin so.
fn texts(magic: &str) -> Vec<String> {
    let texts =
        blocks().into_iter().filter(|block| block.lines.first().is_some_and(|l| l == magic));
    texts.map(|block| block.text()).collect()
}

#[test]
fn the_records_on_the_page_read_and_write_so() {
    let expected = [samples::record(), samples::record_of_everything()];
    let found = texts("annals-record 1");
    assert_eq!(found.len(), expected.len());
    for (text, expected) in found.iter().zip(expected) {
        assert_eq!(*text, expected.to_text().0);
        let (record, hash) = Record::parse(text.as_bytes()).unwrap();
        assert_eq!(record, expected);
        assert!(text.ends_with(&format!("end {hash}\n")));
    }
}

#[test]
fn the_checkpoints_on_the_page_read_and_write_so() {
    let [on_runs, alone] = &texts("annals-checkpoint 1")[..] else { panic!("two are shown") };
    let both = [vec![(1, 512), (513, 768)], vec![(1, 256)]];
    let states = [samples::state_on_runs(), samples::state()];
    for ((text, moves), expected) in [on_runs, alone].into_iter().zip(both).zip(states) {
        assert_eq!(*text, expected.to_text(&moves));
        let (state, found) = State::parse(text.as_bytes()).unwrap();
        assert_eq!((&state, found), (&expected, moves));
        assert_eq!(state.runs, expected.runs);
    }
}

#[test]
fn the_runs_on_the_page_read_and_write_so_and_are_what_the_checkpoint_stands_on() {
    let [lowest, newer] = &texts("annals-run 1")[..] else { panic!("two runs are shown") };
    let [checkpoint, _] = &texts("annals-checkpoint 1")[..] else { panic!("two are shown") };
    let expected = [(samples::lowest_run(), 1, 512), (samples::newer_run(), 513, 768)];
    let (disk, dir) = directory();
    disk.write("/s/journal/checkpoints/768", checkpoint);
    for (text, (changes, first, last)) in [lowest, newer].into_iter().zip(expected) {
        assert_eq!(*text, changes.to_text(first, last).0);
        let (found, run) = Changes::parse(text.as_bytes()).unwrap();
        assert_eq!((found, run.first, run.last), (changes, first, last));
        assert!(text.ends_with(&format!("end {}\n", run.hash)));
        disk.write(&format!("/s/journal/runs/{first}-{last}"), text);
    }
    let state = Journal::new(dir).state_at(768).unwrap().unwrap();
    let refs: Vec<&String> = state.refs.keys().collect();
    let head = "refs/worktree/000102030405060708090a0b0c0d0e0f/HEAD";
    assert_eq!(refs, ["refs/heads/main", "refs/tags/v1", head]);
    let packs: Vec<&str> = state.packs.keys().map(|name| &name[33..]).collect();
    assert_eq!(packs, ["76543210", "89abcdef"]);
    assert_eq!(state.last_effects, samples::record().effects);
}

#[test]
fn the_moves_on_the_page_are_the_reflog_of_the_checkpoint_beside_them() {
    let [moves] = &texts("annals-moves 1")[..] else { panic!("one run of moves is shown") };
    let [_, checkpoint] = &texts("annals-checkpoint 1")[..] else { panic!("two are shown") };
    let (disk, dir) = directory();
    disk.write("/s/journal/moves/1-256", moves);
    disk.write("/s/journal/checkpoints/256", checkpoint);
    let journal = Journal::new(dir);
    let found = journal.moves(&journal.replay(None).unwrap()).unwrap();
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!((only.number, &*only.name), (1, "refs/heads/main"));
    assert_eq!((&*only.actor, &*only.reason), ("Ünal <u@example.org>", "commit (initial): first"));
    assert!(journal.check_checkpoint(256).unwrap());
}

#[test]
fn the_format_file_on_the_page_reads_so() {
    let [text] = &texts("annals-store 1")[..] else { panic!("one format file is shown") };
    let (disk, dir) = directory();
    disk.write("/s/format", text);
    let identity = Identity::read(&*dir).unwrap();
    assert_eq!(identity.store, std::array::from_fn(|at| at as u8));
    assert_eq!(identity.incarnation, [0xcc; 16]);
    assert_eq!(identity.place, (0x802, 1_000_000));
    disk.write("/s/format", text.replace("annals-store 1\n", "annals-store 12\n"));
    assert!(matches!(Identity::read(&*dir), Err(annals::store::Error::Version(_))));
}

#[test]
fn the_newest_record_on_the_page_is_noted_so() {
    let [text] = &texts("annals-newest 1")[..] else { panic!("one is shown") };
    assert_eq!(*text, samples::newest().to_text());
    assert_eq!(Newest::parse(text.as_bytes()), Some(samples::newest()));
    let (disk, dir) = directory();
    disk.write("/s/newest", text);
    assert_eq!(Journal::new(dir).newest().unwrap(), Some(samples::newest()));
}

#[test]
fn what_stands_under_a_lost_number_is_what_the_page_shows() {
    let shown = "no record: it was lost, and a later one gives up its number";
    let [text] = &texts(shown)[..] else { panic!("one is shown") };
    let (disk, dir) = directory();
    let publish = || {
        let store = Store::open(dir.clone(), Env::system()).unwrap();
        store.publish(Publication::new("test", "A <a@b>")).unwrap().last_effects.clone()
    };
    Store::create(dir.clone(), Env::system()).unwrap();
    publish();
    publish();
    dir.remove_file(b"journal/0/2").unwrap();
    let effects = publish();
    assert_eq!(disk.read("/s/journal/0/2").unwrap(), text.as_bytes());
    assert!(effects.contains(&Effect::Skips { number: 2, hash: hash(text.as_bytes()) }));
    assert!(matches!(Record::parse(text.as_bytes()), Err(ParseError::Damaged)));
}

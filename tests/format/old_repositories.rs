//! Whether repositories of every version of the format open and read back, for ever.
//!
//! `tests/data/format-1` is the state directory of a repository of version 1, and
//! `tests/data/format-1.txt` lists what is in it. Both are made by
//! [`a_repository_of_version_1_is_made_anew_when_asked`], and never again once version 1 is
//! released:
//!
//! ```text
//! ANNALS_MAKE_FIXTURE=1 cargo test --test suite version_1_is_made_anew
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals::chunk;
use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::{Disk, FileKind, MemoryDisk, OsDisk};
use annals::hash::{Id, Kind, hash, hex};
use annals::object::manifest::{ListBuilder, ListCursor, is_text};
use annals::object::tree::{Builder, Cursor};
use annals::object::{
    Attributes, ChunkRef, Chunks, Commit, Device, Entry, Header, Manifest, Object, Owner,
    Signature, Sink, Source, Table, Tag, Term, What,
};
use annals::store::journal::State;
use annals::store::pack::check_pack;
use annals::store::{
    Batch, Class, Publication, RefEdit, SeenFile, Store, Target, Writer, content_kind, pack_path,
};

use super::samples;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

const DAY: i64 = 24 * 3600;

fn env() -> Env {
    Env {
        clock: Arc::new(SteppingClock::new(Time::from_seconds(1_600_000_000), DAY)),
        random: Arc::new(SeededRandom::new(1)),
    }
}

// ── What is in it ───────────────────────────────────────────────────────────────────────────────

/// Twenty runs of one letter, 200,000 bytes each: one chunk or two for each letter.
fn letters() -> Vec<u8> {
    (b'a'..b'u').flat_map(|letter| vec![letter; 200_000]).collect()
}

/// The files of the main tree.
fn files() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut put = |path: &[u8], content: Vec<u8>| {
        files.insert(path.to_vec(), content);
    };
    put(b"empty", Vec::new());
    put(b"hello.txt", samples::HELLO.to_vec());
    put(b"16 KiB", vec![b'x'; 16_384]);
    put(b"one chunk of text", samples::lines());
    put(b"one chunk of bytes", samples::stream(20_000));
    put(b"some chunks of text", letters()[..900_000].to_vec());
    put(b"some chunks", [&[0; 600_000][..], &letters()[..600_000]].concat());
    put(b"many chunks", letters());
    put(b"odd names/ ", b"space".to_vec());
    put(b"odd names/-", b"dash".to_vec());
    put(b"odd names/\n", b"line feed".to_vec());
    put(b"odd names/\xff\xfe", b"not UTF-8".to_vec());
    put("odd names/é".as_bytes(), b"one code point".to_vec());
    put("odd names/e\u{301}".as_bytes(), b"two code points".to_vec());
    put(&[b"odd names/", &[b'n'; 255][..]].concat(), b"long".to_vec());
    put("deep/".repeat(40).as_bytes().strip_suffix(b"/").unwrap(), b"deep".to_vec());
    for number in 0..300 {
        put(format!("flat/{number:03}").as_bytes(), format!("{}", number % 7).into_bytes());
    }
    files
}

// ── Making it ───────────────────────────────────────────────────────────────────────────────────

fn put_content(writer: &mut Writer<'_, '_>, content: &[u8]) -> What {
    let size = content.len() as u64;
    if content_kind(size) == Kind::Chunk {
        writer.put_chunk(Class::Near, hash(content), content).unwrap();
        return What::File { size, content: hash(content) };
    }
    let near = is_text(content) && size <= 1 << 20;
    let class = if near { Class::Near } else { Class::Data };
    let mut sketcher = chunk::Sketcher::new();
    sketcher.update(content);
    let (mut rest, mut chunks) = (content, Vec::new());
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(chunk::next(rest, chunk::sizes(size)));
        let id = hash(head);
        writer.put_chunk(class, id, head).unwrap();
        chunks.push(ChunkRef { id, length: head.len() as u32 });
        rest = tail;
    }
    let count = chunks.len() as u64;
    let chunks = match count {
        1 => Chunks::One,
        2..=8 => Chunks::Few(chunks),
        _ => {
            let mut builder = ListBuilder::new();
            chunks.into_iter().for_each(|chunk| builder.push(chunk, writer).unwrap());
            Chunks::Many { list: builder.finish(writer).unwrap(), count }
        }
    };
    let manifest = Manifest {
        size,
        content: hash(content),
        chunker: chunk::CHUNKER,
        near,
        sketch: *sketcher.finish().as_bytes(),
        chunks,
    };
    What::File { size, content: writer.put_manifest(&manifest).unwrap() }
}

/// Puts the tree of these entries, by path, and returns its root and totals as a directory.
fn put_tree(writer: &mut Writer<'_, '_>, entries: &BTreeMap<Vec<u8>, Entry>) -> What {
    let mut here: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    let mut below: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Entry>> = BTreeMap::new();
    for (path, entry) in entries {
        match path.iter().position(|&byte| byte == b'/') {
            None => drop(here.insert(path.clone(), entry.clone())),
            Some(slash) => {
                let (name, rest) = (path[..slash].to_vec(), path[slash + 1..].to_vec());
                below.entry(name).or_default().insert(rest, entry.clone());
            }
        }
    }
    for (name, entries) in below {
        let what = put_tree(writer, &entries);
        here.insert(name.clone(), Entry { name, ..samples::entry("", 0o755, what) });
    }
    let mut builder = Builder::new();
    here.into_values().for_each(|entry| builder.push(entry, writer).unwrap());
    let root = builder.finish(writer).unwrap();
    What::Directory { files: root.totals.files, bytes: root.totals.bytes, tree: root.id }
}

fn file_entry(path: &[u8], what: What) -> Entry {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap().to_vec();
    let mtime = Some(Time { seconds: 1_500_000_000 - name.len() as i64, nanoseconds: 7 });
    Entry { name, mode: 0o644, mtime, attributes: None, what }
}

fn main_tree(writer: &mut Writer<'_, '_>) -> BTreeMap<Vec<u8>, Entry> {
    let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    for (path, content) in files() {
        let what = put_content(writer, &content);
        entries.insert(path.clone(), file_entry(&path, what));
    }
    entries.get_mut(&b"hello.txt"[..]).unwrap().mode = 0o755;
    let target = b"../some where";
    writer.put_chunk(Class::Near, hash(target), target).unwrap();
    let link = What::Symlink { size: target.len() as u64, target: hash(target) };
    entries.insert(b"link".to_vec(), samples::entry("link", 0, link));
    let nothing = put_tree(writer, &BTreeMap::new());
    entries.insert(b"nothing".to_vec(), samples::entry("nothing", 0o700, nothing));
    entries
}

/// What version 1 reads and does not write: every other kind of entry, and attributes.
fn reserved_tree(writer: &mut Writer<'_, '_>) -> BTreeMap<Vec<u8>, Entry> {
    let attributes = Attributes {
        owner: Some(Owner { uid: 1000, gid: 100, user: b"ann".to_vec(), group: b"users".to_vec() }),
        extended: Some(vec![(b"user.note".to_vec(), b"x".to_vec())]),
        link_group: Some([9; 16]),
        holes: Some(vec![(0, 4096), (8192, 4096)]),
        device: Some(Device::Block(8, 1)),
        birth: Some(Time { seconds: -1, nanoseconds: 999_999_999 }),
    };
    let attributes = writer.put(Kind::Attributes, attributes.to_bytes()).unwrap();
    let mut version = |text: &str| {
        let content = hash(text.as_bytes());
        writer.put_chunk(Class::Near, content, text.as_bytes()).unwrap();
        Term::File { mode: 0o644, size: text.len() as u64, content, attributes: Some(attributes) }
    };
    let mut adds = vec![version("mine\n"), version("yours\n")];
    adds.sort();
    let conflict = What::Conflict { removes: vec![Term::Absent], adds };
    let entries = [
        samples::entry("conflict", 0, conflict),
        Entry { attributes: Some(attributes), ..samples::entry("device", 0o600, What::Special) },
        samples::entry("gitlink", 0, What::Gitlink { commit: vec![0x5a; 20] }),
    ];
    entries.map(|entry| (entry.name.clone(), entry)).into()
}

fn sign(seconds: i64) -> Signature {
    Signature { name: "Ünal".into(), email: b"u@example.org".to_vec(), seconds, zone_minutes: 330 }
}

fn put_commit(
    writer: &mut Writer<'_, '_>,
    entries: &BTreeMap<Vec<u8>, Entry>,
    parents: &[Id],
    message: &str,
) -> Id {
    let What::Directory { tree, .. } = put_tree(writer, entries) else { panic!("a directory") };
    let time = 1_600_000_000 + message.len() as i64;
    let commit = Commit {
        tree,
        parents: parents.to_vec(),
        author: sign(time),
        committer: sign(time + 60),
        message: message.into(),
        headers: vec![Header { name: b"made-by".to_vec(), value: b"old_repositories".to_vec() }],
    };
    writer.put(Kind::Commit, commit.to_bytes()).unwrap()
}

const WORKTREE: [u8; 16] = [0xab; 16];

fn own_ref(name: &str) -> String {
    format!("refs/worktree/{}/{name}", hex(&WORKTREE))
}

/// Moves refs, whatever they pointed to.
fn publication(store: &Store, verb: &str, refs: &[(&str, Target)]) -> Publication {
    let edits = refs.iter().map(|(name, target)| RefEdit {
        name: (*name).to_owned(),
        old: store.target(name),
        new: Some(target.clone()),
        reason: format!("{verb}: of the fixture"),
    });
    Publication::new(verb, "Ünal <u@example.org>").with_refs(edits)
}

/// Makes the repository in `/r/.annals`.
fn make() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let store = Store::create(disk.create(Path::new("/r/.annals")).unwrap(), env()).unwrap();
    disk.write("/r/.annals/worktree", format!("{}\n", hex(&WORKTREE)));
    let mut entries = BTreeMap::new();
    let mut parents = Vec::new();
    // Enough small commits that their packs are merged.
    for number in 0..40 {
        let batch = Batch::begin(&store).unwrap();
        let mut writer = batch.writer();
        let path = format!("log/{number}").into_bytes();
        let what = put_content(&mut writer, format!("entry {number}\n").as_bytes());
        entries.insert(path.clone(), file_entry(&path, what));
        let id = put_commit(&mut writer, &entries, &parents, &format!("entry {number}\n"));
        writer.flush().unwrap();
        parents = vec![id];
        let refs = [("refs/heads/main", Target::Id(id))];
        let publication = publication(&store, "commit", &refs).with_packs(batch.seal().unwrap());
        store.publish(publication).unwrap();
    }
    // Enough moves of a branch that there are checkpoints.
    let both = [parents[0], store.object::<Commit>(&parents[0]).unwrap().parents[0]];
    for number in 40..512 {
        let refs = [("refs/heads/to-and-fro", Target::Id(both[number % 2]))];
        store.publish(publication(&store, "branch", &refs)).unwrap();
    }
    // One long recording that lists its packs on the way, and everything else.
    let batch = Batch::begin(&store).unwrap();
    let mut writer = batch.writer();
    entries.extend(main_tree(&mut writer));
    writer.flush().unwrap();
    batch.list_session("Ünal <u@example.org>").unwrap();
    let everything = put_commit(&mut writer, &entries, &parents, "everything\n\nAt once.\n");
    entries.remove(&b"hello.txt"[..]);
    let less = put_commit(&mut writer, &entries, &parents, "less\n");
    let merged = put_commit(&mut writer, &entries, &[everything, less], "merge\n");
    let reserved = reserved_tree(&mut writer);
    let reserved = put_commit(&mut writer, &reserved, &[merged], "reserved\n");
    let tag = Tag {
        target: everything,
        target_kind: Kind::Commit.number(),
        name: b"v1".to_vec(),
        tagger: Some(sign(1_600_000_100)),
        message: b"Everything.\n".to_vec(),
        headers: Vec::new(),
    };
    let tag = writer.put(Kind::Tag, tag.to_bytes()).unwrap();
    writer.flush().unwrap();
    let tree = |id| Target::Id(store.object::<Commit>(id).unwrap().tree);
    let publication = publication(
        &store,
        "commit",
        &[
            ("refs/heads/main", Target::Id(merged)),
            ("refs/heads/reserved", Target::Id(reserved)),
            ("refs/heads/été", Target::Id(less)),
            ("refs/tags/v1", Target::Id(tag)),
            ("refs/tags/light", Target::Id(everything)),
            (&own_ref("HEAD"), Target::Symbolic("refs/heads/main".into())),
            (&own_ref("staged-base"), tree(&both[0])),
            (&own_ref("staged"), tree(&both[1])),
        ],
    );
    store.publish(publication.with_packs(batch.seal().unwrap())).unwrap();
    let seen = Batch::begin(&store).unwrap();
    let mut files = vec![SeenFile {
        path: b"hello.txt".to_vec(),
        size: 6,
        mtime: Time::from_seconds(1),
        ctime: Time::from_seconds(2),
        inode: 3,
        content: hash(samples::HELLO),
    }];
    seen.keep_seen(WORKTREE, &mut files).unwrap();
    std::mem::forget(seen);
    disk
}

/// What of the repository is kept as a fixture: the truth. Records that a checkpoint covers are
/// left out but for the last, as if gc had removed them.
fn kept(disk: &MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    let tree = disk.tree("/r/.annals").into_iter();
    let files = tree
        .filter(|(_, entry)| entry.kind == FileKind::File)
        .map(|(path, entry)| (String::from_utf8(path).unwrap(), entry.content));
    let is_kept = |path: &str| {
        let number = path.strip_prefix("journal/0/").and_then(|number| number.parse::<u64>().ok());
        let is_derived = path.starts_with("lookup/") || path.starts_with("tmp/");
        !is_derived && path != "journal/lock" && number.is_none_or(|number| number >= 512)
    };
    files.filter(|(path, _)| is_kept(path)).collect()
}

#[test]
fn a_repository_of_version_1_is_made_anew_when_asked() {
    if std::env::var_os("ANNALS_MAKE_FIXTURE").is_none() {
        return;
    }
    let folder = data("format-1");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let files = kept(&make());
    for (path, bytes) in &files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    assert!(files.values().map(Vec::len).sum::<usize>() < 300 << 10);
    std::fs::write(data("format-1.txt"), listing(&open(&placed(&files)))).unwrap();
}

// ── Reading it ──────────────────────────────────────────────────────────────────────────────────

/// The files below a directory of `tests/data`.
fn fixture(name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for found in std::fs::read_dir(data(name).join(&folder)).unwrap().map(Result::unwrap) {
            let path = format!("{folder}{}", found.file_name().to_string_lossy());
            if found.file_type().unwrap().is_dir() {
                folders.push(path + "/");
            } else {
                files.insert(path, std::fs::read(found.path()).unwrap());
            }
        }
    }
    files
}

fn placed(files: &BTreeMap<String, Vec<u8>>) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (path, bytes) in files {
        disk.write(&format!("/r/.annals/{path}"), bytes);
    }
    disk
}

fn open(disk: &MemoryDisk) -> Store {
    Store::open(disk.open(Path::new("/r/.annals")).unwrap(), env()).unwrap()
}

fn read_file(store: &Store, size: u64, content: &Id) -> Vec<u8> {
    if content_kind(size) == Kind::Chunk {
        return store.read(Kind::Chunk, content).unwrap().to_vec();
    }
    let manifest: Manifest = store.object(content).unwrap();
    let chunk = |id: &Id| store.read(Kind::Chunk, id).unwrap().to_vec();
    let bytes = match &manifest.chunks {
        Chunks::One => chunk(&manifest.content),
        Chunks::Few(chunks) => chunks.iter().flat_map(|found| chunk(&found.id)).collect(),
        Chunks::Many { list, .. } => {
            let (mut cursor, mut bytes) = (ListCursor::new(store, list), Vec::new());
            while let Some(found) = cursor.next_chunk().unwrap() {
                bytes.extend(chunk(&found.id));
            }
            bytes
        }
    };
    assert_eq!((bytes.len() as u64, hash(&bytes)), (manifest.size, manifest.content));
    bytes
}

/// Lists a tree, each directory the first time it is met.
fn list_tree(store: &Store, tree: &Id, above: &[u8], lines: &mut String) {
    let mark = format!("  = tree {tree}\n");
    if lines.contains(&mark) {
        return;
    }
    lines.push_str(&mark);
    let mut cursor = Cursor::new(store, tree).unwrap();
    while let Some(entry) = cursor.next_entry().unwrap() {
        let path = [above, &entry.name].concat();
        let mtime = entry.mtime.map_or("-".to_owned(), |mtime| mtime.to_string());
        let _ = write!(lines, "  {} {:o} {mtime} ", path.escape_ascii(), entry.mode);
        let _ = match &entry.what {
            What::File { size, content } => {
                writeln!(lines, "file {size} {}", hash(&read_file(store, *size, content)))
            }
            What::Symlink { target, .. } => {
                let target = store.read(Kind::Chunk, target).unwrap();
                writeln!(lines, "link {}", target.escape_ascii())
            }
            What::Directory { files, bytes, .. } => writeln!(lines, "directory {files} {bytes}"),
            other => writeln!(lines, "{other:?}"),
        };
        if let Some(id) = entry.attributes {
            let _ = writeln!(lines, "    {:?}", store.object::<Attributes>(&id).unwrap());
        }
        if let Some(tree) = entry.tree() {
            list_tree(store, &tree, &[&path[..], b"/"].concat(), lines);
        }
    }
}

fn list_commit(store: &Store, id: &Id, lines: &mut String) {
    let commit: Commit = store.object(id).unwrap();
    let (author, zone) = (&commit.author, commit.author.zone_minutes);
    let name = author.name.escape_ascii();
    let _ = writeln!(lines, "commit {id} tree {}", commit.tree);
    let _ = writeln!(lines, "  parents {:?}", commit.parents);
    let _ = writeln!(lines, "  {name} <{}> {} {zone}", author.email.escape_ascii(), author.seconds);
    let _ = writeln!(lines, "  {}", commit.message.escape_ascii());
}

/// Everything in the repository: refs, what they lead to, the reflog, the packs and their objects.
fn listing(store: &Store) -> String {
    let mut lines = String::new();
    let state = store.state();
    let _ = writeln!(lines, "store {}", hex(&store.identity().store));
    let _ = writeln!(lines, "record {} {}", state.number, state.hash);
    for (name, target) in store.refs("") {
        let _ = match target {
            Target::Symbolic(to) => writeln!(lines, "ref {name} @{to}"),
            Target::Id(id) => writeln!(lines, "ref {name} {id} {}", store.kinds(&id)[0]),
        };
    }
    let mut queue: Vec<Id> = Vec::new();
    for (_, id) in store.roots() {
        match store.kinds(&id)[0] {
            Kind::Tree => {
                let _ = writeln!(lines, "tree {id}");
                list_tree(store, &id, b"", &mut lines);
            }
            Kind::Tag => {
                let tag: Tag = store.object(&id).unwrap();
                let (name, message) = (tag.name.escape_ascii(), tag.message.escape_ascii());
                let _ = writeln!(lines, "tag {id} {name} {message}");
                queue.push(tag.target);
            }
            _ => queue.push(id),
        }
    }
    // Trees of the newest commits in full; of all others the history.
    for id in queue.clone() {
        let commit: Commit = store.object(&id).unwrap();
        let _ = writeln!(lines, "tree {}", commit.tree);
        list_tree(store, &commit.tree, b"", &mut lines);
    }
    let mut listed = Vec::new();
    while let Some(id) = queue.pop() {
        if !listed.contains(&id) {
            listed.push(id);
            list_commit(store, &id, &mut lines);
            queue.extend(store.object::<Commit>(&id).unwrap().parents);
        }
    }
    for moved in store.journal().moves(&state).unwrap() {
        let _ =
            writeln!(lines, "move {} {} {} {}", moved.number, moved.time, moved.name, moved.actor);
    }
    for pack in state.packs.values() {
        let (class, name) = (pack.class.name(), &pack.name);
        let _ = writeln!(lines, "pack {class} {name} {} {:?}", pack.bytes, pack.table);
        let file = store.dir().open(pack_path(pack.class, name).as_bytes()).unwrap();
        let mut objects = BTreeMap::new();
        let (_, damage) = check_pack(file, |kind, id, bytes| {
            objects.insert(id, (kind, bytes.len()));
        })
        .unwrap();
        assert!(damage.is_empty(), "{damage:?}");
        if let Some(table) = pack.table {
            let table: Table = store.object(&table).unwrap();
            let rows = table.rows.iter().map(|row| (row.id, row.length as usize));
            let found = objects.iter().map(|(id, (_, length))| (*id, *length));
            assert!(rows.eq(found), "the table of {name} lists other objects");
        }
        for (id, (kind, length)) in objects {
            let _ = writeln!(lines, "  {kind} {id} {length}");
        }
    }
    lines
}

fn expected() -> String {
    std::fs::read_to_string(data("format-1.txt")).unwrap()
}

/// The first line that is not the same, so that a failure says something.
fn assert_same(found: &str, expected: &str) {
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn a_repository_of_version_1_opens_and_everything_in_it_reads_back() {
    let store = open(&placed(&fixture("format-1")));
    assert_eq!(store.take_notices(), Vec::<String>::new());
    assert_eq!(store.state().damage, Vec::<String>::new());
    assert_eq!(store.state().must_not_write, None);
    assert_same(&listing(&store), &expected());
}

#[test]
fn a_repository_of_version_1_has_everything_it_should_have() {
    let listing = expected();
    for kind in Kind::ALL {
        let is_reserved = matches!(kind, Kind::Inventory | Kind::Notes);
        assert_eq!(listing.contains(&format!("\n  {kind} ")), !is_reserved, "{kind}");
    }
    for class in Class::ALL {
        assert!(listing.contains(&format!("\npack {} ", class.name())), "{}", class.name());
    }
    let files = fixture("format-1");
    let (state, moves) = State::parse(&files["journal/checkpoints/512"]).unwrap();
    assert_eq!((state.number, moves.len()), (512, 1));
    assert!(files.keys().any(|path| path.starts_with("journal/moves/")));
    assert!(files.values().map(Vec::len).sum::<usize>() < 300 << 10);
}

#[test]
fn a_repository_of_version_1_reads_back_from_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in fixture("format-1") {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let store = Store::open(OsDisk::new().open(folder.path()).unwrap(), env()).unwrap();
    assert_same(&listing(&store), &expected());
}

#[test]
fn a_repository_of_version_1_can_be_written_to_and_begins_a_new_incarnation() {
    let disk = placed(&fixture("format-1"));
    let store = open(&disk);
    let old = store.state().incarnation;
    let main = store.target("refs/heads/main").unwrap();
    store.publish(publication(&store, "branch", &[("refs/heads/new", main.clone())])).unwrap();
    let store = open(&disk);
    assert_eq!(store.target("refs/heads/new"), Some(main));
    assert_ne!(store.state().incarnation, old);
    assert_eq!(store.state().number, 515);
}

/// Its checkpoints say everything themselves; those that follow stand on runs.
#[test]
fn a_repository_of_version_1_goes_on_with_checkpoints_that_stand_on_runs() {
    let disk = placed(&fixture("format-1"));
    let store = open(&disk);
    let main = store.target("refs/heads/main").unwrap();
    while store.state().number < 1024 {
        let name = format!("refs/heads/{}", store.state().number % 300);
        store.publish(publication(&store, "branch", &[(&name, main.clone())])).unwrap();
    }
    let at = |number| disk.read(&format!("/r/.annals/journal/checkpoints/{number}")).unwrap();
    let runs = |number| -> Vec<(u64, u64)> {
        let (state, _) = State::parse(&at(number)).unwrap();
        state.runs.iter().map(|run| (run.first, run.last)).collect()
    };
    assert_eq!(runs(512), []);
    assert_eq!(runs(768), [(1, 512), (513, 768)]);
    assert_eq!(runs(1024), [(1, 1024)]);
    let again = open(&disk);
    assert_eq!(again.journal().replay(None).unwrap().refs, store.state().refs);
    assert_eq!(again.journal().replay(None).unwrap().packs, store.state().packs);
    assert_eq!(again.take_notices(), Vec::<String>::new());
}

/// The same content has the same ids in every version that writes format 1.
#[test]
fn what_is_recorded_today_has_the_ids_it_had_in_version_1() {
    let disk = make();
    let today = listing(&open(&disk));
    let ids = |listing: &str| -> Vec<String> {
        let lines = listing.lines().map(str::to_owned);
        lines
            .filter(|line| {
                ["ref ", "tree ", "tag ", "commit "].iter().any(|start| line.starts_with(start))
            })
            .collect()
    };
    assert_same(&ids(&today).join("\n"), &ids(&expected()).join("\n"));
}

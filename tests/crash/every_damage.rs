//! Files of a store flipped, cut, emptied, removed and swapped: fsck finds what matters, derived
//! files are made anew, and nobody ever gets wrong bytes.

use std::collections::BTreeMap;

use annals::disk::{MemoryDisk, Survival};
use annals::object::tree::Child;
use annals::object::{Chunks, Entry, Manifest, Node, Object, Sink};
use annals::ops::fsck::{self, Outcome};
use annals::ops::tag;
use annals::progress::Silent;
use annals::store::{Batch, Class, Publication, RefEdit};

use super::*;

/// Every kind of object and file, in a few packs.
fn everything() -> MemoryDisk {
    let disk = MemoryDisk::new();
    create(&shared(&disk)).unwrap();
    super::every_write::furnish(&disk);
    let repo = open(&shared(&disk)).unwrap();
    commit_all(&repo, "one").unwrap();
    write(&disk, "list", noise(9, 900_000));
    write(&disk, "text", "some words\n".repeat(3000));
    commit_all(&repo, "two").unwrap();
    for number in 0..40 {
        write(&disk, &format!("many/{number}"), number.to_string());
    }
    commit_all(&repo, "three").unwrap();
    let options = tag::Options {
        name: "v1".into(),
        target: repo.head_commit().unwrap(),
        target_kind: Kind::Commit,
        annotation: Some((person().sign(1, 0), b"first".to_vec())),
        replace: false,
    };
    tag::create(&repo, &person(), &options).unwrap();
    drop(repo);
    disk.remount();
    disk
}

/// What a file of the state directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The truth: damage is found, and named.
    Truth,
    /// Made from the truth: damage is put right, and no answer is wrong.
    Derived,
    /// Nothing depends on it.
    Nothing,
}

fn sort(path: &str) -> Sort {
    let path = path.strip_prefix(".annals/").unwrap();
    let is_journal = path.starts_with("journal/") && !path.ends_with("lock");
    if is_journal || path.starts_with("packs/") || path == "format" || path == "worktree" {
        Sort::Truth
    } else if path.starts_with("lookup/")
        || path.starts_with("index/")
        || ["volume", "newest"].contains(&path)
    {
        Sort::Derived
    } else {
        Sort::Nothing
    }
}

struct Judge {
    base: MemoryDisk,
    picture: Picture,
    files: BTreeMap<String, Vec<u8>>,
}

impl Judge {
    fn new() -> Self {
        let base = everything();
        let repo = open(&shared(&base)).unwrap();
        let checked = check(&repo);
        assert!(checked.is_perfect(), "{:?}", checked.findings);
        assert_eq!(checked.dangling, 0);
        Self { picture: picture(&repo).unwrap(), files: state_files(&base), base }
    }

    /// Opens the damaged repository; `None` if it says itself that it cannot be opened.
    fn fsck(disk: &MemoryDisk) -> Option<Outcome> {
        let repo = open(&shared(disk)).ok()?;
        Some(fsck::run(&repo, &fsck::Options::default(), &Silent).unwrap())
    }

    /// Nobody gets other bytes than were recorded.
    fn no_wrong_bytes(&self, disk: &MemoryDisk, context: &str) {
        let Ok(repo) = open(&shared(disk)) else { return };
        let Ok(found) = picture(&repo) else { return };
        for (name, (messages, files)) in &found.refs {
            let Some((right, right_files)) = self.picture.refs.get(name) else {
                panic!("{context}: {name} came from nowhere")
            };
            // An older state of a ref is no wrong byte; see the journal's own rules.
            assert!(right.ends_with(messages), "{context}: {name}: {messages:?}");
            for (path, bytes) in files {
                assert!(right_files.get(path) == Some(bytes), "{context}: {name}:{path}");
            }
        }
    }

    fn judge(&self, path: &str, disk: &MemoryDisk, context: &str) {
        let context = format!("{path}: {context}");
        self.no_wrong_bytes(&disk.image_after_power_loss(Survival::Everything), &context);
        let checked = Self::fsck(disk);
        match sort(path) {
            Sort::Truth => {
                let is_found = checked.as_ref().is_none_or(|checked| !checked.is_clean());
                assert!(is_found, "{context}: not found");
            }
            Sort::Derived | Sort::Nothing => {
                let checked = checked.unwrap_or_else(|| panic!("{context}: cannot be opened"));
                assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
                let repo = open(&shared(disk)).unwrap();
                assert_eq!(picture(&repo).unwrap(), self.picture, "{context}");
                assert!(check(&repo).is_clean(), "{context}");
            }
        }
    }

    fn with(&self, path: &str, bytes: Option<&[u8]>) -> MemoryDisk {
        let disk = self.base.image_after_power_loss(Survival::Everything);
        let at = format!("{ROOT}/{path}");
        match bytes {
            Some(bytes) => disk.write(&at, bytes),
            None => {
                let dir = disk.open(Path::new(ROOT)).unwrap();
                dir.remove_file(path.as_bytes()).unwrap();
            }
        }
        disk
    }
}

#[test]
fn every_flipped_byte_is_found_or_put_right() {
    let judge = Judge::new();
    for (path, bytes) in &judge.files {
        // Every byte of the small ones; of the large ones the beginning, the end, and some.
        let step = match bytes.len() {
            0..2_000 => 3,
            2_000..20_000 => 61,
            _ => 9_973,
        };
        let ends = (0..64).chain(bytes.len().saturating_sub(64)..bytes.len()).step_by(5);
        let places = (0..bytes.len()).step_by(step).chain(ends.filter(|at| *at < bytes.len()));
        for at in places {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            judge.judge(path, &judge.with(path, Some(&flipped)), &format!("byte {at}"));
        }
    }
}

#[test]
fn every_cut_and_every_loss_is_found_or_put_right() {
    let judge = Judge::new();
    for (path, bytes) in &judge.files {
        for cut in [0, 1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            if cut < bytes.len() {
                let disk = judge.with(path, Some(&bytes[..cut]));
                judge.judge(path, &disk, &format!("cut at {cut}"));
            }
        }
        let longer = [&bytes[..], b"x"].concat();
        judge.judge(path, &judge.with(path, Some(&longer)), "one byte more");
        if !bytes.is_empty() {
            let zeros = vec![0; bytes.len()];
            judge.judge(path, &judge.with(path, Some(&zeros)), "zeros");
        }
        judge.judge(path, &judge.with(path, None), "removed");
    }
}

#[test]
fn a_file_in_the_place_of_another_is_found_or_put_right() {
    let judge = Judge::new();
    let other = Judge::new();
    for (path, bytes) in &judge.files {
        let folder = &path[..path.rfind('/').unwrap()];
        let of_its_kind = judge.files.iter().filter(|(other, _)| other.starts_with(folder));
        for (name, swapped) in of_its_kind.filter(|(name, other)| *name != path && *other != bytes)
        {
            let disk = judge.with(path, Some(swapped));
            judge.judge(path, &disk, &format!("replaced by {name}"));
        }
        // The file of the same name in another store.
        let foreign = other.files.get(path).filter(|foreign| *foreign != bytes);
        if let Some(foreign) = foreign {
            judge.judge(path, &judge.with(path, Some(foreign)), "replaced by another store's");
        }
    }
}

#[test]
fn a_lost_pack_costs_exactly_the_paths_that_fsck_names() {
    let judge = Judge::new();
    for path in judge.files.keys().filter(|path| path.contains("/packs/")) {
        let disk = judge.with(path, None);
        let checked = Judge::fsck(&disk).unwrap();
        let bits = fsck::Damage::Pack.bit() | fsck::Damage::Missing.bit();
        assert_eq!(checked.exit_code() & bits, bits, "{path}: {:?}", checked.findings);
        let repo = open(&shared(&disk)).unwrap();
        let mut unreadable = std::collections::BTreeSet::new();
        let mut commits = 0;
        let mut next = repo.store().resolve("refs/heads/main");
        while let Some(Ok(commit)) = next.map(|id| repo.store().object::<Commit>(&id)) {
            commits += 1;
            for (path, bytes) in readable(&repo, &commit.tree) {
                if bytes.is_none() {
                    unreadable.insert(path);
                }
            }
            next = commit.parents.first().copied();
        }
        let named: std::collections::BTreeSet<String> =
            checked.lost.iter().map(|loss| loss.path.to_string()).collect();
        assert_eq!(named.len(), checked.lost.len(), "{path}: each once");
        assert!(commits == 0 || named == unreadable, "{path}: {named:?} {unreadable:?}");
    }
}

/// Paths of a tree that have content of their own, with the content where it can be read.
fn readable(repo: &Repository, tree: &Id) -> BTreeMap<String, Option<Vec<u8>>> {
    let store = repo.store();
    let mut found = BTreeMap::new();
    let mut todo = vec![(String::new(), *tree)];
    while let Some((above, tree)) = todo.pop() {
        let mut entries = Vec::new();
        let read = (|| -> Result<(), StoreError> {
            let mut cursor = Cursor::new(store, &tree)?;
            while let Some(entry) = cursor.next_entry()? {
                entries.push(entry);
            }
            Ok(())
        })();
        if read.is_err() {
            found.insert(above.trim_end_matches('/').to_owned(), None);
        }
        for entry in entries {
            let path = format!("{above}{}", String::from_utf8_lossy(&entry.name));
            match &entry.what {
                What::Directory { tree, .. } => todo.push((format!("{path}/"), *tree)),
                What::File { size, content } => {
                    let mut bytes = Vec::new();
                    let read = read_content::<StoreError>(store, *size, content, |piece| {
                        bytes.extend_from_slice(&piece);
                        Ok(())
                    });
                    found.insert(path, read.is_ok().then_some(bytes));
                }
                What::Symlink { size, target } => {
                    found.insert(path, read_small(store, *size, target).ok());
                }
                _ => {}
            }
        }
    }
    found
}

/// Objects that are whole and lie: what hashes cannot show.
#[test]
fn what_a_careless_writer_stores_is_found() {
    let sound = |entries: Vec<Entry>| Node::Leaf(entries);
    let file = |name: &str, size: u64, content: Id| Entry {
        name: name.into(),
        mode: 0o644,
        mtime: None,
        attributes: None,
        what: What::File { size, content },
    };
    let words = "some words\n".repeat(2000);
    let chunk = Kind::Chunk.id_of(words.as_bytes());
    let size = words.len() as u64;
    let mut sketcher = annals::chunk::Sketcher::new();
    sketcher.update(words.as_bytes());
    let manifest = Manifest {
        size,
        content: chunk,
        chunker: 1,
        near: true,
        sketch: *sketcher.finish().as_bytes(),
        chunks: Chunks::One,
    };
    let of = |manifest: &Manifest| (manifest.size, vec![(Kind::Manifest, manifest.to_bytes())]);
    type Objects = Vec<(Kind, Vec<u8>)>;
    let with_manifest = |manifest: Manifest, said: u64| -> (Node, Objects) {
        let (_, objects) = of(&manifest);
        (sound(vec![file("f", said, manifest.id())]), objects)
    };
    let directory = |files, bytes, tree: &Node| -> (Node, Objects) {
        let what = What::Directory { files, bytes, tree: tree.id() };
        let entry = Entry { mode: 0o755, what, ..file("d", 0, Id::EMPTY) };
        (sound(vec![entry]), vec![(Kind::Tree, tree.to_bytes())])
    };
    let small = |count: usize| -> Node {
        sound((0..count).map(|n| file(&format!("{n:04}"), 0, Id::EMPTY)).collect())
    };
    let inner = |nodes: &[Node], lie: u64| -> (Node, Objects) {
        let children = nodes.iter().map(|node| {
            let mut totals = node.totals();
            totals.bytes += lie;
            Child { last: node.last().unwrap().to_vec(), node: node.id(), totals }
        });
        let objects = nodes.iter().map(|node| (Kind::Tree, node.to_bytes())).collect();
        (Node::Inner { level: 1, children: children.collect() }, objects)
    };
    let later = sound(vec![file("zz", 0, Id::EMPTY)]);
    let mut other_sketch = manifest.sketch;
    other_sketch[3] ^= 1;
    let cases: Vec<(&str, Option<&str>, (Node, Objects))> = vec![
        ("sound", None, with_manifest(manifest.clone(), size)),
        (
            "sketch",
            Some("E_MANIFEST"),
            with_manifest(Manifest { sketch: other_sketch, ..manifest.clone() }, size),
        ),
        (
            "near",
            Some("E_MANIFEST"),
            with_manifest(Manifest { near: false, ..manifest.clone() }, size),
        ),
        (
            "chunker",
            Some("E_MANIFEST"),
            with_manifest(Manifest { chunker: 7, ..manifest.clone() }, size),
        ),
        (
            "longer",
            Some("E_MANIFEST"),
            with_manifest(Manifest { size: size + 1, ..manifest.clone() }, size + 1),
        ),
        ("entry's length", Some("E_MANIFEST"), with_manifest(manifest.clone(), size + 1)),
        ("totals of a directory", Some("E_TREE"), directory(3, 9, &small(2))),
        ("totals of a node", Some("E_TREE"), inner(&[small(2), later.clone()], 1)),
        ("a node that ends anywhere", Some("E_TREE"), inner(&[small(2), later.clone()], 0)),
        ("a root with one child", Some("E_TREE"), directory(2, 0, &inner(&[small(2)], 0).0)),
        (
            "a missing chunk",
            Some("E_MISSING"),
            (sound(vec![file("f", 5, Id::from_bytes([7; 32]))]), vec![]),
        ),
    ];
    for (what, expected, (node, objects)) in cases {
        let disk = MemoryDisk::new();
        let repo = create(&shared(&disk)).unwrap();
        let batch = Batch::begin(repo.store()).unwrap();
        let mut writer = batch.writer();
        writer.put_chunk(Class::Near, chunk, words.as_bytes()).unwrap();
        for (kind, bytes) in objects {
            writer.put(kind, bytes).unwrap();
        }
        if what == "a root with one child" {
            writer.put(Kind::Tree, small(2).to_bytes()).unwrap();
        }
        let tree = writer.put(Kind::Tree, node.to_bytes()).unwrap();
        let by = person().sign(1, 0);
        let commit = Commit {
            tree,
            parents: Vec::new(),
            author: by.clone(),
            committer: by,
            message: b"careless".to_vec(),
            headers: Vec::new(),
        };
        let id = writer.put(Kind::Commit, commit.to_bytes()).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let edit = RefEdit {
            name: "refs/heads/main".into(),
            old: None,
            new: Some(Target::Id(id)),
            reason: String::new(),
        };
        let publication = Publication::new("test", "A").with_packs(batch.seal().unwrap());
        repo.store().publish(publication.with_refs([edit])).unwrap();
        let found: Vec<&str> = check(&repo).findings.iter().map(|finding| finding.id).collect();
        match expected {
            Some(expected) => assert!(found.contains(&expected), "{what}: {found:?}"),
            None => assert!(found.is_empty(), "{what}: {found:?}"),
        }
    }
}

//! Tests of merging trees, on trees in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::chunk::Sketcher;
use crate::clock::Time;
use crate::codec;
use crate::hash::{Id, Kind};
use crate::object::manifest::SMALL;
use crate::object::testing::Memory;
use crate::object::tree::{Cursor, Edit, edit, find};
use crate::object::{Attributes, Chunks, Entry, Manifest, Node, Object, Sink, Source, Term, What};
use crate::path::RepoPath;

/// Objects in memory, with contents that are one chunk.
#[derive(Default)]
struct Room(Memory);

impl Source for Room {
    type Error = codec::Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, codec::Error> {
        self.0.bytes(kind, id)
    }

    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, codec::Error> {
        self.0.bytes_if_here(kind, id)
    }
}

impl Sink for Room {
    type Error = codec::Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, codec::Error> {
        self.0.put(kind, bytes)
    }
}

impl Contents for Room {
    fn read(&self, size: u64, content: &Id) -> Result<Option<Vec<u8>>, codec::Error> {
        if *content == Id::EMPTY {
            return Ok(Some(Vec::new()));
        }
        let chunk = match size > SMALL {
            true => self.object::<Manifest>(content)?.content,
            false => *content,
        };
        Ok(self.0.objects.get(&chunk).map(|(_, bytes)| bytes.to_vec()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Id, codec::Error> {
        if bytes.is_empty() {
            return Ok(Id::EMPTY);
        }
        let content = self.0.put(Kind::Chunk, bytes.to_vec())?;
        let size = bytes.len() as u64;
        if size <= SMALL {
            return Ok(content);
        }
        let mut sketcher = Sketcher::new();
        sketcher.update(bytes);
        let sketch = *sketcher.finish().as_bytes();
        let manifest =
            Manifest { size, content, chunker: 1, near: true, sketch, chunks: Chunks::One };
        self.put(Kind::Manifest, manifest.to_bytes())
    }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

impl Room {
    /// A tree of files: each word is `path=text`, `path*=text` for an executable, `path@=target`,
    /// `path/` for an empty directory. `;` stands for a line's end.
    fn make(&mut self, words: &str) -> Id {
        let mut edits = Vec::new();
        for word in words.split_whitespace() {
            let (name, text) = word.split_once('=').unwrap_or((word, ""));
            let bytes = text.replace(';', "\n").into_bytes();
            let (plain, what, mode) = if let Some(plain) = name.strip_suffix('@') {
                let target = self.write(&bytes).unwrap();
                (plain, What::Symlink { size: bytes.len() as u64, target }, 0)
            } else if let Some(plain) = name.strip_suffix('/') {
                (plain, What::Directory { files: 0, bytes: 0, tree: Node::empty_id() }, 0o755)
            } else {
                let content = self.write(&bytes).unwrap();
                let (plain, mode) = match name.strip_suffix('*') {
                    Some(plain) => (plain, 0o755),
                    None => (name, 0o644),
                };
                (plain, What::File { size: bytes.len() as u64, content }, mode)
            };
            let path = path(plain);
            let name = path.name().to_vec();
            let entry = Entry { name, mode, mtime: None, attributes: None, what };
            edits.push(Edit { path, entry: Some(entry) });
        }
        edits.sort_by(|a, b| a.path.cmp(&b.path));
        self.put(Kind::Tree, Node::Leaf(Vec::new()).to_bytes()).unwrap();
        edit(&mut self.0, None, edits).unwrap().id
    }

    fn list(&self, tree: &Id) -> String {
        let mut found = Vec::new();
        self.list_below(tree, &RepoPath::root(), &mut found);
        found.join(" ")
    }

    fn list_below(&self, tree: &Id, at: &RepoPath, found: &mut Vec<String>) {
        let mut cursor = Cursor::new(&self.0, tree).unwrap();
        while let Some(entry) = cursor.next_entry().unwrap() {
            let path = at.join(&entry.name);
            let text = |id: &Id| {
                let bytes = self.read(0, id).unwrap().unwrap();
                String::from_utf8(bytes).unwrap().replace('\n', ";")
            };
            match &entry.what {
                What::Directory { tree, files, .. } => {
                    if *tree == Node::empty_id() {
                        found.push(format!("{path}/"));
                    }
                    assert_eq!(*files == 0, *tree == Node::empty_id());
                    self.list_below(tree, &path, found);
                }
                What::File { content, .. } => {
                    let star = if entry.mode & 0o100 != 0 { "*" } else { "" };
                    found.push(format!("{path}{star}={}", text(content)));
                }
                What::Symlink { target, .. } => found.push(format!("{path}@={}", text(target))),
                What::Conflict { removes, adds } => {
                    let term = |term: &Term| match term {
                        Term::File { content, .. } => text(content),
                        Term::Absent => "-".to_owned(),
                        other => format!("{other:?}"),
                    };
                    let list = |terms: &[Term]| {
                        terms
                            .iter()
                            .map(term)
                            .collect::<std::collections::BTreeSet<_>>()
                            .into_iter()
                            .collect::<Vec<_>>()
                            .join("|")
                    };
                    found.push(format!("{path}?={}!{}", list(adds), list(removes)));
                }
                other => found.push(format!("{path}:{other:?}")),
            }
        }
    }

    fn merge(&mut self, base: &str, ours: &str, theirs: &str, options: &Options) -> Merged {
        let (base, ours, theirs) = (self.make(base), self.make(ours), self.make(theirs));
        self.merge_ids(Some(base), ours, theirs, options)
    }

    fn merge_ids(&mut self, base: Option<Id>, ours: Id, theirs: Id, options: &Options) -> Merged {
        let request = Request { base, ours, theirs, options, driver: &NoDriver };
        match trees(self, &request).unwrap() {
            Answer::Merged(merged) => merged,
            Answer::Needs(needs) => panic!("{needs:?}"),
        }
    }
}

/// The merged tree and the conflicts.
fn merged(base: &str, ours: &str, theirs: &str) -> (String, String) {
    let mut room = Room::default();
    let merged = room.merge(base, ours, theirs, &Options::default());
    (room.list(&merged.tree), conflicts(&merged))
}

fn conflicts(merged: &Merged) -> String {
    let mut found = Vec::new();
    for conflict in &merged.conflicts {
        found.push(format!("{}: {}", conflict.path, conflict.kind));
    }
    found.join(", ")
}

/// Asserts that a merge is clean, whichever side is ours.
#[track_caller]
fn clean(base: &str, ours: &str, theirs: &str, expected: &str) {
    assert_eq!(merged(base, ours, theirs), (expected.to_owned(), String::new()));
    assert_eq!(merged(base, theirs, ours), (expected.to_owned(), String::new()), "swapped");
}

#[test]
fn what_one_side_changed_is_taken() {
    clean("a=1 b=1 c=1", "a=2 b=1 c=1", "a=1 c=1 d=1", "a=2 c=1 d=1");
    clean("d/a=1 d/b=1", "d/a=1", "d/b=1", "");
    clean("a=1", "a*=1", "a=2", "a*=2");
    clean("a@=x", "a@=y", "a@=x b=1", "a@=y b=1");
    clean("a=1", "a=2", "a=2", "a=2");
}

#[test]
fn lines_of_both_sides_are_merged() {
    clean("a=1;2;3;4;5;", "a=x;2;3;4;5;", "a=1;2;3;4;y;", "a=x;2;3;4;y;");
}

#[test]
fn a_file_becomes_a_directory_and_back() {
    clean("a=1 b=1", "a/x=1 b=1", "a=1 b=2", "a/x=1 b=2");
    clean("a/x=1 b=1", "a=1 b=1", "a/x=1 b=2", "a=1 b=2");
}

#[test]
fn a_file_in_the_way_of_a_directory_steps_aside() {
    let (tree, found) = merged("a=1;", "a=2;", "a/x=3;");
    assert_eq!(tree, "a/x=3; a~ours=2;");
    assert_eq!(found, "a~ours: file/directory");
}

#[test]
fn modified_and_deleted_is_kept_and_told() {
    let (tree, found) = merged("a=1;", "a=2;", "");
    assert_eq!((&tree[..], &found[..]), ("a=2;", "a: modify/delete"));
}

#[test]
fn an_edit_follows_a_rename_on_the_other_side() {
    let text = "1;2;3;4;5;6;7;8;";
    let edited = "1;2;3;4;5;6;7;eight;";
    clean(
        &format!("a={text}"),
        &format!("b={text}"),
        &format!("a={edited}"),
        &format!("b={edited}"),
    );
}

#[test]
fn a_new_file_goes_along_with_its_directory() {
    clean(
        "old/a=alpha; old/b=beta;",
        "new/a=alpha; new/b=beta;",
        "old/a=alpha; old/b=beta; old/c=gamma;",
        "new/a=alpha; new/b=beta; new/c=gamma;",
    );
}

#[test]
fn a_file_renamed_twice_is_under_both_names() {
    let (tree, found) = merged("a=1;2;3;", "b=1;2;3;", "c=1;2;3;");
    assert_eq!(tree, "b=1;2;3; c=1;2;3;");
    assert_eq!(found, "a: rename/rename, b: rename/rename, c: rename/rename");
}

#[test]
fn two_files_renamed_to_one_name_are_both_in_it() {
    let (tree, found) = merged("a=1;2;3; b=4;5;6;", "c=1;2;3; b=4;5;6;", "a=1;2;3; c=4;5;6;");
    assert_eq!(tree, "c=<<<<<<< ours;1;2;3;=======;4;5;6;>>>>>>> theirs;");
    assert_eq!(found, "c: rename/add");
}

#[test]
fn renamed_and_deleted_is_kept_and_told() {
    let (tree, found) = merged("a=1;2;3;", "b=1;2;3;", "");
    assert_eq!((&tree[..], &found[..]), ("b=1;2;3;", "b: rename/delete"));
}

#[test]
fn an_empty_directory_stays_if_nobody_removed_it() {
    clean("a/ b=1", "a/ b=2", "a/ b=1 c/", "a/ b=2 c/");
    clean("a/ b=1", "b=1", "a/ b=2", "b=2");
    // Neither side had it empty.
    clean("d/a=1 d/b=2 e=1", "d/a=1 e=1", "d/b=2 e=1", "e=1");
    // One had.
    clean("d/a=1 e=1", "d/ e=1", "d/a=1 e=2", "d/ e=2");
}

#[test]
fn of_two_times_the_later_counts() {
    let mut room = Room::default();
    let at = |room: &mut Room, seconds| {
        let tree = room.make("a=1");
        let mut cursor = Cursor::new(&room.0, &tree).unwrap();
        let mut entry = cursor.next_entry().unwrap().unwrap();
        entry.mtime = Some(Time::from_seconds(seconds));
        let edits = vec![Edit { path: path("a"), entry: Some(entry) }];
        edit(&mut room.0, Some(&tree), edits).unwrap().id
    };
    let (base, early, late) = (at(&mut room, 1), at(&mut room, 2), at(&mut room, 3));
    for (ours, theirs) in [(early, late), (late, early)] {
        let merged = room.merge_ids(Some(base), ours, theirs, &Options::default());
        assert_eq!((merged.tree, merged.is_clean()), (late, true));
    }
}

#[test]
fn ten_edits_among_a_hundred_thousand_files_read_few_objects() {
    let mut room = Room::default();
    let names: Vec<String> = (0..100_000).map(|n| format!("{:03}/{n:06}", n % 100)).collect();
    let words = |text: &str| names.iter().map(|name| format!("{name}={text}")).collect::<Vec<_>>();
    let all = words("1");
    let base = room.make(&all.join(" "));
    let changed = |room: &mut Room, first: usize, text: &str| {
        let mut edits: BTreeMap<RepoPath, Edit> = BTreeMap::new();
        for name in names.iter().skip(first).step_by(20_011) {
            let content = room.write(text.as_bytes()).unwrap();
            let what = What::File { size: text.len() as u64, content };
            let path = path(name);
            let name = path.name().to_vec();
            let entry = Entry { name, mode: 0o644, mtime: None, attributes: None, what };
            edits.insert(path.clone(), Edit { path, entry: Some(entry) });
        }
        edit(&mut room.0, Some(&base), edits.into_values().collect()).unwrap().id
    };
    let (ours, theirs) = (changed(&mut room, 5, "ours"), changed(&mut room, 50, "theirs"));
    room.0.reads.set(0);
    let merged = room.merge_ids(Some(base), ours, theirs, &Options::default());
    assert!(merged.is_clean());
    // Each side: two levels of the root and two of a directory for each edit, in two trees; and
    // once more for writing.
    assert!(room.0.reads.get() <= 150, "{}", room.0.reads.get());
    let both = changed(&mut room, 5, "ours");
    assert_ne!(merged.tree, both);
}

#[test]
fn attributes_are_merged_field_by_field() {
    let mut room = Room::default();
    let with = |room: &mut Room, names: &[(&str, &str)]| {
        let extended = names.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
        let attributes = Attributes { extended: Some(extended.collect()), ..Default::default() };
        let id = room.put(Kind::Attributes, attributes.to_bytes()).unwrap();
        let tree = room.make("a=1");
        let mut entry = Cursor::new(&room.0, &tree).unwrap().next_entry().unwrap().unwrap();
        entry.attributes = Some(id);
        edit(&mut room.0, None, vec![Edit { path: path("a"), entry: Some(entry) }]).unwrap().id
    };
    let base = with(&mut room, &[("x", "1"), ("y", "1")]);
    let ours = with(&mut room, &[("x", "2"), ("y", "1")]);
    let theirs = with(&mut room, &[("x", "1"), ("z", "3")]);
    let expected = with(&mut room, &[("x", "2"), ("z", "3")]);
    let merged = room.merge_ids(Some(base), ours, theirs, &Options::default());
    assert_eq!((merged.tree, merged.is_clean()), (expected, true));
    let other = with(&mut room, &[("x", "9"), ("y", "1")]);
    let merged = room.merge_ids(Some(base), ours, other, &Options::default());
    assert_eq!(conflicts(&merged), "a: attributes");
}

#[test]
fn content_that_is_not_here_is_named_and_nothing_else_is_answered() {
    let mut room = Room::default();
    let (base, ours) = (room.make("a=1;2;3; b=1"), room.make("a=0;2;3; b=1"));
    let theirs = room.make("a=1;2;4; b=2");
    let missing = room.write(b"0\n2\n3\n").unwrap();
    let bytes = room.0.objects.remove(&missing).unwrap();
    let options = Options::default();
    let request = Request { base: Some(base), ours, theirs, options: &options, driver: &NoDriver };
    let need = Need { path: path("a"), content: missing, size: 6 };
    assert_eq!(trees(&mut room, &request).unwrap(), Answer::Needs(vec![need]));
    // What only one side changed needs no content.
    let alone = room.make("a=1;2;3; b=3");
    let request =
        Request { base: Some(base), ours, theirs: alone, options: &options, driver: &NoDriver };
    assert!(matches!(trees(&mut room, &request).unwrap(), Answer::Merged(_)));
    // A conflict can be recorded without it.
    let keep = Options { unsettled: Unsettled::Keep, ..Options::default() };
    let kept = room.merge_ids(Some(base), ours, theirs, &keep);
    assert_eq!(conflicts(&kept), "a: content");
    room.0.objects.insert(missing, bytes);
    assert_eq!(room.list(&kept.tree), "a?=0;2;3;|1;2;4;!1;2;3; b=2");
}

/// A text of more than 16 KiB, and another that has so many percent of its lines.
fn half_alike(seed: u64, percent: u64) -> [String; 2] {
    let line = |of: u64, at: u64| {
        let text = crate::hash::hash(format!("{seed} {of} {at}").as_bytes()).to_string();
        format!("{}\n", &text[..20])
    };
    let was = (0..1_000).map(|at| line(0, at)).collect();
    let is = (0..1_000).map(|at| line(u64::from(at * 37 % 100 >= percent), at)).collect();
    [was, is]
}

impl Room {
    fn files(&mut self, files: &[(&str, &str)]) -> Id {
        let mut edits = Vec::new();
        for (at, text) in files {
            let content = self.write(text.as_bytes()).unwrap();
            let what = What::File { size: text.len() as u64, content };
            let name = path(at).name().to_vec();
            let entry = Entry { name, mode: 0o644, mtime: None, attributes: None, what };
            edits.push(Edit { path: path(at), entry: Some(entry) });
        }
        edits.sort_by(|a, b| a.path.cmp(&b.path));
        edit(&mut self.0, None, edits).unwrap().id
    }

    /// Merges without the bytes of some texts.
    fn answer(&mut self, trees: [Id; 3], without: &[&str], unsettled: Unsettled) -> Answer {
        let ids = without.iter().map(|text| crate::hash::hash(text.as_bytes()));
        let gone: Vec<_> =
            ids.map(|id| (id, self.0.objects.remove(&id).expect("a text that is here"))).collect();
        let options = Options { unsettled, ..Options::default() };
        let [base, ours, theirs] = trees;
        let request =
            Request { base: Some(base), ours, theirs, options: &options, driver: &NoDriver };
        let answer = super::trees(self, &request).unwrap();
        self.0.objects.extend(gone);
        answer
    }
}

fn needed(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Merged(merged) => panic!("{merged:?}"),
        Answer::Needs(needs) => needs.iter().map(|need| need.path.to_string()).collect(),
    }
}

fn done(answer: Answer) -> Merged {
    match answer {
        Answer::Merged(merged) => merged,
        Answer::Needs(needs) => panic!("{needs:?}"),
    }
}

#[test]
fn where_a_sketch_cannot_decide_a_rename_lines_do() {
    let mut in_doubt = 0;
    for (seed, percent) in (1..9).flat_map(|seed| [(seed, 47), (seed, 53)]) {
        let [was, is] = half_alike(seed, percent);
        let changed = format!("first\n{was}");
        let mut room = Room::default();
        let trees =
            [room.files(&[("a", &was)]), room.files(&[("b", &is)]), room.files(&[("a", &changed)])];
        let neither = room.answer(trees, &[&was, &is], Unsettled::Mark);
        // Some sketches say so much more or less that they are believed: then it is no rename, or
        // one whose texts are to be merged.
        if matches!(neither, Answer::Merged(_)) || needed(&neither) == ["b", "b"] {
            continue;
        }
        in_doubt += 1;
        assert_eq!(needed(&neither), ["a", "b"]);
        assert_eq!(needed(&room.answer(trees, &[&is], Unsettled::Mark)), ["b"]);
        let merged = done(room.answer(trees, &[], Unsettled::Mark));
        let expected = if percent > 50 { "" } else { "a: modify/delete" };
        assert_eq!(conflicts(&merged), expected, "{seed}: {percent}");
    }
    assert!(in_doubt >= 12, "{in_doubt}");
}

#[test]
fn a_rename_on_which_nothing_depends_needs_no_content() {
    let [was, is] = half_alike(2, 53);
    let mut room = Room::default();
    let base = room.files(&[("d/a", &was), ("e", "1")]);
    let ours = room.files(&[("new/b", &is), ("e", "1")]);
    let alone = room.files(&[("d/a", &was), ("e", "2")]);
    for trees in [[base, ours, alone], [base, alone, ours]] {
        let merged = done(room.answer(trees, &[&was, &is], Unsettled::Mark));
        assert!(merged.is_clean());
        assert_eq!(merged.tree, room.files(&[("new/b", &is), ("e", "2")]));
    }
    // Where a directory went decides where a new file belongs.
    let new = room.files(&[("d/a", &was), ("d/f", "2"), ("e", "1")]);
    for unsettled in [Unsettled::Mark, Unsettled::Keep] {
        let answer = room.answer([base, ours, new], &[&is], unsettled);
        assert_eq!(needed(&answer), ["new/b"]);
        let merged = done(room.answer([base, ours, new], &[], unsettled));
        assert_eq!(merged.tree, room.files(&[("new/b", &is), ("new/f", "2"), ("e", "1")]));
    }
}

#[test]
fn a_rename_in_doubt_is_kept_as_a_conflict_that_settles_later() {
    let keep = Unsettled::Keep;
    let [was, is] = half_alike(2, 53);
    let changed = format!("first\n{was}");
    let mut room = Room::default();
    let base = room.files(&[("a", &was)]);
    let (ours, theirs) = (room.files(&[("b", &is)]), room.files(&[("a", &changed)]));
    let merged = done(room.answer([base, ours, theirs], &[&is], keep));
    assert_eq!(conflicts(&merged), "a: modify/delete");
    let entry = find(&room, &merged.tree, b"a").unwrap().unwrap();
    assert!(matches!(entry.what, What::Conflict { .. }));
    // Gone on both sides, and maybe under two new names: there is nothing that would be kept.
    let [_, other] = half_alike(2, 51);
    let both = room.files(&[("c", &format!("{other}last\n"))]);
    assert_eq!(needed(&room.answer([base, ours, both], &[&was], keep)), ["a"]);
    // Gone for good on one side, it is the same whatever it is called on the other.
    let gone = room.files(&[("x", "1")]);
    let merged = done(room.answer([base, ours, gone], &[&was], keep));
    let with = done(room.answer([base, ours, gone], &[], keep));
    assert_eq!(merged.tree, with.tree);
}

#[test]
fn a_kept_conflict_names_no_side_and_its_resolution_settles_it() {
    let mut room = Room::default();
    let keep = Options { unsettled: Unsettled::Keep, ..Options::default() };
    let (base, ours, theirs) = (room.make("a=1;"), room.make("a=2;"), room.make("a=3;"));
    let kept = room.merge_ids(Some(base), ours, theirs, &keep);
    assert_eq!(room.list(&kept.tree), "a?=2;|3;!1;");
    let swapped = room.merge_ids(Some(base), theirs, ours, &keep);
    assert_eq!(kept.tree, swapped.tree);
    // With a resolution that was made of it, in whichever order.
    let resolved = room.make("a=4;");
    for (a, b) in [(kept.tree, resolved), (resolved, kept.tree)] {
        let merged = room.merge_ids(Some(kept.tree), a, b, &keep);
        assert_eq!((merged.tree, merged.is_clean()), (resolved, true));
    }
    // Somebody else merged the same two: equal terms cancel and one is left.
    let merged = room.merge_ids(Some(theirs), kept.tree, base, &keep);
    assert_eq!((merged.tree, merged.is_clean()), (ours, true));
    // A third version makes it a conflict of three.
    let third = room.make("a=5;");
    let more = room.merge_ids(Some(base), kept.tree, third, &keep);
    assert_eq!(room.list(&more.tree), "a?=2;|3;|5;!1;");
    assert_eq!(conflicts(&more), "a: kept");
}

/// A version of a file with this text.
fn term(room: &mut Room, text: &str) -> Term {
    let content = room.write(text.as_bytes()).unwrap();
    Term::File { mode: 0o644, size: text.len() as u64, content, attributes: None }
}

#[test]
fn a_recorded_conflict_is_shown_as_text_or_not_at_all() {
    let mut room = Room::default();
    let base = [term(&mut room, "1\n2\n3\n")];
    let mut adds = [term(&mut room, "1\nx\n3\n"), term(&mut room, "1\ny\n3\n")];
    adds.sort();
    let shown = |room: &mut Room| show(room, &path("a"), (&base, &adds), Style::Diff3).unwrap();
    let found = shown(&mut room).unwrap();
    assert!(found.is_marked && found.beside.is_empty());
    let What::File { size, content } = found.here.unwrap().what else { panic!() };
    let text = String::from_utf8(room.read(size, &content).unwrap().unwrap()).unwrap();
    assert!(text.starts_with("1\n<<<<<<< version 1\n"), "{text}");
    assert!(text.contains("\n||||||| base\n2\n=======\n"), "{text}");
    assert!(text.ends_with("\n>>>>>>> version 2\n3\n") && has_markers(text.as_bytes()), "{text}");
    let Term::File { content, .. } = &adds[1] else { panic!() };
    room.0.objects.remove(content).unwrap();
    assert_eq!(shown(&mut room), None);
}

#[test]
fn versions_that_no_text_shows_stand_one_beside_another() {
    let mut room = Room::default();
    let target = room.write(b"there").unwrap();
    let link = Term::Symlink { size: 5, target, attributes: None };
    let (one, two) = (term(&mut room, "1"), term(&mut room, "2"));
    let mut shown = |removes: &[Term], adds: &[Term]| {
        let mut adds = adds.to_vec();
        adds.sort();
        let shown = show(&mut room, &path("a"), (removes, &adds), Style::Merge).unwrap().unwrap();
        let beside: Vec<String> = shown.beside.into_iter().map(|(label, _)| label).collect();
        (shown.here.map(|here| here.what), beside.join(" "))
    };
    let gitlink = Term::Gitlink { commit: vec![1; 20] };
    let what = |term: &Term| versions(std::slice::from_ref(term)).next().map(|entry| entry.what);
    // A file steps aside for a link, as in a merge.
    assert_eq!(shown(&[], &[one.clone(), link.clone()]), (what(&link), "version-1".to_owned()));
    // Of more than two there is no text.
    let mut sorted = [one.clone(), two.clone(), Term::Absent];
    sorted.sort();
    let expected = (what(&sorted[1]), "version-2".to_owned());
    assert_eq!(shown(&[term(&mut Room::default(), "0"), Term::Absent], &sorted), expected);
    assert_eq!(shown(&[], &[one.clone(), Term::Absent]), (what(&one), String::new()));
    // What has no place in a working tree is in the entry alone.
    assert_eq!(shown(&[], &[gitlink.clone(), one.clone()]), (what(&one), String::new()));
    assert_eq!(shown(&[], &[gitlink.clone(), Term::Absent]), (None, String::new()));
}

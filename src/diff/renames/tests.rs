//! What renames, copies and directory renames are found, and at what cost.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::chunk::Sketcher;
use crate::codec;
use crate::diff;
use crate::hash::{self, Kind};
use crate::object::manifest::{self, SMALL};
use crate::object::testing::Memory;
use crate::object::tree::{Edit, edit};
use crate::object::{ChunkRef, Chunks, Entry, List, Manifest, Object, Sink};
use crate::path::{Pathspec, RepoPath};

/// Two trees that are being written.
#[derive(Default)]
struct World {
    memory: Memory,
    trees: [Vec<(String, Entry)>; 2],
}

/// Lines that tell two files apart by their seed.
fn text(seed: u64, lines: u64) -> String {
    (0..lines).map(|line| format!("line {line} of text {seed}: {}\n", seed * line % 97)).collect()
}

/// The same text with every n-th line changed.
fn edited(text: &str, every: usize) -> String {
    let line = |(at, line): (usize, &str)| match at % every {
        0 => format!("{line} EDITED\n"),
        _ => format!("{line}\n"),
    };
    text.lines().enumerate().map(line).collect()
}

impl World {
    fn content(&mut self, bytes: &[u8]) -> What {
        let size = bytes.len() as u64;
        if size == 0 {
            return What::File { size, content: Id::EMPTY };
        }
        if size <= SMALL {
            let content = self.memory.put(Kind::Chunk, bytes.to_vec()).unwrap();
            return What::File { size, content };
        }
        let mut sketcher = Sketcher::new();
        sketcher.update(bytes);
        let manifest = Manifest {
            size,
            content: hash::hash(bytes),
            chunker: 1,
            near: manifest::is_text(bytes) && size <= manifest::NEAR,
            sketch: *sketcher.finish().as_bytes(),
            chunks: Chunks::One,
        };
        let content = self.memory.put(Kind::Manifest, manifest.to_bytes()).unwrap();
        What::File { size, content }
    }

    fn put(&mut self, tree: usize, path: &str, bytes: &[u8]) -> &mut Self {
        let what = self.content(bytes);
        self.put_what(tree, path, what)
    }

    fn put_what(&mut self, tree: usize, path: &str, what: What) -> &mut Self {
        let mode = if matches!(what, What::File { .. }) { 0o644 } else { 0 };
        let name = RepoPath::new(path).unwrap().name().to_vec();
        let entry = Entry { name, mode, mtime: None, attributes: None, what };
        self.trees[tree].push((path.to_owned(), entry));
        self
    }

    fn before(&mut self, path: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.put(0, path, bytes.as_ref())
    }

    fn after(&mut self, path: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.put(1, path, bytes.as_ref())
    }

    fn link(&mut self, tree: usize, path: &str, target: &str) -> &mut Self {
        let target_id = self.memory.put(Kind::Chunk, target.into()).unwrap();
        self.put_what(tree, path, What::Symlink { size: target.len() as u64, target: target_id })
    }

    fn roots(&mut self) -> [Id; 2] {
        self.trees.clone().map(|mut entries| {
            entries.sort_by(|(a, _), (b, _)| crate::path::compare(a.as_bytes(), b.as_bytes()));
            let edits = entries.into_iter().map(|(path, entry)| Edit {
                path: RepoPath::new(path).unwrap(),
                entry: Some(entry),
            });
            edit(&mut self.memory, None, edits.collect()).unwrap().id
        })
    }

    fn changes(&mut self) -> Vec<Change> {
        let [old, new] = self.roots();
        let mut changes = Vec::new();
        diff::trees::<_, codec::Error>(
            &self.memory,
            Some(&old),
            Some(&new),
            &Pathspec::all(),
            &mut |change| {
                changes.push(change);
                Ok(())
            },
        )
        .unwrap();
        changes
    }

    fn found(&mut self, options: &RenameOptions) -> (Vec<Change>, Found) {
        let changes = self.changes();
        let found = find(&self.memory, &changes, options).unwrap();
        (changes, found)
    }

    /// What was found, as `R087 old new`.
    fn shown(&mut self, options: &RenameOptions) -> Vec<String> {
        let (changes, found) = self.found(options);
        let shown = found.pairs.iter().map(|pair| {
            let letter = if pair.is_copy { 'C' } else { 'R' };
            let (from, to) = (&changes[pair.from].path, &changes[pair.to].path);
            format!("{letter}{:03} {from} {to}", pair.score / 100)
        });
        shown.collect()
    }

    fn renames(&mut self) -> Vec<String> {
        self.shown(&RenameOptions::default())
    }

    fn directories(&mut self) -> Directories {
        let (changes, found) = self.found(&RenameOptions::default());
        let [_, new] = self.roots();
        directories(&self.memory, Some(&new), &changes, &found.pairs).unwrap()
    }
}

fn copies(copies: Copies) -> RenameOptions {
    RenameOptions { copies, ..RenameOptions::default() }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

#[test]
fn equal_contents_are_paired_by_name_first_and_then_in_order() {
    let mut world = World::default();
    world.before("a/one", "x").before("b/two", "x").before("c/three", "x");
    world.after("n/first", "x").after("n/three", "x").after("n/two", "x");
    assert_eq!(world.renames(), ["R100 a/one n/first", "R100 c/three n/three", "R100 b/two n/two"]);
}

#[test]
fn a_file_has_one_new_name_unless_copies_are_looked_for() {
    let mut world = World::default();
    world.before("a", "content").after("b", "content").after("c", "content").after("d", "content");
    assert_eq!(world.renames(), ["R100 a b"]);
    // The last one is the rename.
    assert_eq!(world.shown(&copies(Copies::FromChanged)), ["C100 a b", "C100 a c", "R100 a d"]);
}

#[test]
fn a_changed_file_can_be_copied_and_not_renamed() {
    let mut world = World::default();
    let was = text(1, 40);
    world
        .before("a", &was)
        .after("a", edited(&was, 2))
        .after("b", &was)
        .after("c", edited(&was, 8));
    assert!(world.renames().is_empty());
    let found = world.shown(&copies(Copies::FromChanged));
    assert_eq!(found[0], "C100 a b");
    assert!(found[1].starts_with("C0") && found[1].ends_with("a c"), "{found:?}");
}

#[test]
fn what_did_not_change_can_be_copied_if_it_is_named() {
    let mut world = World::default();
    world.before("kept", "same").after("kept", "same").after("copy", "same");
    let mut changes = world.changes();
    let kept = world.trees[0][0].1.clone();
    changes.push(Change { path: path("kept"), old: Some(kept.clone()), new: Some(kept) });
    let found = find(&world.memory, &changes, &copies(Copies::FromAll)).unwrap();
    assert_eq!(found.pairs, [Pair { from: 1, to: 0, score: EQUAL, is_copy: true }]);
}

#[test]
fn links_are_paired_with_equal_links_alone() {
    let mut world = World::default();
    world.link(0, "link", "content").link(1, "moved", "content");
    world.before("other", "content2").link(1, "other-link", "content2");
    assert_eq!(world.renames(), ["R100 link moved"]);
}

#[test]
fn empty_files_are_paired_or_left_as_asked() {
    let mut world = World::default();
    world.before("a", "").after("b", "");
    assert_eq!(world.renames(), ["R100 a b"]);
    let left = RenameOptions { empty: Empty::Left, ..RenameOptions::default() };
    assert!(world.shown(&left).is_empty());
}

#[test]
fn a_changed_type_is_no_rename() {
    let mut world = World::default();
    world.before("a", "content").link(1, "a", "content").after("b", "content");
    assert!(world.renames().is_empty());
    assert!(world.shown(&copies(Copies::FromChanged)).is_empty());
}

#[test]
fn small_files_are_as_similar_as_their_lines() {
    let mut world = World::default();
    world.before("a", "1\n2\n3\n4\n5\n6\n7\n8\n").after("b", "1\n2\n3\n4\n5\n6\n7\nX\n");
    assert_eq!(world.renames(), ["R087 a b"]);
    let strict = |threshold| RenameOptions { threshold, ..RenameOptions::default() };
    assert_eq!(world.shown(&strict(8_750)), ["R087 a b"]);
    assert!(world.shown(&strict(8_751)).is_empty());
    assert!(world.shown(&strict(EQUAL)).is_empty());
}

/// A text, and the same with about so many percent of its lines replaced by others as long.
fn replaced(seed: u64, percent: u64) -> (String, String) {
    let was = text(seed, 1_200);
    let line = |(at, line): (usize, &str)| {
        let other = hash::hash(format!("{seed} {at}").as_bytes());
        match other.head() % 100 < percent {
            true => format!("{}\n", &other.to_string()[..line.len()]),
            false => format!("{line}\n"),
        }
    };
    let is = was.lines().enumerate().map(line).collect();
    (was, is)
}

/// Different lines may fall together; how much more similar that makes such texts at most.
const CHANCE: u16 = 100;

/// How similar two texts of other lines throughout are, in hundredths of a percent.
fn figure(was: &str, is: &str) -> u16 {
    let same: usize =
        was.lines().zip(is.lines()).filter(|(a, b)| a == b).map(|(a, _)| a.len() + 1).sum();
    (same * 10_000 / was.len()) as u16
}

#[test]
fn where_a_sketch_cannot_decide_contents_that_are_here_do() {
    let closer = RenameOptions { look: Look::Closer, ..RenameOptions::default() };
    let (plain, mut mistaken) = (RenameOptions::default(), 0);
    for seed in 1..40 {
        let (was, is) = replaced(seed, 48 + seed % 5);
        let figure = figure(&was, &is);
        let mut world = World::default();
        world.before("a", &was).after("b", &is);
        let found = |world: &mut World, options| {
            let (_, found) = world.found(options);
            found.pairs.first().map(|pair| pair.score)
        };
        let recorded = found(&mut world, &plain);
        // None of it is here: the same is found.
        assert_eq!(found(&mut world, &closer), recorded);
        world.memory.put(Kind::Chunk, was.clone().into_bytes()).unwrap();
        assert_eq!(found(&mut world, &closer), recorded, "one alone says nothing");
        world.memory.put(Kind::Chunk, is.clone().into_bytes()).unwrap();
        let seen = found(&mut world, &closer);
        // Lines that fall together by chance make a difference at the very edge.
        assert!(seen.unwrap_or(figure).abs_diff(figure) <= CHANCE, "{seed}: {seen:?}, {figure}");
        if figure.abs_diff(5_000) > CHANCE {
            assert_eq!(seen.is_some(), figure >= 5_000, "{seed}: {figure}");
            mistaken += usize::from(recorded.is_some() != (figure >= 5_000));
        }
        // A merge's answer does not depend on what is here.
        assert_eq!(found(&mut world, &plain), recorded);
    }
    assert!(mistaken > 0);
}

#[test]
fn contents_in_many_chunks_are_looked_at_piece_by_piece() {
    let closer = RenameOptions { look: Look::Closer, ..RenameOptions::default() };
    let (was, is) = replaced(3, 44);
    let mut world = World::default();
    for (tree, path, text) in [(0, "a", &was), (1, "b", &is)] {
        let mut chunks = Vec::new();
        for piece in text.as_bytes().chunks(1_000) {
            let id = world.memory.put(Kind::Chunk, piece.to_vec()).unwrap();
            chunks.push(ChunkRef { id, length: piece.len() as u32 });
        }
        let count = chunks.len() as u64;
        let list = world.memory.put(Kind::List, List::Leaf(chunks).to_bytes()).unwrap();
        let mut sketcher = Sketcher::new();
        sketcher.update(text.as_bytes());
        let size = text.len() as u64;
        let manifest = Manifest {
            size,
            content: hash::hash(text.as_bytes()),
            chunker: 1,
            near: false,
            sketch: *sketcher.finish().as_bytes(),
            chunks: Chunks::Many { list, count },
        };
        let content = world.memory.put(Kind::Manifest, manifest.to_bytes()).unwrap();
        world.put_what(tree, path, What::File { size, content });
    }
    let (_, found) = world.found(&closer);
    let (score, figure) = (found.pairs[0].score, figure(&was, &is));
    assert!(score.abs_diff(figure) <= CHANCE, "{score}, {figure}");
}

#[test]
fn what_is_clear_or_too_long_is_not_looked_at() {
    let closer = RenameOptions { look: Look::Closer, ..RenameOptions::default() };
    let mut world = World::default();
    let long: String = (0..4).map(|part| text(part + 1, 12_000)).collect();
    assert!(long.len() > 1 << 20);
    let half = long.len() / 2;
    let other = format!("{}{}", &long[..half], long[half..].to_uppercase());
    for (a, b, was, is) in
        [("a", "b", text(7, 1_200), edited(&text(7, 1_200), 20)), ("c", "d", long, other)]
    {
        for content in [&was, &is] {
            world.memory.put(Kind::Chunk, content.clone().into_bytes()).unwrap();
        }
        world.before(a, was).after(b, is);
    }
    let changes = world.changes();
    let reads = |options: &RenameOptions| {
        let before = world.memory.reads.get();
        find(&world.memory, &changes, options).unwrap();
        world.memory.reads.get() - before
    };
    assert_eq!(reads(&closer), reads(&RenameOptions::default()));
}

/// Two texts that are about half alike, and the figure that counting them gives.
fn half_alike(seed: u64) -> (String, String, u16) {
    let (was, is) = replaced(seed, 48 + seed % 5);
    let figure = figure(&was, &is);
    (was, is, figure)
}

/// The content of a file, and its size.
fn content_of(entry: &Entry) -> (Id, u64) {
    match entry.what {
        What::File { size, content } => (content, size),
        _ => panic!("{entry:?}"),
    }
}

const DECIDE: RenameOptions = RenameOptions {
    threshold: 5_000,
    copies: Copies::None,
    empty: Empty::Left,
    look: Look::Decide,
};

#[test]
fn a_text_that_is_to_decide_decides_or_is_named() {
    let mut mistaken = 0;
    for seed in (1..40).filter(|&seed| half_alike(seed).2.abs_diff(5_000) > CHANCE) {
        let (was, is, figure) = half_alike(seed);
        let mut world = World::default();
        world.before("a", &was).after("b", &is);
        let any = RenameOptions { threshold: 1_000, ..RenameOptions::default() };
        if world.found(&any).1.pairs[0].score.abs_diff(5_000) > 1_200 {
            continue;
        }
        let (changes, found) = world.found(&DECIDE);
        let ids: Vec<Id> = world.trees.iter().map(|tree| content_of(&tree[0].1).0).collect();
        let mut both = ids.clone();
        both.sort();
        assert_eq!(found.needs, both);
        assert!(found.pairs.is_empty());
        assert_eq!(found.undecided, [changes.iter().position(|of| of.new.is_none()).unwrap()]);
        world.memory.put(Kind::Chunk, was.clone().into_bytes()).unwrap();
        assert_eq!(world.found(&DECIDE).1.needs, [ids[1]], "one alone says nothing");
        world.memory.put(Kind::Chunk, is.clone().into_bytes()).unwrap();
        let (_, found) = world.found(&DECIDE);
        assert!(found.needs.is_empty() && found.undecided.is_empty());
        assert_eq!(!found.pairs.is_empty(), figure >= 5_000, "{seed}: {figure}");
        mistaken += usize::from(world.renames().is_empty() == (figure >= 5_000));
    }
    assert!(mistaken > 0, "the sketches alone would have done");
}

#[test]
fn no_content_is_to_decide_on_what_does_not_matter_is_clear_or_is_no_text() {
    let (was, is, _) = half_alike(1);
    let mut world = World::default();
    world.before("a", &was).after("b", &is);
    let changes = world.changes();
    let found = find_of(&world.memory, &changes, &DECIDE, |_| Ok(false)).unwrap();
    assert_eq!(found, Found::default());
    // An equal one is known without being looked for.
    world.before("c", "1").after("d", "1");
    let changes = world.changes();
    let found = find_of(&world.memory, &changes, &DECIDE, |_| Ok(false)).unwrap();
    assert_eq!(found.pairs.len(), 1);
    let mut world = World::default();
    let binary = |text: &str| format!("\0{text}");
    world.before("a", binary(&was)).after("b", binary(&is));
    world.before("c", text(7, 1_200)).after("d", edited(&text(7, 1_200), 20));
    let (_, found) = world.found(&DECIDE);
    assert!(found.needs.is_empty());
    assert_eq!(found.pairs, world.found(&RenameOptions::default()).1.pairs);
}

#[test]
fn no_more_than_64_mib_are_to_decide_whatever_is_here() {
    let mut world = World::default();
    for seed in 1..=40 {
        let (was, is) = (text(seed, 37_000), text(seed + 1_000, 37_000));
        let half: String = was.lines().zip(is.lines()).enumerate().fold(
            String::new(),
            |mut half, (at, (was, is))| {
                half.push_str(if at % 2 == 0 { was } else { is });
                half.push('\n');
                half
            },
        );
        assert!(was.len() > 850_000 && was.len().max(half.len()) <= 1 << 20);
        world.before(&format!("a/{seed:02}"), was).after(&format!("b/x{seed:02}"), half);
    }
    let (changes, found) = world.found(&DECIDE);
    let sides = changes.iter().flat_map(|of| [&of.old, &of.new]).flatten().map(content_of);
    let bytes: u64 = sides.filter(|(id, _)| found.needs.contains(id)).map(|(_, size)| size).sum();
    assert!((62 << 20..=64 << 20).contains(&bytes), "{bytes}");
}

#[test]
fn what_might_be_paired_with_a_lacking_content_is_left() {
    let (was, is, _) = half_alike(1);
    let mut world = World::default();
    // One that is surely like the new file, and would be paired with it if nothing else were.
    world.before("a", &was).before("sure", edited(&is, 4)).after("b", &is);
    world.before("far", text(77, 1_200)).after("away", edited(&text(77, 1_200), 10));
    let (changes, found) = world.found(&DECIDE);
    let paths =
        |at: &[usize]| at.iter().map(|&at| changes[at].path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(&found.undecided), ["a", "sure"]);
    assert_eq!(found.pairs.len(), 1);
    assert_eq!(changes[found.pairs[0].to].path, path("away"));
}

#[test]
fn lines_in_another_order_are_similar_and_not_equal() {
    let mut world = World::default();
    world.before("a", "1\n2\n3\n").after("b", "3\n2\n1\n");
    assert_eq!(world.renames(), ["R099 a b"]);
}

#[test]
fn the_most_similar_are_paired_first() {
    let mut world = World::default();
    let was = text(1, 100);
    world.before("a1", &was).before("a2", edited(&was, 10));
    world.after("b1", edited(&edited(&was, 10), 50)).after("b2", edited(&was, 3));
    let found = world.renames();
    assert!(found[0].ends_with("a2 b1"), "{found:?}");
    assert!(found[1].ends_with("a1 b2"), "{found:?}");
}

#[test]
fn a_unique_name_counts_if_the_files_are_similar_enough() {
    let mut world = World::default();
    let was = text(1, 100);
    // The other file is more similar, but has another name.
    world
        .before("old/name", &was)
        .after("new/name", edited(&was, 10))
        .after("new/other", edited(&was, 50));
    let found = world.renames();
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("old/name new/name"), "{found:?}");
    // Below the mean of threshold and equality the name decides nothing.
    let mut world = World::default();
    world
        .before("old/name", &was)
        .after("new/name", edited(&was, 3))
        .after("new/other", edited(&was, 50));
    assert!(world.renames()[0].ends_with("old/name new/other"));
}

#[test]
fn large_files_are_recognised_without_their_content() {
    let mut world = World::default();
    let was = text(1, 2_000);
    world.before("a", &was).after("b", edited(&was, 5)).after("c", text(2, 2_000));
    let found = world.renames();
    assert_eq!(found.len(), 1);
    let score: u32 = found[0][1..4].parse().unwrap();
    assert!((65..=85).contains(&score) && found[0].ends_with("a b"), "{found:?}");
}

#[test]
fn a_small_file_that_grew_large_is_recognised() {
    let mut world = World::default();
    let was = text(3, 600);
    assert!((was.len() as u64) < SMALL && was.len() > 12_000, "{}", was.len());
    world.before("a", &was).after("b", format!("{was}{}", text(4, 300)));
    let found = world.renames();
    assert_eq!(found.len(), 1);
    let score: u32 = found[0][1..4].parse().unwrap();
    assert!((50..=75).contains(&score), "{found:?}");
}

#[test]
fn a_shared_chunk_makes_large_files_similar() {
    let mut world = World::default();
    let chunk =
        |name: &str, length| crate::object::ChunkRef { id: hash::hash(name.as_bytes()), length };
    let large = |world: &mut World, chunks: Vec<crate::object::ChunkRef>, seed: u8| {
        let size = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
        let mut sketch = [0; 64];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut sketch);
        let content = hash::hash(&[seed]);
        let chunks = Chunks::Few(chunks);
        let manifest = Manifest { size, content, chunker: 1, near: false, sketch, chunks };
        let content = world.memory.put(Kind::Manifest, manifest.to_bytes()).unwrap();
        What::File { size, content }
    };
    let a = large(&mut world, vec![chunk("shared", 700_000), chunk("a", 300_000)], 1);
    let b = large(&mut world, vec![chunk("b", 300_000), chunk("shared", 700_000)], 2);
    world.put_what(0, "a", a).put_what(1, "b", b);
    assert_eq!(world.renames(), ["R070 a b"]);
}

#[test]
fn small_contents_that_are_not_here_are_named_if_they_might_decide() {
    let mut world = World::default();
    let was = text(1, 20);
    world
        .before("a", &was)
        .before("tiny", "1")
        .after("b", edited(&was, 10))
        .before("same", "x")
        .after("moved", "x");
    let (changes, _) = world.found(&RenameOptions::default());
    let id = |at: &str| {
        let change = changes.iter().find(|change| change.path == path(at)).unwrap();
        match &change.old.as_ref().unwrap().what {
            What::File { content, .. } => *content,
            _ => unreachable!(),
        }
    };
    for gone in ["a", "tiny", "same"] {
        world.memory.objects.remove(&id(gone));
    }
    let found = find(&world.memory, &changes, &RenameOptions::default()).unwrap();
    // Equal contents are equal unseen, and nothing of the size of `tiny` came.
    assert_eq!(found.needs, [id("a")]);
    assert_eq!(found.pairs.len(), 1);
}

#[test]
fn each_content_is_read_once_however_many_there_are() {
    let mut world = World::default();
    for n in 0..1_000 {
        let was = text(n, 30);
        world
            .before(&format!("old/{n}"), &was)
            .after(&format!("new/{}", n * 7_919 % 1_000 + 5_000), edited(&was, 7));
    }
    let changes = world.changes();
    world.memory.reads.set(0);
    let found = find(&world.memory, &changes, &RenameOptions::default()).unwrap();
    assert_eq!(found.pairs.len(), 1_000);
    assert_eq!(world.memory.reads.get(), 2_000);
}

#[test]
fn exact_renames_read_nothing() {
    let mut world = World::default();
    for n in 0..2_000 {
        world
            .before(&format!("old/{n}"), format!("{}", n % 10))
            .after(&format!("new/{n}"), format!("{}", n % 10));
    }
    let changes = world.changes();
    world.memory.reads.set(0);
    let found = find(&world.memory, &changes, &RenameOptions::default()).unwrap();
    assert_eq!(found.pairs.len(), 2_000);
    assert!(
        found
            .pairs
            .iter()
            .all(|pair| changes[pair.from].path.name() == changes[pair.to].path.name())
    );
    assert_eq!(world.memory.reads.get(), 0);
}

#[test]
fn what_is_found_is_what_trying_all_against_all_finds() {
    let mut world = World::default();
    for n in 0..60u64 {
        let was = text(n / 4, 20 + n % 5);
        world.before(&format!("old/{n}"), edited(&was, 2 + n as usize % 4));
        world.after(&format!("new/x{n}"), edited(&was, 3 + n as usize % 7));
    }
    let changes = world.changes();
    let found = find(&world.memory, &changes, &RenameOptions::default()).unwrap();
    let mut work = Work::new(&changes, RenameOptions::default());
    exact::pair(&mut work);
    let lines = |what: &What| match what {
        What::File { size, content } => {
            let bytes = world.memory.bytes(Kind::Chunk, content).unwrap();
            (*size, lines::Lines::of(&bytes))
        }
        _ => unreachable!(),
    };
    let old: Vec<_> = work.old.iter().map(|old| lines(old.what)).collect();
    let new: Vec<_> = work.new.iter().map(|new| lines(new.what)).collect();
    let mut all = Vec::new();
    for (b, (size, mine)) in new.iter().enumerate().filter(|(b, _)| work.new[*b].found.is_none()) {
        let score = |(other, theirs): &(u64, lines::Lines)| {
            mine.shared(theirs) * u64::from(WHOLE) / (*size).max(*other)
        };
        let left = old.iter().enumerate().filter(|(a, _)| work.old[*a].uses == 0);
        let mut mine: Vec<_> = left.map(|(a, old)| (score(old), b, a)).collect();
        mine.sort_by_key(|&(score, ..)| std::cmp::Reverse(score));
        all.extend(mine.into_iter().take(4).filter(|&(score, ..)| score >= u64::from(WHOLE) / 2));
    }
    all.sort_by_key(|&(score, ..)| std::cmp::Reverse(score));
    for (score, b, a) in all {
        if work.old[a].uses == 0 && work.new[b].found.is_none() {
            work.pair(a, b, score as u32);
        }
    }
    assert!(found.pairs.len() > 30);
    assert_eq!(found.pairs, work.pairs());
}

#[test]
fn a_directory_went_where_most_of_its_files_went() {
    let mut world = World::default();
    for n in 0..5 {
        world.before(&format!("photos/2019/{n}"), text(n, 5));
        let place = if n < 3 { "archive/2019" } else { "other" };
        world.after(&format!("{place}/{n}"), text(n, 5));
    }
    let found = world.directories();
    assert_eq!(found.renamed[&path("photos/2019")], (path("archive/2019"), 3));
    assert_eq!(found.renamed[&path("photos")], (path("archive"), 3));
    assert_eq!(found.follow(&path("photos/2019/sub/new")), Some(path("archive/2019/sub/new")));
    assert_eq!(found.follow(&path("photos/x")), Some(path("archive/x")));
    assert_eq!(found.follow(&path("elsewhere/x")), None);
}

#[test]
fn a_directory_that_is_still_there_went_nowhere() {
    let mut world = World::default();
    world.before("a/one", text(1, 5)).before("a/two", text(2, 5));
    world.after("b/one", text(1, 5)).after("a/two", text(2, 5));
    assert_eq!(world.directories(), Directories::default());
}

#[test]
fn a_directory_that_went_to_two_places_alike_was_split() {
    let mut world = World::default();
    world.before("a/one", text(1, 5)).before("a/two", text(2, 5));
    world.after("b/one", text(1, 5)).after("c/two", text(2, 5));
    let found = world.directories();
    assert!(found.renamed.is_empty());
    assert_eq!(found.split_above(&path("a/x/y")), Some(path("a")));
}

#[test]
fn a_directory_can_go_to_the_root_and_only_as_far_as_names_agree() {
    let mut world = World::default();
    world.before("a/b/sub/one", text(1, 5)).after("sub/one", text(1, 5));
    let found = world.directories();
    assert_eq!(found.renamed[&path("a/b/sub")].0, path("sub"));
    assert_eq!(found.renamed[&path("a/b")].0, RepoPath::root());
    assert!(!found.renamed.contains_key(&path("a")));
    assert_eq!(found.follow(&path("a/b/new")), Some(path("new")));
}

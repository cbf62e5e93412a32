//! The laws of merging, on made-up trees.
//!
//! What a merge must give follows from the trees here, so no git is needed. A failure names the
//! number it was made from.

use std::collections::BTreeSet;

use annals::hash::Id;
use annals::merge::{Merged, Options, Unsettled};

use crate::support::histories::{
    FILE, Random, Room, SYMLINK, Tree, change, edited, history, in_conflict, is_free, start,
};

/// How many are tried; `ANNALS_MERGES` says otherwise.
fn merges() -> u64 {
    std::env::var("ANNALS_MERGES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

fn random(seed: u64) -> Random {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491);
    random.below(2);
    random
}

fn changed(random: &mut Random, tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    for _ in 0..1 + random.below(6) {
        change(random, &mut tree);
    }
    tree
}

fn merged(room: &Room, trees: [Id; 3]) -> Merged {
    room.merge_trees(trees, Options::default())
}

#[track_caller]
fn assert_clean(merged: &Merged, expected: Id, seed: u64) {
    assert!(merged.is_clean(), "seed {seed}: {:?}", merged.conflicts);
    assert_eq!(merged.tree, expected, "seed {seed}");
}

#[test]
fn what_both_sides_did_is_done_once() {
    let room = Room::new();
    for seed in 0..merges() {
        let mut random = random(seed);
        let base = start(&mut random);
        let side = changed(&mut random, &base);
        let [base, side] = room.trees([&base, &side]);
        assert_clean(&merged(&room, [base, side, side]), side, seed);
    }
}

#[test]
fn merging_what_was_there_before_changes_nothing() {
    let room = Room::new();
    for seed in 0..merges() {
        let mut random = random(seed);
        let base = start(&mut random);
        let side = changed(&mut random, &base);
        let [base, side] = room.trees([&base, &side]);
        assert_clean(&merged(&room, [base, side, base]), side, seed);
        assert_clean(&merged(&room, [base, base, side]), side, seed);
    }
}

#[test]
fn a_commit_has_everything_its_ancestors_have() {
    let histories: Vec<_> = (0..merges()).map(history).collect();
    let room = Room::with(&histories);
    for (number, history) in histories.iter().enumerate() {
        let last = history.commits.len() - 1;
        for ancestor in 0..last {
            if ancestor > 0 && history.commits.len() == 3 {
                continue;
            }
            if last == 4 && ancestor == 3 {
                continue;
            }
            for sides in [[last, ancestor], [ancestor, last]] {
                let (came, _) = room.merge(number, sides);
                assert_eq!(came.tree, history.commits[last].tree, "seed {number}: {sides:?}");
                assert!(came.conflicts.is_empty(), "seed {number}: {sides:?}");
            }
        }
    }
}

#[test]
fn it_makes_no_difference_who_merges_whom() {
    let room = Room::new();
    let mut in_doubt = 0;
    for seed in 0..merges() {
        let mut random = random(seed);
        let base = start(&mut random);
        let (a, b) = (changed(&mut random, &base), changed(&mut random, &base));
        let [base, a, b] = room.trees([&base, &a, &b]);
        let (one, other) = (merged(&room, [base, a, b]), merged(&room, [base, b, a]));
        if one.is_clean() {
            assert_clean(&other, one.tree, seed);
            continue;
        }
        in_doubt += 1;
        // Names and markers say whose a version is; the rest must not.
        let plain = |merged: &Merged| -> BTreeSet<String> {
            let strip = |path: String| path.replace("~ours", "~side").replace("~theirs", "~side");
            in_conflict(merged).into_iter().map(strip).collect()
        };
        assert_eq!(plain(&one), plain(&other), "seed {seed}");
    }
    assert!(in_doubt > merges() / 10);
}

#[test]
fn conflicts_that_are_kept_are_the_same_for_everybody() {
    let room = Room::new();
    for seed in 0..merges() {
        let mut random = random(seed);
        let base = start(&mut random);
        let (a, b) = (changed(&mut random, &base), changed(&mut random, &base));
        let [base, a, b] = room.trees([&base, &a, &b]);
        let keep = || Options { unsettled: Unsettled::Keep, ..Options::default() };
        let one = room.merge_trees([base, a, b], keep());
        let other = room.merge_trees([base, b, a], keep());
        assert_eq!(one.tree, other.tree, "seed {seed}: {:?} {:?}", one.conflicts, other.conflicts);
    }
}

/// Three directories that have nothing to do with each other.
fn areas(random: &mut Random) -> [Tree; 3] {
    std::array::from_fn(|_| start(random))
}

fn together(areas: [&Tree; 3]) -> Tree {
    let mut tree = Tree::new();
    for (name, area) in ["one", "two", "three"].into_iter().zip(areas) {
        tree.extend(area.iter().map(|(path, file)| (format!("{name}/{path}"), file.clone())));
    }
    tree
}

#[test]
fn changes_that_do_not_touch_are_all_there_in_whatever_order_they_are_merged() {
    let room = Room::new();
    for seed in 0..merges() {
        let mut random = random(seed);
        let [a, b, c] = areas(&mut random);
        let after = [&a, &b, &c].map(|area| changed(&mut random, area));
        let base = together([&a, &b, &c]);
        let (x, y) = (together([&after[0], &b, &c]), together([&a, &after[1], &c]));
        let z = together([&a, &b, &after[2]]);
        let all = together([&after[0], &after[1], &after[2]]);
        let [base, x, y, z, all] = room.trees([&base, &x, &y, &z, &all]);
        for [first, second, third] in [[x, y, z], [y, z, x], [z, x, y]] {
            let two = merged(&room, [base, first, second]);
            assert!(two.is_clean(), "seed {seed}: {:?}", two.conflicts);
            assert_clean(&merged(&room, [base, two.tree, third]), all, seed);
            assert_clean(&merged(&room, [base, third, two.tree]), all, seed);
        }
    }
}

#[test]
fn a_renamed_file_that_the_other_side_edits_is_both() {
    let room = Room::new();
    let mut tried = 0;
    for seed in 0..merges() {
        let mut random = random(seed);
        let base = start(&mut random);
        let all: Vec<_> = base.iter().filter(|(_, (mode, _))| *mode != SYMLINK).collect();
        if all.is_empty() {
            continue;
        }
        let (path, (mode, bytes)) = *random.pick(&all);
        let to = format!("elsewhere/{}", random.below(9));
        let (mut renamed, mut edits, mut both) = (base.clone(), base.clone(), base.clone());
        let new = edited(&mut random, bytes);
        renamed.remove(path);
        both.remove(path);
        renamed.insert(to.clone(), (*mode, bytes.clone()));
        edits.insert(path.clone(), (*mode, new.clone()));
        both.insert(to, (*mode, new));
        let ids = room.trees([&base, &renamed, &edits, &both]);
        let [base, renamed, edits, both] = ids;
        assert_clean(&merged(&room, [base, renamed, edits]), both, seed);
        assert_clean(&merged(&room, [base, edits, renamed]), both, seed);
        tried += 1;
    }
    assert!(tried > merges() / 2);
}

#[test]
fn a_renamed_directory_has_what_the_other_side_did_in_it() {
    let room = Room::new();
    let mut tried = 0;
    for seed in 0..merges() {
        let mut random = random(seed);
        let mut base = Tree::new();
        for (path, file) in start(&mut random) {
            base.insert(format!("old/{path}"), file);
        }
        let texts: Vec<String> =
            base.iter().filter(|(_, file)| file.0 == FILE).map(|(path, _)| path.clone()).collect();
        if texts.is_empty() || base.keys().all(|path| path.matches('/').count() > 1) {
            continue;
        }
        let moved = |tree: &Tree| -> Tree {
            let new = |path: &String| format!("new{}", path.trim_start_matches("old"));
            tree.iter().map(|(path, file)| (new(path), file.clone())).collect()
        };
        let mut side = base.clone();
        let path = random.pick(&texts).clone();
        let bytes = edited(&mut random, &base[&path].1);
        side.insert(path, (FILE, bytes));
        let added = format!("old/added{}", random.below(9));
        if is_free(&side, &added) {
            side.insert(added, (FILE, b"what was not there before\n".to_vec()));
        }
        let ids = room.trees([&base, &moved(&base), &side, &moved(&side)]);
        let [base, renamed, side, both] = ids;
        assert_clean(&merged(&room, [base, renamed, side]), both, seed);
        assert_clean(&merged(&room, [base, side, renamed]), both, seed);
        tried += 1;
    }
    assert!(tried > merges() / 3);
}

#[test]
fn no_line_is_gone_that_nobody_deleted() {
    let histories: Vec<_> = (20_000..20_000 + 2 * merges()).map(history).collect();
    let room = Room::with(&histories);
    let mut clean = 0;
    for (number, history) in histories.iter().enumerate() {
        let (came, merged) = room.merge(number, history.sides);
        if merged.is_clean() {
            let lost = room.lost_lines(number, history, &came.tree);
            assert!(lost.is_empty(), "seed {}: {lost:?}", 20_000 + number);
            clean += 1;
        }
    }
    assert!(clean > merges() / 2);
}

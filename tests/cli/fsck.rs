//! `annals fsck`.

use std::collections::HashSet;

use crate::support::World;

#[test]
fn packs_without_a_journal_are_not_sound() {
    let world = World::with(&["one: a=1"]);
    for gone in ["journal", "lookup", "index"] {
        std::fs::remove_dir_all(world.path(".annals").join(gone)).unwrap();
    }
    let (said, _) = world.run("fsck").ends(8);
    assert!(said.contains("the journal is gone"), "{said}");
    assert!(!said.contains(": everything is sound"), "{said}");
    // Nobody who works on takes it for a new repository, either.
    let (_, told) = world.run("status").ends(0);
    assert!(told.contains("the journal is gone"), "{told}");
    // One that has no packs yet is as new as it looks.
    let (said, _) = World::new().run("fsck").ends(0);
    assert!(said.contains("everything is sound"), "{said}");
}

#[test]
fn the_next_write_makes_a_lost_or_damaged_format_or_worktree_anew() {
    for file in ["format", "worktree"] {
        for damage in [None, Some(""), Some("nonsense\n")] {
            let world = World::with(&["one: a=1"]);
            let path = world.path(".annals").join(file);
            match damage {
                None => std::fs::remove_file(&path).unwrap(),
                Some(text) => std::fs::write(&path, text).unwrap(),
            }
            let (said, _) = world.run("fsck").ends(8);
            assert!(said.contains(file), "{damage:?}: {said}");
            world.write("b", "2\n");
            world.commit("two");
            let (said, _) = world.run("fsck").ends(0);
            assert!(said.contains("everything is sound"), "{file} {damage:?}: {said}");
            assert_eq!(world.says("log --format=%s"), "two\none", "{file} {damage:?}");
        }
    }
}

#[test]
fn a_loss_is_named_of_the_newest_commit_that_has_it_even_within_one_second() {
    let world = World::with(&["zero: a=1"]);
    for number in 1..8 {
        world.run_args(&["commit", "-q", "--allow-empty", "-m", &number.to_string()]).ok();
    }
    assert_eq!(world.says("log --format=%ct").lines().collect::<HashSet<_>>().len(), 1);
    std::fs::remove_dir_all(world.path(".annals/packs/near")).unwrap();
    let (said, _) = world.run("fsck").ends(6);
    let head = &world.says("rev-parse HEAD")[..8];
    assert!(said.contains(&format!("lost: 'a' of {head}")), "{said}");
}

#[test]
fn pack_files_that_no_record_lists_are_told_of_and_are_no_damage() {
    let world = World::with(&["one: a=1"]);
    let (said, _) = world.run("fsck").ends(0);
    assert!(!said.contains("listed by no record"), "{said}");
    let folder = world.path(".annals/packs/near/ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{}-01234567", "ab".repeat(16))), "left").unwrap();
    let (said, _) = world.run("fsck").ends(0);
    assert!(said.contains("note: 1 pack file is listed by no record (4 B)"), "{said}");
    assert!(world.says("--json fsck").contains("\"unlisted_packs\":1"));
}

//! Records that are gone: what every command says, and what the next one that records does.

use std::path::Path;
use std::process::Command;

use crate::support::World;

/// The numbers of the records that are there.
fn records(world: &World) -> Vec<u64> {
    let listed = std::fs::read_dir(world.path(".annals/journal/0")).unwrap();
    let names = listed.map(|found| found.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<u64> = names.map(|name| name.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn record(world: &World, number: u64) -> std::path::PathBuf {
    world.path(&format!(".annals/journal/0/{number}"))
}

#[test]
fn that_the_newest_records_are_gone_every_command_says_until_one_records() {
    let world = World::with(&["one: a=1", "two: a=2", "three: a=3"]);
    let newest = *records(&world).last().unwrap();
    for number in [newest - 1, newest] {
        std::fs::remove_file(record(&world, number)).unwrap();
    }
    let told = format!("the journal has been at {newest} and is at {}", newest - 2);
    for command in ["log --format=%s", "status", "branch", "cat HEAD:a", "diff", "log"] {
        let (_, said) = world.run(command).ends(0);
        assert!(said.starts_with("warning: the newest records are gone"), "{command}: {said}");
        assert!(said.contains(&told) && said.contains("\nhint: "), "{command}: {said}");
    }
    let (quiet, said) = world.run("-q log --format=%s").ends(0);
    assert_eq!((&quiet[..], &said[..]), ("one\n", ""));
    let (found, _) = world.run("fsck").ends(8);
    assert!(found.contains("damaged: ") && found.contains(&told), "{found}");
    let (found, _) = world.run("--json fsck").ends(8);
    assert!(found.contains("E_RECORDS_GONE"), "{found}");
    // What is in the working tree is still there, and is recorded.
    let said = world.run("commit -a -m after").ends(0).1;
    let gave_up = format!("records {} to {newest} are given up: record {}", newest - 1, newest + 1);
    assert!(said.contains(&gave_up), "{said}");
    assert_eq!(*records(&world).last().unwrap(), newest + 1);
    let (found, said) = world.run("fsck").ends(0);
    assert!(found.contains("everything is sound") && said.is_empty(), "{found}{said}");
    let (log, said) = world.run("log --format=%s").ends(0);
    assert_eq!((&log[..], &said[..]), ("after\none\n", ""));
    assert_eq!(world.says("cat HEAD:a"), "3");
}

#[test]
fn what_comes_back_after_it_was_given_up_is_named_by_fsck_and_changes_nothing() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let newest = *records(&world).last().unwrap();
    let (path, aside) = (record(&world, newest), world.path("aside"));
    std::fs::rename(&path, &aside).unwrap();
    world.write("b", "b\n");
    world.run_args(&["commit", "-m", "after", "b"]).ok();
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    for derived in ["lookup", "index"] {
        std::fs::remove_dir_all(world.path(".annals").join(derived)).unwrap();
    }
    let (log, said) = world.run("log --format=%s").ends(0);
    assert_eq!((&log[..], &said[..]), ("after\none\n", ""));
    let (found, _) = world.run("fsck").ends(0);
    assert!(found.contains(&format!("note: 'journal/0/{newest}': a later record gave it up")));
}

#[test]
fn where_the_journal_is_gone_nothing_is_recorded_and_init_makes_no_other() {
    let world = World::with(&["one: a=1"]);
    let (journal, aside) = (world.path(".annals/journal"), world.path("../journal"));
    std::fs::rename(&journal, &aside).unwrap();
    world.write("b", "b\n");
    let (_, said) = world.run("status").ends(0);
    assert!(said.contains("the journal is gone") && said.contains("\nhint: "), "{said}");
    world.run("fsck").ends(8);
    for command in ["commit -m two", "add b", "init", "branch other"] {
        let (_, said) = world.run(command).ends(128);
        assert!(said.contains("journal is gone"), "{command}: {said}");
    }
    std::fs::remove_file(world.path(".annals/format")).unwrap();
    let said = world.run("init").fails(128);
    assert!(said.contains("journal is gone") && said.contains("put the folder"), "{said}");
    assert!(!world.path(".annals/format").exists());
    let _ = std::fs::remove_dir_all(&journal);
    std::fs::rename(&aside, &journal).unwrap();
    world.run("commit -m two").ok();
    assert_eq!(world.says("log --format=%s"), "two\none");
    world.run("fsck").ends(0);
}

#[test]
fn copies_and_what_was_put_back_from_one_are_quiet() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    let (state, old) = (world.path(".annals"), world.path("../old"));
    copy(&state, &old);
    world.write("a", "3\n");
    world.commit("three");
    let is_quiet = |expected: &str| {
        let (log, said) = world.run("log --format=%s").ends(0);
        assert_eq!((&log[..], &said[..]), (expected, ""));
        let (found, said) = world.run("fsck").ends(0);
        assert!(found.contains("everything is sound") && said.is_empty(), "{found}{said}");
    };
    is_quiet("three\ntwo\none\n");
    // The whole of it is put back as it was before; the number goes on in another incarnation.
    std::fs::remove_dir_all(&state).unwrap();
    copy(&old, &state);
    is_quiet("two\none\n");
    world.commit("another three");
    is_quiet("another three\ntwo\none\n");
    let bare = World::empty();
    bare.run("init --bare").ok();
    let (found, said) = bare.run("fsck").ends(0);
    assert!(found.contains("everything is sound") && said.is_empty(), "{found}{said}");
    assert!(bare.path("newest").exists());
}

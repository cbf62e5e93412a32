//! `annals switch` and `annals restore`.

use crate::support::World;

fn read(world: &World, path: &str) -> String {
    std::fs::read_to_string(world.path(path)).unwrap()
}

#[test]
fn switching_brings_the_working_tree_along() {
    let world = World::with(&["one: a=1", "two: a=2 b=2"]);
    assert!(world.says("switch -c side HEAD~1").starts_with("Switched to a new branch 'side'"));
    assert_eq!(read(&world, "a"), "1\n");
    assert!(!world.path("b").exists());
    world.run("switch -q -").ok();
    assert_eq!(world.says("branch --show-current"), "main");
    assert_eq!(read(&world, "b"), "2\n");
    world.run("switch -q --detach HEAD~1").ok();
    assert!(world.says("status").starts_with("HEAD detached at "));
    assert_eq!(world.says("status --porcelain"), "");
}

#[test]
fn unsaved_work_is_not_overwritten() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    world.run("branch old HEAD~1").ok();
    world.write("a", "mine\n");
    let said = world.run("switch old").fails(128);
    assert!(said.starts_with("error: 'a' would be overwritten"), "{said}");
    assert_eq!(read(&world, "a"), "mine\n");
    world.run("switch -q --discard old").ok();
    assert_eq!(read(&world, "a"), "1\n");
}

/// However deep it stands below a directory that becomes a file.
#[test]
fn what_nobody_recorded_keeps_a_directory_from_becoming_a_file() {
    let world = World::with(&["one: deep/n/f=1"]);
    world.run("switch -q -c side").ok();
    world.run("rm -r -q deep").ok();
    world.write("deep", "a file\n");
    world.run("add deep").ok();
    world.run("commit -q -m two").ok();
    world.run("switch -q main").ok();
    world.write("deep/n/mine", "mine\n");
    for verb in ["switch side", "merge side", "reset --keep side"] {
        let said = world.run(verb).fails(128);
        assert!(said.contains("'deep'"), "{verb}: {said}");
        assert_eq!(world.run("status --porcelain").ok(), "?? deep/n/mine\n", "{verb}");
    }
    std::fs::remove_file(world.path("deep/n/mine")).unwrap();
    world.run("switch -q side").ok();
    assert_eq!(read(&world, "deep"), "a file\n");
}

#[test]
fn a_file_is_brought_back_from_any_revision() {
    let world = World::with(&["one: a=1 b=1", "two: a=2 b=2"]);
    world.write("a", "mine\n");
    world.run("restore a").ok();
    assert_eq!(read(&world, "a"), "2\n");
    world.run("restore --source HEAD~1 a b").ok();
    assert_eq!(read(&world, "a") + &read(&world, "b"), "1\n1\n");
    world.run("add a").ok();
    world.run("restore --staged a").ok();
    assert_eq!(world.run("status --porcelain").ok(), " M a\n M b\n");
}

#[test]
fn a_branch_that_begins_anew_is_not_called_a_new_one() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    assert!(world.says("switch -C b HEAD~1").starts_with("Switched to a new branch 'b'"));
    world.run("switch -q main").ok();
    assert_eq!(world.says("switch -C b"), "Switched to and reset branch 'b'");
    assert_eq!(world.says("log -n 1 --format=%s b"), "two");
    assert!(world.says("switch -C b HEAD~1").starts_with("Reset branch 'b'\n"));
    let said = world.says("--json switch -C b main");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["created"], &said["replaced"]), (&false.into(), &true.into()));
}

//! `undo` and `redo`.

use crate::support::World;

fn read(world: &World, path: &str) -> Option<String> {
    std::fs::read_to_string(world.path(path)).ok()
}

#[test]
fn undo_goes_back_step_by_step_and_redo_forward_again() {
    let world = World::with(&["one: a=1", "two: a=2", "three: a=3"]);
    let said = world.says("undo");
    assert!(said.starts_with("Took back 'commit: three'"), "{said}");
    assert_eq!(world.says("log --format=%s"), "two\none");
    // What was recorded stays in the file.
    assert_eq!(read(&world, "a").unwrap(), "3\n");
    assert_eq!(world.run("status --porcelain").ok(), " M a\n");
    world.run("undo").ok();
    assert_eq!(world.says("log --format=%s"), "one");
    world.run("redo").ok();
    world.run("redo").ok();
    assert_eq!(world.says("log --format=%s"), "three\ntwo\none");
    assert_eq!(world.run("status --porcelain").ok(), "");
    assert!(world.run("redo").fails(1).starts_with("error: there is nothing to redo"));
}

#[test]
fn a_new_command_ends_what_could_be_done_again() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    world.run("undo").ok();
    world.run("tag here").ok();
    assert!(world.run("redo").fails(1).starts_with("error: there is nothing to redo"));
    world.run("undo").ok();
    assert_eq!(world.says("tag"), "");
    assert_eq!(world.says("log --format=%s"), "one");
}

#[test]
fn the_working_tree_follows_a_command_that_had_changed_it() {
    let world = World::with(&["one: a=1 b=1", "two: a=2 new=2"]);
    world.run("reset --hard HEAD~1").ok();
    assert_eq!(read(&world, "new"), None);
    world.run("undo").ok();
    assert_eq!(read(&world, "a").unwrap(), "2\n");
    assert_eq!(read(&world, "new").unwrap(), "2\n");
    world.write("a", "mine\n");
    let said = world.run("redo").fails(128);
    assert!(said.starts_with("error: 'a' would be overwritten"), "{said}");
    assert_eq!(read(&world, "a").unwrap(), "mine\n");
    world.run("restore a").ok();
    world.run("redo").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\n");
    world.run("rm b").ok();
    world.run("undo").ok();
    assert_eq!(read(&world, "b").unwrap(), "1\n");
    assert_eq!(world.run("status --porcelain").ok(), "");
}

#[test]
fn a_deleted_branch_a_switch_and_what_was_staged_come_back() {
    let world = World::with(&["one: a=1"]);
    world.run("branch other").ok();
    world.run("switch -q other").ok();
    world.run("branch -D main").ok();
    world.write("a", "2\n");
    world.run("add a").ok();
    assert_eq!(world.run("status --porcelain").ok(), "M  a\n");
    world.run("undo").ok();
    assert_eq!(world.run("status --porcelain").ok(), " M a\n");
    world.run("undo").ok();
    world.run("undo").ok();
    assert_eq!(world.says("rev-parse --abbrev-ref HEAD"), "main");
    let moves = world.says("undo -n");
    assert!(moves.starts_with("Would take back 'branch: created at "), "{moves}");
    assert!(moves.contains("\n  other: "), "{moves}");
    assert_eq!(world.says("branch --list other").trim(), "other");
}

/// What belongs to the working tree alone has no names that a person would know.
#[test]
fn what_was_taken_back_is_said_in_the_users_words() {
    let world = World::with(&["one: a=1"]);
    let id = world.says("rev-parse HEAD");
    world.run("tag v1").ok();
    assert!(world.says("undo").ends_with(&format!("\n  tag v1: {} to nothing", &id[..8])));
    world.write("a", "2\n");
    world.run("add a").ok();
    assert_eq!(world.says("undo -n"), "Would take back 'add'\n  what is staged: nothing");
    assert_eq!(world.says("undo"), "Took back 'add'\n  what is staged: nothing");
    assert_eq!(world.says("redo"), "Did again 'add'\n  what is staged: as it was after");
    world.run("restore --staged a").ok();
    assert!(world.says("undo").ends_with("\n  what is staged: as it was before"));
    world.run("switch -q -c side").ok();
    world.run("commit -q -m theirs").ok();
    world.run("switch -q main").ok();
    world.write("a", "3\n");
    world.commit("ours");
    world.run("merge -q side").fails(1);
    let said = world.says("undo");
    assert!(said.ends_with("\n  the merge: no longer under way"), "{said}");
    let said = world.says("redo");
    assert!(said.ends_with("\n  the merge: under way again"), "{said}");
    world.run("resolve -f a").ok();
    let said = world.says("undo");
    assert!(said.ends_with("\n  the merge: as it was before"), "{said}");
    assert!(!said.contains("staged-base"), "{said}");
}

#[test]
fn what_cannot_be_taken_back_says_so() {
    let world = World::new();
    let said = world.run("undo").fails(128);
    assert!(said.starts_with("error: cannot undo 'init': there was nothing before it"), "{said}");
}

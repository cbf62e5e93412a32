//! `annals init`, `annals commit`, `annals add`, `annals rm` and `annals mv`.

use crate::support::World;

#[test]
fn one_command_makes_a_repository_and_records_everything() {
    let world = World::empty();
    world.write("a", "1\n");
    world.write("d/b", "22\n");
    let said = world.run_args(&["init", "--commit", "first"]).ok();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("Made a repository: "), "{said}");
    assert!(lines[1].starts_with("Recorded 2 files, 5 B, as "), "{said}");
    assert_eq!(world.says("ls -r"), "a\nd/b");
    assert_eq!(world.says("status --porcelain"), "");
    assert!(world.says("init").starts_with("There was a repository already"));
}

#[test]
fn without_staging_everything_is_recorded_and_with_paths_only_those() {
    let world = World::with(&["one: a=1 b=1"]);
    for path in ["a", "b", "c"] {
        world.write(path, "2\n");
    }
    let said = world.run_args(&["commit", "-m", "two", "a"]).ok();
    assert!(said.contains("] two\n  0 added, 1 modified, 0 deleted"), "{said}");
    assert_eq!(world.says("show --name-status --format=%s"), "two\nM\ta");
    world.commit("three");
    assert_eq!(world.says("show --name-status --format=%s"), "three\nM\tb\nA\tc");
    let said = world.run("commit -m four").fails(1);
    assert!(said.starts_with("error: nothing to commit\n"), "{said}");
}

#[test]
fn what_was_staged_is_recorded_alone() {
    let world = World::with(&["one: a=1 b=1 c=1"]);
    world.write("a", "2\n");
    world.write("b", "2\n");
    world.run("add a").ok();
    world.run("rm -q c").ok();
    world.commit("two");
    assert_eq!(world.says("show --name-status --format=%s"), "two\nM\ta\nD\tc");
    assert_eq!(world.says("status --porcelain"), " M b");
    world.run("mv a d").ok();
    world.commit("three");
    assert_eq!(world.says("show --name-status --format=%s"), "three\nR100\ta\td");
}

#[test]
fn a_commit_is_replaced_and_says_who_and_when() {
    let world = World::with(&["one: a=1"]);
    world
        .run_args(&[
            "commit",
            "--amend",
            "-m",
            "uno",
            "--author",
            "Eve <eve@x>",
            "--date",
            "2020-02-02 02:02:02 +0100",
        ])
        .ok();
    let shown = world.says("log --format=%s|%an|%ae|%cn|%aI");
    assert_eq!(shown, "uno|Eve|eve@x|Carl|2020-02-02T02:02:02+01:00");
    assert!(world.run("commit").fails(128).contains("no commit message was given"));
    world.run_args(&["commit", "--allow-empty", "-m", "first", "-m", "second"]).ok();
    assert_eq!(world.says("log -1 --format=%B"), "first\n\nsecond");
}

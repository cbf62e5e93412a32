//! `reset`, judged by what git makes of the same.

use std::process::Command;

use crate::support::World;

fn read(world: &World, path: &str) -> Option<String> {
    std::fs::read_to_string(world.path(path)).ok()
}

/// Three commits, then work that is staged and work that is not.
fn world() -> World {
    let world = World::with(&["one: a=1 b=1 c=1", "two: a=2 new=2", "three: b=3 a"]);
    world.write("c", "staged\n");
    world.run("add c").ok();
    world.write("b", "mine\n");
    world
}

/// The same in a git repository below it.
fn git(world: &World, line: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(line.split(' '))
        .current_dir(world.path("../git"))
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn in_git(world: &World) {
    std::fs::create_dir(world.path("../git")).unwrap();
    let write = |path: &str, text: &str| {
        std::fs::write(world.path("../git").join(path), format!("{text}\n")).unwrap();
    };
    git(world, "init -q");
    for (message, files) in [
        ("one", &[("a", "1"), ("b", "1"), ("c", "1")][..]),
        ("two", &[("a", "2"), ("new", "2")]),
        ("three", &[("b", "3")]),
    ] {
        files.iter().for_each(|(path, text)| write(path, text));
        if message == "three" {
            std::fs::remove_file(world.path("../git/a")).unwrap();
        }
        git(world, "add -A");
        git(world, &format!("commit -q -m {message}"));
    }
    write("c", "staged");
    git(world, "add c");
    write("b", "mine");
}

#[test]
fn every_mode_leaves_what_git_leaves() {
    for line in [
        "reset",
        "reset HEAD~1",
        "reset --soft HEAD~2",
        "reset --mixed HEAD~2",
        "reset --hard HEAD~2",
        "reset --hard",
        "reset HEAD~1 -- a c",
        "reset -- c",
    ] {
        let world = world();
        in_git(&world);
        world.run(line).ok();
        git(&world, &line.replacen("reset", "reset -q", 1));
        assert_eq!(
            world.run("status --porcelain").ok(),
            git(&world, "status --porcelain"),
            "{line}"
        );
        assert_eq!(world.says("log --format=%s"), git(&world, "log --format=%s").trim(), "{line}");
        for path in ["a", "b", "c", "new"] {
            assert_eq!(
                read(&world, path),
                read(&world, &format!("../git/{path}")),
                "{line} {path}"
            );
        }
    }
}

#[test]
fn keeping_refuses_where_unsaved_work_is_in_the_way_and_carries_the_rest_along() {
    let world = World::with(&["one: a=1 b=1 c=1", "two: a=2"]);
    world.write("a", "mine\n");
    let said = world.run("reset --keep HEAD~1").fails(128);
    assert!(said.starts_with("error: 'a' would be overwritten"), "{said}");
    assert_eq!(world.says("log --format=%s -1"), "two");
    world.run("restore a").ok();
    world.write("b", "mine\n");
    world.write("c", "staged\n");
    world.run("add c").ok();
    world.run("reset --keep HEAD~1").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\n");
    assert_eq!(read(&world, "b").unwrap(), "mine\n");
    assert_eq!(world.run("status --porcelain").ok(), " M b\n M c\n");
}

#[test]
fn a_dry_run_names_the_files_that_would_be_lost_and_changes_nothing() {
    let world = world();
    let before = world.run("status --porcelain").ok();
    let said = world.run("reset --hard -n HEAD~2").ok();
    assert!(said.starts_with("a\nb\nc\nnew\nHEAD would be at "), "{said}");
    assert_eq!(world.run("status --porcelain").ok(), before);
    assert_eq!(world.says("log --format=%s -1"), "three");
}

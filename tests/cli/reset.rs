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

#[test]
fn what_is_in_a_directory_that_is_gone_comes_back_even_if_the_commit_changes_other_files_in_it() {
    for line in ["reset -q --hard other", "switch -q --discard other"] {
        let world = World::with(&["one: f/same=1 f/mod=1", "two: f/mod=2"]);
        world.run("branch other").ok();
        world.run("reset -q --hard HEAD~1").ok();
        std::fs::rename(world.path("f"), world.path("g")).unwrap();
        world.run(line).ok();
        assert_eq!(read(&world, "f/same").as_deref(), Some("1\n"), "{line}");
        assert_eq!(read(&world, "f/mod").as_deref(), Some("2\n"), "{line}");
        assert_eq!(world.run("status --porcelain").ok(), "?? g/\n", "{line}");
    }
}

#[test]
fn an_edit_is_thrown_away_where_the_commit_changes_the_mode_alone() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::with(&["one: a=1"]);
    std::fs::set_permissions(world.path("a"), PermissionsExt::from_mode(0o755)).unwrap();
    world.commit("two");
    world.write("a", "mine\n");
    world.run("reset -q --hard HEAD~1").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\n");
    assert_eq!(world.run("status --porcelain").ok(), "");
}

#[test]
fn a_directory_that_goes_with_the_commit_is_not_shown_as_deleted() {
    use std::os::unix::fs::symlink;

    let world = World::new();
    for directory in ["a", "c"] {
        std::fs::create_dir(world.path(directory)).unwrap();
        symlink("q", world.path(directory).join("in")).unwrap();
    }
    world.commit("one");
    std::fs::remove_dir_all(world.path("c")).unwrap();
    world.commit("two");
    let two = world.says("rev-parse HEAD");
    world.run("undo").ok();
    std::fs::remove_dir_all(world.path("a")).unwrap();
    world.run(&format!("reset -q --hard {two}")).ok();
    assert_eq!(world.run("status --porcelain").ok(), "");
    assert!(world.path("a/in").is_symlink());
}

#[test]
fn what_is_of_another_kind_now_becomes_what_was_recorded() {
    use std::os::unix::fs::symlink;

    for line in ["reset -q --hard", "switch -q --discard main", "restore ."] {
        let world = World::new();
        for path in ["d/in", "e/in", "f", "l"] {
            world.write(path, "1\n");
        }
        std::fs::remove_file(world.path("l")).unwrap();
        symlink("f", world.path("l")).unwrap();
        world.commit("one");
        for directory in ["d", "e"] {
            std::fs::remove_dir_all(world.path(directory)).unwrap();
        }
        for file in ["f", "l"] {
            std::fs::remove_file(world.path(file)).unwrap();
        }
        world.write("../outside/in", "outside\n");
        world.write("d", "a file\n");
        symlink("../outside", world.path("e")).unwrap();
        world.write("f/deep/mine", "mine\n");
        world.write("l/mine", "mine\n");
        world.run(line).ok();
        assert_eq!(world.run("status --porcelain").ok(), "", "{line}");
        for path in ["d/in", "e/in", "f", "l"] {
            assert_eq!(read(&world, path).as_deref(), Some("1\n"), "{line} {path}");
        }
        assert_eq!(read(&world, "../outside/in").unwrap(), "outside\n", "{line}");
    }
}

#[test]
fn a_repository_in_the_place_of_a_file_is_not_removed_and_nothing_is_left_beside_it() {
    for (line, place) in [("reset -q --hard", "f"), ("restore l", "l")] {
        let world = World::with(&["one: f=1"]);
        std::os::unix::fs::symlink("f", world.path("l")).unwrap();
        world.commit("two");
        std::fs::remove_file(world.path(place)).unwrap();
        world.write(&format!("{place}/mine"), "mine\n");
        world.run(&format!("init -q {place}")).ok();
        let said = world.run(line).fails(1);
        assert!(said.contains(&format!("'{place}' could not be changed")), "{said}");
        assert_eq!(read(&world, &format!("{place}/mine")).unwrap(), "mine\n");
        assert!(world.path(place).join(".annals").is_dir());
        let names = std::fs::read_dir(world.path("")).unwrap();
        let names: Vec<_> = names.map(|found| found.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
}

//! `annals status`.

use std::path::Path;

use crate::support::World;

#[test]
fn the_letters_are_those_of_git() {
    let world = World::with(&["one: a=1 b=1 c=1 d/e=1"]);
    assert_eq!(world.says("status --porcelain"), "");
    world.write("a", "2\n");
    world.run("add a").ok();
    world.write("a", "3\n");
    world.write("b", "2\n");
    std::fs::remove_file(world.path("c")).unwrap();
    world.write("new/x", "1");
    assert_eq!(world.run("status --porcelain").ok(), "MM a\n M b\n D c\n?? new/\n");
    assert_eq!(world.run("status --porcelain -uall").ok(), "MM a\n M b\n D c\n?? new/x\n");
    assert_eq!(world.run("status -z -uno").bytes(), b"MM a\0 M b\0 D c\0");
    assert_eq!(
        world.run_in(Path::new("d"), &["status", "-s", "-uno"]).ok(),
        "MM ../a\n M ../b\n D ../c\n"
    );
}

#[test]
fn names_that_could_be_taken_for_others_are_in_quotes_as_in_git() {
    let world = World::new();
    for name in ["a b", " lead", "x -> y", "plain"] {
        world.write(name, "1");
    }
    assert_eq!(world.run("status -s").ok(), "?? \" lead\"\n?? \"a b\"\n?? plain\n?? \"x -> y\"\n");
    assert_eq!(world.run("status -z").bytes(), b"??  lead\0?? a b\0?? plain\0?? x -> y\0");
}

#[test]
fn names_that_look_like_patterns_can_be_named() {
    let world = World::new();
    world.write("photos [2019]/a", "1\n");
    world.write("photos [2019]/b", "1\n");
    world.write("[x].txt", "1\n");
    world.run_args(&["add", "[x].txt", "photos [2019]/a"]).ok();
    assert_eq!(
        world.run("status -s").ok(),
        "A  [x].txt\nA  \"photos [2019]/a\"\n?? \"photos [2019]/b\"\n"
    );
    world.run("commit -q -m first").ok();
    world.write("photos [2019]/a", "2\n");
    let inside = Path::new("photos [2019]");
    assert_eq!(world.run_in(inside, &["status", "-s", "-uno", "."]).ok(), " M a\n");
    world.run_in(inside, &["restore", "a"]).ok();
    assert_eq!(std::fs::read_to_string(world.path("photos [2019]/a")).unwrap(), "1\n");
    assert_eq!(world.run_in(inside, &["log", "--format=%s", "--", "."]).ok(), "first\n");
    world.run_args(&["commit", "-q", "-m", "second", "photos [2019]"]).ok();
    assert_eq!(world.says("status -s"), "");
    let said = world.run_args(&["restore", "--staged", "nothing"]).fails(128);
    assert!(said.contains("did not match"), "{said}");
}

#[test]
fn the_long_form_says_what_to_do() {
    let world = World::with(&["one: a=1"]);
    assert_eq!(world.says("status"), "On branch main\nnothing to commit, working tree clean");
    world.write("a", "2\n");
    world.write("new", "1\n");
    let said = world.says("status");
    assert!(said.contains("\tmodified:   a\n"), "{said}");
    assert!(said.contains("Untracked files:\n"), "{said}");
}

#[test]
fn what_is_ignored_is_shown_only_if_asked() {
    let world = World::new();
    world.write(".annalsignore", "*.tmp\n");
    world.write("x.tmp", "1");
    world.commit("rules");
    assert_eq!(world.says("ls"), ".annalsignore");
    assert_eq!(world.says("status --porcelain"), "");
    assert_eq!(world.says("status --porcelain --ignored"), "!! x.tmp");
}

/// Makes the index anew, and damages its first page, which is looked at in the middle of the work.
fn damage_index(world: &World) {
    std::fs::remove_dir_all(world.path(".annals/index")).unwrap();
    // Any command would do, but this one looks at no file.
    world.run("rm nothing").fails(128);
    let mut damaged = 0;
    for found in std::fs::read_dir(world.path(".annals/index")).unwrap() {
        let path = found.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("run-") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[20] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
}

#[test]
fn an_index_found_to_be_damaged_on_the_way_is_made_anew() {
    // Each command, what the file 'a' is afterwards, and what is staged.
    for (command, a, staged) in [
        ("status --porcelain", "2\n", ""),
        ("diff", "2\n", ""),
        ("diff --stat", "2\n", ""),
        ("commit -m two", "2\n", ""),
        ("add a", "2\n", "M\ta"),
        ("restore a", "1\n", ""),
        ("switch --discard other", "3\n", ""),
        ("rm b", "2\n", "D\tb"),
        ("mv b d/b", "2\n", "R100\tb\td/b"),
        ("reset --hard", "1\n", ""),
        ("reset --hard other", "3\n", ""),
    ] {
        let world = World::with(&["one: a=1 b=1 d/c=1"]);
        world.run("switch -c other").ok();
        world.write("e", "1\n");
        world.write("a", "3\n");
        world.commit("three");
        world.run("switch main").ok();
        world.write("a", "2\n");
        damage_index(&world);
        let (out, said) = world.run(command).ends(0);
        let read = |path: &str| std::fs::read_to_string(world.path(path)).unwrap();
        assert!(said.contains("the index was damaged, and is made anew"), "{command}: {said}");
        if command.starts_with("status") {
            assert_eq!(out, " M a\n");
        }
        assert_eq!(read("a"), a, "{command}");
        assert_eq!(world.says("diff --cached --name-status"), staged, "{command}");
        let (_, said) = world.run("status").ends(0);
        assert!(!said.contains("damaged"), "{command}: {said}");
    }
}

#[test]
fn a_merge_with_a_damaged_index_ends_as_one_with_a_sound_one() {
    for (theirs, abort) in [("b=2", false), ("a=3", false), ("a=3", true)] {
        let world = World::with(&["one: a=1 b=1 d/c=1"]);
        world.run("switch -c other").ok();
        let (file, text) = theirs.split_once('=').unwrap();
        world.write(file, text);
        world.commit("theirs");
        world.run("switch main").ok();
        world.write("a", "2\n");
        world.commit("ours");
        if abort {
            world.run("merge other").ends(1);
        }
        damage_index(&world);
        let conflicts = i32::from(file == "a" && !abort);
        let (_, said) =
            world.run(if abort { "merge --abort" } else { "merge other" }).ends(conflicts);
        assert!(said.contains("the index was damaged, and is made anew"), "{theirs}: {said}");
        let read = |path: &str| std::fs::read_to_string(world.path(path)).unwrap();
        if file == "b" {
            assert_eq!((read("a").as_str(), read("b").as_str()), ("2\n", "2"));
        } else {
            assert_eq!(read("a").contains("<<<<<<<"), !abort);
        }
        let (_, said) = world.run("status").ends(0);
        assert!(!said.contains("damaged"), "{said}");
    }
}

#[test]
fn names_that_cannot_be_recorded_are_shown() {
    let world = World::with(&["one: s/a=1"]);
    world.write("s/.Annals", "mine\n");
    let said = world.says("status");
    assert!(said.contains("Names that cannot be recorded"), "{said}");
    assert!(said.contains("s/.Annals"), "{said}");
    assert!(!said.contains("clean"), "{said}");
    let (out, err) = world.run("status -s").ends(0);
    assert_eq!(out, "");
    assert!(err.contains("'s/.Annals' cannot be recorded"), "{err}");
}

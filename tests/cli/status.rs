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

#[test]
fn an_index_found_to_be_damaged_on_the_way_is_made_anew() {
    for command in
        ["status --porcelain", "commit -m two", "add a", "restore a", "switch --discard other"]
    {
        let world = World::with(&["one: a=1 b=1 d/c=1"]);
        world.run("branch other").ok();
        world.write("a", "2\n");
        let index = world.path(".annals/index");
        let mut damaged = 0;
        for found in std::fs::read_dir(index).unwrap() {
            let path = found.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("run-") {
                let mut bytes = std::fs::read(&path).unwrap();
                // In its first page, which is looked at in the middle of the work.
                bytes[20] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
        assert_eq!(damaged, 1);
        let (out, said) = world.run(command).ends(0);
        assert!(said.contains("the index was damaged, and is made anew"), "{command}: {said}");
        if command.starts_with("status") {
            assert_eq!(out, " M a\n");
        }
        let (_, said) = world.run("status").ends(0);
        assert!(!said.contains("damaged"), "{said}");
    }
}

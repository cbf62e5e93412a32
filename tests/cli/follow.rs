//! `annals log --follow`.

use crate::support::World;

fn text(of: &str) -> String {
    (0..20).map(|line| format!("line {line} of {of}\n")).collect()
}

fn renamed_twice() -> World {
    let world = World::new();
    world.write("d/one", text("it"));
    world.write("d/more", text("more"));
    world.write("other", "1\n");
    world.commit("first");
    world.later(1);
    world.run("mv d e").ok();
    world.commit("directory");
    world.later(1);
    world.write("other", "2\n");
    world.commit("elsewhere");
    world.later(1);
    std::fs::remove_file(world.path("e/one")).unwrap();
    world.write("e/two", text("it") + "an end\n");
    world.commit("file");
    world.later(1);
    world.write("e/two", text("it") + "another end\n");
    world.commit("last");
    world
}

#[test]
fn a_file_is_followed_under_all_its_names() {
    let world = renamed_twice();
    let log = |args: &str| world.says(&format!("log --format=%s {args}"));
    assert_eq!(log("--follow e/two"), "last\nfile\ndirectory\nfirst");
    assert_eq!(log("e/two"), "last\nfile");
    assert_eq!(log("--follow -n1 --skip=1 e/two"), "file");
    assert_eq!(log("--follow --reverse e/two"), "first\ndirectory\nfile\nlast");
    assert_eq!(log("--follow --grep=DIRECT e/two"), "directory");
    assert_eq!(log("--follow HEAD~2.. e/two"), "last\nfile");
    let names = log("--follow --name-status e/two");
    assert!(names.contains("R100\td/one\te/one"), "{names}");
    assert!(names.contains("\te/one\te/two"), "{names}");
    assert!(!names.contains("more"), "{names}");
}

#[test]
fn a_directory_is_followed_under_all_its_names() {
    let world = renamed_twice();
    assert_eq!(world.says("log --format=%s --follow e"), "last\nfile\ndirectory\nfirst");
    assert_eq!(world.says("log --format=%s e"), "last\nfile\ndirectory");
}

#[test]
fn one_path_is_followed_and_no_more() {
    let world = World::with(&["one: a=1 b=2"]);
    for paths in ["", " a b", " *.txt"] {
        let said = world.run(&format!("log --follow --{paths}")).fails(129);
        assert!(said.contains("--follow needs one file or directory"), "{said}");
    }
}

//! `annals restore`.

use crate::support::World;

#[test]
fn what_the_source_does_not_have_goes_edited_or_not() {
    let world = World::with(&["one: a=1", "two: d/kept=2 d/edited=2 b=2"]);
    world.write("d/edited", "mine\n");
    world.write("d/untracked", "mine\n");
    world.run("restore --source HEAD~1 d").ok();
    let left = std::fs::read_dir(world.path("d")).unwrap();
    let left: Vec<_> = left.map(|found| found.unwrap().file_name()).collect();
    assert_eq!(left, ["untracked"]);
    assert_eq!(world.run("status --porcelain").ok(), " D d/edited\n D d/kept\n?? d/untracked\n");
    world.run("restore .").ok();
    assert_eq!(std::fs::read(world.path("d/edited")).unwrap(), b"2\n");
}

#[test]
fn unstaging_the_only_file_of_a_directory_recorded_empty_keeps_the_directory() {
    for unstage in ["restore --staged e/d/q", "reset e/d/q", "rm -q --cached e/d/q", "reset ."] {
        let world = World::new();
        std::fs::create_dir_all(world.path("e/d")).unwrap();
        world.write("k", "k\n");
        world.commit("one");
        world.write("e/d/q", "q\n");
        world.run("add e/d/q").ok();
        world.run(unstage).ok();
        assert_eq!(world.says("status -s"), "?? e/d/q", "{unstage}");
        world.write("k", "more\n");
        world.run("commit -q -m two k").ok();
        assert_eq!(world.says("ls -r -t"), "e/\ne/d/\nk", "{unstage}");
    }
    // One that is named goes, and so does one that nobody had recorded.
    let world = World::with(&["one: k=1"]);
    std::fs::create_dir(world.path("d")).unwrap();
    world.commit("two");
    world.write("d/q", "q\n");
    world.write("new/q", "q\n");
    world.run("add d new").ok();
    world.run("rm -q -r --cached d").ok();
    world.run("restore --staged new/q").ok();
    assert_eq!(world.says("status -s"), "D  d\n?? d/q\n?? new/");
}

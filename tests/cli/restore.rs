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

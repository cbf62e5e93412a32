//! `annals merge-base`.

use crate::support::World;

/// `main` and `side` fork at `base`; `left` and `right` merge them both ways.
fn crossed() -> World {
    let world = World::forked();
    world.run("tag base side~1").ok();
    world.record_merge("left", &["main", "side"]);
    world.record_merge("right", &["side", "main"]);
    world
}

#[test]
fn lines_of_work_went_apart_at_their_best_common_ancestor() {
    let world = crossed();
    let id = |name: &str| world.says(&format!("rev-parse {name}"));
    assert_eq!(world.says("merge-base main side"), id("base"));
    assert_eq!(world.says("merge-base main main~1"), id("base"));
    assert_eq!(world.says("merge-base left right"), id("side"));
    assert_eq!(
        world.says("merge-base --all left right"),
        format!("{}\n{}", id("side"), id("main"))
    );
    assert_eq!(world.says("merge-base main right side"), id("main"));
    assert_eq!(world.says("merge-base --octopus main right side"), id("base"));
    assert_eq!(
        world.says("merge-base --independent main left side right base"),
        format!("{}\n{}", id("left"), id("right"))
    );
    assert_eq!(world.says("merge-base main side --json"), format!("{{\"id\":\"{}\"}}", id("base")));
}

#[test]
fn the_exit_code_says_whether_one_follows_another() {
    let world = crossed();
    world.run("merge-base --is-ancestor base left").ends(0);
    world.run("merge-base --is-ancestor left left").ends(0);
    let (out, err) = world.run("merge-base --is-ancestor left right").ends(1);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    world.run("merge-base --is-ancestor left nothing").fails(128);
    world.run("merge-base --is-ancestor left").fails(129);
    world.run("merge-base left").fails(129);
    world.run("merge-base --octopus --independent left right").fails(129);
}

#[test]
fn unrelated_histories_have_no_merge_base() {
    let world = World::with(&["one: a=1"]);
    world.record_merge("two", &["main"]);
    world.record_root("other", "main");
    let (out, err) = world.run("merge-base main other").ends(1);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    world.run("merge-base --octopus main two other").ends(1);
    let said = world.run("diff main...other").fails(128);
    assert!(said.contains("main...other"), "{said}");
}

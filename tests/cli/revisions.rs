//! `annals rev-parse`, and revisions wherever they are typed.

use std::path::Path;

use crate::support::World;

#[test]
fn revisions_are_those_of_git() {
    let world = World::with(&["one: a=1", "two: a=2", "three: a=3"]);
    let id = |text: &str| world.says(&format!("rev-parse {text}"));
    let (head, first) = (id("HEAD"), id("main~2"));
    assert_eq!(id("@"), head);
    assert_eq!(id("HEAD^^"), first);
    assert_eq!(id(&first[..6]), first);
    assert_eq!(id(":/one"), first);
    assert_eq!(id("HEAD~1..HEAD"), format!("{head}\n^{}", id("HEAD~1")));
    assert_eq!(id("--short HEAD"), head[..8]);
    assert_eq!(id("--abbrev-ref HEAD"), "main");
    assert_eq!(id("main@{1}"), id("HEAD~1"));
    assert_eq!(id("HEAD:a"), world.says("rev-parse HEAD:./a"));
    assert_eq!(world.says("cat :a"), "3");
}

#[test]
fn sets_of_revisions_are_taken_where_one_or_two_are() {
    let world = World::with(&["one: a=1", "two: a=2", "three: a=3"]);
    let id = |text: &str| world.says(&format!("rev-parse {text}"));
    let (head, before) = (id("HEAD"), id("HEAD~1"));
    assert_eq!(id("HEAD^!"), format!("{head}\n^{before}"));
    assert_eq!(id("HEAD^-"), format!("{head}\n^{before}"));
    assert_eq!(id("HEAD^@"), before);
    assert_eq!(id("--branches"), head);
    assert_eq!(world.says("diff HEAD^!"), world.says("diff HEAD~1 HEAD"));
    assert_eq!(world.says("log -1 --format=%s :/one"), "one");
    assert_eq!(world.says("log -1 --format=%s -- :/a"), "three");
    world.run("diff HEAD HEAD~1 HEAD~2").fails(129);
    world.run("diff HEAD~1..HEAD HEAD~2").fails(129);
    world.run("switch -q -c side").ok();
    world.run("switch -q main").ok();
    assert_eq!(id("--abbrev-ref @{-1}"), "side");
    world.write("a", "mine\n");
    world.run("switch -q -f side").ok();
    assert_eq!(world.says("status -s"), "");
}

#[test]
fn what_means_nothing_is_an_error_that_helps() {
    let world = World::with(&["one: a=1"]);
    let said = world.run("rev-parse mian").fails(128);
    assert_eq!(said, "error: 'mian' is not a revision\nhint: did you mean 'main'?\n");
    let (out, err) = world.run("rev-parse -q --verify nope").ends(1);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    world.run("branch a").ok();
    assert!(world.run("log a").fails(128).contains("both a revision and a path"));
    world.run("log a --").ok();
    world.run("log -- a").ok();
}

#[test]
fn where_the_repository_is_can_be_asked() {
    let world = World::with(&["one: d/a=1"]);
    let top = world.path("").canonicalize().unwrap();
    let said =
        world.run_in(Path::new("d"), &["rev-parse", "--show-toplevel", "--show-prefix"]).ok();
    assert_eq!(said, format!("{}\nd/\n", top.display()));
    assert_eq!(world.says("rev-parse --is-bare-repository"), "false");
    assert!(world.says("rev-parse --state-dir").ends_with("/.annals"));
}

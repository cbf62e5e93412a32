//! `annals tag`.

use crate::support::World;

#[test]
fn tags_are_made_listed_and_deleted() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    world.run("tag v1 HEAD~1").ok();
    world.run_args(&["tag", "-a", "v2", "-m", "second\n\nmore"]).ok();
    assert_eq!(world.says("tag"), "v1\nv2");
    assert_eq!(world.says("tag -l *2"), "v2");
    assert!(world.says("tag -v").lines().nth(1).unwrap().ends_with("  second"));
    assert_eq!(world.says("rev-parse v2^{commit}"), world.says("rev-parse HEAD"));
    assert_eq!(world.says("cat-object --type v1 v2"), "commit\ntag");
    assert!(
        world.says("log --format=%s%d").starts_with("two (HEAD -> main, tag: v2)\none (tag: v1)")
    );
    world.run("tag -d v1").ok();
    assert_eq!(world.says("tag"), "v2");
    assert!(world.run("tag v2").fails(128).contains("a tag named 'v2' is there already"));
    world.run("tag -f v2").ok();
    assert!(world.run("tag -a v3").fails(128).contains("no editor is set"));
}

#[test]
fn the_message_of_a_tag_is_written_in_the_editor() {
    let world = World::with(&["one: a=1"]);
    world.run_edited("echo from the editor >>", &["tag", "-a", "v1"]).ok();
    assert!(world.says("tag -v").ends_with("  from the editor"));
    assert!(world.run_edited("true", &["tag", "-a", "v2"]).fails(1).contains("message is empty"));
    world.write("words", "from a file\n");
    world.run("tag -F words v3").ok();
    assert!(world.says("tag -v").ends_with("  from a file"));
    assert_eq!(world.says("tag"), "v1\nv3");
}

//! `annals show`.

use crate::support::World;

#[test]
fn a_commit_is_shown_with_what_it_changed() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let text = world.says("show");
    assert!(text.contains("    two\n\ndiff --git a/a b/a\n"), "{text}");
    assert!(text.ends_with("-1\n+2"), "{text}");
    assert_eq!(world.says("show --oneline --name-only HEAD~1").lines().last(), Some("a"));
    assert!(!world.says("show -s").contains("diff"));
}

#[test]
fn a_tag_is_shown_with_what_it_names_and_a_path_with_what_it_holds() {
    let world = World::with(&["one: a=1 d/b=2"]);
    world.run_args(&["tag", "v1", "-m", "the first"]).ok();
    let text = world.says("show v1 --name-only");
    assert!(text.starts_with("tag v1\nTagger: Carl <carl@example.org>\n"), "{text}");
    assert!(text.contains("\nthe first\n\ncommit "), "{text}");
    assert_eq!(world.says("show HEAD:a"), "1");
    assert_eq!(world.says("show HEAD:d"), "tree HEAD:d\n\nb");
}

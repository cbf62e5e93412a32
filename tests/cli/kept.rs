//! Conflicts that were recorded: they are shown, decide nothing by themselves, and can be decided on.

use std::fs;

use crate::support::World;

const SHOWN: &str = "1\n<<<<<<< version 1\nours\n=======\ntheirs\n>>>>>>> version 2\n3\n";
const ALL: &str = "UU a\nUD deleted\nUU link\nAA new\nUU photo.jpg\n";

fn read(world: &World, path: &str) -> Option<String> {
    fs::read_to_string(world.path(path)).ok()
}

fn status(world: &World) -> String {
    world.run("status --porcelain").ok()
}

fn link(world: &World, target: &str) {
    let _ = fs::remove_file(world.path("link"));
    std::os::unix::fs::symlink(target, world.path("link")).unwrap();
}

fn remove(world: &World, path: &str) {
    fs::remove_file(world.path(path)).unwrap();
}

/// `main` and `side`, with one conflict of each sort between them. Nothing is merged yet.
fn apart() -> World {
    let world = World::new();
    world.write("a", "1\n2\n3\n");
    world.write("photo.jpg", b"\0base");
    world.write("deleted", "1\n");
    world.write("clean", "1\n");
    link(&world, "base");
    world.commit("base");
    let commit = |whose: &str| {
        world.write("a", format!("1\n{whose}\n3\n"));
        world.write("photo.jpg", format!("\0{whose}"));
        world.write("new", format!("{whose}\n"));
        link(&world, whose);
        world.commit(whose);
    };
    world.run("switch -q -c side").ok();
    world.write("deleted", "2\n");
    commit("theirs");
    world.run("switch -q main").ok();
    remove(&world, "deleted");
    commit("ours");
    world
}

/// The same, merged as it is.
fn kept() -> World {
    let world = apart();
    world.run("merge -q --keep-conflicts side").ok();
    world
}

/// Which of two versions comes first follows from their ids; there they are, both.
fn both_photos(world: &World) -> Vec<String> {
    let mut found: Vec<String> =
        ["photo.jpg", "photo~version-2.jpg"].iter().filter_map(|path| read(world, path)).collect();
    found.sort();
    found
}

#[test]
fn a_recorded_conflict_is_shown_as_a_merge_would_and_changes_nothing() {
    let world = kept();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(read(&world, "deleted").unwrap(), "2\n");
    assert!(read(&world, "new").unwrap().starts_with("<<<<<<< version 1\n"));
    assert_eq!(both_photos(&world), ["\0ours", "\0theirs"]);
    let links: Vec<_> = ["link", "link~version-2"]
        .map(|name| fs::read_link(world.path(name)).unwrap().to_string_lossy().into_owned())
        .into();
    assert!(links.contains(&"ours".to_owned()) && links.contains(&"theirs".to_owned()));
    assert_eq!(status(&world), ALL);
    let said = world.run("status").ok();
    assert!(said.contains("Recorded as conflicts:") && said.contains("annals resolve"), "{said}");
    assert!(!said.contains("ntracked"), "{said}");
    world.run("commit -m nothing").fails(1);
    // Another style is another way to see the same.
    world.run("config set merge.conflictstyle diff3").ok();
    assert_eq!(status(&world), ALL);
    world.run("commit -m nothing").fails(1);
    remove(&world, "a");
    world.run("restore a").ok();
    assert!(read(&world, "a").unwrap().contains("||||||| base\n2\n======="));
    assert_eq!(status(&world), ALL);
    assert_eq!(world.run("fsck -q").ok(), "");
}

#[test]
fn conflicts_come_and_go_with_the_commit_they_are_in() {
    let world = kept();
    world.run("undo").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\nours\n3\n");
    assert_eq!(read(&world, "photo~version-2.jpg"), None);
    assert_eq!(read(&world, "deleted"), None);
    assert_eq!(status(&world), "");
    world.run("redo").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(both_photos(&world), ["\0ours", "\0theirs"]);
    assert_eq!(status(&world), ALL);
    world.run("switch -q side").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\ntheirs\n3\n");
    assert_eq!(read(&world, "photo~version-2.jpg"), None);
    assert_eq!(status(&world), "");
    world.run("switch -q main").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(both_photos(&world), ["\0ours", "\0theirs"]);
    world.write("a", "thrown away\n");
    world.run("reset -q --hard").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(status(&world), ALL);
    // Without files nothing is taken for deleted, and the index can be told of it.
    world.run("reset -q --mixed HEAD~1").ok();
    let said = status(&world);
    assert!(said.starts_with(" M a\n") && said.contains("?? deleted\n"), "{said}");
    assert!(!said.contains('D') && !said.contains('U'), "{said}");
    world.run("undo").ok();
    assert_eq!(status(&world), ALL);
}

#[test]
fn unsaved_work_in_a_conflict_is_never_overwritten() {
    let world = kept();
    world.write("a", "mine\n");
    let said = world.run("switch side").fails(128);
    assert!(said.starts_with("error: 'a' would be overwritten"), "{said}");
    assert_eq!(read(&world, "a").unwrap(), "mine\n");
    world.run("restore a").ok();
    // A version that somebody changed, or another file in its place, is theirs.
    world.write("photo~version-2.jpg", "mine\n");
    assert_eq!(status(&world), format!("{ALL}?? photo~version-2.jpg\n"));
    world.run("switch -q side").ok();
    world.run("switch -q main").ok();
    world.run("reset -q --hard").ok();
    assert_eq!(read(&world, "photo~version-2.jpg").unwrap(), "mine\n");
    remove(&world, "photo~version-2.jpg");
    world.run("restore photo.jpg").ok();
    assert_eq!(both_photos(&world), ["\0ours", "\0theirs"]);
}

#[test]
fn a_commit_takes_what_was_decided_and_leaves_the_rest_a_conflict() {
    let world = kept();
    world.write("a", SHOWN.replace("3\n", "three\n"));
    world.write("other", "1\n");
    remove(&world, "new");
    let said = world.run("commit -m some").ends(1).1;
    assert!(said.contains("'a' stays a conflict: there are markers in it still"), "{said}");
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), "A\tother");
    let said = world.run("commit -m none").ends(1).1;
    assert!(said.contains("'a' stays a conflict"), "{said}");
    world.write("a", "1\nboth\n3\n");
    world.write("photo.jpg", b"\0both");
    world.run("commit -q -m more").ok();
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), "M\ta\nM\tphoto.jpg");
    assert_eq!(read(&world, "photo~version-2.jpg"), None);
    assert_eq!(status(&world), "UD deleted\nUU link\nAA new\n");
    let said = world.run("commit -q -m path deleted").fails(1);
    assert!(said.starts_with("error: nothing to commit"), "{said}");
    assert_eq!(world.run("fsck -q").ok(), "");
}

#[test]
fn what_is_named_decides_as_it_stands() {
    let world = kept();
    world.run("add .").ok();
    assert_eq!(status(&world), ALL);
    let said = world.run("resolve a photo.jpg").fails(128);
    assert!(said.starts_with("error: 'a' still has the markers"), "{said}");
    world.write("a", SHOWN.replace("3\n", "three\n"));
    world.run("resolve a").fails(128);
    world.run("resolve photo.jpg").ok();
    assert_eq!(read(&world, "photo~version-2.jpg"), None);
    world.run("add deleted").ok();
    remove(&world, "link");
    world.run("resolve link").ok();
    world.run("resolve -f a").ok();
    assert_eq!(status(&world), "M  a\nM  deleted\nD  link\nAA new\nM  photo.jpg\n");
    world.run("rm -q new").ok();
    world.run("commit -q -m decided").ok();
    assert_eq!(status(&world), "");
    assert_eq!(world.says("ls -r HEAD").lines().count(), 4);
    world.run("undo").ok();
    world.run("undo").ok();
    assert_eq!(status(&world).lines().nth(3), Some("AA new"));
    assert_eq!(world.run("fsck -q").ok(), "");
}

#[test]
fn a_conflict_of_which_nothing_is_there_is_not_deleted() {
    let world = kept();
    // Nothing is known of any file, and nobody looked before the commit.
    fs::remove_dir_all(world.path(".annals/index")).unwrap();
    world.run("commit -m nothing").fails(1);
    assert_eq!(status(&world), ALL);
    for name in ["a", "deleted", "new", "photo.jpg", "photo~version-2.jpg"] {
        remove(&world, name);
    }
    world.run("commit -m nothing").fails(1);
    assert_eq!(status(&world), ALL);
    fs::remove_dir_all(world.path(".annals/index")).unwrap();
    assert_eq!(status(&world), ALL);
    let said = world.run("status").ok();
    assert!(said.contains("a (nothing is there)"), "{said}");
    world.run("commit -m nothing").fails(1);
    let said = world.run("resolve a").fails(128);
    assert!(said.starts_with("error: nothing stands there to be taken: 'a' is not here"), "{said}");
    world.run("add a").fails(128);
    world.run("restore .").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(both_photos(&world), ["\0ours", "\0theirs"]);
    world.run("rm -q a").ok();
    assert_eq!(status(&world), ALL.replace("UU a", "D  a"));
}

#[test]
fn a_directory_that_is_gone_takes_no_conflict_along() {
    let world = World::with(&["base: d/a=1 d/b=1 e/a=1"]);
    world.run("switch -q -c side").ok();
    world.write("d/a", "theirs\n");
    world.write("e/a", "theirs\n");
    world.commit("theirs");
    world.run("switch -q main").ok();
    world.write("d/a", "ours\n");
    world.write("e/a", "ours\n");
    world.commit("ours");
    world.run("merge -q --keep-conflicts side").ok();
    for name in ["d", "e"] {
        fs::remove_dir_all(world.path(name)).unwrap();
    }
    assert_eq!(status(&world), "UU d/a\n D d/b\nUU e/a\n");
    world.run("commit -q -m gone").ok();
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), "D\td/b");
    assert_eq!(status(&world), "UU d/a\nUU e/a\n");
    world.run("restore d").ok();
    assert!(read(&world, "d/a").unwrap().starts_with("<<<<<<< version 1\n"));
    // What takes its place decides it.
    remove(&world, "d/a");
    world.write("d/a/in", "1\n");
    world.commit("replaced");
    assert_eq!(status(&world), "UU e/a\n");
    assert_eq!(world.says("cat HEAD:d/a/in"), "1");
    assert_eq!(world.run("fsck -q").ok(), "");
}

#[test]
fn versions_have_numbers_and_no_sides() {
    let world = kept();
    let said = world.run("restore --ours a").fails(128);
    assert!(said.starts_with("error: cannot take one side"), "{said}");
    assert!(said.contains("annals cat :2:PATH"), "{said}");
    let mut versions = [world.says("cat :2:a"), world.says("cat :3:a")];
    versions.sort();
    assert_eq!(versions, ["1\nours\n3", "1\ntheirs\n3"]);
    assert_eq!(world.says("cat :1:a"), "1\n2\n3");
    world.run("cat :1:new").fails(128);
}

#[test]
fn diff_shows_a_conflict_as_text() {
    let world = kept();
    let said = world.run("diff a").ok();
    assert!(said.contains("\n+<<<<<<< version 1\n"), "{said}");
    assert_eq!(world.run("diff HEAD~1 HEAD a").ok().matches("\n+<<<<<<< version 1\n").count(), 1);
    world.write("a", "1\nboth\n3\n");
    world.run("commit -q -m decided a").ok();
    let said = world.says("diff HEAD~1 HEAD a");
    assert!(said.contains("\n-<<<<<<< version 1\n") && said.contains("\n+both\n"), "{said}");
    assert_eq!(said.matches("diff --conflict").count(), 1, "{said}");
    // Nothing that applies patches takes it for one, and no file of no kind is in it.
    for line in ["diff HEAD~2 HEAD~1", "show HEAD~1", "diff HEAD~1 HEAD"] {
        let said = world.says(line);
        assert!(said.contains("diff --conflict a: a recorded conflict"), "{line}: {said}");
        for never in ["000000", "\n--- a/a", "\n+++ b/a", "diff --git a/a ", "a/photo.jpg"] {
            assert!(!said.contains(never), "{line}: {never} in {said}");
        }
    }
    let said = world.says("diff HEAD~2 HEAD~1 photo.jpg");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn what_is_gone_from_beside_a_conflict_is_shown_and_brought_back() {
    let world = kept();
    let before = both_photos(&world);
    let place = "photo~version-2.jpg";
    for back in ["reset -q --hard", "restore photo.jpg"] {
        remove(&world, place);
        let said = world.says("status");
        assert!(said.contains("photo.jpg (photo~version-2.jpg is gone)"), "{said}");
        world.run(back).ok();
        assert_eq!(both_photos(&world), before, "{back}");
        assert_eq!(status(&world), ALL, "{back}");
        assert!(!world.says("status").contains("is gone"), "{back}");
    }
    // What somebody has put there is theirs.
    world.write(place, "mine\n");
    world.run("reset -q --hard").ok();
    assert_eq!(read(&world, place).unwrap(), "mine\n");
}

#[test]
fn a_conflict_is_not_taken_from_elsewhere_for_a_file() {
    let world = kept();
    world.run("switch -q -c other HEAD~1").ok();
    let said = world.run("restore --source main a clean").fails(128);
    assert!(said.starts_with("error: 'a' is not decided there"), "{said}");
    assert_eq!(status(&world), "");
    world.run("restore --staged --worktree --source main a").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    assert_eq!(status(&world), "UU a\n");
}

#[test]
fn a_conflict_that_is_renamed_takes_its_versions_along() {
    let world = kept();
    world.run("mv photo.jpg image.jpg").ok();
    assert_eq!(read(&world, "photo~version-2.jpg"), None);
    assert!(read(&world, "image~version-2.jpg").is_some());
    assert_eq!(
        status(&world),
        ALL.replace("UU link", "UU image.jpg\nUU link").replace("UU photo", "D  photo")
    );
    world.run("commit -q -m renamed").ok();
    world.run("resolve image.jpg").ok();
    assert_eq!(read(&world, "image~version-2.jpg"), None);
}

#[test]
fn a_conflict_merged_with_how_it_was_decided_is_decided() {
    let world = kept();
    world.run("switch -q -c decided").ok();
    world.write("a", "1\nboth\n3\n");
    world.write("new", "both\n");
    world.run("commit -q -m decided").ok();
    world.run("switch -q main").ok();
    assert_eq!(read(&world, "a").unwrap(), SHOWN);
    world.write("more", "1\n");
    world.commit("more");
    world.run("merge -q decided").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\nboth\n3\n");
    assert_eq!(status(&world), "UD deleted\nUU link\nUU photo.jpg\n");
    // The other way round, and with the same done on both sides.
    world.run("switch -q decided").ok();
    world.run("reset -q --hard HEAD~1").ok();
    world.write("a", "1\nboth\n3\n");
    world.run("commit -q -m again").ok();
    world.run("merge -q main").ok();
    assert_eq!(read(&world, "a").unwrap(), "1\nboth\n3\n");
    assert_eq!(read(&world, "new").unwrap(), "both\n");
    assert_eq!(status(&world), "UD deleted\nUU link\nUU photo.jpg\n");
}

#[test]
fn a_merge_under_way_shows_what_was_a_conflict_before() {
    let world = kept();
    world.run("branch other").ok();
    world.write("a", "1\nmain\n3\n");
    world.run("commit -q -m main a").ok();
    world.run("switch -q other").ok();
    world.write("a", "1\nother\n3\n");
    world.run("commit -q -m other a").ok();
    world.run("merge -q main").ends(1);
    assert_eq!(status(&world), ALL);
    assert!(read(&world, "a").unwrap().contains("<<<<<<< HEAD\n"));
    world.run("merge --abort").ok();
    assert_eq!(status(&world), ALL.replace("UU a\n", ""));
    world.run("merge -q --keep-conflicts main").ok();
    // Two decisions, and what the first conflict was made from: terms without sides, as they add up.
    let mut versions = ["a", "a~version-2", "a~version-3"].map(|path| read(&world, path).unwrap());
    versions.sort();
    assert_eq!(versions, ["1\n2\n3\n", "1\nmain\n3\n", "1\nother\n3\n"]);
    assert_eq!(status(&world), ALL);
}

#[test]
fn redo_of_a_merge_writes_the_other_versions_again() {
    let world = apart();
    world.run("merge -q side").ends(1);
    let before = status(&world);
    assert_eq!(read(&world, "photo~side.jpg").unwrap(), "\0theirs");
    world.run("undo").ok();
    assert_eq!(read(&world, "photo~side.jpg"), None);
    world.run("redo").ok();
    assert_eq!(read(&world, "photo~side.jpg").unwrap(), "\0theirs");
    assert_eq!(status(&world), before);
    world.run("resolve photo.jpg").ok();
    assert_eq!(read(&world, "photo~side.jpg"), None);
}

#[test]
fn resolving_what_is_in_no_conflict_says_so() {
    let world = kept();
    let said = world.run("resolve clean").fails(128);
    assert!(said.starts_with("error: 'clean' is not in conflict\n"), "{said}");
    // One that is decided is in no conflict any more, either.
    world.write("a", "decided\n");
    world.run("resolve -q a").ok();
    let said = world.run("resolve a").fails(128);
    assert!(said.starts_with("error: 'a' is not in conflict\n"), "{said}");
    let said = World::with(&["one: a=1"]).run("resolve .").fails(128);
    assert!(said.starts_with("error: no merge is under way"), "{said}");
}

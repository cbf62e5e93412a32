//! Renames and copies, wherever changes are shown.

use crate::support::World;

/// Twenty lines, of which some are changed.
fn lines(changed: &[usize]) -> String {
    (1..=20)
        .map(|line| match changed.contains(&line) {
            true => format!("line {line} is another\n"),
            false => format!("line {line}\n"),
        })
        .collect()
}

fn moved() -> World {
    let world = World::new();
    world.write("old", lines(&[]));
    world.write("kept", "kept\n");
    world.commit("one");
    std::fs::remove_file(world.path("old")).unwrap();
    world.write("dir/new", lines(&[7]));
    world.commit("two");
    world
}

#[test]
fn a_renamed_file_is_one_change() {
    let world = moved();
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), "R088\told\tdir/new");
    assert_eq!(world.says("show --name-status --format=%s"), "two\nR088\told\tdir/new");
    assert_eq!(world.says("diff --name-only HEAD~1 HEAD"), "dir/new");
    assert_eq!(world.says("diff --numstat HEAD~1 HEAD"), "1\t1\told => dir/new");
    assert_eq!(world.run("diff --name-status -z HEAD~1 HEAD").bytes(), b"R088\0old\0dir/new\0");
    assert_eq!(world.run("diff --numstat -z HEAD~1 HEAD").bytes(), b"1\t1\t\0old\0dir/new\0");
    let patch = world.says("diff HEAD~1 HEAD");
    let head = "diff --git a/old b/dir/new\nsimilarity index 88%\nrename from old\n\
                rename to dir/new\nindex ";
    assert!(patch.starts_with(head), "{patch}");
    assert!(patch.contains("\n--- a/old\n+++ b/dir/new\n@@ "), "{patch}");
}

#[test]
fn who_wants_no_renames_sees_none() {
    let world = moved();
    let plain = "A\tdir/new\nD\told";
    assert_eq!(world.says("diff --no-renames --name-status HEAD~1 HEAD"), plain);
    assert_eq!(world.says("diff -M95% --name-status HEAD~1 HEAD"), plain);
    assert_eq!(world.says("-c diff.renames=false diff --name-status HEAD~1 HEAD"), plain);
    let asked = world.says("-c diff.renames=false diff -M --name-status HEAD~1 HEAD");
    assert_eq!(asked, "R088\told\tdir/new");
    let (_, said) = world.run("diff -M=much HEAD~1 HEAD").ends(129);
    assert!(said.contains("'much' is not a similarity like 90%"), "{said}");
}

#[test]
fn copies_are_found_where_asked_for() {
    let world = World::new();
    world.write("changed", lines(&[]));
    world.write("kept", lines(&[1, 2, 3, 4, 5, 6, 7]));
    world.commit("one");
    world.write("changed", lines(&[20]));
    world.write("copy", lines(&[]));
    world.write("other", lines(&[1, 2, 3, 4, 5, 6, 7]));
    world.commit("two");
    let none = "M\tchanged\nA\tcopy\nA\tother";
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), none);
    assert_eq!(world.says("diff -M --name-status HEAD~1 HEAD"), none);
    let some = world.says("diff -C --name-status HEAD~1 HEAD");
    assert!(some.starts_with("M\tchanged\nC100\tchanged\tcopy\n"), "{some}");
    let all = world.says("diff -C -C --name-status HEAD~1 HEAD");
    assert_eq!(all, "M\tchanged\nC100\tchanged\tcopy\nC100\tkept\tother");
}

#[test]
fn a_rename_is_told_to_programs_with_its_origin_and_score() {
    let world = moved();
    let said = world.says("diff --json HEAD~1 HEAD");
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["status"], "R");
    assert_eq!(value["path"], "dir/new");
    assert_eq!(value["from"], "old");
    assert!((88.0..89.0).contains(&value["score"].as_f64().unwrap()), "{said}");
}

#[test]
fn status_shows_what_was_renamed() {
    let world = World::with(&["one: a=content b=other"]);
    world.run("mv a c").ok();
    assert!(world.says("status").contains("renamed:    a -> c"));
    assert_eq!(world.says("status --porcelain"), "R  a -> c");
    assert_eq!(world.run("status --porcelain -z").bytes(), b"R  c\0a\0");
    assert_eq!(world.says("status --porcelain --no-renames"), "D  a\nA  c");
}

#[test]
fn a_renamed_directory_is_one_line() {
    let world = World::new();
    for n in 0..12 {
        world.write(&format!("photos/2019/{n:02}"), format!("{}{n}\n", lines(&[])));
    }
    world.write("photos/list", "list\n");
    world.commit("one");
    world.run("mv photos/2019 archive").ok();
    world.write("archive/03", lines(&[3]));
    world.run("add archive/03").ok();
    let said = world.says("status");
    assert!(said.contains("renamed:    photos/2019/ → archive/ (12 files, 1 edited)"), "{said}");
    assert!(!said.contains("archive/03"), "{said}");
    let all = world.says("status --no-fold");
    assert!(all.contains("renamed:    photos/2019/03 -> archive/03"), "{all}");
    // What programs read is never folded.
    assert_eq!(world.says("status --porcelain").lines().count(), 12);
    assert_eq!(world.says("diff --cached --name-status").lines().count(), 12);
}

#[test]
fn a_staged_file_that_was_changed_again_is_still_recognised() {
    let world = World::new();
    let long: String = (0..3_000).map(|line| format!("line {line}\n")).collect();
    world.write("small", lines(&[]));
    world.write("large", &long);
    world.commit("one");
    world.run("mv small smaller").ok();
    world.run("mv large larger").ok();
    world.write("smaller", lines(&[4]));
    world.write("larger", format!("{long}and one more\n"));
    let said = world.says("diff HEAD --name-status");
    assert!(said.contains("\tlarge\tlarger") && said.contains("\tsmall\tsmaller"), "{said}");
}

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

/// Twelve photographs in a directory, recorded.
fn photographs() -> World {
    let world = World::new();
    for n in 0..12 {
        world.write(&format!("photos/2019/{n:02}"), format!("{}{n}\n", lines(&[])));
    }
    world.write("photos/list", "list\n");
    world.commit("one");
    world
}

#[test]
fn a_file_moved_without_mv_is_a_rename_that_is_not_staged() {
    let world = World::new();
    world.write("old", lines(&[]));
    world.write("kept", "kept\n");
    world.commit("one");
    std::fs::create_dir(world.path("dir")).unwrap();
    std::fs::rename(world.path("old"), world.path("dir/new")).unwrap();
    let said = world.says("status");
    assert!(said.contains("Changes not staged for commit:"), "{said}");
    assert!(said.contains("\trenamed:    old -> dir/new"), "{said}");
    assert!(!said.contains("deleted") && !said.contains("Untracked"), "{said}");
    assert_eq!(world.says("status -s"), " R old -> dir/new");
    let json: serde_json::Value = serde_json::from_str(&world.says("status --json")).unwrap();
    assert_eq!((&json["unstaged"], &json["from"]), (&"R".into(), &"old".into()));
    assert_eq!((&json["path"], &json["staged"]), (&"dir/new".into(), &serde_json::Value::Null));
    assert_eq!(json["score"], 100.0);
    // Scripts read what git would write.
    assert_eq!(world.says("status --porcelain"), " D old\n?? dir/");
    assert_eq!(world.run("status -z").bytes(), b" D old\0?? dir/\0");
    for plain in ["status -s --no-renames", "-c diff.renames=false status -s"] {
        assert_eq!(world.says(plain), " D old\n?? dir/");
    }
    assert_eq!(world.says("status -s -uno"), " D old");
    assert_eq!(world.says("diff --name-status"), "R100\told\tdir/new");
    assert_eq!(world.says("diff --name-status --no-renames"), "D\told");
    world.commit("two");
    assert_eq!(world.says("diff --name-status HEAD~1 HEAD"), "R100\told\tdir/new");
}

#[test]
fn a_file_that_was_copied_changed_and_deleted_is_renamed_too() {
    let world = World::new();
    let long: String = (0..3_000).map(|line| format!("line {line}\n")).collect();
    world.write("small", lines(&[]));
    world.write("large", &long);
    world.write("same", format!("same\n{long}"));
    world.write("gone", "nothing like it\n");
    world.commit("one");
    for name in ["small", "large", "same", "gone"] {
        std::fs::remove_file(world.path(name)).unwrap();
    }
    world.write("a/small", lines(&[7]));
    world.write("b", format!("{long}and one more\n"));
    world.write("c", format!("same\n{long}"));
    world.write("new", "unlike all others, and new\n");
    let said = world.says("status -s");
    assert_eq!(said, " R small -> a/small\n R large -> b\n R same -> c\n D gone\n?? new");
    let patch = world.says("diff -- small a");
    assert!(patch.contains("rename from small\nrename to a/small\n"), "{patch}");
    assert!(patch.contains("\n-line 7\n+line 7 is another\n"), "{patch}");
    let head = world.says("diff HEAD --name-status");
    assert!(head.starts_with("R088\tsmall\ta/small\nR099\tlarge\tb\nR100\tsame\tc\n"), "{head}");
    assert!(world.says("status -s -M95%").contains(" D small\n"));
}

#[test]
fn a_directory_moved_without_mv_is_one_line_and_what_is_new_in_it_stays_untracked() {
    let world = photographs();
    std::fs::rename(world.path("photos/2019"), world.path("archive")).unwrap();
    world.write("archive/03", lines(&[3]));
    let said = world.says("status");
    assert!(said.contains("renamed:    photos/2019/ → archive/ (12 files, 1 edited)"), "{said}");
    assert!(!said.contains("archive/03") && !said.contains("Untracked"), "{said}");
    assert!(world.says("status --no-fold").contains("renamed:    photos/2019/03 -> archive/03"));
    world.write("archive/notes", "a few words\n");
    world.write("archive/more/of/it", "and some more of them\n");
    std::fs::create_dir(world.path("archive/empty")).unwrap();
    std::fs::create_dir(world.path("elsewhere")).unwrap();
    let said = world.says("status");
    let untracked = "Untracked files:\n  (\"annals commit\" records them too unless something is \
                     staged)\n\tarchive/empty/\n\tarchive/more/\n\tarchive/notes\n\telsewhere/\n";
    assert!(said.contains(untracked), "{said}");
    let all = world.says("status -s -uall");
    assert_eq!(all.lines().filter(|line| line.starts_with(" R ")).count(), 12);
    assert!(all.contains("\n?? archive/more/of/it\n?? archive/notes"), "{all}");
    world.write(".annalsignore", "archive/0*\n");
    // What is ignored is not looked at.
    let left = world.says("status -s");
    assert_eq!(left.lines().filter(|line| line.starts_with(" R ")).count(), 2, "{left}");
}

#[test]
fn what_is_staged_and_what_was_moved_afterwards_are_told_apart() {
    let world = World::with(&["one: a=content b=other"]);
    world.run("mv a c").ok();
    std::fs::rename(world.path("c"), world.path("d")).unwrap();
    assert_eq!(world.says("status -s"), "R  a -> c\n R c -> d");
    assert_eq!(world.says("diff --name-status"), "R100\tc\td");
    assert_eq!(world.says("diff HEAD --name-status"), "R100\ta\td");
    // Where something was staged as gone, something else may be put.
    let world = World::with(&["one: a=content b=other"]);
    world.run("rm b").ok();
    std::fs::rename(world.path("a"), world.path("b")).unwrap();
    assert_eq!(world.says("status -s"), "D  b\n R a -> b");
}

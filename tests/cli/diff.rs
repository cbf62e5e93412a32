//! `annals diff`.

use crate::support::World;

#[test]
fn a_diff_of_two_commits_is_one_that_git_applies() {
    let world = World::with(&["one: a=1 b=2", "two: a=one c=3", "three: b"]);
    assert_eq!(world.says("diff HEAD~2 HEAD --name-status"), "M\ta\nD\tb\nA\tc");
    assert_eq!(world.says("diff --name-only HEAD~2..HEAD~1"), "a\nc");
    assert_eq!(world.says("diff --numstat HEAD~1 HEAD"), "0\t1\tb");
    assert_eq!(world.says("diff --shortstat HEAD~1 HEAD"), " 1 file changed, 1 deletion(-)");
    let patch = world.run("diff HEAD~2 HEAD -- a").ok();
    assert!(patch.starts_with("diff --git a/a b/a\nindex "), "{patch}");
    assert!(patch.ends_with("--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+one\n"), "{patch}");
}

#[test]
fn without_revisions_the_working_tree_is_compared() {
    let world = World::with(&["one: a=1 d/b=2 gone/x=1"]);
    assert_eq!(world.says("diff"), "");
    world.write("a", "changed\n");
    world.write("untracked", "x");
    std::fs::remove_dir_all(world.path("gone")).unwrap();
    assert_eq!(world.says("diff --name-status"), "M\ta\nD\tgone/x");
    assert!(world.says("diff -- a").ends_with("-1\n+changed"));
    assert_eq!(world.says("diff HEAD --name-only"), "a\ngone/x");
    world.run("diff --exit-code --name-only").ends(1);
    let (out, _) = world.run("diff --quiet").ends(1);
    assert_eq!(out, "");
    world.run("diff --quiet -- d").ok();
}

#[test]
fn what_is_staged_is_compared_with_cached() {
    let world = World::with(&["one: a=1 b=1"]);
    world.write("a", "2\n");
    world.run("add a").ok();
    world.write("a", "3\n");
    assert!(world.says("diff --cached").ends_with("-1\n+2"));
    assert!(world.says("diff").ends_with("-2\n+3"));
    assert!(world.says("diff HEAD").ends_with("-1\n+3"));
}

#[test]
fn content_that_is_no_text_is_told_by_its_length() {
    let world = World::with(&["one: a=1"]);
    world.write("a", [0u8; 20_000]);
    world.commit("two");
    assert_eq!(
        world.says("diff --stat HEAD~1 HEAD"),
        " a | Bin 2 -> 20000 bytes\n 1 file changed, 0 insertions(+), 0 deletions(-)"
    );
    assert!(world.says("diff HEAD~1 HEAD").ends_with("Binary files a/a and b/a differ"));
    assert_eq!(world.says("diff --numstat HEAD~1 HEAD"), "-\t-\ta");
}

#[test]
fn names_end_with_zero_bytes_if_asked() {
    let world = World::with(&["one: a=1"]);
    world.write("new\nline", "x\n");
    world.commit("two");
    assert_eq!(world.says("diff HEAD~1 HEAD --name-only"), "\"new\\nline\"");
    assert_eq!(world.run("diff HEAD~1 HEAD --name-status -z").bytes(), b"A\0new\nline\0");
}

#[test]
fn three_dots_mean_since_the_two_went_apart() {
    let world = World::forked();
    assert_eq!(world.says("diff --name-status main side"), "D\tb\nA\tc");
    assert_eq!(world.says("diff --name-status main...side"), "A\tc");
}

#[test]
fn of_several_merge_bases_the_newest_is_compared_and_the_user_is_told() {
    let world = World::forked();
    world.record_merge("left", &["main", "side"]);
    world.record_merge("right", &["side", "main"]);
    let (out, err) = world.run("diff --name-status left...right").ends(0);
    // The newest of the two is `side`, whose tree `right` has.
    assert_eq!(out, "");
    let side = &world.says("rev-parse side")[..8];
    assert_eq!(
        err,
        format!(
            "warning: 'left...right' has 2 merge bases; it is compared with {side}, the newest\n"
        )
    );
}

#[test]
fn two_files_are_compared_as_git_does() {
    let world = World::with(&["one: a=1 b=x", "two: a=one", "three: copy=one"]);
    let patch = world.run("diff HEAD~2:a HEAD:a").ok();
    assert!(patch.starts_with("diff --git a/a b/a\nindex "), "{patch}");
    assert!(patch.ends_with(" 100644\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+one\n"), "{patch}");
    let patch = world.run("diff HEAD:b HEAD:a").ok();
    assert!(patch.starts_with("diff --git a/b b/a\nindex "), "{patch}");
    assert!(patch.ends_with("--- a/b\n+++ b/a\n@@ -1 +1 @@\n-x\n+one\n"), "{patch}");
    assert_eq!(world.says("diff --name-status HEAD:b HEAD:a"), "M\tb");
    assert_eq!(world.says("diff --name-only HEAD:b HEAD:a"), "a");
    assert_eq!(world.says("diff --numstat HEAD:b HEAD:a"), "1\t1\tb => a");
    assert_eq!(world.says("diff --numstat HEAD~2:a HEAD:a"), "1\t1\ta");
    assert!(world.says("diff --stat HEAD:b :a").starts_with(" b => a | 2 +-\n 1 file changed, "));
    let told: serde_json::Value =
        serde_json::from_str(&world.says("diff --json HEAD:b HEAD:a")).unwrap();
    assert_eq!(
        (&told["status"], &told["path"], &told["from"]),
        (&"M".into(), &"a".into(), &"b".into())
    );
    assert!(told["score"].is_null());
    world.run("diff --exit-code HEAD:b HEAD:a").ends(1);
    // Files that are the same are, under whatever names.
    assert_eq!(world.run("diff --exit-code HEAD:copy HEAD:a").ok(), "");
    assert_eq!(world.run("diff --exit-code --quiet HEAD:copy HEAD:b").ends(1).0, "");
}

#[test]
fn what_is_executable_or_a_link_in_one_of_two_files_is_shown() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let world = World::with(&["one: a=1"]);
    world.write("run", "1\n");
    std::fs::set_permissions(world.path("run"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("1", world.path("link")).unwrap();
    world.commit("two");
    let told = "diff --git a/a b/run\nold mode 100644\nnew mode 100755";
    assert_eq!(world.says("diff HEAD:a HEAD:run"), told);
    let patch = world.says("diff HEAD:a HEAD:link");
    assert!(patch.starts_with("diff --git a/a b/a\ndeleted file mode 100644\n"), "{patch}");
    assert!(patch.contains("diff --git a/link b/link\nnew file mode 120000\n"), "{patch}");
}

#[test]
fn a_file_where_a_directory_is_needed_is_called_a_file() {
    let world = World::with(&["one: a=1 d/b=2"]);
    world.write("large", vec![b'x'; 100_000]);
    world.commit("two");
    for file in ["HEAD:a", "HEAD:large"] {
        let told = format!("error: '{file}' is a file, not a directory\n");
        for command in ["ls FILE", "diff FILE", "diff FILE HEAD:d", "diff HEAD FILE"] {
            assert_eq!(world.run(&command.replace("FILE", file)).fails(128), told, "{command}");
        }
        let told = world.run(&format!("switch -d {file}")).fails(128);
        assert!(told.contains("is a file, not a commit"), "{told}");
    }
    let told = world.run("diff HEAD:a HEAD:large -- d").fails(129);
    assert!(told.contains("no paths beside them"), "{told}");
}

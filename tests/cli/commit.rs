//! `annals init`, `annals commit`, `annals add`, `annals rm` and `annals mv`.

use crate::support::World;

#[test]
fn one_command_makes_a_repository_and_records_everything() {
    let world = World::empty();
    world.write("a", "1\n");
    world.write("d/b", "22\n");
    let said = world.run_args(&["init", "--commit", "first"]).ok();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("Made a repository: "), "{said}");
    assert!(lines[1].starts_with("Recorded 2 files, 5 B, as "), "{said}");
    assert_eq!(world.says("ls -r"), "a\nd/b");
    assert_eq!(world.says("status --porcelain"), "");
    assert!(world.says("init").starts_with("There was a repository already"));
}

#[test]
fn without_staging_everything_is_recorded_and_with_paths_only_those() {
    let world = World::with(&["one: a=1 b=1"]);
    for path in ["a", "b", "c"] {
        world.write(path, "2\n");
    }
    let said = world.run_args(&["commit", "-m", "two", "a"]).ok();
    assert!(said.contains("] two\n  0 added, 1 modified, 0 deleted"), "{said}");
    assert_eq!(world.says("show --name-status --format=%s"), "two\nM\ta");
    world.commit("three");
    assert_eq!(world.says("show --name-status --format=%s"), "three\nM\tb\nA\tc");
    let said = world.run("commit -m four").fails(1);
    assert!(said.starts_with("error: nothing to commit\n"), "{said}");
}

#[test]
fn what_was_staged_is_recorded_alone() {
    let world = World::with(&["one: a=1 b=1 c=1"]);
    world.write("a", "2\n");
    world.write("b", "2\n");
    world.run("add a").ok();
    world.run("rm -q c").ok();
    world.commit("two");
    assert_eq!(world.says("show --name-status --format=%s"), "two\nM\ta\nD\tc");
    assert_eq!(world.says("status --porcelain"), " M b");
    world.run("mv a d").ok();
    world.commit("three");
    assert_eq!(world.says("show --name-status --format=%s"), "three\nR100\ta\td");
}

#[test]
fn a_commit_is_replaced_and_says_who_and_when() {
    let world = World::with(&["one: a=1"]);
    world
        .run_args(&[
            "commit",
            "--amend",
            "-m",
            "uno",
            "--author",
            "Eve <eve@x>",
            "--date",
            "2020-02-02 02:02:02 +0100",
        ])
        .ok();
    let shown = world.says("log --format=%s|%an|%ae|%cn|%aI");
    assert_eq!(shown, "uno|Eve|eve@x|Carl|2020-02-02T02:02:02+01:00");
    assert!(world.run("commit").fails(1).contains("nothing to commit"));
    world.write("a", "2\n");
    assert!(world.run("commit").fails(128).contains("no editor is set"));
    world.run("restore a").ok();
    world.run_args(&["commit", "--allow-empty", "-m", "first", "-m", "second"]).ok();
    assert_eq!(world.says("log -1 --format=%B"), "first\n\nsecond");
}

#[test]
fn without_a_message_an_editor_is_opened_that_lists_what_will_be_recorded() {
    let world = World::with(&["one: a=1 b=1"]);
    world.write("a", "2\n");
    world.write("new", "\n");
    std::fs::remove_file(world.path("b")).unwrap();
    let editor =
        "sh -c 'cp \"$1\" seen; printf \"why\\n\\n# not this\\n\\nmore\\n\" > \"$1\"' editor";
    world.run_edited(editor, &["commit", "a", "b", "new"]).ok();
    let seen = std::fs::read_to_string(world.path("seen")).unwrap();
    assert!(seen.starts_with("\n# Say why."), "{seen}");
    let listed = "# On branch main\n# To be recorded:\n\
                  #\tmodified:   a\n#\tdeleted:    b\n#\tnew file:   new\n";
    assert!(seen.ends_with(listed), "{seen}");
    assert_eq!(world.says("log -1 --format=%B"), "why\n\nmore");
}

#[test]
fn an_empty_message_or_an_editor_that_fails_records_nothing() {
    let world = World::with(&["one: a=1"]);
    world.write("a", "2\n");
    assert!(world.run_edited("true", &["commit"]).fails(1).contains("the message is empty"));
    assert!(world.run_edited("false", &["commit"]).fails(1).contains("'false' failed"));
    assert!(world.run_args(&["commit", "-m", " "]).fails(1).contains("the message is empty"));
    assert_eq!(world.says("log --format=%s"), "one");
    // What decides is asked in this order.
    let mut command = world.command(&["-c", "core.editor=false", "commit"]);
    let ended = command.env("VISUAL", "false").env("ANNALS_EDITOR", "echo two >").output().unwrap();
    assert!(ended.status.success());
    assert_eq!(world.says("log -1 --format=%s"), "two");
}

#[test]
fn amending_shows_the_message_there_was_and_no_edit_keeps_it() {
    let world = World::with(&["one: a=1"]);
    world.write("a", "2\n");
    world.run_edited("sed -i s/one/uno/", &["commit", "--amend"]).ok();
    assert_eq!(world.says("log --format=%s"), "uno");
    world.write("a", "3\n");
    world.run_edited("false", &["commit", "--amend", "--no-edit"]).ok();
    assert_eq!(world.says("log --format=%s"), "uno");
    assert_eq!(world.says("cat HEAD:a"), "3");
    world.write("a", "4\n");
    assert!(world.run("commit --no-edit").fails(128).contains("no commit message was given"));
}

#[test]
fn a_message_comes_from_standard_input() {
    use std::io::Write;
    let world = World::with(&["one: a=1"]);
    world.write("a", "2\n");
    let mut command = world.command(&["commit", "-q", "-F", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"two\n\n# kept\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(world.says("log -1 --format=%B"), "two\n\n# kept");
}

#[test]
fn bad_lines_of_ignore_files_are_named() {
    let world = World::with(&["one: a=1"]);
    world.write(".annalsignore", "*.tmp\n[z-a]\n");
    world.write("x.tmp", "");
    let (_, said) = world.run("status").ends(0);
    assert!(said.contains("'.annalsignore', line 2: "), "{said}");
    let (_, said) = world.run_args(&["commit", "-m", "two"]).ends(0);
    assert!(said.contains("'.annalsignore', line 2: "), "{said}");
    assert_eq!(world.says("ls"), ".annalsignore\na");
}

#[test]
fn a_commit_of_empty_directories_alone_counts_them() {
    let world = World::with(&["one: a=1"]);
    std::fs::create_dir_all(world.path("d/e")).unwrap();
    let said = world.says("commit -m two");
    assert!(said.contains("directories: 1 added, 0 deleted"), "{said}");
    std::fs::remove_dir(world.path("d/e")).unwrap();
    let said = world.says("commit -m three");
    assert!(said.contains("directories: 0 added, 1 deleted"), "{said}");
    world.write("d/f", "f\n");
    let said = world.says("commit -m four");
    assert!(said.contains("1 added, 0 modified, 0 deleted"), "{said}");
}

#[test]
fn what_is_named_and_ignored_is_said_to_be() {
    let world = World::with(&["one: a=1 .annalsignore=*.t"]);
    world.write("x.t", "x\n");
    world.write("y", "y\n");
    for line in ["add x.t y", "add -n x.t", "commit -m two x.t"] {
        let said = world.run(line).fails(1);
        assert!(said.starts_with("error: 'x.t' is ignored\n"), "{line}: {said}");
        assert!(said.contains("annals add -f"), "{line}: {said}");
    }
    // What else was named is staged, as in git.
    assert_eq!(world.says("status -s"), "A  y");
    world.run("add -f x.t").ok();
    assert_eq!(world.says("status -s"), "A  x.t\nA  y");

    // What is tracked is no longer ignored, and a directory is not because all that is in it is.
    world.write("d/z.t", "z\n");
    world.run("add x.t d").ok();
    world.write("s/.annalsignore", "out/\n");
    world.write("s/out/y", "y\n");
    let said = world.run("add s/out").fails(1);
    assert!(said.starts_with("error: 's/out' is ignored\n"), "{said}");
    world.run("add -A").ok();
}

#[test]
fn names_outside_the_working_tree_are_refused_as_they_were_typed() {
    let world = World::with(&["one: a=1"]);
    for line in ["add /etc/passwd", "mv a /etc/passwd", "rm /etc/passwd", "log -- /etc/passwd"] {
        let said = world.run(line).fails(128);
        assert_eq!(said, "error: '/etc/passwd' is outside the working tree\n", "{line}");
    }
    let said = world.run("mv a ..").fails(128);
    assert_eq!(said, "error: '..' is outside the working tree\n");
    // Through a link, as well.
    std::os::unix::fs::symlink(world.path(""), world.path("../link")).unwrap();
    world.write("b", "b\n");
    world.run_args(&["add", world.path("../link/b").to_str().unwrap()]).ok();
    assert_eq!(world.says("status -s"), "A  b");
}

#[test]
fn rm_of_a_changed_file_says_that_it_would_be_removed() {
    let world = World::with(&["one: a=1"]);
    world.write("a", "mine\n");
    let said = world.run("rm a").fails(128);
    assert!(said.starts_with("error: 'a' would be removed"), "{said}");
}

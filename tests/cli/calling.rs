//! How the program is called, and how it fails.

use std::io::Read;
use std::process::Stdio;

use crate::support::World;

#[test]
fn a_wrong_call_ends_with_129_and_a_failure_with_128() {
    let world = World::empty();
    world.run("log --frobnicate").fails(129);
    let said = world.run("comit").fails(129);
    assert_eq!(
        said,
        "error: 'comit' is not an annals command\nhint: did you mean `annals commit`?\n"
    );
    let said = world.run("ls-tree").fails(129);
    assert!(said.ends_with("hint: here it is `annals ls REV`\n"), "{said}");
    let said = world.run("log").fails(128);
    assert!(said.contains("is not in an Annals repository\nhint: `annals init"), "{said}");
}

#[test]
fn a_hint_names_only_options_that_the_command_has() {
    let hint = |option: &str| format!("hint: `annals commit` keeps what is in them{option}\n");
    for (line, option) in [
        ("switch side", ", `--discard` throws it away"),
        ("reset --keep side", ", `--hard` throws it away"),
        ("rm a", ", `-f` throws it away"),
        ("merge side", ""),
        ("undo", ""),
    ] {
        let world = World::with(&["one: a=1", "two: a=2"]);
        world.run("branch side HEAD~1").ok();
        if line.starts_with("merge") {
            world.run("switch -q -c older side").ok();
            world.run("branch -f side main").ok();
        } else if line == "undo" {
            world.run("switch -q side").ok();
        }
        world.write("a", "mine\n");
        let said = world.run(line).fails(128);
        assert!(said.ends_with(&hint(option)), "{line}: {said}");
    }
}

#[test]
fn one_file_is_not_several() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    assert!(world.says("switch -c side HEAD~1").ends_with("1 file written (2 B), 0 removed"));
    assert!(world.says("merge main").ends_with("1 file written (2 B), 0 removed"));
    world.write("a", "mine\n");
    world.run("add a").ok();
    assert_eq!(world.says("restore --staged a"), "Took back 1 path");
    world.run("restore a").ok();
    let said = World::new().says("fsck");
    assert!(said.contains(", 1 record, "), "{said}");
}

#[test]
fn an_error_is_json_if_that_was_asked_for() {
    let world = World::new();
    let said = world.run("--json log nope").fails(128);
    let error: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"]["id"], "not-found");
    assert_eq!(error["error"]["exit"], 128);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let world = World::new();
    world.write("big", vec![b'x'; 3 << 20]);
    world.commit("big");
    let mut command = world.command(&["cat", "HEAD:big"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn it_is_run_elsewhere_with_a_capital_c_and_colours_only_if_asked() {
    let world = World::with(&["one: d/a=1"]);
    assert_eq!(world.says("-C d ls"), "a");
    assert!(!world.says("log").contains('\x1b'));
    assert!(world.says("--color=always log").starts_with("\x1b[33mcommit "));
}

#[test]
fn help_and_completions_are_there_for_every_command() {
    let world = World::empty();
    assert!(world.says("help").contains("Usage: annals"));
    assert!(world.says("help log").contains("--oneline"));
    assert!(world.run("help lgo").fails(129).contains("did you mean `annals help log`?"));
    assert!(world.says("completions bash").contains("_annals"));
    assert!(world.says("--version").starts_with("annals "));
}

#[test]
fn progress_is_shown_only_to_people() {
    let world = World::new();
    world.write("a", "1");
    let (_, said) = world.run_args(&["commit", "-m", "one"]).ends(0);
    assert_eq!(said, "");
}

#[test]
fn a_repository_that_may_not_be_entered_is_not_said_to_be_none() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    use std::path::Path;

    let world = World::with(&["one: a=1"]);
    let may = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    may(&world.path(".annals"), 0);
    let mut command = world.command(&["status"]);
    // Nothing is closed to root: somebody else has to try.
    if world.path("a").metadata().unwrap().uid() == 0 {
        may(&world.path(".."), 0o755);
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    may(&world.path(".annals"), 0o755);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(128), "{said}");
    assert!(said.contains("cannot open") && said.contains(".annals': permission denied"), "{said}");
    assert!(!said.contains("annals init"), "{said}");
}

//! `annals rev-parse`, and revisions wherever they are typed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
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

#[test]
fn a_name_that_is_not_text_is_said_as_it_is_or_as_it_is_shown() {
    let world = World::with(&["one: a=1"]);
    let raw = OsStr::from_bytes(b"d\xff");
    std::fs::write(world.path("").join(raw), "bytes\n").unwrap();
    world.write("\"d\\377\"", "real quotes\n");
    world.commit("two");
    let id = world.says("rev-parse HEAD:a");
    let run = |verb: &[&str], object: &[u8]| {
        let output = world.command(verb).arg(OsStr::from_bytes(object)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said, String::from_utf8(output.stderr).unwrap())
    };
    assert_ne!(run(&["rev-parse"], b"HEAD:d\xff").1.trim(), id);
    for verb in ["cat", "show"] {
        assert_eq!(run(&[verb], b"HEAD:d\xff").1, "bytes\n", "{verb}");
        assert_eq!(run(&[verb], b":d\xff").1, "bytes\n", "{verb}");
        // What has such quotes in its name goes first.
        assert_eq!(run(&[verb], br#"HEAD:"d\377""#).1, "real quotes\n", "{verb}");
    }
    std::fs::remove_file(world.path("\"d\\377\"")).unwrap();
    world.commit("three");
    assert!(world.says("ls").contains(r#""d\377""#));
    for verb in ["cat", "show"] {
        assert_eq!(run(&[verb], br#"HEAD:"d\377""#).1, "bytes\n", "{verb}");
        assert_eq!(run(&[verb], br#":"d\377""#).1, "bytes\n", "{verb}");
    }
    for verb in [&["rev-parse"][..], &["cat-object"], &["--json", "rev-parse"]] {
        let (code, said, _) = run(verb, b"HEAD:d\xff");
        assert_eq!(code, 0, "{verb:?}");
        let quoted = run(verb, br#"HEAD:"d\377""#).1;
        assert!(quoted == said || verb[0] == "--json", "{verb:?}: {quoted}{said}");
    }
    let (code, _, said) = run(&["cat"], b"HEAD:e\xff");
    assert_eq!(code, 128);
    assert!(said.starts_with(r#"error: '"e\377"' does not exist in 'HEAD'"#), "{said}");
    assert!(run(&["cat"], b"e\xff").2.contains("it is not UTF-8"));
}

#[test]
fn a_directory_whose_name_is_not_text_is_taken_wherever_trees_are() {
    let world = World::with(&["one: a=1"]);
    let directory = OsStr::from_bytes(b"d\xff");
    std::fs::create_dir(world.path("").join(directory)).unwrap();
    std::fs::write(world.path("").join(directory).join("f"), "1\n").unwrap();
    world.commit("two");
    let of = |before: &str| [before.as_bytes(), b"HEAD:d\xff"].concat();
    let run = |words: &[&str], object: &[u8], more: &[&str]| {
        let mut command = world.command(words);
        let output = command.arg(OsStr::from_bytes(object)).args(more).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["ls"], &of(""), &[]), "f\n");
    assert_eq!(run(&["ls"], &of(""), &["--", "f"]), "f\n");
    let differs = run(&["diff", "--name-status"], &of(""), &["HEAD:"]);
    assert!(!differs.is_empty());
    let quoted = br#"HEAD:"d\377""#;
    assert_eq!(run(&["diff", "--name-status"], quoted, &["HEAD:"]), differs);
    let merged = run(&["merge-tree", "--merge-base"], &of(""), &["HEAD:", "HEAD:"]);
    assert_eq!(merged.trim_end(), world.says("rev-parse HEAD:"));
    run(&["tag", "tree"], &of(""), &[]);
    assert_eq!(world.says("ls tree --"), "f");
    run(&["restore"], &of("--source="), &["f"]);
    assert_eq!(std::fs::read(world.path("f")).unwrap(), b"1\n");
    // A log takes the word, and says what it is.
    let mut command = world.command(&["log"]);
    let output = command.arg(OsStr::from_bytes(&of(""))).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(r#"HEAD:"d\377""#) || said.contains(r#""HEAD:d\377""#), "{said}");
}

#[test]
fn a_move_that_never_was_is_said_of_head_by_its_name() {
    let world = World::with(&["one: a=1"]);
    let said = world.run("rev-parse HEAD@{99}").fails(128);
    assert!(said.contains("of 'HEAD' the journal has"), "{said}");
    let (_, said) = world.run("rev-parse HEAD@{2001-01-01}").ends(0);
    assert!(said.contains("the journal of 'HEAD' does not go back"), "{said}");
}

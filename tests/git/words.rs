//! What is written over a commit whose words are in another encoding than UTF-8.

use super::repository::GitRepository;
use crate::support::{Said, World};

/// A commit with this header line and these words, imported and checked out; `None`, aloud, without
/// git.
fn imported(header: &str, message: &[u8]) -> Option<World> {
    let world = World::empty();
    let git = GitRepository::new(&world.path("theirs"))?;
    git.write("a", "1\n");
    git.run(&["add", "a"]);
    let mut bytes = format!("tree {}\n", git.run(&["write-tree"])).into_bytes();
    for role in ["author", "committer"] {
        bytes.extend_from_slice(role.as_bytes());
        bytes.extend_from_slice(b" J\xf6rg <j@x> 1700000000 +0000\n");
    }
    bytes.extend_from_slice(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(message);
    git.run(&["update-ref", "refs/heads/main", &git.object("commit", &bytes)]);
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    Some(world)
}

fn amend(world: &World, editor: &str, args: &[&str]) -> Said {
    let args = [&["-C", "ours", "commit", "--amend", "--allow-empty"], args].concat();
    world.run_edited(editor, &args)
}

/// Author and message, as they are recorded.
fn recorded(world: &World) -> Vec<u8> {
    world.run("-C ours log -1 --format=%an|%e|%B").bytes().trim_ascii_end().to_vec()
}

const LATIN1: &str = "encoding ISO-8859-1\n";

#[test]
fn amending_words_in_another_encoding_records_them_in_utf_8() {
    let editor = "sh -c 'cp \"$1\" seen; sed -i s/e$/en/ \"$1\"' editor";
    for (args, message) in [
        (&[][..], "Grüßen"),
        (&["--no-edit"][..], "Grüße"),
        (&["-m", "grün"][..], "grün"),
        // What no editor can have had a hand in.
        (&["--no-edit", "--author", "Eva <e@x>"][..], "Grüße"),
    ] {
        let Some(world) = imported(LATIN1, b"Gr\xfc\xdfe\n") else { return };
        let said = world.says("-C ours reset --hard HEAD");
        assert!(said.ends_with("Grüße"), "{said}");
        amend(&world, editor, args).ok();
        let author = if args.contains(&"--author") { "Eva" } else { "Jörg" };
        let text = String::from_utf8(recorded(&world)).unwrap();
        assert_eq!(text, format!("{author}||{message}"), "{args:?}");
        if args.is_empty() {
            let seen = std::fs::read_to_string(world.path("seen")).unwrap();
            assert!(seen.starts_with("Grüße\n\n# Say why."), "{seen}");
        }
        // Git sees the same, and no encoding that is not meant.
        world.run_args(&["-C", "ours", "export", "git", "../out"]).ok();
        let git = GitRepository::open(&world.path("out"));
        let shown = git.run(&["log", "-1", "--format=%an|%e|%B", "main"]);
        assert_eq!(shown, text);
    }
}

#[test]
fn words_that_cannot_be_read_stay_the_bytes_that_they_are() {
    for (header, message) in [
        ("", &b"gr\xfcn"[..]),
        ("encoding made-up\n", b"gr\xfcn"),
        ("encoding UTF-8\n", b"gr\xfcn"),
        ("encoding EUC-JP\n", b"gr\xff\xffn"),
    ] {
        let Some(world) = imported(header, &[message, b"\n"].concat()) else { return };
        let kept = |text: &[u8]| [b"J\xf6rg||", text].concat();
        amend(&world, "false", &["--no-edit"]).ok();
        assert_eq!(recorded(&world), kept(message), "{header}");
        // An editor is given the bytes, and what it makes of them is recorded.
        amend(&world, "printf 'more \\374\\n' >>", &[]).ok();
        let more = [message, b"\n\nmore \xfc"].concat();
        assert_eq!(recorded(&world), kept(&more), "{header}");
        amend(&world, "false", &["-m", "green"]).ok();
        assert_eq!(recorded(&world), kept(b"green"), "{header}");
    }
}

#[test]
fn an_editor_that_cannot_keep_bytes_is_not_believed() {
    let Some(world) = imported("", b"gr\xfcn\n") else { return };
    let before = world.says("-C ours rev-parse HEAD");
    let said = amend(&world, "printf 'gr\\357\\277\\275n\\n' >", &[]).fails(1);
    assert!(said.contains("nothing was recorded: the message is not UTF-8"), "{said}");
    assert!(said.contains("hint: `-m MESSAGE` gives another message; `--no-edit`"), "{said}");
    assert_eq!(world.says("-C ours rev-parse HEAD"), before);
    // In what is text, it is a letter like any other.
    amend(&world, "false", &["-m", "text"]).ok();
    amend(&world, "printf 'gr\\357\\277\\275n\\n' >", &[]).ok();
    assert_eq!(recorded(&world), [b"J\xf6rg||gr", "\u{fffd}n".as_bytes()].concat());
}

//! `annals ls`, `annals cat` and `annals cat-object`.

use std::path::Path;

use crate::support::World;

fn world() -> World {
    World::with(&["one: a=1 d/b=22 d/e/f=3"])
}

#[test]
fn a_listing_is_of_one_directory_unless_told_otherwise() {
    let world = world();
    assert_eq!(world.says("ls"), "a\nd/");
    assert_eq!(world.says("ls d"), "d/b\nd/e/");
    assert_eq!(world.says("ls -r"), "a\nd/b\nd/e/f");
    assert_eq!(world.says("ls -r -t"), "a\nd/\nd/b\nd/e/\nd/e/f");
    assert_eq!(world.says("ls HEAD -- d/*"), "d/b\nd/e/\nd/e/f");
    assert_eq!(world.run_in(Path::new("d"), &["ls"]).ok(), "b\ne/\n");
    assert_eq!(world.run_in(Path::new("d"), &["ls", "../a"]).ok(), "../a\n");
    assert_eq!(world.run("ls -z").bytes(), b"a\0d\0");
    assert!(
        world.run("ls HEAD -- nope").fails(128).starts_with("error: there is no 'nope' in 'HEAD'")
    );
}

#[test]
fn a_long_listing_shows_what_b3sum_prints() {
    let world = World::new();
    let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    world.write("big", &bytes);
    world.commit("big");
    let id = blake3::hash(&bytes).to_hex();
    let line = world.says("ls -l");
    assert!(line.starts_with("100644       400000 20"), "{line}");
    assert!(line.contains(&id[..12]), "{line} {id}");
    assert_eq!(world.run("cat HEAD:big").bytes(), bytes);
    assert_eq!(world.run(&format!("cat {id}")).bytes(), bytes);
}

#[test]
fn a_file_of_an_older_commit_is_printed_byte_for_byte() {
    let world = world();
    world.write("a", "new\n");
    world.commit("two");
    assert_eq!(world.says("cat HEAD~1:a"), "1");
    assert_eq!(world.says("cat HEAD:a HEAD:d/e/f"), "new\n3");
    let said = world.run("cat HEAD:d").fails(128);
    assert_eq!(
        said,
        "error: 'HEAD:d' is a directory\nhint: `annals show HEAD:d` lists what is in it\n"
    );
}

#[test]
fn every_object_can_be_looked_at() {
    let world = world();
    assert_eq!(world.says("cat-object --type HEAD HEAD^{tree} HEAD:a"), "commit\ntree\nchunk");
    assert_eq!(world.says("cat-object --size HEAD:d/b"), "3");
    assert!(world.says("cat-object HEAD").contains("author    Ada <ada@example.org> 1700000060"));
    assert!(world.says("cat-object HEAD:a").contains("00000000 31 0a "));
    let tree: serde_json::Value =
        serde_json::from_str(&world.says("cat-object --json HEAD^{tree}")).unwrap();
    assert_eq!(tree["entries"][0]["name"], "a");
}

/// The judge is `b3sum` itself, where it is installed.
#[test]
fn b3sum_agrees_with_the_content_ids_that_are_shown() {
    if std::process::Command::new("b3sum").arg("--version").output().is_err() {
        eprintln!("skipped: b3sum is not installed");
        return;
    }
    let world = World::new();
    let large: Vec<u8> =
        (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files = [("empty", &b""[..]), ("small", b"one line\n"), ("large", &large)];
    for (name, bytes) in files {
        world.write(name, bytes);
    }
    world.commit("all");
    let listed = world.says("ls -l --json");
    for (name, _) in files {
        let said = std::process::Command::new("b3sum")
            .args(["--no-names", name])
            .current_dir(world.path(""))
            .output()
            .unwrap();
        let hash = String::from_utf8(said.stdout).unwrap();
        assert!(listed.contains(hash.trim()), "{name}: {} is not in {listed}", hash.trim());
    }
}

//! `annals merge-tree`.

use crate::support::World;

/// `main` and `side` fork at `base`, each with a commit of these files.
fn forked(base: &str, main: &str, side: &str) -> World {
    let world = World::with(&[&format!("base: {base}")]);
    world.run("tag base").ok();
    world.run("branch side").ok();
    let change = |files: &str| {
        for file in files.split(' ') {
            match file.split_once('=') {
                Some((path, text)) => world.write(path, format!("{text}\n")),
                None => std::fs::remove_file(world.path(file)).unwrap(),
            }
        }
    };
    change(main);
    world.commit("on main");
    world.run("switch -q side").ok();
    change(side);
    world.commit("on side");
    world
}

#[test]
fn a_merged_tree_can_be_listed_and_compared_though_no_ref_names_it() {
    let world = forked("a=1 b=1", "a=2", "c=3");
    let tree = world.says("merge-tree main side");
    assert_eq!(tree.len(), 64);
    assert_eq!(world.says(&format!("ls {tree}")), "a\nb\nc");
    assert_eq!(world.says(&format!("cat {tree}:a")), "2");
    assert_eq!(world.says(&format!("diff --name-status base {tree}")), "M\ta\nA\tc");
    assert_eq!(world.says("merge-tree --write-tree side main"), tree);
    assert_eq!(world.says(&format!("merge-tree --merge-base=base main {tree}")), tree);
    // The branch and the working tree are where they were.
    assert_eq!(world.says("status --short"), "");
    world.run("fsck").ok();
}

#[test]
fn conflicts_are_listed_with_their_versions_and_the_exit_code_says_so() {
    let world = forked("a=1 b=1", "a=2", "a=3");
    let (out, _) = world.run("merge-tree main side").ends(1);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 7, "{out}");
    for (line, stage) in lines[1..4].iter().zip(["1", "2", "3"]) {
        assert!(line.starts_with("100644 "), "{line}");
        assert!(line.ends_with(&format!(" {stage}\ta")), "{line}");
    }
    assert_eq!(lines[6], "CONFLICT (content): both sides changed 'a'");
    let marked = world.says(&format!("cat {}:a", lines[0]));
    assert_eq!(marked, "<<<<<<< main\n2\n=======\n3\n>>>>>>> side");
    let (out, _) = world.run("merge-tree --name-only --no-messages main side").ends(1);
    assert_eq!(out, format!("{}\na\n", lines[0]));
    let (out, _) = world.run("merge-tree main side --json").ends(1);
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["tree"], lines[0]);
    assert_eq!(said["clean"], false);
    assert_eq!(said["conflicts"][0]["path"], "a");
    assert_eq!(said["conflicts"][0]["kind"], "content");
    for (side, text) in [("ours", "2"), ("theirs", "3")] {
        let tree = world.says(&format!("merge-tree -X {side} main side"));
        assert_eq!(world.says(&format!("cat {tree}:a")), text);
    }
}

#[test]
fn a_kept_conflict_is_an_entry_that_says_no_names() {
    let world = forked("a=1", "a=2", "a=3");
    let (one, _) = world.run("merge-tree --keep-conflicts --name-only main side").ends(1);
    let (other, _) = world.run("merge-tree --keep-conflicts --name-only side main").ends(1);
    let tree = |out: &str| out.lines().next().unwrap().to_owned();
    assert_eq!(tree(&one), tree(&other));
    world.run("fsck").ok();
}

#[test]
fn unrelated_histories_are_merged_only_if_asked() {
    let world = World::with(&["one: a=1"]);
    world.record_root("other", "main");
    let said = world.run("merge-tree main other").fails(128);
    assert!(said.contains("no common ancestor"), "{said}");
    assert!(said.contains("--allow-unrelated-histories"), "{said}");
    world.run("merge-tree --allow-unrelated-histories main other").ok();
}

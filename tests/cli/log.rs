//! `annals log` and `annals reflog`.

use crate::support::World;

fn three() -> World {
    World::with(&["one: a=1 d/b=1", "two: a=2", "three: d/b=3"])
}

#[test]
fn a_log_shows_the_newest_first_as_git_does() {
    let world = three();
    let id = world.says("rev-parse HEAD");
    let text = world.run("log -1").ok();
    let date = "Tue Nov 14 22:16:20 2023 +0000";
    assert_eq!(
        text,
        format!(
            "commit {id} (HEAD -> main)\nAuthor: Ada <ada@example.org>\nDate:   {date}\n\n    three\n"
        )
    );
    assert_eq!(world.says("log --format=%s"), "three\ntwo\none");
    assert_eq!(world.says("log --format=%s -2"), "three\ntwo");
    assert_eq!(world.says("log --format=%s --reverse -n 2"), "two\nthree");
    assert_eq!(world.says("log --format=%s HEAD~1"), "two\none");
    assert_eq!(world.says("log --format=%s HEAD~2..HEAD~1"), "two");
}

#[test]
fn a_log_of_paths_shows_only_commits_that_change_them() {
    let world = three();
    assert_eq!(world.says("log --format=%s -- a"), "two\none");
    assert_eq!(world.says("log --format=%s d"), "three\none");
    world.run("log --format=%s nothing").fails(128);
    assert_eq!(world.says("log --format=%s -- nothing"), "");
}

#[test]
fn commits_are_chosen_by_author_message_and_date() {
    let world = three();
    assert_eq!(world.says("log --format=%s --grep TW"), "two");
    assert_eq!(world.says("log --format=%s --author nobody"), "");
    assert_eq!(world.says("log --format=%s --author ADA@ --grep one"), "one");
    assert_eq!(world.says("log --format=%s --since @1700000150"), "three");
    assert_eq!(world.says("log --format=%s --until @1700000100"), "one");
}

#[test]
fn placeholders_are_those_of_git() {
    let world = three();
    let id = world.says("rev-parse HEAD");
    let expanded = world
        .run_args(&["log", "-1", "--format=%H|%h|%an|%ae|%cn|%at|%ad|%s|%D|%%|%x41|%n|%q"])
        .ok();
    let expected = format!(
        "{id}|{}|Ada|ada@example.org|Carl|1700000180|Tue Nov 14 22:16:20 2023 +0000|three|HEAD -> main|%|A|\n|%q\n",
        &id[..8]
    );
    assert_eq!(expanded, expected);
    let iso = world.run_args(&["log", "-1", "--date=iso", "--format=%ad %aI"]).ok();
    assert_eq!(iso, "2023-11-14 22:16:20 +0000 2023-11-14T22:16:20Z\n");
}

#[test]
fn people_have_the_names_they_have_and_colours_are_gits() {
    let world = three();
    let said = world.run_args(&["log", "-1", "--format=%aN|%aE|%aL|%cN|%cE|%cL|%e|%aX"]).ok();
    assert_eq!(said, "Ada|ada@example.org|ada|Carl|carl@example.org|carl||%aX\n");
    let id = &world.says("rev-parse HEAD")[..8];
    let painted = "--format=%Cred%s%Creset %C(bold 208)%an%C(nocolour) %C(auto)%h%d%C(blue)%h";
    let said = world.run_args(&["log", "-1", painted]).ok();
    assert_eq!(said, format!("three Ada%C(nocolour) {id} (HEAD -> main){id}\n"));
    let said = world.run_args(&["--color=always", "log", "-1", painted]).ok();
    let head = "(\x1b[36mHEAD ->\x1b[0m \x1b[32mmain\x1b[0m)";
    assert_eq!(
        said,
        format!(
            "\x1b[31mthree\x1b[0m \x1b[1;38;5;208mAda%C(nocolour) \x1b[33m{id}\x1b[0m {head}\x1b[34m{id}\n"
        )
    );
    let always = world.run_args(&["log", "-1", "--format=%C(always,red)%s"]).ok();
    assert_eq!(always, "\x1b[31mthree\n");
}

#[test]
fn what_each_commit_changed_stands_below_it() {
    let world = three();
    assert_eq!(world.says("log --oneline --name-status -1").lines().last(), Some("M\td/b"));
    let stat = world.says("log --format=%s --stat HEAD~1");
    assert_eq!(
        stat,
        "two\n a | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\
         one\n a   | 1 +\n d/b | 1 +\n 2 files changed, 2 insertions(+)"
    );
    assert!(world.says("log -p -1").ends_with("@@ -1 +1 @@\n-1\n+3"));
}

#[test]
fn json_has_one_commit_on_a_line() {
    let world = three();
    let text = world.says("log --json --name-status");
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["message"], "three\n");
    assert_eq!(first["changes"][0]["path"], "d/b");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_repository_without_commits_says_so() {
    let said = World::new().run("log").fails(128);
    assert!(said.starts_with("error: there are no commits yet on 'main'\nhint: "), "{said}");
}

#[test]
fn the_reflog_says_where_a_ref_has_been() {
    let world = three();
    let id = world.says("rev-parse --short HEAD~1");
    let second = world.says("reflog").lines().nth(1).unwrap().to_owned();
    assert_eq!(second, format!("{id} HEAD@{{1}}: commit: two"));
    assert_eq!(world.says("rev-parse --short HEAD@{1}"), id);
    assert_eq!(world.says("reflog main -n 1").lines().count(), 1);
    world.run("reflog nothing").fails(128);
}

/// `main` and `side` fork at `base`; `left` merges them.
fn forked() -> World {
    let world = World::forked();
    world.record_merge("left", &["main", "side"]);
    world
}

#[test]
fn a_graph_shows_how_commits_follow_each_other() {
    let world = forked();
    assert_eq!(
        world.says("log --graph --format=%s left"),
        "*   left\n|\\  \n| * on side\n* | on main\n|/  \n* base"
    );
    let text = world.says("log --graph --oneline --decorate=no --all --date-order -- c");
    assert!(text.starts_with("* ") && text.lines().count() == 1, "{text}");
    world.run("log --graph --reverse").fails(129);
    // The graph is for eyes: programs get the same commits in the same order.
    let json = world.says("--json log --graph left");
    let subject =
        |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].clone();
    assert_eq!(
        json.lines().map(subject).collect::<Vec<_>>(),
        ["left", "on side\n", "on main\n", "base\n"]
    );
    assert_eq!(world.says("log --graph --json left"), json);
}

#[test]
fn what_stands_beside_a_graph_does_not_disturb_it() {
    let world = forked();
    let id = |name: &str| world.says(&format!("rev-parse {name}"));
    let text = world.says("log --graph --format=short --name-status --no-decorate left -n2");
    assert_eq!(
        text,
        format!(
            "*   commit {}\n|\\  Merge: {} {}\n| | Author: Ada <ada@example.org>\n| | \n\
             | |     left\n| | \n| * commit {}\n| | Author: Ada <ada@example.org>\n| | \n\
             | |     on side\n| | \n| | A\tc",
            id("left"),
            &id("main")[..8],
            &id("side")[..8],
            id("side"),
        )
    );
    let colored = world.says("log --graph --format=%s --color=always left");
    assert!(colored.contains("\x1b[") && colored.contains("left"), "{colored}");
}

#[test]
fn commits_are_chosen_by_refs_and_ordered_as_asked() {
    let world = forked();
    world.run("tag v1 main").ok();
    assert_eq!(world.says("log --format=%s --branches=si*"), "on side\nbase");
    assert_eq!(world.says("log --format=%s --tags"), "on main\nbase");
    assert_eq!(world.says("log --format=%s --tags=x*"), "");
    assert_eq!(world.says("log --format=%s --branches --no-merges"), "on side\non main\nbase");
    assert_eq!(world.says("log --format=%s --topo-order left"), "left\non side\non main\nbase");
    assert_eq!(world.says("log --format=%s --date-order left ^main"), "left\non side");
    assert_eq!(world.says("log --format=%s --first-parent left"), "left\non main\nbase");
    let full = world.says("log --oneline --decorate=full -1 main");
    assert!(full.contains("(tag: refs/tags/v1, refs/heads/main)"), "{full}");
    assert!(!world.says("log --oneline --no-decorate -1 main").contains("main)"));
}

#[test]
fn a_limit_below_zero_is_none_and_an_empty_word_is_refused() {
    let world = three();
    let all = world.says("log --oneline");
    assert_eq!(all.lines().count(), 3);
    assert_eq!(world.says("log --oneline -n -1"), all);
    assert_eq!(world.says("log --oneline --max-count=-1"), all);
    assert_eq!(world.says("log --oneline -n 0"), "");
    for args in [&["log", ""][..], &["log", "--", ""], &["log", "HEAD", ""], &["diff", ""]] {
        let said = world.run_args(args).fails(129);
        assert!(
            said.starts_with("error: '' is neither a revision nor a path\nhint: `.`"),
            "{said}"
        );
    }
}

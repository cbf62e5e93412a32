//! `merge`, judged by what git makes of the same.

use std::collections::BTreeMap;

use crate::support::World;

fn read(world: &World, path: &str) -> Option<String> {
    std::fs::read_to_string(world.path(path)).ok()
}

/// Every file by path.
fn files(world: &World, below: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut stack = vec![world.path(below)];
    let root = world.path(below);
    while let Some(directory) = stack.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if name == ".git" || name == ".annals" {
                continue;
            }
            match path.is_dir() {
                true => stack.push(path),
                false => drop(found.insert(name, std::fs::read(&path).unwrap())),
            }
        }
    }
    found
}

/// The same work in both programs, in `work` and beside it in `git`.
struct Both {
    world: World,
}

impl Both {
    fn new() -> Self {
        let world = World::new();
        std::fs::create_dir(world.path("../git")).unwrap();
        let both = Self { world };
        both.git("init -q", true);
        both
    }

    fn git(&self, line: &str, is_fine: bool) -> String {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
            .args(line.split(' '))
            .current_dir(self.world.path("../git"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .output()
            .unwrap();
        assert_eq!(output.status.success(), is_fine, "git {line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        self.world.write(path, text.as_ref());
        self.world.write(&format!("../git/{path}"), text.as_ref());
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.world.path(path)).unwrap();
        std::fs::remove_file(self.world.path(&format!("../git/{path}"))).unwrap();
    }

    fn commit(&self, message: &str) {
        self.world.commit(message);
        self.git("add -A", true);
        self.git(&format!("commit -q -m {message}"), true);
    }

    fn switch(&self, line: &str) {
        self.world.run(&format!("switch -q {line}")).ok();
        self.git(&format!("switch -q {line}"), true);
    }

    /// The same command; the same end, the same files, the same state.
    fn run(&self, line: &str, is_fine: bool) -> String {
        let said = self.world.run(line).ends(if is_fine { 0 } else { 1 }).0;
        self.git(line, is_fine);
        self.compare(line);
        said
    }

    fn compare(&self, line: &str) {
        assert_eq!(files(&self.world, ""), files(&self.world, "../git"), "{line}");
        assert_eq!(
            self.world.run("status --porcelain").ok(),
            self.git("status --porcelain", true),
            "{line}"
        );
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(
            sorted(&self.world.says("log --format=%s")),
            sorted(&self.git("log --format=%s", true)),
            "{line}"
        );
    }
}

fn lines(changed: &[(usize, &str)]) -> String {
    let line = |number: usize| {
        let text = changed.iter().find(|(at, _)| *at == number).map(|(_, text)| *text);
        text.map_or_else(|| format!("line {number}\n"), |text| format!("{text}\n"))
    };
    (1..=20).map(line).collect()
}

/// `main` and `side`, which changed different lines of `a`, and more besides.
fn diverged() -> Both {
    let both = Both::new();
    both.write("a", lines(&[]));
    both.write("dir/b", "b\n");
    both.write("gone", "gone\n");
    both.commit("base");
    both.switch("-c side");
    both.write("a", lines(&[(3, "theirs")]));
    both.write("dir/new", "new\n");
    both.remove("gone");
    both.commit("theirs");
    both.switch("main");
    both.write("a", lines(&[(17, "ours")]));
    both.write("mine", "mine\n");
    both.commit("ours");
    both
}

/// Both changed line 3 of `a`; one deleted what the other changed; both added `new`.
fn conflicting() -> Both {
    let both = Both::new();
    both.write("a", lines(&[]));
    both.write("deleted", "1\n");
    both.write("clean", "1\n");
    both.commit("base");
    both.switch("-c side");
    both.write("a", lines(&[(3, "theirs")]));
    both.write("deleted", "2\n");
    both.write("new", "theirs\n");
    both.write("clean", "2\n");
    both.commit("theirs");
    both.switch("main");
    both.write("a", lines(&[(3, "ours")]));
    both.remove("deleted");
    both.write("new", "ours\n");
    both.commit("ours");
    both
}

#[test]
fn a_merge_gives_the_files_and_the_commits_that_git_gives() {
    let both = diverged();
    both.run("merge -m merged side", true);
    assert_eq!(both.world.says("log --format=%p -1").split(' ').count(), 2);
    assert_eq!(both.world.says("merge side"), "Already up to date");
}

#[test]
fn a_branch_without_work_of_its_own_goes_forward() {
    for (line, is_fine) in
        [("merge side", true), ("merge --ff-only side", true), ("merge --no-ff -m no side", true)]
    {
        let both = Both::new();
        both.write("a", "1\n");
        both.commit("base");
        both.switch("-c side");
        both.write("a", "2\n");
        both.commit("theirs");
        both.switch("main");
        both.run(line, is_fine);
    }
    let both = diverged();
    let said = both.world.run("merge --ff-only side").fails(128);
    assert!(said.starts_with("error: cannot go forward to 'side'"), "{said}");
}

#[test]
fn a_merge_may_stop_before_it_is_recorded() {
    let both = diverged();
    both.run("merge --no-commit side", true);
    both.run("commit -q -m done", true);
    assert_eq!(both.world.says("log --format=%p -1").split(' ').count(), 2);
    let both = diverged();
    both.run("merge --squash side", true);
    both.run("commit -q -m squashed", true);
    assert_eq!(both.world.says("log --format=%p -1").split(' ').count(), 1);
}

#[test]
fn conflicts_are_what_git_leaves_and_commit_waits_until_they_are_resolved() {
    let both = conflicting();
    let said = both.run("merge side", false);
    assert!(said.contains("CONFLICT (content): "), "{said}");
    assert_eq!(both.world.run("status --porcelain").ok(), "UU a\nM  clean\nDU deleted\nAA new\n");
    let said = both.world.run("commit -q -m early").fails(128);
    assert!(said.starts_with("error: 3 files are not decided yet\n  a\n"), "{said}");
    let said = both.world.run("resolve a").fails(128);
    assert!(said.starts_with("error: 'a' still has the markers"), "{said}");
    both.write("a", lines(&[(3, "both")]));
    both.write("new", "both\n");
    both.world.run("resolve a deleted").ok();
    both.world.run("add new").ok();
    both.git("add a deleted new", true);
    both.compare("resolved");
    both.run("commit -q -m merged", true);
    assert_eq!(both.world.says("log --format=%p -1").split(' ').count(), 2);
    assert_eq!(both.world.run("fsck -q").ok(), "");
}

#[test]
fn aborting_restores_what_was_there_and_keeps_what_the_merge_did_not_touch() {
    let both = conflicting();
    both.write("untracked", "x\n");
    both.run("merge side", false);
    both.write("a", "half resolved\n");
    both.run("merge --abort", true);
    assert_eq!(read(&both.world, "untracked").unwrap(), "x\n");
    let said = both.world.run("merge --abort").fails(128);
    assert!(said.starts_with("error: no merge is under way"), "{said}");
}

#[test]
fn unsaved_work_in_the_way_is_named_and_stays() {
    let both = diverged();
    both.world.write("a", "mine\n");
    both.world.write("dir/new", "untracked\n");
    let said = both.world.run("merge side").fails(128);
    assert!(said.starts_with("error: 2 files would be overwritten\n  a\n  dir/new\n"), "{said}");
    assert_eq!(read(&both.world, "a").unwrap(), "mine\n");
    assert_eq!(both.world.says("log --format=%s -1"), "ours");
    both.world.run("restore a").ok();
    std::fs::remove_file(both.world.path("dir/new")).unwrap();
    both.world.write("mine", "changed, and not touched by the merge\n");
    both.world.run("merge -q side").ok();
    assert_eq!(both.world.run("status --porcelain").ok(), " M mine\n");
}

#[test]
fn one_side_may_be_favoured_or_taken_for_a_file() {
    let both = conflicting();
    let world = &both.world;
    world.run("merge side").ends(1);
    world.run("restore --theirs a").ok();
    assert_eq!(read(world, "a").unwrap(), lines(&[(3, "theirs")]));
    world.run("restore --ours a").ok();
    assert_eq!(read(world, "a").unwrap(), lines(&[(3, "ours")]));
    assert_eq!(world.says("cat :3:new"), "theirs");
    assert!(world.says("diff new").contains("+<<<<<<< HEAD"), "{}", world.says("diff new"));
    world.run("merge --abort").ok();
    world.run("merge -q -X theirs side").ends(1);
    assert_eq!(world.run("status --porcelain").ok(), "M  a\nM  clean\nDU deleted\nM  new\n");
}

#[test]
fn of_files_that_are_not_text_the_other_version_stands_beside() {
    let world = World::with(&["base: x=1"]);
    world.write("photo.jpg", b"\0base");
    world.commit("photo");
    world.run("switch -q -c side").ok();
    world.write("photo.jpg", b"\0theirs");
    world.commit("theirs");
    world.run("switch -q main").ok();
    world.write("photo.jpg", b"\0ours");
    world.commit("ours");
    world.run("merge side").ends(1);
    assert_eq!(read(&world, "photo.jpg").unwrap(), "\0ours");
    assert_eq!(read(&world, "photo~side.jpg").unwrap(), "\0theirs");
    assert_eq!(world.run("status --porcelain").ok(), "UU photo.jpg\n?? photo~side.jpg\n");
    world.run("merge --abort").ok();
    assert_eq!(read(&world, "photo~side.jpg"), None);
    assert_eq!(world.run("status --porcelain").ok(), "");
    world.run("merge side").ends(1);
    world.run("resolve photo.jpg").ok();
    assert_eq!(read(&world, "photo~side.jpg"), None);
    world.run("merge --continue").ok();
    assert_eq!(world.says("log --format=%s -1"), "Merge branch 'side'");
}

#[test]
fn several_lines_of_work_are_merged_at_once_if_nobody_need_decide() {
    let both = Both::new();
    both.write("a", "1\n");
    both.commit("base");
    for name in ["one", "two"] {
        both.switch("main");
        both.switch(&format!("-c {name}"));
        both.write(name, "new\n");
        both.commit(name);
    }
    both.switch("main");
    both.write("main", "new\n");
    both.commit("main");
    both.run("merge -m octopus one two", true);
    assert_eq!(both.world.says("log --format=%p -1").split(' ').count(), 3);
    both.switch("-c three HEAD~1");
    both.write("one", "other\n");
    both.commit("three");
    both.switch("-c four HEAD~1");
    both.write("four", "4\n");
    both.commit("four");
    both.switch("main");
    let said = both.world.run("merge four three").fails(1);
    assert!(said.starts_with("error: cannot merge 'three' along with the others"), "{said}");
    assert_eq!(both.world.run("status --porcelain").ok(), "");
}

#[test]
fn what_cannot_be_decided_may_be_recorded_and_resolved_later() {
    let both = conflicting();
    let world = &both.world;
    world.run("merge -q --keep-conflicts side").ok();
    assert_eq!(world.says("log --format=%p -1").split(' ').count(), 2);
    assert_eq!(world.run("fsck -q").ok(), "");
    let undecided = "UU a\nUD deleted\nAA new\n";
    assert_eq!(world.run("status --porcelain").ok(), undecided);
    // What shows it is nobody's version, and no later commit takes it for one.
    world.write("other", "1\n");
    world.commit("other");
    world.run("cat HEAD:a").fails(128);
    assert_eq!(world.run("status --porcelain").ok(), undecided);
    world.write("a", "resolved\n");
    world.run("add a").ok();
    world.run("commit -q -m resolved").ok();
    assert_eq!(world.says("cat HEAD:a"), "resolved");
}

#[test]
fn a_program_of_ones_own_merges_the_files_it_is_for() {
    let both = conflicting();
    let world = &both.world;
    world.run_args(&["config", "set", "merge-driver.last.patterns", "new"]).ok();
    world
        .run_args(&["config", "set", "merge-driver.last.command", "cat %B %A > %A.x && mv %A.x %A"])
        .ok();
    world.run("merge side").ends(1);
    assert_eq!(read(world, "new").unwrap(), "theirs\nours\n");
    assert_eq!(world.run("status --porcelain").ok(), "UU a\nM  clean\nDU deleted\nM  new\n");
}

#[test]
fn histories_with_nothing_in_common_are_merged_only_on_request() {
    let world = World::with(&["one: a=1"]);
    world.run("branch other").ok();
    world.run("undo").ok();
    world.run("undo").ok();
    world.write("b", "2\n");
    std::fs::remove_file(world.path("a")).unwrap();
    world.commit("another beginning");
    world.run("redo").fails(1);
    let said = world.run("reflog main").ok();
    let first = said.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    let said = world.run(&format!("merge {first}")).fails(128);
    assert!(said.contains("have no common ancestor"), "{said}");
    world.run(&format!("merge -q --allow-unrelated-histories {first}")).ok();
    assert_eq!(read(&world, "a").unwrap() + &read(&world, "b").unwrap(), "1\n2\n");
}

#[test]
fn undo_takes_a_merge_back_and_redo_does_it_again() {
    let both = diverged();
    let world = &both.world;
    let before = files(world, "");
    world.run("merge -q side").ok();
    let after = files(world, "");
    world.run("undo").ok();
    assert_eq!(files(world, ""), before);
    world.run("redo").ok();
    assert_eq!(files(world, ""), after);
    assert_eq!(world.run("status --porcelain").ok(), "");
    let both = conflicting();
    let before = files(&both.world, "");
    both.world.run("merge side").ends(1);
    both.world.run("undo").ok();
    assert_eq!(files(&both.world, ""), before);
    assert_eq!(both.world.run("status --porcelain").ok(), "");
}

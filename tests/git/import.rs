//! `annals import git`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals::disk::{Disk, Fault, FaultyDisk, MemoryDisk, Survival};
use annals::git::Pace;
use annals::ops::{self, import, init};
use annals::progress::Silent;
use annals::repo::{Repository, Rules};
use serde_json::Value;

use super::repository::GitRepository;
use crate::crash::{ROOT, check, env, open, person, shared};
use crate::support::World;

/// What the files of a commit are, as git and Annals can both say it.
fn listing(world: &World, git: &GitRepository, revision: &str) -> (Vec<String>, Vec<String>) {
    let theirs = git.run(&["ls-tree", "-r", "--name-only", revision]);
    let ours = world.run_in("ours".as_ref(), &["ls", "-r", revision]).ok();
    let mut theirs: Vec<String> = theirs.lines().map(str::to_owned).collect();
    let mut ours: Vec<String> = ours.lines().map(str::to_owned).collect();
    theirs.sort();
    ours.sort();
    (theirs, ours)
}

#[test]
fn an_imported_history_has_every_file_and_is_sound() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.fill();
    git.run(&["tag", "-d", "odd-tree"]);
    let said = world.run_args(&["import", "git", "theirs", "ours"]).ok();
    assert!(said.contains("with trees that git itself would not write"), "{said}");
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args).ok();
    ours(&["fsck"]);
    for revision in ["main", "main~20", "a", "other-root", "odd/3"] {
        let (theirs, ours) = listing(&world, &git, revision);
        assert_eq!(theirs, ours, "{revision}");
    }
    let theirs = git.run(&["rev-list", "--count", "--branches"]);
    let branches = ["log", "--oneline", "--all"];
    assert_eq!(ours(&branches).lines().count().to_string(), theirs);
    assert_eq!(ours(&["cat", "main:src/main.c"]).trim_end(), git.run(&["show", "main:src/main.c"]));
    // The files are brought out, executable or links, and nothing has changed.
    assert_eq!(std::fs::read(world.path("ours/readme")).unwrap(), b"hello\n");
    assert_eq!(
        std::fs::read_link(world.path("ours/link")).unwrap(),
        "src/main.c".as_ref() as &std::path::Path
    );
    assert_eq!(ours(&["status", "--porcelain"]), "");
    // What stands under a name that cannot be kept is there under another.
    let odd = ours(&["ls", "-r", "odd/trees"]);
    assert!(odd.contains("bad/%2eannals\n") && odd.contains("bad/twice%2\n"), "{odd}");
}

/// Git says beside the bytes what encoding they are in.
#[test]
fn words_in_another_encoding_are_shown_as_text_and_kept_as_they_are() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.run(&["add", "a"]);
    let tree = git.run(&["write-tree"]);
    let commit = |encoding: &str| {
        let mut bytes = format!("tree {tree}\n").into_bytes();
        for role in ["author", "committer"] {
            bytes.extend_from_slice(role.as_bytes());
            bytes.extend_from_slice(b" J\xfcrgen <j@x> 1700000000 +0000\n");
        }
        bytes.extend_from_slice(encoding.as_bytes());
        bytes.extend_from_slice(b"\ngr\xfcn\n");
        git.object("commit", &bytes)
    };
    git.run(&["branch", "said", &commit("encoding ISO-8859-1\n")]);
    git.run(&["branch", "unsaid", &commit("")]);
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    let format = "--format=%an|%s|%e";
    let said = ours(&["log", format, "said"]).ok();
    assert_eq!(said, "Jürgen|grün|ISO-8859-1\n");
    assert_eq!(said, git.run(&["log", format, "said"]) + "\n");
    assert_eq!(
        ours(&["log", "--format=%s", "--author", "jürgen", "--grep=grün", "--all"]).ok(),
        "grün\n"
    );
    let shown: Value = serde_json::from_str(&ours(&["log", "--json", "said"]).ok()).unwrap();
    assert_eq!((&shown["message"], &shown["encoding"]), (&"grün\n".into(), &"ISO-8859-1".into()));
    let raw = ours(&["cat-object", "--raw", "said"]).bytes();
    assert!(raw.windows(4).any(|bytes| bytes == b"gr\xfcn"));
    // What says nothing is not guessed at; a terminal is not given what could mean anything to it.
    assert_eq!(ours(&["log", "--format=%s", "unsaid"]).bytes(), b"gr\xfcn\n");
    let shown: Value = serde_json::from_str(&ours(&["log", "--json", "unsaid"]).ok()).unwrap();
    assert_eq!(shown["message"]["bytes"], "6772fc6e0a");
    let seen = world.on_terminal(
        &[("NO_COLOR", "1"), ("PAGER", "cat")],
        &["-C", "ours", "log", "--format=%s", "unsaid"],
    );
    assert_eq!(seen, "gr\u{fffd}n\n");
}

#[test]
fn a_branch_that_looks_like_an_option_is_kept_and_is_no_place_to_begin() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.fill();
    git.run(&["tag", "-d", "odd-tree"]);
    git.run(&["update-ref", "refs/heads/-x", "main"]);
    git.run(&["symbolic-ref", "HEAD", "refs/heads/not-yet"]);
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    let (theirs, ours) = listing(&world, &git, "refs/heads/-x");
    assert_eq!(theirs, ours);
    // HEAD on such a branch is no place either.
    git.run(&["symbolic-ref", "HEAD", "refs/heads/-x"]);
    world.run_args(&["import", "git", "theirs", "bare", "--bare"]).ok();
    for of in ["ours", "bare"] {
        let on = world.run_in(of.as_ref(), &["branch", "--show-current"]).ok();
        assert_eq!(on, "a\n", "{of}");
    }
}

#[test]
fn who_imports_the_same_history_gets_the_same_ids() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.fill();
    git.run(&["tag", "-d", "odd-tree"]);
    world.run_args(&["import", "git", "theirs", "once", "--bare"]).ok();
    // Somebody else packs it otherwise, and takes it in piece by piece.
    git.run(&["gc", "-q", "--aggressive"]);
    world.later(1000);
    world.run_args(&["import", "git", "theirs", "twice", "--bare", "--branches", "a,odd/*"]).ok();
    world.run_args(&["import", "git", "theirs", "twice", "--branches", "b"]).ok();
    world.run_args(&["import", "git", "theirs", "twice"]).ok();
    let refs = |of: &str| {
        let list = |what: &str| world.run_in(of.as_ref(), &[what, "-v", "--json"]).ok();
        (list("branch"), list("tag"))
    };
    let cut = |(branches, tags): (String, String)| {
        // Which branch is the current one may differ.
        (branches.replace("\"current\":true", "\"current\":false"), tags)
    };
    assert_eq!(cut(refs("once")), cut(refs("twice")));
    world.run_in("twice".as_ref(), &["fsck"]).ok();
}

#[test]
fn a_history_that_has_grown_is_taken_in_again_and_own_work_stays() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.commit("one");
    git.run(&["branch", "side"]);
    let before = git.refs();
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    assert_eq!(git.refs(), before);
    let again = world.run_args(&["import", "git", "theirs", "ours"]).ok();
    assert_eq!(again, "Nothing is new\n");
    git.write("a", "2\n");
    git.commit("two");
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    // The branch with a working tree took its files along.
    assert_eq!(std::fs::read(world.path("ours/a")).unwrap(), b"2\n");
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    assert_eq!(ours(&["status", "--porcelain"]).ok(), "");
    world.write("ours/mine", "mine\n");
    ours(&["commit", "-q", "-m", "mine"]).ok();
    let mine = ours(&["rev-parse", "main"]).ok();
    let same = world.run_args(&["import", "git", "theirs", "ours", "--json"]).ok();
    assert!(same.contains(r#""fate":"ahead""#), "{same}");
    git.write("a", "3\n");
    git.commit("three");
    let kept = world.run_args(&["import", "git", "theirs", "ours"]).fails(1);
    assert!(kept.contains("refs/heads/main stands elsewhere here"), "{kept}");
    assert_eq!(ours(&["rev-parse", "main"]).ok(), mine);
    world.run_args(&["import", "git", "theirs", "ours", "--force"]).ok();
    assert_eq!(std::fs::read(world.path("ours/a")).unwrap(), b"3\n");
}

#[test]
fn a_history_with_the_long_hash_comes_in_too() {
    let world = World::empty();
    let path = world.path("theirs");
    let Some(git) = GitRepository::with(&path, &["-b", "main", "--object-format=sha256"]) else {
        return;
    };
    git.fill();
    git.run(&["tag", "-d", "odd-tree"]);
    world.run_args(&["import", "git", "theirs", "ours", "--bare"]).ok();
    world.run_in("ours".as_ref(), &["fsck"]).ok();
    let (theirs, ours) = listing(&world, &git, "main");
    assert_eq!(theirs, ours);
}

#[test]
fn a_damaged_git_repository_changes_nothing() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.commit("one");
    let blob = git.run(&["rev-parse", "HEAD:a"]);
    let file = world.path(&format!("theirs/.git/objects/{}/{}", &blob[..2], &blob[2..]));
    std::fs::remove_file(file).unwrap();
    world.run_args(&["init", "-q", "ours"]).ok();
    let said = world.run_args(&["import", "git", "theirs", "ours"]).fails(128);
    assert!(said.contains(&blob), "{said}");
    assert_eq!(world.run_in("ours".as_ref(), &["branch"]).ok(), "");
    let none = world.run_args(&["import", "git", "theirs", "ours", "--branches", "x*"]).fails(128);
    assert!(none.contains("the git repository has no branch 'x*'"), "{none}");
}

/// Versions of some files, in two branches.
fn some_history(git: &GitRepository) {
    for number in 0..6u32 {
        for file in ["a", "b", "d/c"] {
            let text = |line| format!("{file} has in line {line} {}\n", line * (number + 1) % 7);
            git.write(file, (0..1500).map(text).collect::<String>().as_bytes());
        }
        git.write("small", number.to_string().as_bytes());
        git.run(&["add", "-A"]);
        git.run(&["commit", "-q", "-m", &number.to_string()]);
    }
    git.run(&["branch", "other", "HEAD~2"]);
}

/// Imports with everything listed as it is read.
fn import_slowly(disk: &Arc<dyn Disk>, source: &Path) -> Result<import::Outcome, ops::Error> {
    let repo = open(disk)?;
    let options = import::Options {
        source: source.to_owned(),
        branches: Vec::new(),
        force: false,
        actor: person(),
        rules: Rules::default(),
        pace: Pace { held_bytes: 1, list_every: Duration::ZERO },
    };
    import::run(&repo, &options, &Silent)
}

fn branches(repo: &Repository) -> Vec<String> {
    let refs = repo.store().refs("refs/heads/");
    refs.into_iter().map(|(name, target)| format!("{name} {target:?}")).collect()
}

#[test]
fn an_import_may_be_cut_off_anywhere_and_goes_on_from_there() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    some_history(&git);
    let source = world.path("theirs");
    let whole = MemoryDisk::new();
    let bare = init::Options { bare: true, ..init::Options::new(person()) };
    init::run(shared(&whole), Path::new(ROOT), env(), &bare).unwrap();
    let before = whole.image_after_power_loss(Survival::Everything);
    import_slowly(&shared(&whole), &source).unwrap();
    let done = branches(&open(&shared(&whole)).unwrap());
    assert_eq!(done.len(), 2);
    let mut least = u64::MAX;
    // All places are too many: each costs a dozen of git's processes.
    for survivors in (0..).step_by(7) {
        let disk = before.image_after_power_loss(Survival::Everything);
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let fault = Fault::dying_after(survivors);
        faulty.set_fault(if survivors % 2 == 0 { fault } else { fault.torn() });
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let finished = import_slowly(&dying, &source).is_ok();
        let survival = [Survival::Everything, Survival::Nothing, Survival::Some(survivors)];
        let left = disk.image_after_power_loss(survival[survivors as usize % 3]);
        let repo = open(&shared(&left)).unwrap();
        let found = branches(&repo);
        assert!(found == done || (found.is_empty() && !finished), "after {survivors} writes");
        assert!(check(&repo).is_clean(), "after {survivors} writes");
        drop(repo);
        let again = import_slowly(&shared(&left), &source).unwrap();
        let repo = open(&shared(&left)).unwrap();
        assert_eq!(branches(&repo), done, "after {survivors} writes");
        assert!(check(&repo).is_clean(), "after {survivors} writes, again");
        if found.is_empty() {
            least = least.min(again.stored);
        }
        if finished {
            break;
        }
    }
    let all = import_slowly(&shared(&before), &source).unwrap().stored;
    assert!(least < all / 2, "{least} of {all}");
}

//! `annals export git`, and the way there and back.

use super::repository::GitRepository;
use crate::support::World;

/// Everything git's refs of branches and tags say, but for those that cannot come along.
fn refs(git: &GitRepository) -> Vec<String> {
    git.refs().into_iter().filter(|line| !line.starts_with("refs/tags/odd-tree ")).collect()
}

/// Takes a history in and writes it out again; the new repository has the same refs and is sound.
fn there_and_back(options: &[&str]) {
    let world = World::empty();
    let Some(git) = GitRepository::with(&world.path("theirs"), options) else { return };
    git.fill();
    let said = world.run_args(&["import", "git", "theirs", "ours", "--bare"]).fails(1);
    assert!(said.contains("refs/tags/odd-tree was left out"), "{said}");
    world.run_in("ours".as_ref(), &["export", "git", "../back"]).ok();
    let back = GitRepository::open(&world.path("back"));
    assert_eq!(refs(&git), back.refs());
    let fsck = |git: &GitRepository| git.run(&["fsck", "--no-dangling", "--connectivity-only"]);
    assert_eq!(fsck(&back), "");
    // Every object that the refs lead to is there.
    let count = |git: &GitRepository| {
        let names = refs(git).into_iter().map(|line| line.split(' ').next().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        let args: Vec<&str> =
            ["rev-list", "--objects"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut ids: Vec<String> =
            git.run(&args).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(count(&git), count(&back));
    assert_eq!(back.run(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    let again = world.run_in("ours".as_ref(), &["export", "git", "../back"]).ok();
    assert_eq!(again, "Nothing is new\n");
}

#[test]
fn a_history_goes_out_as_it_came_in() {
    there_and_back(&["-b", "main"]);
}

#[test]
fn a_history_with_the_long_hash_goes_out_as_it_came_in() {
    there_and_back(&["-b", "main", "--object-format=sha256"]);
}

#[test]
fn what_was_recorded_here_becomes_git() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.write("dir/b", "b\n".repeat(9000));
    git.commit("one");
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    world.write("ours/a", "2\n");
    world.write("ours/dir/new", "new\n");
    world.write("ours/.git/config", "not for git\n");
    std::fs::create_dir(world.path("ours/empty")).unwrap();
    ours(&["-c", "record.nested=data", "commit", "-q", "-m", "mine"]).ok();
    ours(&["tag", "-a", "-m", "words", "v1"]).ok();
    ours(&["switch", "-q", "-c", "side"]).ok();
    let said = ours(&["export", "git", "../back"]).fails(1);
    assert!(said.contains(".git was left out: git keeps this name for itself"), "{said}");
    let back = GitRepository::open(&world.path("back"));
    assert_eq!(back.run(&["fsck", "--strict"]), "");
    assert_eq!(back.run(&["show", "main:a"]), "2");
    assert_eq!(back.run(&["log", "--format=%s", "v1"]), "mine\none");
    assert_eq!(
        back.run(&["log", "-1", "--format=%an <%ae> %at", "main"]),
        "Ada <ada@example.org> 1700000000"
    );
    assert_eq!(back.run(&["ls-tree", "-r", "--name-only", "main"]), "a\ndir/b\ndir/new");
    assert_eq!(ours(&["export", "git", "../back"]).ok(), "Nothing is new\n");
}

#[test]
fn a_branch_that_is_in_use_or_has_gone_on_stays_where_it_is() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.commit("one");
    git.run(&["branch", "side"]);
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    world.write("ours/a", "2\n");
    ours(&["commit", "-q", "-m", "mine"]).ok();
    let said = ours(&["export", "git", "../theirs"]).fails(1);
    assert!(said.contains("refs/heads/main was not moved"), "{said}");
    git.run(&["switch", "-q", "--detach"]);
    ours(&["export", "git", "../theirs"]).ok();
    assert_eq!(git.run(&["show", "main:a"]), "2");
    git.run(&["switch", "-q", "side"]);
    git.write("b", "b\n");
    git.commit("theirs");
    git.run(&["branch", "-f", "main"]);
    git.run(&["switch", "-q", "--detach"]);
    world.write("ours/a", "3\n");
    ours(&["commit", "-q", "-m", "mine too"]).ok();
    let said = ours(&["export", "git", "../theirs"]).fails(1);
    assert!(said.contains("refs/heads/main stands elsewhere there"), "{said}");
    assert_eq!(git.run(&["log", "-1", "--format=%s", "main"]), "theirs");
    ours(&["export", "git", "../theirs", "--force"]).ok();
    assert_eq!(git.run(&["log", "-1", "--format=%s", "main"]), "mine too");
}

#[test]
fn a_content_that_is_not_here_is_named_and_git_is_left_alone() {
    let world = World::with(&["one: dir/a=1 b=2"]);
    if GitRepository::new(&world.path("elsewhere")).is_none() {
        return;
    }
    std::fs::remove_dir_all(world.path("elsewhere")).unwrap();
    std::fs::remove_dir_all(world.path(".annals/packs/near")).unwrap();
    let said = world.run_args(&["export", "git", "back"]).fails(128);
    assert!(said.contains("dir/a") && said.contains("not here"), "{said}");
    let back = GitRepository::open(&world.path("back"));
    assert_eq!(back.refs(), Vec::<String>::new());
}

#[test]
fn a_repository_above_is_never_taken_for_the_one_that_was_named() {
    let world = World::with(&["one: a=1"]);
    let Some(git) = GitRepository::new(&world.path("par")) else { return };
    git.write("sub/a", "1\n");
    git.commit("theirs");
    let before = git.refs();
    let export = |to: &str| world.run_args(&["export", "git", to]);
    std::fs::create_dir(world.path("par/out")).unwrap();
    export("par/out").ok();
    let out = GitRepository::open(&world.path("par/out"));
    assert_eq!(out.run(&["log", "--format=%s", "main"]), "one");
    assert_eq!(out.run(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert!(!world.path("par/out/.git").exists());
    let said = export("par/sub").fails(128);
    assert!(said.contains("par/sub' is neither a git repository nor empty"), "{said}");
    assert!(said.contains("hint: a directory that is empty"), "{said}");
    assert_eq!(std::fs::read_dir(world.path("par/sub")).unwrap().count(), 1);
    // What only looks like one makes git look above.
    std::fs::create_dir_all(world.path("par/odd/.git/objects")).unwrap();
    std::fs::create_dir_all(world.path("par/odd/.git/refs")).unwrap();
    std::fs::write(world.path("par/odd/.git/HEAD"), "nonsense\n").unwrap();
    let said = export("par/odd").fails(128);
    assert!(said.contains("par/odd' is neither a git repository nor empty"), "{said}");
    assert_eq!(git.refs(), before);
    for (from, code) in [("par/sub", 128), ("par/odd", 128), ("par/none", 128)] {
        let said = world.run_args(&["import", "git", from, "ours"]).fails(code);
        assert!(said.contains(&format!("{from}' is no git repository\nhint: name the")), "{said}");
        assert!(!world.path("ours").exists());
    }
    // All that is one is still taken: a bare one, the `.git` itself, another working tree.
    git.run(&["worktree", "add", "-q", "--detach", "../tree"]);
    for (at, from) in ["par", "par/out", "par/.git", "tree"].iter().enumerate() {
        world.run_args(&["import", "git", from, &format!("ours{at}")]).ok();
    }
}

#[test]
fn an_export_that_was_killed_while_it_made_the_repository_is_gone_on_with() {
    let world = World::with(&["one: a=1"]);
    world.run("switch -q -c other").ok();
    if GitRepository::new(&world.path("elsewhere")).is_none() {
        return;
    }
    std::fs::remove_dir_all(world.path("elsewhere")).unwrap();
    let mark = "back/annals-export-unfinished";
    // Nothing of it, half of it with git's locks, and all of it but for HEAD.
    for stage in 0..3 {
        std::fs::create_dir(world.path("back")).unwrap();
        if stage == 1 {
            for file in [mark, "back/HEAD.lock", "back/config.lock", "back/hooks/x"] {
                world.write(file, "");
            }
        } else if stage == 2 {
            GitRepository::with(&world.path("back"), &["--bare", "-b", "main"]).unwrap();
            world.write(mark, "");
        }
        world.run_args(&["export", "git", "back"]).ok();
        let back = GitRepository::open(&world.path("back"));
        assert_eq!(back.run(&["fsck", "--strict"]), "", "{stage}");
        assert_eq!(back.run(&["log", "--format=%s", "HEAD"]), "one", "{stage}");
        assert_eq!(back.run(&["symbolic-ref", "HEAD"]), "refs/heads/other", "{stage}");
        assert!(!world.path(mark).exists(), "{stage}");
        std::fs::remove_dir_all(world.path("back")).unwrap();
    }
}

#[test]
fn a_symbolic_branch_comes_along_and_is_not_moved_over_there() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.commit("one");
    git.run(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    git.run(&["switch", "-q", "--detach"]);
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    assert_eq!(ours(&["branch"]).ok(), "  alias\n* main\n");
    assert_eq!(ours(&["log", "--format=%s", "alias"]).ok(), "one\n");
    assert_eq!(ours(&["export", "git", "../theirs"]).ok(), "Nothing is new\n");
    ours(&["switch", "-q", "alias"]).ok();
    world.write("ours/a", "2\n");
    ours(&["commit", "-q", "-m", "mine"]).ok();
    let said = ours(&["export", "git", "../theirs", "--force"]).fails(1);
    assert!(said.contains("refs/heads/alias was not moved: it stands for another"), "{said}");
    assert_eq!(git.run(&["log", "--format=%s", "main"]), "one");
    assert_eq!(git.run(&["symbolic-ref", "refs/heads/alias"]), "refs/heads/main");
}

#[test]
fn why_an_export_or_import_is_not_complete_is_said_to_the_quiet_too() {
    let world = World::empty();
    let Some(git) = GitRepository::new(&world.path("theirs")) else { return };
    git.write("a", "1\n");
    git.commit("one");
    world.run_args(&["import", "git", "theirs", "ours"]).ok();
    let ours = |args: &[&str]| world.run_in("ours".as_ref(), args);
    world.write("ours/a", "2\n");
    ours(&["commit", "-q", "-m", "mine"]).ok();
    let (out, err) = ours(&["export", "git", "../theirs", "-q"]).ends(1);
    assert_eq!(out, "");
    assert!(err.starts_with("warning: refs/heads/main was not moved: its files"), "{err}");
    git.write("a", "3\n");
    git.commit("theirs");
    let (out, err) = ours(&["import", "git", "../theirs", "-q"]).ends(1);
    assert_eq!(out, "");
    assert!(err.starts_with("warning: refs/heads/main stands elsewhere here"), "{err}");
    let said = ours(&["import", "git", "../theirs", "-b", "nosuch"]).fails(128);
    assert!(
        said.contains("error: the git repository has no branch 'nosuch'\nhint: `git branch`"),
        "{said}"
    );
    let said = ours(&["export", "git", "../theirs", "-b", "nosuch"]).fails(128);
    assert!(said.contains("there is no branch 'nosuch'\nhint: `annals branch`"), "{said}");
}

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

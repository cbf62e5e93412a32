//! `annals branch`.

use crate::support::World;

#[test]
fn branches_are_made_listed_renamed_and_deleted() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    world.run("branch old HEAD~1").ok();
    world.run("branch new").ok();
    assert_eq!(world.says("branch"), "* main\n  new\n  old");
    assert!(world.says("branch -v").contains("* main  "));
    world.run("branch -m new newer").ok();
    world.run("branch -m trunk").ok();
    assert_eq!(world.says("branch --show-current"), "trunk");
    assert_eq!(world.says("branch --list n*"), "  newer");
    assert!(world.says("branch -d newer").starts_with("Deleted the branch newer (it was at "));
    assert_eq!(world.says("branch"), "  old\n* trunk");
    assert_eq!(world.says("log --format=%s old"), "one");
}

#[test]
fn work_that_would_be_forgotten_is_not_deleted() {
    let world = World::with(&["one: a=1"]);
    world.run("switch -q -c side").ok();
    world.write("a", "2\n");
    world.commit("two");
    world.run("switch -q main").ok();
    let said = world.run("branch -d side").fails(128);
    assert_eq!(
        said,
        "error: cannot delete the branch 'side': it has commits that 'main' has not\n\
         hint: `annals branch -D side` deletes it all the same\n"
    );
    world.run("branch -D side").ok();
}

#[test]
fn a_branch_is_not_made_twice_nor_by_a_wrong_name() {
    let world = World::with(&["one: a=1"]);
    world.run("branch side").ok();
    assert!(world.run("branch side").fails(128).contains("'side' is there already"));
    world.run("branch -f side").ok();
    let said = world.run("branch a..b").fails(128);
    assert_eq!(said, "error: 'a..b' is not a branch name: it contains '..'\n");
    assert!(world.run("branch -d main").fails(128).contains("it is the current one"));
    assert!(world.run("branch -d nope").fails(128).contains("there is no branch 'nope'"));
}

#[test]
fn a_branch_that_is_checked_out_is_not_moved_without_its_files() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let first = world.says("rev-parse --short HEAD~1");
    let said = world.run("branch -f main HEAD~1").fails(128);
    assert_eq!(
        said,
        format!(
            "error: cannot move the branch 'main' there: it is checked out\n\
             hint: `annals reset --keep {first}` moves it, and the files along\n"
        )
    );
    world.run(&format!("reset -q --keep {first}")).ok();
    assert_eq!(world.says("log --format=%s main"), "one");
}

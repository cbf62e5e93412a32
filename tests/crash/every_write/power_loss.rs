//! Every verb with the power cut before each of its writes, and once more in what the next command
//! does.

use annals::disk::{Fault, FaultyDisk};
use annals::ops::branch;
use annals::ops::undo::Direction;

use super::beginnings::{
    changed, diverged, edited, many, not_recorded, of_another_kind, recorded, recorded_often,
    staged, undone, went_back, with_branch, with_untracked, with_what_goes,
};
use super::commands::{
    amend, bring_back, commit_staged, discard, go, go_back, join, list_status, make_branch,
    make_tag, ops_that_recover, remove, rename, repack_all, stage, undo_or_redo,
};
use super::*;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "init",
        prepare: |disk| write(disk, "a", "1"),
        run: |disk| create(disk).map(drop),
    },
    Verb {
        name: "first commit",
        prepare: not_recorded,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb {
        name: "commit",
        prepare: changed,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb {
        name: "commit of a path",
        prepare: changed,
        run: |disk| commit_paths(&open(disk)?, "verb", paths(&["a"])).map(drop),
    },
    Verb { name: "commit of what is staged", prepare: staged, run: commit_staged },
    Verb { name: "commit --amend", prepare: changed, run: amend },
    Verb { name: "add", prepare: changed, run: |disk| stage(disk, &["a", "d"]) },
    Verb { name: "switch", prepare: with_branch, run: |disk| go(disk, "other") },
    Verb {
        name: "switch with a user's files",
        prepare: with_untracked,
        run: |disk| go(disk, "other"),
    },
    Verb {
        name: "restore",
        prepare: changed,
        run: |disk| bring_back(disk, None, &["a", "d", "new"]),
    },
    Verb {
        name: "restore from a commit",
        prepare: with_branch,
        run: |disk| bring_back(disk, Some("other"), &["a", "d"]),
    },
    Verb {
        name: "restore of what a commit does not have",
        prepare: with_what_goes,
        run: |disk| bring_back(disk, Some("other"), &["a", "d", "link", "mine", "new"]),
    },
    Verb {
        name: "restore over files of another kind",
        prepare: of_another_kind,
        run: |disk| bring_back(disk, None, &["a", "d", "empty", "link", "t"]),
    },
    Verb { name: "reset --hard", prepare: with_branch, run: |disk| go_back(disk, "other") },
    Verb { name: "reset --hard over edits", prepare: edited, run: |disk| go_back(disk, "HEAD") },
    Verb { name: "switch --discard over edits", prepare: edited, run: discard },
    Verb {
        name: "reset --hard over files of another kind",
        prepare: of_another_kind,
        run: |disk| go_back(disk, "HEAD"),
    },
    Verb {
        name: "switch --discard over files of another kind",
        prepare: of_another_kind,
        run: discard,
    },
    Verb { name: "merge", prepare: diverged, run: |disk| join(disk, "other") },
    Verb { name: "undo", prepare: went_back, run: |disk| undo_or_redo(disk, Direction::Undo) },
    Verb { name: "redo", prepare: undone, run: |disk| undo_or_redo(disk, Direction::Redo) },
    Verb { name: "rm", prepare: recorded, run: |disk| remove(disk, &["a", "d"]) },
    Verb { name: "mv", prepare: recorded, run: |disk| rename(disk, &["a", "d/b"], "empty") },
    Verb { name: "mv of a directory", prepare: recorded, run: |disk| rename(disk, &["d"], "n") },
    Verb { name: "branch", prepare: recorded, run: |disk| make_branch(disk, "another") },
    Verb { name: "tag", prepare: recorded, run: make_tag },
    Verb { name: "repack", prepare: recorded_often, run: repack_all },
];

/// How many of the possible states are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pains {
    /// Two kinds of power loss for each cut, and cuts in the recovery.
    Great,
    /// One, another for each cut.
    Small,
}

/// Cuts the power before each write of the verb and judges what is left.
fn survives_power_loss(verb: &Verb, pains: Pains) {
    let story = Story::of(verb);
    story.cut_everywhere(Torn::EverySecond, |ran, survivors| {
        let finished = ran.is_finished();
        let kinds = if pains == Pains::Great { 2 } else { 1 };
        for kind in 0..kinds {
            let survival = SURVIVALS[(survivors as usize + kind) % 4];
            let left = ran.left(survival);
            if pains == Pains::Great && kind == 0 {
                // Once more, in what the next command does. All pairs are too many.
                survives_twice(&story, &left, finished, survivors);
            }
            story.judge(&left, finished, &format!("after {survivors} writes, {survival:?}"));
        }
    });
}

fn survives_twice(story: &Story, left: &MemoryDisk, finished: bool, survivors: u64) {
    for cut in (survivors % 23..70).step_by(23) {
        let again = left.image_after_power_loss(Survival::Everything);
        let faulty = FaultyDisk::new(Arc::new(again.clone()));
        faulty.set_fault(Fault::dying_after(cut));
        let dying: Arc<dyn Disk> = Arc::new(faulty);
        // Whether it gets so far or not, the same law holds; a new file would be in the way of it.
        let _ = open(&dying).and_then(|repo| list_status(&repo).map(drop));
        let _ = ops_that_recover(&dying);
        let survival = SURVIVALS[(survivors + cut) as usize % 4];
        let left = again.image_after_power_loss(survival);
        let context = format!("after {survivors} writes, {cut} of the next command, {survival:?}");
        story.judge(&left, finished, &context);
    }
}

macro_rules! power_loss {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            survives_power_loss(named(VERBS, $name), Pains::Great);
        })*
    };
}

power_loss! {
    init_survives_power_loss: "init",
    a_first_commit_survives_power_loss: "first commit",
    a_commit_survives_power_loss: "commit",
    a_commit_of_a_path_survives_power_loss: "commit of a path",
    a_commit_of_what_is_staged_survives_power_loss: "commit of what is staged",
    amending_survives_power_loss: "commit --amend",
    add_survives_power_loss: "add",
    switch_survives_power_loss: "switch",
    switch_keeps_what_is_the_users_through_a_power_loss: "switch with a user's files",
    restore_survives_power_loss: "restore",
    restore_from_a_commit_survives_power_loss: "restore from a commit",
    restore_of_what_goes_survives_power_loss: "restore of what a commit does not have",
    restore_over_other_kinds_survives_power_loss: "restore over files of another kind",
    reset_survives_power_loss: "reset --hard",
    reset_over_edits_survives_power_loss: "reset --hard over edits",
    switching_over_edits_survives_power_loss: "switch --discard over edits",
    reset_over_other_kinds_survives_power_loss: "reset --hard over files of another kind",
    switching_over_other_kinds_survives_power_loss: "switch --discard over files of another kind",
    merge_survives_power_loss: "merge",
    undo_survives_power_loss: "undo",
    redo_survives_power_loss: "redo",
    rm_survives_power_loss: "rm",
    mv_survives_power_loss: "mv",
    mv_of_a_directory_survives_power_loss: "mv of a directory",
    branch_survives_power_loss: "branch",
    tag_survives_power_loss: "tag",
    repack_survives_power_loss: "repack",
}

#[test]
fn merging_small_packs_survives_power_loss() {
    let verb = Verb {
        name: "the commit that merges packs",
        prepare: |disk| many(disk, 32),
        run: |disk| {
            let repo = open(disk)?;
            let before = repo.store().state().packs.len();
            commit_all(&repo, "verb")?;
            assert!(repo.store().state().packs.len() < before, "it merges");
            Ok(())
        },
    };
    survives_power_loss(&verb, Pains::Small);
}

#[test]
fn writing_a_checkpoint_survives_power_loss() {
    let verb = Verb {
        name: "the 256th record",
        prepare: |disk| {
            recorded(disk);
            let repo = open(&shared(disk)).unwrap();
            let head = repo.head_commit().unwrap();
            while repo.store().state().number < 255 {
                let name = format!("b{}", repo.store().state().number % 5);
                branch::create(&repo, &person(), &name, &head, branch::Force::Yes).unwrap();
            }
            write(disk, "a", "changed");
        },
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    };
    survives_power_loss(&verb, Pains::Small);
}

/// A commit that died between its record and the index must not be reverted by the next one.
#[test]
fn what_died_between_record_and_index_is_not_reverted() {
    let mut between = 0;
    Story::of(named(VERBS, "commit")).cut_everywhere(Torn::EverySecond, |ran, survivors| {
        let left = ran.killed();
        let repo = open(&shared(&left)).unwrap();
        let is_there = at_head(&repo).0[0] == "verb";
        if is_there && ran.faulty.is_dead() {
            between += 1;
            assert!(list_status(&repo).unwrap().is_clean(), "after {survivors} writes");
            let nothing = commit_all(&repo, "again");
            assert!(matches!(nothing, Err(ops::Error::NothingToCommit)), "{nothing:?}");
            write(&left, "a", "third");
            commit_paths(&repo, "third", paths(&["a"])).unwrap();
            let (messages, files) = at_head(&repo);
            assert_eq!(messages, ["third", "verb", "base"]);
            assert_eq!(files, working_files(&left));
        }
    });
    assert!(between > 3, "the index is written after the record: {between}");
}

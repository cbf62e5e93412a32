//! Merges that leave something open, and conflicts that were recorded, with the power cut before
//! each write.

use annals::ops::merging;
use annals::ops::undo::Direction;

use super::beginnings::{conflicting, kept, kept_and_edited};
use super::commands::{
    abort, bring_back, decide, go, go_back, join, join_as_it_is, list_status, next_command, remove,
    rename, undo_or_redo,
};
use super::*;

/// A merge that leaves something open is there wholly or not at all; and so is taking it back.
fn survives_conflicts(verb: &Verb) {
    let story = Story::of(verb);
    story.cut_everywhere(Torn::EverySecond, |ran, survivors| {
        let survival = SURVIVALS[survivors as usize % 4];
        let left = ran.left(survival);
        let context = format!("{}: after {survivors} writes, {survival:?}", verb.name);
        let repo = story.judge_recovered(&left, ran.is_finished(), &context);
        let found = picture(&repo).unwrap();
        let is_done = found == story.done;
        assert!(is_done || found == story.before, "{context}: neither");
        let meant = if is_done { &story.new } else { &story.old };
        let unlike = unlike(meant, &working_files(&left));
        assert!(unlike.is_empty(), "{context}: done {is_done}, unlike: {unlike:?}");
        // Whatever is left can be gone on with.
        if merging::find(&repo).unwrap().is_some() {
            let shared = shared(&left);
            abort(&shared).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(list_status(&open(&shared).unwrap()).unwrap().is_clean(), "{context}");
        }
        commit_of(&left, &context);
    });
}

fn commit_of(disk: &MemoryDisk, context: &str) {
    write(disk, "next", "next");
    next_command(&shared(disk)).unwrap_or_else(|error| panic!("{context}: next: {error}"));
    let repo = open(&shared(disk)).unwrap();
    assert_eq!(at_head(&repo).1, working_files(disk), "{context}");
    assert!(check(&repo).is_clean(), "{context}: after next");
}

#[test]
fn a_merge_with_conflicts_survives_power_loss() {
    let run = |disk: &Arc<dyn Disk>| join(disk, "other");
    survives_conflicts(&Verb { name: "merge with conflicts", prepare: conflicting, run });
}

#[test]
fn taking_a_merge_back_survives_power_loss() {
    let prepare = |disk: &MemoryDisk| {
        conflicting(disk);
        join(&shared(disk), "other").unwrap();
    };
    survives_conflicts(&Verb { name: "merge --abort", prepare, run: abort });
}

#[test]
fn redoing_a_merge_with_conflicts_survives_power_loss() {
    let prepare = |disk: &MemoryDisk| {
        conflicting(disk);
        join(&shared(disk), "other").unwrap();
        undo_or_redo(&shared(disk), Direction::Undo).unwrap();
    };
    let run = |disk: &Arc<dyn Disk>| undo_or_redo(disk, Direction::Redo);
    survives_conflicts(&Verb { name: "redo of a merge with conflicts", prepare, run });
}

const VERBS_OF_CONFLICTS: &[Verb] = &[
    Verb { name: "merge --keep-conflicts", prepare: conflicting, run: join_as_it_is },
    Verb { name: "switch away", prepare: kept, run: |disk| go(disk, "other") },
    Verb {
        name: "switch to it",
        prepare: |disk| {
            kept(disk);
            go(&shared(disk), "other").unwrap();
        },
        run: |disk| go(disk, "main"),
    },
    Verb { name: "reset --hard", prepare: kept_and_edited, run: |disk| go_back(disk, "HEAD") },
    Verb {
        name: "restore",
        prepare: kept_and_edited,
        run: |disk| bring_back(disk, None, &["a", "d/b"]),
    },
    Verb { name: "undo", prepare: kept, run: |disk| undo_or_redo(disk, Direction::Undo) },
    Verb {
        name: "redo",
        prepare: |disk| {
            kept(disk);
            undo_or_redo(&shared(disk), Direction::Undo).unwrap();
        },
        run: |disk| undo_or_redo(disk, Direction::Redo),
    },
    Verb {
        name: "commit",
        prepare: kept_and_edited,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb { name: "resolve", prepare: kept_and_edited, run: decide },
    Verb { name: "rm", prepare: kept, run: |disk| remove(disk, &["d/b"]) },
    Verb { name: "mv", prepare: kept, run: |disk| rename(disk, &["d/b"], "c") },
];

/// Conflicts that are recorded come and go wholly, and whatever is left of them in the working tree
/// is never recorded for what somebody decided.
fn survives_undecided(verb: &Verb) {
    let story = Story::of(verb);
    story.cut_everywhere(Torn::EverySecond, |ran, survivors| {
        let finished = ran.is_finished();
        let survival = SURVIVALS[survivors as usize % 4];
        let left = ran.left(survival);
        let context = format!("{}: after {survivors} writes, {survival:?}", verb.name);
        let repo = story.judge_recovered(&left, finished, &context);
        let found = picture(&repo).unwrap();
        let working = working_files(&left);
        let mut meant = Vec::new();
        meant.extend((found == story.done).then_some(&story.new));
        meant.extend((found == story.before && !finished).then_some(&story.old));
        assert!(!meant.is_empty(), "{context}: neither");
        let is_beside = |path: &str| path.contains("~version-");
        let is_meant = |path: &String| {
            meant.iter().any(|files| files.get(path) == working.get(path))
                // Of a conflict that stays, the entry has what stood beside it.
                || (is_beside(path) && !finished && !working.contains_key(path))
        };
        let all = meant.iter().flat_map(|files| files.keys()).chain(working.keys());
        let unlike: Vec<&String> = all.filter(|path| !is_meant(path)).collect();
        assert!(unlike.is_empty(), "{context}: unlike: {unlike:?}");
        drop(repo);
        write(&left, "next", "next");
        let shared = shared(&left);
        next_command(&shared).unwrap_or_else(|error| panic!("{context}: next: {error}"));
        let repo = open(&shared).unwrap();
        for (path, bytes) in at_head(&repo).1 {
            assert!(!is_beside(&path) && !bytes.starts_with(b"<<<<<<<"), "{context}: {path}");
        }
        let status = list_status(&repo).unwrap();
        assert!(!status.has_changes() && status.staged.is_empty(), "{context}: {status:?}");
        assert!(check(&repo).is_clean(), "{context}: after next");
    });
}

#[test]
fn recorded_conflicts_survive_power_loss() {
    for verb in VERBS_OF_CONFLICTS {
        survives_undecided(verb);
    }
}

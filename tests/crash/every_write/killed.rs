//! Commands that were killed in the middle of changing the working tree, by a timeout, say: all that
//! was written is there, and the next command finishes the rest around what came between.

use std::cell::RefCell;

use annals::ops::rm;
use annals::ops::undo::Direction;
use annals::repo::Rules;

use super::beginnings::{edited, recorded};
use super::commands::{
    bring_back, commit_staged, discard, go_back, list_status, next_command, ops_that_recover,
    recover, remove, stage, undo_or_redo,
};
use super::power_loss::VERBS;
use super::*;
use crate::format::samples::summed;
use crate::support::Notices;

const OVER_EDITS: [&str; 2] = ["reset --hard over edits", "switch --discard over edits"];

const OVER_OTHER_KINDS: [&str; 3] = [
    "reset --hard over files of another kind",
    "switch --discard over files of another kind",
    "restore over files of another kind",
];

fn is_noted(disk: &MemoryDisk) -> bool {
    list_status(&open(&shared(disk)).unwrap()).unwrap().is_changing
}

#[test]
fn a_killed_discard_is_completed_and_spares_what_was_edited_since() {
    for name in OVER_EDITS {
        let story = Story::of(named(VERBS, name));
        let mut completed = 0;
        story.cut_everywhere(Torn::Every, |ran, survivors| {
            let left = ran.killed();
            let context = format!("{name}: after {survivors} writes");
            let files = working_files(&left);
            for path in ["big", "large"] {
                let now = files.get(path);
                let is_whole = now == story.old.get(path) || now == story.new.get(path);
                assert!(is_whole, "{context}: half of {path}");
            }
            write(&left, "a", "since the kill");
            let is_noted = is_noted(&left);
            let _ = ops_that_recover(&shared(&left));
            let mut meant = if is_noted { story.new.clone() } else { files };
            meant.insert("a".into(), b"since the kill".to_vec());
            let unlike = unlike(&meant, &working_files(&left));
            assert!(unlike.is_empty(), "{context}: unlike {unlike:?}");
            completed += u32::from(is_noted);
        });
        assert!(completed > 5, "{name}: {completed}");
    }
}

/// What was to be thrown away goes; what came into it since the kill stays, and so does a directory
/// with that in it.
#[test]
fn a_killed_discard_clears_the_way_and_spares_what_came_since() {
    for name in OVER_OTHER_KINDS.into_iter().chain(["restore of what a commit does not have"]) {
        let story = Story::of(named(VERBS, name));
        let mut completed = 0;
        story.cut_everywhere(Torn::Every, |ran, survivors| {
            let left = ran.killed();
            let context = format!("{name}: after {survivors} writes");
            let files = working_files(&left);
            let was_noted = is_noted(&left);
            let mut meant = if was_noted { story.new.clone() } else { files.clone() };
            let mut since = |path: &str, inside: &[&str]| {
                write(&left, path, "since the kill");
                inside.iter().for_each(|above| drop(meant.insert((*above).into(), b"/".into())));
                meant.insert(path.into(), b"since the kill".into());
            };
            if files.get("a/deep").is_some_and(|kind| kind == b"/") {
                since("a/deep/since", &["a", "a/deep"]);
            }
            if files.get("mine").is_some_and(|bytes| bytes == b"edited\n") {
                since("mine", &[]);
            }
            let _ = ops_that_recover(&shared(&left));
            let unlike = unlike(&meant, &working_files(&left));
            assert!(unlike.is_empty(), "{context}: unlike {unlike:?}");
            assert!(!is_noted(&left), "{context}");
            completed += u32::from(was_noted);
        });
        assert!(completed > 5, "{name}: {completed}");
    }
}

/// Runs a command killed before each of its writes that leaves a note, lets something come between,
/// and gives the disk after the next command to judge, and what that told.
fn killed(
    name: &str,
    since: impl Fn(&MemoryDisk),
    judge: impl Fn(&Story, &MemoryDisk, &[String], &str),
) {
    let story = Story::of(named(VERBS, name));
    let mut completed = 0;
    story.cut_everywhere(Torn::Every, |ran, survivors| {
        let left = ran.killed();
        let context = format!("{name}: after {survivors} writes");
        if is_noted(&left) {
            since(&left);
            let told = Notices::default();
            recover(&shared(&left), &told).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(!is_noted(&left), "{context}");
            judge(&story, &left, &told.0.into_inner().unwrap(), &context);
            completed += 1;
        }
    });
    assert!(completed > 5, "{name}: {completed}");
}

/// One file that nobody may remove does not end every later command: it is left, and all else is
/// as if there had been no interruption.
#[test]
fn a_killed_discard_is_finished_around_what_cannot_be_removed() {
    for name in OVER_OTHER_KINDS {
        let fix = |disk: &MemoryDisk| {
            if working_files(disk).contains_key("a/deep/mine") {
                disk.make_fixed(&format!("{ROOT}/a/deep"));
            }
        };
        killed(name, fix, |story, disk, told, context| {
            let mut now = working_files(disk);
            let mut new = story.new.clone();
            if now.get("a").is_some_and(|kind| kind == b"/") {
                assert_eq!(now.remove("a/deep").as_deref(), Some(&b"/"[..]), "{context}");
                assert_eq!(
                    now.remove("a/deep/mine").as_deref(),
                    Some(&b"not recorded\n"[..]),
                    "{context}"
                );
                now.remove("a");
                new.remove("a");
                let is_told = told.iter().any(|told| told.starts_with("'a/deep/mine' could not"));
                assert!(is_told, "{context}: {told:?}");
            }
            assert_eq!(now, new, "{context}");
        });
    }
}

/// What was to be thrown away need not be read for that.
#[test]
fn a_killed_discard_is_finished_over_what_cannot_be_read() {
    for name in OVER_EDITS {
        let close = |disk: &MemoryDisk| {
            if working_files(disk).get("a").is_some_and(|now| now == b"two\n") {
                disk.make_unreadable(&format!("{ROOT}/a"));
            }
        };
        killed(name, close, |story, disk, _, context| {
            assert_eq!(working_files(disk), story.new, "{context}");
        });
    }
}

/// A program that knew no magic and no version was killed, and this one comes next.
#[test]
fn a_note_of_the_first_programs_is_finished() {
    let as_of_old = |disk: &MemoryDisk| {
        let path = format!("{ROOT}/.annals/pending");
        let bytes = disk.read(&path).unwrap();
        assert!(bytes.starts_with(b"PEND\x01"));
        disk.write(&path, summed(&bytes[5..bytes.len() - 8]));
    };
    killed("reset --hard over edits", as_of_old, |story, disk, _, context| {
        assert!(working_files(disk) == story.new, "{context}");
    });
}

/// What a newer program began, only that can finish: nothing is changed until it has, and all that
/// only reads works.
#[test]
fn a_note_of_another_version_stops_what_changes_and_nothing_else() {
    let disk = MemoryDisk::new();
    edited(&disk);
    let path = format!("{ROOT}/.annals/pending");
    let note = summed(b"PEND\x02what nobody knows yet");
    disk.write(&path, &note);
    let files = working_files(&disk);
    let changing: [Run; 8] = [
        discard,
        next_command,
        commit_staged,
        |disk| stage(disk, &["a"]),
        |disk| bring_back(disk, None, &["a"]),
        |disk| go_back(disk, "HEAD"),
        |disk| remove(disk, &["a"]),
        |disk| undo_or_redo(disk, Direction::Undo),
    ];
    for change in changing {
        let stopped = change(&shared(&disk));
        assert!(matches!(stopped, Err(ops::Error::PendingVersion(2))), "{stopped:?}");
    }
    assert!(is_noted(&disk));
    assert_eq!(disk.read(&path).unwrap(), note);
    assert!(working_files(&disk) == files);
}

/// What somebody put there since, and nobody else may look at, stays and is told of.
#[test]
fn a_killed_change_is_finished_around_what_may_not_be_looked_at() {
    for name in ["reset --hard over edits", "switch"] {
        let close = |disk: &MemoryDisk| {
            // As long as what would be compared with it.
            write(disk, "a", if name == "switch" { "my own.\n" } else { "now\n" });
            disk.make_closed(&format!("{ROOT}/a"));
            disk.make_closed(&format!("{ROOT}/d"));
        };
        killed(name, close, |story, disk, told, context| {
            let (mut now, mut new) = (working_files(disk), story.new.clone());
            let a = now.remove("a").unwrap();
            assert!(a == b"now\n" || a == b"my own.\n", "{context}");
            new.remove("a");
            // What was being written beside its place cannot be removed there either.
            now.retain(|path, _| !path.starts_with("d/"));
            new.retain(|path, _| !path.starts_with("d/"));
            assert!(now == new, "{context}: {:?}, not {:?}", now.keys(), new.keys());
            for path in ["'a'", "'d/b'"] {
                let is_told = told.iter().any(|told| told.starts_with(path));
                assert!(is_told, "{context}: {told:?}");
            }
        });
    }
}

/// A directory in the way that has become a repository since the kill is not cleared: its history
/// is recorded nowhere else.
#[test]
fn a_killed_discard_spares_what_has_become_a_repository() {
    for name in OVER_OTHER_KINDS {
        let mine = |disk: &MemoryDisk| {
            let files = working_files(disk);
            files.into_iter().filter(|(path, _)| path.starts_with("a/")).collect::<Files>()
        };
        let found = RefCell::new(Files::new());
        let become_one = |disk: &MemoryDisk| {
            if working_files(disk).contains_key("a/deep") {
                write(disk, "a/deep/.git/HEAD", "ref: refs/heads/main\n");
            }
            found.replace(mine(disk));
        };
        killed(name, become_one, |_, disk, _, context| {
            if found.borrow().contains_key("a/deep/.git") {
                assert_eq!(mine(disk), *found.borrow(), "{context}");
            }
        });
    }
}

#[test]
fn undoing_rm_cached_leaves_files_alone() {
    let disk = MemoryDisk::new();
    recorded(&disk);
    let shared = shared(&disk);
    let options = rm::Options {
        paths: paths(&["a"]),
        cached: true,
        recursive: false,
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    rm::run(&open(&shared).unwrap(), &options, &Silent).unwrap();
    write(&disk, "a", "mine");
    undo_or_redo(&shared, Direction::Undo).unwrap();
    assert_eq!(working_files(&disk)["a"], b"mine");
    undo_or_redo(&shared, Direction::Redo).unwrap();
    assert_eq!(working_files(&disk)["a"], b"mine");
}

//! Disks that are full, or fail: an error and nothing more, and never a success. On those that
//! cannot be written to, what is only asked is answered.

use std::io;

use annals::disk::Fault;
use annals::ops::merge;

use super::beginnings::{conflicting, diverged, settle, with_branch};
use super::commands::{abort, go_back, how_to_abort, how_to_join, join, next_command};
use super::power_loss::VERBS;
use super::story::Ran;
use super::*;

/// A verb that fails has changed nothing that counts, and can be run again where it works.
fn fails_cleanly(story: &Story, ran: &Ran, context: &str) {
    let context = format!("{}: {context}", story.name);
    let (disk, was_done) = (&ran.disk, ran.is_finished());
    let repo = open(&shared(disk)).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = picture(&repo).unwrap_or_else(|error| panic!("{context}: {error}"));
    let is_done = found == story.done;
    assert!(is_done || found == story.before, "{context}: half done");
    assert!(is_done || !was_done, "{context}: a false success");
    let checked = check(&repo);
    assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
    drop(repo);
    write(disk, "next", "next");
    next_command(&shared(disk)).unwrap_or_else(|error| panic!("{context}: next: {error}"));
    // A working tree that could not be written is told of, path by path.
    if was_done || story.old == story.new {
        story.judge_after_next(disk, &found, &context);
    }
}

/// The verbs that write each in their own way.
fn different_verbs() -> impl Iterator<Item = &'static Verb> {
    let names = ["first commit", "commit of a path", "add", "switch", "restore"];
    VERBS.iter().filter(move |verb| names.contains(&verb.name))
}

#[test]
fn a_full_disk_is_an_error_and_nothing_more() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        let used = story.base.used();
        for blocks in 0.. {
            let ran = story.run_in(used + blocks * 4096);
            // Reading works on a full disk, and so does fsck.
            if let Ok(repo) = open(&shared(&ran.disk)) {
                picture(&repo).unwrap();
                assert!(check(&repo).is_clean(), "{}", verb.name);
            }
            ran.disk.set_capacity(None);
            fails_cleanly(&story, &ran, &format!("{blocks} blocks free"));
            if ran.is_finished() && blocks > 40 {
                break;
            }
        }
    }
}

#[test]
fn a_failing_disk_is_never_a_success() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        for once in [true, false] {
            for at in (1..).step_by(if once { 1 } else { 3 }) {
                let ran = story.run_with(Fault::failing_at(at, io::ErrorKind::Other, once));
                fails_cleanly(&story, &ran, &format!("operation {at}, once: {once}"));
                if ran.faulty.operations() < at {
                    break;
                }
            }
        }
    }
}

#[test]
fn what_could_not_be_written_is_never_taken_for_written() {
    let names = ["switch", "reset --hard", "merge", "undo", "redo"];
    let mut partly = 0;
    for verb in VERBS.iter().filter(|verb| names.contains(&verb.name)) {
        let story = Story::of(verb);
        for at in 1.. {
            let ran = story.run_with(Fault::failing_at(at, io::ErrorKind::PermissionDenied, true));
            partly += u32::from(!ran.is_finished());
            // Nothing but what differs is written, so what is not known to differ stays.
            go_back(&shared(&ran.disk), "HEAD").unwrap();
            let repo = open(&shared(&ran.disk)).unwrap();
            let working = working_files(&ran.disk);
            for (path, recorded) in at_head(&repo).1 {
                let is_same = working.get(&path) == Some(&recorded);
                assert!(is_same, "{}: operation {at}: '{path}'", story.name);
            }
            if ran.faulty.operations() < at {
                break;
            }
        }
    }
    assert!(partly > 10, "{partly}");
}

#[test]
fn an_error_of_reading_is_never_taken_for_something_missing() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        for once in [true, false] {
            for at in (1..400).step_by(if once { 1 } else { 3 }) {
                let fault = Fault::failing_reads_at(at, io::ErrorKind::Other, once);
                let ran = story.run_with(fault);
                let reads = ran.faulty.counts().reads + ran.faulty.counts().maps;
                // What cannot be read is left out and told of: then it is neither.
                let found = picture(&open(&shared(&ran.disk)).unwrap()).unwrap();
                let left_out = found != story.done && found != story.before;
                assert!(!left_out || !ran.is_finished(), "{}: read {at}: not told", verb.name);
                if !left_out {
                    fails_cleanly(&story, &ran, &format!("read {at}, once: {once}"));
                }
                if reads < at {
                    break;
                }
            }
        }
    }
}

/// The paths that a command changes in the working tree.
fn changed_by(disk: &MemoryDisk, run: impl Fn(&Arc<dyn Disk>) -> Done) -> Vec<String> {
    let before = working_files(disk);
    run(&shared(disk)).unwrap();
    let mut changed = unlike(&before, &working_files(disk));
    changed.sort();
    changed.dedup();
    changed
}

fn texts(paths: Vec<RepoPath>) -> Vec<String> {
    paths.into_iter().map(|path| path.to_string()).collect()
}

/// A dry run of a merge, and of taking it back, names what would change where nothing can be
/// written; and that is what changes.
#[test]
fn a_dry_run_of_a_merge_only_reads() {
    type Prepare = fn(&MemoryDisk);
    type Came = fn(&merge::Came) -> bool;
    let cases: [(Prepare, Came); 3] = [
        (with_branch, |came| matches!(came, merge::Came::Forward(_))),
        (diverged, |came| *came == merge::Came::Clean),
        (conflicting, |came| *came == merge::Came::Conflicts),
    ];
    for (prepare, came) in cases {
        let disk = MemoryDisk::new();
        prepare(&disk);
        settle(&disk);
        disk.set_read_only(true);
        let options = merge::Options { dry_run: true, ..how_to_join("other") };
        let would = merge::run(&open(&shared(&disk)).unwrap(), &options, &Silent).unwrap();
        assert!(came(&would.result), "{:?}", would.result);
        disk.set_read_only(false);
        let named = texts(would.would_change);
        assert_eq!(named, changed_by(&disk, |disk| join(disk, "other")));
        if would.result == merge::Came::Conflicts {
            disk.set_read_only(true);
            let options = merge::Abort { dry_run: true, ..how_to_abort() };
            let would = merge::abort(&open(&shared(&disk)).unwrap(), &options, &Silent).unwrap();
            disk.set_read_only(false);
            assert_eq!(texts(would.would_change), changed_by(&disk, abort));
        }
    }
}

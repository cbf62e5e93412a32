//! Disks that are full, or fail: an error and nothing more, and never a success.

use std::io;

use annals::disk::Fault;

use super::commands::{go_back, next_command};
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

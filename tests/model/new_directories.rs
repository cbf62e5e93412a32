//! Directories that a later commit finds new, and that do not keep still: whole, or named; what is
//! in no tree is not tracked either.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals::clock::Time;
use annals::disk::{Disk, MemoryDisk};
use annals::ops::{commit, fsck, init, status};
use annals::path::RepoPath;
use annals::progress::Silent;
use annals::repo::{Repository, find_entry};

use super::{env, person};

/// A repository with some directories, and some new ones beside and within them.
fn with_new() -> (MemoryDisk, Repository) {
    let disk = MemoryDisk::new();
    for name in ["a/one", "a/two", "b/deep/three"] {
        disk.write(&format!("/w/{name}"), name);
    }
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let (repo, _) = init::run(any, Path::new("/w"), env(1), &init::Options::new(person())).unwrap();
    disk.set_time(Time::from_seconds(1_700_050_000));
    assert_eq!(record(&repo).added, 3);
    for name in ["a/new/four", "a/new/sub/five", "b/deep/new/six", "c/seven", "c/sub/eight"] {
        disk.write(&format!("/w/{name}"), name);
    }
    disk.set_time(Time::from_seconds(1_700_060_000));
    (disk, repo)
}

fn record(repo: &Repository) -> commit::Outcome {
    commit::run(repo, &commit::Options::new("all", person()), &Silent).unwrap()
}

fn is_recorded(repo: &Repository, path: &str) -> bool {
    let tree = repo.head_tree().unwrap().unwrap();
    find_entry(repo.store(), &tree, &RepoPath::new(path).unwrap()).unwrap().is_some()
}

fn untracked(repo: &Repository) -> Vec<String> {
    let found = status::run(repo, &status::Options::default(), &Silent).unwrap();
    assert!(found.unstaged.is_empty(), "{:?}", found.unstaged);
    found.untracked.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

fn is_sound(repo: &Repository) -> bool {
    fsck::run(repo, &fsck::Options::default(), &Silent).unwrap().is_clean()
}

#[test]
fn a_name_that_is_listed_twice_is_recorded_once() {
    let (disk, repo) = with_new();
    disk.set_lists_twice(true);
    assert_eq!(record(&repo).added, 5);
    for name in ["a/one", "a/two", "b/deep/three", "a/new/sub/five", "c/sub/eight"] {
        assert!(is_recorded(&repo, name), "{name}");
    }
    assert!(is_sound(&repo));
    assert_eq!(untracked(&repo), [""; 0]);
    // And at first.
    disk.write("/v/d/x", "x");
    disk.write("/v/d/e/y", "y");
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let (repo, _) = init::run(any, Path::new("/v"), env(2), &init::Options::new(person())).unwrap();
    assert_eq!(record(&repo).added, 2);
    assert!(is_sound(&repo));
}

#[test]
fn a_directory_that_cannot_be_read_is_named_and_not_tracked() {
    for first in [false, true] {
        let (disk, repo) = with_new();
        let repo = if first {
            disk.write("/v/c/seven", "seven");
            disk.write("/v/c/sub/eight", "eight");
            let any: Arc<dyn Disk> = Arc::new(disk.clone());
            init::run(any, Path::new("/v"), env(2), &init::Options::new(person())).unwrap().0
        } else {
            repo
        };
        let locked = if first { "/v/c/sub" } else { "/w/c/sub" };
        disk.make_unreadable(locked);
        let outcome = record(&repo);
        let named: Vec<_> = outcome.unreadable.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(named, ["c/sub"]);
        assert!(is_recorded(&repo, "c/seven"));
        assert!(!is_recorded(&repo, "c/sub"));
        disk.make_readable(locked);
        assert_eq!(untracked(&repo), ["c/sub/"]);
        assert_eq!(record(&repo).added, 1);
        assert!(is_recorded(&repo, "c/sub/eight"));
    }
}

#[test]
fn a_directory_that_vanishes_while_it_is_looked_at_is_named_or_whole_and_never_recorded_empty() {
    let (disk, repo) = with_new();
    disk.write("/w/c/a/.annalsignore", "*.o\n");
    for number in 0..200 {
        disk.write(&format!("/w/c/b{number:03}/file"), "file");
    }
    let root = Disk::open(&disk, Path::new("/w")).unwrap();
    // The rules are read once to see whether there is anything to record, and again, long after
    // the other one was announced: between them is much to look at.
    let reads = AtomicUsize::new(0);
    disk.on_read(move |_, path, _| {
        let is_rules = path == b"/w/c/a/.annalsignore";
        if is_rules && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            root.remove_file(b"c/sub/eight").unwrap();
            root.remove_dir(b"c/sub").unwrap();
        }
    });
    let outcome = record(&repo);
    let unread: Vec<_> = outcome.unread.iter().map(|unread| unread.path.to_string()).collect();
    assert!(is_recorded(&repo, "c/seven"));
    let is_whole = is_recorded(&repo, "c/sub/eight");
    assert_eq!(is_recorded(&repo, "c/sub"), is_whole);
    // Either it came in time, or it is named; a file of it that went after that is named itself.
    assert!(is_whole || unread == ["c/sub"] || unread == ["c/sub/eight"], "{unread:?}");
    assert!(is_sound(&repo));
}

#[test]
fn rules_and_repositories_within_new_directories_are_kept_as_in_old_ones() {
    let (disk, repo) = with_new();
    disk.write("/w/c/.annalsignore", "*.o\n");
    disk.write("/w/c/sub/left-out.o", "object");
    disk.write("/w/c/inner/.annals/format", "not ours");
    disk.write("/w/c/inner/file", "theirs");
    Disk::create(&disk, Path::new("/w/c/empty")).unwrap();
    let outcome = record(&repo);
    let nested: Vec<_> = outcome.nested.iter().map(ToString::to_string).collect();
    assert_eq!(nested, ["c/inner"]);
    for (name, there) in [("c/sub/eight", true), ("c/sub/left-out.o", false), ("c/empty", true)] {
        assert_eq!(is_recorded(&repo, name), there, "{name}");
    }
    assert!(is_sound(&repo));
}

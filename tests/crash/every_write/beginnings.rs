//! What is there when a command begins: each makes it of an empty disk.

use std::ops::Range;

use annals::ops::undo::Direction;

use super::commands::{go, go_back, join_as_it_is, make_branch, stage, undo_or_redo};
use super::*;

pub(super) fn not_recorded(disk: &MemoryDisk) {
    create(&shared(disk)).unwrap();
    furnish(disk);
}

/// One of every sort of file.
pub(crate) fn furnish(disk: &MemoryDisk) {
    write(disk, "a", "one\n");
    write(disk, "d/b", noise(1, 30_000));
    write(disk, "d/e/c", "");
    let root = disk.open(Path::new(ROOT)).unwrap();
    let _ = root.make_dir(b"empty", 0o755);
    let _ = root.make_symlink(b"d/b", b"link");
}

pub(super) fn recorded(disk: &MemoryDisk) {
    not_recorded(disk);
    commit_all(&open(&shared(disk)).unwrap(), "base").unwrap();
}

pub(super) fn recorded_often(disk: &MemoryDisk) {
    recorded(disk);
    for number in 0..3 {
        write(disk, "d/b", noise(number + 3, 20_000));
        commit_all(&open(&shared(disk)).unwrap(), "more").unwrap();
    }
}

fn change(disk: &MemoryDisk) {
    write(disk, "a", "another\n");
    write(disk, "d/b", noise(2, 20_000));
    write(disk, "new", "new\n");
    disk.open(Path::new(ROOT)).unwrap().remove_file(b"link").unwrap();
}

pub(super) fn changed(disk: &MemoryDisk) {
    recorded(disk);
    change(disk);
}

pub(super) fn staged(disk: &MemoryDisk) {
    changed(disk);
    stage(&shared(disk), &["a", "new"]).unwrap();
}

/// On `main`; `other` differs in everything.
pub(super) fn with_branch(disk: &MemoryDisk) {
    recorded(disk);
    branch_off(disk, change);
}

/// Records what changes on `other`, and comes back to `main`.
fn branch_off(disk: &MemoryDisk, change: impl Fn(&MemoryDisk)) {
    let shared = shared(disk);
    make_branch(&shared, "other").unwrap();
    go(&shared, "other").unwrap();
    change(disk);
    commit_all(&open(&shared).unwrap(), "on other").unwrap();
    go(&shared, "main").unwrap();
    settle(disk);
}

/// On `main` with files that are missing or edited, large ones too.
pub(super) fn edited(disk: &MemoryDisk) {
    recorded(disk);
    write(disk, "big", noise(4, 200_000));
    write(disk, "large", noise(5, 150_000));
    commit_all(&open(&shared(disk)).unwrap(), "large").unwrap();
    branch_off(disk, change);
    write(disk, "a", "two\n");
    write(disk, "large", "mine");
    let root = disk.open(Path::new(ROOT)).unwrap();
    root.remove_file(b"big").unwrap();
    root.dir(b"d").unwrap().remove_file(b"b").unwrap();
}

/// On `main`, whose `link` and `mine` `other` does not have; `mine` is edited.
pub(super) fn with_what_goes(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "mine", "on main\n");
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
    settle(disk);
    write(disk, "mine", "edited\n");
}

/// On `main`, with files where directories were recorded and the other way round. Where `other` has
/// a file or a directory more, something untracked stands.
pub(super) fn of_another_kind(disk: &MemoryDisk) {
    recorded(disk);
    write(disk, "t/x", "in t\n");
    commit_all(&open(&shared(disk)).unwrap(), "with t").unwrap();
    let root = disk.open(Path::new(ROOT)).unwrap();
    branch_off(disk, |disk| {
        root.dir(b"t").unwrap().remove_file(b"x").unwrap();
        root.remove_dir(b"t").unwrap();
        for path in ["a", "t", "new", "n/f"] {
            write(disk, path, format!("{path} of other\n"));
        }
    });
    for file in [&b"a"[..], b"link", b"d/b", b"d/e/c"] {
        root.remove_file(file).unwrap();
    }
    for directory in [&b"d/e"[..], b"d", b"empty"] {
        root.remove_dir(directory).unwrap();
    }
    write(disk, "d", "a file\n");
    root.make_symlink(b"t", b"empty").unwrap();
    for path in ["a/mine", "a/deep/mine", "link/mine", "t/mine", "new/mine", "n"] {
        write(disk, path, "not recorded\n");
    }
}

pub(super) fn with_untracked(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "d/mine", "not recorded");
    write(disk, "empty/mine", "not recorded");
}

pub(super) fn went_back(disk: &MemoryDisk) {
    with_branch(disk);
    go_back(&shared(disk), "other").unwrap();
}

pub(super) fn undone(disk: &MemoryDisk) {
    went_back(disk);
    undo_or_redo(&shared(disk), Direction::Undo).unwrap();
}

/// On `main`, which has work of its own; so has `other`.
pub(super) fn diverged(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "mine", "on main\n");
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
}

/// The same, and nobody can decide on `a` and `d/b`.
pub(super) fn conflicting(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "a", "on main\n");
    write(disk, "d/b", noise(3, 20_000));
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
}

/// What was written long ago is on the disk.
pub(super) fn settle(disk: &MemoryDisk) {
    disk.remount();
}

/// On `main`, where `a` and `d/b` are recorded as conflicts.
pub(super) fn kept(disk: &MemoryDisk) {
    conflicting(disk);
    join_as_it_is(&shared(disk)).unwrap();
    settle(disk);
}

pub(super) fn kept_and_edited(disk: &MemoryDisk) {
    kept(disk);
    write(disk, "a", "edited\n");
    write(disk, "d/b", noise(9, 20_000));
}

/// Commits until a commit more does something that most do not.
pub(super) fn many(disk: &MemoryDisk, count: u64) {
    create(&shared(disk)).unwrap();
    furnish(disk);
    commit_numbers(disk, 0..count);
    write(disk, "counted", "verb");
}

pub(super) fn commit_numbers(disk: &MemoryDisk, numbers: Range<u64>) {
    let repo = open(&shared(disk)).unwrap();
    for number in numbers {
        write(disk, "counted", number.to_string());
        commit_all(&repo, &format!("number {number}")).unwrap();
    }
}

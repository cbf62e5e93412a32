//! Very many files that go at once, some of which cannot.

use std::path::Path;
use std::sync::Arc;

use annals::clock::Time;
use annals::disk::{Disk, MemoryDisk};
use annals::ops::switch::{self, To};
use annals::ops::{commit, init, status};
use annals::progress::Silent;
use annals::repo::{Repository, Rules};

use super::{env, person};

const DIRECTORIES: u64 = 5;
/// More in all than one thread removes alone.
const FILES: u64 = 80;

#[test]
fn what_goes_is_removed_by_all_threads_and_what_cannot_go_is_named_in_order() {
    let disk = MemoryDisk::new();
    disk.write("/w/stays", "stays");
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let (repo, _) = init::run(any, Path::new("/w"), env(1), &init::Options::new(person())).unwrap();
    let record = |message: &str| {
        commit::run(&repo, &commit::Options::new(message, person()), &Silent).unwrap().commit
    };
    let before = record("before").unwrap();
    for directory in 0..DIRECTORIES {
        for file in 0..FILES {
            disk.write(&format!("/w/d{directory}/sub/f{file:02}"), format!("{directory} {file}"));
        }
    }
    disk.set_time(Time::from_seconds(1_700_050_000));
    record("after");
    disk.set_time(Time::from_seconds(1_700_060_000));
    disk.write("/w/d1/sub/mine", "nobody has recorded this");
    disk.make_fixed("/w/d3/sub");
    let outcome = go(&repo, To::Detached(before.to_string()));
    assert_eq!(outcome.removed, (DIRECTORIES - 1) * FILES);
    let failed: Vec<String> = outcome.failed.iter().map(|failed| failed.path.to_string()).collect();
    let named: Vec<String> = (0..FILES).map(|file| format!("d3/sub/f{file:02}")).collect();
    assert_eq!(failed, named);
    // Directories go where they are empty.
    let root = disk.open(Path::new("/w")).unwrap();
    let there = |path: &str| root.stat(path.as_bytes()).is_ok();
    assert!(!there("d0") && !there("d2") && !there("d4"));
    assert!(there("d1/sub/mine") && !there("d1/sub/f00") && there("d3/sub/f79"));
    let found = status::run(&repo, &status::Options::default(), &Silent).unwrap();
    assert!(found.unstaged.is_empty(), "{:?}", found.unstaged);
}

fn go(repo: &Repository, to: To) -> switch::Outcome {
    let options = switch::Options { to, discard: false, actor: person(), rules: Rules::default() };
    switch::run(repo, &options, &Silent).unwrap()
}

//! Cost follows the change: counted in operations on the disk, never in seconds.

use std::path::Path;
use std::sync::Arc;

use annals::clock::Time;
use annals::diff::renames::RenameOptions;
use annals::disk::{Counts, Disk, FaultyDisk, MemoryDisk};
use annals::ops::{self, commit, init, status};
use annals::path::{Pathspec, RepoPath};
use annals::progress::Silent;
use annals::repo::Repository;

use super::{env, person};

const DIRECTORIES: usize = 40;
const FILES_IN_EACH: usize = 50;

/// Two thousand files of 4 KiB, recorded long after they were written.
fn recorded() -> (MemoryDisk, FaultyDisk) {
    let disk = MemoryDisk::new();
    for directory in 0..DIRECTORIES {
        for file in 0..FILES_IN_EACH {
            let bytes = format!("{directory} {file}\n").repeat(500);
            disk.write(&format!("/w/d{directory:02}/f{file:02}"), bytes.as_bytes());
        }
    }
    disk.set_time(Time::from_seconds(1_700_050_000));
    let counting = FaultyDisk::new(Arc::new(disk.clone()));
    let any: Arc<dyn Disk> = Arc::new(counting.clone());
    let (repo, _) = init::run(any, Path::new("/w"), env(1), &init::Options::new(person())).unwrap();
    let outcome = commit::run(&repo, &commit::Options::new("all", person()), &Silent).unwrap();
    assert_eq!(outcome.added as usize, DIRECTORIES * FILES_IN_EACH);
    disk.set_time(Time::from_seconds(1_700_060_000));
    (disk, counting)
}

fn counted(counting: &FaultyDisk, seed: u64, verb: impl FnOnce(&Repository)) -> Counts {
    let any: Arc<dyn Disk> = Arc::new(counting.clone());
    let repo = Repository::open(any, Path::new("/w"), env(seed)).unwrap();
    counting.reset_counts();
    verb(&repo);
    counting.counts()
}

#[test]
fn a_first_recording_reads_each_file_at_one_go_and_asks_few_names() {
    let (_, counting) = recorded();
    let (counts, files) = (counting.counts(), (DIRECTORIES * FILES_IN_EACH) as u64);
    // What the store reads of its own is a few files more.
    for (what, count) in [("opens", counts.opens), ("reads", counts.reads)] {
        assert!((files..files + 200).contains(&count), "{count} {what}");
    }
    // Beside each open file, one of eight names in a directory is asked about.
    let stats = counts.stats;
    assert!((files..files * 8 / 7 + 200).contains(&stats), "{stats} stats");
}

#[test]
fn very_many_files_in_new_directories_are_recorded_as_a_first_recording_would() {
    // More than are held in memory, between directories that were there.
    let write = |disk: &MemoryDisk, directories: std::ops::Range<usize>| {
        for directory in directories {
            for file in 0..300 {
                let name = format!("/w/d{:02}/{}/f{file:03}", directory % 7, directory / 7);
                disk.write(&name, format!("{directory} {file}").as_bytes());
            }
        }
        disk.set_time(Time::from_seconds(1_700_050_000));
    };
    let record = |disk: &MemoryDisk| {
        let any: Arc<dyn Disk> = Arc::new(disk.clone());
        let repo = match Repository::open(any.clone(), Path::new("/w"), env(2)) {
            Ok(repo) => repo,
            Err(_) => {
                init::run(any, Path::new("/w"), env(1), &init::Options::new(person())).unwrap().0
            }
        };
        let outcome = commit::run(&repo, &commit::Options::new("all", person()), &Silent).unwrap();
        (outcome.added, outcome.tree.unwrap())
    };
    let (disk, at_once) = (MemoryDisk::new(), MemoryDisk::new());
    write(&disk, 0..10);
    assert_eq!(record(&disk).0, 3_000);
    write(&disk, 10..240);
    write(&at_once, 0..240);
    // The same but for the times of directories, which change with what is in them.
    let (added, tree) = record(&disk);
    assert_eq!(added, 69_000);
    let (_, expected) = record(&at_once);
    let files = |disk: &MemoryDisk, tree| {
        let any: Arc<dyn Disk> = Arc::new(disk.clone());
        let repo = Repository::open(any, Path::new("/w"), env(3)).unwrap();
        let mut files = Vec::new();
        annals::diff::entries::<_, annals::store::Error>(
            repo.store(),
            None,
            Some(&tree),
            &Pathspec::all(),
            &mut |change| {
                let entry = change.new.unwrap();
                if !entry.is_directory() {
                    files.push((change.path, entry.what));
                }
                Ok(())
            },
        )
        .unwrap();
        files
    };
    assert!(files(&disk, tree) == files(&at_once, expected));
    // The index knows all of them: nothing is read again.
    let counting = FaultyDisk::new(Arc::new(disk.clone()));
    let counts = counted(&counting, 4, |repo| {
        let found = status::run(repo, &status::Options::default(), &Silent).unwrap();
        assert!(found.is_clean());
    });
    assert!(counts.opens < 200, "{} opens", counts.opens);
}

#[test]
fn committing_again_reads_no_file() {
    let (_, counting) = recorded();
    let counts = counted(&counting, 2, |repo| {
        let again = commit::run(repo, &commit::Options::new("again", person()), &Silent);
        assert!(matches!(again, Err(ops::Error::NothingToCommit)));
    });
    assert!(counts.scanned as usize >= DIRECTORIES * FILES_IN_EACH);
    // The index is mapped and the newest record looked at; of eight megabytes of files none is.
    assert!(counts.opens <= 60, "{} files opened", counts.opens);
    assert!(counts.bytes_read < 512 * 1024, "{} bytes read", counts.bytes_read);
}

#[test]
fn status_of_an_unchanged_tree_reads_no_file() {
    let (_, counting) = recorded();
    let counts = counted(&counting, 3, |repo| {
        let found = status::run(repo, &status::Options::default(), &Silent).unwrap();
        assert!(found.is_clean());
    });
    assert!(counts.opens <= 60, "{} files opened", counts.opens);
    assert!(counts.bytes_read < 512 * 1024, "{} bytes read", counts.bytes_read);
}

#[test]
fn one_changed_file_is_all_that_is_read_and_little_is_written() {
    let (disk, counting) = recorded();
    disk.write("/w/d17/f23", b"changed\n".repeat(500));
    disk.set_time(Time::from_seconds(1_700_070_000));
    let counts = counted(&counting, 4, |repo| {
        let outcome = commit::run(repo, &commit::Options::new("one", person()), &Silent).unwrap();
        assert_eq!((outcome.modified, outcome.bytes_read), (1, 4_000));
    });
    assert!(counts.bytes_read < 512 * 1024, "{} bytes read", counts.bytes_read);
    assert!(counts.bytes_written < 128 * 1024, "{} bytes written", counts.bytes_written);
}

#[test]
fn a_named_path_is_committed_without_looking_at_any_other() {
    let (disk, counting) = recorded();
    disk.write("/w/d17/f23", b"changed\n".repeat(500));
    disk.set_time(Time::from_seconds(1_700_070_000));
    let counts = counted(&counting, 5, |repo| {
        let mut options = commit::Options::new("one", person());
        options.paths = Pathspec::of_paths([RepoPath::new("d17/f23").unwrap()]);
        let outcome = commit::run(repo, &options, &Silent).unwrap();
        assert_eq!(outcome.modified, 1);
    });
    assert!(counts.scanned < 200, "{} names looked at", counts.scanned);
    assert!(counts.bytes_written < 128 * 1024, "{} bytes written", counts.bytes_written);
}

#[test]
fn a_moved_directory_is_recognised_without_reading_a_file() {
    let (disk, counting) = recorded();
    let root = disk.open(Path::new("/w")).unwrap();
    root.rename(b"d17", &*root, b"elsewhere").unwrap();
    disk.set_time(Time::from_seconds(1_700_070_000));
    let relocated = Some(RenameOptions::default());
    let options = status::Options { relocated, ..status::Options::default() };
    let counts = counted(&counting, 6, |repo| {
        let found = status::run(repo, &options, &Silent).unwrap();
        assert_eq!(found.relocated.len(), FILES_IN_EACH);
        assert!(found.unstaged.is_empty() && found.untracked.is_empty());
    });
    assert!(counts.opens <= 80, "{} files opened", counts.opens);
}

#[test]
fn where_nothing_is_gone_nothing_that_is_not_tracked_is_looked_at() {
    let (disk, counting) = recorded();
    for file in 0..100 {
        disk.write(&format!("/w/new/f{file:02}"), format!("17 {file}\n").repeat(500));
        disk.write(&format!("/w/d17/new{file:02}"), format!("17 {file}\n").repeat(500));
    }
    disk.set_time(Time::from_seconds(1_700_070_000));
    let seen = |relocated: Option<RenameOptions>, seed: u64| {
        let options = status::Options { relocated, ..status::Options::default() };
        counted(&counting, seed, |repo| {
            let found = status::run(repo, &options, &Silent).unwrap();
            assert_eq!((found.relocated.len(), found.untracked.len()), (0, 101));
        })
    };
    let (without, with) = (seen(None, 7), seen(Some(RenameOptions::default()), 8));
    assert_eq!((with.opens, with.reads), (without.opens, without.reads));
    assert_eq!((with.scans, with.stats), (without.scans, without.stats));
}

#[test]
fn of_very_many_untracked_files_only_so_many_are_read() {
    let (disk, counting) = recorded();
    let root = disk.open(Path::new("/w")).unwrap();
    let dir = root.dir(b"d17").unwrap();
    dir.remove_file(b"f23").unwrap();
    dir.remove_file(b"f24").unwrap();
    for file in 0..6_000 {
        disk.write(&format!("/w/new/f{file:04}"), format!("a{file:03}\n").repeat(700));
    }
    // What one of them became comes last, and has its name.
    disk.write("/w/z/f23", "17 23\n".repeat(500));
    disk.set_time(Time::from_seconds(1_700_070_000));
    let relocated = Some(RenameOptions::default());
    let options = status::Options { relocated, ..status::Options::default() };
    let counts = counted(&counting, 9, |repo| {
        let found = status::run(repo, &options, &Silent).unwrap();
        assert_eq!(found.relocated.len(), 1);
        assert_eq!(found.relocated[0].change.path, RepoPath::new("z/f23").unwrap());
    });
    // Each for its content id, and again for its lines.
    assert!((4_096..9_000).contains(&counts.opens), "{} files opened", counts.opens);
}

//! Files that do not keep still while they are recorded: whole, or reported; never half.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use annals::clock::Time;
use annals::diff::Change;
use annals::disk::{Disk, FaultyDisk, FileKind, MemoryDisk, Survival};
use annals::ops::{self, add, cat, commit, diff, init, status};
use annals::path::{Pathspec, RepoPath};
use annals::progress::Silent;
use annals::repo::{Repository, Rules, find_entry};
use annals::worktree::record::Why;

use super::{env, person};
use crate::support::Notices;

const LONG: usize = 20 << 20;
/// In nanoseconds.
const HOUR: i64 = 3_600_000_000_000;

/// Some files that keep still, written long before they are recorded.
fn fresh() -> (MemoryDisk, Repository) {
    let disk = MemoryDisk::new();
    for file in 0..50 {
        disk.write(&format!("/w/small/f{file:02}"), format!("{file}\n"));
    }
    disk.write("/w/still", "still\n");
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let (repo, _) = init::run(any, Path::new("/w"), env(1), &init::Options::new(person())).unwrap();
    disk.set_time(Time::from_seconds(1_700_050_000));
    (disk, repo)
}

/// What cannot be looked at is neither changed nor deleted, though its mode was changed too.
#[test]
fn an_unreadable_directory_is_named_and_is_no_modification() {
    let (disk, repo) = fresh();
    record(&repo);
    let root = disk.open(Path::new("/w")).unwrap();
    root.set_mode(b"small", 0o300).unwrap();
    let look = || status::run(&repo, &status::Options::default(), &Silent).unwrap();
    assert_eq!(look().unstaged.len(), 1, "a mode is a change");
    disk.make_unreadable("/w/small");
    let found = look();
    assert!(found.unstaged.is_empty(), "{:?}", found.unstaged);
    let named: Vec<&[u8]> = found.unreadable.iter().map(|(path, _)| path.as_bytes()).collect();
    assert_eq!(named, [b"small"]);
    // A difference has no place for it, and says so.
    let told = told_by_diff(&repo);
    assert!(told.len() == 1 && told[0].starts_with("'small' is left out"), "{told:?}");
}

/// What is told beside a difference in which nothing differs.
fn told_by_diff(repo: &Repository) -> Vec<String> {
    let told = Notices::default();
    let options = diff::Options {
        old: diff::Side::Index,
        new: diff::Side::Worktree,
        paths: Pathspec::all(),
        rules: Rules::default(),
    };
    let mut differs =
        |change: Change| Err::<(), ops::Error>(ops::Error::NoMatch(change.path.to_string()));
    diff::run(repo, &options, &told, &mut differs).unwrap();
    told.0.into_inner().unwrap()
}

/// Nor is a file that cannot be read, though its time says that it may have been changed. One of
/// another size is known to be.
#[test]
fn an_unreadable_file_is_named_and_is_no_modification() {
    let (disk, repo) = fresh();
    record(&repo);
    disk.set_time(Time::from_seconds(1_700_060_000));
    for closed in [false, true] {
        disk.write("/w/still", "other\n");
        disk.write("/w/small/f01", "longer than before\n");
        for path in ["/w/still", "/w/small/f01"] {
            if closed { disk.make_closed(path) } else { disk.make_unreadable(path) }
        }
        let found = status::run(&repo, &status::Options::default(), &Silent).unwrap();
        let changed: Vec<&[u8]> = found.unstaged.iter().map(|one| one.path.as_bytes()).collect();
        assert_eq!(changed, [b"small/f01"]);
        let named: Vec<&[u8]> = found.unreadable.iter().map(|(path, _)| path.as_bytes()).collect();
        assert_eq!(named, [b"still"]);
        // Neither has a place in a difference, and least of all as deleted.
        let told = told_by_diff(&repo);
        assert!(told.len() == 2 && told[0].starts_with("'still' is left out"), "{told:?}");
        assert!(told[1].starts_with("'small/f01' is left out"), "{told:?}");
    }
}

/// A dry run says what would be recorded where nothing can be written, and writes nothing where it
/// could.
#[test]
fn a_dry_run_of_commit_only_reads() {
    let (disk, repo) = fresh();
    record(&repo);
    disk.write("/w/still", "changed\n");
    disk.write("/w/long", vec![7; 300_000]);
    let names = |disk: &MemoryDisk| {
        let all = disk.tree("/w/.annals").into_iter();
        let kept = all.filter(|(path, _)| !path.starts_with(b"index/"));
        kept.map(|(path, entry)| (path, entry.content)).collect::<Vec<_>>()
    };
    let before = names(&disk);
    let counts = |outcome: commit::Outcome| {
        (outcome.added, outcome.modified, outcome.deleted, outcome.tree, outcome.files)
    };
    let options = commit::Options { dry_run: true, ..commit::Options::new("dry", person()) };
    let writable = counts(commit::run(&repo, &options, &Silent).unwrap());
    assert_eq!(names(&disk), before);
    disk.set_read_only(true);
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let again = Repository::open(any, Path::new("/w"), env(2)).unwrap();
    assert_eq!(counts(commit::run(&again, &options, &Silent).unwrap()), writable);
    assert_eq!((writable.0, writable.1, writable.2), (1, 1, 0));
    disk.set_read_only(false);
    assert_eq!(record(&repo).tree, writable.3, "what was announced is what is recorded");
}

/// The index is derived: where it is lost or damaged and nothing can be written, what only reads
/// makes one for itself, and says the same as with it.
#[test]
fn what_only_reads_needs_no_index_where_nothing_can_be_written() {
    let (disk, repo) = fresh();
    record(&repo);
    // What the index knows to be recent would be read again anyway.
    disk.set_time(Time::from_seconds(1_700_060_000));
    disk.write("/w/still", "changed\n");
    disk.write("/w/new", "new\n");
    let answers = |disk: &MemoryDisk| {
        let any: Arc<dyn Disk> = Arc::new(disk.clone());
        let repo = Repository::open(any, Path::new("/w"), env(2)).unwrap();
        let found = status::run(&repo, &status::Options::default(), &Silent).unwrap();
        let unstaged: Vec<RepoPath> = found.unstaged.into_iter().map(|one| one.path).collect();
        let options = diff::Options {
            old: diff::Side::Index,
            new: diff::Side::Worktree,
            paths: Pathspec::all(),
            rules: Rules::default(),
        };
        let mut differing = Vec::new();
        let mut differs = |change: Change| {
            differing.push(change.path);
            Ok::<_, ops::Error>(())
        };
        diff::run(&repo, &options, &Silent, &mut differs).unwrap();
        let options = commit::Options { dry_run: true, ..commit::Options::new("dry", person()) };
        let committed = commit::run(&repo, &options, &Silent).unwrap();
        let options = add::Options {
            paths: Pathspec::all(),
            only_tracked: false,
            force: false,
            dry_run: true,
            actor: person(),
            rules: Rules::default(),
        };
        let added = add::run(&repo, &options, &Silent).unwrap();
        let counts = (committed.added, committed.modified, committed.deleted, committed.tree);
        (unstaged, found.untracked, differing, counts, (added.added, added.modified))
    };
    let expected = answers(&disk);
    assert_eq!((expected.0.len(), expected.1.len(), expected.2.len()), (1, 1, 1));
    let files = disk.tree("/w/.annals/index");
    assert!(files.len() > 1, "{:?}", files.keys());
    let mut judged = 0;
    for (name, file) in &files {
        let path = format!("/w/.annals/index/{}", String::from_utf8_lossy(name));
        let middle = file.content.len() / 2;
        let flipped = |at: usize| {
            let mut bytes = file.content.clone();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
            Some(bytes)
        };
        let lost = [None, Some(Vec::new()), Some(file.content[..middle].to_vec())];
        let flips = (0..file.content.len()).step_by(file.content.len() / 24 + 1).map(flipped);
        for left in lost.into_iter().chain(flips) {
            let disk = disk.image_after_power_loss(Survival::Everything);
            match left {
                Some(bytes) => disk.write(&path, bytes),
                None => {
                    disk.open(Path::new("/w/.annals/index")).unwrap().remove_file(name).unwrap();
                }
            }
            disk.set_read_only(true);
            assert_eq!(answers(&disk), expected, "{path}");
            judged += 1;
        }
    }
    assert!(judged > 20, "{judged}");
}

/// Nor does a dry run that finds nothing write what it has learned.
#[test]
fn a_dry_run_that_finds_nothing_writes_nothing() {
    let (disk, repo) = fresh();
    record(&repo);
    disk.set_time(Time::from_seconds(1_700_060_000));
    disk.write("/w/still", "still\n");
    let all = |disk: &MemoryDisk| {
        let all = disk.tree("/w/.annals").into_iter();
        all.map(|(path, entry)| (path, entry.content)).collect::<Vec<_>>()
    };
    let before = all(&disk);
    let options = commit::Options { dry_run: true, ..commit::Options::new("dry", person()) };
    let found = commit::run(&repo, &options, &Silent);
    assert!(matches!(found, Err(ops::Error::NothingToCommit)), "{found:?}");
    assert!(all(&disk) == before);
}

fn record(repo: &Repository) -> commit::Outcome {
    commit::run(repo, &commit::Options::new("all", person()), &Silent).unwrap()
}

fn recorded(repo: &Repository, path: &str) -> Option<Vec<u8>> {
    let tree = repo.head_tree().unwrap().unwrap();
    let entry = find_entry(repo.store(), &tree, &RepoPath::new(path).unwrap()).unwrap()?;
    let mut bytes = Vec::new();
    let options = cat::Options::Entry { text: path.into(), entry };
    let write = &mut |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    cat::run(repo, &options, write).unwrap();
    Some(bytes)
}

/// Calls this at the first so many reads of a file that do not begin at its start.
fn meddle(
    disk: &MemoryDisk,
    path: &'static str,
    times: usize,
    change: impl Fn(&MemoryDisk, usize) + Send + Sync + 'static,
) {
    let done = AtomicUsize::new(0);
    disk.on_read(move |disk, read, offset| {
        if read == path.as_bytes() && offset > 0 {
            let number = done.fetch_add(1, Ordering::SeqCst);
            if number < times {
                change(disk, number);
            }
        }
    });
}

#[test]
fn a_file_that_changes_while_it_is_read_is_recorded_as_it_is_in_the_end() {
    for length in [LONG, LONG / 3, LONG * 2] {
        let (disk, repo) = fresh();
        disk.write("/w/film", vec![1; LONG]);
        meddle(&disk, "/w/film", 2, move |disk, number| {
            disk.write("/w/film", vec![number as u8 + 2; length]);
        });
        let outcome = record(&repo);
        assert!(outcome.is_complete(), "{:?}", outcome.unread);
        assert_eq!(recorded(&repo, "film").unwrap(), vec![3; length]);
        // What was written a moment ago is read again before it is believed.
        assert_eq!(changed(&repo), []);
    }
}

#[test]
fn a_file_that_never_keeps_still_is_named_and_all_else_recorded() {
    let (disk, repo) = fresh();
    disk.write("/w/log", vec![1; LONG]);
    meddle(&disk, "/w/log", usize::MAX, |disk, number| {
        disk.write("/w/log", vec![number as u8; LONG]);
    });
    let outcome = record(&repo);
    assert!(matches!(&outcome.unread[..], [unread] if unread.path.as_bytes() == b"log"
        && matches!(unread.why, Why::Changing)));
    assert_eq!(recorded(&repo, "log"), None);
    assert_eq!(recorded(&repo, "still").unwrap(), b"still\n");
    assert_eq!(recorded(&repo, "small/f49").unwrap(), b"49\n");
}

#[test]
fn a_file_that_goes_or_cannot_be_read_is_named_and_all_else_recorded() {
    let (disk, repo) = fresh();
    disk.write("/w/gone", vec![1; LONG]);
    disk.write("/w/small/bad", "cannot be read");
    disk.write("/w/bad", "cannot be read");
    disk.make_unreadable("/w/small/bad");
    disk.make_unreadable("/w/bad");
    let root = Disk::open(&disk, Path::new("/w")).unwrap();
    meddle(&disk, "/w/gone", 1, move |_, _| root.remove_file(b"gone").unwrap());
    let mut unread: Vec<_> = record(&repo).unread;
    unread.sort_by(|a, b| a.path.cmp(&b.path));
    let names: Vec<&[u8]> = unread.iter().map(|unread| unread.path.as_bytes()).collect();
    assert_eq!(names, [&b"bad"[..], b"gone", b"small/bad"]);
    assert!(matches!(unread[0].why, Why::Unreadable(_)));
    assert!(matches!(unread[1].why, Why::Vanished));
    assert!(matches!(unread[2].why, Why::Unreadable(_)));
    assert_eq!(recorded(&repo, "small/f00").unwrap(), b"0\n");
}

/// Small files of a large directory are not asked about before they are read.
#[test]
fn small_files_that_change_between_listing_and_reading_are_recorded_as_they_are() {
    let (disk, repo) = fresh();
    let root = Disk::open(&disk, Path::new("/w")).unwrap();
    let once = AtomicUsize::new(0);
    disk.on_read(move |disk, path, _| {
        if path.starts_with(b"/w/small/") && once.fetch_add(1, Ordering::SeqCst) == 0 {
            disk.write("/w/small/f30", "much longer than it was\n");
            disk.write("/w/small/f31", vec![7; 100_000]);
            disk.write("/w/small/f32", "");
            root.remove_file(b"small/f33").unwrap();
            root.remove_file(b"small/f34").unwrap();
            root.make_symlink(b"f00", b"small/f34").unwrap();
            disk.write("/w/small/f35", "3!\n");
        }
    });
    let outcome = record(&repo);
    let missing: Vec<_> = outcome.unread.iter().map(|unread| unread.path.to_string()).collect();
    assert_eq!(missing, ["small/f33"]);
    assert_eq!(recorded(&repo, "small/f30").unwrap(), b"much longer than it was\n");
    assert_eq!(recorded(&repo, "small/f31").unwrap(), vec![7; 100_000]);
    assert_eq!(recorded(&repo, "small/f32").unwrap(), b"");
    assert_eq!(recorded(&repo, "small/f35").unwrap(), b"3!\n");
    assert_eq!(changed(&repo), []);
}

/// A small file is asked about once, after it was read. What is written to it between the two is
/// noticed, whatever the clock of the files says.
#[test]
fn a_small_file_that_is_written_once_it_was_read_is_read_again() {
    // A clock that seems a little behind may be one that gives times of its last tick.
    let clocks = [(0, 1), (-4_000_000, 1), (HOUR, 1), (-HOUR, 1), (0, 2), (0, usize::MAX)];
    for (ahead, times) in clocks {
        let (memory, repo) = fresh();
        drop(repo);
        memory.set_ahead(ahead);
        // The thread that has read it changes it before whatever it does next.
        let reader = Arc::new(Mutex::new((None, 0)));
        let (noted, meddled) = (Arc::clone(&reader), memory.clone());
        memory.on_read(move |_, path, _| {
            let mut reader = noted.lock().unwrap();
            if path == b"/w/small/f31" && reader.1 < times {
                *reader = (Some(thread::current().id()), reader.1 + 1);
            }
        });
        let disk = FaultyDisk::new(Arc::new(memory.clone()));
        disk.before_each(move || {
            let mut reader = reader.lock().unwrap();
            if reader.0 == Some(thread::current().id()) {
                reader.0 = None;
                meddled.write("/w/small/f31", format!("{}\n", 90 + reader.1 % 10));
            }
        });
        let repo = Repository::open(Arc::new(disk), Path::new("/w"), env(2)).unwrap();
        let outcome = record(&repo);
        memory.on_read(|_, _, _| {});
        if times == usize::MAX {
            assert!(matches!(&outcome.unread[..], [unread] if matches!(unread.why, Why::Changing)));
            assert_eq!(recorded(&repo, "small/f31"), None);
            continue;
        }
        assert!(outcome.is_complete(), "{:?}", outcome.unread);
        let now = format!("{}\n", 90 + times);
        assert_eq!(recorded(&repo, "small/f31").unwrap(), now.as_bytes(), "{ahead} {times}");
        assert_eq!(changed(&repo), []);
    }
}

fn changed(repo: &Repository) -> Vec<RepoPath> {
    let found = status::run(repo, &status::Options::default(), &Silent).unwrap();
    found.unstaged.into_iter().map(|change| change.path).collect()
}

/// The index of a copy may be newer than its records: it describes what never came along.
#[test]
fn an_index_that_describes_what_is_not_there_is_made_anew() {
    let (disk, repo) = fresh();
    record(&repo);
    let before = disk.tree("/w/.annals");
    disk.write("/w/still", "changed\n");
    disk.write("/w/more", "more\n");
    record(&repo);
    drop(repo);
    // The index and the working tree are of now, all else is as it was.
    let state = disk.open(Path::new("/w/.annals")).unwrap();
    for (name, entry) in disk.tree("/w/.annals") {
        let is_newer = !before.contains_key(&name) || name.starts_with(b"lookup/");
        if is_newer && !name.starts_with(b"index/") && entry.kind == FileKind::File {
            state.remove_file(&name).unwrap();
        }
    }
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let repo = Repository::open(any, Path::new("/w"), env(3)).unwrap();
    assert_eq!(changed(&repo), [RepoPath::new("still").unwrap()]);
    let outcome = record(&repo);
    assert_eq!((outcome.added, outcome.modified, outcome.deleted), (1, 1, 0));
    assert_eq!(recorded(&repo, "more").unwrap(), b"more\n");
    assert_eq!(changed(&repo), []);
}

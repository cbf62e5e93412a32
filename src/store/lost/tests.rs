//! Records that are gone, given up, and back.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::clock::{SteppingClock, Time};
use crate::disk::{DirRef, Disk, Fault, FaultyDisk, Limits, MemoryDisk, Survival};
use crate::store::Record;
use crate::store::tests::{commit, create, env, messages, open};
use crate::store::{Batch, Publication, RefEdit, Target};

fn record(number: u64) -> String {
    format!("journal/{}/{number}", number / 1000)
}

fn dir(disk: &MemoryDisk) -> DirRef {
    disk.open(Path::new("/repo")).unwrap()
}

/// Five commits in five records.
fn five() -> MemoryDisk {
    five_on(MemoryDisk::new())
}

fn five_on(disk: MemoryDisk) -> MemoryDisk {
    let store = create(&disk, 1).unwrap();
    for number in 1..=5 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    disk
}

/// Takes records away; what stood under each number.
fn lose(disk: &MemoryDisk, numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    let take = |number: u64| {
        let path = record(number);
        let bytes = disk.read(&format!("/repo/{path}")).unwrap();
        dir(disk).remove_file(path.as_bytes()).unwrap();
        (number, bytes)
    };
    numbers.into_iter().map(take).collect()
}

fn put_back(disk: &MemoryDisk, records: &[(u64, Vec<u8>)]) {
    for (number, bytes) in records {
        disk.write(&format!("/repo/{}", record(*number)), bytes);
    }
}

/// What a check says of the journal, by name.
fn checked(store: &Store) -> Vec<&'static str> {
    let mut found = Vec::new();
    store.journal().check(&mut |finding| found.push(finding.id)).unwrap();
    store.check_for_lost_records(&mut |finding| found.push(finding.id)).unwrap();
    found
}

/// Opens without anything that is derived.
fn open_anew(disk: &MemoryDisk, seed: u64) -> Store {
    for path in ["lookup/state", "lookup/current"] {
        let _ = dir(disk).remove_file(path.as_bytes());
    }
    open(disk, seed).unwrap()
}

fn is_quiet(store: &Store, expected: &[&str]) {
    assert_eq!(store.take_notices(), Vec::<String>::new());
    assert_eq!(store.lost(), None);
    assert_eq!(messages(store).unwrap(), expected);
}

#[test]
fn numbers_of_records_that_are_gone_are_never_used_again() {
    for gone in 1..5 {
        let disk = five();
        let old = open(&disk, 2).unwrap().state().incarnation;
        let found = 5 - gone;
        lose(&disk, found + 1..=5);
        let store = open(&disk, 3).unwrap();
        assert_eq!(store.lost(), Some(Lost::Newest { known: 5, found }));
        assert!(store.take_notices()[0].contains("has been at 5 and is at"));
        assert_eq!(messages(&store).unwrap().len() as u64, found);
        assert_eq!(checked(&store), ["E_RECORDS_GONE"]);
        commit(&store, "after").unwrap();
        assert_eq!(store.lost(), None);
        assert!(store.take_notices()[0].ends_with("record 6 begins a new incarnation"));
        let state = store.state();
        assert_eq!(state.number, 6);
        assert_ne!(state.incarnation, old);
        let skipped: Vec<u64> = state.last_effects.iter().filter_map(Effect::given_up).collect();
        assert_eq!(skipped, (found + 1..=5).collect::<Vec<_>>());
        let begins = |effect: &Effect| matches!(effect, Effect::Incarnation { after, .. } if *after == found);
        assert!(state.last_effects.iter().any(begins));
        // From then on all is quiet, and nothing is begun again.
        commit(&store, "and on").unwrap();
        let again = open_anew(&disk, 4);
        assert_eq!(again.state().incarnation, state.incarnation);
        assert_eq!(again.state().number, 7);
        let before: Vec<String> = (1..=found).rev().map(|n| format!("number {n}")).collect();
        let mut expected = vec!["and on", "after"];
        expected.extend(before.iter().map(String::as_str));
        is_quiet(&again, &expected);
        assert_eq!(checked(&again), Vec::<&str>::new());
    }
}

#[test]
fn what_comes_back_after_it_was_given_up_does_not_count_and_is_named() {
    let disk = five();
    let gone = lose(&disk, 3..=5);
    let store = open(&disk, 2).unwrap();
    commit(&store, "after").unwrap();
    commit(&store, "and on").unwrap();
    let expected = ["and on", "after", "number 2", "number 1"];
    for some in 1..8 {
        let disk = disk.image_after_power_loss(Survival::Everything);
        let back: Vec<_> =
            gone.iter().filter(|(number, _)| some >> (number - 3) & 1 == 1).cloned().collect();
        put_back(&disk, &back);
        let store = open_anew(&disk, 3);
        is_quiet(&store, &expected);
        assert_eq!(checked(&store), vec!["W_RECORD_SKIPPED"; back.len()]);
        let moves = store.journal().moves(&store.state()).unwrap();
        let counted = |number: u64| moves.iter().any(|one| one.number == number);
        assert_eq!((1..=7).filter(|n| counted(*n)).collect::<Vec<_>>(), [1, 2, 6, 7]);
        // The one that gives them up is damaged: the next repeats that.
        let path = format!("/repo/{}", record(6));
        let mut bytes = disk.read(&path).unwrap();
        bytes[100] ^= 1;
        disk.write(&path, bytes);
        let store = open_anew(&disk, 4);
        let [only] = &store.take_notices()[..] else { panic!("{some}") };
        assert!(only.contains("record 6 is damaged"), "{only}");
        assert_eq!(messages(&store).unwrap(), expected);
    }
}

#[test]
fn what_comes_back_before_it_was_given_up_is_as_if_it_had_never_been_gone() {
    let disk = five();
    let gone = lose(&disk, 4..=5);
    let store = open(&disk, 2).unwrap();
    assert!(store.lost().is_some());
    put_back(&disk, &gone);
    commit(&store, "after").unwrap_err();
    store.refresh().unwrap();
    commit(&store, "after").unwrap();
    assert_eq!(store.state().number, 6);
    let expected = ["after", "number 5", "number 4", "number 3", "number 2", "number 1"];
    is_quiet(&open_anew(&disk, 3), &expected);
}

#[test]
fn a_hole_is_bridged_by_the_record_that_gives_it_up_and_by_no_other() {
    let disk = five();
    lose(&disk, 3..=5);
    commit(&open(&disk, 2).unwrap(), "after").unwrap();
    lose(&disk, 3..=5);
    let store = open_anew(&disk, 3);
    is_quiet(&store, &["after", "number 2", "number 1"]);
    // Others whose numbers nobody gives up are missing, and those after them do not count.
    let disk = five();
    let gone = lose(&disk, 3..=4);
    let store = open_anew(&disk, 4);
    let [told] = &store.take_notices()[..] else { panic!("not told") };
    assert!(told.contains("records 3 to 4 are missing"), "{told}");
    assert_eq!(messages(&store).unwrap(), ["number 2", "number 1"]);
    let refused = commit(&store, "after");
    assert!(matches!(refused, Err(Error::Hole { first: 3, last: 4 })), "{refused:?}");
    put_back(&disk, &gone);
    let store = open_anew(&disk, 5);
    commit(&store, "after").unwrap();
    assert_eq!(messages(&store).unwrap().len(), 6);
    // Without the note the end of the journal is where the numbers end; a writer looks further.
    let disk = five();
    lose(&disk, 3..=4);
    dir(&disk).remove_file(b"newest").unwrap();
    let refused = commit(&open_anew(&disk, 6), "after");
    assert!(matches!(refused, Err(Error::Hole { first: 3, last: 4 })), "{refused:?}");
}

#[test]
fn a_damaged_newest_record_and_those_gone_after_it_are_given_up_together() {
    let disk = five();
    lose(&disk, [5]);
    let path = format!("/repo/{}", record(4));
    let mut damaged = disk.read(&path).unwrap();
    damaged[100] ^= 1;
    disk.write(&path, &damaged);
    let store = open(&disk, 2).unwrap();
    assert_eq!(store.lost(), Some(Lost::Newest { known: 5, found: 3 }));
    commit(&store, "after").unwrap();
    assert_eq!(store.state().number, 6);
    assert_eq!(disk.read(&path).unwrap(), damaged);
    let store = open_anew(&disk, 3);
    is_quiet(&store, &["after", "number 3", "number 2", "number 1"]);
    assert_eq!(checked(&store), ["W_RECORD_SKIPPED"]);
}

#[test]
fn a_note_that_is_gone_old_damaged_or_of_another_store_says_nothing() {
    let disk = five();
    let older = disk.read("/repo/newest").unwrap();
    commit(&open(&disk, 2).unwrap(), "number 6").unwrap();
    let own = Newest::parse(&disk.read("/repo/newest").unwrap()).unwrap();
    assert_eq!(own.number, 6);
    let other = Newest { store: [9; 16], number: 9, hash: Id::EMPTY }.to_text();
    for (seed, noted) in [None, Some(older), Some(b"torn".to_vec()), Some(other.into_bytes())]
        .into_iter()
        .enumerate()
    {
        let disk = disk.image_after_power_loss(Survival::Everything);
        match noted {
            None => dir(&disk).remove_file(b"newest").unwrap(),
            Some(bytes) => disk.write("/repo/newest", bytes),
        }
        let left = disk.read("/repo/newest");
        let store = open(&disk, seed as u64 + 3).unwrap();
        assert_eq!((store.lost(), store.take_notices().len()), (None, 0));
        assert_eq!(checked(&store), Vec::<&str>::new());
        assert_eq!(disk.read("/repo/newest"), left, "readers write nothing");
        commit(&store, "number 7").unwrap();
        let noted = Newest::parse(&disk.read("/repo/newest").unwrap()).unwrap();
        assert_eq!((noted.number, noted.hash), (7, store.state().hash));
        assert_eq!(store.state().incarnation, open(&disk, 9).unwrap().state().incarnation);
    }
}

#[test]
fn another_record_under_a_number_that_was_seen_begins_a_new_incarnation() {
    let disk = five();
    let old = open(&disk, 2).unwrap().state().incarnation;
    let noted = Newest::parse(&disk.read("/repo/newest").unwrap()).unwrap();
    for number in [5, 3] {
        let disk = disk.image_after_power_loss(Survival::Everything);
        disk.write("/repo/newest", Newest { number, hash: Id::EMPTY, ..noted }.to_text());
        let store = open(&disk, 3).unwrap();
        assert_eq!(store.lost(), Some(Lost::Other { number }));
        assert_eq!(checked(&store), ["E_RECORD_OTHER"]);
        commit(&store, "after").unwrap();
        assert_ne!(store.state().incarnation, old);
        assert_eq!(store.state().number, 6);
        let store = open_anew(&disk, 4);
        assert_eq!((store.lost(), store.take_notices().len()), (None, 0));
        assert_eq!(messages(&store).unwrap().len(), 6);
    }
}

#[test]
fn where_the_journal_is_gone_nothing_is_written() {
    let disk = five();
    for path in disk.tree("/repo").into_keys().rev() {
        if path.starts_with(b"journal/") {
            let _ = dir(&disk).remove_file(&path);
        }
    }
    let store = open_anew(&disk, 2);
    assert_eq!(store.lost(), Some(Lost::Everything));
    assert_eq!(checked(&store), ["E_JOURNAL_GONE"]);
    assert!(matches!(Batch::begin(&store), Err(Error::JournalGone)));
    let nothing = || Publication::new("test", "A <a@b>");
    assert!(matches!(store.publish(nothing()), Err(Error::JournalGone)));
    let again = create(&disk, 3).unwrap();
    assert!(matches!(again.publish(nothing()), Err(Error::JournalGone)));
    // Nor is it made again without `format`.
    dir(&disk).remove_file(b"format").unwrap();
    assert!(matches!(create(&disk, 4), Err(Error::JournalGone)));
    assert!(dir(&disk).stat(b"format").is_err());
}

#[test]
fn more_than_a_record_can_give_up_are_not_given_up() {
    let disk = five();
    let store = open(&disk, 2).unwrap();
    let known = |number| Newest { store: store.identity().store, number, hash: Id::EMPTY };
    let too_many = [5 + MOST_GIVEN_UP + 1, 1 << 40, u64::MAX - 1, u64::MAX];
    for (seed, number) in too_many.into_iter().enumerate() {
        disk.write("/repo/newest", known(number).to_text());
        let refused = commit(&open(&disk, seed as u64 + 10).unwrap(), "after");
        assert!(matches!(refused, Err(Error::TooManyLost { first: 6, .. })), "{refused:?}");
    }
    let most = 5 + MOST_GIVEN_UP;
    disk.write("/repo/newest", known(most).to_text());
    let store = open(&disk, 4).unwrap();
    commit(&store, "after").unwrap();
    assert_eq!(store.state().number, most + 1);
    commit(&store, "and on").unwrap();
    let store = open_anew(&disk, 5);
    assert_eq!(messages(&store).unwrap().len(), 7);
    assert_eq!((store.state().number, store.take_notices().len()), (most + 2, 0));
}

/// A ref moves in each record, an hour later each time.
fn grow(store: &Store, until: u64) {
    while store.state().number < until {
        let name = format!("refs/tags/{}", store.state().number % 50);
        let old = store.target(&name);
        let new = match &old {
            None => store.target("refs/heads/main"),
            Some(_) => None,
        };
        let edit = RefEdit { name, old, new, reason: "test".into() };
        store.publish(Publication::new("tag", "A <a@b>").with_refs([edit])).unwrap();
    }
}

fn hourly(disk: &MemoryDisk, seed: u64) -> Store {
    let clock =
        SteppingClock::new(Time::from_seconds(1_700_000_000 + seed as i64 * 100_000_000), 3600);
    let env = crate::clock::Env { clock: Arc::new(clock), ..env(seed) };
    Store::open(dir(disk), env).unwrap()
}

#[test]
fn checkpoints_go_on_over_numbers_that_were_given_up() {
    let disk = MemoryDisk::new();
    commit(&create(&disk, 1).unwrap(), "first").unwrap();
    grow(&hourly(&disk, 2), 260);
    let checkpoint = "/repo/journal/checkpoints/256";
    let old = disk.read(checkpoint).unwrap();
    // The number of a checkpoint is among those that are gone, and the checkpoint with them.
    let gone = lose(&disk, 254..=260);
    for path in disk.tree("/repo").into_keys() {
        let parts = [&b"journal/checkpoints/"[..], b"journal/runs/", b"journal/moves/"];
        if parts.iter().any(|part| path.starts_with(part)) {
            dir(&disk).remove_file(&path).unwrap();
        }
    }
    let store = hourly(&disk, 3);
    assert_eq!(store.lost(), Some(Lost::Newest { known: 260, found: 253 }));
    grow(&store, 300);
    assert_eq!(checked(&store), Vec::<&str>::new());
    assert_eq!(store.journal().checkpoint_numbers().unwrap(), []);
    let plain = disk.image_after_power_loss(Survival::Everything);
    put_back(&disk, &gone);
    disk.write(checkpoint, old);
    for (disk, comes_back) in [(plain, false), (disk, true)] {
        let store = open_anew(&disk, 4);
        let expected = store.state();
        assert_eq!(expected.number, 300);
        let mut oldest = 1;
        for until in [511, 512, 513, 600, 767, 768, 900, 1100] {
            let store = hourly(&disk, until);
            grow(&store, until);
            let found = checked(&store);
            let is_known = |id: &&str| matches!(*id, "W_RECORD_SKIPPED" | "W_CHECKPOINT_SKIPPED");
            assert!(found.iter().all(|id| comes_back && is_known(id)), "{until}: {found:?}");
            let anew = open_anew(&disk, until + 1);
            assert_eq!(anew.state(), store.state(), "{until}");
            assert_eq!(anew.take_notices(), Vec::<String>::new());
            let moves = anew.journal().moves(&anew.state()).unwrap();
            let numbers: Vec<u64> = moves.iter().map(|one| one.number).collect();
            assert!(numbers.is_sorted() && !numbers.iter().any(|n| (254..=260).contains(n)));
            let there = |number: &u64| dir(&disk).stat(record(*number).as_bytes()).is_ok();
            oldest = (1..=until).find(there).unwrap();
        }
        // All that is covered goes, what was given up too.
        assert_eq!(oldest, 768, "{comes_back}");
        assert_eq!(store.journal().checkpoint_numbers().unwrap().last(), Some(&1024));
    }
}

#[test]
fn giving_up_survives_power_loss_at_every_write() {
    for survival in [Survival::Nothing, Survival::Everything, Survival::Some(7), Survival::Some(8)]
    {
        let base = five();
        lose(&base, 3..=5);
        base.remount();
        for survivors in 0.. {
            let image = base.image_after_power_loss(Survival::Everything);
            let faulty = FaultyDisk::new(Arc::new(image.clone()));
            faulty.set_fault(Fault::dying_after(survivors));
            let finished =
                open(&faulty, 9).and_then(|store| commit(&store, "under the knife")).is_ok();
            let after = image.image_after_power_loss(survival);
            let store = open(&after, 10).unwrap();
            let found = messages(&store).unwrap();
            let is_there = found[0] == "under the knife";
            assert!(is_there || !finished, "{survival:?}: lost after {survivors}");
            assert_eq!(found.len(), 2 + usize::from(is_there));
            // Until it is given up, the loss is told of; and never after.
            assert_eq!(store.lost().is_none(), is_there, "{survival:?} after {survivors}");
            commit(&store, "next").unwrap();
            let number = 6 + u64::from(is_there);
            let store = open_anew(&after, 11);
            assert_eq!(store.state().number, number, "{survival:?} after {survivors}");
            assert_eq!(messages(&store).unwrap().len(), found.len() + 1);
            assert_eq!((store.lost(), store.take_notices().len()), (None, 0));
            assert_eq!(checked(&store), Vec::<&str>::new());
            if finished {
                break;
            }
        }
    }
}

#[test]
fn a_store_that_cannot_be_written_to_is_read_and_tells_of_what_is_gone() {
    let disk = five();
    lose(&disk, [5]);
    let faulty = FaultyDisk::new(Arc::new(disk));
    faulty.set_fault(Fault::failing_at(1, std::io::ErrorKind::ReadOnlyFilesystem, false));
    let store = open(&faulty, 2).unwrap();
    assert!(store.lost().is_some());
    assert_eq!(messages(&store).unwrap().len(), 4);
    let target = store.target("refs/heads/main");
    assert!(matches!(target, Some(Target::Id(_))));
}

/// Lets somebody else commit before the call of the disk with this number.
fn interrupted(disk: &MemoryDisk, at: u64) -> (FaultyDisk, Arc<AtomicU64>) {
    let faulty = FaultyDisk::new(Arc::new(disk.clone()));
    let other = open(disk, 100 + at).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    faulty.before_each(move || {
        if counter.fetch_add(1, Ordering::Relaxed) == at {
            other.refresh().unwrap();
            commit(&other, "meanwhile").unwrap();
        }
    });
    (faulty, calls)
}

#[test]
fn what_somebody_records_while_another_opens_is_not_taken_for_lost() {
    for at in 0.. {
        let disk = five();
        let (faulty, calls) = interrupted(&disk, at);
        let store = open(&faulty, 2).unwrap();
        assert_eq!((store.lost(), store.take_notices().len()), (None, 0), "{at}");
        if calls.load(Ordering::Relaxed) <= at {
            break;
        }
    }
}

/// Without locks, another comes in between at every moment: what both are told was recorded is
/// there, and what was lost is given up once.
#[test]
fn two_that_give_up_what_is_lost_give_up_nothing_of_each_other() {
    for at in 0.. {
        let disk = five_on(MemoryDisk::with_limits(Limits { locks: false, ..Limits::default() }));
        lose(&disk, 3..=5);
        let (faulty, calls) = interrupted(&disk, at);
        let store = open(&faulty, 2).unwrap();
        let edit = RefEdit {
            name: "refs/tags/mine".into(),
            old: None,
            new: store.target("refs/heads/main"),
            reason: "test".into(),
        };
        store.publish(Publication::new("tag", "A <a@b>").with_refs([edit])).unwrap();
        let was_there = calls.load(Ordering::Relaxed) > at;
        let store = open_anew(&disk, 3);
        assert!(store.target("refs/tags/mine").is_some(), "{at}");
        let expected = ["meanwhile", "number 2", "number 1"];
        assert_eq!(messages(&store).unwrap(), expected[usize::from(!was_there)..], "{at}");
        assert_eq!((store.lost(), store.take_notices().len()), (None, 0), "{at}");
        assert_eq!(checked(&store), Vec::<&str>::new(), "{at}");
        let records: Vec<Record> = (6..=store.state().number)
            .map(|number| match store.journal().read(number).unwrap() {
                Slot::Record(record, _) => *record,
                other => panic!("{at}: {other:?}"),
            })
            .collect();
        assert_eq!(records.len(), 1 + usize::from(was_there), "{at}");
        let skips = |record: &Record| -> Vec<u64> {
            record.effects.iter().filter_map(Effect::given_up).collect()
        };
        assert_eq!(skips(&records[0]), [3, 4, 5], "{at}");
        assert!(records[1..].iter().all(|record| skips(record).is_empty()), "{at}");
        // Whoever is second knows that a new incarnation was begun, once that is all done.
        if was_there && records[0].verb == "commit" {
            assert_eq!(records[1].incarnation, records[0].incarnation, "{at}");
        }
        if !was_there {
            break;
        }
    }
}

//! Publishing, opening and mending a store as a whole.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::clock::{SeededRandom, SteppingClock, Time};
use crate::disk::{Disk, Fault, FaultyDisk, MemoryDisk, Survival};
use crate::object::{Signature, Sink, Source, Table};

pub(super) fn env(seed: u64) -> Env {
    Env {
        clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 60)),
        random: Arc::new(SeededRandom::new(seed)),
    }
}

pub(super) fn open(disk: &dyn Disk, seed: u64) -> Result<Store, Error> {
    Store::open(disk.open(Path::new("/repo")).map_err(Error::io("open", "/repo"))?, env(seed))
}

pub(super) fn create(disk: &dyn Disk, seed: u64) -> Result<Store, Error> {
    let dir = disk.create(Path::new("/repo")).map_err(Error::io("create", "/repo"))?;
    Store::create(dir, env(seed))
}

fn signature() -> Signature {
    Signature { name: b"A".to_vec(), email: b"a@b".to_vec(), seconds: 1, zone_minutes: 0 }
}

/// Commits an empty tree with this message on `main` and a chunk beside it.
pub(super) fn commit(store: &Store, message: &str) -> Result<Id, Error> {
    let old = store.target("refs/heads/main");
    let batch = Batch::begin(store)?;
    let mut writer = batch.writer();
    let chunk = message.repeat(10);
    let id = Kind::Chunk.id_of(chunk.as_bytes());
    writer.put_chunk(Class::Near, id, chunk.as_bytes())?;
    let tree = writer.put(Kind::Tree, crate::object::Node::Leaf(Vec::new()).to_bytes())?;
    let parents = match &old {
        Some(Target::Id(id)) => vec![*id],
        _ => Vec::new(),
    };
    let commit = crate::object::Commit {
        tree,
        parents,
        author: signature(),
        committer: signature(),
        message: message.as_bytes().to_vec(),
        headers: Vec::new(),
    };
    let id = writer.put(Kind::Commit, commit.to_bytes())?;
    writer.flush()?;
    let edit = RefEdit {
        name: "refs/heads/main".into(),
        old,
        new: Some(Target::Id(id)),
        reason: format!("commit: {message}"),
    };
    let sealed = batch.seal()?;
    store.publish(Publication::new("commit", "A <a@b>").with_packs(sealed).with_refs([edit]))?;
    Ok(id)
}

pub(super) fn messages(store: &Store) -> Result<Vec<String>, Error> {
    let mut messages = Vec::new();
    let mut next = store.resolve("refs/heads/main");
    while let Some(id) = next {
        let commit: crate::object::Commit = store.object(&id)?;
        let message = String::from_utf8(commit.message).unwrap();
        let chunk = message.repeat(10);
        let chunk_id = Kind::Chunk.id_of(chunk.as_bytes());
        assert_eq!(&*store.read(Kind::Chunk, &chunk_id)?, chunk.as_bytes());
        store.tree(&commit.tree)?;
        messages.push(message);
        next = commit.parents.first().copied();
    }
    Ok(messages)
}

#[test]
fn what_was_published_is_read_back_by_the_next_to_open() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..10 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let again = open(&disk, 2).unwrap();
    assert_eq!(messages(&again).unwrap().len(), 10);
    assert_eq!(again.state(), store.state());
}

#[test]
fn a_thousand_commits_leave_few_packs_and_a_reflog_of_a_thousand_moves() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..1000 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let state = store.state();
    assert!(state.packs.len() <= 70, "{}", state.packs.len());
    let again = open(&disk, 2).unwrap();
    assert_eq!(messages(&again).unwrap().len(), 1000);
    let moves = again.journal().moves(&again.state()).unwrap();
    assert_eq!(moves.len(), 1000);
    let files = Class::ALL.map(|class| again.pack_files(class).unwrap().len());
    assert_eq!(files.iter().sum::<usize>(), state.packs.len());
    assert_eq!(again.journal().checkpoint_numbers().unwrap().last(), Some(&768));
    // Records that a checkpoint covers go once they are a day old.
    assert!(disk.read("/repo/journal/0/1").is_some());
}

/// Many chunks of text in many frames, and the path of the pack they are in.
fn many_chunks(store: &Store) -> (Vec<Vec<u8>>, String) {
    let chunks: Vec<Vec<u8>> = (0..800u32)
        .map(|number| (0..999).map(|line| format!("{} in {number}\n", line * number)).collect())
        .map(|text: String| text.into_bytes())
        .collect();
    let batch = Batch::begin(store).unwrap();
    let mut writer = batch.writer();
    for chunk in &chunks {
        writer.put_chunk(Class::Near, Kind::Chunk.id_of(chunk), chunk).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    let sealed = batch.seal().unwrap();
    store.publish(Publication::new("test", "A <a@b>").with_packs(sealed)).unwrap();
    let packs = store.pack_files(Class::Near).unwrap();
    assert_eq!(packs.len(), 1);
    (chunks, packs[0].clone())
}

/// Each chunk as it is handed over: the bytes, or `None`.
fn swept(store: &Store, chunks: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let wanted: Vec<_> =
        chunks.iter().map(|chunk| (Kind::Chunk, Kind::Chunk.id_of(chunk))).collect();
    let taken = Mutex::new(vec![None; wanted.len()]);
    store.each_if_here(&wanted, &|at, bytes| {
        let before = taken.lock().unwrap()[at].replace(bytes.map(<[u8]>::to_vec));
        assert!(before.is_none(), "handed over twice");
        Ok(())
    })?;
    Ok(taken.into_inner().unwrap().into_iter().map(|one| one.expect("left out")).collect())
}

#[test]
fn many_objects_are_read_with_one_look_at_each_frame() {
    let disk = FaultyDisk::new(Arc::new(MemoryDisk::new()));
    let store = create(&disk, 1).unwrap();
    let (chunks, _) = many_chunks(&store);
    let places = |chunk: &Vec<u8>| {
        store.lookup().find(&store.state(), Kind::Chunk, &Kind::Chunk.id_of(chunk)).unwrap()
    };
    let frames: BTreeSet<u32> = chunks.iter().map(|chunk| places(chunk).frame).collect();
    assert!(frames.len() > 8, "{}", frames.len());
    // Every second, the last first.
    let mut some: Vec<Vec<u8>> = chunks.iter().rev().step_by(2).cloned().collect();
    let store = open(&disk, 2).unwrap();
    disk.reset_counts();
    let found = swept(&store, &some).unwrap();
    assert_eq!(disk.counts().reads as usize, frames.len());
    assert!(found.iter().zip(&some).all(|(found, chunk)| found.as_ref() == Some(chunk)));
    some.push(b"nobody has this".to_vec());
    assert_eq!(swept(&store, &some).unwrap().pop(), Some(None));
}

#[test]
fn a_damaged_frame_is_told_of_unless_another_pack_has_what_is_in_it() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    let (chunks, pack) = many_chunks(&store);
    let path = format!("/repo/{pack}");
    let sound = disk.read(&path).unwrap();
    let mut bytes = sound.clone();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0);
    disk.write(&path, bytes);
    let found = swept(&open(&disk, 2).unwrap(), &chunks);
    assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}");
    // A copy brought a sound one along under another name, or so it seems.
    let (before, last) = path.rsplit_once('-').unwrap();
    let other = format!("{before}-{}", if last == "00000000" { "00000001" } else { "00000000" });
    disk.write(&other, sound);
    let found = swept(&open(&disk, 3).unwrap(), &chunks).unwrap();
    assert!(found.iter().zip(&chunks).all(|(found, chunk)| found.as_ref() == Some(chunk)));
}

#[test]
fn a_small_change_writes_little_however_many_refs_there_are() {
    let disk = FaultyDisk::new(Arc::new(MemoryDisk::new()));
    let store = create(&disk, 1).unwrap();
    let id = commit(&store, "first").unwrap();
    let create = |name: String| RefEdit {
        name,
        old: None,
        new: Some(Target::Id(id)),
        reason: "test".into(),
    };
    let tags = (0..4000).map(|number| create(format!("refs/tags/{number}")));
    store.publish(Publication::new("tag", "A").with_refs(tags)).unwrap();
    let mut many = Vec::new();
    for number in 0..600 {
        disk.reset_counts();
        let store = open(&disk, number).unwrap();
        let edit = create(format!("refs/heads/{number}"));
        store.publish(Publication::new("branch", "A").with_refs([edit])).unwrap();
        if disk.counts().bytes_written > 64 << 10 {
            many.push(store.state().number);
        }
    }
    // The record after the large one repeats it; the state is kept once; then the first
    // checkpoint, and the one whose runs are merged.
    assert_eq!(many, [3, 33, 256, 512]);
    let store = open(&disk, 1000).unwrap();
    assert_eq!(store.refs("refs/").len(), 4601);
    assert!(store.state().own_lines() < 600);
}

#[test]
fn the_lookup_may_be_deleted_at_any_time() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..40 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let dir = disk.open(Path::new("/repo")).unwrap();
    for found in dir.dir(b"lookup/runs").unwrap().list().unwrap() {
        let path = format!("lookup/runs/{}", String::from_utf8(found.name).unwrap());
        dir.remove_file(path.as_bytes()).unwrap();
    }
    assert_eq!(messages(&open(&disk, 2).unwrap()).unwrap().len(), 40);
    dir.remove_file(b"lookup/current").unwrap();
    assert_eq!(messages(&open(&disk, 3).unwrap()).unwrap().len(), 40);
}

#[test]
fn of_two_writers_that_move_one_ref_the_second_is_told() {
    let disk = MemoryDisk::new();
    let first = create(&disk, 1).unwrap();
    let second = open(&disk, 2).unwrap();
    let stale = second.target("refs/heads/main");
    commit(&first, "one").unwrap();
    let edit = RefEdit {
        name: "refs/heads/main".into(),
        old: stale,
        new: second.refresh().unwrap().refs.get("refs/heads/main").cloned(),
        reason: "test".into(),
    };
    let moved = second.publish(Publication::new("test", "B").with_refs([edit]));
    assert!(matches!(moved, Err(Error::Moved { name }) if name == "refs/heads/main"));
    commit(&second, "two").unwrap();
    first.refresh().unwrap();
    assert_eq!(messages(&first).unwrap(), ["two", "one"]);
}

#[test]
fn a_ref_never_points_to_what_is_not_there() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    let edit = RefEdit {
        name: "refs/heads/main".into(),
        old: None,
        new: Some(Target::Id(Id::EMPTY)),
        reason: "test".into(),
    };
    let refused = store.publish(Publication::new("test", "A").with_refs([edit]));
    assert!(matches!(refused, Err(Error::BadTarget { .. })));
}

/// Cuts the power before every operation of a commit, and looks at what is left: the commits
/// before, and the new one or not; once more during what the next command does.
#[test]
fn a_commit_survives_power_loss_at_every_write() {
    for survival in [Survival::Nothing, Survival::Everything, Survival::Some(7), Survival::Some(8)]
    {
        // The 33rd small pack is the one that merges: it is under the knife too.
        for before in [0, 1, 33] {
            let base = MemoryDisk::new();
            let store = create(&base, 1).unwrap();
            for number in 0..before {
                commit(&store, &format!("before {number}")).unwrap();
            }
            drop(store);
            for survivors in 0.. {
                let image = base.image_after_power_loss(Survival::Everything);
                let faulty = FaultyDisk::new(Arc::new(image.clone()));
                faulty.set_fault(Fault::dying_after(survivors));
                let finished =
                    open(&faulty, 9).and_then(|store| commit(&store, "under the knife")).is_ok();
                let after = image.image_after_power_loss(survival);
                let store = open(&after, 10).unwrap();
                let found = messages(&store).unwrap();
                let is_there = found.first().is_some_and(|first| first == "under the knife");
                assert!(is_there || !finished, "{survival:?}: lost after {survivors}");
                assert_eq!(found.len(), before + usize::from(is_there));
                commit(&store, "next").unwrap();
                assert_eq!(messages(&store).unwrap().len(), found.len() + 1);
                if finished {
                    break;
                }
            }
        }
    }
}

#[test]
fn making_a_store_survives_power_loss_at_every_write() {
    for survivors in 0.. {
        let image = MemoryDisk::new();
        let faulty = FaultyDisk::new(Arc::new(image.clone()));
        faulty.set_fault(Fault::dying_after(survivors));
        let finished = create(&faulty, 1).is_ok();
        let after = image.image_after_power_loss(Survival::Nothing);
        let store = create(&after, 2).unwrap();
        commit(&store, "first").unwrap();
        if finished {
            break;
        }
    }
}

#[test]
fn a_damaged_newest_record_does_not_count_and_its_number_is_never_used_again() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..3 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let mut bytes = disk.read("/repo/journal/0/3").unwrap();
    bytes[100] ^= 1;
    disk.write("/repo/journal/0/3", &bytes);
    let store = open(&disk, 2).unwrap();
    assert_eq!(messages(&store).unwrap().len(), 2);
    assert!(store.take_notices().iter().any(|notice| notice.contains("record 3")));
    commit(&store, "after").unwrap();
    let store = open(&disk, 3).unwrap();
    assert_eq!(store.state().number, 4);
    assert_eq!(messages(&store).unwrap(), ["after", "number 1", "number 0"]);
    assert_eq!(disk.read("/repo/journal/0/3").unwrap(), bytes);
}

#[test]
fn damage_to_an_older_record_loses_nothing() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..5 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    for number in 1..5 {
        let disk = disk.image_after_power_loss(Survival::Everything);
        let path = format!("/repo/journal/0/{number}");
        let mut bytes = disk.read(&path).unwrap();
        bytes[40] ^= 1;
        disk.write(&path, &bytes);
        let store = open(&disk, 2).unwrap();
        assert_eq!(messages(&store).unwrap().len(), 5);
        commit(&store, "next").unwrap();
    }
}

/// Gives `format` another inode, as any copy does.
pub(super) fn become_copy(disk: &MemoryDisk) {
    let bytes = disk.read("/repo/format").unwrap();
    let dir = disk.open(Path::new("/repo")).unwrap();
    dir.remove_file(b"format").unwrap();
    disk.write("/elsewhere", b"takes the next inode");
    disk.write("/repo/format", &bytes);
}

#[test]
fn a_copy_begins_a_new_incarnation_with_its_first_write() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    commit(&store, "one").unwrap();
    let before = store.state().incarnation;
    become_copy(&disk);
    let copy = open(&disk, 2).unwrap();
    commit(&copy, "two").unwrap();
    let after = copy.state().incarnation;
    assert_ne!(before, after);
    commit(&copy, "three").unwrap();
    let copy = open(&disk, 3).unwrap();
    commit(&copy, "four").unwrap();
    assert_eq!(copy.state().incarnation, after);
    assert_eq!(messages(&copy).unwrap().len(), 4);
}

#[test]
fn an_incomplete_copy_goes_on_from_the_newest_record_that_came_along_whole() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..4 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let third = store.journal().state_at(3).unwrap().unwrap();
    let newest: Vec<PackInfo> = store
        .state()
        .packs
        .values()
        .filter(|pack| !third.packs.contains_key(&pack.name) && pack.class == Class::Meta)
        .cloned()
        .collect();
    let dir = disk.open(Path::new("/repo")).unwrap();
    for pack in newest {
        dir.remove_file(pack_path(pack.class, &pack.name).as_bytes()).unwrap();
    }
    become_copy(&disk);
    let copy = open(&disk, 2).unwrap();
    assert_eq!(messages(&copy).unwrap(), ["number 2", "number 1", "number 0"]);
    assert!(copy.take_notices().iter().any(|notice| notice.contains("incomplete copy")));
    commit(&copy, "goes on").unwrap();
    let again = open(&disk, 3).unwrap();
    let expected = ["goes on", "number 2", "number 1", "number 0"];
    assert_eq!(messages(&again).unwrap(), expected);
    assert_eq!(again.state().number, 5);
    commit(&again, "and on").unwrap();
    // From the beginning, too.
    dir.remove_file(b"lookup/state").ok();
    assert_eq!(messages(&open(&disk, 4).unwrap()).unwrap().len(), 5);
}

/// A copy that took the journal first and the packs long after: small ones were merged meanwhile.
#[test]
fn a_copy_takes_the_packs_that_its_packs_were_merged_into() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    for number in 0..20 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let copied = store.state().number;
    for number in 20..45 {
        commit(&store, &format!("number {number}")).unwrap();
    }
    let newest = store.state().number;
    drop(store);
    let dir = disk.open(Path::new("/repo")).unwrap();
    for number in copied + 1..=newest {
        dir.remove_file(format!("journal/0/{number}").as_bytes()).unwrap();
    }
    for found in dir.dir(b"lookup").unwrap().list().unwrap() {
        let _ = dir.remove_file(&[&b"lookup/"[..], &found.name].concat());
    }
    become_copy(&disk);
    let is_whole = |store: &Store| {
        let missing =
            |pack: &&PackInfo| dir.stat(pack_path(pack.class, &pack.name).as_bytes()).is_err();
        store.state().packs.values().find(missing).is_none()
    };
    for seed in 2..4 {
        let copy = open(&disk, seed).unwrap();
        assert!(copy.take_notices().iter().any(|notice| notice.contains("packs were merged")));
        assert_eq!(messages(&copy).unwrap().len(), 20);
        assert!(is_whole(&copy));
        let head = copy.resolve("refs/heads/main").unwrap();
        assert!(copy.contains(Kind::Commit, &head));
    }
    let copy = open(&disk, 4).unwrap();
    commit(&copy, "goes on").unwrap();
    assert!(is_whole(&copy));
    // It is in the journal: nobody has to find it out again.
    let again = open(&disk, 5).unwrap();
    assert!(again.take_notices().is_empty());
    assert_eq!(messages(&again).unwrap()[..2], ["goes on", "number 19"]);
    assert!(is_whole(&again));
    for pack in again.state().packs.values().filter(|pack| pack.class != Class::Meta) {
        let table: Table = again.object(&pack.table.unwrap()).unwrap();
        assert!(!table.rows.is_empty());
    }
}

/// Two that wrote at once stored the same twice, and neither pack came along with the copy.
#[test]
fn what_a_missing_pack_holds_is_not_elsewhere_for_being_in_another_missing_one() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    commit(&store, "one").unwrap();
    let sealed_with = |chunk: &[u8]| {
        let batch = Batch::begin(&store).unwrap();
        let mut writer = batch.writer();
        writer.put_chunk(Class::Near, Kind::Chunk.id_of(chunk), chunk).unwrap();
        writer.flush().unwrap();
        drop(writer);
        batch.seal().unwrap()
    };
    let before = store.state();
    for twice in [sealed_with(b"twice"), sealed_with(b"twice")] {
        store.publish(Publication::new("test", "A").with_packs(twice)).unwrap();
    }
    let lost: Vec<PackInfo> = store
        .state()
        .packs
        .values()
        .filter(|pack| !before.packs.contains_key(&pack.name) && pack.class == Class::Near)
        .cloned()
        .collect();
    assert_eq!(lost.len(), 2);
    // A pack that nobody lists, so that there is something to take.
    drop(sealed_with(b"unlisted"));
    drop(store);
    let dir = disk.open(Path::new("/repo")).unwrap();
    for pack in &lost {
        dir.remove_file(pack_path(pack.class, &pack.name).as_bytes()).unwrap();
    }
    become_copy(&disk);
    let copy = open(&disk, 2).unwrap();
    commit(&copy, "two").unwrap();
    let state = open(&disk, 3).unwrap().state();
    assert!(lost.iter().all(|pack| state.packs.contains_key(&pack.name)));
}

#[test]
fn a_folder_that_somebody_else_just_made_is_durable_with_what_is_put_there() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    let dir = disk.open(Path::new("/repo")).unwrap();
    for class in [Class::Meta, Class::Near] {
        let folder = format!("packs/{}", class.name());
        crate::disk::make_dirs(&*dir, folder.as_bytes()).unwrap();
        for first in 0..=255u8 {
            // As if they had been killed before they could sync the folder's name.
            dir.make_dir(format!("{folder}/{first:02x}").as_bytes(), 0o777).unwrap();
        }
    }
    let id = commit(&store, "first").unwrap();
    let after = disk.image_after_power_loss(Survival::Nothing);
    let store = open(&after, 2).unwrap();
    assert_eq!(store.target("refs/heads/main"), Some(Target::Id(id)));
    store.read(Kind::Commit, &id).unwrap();
    let chunk = Kind::Chunk.id_of("first".repeat(10).as_bytes());
    store.read(Kind::Chunk, &chunk).unwrap();
}

#[test]
fn files_that_others_have_left_among_the_packs_are_passed_over() {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    commit(&store, "one").unwrap();
    disk.write("/repo/packs/meta/.DS_Store", b"");
    disk.write("/repo/packs/.DS_Store", b"");
    become_copy(&disk);
    // A copy looks at all packs.
    let copy = open(&disk, 2).unwrap();
    assert_eq!(messages(&copy).unwrap(), ["one"]);
    assert_eq!(copy.garbage().unwrap().packs, 0);
}

/// Somebody who clears up after the dead takes a folder that was just made for one of theirs.
#[test]
fn a_batch_begins_while_others_clear_up() {
    for at in 0.. {
        let disk = MemoryDisk::new();
        create(&disk, 1).unwrap();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let store = open(&faulty, 2).unwrap();
        let other = open(&disk, 3).unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = calls.clone();
        faulty.before_each(move || {
            if counter.fetch_add(1, Ordering::Relaxed) == at {
                other.dead_sessions([0; 16]).unwrap();
            }
        });
        commit(&store, "one").unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(messages(&open(&disk, 4).unwrap()).unwrap(), ["one"], "{at}");
        if calls.load(Ordering::Relaxed) <= at {
            break;
        }
    }
}

//! Rewriting packs of a store as a whole.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::disk::{Disk, MemoryDisk};
use crate::progress::Silent;
use crate::store::tests::{become_copy, create, open};

fn store() -> (MemoryDisk, Store) {
    let disk = MemoryDisk::new();
    let store = create(&disk, 1).unwrap();
    (disk, store)
}

fn again(disk: &MemoryDisk) -> Store {
    open(disk, 2).unwrap()
}

/// A text of some kilobytes; those of one topic are much alike.
fn text(topic: u32, version: u32) -> Vec<u8> {
    let line = |line: u32| {
        let hash = blake3::hash(&(topic << 16 | line).to_le_bytes()).to_hex();
        if line == version { format!("changed in {version}\n") } else { format!("{hash}\n") }
    };
    (0..150).map(line).collect::<String>().into_bytes()
}

/// Puts these into a pack of their own.
fn record(store: &Store, texts: &[Vec<u8>]) {
    let batch = Batch::begin(store).unwrap();
    let mut writer = batch.writer();
    for text in texts {
        writer.put_chunk(Class::Near, Kind::Chunk.id_of(text), text).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    store.publish(Publication::new("test", "A").with_packs(batch.seal().unwrap())).unwrap();
}

/// Twenty versions of ten texts, a record for each version.
fn history(store: &Store) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for version in 0..20 {
        let texts: Vec<_> = (0..10).map(|topic| text(topic, version)).collect();
        record(store, &texts);
        all.extend(texts);
    }
    all
}

fn begin(store: &Store, extent: Extent) -> Repack<'_> {
    let plan = store.plan_repack(extent).unwrap();
    store.begin_repack(&plan.rounds.concat()).unwrap()
}

fn is_all_there(store: &Store, texts: &[Vec<u8>]) -> bool {
    let is_there = |text: &Vec<u8>| {
        let read = store.read(Kind::Chunk, &Kind::Chunk.id_of(text));
        read.is_ok_and(|read| read[..] == text[..])
    };
    texts.iter().all(is_there)
}

fn files(store: &Store) -> usize {
    Class::ALL.map(|class| store.pack_files(class).unwrap().len()).iter().sum()
}

#[test]
fn everything_is_in_the_new_packs_and_the_old_ones_are_gone() {
    let (disk, store) = store();
    let texts = history(&store);
    let before = store.packed_bytes();
    let done = begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    assert_eq!((done.packs_before, done.bytes_before, done.packs), (40, before, 2));
    assert_eq!(done.bytes, store.packed_bytes());
    assert_eq!((files(&store), store.state().packs.len()), (2, 2));
    for store in [&store, &again(&disk)] {
        assert!(is_all_there(store, &texts));
        let pack = store.state().packs.values().find_map(|pack| pack.table).unwrap();
        assert!(store.contains(Kind::Table, &pack), "what the pack holds is said");
    }
}

#[test]
fn versions_next_to_each_other_take_less_room() {
    let (_, placed) = store();
    let (_, unplaced) = store();
    for store in [&placed, &unplaced] {
        // Far more topics than compression looks back over.
        for version in 0..6 {
            let texts: Vec<_> = (0..300).map(|topic| text(topic, version)).collect();
            record(store, &texts);
        }
    }
    begin(&unplaced, Extent::Loose).run("A", &Silent).unwrap();
    let mut repack = begin(&placed, Extent::Loose);
    for topic in 0..300 {
        for version in 0..6 {
            let id = Kind::Chunk.id_of(&text(topic, version));
            let rank = Rank { path: topic, part: 0, turn: 6 - version };
            assert_eq!(repack.place(Kind::Chunk, &id, Age::Recent, rank), Placed::Now);
            assert_eq!(repack.place(Kind::Chunk, &id, Age::Recent, rank), Placed::Before);
        }
    }
    let other = Kind::Chunk.id_of(b"never recorded");
    let rank = Rank { path: 0, part: 0, turn: 0 };
    assert_eq!(repack.place(Kind::Chunk, &other, Age::Recent, rank), Placed::Elsewhere);
    repack.run("A", &Silent).unwrap();
    let (placed, unplaced) = (placed.packed_bytes(), unplaced.packed_bytes());
    assert!(placed * 2 < unplaced, "{placed} {unplaced}");
}

#[test]
fn what_was_rewritten_is_left_alone_until_half_as_much_has_come() {
    let (disk, store) = store();
    history(&store);
    begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    assert_eq!(store.plan_repack(Extent::Loose).unwrap().packs(), 0);
    assert_eq!(store.plan_repack(Extent::All).unwrap().packs(), 2);
    record(&store, &[text(99, 0)]);
    assert_eq!(store.plan_repack(Extent::WhatIsDue).unwrap().packs(), 0);
    assert_eq!(store.plan_repack(Extent::Loose).unwrap().packs(), 2, "the new ones");
    // Without the note everything is rewritten once more.
    disk.open(Path::new("/repo")).unwrap().remove_file(b"lookup/settled").unwrap();
    let all = store.state().packs.len();
    assert_eq!(store.plan_repack(Extent::Loose).unwrap().packs(), all);
}

#[test]
fn a_damaged_pack_stays_and_so_does_what_says_what_it_held() {
    let (disk, store) = store();
    let texts = history(&store);
    let damaged = store.pack_files(Class::Near).unwrap()[0].clone();
    let path = format!("/repo/{damaged}");
    let mut bytes = disk.read(&path).unwrap();
    bytes[40] ^= 1;
    disk.write(&path, &bytes);
    let store = again(&disk);
    let done = begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    assert_eq!((done.packs_before, &done.unsound), (39, &vec![damaged]));
    assert_eq!(disk.read(&path).unwrap(), bytes, "it is for repair");
    let there = texts.iter().filter(|text| is_all_there(&store, std::slice::from_ref(text)));
    assert_eq!(there.count(), 190);
    let tables = store.state().packs.values().filter_map(|pack| pack.table).collect::<Vec<_>>();
    assert_eq!(tables.len(), 2);
    assert!(tables.iter().all(|table| store.contains(Kind::Table, table)));
}

#[test]
fn whoever_relied_on_an_old_pack_is_told() {
    let (disk, store) = store();
    let texts = history(&store);
    let other = again(&disk);
    let batch = Batch::begin(&other).unwrap();
    assert!(batch.has(Kind::Chunk, &Kind::Chunk.id_of(&texts[0])));
    let mut writer = batch.writer();
    let new = text(99, 0);
    writer.put_chunk(Class::Near, Kind::Chunk.id_of(&new), &new).unwrap();
    writer.flush().unwrap();
    drop(writer);
    begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    let sealed = batch.seal().unwrap();
    let told = other.publish(Publication::new("test", "B").with_packs(sealed));
    assert!(matches!(told, Err(Error::Gone)), "{told:?}");
    assert_eq!(files(&other), other.state().packs.len(), "and leaves nothing behind");
    assert!(is_all_there(&other, &texts), "and finds it where it is now");
}

#[test]
fn of_two_at_once_one_is_told_and_leaves_nothing_behind() {
    let (disk, store) = store();
    let texts = history(&store);
    let other = again(&disk);
    let (one, two) = (begin(&store, Extent::Loose), begin(&other, Extent::Loose));
    one.run("A", &Silent).unwrap();
    assert!(matches!(two.run("B", &Silent), Err(Error::Gone)));
    assert_eq!((files(&other), other.state().packs.len()), (2, 2));
    assert!(is_all_there(&other, &texts));
}

#[test]
fn files_that_a_killed_one_did_not_remove_are_removed_by_the_next() {
    let (disk, store) = store();
    history(&store);
    let old = store.pack_files(Class::Near).unwrap();
    let bytes: Vec<_> =
        old.iter().map(|path| disk.read(&format!("/repo/{path}")).unwrap()).collect();
    begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    for (path, bytes) in old.iter().zip(bytes) {
        let folder = format!("/repo/{}", &path[..path.rfind('/').unwrap()]);
        disk.create(Path::new(&folder)).unwrap();
        disk.write(&format!("/repo/{path}"), &bytes);
    }
    // One on its way is nobody's yet.
    let new = format!("/repo/packs/near/ab/{}", "ab".repeat(20));
    disk.create(Path::new("/repo/packs/near/ab")).unwrap();
    disk.write(&new, b"a pack");
    assert_eq!(files(&store), 23);
    store.clear_up().unwrap();
    assert_eq!(files(&store), 1 + store.state().packs.len());
    assert!(disk.read(&new).is_some());
}

/// A copy that took the journal first and the packs long after.
#[test]
fn a_copy_made_meanwhile_takes_the_new_packs() {
    let (disk, store) = store();
    let texts = history(&store);
    let newest = store.state().number;
    begin(&store, Extent::Loose).run("A", &Silent).unwrap();
    drop(store);
    let dir = disk.open(Path::new("/repo")).unwrap();
    dir.remove_file(format!("journal/0/{}", newest + 1).as_bytes()).unwrap();
    for found in dir.dir(b"lookup").unwrap().list().unwrap() {
        let _ = dir.remove_file(&[&b"lookup/"[..], &found.name].concat());
    }
    become_copy(&disk);
    let copy = again(&disk);
    assert!(copy.take_notices().iter().any(|notice| notice.contains("packs were merged")));
    assert!(is_all_there(&copy, &texts));
    record(&copy, &[text(99, 0)]);
    let again = again(&disk);
    assert!(again.take_notices().is_empty());
    assert!(is_all_there(&again, &texts));
}

#[test]
fn long_packs_of_what_does_not_compress_stay() {
    let (_, store) = store();
    let batch = Batch::begin(&store).unwrap();
    let mut writer = batch.writer();
    let mut noise = vec![0; 36 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    for chunk in noise.chunks(1 << 20) {
        writer.put_chunk(Class::Data, Kind::Chunk.id_of(chunk), chunk).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    store.publish(Publication::new("test", "A").with_packs(batch.seal().unwrap())).unwrap();
    let plan = store.plan_repack(Extent::All).unwrap();
    let classes: Vec<_> = plan.rounds.iter().flatten().map(|pack| pack.class).collect();
    assert_eq!(classes, [Class::Meta]);
}

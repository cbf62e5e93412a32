//! The newest records are gone, and the next commit gives them up: cut before each of its writes.
//!
//! The loss is told of until a record gives it up, and never after. No number is used twice, what
//! was acknowledged after the loss is there, and records that come back later change nothing.

use annals::disk::{Fault, FaultyDisk, MemoryDisk, Survival};
use annals::store::Lost;

use super::*;

/// Two commits, the second in the newest record; what that record was.
fn loses_its_newest() -> (MemoryDisk, u64, Vec<u8>) {
    let disk = MemoryDisk::new();
    create(&shared(&disk)).unwrap();
    write(&disk, "a", "one");
    commit_all(&open(&shared(&disk)).unwrap(), "one").unwrap();
    write(&disk, "b", noise(1, 30_000));
    let repo = open(&shared(&disk)).unwrap();
    commit_all(&repo, "gone").unwrap();
    let newest = repo.store().state().number;
    drop(repo);
    let path = format!(".annals/journal/0/{newest}");
    let bytes = disk.read(&format!("{ROOT}/{path}")).unwrap();
    disk.open(Path::new(ROOT)).unwrap().remove_file(path.as_bytes()).unwrap();
    disk.remount();
    (disk, newest, bytes)
}

fn anew(disk: &MemoryDisk) -> Repository {
    let root = disk.open(Path::new(ROOT)).unwrap();
    for path in [".annals/lookup/state", ".annals/lookup/current"] {
        let _ = root.remove_file(path.as_bytes());
    }
    open(&shared(disk)).unwrap()
}

#[test]
fn giving_up_what_is_gone_survives_power_loss() {
    let (base, lost, bytes) = loses_its_newest();
    let survivals = [Survival::Nothing, Survival::Everything, Survival::Some(1), Survival::Some(2)];
    let mut given_up = 0;
    for survivors in 0.. {
        let disk = base.image_after_power_loss(Survival::Everything);
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.set_fault(Fault::dying_after(survivors));
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let finished = open(&dying).and_then(|repo| commit_all(&repo, "verb")).is_ok();
        for survival in survivals {
            let context = format!("after {survivors} writes, {survival:?}");
            let left = disk.image_after_power_loss(survival);
            let repo = open(&shared(&left)).unwrap();
            let (messages, files) = at_head(&repo);
            let is_done = messages == ["verb", "one"];
            assert!(is_done || (messages == ["one"] && !finished), "{context}: {messages:?}");
            assert_eq!(files.contains_key("b"), is_done, "{context}");
            let gone = Lost::Newest { known: lost, found: lost - 1 };
            assert_eq!(repo.store().lost(), (!is_done).then_some(gone), "{context}");
            let checked = check(&repo);
            assert_eq!(checked.is_clean(), is_done, "{context}: {:?}", checked.findings);
            drop(repo);
            write(&left, "next", "next");
            commit_all(&open(&shared(&left)).unwrap(), "next").unwrap();
            let number = lost + 1 + u64::from(is_done);
            for comes_back in [false, true] {
                if comes_back {
                    left.write(&format!("{ROOT}/.annals/journal/0/{lost}"), &bytes);
                }
                let repo = anew(&left);
                assert_eq!(repo.store().state().number, number, "{context}");
                assert_eq!((repo.store().lost(), repo.store().take_notices().len()), (None, 0));
                let (now, files) = at_head(&repo);
                assert_eq!((&now[0][..], &now[1..]), ("next", &messages[..]), "{context}");
                assert_eq!(files, working_files(&left), "{context}");
                let checked = check(&repo);
                assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
                let named = checked.findings.iter().any(|one| one.id == "W_RECORD_SKIPPED");
                assert_eq!(named, comes_back, "{context}: {:?}", checked.findings);
            }
            given_up += u32::from(is_done);
        }
        if !faulty.is_dead() {
            break;
        }
    }
    assert!(given_up > 4, "{given_up}");
}

/// What was not acknowledged may vanish in a power failure; then nothing says that it was there.
#[test]
fn what_a_power_failure_took_before_it_was_durable_is_not_missed() {
    let disk = MemoryDisk::new();
    create(&shared(&disk)).unwrap();
    disk.remount();
    [false, true].into_iter().for_each(|fails| nothing_is_missed(&disk, fails));
}

/// The power fails before each write, or some time after one that failed.
fn nothing_is_missed(disk: &MemoryDisk, fails: bool) {
    for survivors in 0.. {
        let image = disk.image_after_power_loss(Survival::Everything);
        write(&image, "a", "one");
        let faulty = FaultyDisk::new(Arc::new(image.clone()));
        faulty.set_fault(match fails {
            true => Fault::failing_at(survivors + 1, std::io::ErrorKind::Other, true),
            false => Fault::dying_after(survivors).torn(),
        });
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let _ = open(&dying).and_then(|repo| commit_all(&repo, "one"));
        for seed in 0..12 {
            let left = image.image_after_power_loss(Survival::Some(seed));
            let repo = open(&shared(&left)).unwrap();
            assert_eq!(repo.store().lost(), None, "after {survivors} writes, {seed}");
        }
        if faulty.operations() <= survivors {
            break;
        }
    }
}

//! What is left after a power failure, a full disk, and file systems with less to offer.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::disk::Wait;

fn fresh() -> (MemoryDisk, DirRef) {
    with_limits(Limits::default())
}

fn with_limits(limits: Limits) -> (MemoryDisk, DirRef) {
    let disk = MemoryDisk::with_limits(limits);
    let dir = Disk::create(&disk, Path::new("/repo")).unwrap();
    (disk, dir)
}

fn images(disk: &MemoryDisk) -> impl Iterator<Item = MemoryDisk> {
    (0..400).map(|seed| disk.image_after_power_loss(Survival::Some(seed)))
}

/// What is at a path over many power failures, without repetition.
fn seen(disk: &MemoryDisk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    images(disk).map(|image| image.read(path)).collect()
}

fn durable(disk: &MemoryDisk, dir: &DirRef, path: &str, bytes: &str) {
    disk.write(&format!("/repo/{path}"), bytes);
    dir.sync_file_system().unwrap();
}

fn some(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn a_created_repository_directory_survives_but_nothing_unsynced_in_it() {
    let (disk, dir) = fresh();
    dir.create(b"file", 0o666).unwrap().sync().unwrap();
    let image = disk.image_after_power_loss(Survival::Nothing);
    assert_eq!(image.tree("/").into_keys().collect::<Vec<_>>(), [b"repo"]);
    assert_eq!(disk.image_after_power_loss(Survival::Everything).tree("/"), disk.tree("/"));
}

#[test]
fn a_name_may_be_durable_before_its_bytes() {
    let (disk, dir) = fresh();
    let file = dir.create(b"file", 0o666).unwrap();
    file.write_at(b"bytes", 0).unwrap();
    dir.sync().unwrap();
    assert_eq!(disk.image_after_power_loss(Survival::Nothing).read("/repo/file"), some(""));
    assert_eq!(seen(&disk, "/repo/file"), [some(""), some("\0\0\0\0\0"), some("bytes")].into());
    file.sync().unwrap();
    assert_eq!(seen(&disk, "/repo/file"), [some("bytes")].into());
}

#[test]
fn an_unsynced_replacement_is_the_old_file_or_the_new_but_never_none() {
    let (disk, dir) = fresh();
    durable(&disk, &dir, "file", "old");
    let file = dir.create(b"new", 0o666).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync().unwrap();
    dir.rename(b"new", &*dir, b"file").unwrap();
    assert_eq!(disk.image_after_power_loss(Survival::Nothing).read("/repo/file"), some("old"));
    assert_eq!(seen(&disk, "/repo/file"), [some("old"), some("new")].into());
    assert_eq!(seen(&disk, "/repo/new"), [None, some("new")].into());
    dir.sync().unwrap();
    assert_eq!(seen(&disk, "/repo/file"), [some("new")].into());
    assert_eq!(seen(&disk, "/repo/new"), [None].into());
}

#[test]
fn a_removal_may_survive_without_the_creation_that_followed() {
    let (disk, dir) = fresh();
    durable(&disk, &dir, "file", "old");
    dir.remove_file(b"file").unwrap();
    let file = dir.create(b"file", 0o666).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(seen(&disk, "/repo/file"), [some("old"), None, some("new")].into());
}

#[test]
fn a_rename_between_directories_may_leave_both_names_or_none() {
    let (disk, dir) = fresh();
    dir.make_dir(b"other", 0o777).unwrap();
    durable(&disk, &dir, "file", "it");
    dir.rename(b"file", &*dir.dir(b"other").unwrap(), b"file").unwrap();
    let names = |image: MemoryDisk| {
        (image.read("/repo/file").is_some(), image.read("/repo/other/file").is_some())
    };
    assert_eq!(names(disk.image_after_power_loss(Survival::Nothing)), (true, false));
    let all = images(&disk).map(names).collect::<BTreeSet<_>>();
    assert_eq!(all.len(), 4);
}

#[test]
fn a_directory_never_has_two_names_or_itself_below_it() {
    let (disk, dir) = fresh();
    disk.write("/repo/a/b/file", "it");
    dir.sync_file_system().unwrap();
    dir.rename(b"a/b", &*dir, b"b").unwrap();
    dir.rename(b"a", &*dir.dir(b"b").unwrap(), b"a").unwrap();
    for image in images(&disk) {
        let names: Vec<_> = image.tree("/repo").into_keys().collect();
        assert!(names.iter().filter(|name| name.ends_with(b"file")).count() <= 1, "{names:?}");
    }
}

#[test]
fn each_sector_of_an_overwritten_file_is_the_old_or_the_new() {
    let (disk, dir) = fresh();
    durable(&disk, &dir, "file", &"o".repeat(4 * SECTOR));
    let file = dir.open_or_create(b"file", 0).unwrap();
    file.write_at(&[b'n'; 4 * SECTOR], 0).unwrap();
    let torn = seen(&disk, "/repo/file");
    assert_eq!(torn.len(), 16);
    for bytes in torn.into_iter().flatten() {
        assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|it| *it == sector[0])));
    }
}

#[test]
fn a_grown_file_may_be_cut_or_filled_with_zeros() {
    let (disk, dir) = fresh();
    durable(&disk, &dir, "file", &"o".repeat(700));
    dir.open_or_create(b"file", 0).unwrap().write_at(&[b'n'; 2_000], 700).unwrap();
    let torn: Vec<_> = seen(&disk, "/repo/file").into_iter().flatten().collect();
    let sizes: BTreeSet<_> = torn.iter().map(Vec::len).collect();
    assert_eq!(sizes, [700, 1_024, 1_536, 2_048, 2_560, 2_700].into());
    assert!(torn.iter().all(|bytes| bytes[..700].iter().all(|&byte| byte == b'o')));
    assert!(torn.iter().any(|bytes| bytes.len() == 2_700 && bytes[2_699] == 0));
    assert!(
        torn.iter()
            .any(|bytes| bytes.len() == 2_700 && bytes[700..].iter().all(|&byte| byte == b'n'))
    );
}

#[test]
fn an_image_depends_only_on_its_seed_and_is_another_disk_after_another_boot() {
    let (disk, _dir) = fresh();
    for number in 0..20 {
        disk.write(&format!("/repo/{number}"), "it");
    }
    let [one, two] = [7, 7].map(|seed| disk.image_after_power_loss(Survival::Some(seed)));
    assert_eq!(one.tree("/"), two.tree("/"));
    assert_ne!(one.tree("/"), disk.tree("/"));
    assert_ne!(one.boot_id(), disk.boot_id());
    one.write("/repo/other", "it");
    assert_eq!(disk.read("/repo/other"), None);
    assert_eq!(two.read("/repo/other"), None);
}

#[test]
fn a_killed_process_leaves_everything_unsynced_in_the_same_boot() {
    let (disk, dir) = fresh();
    disk.write("/repo/file", "it");
    let _lock = dir.lock(b"lock", Wait::No).unwrap().unwrap();
    let image = disk.image_after_power_loss(Survival::Everything);
    assert_eq!(image.boot_id(), disk.boot_id());
    assert_eq!(image.image_after_power_loss(Survival::Nothing).read("/repo/file"), None);
    let dir = Disk::open(&image, Path::new("/repo")).unwrap();
    assert!(dir.lock(b"lock", Wait::No).unwrap().is_some(), "its locks are gone");
}

#[test]
fn after_a_failed_sync_the_bytes_are_never_durable_though_later_syncs_succeed() {
    let (disk, dir) = fresh();
    let file = dir.create(b"file", 0o666).unwrap();
    file.write_at(b"one", 0).unwrap();
    disk.fail_sync_after(1);
    file.sync().unwrap();
    file.write_at(b"two", 0).unwrap();
    file.sync().unwrap_err();
    file.sync().unwrap();
    dir.sync().unwrap();
    assert_eq!(disk.read("/repo/file"), some("two"));
    assert_eq!(seen(&disk, "/repo/file"), [some("one")].into());
}

#[test]
fn a_removed_directory_comes_back_with_what_was_durable_in_it() {
    let (disk, dir) = fresh();
    disk.write("/repo/a/kept", "it");
    durable(&disk, &dir, "a/gone", "it");
    let a = dir.dir(b"a").unwrap();
    a.remove_file(b"gone").unwrap();
    a.sync().unwrap();
    a.remove_file(b"kept").unwrap();
    dir.remove_dir(b"a").unwrap();
    assert_eq!(a.create(b"new", 0o666).unwrap_err().kind(), io::ErrorKind::NotFound);
    let left = disk.image_after_power_loss(Survival::Nothing).tree("/repo");
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [&b"a"[..], b"a/kept"]);
}

#[test]
fn each_change_is_stamped_by_the_clock_that_was_set() {
    let (disk, dir) = fresh();
    disk.set_time(Time { seconds: -1, nanoseconds: 999_999_999 });
    disk.set_step(1);
    let file = dir.create(b"file", 0o666).unwrap();
    assert_eq!(file.stat().unwrap().mtime, Time { seconds: -1, nanoseconds: 999_999_999 });
    assert_eq!(dir.stat_self().unwrap().mtime, Time { seconds: -1, nanoseconds: 999_999_999 });
    file.write_at(b"it", 0).unwrap();
    assert_eq!(file.stat().unwrap().mtime, Time::default());
    file.set_mtime(Time::from_seconds(5)).unwrap();
    let stat = file.stat().unwrap();
    assert_eq!(stat.mtime, Time::from_seconds(5));
    assert_eq!(stat.ctime, Time { seconds: 0, nanoseconds: 1 });
}

#[test]
fn a_full_disk_takes_what_fits_and_takes_more_when_something_is_removed() {
    let (disk, dir) = fresh();
    disk.write("/repo/old", [1; BLOCK]);
    disk.set_capacity(Some(2 * BLOCK as u64));
    let file = dir.create(b"new", 0o666).unwrap();
    let error = file.write_at(&[2; BLOCK + 1], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.stat().unwrap().size, BLOCK as u64);
    file.write_at(&[3; BLOCK], 0).unwrap();
    dir.remove_file(b"old").unwrap();
    file.write_at(&[2; BLOCK + 1], 0).unwrap();
    assert_eq!(disk.used(), 2 * BLOCK as u64);
}

#[test]
fn a_read_only_disk_can_only_be_read() {
    let (disk, dir) = fresh();
    disk.write("/repo/file", "it");
    disk.set_read_only(true);
    let refused = [
        dir.create(b"a", 0o666).map(drop),
        dir.open_or_create(b"file", 0o666).map(drop),
        dir.make_dir(b"a", 0o777),
        dir.make_symlink(b"a", b"a"),
        dir.link(b"file", &*dir, b"a"),
        dir.rename(b"file", &*dir, b"a"),
        dir.rename_new(b"file", &*dir, b"a"),
        dir.remove_file(b"file"),
        dir.set_mode(b"file", 0),
        dir.set_mtime(b"file", Time::default()),
        dir.lock(b"lock", Wait::No).map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(*dir.map(b"file").unwrap(), *b"it");
}

#[test]
fn an_unreadable_file_can_be_opened_but_not_read() {
    let (disk, dir) = fresh();
    disk.write("/repo/file", "it");
    disk.make_unreadable("/repo/file");
    let file = dir.open(b"file").unwrap();
    assert_eq!(
        file.read_at(&mut [0], 0).unwrap_err().raw_os_error(),
        Some(Errno::IO.raw_os_error())
    );
    assert!(dir.map(b"file").is_err());
    disk.make_readable("/repo/file");
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
}

#[test]
fn what_is_closed_is_seen_and_not_opened() {
    let (disk, dir) = fresh();
    disk.write("/repo/d/file", "it");
    disk.write("/repo/file", "it");
    disk.make_closed("/repo/d");
    disk.make_closed("/repo/file");
    for refused in [dir.dir(b"d").map(drop), dir.open(b"file").map(drop)] {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
    assert_eq!(dir.stat(b"file").unwrap().size, 2);
}

#[test]
fn names_in_a_fixed_directory_stay_as_they_are() {
    let (disk, dir) = fresh();
    for path in ["/repo/d/file", "/repo/other"] {
        disk.write(path, "it");
    }
    disk.make_fixed("/repo/d");
    let fixed = dir.dir(b"d").unwrap();
    let refused = [
        fixed.remove_file(b"file"),
        fixed.create(b"new", 0o644).map(drop),
        fixed.make_dir(b"new", 0o755),
        fixed.rename(b"file", &*dir, b"file"),
        dir.rename(b"other", &*fixed, b"file"),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
    assert_eq!(disk.read("/repo/d/file").unwrap(), b"it");
}

#[test]
fn a_file_can_change_while_it_is_read() {
    let (disk, dir) = fresh();
    disk.write("/repo/a/file", "old");
    disk.on_read(|disk, path, offset| {
        if (path, offset) == (b"/repo/a/file", 1) {
            disk.write("/repo/a/file", "new");
        }
    });
    let file = dir.dir(b"a").unwrap().open(b"file").unwrap();
    let mut read = [0; 3];
    file.read_exact_at(&mut read[..1], 0).unwrap();
    file.read_exact_at(&mut read[1..], 1).unwrap();
    assert_eq!(read, *b"oew");
}

#[test]
fn exfat_has_no_links_modes_or_case_but_keeps_how_names_were_written() {
    let (disk, dir) = with_limits(Limits::exfat());
    disk.set_time(Time { seconds: 1_001, nanoseconds: 5 });
    disk.write("/repo/File", "it");
    assert_eq!(dir.stat(b"fILE").unwrap().mtime, Time::from_seconds(1_000));
    assert_eq!(dir.create(b"FILE", 0o666).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(dir.list().unwrap()[0].name, b"File");
    dir.rename(b"File", &*dir, b"file").unwrap();
    assert_eq!(dir.list().unwrap()[0].name, b"file");
    assert_eq!(dir.list().unwrap().len(), 1);
    dir.set_mode(b"file", 0o600).unwrap();
    assert_eq!(dir.stat(b"file").unwrap().mode, 0o755);
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(dir.make_symlink(b"a", b"b")), io::ErrorKind::Unsupported);
    assert_eq!(kind(dir.link(b"file", &*dir, b"b")), io::ErrorKind::Unsupported);
    assert_eq!(kind(dir.make_dir(b"a:b", 0o777)), io::ErrorKind::InvalidInput);
}

#[test]
fn mounting_again_changes_the_device_and_inodes_that_are_not_stable() {
    for (limits, stable) in [(Limits::default(), true), (Limits::exfat(), false)] {
        let (disk, dir) = with_limits(limits);
        let before = dir.stat_self().unwrap();
        disk.remount();
        let after = dir.stat_self().unwrap();
        assert_ne!(after.device, before.device);
        assert_eq!(after.inode == before.inode, stable);
    }
}

#[test]
fn what_nobody_can_reach_any_more_takes_no_memory() {
    let (disk, dir) = fresh();
    let open = dir.create(b"open", 0o666).unwrap();
    open.write_at(b"still here", 0).unwrap();
    dir.remove_file(b"open").unwrap();
    for _ in 0..5_000 {
        disk.write("/repo/new", "it");
        dir.rename(b"new", &*dir, b"file").unwrap();
        dir.sync().unwrap();
    }
    assert!(disk.volume().nodes.len() < 1_100);
    let mut read = [0; 10];
    open.read_exact_at(&mut read, 0).unwrap();
    assert_eq!(read, *b"still here");
}

#[test]
fn paths_that_people_type_are_resolved() {
    let (disk, dir) = fresh();
    disk.write("/repo/a/file", "it");
    dir.make_symlink(b"../repo/a", b"link").unwrap();
    dir.make_symlink(b"loop", b"loop").unwrap();
    let canonical = |path| disk.canonical(Path::new(path));
    assert_eq!(canonical("/repo/./link/../link/").unwrap(), Path::new("/repo/a"));
    assert_eq!(canonical("/repo/a/file").unwrap(), Path::new("/repo/a/file"));
    assert_eq!(canonical("/").unwrap(), Path::new("/"));
    assert!(canonical("repo").is_err());
    assert!(canonical("/repo/loop").is_err());
    assert!(canonical("/repo/none").is_err());
    assert!(Disk::open(&disk, Path::new("/repo/link")).unwrap().open(b"file").is_ok());
    assert!(Disk::open(&disk, Path::new("/repo/a/file")).is_err());
}

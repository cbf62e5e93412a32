//! What every disk promises, whatever is below.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use std::path::Path;

use super::*;

fn on_every_disk(check: impl Fn(&dyn Disk, &Path)) {
    let place = tempfile::tempdir().unwrap();
    let real = OsDisk::new().canonical(place.path()).unwrap();
    check(&OsDisk::new(), &real.join("repo"));
    check(&FaultyDisk::new(Arc::new(OsDisk::new())), &real.join("faulty"));
    check(&MemoryDisk::new(), Path::new("/a/repo"));
    check(&FaultyDisk::new(Arc::new(MemoryDisk::new())), Path::new("/repo"));
}

fn in_every_directory(check: impl Fn(DirRef)) {
    on_every_disk(|disk, path| check(disk.create(path).unwrap()));
}

fn write(dir: &DirRef, path: &[u8], bytes: &[u8]) {
    dir.create(path, 0o644).unwrap().write_at(bytes, 0).unwrap();
}

fn read(dir: &DirRef, path: &[u8]) -> Vec<u8> {
    read_all(&**dir, path, 1 << 20).unwrap()
}

fn kind<T: fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A directory with `file`, `dir` (with `dir/inner`), `link` to file and `dirlink` to dir.
fn furnished(dir: &DirRef) {
    write(dir, b"file", b"it");
    dir.make_dir(b"dir", 0o777).unwrap();
    write(dir, b"dir/inner", b"within");
    dir.make_symlink(b"file", b"link").unwrap();
    dir.make_symlink(b"dir", b"dirlink").unwrap();
}

#[test]
fn a_directory_is_opened_only_if_it_is_one() {
    on_every_disk(|disk, path| {
        assert_eq!(kind(disk.open(path)), ErrorKind::NotFound);
        let dir = disk.create(&path.join("a/b")).unwrap();
        disk.create(&path.join("a/b")).unwrap();
        write(&dir, b"file", b"");
        assert_eq!(kind(disk.open(&path.join("a/b/file"))), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.create(&path.join("a/b/file"))), ErrorKind::NotADirectory);
        dir.make_symlink(b"..", b"up").unwrap();
        let canonical = disk.canonical(&path.join("a/b/up/b/up/.")).unwrap();
        assert_eq!(canonical, path.join("a"));
        let above = disk.open(&path.join("a/b/up")).unwrap();
        assert_eq!(read(&above, b"b/file"), b"");
    });
}

#[test]
fn what_exists_is_not_created_again() {
    in_every_directory(|dir| {
        furnished(&dir);
        for taken in [&b"file"[..], b"dir", b"link", b"dir/inner"] {
            assert_eq!(kind(dir.create(taken, 0o644)), ErrorKind::AlreadyExists);
            assert_eq!(kind(dir.make_dir(taken, 0o755)), ErrorKind::AlreadyExists);
            assert_eq!(kind(dir.make_symlink(b"x", taken)), ErrorKind::AlreadyExists);
            assert_eq!(kind(dir.link(b"file", &*dir, taken)), ErrorKind::AlreadyExists);
            assert_eq!(kind(dir.rename_new(b"file", &*dir, taken)), ErrorKind::AlreadyExists);
        }
        assert_eq!(dir.open_or_create(b"file", 0).unwrap().stat().unwrap().size, 2);
        assert_eq!(dir.open_or_create(b"other", 0o644).unwrap().stat().unwrap().size, 0);
    });
}

#[test]
fn what_is_missing_is_not_found() {
    in_every_directory(|dir| {
        furnished(&dir);
        for missing in [&b"none"[..], b"dir/none", b"none/none"] {
            assert_eq!(kind(dir.stat(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.dir(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.open(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.map(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.link_target(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.link(missing, &*dir, b"new")), ErrorKind::NotFound);
            assert_eq!(kind(dir.rename(missing, &*dir, b"new")), ErrorKind::NotFound);
            assert_eq!(kind(dir.rename_new(missing, &*dir, b"new")), ErrorKind::NotFound);
            assert_eq!(kind(dir.remove_file(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.remove_dir(missing)), ErrorKind::NotFound);
            assert_eq!(kind(dir.set_mode(missing, 0)), ErrorKind::NotFound);
            assert_eq!(kind(dir.set_mtime(missing, Time::default())), ErrorKind::NotFound);
        }
        assert_eq!(kind(dir.create(b"none/new", 0o644)), ErrorKind::NotFound);
        assert_eq!(kind(dir.lock(b"none/lock", Wait::No)), ErrorKind::NotFound);
        assert_eq!(kind(dir.rename(b"file", &*dir, b"none/new")), ErrorKind::NotFound);
    });
}

#[test]
fn symbolic_links_are_never_followed() {
    in_every_directory(|dir| {
        furnished(&dir);
        assert_eq!(kind(dir.dir(b"dirlink")), ErrorKind::NotADirectory);
        assert_eq!(kind(dir.dir(b"file")), ErrorKind::NotADirectory);
        assert_eq!(kind(dir.stat(b"file/x")), ErrorKind::NotADirectory);
        for not_a_file in [&b"link"[..], b"dirlink", b"dir"] {
            assert_eq!(kind(dir.open(not_a_file)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.map(not_a_file)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.open_or_create(not_a_file, 0)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.lock(not_a_file, Wait::No)), ErrorKind::InvalidInput);
        }
        assert_eq!(dir.stat(b"link").unwrap().kind, FileKind::Symlink);
        assert_eq!(dir.stat(b"link").unwrap().size, 4);
        assert_eq!(dir.link_target(b"link").unwrap(), b"file");
        assert_eq!(kind(dir.link_target(b"file")), ErrorKind::InvalidInput);
        assert_eq!(kind(dir.set_mode(b"link", 0)), ErrorKind::Unsupported);
        dir.set_mtime(b"link", Time::from_seconds(7)).unwrap();
        assert_eq!(dir.stat(b"link").unwrap().mtime, Time::from_seconds(7));
        assert_ne!(dir.stat(b"file").unwrap().mtime, Time::from_seconds(7));
        assert_eq!(kind(dir.remove_dir(b"dirlink")), ErrorKind::NotADirectory);
        dir.remove_file(b"dirlink").unwrap();
        assert_eq!(read(&dir, b"dir/inner"), b"within");
    });
}

#[test]
fn paths_that_could_lead_elsewhere_are_refused() {
    in_every_directory(|dir| {
        furnished(&dir);
        let unsafe_paths = [
            &b""[..],
            b".",
            b"..",
            b"/",
            b"/etc",
            b"dir/..",
            b"dir/",
            b"dirlink/",
            b"a//b",
            b"a\0",
        ];
        for path in unsafe_paths {
            assert_eq!(kind(dir.stat(path)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.dir(path)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.open(path)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.create(path, 0)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.make_dir(path, 0)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.rename(b"file", &*dir, path)), ErrorKind::InvalidInput);
            assert_eq!(kind(dir.remove_file(path)), ErrorKind::InvalidInput);
        }
        let long = [b'a'; 256];
        assert_eq!(kind(dir.create(&long, 0o644)), ErrorKind::InvalidFilename);
    });
}

#[test]
fn only_an_empty_directory_is_removed_or_replaced() {
    in_every_directory(|dir| {
        furnished(&dir);
        assert_eq!(kind(dir.remove_dir(b"dir")), ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind(dir.remove_dir(b"file")), ErrorKind::NotADirectory);
        assert_eq!(kind(dir.remove_file(b"dir")), ErrorKind::IsADirectory);
        assert_eq!(kind(dir.rename(b"file", &*dir, b"dir")), ErrorKind::IsADirectory);
        assert_eq!(kind(dir.rename(b"dir", &*dir, b"file")), ErrorKind::NotADirectory);
        dir.make_dir(b"other", 0o755).unwrap();
        assert_eq!(kind(dir.rename(b"other", &*dir, b"dir")), ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind(dir.rename(b"dir", &*dir, b"dir/in")), ErrorKind::InvalidInput);
        dir.rename(b"dir", &*dir, b"other").unwrap();
        assert_eq!(read(&dir, b"other/inner"), b"within");
        dir.remove_file(b"other/inner").unwrap();
        dir.remove_dir(b"other").unwrap();
        assert_eq!(kind(dir.stat(b"other")), ErrorKind::NotFound);
    });
}

#[test]
fn a_rename_replaces_and_goes_between_directories() {
    in_every_directory(|dir| {
        furnished(&dir);
        let inner = dir.dir(b"dir").unwrap();
        dir.rename(b"file", &*inner, b"inner").unwrap();
        assert_eq!(read(&dir, b"dir/inner"), b"it");
        assert_eq!(kind(dir.stat(b"file")), ErrorKind::NotFound);
        inner.rename_new(b"inner", &*dir, b"new").unwrap();
        assert_eq!(read(&dir, b"new"), b"it");
        inner.rename(b"none", &*dir, b"new").unwrap_err();
        assert_eq!(read(&dir, b"new"), b"it");
    });
}

#[test]
fn a_linked_file_has_two_names_and_one_content() {
    in_every_directory(|dir| {
        furnished(&dir);
        dir.link(b"file", &*dir.dir(b"dir").unwrap(), b"second").unwrap();
        dir.open_or_create(b"file", 0).unwrap().write_at(b"changed", 0).unwrap();
        assert_eq!(read(&dir, b"dir/second"), b"changed");
        let (one, two) = (dir.stat(b"file").unwrap(), dir.stat(b"dir/second").unwrap());
        assert_eq!((one.inode, one.links), (two.inode, 2));
        dir.rename(b"file", &*dir, b"dir/second").unwrap();
        assert_eq!(dir.stat(b"file").unwrap().links, 2, "renaming onto itself does nothing");
        dir.remove_file(b"file").unwrap();
        assert_eq!(dir.stat(b"dir/second").unwrap().links, 1);
        dir.link(b"link", &*dir, b"same").unwrap();
        assert_eq!(dir.link_target(b"same").unwrap(), b"file");
        assert_eq!(kind(dir.link(b"dir", &*dir, b"dir2")), ErrorKind::Unsupported);
    });
}

#[test]
fn a_scan_tells_what_each_stat_would() {
    in_every_directory(|dir| {
        furnished(&dir);
        let scanned: BTreeMap<_, _> =
            dir.scan().unwrap().into_iter().map(|(name, stat)| (name, stat.unwrap())).collect();
        let mut names: Vec<_> = dir.list().unwrap();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let kinds = [FileKind::Directory, FileKind::Symlink, FileKind::File, FileKind::Symlink];
        for (found, kind) in names.iter().zip(kinds) {
            assert_eq!(found.kind.unwrap_or(kind), kind);
        }
        assert!(names.iter().map(|found| &found.name).eq(scanned.keys()));
        for (name, stat) in scanned {
            assert_eq!(stat, dir.stat(&name).unwrap());
        }
        assert_eq!(dir.stat(b"dir").unwrap(), dir.dir(b"dir").unwrap().stat_self().unwrap());
    });
}

#[test]
fn files_are_read_and_written_anywhere() {
    in_every_directory(|dir| {
        let file = dir.create(b"file", 0o644).unwrap();
        file.write_at(b"world", 6).unwrap();
        file.write_at(b"hello ", 0).unwrap();
        let mut buffer = [0; 20];
        assert_eq!(file.read_full_at(&mut buffer, 0).unwrap(), 11);
        assert_eq!(&buffer[..11], b"hello world");
        assert_eq!(file.read_at(&mut buffer, 11).unwrap(), 0);
        assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0);
        assert_eq!(kind(file.read_exact_at(&mut buffer, 0)), ErrorKind::UnexpectedEof);
        file.set_len(5).unwrap();
        assert_eq!(read(&dir, b"file"), b"hello");
        file.set_len(7).unwrap();
        assert_eq!(read(&dir, b"file"), b"hello\0\0");
        file.sync().unwrap();
        dir.sync().unwrap();
        dir.sync_file_system().unwrap();
        let for_reading = dir.open(b"file").unwrap();
        assert!(for_reading.write_at(b"x", 0).is_err());
        dir.remove_file(b"file").unwrap();
        assert_eq!(for_reading.read_full_at(&mut buffer, 0).unwrap(), 7, "open files stay");
        assert_eq!(for_reading.stat().unwrap().links, 0);
    });
}

#[test]
fn holes_are_told_from_data() {
    in_every_directory(|dir| {
        let file = dir.create(b"file", 0o644).unwrap();
        assert_eq!(file.next_data(0).unwrap(), None);
        file.set_len(4 << 20).unwrap();
        file.write_at(&[1; 65_536], 1 << 20).unwrap();
        file.sync().unwrap();
        let data = file.next_data(0).unwrap().unwrap();
        assert!(data.start <= 1 << 20 && data.end >= (1 << 20) + 65_536, "{data:?}");
        if data.end < 4 << 20 {
            assert_eq!(data, 1 << 20..(1 << 20) + 65_536);
            assert_eq!(file.next_data((1 << 20) + 5).unwrap().unwrap().start, (1 << 20) + 5);
            assert_eq!(file.next_data(2 << 20).unwrap(), None);
            assert!(file.stat().unwrap().allocated < 4 << 20);
        }
        assert_eq!(file.next_data(4 << 20).unwrap(), None);
    });
}

#[test]
fn modes_and_times_are_kept_as_set() {
    in_every_directory(|dir| {
        furnished(&dir);
        dir.set_mode(b"file", 0o755).unwrap();
        dir.set_mode(b"dir", 0o1750).unwrap();
        assert_eq!(dir.stat(b"file").unwrap().mode, 0o755);
        assert_eq!(dir.stat(b"dir").unwrap().mode, 0o1750);
        let file = dir.open(b"file").unwrap();
        file.set_mode(0o640).unwrap();
        assert_eq!(file.stat().unwrap().mode, 0o640);
        for seconds in [-1_000_000_000, -1, 0, 1 << 32] {
            let time = Time { seconds, nanoseconds: 123_456_789 };
            dir.set_mtime(b"file", time).unwrap();
            assert_eq!(file.stat().unwrap().mtime, time);
            file.set_mtime(Time::from_seconds(seconds)).unwrap();
            assert_eq!(dir.stat(b"file").unwrap().mtime, Time::from_seconds(seconds));
        }
        dir.set_mtime(b"dir", Time::from_seconds(9)).unwrap();
        assert_eq!(dir.stat(b"dir").unwrap().mtime, Time::from_seconds(9));
    });
}

#[test]
fn a_map_has_the_bytes_even_of_an_empty_or_removed_file() {
    in_every_directory(|dir| {
        furnished(&dir);
        write(&dir, b"empty", b"");
        assert_eq!(*dir.map(b"empty").unwrap(), *b"");
        let mapped = dir.map(b"dir/inner").unwrap();
        dir.remove_file(b"dir/inner").unwrap();
        assert_eq!(*mapped.clone(), *b"within");
    });
}

#[test]
fn a_lock_excludes_every_other_handle_until_it_is_dropped() {
    on_every_disk(|disk, path| {
        let (one, two) = (disk.create(path).unwrap(), disk.open(path).unwrap());
        let lock = one.lock(b"lock", Wait::No).unwrap().unwrap();
        assert!(two.lock(b"lock", Wait::No).unwrap().is_none());
        assert!(one.lock(b"lock", Wait::No).unwrap().is_none());
        assert!(two.lock(b"other", Wait::No).unwrap().is_some());
        let (sender, receiver) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let lock = two.lock(b"lock", Wait::Yes).unwrap().unwrap();
            sender.send(()).unwrap();
            drop(lock);
        });
        assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
        drop(lock);
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        waiter.join().unwrap();
        assert!(one.lock(b"lock", Wait::No).unwrap().is_some());
        assert_eq!(one.stat(b"lock").unwrap().kind, FileKind::File, "the file stays");
    });
}

#[test]
fn directories_of_different_disks_are_not_mixed_up() {
    in_every_directory(|dir| {
        furnished(&dir);
        let place = tempfile::tempdir().unwrap();
        let memory = MemoryDisk::new().open(Path::new("/")).unwrap();
        let real = OsDisk::new().open(place.path()).unwrap();
        let mixed = [&memory, &real].map(|other| dir.rename(b"file", &**other, b"x").is_ok());
        assert_ne!(mixed, [true, true]);
        assert!(memory.stat(b"x").is_err());
    });
}

#[test]
fn several_directories_are_made_at_once() {
    in_every_directory(|dir| {
        make_dirs(&*dir, b"a/b/c").unwrap();
        make_dirs(&*dir, b"a/b/d").unwrap();
        write(&dir, b"a/b/d/file", b"it");
        assert_eq!(read(&dir.dir(b"a/b").unwrap(), b"d/file"), b"it");
    });
}

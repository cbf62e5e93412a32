//! File systems that cannot hold every name: what has no place is held back, shown, kept by every
//! commit and brought when there is a place for it.

use std::path::Path;
use std::sync::Arc;

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::{Disk, FileKind, Limits, MemoryDisk};
use annals::object::{Commit, Source};
use annals::ops::{commit, init, mv, restore, rm, status, switch};
use annals::path::{Pathspec, RepoPath};
use annals::progress::Silent;
use annals::repo::{Person, Repository, Rules, find_entry};

fn person() -> Person {
    Person { name: "A".into(), email: "a@example.org".into() }
}

/// A repository whose history was made where every name has a place.
struct World {
    disk: MemoryDisk,
    opened: std::cell::Cell<u64>,
}

impl World {
    /// Branches, each with the files of its only commit; the last one is checked out nowhere. The
    /// repository then moves to a disk with limits, on the empty branch `main`.
    fn new(limits: Limits, branches: &[(&str, &[(&str, &str)])]) -> Self {
        let good = Self { disk: MemoryDisk::new(), opened: std::cell::Cell::new(1) };
        let disk: Arc<dyn Disk> = Arc::new(good.disk.clone());
        init::run(disk, Path::new("/w"), good.env(), &init::Options::new(person())).unwrap();
        good.disk.write("/w/common", "common");
        good.commit("main");
        for (branch, files) in branches {
            good.switch_to(switch::To::NewBranch {
                name: (*branch).into(),
                start: Some("main".into()),
                replace: false,
            });
            for (path, text) in *files {
                good.disk.write(&format!("/w/{path}"), text);
            }
            good.commit(branch);
            assert!(good.switch("main").not_representable.is_empty());
        }
        let world =
            Self { disk: MemoryDisk::with_limits(limits), opened: std::cell::Cell::new(100) };
        for (path, entry) in good.disk.tree("/w") {
            let path = String::from_utf8(path).unwrap();
            if entry.kind == FileKind::File && path != ".annals/volume" {
                world.disk.write(&format!("/w/{path}"), entry.content);
            }
        }
        world
    }

    fn env(&self) -> Env {
        self.opened.set(self.opened.get() + 1);
        let at = Time::from_seconds(1_700_000_000 + 100 * self.opened.get() as i64);
        self.disk.set_time(at);
        Env {
            clock: Arc::new(SteppingClock::new(at, 1)),
            random: Arc::new(SeededRandom::new(self.opened.get())),
        }
    }

    fn open(&self) -> Repository {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Repository::open(disk, Path::new("/w"), self.env()).unwrap()
    }

    fn commit(&self, message: &str) {
        let options = commit::Options::new(message, person());
        assert!(commit::run(&self.open(), &options, &Silent).unwrap().is_complete());
    }

    fn switch_to(&self, to: switch::To) -> switch::Outcome {
        let rules = Rules::default();
        let options = switch::Options { to, discard: false, actor: person(), rules };
        let outcome = switch::run(&self.open(), &options, &Silent).unwrap();
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
        outcome
    }

    fn switch(&self, branch: &str) -> switch::Outcome {
        self.switch_to(switch::To::Branch(branch.into()))
    }

    fn restore(&self, source: Option<&str>, path: &str) -> Vec<String> {
        let options = restore::Options {
            source: source.map(|source| source.into()),
            paths: Pathspec::of_paths([RepoPath::new(path).unwrap()]),
            staged: false,
            worktree: true,
            side: None,
            dry_run: false,
            actor: person(),
            rules: Rules::default(),
        };
        let outcome = restore::run(&self.open(), &options, &Silent).unwrap();
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
        shown(&outcome.not_representable)
    }

    /// What status holds back; nothing else may differ.
    fn held_back(&self) -> Vec<String> {
        let outcome = self.status();
        assert!(outcome.is_clean(), "{outcome:?}");
        shown(&outcome.not_representable)
    }

    fn status(&self) -> status::Outcome {
        status::run(&self.open(), &status::Options::default(), &Silent).unwrap()
    }

    /// What HEAD's tree has, of these.
    fn recorded(&self, paths: &[&str]) -> Vec<bool> {
        let repo = self.open();
        let head = repo.head().commit().unwrap();
        let commit: Commit = repo.store().object(&head).unwrap();
        let has = |path: &&str| {
            let path = RepoPath::new(*path).unwrap();
            find_entry(repo.store(), &commit.tree, &path).unwrap().is_some()
        };
        paths.iter().map(has).collect()
    }

    /// What is on the disk, and with which text.
    fn files(&self) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.disk
            .tree("/w")
            .into_iter()
            .map(|(path, entry)| (text(path), entry))
            .filter(|(path, entry)| {
                path != ".annals" && !path.starts_with(".annals/") && entry.kind == FileKind::File
            })
            .map(|(path, entry)| (path, text(entry.content)))
            .collect()
    }
}

fn shown(paths: &[RepoPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

fn file(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

fn ignoring_case() -> Limits {
    Limits { case_sensitive: false, ..Limits::default() }
}

const BOTH: &[(&str, &[(&str, &str)])] =
    &[("both", &[("Name", "first"), ("name", "second"), ("other", "o")])];

#[test]
fn of_two_names_that_are_one_here_the_second_is_held_back_and_never_taken_for_deleted() {
    let world = World::new(ignoring_case(), BOTH);
    assert_eq!(shown(&world.switch("both").not_representable), ["name"]);
    let there = [file("Name", "first"), file("common", "common"), file("other", "o")];
    assert_eq!(world.files(), there);
    assert_eq!(world.held_back(), ["name"]);
    // A commit of something else, and one of the file that has the place, keep it.
    world.disk.write("/w/other", "changed");
    world.disk.write("/w/Name", "first, changed");
    world.commit("after");
    assert_eq!(world.recorded(&["Name", "name", "other"]), [true; 3]);
    assert_eq!(world.held_back(), ["name"]);
    // Asked for by name it has no place either, and what stands there stays.
    assert_eq!(world.restore(None, "name"), ["name"]);
    assert_eq!(world.files()[0], file("Name", "first, changed"));
    // Away and back: nothing is in the way, and nothing stays behind.
    world.switch("main");
    assert_eq!(world.files(), [file("common", "common")]);
    assert!(world.held_back().is_empty());
    assert_eq!(shown(&world.switch("both").not_representable), ["name"]);
    assert_eq!(world.held_back(), ["name"]);
}

#[test]
fn names_that_differ_in_their_normal_form_alone_are_held_back_too() {
    let limits = Limits { normalises: true, ..Limits::default() };
    let (two, one) = ("e\u{301}", "\u{e9}");
    let world = World::new(limits, &[("both", &[(two, "two"), (one, "one"), ("E", "plain")])]);
    assert_eq!(shown(&world.switch("both").not_representable), [one]);
    assert_eq!(world.held_back(), [one]);
    assert_eq!(world.files(), [file("E", "plain"), file("common", "common"), file(two, "two")]);
    world.disk.write("/w/new", "");
    world.commit("after");
    assert_eq!(world.recorded(&[two, one]), [true; 2]);
}

#[test]
fn what_stands_there_already_keeps_its_place() {
    let world = World::new(
        ignoring_case(),
        &[("small", &[("name", "small")]), ("both", &[("Name", "big"), ("name", "small")])],
    );
    world.switch("small");
    assert_eq!(shown(&world.switch("both").not_representable), ["Name"]);
    assert_eq!(world.files(), [file("common", "common"), file("name", "small")]);
    assert_eq!(world.held_back(), ["Name"]);
    // Where the other goes it has its place.
    world.switch("small");
    assert!(world.held_back().is_empty());
}

#[test]
fn a_name_that_was_held_back_comes_when_the_other_goes() {
    let world = World::new(
        ignoring_case(),
        &[("both", &[("Name", "1"), ("name", "2")]), ("second", &[("name", "2")])],
    );
    world.switch("both");
    assert_eq!(world.held_back(), ["name"]);
    assert!(world.switch("second").not_representable.is_empty());
    assert_eq!(world.files(), [file("common", "common"), file("name", "2")]);
    assert!(world.held_back().is_empty());
    // A rename of the other makes room as well.
    world.switch("main");
    world.switch("both");
    assert_eq!(world.held_back(), ["name"]);
    let options = mv::Options {
        sources: vec![RepoPath::new("Name").unwrap()],
        destination: RepoPath::new("third").unwrap(),
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    mv::run(&world.open(), &options, &Silent).unwrap();
    assert!(world.restore(None, "name").is_empty());
    let there = [file("common", "common"), file("name", "2"), file("third", "1")];
    assert_eq!(world.files(), there);
}

#[test]
fn a_directory_that_has_no_place_is_held_back_with_all_that_is_in_it() {
    let files = &[("Dir/x", "1"), ("dir/x", "2"), ("dir/sub/y", "3")];
    let world = World::new(ignoring_case(), &[("both", files), ("more", &[("zoo", "z")])]);
    let mut held = shown(&world.switch("both").not_representable);
    held.sort();
    assert_eq!(held, ["dir", "dir/sub", "dir/sub/y", "dir/x"]);
    assert_eq!(world.files(), [file("Dir/x", "1"), file("common", "common")]);
    assert_eq!(world.held_back(), ["dir"]);
    world.disk.write("/w/Dir/x", "changed");
    world.commit("after");
    assert_eq!(world.recorded(&["Dir/x", "dir/x", "dir/sub/y"]), [true; 3]);
    world.switch("more");
    assert_eq!(world.files(), [file("common", "common"), file("zoo", "z")]);
}

#[test]
fn names_the_file_system_forbids_are_held_back() {
    let limits = Limits { forbidden_bytes: b":", ..Limits::default() };
    let world = World::new(limits, &[("odd", &[("a:b", "1"), ("c:/d", "2"), ("e", "3")])]);
    let mut held = shown(&world.switch("odd").not_representable);
    held.sort();
    assert_eq!(held, ["a:b", "c:", "c:/d"]);
    assert_eq!(world.held_back(), ["a:b", "c:"]);
    world.disk.write("/w/e", "changed");
    world.commit("after");
    assert_eq!(world.recorded(&["a:b", "c:/d"]), [true; 2]);
    world.switch("main");
    world.switch("odd");
    assert_eq!(world.held_back(), ["a:b", "c:"]);
}

#[test]
fn a_lost_index_takes_nothing_that_was_held_back_for_deleted() {
    let files = &[("Name", "1"), ("name", "2"), ("Dir/x", "3"), ("dir/x", "4"), ("dir/only", "5")];
    let world = World::new(ignoring_case(), &[("both", files)]);
    world.switch("both");
    let before = world.files();
    let index = world.disk.open(Path::new("/w/.annals/index")).unwrap();
    for found in index.list().unwrap() {
        index.remove_file(&found.name).unwrap();
    }
    assert_eq!(world.held_back(), ["dir", "name"]);
    world.disk.write("/w/new", "");
    world.commit("after");
    assert_eq!(world.recorded(&["Name", "name", "dir/x", "dir/only"]), [true; 4]);
    world.switch("main");
    world.switch("both");
    let kept: Vec<_> = world.files().into_iter().filter(|(path, _)| path != "new").collect();
    assert_eq!(kept, before);
}

#[test]
fn removing_what_is_held_back_removes_nothing_else() {
    let world = World::new(ignoring_case(), BOTH);
    world.switch("both");
    let options = rm::Options {
        paths: Pathspec::of_paths([RepoPath::new("name").unwrap()]),
        cached: false,
        recursive: false,
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    rm::run(&world.open(), &options, &Silent).unwrap();
    assert_eq!(world.files()[0], file("Name", "first"));
    world.commit("without");
    assert_eq!(world.recorded(&["Name", "name"]), [true, false]);
    assert!(world.held_back().is_empty());
}

#[test]
fn a_switch_that_was_interrupted_is_finished_with_the_same_name_held_back() {
    for survivors in 0.. {
        let world = World::new(ignoring_case(), BOTH);
        let faulty = annals::disk::FaultyDisk::new(Arc::new(world.disk.clone()));
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let repo = Repository::open(disk, Path::new("/w"), world.env()).unwrap();
        faulty.set_fault(annals::disk::Fault::dying_after(survivors));
        let rules = Rules::default();
        let to = switch::To::Branch("both".into());
        let options = switch::Options { to, discard: false, actor: person(), rules };
        let is_done = switch::run(&repo, &options, &Silent).is_ok();
        drop(repo);
        // The next command finishes it, or it never began.
        if world.open().head().commit() != world.open().store().resolve("refs/heads/both") {
            world.switch("both");
        }
        let there = [file("Name", "first"), file("common", "common"), file("other", "o")];
        assert_eq!(world.files(), there, "after {survivors}");
        assert_eq!(world.held_back(), ["name"], "after {survivors}");
        if is_done {
            assert!(survivors > 10);
            return;
        }
    }
}

#[test]
fn a_file_that_is_renamed_in_case_alone_follows() {
    let world = World::new(
        ignoring_case(),
        &[("upper", &[("NAME", "1"), ("DIR/x", "2")]), ("lower", &[("name", "3"), ("dir/x", "4")])],
    );
    world.switch("upper");
    assert!(world.switch("lower").not_representable.is_empty());
    let there = [file("common", "common"), file("dir/x", "4"), file("name", "3")];
    assert_eq!(world.files(), there);
    assert!(world.held_back().is_empty());
    let options = mv::Options {
        sources: vec![RepoPath::new("name").unwrap()],
        destination: RepoPath::new("Name").unwrap(),
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    mv::run(&world.open(), &options, &Silent).unwrap();
    let names: Vec<String> = world.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Name", "common", "dir/x"]);
}

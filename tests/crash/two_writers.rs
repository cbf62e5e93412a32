//! Several processes at once on one repository: nothing that was acknowledged is lost, and readers
//! never fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use annals::disk::{MemoryDisk, OsDisk};
use annals::object::{Node, Object, Signature, Sink};
use annals::store::{Batch, Class, Extent, PackInfo, Publication, RefEdit};

use super::*;

const COMMITS: usize = 25;

#[test]
fn of_two_that_commit_at_once_both_end_in_the_tree() {
    let disk = MemoryDisk::new();
    create(&shared(&disk)).unwrap();
    write(&disk, "base", "base");
    commit_all(&open(&shared(&disk)).unwrap(), "base").unwrap();
    let shared = shared(&disk);
    let running = AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (shared, disk, running) = (&shared, &disk, &running);
            scope.spawn(move || {
                let repo = open(shared).unwrap();
                for number in 0..COMMITS {
                    let name = format!("w{writer}-{number}");
                    write(disk, &name, &name);
                    commit_paths(&repo, &name, paths(&[&name])).unwrap();
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let (shared, running) = (&shared, &running);
        scope.spawn(move || {
            let mut least = 0;
            while running.load(Ordering::SeqCst) > 0 {
                let (messages, files) = at_head(&open(shared).unwrap());
                assert!(messages.len() >= least, "history went back");
                least = messages.len();
                // Every commit has one file more than the one before.
                assert_eq!(files.len(), messages.len());
            }
        });
    });
    let repo = open(&shared).unwrap();
    let (messages, files) = at_head(&repo);
    assert_eq!(messages.len(), 1 + 2 * COMMITS);
    for writer in 0..2 {
        for number in 0..COMMITS {
            let name = format!("w{writer}-{number}");
            assert_eq!(files.get(&name).map(|bytes| &bytes[..]), Some(name.as_bytes()));
            assert_eq!(messages.iter().filter(|message| **message == name).count(), 1);
        }
    }
    assert!(check(&repo).is_clean());
}

#[test]
fn two_that_commit_everything_at_once_lose_nothing_on_a_real_disk() {
    let place = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::new());
    let options = init::Options::new(person());
    init::run(disk.clone(), place.path(), Env::system(), &options).unwrap();
    let open = || Repository::open(disk.clone(), place.path(), Env::system()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (open, place) = (&open, &place);
            scope.spawn(move || {
                for number in 0..10 {
                    let name = format!("w{writer}-{number}");
                    std::fs::write(place.path().join(&name), &name).unwrap();
                    match commit_all(&open(), &name) {
                        // The other one has recorded it already.
                        Ok(_) | Err(ops::Error::NothingToCommit) => {}
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
            });
        }
    });
    let repo = open();
    let (_, files) = at_head(&repo);
    assert_eq!(files.len(), 20, "{:?}", files.keys());
    assert!(check(&repo).is_clean());
}

/// One step of a writer, a compactor or a reader in [`random_interleavings`].
struct Writer {
    store: Store,
    name: usize,
    /// A commit that is sealed and waits for its turn, with the message and the ref's old value.
    waiting: Option<(annals::store::Sealed, RefEdit, String)>,
}

impl Writer {
    fn open(disk: &Arc<dyn Disk>, name: usize) -> Self {
        let dir = disk.open(Path::new("/s")).unwrap();
        Self { store: Store::open(dir, env()).unwrap(), name, waiting: None }
    }

    /// Looks at what is there and prepares a commit on it.
    fn prepare(&mut self, number: usize) {
        self.store.refresh().unwrap();
        let message = format!("{} {number}", self.name);
        let old = self.store.target("refs/heads/main");
        let batch = Batch::begin(&self.store).unwrap();
        let mut writer = batch.writer();
        let chunk = format!("chunk of {message}").repeat(20);
        let id = Kind::Chunk.id_of(chunk.as_bytes());
        writer.put_chunk(Class::Near, id, chunk.as_bytes()).unwrap();
        let tree = writer.put(Kind::Tree, Node::Leaf(Vec::new()).to_bytes()).unwrap();
        let by =
            Signature { name: b"A".to_vec(), email: b"a".to_vec(), seconds: 1, zone_minutes: 0 };
        let commit = Commit {
            tree,
            parents: old
                .iter()
                .filter_map(|t| match t {
                    Target::Id(id) => Some(*id),
                    _ => None,
                })
                .collect(),
            author: by.clone(),
            committer: by,
            message: message.clone().into_bytes(),
            headers: Vec::new(),
        };
        let id = writer.put(Kind::Commit, commit.to_bytes()).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let edit = RefEdit {
            name: "refs/heads/main".into(),
            old,
            new: Some(Target::Id(id)),
            reason: String::new(),
        };
        self.waiting = Some((batch.seal().unwrap(), edit, message));
    }

    /// Publishes what was prepared long ago; tells the message if it was taken.
    fn publish(&mut self) -> Option<String> {
        let (sealed, edit, message) = self.waiting.take()?;
        let publication = Publication::new("commit", "A").with_packs(sealed).with_refs([edit]);
        match self.store.publish(publication) {
            Ok(_) => Some(message),
            Err(StoreError::Moved { .. } | StoreError::Gone) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// All messages, reading every object on the way.
fn read_all(store: &Store) -> Vec<String> {
    let mut messages = Vec::new();
    let mut next = store.resolve("refs/heads/main");
    while let Some(id) = next {
        let commit: Commit = store.object(&id).unwrap();
        let message = String::from_utf8(commit.message).unwrap();
        let chunk = format!("chunk of {message}").repeat(20);
        let read = store.read(Kind::Chunk, &Kind::Chunk.id_of(chunk.as_bytes())).unwrap();
        assert_eq!(&*read, chunk.as_bytes());
        store.tree(&commit.tree).unwrap();
        messages.push(message);
        next = commit.parents.first().copied();
    }
    messages
}

/// Rewrites packs as they were planned, maybe long ago; whether nobody was faster.
fn repack(store: &Store, plan: &[PackInfo]) -> bool {
    let mut repack = store.begin_repack(plan).unwrap();
    annals::history::arrange(store, &mut repack).unwrap();
    match repack.run("A", &Silent) {
        Ok(_) => true,
        Err(StoreError::Gone) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Writers that sleep between looking and publishing, merging packs as they go; somebody who
/// rewrites packs; readers that slept since long ago; in an order that follows from a seed.
#[test]
fn random_interleavings_lose_nothing_that_was_acknowledged() {
    for seed in 0..12 {
        let disk = MemoryDisk::new();
        let dir = disk.create(Path::new("/s")).unwrap();
        Store::create(dir, env()).unwrap();
        let shared = shared(&disk);
        let mut writers: Vec<Writer> = (0..4).map(|name| Writer::open(&shared, name)).collect();
        let mut readers: Vec<Store> = (0..2).map(|_| Writer::open(&shared, 9).store).collect();
        let compactor = Writer::open(&shared, 9).store;
        let (mut planned, mut repacked) = (Vec::new(), [0, 0]);
        let mut acknowledged: Vec<String> = Vec::new();
        let mut random = noise(seed + 1, 4000).into_iter();
        let mut next = |limit: usize| usize::from(random.next().unwrap_or(0)) % limit;
        for number in 0..320 {
            let writer = next(4);
            match next(9) {
                8 if next(2) == 0 => {
                    planned = compactor.plan_repack(Extent::All).unwrap().rounds.concat();
                }
                8 => repacked[usize::from(repack(&compactor, &planned))] += 1,
                0..=2 => writers[writer].prepare(number),
                3..=5 => acknowledged.extend(writers[writer].publish()),
                6 => {
                    let reader = &readers[writer % 2];
                    let seen = read_all(reader);
                    assert!(seen.len() <= acknowledged.len());
                    if next(2) == 0 {
                        reader.refresh().unwrap();
                    }
                }
                _ if next(4) == 0 => writers[writer] = Writer::open(&shared, writer),
                _ => readers[writer % 2] = Writer::open(&shared, 9).store,
            }
        }
        let mut found = read_all(&Writer::open(&shared, 9).store);
        found.reverse();
        assert_eq!(found, acknowledged, "seed {seed}");
        assert!(found.len() > 20, "seed {seed}: {}", found.len());
        assert!(repacked[1] > 3, "seed {seed}: {repacked:?}");
    }
}

/// The same with threads, as the machine has it.
#[test]
fn four_threads_publish_and_none_of_it_is_lost() {
    let disk = MemoryDisk::new();
    Store::create(disk.create(Path::new("/s")).unwrap(), env()).unwrap();
    let shared = shared(&disk);
    let acknowledged = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let store = Writer::open(&shared, 9).store;
            while !done.load(Ordering::SeqCst) {
                read_all(&store);
                store.refresh().unwrap();
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|name| {
                let (shared, acknowledged) = (&shared, &acknowledged);
                scope.spawn(move || {
                    let mut writer = Writer::open(shared, name);
                    for number in 0..30 {
                        writer.prepare(number);
                        std::thread::yield_now();
                        let taken = writer.publish();
                        acknowledged.lock().unwrap().extend(taken);
                    }
                })
            })
            .collect();
        let compactor = scope.spawn(|| {
            let store = Writer::open(&shared, 9).store;
            while !done.load(Ordering::SeqCst) {
                repack(&store, &store.plan_repack(Extent::All).unwrap().rounds.concat());
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
        compactor.join().unwrap();
    });
    let mut found = read_all(&Writer::open(&shared, 9).store);
    let mut acknowledged = acknowledged.into_inner().unwrap();
    found.sort();
    acknowledged.sort();
    assert_eq!(found, acknowledged);
}

#[test]
fn a_check_finds_nothing_while_packs_are_rewritten() {
    let disk = MemoryDisk::new();
    create(&shared(&disk)).unwrap();
    for number in 0..5 {
        write(&disk, "a", noise(number + 1, 20_000));
        commit_all(&open(&shared(&disk)).unwrap(), "more").unwrap();
    }
    let shared = shared(&disk);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let repo = open(&shared).unwrap();
            let store = repo.store();
            while !done.load(Ordering::SeqCst) {
                repack(store, &store.plan_repack(Extent::All).unwrap().rounds.concat());
            }
        });
        let found: Vec<_> = (0..40).map(|_| check(&open(&shared).unwrap())).collect();
        done.store(true, Ordering::SeqCst);
        for checked in found {
            assert!(checked.is_clean(), "{:?}", checked.findings);
        }
    });
}

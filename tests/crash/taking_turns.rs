//! The publish protocol with threads that take turns: at every call of the disk a scheduler with a
//! seed decides who goes on. Writers sleep between looking and publishing, one that compacts
//! deletes what is superseded, readers hold on to what they saw. There are no locks, so that
//! nothing but the protocol keeps them apart. What was acknowledged is there, is seen by whoever
//! looks afterwards, and is read whole.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use annals::disk::{FaultyDisk, Limits, MemoryDisk, Survival};
use annals::object::{Node, Object, Signature, Sink};
use annals::store::{Batch, Class, Publication, RefEdit};

use super::*;

thread_local! {
    /// Which of the threads that take turns this is.
    static ME: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Lets one thread go on at a time.
struct Turns {
    state: Mutex<Whose>,
    changed: Condvar,
}

struct Whose {
    turn: usize,
    alive: BTreeSet<usize>,
    random: u64,
    /// How often the turn went to somebody else.
    switches: u64,
}

impl Whose {
    fn pass(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let draw = self.random >> 20;
        // Mostly one goes on for a while: a step at a time, all would do the same at once.
        if !draw.is_multiple_of(4) && self.alive.contains(&self.turn) {
            return;
        }
        let at = (draw / 4) as usize % self.alive.len().max(1);
        if let Some(&next) = self.alive.iter().nth(at) {
            self.switches += u64::from(next != self.turn);
            self.turn = next;
        }
    }
}

impl Turns {
    fn new(threads: usize, seed: u64) -> Arc<Self> {
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let state = Whose { turn: 0, alive: (0..threads).collect(), random, switches: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Perhaps somebody else goes on first.
    fn yield_turn(&self) {
        let Some(me) = ME.get() else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pass();
        self.changed.notify_all();
        while state.turn != me {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Others go on for a while.
    fn sleep(&self, turns: usize) {
        (0..turns).for_each(|_| self.yield_turn());
    }

    /// Runs as one of those that take turns.
    fn run(&self, me: usize, work: impl FnOnce()) {
        /// Whoever panics lets the others go on, so that the test ends.
        struct Leave<'a>(&'a Turns, usize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                ME.set(None);
                let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.alive.remove(&self.1);
                state.pass();
                self.0.changed.notify_all();
            }
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.turn != me {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        ME.set(Some(me));
        let _leave = Leave(self, me);
        work();
    }
}

/// The time all of them have: an hour later each time somebody asks.
fn hours() -> Arc<SteppingClock> {
    Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 3600))
}

fn env_of(clock: &Arc<SteppingClock>) -> Env {
    Env { clock: clock.clone(), ..env() }
}

const MAIN: &str = "refs/heads/main";

/// What a writer wants to publish.
struct Prepared {
    publication: Publication,
    message: String,
}

fn prepare(store: &Store, message: &str) -> Result<Prepared, StoreError> {
    let old = store.target(MAIN);
    let batch = Batch::begin(store)?;
    let mut writer = batch.writer();
    let chunk = format!("chunk of {message}").repeat(20);
    let id = Kind::Chunk.id_of(chunk.as_bytes());
    writer.put_chunk(Class::Near, id, chunk.as_bytes())?;
    let tree = writer.put(Kind::Tree, Node::Leaf(Vec::new()).to_bytes())?;
    let by = Signature { name: b"A".to_vec(), email: b"a".to_vec(), seconds: 1, zone_minutes: 0 };
    let parents = match &old {
        Some(Target::Id(id)) => vec![*id],
        _ => Vec::new(),
    };
    let commit = Commit {
        tree,
        parents,
        author: by.clone(),
        committer: by,
        message: message.as_bytes().to_vec(),
        headers: Vec::new(),
    };
    let id = writer.put(Kind::Commit, commit.to_bytes())?;
    writer.flush()?;
    drop(writer);
    let edit =
        RefEdit { name: MAIN.into(), old, new: Some(Target::Id(id)), reason: message.to_owned() };
    let publication = Publication::new("commit", "A").with_packs(batch.seal()?).with_refs([edit]);
    Ok(Prepared { publication, message: message.to_owned() })
}

/// The messages from a commit back, newest first; every object on the way is read.
fn messages(store: &Store) -> Result<Vec<String>, StoreError> {
    let mut messages = Vec::new();
    let mut next = store.resolve(MAIN);
    while let Some(id) = next {
        let commit: Commit = store.object(&id)?;
        let message = String::from_utf8(commit.message).unwrap();
        let chunk = format!("chunk of {message}").repeat(20);
        let read = store.read(Kind::Chunk, &Kind::Chunk.id_of(chunk.as_bytes()))?;
        assert_eq!(&*read, chunk.as_bytes());
        store.tree(&commit.tree)?;
        messages.push(message);
        next = commit.parents.first().copied();
    }
    Ok(messages)
}

/// A store of so many records that the next checkpoint has something to delete, an hour apart.
fn long_ago(clock: &Arc<SteppingClock>, limits: Limits) -> MemoryDisk {
    let disk = MemoryDisk::with_limits(limits);
    let dir = disk.create(Path::new("/s")).unwrap();
    let store = Store::create(dir, env_of(clock)).unwrap();
    store.publish(prepare(&store, "base").unwrap().publication).unwrap();
    let id = store.target(MAIN);
    let mut old = None;
    while store.state().number < 764 {
        let new = if old.is_some() { None } else { id.clone() };
        let name = "refs/heads/other".to_owned();
        let edit = RefEdit { name, old, new: new.clone(), reason: "back and forth".into() };
        store.publish(Publication::new("branch", "A").with_refs([edit])).unwrap();
        old = new;
    }
    disk
}

/// How the journal is before they begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Journal {
    Whole,
    /// Its three newest records are gone.
    Short,
}

fn takes_turns(seed: u64, limits: Limits, journal: Journal) {
    let clock = hours();
    let disk = long_ago(&clock, limits);
    let before = disk.image_after_power_loss(Survival::Everything);
    let gone = 762..=764;
    if journal == Journal::Short {
        let dir = before.open(Path::new("/s/journal/0")).unwrap();
        gone.clone().for_each(|n: u64| dir.remove_file(n.to_string().as_bytes()).unwrap());
    }
    assert!(before.read("/s/journal/0/400").is_some());
    let faulty = FaultyDisk::new(Arc::new(before.clone()));
    let turns = Turns::new(6, seed);
    let hook = turns.clone();
    faulty.before_each(move || hook.yield_turn());
    let open = || {
        let dir = faulty.open(Path::new("/s")).unwrap();
        Store::open(dir, env_of(&clock))
    };
    // In the order in which they were acknowledged.
    let acknowledged = Mutex::new(vec!["base".to_owned()]);
    let count = || acknowledged.lock().unwrap().len();
    let writing = AtomicU64::new(3);
    std::thread::scope(|scope| {
        let (turns, open, count) = (&turns, &open, &count);
        let (acknowledged, writing, clock) = (&acknowledged, &writing, &clock);
        for name in 0..3 {
            scope.spawn(move || {
                turns.run(name, || {
                    let mut store = open().unwrap();
                    for number in 0..7 {
                        let message = format!("{name} {number}");
                        let prepared = match prepare(&store, &message) {
                            Ok(prepared) => prepared,
                            Err(error) => panic!("seed {seed}: {error}"),
                        };
                        // Sometimes for very long.
                        turns.sleep([0, 3, 400][(number + name) % 3]);
                        match store.publish(prepared.publication) {
                            Ok(_) => acknowledged.lock().unwrap().push(prepared.message),
                            Err(StoreError::Moved { .. } | StoreError::Gone) => {}
                            Err(error) => panic!("seed {seed}: {error}"),
                        }
                        if number % 3 == 2 {
                            store = open().unwrap();
                        } else {
                            store.refresh().unwrap();
                        }
                    }
                    writing.fetch_sub(1, Ordering::SeqCst);
                });
            });
        }
        scope.spawn(move || {
            turns.run(3, || {
                let random = SeededRandom::new(seed);
                while writing.load(Ordering::SeqCst) > 0 {
                    let store = open().unwrap();
                    store.journal().compact(&store.state(), &random).unwrap();
                    turns.sleep(50);
                }
            });
        });
        for reader in 4..6 {
            scope.spawn(move || {
                turns.run(reader, || {
                    let mut store = open().unwrap();
                    while writing.load(Ordering::SeqCst) > 0 {
                        let at_least = count();
                        if reader == 4 {
                            store.refresh().unwrap();
                        } else {
                            store = open().unwrap();
                        }
                        turns.sleep(20);
                        // What others write meanwhile is never taken for lost.
                        let is_given_up = journal == Journal::Whole || at_least > 1;
                        assert!(!is_given_up || reader == 4 || store.lost().is_none(), "{seed}");
                        // Whoever looks after it was acknowledged sees it.
                        let seen = messages(&store).unwrap();
                        assert!(seen.len() >= at_least, "seed {seed}: invisible");
                        let state = store.state();
                        let moves = store.journal().moves(&state).unwrap();
                        assert_eq!(moves.last().map(|one| one.number), Some(state.number));
                    }
                    let _ = clock;
                });
            });
        }
    });
    let alone = Store::open(before.open(Path::new("/s")).unwrap(), env_of(&clock)).unwrap();
    assert_eq!((alone.lost(), alone.take_notices().len()), (None, 0), "seed {seed}");
    alone.journal().check(&mut |finding| panic!("seed {seed}: {finding:?}")).unwrap();
    if journal == Journal::Short {
        // Nobody has taken a lost number, and nobody's record was given up with them.
        for number in gone {
            let bytes = before.read(&format!("/s/journal/0/{number}")).unwrap();
            assert!(bytes.starts_with(b"no record"), "seed {seed}");
        }
        let first = String::from_utf8(before.read("/s/journal/0/765").unwrap()).unwrap();
        assert_eq!(first.matches("\nskips ").count(), 3, "seed {seed}: {first}");
        let later = (766..=alone.state().number)
            .filter_map(|number| before.read(&format!("/s/journal/0/{number}")))
            .filter(|bytes| String::from_utf8_lossy(bytes).contains("\nskips "));
        assert_eq!(later.count(), 0, "seed {seed}");
    }
    let switches = turns.state.lock().unwrap().switches;
    assert!(switches > 500, "seed {seed}: {switches}");
    let store = Store::open(before.open(Path::new("/s")).unwrap(), env_of(&clock)).unwrap();
    let mut found = messages(&store).unwrap();
    found.reverse();
    let acknowledged = acknowledged.into_inner().unwrap();
    // Two may be acknowledged in another order than they were recorded.
    assert_eq!(
        found.iter().collect::<BTreeSet<_>>(),
        acknowledged.iter().collect::<BTreeSet<_>>(),
        "seed {seed}"
    );
    assert!(found.len() > 5, "seed {seed}: {}", found.len());
    // Each writer's own are in order.
    for name in 0..3 {
        let own = |messages: &[String]| -> Vec<String> {
            let prefix = format!("{name} ");
            messages.iter().filter(|one| one.starts_with(&prefix)).cloned().collect()
        };
        assert_eq!(own(&found), own(&acknowledged), "seed {seed}");
    }
    // What was superseded went meanwhile.
    assert!(before.read("/s/journal/0/400").is_none(), "seed {seed}");
}

#[test]
fn threads_that_take_turns_lose_nothing_and_see_all_that_was_acknowledged() {
    let limits = Limits { locks: false, ..Limits::default() };
    (0..8).for_each(|seed| takes_turns(seed, limits, Journal::Whole));
}

#[test]
fn threads_that_take_turns_give_up_lost_numbers_once_and_nothing_else() {
    let limits = Limits { locks: false, ..Limits::default() };
    (0..8).for_each(|seed| takes_turns(seed, limits, Journal::Short));
}

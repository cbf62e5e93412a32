//! A command, what was there before it, and what of it may be there when it was cut short.

use annals::disk::{Fault, FaultyDisk, Survival};

use super::beginnings::settle;
use super::commands::{list_status, next_command, ops_that_recover};
use super::*;

/// A command, and what was there before it.
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) prepare: fn(&MemoryDisk),
    pub(super) run: Run,
}

/// What a verb begins with and what it makes of it.
pub(super) struct Story {
    pub(super) name: &'static str,
    pub(super) base: MemoryDisk,
    pub(super) before: Picture,
    pub(super) done: Picture,
    pub(super) old: Files,
    pub(super) new: Files,
    run: Run,
}

/// A verb that was run on a disk that has a fault.
pub(super) struct Ran {
    /// What is below the fault, as a process that was killed leaves it.
    pub(super) disk: MemoryDisk,
    pub(super) faulty: FaultyDisk,
    pub(super) result: Done,
}

impl Ran {
    pub(super) fn is_finished(&self) -> bool {
        self.result.is_ok()
    }

    /// What is found when the power is back.
    pub(super) fn left(&self, survival: Survival) -> MemoryDisk {
        self.disk.image_after_power_loss(survival)
    }

    /// What is found after a timeout, say: everything that was written.
    pub(super) fn killed(&self) -> MemoryDisk {
        self.left(Survival::Everything)
    }
}

/// Which of the writes that are cut are half done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Torn {
    Every,
    EverySecond,
}

impl Story {
    pub(super) fn of(verb: &Verb) -> Self {
        let base = MemoryDisk::new();
        (verb.prepare)(&base);
        settle(&base);
        let look = |disk: &MemoryDisk| match open(&shared(disk)) {
            Ok(repo) => picture(&repo).unwrap(),
            Err(_) => Picture::default(),
        };
        let finished = base.image_after_power_loss(Survival::Everything);
        (verb.run)(&shared(&finished)).unwrap();
        Self {
            name: verb.name,
            before: look(&base),
            done: look(&finished),
            old: working_files(&base),
            new: working_files(&finished),
            base,
            run: verb.run,
        }
    }

    /// Runs the verb where it begins, with so much space left.
    pub(super) fn run_in(&self, capacity: u64) -> Ran {
        self.run_on(|disk| disk.set_capacity(Some(capacity)), Fault::default())
    }

    /// Runs the verb where it begins, on a disk with this fault.
    pub(super) fn run_with(&self, fault: Fault) -> Ran {
        self.run_on(|_| {}, fault)
    }

    fn run_on(&self, change: impl Fn(&MemoryDisk), fault: Fault) -> Ran {
        let disk = self.base.image_after_power_loss(Survival::Everything);
        change(&disk);
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.set_fault(fault);
        let shared: Arc<dyn Disk> = Arc::new(faulty.clone());
        let result = (self.run)(&shared);
        Ran { disk, faulty, result }
    }

    /// Runs the verb with the power cut before each of its writes, and shows what is left and how
    /// many there were before the cut; the last time, nothing is cut.
    pub(super) fn cut_everywhere(&self, torn: Torn, mut look: impl FnMut(&Ran, u64)) {
        for survivors in 0.. {
            let fault = Fault::dying_after(survivors);
            let is_torn = torn == Torn::Every || survivors % 2 == 1;
            let ran = self.run_with(if is_torn { fault.torn() } else { fault });
            look(&ran, survivors);
            if !ran.faulty.is_dead() {
                assert!(ran.is_finished(), "{}", self.name);
                return;
            }
        }
    }

    /// Judges that a store is as before or as after and that nothing is wrong with it, and lets the
    /// next command finish what was begun: what there is then.
    pub(super) fn judge_recovered(
        &self,
        disk: &MemoryDisk,
        finished: bool,
        context: &str,
    ) -> Repository {
        let shared = shared(disk);
        let repo = open(&shared).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = picture(&repo).unwrap();
        assert!(found == self.done || (found == self.before && !finished), "{context}");
        assert!(check(&repo).is_clean(), "{context}");
        drop(repo);
        let _ = ops_that_recover(&shared);
        open(&shared).unwrap()
    }

    /// Judges what is left, and that all goes on from there.
    pub(super) fn judge(&self, disk: &MemoryDisk, finished: bool, context: &str) {
        let context = format!("{}: {context}", self.name);
        let shared = shared(disk);
        let repo = match open(&shared) {
            Ok(repo) => repo,
            // Nothing is there yet: it is made again.
            Err(_) if self.before == Picture::default() && !finished => create(&shared).unwrap(),
            Err(error) => panic!("{context}: {error}"),
        };
        let found = picture(&repo).unwrap_or_else(|error| panic!("{context}: {error}"));
        let is_done = found == self.done;
        assert!(is_done || (found == self.before && !finished), "{context}: {found:?}");
        let checked = check(&repo);
        assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
        drop(repo);
        write(disk, "next", "next");
        next_command(&shared).unwrap_or_else(|error| panic!("{context}: next: {error}"));
        self.judge_after_next(disk, &found, &context);
    }

    pub(super) fn judge_after_next(&self, disk: &MemoryDisk, found: &Picture, context: &str) {
        let repo = open(&shared(disk)).unwrap();
        let mut working = working_files(disk);
        assert_eq!(working.remove("next").as_deref(), Some(&b"next"[..]), "{context}");
        let is_whole = working == self.old || working == self.new;
        let neither: Vec<_> = working
            .iter()
            .filter(|(path, now)| {
                let is = |files: &Files| files.get(*path) == Some(now);
                !is(&self.old) && !is(&self.new)
            })
            .map(|(path, now)| (path, now.len(), &now[..now.len().min(12)]))
            .collect();
        assert!(
            is_whole,
            "{context}: not old in {:?}, not new in {:?}, neither: {neither:?}",
            unlike(&working, &self.old),
            unlike(&working, &self.new),
        );
        let (messages, mut files) = at_head(&repo);
        files.remove("next");
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            working.keys().collect::<Vec<_>>(),
            "{context}"
        );
        let unlike: Vec<&String> = files.keys().filter(|p| files[*p] != working[*p]).collect();
        assert!(unlike.is_empty(), "{context}: recorded otherwise than it is: {unlike:?}");
        assert_eq!(messages[0], "next");
        let before: Vec<&Vec<String>> = [&self.before, &self.done, found]
            .iter()
            .filter_map(|picture| picture.refs.get(&picture.head).map(|(messages, _)| messages))
            .collect();
        let follows = before.iter().any(|before| before[..] == messages[1..]);
        assert!(follows || messages.len() == 1, "{context}: {messages:?}");
        let checked = check(&repo);
        assert!(checked.is_clean(), "{context}: after next: {:?}", checked.findings);
        assert!(list_status(&repo).unwrap().is_clean(), "{context}");
    }
}

/// The paths that have not the same in both.
pub(super) fn unlike(one: &Files, other: &Files) -> Vec<String> {
    let paths = one.keys().chain(other.keys());
    paths.filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

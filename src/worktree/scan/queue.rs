//! Directories that wait to be looked at.
//!
//! Last in, first out: a walk depth first, so that few directories wait and few are open. A
//! directory that waits keeps the one above it open, which spares walking down from the root; when
//! many are open, those that come keep only their path.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirRef, Found};
use crate::path::RepoPath;
use crate::worktree::ignore::Ignore;

/// So many directories may be kept open by what waits. Some systems let a process have 256 files
/// open, and whoever is told of a directory keeps it open for a while.
const MOST_OPEN: usize = 100;

/// A directory to be looked at.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) path: RepoPath,
    pub(super) place: Place,
}

/// Where it is.
#[derive(Debug)]
pub(super) enum Place {
    /// On disk, as far as is known.
    Disk {
        /// The directory it is in, if that is kept open.
        parent: Option<Arc<Kept>>,
        /// The rules of the directory it is in.
        ignore: Ignore,
        /// Rules say to leave it alone: only what is tracked in it counts.
        is_ignored: bool,
        /// What is known of it, if it is untracked.
        ahead: Ahead,
    },
    /// Only in the index.
    Gone {
        /// The directories below it that stay, because of something in them that was not here.
        staying: Arc<HashSet<RepoPath>>,
    },
}

/// What looking through an untracked directory told.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Something below it or itself that is to be recorded.
    pub(super) witness: Option<Arc<RepoPath>>,
    /// The names in it, if they are few.
    pub(super) names: Option<Vec<Found>>,
}

/// An open directory, counted.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) dir: DirRef,
    open: Arc<AtomicUsize>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The tasks of one scan.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    open: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Task>,
    /// Tasks taken and not finished: they may add others.
    working: usize,
    stopped: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a directory open for its subdirectories, unless too many are.
    pub(super) fn keep(&self, dir: &DirRef) -> Option<Arc<Kept>> {
        if self.open.load(Ordering::Relaxed) >= MOST_OPEN {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(Kept { dir: dir.clone(), open: self.open.clone() }))
    }

    /// Adds tasks in the order in which they are to be taken, before all others.
    pub(super) fn add(&self, tasks: Vec<Task>) {
        let count = tasks.len();
        if count == 0 {
            return;
        }
        self.lock().waiting.extend(tasks.into_iter().rev());
        if count == 1 { self.changed.notify_one() } else { self.changed.notify_all() }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// The next task, and the word that it is being worked on, to be dropped when it is finished
    /// with all it adds. `None` once there is no task and none can come any more.
    pub(super) fn take(&self) -> Option<(Task, Taken<'_>)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(task) = state.waiting.pop() {
                state.working += 1;
                return Some((task, Taken(self)));
            }
            if state.working == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets nobody take anything any more.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Somebody works on a task. Dropped by a panic as well, so that nobody waits for ever.
#[derive(Debug)]
pub(super) struct Taken<'a>(&'a Queue);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.working -= 1;
        // Whoever asked will not get an answer: what is left need not be looked at.
        state.stopped |= std::thread::panicking();
        if state.stopped || (state.working == 0 && state.waiting.is_empty()) {
            self.0.changed.notify_all();
        }
    }
}

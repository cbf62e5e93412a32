//! Work on many paths, shared out to threads.
//!
//! Neighbours are worked on at the same time: their contents are in the same frames, which are
//! opened once for all threads.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one thread takes at a time: a few large files are shared out.
const GROUP: usize = 64;

/// What one thread is given, bit by bit, until there is nothing left.
pub(super) struct Share<'a, T> {
    items: &'a [T],
    next: &'a AtomicUsize,
    group: usize,
    taken: Range<usize>,
}

impl<'a, T> Iterator for Share<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.taken.is_empty() {
            let start = self.next.fetch_add(self.group, Ordering::Relaxed);
            self.taken = start..start + self.group;
        }
        self.items.get(self.taken.next()?)
    }
}

/// Has all items worked on: by the caller alone, or if there are as many as `least`, by as many
/// threads as there are processors.
pub(super) fn share_out<T: Sync>(items: &[T], least: usize, work: impl Fn(Share<'_, T>) + Sync) {
    let threads = match items.len() < least {
        true => 1,
        false => std::thread::available_parallelism().map_or(1, usize::from).min(items.len()),
    };
    share_among(threads.max(1), items, &work);
}

fn share_among<T: Sync>(threads: usize, items: &[T], work: &(impl Fn(Share<'_, T>) + Sync)) {
    let next = AtomicUsize::new(0);
    let group = (items.len() / (threads * 8)).clamp(1, GROUP);
    let share = || Share { items, next: &next, group, taken: 0..0 };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let share = share();
            scope.spawn(move || work(share));
        }
        work(share());
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn everything_is_given_once_whoever_stops() {
        for (threads, count) in [(1, 0), (1, 100), (2, 1), (2, 2), (3, 1000), (7, 1001)] {
            let items: Vec<usize> = (0..count).collect();
            let (given, idle) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
            share_among(threads, &items, &|share: Share<'_, usize>| {
                // One of several does nothing at all.
                if threads > 1 && idle.fetch_add(1, Ordering::SeqCst) == 0 {
                    return;
                }
                for &item in share {
                    given.lock().unwrap().push(item);
                }
            });
            let mut given = given.into_inner().unwrap();
            given.sort_unstable();
            assert_eq!(given, items, "{threads}");
        }
    }
}

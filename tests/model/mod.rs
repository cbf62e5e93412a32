//! Random histories against plain maps, the laws of merging, and what commands cost in operations.

mod changing;
mod counted;
mod merge_laws;
mod new_directories;
mod removed;
mod repository;
mod volumes;

use std::sync::Arc;

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::repo::Person;

fn person() -> Person {
    Person { name: "A".into(), email: "a@example.org".into() }
}

fn env(seed: u64) -> Env {
    Env {
        clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_100_000), 1)),
        random: Arc::new(SeededRandom::new(seed)),
    }
}

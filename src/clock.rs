//! Time and chance: the only two doors to them.
//!
//! Everything that asks for the time or for random bytes takes a [`Clock`] or a [`Random`], so that
//! a test can fix both and replay any crash or race. Nothing here decides anything; in particular
//! no decision is taken anywhere by comparing this clock with another machine's, but for one: which
//! of two clocks gave a file its time is found out where it matters how old that is (rule 22,
//! `worktree::FileClock`).

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::{Decode, Encode};

/// A point in time: seconds since 1970-01-01 00:00:00 UTC and nanoseconds within that second.
///
/// Covers every time a file system can express, before 1970 and after 2262 included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Time {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds that follow, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    /// A time of whole seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// The difference to an earlier time in nanoseconds; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i128 {
        (i128::from(self.seconds) - i128::from(earlier.seconds)) * 1_000_000_000
            + i128::from(self.nanoseconds)
            - i128::from(earlier.nanoseconds)
    }

    /// The time so many nanoseconds later; the last or first there is, if that is beyond it.
    pub fn later_by(self, nanoseconds: i128) -> Self {
        const SECOND: i128 = 1_000_000_000;
        let all = i128::from(self.nanoseconds).saturating_add(nanoseconds);
        let seconds = i128::from(self.seconds) + all.div_euclid(SECOND);
        match i64::try_from(seconds) {
            Ok(seconds) => Self { seconds, nanoseconds: all.rem_euclid(SECOND) as u32 },
            Err(_) if seconds < 0 => Self::from_seconds(i64::MIN),
            Err(_) => Self { seconds: i64::MAX, nanoseconds: 999_999_999 },
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanoseconds)
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self {
                seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: after.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self { seconds, nanoseconds: 0 },
                    nanos => Self { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanos },
                }
            }
        }
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Time;
    /// Minutes east of UTC at this time, here.
    fn zone_minutes(&self, time: Time) -> i16;
}

/// The machine's clock and time zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        SystemTime::now().into()
    }

    fn zone_minutes(&self, time: Time) -> i16 {
        let Ok(timestamp) = jiff::Timestamp::from_second(time.seconds) else { return 0 };
        let offset = jiff::tz::TimeZone::system().to_offset(timestamp);
        i16::try_from(offset.seconds() / 60).unwrap_or(0)
    }
}

/// A clock that starts where it is told and moves on by a fixed step each time it is asked.
#[derive(Debug)]
pub struct SteppingClock {
    next: Mutex<Time>,
    step_seconds: i64,
}

impl SteppingClock {
    /// Starts at `start`; each call to [`Clock::now`] moves it on by `step_seconds`.
    pub fn new(start: Time, step_seconds: i64) -> Self {
        Self { next: Mutex::new(start), step_seconds }
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Time {
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = *next;
        next.seconds += self.step_seconds;
        now
    }

    fn zone_minutes(&self, _: Time) -> i16 {
        0
    }
}

/// A source of random bytes.
pub trait Random: Send + Sync + fmt::Debug {
    /// Sixteen bytes nobody has seen before.
    fn sixteen(&self) -> [u8; 16];

    /// Four bytes, for names that must differ among a few.
    fn four(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.sixteen();
        [a, b, c, d]
    }
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn sixteen(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}

/// Random bytes that follow from a seed, for tests.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    drawn: Mutex<u64>,
}

impl SeededRandom {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: Mutex::new(0) }
    }
}

impl Random for SeededRandom {
    fn sixteen(&self) -> [u8; 16] {
        let mut drawn = self.drawn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *drawn += 1;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(&drawn.to_le_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

/// Clock and random source together, as everything that writes needs them.
#[derive(Clone, Debug)]
pub struct Env {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// The machine's own.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_1970_count_backwards_in_seconds_and_forwards_in_nanoseconds() {
        let time = Time::from(UNIX_EPOCH - Duration::from_nanos(1));
        assert_eq!(time, Time { seconds: -1, nanoseconds: 999_999_999 });
        assert_eq!(Time::default().since(time), 1);
    }

    #[test]
    fn a_time_is_later_or_earlier_by_nanoseconds() {
        let time = Time { seconds: 7, nanoseconds: 999_999_999 };
        assert_eq!(time.later_by(1), Time::from_seconds(8));
        assert_eq!(Time::from_seconds(8).later_by(-1), time);
        assert_eq!(time.later_by(-8_000_000_000), Time { seconds: -1, nanoseconds: 999_999_999 });
        assert_eq!(time.later_by(3_500_000_000).since(time), 3_500_000_000);
        let last = Time { seconds: i64::MAX, nanoseconds: 999_999_999 };
        assert_eq!((last.later_by(1), time.later_by(i128::MAX)), (last, last));
        assert_eq!(time.later_by(i128::MIN), Time::from_seconds(i64::MIN));
    }
}

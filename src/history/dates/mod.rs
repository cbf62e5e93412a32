//! Dates: as people type them and as they are shown.
//!
//! Reading agrees with git wherever git's own answer makes sense; the two places where it does not
//! are told at [`parse_date`]. Zones come from a [`Clock`], the time now from the caller, so the
//! same text always means the same in a test.
//!
//! [`Clock`]: crate::clock::Clock

mod approximate;
mod format;
mod parse;

pub use format::{DateStyle, Shown};
pub use parse::parse_date;

use crate::clock::{Clock, Time};

/// Where a wall clock hangs.
#[derive(Clone, Copy)]
enum Zone<'a> {
    /// Here.
    Local(&'a dyn Clock),
    /// So many minutes east of UTC.
    Fixed(i16),
}

impl Zone<'_> {
    fn minutes(self, seconds: i64) -> i16 {
        match self {
            Self::Local(clock) => clock.zone_minutes(Time::from_seconds(seconds)),
            Self::Fixed(minutes) => minutes,
        }
    }

    /// What the wall clock shows, as seconds since 1970-01-01 00:00 on that wall.
    fn wall(self, seconds: i64) -> i64 {
        seconds.saturating_add(i64::from(self.minutes(seconds)) * 60)
    }

    /// When the wall clock shows this.
    fn instant(self, wall: i64) -> i64 {
        // The offset depends on the answer: ask once near it and once at it.
        let near = wall.saturating_sub(i64::from(self.minutes(wall)) * 60);
        wall.saturating_sub(i64::from(self.minutes(near)) * 60)
    }
}

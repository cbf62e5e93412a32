//! When content must be read again (rule 22).
//!
//! A file is taken to be unchanged if its stat is the one it had when its content was last known.
//! That holds only if a change since would have moved a time: an entry whose times were within two
//! clock steps of the reading is *racy* and always read again. The device is never compared: it
//! changes when a drive is plugged in anew.

use super::volume::Volume;
use crate::clock::Time;
use crate::codec::{Decode, Encode};
use crate::disk::Stat;

/// A quarter of an hour in nanoseconds: all time zones are multiples of it.
const QUARTER: i128 = 15 * 60 * 1_000_000_000;
/// Time zones are from -12 to +14 hours: two differ by at most 26 hours.
const MOST_QUARTERS: i128 = 26 * 4;

/// How far apart two times must be to be told apart for certain, in nanoseconds.
fn two_steps(volume: &Volume) -> i128 {
    2 * i128::from(volume.clock_step_nanoseconds.max(volume.mtime_step_nanoseconds))
}

/// Two steps of the coarsest times there are, those of FAT.
const WHOLE_SECONDS: i128 = 4_000_000_000;

/// A time that is given may be some ticks of a clock old, and clocks are set: nothing is concluded
/// from less than two seconds.
const SETTLED_AFTER: i128 = 2_000_000_000;

/// Whether a file was changed last well before `moment`, by the file system's own clock: what was
/// read of it since then is what is there now. `false` where that cannot be told.
pub fn is_settled(stat: &Stat, moment: Time, volume: &Volume) -> bool {
    volume.real_ctime && moment.since(stat.ctime) > SETTLED_AFTER.max(two_steps(volume))
}

/// A file's stat when its content was last known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// Length in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Change time.
    pub ctime: Time,
    /// The file's number.
    pub inode: u64,
    /// Permission bits.
    pub mode: u16,
    /// A change right after the reading might not show: the content must be read again.
    pub racy: bool,
}

/// What a stat says about a file last seen otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// Nothing changed.
    Same,
    /// The content may have changed and must be read.
    Content,
    /// The content is the same; permission bits or attributes may have changed.
    MetadataOnly,
}

impl Seen {
    /// What a file looked like when it was read. `read_at` is the moment of reading by the file
    /// system's own clock.
    pub fn of(stat: &Stat, read_at: Time, volume: &Volume) -> Self {
        // A time in the future cannot be the time of a change still to come. One of whole seconds may
        // come from a file system that tells no more, mounted within the working tree.
        let recent = |time: Time| {
            let least = if time.nanoseconds == 0 { WHOLE_SECONDS } else { 0 };
            (0..=two_steps(volume).max(least)).contains(&read_at.since(time))
        };
        Self {
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inode: stat.inode,
            mode: stat.mode,
            racy: recent(stat.mtime) || (volume.real_ctime && recent(stat.ctime)),
        }
    }

    /// Compares with what the file looks like now.
    pub fn matches(&self, stat: &Stat, volume: &Volume) -> Matches {
        if self.racy || self.size != stat.size || (volume.stable_inodes && self.inode != stat.inode)
        {
            return Matches::Content;
        }
        // One of the two may have been taken where times are finer.
        let step = i128::from(volume.mtime_step_nanoseconds.max(1));
        let equal = |a: Time, b: Time| a.since(b).abs() < step;
        let shift = match stat.mtime.since(self.mtime) {
            apart if apart.abs() < step => 0,
            apart => match self.zone_shift(apart, stat, volume) {
                Some(shift) => shift,
                None => return Matches::Content,
            },
        };
        let ctime_moved =
            if shift == 0 { volume.real_ctime && !equal(stat.ctime, self.ctime) } else { false };
        if ctime_moved || self.mode != stat.mode {
            return Matches::MetadataOnly;
        }
        Matches::Same
    }

    /// The shift if all times moved by the same whole quarter-hours on a file system that keeps
    /// local time: not a change but another time zone.
    fn zone_shift(&self, apart: i128, stat: &Stat, volume: &Volume) -> Option<i128> {
        let step = i128::from(volume.mtime_step_nanoseconds.max(1));
        let quarters = (apart + apart.signum() * QUARTER / 2) / QUARTER;
        let shift = quarters * QUARTER;
        let moved_so = |apart: i128| (apart - shift).abs() < step;
        (volume.local_times
            && quarters != 0
            && quarters.abs() <= MOST_QUARTERS
            && moved_so(apart)
            && moved_so(stat.ctime.since(self.ctime)))
        .then_some(shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FileKind;

    const STEP: u64 = 1_000_000;

    /// So long after a moment that is no whole second.
    fn time(nanoseconds: i64) -> Time {
        let nanoseconds = nanoseconds + 1;
        Time {
            seconds: 1_000_000 + nanoseconds.div_euclid(1_000_000_000),
            nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
        }
    }

    fn stat() -> Stat {
        Stat {
            kind: FileKind::File,
            mode: 0o644,
            size: 10,
            mtime: time(0),
            ctime: time(0),
            inode: 7,
            device: 1,
            links: 1,
            allocated: 0,
        }
    }

    fn volume() -> Volume {
        Volume { clock_step_nanoseconds: STEP, ..Volume::default() }
    }

    fn seen() -> Seen {
        Seen::of(&stat(), time(1_000_000_000), &volume())
    }

    fn matches(volume: &Volume, change: impl FnOnce(&mut Stat)) -> Matches {
        let mut stat = stat();
        change(&mut stat);
        seen().matches(&stat, volume)
    }

    #[test]
    fn the_same_stat_is_no_change_and_the_device_does_not_count() {
        assert_eq!(matches(&volume(), |_| {}), Matches::Same);
        assert_eq!(matches(&volume(), |stat| stat.device = 99), Matches::Same);
    }

    #[test]
    fn another_size_or_time_means_reading() {
        assert_eq!(matches(&volume(), |stat| stat.size = 11), Matches::Content);
        assert_eq!(matches(&volume(), |stat| stat.mtime = time(1)), Matches::Content);
        assert_eq!(matches(&volume(), |stat| stat.mtime = time(-1)), Matches::Content);
    }

    #[test]
    fn times_are_compared_at_the_coarser_step() {
        let fat = Volume { mtime_step_nanoseconds: 2_000_000_000, ..volume() };
        assert_eq!(matches(&fat, |stat| stat.mtime = time(-1_700_000_000)), Matches::Same);
        assert_eq!(matches(&fat, |stat| stat.mtime = time(2_000_000_000)), Matches::Content);
    }

    #[test]
    fn the_inode_counts_only_where_it_is_stable() {
        assert_eq!(matches(&volume(), |stat| stat.inode = 8), Matches::Content);
        let unstable = Volume { stable_inodes: false, ..volume() };
        assert_eq!(matches(&unstable, |stat| stat.inode = 8), Matches::Same);
    }

    #[test]
    fn a_change_time_alone_means_metadata() {
        assert_eq!(matches(&volume(), |stat| stat.ctime = time(5)), Matches::MetadataOnly);
        assert_eq!(matches(&volume(), |stat| stat.mode = 0o755), Matches::MetadataOnly);
        let unreal = Volume { real_ctime: false, ..volume() };
        assert_eq!(matches(&unreal, |stat| stat.ctime = time(5)), Matches::Same);
    }

    #[test]
    fn what_changed_within_two_steps_of_the_reading_is_read_again() {
        let racy = |mtime: i64, ctime: i64, volume: &Volume| {
            let stat = Stat { mtime: time(mtime), ctime: time(ctime), ..stat() };
            let seen = Seen::of(&stat, time(0), volume);
            assert_eq!(
                seen.matches(&stat, volume),
                if seen.racy { Matches::Content } else { Matches::Same }
            );
            seen.racy
        };
        let (step, old) = (STEP as i64, -1_000_000_000);
        assert!(racy(0, old, &volume()));
        assert!(racy(-2 * step, old, &volume()));
        assert!(!racy(-2 * step - 1, old, &volume()));
        assert!(racy(old, -step, &volume()));
        assert!(!racy(old, -step, &Volume { real_ctime: false, ..volume() }));
        let coarse = Volume { mtime_step_nanoseconds: 1_000_000_000, ..volume() };
        assert!(racy(old, old, &coarse));
    }

    #[test]
    fn settled_is_what_changed_for_certain_before_the_moment() {
        let settled = |ctime: i64, volume: &Volume| {
            is_settled(&Stat { ctime: time(ctime), ..stat() }, time(0), volume)
        };
        let seconds = 1_000_000_000;
        assert!(settled(-2 * seconds - 1, &volume()));
        assert!(!settled(-2 * seconds, &volume()) && !settled(0, &volume()));
        assert!(!settled(seconds, &volume()));
        assert!(!settled(-9 * seconds, &Volume { real_ctime: false, ..volume() }));
        let coarse = Volume { mtime_step_nanoseconds: 2 * STEP * 1000, ..volume() };
        assert!(!settled(-4 * seconds, &coarse) && settled(-4 * seconds - 1, &coarse));
    }

    #[test]
    fn a_time_of_whole_seconds_may_be_told_no_finer() {
        let is_racy = |at: Time, age: i128| {
            let stat = Stat { mtime: at, ctime: at, ..stat() };
            Seen::of(&stat, at.later_by(age), &volume()).racy
        };
        let (whole, second) = (Time::from_seconds(1_000_000), 1_000_000_000);
        assert!(is_racy(whole, second - 1) && is_racy(whole, 4 * second));
        assert!(!is_racy(whole, 4 * second + 1) && !is_racy(whole.later_by(1), second));
    }

    #[test]
    fn the_future_is_not_racy() {
        let stat = Stat { mtime: time(1), ctime: time(-1_000_000_000), ..stat() };
        assert!(!Seen::of(&stat, time(0), &volume()).racy);
    }

    #[test]
    fn another_time_zone_is_no_change_where_local_time_is_kept() {
        let fat = Volume { local_times: true, mtime_step_nanoseconds: 2_000_000_000, ..volume() };
        let quarter = 15 * 60 * 1_000_000_000;
        let shifted = |mtime: i64, ctime: i64, volume: &Volume| {
            matches(volume, |stat| {
                stat.mtime = time(mtime);
                stat.ctime = time(ctime);
            })
        };
        assert_eq!(shifted(4 * quarter, 4 * quarter, &fat), Matches::Same);
        assert_eq!(shifted(-23 * quarter, -23 * quarter, &fat), Matches::Same);
        assert_eq!(shifted(4 * quarter, 0, &fat), Matches::Content);
        assert_eq!(shifted(4 * quarter, 5 * quarter, &fat), Matches::Content);
        assert_eq!(shifted(quarter / 2, quarter / 2, &fat), Matches::Content);
        assert_eq!(shifted(105 * quarter, 105 * quarter, &fat), Matches::Content);
        assert_eq!(shifted(4 * quarter, 4 * quarter, &volume()), Matches::Content);
    }
}

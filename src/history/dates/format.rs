//! Showing dates: the styles of `--date=`.

use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

use crate::clock::Time;

/// How a date is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DateStyle {
    /// `Fri Nov 20 10:00:00 2026 +0100`
    #[default]
    Default,
    /// `2026-11-20 10:00:00 +0100`
    Iso,
    /// `2026-11-20T10:00:00+01:00`
    IsoStrict,
    /// `Fri, 20 Nov 2026 10:00:00 +0100`
    Rfc,
    /// `2026-11-20`
    Short,
    /// `3 days ago`
    Relative,
    /// `1795165200 +0100`
    Raw,
    /// `1795165200`
    Unix,
    /// By a pattern of `strftime`.
    Custom(String),
}

/// On whose wall clock a date is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// On that of whoever recorded it.
    AsRecorded,
    /// On that of whoever reads it.
    Local,
}

impl DateStyle {
    /// Reads what follows `--date=`: a style, with `-local` behind it or not; `local`; or
    /// `format:` (`format-local:`) and a pattern. `None` if there is no such style.
    pub fn parse(text: &str) -> Option<(Self, Shown)> {
        for (start, shown) in [("format:", Shown::AsRecorded), ("format-local:", Shown::Local)] {
            if let Some(pattern) = text.strip_prefix(start) {
                // A pattern that cannot be used should be refused before the first line.
                let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                strtime::format(pattern, &epoch).ok()?;
                return Some((Self::Custom(pattern.to_owned()), shown));
            }
        }
        if text == "local" {
            return Some((Self::Default, Shown::Local));
        }
        let (name, shown) = match text.strip_suffix("-local") {
            Some(name) => (name, Shown::Local),
            None => (text, Shown::AsRecorded),
        };
        let style = match name {
            "default" => Self::Default,
            "iso" | "iso8601" => Self::Iso,
            "iso-strict" | "iso8601-strict" => Self::IsoStrict,
            "rfc" | "rfc2822" => Self::Rfc,
            "short" => Self::Short,
            "relative" => Self::Relative,
            "raw" => Self::Raw,
            "unix" => Self::Unix,
            _ => return None,
        };
        Some((style, shown))
    }

    /// Shows a time on a wall clock `zone_minutes` east of UTC; `now` is for relative dates. A time
    /// that no calendar has is shown as 1970, as git does, except as a number.
    pub fn format(&self, time: Time, zone_minutes: i16, now: Time) -> String {
        let pattern = match self {
            Self::Relative => return relative(time.seconds, now.seconds),
            Self::Unix => return time.seconds.to_string(),
            Self::Raw => return format!("{} {}", time.seconds, zone(zone_minutes)),
            Self::Default => "%a %b %-d %H:%M:%S %Y %z",
            Self::Iso => "%Y-%m-%d %H:%M:%S %z",
            Self::IsoStrict if zone_minutes == 0 => "%Y-%m-%dT%H:%M:%SZ",
            Self::IsoStrict => "%Y-%m-%dT%H:%M:%S%:z",
            Self::Rfc => "%a, %-d %b %Y %H:%M:%S %z",
            Self::Short => "%Y-%m-%d",
            Self::Custom(pattern) => pattern,
        };
        let zoned = Offset::from_seconds(i32::from(zone_minutes) * 60)
            .and_then(|offset| {
                let timestamp = jiff::Timestamp::from_second(time.seconds)?;
                Ok(timestamp.to_zoned(TimeZone::fixed(offset)))
            })
            .unwrap_or_else(|_| jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC));
        strtime::format(pattern, &zoned).unwrap_or_else(|_| time.seconds.to_string())
    }
}

fn zone(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// How long ago, in the largest unit that says enough.
fn relative(seconds: i64, now: i64) -> String {
    let Some(seconds) = now.checked_sub(seconds).filter(|ago| *ago >= 0) else {
        return "in the future".into();
    };
    let minutes = seconds.saturating_add(30) / 60;
    let hours = (minutes + 30) / 60;
    let days = (hours + 12) / 24;
    let ago = |number: i64, unit: &str| format!("{} ago", counted(number, unit));
    if seconds < 90 {
        ago(seconds, "second")
    } else if minutes < 90 {
        ago(minutes, "minute")
    } else if hours < 36 {
        ago(hours, "hour")
    } else if days < 14 {
        ago(days, "day")
    } else if days < 70 {
        ago((days + 3) / 7, "week")
    } else if days < 365 {
        ago((days + 15) / 30, "month")
    } else if days < 1825 {
        let months = (days * 12 * 2 + 365) / (365 * 2);
        match (counted(months / 12, "year"), months % 12) {
            (years, 0) => format!("{years} ago"),
            (years, months) => format!("{years}, {} ago", counted(months, "month")),
        }
    } else {
        ago((days + 183) / 365, "year")
    }
}

fn counted(number: i64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::history::testing;

    const STYLES: [&str; 9] = [
        "default",
        "iso",
        "iso-strict",
        "rfc",
        "short",
        "raw",
        "unix",
        "relative",
        "format:%Y week %V, %A",
    ];

    #[test]
    fn dates_are_shown_as_git_shows_them() {
        let Some(git) = testing::Git::new("date styles") else { return };
        let now = Time::from(SystemTime::now());
        let mut times = vec![(0, 0), (951_782_400, 90), (1_700_000_000, -480), (4_000_000_000, 60)];
        let steps = [5, 100, 7_000, 40_000, 90_000, 130_000, 700_000, 1_300_000, 5_000_000];
        let long = [9_000_000, 31_000_000, 33_000_000, 60_000_000, 120_000_000, 200_000_000];
        times.extend(steps.iter().chain(&long).map(|ago| (now.seconds - ago, 330)));
        let mut stream = String::new();
        for (index, (seconds, minutes)) in times.iter().enumerate() {
            stream += &format!(
                "commit refs/heads/t{index}\ncommitter A <a> {seconds} {}\ndata 1\nx\n",
                zone(*minutes)
            );
        }
        git.feed(&["fast-import", "--quiet"], &stream);
        for (index, (seconds, minutes)) in times.iter().enumerate() {
            for text in STYLES {
                let date = format!("--date={text}");
                let branch = format!("t{index}");
                let theirs = git.run(&["log", "-1", &date, "--format=%cd", &branch]);
                let (style, _) = DateStyle::parse(text).unwrap();
                let ours = style.format(Time::from_seconds(*seconds), *minutes, now);
                // A second may pass between the two clocks.
                let close = text == "relative" && ours.contains("second");
                assert!(close || ours == theirs.trim_end(), "{text}: {ours}, git {theirs}");
            }
        }
    }

    #[test]
    fn a_style_may_be_local_and_unknown_ones_are_refused() {
        assert_eq!(DateStyle::parse("iso-local"), Some((DateStyle::Iso, Shown::Local)));
        assert_eq!(DateStyle::parse("local"), Some((DateStyle::Default, Shown::Local)));
        assert_eq!(DateStyle::parse("human"), None);
        assert_eq!(DateStyle::parse("format:%"), None);
    }

    #[test]
    fn no_time_is_too_far_away_to_be_shown() {
        for seconds in [i64::MIN, i64::MAX] {
            let time = Time::from_seconds(seconds);
            for text in STYLES {
                let (style, _) = DateStyle::parse(text).unwrap();
                assert!(!style.format(time, i16::MIN, Time::default()).is_empty());
            }
        }
    }
}

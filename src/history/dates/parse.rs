//! Reading dates: exact ones through gix-date, the rest by approximation.

use crate::clock::{Clock, Time};

use super::{Zone, approximate};

/// Zones people write by name, in minutes east of UTC.
const NAMED_ZONES: [(&str, i16); 21] = [
    ("Z", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("BST", 60),
    ("WEST", 60),
    ("CET", 60),
    ("MET", 60),
    ("CEST", 120),
    ("MEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];

/// The smallest bare number that is taken for seconds since 1970.
const SMALLEST_EPOCH: i64 = 100_000_000;

/// The time that `text` means to somebody for whom it is `now`, on the wall clock of `zone`.
///
/// Understands `@SECONDS [ZONE]`, ISO 8601, RFC 2822, what `--date=` prints, `2026-01-02`,
/// `2026.01.02`, `1/2/2026`, `10:30`, `3pm`, `jan 5`, `friday`, `last friday`, `2 weeks ago`,
/// `1.month.ago`, `yesterday noon`, `tea`, `midnight`, `now`, `never` (1970), and what these give
/// together. A date without a time means the present time of that day, as in git.
///
/// Three things are unlike git. The wall clock is read by the rules of the day meant, not of today
/// (in winter git takes `6am june 7` for seven o'clock). A weekday alone is the latest one, today
/// included, where git takes it for today whatever it is. And a text of which nothing is understood,
/// or only a number that is no part of a date, is `None`, where git takes it for now.
pub fn parse_date(text: &str, now: Time, zone: &dyn Clock) -> Option<Time> {
    let text = text.trim();
    if let Some(seconds) = epoch(text) {
        return Some(Time::from_seconds(seconds));
    }
    let local = Zone::Local(zone);
    if !has_clock_time(text) {
        return approximate::read(text, now, local).map(|read| Time::from_seconds(read.seconds));
    }
    let (civil, fixed) = match split_zone(text) {
        Some((civil, minutes)) => (civil, Some(Zone::Fixed(minutes))),
        None => (text, None),
    };
    let zone = fixed.unwrap_or(local);
    // gix-date reads a time without a zone as UTC; asking for UTC gives the wall clock's words.
    if let Ok(wall) = gix_date::parse(&format!("{civil} +0000"), None) {
        return Some(Time::from_seconds(zone.instant(wall.seconds)));
    }
    let read = approximate::read(civil, now, zone)?;
    // A zone counts only with a whole date and time, as in git.
    let read =
        if fixed.is_none() || read.is_whole { read } else { approximate::read(civil, now, local)? };
    Some(Time::from_seconds(read.seconds))
}

/// Seconds since 1970: after `@`, or a number too large to be part of a date; a zone may follow.
fn epoch(text: &str) -> Option<i64> {
    let (number, zone) = match text.split_once(char::is_whitespace) {
        Some((number, zone)) => (number, zone.trim()),
        None => (text, ""),
    };
    let marked = number.strip_prefix('@');
    let seconds: i64 = marked.unwrap_or(number).parse().ok()?;
    let is_zone = zone.is_empty() || (zone.starts_with(['+', '-']) && offset(zone).is_some());
    (is_zone && (marked.is_some() || seconds >= SMALLEST_EPOCH)).then_some(seconds)
}

/// Whether a time of day stands in it, as `10:30` or as `T1030`.
fn has_clock_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).any(|window| {
        window[0].is_ascii_digit() && matches!(window[1], b':' | b'T') && window[2].is_ascii_digit()
    })
}

/// Takes a zone off the end of a text that has a time of day.
fn split_zone(text: &str) -> Option<(&str, i16)> {
    let start = text.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let last = &text[start..];
    let named = NAMED_ZONES.iter().find(|(name, _)| last.eq_ignore_ascii_case(name));
    if let Some((_, minutes)) = named {
        return Some((text[..start].trim_end(), *minutes));
    }
    if let Some(rest) = last.strip_suffix(['Z', 'z'])
        && rest.ends_with(|digit: char| digit.is_ascii_digit())
    {
        return Some((&text[..text.len() - 1], 0));
    }
    let sign = last.rfind(['+', '-'])?;
    // `2026-01-02` ends in no zone: before a sign stands a time of day, or nothing.
    if sign > 0 && !last[..sign].contains([':', 'T']) {
        return None;
    }
    let minutes = offset(&last[sign..])?;
    Some((text[..start + sign].trim_end(), minutes))
}

/// `+01`, `+0100` or `+01:00` in minutes.
fn offset(text: &str) -> Option<i16> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes))
        .then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::history::testing;

    /// A wall clock with summer time from April to October, one hour ahead of winter's.
    #[derive(Debug)]
    struct Summery;

    impl Clock for Summery {
        fn now(&self) -> Time {
            Time::default()
        }

        fn zone_minutes(&self, time: Time) -> i16 {
            let date = jiff::Timestamp::from_second(time.seconds).unwrap();
            let month = date.to_zoned(jiff::tz::TimeZone::UTC).month();
            if (4..=10).contains(&month) { 120 } else { 60 }
        }
    }

    #[derive(Debug)]
    struct East(i16);

    impl Clock for East {
        fn now(&self) -> Time {
            Time::default()
        }

        fn zone_minutes(&self, _: Time) -> i16 {
            self.0
        }
    }

    /// 2026-11-20 10:00:00 +0100
    const NOW: Time = Time { seconds: 1_795_165_200, nanoseconds: 0 };

    fn shown(text: &str) -> Option<String> {
        let time = parse_date(text, NOW, &Summery)?;
        let zone = Summery.zone_minutes(time);
        Some(crate::history::dates::DateStyle::Iso.format(time, zone, NOW))
    }

    #[test]
    fn a_wall_clock_goes_by_the_rules_of_the_day_meant() {
        assert_eq!(shown("6am june 7 2026").unwrap(), "2026-06-07 06:00:00 +0200");
        assert_eq!(shown("2026-06-07 06:00").unwrap(), "2026-06-07 06:00:00 +0200");
        assert_eq!(shown("a week ago").unwrap(), "2026-11-13 10:00:00 +0100");
        assert_eq!(shown("2 months ago").unwrap(), "2026-09-20 10:00:00 +0200");
        assert_eq!(shown("yesterday").unwrap(), "2026-11-19 10:00:00 +0100");
    }

    #[test]
    fn a_weekday_alone_is_the_latest_one() {
        // It is a Friday.
        assert_eq!(shown("friday").unwrap(), "2026-11-20 10:00:00 +0100");
        assert_eq!(shown("last friday").unwrap(), "2026-11-13 10:00:00 +0100");
        assert_eq!(shown("tuesday").unwrap(), "2026-11-17 10:00:00 +0100");
        assert_eq!(shown("Saturday, 9:30").unwrap(), "2026-11-14 09:30:00 +0100");
        assert_eq!(shown("sunday noon").unwrap(), "2026-11-15 12:00:00 +0100");
        assert_eq!(shown("Mon Jan 1 2024").unwrap(), "2024-01-01 10:00:00 +0100");
    }

    #[test]
    fn a_day_that_the_month_does_not_have_rolls_over() {
        let now = parse_date("2026-05-31 12:00:00 +0000", NOW, &East(0)).unwrap();
        let earlier = parse_date("1 month ago", now, &East(0));
        assert_eq!(earlier, parse_date("2026-05-01 12:00:00 +0000", NOW, &East(0)));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "garbage", "12345", "20260102", "@", "@x", "the other day's", "+0200"] {
            assert_eq!(parse_date(text, NOW, &Summery), None, "{text:?}");
        }
    }

    #[test]
    fn seconds_may_be_small_or_negative_after_an_at_sign() {
        let seconds = |text| parse_date(text, NOW, &Summery).map(|time| time.seconds);
        assert_eq!(seconds("@0"), Some(0));
        assert_eq!(seconds("@-5"), Some(-5));
        assert_eq!(seconds("@1700000000 +0200"), Some(1_700_000_000));
        assert_eq!(seconds("1700000000"), Some(1_700_000_000));
    }

    /// Texts for git to judge. `%` stands for a number.
    const TEXTS: &str = "last friday|% fridays ago|last monday|last tue|% sundays ago|now|\
        never|tea|yesterday|yesterday noon|noon yesterday|midnight|noon|3pm|3pm yesterday|3am|12am|\
        12pm|10:30|10:30:05|2026-01-02|2026.01.02|2026/01/02|2026-01-02 10:00|2026-01-02 10:00:59|\
        2026-01-02T10:00:00|20260102T101112|20260102T10:11|Jan 5|jan 5 2025|5 January 2026|\
        January 5th, 10:00|Jan 5 2026 10:00:00 +0200|@1700000000|@1700000000 +0200|1700000000|\
        1700000000 +0100|Fri, 20 Nov 2026 10:00:00 +0100|Thu Jan 1 00:00:05 2026 +0200|\
        Thu, 1 Jan 2026 00:00:05 GMT|% month ago|% months ago|2.weeks.ago|%.days.ago|% hours ago|\
        % minutes ago|% seconds ago|% years ago|1 year 2 months ago|one week ago|ten days ago|\
        2026-01-02 10:00 +01|2026-01-02 10:00:00 EST|2026-01-02 10:00:00Z|\
        2026-01-02T10:00:00+05:30|1/2/2026|13/2/2026|3 days ago noon|last week|last month|last year|\
        december|june|march|06/05/2009|06.05.2009|6AM, June 7, 2009|2026-01-02 +0200|\
        1 day ago 10:00|% weeks ago tea|% days ago at 15:30|sept 3|3 sept|1999|jan 1999|\
        2026-01-02 10:00:00.123|2026-01-02T10:00:00.5Z|12/25|25/12|tomorrow 3 days|\
        5 minutes ago|2 hours 5 minutes|31 december 1999 23:59:59|two days and three hours ago|\
        last friday noon|2000-02-29|29 feb 2000|3.days|8 hours ago yesterday|PM|5 PM|\
        2005-04-07 22:13:13 -0400|Thu Apr 7 15:14:13 2005 -0700|10am noon|never tea|6pm yesterday";

    #[test]
    fn dates_mean_what_git_says_they_mean() {
        let Some(git) = testing::Git::new("dates") else { return };
        let (mut texts, mut wrong) = (Vec::new(), Vec::new());
        for text in TEXTS.split('|').map(str::trim) {
            if text.contains('%') {
                texts.extend([1, 2, 5, 13, 40].map(|n| text.replace('%', &n.to_string())));
            } else {
                texts.push(text.to_owned());
            }
        }
        for (zone, minutes) in
            [("UTC0", 0), ("XXX-5:30", 330), ("XXX+8", -480), ("XXX-14", 840), ("XXX+12", -720)]
        {
            for some in texts.chunks(8) {
                let now = Time::from(SystemTime::now());
                let arguments: Vec<String> =
                    some.iter().map(|text| format!("--since={text}")).collect();
                let mut command = vec!["rev-parse"];
                command.extend(arguments.iter().map(String::as_str));
                let answer = git.run_in_zone(zone, &command);
                for (text, line) in some.iter().zip(answer.lines()) {
                    // What lies before 1970 wraps.
                    let theirs: u64 = line.strip_prefix("--max-age=").unwrap().parse().unwrap();
                    let theirs = theirs.cast_signed();
                    let ours = parse_date(text, now, &East(minutes)).map(|time| time.seconds);
                    if ours.is_none_or(|ours| (ours - theirs).abs() > 5) {
                        wrong.push(format!("{text:?} in {zone}: {ours:?}, git {theirs}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn an_offset_of_other_letters_is_none() {
        assert_eq!(offset("+\u{5ca}\u{1}x"), None);
        assert_eq!(offset("+01:30"), Some(90));
    }
}

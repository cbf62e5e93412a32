//! Approximation: a date from words and numbers in any order, as git reads them.
//!
//! A draft begins as the present time of an unknown day. Words and numbers are taken from left to
//! right; each fills in a field or moves the draft back. A number waits for the word after it
//! (`3 days`, `5 pm`) and, if none wants it, becomes day, month or year, whichever is still open.

use jiff::civil;

use crate::clock::Time;

use super::Zone;

/// What a text was read as.
pub(super) struct Read {
    pub(super) seconds: i64,
    /// Year, month, day, hour and minute were all given.
    pub(super) is_whole: bool,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] =
    ["sundays", "mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays"];
const NUMBERS: [&str; 10] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const UNITS: [(&str, i64); 5] =
    [("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", DAY), ("weeks", 7 * DAY)];
const DAY: i64 = 86_400;

/// Reads a text in which something must make sense.
pub(super) fn read(text: &str, now: Time, zone: Zone<'_>) -> Option<Read> {
    let mut draft = Draft::new(now.seconds, zone)?;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            draft.take_pending();
            rest = draft.number(rest)?;
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            draft.word(&rest[..end].to_ascii_lowercase())?;
            rest = &rest[end..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    draft.take_pending();
    draft.take_weekday()?;
    if !draft.understood {
        return None;
    }
    let is_whole =
        draft.clock_given && draft.year.is_some() && draft.month.is_some() && draft.day.is_some();
    draft.move_back(0)?;
    Some(Read { seconds: draft.instant()?, is_whole })
}

struct Draft<'a> {
    zone: Zone<'a>,
    now_seconds: i64,
    now: civil::DateTime,
    year: Option<i16>,
    /// 1 to 12.
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    minute: i8,
    second: i8,
    /// Days since Sunday, of the day last settled on.
    weekday: i8,
    /// A number that nothing has used yet.
    pending: Option<i64>,
    /// A weekday without a number, which counts if nothing else names a day.
    named_weekday: Option<i64>,
    understood: bool,
    clock_given: bool,
}

impl<'a> Draft<'a> {
    fn new(now_seconds: i64, zone: Zone<'a>) -> Option<Self> {
        let now = wall(now_seconds, zone)?;
        Some(Self {
            zone,
            now_seconds,
            now,
            year: None,
            month: None,
            day: None,
            hour: now.hour(),
            minute: now.minute(),
            second: now.second(),
            weekday: now.weekday().to_sunday_zero_offset(),
            pending: None,
            named_weekday: None,
            understood: false,
            clock_given: false,
        })
    }

    /// Goes to the weekday that was named, if no day was.
    fn take_weekday(&mut self) -> Option<()> {
        match self.named_weekday.take() {
            Some(weekday) if (self.year, self.month, self.day) == (None, None, None) => {
                self.move_back((i64::from(self.weekday) - weekday).rem_euclid(7) * DAY)
            }
            _ => Some(()),
        }
    }

    /// Fills what is open from now and moves the whole back.
    fn move_back(&mut self, seconds: i64) -> Option<()> {
        self.day.get_or_insert(self.now.day());
        let month = *self.month.get_or_insert(self.now.month());
        let last_year = month > self.now.month();
        self.year.get_or_insert(self.now.year() - i16::from(last_year));
        let instant = self.instant()?.checked_sub(seconds)?;
        self.set(instant)
    }

    fn set(&mut self, seconds: i64) -> Option<()> {
        let wall = wall(seconds, self.zone)?;
        self.year = Some(wall.year());
        self.month = Some(wall.month());
        self.day = Some(wall.day());
        (self.hour, self.minute, self.second) = (wall.hour(), wall.minute(), wall.second());
        self.weekday = wall.weekday().to_sunday_zero_offset();
        Some(())
    }

    /// When the draft is, once all fields are filled. A day the month does not have is one of the
    /// next month.
    fn instant(&self) -> Option<i64> {
        let first = civil::Date::new(self.year?, self.month?, 1).ok()?;
        let days = first.since(civil::date(1970, 1, 1)).ok()?.get_days();
        let days = i64::from(days) + i64::from(self.day?) - 1;
        let clock = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60;
        Some(self.zone.instant(days * DAY + clock + i64::from(self.second)))
    }

    /// Gives a number that no word wanted to the first field it fits.
    fn take_pending(&mut self) {
        let Some(number @ 1..) = self.pending.take() else { return };
        let small = i8::try_from(number).unwrap_or(i8::MAX);
        let used = if self.day.is_none() && number < 32 {
            self.day = Some(small);
            true
        } else if self.month.is_none() && number < 13 {
            self.month = Some(small);
            true
        } else if self.year.is_none() {
            self.year = year_of(number);
            self.year.is_some()
        } else {
            false
        };
        self.understood |= used;
    }

    /// Sets the time of day to a full hour; the last one there was, if that is still to come.
    fn full_hour(&mut self, hour: i8) -> Option<()> {
        if self.named_weekday.is_some() {
            self.take_weekday()?;
        } else if self.hour < hour {
            self.move_back(DAY)?;
        }
        self.clock(hour, 0, 0);
        Some(())
    }

    fn clock(&mut self, hour: i8, minute: i8, second: i8) {
        (self.hour, self.minute, self.second) = (hour, minute, second);
        self.clock_given = true;
        self.understood = true;
    }

    fn half_day(&mut self, starts_at: i8) {
        if let Some(Ok(hour @ 1..=24)) = self.pending.take().map(i8::try_from) {
            self.clock(hour, 0, 0);
        }
        self.clock(self.hour % 12 + starts_at, self.minute, self.second);
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let begins = |name: &str, fewest: usize| word.len() >= fewest && name.starts_with(word);
        let known = self.understood;
        self.understood = true;
        if let Some(month) = MONTHS.iter().position(|name| begins(name, 3)) {
            self.month = i8::try_from(month + 1).ok();
            return Some(());
        }
        match word {
            "yesterday" => {
                self.pending = None;
                return self.move_back(DAY);
            }
            "noon" | "midnight" | "tea" => {
                self.take_pending();
                let hour = match word {
                    "noon" => 12,
                    "tea" => 17,
                    _ => 0,
                };
                return self.full_hour(hour);
            }
            "pm" => {
                self.half_day(12);
                return Some(());
            }
            "am" => {
                self.half_day(0);
                return Some(());
            }
            "never" => {
                self.pending = None;
                return self.set(0);
            }
            "now" => {
                self.pending = None;
                return self.move_back(0);
            }
            "today" => return Some(()),
            _ => {}
        }
        if self.pending.is_none() {
            if let Some(number) = NUMBERS.iter().position(|name| *name == word) {
                self.pending = Some(i64::try_from(number).ok()? + 1);
                return Some(());
            }
            if matches!(word, "last" | "a" | "an") {
                self.pending = Some(1);
                return Some(());
            }
        }
        let number = self.pending;
        if let (Some(number), Some((_, seconds))) =
            (number, UNITS.iter().find(|(name, _)| begins(name, name.len() - 1)))
        {
            self.pending = None;
            return self.move_back(seconds.checked_mul(number)?);
        }
        if let Some(weekday) = WEEKDAYS.iter().position(|name| begins(name, 3)) {
            let weekday = i64::try_from(weekday).ok()?;
            let Some(number) = self.pending.take() else {
                self.named_weekday = Some(weekday);
                return Some(());
            };
            let days = i64::from(self.weekday) - weekday;
            // `last friday` on a Friday is a week ago, on a Saturday it was yesterday.
            let weeks = if days <= 0 { number } else { number - 1 };
            return self.move_back(weeks.checked_mul(7)?.checked_add(days)?.checked_mul(DAY)?);
        }
        if let (Some(number), Some(months)) = (
            number,
            [("months", 1), ("years", 12)].iter().find(|(name, _)| begins(name, name.len() - 1)),
        ) {
            self.pending = None;
            return self.months_back(number.checked_mul(months.1)?);
        }
        self.understood = known;
        Some(())
    }

    /// Moves back by calendar months, the day of the month kept.
    fn months_back(&mut self, back: i64) -> Option<()> {
        self.move_back(0)?;
        let months = i64::from(self.year?) * 12 + i64::from(self.month?) - 1;
        let months = months.checked_sub(back)?;
        self.year = Some(i16::try_from(months.div_euclid(12)).ok()?);
        self.month = Some(i8::try_from(months.rem_euclid(12)).ok()? + 1);
        Some(())
    }

    /// Takes a number and what hangs together with it: `10:30:05`, `2026-01-02`. Gives the rest.
    fn number<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (digits, rest) = digits(text);
        let number: i64 = digits.parse().ok()?;
        if let Some(separator @ (':' | '-' | '/' | '.')) = rest.chars().next()
            && let Some((second, after)) = field(rest, separator)
        {
            let (third, after) = match field(after, separator) {
                Some((third, after)) => (Some(third), after),
                None => (None, after),
            };
            if separator == ':' {
                if self.clock_fields(number, second, third.unwrap_or(0)) {
                    return Some(after);
                }
            } else if self.date_fields([number, second, third.unwrap_or(-1)], separator) {
                return Some(after);
            }
        }
        // Noughts may pad a day or a month, never anything longer.
        if !digits.starts_with('0') || digits.len() <= 2 {
            self.pending = Some(number);
        }
        Some(rest)
    }

    fn clock_fields(&mut self, hour: i64, minute: i64, second: i64) -> bool {
        let fits = hour < 24 && minute < 60 && second <= 60;
        if let (true, Ok(hour), Ok(minute), Ok(second)) =
            (fits, i8::try_from(hour), i8::try_from(minute), i8::try_from(second))
        {
            self.clock(hour, minute, second);
        }
        fits
    }

    /// Finds the order of year, month and day. Americans put the month first except before dots;
    /// what would lie ahead is not meant, unless the year comes first.
    fn date_fields(&mut self, [a, b, c]: [i64; 3], separator: char) -> bool {
        let year_first =
            a > 70 && (self.date(a, b, c, Ahead::Allowed) || self.date(a, c, b, Ahead::Allowed));
        year_first
            || (separator != '.' && self.date(c, a, b, Ahead::Refused))
            || self.date(c, b, a, Ahead::Refused)
            || (separator == '.' && self.date(c, a, b, Ahead::Refused))
    }

    fn date(&mut self, year: i64, month: i64, day: i64, ahead: Ahead) -> bool {
        if !(1..13).contains(&month) || !(1..32).contains(&day) {
            return false;
        }
        let year = match year {
            -1 => Some(self.now.year()),
            0..=37 => i16::try_from(2000 + year).ok(),
            71..=99 => i16::try_from(1900 + year).ok(),
            1970..=2099 => i16::try_from(year).ok(),
            _ => None,
        };
        let (Some(year), Ok(month), Ok(day)) = (year, i8::try_from(month), i8::try_from(day))
        else {
            return false;
        };
        let before = (self.year, self.month, self.day);
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        let latest = self.now_seconds.saturating_add(10 * DAY);
        if ahead == Ahead::Refused && self.instant().is_none_or(|instant| instant > latest) {
            (self.year, self.month, self.day) = before;
            return false;
        }
        self.understood = true;
        true
    }
}

/// Whether a date more than ten days ahead may be meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Allowed,
    Refused,
}

/// The year a lone number means.
fn year_of(number: i64) -> Option<i16> {
    match number {
        1970..=2099 => i16::try_from(number).ok(),
        70..=99 => i16::try_from(1900 + number).ok(),
        1..=37 => i16::try_from(2000 + number).ok(),
        _ => None,
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The number after a separator, and what follows it.
fn field(text: &str, separator: char) -> Option<(i64, &str)> {
    let (number, rest) = digits(text.strip_prefix(separator)?);
    Some((number.parse().ok()?, rest))
}

/// What the wall clock shows.
fn wall(seconds: i64, zone: Zone<'_>) -> Option<civil::DateTime> {
    let timestamp = jiff::Timestamp::from_second(zone.wall(seconds)).ok()?;
    Some(timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

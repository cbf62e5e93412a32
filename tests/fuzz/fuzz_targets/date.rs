//! Dates, as people type them.
#![no_main]

use annals::clock::{SteppingClock, Time};
use annals::history::dates::parse_date;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let now = Time::from_seconds(1_763_630_000);
        let _ = parse_date(text, now, &SteppingClock::new(now, 1));
    }
});

//! Revisions, as people type them.
#![no_main]

use annals::history::revision::{parse, parse_word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse(bytes);
    let _ = parse_word(bytes);
});

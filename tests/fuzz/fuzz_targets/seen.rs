//! Seen files of sessions.
#![no_main]

use annals::store::Seen;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::value::<Seen>(bytes);
});

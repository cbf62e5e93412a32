//! Objects: tag.
#![no_main]

use annals::object::Tag;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Tag>(bytes);
});

//! Objects: list.
#![no_main]

use annals::object::List;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<List>(bytes);
});

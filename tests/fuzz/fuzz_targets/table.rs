//! Objects: table.
#![no_main]

use annals::object::Table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Table>(bytes);
});

//! Objects: tree.
#![no_main]

use annals::object::Node;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Node>(bytes);
});

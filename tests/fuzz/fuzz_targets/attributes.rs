//! Objects: attributes.
#![no_main]

use annals::object::Attributes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Attributes>(bytes);
});

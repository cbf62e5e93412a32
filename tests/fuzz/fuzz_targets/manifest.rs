//! Objects: manifest.
#![no_main]

use annals::object::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Manifest>(bytes);
});

//! Objects: commit.
#![no_main]

use annals::object::Commit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::object::<Commit>(bytes);
});

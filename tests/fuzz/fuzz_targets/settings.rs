//! Settings files.
#![no_main]

use annals::config::{Config, Level};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut config = Config::new();
        if config.add(Level::Repository, "file", text).is_ok() {
            let _ = config.list();
        }
        let _ = annals::config::set(text, "user.name", "x");
    }
});

//! Pathspecs: a path, then a pattern, apart by a line feed.
#![no_main]

use annals::path::{Pathspec, RepoPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let here = RepoPath::new(parts.next().unwrap_or_default()).unwrap_or_default();
    let path = RepoPath::new(parts.next().unwrap_or_default()).unwrap_or_default();
    let given = parts.next().unwrap_or_default().split(|byte| *byte == b'\n');
    if let Ok(pathspec) = Pathspec::parse(&here, given) {
        let _ = pathspec.plain_paths();
        // What is meant is never cut off by a directory that is said to hold nothing.
        if pathspec.matches(&path) {
            let mut directory = path;
            while let Some(above) = directory.split().map(|(above, _)| above) {
                assert!(pathspec.may_match_below(&above));
                directory = above;
            }
        }
    }
});

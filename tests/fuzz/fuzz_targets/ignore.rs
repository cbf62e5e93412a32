//! Ignore rules: a path, then the rules, apart by a line feed.
#![no_main]

use annals::path::RepoPath;
use annals::worktree::ignore::{Case, GitRules, Ignore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let path = RepoPath::new(parts.next().unwrap_or_default()).unwrap_or_default();
    let rules = parts.next().unwrap_or_default();
    for case in [Case::Sensitive, Case::Insensitive] {
        let ignore = Ignore::new(GitRules::Obey, case).with_rules(&RepoPath::root(), rules, drop);
        for is_directory in [false, true] {
            let _ = ignore.is_ignored(&path, is_directory);
        }
    }
});

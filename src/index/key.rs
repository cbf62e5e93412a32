//! Keys: the order of the index.
//!
//! All entries of one directory are neighbours, and directories follow each other as in a walk. A
//! key is the directory's path with `/` as the bytes 0 1, then 0 0, then the name; names have no
//! zero byte, so plain comparison of bytes gives that order, and everything in a directory, at any
//! depth, has keys that begin with its path and a zero byte.

use crate::path::RepoPath;

/// What the keys of all entries in `directory` begin with.
pub(super) fn prefix_of(directory: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(directory.len() + 40);
    for &byte in directory {
        match byte {
            b'/' => key.extend_from_slice(&[0, 1]),
            other => key.push(other),
        }
    }
    key.extend_from_slice(&[0, 0]);
    key
}

/// What the keys of everything below `directory` begin with.
pub(super) fn prefix_below(directory: &[u8]) -> Vec<u8> {
    let mut key = prefix_of(directory);
    if !directory.is_empty() {
        key.pop();
    } else {
        key.clear();
    }
    key
}

/// The key of a path; `None` for the root.
pub(super) fn key_of(path: &RepoPath) -> Option<Vec<u8>> {
    let (directory, name) = path.split()?;
    let mut key = prefix_of(directory.as_bytes());
    key.extend_from_slice(name);
    Some(key)
}

/// How long the directory's part of a key is, with the zero bytes that end it.
pub(super) fn prefix_length(key: &[u8]) -> Option<usize> {
    key.windows(2).position(|pair| pair == [0, 0]).map(|at| at + 2)
}

/// The first sequence of bytes after everything that begins with `prefix`; `None`: there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(path: &str) -> Vec<u8> {
        key_of(&RepoPath::new(path).unwrap()).unwrap()
    }

    #[test]
    fn entries_of_a_directory_are_neighbours_and_directories_follow_in_walk_order() {
        let paths = ["a", "a-b", "z", "a/a", "a/z", "a/b/c", "a/b/d/e", "a\u{1}/a", "a-b/a"];
        assert!(paths.iter().map(|path| key(path)).is_sorted());
        assert_eq!(prefix_length(&key("a/b/name")), Some(prefix_of(b"a/b").len()));
    }

    #[test]
    fn everything_below_a_directory_begins_alike() {
        for below in ["a/a", "a/b/c"] {
            assert!(key(below).starts_with(&prefix_below(b"a")));
            assert!(key(below).starts_with(&prefix_below(b"")));
        }
        for beside in ["a", "a-b/a", "ab/c"] {
            assert!(!key(beside).starts_with(&prefix_below(b"a")));
        }
    }
}

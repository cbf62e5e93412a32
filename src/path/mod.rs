//! Paths inside a repository, and which names may stand in one.
//!
//! A path is raw bytes. It can never leave the working tree: no part is empty, `.`, `..` or any
//! spelling of `.annals`, and none contains `/` or a zero byte. The same check guards the three
//! gates: objects that come in, `fsck`, and writing to the working tree.

mod pattern;

use std::cmp::Ordering;
use std::fmt;

use bstr::ByteSlice;
use thiserror::Error;

pub use pattern::{Pathspec, PatternError};

/// The longest name of one part of a path, in bytes.
pub const LONGEST_NAME: usize = 1024;
/// The most parts of a path.
pub const DEEPEST: usize = 4096;
/// The name of the directory that holds a repository's state.
pub const STATE: &[u8] = b".annals";

/// Why a name may not stand in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It has no bytes.
    #[error("a name is empty")]
    Empty,
    /// It is `.` or `..`.
    #[error("a name is '.' or '..'")]
    Dots,
    /// It contains `/` or a zero byte.
    #[error("a name contains '/' or a zero byte")]
    Separator,
    /// It is longer than [`LONGEST_NAME`].
    #[error("a name is longer than 1024 bytes")]
    Long,
    /// Some file system would take it for `.annals`.
    #[error("a name is a spelling of '.annals'")]
    State,
    /// The path has more than [`DEEPEST`] parts.
    #[error("a path has more than 4096 parts")]
    Deep,
}

/// How the names of files begin that are written beside those they replace; 8 digits follow.
pub const TEMPORARY: &[u8] = b".annals-new-";

/// Whether this is the name of a file that was being written when its writer died. Such a file is
/// nobody's: it is never recorded.
pub fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY)
        .is_some_and(|digits| digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Checks one part of a path.
pub fn check_name(name: &[u8]) -> Result<(), NameError> {
    match name {
        [] => return Err(NameError::Empty),
        b"." | b".." => return Err(NameError::Dots),
        _ => {}
    }
    if name.len() > LONGEST_NAME {
        return Err(NameError::Long);
    }
    if name.iter().any(|&byte| byte == b'/' || byte == 0) {
        return Err(NameError::Separator);
    }
    if is_state_name(name) {
        return Err(NameError::State);
    }
    Ok(())
}

/// Whether some file system takes `name` for `.annals`: in any case, with code points that HFS+
/// ignores, with trailing dots, spaces or a stream name (NTFS), or as a short name (`ANNALS~1`).
fn is_state_name(name: &[u8]) -> bool {
    // Cheap way out for almost every name: `.annals` and its short name begin alike.
    if !matches!(name[0], b'.' | b'a' | b'A' | 0x80..) {
        return false;
    }
    let mut plain = Vec::with_capacity(name.len());
    for (start, end, character) in name.char_indices() {
        let ignored = matches!(character, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}');
        if !ignored {
            plain.extend_from_slice(&name[start..end]);
        }
    }
    let plain = plain.split(|&byte| byte == b':').next().unwrap_or_default();
    let plain = plain.trim_end_with(|character| character == '.' || character == ' ');
    let short = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.eq_ignore_ascii_case(STATE)
        || (plain.len() > 7 && plain[..7].eq_ignore_ascii_case(b"annals~") && short(&plain[7..]))
}

/// A path inside the repository: raw bytes, `/` between parts, every part a legal name. The empty
/// path is the root.
///
/// Ordered as trees are walked: part by part, by bytes; so a sorted list of paths is also a walk.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// The root of the tree.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Checks and takes a path as it is written in trees and lists: no `/` at either end.
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, NameError> {
        let path = path.into();
        if !path.is_empty() {
            let mut parts = 0;
            for name in path.split(|&byte| byte == b'/') {
                check_name(name)?;
                parts += 1;
            }
            if parts > DEEPEST {
                return Err(NameError::Deep);
            }
        }
        Ok(Self(path))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of `name` in this directory. The caller has checked the name.
    pub fn join(&self, name: &[u8]) -> Self {
        debug_assert!(check_name(name).is_ok());
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }

    /// The path that `rest` leads to from this directory. The caller has checked all its names.
    pub fn join_path(&self, rest: &[u8]) -> Self {
        rest.split(|&byte| byte == b'/').fold(self.clone(), |path, name| path.join(name))
    }

    /// The directory this is in and its name there; `None` for the root.
    pub fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind_byte(b'/') {
            Some(slash) => Some((Self(self.0[..slash].to_vec()), &self.0[slash + 1..])),
            None => Some((Self::root(), &self.0)),
        }
    }

    /// Its last part; empty for the root.
    pub fn name(&self) -> &[u8] {
        match self.0.rfind_byte(b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// Its parts, from the root down.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
    }

    /// Whether this path is `directory` or lies in it.
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || (self.0.starts_with(&directory.0)
                && matches!(self.0.get(directory.0.len()), None | Some(b'/')))
    }
}

/// Where two byte strings differ first, as far as both go; `None` if one begins with the other.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    // Neighbours have most of their bytes in common: eight at a time are compared.
    let (a_words, _) = a.as_chunks::<8>();
    let (b_words, _) = b.as_chunks::<8>();
    let words = a_words.len().min(b_words.len());
    for (at, (a, b)) in a_words.iter().zip(b_words).enumerate() {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return Some(at * 8 + differing.trailing_zeros() as usize / 8);
        }
    }
    let rest = words * 8;
    (rest..a.len().min(b.len())).find(|&at| a[at] != b[at])
}

/// Orders paths as trees are walked: `/` sorts below every other byte.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    match first_difference(a, b) {
        None => a.len().cmp(&b.len()),
        Some(at) => {
            let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
            rank(a[at]).cmp(&rank(b[at]))
        }
    }
}

impl Ord for RepoPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for RepoPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoPath({:?})", self.0.as_bstr())
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.0))
    }
}

/// A path as it is shown to people: as it is, or in double quotes with C escapes if it contains
/// control characters, quotes, backslashes or bytes that are not UTF-8.
pub fn quoted(path: &[u8]) -> String {
    let plain = |character: char| !character.is_control() && !matches!(character, '"' | '\\');
    if let Ok(text) = std::str::from_utf8(path)
        && text.chars().all(plain)
    {
        return text.to_owned();
    }
    let mut shown = String::from("\"");
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => shown.push_str("\\\""),
                '\\' => shown.push_str("\\\\"),
                '\n' => shown.push_str("\\n"),
                '\t' => shown.push_str("\\t"),
                '\r' => shown.push_str("\\r"),
                control if control.is_control() => {
                    let mut bytes = [0; 4];
                    for byte in control.encode_utf8(&mut bytes).bytes() {
                        shown.push_str(&format!("\\{byte:03o}"));
                    }
                }
                other => shown.push(other),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\{byte:03o}"));
        }
    }
    shown.push('"');
    shown
}

/// The path that is shown so, if that is how [`quoted`] or git shows one in quotes.
pub fn unquoted(shown: &[u8]) -> Option<Vec<u8>> {
    let mut rest = shown.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut path = Vec::new();
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), left)
            }
            (b'\\', [letter, left @ ..]) => {
                let byte = match letter {
                    b'"' | b'\\' => *letter,
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 0x07,
                    b'b' => 0x08,
                    b'v' => 0x0b,
                    b'f' => 0x0c,
                    _ => return None,
                };
                (byte, left)
            }
            (b'\\' | b'"', _) => return None,
            (other, left) => (*other, left),
        };
        path.push(byte);
        rest = left;
    }
    Some(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_in_quotes_is_read_as_what_it_was() {
        for path in [&b"\xff"[..], b"a\"b\\c", b"\n\t\r\x01\x7f", "\u{fc}\u{85}\n".as_bytes()] {
            assert_eq!(unquoted(quoted(path).as_bytes()).unwrap(), path, "{}", quoted(path));
        }
        assert_eq!(unquoted(br#""\a\v\303\274""#).unwrap(), b"\x07\x0b\xc3\xbc");
        for not in [&br#"a"#[..], br#"""#, br#""a"b""#, br#""\""#, br#""\400""#, br#""\x""#] {
            assert_eq!(unquoted(not), None, "{}", not.escape_ascii());
        }
    }

    #[test]
    fn every_spelling_of_the_state_directory_is_refused() {
        for name in [
            ".annals",
            ".ANNALS",
            ".Annals",
            ".annals.",
            ".annals ",
            ".annals . ",
            ".annals::$DATA",
            ".annals:x",
            ".an\u{200c}nals",
            "\u{feff}.annals",
            "ANNALS~1",
            "annals~12",
        ] {
            assert_eq!(check_name(name.as_bytes()), Err(NameError::State), "{name:?}");
        }
        for name in [".annalsignore", "annals", ".annal", "annals~", "annals~x", "x.annals"] {
            assert_eq!(check_name(name.as_bytes()), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn no_path_leaves_the_tree() {
        for path in ["..", ".", "a/../b", "/a", "a/", "a//b", "a/./b", "a\0b"] {
            assert!(RepoPath::new(path).is_err(), "{path:?}");
        }
        assert!(RepoPath::new(vec![b'n'; LONGEST_NAME]).is_ok());
        assert_eq!(RepoPath::new(vec![b'n'; LONGEST_NAME + 1]), Err(NameError::Long));
        assert_eq!(RepoPath::new("a/".repeat(DEEPEST) + "a"), Err(NameError::Deep));
    }

    #[test]
    fn a_sorted_list_of_paths_is_a_walk() {
        let mut paths: Vec<RepoPath> = ["a-b", "a/b", "a", "a.c", "b"]
            .iter()
            .map(|path| RepoPath::new(*path).unwrap())
            .collect();
        paths.sort();
        let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a", "a/b", "a-b", "a.c", "b"]);
    }

    #[test]
    fn paths_of_any_length_are_ordered_by_their_first_difference() {
        let by_bytes = |a: &[u8], b: &[u8]| {
            let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
            a.iter().map(rank).cmp(b.iter().map(rank))
        };
        let long = b"drivers/net/ethernet/a.c";
        let mut all: Vec<Vec<u8>> = (0..=long.len()).map(|end| long[..end].to_vec()).collect();
        for at in 0..long.len() {
            for byte in [b'!', b'/', b'z', 0xff] {
                let mut other = long.to_vec();
                other[at] = byte;
                all.push(other);
            }
        }
        for a in &all {
            for b in &all {
                assert_eq!(compare(a, b), by_bytes(a, b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_directory_contains_its_files_and_not_its_namesakes() {
        let path = |text: &str| RepoPath::new(text).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(path("ab").is_within(&RepoPath::root()));
    }

    #[test]
    fn odd_names_are_shown_in_quotes() {
        assert_eq!(quoted("plain ü".as_bytes()), "plain ü");
        assert_eq!(quoted(b"a\nb\"c\xff"), "\"a\\nb\\\"c\\377\"");
    }
}

//! The grammar of sets of commits: one word of a command line. Nothing is looked up.
//!
//! ```text
//! word = "--not" | "--all" | "--branches"[=glob] | "--tags"[=glob] | "--remotes"[=glob]
//!      | [ "^" ] expression [ "^@" | "^!" | "^-"[n] ]
//!      | [ expression ] ( ".." | "..." ) [ expression ]
//! ```

use super::parse::{colon, parse_digits};
use super::{Expression, SyntaxError, parse};

/// A word of a set of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// What follows counts the other way round.
    Not,
    /// All refs and HEAD.
    All,
    /// The refs below a prefix, those that match a glob if there is one.
    Refs(&'static str, Option<String>),
    /// Commits; `true` if they are left out.
    Members(bool, Members),
}

/// Some commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// `A`: it and what it follows.
    One(Expression),
    /// `A..B`: what B has and A has not.
    Range(Expression, Expression),
    /// `A...B`: what only one of both has.
    Symmetric(Expression, Expression),
    /// `A^@`: its parents.
    Parents(Expression),
    /// `A^!`: it without its parents.
    Alone(Expression),
    /// `A^-n`: it without its nth parent.
    Without(Expression, usize),
}

/// Reads one word of a set of commits.
pub fn parse_word(text: &[u8]) -> Result<Word, SyntaxError> {
    match text {
        b"--not" => return Ok(Word::Not),
        b"--all" => return Ok(Word::All),
        _ => {}
    }
    for (option, prefix) in [
        (&b"--branches"[..], "refs/heads/"),
        (b"--tags", "refs/tags/"),
        (b"--remotes", "refs/remotes/"),
    ] {
        match text.strip_prefix(option) {
            Some([]) => return Ok(Word::Refs(prefix, None)),
            Some([b'=', glob @ ..]) => {
                let glob = std::str::from_utf8(glob).map_err(|_| SyntaxError::NotUtf8)?;
                return Ok(Word::Refs(prefix, Some(glob.to_owned())));
            }
            _ => {}
        }
    }
    if let Some((left, right, is_symmetric)) = split_range(text) {
        let side = |side: &[u8]| if side.is_empty() { parse(b"HEAD") } else { parse(side) };
        let (left, right) = (side(left)?, side(right)?);
        let members = match is_symmetric {
            true => Members::Symmetric(left, right),
            false => Members::Range(left, right),
        };
        return Ok(Word::Members(false, members));
    }
    let (is_left_out, text) = match text {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let members = match split_suffix(text)? {
        (text, None) => Members::One(parse(text)?),
        (text, Some(Suffix::Parents)) => Members::Parents(parse(text)?),
        (text, Some(Suffix::Alone)) => Members::Alone(parse(text)?),
        (text, Some(Suffix::Without(number))) => Members::Without(parse(text)?, number),
    };
    Ok(Word::Members(is_left_out, members))
}

/// Whether a word means a set of commits, and not one object.
pub fn is_set(text: &[u8]) -> bool {
    !matches!(parse_word(text), Err(_) | Ok(Word::Members(false, Members::One(_))))
}

enum Suffix {
    Parents,
    Alone,
    Without(usize),
}

fn split_suffix(text: &[u8]) -> Result<(&[u8], Option<Suffix>), SyntaxError> {
    if colon(text).is_some() {
        return Ok((text, None));
    }
    if let Some(text) = text.strip_suffix(b"^@") {
        return Ok((text, Some(Suffix::Parents)));
    }
    if let Some(text) = text.strip_suffix(b"^!") {
        return Ok((text, Some(Suffix::Alone)));
    }
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (text_before, number) = text.split_at(text.len() - digits);
    match (text_before.strip_suffix(b"^-"), parse_digits(number)?) {
        (Some(_), Some(0)) => Err(SyntaxError::Parent),
        (Some(text), number) => Ok((text, Some(Suffix::Without(number.unwrap_or(1))))),
        (None, _) => Ok((text, None)),
    }
}

/// The sides of a range, and whether it is `...`. Dots in braces, in a search or in a path are
/// none.
fn split_range(text: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    // `..` alone is the directory above.
    if text == b".." || text.starts_with(b":/") {
        return None;
    }
    let (mut depth, mut in_path) = (0usize, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => in_path = true,
            b'.' if depth == 0 && text[at + 1..].starts_with(b".") => {
                if in_path && matches!(text[at - 1], b':' | b'/') {
                    return None;
                }
                let (left, right) = (&text[..at], &text[at + 2..]);
                return match right {
                    [b'.', right @ ..] => Some((left, right, true)),
                    _ => Some((left, right, false)),
                };
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::revision::Base;

    fn name(text: &str) -> Expression {
        Expression { base: Base::Name(text.into()), steps: Vec::new(), path: None }
    }

    #[test]
    fn words_of_sets_are_told_apart() {
        let word = |text: &str| parse_word(text.as_bytes()).unwrap();
        let members = |members| Word::Members(false, members);
        let head = || name("HEAD");
        assert_eq!(word("a..b"), members(Members::Range(name("a"), name("b"))));
        assert_eq!(word("..b"), members(Members::Range(head(), name("b"))));
        assert_eq!(word("a..."), members(Members::Symmetric(name("a"), head())));
        assert_eq!(word("^a"), Word::Members(true, Members::One(name("a"))));
        assert_eq!(word("a^@"), members(Members::Parents(name("a"))));
        assert_eq!(word("^a^!"), Word::Members(true, Members::Alone(name("a"))));
        assert_eq!(word("a^-"), members(Members::Without(name("a"), 1)));
        assert_eq!(word("a^-2"), members(Members::Without(name("a"), 2)));
        assert_eq!(word("a-2"), members(Members::One(name("a-2"))));
        assert_eq!(word("--tags"), Word::Refs("refs/tags/", None));
        assert_eq!(word("--branches=x/*"), Word::Refs("refs/heads/", Some("x/*".into())));
        assert_eq!(word("--not"), Word::Not);
        for single in ["HEAD:../x", "HEAD:a/../x", ":/a..b", "a@{1..2}", ":a^!"] {
            assert!(matches!(word(single), Word::Members(false, Members::One(_))), "{single}");
        }
        assert_eq!(parse_word(b".."), Ok(members(Members::One(name("..")))));
        assert_eq!(parse_word(b"a^-0"), Err(SyntaxError::Parent));
    }
}

//! Names of refs: which are allowed, as `git check-ref-format` has it.
//!
//! Whether a ref of some name exists is not asked here.

use thiserror::Error;

/// Why a name is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{name}' is not a {what} name: {reason}")]
pub struct RefNameError {
    /// What was given.
    pub name: String,
    /// What it was to be the name of: a ref, a branch.
    pub what: &'static str,
    /// The rule it breaks.
    pub reason: Reason,
}

/// A rule of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// A full name has at least one `/`.
    #[error("it has no '/'")]
    OneLevel,
    /// A part between slashes is empty.
    #[error("it begins or ends with '/' or contains '//'")]
    EmptyPart,
    /// A part begins with a dot.
    #[error("a part of it begins with '.'")]
    LeadingDot,
    /// A part ends with `.lock`.
    #[error("a part of it ends with '.lock'")]
    Lock,
    /// It contains `..`.
    #[error("it contains '..'")]
    TwoDots,
    /// It ends with a dot.
    #[error("it ends with '.'")]
    TrailingDot,
    /// It contains `@{`.
    #[error("it contains '@{{'")]
    AtBrace,
    /// It is `@`.
    #[error("'@' means HEAD")]
    At,
    /// It contains a character that revisions or patterns use.
    #[error("it contains '{0}'")]
    Character(char),
    /// It contains a control character.
    #[error("it contains a control character")]
    Control,
    /// A branch may not look like an option.
    #[error("it begins with '-'")]
    Dash,
    /// A branch may not be called HEAD.
    #[error("'HEAD' is the name of where you are")]
    Head,
}

/// Checks a full name, `refs/heads/main`.
pub fn check(name: &str) -> Result<(), RefNameError> {
    let reason = match broken_rule(name) {
        None if !name.contains('/') => Some(Reason::OneLevel),
        rule => rule,
    };
    refuse(name, "ref", reason)
}

/// Checks the name of a branch, `main`, whose full name begins with `refs/heads/`.
pub fn check_branch(name: &str) -> Result<(), RefNameError> {
    check_short(name, "branch")
}

/// Checks the name of a tag, `v1`, whose full name begins with `refs/tags/`.
pub fn check_tag(name: &str) -> Result<(), RefNameError> {
    check_short(name, "tag")
}

fn check_short(name: &str, what: &'static str) -> Result<(), RefNameError> {
    let reason = match name {
        "HEAD" => Some(Reason::Head),
        _ if name.starts_with('-') => Some(Reason::Dash),
        _ => broken_rule(name),
    };
    refuse(name, what, reason)
}

fn refuse(name: &str, what: &'static str, reason: Option<Reason>) -> Result<(), RefNameError> {
    match reason {
        None => Ok(()),
        Some(reason) => Err(RefNameError { name: name.to_owned(), what, reason }),
    }
}

/// The first rule a name breaks, the number of its parts aside.
fn broken_rule(name: &str) -> Option<Reason> {
    if name.is_empty() {
        return Some(Reason::Empty);
    }
    if name == "@" {
        return Some(Reason::At);
    }
    for character in name.chars() {
        match character {
            '\0'..'\x20' | '\x7f' => return Some(Reason::Control),
            ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' => {
                return Some(Reason::Character(character));
            }
            _ => {}
        }
    }
    if name.contains("..") {
        return Some(Reason::TwoDots);
    }
    if name.contains("@{") {
        return Some(Reason::AtBrace);
    }
    for part in name.split('/') {
        if part.is_empty() {
            return Some(Reason::EmptyPart);
        }
        if part.starts_with('.') {
            return Some(Reason::LeadingDot);
        }
        if part.ends_with(".lock") {
            return Some(Reason::Lock);
        }
    }
    name.ends_with('.').then_some(Reason::TrailingDot)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::testing::{Git, Random};

    #[test]
    fn a_refusal_names_the_rule() {
        let error = check_branch("feature..x").unwrap_err();
        assert_eq!(error.to_string(), "'feature..x' is not a branch name: it contains '..'");
        assert_eq!(check_branch("-x").unwrap_err().reason, Reason::Dash);
        assert_eq!(check("main").unwrap_err().reason, Reason::OneLevel);
        assert!(check_branch("a b").unwrap_err().to_string().ends_with("it contains ' '"));
        assert!(check_branch("a@{b").unwrap_err().to_string().ends_with("it contains '@{'"));
    }

    #[test]
    fn names_are_allowed_exactly_where_git_allows_them() {
        let Some(git) = Git::new("ref names") else { return };
        let pieces = [
            "a",
            "B",
            "/",
            ".",
            "..",
            ".lock",
            "@",
            "{",
            "@{",
            "}",
            "-",
            " ",
            "~",
            "^",
            ":",
            "?",
            "*",
            "[",
            "]",
            "\\",
            "\x7f",
            "\t",
            "ü",
            "HEAD",
            "refs/heads",
            "lock",
            "x/y",
            "%",
            "\"",
        ];
        let mut random = Random(7);
        let mut names: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        for _ in 0..500 {
            let length = 1 + random.below(5);
            names.push((0..length).map(|_| pieces[random.below(pieces.len())]).collect());
        }
        for name in names {
            // git would take a leading dash for an option.
            if !name.starts_with('-') {
                let full = git.succeeds(&["check-ref-format", &name]);
                assert_eq!(check(&name).is_ok(), full, "ref {name:?}");
            }
            let full = git.succeeds(&["check-ref-format", &format!("refs/heads/{name}")]);
            let ours = check(&format!("refs/heads/{name}")).is_ok();
            assert_eq!(ours, full, "full {name:?}");
            let branch = git.succeeds(&["check-ref-format", "--branch", &name]);
            // git lets a branch be called '@', and then nobody can reach it by that name.
            assert_eq!(check_branch(&name).is_ok(), branch && name != "@", "branch {name:?}");
        }
    }
}

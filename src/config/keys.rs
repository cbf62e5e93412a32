//! Every key that is known: its form, its default and what it is for.

use crate::slip;

use super::Error;

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Form {
    /// Whether `value` is one of this form.
    pub(super) fn check(self, name: &str, value: &str) -> Result<(), Error> {
        let wanted = match self {
            Self::Text => return Ok(()),
            Self::Flag if parse_flag(value).is_some() => return Ok(()),
            Self::Flag => "true or false".to_owned(),
            Self::Number(least, most) => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => return Ok(()),
                _ => format!("a whole number from {least} to {most}"),
            },
            Self::Choice(words) if words.contains(&value) => return Ok(()),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        };
        Err(Error::Value { name: name.to_owned(), value: value.to_owned(), wanted })
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name; `*` stands for any name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// What holds if it is not set.
    pub default: Option<&'static str>,
    /// What it is for, in one sentence.
    pub help: &'static str,
}

const fn entry(
    name: &'static str,
    form: Form,
    default: Option<&'static str>,
    help: &'static str,
) -> Key {
    Key { name, form, default, help }
}

/// All of them, sorted by name.
pub const KEYS: &[Key] = &[
    entry("alias.*", Form::Text, None, "A command of your own: the words it stands for."),
    entry("branch.*.merge", Form::Text, None, "The branch over there that this one follows."),
    entry("branch.*.remote", Form::Text, None, "The remote that this branch follows."),
    entry(
        "color.ui",
        Form::Choice(&["auto", "always", "never"]),
        Some("auto"),
        "Whether output is coloured; auto: on a terminal.",
    ),
    entry(
        "core.editor",
        Form::Text,
        None,
        "What a message is written in, instead of $VISUAL or $EDITOR.",
    ),
    entry(
        "core.pager",
        Form::Text,
        None,
        "What shows long output on a terminal, instead of $PAGER or less.",
    ),
    entry(
        "core.quotepath",
        Form::Flag,
        Some("false"),
        "Whether names that are not ASCII are shown in quotes with escapes.",
    ),
    entry(
        "diff.renames",
        Form::Choice(&["true", "false", "copies"]),
        Some("true"),
        "Whether renames are looked for where changes are shown; copies: copies too.",
    ),
    entry("init.default-branch", Form::Text, Some("main"), "The branch of a new repository."),
    entry(
        "log.date",
        Form::Choice(&["default", "iso", "iso-strict", "rfc", "short", "relative", "unix", "raw"]),
        Some("default"),
        "How dates are shown.",
    ),
    entry(
        "merge-driver.*.command",
        Form::Text,
        None,
        "A program that merges these files: %O, %A, %B are base, ours, theirs; the result is in %A.",
    ),
    entry(
        "merge-driver.*.patterns",
        Form::Text,
        None,
        "The files it is for; text, binary and union are drivers that need no command.",
    ),
    entry(
        "merge.conflictstyle",
        Form::Choice(&["merge", "diff3"]),
        Some("merge"),
        "What conflicts in texts show; diff3: the base too.",
    ),
    entry(
        "pack.compression",
        Form::Number(1, 19),
        Some("2"),
        "How hard what is recorded is compressed: a level of zstd's. More is slower and smaller.",
    ),
    entry("record.gitignore", Form::Flag, Some("false"), "Whether .gitignore files are obeyed."),
    entry(
        "record.nested",
        Form::Choice(&["error", "skip", "data"]),
        Some("error"),
        "What commit does with an Annals repository within this one.",
    ),
    entry(
        "record.times",
        Form::Choice(&["changed", "always"]),
        Some("changed"),
        "Whether a new modification time alone is recorded.",
    ),
    entry("user.email", Form::Text, None, "Your e-mail address in commits."),
    entry("user.name", Form::Text, None, "Your name in commits."),
];

/// The key of this name; of several, the first that fits.
pub fn key(name: &str) -> Option<&'static Key> {
    let parts = split(name).ok()?;
    KEYS.iter().find(|key| {
        let pattern: Vec<&str> = key.name.split('.').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(pattern, part)| *pattern == "*" || pattern == part)
    })
}

/// The name that may have been meant by one that nobody knows; what is the user's own in it stays.
pub fn similar(name: &str) -> Option<String> {
    let parts = split(name).ok()?;
    let near = KEYS.iter().filter_map(|key| {
        let pattern: Vec<&str> = key.name.split('.').collect();
        let (mut asked, mut meant) = (Vec::new(), pattern.clone());
        for (at, part) in parts.iter().enumerate() {
            if pattern.len() == parts.len() && pattern[at] == "*" {
                asked.push("*".to_owned());
                meant[at] = part;
            } else {
                // Elsewhere they may be written with capitals.
                asked.push(part.to_lowercase());
            }
        }
        Some((slip::near(&asked.join("."), key.name)?, meant.join(".")))
    });
    near.min().map(|(_, name)| name)
}

/// The parts of a name: section, perhaps a subsection that may contain dots, and key.
pub(super) fn split(name: &str) -> Result<Vec<&str>, Error> {
    let wrong = || Error::Name(name.to_owned());
    let (section, rest) = name.split_once('.').ok_or_else(wrong)?;
    let parts = match rest.rsplit_once('.') {
        Some((subsection, key)) => vec![section, subsection, key],
        None => vec![section, rest],
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(wrong());
    }
    Ok(parts)
}

/// What people write for on and off.
pub(super) fn parse_flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" | "" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_default_fits_its_key() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in KEYS {
            key.form.check(key.name, key.default.unwrap_or_default()).ok().or_else(|| {
                assert_eq!(key.default, None, "{}", key.name);
                Some(())
            });
        }
    }

    #[test]
    fn a_star_stands_for_one_name_with_whatever_dots() {
        assert_eq!(key("branch.a.b.remote").unwrap().name, "branch.*.remote");
        assert_eq!(key("alias.st").unwrap().name, "alias.*");
        assert!(key("user.nick").is_none());
    }

    #[test]
    fn a_slip_in_a_name_is_told_from_what_is_the_users_own_in_it() {
        assert_eq!(similar("user.nmae").unwrap(), "user.name");
        assert_eq!(similar("core.quotePath").unwrap(), "core.quotepath");
        assert_eq!(similar("init.defaultBranch").unwrap(), "init.default-branch");
        assert_eq!(similar("alas.St").unwrap(), "alias.St");
        assert_eq!(similar("branch.My.Own.remte").unwrap(), "branch.My.Own.remote");
        assert_eq!(similar("gc.reflogexpire"), None);
        assert_eq!(similar("name"), None);
    }
}

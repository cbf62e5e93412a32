//! Commits as they are shown: git's formats and their placeholders.

use std::collections::BTreeMap;

use annals::clock::Time;
use annals::git::{encoding, readable};
use annals::hash::Id;
use annals::history::dates::{DateStyle, Shown};
use annals::object::{Commit, Signature};
use annals::ops::log::Decoration;
use bstr::ByteSlice;

use crate::context::Context;
use crate::output::color_codes;
use crate::report::Error;

/// How commits are shown.
pub(crate) struct Pretty<'c> {
    form: Form,
    date: (DateStyle, Shown),
    context: &'c Context,
    names: BTreeMap<Id, Vec<Decoration>>,
    now: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Oneline,
    Short,
    Medium,
    Full,
    Fuller,
    Pattern(String, Ending),
}

/// Where line feeds stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// After each commit.
    After,
    /// Only between two.
    Between,
}

impl<'c> Pretty<'c> {
    /// Reads what `--format` and `--date` say.
    pub(crate) fn new(
        context: &'c Context,
        format: Option<&str>,
        date: Option<&str>,
        names: BTreeMap<Id, Vec<Decoration>>,
    ) -> Result<Self, Error> {
        let form = match format.unwrap_or("medium") {
            "oneline" => Form::Oneline,
            "short" => Form::Short,
            "medium" => Form::Medium,
            "full" => Form::Full,
            "fuller" => Form::Fuller,
            text => match (text.strip_prefix("format:"), text.strip_prefix("tformat:")) {
                (Some(pattern), _) => Form::Pattern(pattern.to_owned(), Ending::Between),
                (_, Some(pattern)) => Form::Pattern(pattern.to_owned(), Ending::After),
                _ if text.contains('%') => Form::Pattern(text.to_owned(), Ending::After),
                _ => return Err(Error::usage(format!("'{text}' is not a format"))),
            },
        };
        let style = match date {
            Some(style) => style.to_owned(),
            None => context.config()?.choice("log.date")?,
        };
        let date = DateStyle::parse(&style)
            .ok_or_else(|| Error::usage(format!("'{style}' is not a way to show dates")))?;
        Ok(Self { form, date, context, names, now: context.env().clock.now() })
    }

    /// Whether an empty line stands between commits, and before what is told of their files.
    pub(crate) fn has_paragraphs(&self) -> bool {
        !matches!(self.form, Form::Oneline | Form::Pattern(..))
    }

    /// What stands between two commits.
    pub(crate) fn separator(&self) -> &'static [u8] {
        match self.form {
            Form::Oneline | Form::Pattern(_, Ending::After) => b"",
            _ => b"\n",
        }
    }

    /// The commit as it is shown.
    pub(crate) fn show(&self, id: &Id, commit: &Commit) -> Vec<u8> {
        let commit = &*readable(commit);
        let mut text = Vec::new();
        match &self.form {
            Form::Oneline => {
                let shown = self.context.output().color.yellow(&id.short(8));
                let (decoration, subject) = (self.decoration(id), commit.subject());
                text = [shown.as_bytes(), decoration.as_bytes(), b" ", subject, b"\n"].concat();
            }
            Form::Pattern(pattern, ending) => {
                self.expand(pattern, id, commit, &mut text);
                if *ending == Ending::After {
                    text.push(b'\n');
                }
            }
            form => self.paragraphs(form, id, commit, &mut text),
        }
        self.context.output().readable(text)
    }

    fn paragraphs(&self, form: &Form, id: &Id, commit: &Commit, text: &mut Vec<u8>) {
        let color = self.context.output().color;
        let head = color.yellow(&format!("commit {id}"));
        text.extend(format!("{head}{}\n", self.decoration(id)).bytes());
        if commit.parents.len() > 1 {
            let parents: Vec<String> = commit.parents.iter().map(|id| id.short(8)).collect();
            text.extend(format!("Merge: {}\n", parents.join(" ")).bytes());
        }
        let mut line = |title: &str, value: &[u8]| {
            text.extend(title.bytes());
            text.extend(value);
            text.push(b'\n');
        };
        let (author, committer) = (&commit.author, &commit.committer);
        match form {
            Form::Short => line("Author: ", &who(author)),
            Form::Full => {
                line("Author: ", &who(author));
                line("Commit: ", &who(committer));
            }
            Form::Fuller => {
                line("Author:     ", &who(author));
                line("AuthorDate: ", self.date(author).as_bytes());
                line("Commit:     ", &who(committer));
                line("CommitDate: ", self.date(committer).as_bytes());
            }
            _ => {
                line("Author: ", &who(author));
                line("Date:   ", self.date(author).as_bytes());
            }
        }
        text.push(b'\n');
        let message = match form {
            Form::Short => commit.subject(),
            _ => commit.message.trim_end(),
        };
        for line in message.lines() {
            text.extend(b"    ");
            text.extend(line);
            text.push(b'\n');
        }
    }

    pub(crate) fn date(&self, signature: &Signature) -> String {
        self.date_in(signature, &self.date.0, self.date.1)
    }

    fn date_in(&self, signature: &Signature, style: &DateStyle, shown: Shown) -> String {
        let time = Time::from_seconds(signature.seconds);
        let zone = match shown {
            Shown::AsRecorded => signature.zone_minutes,
            Shown::Local => self.context.env().clock.zone_minutes(time),
        };
        style.format(time, zone, self.now)
    }

    /// ` (HEAD -> main, tag: v1)`, or nothing.
    fn decoration(&self, id: &Id) -> String {
        if !self.names.contains_key(id) {
            return String::new();
        }
        let color = self.context.output().color;
        match self.decorated(id, true) {
            names if names.is_empty() => String::new(),
            names => format!(" {}{names}{}", color.yellow("("), color.yellow(")")),
        }
    }

    fn decorated(&self, id: &Id, in_color: bool) -> String {
        let color = self.context.output().color;
        let paint = |text: &str, paint: fn(crate::output::Color, &str) -> String| {
            if in_color { paint(color, text) } else { text.to_owned() }
        };
        let names = self.names.get(id).into_iter().flatten();
        let shown: Vec<String> = names
            .map(|name| match name {
                Decoration::Head(None) => paint("HEAD", crate::output::Color::cyan),
                Decoration::Head(Some(branch)) => {
                    let arrow = paint("HEAD ->", crate::output::Color::cyan);
                    format!("{arrow} {}", paint(branch, crate::output::Color::green))
                }
                Decoration::Tag(name) => {
                    paint(&format!("tag: {name}"), crate::output::Color::yellow)
                }
                Decoration::Branch(name) => paint(name, crate::output::Color::green),
                Decoration::Other(name) => paint(name, crate::output::Color::red),
            })
            .collect();
        shown.join(", ")
    }

    /// Replaces the placeholders of a pattern; what is none stays as it is.
    fn expand(&self, pattern: &str, id: &Id, commit: &Commit, text: &mut Vec<u8>) {
        let (mut rest, mut paints) = (pattern, false);
        while let Some(at) = rest.find('%') {
            text.extend(rest[..at].bytes());
            rest = &rest[at + 1..];
            // `%+x` and `% x` put something before what is not empty, `%-x` takes line feeds away.
            let magic = rest.chars().next().filter(|c| matches!(c, '+' | '-' | ' '));
            let placeholder = &rest[magic.map_or(0, char::len_utf8)..];
            let mut value = Vec::new();
            match self.placeholder(placeholder, id, commit, &mut paints, &mut value) {
                Some(length) => {
                    match magic {
                        Some('+') if !value.is_empty() => text.push(b'\n'),
                        Some(' ') if !value.is_empty() => text.push(b' '),
                        Some('-') if value.is_empty() => {
                            text.truncate(text.trim_end_with(|c| c == '\n').len());
                        }
                        _ => {}
                    }
                    text.extend(value);
                    rest = &placeholder[length..];
                }
                None => text.push(b'%'),
            }
        }
        text.extend(rest.bytes());
    }

    /// Writes the value of the placeholder that `rest` begins with; its length, if it is one.
    /// `paints` is whether ids and names of commits are coloured, from `%C(auto)` on.
    fn placeholder(
        &self,
        rest: &str,
        id: &Id,
        commit: &Commit,
        paints: &mut bool,
        text: &mut Vec<u8>,
    ) -> Option<usize> {
        if let Some(digits) = rest.strip_prefix('x') {
            let byte = u8::from_str_radix(digits.get(..2)?, 16).ok()?;
            text.push(byte);
            return Some(3);
        }
        if let Some(length) = self.paint(rest, paints, text) {
            return Some(length);
        }
        let ids = |short: bool| -> Vec<u8> {
            let shown = |id: &Id| if short { id.short(8) } else { id.to_string() };
            let all: Vec<String> = commit.parents.iter().map(shown).collect();
            all.join(" ").into_bytes()
        };
        let own = |id: String| -> Vec<u8> {
            if *paints { self.context.output().color.yellow(&id).into() } else { id.into() }
        };
        let value: Vec<u8> = match rest.get(..1)? {
            "H" => own(id.to_string()),
            "h" => own(id.short(8)),
            "T" => commit.tree.to_string().into(),
            "t" => commit.tree.short(8).into(),
            "P" => ids(false),
            "p" => ids(true),
            "s" => commit.subject().to_vec(),
            "f" => slug(commit.subject()),
            "b" => body(&commit.message).to_vec(),
            "B" => commit.message.clone(),
            "d" => match self.decorated(id, *paints) {
                names if names.is_empty() => Vec::new(),
                names => format!(" ({names})").into(),
            },
            "D" => self.decorated(id, *paints).into(),
            "e" => encoding(commit).unwrap_or_default().to_vec(),
            "n" => b"\n".to_vec(),
            "%" => b"%".to_vec(),
            "a" => return self.person(&commit.author, rest.get(1..2)?, text),
            "c" => return self.person(&commit.committer, rest.get(1..2)?, text),
            _ => return None,
        };
        text.extend(value);
        Some(1)
    }

    fn person(&self, signature: &Signature, letter: &str, text: &mut Vec<u8>) -> Option<usize> {
        let date =
            |style: DateStyle| self.date_in(signature, &style, Shown::AsRecorded).into_bytes();
        // Names and addresses are what they are: nobody is known by another.
        text.extend(match letter {
            "n" | "N" => signature.name.clone(),
            "e" | "E" => signature.email.clone(),
            "l" | "L" => signature.email.split(|&b| b == b'@').next().unwrap_or_default().to_vec(),
            "d" => self.date(signature).into_bytes(),
            "D" => date(DateStyle::Rfc),
            "i" => date(DateStyle::Iso),
            "I" => date(DateStyle::IsoStrict),
            "t" => date(DateStyle::Unix),
            "r" => date(DateStyle::Relative),
            "s" => date(DateStyle::Short),
            _ => return None,
        });
        Some(2)
    }

    /// `%Cred`, `%C(bold yellow)`, `%Creset` and the like; what is no colour stays as it is.
    fn paint(&self, rest: &str, paints: &mut bool, text: &mut Vec<u8>) -> Option<usize> {
        let rest = rest.strip_prefix('C')?;
        let (words, length) = match rest.strip_prefix('(') {
            Some(words) => words.find(')').map(|end| (&words[..end], end + 3))?,
            None => ["red", "green", "blue", "reset"]
                .into_iter()
                .find(|known| rest.starts_with(known))
                .map(|known| (known, known.len() + 1))?,
        };
        if words == "auto" {
            *paints = true;
            return Some(length);
        }
        let (words, always) = match words.strip_prefix("always,") {
            Some(words) => (words, true),
            None => (words.strip_prefix("auto,").unwrap_or(words), false),
        };
        let codes = color_codes(words)?;
        *paints = false;
        if always || self.context.output().color.is_on() {
            text.extend(format!("\x1b[{codes}m").bytes());
        }
        Some(length)
    }
}

pub(crate) fn who(signature: &Signature) -> Vec<u8> {
    [&signature.name[..], b" <", &signature.email, b">"].concat()
}

/// What follows the first paragraph.
fn body(message: &[u8]) -> &[u8] {
    let message = message.trim_start();
    match message.find(b"\n\n") {
        Some(end) => message[end..].trim_start_with(|c| c == '\n'),
        None => b"",
    }
}

/// A subject as it may stand in a file's name.
fn slug(subject: &[u8]) -> Vec<u8> {
    let mut slug = Vec::new();
    for &byte in subject {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
            slug.push(byte);
        } else if slug.last().is_some_and(|&last| last != b'-') {
            slug.push(b'-');
        }
    }
    slug.trim_end_with(|c| matches!(c, '-' | '.')).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_begins_after_the_first_paragraph() {
        assert_eq!(body(b"subject\n\nbody\nmore\n"), b"body\nmore\n");
        assert_eq!(body(b"subject\n"), b"");
    }

    #[test]
    fn a_subject_becomes_a_name() {
        assert_eq!(slug(b"Fix: a/b (again)."), b"Fix-a-b-again");
    }
}

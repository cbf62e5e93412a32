//! Findings: what a check has to say, for people and for programs.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::hash::{Id, Kind};
use crate::path::RepoPath;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong, or it has been put right: derived data, garbage.
    Notice,
    /// Something was lost before and is known.
    Warning,
    /// Something is damaged or missing.
    Error,
}

/// What a finding speaks of; its [`Damage::bit`] is part of the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Damage {
    /// An object is wrong, or says something wrong of another.
    Object,
    /// Something that can be reached is not there.
    Missing,
    /// A pack file is wrong or not there.
    Pack,
    /// The journal, a ref or the `format` file is wrong.
    Journal,
    /// Derived data was wrong and is made anew.
    Derived,
    /// None: there is only something to know.
    None,
}

impl Damage {
    /// Its bit in the exit code.
    pub fn bit(self) -> u8 {
        match self {
            Self::Object => 1,
            Self::Missing => 2,
            Self::Pack => 4,
            Self::Journal => 8,
            Self::Derived => 16,
            Self::None => 0,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that does not change, for programs.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub damage: Damage,
    /// What it says, without what the fields below say.
    pub text: String,
    /// The file of the store, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The kind of the object, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub kind: Option<Kind>,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub object: Option<Id>,
    /// A commit or ref by which it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// A path by which it is reached there.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_path")]
    pub path: Option<RepoPath>,
}

impl Finding {
    /// An error.
    pub fn error(id: &'static str, damage: Damage, text: impl Into<String>) -> Self {
        Self {
            id,
            severity: Severity::Error,
            damage,
            text: text.into(),
            file: None,
            kind: None,
            object: None,
            root: None,
            path: None,
        }
    }

    /// Something to know. Of derived data it counts in the exit code all the same.
    pub fn notice(id: &'static str, damage: Damage, text: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::error(id, damage, text) }
    }

    /// A loss that was known before.
    pub fn warning(id: &'static str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, Damage::None, text) }
    }

    /// About this file of the store.
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// About this object.
    pub fn of(mut self, kind: Kind, id: &Id) -> Self {
        (self.kind, self.object) = (Some(kind), Some(*id));
        self
    }

    /// Reached so.
    pub fn reached(mut self, root: Option<String>, path: Option<RepoPath>) -> Self {
        (self.root, self.path) = (root, path);
        self
    }
}

impl fmt::Display for Finding {
    /// All of it in one line: what it is about, then what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut about = Vec::new();
        if let (Some(kind), Some(id)) = (self.kind, &self.object) {
            about.push(format!("{kind} {id}"));
        }
        if let Some(file) = &self.file {
            about.push(format!("'{file}'"));
        }
        if let Some(root) = &self.root {
            match &self.path {
                Some(path) => about.push(format!("{root}:{path}")),
                None => about.push(root.clone()),
            }
        }
        if !about.is_empty() {
            write!(f, "{}: ", about.join(", "))?;
        }
        f.write_str(&self.text)
    }
}

fn as_text<T: ToString, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(to)
}

fn as_path<S: Serializer>(path: &Option<RepoPath>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Raw {
        bytes: String,
    }
    let Some(path) = path else { return to.serialize_none() };
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => to.serialize_str(text),
        Err(_) => Raw { bytes: crate::hash::hex(path.as_bytes()) }.serialize(to),
    }
}

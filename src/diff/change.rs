//! One path that differs between two trees.

use crate::object::{Entry, What};
use crate::path::RepoPath;

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is only in the new tree.
    Added,
    /// It is only in the old tree.
    Deleted,
    /// Its content, mode or attributes differ.
    Modified,
    /// It is another kind of thing: a file became a symbolic link, say.
    TypeChanged,
}

impl Status {
    /// The letter git shows for it.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Deleted => 'D',
            Self::Modified => 'M',
            Self::TypeChanged => 'T',
        }
    }
}

/// A path that differs. At least one side is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: RepoPath,
    /// What was there.
    pub old: Option<Entry>,
    /// What is there.
    pub new: Option<Entry>,
}

impl Change {
    /// How it differs.
    pub fn status(&self) -> Status {
        match (&self.old, &self.new) {
            (None, _) => Status::Added,
            (_, None) => Status::Deleted,
            (Some(old), Some(new)) if is_same_type(&old.what, &new.what) => Status::Modified,
            _ => Status::TypeChanged,
        }
    }

    /// Whether what it holds differs, and not only its mode or attributes.
    pub fn is_of_content(&self) -> bool {
        let what = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.what.clone());
        what(&self.old) != what(&self.new)
    }
}

/// A conflict is a file that nobody has decided on, not a thing of another kind.
fn is_same_type(a: &What, b: &What) -> bool {
    let is_file = |what: &What| matches!(what, What::File { .. } | What::Conflict { .. });
    is_file(a) && is_file(b) || std::mem::discriminant(a) == std::mem::discriminant(b)
}

//! Versions of a path: most are as some tree has them, and only looked at.
//!
//! A merge has three versions of everything somebody changed, and nearly all of them end where they
//! began. So they are borrowed from the changes, and owned only where something new was made.

use std::ops::Deref;

use crate::object::Entry;

/// One version of what stands under a name.
#[derive(Clone, Debug)]
pub(super) enum Version<'c> {
    /// As a tree has it.
    Known(&'c Entry),
    /// Made by this merge.
    Made(Box<Entry>),
}

impl Deref for Version<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match self {
            Self::Known(entry) => entry,
            Self::Made(entry) => entry,
        }
    }
}

impl From<Entry> for Version<'_> {
    fn from(entry: Entry) -> Self {
        Self::Made(Box::new(entry))
    }
}

impl Version<'_> {
    /// The same under this name.
    pub(super) fn named(self, name: &[u8]) -> Self {
        if self.name == name {
            return self;
        }
        Entry { name: name.to_vec(), ..self.into_entry() }.into()
    }

    /// The entry itself.
    pub(super) fn into_entry(self) -> Entry {
        match self {
            Self::Known(entry) => entry.clone(),
            Self::Made(entry) => *entry,
        }
    }
}

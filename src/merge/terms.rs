//! Conflicts as data: a path with all its versions.
//!
//! An entry counts as terms: one that adds, or what a conflict adds and removes. Merging adds the
//! terms of both sides and takes away those of the base; equal terms cancel. What is left is sorted
//! and names no side, so it is the same whoever merges; and if one term is left, nothing is in
//! doubt any more. So merging a conflict with its own resolution gives the resolution.

use crate::clock::Time;
use crate::object::{Entry, Term, What};

/// What a merge of terms gives.
pub(super) enum Settled {
    /// Nothing is there.
    Absent,
    /// One version is left.
    Entry(Entry),
    /// Several are.
    Conflict(Entry),
}

/// Merges what stands under one name. `name` and times are the caller's to set right.
pub(super) fn merge(base: Option<&Entry>, ours: Option<&Entry>, theirs: Option<&Entry>) -> Settled {
    let (mut adds, mut removes) = (Vec::new(), Vec::new());
    for (entry, is_side) in [(base, false), (ours, true), (theirs, true)] {
        let (mut plus, mut minus) = terms(entry);
        if !is_side {
            std::mem::swap(&mut plus, &mut minus);
        }
        adds.append(&mut plus);
        removes.append(&mut minus);
    }
    removes.retain(|term| match adds.iter().position(|add| add == term) {
        Some(at) => {
            adds.swap_remove(at);
            false
        }
        None => true,
    });
    adds.sort();
    removes.sort();
    let newest = [ours, theirs].into_iter().flatten().filter_map(|entry| entry.mtime).max();
    match (adds.pop(), adds.is_empty()) {
        (None, _) => Settled::Absent,
        (Some(term), true) => match entry_of(term, newest) {
            Some(entry) => Settled::Entry(entry),
            None => Settled::Absent,
        },
        (Some(term), false) => {
            adds.push(term);
            let what = What::Conflict { removes, adds };
            let entry = Entry { name: Vec::new(), mode: 0, mtime: None, attributes: None, what };
            Settled::Conflict(entry)
        }
    }
}

/// What an entry adds and removes.
fn terms(entry: Option<&Entry>) -> (Vec<Term>, Vec<Term>) {
    let Some(Entry { mode, attributes, what, .. }) = entry else {
        return (vec![Term::Absent], Vec::new());
    };
    let (mode, attributes) = (*mode, *attributes);
    let term = match what.clone() {
        What::File { size, content } => Term::File { mode, size, content, attributes },
        What::Symlink { size, target } => Term::Symlink { size, target, attributes },
        What::Directory { files, bytes, tree } => {
            Term::Directory { mode, files, bytes, tree, attributes }
        }
        What::Special => match attributes {
            Some(attributes) => Term::Special { mode, attributes },
            // A tree with such an entry does not validate.
            None => Term::Absent,
        },
        What::Gitlink { commit } => Term::Gitlink { commit },
        What::Conflict { removes, adds } => return (adds, removes),
    };
    (vec![term], Vec::new())
}

/// A version by itself, without its name and time; `None` if it is that nothing is there.
pub(super) fn version(term: &Term) -> Option<Entry> {
    entry_of(term.clone(), None)
}

fn entry_of(term: Term, mtime: Option<Time>) -> Option<Entry> {
    let name = Vec::new();
    Some(match term {
        Term::File { mode, size, content, attributes } => {
            Entry { name, mode, mtime, attributes, what: What::File { size, content } }
        }
        Term::Symlink { size, target, attributes } => {
            Entry { name, mode: 0, mtime, attributes, what: What::Symlink { size, target } }
        }
        Term::Directory { mode, files, bytes, tree, attributes } => {
            let what = What::Directory { files, bytes, tree };
            Entry { name, mode, mtime, attributes, what }
        }
        Term::Special { mode, attributes } => {
            Entry { name, mode, mtime, attributes: Some(attributes), what: What::Special }
        }
        Term::Absent => return None,
        Term::Gitlink { commit } => {
            Entry { name, mode: 0, mtime, attributes: None, what: What::Gitlink { commit } }
        }
    })
}

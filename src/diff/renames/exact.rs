//! Pairing files of equal contents.
//!
//! Contents are equal if their ids are, so nothing is read. However many files are alike (a
//! thousand empty ones, say), each is looked at once.

use std::collections::HashMap;

use crate::hash::IdMap;
use crate::object::What;

use super::{WHOLE, Work};

/// Old files of one content, in order; by name too once there are several.
#[derive(Default)]
struct Group<'c> {
    files: Places,
    by_name: HashMap<&'c [u8], Places>,
}

/// Places in the list of old files; none before `next` is left to be paired.
#[derive(Default)]
struct Places {
    all: Vec<usize>,
    next: usize,
}

impl Places {
    /// The first that is gone and has not been paired: what is still there is a copy's origin and
    /// nothing else.
    fn unused(&mut self, work: &Work<'_>) -> Option<usize> {
        while let Some(&old) = self.all.get(self.next) {
            if work.old[old].is_gone && work.old[old].uses == 0 {
                return Some(old);
            }
            self.next += 1;
        }
        None
    }
}

/// What has to be equal. Other permissions are no other file, another kind of thing is.
#[derive(PartialEq, Eq, Hash)]
enum Key<'c> {
    Link(&'c [u8], u16),
    Gitlink(&'c [u8]),
}

fn key<'c>(what: &'c What, mode: u16) -> Option<Key<'c>> {
    match what {
        What::Symlink { target, .. } => Some(Key::Link(target.as_bytes(), mode)),
        What::Gitlink { commit } => Some(Key::Gitlink(commit)),
        _ => None,
    }
}

/// The groups of all contents.
#[derive(Default)]
struct Groups<'c> {
    files: IdMap<Group<'c>>,
    others: HashMap<Key<'c>, Group<'c>>,
}

impl<'c> Groups<'c> {
    fn get_mut(&mut self, what: &'c What, mode: u16) -> Option<&mut Group<'c>> {
        match what {
            What::File { content, .. } => self.files.get_mut(content),
            other => self.others.get_mut(&key(other, mode)?),
        }
    }

    fn of(&mut self, what: &'c What, mode: u16) -> Option<&mut Group<'c>> {
        match what {
            What::File { content, .. } => Some(self.files.entry(*content).or_default()),
            other => Some(self.others.entry(key(other, mode)?).or_default()),
        }
    }
}

/// Pairs what is equal: the same name before another, what is not yet paired before what is, the
/// first before the rest.
pub(super) fn pair(work: &mut Work<'_>) {
    let mut groups = Groups::default();
    for (at, old) in work.old.iter().enumerate() {
        let Some(group) = groups.of(old.what, old.mode) else { continue };
        group.files.all.push(at);
        let unnamed = match &group.files.all[..] {
            [_] => &[],
            [first, second] => &[*first, *second][..],
            _ => &[at],
        };
        for &at in unnamed {
            group.by_name.entry(work.old[at].name).or_default().all.push(at);
        }
    }
    for new in 0..work.new.len() {
        let (what, mode, name) = (work.new[new].what, work.new[new].mode, work.new[new].name);
        let Some(group) = groups.get_mut(what, mode) else { continue };
        if let Some(old) = group.best(work, name) {
            work.pair(old, new, WHOLE);
        }
    }
}

impl Group<'_> {
    fn best(&mut self, work: &Work<'_>, name: &[u8]) -> Option<usize> {
        if let [only] = self.files.all[..] {
            return self.files.unused(work).or_else(|| work.allows_copies().then_some(only));
        }
        let namesakes = self.by_name.get_mut(name);
        let first_namesake = namesakes.as_ref().and_then(|places| places.all.first().copied());
        let unused_namesake = namesakes.and_then(|places| places.unused(work));
        if unused_namesake.is_some() {
            return unused_namesake;
        }
        let unused = self.files.unused(work);
        if !work.allows_copies() {
            return unused;
        }
        match (unused, first_namesake) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (None, None) => self.files.all.first().copied(),
            (one, other) => one.or(other),
        }
    }
}

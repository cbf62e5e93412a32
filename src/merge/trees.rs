//! Merging two trees: what each side changed, brought together path by path.
//!
//! Each side is compared with the base, which reads only what differs. The changes of both become
//! one list of paths with three versions each; renames bring versions together under one name; each
//! path is settled by itself; and what differs from our tree then is edited into it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::diff::{self, Change};
use crate::hash::Id;
use crate::object::tree::{Edit, edit};
use crate::object::{Entry, Node, Source, What};
use crate::path::{Pathspec, RepoPath};

use super::attributes::{self, Content};
use super::content::{self, Work};
use super::request::Contents;
use super::settle::{Doubt, Placed};
use super::{Answer, Conflict, ConflictKind, Merged, Message, Request};

/// What stands, or stood, under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// In base, ours and theirs; directories do not count.
    pub(super) stages: [Option<Entry>; 3],
    /// What these were called, where that is not the name they stand under.
    pub(super) names: Option<Box<[RepoPath; 3]>>,
    /// A conflict that is known before anything is merged.
    pub(super) flag: Option<ConflictKind>,
    /// What kind of conflict it would be to have two things here.
    pub(super) hint: Option<ConflictKind>,
    /// Whether it is merged under another name: nothing is left under this one.
    pub(super) is_moved: bool,
}

/// All paths that somebody changed.
#[derive(Debug)]
pub(super) struct Plan {
    /// Base, ours and theirs.
    pub(super) trees: [Option<Id>; 3],
    pub(super) slots: BTreeMap<RepoPath, Box<Slot>>,
    /// Directories in base, ours and theirs that are not the same in all of them.
    directories: BTreeMap<RepoPath, [Option<Entry>; 3]>,
    places: Vec<Conflict>,
    pub(super) messages: Vec<Message>,
}

/// Merges two trees.
pub fn trees<C: Contents>(
    contents: &mut C,
    request: &Request<'_>,
) -> Result<Answer, <C as Source>::Error> {
    at_depth(contents, request, 0)
}

pub(super) fn at_depth<C: Contents>(
    contents: &mut C,
    request: &Request<'_>,
    depth: usize,
) -> Result<Answer, <C as Source>::Error> {
    let Request { base, ours, theirs, .. } = *request;
    let whole = if ours == theirs || base == Some(theirs) {
        Some(ours)
    } else if base == Some(ours) {
        Some(theirs)
    } else {
        None
    };
    if let Some(tree) = whole {
        return Ok(Answer::Merged(Merged { tree, conflicts: Vec::new(), messages: Vec::new() }));
    }
    let (our_changes, our_directories) = changes(contents, base, ours)?;
    let (their_changes, their_directories) = changes(contents, base, theirs)?;
    let files = [our_changes, their_changes];
    let mut plan = Plan {
        trees: [base, Some(ours), Some(theirs)],
        slots: three_ways(&files, |stages| Box::new(Slot { stages, ..Slot::default() })),
        directories: three_ways(&[our_directories, their_directories], |stages| stages),
        places: Vec::new(),
        messages: Vec::new(),
    };
    let mut work = Work { contents, request, depth, needs: Vec::new() };
    work.follow(&mut plan, &files)?;
    let placed = work.settle(&mut plan)?;
    if !work.needs.is_empty() {
        work.needs.sort();
        work.needs.dedup();
        return Ok(Answer::Needs(work.needs));
    }
    work.write(plan, placed, &files)
}

/// What differs: files and the like, and directories apart from them. In the order of a walk.
fn changes<C: Contents>(
    contents: &C,
    base: Option<Id>,
    side: Id,
) -> Result<(Vec<Change>, Vec<Change>), <C as Source>::Error> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut visit = |change: Change| -> Result<(), <C as Source>::Error> {
        let Change { path, old, new } = change;
        let apart = |entry: Option<Entry>| match entry {
            Some(entry) if entry.is_directory() => (None, Some(entry)),
            other => (other, None),
        };
        let ((old, old_dir), (new, new_dir)) = (apart(old), apart(new));
        if old_dir.is_some() || new_dir.is_some() {
            directories.push(Change { path: path.clone(), old: old_dir, new: new_dir });
        }
        if old.is_some() || new.is_some() {
            files.push(Change { path, old, new });
        }
        Ok(())
    };
    diff::entries(contents, base.as_ref(), Some(&side), &Pathspec::all(), &mut visit)?;
    Ok((files, directories))
}

/// Three versions of each path that one of two sides changed. What a side did not change is what
/// the base has.
fn three_ways<T>(
    changes: &[Vec<Change>; 2],
    make: impl Fn([Option<Entry>; 3]) -> T,
) -> BTreeMap<RepoPath, T> {
    let mut found = Vec::with_capacity(changes[0].len() + changes[1].len());
    let (mut a, mut b) = (changes[0].iter().peekable(), changes[1].iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let ours = if order.is_le() { a.next() } else { None };
        let theirs = if order.is_ge() { b.next() } else { None };
        let Some(any) = ours.or(theirs) else { break };
        let new = |side: Option<&Change>| side.map_or_else(|| any.old.clone(), |c| c.new.clone());
        found.push((any.path.clone(), make([any.old.clone(), new(ours), new(theirs)])));
    }
    found.into_iter().collect()
}

/// What our tree has at a path that somebody changed.
fn was_ours<'c>(files: &'c [Vec<Change>; 2], path: &RepoPath) -> Option<&'c Entry> {
    let [ours, theirs] = files.each_ref().map(|changes| {
        let at = changes.binary_search_by(|change| change.path.cmp(path)).ok()?;
        changes.get(at)
    });
    ours_of(ours, theirs)
}

/// The same, of the changes to the path: what we made of it, else what the base has.
fn ours_of<'c>(ours: Option<&'c Change>, theirs: Option<&'c Change>) -> Option<&'c Entry> {
    match ours {
        Some(change) => change.new.as_ref(),
        None => theirs?.old.as_ref(),
    }
}

/// Changes that are asked for in the order of their paths.
struct Cursor<'c>(&'c [Change]);

impl<'c> Cursor<'c> {
    fn at(&mut self, path: &RepoPath) -> Option<&'c Change> {
        while let [first, rest @ ..] = self.0 {
            match first.path.cmp(path) {
                Ordering::Less => self.0 = rest,
                Ordering::Equal => return Some(first),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

impl Plan {
    /// Says that it is in doubt where something belongs.
    pub(super) fn place(&mut self, path: &RepoPath, kind: ConflictKind, text: String) {
        self.places.push(Conflict {
            path: path.clone(),
            kind,
            stages: [None, None, None],
            names: [path.clone(), path.clone(), path.clone()],
        });
        self.tell_conflict(path, kind, text);
    }

    /// Says something about a conflict.
    pub(super) fn tell_conflict(&mut self, path: &RepoPath, kind: ConflictKind, text: String) {
        self.messages.push(Message { path: path.clone(), kind: Some(kind), text });
    }

    /// Says something.
    pub(super) fn tell(&mut self, path: &RepoPath, text: String) {
        self.messages.push(Message { path: path.clone(), kind: None, text });
    }

    /// Whether one side has a directory at this path.
    pub(super) fn has_directory(&self, path: &RepoPath, side: usize) -> bool {
        self.directories.get(path).is_some_and(|stages| stages[side].is_some())
    }
}

impl<C: Contents> Work<'_, '_, C> {
    /// Edits what was settled into our tree.
    fn write(
        &mut self,
        mut plan: Plan,
        placed: BTreeMap<RepoPath, Placed>,
        files: &[Vec<Change>; 2],
    ) -> Result<Answer, <C as Source>::Error> {
        let mut edits: BTreeMap<RepoPath, Option<Entry>> = BTreeMap::new();
        // Both are in the order of paths, so neither is searched.
        let mut sides = [Cursor(&files[0]), Cursor(&files[1])];
        for (path, placed) in &placed {
            let [ours, theirs] = sides.each_mut().map(|side| side.at(path));
            if placed.entry.as_ref() != ours_of(ours, theirs) {
                edits.insert(path.clone(), placed.entry.clone());
            }
        }
        for (path, stages) in std::mem::take(&mut plan.directories) {
            if let Some(edit) = self.directory(&path, &stages, &placed, files)? {
                edits.insert(path, edit);
            }
        }
        let edits: Vec<Edit> =
            edits.into_iter().map(|(path, entry)| Edit { path, entry }).collect();
        let ours = plan.trees[1];
        let tree = match (edits.is_empty(), ours) {
            (true, Some(tree)) => tree,
            _ => edit(self.contents, ours.as_ref(), edits)?.id,
        };
        let mut conflicts = plan.places;
        for (path, placed) in placed {
            if let Some(doubt) = placed.doubt {
                let name = path.name().to_vec();
                let Doubt { kind, stages, names } = *doubt;
                let stages =
                    stages.map(|stage| stage.map(|stage| Entry { name: name.clone(), ..stage }));
                conflicts.push(Conflict { path, kind, stages, names });
            }
        }
        conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        plan.messages.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Answer::Merged(Merged { tree, conflicts, messages: plan.messages }))
    }

    /// What becomes of a directory itself; `None` if its contents decide.
    fn directory(
        &mut self,
        path: &RepoPath,
        [base, ours, theirs]: &[Option<Entry>; 3],
        placed: &BTreeMap<RepoPath, Placed>,
        files: &[Vec<Change>; 2],
    ) -> Result<Option<Option<Entry>>, <C as Source>::Error> {
        if placed.get(path).is_some_and(|placed| placed.entry.is_some()) {
            return Ok(None);
        }
        let is_empty = |entry: &Option<Entry>| {
            entry.as_ref().and_then(Entry::tree).is_some_and(|tree| tree == Node::empty_id())
        };
        let below = || placed.range(path..).skip_while(|(at, _)| *at == path);
        let mut below = below().take_while(|(at, _)| at.is_within(path));
        let mut ours_below = 0;
        let mut has_contents = false;
        for (at, placed) in &mut below {
            ours_below += u64::from(was_ours(files, at).is_some());
            has_contents |= placed.entry.is_some();
            if has_contents {
                break;
            }
        }
        // What nobody touched stays.
        has_contents |= ours.as_ref().is_some_and(|ours| ours.totals().files > ours_below);
        let is_there =
            attributes::three(&base.is_some(), &ours.is_some(), &theirs.is_some()) == Some(&true);
        if !has_contents {
            let is_kept = is_there && (is_empty(ours) || is_empty(theirs));
            match (is_kept, is_empty(ours)) {
                (true, true) => {}
                (true, false) => {}
                // It was empty, and is to go.
                (false, true) => return Ok(Some(None)),
                (false, false) => return Ok(None),
            }
        }
        let (Some(one), other) = (ours.as_ref().or(theirs.as_ref()), theirs.as_ref()) else {
            return Ok(None);
        };
        let other = other.unwrap_or(one);
        let base_mode = base.as_ref().map(|base| base.mode);
        let mode = match base_mode {
            Some(base) => base ^ ((one.mode ^ base) | (other.mode ^ base)),
            // Nobody is asked about a directory's mode: whoever allows more wins.
            None => one.mode | other.mode,
        };
        let fields =
            [base.as_ref().and_then(|base| base.attributes), one.attributes, other.attributes];
        let (attributes, _) = attributes::merge(self.contents, fields, Content::New)?;
        let mtime =
            content::time(base.as_ref().and_then(|base| base.mtime), one.mtime, other.mtime);
        let what = match (ours, has_contents) {
            (Some(ours), _) if ours.is_directory() => ours.what.clone(),
            _ => What::Directory { files: 0, bytes: 0, tree: Node::empty_id() },
        };
        let merged = Entry { name: path.name().to_vec(), mode, mtime, attributes, what };
        match ours {
            Some(ours) if *ours == merged && has_contents => Ok(None),
            _ => Ok(Some(Some(merged))),
        }
    }
}

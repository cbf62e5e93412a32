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
use super::version::Version;
use super::{Answer, Conflict, ConflictKind, Merged, Message, Request};

/// What stands, or stood, under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot<'c> {
    /// In base, ours and theirs; directories do not count.
    pub(super) stages: [Option<Version<'c>>; 3],
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
pub(super) struct Plan<'c> {
    /// Base, ours and theirs.
    pub(super) trees: [Option<Id>; 3],
    pub(super) slots: BTreeMap<RepoPath, Slot<'c>>,
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
        slots: three_ways(&files, |stages| Slot {
            stages: stages.map(|stage| stage.map(Version::Known)),
            ..Slot::default()
        }),
        directories: three_ways(&[our_directories, their_directories], |stages| {
            stages.map(|stage| stage.cloned())
        }),
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
        let is_directory = |entry: &Option<Entry>| entry.as_ref().is_some_and(Entry::is_directory);
        if !is_directory(&change.old) && !is_directory(&change.new) {
            files.push(change);
            return Ok(());
        }
        let Change { path, old, new } = change;
        let apart = |entry: Option<Entry>| match entry {
            Some(entry) if entry.is_directory() => (None, Some(entry)),
            other => (other, None),
        };
        let ((old, old_dir), (new, new_dir)) = (apart(old), apart(new));
        directories.push(Change { path: path.clone(), old: old_dir, new: new_dir });
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
fn three_ways<'c, T>(
    changes: &'c [Vec<Change>; 2],
    make: impl Fn([Option<&'c Entry>; 3]) -> T,
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
        let old = any.old.as_ref();
        let new = |side: Option<&'c Change>| side.map_or(old, |change| change.new.as_ref());
        found.push((any.path.clone(), make([old, new(ours), new(theirs)])));
    }
    found.into_iter().collect()
}

/// What our tree has at a path that somebody changed: what we made of it, else what the base has.
fn ours_of<'c>(ours: Option<&'c Change>, theirs: Option<&'c Change>) -> Option<&'c Entry> {
    match ours {
        Some(change) => change.new.as_ref(),
        None => theirs?.old.as_ref(),
    }
}

/// How many of the paths that were settled, up to one of them, our tree had and will have.
#[derive(Clone, Copy, Default)]
struct Count {
    had: u64,
    has: u64,
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

impl Plan<'_> {
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
        mut plan: Plan<'_>,
        placed: Vec<(RepoPath, Placed<'_>)>,
        files: &[Vec<Change>; 2],
    ) -> Result<Answer, <C as Source>::Error> {
        let mut edits: BTreeMap<RepoPath, Option<Entry>> = BTreeMap::new();
        // Both are in the order of paths, so neither is searched.
        let mut sides = [Cursor(&files[0]), Cursor(&files[1])];
        let mut counts: Vec<(&RepoPath, Count)> = Vec::with_capacity(placed.len());
        let mut count = Count::default();
        for (path, placed) in &placed {
            let [ours, theirs] = sides.each_mut().map(|side| side.at(path));
            let was = ours_of(ours, theirs);
            let is = placed.entry.as_deref();
            if is != was {
                edits.insert(path.clone(), is.cloned());
            }
            count.had += u64::from(was.is_some());
            count.has += u64::from(is.is_some());
            counts.push((path, count));
        }
        for (path, stages) in std::mem::take(&mut plan.directories) {
            let at = placed.binary_search_by(|(placed, _)| placed.cmp(&path));
            let is_file = at.is_ok_and(|at| placed[at].1.entry.is_some());
            if !is_file && let Some(edit) = self.directory(&path, &stages, &counts)? {
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
                let stages = stages.map(|stage| stage.map(|stage| stage.named(&name).into_entry()));
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
        counts: &[(&RepoPath, Count)],
    ) -> Result<Option<Option<Entry>>, <C as Source>::Error> {
        let is_empty = |entry: &Option<Entry>| {
            entry.as_ref().and_then(Entry::tree).is_some_and(|tree| tree == Node::empty_id())
        };
        // Everything below comes together, right behind the directory.
        let start = counts.partition_point(|(at, _)| *at <= path);
        let below = counts[start..].partition_point(|(at, _)| at.is_within(path));
        let up_to = |end: usize| end.checked_sub(1).map_or(Count::default(), |at| counts[at].1);
        let (before, after) = (up_to(start), up_to(start + below));
        // What nobody touched stays.
        let had_below = after.had - before.had;
        let has_contents = after.has > before.has
            || ours.as_ref().is_some_and(|ours| ours.totals().files > had_below);
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

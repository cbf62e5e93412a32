//! Following renames: what was one file is merged as one file, wherever each side put it.
//!
//! Files first: a deleted file and a similar new one are one file under another name. Then whole
//! directories: what one side put into a directory that the other renamed goes along. As in git,
//! similar new names are looked for only of those deleted files on which the result depends: the
//! other side changed them, or put something into a directory that they may tell the new place of.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::diff::Change;
use crate::diff::renames::{self, Directories, Empty, Found, Look, RenameOptions};
use crate::hash::Id;
use crate::object::tree::find;
use crate::object::{Entry, Node, Source, What};
use crate::path::RepoPath;

use super::content::{Three, Work};
use super::request::Contents;
use super::trees::{Plan, Slot};
use super::version::Version;
use super::{ConflictKind, Follow, Need};

/// The files one side renamed, by their names in the base.
type Renamed = BTreeMap<RepoPath, [Option<RepoPath>; 2]>;

impl<C: Contents> Work<'_, '_, C> {
    /// Finds renames on both sides and brings together in the plan what belongs together.
    pub(super) fn follow(
        &mut self,
        plan: &mut Plan<'_>,
        changes: &[Vec<Change>; 2],
    ) -> Result<(), <C as Source>::Error> {
        let (threshold, with_directories) = match self.request.options.follow {
            Follow::Nothing => return Ok(()),
            Follow::Files(threshold) => (threshold, false),
            // Between bases each file goes where its side put it, as in git.
            Follow::Directories(threshold) => (threshold, self.depth == 0),
        };
        let empty = Empty::Left;
        let options = RenameOptions { threshold, empty, look: Look::Decide, ..Default::default() };
        let added = changes.each_ref().map(|changes| Added {
            changes: if with_directories { changes } else { &[] },
            directories: OnceCell::new(),
        });
        let mut found: [Found; 2] = Default::default();
        for (side, found) in found.iter_mut().enumerate() {
            let (tree, other) = (plan.trees[side + 1], &changes[1 - side]);
            let added = &added[1 - side];
            let mut last: Option<(RepoPath, bool)> = None;
            *found = renames::find_of(&*self.contents, &changes[side], &options, |change| {
                if is_changed(other, &change.path) {
                    return Ok(true);
                }
                let Some((directory, _)) = change.path.split() else { return Ok(false) };
                let known = last.take().filter(|(known, _)| *known == directory);
                let matters = match known {
                    Some((_, matters)) => matters,
                    None => self.is_gone_with_new(tree, &directory, added)?,
                };
                last = Some((directory, matters));
                Ok(matters)
            })?;
        }
        for side in 0..2 {
            if !self.is_kept() || self.is_in_doubt(plan, changes, &found, side, &added)? {
                let needs = &found[side].needs;
                let needs = needs.iter().map(|&content| need(content, &changes[side]));
                self.needs.extend(needs);
            }
        }
        let mut pairs: [Vec<(&RepoPath, &RepoPath)>; 2] = Default::default();
        let mut directories: [Directories; 2] = Default::default();
        let sides = changes;
        for (side, changes) in sides.iter().enumerate() {
            let found = &found[side].pairs;
            let renamed = found.iter().filter(|pair| !pair.is_copy);
            pairs[side] =
                renamed.map(|pair| (&changes[pair.from].path, &changes[pair.to].path)).collect();
            // Where directories went is asked for what the other side put into them.
            let is_asked = sides[1 - side].iter().any(|change| change.old.is_none());
            if with_directories && is_asked {
                let tree = plan.trees[side + 1];
                directories[side] =
                    renames::directories(&*self.contents, tree.as_ref(), changes, found)?;
            }
        }
        if with_directories {
            self.leave_irrelevant(plan, &added, &mut directories)?;
        }
        let has_directories =
            directories.iter().any(|found| !found.renamed.is_empty() || !found.split.is_empty());
        let mut renamed = Renamed::new();
        for (side, pairs) in pairs.into_iter().enumerate() {
            if pairs.is_empty() {
                continue;
            }
            let touched: HashSet<&RepoPath> =
                changes[1 - side].iter().map(|change| &change.path).collect();
            for (from, to) in pairs {
                // What the other side left alone, at both places, is there as it is.
                let is_touched = || touched.contains(from) || touched.contains(to);
                if has_directories || is_touched() {
                    renamed.entry(from.clone()).or_default()[side] = Some(to.clone());
                }
            }
        }
        if has_directories {
            self.follow_directories(plan, changes, &mut renamed, &directories)?;
        }
        for (from, [ours, theirs]) in renamed {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => self.both_renamed(plan, &from, &ours, &theirs)?,
                (Some(to), None) => self.one_renamed(plan, &from, &to, 1)?,
                (None, Some(to)) => self.one_renamed(plan, &from, &to, 2)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Whether the result may be another with the contents that the search on one side lacked. What
    /// the other side changed is a conflict that is recorded, whatever the file is called now.
    fn is_in_doubt(
        &self,
        plan: &Plan<'_>,
        changes: &[Vec<Change>; 2],
        found: &[Found; 2],
        side: usize,
        added: &[Added<'_>; 2],
    ) -> Result<bool, <C as Source>::Error> {
        let other = 1 - side;
        for &at in &found[side].undecided {
            let path = &changes[side][at].path;
            if let Some((directory, _)) = path.split()
                && self.is_gone_with_new(plan.trees[side + 1], &directory, &added[other])?
            {
                return Ok(true);
            }
            let Some(at) = position(&changes[other], path) else { continue };
            let from = found[other].pairs.iter().map(|pair| pair.from);
            // Gone there as well: what matters is whether it has a new name on both sides.
            if changes[other][at].new.is_none()
                && from.chain(found[other].undecided.iter().copied()).any(|from| from == at)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves what one side added to directories that the other side renamed.
    fn follow_directories(
        &mut self,
        plan: &mut Plan<'_>,
        changes: &[Vec<Change>; 2],
        renamed: &mut Renamed,
        directories: &[Directories; 2],
    ) -> Result<(), <C as Source>::Error> {
        let mut origin: [BTreeMap<RepoPath, RepoPath>; 2] = Default::default();
        for (from, to) in renamed.iter() {
            for (side, to) in to.iter().enumerate() {
                if let Some(to) = to {
                    origin[side].insert(to.clone(), from.clone());
                }
            }
        }
        for side in 0..2 {
            let (theirs, own) = (&directories[1 - side], &directories[side]);
            let mut targets: BTreeMap<RepoPath, Vec<RepoPath>> = BTreeMap::new();
            for change in changes[side].iter().filter(|change| change.old.is_none()) {
                let path = &change.path;
                let Some((_, to)) = closest(theirs, path) else {
                    if let Some(split) = theirs.split_above(path) {
                        plan.place(
                            path,
                            ConflictKind::DirectorySplit,
                            format!(
                                "unclear where '{path}' belongs: '{split}' was renamed to several \
                             directories, and no one of them got most of its files"
                            ),
                        );
                    }
                    continue;
                };
                // What we renamed ourselves is not a place to move things to, nor is what would be
                // in it a place for things that are where it went.
                let is_back = || closest(own, to).is_some_and(|(_, went)| path.is_within(went));
                if own.renamed.contains_key(to) || is_back() {
                    plan.tell(path, format!("'{path}' stays: '{to}' was itself renamed"));
                    continue;
                }
                if let Some(target) = theirs.follow(path) {
                    targets.entry(target).or_default().push(path.clone());
                }
            }
            for (target, sources) in targets {
                let tree = plan.trees[side + 1];
                if sources.len() > 1 || self.is_there(tree, &target)? {
                    for path in sources {
                        plan.place(&path, ConflictKind::DirectoryInTheWay, format!(
                            "'{path}' stays in a directory that was renamed: something else is at \
                             '{target}'"
                        ));
                    }
                    continue;
                }
                for path in sources {
                    if let Some(from) = origin[side].get(&path)
                        && let Some(to) = renamed.get_mut(from)
                    {
                        // Back under its own name: then it is no rename any more.
                        to[side] = (*from != target).then(|| target.clone());
                    }
                    plan.tell(
                        &target,
                        format!("moved '{path}' to '{target}': its directory was renamed"),
                    );
                    plan.move_stage(&path, &target, side + 1);
                }
            }
        }
        Ok(())
    }

    /// Leaves out renamed directories from which nothing follows.
    fn leave_irrelevant(
        &self,
        plan: &Plan<'_>,
        added: &[Added<'_>; 2],
        directories: &mut [Directories; 2],
    ) -> Result<(), <C as Source>::Error> {
        // A directory that both renamed goes nowhere by itself: each file went somewhere.
        let both: Vec<RepoPath> = directories[0]
            .renamed
            .keys()
            .filter(|path| directories[1].renamed.contains_key(path))
            .cloned()
            .collect();
        for path in both {
            directories.iter_mut().for_each(|found| drop(found.renamed.remove(&path)));
        }
        for side in 0..2 {
            self.leave_untouched(plan, &added[side], &mut directories[1 - side], 1 - side)?;
        }
        Ok(())
    }

    /// Leaves out renamed directories that the other side put no file into: neither into the
    /// directory itself nor into one above it that is gone too. What the other side put further
    /// down stays where it put it, as in git.
    fn leave_untouched(
        &self,
        plan: &Plan<'_>,
        added: &Added<'_>,
        found: &mut Directories,
        side: usize,
    ) -> Result<(), <C as Source>::Error> {
        let tree = plan.trees[side + 1];
        let is_relevant = |directory: &RepoPath| self.is_gone_with_new(tree, directory, added);
        let mut relevant = Directories::default();
        for (from, to) in std::mem::take(&mut found.renamed) {
            if is_relevant(&from)? {
                relevant.renamed.insert(from, to);
            }
        }
        for path in std::mem::take(&mut found.split) {
            if is_relevant(&path)? {
                relevant.split.insert(path);
            }
        }
        *found = relevant;
        Ok(())
    }

    /// Whether a directory is gone from a tree, and something was added to it or to one above it that
    /// is gone too.
    fn is_gone_with_new(
        &self,
        tree: Option<Id>,
        directory: &RepoPath,
        added: &Added<'_>,
    ) -> Result<bool, <C as Source>::Error> {
        let with_new = added.directories();
        let mut at = directory.clone();
        while !with_new.is_empty() && !at.is_root() && !self.is_directory(tree, &at)? {
            if with_new.contains(&at) {
                return Ok(true);
            }
            let Some((parent, _)) = at.split() else { break };
            at = parent;
        }
        Ok(false)
    }

    /// Both sides renamed a file.
    fn both_renamed(
        &mut self,
        plan: &mut Plan<'_>,
        from: &RepoPath,
        ours: &RepoPath,
        theirs: &RepoPath,
    ) -> Result<(), <C as Source>::Error> {
        let Some(source) = plan.slots.get_mut(from) else { return Ok(()) };
        let base = source.stages[0].clone();
        if ours == theirs {
            source.is_moved = true;
            // Both call it so: what it was called once needs no mention.
            plan.slot(ours).stages[0] = base;
            return Ok(());
        }
        source.flag = Some(ConflictKind::RenameRename);
        let our_entry = plan.slot(ours).stages[1].clone();
        let their_entry = plan.slot(theirs).stages[2].clone();
        let (Some(our_entry), Some(their_entry)) = (our_entry, their_entry) else { return Ok(()) };
        let made = self.merge(&Three {
            base: base.as_deref(),
            ours: &our_entry,
            theirs: &their_entry,
            names: [from, ours, theirs],
            more_markers: 1,
        })?;
        let text = format!("'{from}' was renamed to '{ours}' and to '{theirs}'");
        // What cannot be merged stays as it is on each side, under its own name.
        let made_entry = made.entry.map(Version::from);
        let is_whole = made.conflict.is_some()
            && made_entry.as_ref().is_some_and(|entry| entry.what == our_entry.what);
        let for_theirs = if is_whole { Some(their_entry) } else { made_entry.clone() };
        for (path, side, entry) in [(ours, 1, made_entry), (theirs, 2, for_theirs)] {
            let slot = plan.slot(path);
            slot.stages[side] = entry;
            slot.flag = Some(ConflictKind::RenameRename);
        }
        plan.tell_conflict(ours, ConflictKind::RenameRename, text);
        Ok(())
    }

    /// One side renamed a file: `side` is 1 for ours, 2 for theirs.
    fn one_renamed(
        &mut self,
        plan: &mut Plan<'_>,
        from: &RepoPath,
        to: &RepoPath,
        side: usize,
    ) -> Result<(), <C as Source>::Error> {
        let other = 3 - side;
        let Some(source) = plan.slots.get(from) else { return Ok(()) };
        let (base, changed) = (source.stages[0].clone(), source.stages[other].clone());
        let target = plan.slot(to);
        let Some(here) = target.stages[side].clone() else { return Ok(()) };
        let is_file = |entry: &Entry| matches!(entry.what, What::File { .. });
        let has_new_type = changed.as_ref().is_some_and(|entry| is_file(entry) != is_file(&here));
        let is_taken = target.stages[other].is_some() && !has_new_type;
        match (changed, is_taken) {
            (Some(changed), true) => {
                // The file is merged first, and then with what the other side has in its place.
                let mut names = [from, from, from];
                names[side] = to;
                let (ours, theirs) = if side == 1 { (&here, &changed) } else { (&changed, &here) };
                let three = Three { base: base.as_deref(), ours, theirs, names, more_markers: 1 };
                let made = self.merge(&three)?;
                let target = plan.slot(to);
                target.stages[side] = made.entry.map(Version::from);
                target.hint = Some(ConflictKind::RenameCollision);
                if made.conflict.is_some() {
                    plan.tell_conflict(
                        to,
                        ConflictKind::RenameCollision,
                        format!(
                            "'{from}' was renamed to '{to}', where something else is too, and has \
                         conflicts of its own"
                        ),
                    );
                }
            }
            (None, true) => {
                target.flag = Some(ConflictKind::RenameDelete);
                plan.tell_conflict(
                    to,
                    ConflictKind::RenameDelete,
                    format!("'{from}' was renamed to '{to}' and deleted"),
                );
            }
            (changed, false) => {
                target.stages[0] = base;
                target.names_mut(to)[0] = from.clone();
                match changed {
                    None => {
                        target.flag = Some(ConflictKind::RenameDelete);
                        plan.tell_conflict(
                            to,
                            ConflictKind::RenameDelete,
                            format!("'{from}' was renamed to '{to}' and deleted"),
                        );
                    }
                    Some(_) if has_new_type => {
                        // The other side's new thing stays under the old name, without a base, and
                        // what it made that of is gone on its side.
                        if target.stages[other].is_none() {
                            target.flag = Some(ConflictKind::ModifyDelete);
                            plan.tell_conflict(to, ConflictKind::ModifyDelete, format!(
                                "'{from}' was renamed to '{to}', and something else was made of it"
                            ));
                        }
                        plan.slot(from).stages[0] = None;
                        plan.slot(from).stages[side] = None;
                        return Ok(());
                    }
                    Some(changed) => {
                        target.stages[other] = Some(changed);
                        target.names_mut(to)[other] = from.clone();
                    }
                }
            }
        }
        plan.slot(from).is_moved = true;
        Ok(())
    }

    /// Whether a tree has something at a path.
    pub(super) fn is_there(
        &self,
        tree: Option<Id>,
        path: &RepoPath,
    ) -> Result<bool, <C as Source>::Error> {
        Ok(self.look_up(tree, path)?.is_some())
    }

    fn is_directory(
        &self,
        tree: Option<Id>,
        path: &RepoPath,
    ) -> Result<bool, <C as Source>::Error> {
        Ok(self.look_up(tree, path)?.is_some_and(|entry| entry.is_directory()))
    }

    /// What a tree has at a path, other than the root.
    fn look_up(
        &self,
        tree: Option<Id>,
        path: &RepoPath,
    ) -> Result<Option<Entry>, <C as Source>::Error> {
        let mut tree = tree;
        let mut parts = path.parts().peekable();
        while let Some(name) = parts.next() {
            let Some(root) = tree.filter(|tree| *tree != Node::empty_id()) else {
                return Ok(None);
            };
            let found = find(&*self.contents, &root, name)?;
            if parts.peek().is_none() {
                return Ok(found);
            }
            tree = found.and_then(|entry| entry.tree());
        }
        Ok(None)
    }
}

fn position(changes: &[Change], path: &RepoPath) -> Option<usize> {
    changes.binary_search_by(|change| change.path.cmp(path)).ok()
}

fn is_changed(changes: &[Change], path: &RepoPath) -> bool {
    position(changes, path).is_some()
}

/// What one side added.
struct Added<'c> {
    /// Everything it changed; nothing if directories are not followed.
    changes: &'c [Change],
    directories: OnceCell<BTreeSet<RepoPath>>,
}

impl Added<'_> {
    /// The directories that something was added to.
    fn directories(&self) -> &BTreeSet<RepoPath> {
        self.directories.get_or_init(|| {
            let added = self.changes.iter().filter(|change| change.old.is_none());
            added.filter_map(|change| Some(change.path.split()?.0)).collect()
        })
    }
}

/// The innermost directory above `path` that was renamed, and where it went.
fn closest<'d>(found: &'d Directories, path: &RepoPath) -> Option<(&'d RepoPath, &'d RepoPath)> {
    let mut directory = path.clone();
    while let Some((parent, _)) = directory.split() {
        if let Some((from, (to, _))) = found.renamed.get_key_value(&parent) {
            return Some((from, to));
        }
        directory = parent;
    }
    None
}

/// A content that decides what a file was called.
fn need(content: Id, changes: &[Change]) -> Need {
    let sides = changes.iter().flat_map(|change| {
        [&change.old, &change.new].into_iter().flatten().map(move |entry| (&change.path, entry))
    });
    let mut found = sides.filter_map(|(path, entry)| match &entry.what {
        What::File { size, content: is } if *is == content => Some((path.clone(), *size)),
        _ => None,
    });
    let (path, size) = found.next().unwrap_or_default();
    Need { path, content, size }
}

impl<'c> Plan<'c> {
    /// Brings what one side has under one name under another.
    fn move_stage(&mut self, from: &RepoPath, to: &RepoPath, side: usize) {
        let Some(entry) = self.slot(from).stages[side].take() else { return };
        let target = self.slot(to);
        target.stages[side] = Some(entry);
        target.names_mut(to)[side] = from.clone();
    }

    /// The slot of a path; an empty one if nothing is known of it.
    pub(super) fn slot(&mut self, path: &RepoPath) -> &mut Slot<'c> {
        self.slots.entry(path.clone()).or_default()
    }
}

impl Slot<'_> {
    /// What it was called in base, ours and theirs.
    pub(super) fn names_mut(&mut self, path: &RepoPath) -> &mut [RepoPath; 3] {
        self.names.get_or_insert_with(|| Box::new([path.clone(), path.clone(), path.clone()]))
    }
}

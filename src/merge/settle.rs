//! Settling each path: what three versions come to, and where it stands.
//!
//! Paths are settled from the last to the first, so that what is in a directory is known before a
//! file of the same name is.

use std::collections::BTreeMap;

use crate::object::{Entry, Source, What};
use crate::path::RepoPath;

use super::content::{Three, Work, are_alike, bases_labels, time};
use super::request::Contents;
use super::terms::{self, Settled};
use super::trees::{Plan, Slot};
use super::version::Version;
use super::{ConflictKind, Unsettled};

/// What was settled for one path.
#[derive(Debug)]
pub(super) struct Placed<'c> {
    /// What is there now.
    pub(super) entry: Option<Version<'c>>,
    /// What could not be decided.
    pub(super) doubt: Option<Box<Doubt<'c>>>,
}

/// What could not be decided about a path.
#[derive(Debug)]
pub(super) struct Doubt<'c> {
    pub(super) kind: ConflictKind,
    pub(super) stages: [Option<Version<'c>>; 3],
    pub(super) names: [RepoPath; 3],
}

impl Placed<'_> {
    const NOTHING: Self = Self { entry: None, doubt: None };
}

/// What was settled so far. Paths come from the last to the first, so most are added at one end and
/// looked for there; what stepped aside is kept apart.
#[derive(Default)]
struct Places<'c> {
    down: Vec<(RepoPath, Placed<'c>)>,
    aside: BTreeMap<RepoPath, Placed<'c>>,
}

impl<'c> Places<'c> {
    fn insert(&mut self, path: RepoPath, placed: Placed<'c>) {
        match self.down.last_mut() {
            Some((last, there)) if *last == path => *there = placed,
            Some((last, _)) if *last < path => drop(self.aside.insert(path, placed)),
            _ => self.down.push((path, placed)),
        }
    }

    /// What stands at a path or below it.
    fn within(&self, path: &RepoPath) -> impl Iterator<Item = &Placed<'c>> {
        let end = match self.down.last() {
            Some((last, _)) if last < path => self.down.partition_point(|(at, _)| at >= path),
            _ => self.down.len(),
        };
        let down = self.down[..end].iter().rev().map(|(at, placed)| (at, placed));
        let aside = self.aside.range(path..);
        let is_within = |(at, _): &(&RepoPath, &Placed<'c>)| at.is_within(path);
        down.take_while(is_within).chain(aside.take_while(is_within)).map(|(_, placed)| placed)
    }

    /// All of it, in the order of paths.
    fn finish(self) -> Vec<(RepoPath, Placed<'c>)> {
        let mut all = self.down;
        all.reverse();
        if !self.aside.is_empty() {
            all.extend(self.aside);
            all.sort_by(|a, b| a.0.cmp(&b.0));
        }
        all
    }
}

/// All paths: those that were settled, and those that are still to be.
struct Names<'s, 'c> {
    left: &'s BTreeMap<RepoPath, Slot<'c>>,
    placed: &'s Places<'c>,
}

impl Names<'_, '_> {
    /// Whether a name is in use.
    fn has(&self, path: &RepoPath) -> bool {
        let is_within = |next: Option<&RepoPath>| next.is_some_and(|next| next.is_within(path));
        is_within(self.left.range(path..).next().map(|(next, _)| next))
            || self.placed.within(path).next().is_some()
    }
}

impl<C: Contents> Work<'_, '_, C> {
    /// Settles all paths of a plan.
    pub(super) fn settle<'c>(
        &mut self,
        plan: &mut Plan<'c>,
    ) -> Result<Vec<(RepoPath, Placed<'c>)>, <C as Source>::Error> {
        let mut placed = Places::default();
        while let Some((path, slot)) = plan.slots.pop_last() {
            if slot.is_moved || slot.stages.iter().all(Option::is_none) {
                placed.insert(path, Placed::NOTHING);
                continue;
            }
            self.settle_one(plan, path, slot, &mut placed)?;
        }
        Ok(placed.finish())
    }

    fn settle_one<'c>(
        &mut self,
        plan: &mut Plan<'c>,
        path: RepoPath,
        slot: Slot<'c>,
        placed: &mut Places<'c>,
    ) -> Result<(), <C as Source>::Error> {
        let Slot { stages, flag, hint, names, .. } = slot;
        let own = || [path.clone(), path.clone(), path.clone()];
        let names_of = || names.as_ref().map_or_else(own, |names| (**names).clone());
        let [base, ours, theirs] = &stages;
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && !are_alike(ours, theirs)
            && !is_unchanged(base.as_deref(), ours)
            && !is_unchanged(base.as_deref(), theirs)
            && !stages.iter().flatten().any(|entry| is_conflict(entry))
            && self.depth == 0
            && self.request.options.unsettled == Unsettled::Mark
        {
            let sides = [base, &Some(ours.clone()), &Some(theirs.clone())];
            return self.part(plan, path, sides, placed);
        }
        let (mut entry, conflict) =
            self.resolve(plan, &path, &stages, flag, hint, names.as_deref())?;
        if let (Some(kind), Unsettled::Keep, 0) =
            (conflict, self.request.options.unsettled, self.depth)
            // What is only in doubt because of its name is an ordinary entry.
            && (ours.is_some() && theirs.is_some()
                || !matches!(kind, ConflictKind::RenameDelete | ConflictKind::RenameRename))
            && let Settled::Conflict(kept) =
                terms::merge(base.as_deref(), ours.as_deref(), theirs.as_deref())
        {
            entry = Some(kept.into());
        }
        let stays = placed.within(&path).any(|below| below.entry.is_some());
        if !stays || entry.is_none() {
            let entry = entry.map(|entry| entry.named(path.name()));
            // Where a directory is, nobody needs to decide about a file that nobody has.
            let conflict = conflict.filter(|_| !stays || stages[1..].iter().any(Option::is_some));
            let doubt = conflict.map(|kind| Box::new(Doubt { kind, names: names_of(), stages }));
            placed.insert(path, Placed { entry, doubt });
            return Ok(());
        }
        // A directory stays here: the file steps aside.
        let side = match (&stages[1], &stages[2]) {
            (Some(_), None) => 1,
            (None, _) => 2,
            _ if plan.has_directory(&path, 1) => 2,
            _ => 1,
        };
        placed.insert(path.clone(), Placed::NOTHING);
        let aside = self.aside(plan, &path, side, placed)?;
        let kind = ConflictKind::FileDirectory;
        plan.tell_conflict(
            &aside,
            kind,
            format!("a directory is in the way of '{path}': it is at '{aside}'"),
        );
        let entry = entry.map(|entry| entry.named(aside.name()));
        let doubt = Some(Box::new(Doubt { kind, names: names_of(), stages }));
        placed.insert(aside, Placed { entry, doubt });
        Ok(())
    }

    /// What three versions come to.
    fn resolve<'c>(
        &mut self,
        plan: &mut Plan<'c>,
        path: &RepoPath,
        stages: &[Option<Version<'c>>; 3],
        flag: Option<ConflictKind>,
        hint: Option<ConflictKind>,
        names: Option<&[RepoPath; 3]>,
    ) -> Result<(Option<Version<'c>>, Option<ConflictKind>), <C as Source>::Error> {
        let [known, ours, theirs] = stages;
        let base = known.as_deref();
        match (ours, theirs) {
            (None, None) => Ok((None, flag)),
            (Some(ours), Some(theirs)) => {
                if ours.is_same_as(theirs) {
                    let mtime = time(base.and_then(|base| base.mtime), ours.mtime, theirs.mtime);
                    let is_ours = mtime == ours.mtime;
                    let entry = if is_ours || mtime == theirs.mtime {
                        if is_ours { ours.clone() } else { theirs.clone() }
                    } else {
                        Entry { mtime, ..ours.clone().into_entry() }.into()
                    };
                    return Ok((Some(entry), flag));
                }
                if is_unchanged(base, ours) || is_unchanged(base, theirs) {
                    let is_theirs = is_unchanged(base, ours);
                    let entry = if is_theirs { theirs } else { ours };
                    return Ok((Some(entry.clone()), flag));
                }
                // Two ways to decide one conflict are two versions of a file to whoever looks at them.
                let is_decided = self.request.options.unsettled == Unsettled::Mark
                    && self.depth == 0
                    && !is_conflict(ours)
                    && !is_conflict(theirs);
                if !is_decided && stages.iter().flatten().any(|entry| is_conflict(entry)) {
                    let made = self.kept(base, Some(ours), Some(theirs));
                    return Ok((made.entry.map(Version::from), flag.or(made.conflict)));
                }
                if !are_alike(ours, theirs) {
                    // Only between bases, or where all versions are kept.
                    let entry = if self.depth > 0 { known.clone() } else { Some(ours.clone()) };
                    return Ok((entry, Some(ConflictKind::DistinctTypes)));
                }
                let three = Three {
                    base,
                    ours,
                    theirs,
                    names: names.map_or([path; 3], |names| names.each_ref()),
                    more_markers: 0,
                };
                let made = self.merge(&three)?;
                let mut conflict = made.conflict;
                let has_base = base.is_some_and(|base| are_alike(base, ours));
                if conflict.is_some() && !has_base && conflict != Some(ConflictKind::Binary) {
                    conflict = Some(hint.unwrap_or(ConflictKind::AddAdd));
                }
                if made.is_merged_text {
                    plan.tell(path, format!("merged '{path}'"));
                }
                if let Some(kind) = conflict {
                    plan.tell_conflict(path, kind, format!("both sides changed '{path}'"));
                }
                Ok((made.entry.map(Version::from), flag.or(conflict)))
            }
            (Some(one), None) | (None, Some(one)) => {
                let Some(base) = known else { return Ok((Some(one.clone()), flag)) };
                if is_conflict(base) || is_conflict(one) {
                    let made = self.kept(Some(base), ours.as_deref(), theirs.as_deref());
                    return Ok((made.entry.map(Version::from), flag.or(made.conflict)));
                }
                if flag.is_none() {
                    if base.is_same_as(one) {
                        return Ok((None, None));
                    }
                    plan.tell_conflict(
                        path,
                        ConflictKind::ModifyDelete,
                        format!("'{path}' was deleted and changed: the changed version is kept"),
                    );
                }
                // Between bases the one that both were made from is left.
                let entry = if self.depth > 0 { base } else { one };
                Ok((Some(entry.clone()), flag.or(Some(ConflictKind::ModifyDelete))))
            }
        }
    }

    /// Two things of different kinds: a file steps aside for what is none.
    fn part<'c>(
        &mut self,
        plan: &mut Plan<'c>,
        path: RepoPath,
        [base, ours, theirs]: [&Option<Version<'c>>; 3],
        placed: &mut Places<'c>,
    ) -> Result<(), <C as Source>::Error> {
        let is_file = |entry: &Option<Version<'_>>| {
            entry.as_ref().is_some_and(|entry| matches!(entry.what, What::File { .. }))
        };
        let moves = match (is_file(ours), is_file(theirs)) {
            (true, _) => [true, false],
            (_, true) => [false, true],
            _ => [true, true],
        };
        placed.insert(path.clone(), Placed::NOTHING);
        for (index, (entry, moves)) in [ours, theirs].into_iter().zip(moves).enumerate() {
            let side = index + 1;
            let place = match moves {
                true => self.aside(plan, &path, side, placed)?,
                false => path.clone(),
            };
            let mut stages = [None, None, None];
            stages[0] = base
                .clone()
                .filter(|base| entry.as_ref().is_some_and(|entry| are_alike(base, entry)));
            stages[side] = entry.clone();
            let entry = entry.clone().map(|entry| entry.named(place.name()));
            let names = [path.clone(), path.clone(), path.clone()];
            let doubt = Some(Box::new(Doubt { kind: ConflictKind::DistinctTypes, stages, names }));
            placed.insert(place, Placed { entry, doubt });
        }
        plan.tell_conflict(
            &path,
            ConflictKind::DistinctTypes,
            format!("'{path}' is of another kind on each side: both are kept"),
        );
        Ok(())
    }

    /// A free name beside a path for what one side has there.
    fn aside(
        &self,
        plan: &Plan<'_>,
        path: &RepoPath,
        side: usize,
        placed: &Places<'_>,
    ) -> Result<RepoPath, <C as Source>::Error> {
        let labels = &self.request.options.labels;
        let label = match (self.depth, side, self.request.options.unsettled) {
            // Who merges must not show in what is kept for everybody.
            (0, _, Unsettled::Keep) => b"file".to_vec(),
            (0, 1, _) => labels.ours.clone(),
            (0, _, _) => labels.theirs.clone(),
            (_, side, _) => bases_labels()[side].clone(),
        };
        let (parent, name) = path.split().unwrap_or((RepoPath::root(), b""));
        let plain = label.iter().map(|&byte| if byte == b'/' || byte < b' ' { b'_' } else { byte });
        let mut wanted = name.to_vec();
        wanted.push(b'~');
        wanted.extend(plain);
        wanted.truncate(crate::path::LONGEST_NAME - 24);
        let mut number = 0;
        let mut candidate = parent.join(&wanted);
        let names = Names { left: &plan.slots, placed };
        while names.has(&candidate)
            || self.is_there(plan.trees[1], &candidate)?
            || self.is_there(plan.trees[2], &candidate)?
        {
            candidate = parent.join(&[&wanted[..], format!("_{number}").as_bytes()].concat());
            number += 1;
        }
        Ok(candidate)
    }
}

fn is_conflict(entry: &Entry) -> bool {
    matches!(entry.what, What::Conflict { .. })
}

fn is_unchanged(base: Option<&Entry>, side: &Entry) -> bool {
    base.is_some_and(|base| base.is_same_as(side))
}

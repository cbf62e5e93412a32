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
use super::{ConflictKind, Unsettled};

/// What was settled for one path.
#[derive(Debug)]
pub(super) struct Placed {
    /// What is there now.
    pub(super) entry: Option<Entry>,
    /// What could not be decided.
    pub(super) doubt: Option<Box<Doubt>>,
}

/// What could not be decided about a path.
#[derive(Debug)]
pub(super) struct Doubt {
    pub(super) kind: ConflictKind,
    pub(super) stages: [Option<Entry>; 3],
    pub(super) names: [RepoPath; 3],
}

impl Placed {
    const NOTHING: Self = Self { entry: None, doubt: None };
}

/// All paths: those that were settled, and those that are still to be.
struct Names<'s> {
    left: &'s BTreeMap<RepoPath, Box<Slot>>,
    placed: &'s BTreeMap<RepoPath, Placed>,
}

impl Names<'_> {
    /// Whether a name is in use.
    fn has(&self, path: &RepoPath) -> bool {
        let is_within = |next: Option<&RepoPath>| next.is_some_and(|next| next.is_within(path));
        is_within(self.left.range(path..).next().map(|(next, _)| next))
            || is_within(self.placed.range(path..).next().map(|(next, _)| next))
    }
}

impl<C: Contents> Work<'_, '_, C> {
    /// Settles all paths of a plan.
    pub(super) fn settle(
        &mut self,
        plan: &mut Plan,
    ) -> Result<BTreeMap<RepoPath, Placed>, <C as Source>::Error> {
        let mut placed: BTreeMap<RepoPath, Placed> = BTreeMap::new();
        while let Some((path, slot)) = plan.slots.pop_last() {
            if slot.is_moved || slot.stages.iter().all(Option::is_none) {
                placed.insert(path, Placed::NOTHING);
                continue;
            }
            self.settle_one(plan, path, *slot, &mut placed)?;
        }
        Ok(placed)
    }

    fn settle_one(
        &mut self,
        plan: &mut Plan,
        path: RepoPath,
        slot: Slot,
        placed: &mut BTreeMap<RepoPath, Placed>,
    ) -> Result<(), <C as Source>::Error> {
        let names = match &slot.names {
            Some(names) => (**names).clone(),
            None => [path.clone(), path.clone(), path.clone()],
        };
        let Slot { stages, flag, hint, .. } = slot;
        let [base, ours, theirs] = &stages;
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && !are_alike(ours, theirs)
            && !is_unchanged(base.as_ref(), ours)
            && !is_unchanged(base.as_ref(), theirs)
            && !stages.iter().flatten().any(is_conflict)
            && self.depth == 0
            && self.request.options.unsettled == Unsettled::Mark
        {
            let sides = [base, &Some(ours.clone()), &Some(theirs.clone())];
            return self.part(plan, path, sides, placed);
        }
        let (mut entry, conflict) = self.resolve(plan, &path, &stages, flag, hint, &names)?;
        if let (Some(kind), Unsettled::Keep, 0) =
            (conflict, self.request.options.unsettled, self.depth)
            // What is only in doubt because of its name is an ordinary entry.
            && (ours.is_some() && theirs.is_some()
                || !matches!(kind, ConflictKind::RenameDelete | ConflictKind::RenameRename))
            && let Settled::Conflict(kept) =
                terms::merge(base.as_ref(), ours.as_ref(), theirs.as_ref())
        {
            entry = Some(kept);
        }
        let stays = placed
            .range(&path..)
            .take_while(|(at, _)| at.is_within(&path))
            .any(|(_, below)| below.entry.is_some());
        if !stays || entry.is_none() {
            let entry = entry.map(|entry| Entry { name: path.name().to_vec(), ..entry });
            // Where a directory is, nobody needs to decide about a file that nobody has.
            let conflict = conflict.filter(|_| !stays || stages[1..].iter().any(Option::is_some));
            let doubt = conflict.map(|kind| Box::new(Doubt { kind, stages, names }));
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
        let entry = entry.map(|entry| Entry { name: aside.name().to_vec(), ..entry });
        let doubt = Some(Box::new(Doubt { kind, stages, names }));
        placed.insert(aside, Placed { entry, doubt });
        Ok(())
    }

    /// What three versions come to.
    fn resolve(
        &mut self,
        plan: &mut Plan,
        path: &RepoPath,
        stages: &[Option<Entry>; 3],
        flag: Option<ConflictKind>,
        hint: Option<ConflictKind>,
        names: &[RepoPath; 3],
    ) -> Result<(Option<Entry>, Option<ConflictKind>), <C as Source>::Error> {
        let [base, ours, theirs] = stages;
        let base = base.as_ref();
        match (ours, theirs) {
            (None, None) => Ok((None, flag)),
            (Some(ours), Some(theirs)) => {
                if ours.is_same_as(theirs) {
                    let mtime = time(base.and_then(|base| base.mtime), ours.mtime, theirs.mtime);
                    return Ok((Some(Entry { mtime, ..ours.clone() }), flag));
                }
                if is_unchanged(base, ours) || is_unchanged(base, theirs) {
                    let is_theirs = is_unchanged(base, ours);
                    let entry = if is_theirs { theirs } else { ours };
                    return Ok((Some(entry.clone()), flag));
                }
                if stages.iter().flatten().any(is_conflict) {
                    let made = self.kept(base, Some(ours), Some(theirs));
                    return Ok((made.entry, flag.or(made.conflict)));
                }
                if !are_alike(ours, theirs) {
                    // Only between bases, or where all versions are kept.
                    let entry = if self.depth > 0 { base.cloned() } else { Some(ours.clone()) };
                    return Ok((entry, Some(ConflictKind::DistinctTypes)));
                }
                let three = Three {
                    base,
                    ours,
                    theirs,
                    names: [&names[0], &names[1], &names[2]],
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
                Ok((made.entry, flag.or(conflict)))
            }
            (Some(one), None) | (None, Some(one)) => {
                let Some(base) = base else { return Ok((Some(one.clone()), flag)) };
                if is_conflict(base) || is_conflict(one) {
                    let made = self.kept(Some(base), ours.as_ref(), theirs.as_ref());
                    return Ok((made.entry, flag.or(made.conflict)));
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
    fn part(
        &mut self,
        plan: &mut Plan,
        path: RepoPath,
        [base, ours, theirs]: [&Option<Entry>; 3],
        placed: &mut BTreeMap<RepoPath, Placed>,
    ) -> Result<(), <C as Source>::Error> {
        let is_file = |entry: &Option<Entry>| {
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
            let entry = entry.clone().map(|entry| Entry { name: place.name().to_vec(), ..entry });
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
        plan: &Plan,
        path: &RepoPath,
        side: usize,
        placed: &BTreeMap<RepoPath, Placed>,
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

//! Copies made while others wrote: packs that did not come along, and packs that nobody lists.
//!
//! A plain copy may have records older than its packs, or newer. Where small packs were merged
//! meanwhile, what is listed is gone and everything is in packs that no record of the copy names:
//! these are taken in their place, and the first record that the copy writes says so. Where
//! something is really missing, the copy opens at the newest record whose metadata is all there.
//!
//! Deliberately absent: mending a store that is no copy. What it lists and does not have is
//! missing, and stays so.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::hash::{Id, Kind};
use crate::object::{Commit, Node, Object, Sink, Table, Tag, What};

use super::identity::Identity;
use super::journal::Slot;
use super::lookup::Lookup;
use super::{
    Batch, Class, Effect, Error, PackInfo, Sealed, State, Store, Target, content_kind, pack_path,
};

/// Packs that were taken in place of others.
#[derive(Clone, Debug)]
pub(super) struct Adoption {
    /// Each with its table, if it has content.
    taken: Vec<(PackInfo, Option<Table>)>,
    /// Those that are not there and whose every object is.
    gone: Vec<String>,
}

impl Store {
    /// Whether the store is somewhere else than where it was last written.
    fn is_copy(&self) -> bool {
        let identity = self.identity();
        Identity::place(&*self.dir).is_ok_and(|place| place != identity.place)
    }

    /// Makes the best of a copy that lists packs that did not come along.
    pub(super) fn fall_back_if_copied(&self) -> Result<(), Error> {
        if !self.is_copy() {
            return Ok(());
        }
        let newest = self.state();
        let mut present = BTreeSet::new();
        for class in Class::ALL {
            present.extend(self.pack_files(class)?);
        }
        let is_there = |pack: &PackInfo| present.contains(&pack_path(pack.class, &pack.name));
        let absent: Vec<&PackInfo> = newest.packs.values().filter(|pack| !is_there(pack)).collect();
        let metadata = absent.iter().find(|pack| pack.class == Class::Meta);
        if absent.is_empty() {
            return Ok(());
        }
        let listed: BTreeSet<String> =
            newest.packs.values().map(|pack| pack_path(pack.class, &pack.name)).collect();
        if present.iter().any(|path| !listed.contains(path)) && self.adopt(&newest, &absent)? {
            return Ok(());
        }
        let Some(metadata) = metadata else { return Ok(()) };
        let mut number = newest.number;
        let mut given_up = BTreeSet::new();
        while number > 1 {
            if let Slot::Record(record, _) = self.journal.read(number)?
                && !given_up.contains(&number)
            {
                given_up.extend(record.effects.iter().filter_map(Effect::given_up));
            }
            number -= 1;
            if given_up.contains(&number) {
                continue;
            }
            let Some(mut state) = self.journal.state_at(number)? else { break };
            if state.packs.values().all(|pack| pack.class != Class::Meta || is_there(pack)) {
                self.notice(format!(
                    "this is an incomplete copy: pack {} is not there, so records after {number} of {} were not taken",
                    metadata.name, newest.number
                ));
                state.damage.clone_from(&newest.damage);
                self.hold(state, newest.number);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Stays at a state that is not what the newest record says.
    fn hold(&self, state: State, newest: u64) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        self.held.store(newest, Ordering::Relaxed);
    }

    /// Takes packs that no record lists, if they have all of the metadata that did not come along.
    fn adopt(&self, newest: &State, absent: &[&PackInfo]) -> Result<bool, Error> {
        let unlisted = self.unlisted_packs()?;
        let mut state = newest.clone();
        for pack in absent {
            state.packs.remove(&pack.name);
        }
        for pack in unlisted.0.packs.values() {
            state.packs.insert(pack.name.clone(), pack.clone());
        }
        let lookup = self.lookup_of(&state)?;
        let (mut gone, mut missing) = (Vec::new(), Vec::new());
        for pack in absent {
            let is_elsewhere = match pack.class {
                Class::Meta => true,
                _ => self.has_content(pack, &state, &lookup)?,
            };
            if is_elsewhere {
                gone.push(pack.name.clone());
            } else {
                missing.push(*pack);
            }
        }
        // That they are missing must stay known; but nothing is elsewhere for being in one of them.
        for pack in missing {
            state.packs.insert(pack.name.clone(), pack.clone());
        }
        let lacks_metadata = absent.iter().any(|pack| pack.class == Class::Meta);
        if gone.is_empty() || lacks_metadata && !self.has_metadata(&state, &lookup)? {
            return Ok(false);
        }
        let mut taken = Vec::new();
        for pack in unlisted.0.packs.values() {
            let Some(indexed) = self.index_pack(pack)? else { continue };
            let table = indexed.table.to_object(pack.class);
            let id = table.as_ref().map(|table| Kind::Table.id_of(&table.to_bytes()));
            taken.push((PackInfo { table: id, ..pack.clone() }, table));
        }
        for (pack, _) in &taken {
            state.packs.insert(pack.name.clone(), pack.clone());
        }
        self.notice(format!(
            "this copy was made while packs were merged: {} that its records do not list are taken in place of {}",
            taken.len(),
            gone.len()
        ));
        *self.adoption.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Adoption { taken, gone });
        self.hold(state, newest.number);
        Ok(true)
    }

    /// A lookup of all packs of a state that are there.
    fn lookup_of(&self, state: &State) -> Result<Lookup, Error> {
        let mut lookup = (*self.lookup()).clone();
        let uncovered: Vec<String> =
            lookup.uncovered(state).into_iter().map(str::to_owned).collect();
        let mut found = Vec::new();
        for name in uncovered {
            let Some(info) = state.packs.get(&name) else { continue };
            found.extend(self.index_pack(info)?);
        }
        lookup.add(found);
        Ok(lookup)
    }

    /// Whether everything that a content pack held is in other packs.
    fn has_content(&self, pack: &PackInfo, state: &State, lookup: &Lookup) -> Result<bool, Error> {
        let Some(id) = pack.table else { return Ok(false) };
        let Some(place) = lookup.find(state, Kind::Table, &id) else { return Ok(false) };
        let table: Table = self.object_at(&place, &id)?;
        let Some(kind) = Kind::from_number(table.kind) else { return Ok(false) };
        Ok(table.rows.iter().all(|row| lookup.find(state, kind, &row.id).is_some()))
    }

    /// Whether all metadata that the refs reach can be found. Reads all of it: for copies that are
    /// not known to be complete.
    fn has_metadata(&self, state: &State, lookup: &Lookup) -> Result<bool, Error> {
        let mut queue: Vec<(Kind, Id)> = Vec::new();
        for target in state.refs.values() {
            let Target::Id(root) = target else { continue };
            match lookup.kinds(state, root).into_iter().flatten().next() {
                Some(kind) => queue.push((kind, *root)),
                None if *root == Node::empty_id() => {}
                None => return Ok(false),
            }
        }
        let mut seen: HashSet<Id> = HashSet::new();
        while let Some((kind, id)) = queue.pop() {
            if id == Id::EMPTY || id == Node::empty_id() || !seen.insert(id) {
                continue;
            }
            // Content that did not come along is missing, and named when it is asked for.
            if matches!(kind, Kind::Chunk | Kind::List) {
                continue;
            }
            let Some(place) = lookup.find(state, kind, &id) else { return Ok(false) };
            match kind {
                Kind::Commit => {
                    let commit: Commit = self.object_at(&place, &id)?;
                    queue.push((Kind::Tree, commit.tree));
                    queue.extend(commit.parents.iter().map(|parent| (Kind::Commit, *parent)));
                }
                Kind::Tag => {
                    let tag: Tag = self.object_at(&place, &id)?;
                    queue.extend(Kind::from_number(tag.target_kind).map(|kind| (kind, tag.target)));
                }
                Kind::Tree => match self.object_at::<Node>(&place, &id)? {
                    Node::Inner { children, .. } => {
                        queue.extend(children.iter().map(|child| (Kind::Tree, child.node)));
                    }
                    Node::Leaf(entries) => queue.extend(entries.iter().filter_map(|entry| {
                        Some(match &entry.what {
                            What::File { size, content } => (content_kind(*size), *content),
                            What::Directory { tree, .. } => (Kind::Tree, *tree),
                            _ => return None,
                        })
                    })),
                },
                _ => {}
            }
        }
        Ok(true)
    }

    /// What the next record has to say about packs that were taken, with a pack of their tables.
    pub(super) fn adoption(&self) -> Result<Option<(Vec<Effect>, Sealed)>, Error> {
        let adoption = self.adoption.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Adoption { taken, gone }) = adoption.clone() else { return Ok(None) };
        drop(adoption);
        let batch = Batch::begin(self)?;
        let mut writer = batch.writer();
        for table in taken.iter().filter_map(|(_, table)| table.as_ref()) {
            writer.put(Kind::Table, table.to_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        let sealed = batch.seal()?;
        let removed = gone.into_iter().map(|name| Effect::PackRemoved { name, into: None });
        let added = taken.into_iter().map(|(pack, _)| Effect::PackAdded(pack));
        Ok(Some((removed.chain(added).collect(), sealed)))
    }

    /// The record that says so is there.
    pub(super) fn adopted(&self) {
        *self.adoption.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

//! Publishing: one record makes sealed packs part of the store and moves refs, or nothing happens.
//!
//! Before the record is created, everything the writer relied on is checked against what happened
//! since it looked: each ref must be where the writer saw it, and the packs it left things out
//! for must still be there. Whoever loses the race for a number tries the next; whoever lost a ref
//! is told, and begins again from what is there now.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::hash::{Id, Kind};
use crate::object::{Commit, Node, Source};

use super::batch::remove_folder;
use super::journal::Slot;
use super::lost::Next;
use super::{Effect, Error, Identity, Record, Sealed, State, Store, Target, pack_path};

/// Whoever does not know this feature cannot read long frames.
pub(super) const ARCHIVE: &str = "archive";

/// A move of one ref, if it is where it is thought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// Its full name.
    pub name: String,
    /// Where it is; `None` if it does not exist.
    pub old: Option<Target>,
    /// Where it shall be; `None` deletes it.
    pub new: Option<Target>,
    /// Why, for the reflog.
    pub reason: String,
}

/// What one record is to say.
#[derive(Debug)]
#[must_use = "nothing happens until it is published"]
pub struct Publication {
    verb: String,
    actor: String,
    edits: Vec<RefEdit>,
    sealed: Option<Sealed>,
    ended_sessions: Vec<String>,
    features: Vec<(bool, String)>,
}

impl Publication {
    /// A record of this command by this person.
    pub fn new(verb: &str, actor: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            actor: actor.to_owned(),
            edits: Vec::new(),
            sealed: None,
            ended_sessions: Vec::new(),
            features: Vec::new(),
        }
    }

    /// With these packs.
    pub fn with_packs(mut self, sealed: Sealed) -> Self {
        self.sealed = Some(sealed);
        self
    }

    /// With these moves of refs.
    pub fn with_refs(mut self, edits: impl IntoIterator<Item = RefEdit>) -> Self {
        self.edits.extend(edits);
        self
    }

    /// Ends sessions whose processes are gone.
    pub fn ending_sessions(mut self, sessions: Vec<String>) -> Self {
        self.ended_sessions = sessions;
        self
    }

    /// Says that the store needs a feature from now on.
    pub fn requiring(mut self, reading: bool, feature: &str) -> Self {
        self.features.push((reading, feature.to_owned()));
        self
    }
}

impl Store {
    /// Publishes: durable when it returns. [`Error::Moved`] and [`Error::Gone`] mean that nothing
    /// was changed and the verb should begin again.
    pub fn publish(&self, publication: Publication) -> Result<Arc<State>, Error> {
        let nonce = self.env.random.sixteen();
        let mut adoption = self.adoption()?;
        loop {
            let lock = self.journal.lock();
            // Before the journal is read: what is noted was there then.
            let newest = self.noted()?;
            let last = self.journal.highest()?.max(newest.map_or(0, |newest| newest.number));
            let state = self.refresh_beyond(last)?;
            if let Err(error) = self.check(&state, &publication) {
                self.take_away(publication);
                return Err(error);
            }
            let Some(next) = self.next_record(newest.as_ref(), &state, last)? else {
                adoption = None;
                self.held.store(0, Ordering::Relaxed);
                continue;
            };
            let record = self.record(&state, &publication, adoption.as_ref(), &next, nonce)?;
            let created = self.journal.create(&record, &*self.env.random);
            let is_ours = match &created {
                Ok(true) => true,
                // Somebody else has the number, or the answer got lost: the nonce tells.
                _ => match self.journal.read(record.number)? {
                    Slot::Record(found, _) => found.nonce == nonce,
                    _ => false,
                },
            };
            if is_ours {
                let (_, hash) = record.to_text();
                // If it is not known to be durable, it is not noted.
                if matches!(created, Ok(true)) {
                    self.remember(newest.as_ref(), record.number, hash);
                }
                self.gave_up(&next);
                let mut state = self.published(publication, record, hash)?;
                if let Some((_, tables)) = adoption {
                    self.adopted();
                    self.take_in(&state, tables)?;
                    state = self.state();
                }
                let compacted = self.journal.compact(&state, &*self.env.random);
                drop(lock);
                if let Err(error) = compacted {
                    self.notice(format!("cannot write a checkpoint: {error}"));
                }
                return Ok(state);
            }
            created?;
            // Somebody else has written to this copy meanwhile: what they say counts.
            adoption = None;
            self.held.store(0, Ordering::Relaxed);
        }
    }

    /// Removes packs that no record will list: nobody else knows their names.
    fn take_away(&self, publication: Publication) {
        let Some(sealed) = publication.sealed else { return };
        sealed.packs.iter().for_each(|pack| self.remove_pack(&pack.name));
        // What a session has listed and read is for whoever begins again.
        if sealed.session.is_none() {
            sealed.release(self);
        }
    }

    fn check(&self, state: &State, publication: &Publication) -> Result<(), Error> {
        if let Some(why) = &state.must_not_write {
            return Err(Error::TooOldToWrite(why.clone()));
        }
        for edit in &publication.edits {
            if state.refs.get(&edit.name) != edit.old.as_ref() {
                return Err(Error::Moved { name: edit.name.clone() });
            }
        }
        if let Some(sealed) = &publication.sealed
            && state.number != sealed.base
        {
            self.check_relied(state, sealed)?;
        }
        self.check_targets(state, publication)
    }

    /// Every pack that was relied on is there, or everything in it is in another that is.
    fn check_relied(&self, state: &State, sealed: &Sealed) -> Result<(), Error> {
        let missing: Vec<&String> =
            sealed.relied.iter().filter(|name| !state.packs.contains_key(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut into: BTreeMap<String, Option<String>> = BTreeMap::new();
        for number in sealed.base + 1..=state.number {
            let Slot::Record(record, _) = self.journal.read(number)? else {
                return Err(Error::Gone);
            };
            for effect in record.effects {
                if let Effect::PackRemoved { name, into: target } = effect {
                    into.insert(name, target);
                }
            }
        }
        for name in missing {
            let mut name = name;
            while !state.packs.contains_key(name) {
                name = match into.get(name) {
                    Some(Some(next)) => next,
                    _ => return Err(Error::Gone),
                };
            }
        }
        Ok(())
    }

    /// Closure: what a ref will point to is there, and so is what a commit is made of.
    fn check_targets(&self, state: &State, publication: &Publication) -> Result<(), Error> {
        // A few ids are asked for: looking through the new tables costs less than sorting them.
        let own = |kind: Kind, id: &Id| {
            let sealed = publication.sealed.as_ref()?;
            sealed.indexed.iter().find_map(|pack| pack.find(kind, id))
        };
        let lookup = self.lookup();
        let has = |kind: Kind, id: &Id| {
            // The empty tree may be named without ever having been stored.
            (kind == Kind::Tree && *id == Node::empty_id())
                || own(kind, id).is_some()
                || lookup.find(state, kind, id).is_some()
        };
        for edit in &publication.edits {
            let Some(Target::Id(id)) = &edit.new else { continue };
            let bad = |why| Error::BadTarget { name: edit.name.clone(), id: *id, why };
            let is_new = own(Kind::Commit, id).is_some();
            if has(Kind::Commit, id) {
                // An old commit was closed when it was published.
                if is_new {
                    let commit: Commit = match own(Kind::Commit, id) {
                        Some(place) => self.object_at(&place, id)?,
                        None => self.object(id)?,
                    };
                    if !has(Kind::Tree, &commit.tree) {
                        return Err(bad("its tree is not there"));
                    }
                    if !commit.parents.iter().all(|parent| has(Kind::Commit, parent)) {
                        return Err(bad("a parent is not there"));
                    }
                }
            } else if edit.name.starts_with("refs/heads/") {
                return Err(bad("it is not a commit"));
            } else if !Kind::ALL.iter().any(|kind| has(*kind, id)) {
                return Err(bad("it is not there"));
            }
        }
        Ok(())
    }

    fn record(
        &self,
        state: &State,
        publication: &Publication,
        adoption: Option<&(Vec<Effect>, Sealed)>,
        next: &Next,
        nonce: [u8; 16],
    ) -> Result<Record, Error> {
        let mut effects = Vec::new();
        let mut incarnation = state.incarnation;
        if state.number == 0 && next.lost.is_none() {
            incarnation = self.identity().incarnation;
        } else if next.lost.is_some() || self.begins_anew(state) {
            incarnation = self.env.random.sixteen();
            effects.push(Effect::Incarnation {
                new: incarnation,
                after: state.number,
                hash: state.hash,
            });
        }
        effects.extend(next.skips.iter().cloned());
        effects.extend(adoption.iter().flat_map(|(packs, _)| packs).cloned());
        let archives = publication.sealed.as_ref().filter(|sealed| sealed.has_archives);
        let archives = archives.map(|_| (true, ARCHIVE.to_owned()));
        for (reading, feature) in publication.features.iter().chain(&archives) {
            if state.required.get(feature).is_none_or(|known| !known && *reading) {
                effects.push(Effect::Require { reading: *reading, feature: feature.clone() });
            }
        }
        let mut add_sealed = |sealed: &Sealed| {
            effects.extend(sealed.packs.iter().cloned().map(Effect::PackAdded));
            for (name, into) in &sealed.removed {
                if state.packs.contains_key(name) {
                    effects.push(Effect::PackRemoved { name: name.clone(), into: into.clone() });
                }
            }
            effects.extend(sealed.session.as_deref().map(Effect::session_ended));
        };
        if let Some((_, tables)) = adoption {
            add_sealed(tables);
        }
        if let Some(sealed) = &publication.sealed {
            add_sealed(sealed);
        }
        for session in &publication.ended_sessions {
            effects.push(Effect::session_ended(session));
        }
        effects.extend(publication.edits.iter().map(|edit| Effect::Ref {
            name: edit.name.clone(),
            old: edit.old.clone(),
            new: edit.new.clone(),
            reason: edit.reason.clone(),
        }));
        Ok(Record {
            number: next.number,
            previous: state.hash,
            nonce,
            time: self.env.clock.now(),
            actor: publication.actor.clone(),
            verb: publication.verb.clone(),
            incarnation,
            effects,
            before: state.last_effects.clone(),
            has_unknown_lines: false,
        })
    }

    /// Whether the next record starts a new incarnation: the store was copied or put back.
    fn begins_anew(&self, state: &State) -> bool {
        let is_other = |identity: Identity| {
            identity.incarnation != state.incarnation
                || match Identity::place(&*self.dir) {
                    Ok(place) => place != identity.place,
                    // The file is lost: it is made anew with the incarnation.
                    Err(error) => error.kind() == io::ErrorKind::NotFound,
                }
        };
        if !is_other(self.identity()) {
            return false;
        }
        // Somebody else may have begun it since the store was opened here: one is enough.
        match Identity::read(&*self.dir) {
            Ok(identity) if !is_other(identity) => {
                *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
                false
            }
            _ => true,
        }
    }

    fn published(
        &self,
        publication: Publication,
        record: Record,
        hash: Id,
    ) -> Result<Arc<State>, Error> {
        let mut state = (*self.state()).clone();
        let begun_anew =
            record.effects.iter().any(|effect| matches!(effect, Effect::Incarnation { .. }));
        let incarnation = record.incarnation;
        state.apply(record, hash);
        let state = Arc::new(state);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state.clone();
        self.held.store(0, Ordering::Relaxed);
        if begun_anew {
            let identity =
                Identity { incarnation, ..self.identity() }.write(&*self.dir, &*self.env.random)?;
            *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        }
        if let Some(sealed) = publication.sealed {
            self.take_in(&state, sealed)?;
        }
        for session in publication.ended_sessions {
            remove_folder(self, &format!("tmp/{session}"));
        }
        Ok(state)
    }

    /// Brings the lookup up to date with packs just published, and removes the files of those that
    /// were merged. A crash in between leaves garbage and an older lookup.
    fn take_in(&self, state: &Arc<State>, mut sealed: Sealed) -> Result<(), Error> {
        let mut lookup = (*self.lookup()).clone();
        lookup.add(std::mem::take(&mut sealed.indexed));
        lookup.tidy(state);
        lookup.save(&self.dir, &*self.env.random);
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lookup);
        if sealed.is_arranged {
            self.settle(sealed.packs.iter().map(|pack| &pack.name));
        }
        let removed = std::mem::take(&mut sealed.removed);
        sealed.release(self);
        for (name, _) in removed {
            if !state.packs.contains_key(&name) {
                self.remove_pack(&name);
            }
        }
        Ok(())
    }

    /// Removes the file of a pack that no record lists any more. What cannot be removed is garbage
    /// that gc finds.
    pub(super) fn remove_pack(&self, name: &str) {
        for class in super::Class::ALL {
            let path = pack_path(class, name);
            match self.dir.remove_file(path.as_bytes()) {
                Ok(()) => {
                    // Its folder goes too, if it was the last in it.
                    let folder = &path[..path.len() - name.len() - 1];
                    let _ = self.dir.remove_dir(folder.as_bytes());
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => break,
            }
        }
    }
}

//! Refs in the past, and branches that belong to branches: what `@{…}` asks for.

use crate::history::{Move, Names, Target, dates};

use super::evaluate::Place;
use super::name::short_name;
use super::{Error, Far, Revisions, Warning};

/// How deep symbolic values of the past may lead to one another.
const LONGEST_CHAIN: usize = 5;

impl<N: Names> Revisions<'_, N> {
    /// The branch or commit that was checked out so many switches ago.
    pub(super) fn previous(
        &mut self,
        asked: &str,
        number: usize,
    ) -> Result<Place, Error<N::Error>> {
        let head = self.names.head_name();
        let head = head.ok_or_else(|| Error::NoBranch { asked: asked.into() })?;
        let is_switch = |reason: &str| {
            let verbs = ["switch: moving from ", "checkout: moving from "];
            verbs.iter().any(|verb| reason.starts_with(verb))
        };
        let moves = self.names.moves(&head)?;
        let left = moves.into_iter().filter(|entry| is_switch(&entry.reason));
        let mut left: Vec<Target> = left.filter_map(|entry| entry.old).collect();
        if number > left.len() {
            return Err(Error::NoPrevious { asked: asked.into(), has: left.len() });
        }
        match left.swap_remove(number - 1) {
            Target::Id(id) => {
                let object = Some((id, self.kind(asked, &id)?));
                Ok(Place { object, ..Place::default() })
            }
            Target::Symbolic(branch) => match self.named(asked, &branch)? {
                Some(named) => self.at(asked, named),
                None => Err(self.unknown(asked, short_name(&branch))),
            },
        }
    }

    /// The other branch that belongs to a branch.
    pub(super) fn far(
        &mut self,
        asked: &str,
        place: &Place,
        far: Far,
    ) -> Result<Place, Error<N::Error>> {
        let asked = asked.to_owned();
        let Some(full_name) = &place.full_name else {
            return Err(Error::NotABranch { name: asked.clone(), asked });
        };
        let Some(branch) = full_name.strip_prefix("refs/heads/") else {
            if self.names.head_name().as_ref() == Some(full_name) {
                return Err(Error::NoBranch { asked });
            }
            return Err(Error::NotABranch { asked, name: short_name(full_name).into() });
        };
        let branch = branch.to_owned();
        let Some(name) = (self.context.far)(full_name, far) else {
            return Err(Error::NoFar { asked, branch, far });
        };
        match self.named(&asked, &name)? {
            Some(named) => self.at(&asked, named),
            None => Err(Error::FarMissing { asked, branch, name, far }),
        }
    }

    /// Where a ref was so many moves ago.
    pub(super) fn moved(
        &mut self,
        asked: &str,
        place: &Place,
        number: usize,
    ) -> Result<Place, Error<N::Error>> {
        let Some(name) = &place.name else { return Err(self.unknown(asked, asked)) };
        let moves = self.names.moves(name)?;
        let (target, record) = match (moves.get(number), number.checked_sub(1)) {
            (Some(entry), _) => (entry.new.clone(), entry.number),
            // Before its oldest known move a ref was where that one found it.
            (None, Some(before)) if before < moves.len() && moves[before].old.is_some() => {
                (moves[before].old.clone(), moves[before].number.saturating_sub(1))
            }
            (None, None) if place.object.is_some() => {
                return Ok(Place { object: place.object, ..Place::default() });
            }
            _ => {
                let (name, has) = (self.shown(name), moves.len());
                return Err(Error::NoMove { asked: asked.into(), name, has });
            }
        };
        self.past(asked, name, target, record)
    }

    /// Where a ref was at a date.
    pub(super) fn moved_at(
        &mut self,
        asked: &str,
        place: &Place,
        text: &str,
    ) -> Result<Place, Error<N::Error>> {
        let Some(name) = &place.name else { return Err(self.unknown(asked, asked)) };
        let time = dates::parse_date(text, self.context.now, self.context.zone);
        let not_a_date = || Error::NotADate { asked: asked.into(), text: text.into() };
        let time = time.ok_or_else(not_a_date)?;
        let moves = self.names.moves(name)?;
        let is_by_then = |entry: &&Move| entry.time.seconds <= time.seconds;
        if let Some(entry) = moves.iter().find(is_by_then) {
            return self.past(asked, name, entry.new.clone(), entry.number);
        }
        let Some(oldest) = moves.last() else {
            return Ok(Place { object: place.object, ..Place::default() });
        };
        let seconds = oldest.time.seconds;
        self.warn(Warning::LogTooShort { name: self.shown(name), seconds });
        match &oldest.old {
            Some(old) => self.past(asked, name, Some(old.clone()), oldest.number.saturating_sub(1)),
            None => self.past(asked, name, oldest.new.clone(), oldest.number),
        }
    }

    /// The object a ref pointed at, through what its target was then.
    fn past(
        &self,
        asked: &str,
        name: &str,
        target: Option<Target>,
        record: u64,
    ) -> Result<Place, Error<N::Error>> {
        let mut target = target;
        for _ in 0..LONGEST_CHAIN {
            let branch = match target {
                Some(Target::Symbolic(branch)) => branch,
                Some(Target::Id(id)) => {
                    let object = Some((id, self.kind(asked, &id)?));
                    return Ok(Place { object, ..Place::default() });
                }
                None => break,
            };
            let moves = self.names.moves(&branch)?;
            target = match moves.iter().find(|entry| entry.number <= record) {
                Some(entry) => entry.new.clone(),
                None => match moves.last() {
                    Some(oldest) => oldest.old.clone(),
                    None => self.names.target(&branch)?,
                },
            };
        }
        Err(Error::NotThen { asked: asked.into(), name: self.shown(name) })
    }

    /// A ref as people call it: where the HEAD of a working tree is kept is nobody's business.
    fn shown(&self, name: &str) -> String {
        match self.names.head_name() {
            Some(head) if head == name => "HEAD".to_owned(),
            _ => name.to_owned(),
        }
    }
}

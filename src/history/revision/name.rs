//! Names: refs by short and full names, short ids, and names that are nearly right.

use std::collections::BTreeSet;

use crate::hash::{Id, Kind, Prefix};
use crate::history::{Names, Target};
use crate::object::{Commit, Tag};
use crate::slip;

use super::{Candidate, Error, Revisions, Wanted, Warning};

/// The most symbolic refs that lead to one another.
const LONGEST_CHAIN: usize = 5;
/// How many similar names are told.
const MOST_SIMILAR: usize = 3;

/// A ref that was named.
pub(super) struct Named {
    /// Its own full name.
    pub(super) name: String,
    /// The full name of the ref it leads to: itself, unless it is symbolic.
    pub(super) full_name: String,
    /// What that points at; `None` for a branch without a commit.
    pub(super) id: Option<Id>,
}

impl<N: Names> Revisions<'_, N> {
    /// The full names a short one may stand for, in order.
    pub(super) fn places(&self, name: &str) -> Vec<String> {
        let mut places = Vec::new();
        if name.starts_with("refs/") {
            places.push(name.to_owned());
        }
        if let Some(head) = self.names.head_name()
            && let Some(own) = head.strip_suffix("HEAD")
        {
            places.push(format!("{own}{name}"));
        }
        for (before, after) in [
            ("refs/", ""),
            ("refs/tags/", ""),
            ("refs/heads/", ""),
            ("refs/remotes/", ""),
            ("refs/remotes/", "/HEAD"),
        ] {
            places.push(format!("{before}{name}{after}"));
        }
        places
    }

    /// The ref of this full name, followed to its end; `None` if it does not exist.
    pub(super) fn named(&self, asked: &str, name: &str) -> Result<Option<Named>, Error<N::Error>> {
        let mut full_name = name.to_owned();
        for step in 0..=LONGEST_CHAIN {
            let id = match self.names.target(&full_name)? {
                Some(Target::Symbolic(next)) => {
                    full_name = next;
                    continue;
                }
                Some(Target::Id(id)) => Some(id),
                None if step == 0 => return Ok(None),
                None => None,
            };
            return Ok(Some(Named { name: name.to_owned(), full_name, id }));
        }
        Err(Error::Circle { asked: asked.into(), name: name.into() })
    }

    /// The ref that a short name means. One without a commit is taken only if there is no other.
    pub(super) fn lookup(
        &mut self,
        asked: &str,
        name: &str,
    ) -> Result<Option<Named>, Error<N::Error>> {
        let (mut found, mut unborn) = (Vec::new(), None);
        for place in self.places(name) {
            match self.named(asked, &place)? {
                Some(named) if named.id.is_some() => found.push(named),
                Some(named) => unborn = unborn.or(Some(named)),
                None => {}
            }
        }
        if found.len() > 1 {
            let refs = found.iter().map(|named| named.name.clone()).collect();
            self.warn(Warning::AmbiguousName { name: name.into(), refs });
        }
        Ok(found.into_iter().next().or(unborn))
    }

    /// The kind of an object that must be there.
    pub(super) fn kind(&self, asked: &str, id: &Id) -> Result<Kind, Error<N::Error>> {
        // The empty content is never stored: everybody has it.
        if *id == Id::EMPTY {
            return Ok(Kind::Chunk);
        }
        let missing = || Error::Missing { asked: asked.into(), id: *id };
        self.names.kind(id)?.ok_or_else(missing)
    }

    /// The object whose id begins so, among those that may be wanted.
    pub(super) fn by_prefix(
        &self,
        asked: &str,
        digits: &str,
        wanted: Wanted,
    ) -> Result<Option<(Id, Kind)>, Error<N::Error>> {
        let Some(prefix) = Prefix::parse(digits) else { return Ok(None) };
        let all = self.names.find(&prefix)?;
        let all: BTreeSet<(Id, Kind)> = all.into_iter().collect();
        let history = |kind: Kind| matches!(kind, Kind::Commit | Kind::Tag);
        let is_wanted = |id: &Id, kind: Kind| -> Result<bool, Error<N::Error>> {
            Ok(match wanted {
                Wanted::Any => true,
                Wanted::Tag => kind == Kind::Tag,
                Wanted::Content => matches!(kind, Kind::Chunk | Kind::Manifest),
                Wanted::Commit | Wanted::Tree if kind == Kind::Tag => {
                    match self.peel(asked, (*id, kind), wanted) {
                        Err(Error::Store(error)) => return Err(error.into()),
                        peeled => peeled.is_ok(),
                    }
                }
                Wanted::Commit => kind == Kind::Commit,
                Wanted::Tree => matches!(kind, Kind::Commit | Kind::Tree),
            })
        };
        let mut candidates = Vec::new();
        for &(id, kind) in &all {
            if is_wanted(&id, kind)? {
                candidates.push((id, kind));
            }
        }
        if candidates.is_empty() {
            candidates = all.into_iter().collect();
        }
        // Commits and tags are meant before trees, and trees before the rest.
        let rank = |kind: Kind| match kind {
            kind if history(kind) => 0,
            Kind::Tree => 1,
            _ => 2,
        };
        let Some(best) = candidates.iter().map(|(_, kind)| rank(*kind)).min() else {
            return Ok(None);
        };
        candidates.retain(|(_, kind)| rank(*kind) == best);
        if let [only] = candidates[..] {
            return Ok(Some(only));
        }
        let mut told = Vec::new();
        for (id, kind) in candidates {
            told.push(Candidate { id, kind, about: self.about(&id, kind)? });
        }
        told.sort_by_key(|candidate| (candidate.kind != Kind::Tag, candidate.kind, candidate.id));
        Err(Error::Ambiguous { asked: asked.into(), prefix: digits.into(), candidates: told })
    }

    fn about(&self, id: &Id, kind: Kind) -> Result<About, Error<N::Error>> {
        Ok(match kind {
            Kind::Commit => {
                let commit: Commit = self.names.object(id)?;
                let subject = commit.subject().to_vec();
                Some((Some(commit.committer), subject))
            }
            Kind::Tag => {
                let tag: Tag = self.names.object(id)?;
                Some((tag.tagger, tag.name))
            }
            _ => None,
        })
    }

    /// The error for a name that means nothing.
    pub(super) fn unknown(&self, asked: &str, name: &str) -> Error<N::Error> {
        match self.similar(name) {
            Ok(similar) => Error::Unknown { asked: asked.into(), name: name.into(), similar },
            Err(error) => error.into(),
        }
    }

    fn similar(&self, name: &str) -> Result<Vec<String>, N::Error> {
        let most = 1 + name.chars().count() / 4;
        let mut near = BTreeSet::new();
        for (full_name, _) in self.names.names("refs/")? {
            if full_name.starts_with("refs/worktree/") {
                continue;
            }
            let short = short_name(&full_name);
            if short.len().abs_diff(name.len()) <= 4 * most {
                let distance = slip::distance(name, short);
                if distance <= most {
                    near.insert((distance, short.to_owned()));
                }
            }
        }
        Ok(near.into_iter().take(MOST_SIMILAR).map(|(_, name)| name).collect())
    }
}

type About = Option<(Option<crate::object::Signature>, Vec<u8>)>;

/// A full name without what everybody leaves out.
pub(super) fn short_name(full_name: &str) -> &str {
    let prefixes = ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"];
    prefixes.iter().find_map(|prefix| full_name.strip_prefix(prefix)).unwrap_or(full_name)
}

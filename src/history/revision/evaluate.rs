//! From an expression to an object.

use std::collections::HashSet;

use bstr::ByteSlice;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use crate::hash::{Id, Kind};
use crate::history::walk::{Options, Walk};
use crate::history::{Commits, Names, Target};
use crate::object::{Commit, Tag};
use crate::path::quoted;

use super::name::{Named, short_name};
use super::parse::Search;
use super::{Base, Error, Expression, Far, Found, Peel, Revisions, Step, Wanted};

/// What has been found so far: a ref, an object, or both.
#[derive(Default)]
pub(super) struct Place {
    /// The ref whose moves are asked for next.
    pub(super) name: Option<String>,
    /// The ref it leads to.
    pub(super) full_name: Option<String>,
    pub(super) object: Option<(Id, Kind)>,
}

impl<N: Names> Revisions<'_, N> {
    /// What a revision means.
    pub fn find(&mut self, text: impl AsRef<[u8]>) -> Result<Found, Error<N::Error>> {
        self.find_as(text, Wanted::Any)
    }

    /// What a revision means to somebody who wants this: short ids are taken for it, and tags (and
    /// commits, for a tree) are followed to it.
    pub fn find_as(
        &mut self,
        text: impl AsRef<[u8]>,
        wanted: Wanted,
    ) -> Result<Found, Error<N::Error>> {
        let text = text.as_ref();
        let asked = quoted(text);
        let expression =
            super::parse(text).map_err(|reason| Error::Syntax { asked: asked.clone(), reason })?;
        self.evaluate(&asked, &expression, wanted)
    }

    /// The commit a revision means.
    pub fn commit(&mut self, text: impl AsRef<[u8]>) -> Result<Id, Error<N::Error>> {
        Ok(self.find_as(text, Wanted::Commit)?.id)
    }

    pub(super) fn evaluate(
        &mut self,
        asked: &str,
        expression: &Expression,
        wanted: Wanted,
    ) -> Result<Found, Error<N::Error>> {
        if let Base::Tracked(stage, path) = &expression.base {
            let mut found = self.in_index(asked, *stage, path)?;
            (found.id, found.kind) = self.peel(asked, (found.id, found.kind), wanted)?;
            return Ok(found);
        }
        let first = match (expression.steps.first(), &expression.path) {
            (Some(Step::Parent(_) | Step::Ancestor(_) | Step::Search(_)), _) => Wanted::Commit,
            (Some(Step::Peel(peel)), _) => wanted_by(*peel),
            (Some(_), _) => Wanted::Any,
            (None, Some(_)) => Wanted::Tree,
            (None, None) => wanted,
        };
        let mut place = self.start(asked, expression, first)?;
        for step in &expression.steps {
            place = self.step(asked, place, step)?;
        }
        let object = self.object_at(asked, &place)?;
        if let Some(path) = &expression.path {
            let (tree, _) = self.peel(asked, object, Wanted::Tree)?;
            let mut found = self.in_tree(asked, &tree, path)?;
            (found.id, found.kind) = self.peel(asked, (found.id, found.kind), wanted)?;
            return Ok(found);
        }
        let (id, kind) = self.peel(asked, object, wanted)?;
        Ok(Found { id, kind, path: None, full_name: place.full_name })
    }

    fn start(
        &mut self,
        asked: &str,
        expression: &Expression,
        wanted: Wanted,
    ) -> Result<Place, Error<N::Error>> {
        match &expression.base {
            Base::Name(name) => {
                let of_moves =
                    matches!(expression.steps.first(), Some(Step::Move(_) | Step::At(_)));
                self.start_at_name(asked, name, of_moves, wanted)
            }
            Base::Current => {
                let head = self.names.head_name();
                let head = head.ok_or_else(|| Error::NoBranch { asked: asked.into() })?;
                let name = match self.names.target(&head)? {
                    Some(Target::Symbolic(branch)) => branch,
                    _ => head,
                };
                Ok(match self.named(asked, &name)? {
                    Some(named) => self.at(asked, named)?,
                    None => Place { name: Some(name.clone()), full_name: Some(name), object: None },
                })
            }
            Base::Previous(number) => self.previous(asked, *number),
            Base::Latest(search) => {
                let all = self.all_commits(asked)?;
                let id = self.search(asked, all, search)?;
                Ok(Place { object: Some((id, Kind::Commit)), ..Place::default() })
            }
            Base::Tracked(..) => Ok(Place::default()),
        }
    }

    fn start_at_name(
        &mut self,
        asked: &str,
        name: &str,
        of_moves: bool,
        wanted: Wanted,
    ) -> Result<Place, Error<N::Error>> {
        if let Ok(id) = name.to_ascii_lowercase().parse::<Id>() {
            let kind = self.kind(asked, &id)?;
            return Ok(Place { object: Some((id, kind)), ..Place::default() });
        }
        if let Some(named) = self.lookup(asked, name)? {
            return self.at(asked, named);
        }
        if of_moves {
            // A ref that is gone still has its moves.
            for place in self.places(name) {
                if !self.names.moves(&place)?.is_empty() {
                    return Ok(Place { name: Some(place), ..Place::default() });
                }
            }
        }
        let described = name.rsplit_once("-g").map(|(_, digits)| digits);
        let object = match described {
            Some(digits) => self.by_prefix(asked, digits, Wanted::Commit)?,
            None => None,
        };
        let object = object.filter(|(_, kind)| *kind == Kind::Commit);
        let object = match object {
            Some(object) => Some(object),
            None => self.by_prefix(asked, name, wanted)?,
        };
        if object.is_none() {
            return Err(self.unknown(asked, name));
        }
        Ok(Place { object, ..Place::default() })
    }

    pub(super) fn at(&self, asked: &str, named: Named) -> Result<Place, Error<N::Error>> {
        let object = match named.id {
            Some(id) => Some((id, self.kind(asked, &id)?)),
            None => None,
        };
        Ok(Place { name: Some(named.name), full_name: Some(named.full_name), object })
    }

    fn object_at(&self, asked: &str, place: &Place) -> Result<(Id, Kind), Error<N::Error>> {
        match (place.object, &place.full_name) {
            (Some(object), _) => Ok(object),
            (None, Some(name)) => {
                let branch = short_name(name).to_owned();
                Err(Error::Unborn { asked: asked.into(), branch })
            }
            (None, None) => Err(self.unknown(asked, asked)),
        }
    }

    fn step(&mut self, asked: &str, place: Place, step: &Step) -> Result<Place, Error<N::Error>> {
        match step {
            Step::Move(number) => return self.moved(asked, &place, *number),
            Step::At(text) => return self.moved_at(asked, &place, text),
            Step::Upstream => return self.far(asked, &place, Far::Upstream),
            Step::Push => return self.far(asked, &place, Far::Push),
            _ => {}
        }
        let object = self.object_at(asked, &place)?;
        let found = match step {
            Step::Parent(number) => {
                let (id, kind) = self.peel(asked, object, Wanted::Commit)?;
                match number.checked_sub(1) {
                    None => (id, kind),
                    Some(index) => (self.parent(asked, &id, index)?, Kind::Commit),
                }
            }
            Step::Ancestor(number) => {
                let (mut id, kind) = self.peel(asked, object, Wanted::Commit)?;
                for has in 0..*number {
                    let commit: Commit = self.names.object(&id)?;
                    let parent = commit.parents.first();
                    id = *parent.ok_or_else(|| Error::NoAncestor { asked: asked.into(), has })?;
                }
                (id, kind)
            }
            Step::Search(search) => {
                let (id, kind) = self.peel(asked, object, Wanted::Commit)?;
                (self.search(asked, vec![id], search)?, kind)
            }
            Step::Peel(Peel::Untagged) => self.untagged(asked, object)?,
            Step::Peel(peel) => self.peel(asked, object, wanted_by(*peel))?,
            Step::Move(_) | Step::At(_) | Step::Upstream | Step::Push => object,
        };
        Ok(Place { object: Some(found), ..Place::default() })
    }

    pub(super) fn parents(&self, id: &Id) -> Result<Vec<Id>, Error<N::Error>> {
        Ok(self.names.object::<Commit>(id)?.parents)
    }

    pub(super) fn parent(&self, asked: &str, id: &Id, index: usize) -> Result<Id, Error<N::Error>> {
        let parents = self.parents(id)?;
        let no_parent = || Error::NoParent { asked: asked.into(), commit: *id, has: parents.len() };
        parents.get(index).copied().ok_or_else(no_parent)
    }

    /// The youngest commit, from these back, whose message is looked for.
    fn search(
        &self,
        asked: &str,
        include: Vec<Id>,
        search: &Search,
    ) -> Result<Id, Error<N::Error>> {
        let text = || search.text.to_str_lossy().into_owned();
        let pattern = pattern(&search.text).map_err(|why| Error::BadPattern {
            asked: asked.into(),
            text: text(),
            why,
        })?;
        let graph = Commits::new(self.names);
        for step in Walk::new(&graph, Options { include, ..Options::default() }) {
            let id = step?.id;
            let commit: Commit = self.names.object(&id)?;
            if pattern.is_match(&commit.message) != search.negated {
                return Ok(id);
            }
        }
        Err(Error::NoMatch { asked: asked.into(), text: text() })
    }

    /// The commits all refs and HEAD lead to. The HEADs of other working trees are not meant.
    pub(super) fn all_commits(&self, asked: &str) -> Result<Vec<Id>, Error<N::Error>> {
        let mut names: Vec<String> = self.names.head_name().into_iter().collect();
        let all = self.names.names("refs/")?.into_iter().map(|(name, _)| name);
        names.extend(all.filter(|name| !name.starts_with("refs/worktree/")));
        self.commits_of(asked, names)
    }

    /// The commits these refs lead to; those that lead to something else are passed over.
    pub(super) fn commits_of(
        &self,
        asked: &str,
        names: Vec<String>,
    ) -> Result<Vec<Id>, Error<N::Error>> {
        let (mut commits, mut known) = (Vec::new(), HashSet::new());
        for name in names {
            let Some(id) = self.named(asked, &name)?.and_then(|named| named.id) else { continue };
            let object = (id, self.kind(asked, &id)?);
            if let (id, Kind::Commit) = self.untagged(asked, object)?
                && known.insert(id)
            {
                commits.push(id);
            }
        }
        Ok(commits)
    }

    fn tagged(&self, asked: &str, tag: &Id) -> Result<(Id, Kind), Error<N::Error>> {
        let tag: Tag = self.names.object(tag)?;
        Ok((tag.target, self.kind(asked, &tag.target)?))
    }

    fn untagged(&self, asked: &str, object: (Id, Kind)) -> Result<(Id, Kind), Error<N::Error>> {
        let mut object = object;
        while object.1 == Kind::Tag {
            object = self.tagged(asked, &object.0)?;
        }
        Ok(object)
    }

    /// Follows an object to what is wanted.
    pub(super) fn peel(
        &self,
        asked: &str,
        object: (Id, Kind),
        wanted: Wanted,
    ) -> Result<(Id, Kind), Error<N::Error>> {
        let (mut id, mut kind) = object;
        loop {
            let is_it = match wanted {
                Wanted::Any => true,
                Wanted::Commit => kind == Kind::Commit,
                Wanted::Tree => kind == Kind::Tree,
                Wanted::Content => matches!(kind, Kind::Chunk | Kind::Manifest),
                Wanted::Tag => kind == Kind::Tag,
            };
            (id, kind) = match kind {
                _ if is_it => return Ok((id, kind)),
                Kind::Tag => self.tagged(asked, &id)?,
                Kind::Commit if wanted == Wanted::Tree => {
                    let commit: Commit = self.names.object(&id)?;
                    (commit.tree, self.kind(asked, &commit.tree)?)
                }
                _ => return Err(Error::WrongKind { asked: asked.into(), id, kind, wanted }),
            };
        }
    }
}

fn wanted_by(peel: Peel) -> Wanted {
    match peel {
        Peel::Untagged | Peel::Object => Wanted::Any,
        Peel::Commit => Wanted::Commit,
        Peel::Tree => Wanted::Tree,
        Peel::Tag => Wanted::Tag,
        Peel::Blob => Wanted::Content,
    }
}

/// What a message is searched for, as git understands it: `^` is where the message begins, `$` where
/// it ends, and a dot is any character, line ends too. Bytes that are not UTF-8 match as they are.
fn pattern(text: &[u8]) -> Result<Regex, String> {
    let mut pattern = String::new();
    for chunk in text.utf8_chunks() {
        pattern.push_str(chunk.valid());
        for byte in chunk.invalid() {
            pattern.push_str(&format!("(?-u:\\x{byte:02x})"));
        }
    }
    let syntax = syntax::Config::new().utf8(false).dot_matches_new_line(true);
    // A pattern somebody typed that needs more than this was not meant for messages.
    let limits = Regex::config().nfa_size_limit(Some(1 << 20)).hybrid_cache_capacity(1 << 20);
    Regex::builder().syntax(syntax).configure(limits).build(&pattern).map_err(|error| {
        // What the parser says of the place takes lines of its own.
        match error.syntax_error() {
            Some(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
            None => error.to_string(),
        }
    })
}

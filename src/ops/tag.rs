//! Tags: listing, making and deleting them.

use crate::hash::{Id, Kind};
use crate::history::refname;
use crate::object::{Object, Signature, Sink, Source, Tag};
use crate::repo::{Person, Repository};
use crate::store::{Batch, Publication, RefEdit, Target};

use super::Error;

/// Where tags are.
pub const PREFIX: &str = "refs/tags/";

/// A tag.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name, without `refs/tags/`.
    pub name: String,
    /// What the ref points to: an annotated tag, or what a plain one names.
    pub id: Id,
}

/// All tags, sorted by name.
pub fn list(repo: &Repository) -> Vec<Listed> {
    let found = repo.store().refs(PREFIX).into_iter().filter_map(|(full, _)| {
        let id = repo.store().resolve(&full)?;
        Some(Listed { name: full.strip_prefix(PREFIX)?.to_owned(), id })
    });
    found.collect()
}

/// The tag object, if it is an annotated one.
pub fn annotation(repo: &Repository, id: &Id) -> Result<Option<Tag>, Error> {
    if !repo.store().contains(Kind::Tag, id) {
        return Ok(None);
    }
    Ok(Some(repo.store().object(id)?))
}

/// What a new tag is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name.
    pub name: String,
    /// What it names.
    pub target: Id,
    /// The kind of that.
    pub target_kind: Kind,
    /// For an annotated one: who says what.
    pub annotation: Option<(Signature, Vec<u8>)>,
    /// Whether a tag of this name gives way.
    pub replace: bool,
}

/// Where the ref of a tag points to now, and where it did before, if it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Now.
    pub id: Id,
    /// Before.
    pub was: Option<Id>,
}

/// Makes a tag.
pub fn create(repo: &Repository, actor: &Person, options: &Options) -> Result<Made, Error> {
    refname::check_tag(&options.name)?;
    let name = format!("{PREFIX}{}", options.name);
    let (old, was) = (repo.store().target(&name), repo.store().resolve(&name));
    if old.is_some() && !options.replace {
        return Err(Error::Exists { kind: "tag", name: options.name.clone() });
    }
    let mut publication = Publication::new("tag", &actor.to_actor());
    let mut id = options.target;
    if let Some((tagger, message)) = &options.annotation {
        let tag = Tag {
            target: options.target,
            target_kind: options.target_kind.number(),
            name: options.name.clone().into_bytes(),
            tagger: Some(tagger.clone()),
            message: message.clone(),
            headers: Vec::new(),
        };
        let batch = Batch::begin(repo.store())?;
        let mut writer = batch.writer();
        id = writer.put(Kind::Tag, tag.to_bytes())?;
        writer.flush()?;
        drop(writer);
        publication = publication.with_packs(batch.seal()?);
    }
    let reason = format!("tag: {}", options.target.short(8));
    let edit = RefEdit { name, old, new: Some(Target::Id(id)), reason };
    repo.store().publish(publication.with_refs([edit]))?;
    Ok(Made { id, was })
}

/// Deletes tags, all or none; tells what they pointed to.
pub fn delete(repo: &Repository, actor: &Person, names: &[String]) -> Result<Vec<Listed>, Error> {
    let (mut deleted, mut edits) = (Vec::new(), Vec::new());
    for name in names {
        let full = format!("{PREFIX}{name}");
        let id = repo.store().resolve(&full).ok_or_else(|| Error::NoTag(name.clone()))?;
        let old = repo.store().target(&full);
        edits.push(RefEdit { name: full, old, new: None, reason: "tag: deleted".to_owned() });
        deleted.push(Listed { name: name.clone(), id });
    }
    repo.store().publish(Publication::new("tag", &actor.to_actor()).with_refs(edits))?;
    Ok(deleted)
}

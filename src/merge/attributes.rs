//! Merging attributes, field by field.
//!
//! Each field is a value of its own, and each extended attribute is: what one side changed is
//! taken, and only what both changed differently is a conflict. Which entries share a file and
//! where a file has holes belong to the content and go with it.

use std::collections::BTreeMap;

use crate::codec;
use crate::hash::{Id, Kind};
use crate::object::{Attributes, Object, Sink, Source};

/// What three values merge to; `None` if both sides changed it, each in another way.
pub(super) fn three<'a, T: PartialEq>(base: &'a T, ours: &'a T, theirs: &'a T) -> Option<&'a T> {
    if ours == theirs || theirs == base {
        Some(ours)
    } else if ours == base {
        Some(theirs)
    } else {
        None
    }
}

/// Whose content the merged entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Ours,
    Theirs,
    /// It is neither's.
    New,
}

/// Merges three attributes objects. Tells the merged one, and whether a field is in conflict and
/// has our value.
pub(super) fn merge<S>(
    store: &mut S,
    [base, ours, theirs]: [Option<Id>; 3],
    content: Content,
) -> Result<(Option<Id>, bool), <S as Source>::Error>
where
    S: Source + Sink<Error = <S as Source>::Error>,
    <S as Source>::Error: From<codec::Error>,
{
    if let Some(same) = three(&base, &ours, &theirs) {
        return Ok((*same, false));
    }
    let read = |id: Option<Id>| match id {
        Some(id) => store.object::<Attributes>(&id),
        None => Ok(Attributes::default()),
    };
    let (b, o, t) = (read(base)?, read(ours)?, read(theirs)?);
    let mut is_conflict = false;
    let mut merged = Attributes {
        owner: pick(&b.owner, &o.owner, &t.owner, &mut is_conflict),
        extended: extended(&b.extended, &o.extended, &t.extended, &mut is_conflict),
        link_group: None,
        holes: None,
        device: pick(&b.device, &o.device, &t.device, &mut is_conflict),
        // Of two times the later counts, as everywhere.
        birth: three(&b.birth, &o.birth, &t.birth).copied().unwrap_or(o.birth.max(t.birth)),
    };
    match content {
        Content::Ours => (merged.link_group, merged.holes) = (o.link_group, o.holes),
        Content::Theirs => (merged.link_group, merged.holes) = (t.link_group, t.holes),
        Content::New => {}
    }
    if merged == Attributes::default() {
        return Ok((None, is_conflict));
    }
    Ok((Some(store.put(Kind::Attributes, merged.to_bytes())?), is_conflict))
}

fn pick<T: PartialEq + Clone>(base: &T, ours: &T, theirs: &T, is_conflict: &mut bool) -> T {
    three(base, ours, theirs)
        .unwrap_or_else(|| {
            *is_conflict = true;
            ours
        })
        .clone()
}

type Extended = Option<Vec<(Vec<u8>, Vec<u8>)>>;

/// A file system that has no extended attributes says nothing of them.
fn extended(
    base: &Extended,
    ours: &Extended,
    theirs: &Extended,
    is_conflict: &mut bool,
) -> Extended {
    let (Some(our_list), Some(their_list)) = (ours, theirs) else {
        return ours.as_ref().or(theirs.as_ref()).cloned();
    };
    let map = |list: &[(Vec<u8>, Vec<u8>)]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        list.iter().cloned().collect()
    };
    let (b, o, t) = (map(base.as_deref().unwrap_or_default()), map(our_list), map(their_list));
    let names: std::collections::BTreeSet<&Vec<u8>> = o.keys().chain(t.keys()).collect();
    let mut merged = Vec::new();
    for name in names {
        let value = pick(&b.get(name), &o.get(name), &t.get(name), is_conflict);
        if let Some(value) = value {
            merged.push((name.clone(), value.clone()));
        }
    }
    Some(merged)
}

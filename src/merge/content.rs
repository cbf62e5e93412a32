//! Merging what stands under one name on both sides: two things of the same kind.

use crate::clock::Time;
use crate::diff::text::LONGEST;
use crate::hash::Id;
use crate::object::manifest::{self, NEAR, SMALL};
use crate::object::{Entry, Manifest, Source, What};
use crate::path::RepoPath;

use super::attributes::{self, Content};
use super::request::{Contents, Handling, Versions};
use super::terms::{self, Settled};
use super::text::{self, TextOptions};
use super::{ConflictKind, Favour, Need, Request, Unsettled};

/// A merge, or the merge of its bases, and what it lacks.
pub(super) struct Work<'c, 'r, C> {
    pub(super) contents: &'c mut C,
    pub(super) request: &'r Request<'r>,
    /// 0 for the merge itself, 1 for the merge of its bases, and so on.
    pub(super) depth: usize,
    pub(super) needs: Vec<Need>,
}

/// What came of merging two things.
pub(super) struct Made {
    /// What is there now. Its name is the caller's to set.
    pub(super) entry: Option<Entry>,
    /// What could not be decided.
    pub(super) conflict: Option<ConflictKind>,
    /// Whether texts were merged.
    pub(super) is_merged_text: bool,
}

/// The three versions of one file: entries, and what each was called.
pub(super) struct Three<'a> {
    pub(super) base: Option<&'a Entry>,
    pub(super) ours: &'a Entry,
    pub(super) theirs: &'a Entry,
    pub(super) names: [&'a RepoPath; 3],
    /// How many characters longer than usual markers are: these may come to stand between others.
    pub(super) more_markers: usize,
}

/// The later of what both sides changed a time to.
pub(super) fn time(base: Option<Time>, ours: Option<Time>, theirs: Option<Time>) -> Option<Time> {
    attributes::three(&base, &ours, &theirs).copied().unwrap_or(ours.max(theirs))
}

/// Whether both are of one kind, of which two versions can be merged.
pub(super) fn are_alike(a: &Entry, b: &Entry) -> bool {
    std::mem::discriminant(&a.what) == std::mem::discriminant(&b.what)
}

impl<C: Contents> Work<'_, '_, C> {
    /// Whether conflicts become entries, so that nothing has to be here for them.
    pub(super) fn is_kept(&self) -> bool {
        self.request.options.unsettled == Unsettled::Keep && self.depth == 0
    }

    /// Merges two things of one kind.
    pub(super) fn merge(&mut self, three: &Three<'_>) -> Result<Made, <C as Source>::Error> {
        let Three { base, ours, theirs, .. } = *three;
        let alike = base.filter(|base| are_alike(base, ours));
        if matches!(ours.what, What::Conflict { .. }) {
            return Ok(self.kept(base, Some(ours), Some(theirs)));
        }
        let mut conflict = None;
        let mode = match alike {
            Some(base) => base.mode ^ ((ours.mode ^ base.mode) | (theirs.mode ^ base.mode)),
            None => {
                if ours.mode != theirs.mode {
                    conflict = Some(ConflictKind::AddAdd);
                }
                ours.mode
            }
        };
        let base_what = alike.map(|base| &base.what);
        let mut is_merged_text = false;
        let (what, content) = if ours.what == theirs.what {
            (ours.what.clone(), Content::Ours)
        } else if base_what == Some(&ours.what) {
            (theirs.what.clone(), Content::Theirs)
        } else if base_what == Some(&theirs.what) {
            (ours.what.clone(), Content::Ours)
        } else {
            let (what, content, kind) = match &ours.what {
                What::File { .. } => {
                    is_merged_text = true;
                    self.files(three, alike)?
                }
                // Between bases it is what both were made from, whatever that was.
                _ if self.depth > 0 => {
                    let (entry, conflict) = (base.cloned(), Some(ConflictKind::Target));
                    return Ok(Made { entry, conflict, is_merged_text });
                }
                _ => self.targets(three),
            };
            conflict = kind.or(conflict);
            (what, content)
        };
        let fields = [alike.and_then(|base| base.attributes), ours.attributes, theirs.attributes];
        let (attributes, is_conflict) = attributes::merge(self.contents, fields, content)?;
        if is_conflict {
            conflict = conflict.or(Some(ConflictKind::Attributes));
        }
        let mtime = match content {
            // Both have it, or it is new: of what they say of its time the later counts.
            _ if ours.what == theirs.what => {
                time(alike.and_then(|base| base.mtime), ours.mtime, theirs.mtime)
            }
            Content::Ours => ours.mtime,
            Content::Theirs => theirs.mtime,
            Content::New => ours.mtime.max(theirs.mtime),
        };
        let entry = Entry { name: Vec::new(), mode, mtime, attributes, what };
        Ok(Made { entry: Some(entry), conflict, is_merged_text })
    }

    /// Merges what is a conflict already.
    pub(super) fn kept(
        &self,
        base: Option<&Entry>,
        ours: Option<&Entry>,
        theirs: Option<&Entry>,
    ) -> Made {
        let (entry, conflict) = match terms::merge(base, ours, theirs) {
            Settled::Absent => (None, None),
            Settled::Entry(entry) => (Some(entry), None),
            Settled::Conflict(entry) => (Some(entry), Some(ConflictKind::Kept)),
        };
        Made { entry, conflict, is_merged_text: false }
    }

    /// Symbolic links, gitlinks: there is nothing to merge in them.
    fn targets(&self, three: &Three<'_>) -> (What, Content, Option<ConflictKind>) {
        let (ours, theirs) = (three.ours.what.clone(), three.theirs.what.clone());
        match self.request.options.favour {
            Favour::Ours => (ours, Content::Ours, None),
            Favour::Theirs => (theirs, Content::Theirs, None),
            _ => (ours, Content::Ours, Some(ConflictKind::Target)),
        }
    }

    fn files(
        &mut self,
        three: &Three<'_>,
        base: Option<&Entry>,
    ) -> Result<(What, Content, Option<ConflictKind>), <C as Source>::Error> {
        let sides = [base, Some(three.ours), Some(three.theirs)];
        let path = three.names[1];
        let handling = self.request.driver.choose(path);
        let mut is_binary = handling == Handling::Binary;
        let mut texts: [Vec<u8>; 3] = Default::default();
        let mut lacks = Vec::new();
        for (side, text) in sides.iter().zip(&mut texts) {
            let Some(Entry { what: What::File { size, content }, .. }) = side else { continue };
            if is_binary {
                break;
            }
            let is_too_long = handling != Handling::Driven && *size > LONGEST;
            let is_known = handling == Handling::Usual && self.is_known_binary(*size, content)?;
            if is_too_long || is_known {
                is_binary = true;
            } else {
                match self.contents.read(*size, content)? {
                    Some(bytes) => *text = bytes,
                    None => lacks.push(Need { path: path.clone(), content: *content, size: *size }),
                }
            }
        }
        let usual = |text: &Vec<u8>| handling == Handling::Usual && !manifest::is_text(text);
        if is_binary || texts.iter().any(usual) {
            return Ok(self.binaries(three, base));
        }
        let ours = three.ours.what.clone();
        if !lacks.is_empty() {
            if !self.is_kept() {
                self.needs.append(&mut lacks);
            }
            return Ok((ours, Content::Ours, Some(ConflictKind::Content)));
        }
        let (bytes, conflict) = self.merge_texts(three, &texts, handling);
        let what = if bytes == texts[1] {
            ours
        } else if bytes == texts[2] {
            three.theirs.what.clone()
        } else {
            // What a person will not see need not be stored.
            match conflict.is_some() && self.is_kept() {
                true => ours,
                false => {
                    let size = bytes.len() as u64;
                    What::File { size, content: self.contents.write(&bytes)? }
                }
            }
        };
        Ok((what, Content::New, conflict))
    }

    fn merge_texts(
        &self,
        three: &Three<'_>,
        [base, ours, theirs]: &[Vec<u8>; 3],
        handling: Handling,
    ) -> (Vec<u8>, Option<ConflictKind>) {
        let options = self.request.options;
        let marker_size = options.marker_size + 2 * self.depth + three.more_markers;
        let labels = self.labels(three.names);
        let labels = [&labels[0][..], &labels[1][..], &labels[2][..]];
        if handling == Handling::Driven {
            let versions = Versions { base, ours, theirs, labels, marker_size };
            return match self.request.driver.merge(three.names[1], &versions) {
                Some(driven) => {
                    let conflict = (!driven.is_clean).then_some(ConflictKind::Content);
                    (driven.bytes, conflict)
                }
                None => (ours.clone(), Some(ConflictKind::Content)),
            };
        }
        let favour = match handling {
            Handling::Union => Favour::Union,
            // Between bases nobody is favoured: it would be an answer to another question.
            _ if self.depth > 0 => Favour::Nobody,
            _ => options.favour,
        };
        let merged = text::merge(
            base,
            ours,
            theirs,
            &TextOptions { favour, style: options.style, marker_size, labels },
        );
        (merged.bytes, (merged.conflicts > 0).then_some(ConflictKind::Content))
    }

    /// What the sides are called, with the names of the file where it has several.
    fn labels(&self, names: [&RepoPath; 3]) -> [Vec<u8>; 3] {
        let own = &self.request.options.labels;
        let labels = match self.depth {
            0 => [own.base.clone(), own.ours.clone(), own.theirs.clone()],
            _ => bases_labels(),
        };
        if names[0] == names[1] && names[1] == names[2] {
            return labels;
        }
        let mut at = names.into_iter();
        labels.map(|mut label| {
            if let Some(name) = at.next() {
                label.push(b':');
                label.extend_from_slice(name.as_bytes());
            }
            label
        })
    }

    fn binaries(
        &self,
        three: &Three<'_>,
        base: Option<&Entry>,
    ) -> (What, Content, Option<ConflictKind>) {
        let (ours, theirs) = (three.ours.what.clone(), three.theirs.what.clone());
        if self.depth > 0 {
            let nothing = What::File { size: 0, content: Id::EMPTY };
            return (base.map_or(nothing, |base| base.what.clone()), Content::New, None);
        }
        match self.request.options.favour {
            Favour::Ours => (ours, Content::Ours, None),
            Favour::Theirs => (theirs, Content::Theirs, None),
            _ => (ours, Content::Ours, Some(ConflictKind::Binary)),
        }
    }

    /// A manifest tells of content of up to 1 MiB whether it is text.
    fn is_known_binary(&self, size: u64, content: &Id) -> Result<bool, <C as Source>::Error> {
        if size <= SMALL || size > NEAR {
            return Ok(false);
        }
        Ok(!self.contents.object::<Manifest>(content)?.near)
    }
}

/// What the sides are called where bases are merged: nobody's names, so that the result is the same
/// for everybody.
pub(super) fn bases_labels() -> [Vec<u8>; 3] {
    ["merged common ancestors", "Temporary merge branch 1", "Temporary merge branch 2"]
        .map(|label| label.as_bytes().to_vec())
}

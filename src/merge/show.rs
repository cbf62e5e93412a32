//! A recorded conflict as people see it: the text with markers, or its versions one beside another.
//!
//! What is shown follows from the entry alone. Its terms have no sides and no names, so the markers
//! speak of versions by number, in the order in which the entry has them: whoever looks, wherever,
//! sees the same, and what stands in a working tree can be compared with it at any time.

use crate::object::{Entry, Node, Term, What};
use crate::path::RepoPath;

use super::content::{Three, Work};
use super::request::Contents;
use super::{Labels, NoDriver, Options, Request, Style, terms};
use crate::object::Source;

/// What the versions are called, up to their number.
const VERSION: &str = "version";
const BASE: &str = "base";

/// How a conflict is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What stands under its name, if any version has a place in a working tree. Its own name is
    /// the caller's to set.
    pub here: Option<Entry>,
    /// Versions that stand beside it, with what to call them.
    pub beside: Vec<(String, Entry)>,
    /// Whether it is a text with markers.
    pub is_marked: bool,
}

/// The versions of a conflict, in the order of their numbers. What is not there is no version.
pub fn versions(terms: &[Term]) -> impl Iterator<Item = Entry> {
    terms.iter().filter_map(terms::version)
}

/// Shows a conflict. `None` if a content that it takes is not here.
pub fn show<C: Contents>(
    contents: &mut C,
    path: &RepoPath,
    (removes, adds): (&[Term], &[Term]),
    style: Style,
) -> Result<Option<Shown>, <C as Source>::Error> {
    let is_file = |entry: &Entry| matches!(entry.what, What::File { .. });
    let mut placed: Vec<(usize, Entry)> = (1..).zip(versions(adds)).collect();
    placed.retain(|(_, entry)| is_file(entry) || matches!(entry.what, What::Symlink { .. }));
    // As in a merge, a file steps aside for what is none.
    placed.sort_by_key(|(_, entry)| is_file(entry));
    let called = |number: usize| format!("{VERSION}-{number}");
    if let [(_, first), (number, second)] = &placed[..]
        && is_file(first)
        && is_file(second)
        && adds.len() == 2
    {
        let base = versions(removes).find(is_file);
        let label = |number: usize| format!("{VERSION} {number}").into_bytes();
        let labels = Labels { base: BASE.into(), ours: label(1), theirs: label(2) };
        let options = Options { style, labels, ..Options::default() };
        let nothing = Node::empty_id();
        let request = Request {
            base: None,
            ours: nothing,
            theirs: nothing,
            options: &options,
            driver: &NoDriver,
        };
        let mut work = Work { contents, request: &request, depth: 0, needs: Vec::new() };
        let three = Three {
            base: base.as_ref(),
            ours: first,
            theirs: second,
            names: [path; 3],
            more_markers: 0,
        };
        let made = work.merge(&three)?;
        if !work.needs.is_empty() {
            return Ok(None);
        }
        let is_first = made.entry.as_ref().is_some_and(|entry| entry.what == first.what);
        let is_aside = made.conflict.is_some() && is_first && second.what != first.what;
        return Ok(Some(Shown {
            is_marked: made.conflict.is_some() && !is_first,
            here: made.entry,
            beside: is_aside.then(|| (called(*number), second.clone())).into_iter().collect(),
        }));
    }
    let mut placed = placed.into_iter();
    let here = placed.next().map(|(_, entry)| entry);
    let beside = placed.map(|(number, entry)| (called(number), entry)).collect();
    Ok(Some(Shown { here, beside, is_marked: false }))
}

/// Whether lines of a text are still the markers of a conflict that was shown.
pub fn has_markers(text: &[u8]) -> bool {
    let markers =
        [format!("<<<<<<< {VERSION} 1"), format!("||||||| {BASE}"), format!(">>>>>>> {VERSION} 2")];
    text.split(|&byte| byte == b'\n').any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        markers.iter().any(|marker| marker.as_bytes() == line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_whole_lines_and_end_as_the_text_does() {
        assert!(has_markers(b"a\n<<<<<<< version 1\nb\n"));
        assert!(has_markers(b"a\r\n||||||| base\r\n"));
        assert!(has_markers(b">>>>>>> version 2"));
        assert!(!has_markers(b"a\n=======\n"), "a heading, for all we know");
        assert!(!has_markers(b"see <<<<<<< version 1\n<<<<<<< HEAD\n"));
    }
}

//! Views: the entries of one directory, in the order of their names, where they lie.

use std::ops::Range;

use super::overlay::Overlay;
use super::row::Row;
use super::run::Page;

/// The entries of one directory. Everything in it was verified when it was made.
pub struct DirectoryView<'a> {
    pub(super) pages: Vec<Page<'a>>,
    pub(super) overlay: &'a Overlay,
    /// The rows of the overlay that are of this directory.
    pub(super) changed: Range<usize>,
    pub(super) prefix_length: usize,
    pub(super) marks_count: bool,
}

impl<'a> DirectoryView<'a> {
    /// The entries in the order of their names.
    #[inline]
    pub fn iter(&self) -> Entries<'a, '_> {
        Entries { view: self, page: 0, at: 0, changed: self.changed.clone() }
    }

    /// No less than the number of entries.
    pub fn at_most(&self) -> usize {
        self.pages.iter().map(Page::len).sum::<usize>() + self.changed.len()
    }
}

impl<'a, 'v> IntoIterator for &'v DirectoryView<'a> {
    type Item = Row<'a>;
    type IntoIter = Entries<'a, 'v>;

    fn into_iter(self) -> Entries<'a, 'v> {
        self.iter()
    }
}

/// Iterates over a [`DirectoryView`].
pub struct Entries<'a, 'v> {
    view: &'v DirectoryView<'a>,
    page: usize,
    at: usize,
    changed: Range<usize>,
}

impl<'a> Entries<'a, '_> {
    #[inline]
    fn peek_run(&mut self) -> Option<Row<'a>> {
        let mut page = self.view.pages.get(self.page)?;
        if self.at == page.len() {
            self.page += 1;
            self.at = 0;
            page = self.view.pages.get(self.page)?;
        }
        Some(page.row(self.at))
    }

    /// The next row where the overlay has something to say.
    fn next_merged(&mut self) -> Option<Row<'a>> {
        loop {
            let run = self.peek_run();
            let Some(changed) = self.changed.clone().next() else {
                self.at += usize::from(run.is_some());
                return run;
            };
            let view = self.view;
            let name = &view.overlay.key(changed)[view.prefix_length..];
            if let Some(row) = run {
                if row.name() < name {
                    self.at += 1;
                    return run;
                }
                self.at += usize::from(row.name() == name);
            }
            self.changed.start += 1;
            if let Some(row) = view.overlay.row(changed, view.marks_count) {
                return Some(row);
            }
        }
    }
}

impl<'a> Iterator for Entries<'a, '_> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        if self.changed.is_empty() {
            let row = self.peek_run()?;
            self.at += 1;
            return Some(row);
        }
        self.next_merged()
    }
}

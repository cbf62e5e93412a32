//! Merging three texts line by line.
//!
//! Each side is compared with the base; what only one side changed is taken, what both changed in
//! the same way is taken once, and what is left is a conflict, cut down to the lines that differ
//! between the two sides. A line ends with a line feed; a carriage return is part of it, and the
//! lines of markers end as those around them do. The last line may lack its end.
//!
//! The rules are those of git's merges, hunk by hunk: people know where a conflict begins and ends.
//! The merge of `similar` was tried and gives other hunks where lines repeat; its comparison is
//! used below for lines too common to be anchors.

mod compact;
mod histogram;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use super::{Favour, Style};

/// How many equal lines between two conflicts are too few to keep them apart.
const FEW_LINES: usize = 3;

/// How three texts are merged.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions<'a> {
    /// Whose lines are taken where both sides changed the same.
    pub favour: Favour,
    /// What a conflict shows.
    pub style: Style,
    /// How many characters a marker has.
    pub marker_size: usize,
    /// What the markers say of the base, of ours and of theirs.
    pub labels: [&'a [u8]; 3],
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedText {
    /// The text, with markers around conflicts.
    pub bytes: Vec<u8>,
    /// How many conflicts there are.
    pub conflicts: usize,
}

/// Merges two versions of a text.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8], options: &TextOptions<'_>) -> MergedText {
    let texts = Texts::new(base, ours, theirs);
    let our_hunks = texts.hunks(&texts.base, &texts.ours);
    if our_hunks.is_empty() {
        return MergedText { bytes: theirs.to_vec(), conflicts: 0 };
    }
    let their_hunks = texts.hunks(&texts.base, &texts.theirs);
    if their_hunks.is_empty() {
        return MergedText { bytes: ours.to_vec(), conflicts: 0 };
    }
    let mut parts = combine(&texts, &our_hunks, &their_hunks);
    // With the base shown between them, two sides are not cut down to what differs.
    if options.style == Style::Merge {
        parts = join_near(refine(&texts, parts));
    }
    write(&texts, parts, options)
}

/// A text: its lines, and a number for each that equal lines share.
struct Text<'a> {
    lines: Vec<&'a [u8]>,
    numbers: Vec<u32>,
}

struct Texts<'a> {
    base: Text<'a>,
    ours: Text<'a>,
    theirs: Text<'a>,
    /// Numbers are below this.
    classes: usize,
}

/// Lines of one text that stand in place of lines of another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

/// Whose lines a part of the result has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Ours,
    Theirs,
    /// Both sides have the same.
    Either,
    Conflict,
}

/// A part that differs from the base on one side or both.
#[derive(Clone, Debug)]
struct Part {
    taken: Taken,
    base: Range<usize>,
    ours: Range<usize>,
    theirs: Range<usize>,
}

impl<'a> Texts<'a> {
    fn new(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        let mut known: HashMap<&[u8], u32> = HashMap::new();
        let mut read = |bytes: &'a [u8]| {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            let mut number = |line: &&'a [u8]| {
                let next = known.len() as u32;
                *known.entry(line).or_insert(next)
            };
            let numbers = lines.iter().map(&mut number).collect();
            Text { lines, numbers }
        };
        let (base, ours, theirs) = (read(base), read(ours), read(theirs));
        Self { base, ours, theirs, classes: known.len() }
    }

    fn hunks(&self, old: &Text<'_>, new: &Text<'_>) -> Vec<Hunk> {
        hunks(&old.numbers, &new.numbers, self.classes)
    }
}

fn hunks(old: &[u32], new: &[u32], classes: usize) -> Vec<Hunk> {
    let (mut old_changed, mut new_changed) = (vec![false; old.len()], vec![false; new.len()]);
    histogram::compare(old, new, classes, &mut old_changed, &mut new_changed);
    compact::compact(old, &mut old_changed, &new_changed);
    compact::compact(new, &mut new_changed, &old_changed);
    let mut hunks = Vec::new();
    let (mut at, mut new_at) = (0, 0);
    while at < old.len() || new_at < new.len() {
        let (start, new_start) = (at, new_at);
        while at < old.len() && old_changed[at] {
            at += 1;
        }
        while new_at < new.len() && new_changed[new_at] {
            new_at += 1;
        }
        if at > start || new_at > new_start {
            hunks.push(Hunk { old: start..at, new: new_start..new_at });
        } else {
            at += 1;
            new_at += 1;
        }
    }
    hunks
}

/// Puts the changes of both sides in order. Those that touch become one conflict.
fn combine(texts: &Texts<'_>, ours: &[Hunk], theirs: &[Hunk]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    // How far a side's lines have moved against the base's, after what was read of it.
    let (mut our_shift, mut their_shift) = (0isize, 0isize);
    let shifted = |range: &Range<usize>, shift: isize| {
        range.start.saturating_add_signed(shift)..range.end.saturating_add_signed(shift)
    };
    let (mut a, mut b) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (None, None) => return parts,
            (Some(our), their) if their.is_none_or(|their| our.old.end < their.old.start) => {
                push(
                    &mut parts,
                    Part {
                        taken: Taken::Ours,
                        base: our.old.clone(),
                        ours: our.new.clone(),
                        theirs: shifted(&our.old, their_shift),
                    },
                );
                our_shift = our.new.end as isize - our.old.end as isize;
                a.next();
            }
            (our, Some(their)) if our.is_none_or(|our| their.old.end < our.old.start) => {
                push(
                    &mut parts,
                    Part {
                        taken: Taken::Theirs,
                        base: their.old.clone(),
                        ours: shifted(&their.old, our_shift),
                        theirs: their.new.clone(),
                    },
                );
                their_shift = their.new.end as isize - their.old.end as isize;
                b.next();
            }
            (Some(our), Some(their)) => {
                let lines = |text: &Text<'_>, range: &Range<usize>| {
                    text.numbers.get(range.clone()).map(<[u32]>::to_vec)
                };
                let is_same = our.old == their.old
                    && lines(&texts.ours, &our.new) == lines(&texts.theirs, &their.new);
                if !is_same {
                    push(&mut parts, overlap(our, their));
                }
                let (our_end, their_end) = (our.old.end, their.old.end);
                if our_end >= their_end {
                    their_shift = their.new.end as isize - their.old.end as isize;
                    b.next();
                }
                if their_end >= our_end {
                    our_shift = our.new.end as isize - our.old.end as isize;
                    a.next();
                }
            }
            (Some(_), None) | (None, Some(_)) => return parts,
        }
    }
}

/// The part that two changes cover together, with each side's lines for all of it.
fn overlap(our: &Hunk, their: &Hunk) -> Part {
    let start = our.old.start.min(their.old.start);
    let end = our.old.end.max(their.old.end);
    let grown = |hunk: &Hunk| {
        // Of several hunks that meet one of the other side, a later one can seem to begin before the
        // text does. It is joined to the one before it, and only its end counts.
        let before = hunk.old.start - start;
        hunk.new.start.saturating_sub(before)..hunk.new.end + (end - hunk.old.end)
    };
    Part { taken: Taken::Conflict, base: start..end, ours: grown(our), theirs: grown(their) }
}

fn push(parts: &mut Vec<Part>, part: Part) {
    match parts.last_mut() {
        Some(last) if part.ours.start <= last.ours.end || part.theirs.start <= last.theirs.end => {
            if last.taken != part.taken {
                last.taken = Taken::Conflict;
            }
            last.base.end = part.base.end;
            last.ours.end = part.ours.end;
            last.theirs.end = part.theirs.end;
        }
        _ => parts.push(part),
    }
}

/// Leaves out of conflicts what both sides have.
fn refine(texts: &Texts<'_>, parts: Vec<Part>) -> Vec<Part> {
    let mut refined = Vec::with_capacity(parts.len());
    for part in parts {
        if part.taken != Taken::Conflict || part.ours.is_empty() || part.theirs.is_empty() {
            refined.push(part);
            continue;
        }
        let (ours, theirs) =
            (&texts.ours.numbers[part.ours.clone()], &texts.theirs.numbers[part.theirs.clone()]);
        let found = hunks(ours, theirs, texts.classes);
        if found.is_empty() {
            refined.push(Part { taken: Taken::Either, ..part });
            continue;
        }
        let moved = |range: Range<usize>, by: usize| range.start + by..range.end + by;
        refined.extend(found.into_iter().map(|hunk| Part {
            taken: Taken::Conflict,
            base: part.base.clone(),
            ours: moved(hunk.old, part.ours.start),
            theirs: moved(hunk.new, part.theirs.start),
        }));
    }
    refined
}

/// Makes one of conflicts with only a few lines between them.
fn join_near(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last)
                if last.taken == Taken::Conflict
                    && part.taken == Taken::Conflict
                    && part.ours.start - last.ours.end <= FEW_LINES =>
            {
                last.ours.end = part.ours.end;
                last.theirs.end = part.theirs.end;
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn write(texts: &Texts<'_>, parts: Vec<Part>, options: &TextOptions<'_>) -> MergedText {
    let mut out = Writer { bytes: Vec::new(), options };
    let mut conflicts = 0;
    let mut at = 0;
    for part in parts {
        let needs_return = texts.end_with_return(&part);
        let taken = match (part.taken, options.favour) {
            (Taken::Conflict, Favour::Ours) => Taken::Ours,
            (Taken::Conflict, Favour::Theirs) => Taken::Theirs,
            (taken, _) => taken,
        };
        match taken {
            // What follows copies it.
            Taken::Either => continue,
            Taken::Ours => out.lines(&texts.ours.lines[at..part.ours.end]),
            Taken::Theirs => {
                out.lines(&texts.ours.lines[at..part.ours.start]);
                out.lines(&texts.theirs.lines[part.theirs.clone()]);
            }
            Taken::Conflict => {
                let (ours, theirs) = (
                    &texts.ours.lines[part.ours.clone()],
                    &texts.theirs.lines[part.theirs.clone()],
                );
                out.lines(&texts.ours.lines[at..part.ours.start]);
                if options.favour == Favour::Union {
                    out.whole_lines(ours, needs_return);
                    out.lines(theirs);
                } else {
                    conflicts += 1;
                    let [base_label, our_label, their_label] = options.labels;
                    out.marker(b'<', our_label, needs_return);
                    out.whole_lines(ours, needs_return);
                    if options.style == Style::Diff3 {
                        out.marker(b'|', base_label, needs_return);
                        out.whole_lines(&texts.base.lines[part.base.clone()], needs_return);
                    }
                    out.marker(b'=', b"", needs_return);
                    out.whole_lines(theirs, needs_return);
                    out.marker(b'>', their_label, needs_return);
                }
            }
        }
        at = part.ours.end;
    }
    out.lines(&texts.ours.lines[at..]);
    MergedText { bytes: out.bytes, conflicts }
}

impl Texts<'_> {
    /// Whether lines around a conflict end with a carriage return and a line feed: only if both
    /// sides have it so, and the base where it can tell.
    fn end_with_return(&self, part: &Part) -> bool {
        let before = |start: usize| start.saturating_sub(1);
        let mut found = self.ours.ends_with_return(before(part.ours.start));
        if found != Some(false) {
            found = self.theirs.ends_with_return(before(part.theirs.start));
        }
        if found != Some(false) {
            found = self.base.ends_with_return(0);
        }
        found == Some(true)
    }
}

impl Text<'_> {
    /// `None` if there is nothing to tell it from.
    fn ends_with_return(&self, line: usize) -> Option<bool> {
        let found = self.lines.get(line)?;
        if found.ends_with(b"\n") {
            return Some(found.ends_with(b"\r\n"));
        }
        // The last line may lack its end: the one before it tells.
        Some(self.lines.get(line.checked_sub(1)?)?.ends_with(b"\r\n"))
    }
}

struct Writer<'o> {
    bytes: Vec<u8>,
    options: &'o TextOptions<'o>,
}

impl Writer<'_> {
    fn lines(&mut self, lines: &[&[u8]]) {
        for line in lines {
            self.bytes.extend_from_slice(line);
        }
    }

    /// Lines, the last of which gets an end if it has none.
    fn whole_lines(&mut self, lines: &[&[u8]], needs_return: bool) {
        self.lines(lines);
        if lines.last().is_some_and(|last| !last.ends_with(b"\n")) {
            self.end(needs_return);
        }
    }

    fn marker(&mut self, character: u8, label: &[u8], needs_return: bool) {
        let length = self.bytes.len() + self.options.marker_size;
        self.bytes.resize(length, character);
        if !label.is_empty() {
            self.bytes.push(b' ');
            // A label is one line, whatever a branch is called.
            let plain = label.iter().map(|&byte| if byte < b' ' { b'?' } else { byte });
            self.bytes.extend(plain);
        }
        self.end(needs_return);
    }

    fn end(&mut self, needs_return: bool) {
        self.bytes.extend_from_slice(if needs_return { b"\r\n" } else { b"\n" });
    }
}

//! Unified diffs of text, as git writes them and `git apply` reads them.
//!
//! A line ends with a line feed and nothing else: a carriage return is part of it. Content with a
//! zero byte near its start, or too long to compare, is not text.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use crate::hash::Id;
use crate::object::manifest;
use crate::object::{Entry, What};
use crate::path::{RepoPath, quoted};

use super::renames::{How, Origin};

/// Content of more bytes is not compared line by line.
pub const LONGEST: u64 = 64 << 20;

/// How two texts are compared.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many equal lines are shown around a difference.
    pub context: usize,
    /// After this time the rest is shown as replaced, though it may share lines.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { context: 3, timeout: Duration::from_secs(5) }
    }
}

/// One side of a file that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Absent,
    /// Lines.
    Text(Vec<u8>),
    /// Not lines: so many bytes.
    Binary(u64),
    /// Its content is not in this store.
    Elsewhere(u64),
}

impl Body {
    /// Content that has been read: text or not.
    pub fn of(bytes: Vec<u8>) -> Self {
        if manifest::is_text(&bytes) && bytes.len() as u64 <= LONGEST {
            Self::Text(bytes)
        } else {
            Self::Binary(bytes.len() as u64)
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(bytes) => bytes,
            _ => b"",
        }
    }

    /// Its length.
    pub fn len(&self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Text(bytes) => bytes.len() as u64,
            Self::Binary(length) | Self::Elsewhere(length) => *length,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it cannot be shown as lines.
    pub fn is_opaque(&self) -> bool {
        matches!(self, Self::Binary(_) | Self::Elsewhere(_))
    }
}

/// How a line of a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// About the file.
    Header,
    /// Where the lines that follow stand.
    Place,
    /// On both sides.
    Same,
    /// Only on the new side.
    Added,
    /// Only on the old side.
    Deleted,
}

/// One line of a patch, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub mark: Mark,
    /// As it is written.
    pub bytes: Vec<u8>,
}

/// One side of a changed file.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What stands in the tree, if anything does.
    pub entry: Option<&'a Entry>,
    /// What it holds.
    pub body: &'a Body,
}

/// The patch of one file, in git's format.
pub fn patch(path: &RepoPath, old: Side<'_>, new: Side<'_>, options: Options) -> Vec<Line> {
    patch_from(path, None, old, new, options)
}

/// The patch of one file that may have been elsewhere, in git's format.
pub fn patch_from(
    path: &RepoPath,
    origin: Option<&Origin>,
    old: Side<'_>,
    new: Side<'_>,
    options: Options,
) -> Vec<Line> {
    let mut lines = Vec::new();
    if [old.entry, new.entry].into_iter().flatten().any(is_conflict) {
        return with_conflict(path, old, new, options);
    }
    // Something that became something else is removed and made anew, as git has it.
    if let (Some(was), Some(is)) = (old.entry, new.entry)
        && git_type(was) != git_type(is)
        && !(is_like_a_file(was) && is_like_a_file(is))
    {
        let nothing = Side { entry: None, body: &Body::Absent };
        let old_path = origin.map_or(path, |origin| &origin.path);
        lines.extend(patch(old_path, old, nothing, options));
        lines.extend(patch(path, nothing, new, options));
        return lines;
    }
    let mut header = |text: String| lines.push(Line { mark: Mark::Header, bytes: text.into() });
    let old_path = origin.map_or(path, |origin| &origin.path);
    let name = |side: &str| {
        let path = if side == "a/" { old_path } else { path };
        quoted(&[side.as_bytes(), path.as_bytes()].concat())
    };
    header(format!("diff --git {} {}", name("a/"), name("b/")));
    match (old.entry.map(git_mode), new.entry.map(git_mode)) {
        (None, Some(mode)) => header(format!("new file mode {mode}")),
        (Some(mode), None) => header(format!("deleted file mode {mode}")),
        (Some(was), Some(is)) if was != is => {
            header(format!("old mode {was}"));
            header(format!("new mode {is}"));
        }
        _ => {}
    }
    if let Some(origin) = origin
        && let Some(verb) = match origin.how {
            How::Renamed => Some("rename"),
            How::Copied => Some("copy"),
            How::Named => None,
        }
    {
        header(format!("similarity index {}%", origin.score / 100));
        header(format!("{verb} from {}", quoted(old_path.as_bytes())));
        header(format!("{verb} to {}", quoted(path.as_bytes())));
    }
    let (from, to) = (old.entry.map(content), new.entry.map(content));
    if from == to && old.body == new.body {
        return lines;
    }
    let id = |content: Option<Id>| content.unwrap_or_default().short(8).to_owned();
    match (old.entry.map(git_mode), new.entry.map(git_mode)) {
        (Some(was), Some(is)) if was == is => {
            header(format!("index {}..{} {is}", id(from.flatten()), id(to.flatten())));
        }
        _ => header(format!("index {}..{}", id(from.flatten()), id(to.flatten()))),
    }
    let side = |entry: Option<&Entry>, prefix: &str| match entry {
        Some(_) => name(prefix),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (side(old.entry, "a/"), side(new.entry, "b/"));
    if old.body.is_opaque() || new.body.is_opaque() {
        let elsewhere = [old.body, new.body].iter().any(|body| matches!(body, Body::Elsewhere(_)));
        header(match elsewhere {
            true => format!("Files {from} and {to} differ, and their content is not here"),
            false => format!("Binary files {from} and {to} differ"),
        });
        return lines;
    }
    let hunks = hunks(old.body.bytes(), new.body.bytes(), options);
    if !hunks.is_empty() {
        // A tab ends a name with spaces, or `patch` would take the rest for a date.
        let end = |name: &str| if name.contains(' ') { "\t" } else { "" };
        header(format!("--- {from}{}", end(&from)));
        header(format!("+++ {to}{}", end(&to)));
    }
    lines.extend(hunks.into_iter().flatten());
    lines
}

/// A conflict is a file that nobody has decided on.
fn is_like_a_file(entry: &Entry) -> bool {
    matches!(entry.what, What::File { .. } | What::Conflict { .. })
}

fn is_conflict(entry: &Entry) -> bool {
    matches!(entry.what, What::Conflict { .. })
}

/// What a change from or to a recorded conflict looks like. Git has no such thing, so this must not
/// be taken for a patch: hunks without the names of files are refused by whatever applies patches.
fn with_conflict(path: &RepoPath, old: Side<'_>, new: Side<'_>, options: Options) -> Vec<Line> {
    let what = match (old.entry.is_some_and(is_conflict), new.entry.is_some_and(is_conflict)) {
        (true, true) => "recorded conflicts on both sides",
        (true, false) if new.entry.is_none() => "a recorded conflict, which goes",
        (true, false) => "a recorded conflict before",
        (false, _) if old.entry.is_none() => "a recorded conflict, which is new",
        (false, _) => "a recorded conflict after",
    };
    let name = quoted(path.as_bytes());
    let text = format!("diff --conflict {name}: {what}; this is no patch");
    let mut lines = vec![Line { mark: Mark::Header, bytes: text.into() }];
    if old.body.is_opaque() || new.body.is_opaque() {
        let text = "What it shows is binary, or not here";
        lines.push(Line { mark: Mark::Header, bytes: text.into() });
        return lines;
    }
    lines.extend(hunks(old.body.bytes(), new.body.bytes(), options).into_iter().flatten());
    lines
}

fn git_type(entry: &Entry) -> &'static str {
    match entry.what {
        What::File { .. } => "100",
        What::Symlink { .. } => "120",
        What::Directory { .. } => "040",
        What::Gitlink { .. } => "160",
        What::Special | What::Conflict { .. } => "000",
    }
}

/// A mode as git writes it, with the permission bits that are recorded.
pub fn git_mode(entry: &Entry) -> String {
    format!("{}{:03o}", git_type(entry), entry.mode)
}

fn content(entry: &Entry) -> Option<Id> {
    match entry.what {
        What::File { content, .. } => Some(content),
        What::Symlink { target, .. } => Some(target),
        What::Directory { tree, .. } => Some(tree),
        _ => None,
    }
}

/// How many lines were added and deleted.
pub fn counts(old: &[u8], new: &[u8], options: Options) -> (u64, u64) {
    let (old, new) = (lines_of(old), lines_of(new));
    blocks(&old, &new, options.timeout).iter().fold((0, 0), |(added, deleted), block| {
        (added + block.new.len() as u64, deleted + block.old.len() as u64)
    })
}

/// A run of lines of which none is on both sides.
struct Block {
    old: Range<usize>,
    new: Range<usize>,
}

fn hunks(old: &[u8], new: &[u8], options: Options) -> Vec<Vec<Line>> {
    let (old, new) = (lines_of(old), lines_of(new));
    let blocks = blocks(&old, &new, options.timeout);
    let mut groups: Vec<Vec<Block>> = Vec::new();
    for block in blocks {
        match groups.last_mut() {
            Some(group)
                if block.old.start - group[group.len() - 1].old.end <= 2 * options.context =>
            {
                group.push(block);
            }
            _ => groups.push(vec![block]),
        }
    }
    groups.into_iter().map(|group| hunk(&old, &new, &group, options.context)).collect()
}

fn hunk(old: &[&[u8]], new: &[&[u8]], blocks: &[Block], context: usize) -> Vec<Line> {
    let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
    let before = context.min(first.old.start);
    let after = context.min(old.len() - last.old.end);
    let old_range = first.old.start - before..last.old.end + after;
    let new_range = first.new.start - before..last.new.end + after;
    let place = |range: &Range<usize>| match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    };
    let head = format!("@@ -{} +{} @@", place(&old_range), place(&new_range));
    let mut lines = vec![Line { mark: Mark::Place, bytes: head.into() }];
    let mut push = |mark: Mark, sign: u8, line: &[u8]| {
        let text = line.strip_suffix(b"\n");
        let mut bytes = vec![sign];
        bytes.extend_from_slice(text.unwrap_or(line));
        lines.push(Line { mark, bytes });
        if text.is_none() {
            let bytes = b"\\ No newline at end of file".to_vec();
            lines.push(Line { mark: Mark::Same, bytes });
        }
    };
    let mut at = old_range.start;
    for block in blocks {
        old[at..block.old.start].iter().for_each(|line| push(Mark::Same, b' ', line));
        old[block.old.clone()].iter().for_each(|line| push(Mark::Deleted, b'-', line));
        new[block.new.clone()].iter().for_each(|line| push(Mark::Added, b'+', line));
        at = block.old.end;
    }
    old[at..old_range.end].iter().for_each(|line| push(Mark::Same, b' ', line));
    lines
}

/// Lines with their line feeds.
fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

fn blocks<'a>(old: &[&'a [u8]], new: &[&'a [u8]], timeout: Duration) -> Vec<Block> {
    // Numbers for lines: they are compared many times.
    let mut numbers: HashMap<&'a [u8], usize> = HashMap::new();
    let mut number = |line: &&'a [u8]| -> usize {
        let next = numbers.len();
        *numbers.entry(line).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(&mut number).collect();
    let new: Vec<usize> = new.iter().map(&mut number).collect();
    let deadline = Instant::now() + timeout;
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline));
    let mut blocks: Vec<Block> = Vec::new();
    for op in ops {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (old, new) = (op.old_range(), op.new_range());
        match blocks.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                last.old.end = old.end;
                last.new.end = new.end;
            }
            _ => blocks.push(Block { old, new }),
        }
    }
    blocks
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn unified(old: &str, new: &str, context: usize) -> String {
        let options = Options { context, ..Options::default() };
        let hunks = hunks(old.as_bytes(), new.as_bytes(), options);
        let lines = hunks.into_iter().flatten();
        lines.map(|line| String::from_utf8(line.bytes).unwrap() + "\n").collect()
    }

    #[test]
    fn a_changed_line_stands_between_three_lines_of_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let shown = unified(old, &old.replace('5', "five"), 3);
        assert_eq!(shown, "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
        assert_eq!(unified(old, old, 3), "");
        let shown = unified(old, &old.replace('5', "five"), 0);
        assert_eq!(shown, "@@ -5 +5 @@\n-5\n+five\n");
    }

    #[test]
    fn distant_changes_are_apart_and_near_ones_together() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let far = old.replace("\n3\n", "\nx\n").replace("\n20\n", "\ny\n");
        assert_eq!(unified(&old, &far, 3).matches("@@ -").count(), 2);
        let near = old.replace("\n3\n", "\nx\n").replace("\n10\n", "\ny\n");
        assert_eq!(unified(&old, &near, 3).matches("@@ -").count(), 1);
    }

    #[test]
    fn a_missing_line_feed_at_the_end_is_said_and_a_carriage_return_is_no_end() {
        assert_eq!(unified("a\n", "a", 3), "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
        assert_eq!(unified("", "a\rb\n", 3), "@@ -0,0 +1 @@\n+a\rb\n");
        assert_eq!(counts(b"a\r\nb\n", b"a\nb\n", Options::default()), (1, 1));
    }

    fn file(content: &[u8], mode: u16) -> Entry {
        let content = crate::hash::hash(content);
        let what = What::File { size: 1, content };
        Entry { name: b"f".to_vec(), mode, mtime: None, attributes: None, what }
    }

    #[test]
    fn a_patch_says_what_git_says_of_modes_and_of_binary_files() {
        let path = RepoPath::new("a b").unwrap();
        let (old, new) = (file(b"x", 0o644), file(b"x", 0o755));
        let body = Body::of(b"x\n".to_vec());
        let binary = Body::of(b"\0".to_vec());
        let show = |old: Side<'_>, new: Side<'_>| -> String {
            let lines = patch(&path, old, new, Options::default());
            let text = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned());
            text.collect::<Vec<String>>().join("|")
        };
        assert_eq!(
            show(Side { entry: Some(&old), body: &body }, Side { entry: Some(&new), body: &body }),
            "diff --git a/a b b/a b|old mode 100644|new mode 100755"
        );
        let other = file(b"\0", 0o644);
        let nothing = Side { entry: None, body: &Body::Absent };
        let shown = show(nothing, Side { entry: Some(&other), body: &binary });
        assert!(shown.ends_with("|Binary files /dev/null and b/a b differ"), "{shown}");
        let shown = show(Side { entry: Some(&old), body: &body }, nothing);
        assert!(shown.ends_with("|--- a/a b\t|+++ /dev/null|@@ -1 +0,0 @@|-x"), "{shown}");
    }

    /// Generated texts: whatever git is given to apply, it makes the new text of it.
    #[test]
    fn git_applies_what_is_written_here() {
        let Ok(version) = std::process::Command::new("git").arg("--version").output() else {
            return;
        };
        assert!(version.status.success());
        let folder = tempfile::tempdir().unwrap();
        let mut seed = 11u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for round in 0..40 {
            let mut lines: Vec<String> =
                (0..random(60)).map(|_| format!("{}\n", random(8))).collect();
            let old = lines.concat();
            for _ in 0..1 + random(6) {
                let at = random(lines.len() as u64 + 1) as usize;
                match random(3) {
                    0 if at < lines.len() => drop(lines.remove(at)),
                    _ => lines.insert(at, format!("new {}\n", random(8))),
                }
            }
            let mut new = lines.concat();
            if random(4) == 0 {
                new.pop();
            }
            if old == new || old.is_empty() || new.is_empty() {
                continue;
            }
            let (was, is) = (file(old.as_bytes(), 0o644), file(new.as_bytes(), 0o644));
            let bodies = (Body::Text(old.clone().into()), Body::Text(new.clone().into()));
            let lines = patch(
                &RepoPath::new("f").unwrap(),
                Side { entry: Some(&was), body: &bodies.0 },
                Side { entry: Some(&is), body: &bodies.1 },
                Options { context: 1 + round % 4, ..Options::default() },
            );
            let mut text = Vec::new();
            for line in &lines {
                text.extend_from_slice(&line.bytes);
                text.push(b'\n');
            }
            let place = |name: &str| folder.path().join(name);
            std::fs::write(place("f"), &old).unwrap();
            std::fs::write(place("p"), &text).unwrap();
            let applied = std::process::Command::new("git")
                .args(["apply", "--unidiff-zero", "p"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&applied.stderr);
            assert!(applied.status.success(), "{said}{}", String::from_utf8_lossy(&text));
            assert_eq!(std::fs::read_to_string(place("f")).unwrap(), new);
        }
    }
}

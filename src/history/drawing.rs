//! History as lines of text: a column for each line of work, as `log --graph` draws them.
//!
//! Commits come one after the other, no parent before its children, each with the parents that will
//! be drawn too. For each the drawing has a row with a `*`, rows above it where a merge of many
//! needs room, and rows below it in which lines part and move to the left until they are where
//! they belong. Nothing is known of what comes later, so it can be drawn while history is read.
//!
//! The picture is git's, character for character; tests hold it to that. What is written beside
//! the rows is not known here.

/// A character of a row, and the number of the colour of the line it belongs to.
pub type Cell = (u8, Option<usize>);

/// A row of the drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its characters.
    pub cells: Vec<Cell>,
    /// It has the commit's `*`.
    pub is_commit: bool,
}

impl Row {
    fn put(&mut self, character: u8, color: usize) {
        self.cells.push((character, Some(color)));
    }

    fn space(&mut self, count: usize) {
        self.cells.extend(std::iter::repeat_n((b' ', None), count));
    }

    /// Without colours.
    pub fn text(&self) -> String {
        self.cells.iter().map(|(character, _)| char::from(*character)).collect()
    }
}

/// A line of work on its way down to a commit.
#[derive(Clone, Copy, Debug)]
struct Track<C> {
    to: C,
    color: usize,
}

/// What the next row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The commit is done: lines go straight down.
    Straight,
    /// The commit before was broken off.
    Gap,
    /// Tracks to the right of a merge of many make room.
    Widening,
    Commit,
    /// The lines of a merge part.
    Parting,
    /// Lines move to the left.
    Moving,
}

/// To which side the first line of a merge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lean {
    Left,
    /// Straight down, and the others to the right of it.
    Right,
}

/// Draws one commit after the other.
#[derive(Debug)]
pub struct Drawing<C> {
    commit: Option<C>,
    parents: Vec<C>,
    /// The tracks that come down to the row of the commit, from left to right.
    above: Vec<Track<C>>,
    /// Those that leave it.
    below: Vec<Track<C>>,
    /// For each position of a row, which track below a line there is to become.
    course: Vec<Option<usize>>,
    /// The same one row earlier.
    last_course: Vec<Option<usize>>,
    /// Which of the tracks above is the commit's, or their number if it has none.
    place: usize,
    last_place: usize,
    lean: Lean,
    /// How many tracks a merge adds to the right of it: less than zero if lines join at once.
    added: isize,
    last_added: isize,
    width: usize,
    /// How many rows have made room.
    widened: usize,
    stage: Stage,
    last_stage: Stage,
    colors: usize,
}

impl<C: Copy + PartialEq> Default for Drawing<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Copy + PartialEq> Drawing<C> {
    /// An empty drawing.
    pub fn new() -> Self {
        Self {
            commit: None,
            parents: Vec::new(),
            above: Vec::new(),
            below: Vec::new(),
            course: Vec::new(),
            last_course: Vec::new(),
            place: 0,
            last_place: 0,
            lean: Lean::Right,
            added: 0,
            last_added: 0,
            width: 0,
            widened: 0,
            stage: Stage::Straight,
            last_stage: Stage::Straight,
            colors: 0,
        }
    }

    /// Goes on with a commit, and those of its parents that will be drawn too.
    pub fn begin(&mut self, commit: C, parents: Vec<C>) {
        self.commit = Some(commit);
        self.parents = parents;
        self.lay_out(commit);
        self.widened = 0;
        self.stage = match self.stage {
            Stage::Straight if self.needs_room() => Stage::Widening,
            Stage::Straight => Stage::Commit,
            _ => Stage::Gap,
        };
    }

    /// Whether all rows of the commit were drawn.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Straight
    }

    /// The next row. Once the commit is done, its lines go straight down for as long as one likes.
    pub fn row(&mut self) -> Row {
        let mut row = Row::default();
        match self.stage {
            Stage::Straight => {
                for track in &self.below {
                    row.put(b'|', track.color);
                    row.space(1);
                }
            }
            Stage::Gap => {
                row.cells.extend([(b'.', None); 3]);
                self.go_on(if self.needs_room() { Stage::Widening } else { Stage::Commit });
            }
            Stage::Widening => self.draw_widening(&mut row),
            Stage::Commit => self.draw_commit(&mut row),
            Stage::Parting => self.draw_parting(&mut row),
            Stage::Moving => self.draw_moving(&mut row),
        }
        row.space(self.width.saturating_sub(row.cells.len()));
        row
    }

    fn go_on(&mut self, stage: Stage) {
        self.last_stage = self.stage;
        self.stage = stage;
    }

    fn settle(&mut self) {
        let is_settled = |(at, to): (usize, &Option<usize>)| to.is_none_or(|to| to == at / 2);
        let stage = match self.course.iter().enumerate().all(is_settled) {
            true => Stage::Straight,
            false => Stage::Moving,
        };
        self.go_on(stage);
    }

    // Which track goes where.

    fn lay_out(&mut self, commit: C) {
        std::mem::swap(&mut self.above, &mut self.below);
        self.below.clear();
        let most = self.above.len() + self.parents.len();
        self.course.clear();
        self.course.resize(2 * most, None);
        (self.last_place, self.last_added) = (self.place, self.added);
        (self.width, self.added) = (0, 0);
        let found = self.above.iter().position(|track| track.to == commit);
        self.place = found.unwrap_or(self.above.len());
        for at in 0..self.above.len().max(self.place + 1) {
            if at != self.place {
                let to = self.above[at].to;
                self.lead(to);
                continue;
            }
            let parents = std::mem::take(&mut self.parents);
            for (index, parent) in parents.iter().enumerate() {
                if parents.len() > 1 || found.is_none() {
                    self.colors += 1;
                }
                match index {
                    0 if parents.len() > 1 => self.lead_first(*parent, parents.len()),
                    _ => self.lead(*parent),
                }
            }
            // A commit takes up room even if nothing goes on from it.
            self.width += if parents.is_empty() { 2 } else { 0 };
            self.parents = parents;
        }
        let used = self.course.iter().rposition(Option::is_some).map_or(1, |last| last + 1);
        self.course.truncate(used);
    }

    /// The track below that leads to this commit; a new one on the right if there is none.
    fn track_to(&mut self, to: C) -> usize {
        let known = self.below.iter().position(|track| track.to == to);
        known.unwrap_or_else(|| {
            let carried_on = self.above.iter().find(|track| track.to == to);
            let color = carried_on.map_or(self.colors, |track| track.color);
            self.below.push(Track { to, color });
            self.below.len() - 1
        })
    }

    fn lead(&mut self, to: C) {
        let track = self.track_to(to);
        // Where a merge has just added a line to the same commit the two join at once.
        let joins = self.added > 0
            && self.width >= 2
            && self.course.get(self.width - 2) == Some(&Some(track));
        let at = if joins { self.width - 2 } else { self.width };
        if joins {
            self.added = -1;
        } else {
            self.width += 2;
        }
        self.set_course(at, track);
    }

    /// The first line of a merge: if it goes to a track on the left, the merge leans that way.
    fn lead_first(&mut self, to: C, parents: usize) {
        let track = self.track_to(to);
        let count = parents as isize;
        if track < self.place {
            let distance = self.place - track;
            let shift = if distance > 1 { 2 * distance - 3 } else { 1 };
            self.lean = Lean::Left;
            self.added = count - 2;
            self.set_course(self.width.saturating_sub(shift), track);
        } else {
            self.lean = Lean::Right;
            self.added = count - 1;
            self.set_course(self.width, track);
            self.width += 2;
        }
    }

    fn set_course(&mut self, at: usize, track: usize) {
        if at >= self.course.len() {
            self.course.resize(at + 1, None);
        }
        self.course[at] = Some(track);
    }

    // The rows.

    /// Of the lines of a merge, how many lie beyond the one right beside the commit.
    fn dashed(&self) -> usize {
        let room = if self.lean == Lean::Left { 3 } else { 2 };
        self.parents.len().saturating_sub(room)
    }

    fn needs_room(&self) -> bool {
        self.parents.len() > 2
            && self.place + 1 < self.above.len()
            && self.widened < 2 * self.dashed()
    }

    fn draw_widening(&mut self, row: &mut Row) {
        for (at, track) in self.above.iter().enumerate() {
            let was_pushed = self.last_stage == Stage::Parting && self.last_place < at;
            let is_pushed = self.widened > 0 || was_pushed;
            let character = if at > self.place && is_pushed { b'\\' } else { b'|' };
            row.put(character, track.color);
            row.space(if at == self.place { self.widened + 1 } else { 1 });
        }
        self.widened += 1;
        if !self.needs_room() {
            self.go_on(Stage::Commit);
        }
    }

    fn draw_commit(&mut self, row: &mut Row) {
        row.is_commit = true;
        for at in 0..self.above.len().max(self.place + 1) {
            if at == self.place {
                row.cells.push((b'*', None));
                for dash in 0..self.dashed() {
                    let to = self.course.get((at + dash + 2) * 2).copied().flatten();
                    let color = to.map_or(0, |to| self.below[to].color);
                    row.put(b'-', color);
                    row.put(if dash + 1 == self.dashed() { b'.' } else { b'-' }, color);
                }
                row.space(1);
                continue;
            }
            let character = match (at > self.place, self.added) {
                (true, 2..) => b'\\',
                (true, 1) => {
                    let was_pushed = self.last_stage == Stage::Parting
                        && self.last_added > 0
                        && self.last_place < at;
                    if was_pushed { b'\\' } else { b'|' }
                }
                _ if self.comes_from_the_right(at) => b'/',
                _ => b'|',
            };
            row.put(character, self.above[at].color);
            row.space(1);
        }
        match self.parents.len() {
            2.. => self.go_on(Stage::Parting),
            _ => self.settle(),
        }
    }

    /// Whether a line has just moved to this track and goes on to the left.
    fn comes_from_the_right(&self, at: usize) -> bool {
        let here = self.course.get(2 * at).copied().flatten();
        self.last_stage == Stage::Moving
            && self.last_course.get(2 * at + 1) == Some(&Some(at))
            && here.is_none_or(|here| here < at)
    }

    fn draw_parting(&mut self, row: &mut Row) {
        // Below the first parent's own track its line comes in from the right.
        let mut coming = None;
        for at in 0..self.above.len().max(self.place + 1) {
            if at == self.place {
                self.draw_parted(row);
            } else {
                let Track { color, .. } = self.above[at];
                if at > self.place {
                    row.put(if self.added > 0 { b'\\' } else { b'|' }, color);
                    row.space(1);
                } else {
                    row.put(b'|', color);
                    if self.lean == Lean::Right || at + 1 != self.place {
                        match coming {
                            Some(color) => row.put(b'_', color),
                            None => row.space(1),
                        }
                    }
                }
            }
            let track = self.above.get(at);
            if let Some(track) = track.filter(|track| self.parents.first() == Some(&track.to)) {
                coming = Some(track.color);
            }
        }
        self.settle();
    }

    /// The lines right below a merge.
    fn draw_parted(&self, row: &mut Row) {
        let mut characters = match self.lean {
            Lean::Left => [b'/', b'|'].iter(),
            Lean::Right => [b'|'].iter(),
        };
        for (index, parent) in self.parents.iter().enumerate() {
            let track = self.below.iter().find(|track| track.to == *parent);
            let color = track.map_or(0, |track| track.color);
            match characters.next() {
                Some(character) => row.put(*character, color),
                None => {
                    row.put(b'\\', color);
                    if self.added > 0 || index + 1 < self.parents.len() {
                        row.space(1);
                    }
                }
            }
        }
        if self.added == 0 {
            row.space(1);
        }
    }

    /// Every line that is not where it belongs goes one step to the left, over a line that is in
    /// its way, and one of them all the way.
    fn draw_moving(&mut self, row: &mut Row) {
        let from = std::mem::take(&mut self.course);
        let mut course = vec![None; from.len()];
        // The line that goes all the way: where it is, and its track.
        let mut runner: Option<(usize, usize)> = None;
        for (at, track) in from.iter().enumerate() {
            let Some(track) = *track else { continue };
            if track * 2 == at {
                course[at] = Some(track);
                continue;
            }
            let beside = course[at - 1];
            if beside == Some(track) {
                continue;
            }
            let step = if beside.is_none() { 1 } else { 2 };
            if let Some(place) = at.checked_sub(step) {
                course[place] = Some(track);
            }
            if runner.is_none() {
                runner = Some((at + 1 - step, track));
                for between in (track * 2 + 3..at.saturating_sub(2)).step_by(2) {
                    course[between] = Some(track);
                }
            }
        }
        self.last_course.clone_from(&course);
        if course.last() == Some(&None) {
            course.pop();
        }
        let mut has_run = false;
        for (at, place) in course.iter_mut().enumerate() {
            let Some(track) = *place else {
                row.space(1);
                continue;
            };
            let color = self.below[track].color;
            let run = runner.filter(|(end, running)| *running == track && at + 1 != *end);
            if track * 2 == at {
                row.put(b'|', color);
            } else if run.is_some() {
                // Only its first part goes on below.
                if at != track * 2 + 3 {
                    *place = None;
                }
                has_run = true;
                row.put(b'_', color);
            } else {
                if has_run && runner.is_some_and(|(end, _)| at < end) {
                    *place = None;
                }
                row.put(b'/', color);
            }
        }
        self.course = course;
        self.settle();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::testing::{Clocks, Git, Random, history, write_to_git};

    /// The drawing of a history given as commits with their parents, newest first.
    fn drawn(commits: &[(usize, &[usize])]) -> String {
        let mut drawing = Drawing::new();
        let mut text = String::new();
        for (commit, parents) in commits {
            drawing.begin(*commit, parents.to_vec());
            loop {
                let row = drawing.row();
                text += row.text().trim_end();
                if row.is_commit {
                    text += &format!(" {commit}");
                }
                text.push('\n');
                if drawing.is_done() {
                    break;
                }
            }
        }
        text
    }

    #[test]
    fn lines_part_at_merges_and_join_at_forks() {
        let text = drawn(&[(4, &[2, 3]), (3, &[1]), (2, &[1]), (1, &[])]);
        assert_eq!(text, "* 4\n|\\\n| * 3\n* | 2\n|/\n* 1\n");
        let text = drawn(&[(5, &[1]), (4, &[1, 3, 2]), (3, &[1]), (2, &[1]), (1, &[])]);
        assert_eq!(text, "* 5\n| * 4\n|/|\\\n| * | 3\n|/ /\n| * 2\n|/\n* 1\n");
    }

    #[test]
    fn a_commit_that_is_broken_off_leaves_a_gap() {
        let mut drawing = Drawing::new();
        drawing.begin(3, vec![1, 2]);
        assert!(drawing.row().is_commit);
        drawing.begin(2, vec![1]);
        assert_eq!(drawing.row().text().trim_end(), "...");
        assert_eq!(drawing.row().text().trim_end(), "| *");
    }

    #[test]
    fn histories_are_drawn_as_git_draws_them() {
        let mut random = Random(31);
        for round in 0..24 {
            let Some(git) = Git::new("the drawing of history") else { return };
            let plans = history(&mut random, 60, [Clocks::Right, Clocks::Skewed][round % 2]);
            write_to_git(&git, &plans);
            let tips = ["--all", "c59", "c40", "c59 c51"][round / 2 % 4];
            let order = ["--topo-order", "--date-order"][round % 2];
            let mut command = vec!["rev-list", "--no-commit-header", "--format=%s %p", order];
            command.extend(tips.split(' '));
            // Ids of parents are looked up among the commits' own.
            let ids = git.run(&["log", "--all", "--format=%h %s"]);
            let name = |id: &str| -> usize {
                let line = ids.lines().find(|line| line.starts_with(id)).unwrap();
                line.rsplit(' ').next().unwrap()[1..].parse().unwrap()
            };
            let listed = git.run(&command);
            let mut drawing = Drawing::new();
            let mut ours = String::new();
            for line in listed.lines() {
                let mut words = line.split_whitespace();
                let subject = words.next().unwrap();
                drawing.begin(subject[1..].parse().unwrap(), words.map(name).collect());
                loop {
                    let row = drawing.row();
                    ours += &row.text();
                    ours += if row.is_commit { subject } else { "" };
                    ours.push('\n');
                    if drawing.is_done() {
                        break;
                    }
                }
            }
            let mut command = vec!["log", "--graph", "--format=%s", order];
            command.extend(tips.split(' '));
            assert_eq!(ours, git.run(&command), "{tips} {order}");
        }
    }
}

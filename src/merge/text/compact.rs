//! Moving changed lines to where they are looked for.
//!
//! A block of changed lines that begins with the lines that follow it can as well be said to stand
//! a little lower. Blocks are pushed together, and stand as low as they can, or beside a change of
//! the other text if there is one. That is git's rule, so hunks meet where git's meet.

/// Moves the changed blocks of a text. `other` marks the changes of the text it is compared with.
pub(super) fn compact(lines: &[u32], changed: &mut [bool], other: &[bool]) {
    let mut block = Block::first(changed);
    let mut beside = Block::first(other);
    loop {
        if block.end > block.start {
            slide(lines, changed, other, &mut block, &mut beside);
        }
        if !block.next(changed) {
            return;
        }
        beside.next(other);
    }
}

fn slide(
    lines: &[u32],
    changed: &mut [bool],
    other: &[bool],
    block: &mut Block,
    beside: &mut Block,
) {
    let mut highest;
    let mut lowest_beside;
    loop {
        let length = block.end - block.start;
        while block.slide_up(lines, changed) {
            beside.previous(other);
        }
        highest = block.end;
        lowest_beside = (beside.end > beside.start).then_some(block.end);
        while block.slide_down(lines, changed) {
            beside.next(other);
            if beside.end > beside.start {
                lowest_beside = Some(block.end);
            }
        }
        // It may have met another block and grown: then it can move further.
        if block.end - block.start == length {
            break;
        }
    }
    if block.end != highest && lowest_beside.is_some() {
        while beside.end == beside.start && block.slide_up(lines, changed) {
            beside.previous(other);
        }
    }
}

/// A run of changed lines, perhaps an empty one: there is one before each unchanged line and one
/// at the end.
struct Block {
    start: usize,
    end: usize,
}

impl Block {
    fn first(changed: &[bool]) -> Self {
        let mut block = Self { start: 0, end: 0 };
        block.grow_down(changed);
        block
    }

    fn grow_down(&mut self, changed: &[bool]) {
        while self.end < changed.len() && changed[self.end] {
            self.end += 1;
        }
    }

    fn grow_up(&mut self, changed: &[bool]) {
        while self.start > 0 && changed[self.start - 1] {
            self.start -= 1;
        }
    }

    fn next(&mut self, changed: &[bool]) -> bool {
        if self.end == changed.len() {
            return false;
        }
        self.start = self.end + 1;
        self.end = self.start;
        self.grow_down(changed);
        true
    }

    fn previous(&mut self, changed: &[bool]) -> bool {
        if self.start == 0 {
            return false;
        }
        self.end = self.start - 1;
        self.start = self.end;
        self.grow_up(changed);
        true
    }

    fn slide_down(&mut self, lines: &[u32], changed: &mut [bool]) -> bool {
        if self.end == lines.len() || lines[self.start] != lines[self.end] {
            return false;
        }
        changed[self.start] = false;
        changed[self.end] = true;
        self.start += 1;
        self.end += 1;
        self.grow_down(changed);
        true
    }

    fn slide_up(&mut self, lines: &[u32], changed: &mut [bool]) -> bool {
        if self.start == 0 || lines[self.start - 1] != lines[self.end - 1] {
            return false;
        }
        self.start -= 1;
        self.end -= 1;
        changed[self.start] = true;
        changed[self.end] = false;
        self.grow_up(changed);
        true
    }
}

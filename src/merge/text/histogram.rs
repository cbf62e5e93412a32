//! Which lines of two texts are the same, by the rarest lines they share.
//!
//! A run of shared lines is chosen around a line that occurs as seldom as possible, and what stands
//! before and after it is compared in the same way. This is what git merges with, and ties are
//! decided as git decides them, because a merge is only as predictable as the comparison below it.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A line that occurs more often than this is no anchor.
const COMMON: u32 = 64;
const NONE: u32 = u32::MAX;

/// Marks what is not shared: `old_changed` and `new_changed` have a place for each line. Lines are
/// numbers below `classes`; equal numbers are equal lines.
pub(super) fn compare(
    old: &[u32],
    new: &[u32],
    classes: usize,
    old_changed: &mut [bool],
    new_changed: &mut [bool],
) {
    let mut index =
        Index { first: vec![NONE; classes], count: vec![0; classes], next: vec![NONE; old.len()] };
    let mut regions = vec![Region { old: (0, old.len()), new: (0, new.len()) }];
    while let Some(Region { old: (old_start, old_end), new: (new_start, new_end) }) = regions.pop()
    {
        if old_start == old_end || new_start == new_end {
            old_changed[old_start..old_end].fill(true);
            new_changed[new_start..new_end].fill(true);
            continue;
        }
        index.fill(old, old_start, old_end);
        let found = index.search(old, new, (old_start, old_end), (new_start, new_end));
        index.clear(old, old_start, old_end);
        match found {
            Search::Run(run) => {
                regions.push(Region {
                    old: (run.old + run.length, old_end),
                    new: (run.new + run.length, new_end),
                });
                regions.push(Region { old: (old_start, run.old), new: (new_start, run.new) });
            }
            Search::Nothing => {
                old_changed[old_start..old_end].fill(true);
                new_changed[new_start..new_end].fill(true);
            }
            Search::OnlyCommon => {
                let (from, to) = (&old[old_start..old_end], &new[new_start..new_end]);
                for op in capture_diff_slices(Algorithm::Myers, from, to) {
                    if !matches!(op, DiffOp::Equal { .. }) {
                        let (gone, came) = (op.old_range(), op.new_range());
                        old_changed[old_start + gone.start..old_start + gone.end].fill(true);
                        new_changed[new_start + came.start..new_start + came.end].fill(true);
                    }
                }
            }
        }
    }
}

/// A part of both texts that is still to be compared.
struct Region {
    old: (usize, usize),
    new: (usize, usize),
}

/// Lines both have, from `old` and from `new` on.
struct Run {
    old: usize,
    new: usize,
    length: usize,
}

enum Search {
    Run(Run),
    /// They have no line in common.
    Nothing,
    /// They have, but each of those occurs too often to be an anchor.
    OnlyCommon,
}

/// Where each line occurs in a region of the old text.
struct Index {
    first: Vec<u32>,
    count: Vec<u32>,
    next: Vec<u32>,
}

impl Index {
    fn fill(&mut self, old: &[u32], start: usize, end: usize) {
        for at in (start..end).rev() {
            let class = old[at] as usize;
            self.next[at] = self.first[class];
            self.first[class] = at as u32;
            self.count[class] += 1;
        }
    }

    fn clear(&mut self, old: &[u32], start: usize, end: usize) {
        for &class in &old[start..end] {
            self.first[class as usize] = NONE;
            self.count[class as usize] = 0;
        }
    }

    fn search(
        &self,
        old: &[u32],
        new: &[u32],
        (old_start, old_end): (usize, usize),
        (new_start, new_end): (usize, usize),
    ) -> Search {
        let mut has_common = false;
        let mut rarest = COMMON + 1;
        let mut best: Option<Run> = None;
        let mut at = new_start;
        while at < new_end {
            let here = at;
            at += 1;
            let class = new[here] as usize;
            let count = self.count[class];
            if count == 0 {
                continue;
            }
            has_common = true;
            if count > rarest {
                continue;
            }
            let mut candidate = self.first[class];
            while candidate != NONE {
                let (mut from, mut to) = (candidate as usize, here);
                let mut rare = count;
                while from > old_start && to > new_start && old[from - 1] == new[to - 1] {
                    from -= 1;
                    to -= 1;
                    rare = rare.min(self.count[old[from] as usize]);
                }
                let (mut last, mut new_last) = (candidate as usize, here);
                while last + 1 < old_end
                    && new_last + 1 < new_end
                    && old[last + 1] == new[new_last + 1]
                {
                    last += 1;
                    new_last += 1;
                    rare = rare.min(self.count[old[last] as usize]);
                }
                at = at.max(new_last + 1);
                let longest = best.as_ref().map_or(1, |best| best.length);
                let length = last + 1 - from;
                if length > longest || rare < rarest {
                    best = Some(Run { old: from, new: to, length });
                    rarest = rare;
                }
                // Places within this run would give the same run.
                candidate = self.next[candidate as usize];
                while candidate != NONE && candidate as usize <= last {
                    candidate = self.next[candidate as usize];
                }
            }
        }
        match best {
            _ if has_common && rarest > COMMON => Search::OnlyCommon,
            Some(run) => Search::Run(run),
            None => Search::Nothing,
        }
    }
}

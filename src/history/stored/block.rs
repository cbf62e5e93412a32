//! Blocks: what the table says of 256 commits with numbers one after the other.
//!
//! ```text
//!      0   4  count of commits, 1 to 256
//!      4      count × (8 seconds, 4 generation, 4 first parent, 4 second parent)
//!             further parents, 4 each
//! ```
//!
//! Numbers are little-endian. A parent is a number below the commit's own, or all ones if there is
//! none. If there are more than two, the second has the highest bit set and is the place among the
//! further parents where their count stands, and then they themselves.
//!
//! Ids and trees stand in blocks of their own, 32 bytes each, because few walks need them.

use crate::hash::Id;

use super::super::{Age, Number};

/// Commits in a block.
pub(super) const LENGTH: u32 = 256;

const HEAD: usize = 4;
const ROW: usize = 20;
const NONE: u32 = u32::MAX;
const MORE: u32 = 1 << 31;

/// What the graph knows of a commit, before it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) seconds: i64,
    pub(super) generation: u32,
    pub(super) parents: Vec<Number>,
}

/// A block that was read, and holds together.
#[derive(Clone, Debug)]
pub(super) struct Block(Vec<u8>);

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(NONE, |bytes| {
        let mut number = [0; 4];
        number.copy_from_slice(bytes);
        u32::from_le_bytes(number)
    })
}

impl Block {
    /// Reads the block that begins with this commit; `None` if it does not hold together.
    pub(super) fn open(bytes: Vec<u8>, first: u32) -> Option<Self> {
        let block = Self(bytes);
        let count = block.len();
        let rest = block.0.len().checked_sub(HEAD + count as usize * ROW)?;
        if count == 0 || count > LENGTH || !rest.is_multiple_of(4) {
            return None;
        }
        let mut parents = Vec::new();
        for at in 0..count {
            let second = number(&block.0, HEAD + at as usize * ROW + 16);
            if second & MORE != 0 && second != NONE {
                let more = (second ^ MORE) as usize;
                let listed = number(&block.0, block.further(more)) as usize;
                if rest / 4 <= more || rest / 4 - more - 1 < listed {
                    return None;
                }
            }
            block.parents(at, &mut parents);
            let all_before = parents.drain(..).all(|parent| parent.0 < first + at);
            if !all_before || block.age(at).generation.is_none_or(|generation| generation == 0) {
                return None;
            }
        }
        Some(block)
    }

    /// The bytes of a block with these commits.
    pub(super) fn build(rows: &[Row]) -> Vec<u8> {
        let mut bytes = (rows.len() as u32).to_le_bytes().to_vec();
        let mut further: Vec<u32> = Vec::new();
        for row in rows {
            let (first, second) = match &row.parents[..] {
                [] => (NONE, NONE),
                [one] => (one.0, NONE),
                [one, two] => (one.0, two.0),
                [one, more @ ..] => {
                    let second = MORE | further.len() as u32;
                    further.push(more.len() as u32);
                    further.extend(more.iter().map(|parent| parent.0));
                    (one.0, second)
                }
            };
            bytes.extend(row.seconds.to_le_bytes());
            for number in [row.generation, first, second] {
                bytes.extend(number.to_le_bytes());
            }
        }
        for number in further {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// How many commits it has.
    pub(super) fn len(&self) -> u32 {
        number(&self.0, 0)
    }

    /// All its commits.
    pub(super) fn rows(&self) -> Vec<Row> {
        let rows = (0..self.len()).map(|at| {
            let Age { generation, seconds } = self.age(at);
            let mut parents = Vec::new();
            self.parents(at, &mut parents);
            Row { seconds, generation: generation.unwrap_or(0), parents }
        });
        rows.collect()
    }

    pub(super) fn age(&self, at: u32) -> Age {
        let start = HEAD + at as usize * ROW;
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&self.0[start..start + 8]);
        let generation = Some(number(&self.0, start + 8));
        Age { generation, seconds: i64::from_le_bytes(seconds) }
    }

    pub(super) fn parents(&self, at: u32, into: &mut Vec<Number>) {
        let start = HEAD + at as usize * ROW;
        let (first, second) = (number(&self.0, start + 12), number(&self.0, start + 16));
        if first == NONE {
            return;
        }
        into.push(Number(first));
        if second == NONE {
            return;
        }
        if second & MORE == 0 {
            into.push(Number(second));
            return;
        }
        let start = self.further((second ^ MORE) as usize);
        for index in 1..=number(&self.0, start) as usize {
            into.push(Number(number(&self.0, start + index * 4)));
        }
    }

    fn further(&self, index: usize) -> usize {
        HEAD + self.len() as usize * ROW + index * 4
    }
}

/// Ids, one after the other; `None` if these are not whole ones.
pub(super) fn ids(bytes: &[u8]) -> Option<Vec<Id>> {
    let (ids, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| ids.iter().map(|id| Id::from_bytes(*id)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |generation, parents: &[u32]| Row {
            seconds: -5 + i64::from(generation),
            generation,
            parents: parents.iter().map(|parent| Number(*parent)).collect(),
        };
        vec![row(1, &[]), row(7, &[3]), row(8, &[4, 257]), row(9, &[258, 1, 0]), row(9, &[0; 9])]
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let block = Block::open(Block::build(&rows()), 256).unwrap();
        assert_eq!(block.rows(), rows());
    }

    #[test]
    fn a_block_that_does_not_hold_together_is_refused() {
        let whole = Block::build(&rows());
        assert!(Block::open(whole.clone(), 255).is_none(), "a parent that is not before its child");
        for length in 0..whole.len() {
            assert!(Block::open(whole[..length].to_vec(), 256).is_none(), "{length}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x81;
            // Whatever it says, it can be read.
            if let Some(block) = Block::open(bytes, 256) {
                assert!(!block.rows().is_empty());
            }
        }
    }
}

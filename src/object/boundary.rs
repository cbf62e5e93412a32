//! Where the nodes of balanced trees end.
//!
//! A node ends where its content says so, not where it was filled to: so the same entries give the
//! same nodes in any order of edits, and an edit changes the nodes on its path and at most the
//! next ones. At level L an entry ends its node if bits 5L to 5L+4 of the hash of its key are zero
//! and the node has at least [`FEWEST`] entries, or if it is the [`MOST`]th. Counting restarts
//! after each boundary; a node has about 64 entries on average.
//!
//! The level is part of the decision because an entry that ends a node at one level is what stands
//! for that node at the next: the same bits would end every inner node there.

use crate::hash;

/// The fewest entries of a node that does not end its level.
pub const FEWEST: usize = 32;
/// The most entries of a node.
pub const MOST: usize = 256;
/// The most levels of a tree: 32 entries at least in each would be 2^60 entries.
pub const LEVELS: u8 = 12;

/// Whether a node of `level` that has `count` entries ends with the entry of this key.
pub fn ends(key: &[u8], level: u8, count: usize) -> bool {
    count >= MOST || (count >= FEWEST && hash::boundary_bits(key) >> (5 * level) & 31 == 0)
}

/// Checks the keys of a node: none before the last may end it, and unless it ends its level the
/// last must. The caller knows about the last only in context, so it passes `ends_level`.
pub fn is_lawful<'a>(
    keys: impl ExactSizeIterator<Item = &'a [u8]>,
    level: u8,
    ends_level: bool,
) -> bool {
    let count = keys.len();
    if count > MOST || level >= LEVELS {
        return false;
    }
    for (index, key) in keys.enumerate() {
        let is_last = index + 1 == count;
        if ends(key, level, index + 1) {
            return is_last;
        }
        if is_last {
            return ends_level;
        }
    }
    ends_level
}

//! Slips of whoever types: how far apart two words are, and which of several may have been meant.
//!
//! Pure. What is done about a slip, and what is said of it, is not decided here.

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut fewest = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                fewest = fewest.min(rows[i - 2][j - 2] + 1);
            }
            row.push(fewest);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// How far `name` is from what was given, if it is like it at all.
pub fn near(given: &str, name: &str) -> Option<usize> {
    let most = given.chars().count().div_ceil(3).max(1);
    Some(distance(given, name)).filter(|distance| *distance <= most)
}

/// The name that is most like `given`, if one is like it at all.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().filter_map(|name| Some((near(given, name)?, name)));
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["commit", "status", "log", "diff"];
        assert_eq!(nearest("comit", names), Some("commit"));
        assert_eq!(nearest("statsu", names), Some("status"));
        assert_eq!(nearest("lgo", names), Some("log"));
        assert_eq!(nearest("frobnicate", names), None);
    }
}

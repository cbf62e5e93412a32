//! Names that git allows and Annals does not.
//!
//! A tree that has such names, or the same name twice, is kept verbatim beside the commit; what
//! stands under them is recorded under a name that is made up here, so that its content is part of
//! the history. The made-up name is a function of the tree alone.

use std::collections::BTreeSet;

use crate::path;

/// Legal names for those of one tree, in the same order, all different. A name that is legal and
/// new stays as it is.
pub(super) fn legal_names<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Vec<u8>> {
    let mut taken: BTreeSet<Vec<u8>> = BTreeSet::new();
    // Names that may stay come first, so that none of them has to give way to a made-up one.
    let stays: Vec<bool> = names
        .clone()
        .map(|name| path::check_name(name).is_ok() && taken.insert(name.to_vec()))
        .collect();
    let made = names.zip(stays).map(|(name, stays)| {
        if stays {
            return name.to_vec();
        }
        let stem = match path::check_name(name) {
            Ok(()) => name.to_vec(),
            Err(_) => escaped(name),
        };
        let mut made = stem.clone();
        let mut number = 1;
        while path::check_name(&made).is_err() || !taken.insert(made.clone()) {
            number += 1;
            let tail = format!("%{number}");
            made = stem[..stem.len().min(path::LONGEST_NAME - tail.len())].to_vec();
            made.extend_from_slice(tail.as_bytes());
        }
        made
    });
    made.collect()
}

/// The name with what makes it unlawful in percent signs and digits; cut if it is too long.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    let is_dots = matches!(name, b"." | b"..");
    for (at, &byte) in name.iter().enumerate() {
        if byte == b'/' || is_dots || at == 0 {
            made.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            made.push(byte);
        }
    }
    if made.is_empty() {
        made.push(b'%');
    }
    made.truncate(path::LONGEST_NAME);
    made
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_a_legal_one_of_its_own() {
        let long = vec![b'n'; 2000];
        let names: Vec<&[u8]> = vec![
            b"..",
            b".annals",
            b"a",
            b"a",
            b"",
            b".",
            b".Annals",
            b"x/y",
            b"%2eannals",
            &long,
            &long,
        ];
        let made = legal_names(names.iter().copied());
        assert!(made.iter().all(|name| path::check_name(name).is_ok()));
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(made[0], b"%2e%2e");
        assert_eq!(made[1], b"%2eannals%2");
        assert_eq!(made[2], b"a");
        assert_eq!(made[3], b"a%2");
        assert_eq!(made[8], b"%2eannals");
    }
}

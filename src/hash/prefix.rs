//! Short ids: the first digits of an id, as people type them.

use super::{Id, hex};

/// The first 4 to 64 hexadecimal digits of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    digits: String,
}

impl Prefix {
    /// The fewest digits that are accepted.
    pub const SHORTEST: usize = 4;
    /// The fewest digits that are shown.
    pub const SHOWN: usize = 8;

    /// Reads 4 to 64 hexadecimal digits in either case; anything else is not a short id.
    pub fn parse(text: &str) -> Option<Self> {
        let plausible = (Self::SHORTEST..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plausible.then(|| Self { digits: text.to_ascii_lowercase() })
    }

    /// The digits, in lower case.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether `id` begins so.
    pub fn matches(&self, id: &Id) -> bool {
        hex(&id.as_bytes()[..self.digits.len().div_ceil(2)]).starts_with(&self.digits)
    }

    /// The smallest id that begins so.
    pub fn first(&self) -> Id {
        self.padded('0')
    }

    /// The largest id that begins so.
    pub fn last(&self) -> Id {
        self.padded('f')
    }

    fn padded(&self, digit: char) -> Id {
        let mut text = self.digits.clone();
        text.extend(std::iter::repeat_n(digit, 64 - text.len()));
        text.parse().expect("64 digits are an id")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_number_of_digits_is_a_prefix_too() {
        let prefix = Prefix::parse("AF134").unwrap();
        assert!(prefix.matches(&Id::EMPTY));
        assert!(!Prefix::parse("af135").unwrap().matches(&Id::EMPTY));
        assert!(prefix.first() < Id::EMPTY && Id::EMPTY < prefix.last());
    }

    #[test]
    fn three_digits_are_too_few_and_words_are_no_digits() {
        assert_eq!(Prefix::parse("af1"), None);
        assert_eq!(Prefix::parse("main"), None);
    }
}

//! The strict codec: values to bytes and back, with exactly one encoding for each value.
//!
//! The only place that names bincode. The wire format is bincode 2 in its standard configuration
//! (little-endian, variable-length integers), described byte by byte in `docs/format.md`. Plain
//! decoding accepts aliases (padded integers, trailing bytes) and so would give one object two
//! ids; [`decode`] takes a memory limit, demands that every byte is used, encodes the value again
//! and compares, and then asks the value whether it makes sense ([`Validate`]).

use bincode::config;
use thiserror::Error;

pub use bincode::{Decode, Encode};

/// The most memory that decoding one object may ask for, in bytes.
pub const MEMORY_LIMIT: usize = 16 << 20;

/// Why bytes are not a value.
#[derive(Debug, Error)]
pub enum Error {
    /// The bytes end early, name an unknown variant, or ask for more memory than is allowed.
    #[error("cannot decode: {0}")]
    Malformed(String),
    /// The value ends before the bytes do.
    #[error("cannot decode: {trailing} bytes follow the value")]
    Trailing {
        /// How many bytes were left over.
        trailing: usize,
    },
    /// The same value has another, shorter encoding.
    #[error("cannot decode: the bytes are not the one encoding of their value")]
    NotCanonical,
    /// The value breaks a rule of its kind.
    #[error("cannot decode: {0}")]
    Invalid(&'static str),
}

/// A decoded value that can say whether it keeps the rules of its kind.
pub trait Validate {
    /// Names the first rule that is broken.
    fn validate(&self) -> Result<(), Error>;
}

/// The one encoding of a value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard())
        .expect("encoding into memory fails only for types that are never stored")
}

/// The value that `bytes` are the one encoding of.
pub fn decode<T: Decode<()> + Encode + Validate>(bytes: &[u8]) -> Result<T, Error> {
    let limited = config::standard().with_limit::<MEMORY_LIMIT>();
    let (value, used): (T, usize) = bincode::decode_from_slice(bytes, limited)
        .map_err(|error| Error::Malformed(error.to_string()))?;
    if used != bytes.len() {
        return Err(Error::Trailing { trailing: bytes.len() - used });
    }
    if !is_encoding_of(&value, bytes) {
        return Err(Error::NotCanonical);
    }
    value.validate()?;
    Ok(value)
}

/// Whether `bytes` are what encoding `value` gives, without building a second copy.
fn is_encoding_of<T: Encode>(value: &T, bytes: &[u8]) -> bool {
    struct Compare<'a> {
        rest: &'a [u8],
    }
    impl bincode::enc::write::Writer for Compare<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
            match self.rest.split_at_checked(bytes.len()) {
                Some((head, rest)) if head == bytes => {
                    self.rest = rest;
                    Ok(())
                }
                _ => Err(bincode::error::EncodeError::UnexpectedEnd),
            }
        }
    }
    let mut compare = Compare { rest: bytes };
    bincode::encode_into_writer(value, &mut compare, config::standard()).is_ok()
        && compare.rest.is_empty()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Pair {
        name: Vec<u8>,
        size: u64,
    }

    impl Validate for Pair {
        fn validate(&self) -> Result<(), Error> {
            if self.name.is_empty() { Err(Error::Invalid("empty name")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_value_has_one_encoding_and_only_that_is_read() {
        let pair = Pair { name: b"a".to_vec(), size: 1 };
        assert_eq!(encode(&pair), [1, b'a', 1]);
        assert_eq!(decode::<Pair>(&[1, b'a', 1]).unwrap(), pair);
        let padded = [1, b'a', 0xfb, 1, 0];
        assert!(matches!(decode::<Pair>(&padded), Err(Error::NotCanonical)));
        assert!(matches!(decode::<Pair>(&[1, b'a', 1, 0]), Err(Error::Trailing { trailing: 1 })));
        assert!(matches!(decode::<Pair>(&[1, b'a']), Err(Error::Malformed(_))));
        assert!(matches!(decode::<Pair>(&[0, 1]), Err(Error::Invalid("empty name"))));
    }

    #[test]
    fn a_length_that_lies_asks_for_no_memory() {
        let bomb = [0xfd, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3];
        assert!(matches!(decode::<Pair>(&bomb), Err(Error::Malformed(_))));
    }
}

//! Why settings cannot be read or changed.

use thiserror::Error as ThisError;

use super::keys::similar;

/// Why settings cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// A file of settings is not TOML.
    #[error("cannot read the settings in '{origin}': {reason}")]
    Syntax {
        /// Which file.
        origin: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A name is not one of a setting.
    #[error("'{0}' is not the name of a setting: it has no section, as in 'user.name'")]
    Name(String),
    /// Nobody knows a setting of that name.
    #[error("'{name}' is not a setting")]
    Unknown {
        /// What was given.
        name: String,
        /// What may have been meant.
        similar: Option<String>,
    },
    /// A value does not fit its key.
    #[error("'{name}' cannot be '{value}': it is {wanted}")]
    Value {
        /// The key.
        name: String,
        /// What was given.
        value: String,
        /// What may be given.
        wanted: String,
    },
    /// A name that stands for a section is used as that of a value, or the other way round.
    #[error("cannot set '{0}': a part of that name is a value already")]
    Shape(String),
}

impl Error {
    /// Nobody knows a setting of this name.
    pub fn unknown(name: &str) -> Self {
        Self::Unknown { name: name.to_owned(), similar: similar(name) }
    }
}

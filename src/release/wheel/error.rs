//! Why a wheel can't be read. Pure.

use super::metadata::MetadataError;
use crate::release::Release;

/// A wheel that isn't what it should be. Every one of these makes what depends on the wheel unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WheelError {
    /// It holds more than any honest wheel.
    #[error("the wheel holds {found} {what} (expected at most {limit}): it is not read")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much of it.
        found: u64,
        /// How much is read at most.
        limit: u64,
    },
    /// A file's name leads out of the wheel, or occurs twice.
    #[error("the wheel holds a file named {0:?}, which no wheel may hold (or holds it twice): it is not read")]
    Name(String),
    /// There is no `*.dist-info/METADATA`, or several.
    #[error("the wheel holds {0} files *.dist-info/METADATA (expected one)")]
    MetadataFiles(usize),
    /// The metadata can't be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// It is another package or release than the one that was asked for.
    #[error("the wheel says that it is {found} (expected {expected})")]
    Other {
        /// What was asked for.
        expected: String,
        /// What its metadata say.
        found: String,
    },
    /// A source file can't be read.
    #[error("{file}: {reason}")]
    Source {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A file that was asked for isn't among what was read.
    #[error("{0} was not read from the wheel")]
    NotRead(String),
}

impl WheelError {
    /// Another package or release than the one that was asked for.
    pub(super) fn other(package: &str, release: &Release, found_package: &str, found: &Release) -> Self {
        WheelError::Other {
            expected: format!("{package} {}", release.normalized()),
            found: format!("{found_package} {}", found.normalized()),
        }
    }
}

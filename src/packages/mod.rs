//! Where the controller gets lists of published releases from: package indexes and directories of wheels, as pip's
//! configuration names them, and answers kept on disk. I/O.
//!
//! Credentials live in [`Settings`] and in requests; whatever is shown, logged or kept has gone through
//! [`crate::model::redacted`].

mod cache;
mod client;
mod fetch;
mod ini;
mod netrc;
mod settings;
mod source;
mod wheel;
mod wheel_archive;
mod wheel_cache;
mod wheelhouse;

use std::path::PathBuf;

use crate::model::Digest;
use crate::release::IndexPageError;

pub use cache::Cache;
pub use fetch::{Fetched, fetch};
pub use settings::{Environment, Settings};
pub use source::{PackageIndex, Reach};
pub use wheel::{NoWheel, WheelStore};
pub use wheel_archive::{WheelhouseError, read_archive};
pub use wheel_cache::{WheelCache, cache_directory, caches_of};
pub use wheelhouse::read_wheelhouse;

/// Why a list of releases could not be had. Never the same as a list without any.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// pip's configuration can't be read.
    #[error("{}: {reason}; pip would refuse it too: mend the file, or name a source with --index or --wheelhouse", file.display())]
    Configuration {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// A setting that makes no sense.
    #[error("{name} is {value:?} in pip's settings, and {expected} is expected there")]
    Setting {
        /// pip's name of it.
        name: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// pip's settings name nothing to look in.
    #[error(
        "pip's settings name no place of packages (no-index without find-links): name one with --index or --wheelhouse"
    )]
    NoSource,
    /// What should be a URL isn't.
    #[error("{url:?} is no URL of a package index (expected https://HOST/PATH, or a directory)")]
    Url {
        /// The text, redacted.
        url: String,
    },
    /// Credentials and lists would go over the network in the clear.
    #[error("{url} is plain http: pip would not ask it either, unless trusted-host names {host}")]
    Insecure {
        /// The URL, redacted.
        url: String,
        /// Its host.
        host: String,
    },
    /// The index did not answer.
    #[error("{url} can't be reached: {reason}")]
    Unreachable {
        /// The URL, redacted.
        url: String,
        /// Why.
        reason: String,
    },
    /// The index answered with something else than a list.
    #[error("{url} answered HTTP {status}{}", hint_of(*status))]
    Status {
        /// The URL, redacted.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is no page of an index.
    #[error("{url} answered with {content_type}, which is no page of a package index (is this its simple API?)")]
    ContentType {
        /// The URL, redacted.
        url: String,
        /// What it said it is.
        content_type: String,
    },
    /// The page can't be read.
    #[error("{url}: {source}")]
    Page {
        /// The URL, redacted.
        url: String,
        /// The cause.
        source: IndexPageError,
    },
    /// A file that the list names is not there.
    #[error("{url} isn't there, although the list of the package names it")]
    Gone {
        /// The URL, redacted.
        url: String,
    },
    /// A file is larger than any honest one.
    #[error("{url} has more than {limit} bytes: it is not read")]
    TooLarge {
        /// The URL, redacted, or the path.
        url: String,
        /// How many are read at most.
        limit: u64,
    },
    /// A file isn't what the list says.
    #[error("{url} has the SHA-256 {found} (expected {expected}, as the list of the package says): it is not read")]
    Digest {
        /// The URL, redacted, or the path.
        url: String,
        /// What the list says.
        expected: Digest,
        /// What was fetched.
        found: Digest,
    },
    /// Nobody offers a file of this name.
    #[error("{file} is not offered in {places}")]
    NoFile {
        /// Its name.
        file: String,
        /// Where it was looked, without credentials.
        places: String,
    },
    /// A file can't be written.
    #[error("can't write {}: {reason}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file or directory can't be read.
    #[error("can't read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

const fn hint_of(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => " (it wants credentials: put them into the URL in pip.conf, or into ~/.netrc)",
        404 => " (find-links names no such page)",
        _ => "",
    }
}

impl PackagesError {
    /// Whether another attempt may succeed: the network, or a server in trouble.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            PackagesError::Unreachable { .. } => true,
            PackagesError::Status { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            PackagesError::Configuration { .. }
            | PackagesError::Setting { .. }
            | PackagesError::NoSource
            | PackagesError::Url { .. }
            | PackagesError::Insecure { .. }
            | PackagesError::ContentType { .. }
            | PackagesError::Page { .. }
            | PackagesError::Gone { .. }
            | PackagesError::TooLarge { .. }
            | PackagesError::Digest { .. }
            | PackagesError::NoFile { .. }
            | PackagesError::Unwritten { .. }
            | PackagesError::File { .. } => false,
        }
    }
}

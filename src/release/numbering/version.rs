//! A release as its operator wrote it, comparing as Python packages do (PEP 440).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

use super::train::Train;

/// A text that isn't a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a release ({reason})")]
pub struct ReleaseError {
    /// The text as written.
    pub text: String,
    /// What was expected instead.
    pub reason: String,
}

/// One release. `23.09.10`, `23.9.10` and `v23.09.10` are equal; each prints as it was written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    written: Arc<str>,
    version: Version,
}

impl Release {
    /// Reads a release.
    ///
    /// # Errors
    /// When the text isn't a PEP 440 version.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let version = Version::from_str(text).map_err(|_| ReleaseError {
            text: text.to_owned(),
            reason: "PEP 440 expects digits and dots, as in 25.6.1".to_owned(),
        })?;
        Ok(Self { written: text.into(), version })
    }

    /// A release that prints as `written` and compares as `version`.
    pub(super) fn spelled(written: &str, version: Version) -> Self {
        Self { written: written.into(), version }
    }

    /// The release as it was written.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The release as PEP 440 normalises it: what package files and indexes call it.
    #[must_use]
    pub fn normalized(&self) -> String {
        self.version.to_string()
    }

    /// The train it belongs to where trains have two numbers ([`super::Scheme::Pep440`]). A release with one number
    /// belongs to the train `x.0`.
    #[must_use]
    pub fn train(&self) -> Train {
        let (x, y) = self.leading();
        Train::two(x, y)
    }

    /// Its first two numbers; a missing one is 0.
    pub(super) fn leading(&self) -> (u64, u64) {
        let numbers = self.version.release();
        (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(0))
    }

    /// The version as PEP 440 has it.
    pub(super) fn version(&self) -> &Version {
        &self.version
    }

    /// The epoch (`1` of `1!2.0`), 0 where none is written. Releases of different epochs are numbered by different
    /// rules: no path leads from one to the other.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.version.epoch()
    }

    /// Whether it is a final release: no pre-, post-, development or local part.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !self.version.any_prerelease() && !self.version.is_post() && !self.version.is_local()
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl Eq for Release {}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp(&other.version)
    }
}

impl Hash for Release {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.version.hash(state);
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Release({})", self.written)
    }
}

impl TryFrom<String> for Release {
    type Error = ReleaseError;
    fn try_from(text: String) -> Result<Self, ReleaseError> {
        Self::parse(&text)
    }
}

impl From<Release> for String {
    /// What is written, wherever that reads back as the same release; SemVer's build metadata (`1.4.0+b5`) would come
    /// back as one of PEP 440's local versions, which is another release.
    fn from(release: Release) -> Self {
        match Release::parse(&release.written) {
            Ok(read) if read == release => release.written.as_ref().to_owned(),
            Ok(_) | Err(_) => release.normalized(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_release_are_equal_and_print_as_written() {
        for text in ["23.09.10", "23.9.10", "v23.09.10"] {
            assert_eq!(release(text), release("23.9.10"), "{text}");
            assert_eq!(release(text).to_string(), text);
            assert_eq!(release(text).normalized(), "23.9.10");
        }
    }

    #[test]
    fn order_is_that_of_pep_440() {
        let mut releases =
            ["23.9.10", "23.9.9", "24.3.0rc1", "24.3.0", "24.3.0.post1", "23.09.2", "24.3.0.dev1"].map(release);
        releases.sort();
        assert_eq!(
            releases.map(|r| r.to_string()),
            ["23.09.2", "23.9.9", "23.9.10", "24.3.0.dev1", "24.3.0rc1", "24.3.0", "24.3.0.post1"]
        );
    }

    #[test]
    fn only_plain_releases_are_final() {
        assert!(release("23.9.10").is_final());
        for text in ["24.3.0rc1", "24.3.0.post1", "24.3.0.dev1", "24.3.0+site"] {
            assert!(!release(text).is_final(), "{text}");
        }
    }

    #[test]
    fn trains_are_the_first_two_numbers() {
        assert_eq!(release("23.09.10").train(), Train::two(23, 9));
        assert_eq!(release("25").train(), Train::two(25, 0));
        assert_eq!(release("26.4.16").train().to_string(), "26.4");
    }

    #[test]
    fn what_is_not_a_release_is_refused() {
        for text in ["", "latest", "25.6.x", "{{release}}"] {
            assert!(Release::parse(text).is_err(), "{text:?}");
        }
    }
}

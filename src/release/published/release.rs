//! A release as a package index or a wheelhouse publishes it.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use serde::{Deserialize, Serialize};

use crate::model::Digest;
use crate::release::Release;

/// One published release of a package: what its files say of it together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRelease {
    /// The release.
    pub release: Release,
    /// Why it was withdrawn (PEP 592), where every file of it was; an empty text where no reason was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
    /// The Python versions that it runs on, as its files say (PEP 345: `>=3.12,<3.13`); `None` where they don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// The size of its largest file in bytes, where the index says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The SHA-256 of its wheel, where it has just one and the index says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl PublishedRelease {
    /// A release of which nothing else is known.
    #[must_use]
    pub fn plain(release: Release) -> Self {
        Self { release, yanked: None, requires_python: None, bytes: None, sha256: None }
    }

    /// Whether it is for this Python (`x.y.z`). As for pip, a release whose Requires-Python says nothing, or says it
    /// in a way that can't be read, is for every Python; one that is asked about a Python that can't be read is not.
    #[must_use]
    pub fn runs_on(&self, python: &str) -> bool {
        let Some(required) = &self.requires_python else { return true };
        let Ok(required) = VersionSpecifiers::from_str(required) else { return true };
        Version::from_str(python).is_ok_and(|python| required.contains(&python))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requires_python_is_held_against_the_whole_version() {
        let of = |required: &str| PublishedRelease {
            requires_python: Some(required.to_owned()),
            ..PublishedRelease::plain(Release::parse("1").unwrap())
        };
        for (required, python, runs) in [
            (">=3.12,<3.13", "3.12.1", true),
            (">=3.12,<3.13", "3.13.0", false),
            ("~=3.11", "3.13.0", true),
            (">=3.12.4", "3.12.1", false),
            ("!=3.9.*,>=3.8", "3.9.18", false),
            (">3.x", "3.9.18", true),
            (">=3.8", "", false),
        ] {
            assert_eq!(of(required).runs_on(python), runs, "{required} {python}");
        }
    }
}

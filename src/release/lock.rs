//! What exactly is installed for one release: distributions with their versions and the digests of their files.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::numbering::Release;
use crate::model::Digest;

/// One file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LockedFile {
    /// Its name, as indexes and wheelhouses have it.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedDistribution {
    /// Its name, normalised (PEP 503).
    pub name: String,
    /// Its version.
    pub version: Release,
    /// The files that may be installed for it, in the order of their names.
    pub files: Vec<LockedFile>,
}

/// Everything that an environment of one release holds, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LockedSet {
    /// The distributions.
    pub distributions: Vec<LockedDistribution>,
}

impl LockedSet {
    /// A requirements file for pip's `--require-hashes`: a line for each distribution with all digests that will do.
    #[must_use]
    pub fn requirements(&self) -> String {
        let mut text = String::new();
        for LockedDistribution { name, version, files } in &self.distributions {
            let _ = write!(text, "{name}=={}", version.normalized());
            for file in files {
                let _ = write!(text, " --hash=sha256:{}", file.sha256);
            }
            text.push('\n');
        }
        text
    }
}

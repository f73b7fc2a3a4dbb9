//! A stretch of releases, as `>=24.9.6,<25`.

use std::fmt;
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;

use super::version::Release;

/// A text that isn't a range of releases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a range of releases (PEP 440 expects >=24.9.6 or >=24.9,<25): {reason}")]
pub struct RangeError {
    /// The text as written.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Releases between bounds: PEP 440's version specifiers, joined by commas that mean "and". No bounds contain every
/// release. It prints as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRange {
    written: String,
    specifiers: VersionSpecifiers,
}

impl ReleaseRange {
    /// Reads a range.
    ///
    /// # Errors
    /// When the text isn't one.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let specifiers = VersionSpecifiers::from_str(text)
            .map_err(|cause| RangeError { text: text.to_owned(), reason: first_line(&cause.to_string()) })?;
        Ok(Self { written: text.to_owned(), specifiers })
    }

    /// Whether `release` lies in it.
    #[must_use]
    pub fn contains(&self, release: &Release) -> bool {
        self.specifiers.contains(release.version())
    }

    /// Whether it has the same bounds as `other`, in whatever order and spelling they are written.
    #[must_use]
    pub fn has_bounds_of(&self, other: &Self) -> bool {
        let sorted = |range: &Self| {
            let mut bounds: Vec<String> = range.specifiers.iter().map(ToString::to_string).collect();
            bounds.sort();
            bounds
        };
        sorted(self) == sorted(other)
    }
}

impl fmt::Display for ReleaseRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

/// The crate's errors go on with a picture of the text, which the diagnostic draws itself.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_what_pep_440_says() {
        let range = ReleaseRange::parse(">=24.09.6, <25").unwrap();
        for (text, inside) in [("24.9.5", false), ("24.09.6", true), ("24.12.0", true), ("25.1.0", false)] {
            assert_eq!(range.contains(&Release::parse(text).unwrap()), inside, "{text}");
        }
        assert_eq!(range.to_string(), ">=24.09.6, <25");
        assert!(ReleaseRange::parse("").unwrap().contains(&Release::parse("1.0").unwrap()));
    }

    #[test]
    fn bounds_compare_in_any_order() {
        let range = |text| ReleaseRange::parse(text).unwrap();
        assert!(range(">=3.12,<3.13").has_bounds_of(&range("<3.13, >=3.12")));
        assert!(!range(">=3.12,<3.13").has_bounds_of(&range(">=3.13,<3.14")));
    }

    #[test]
    fn what_isnt_a_range_says_so_in_one_line() {
        let shown = ReleaseRange::parse("from 24.9.6 on").unwrap_err().to_string();
        assert!(shown.starts_with("\"from 24.9.6 on\" is not a range of releases"), "{shown}");
        assert_eq!(shown.lines().count(), 1);
    }
}

//! The ways in which products number their releases.
//!
//! Python packages carry PEP 440 versions on an index, whatever their product writes: a `SemVer` release is kept as the
//! version that it is published under (`1.4.0-rc.1` is `1.4.0rc1` there), so that both compare with each other.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Prerelease, PrereleaseKind, Version};
use serde::{Deserialize, Serialize};

use super::train::Train;
use super::version::{Release, ReleaseError};

/// How a product numbers its releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// PEP 440, calendar versions among it: trains have two numbers.
    #[default]
    Pep440,
    /// Semantic Versioning 2.0.0: trains have one number, below 1 two (there, the second one breaks compatibility).
    SemVer,
}

impl Scheme {
    /// Reads a release as the product's people write it.
    ///
    /// Under [`Scheme::SemVer`], pre-releases are `alpha`, `a`, `beta`, `b` or `rc`, with a number behind a dot or
    /// without one (which counts as 0); other identifiers have no counterpart on an index. Build metadata prints but
    /// doesn't count. A `v` in front is taken by both.
    ///
    /// # Errors
    /// When the text isn't a version of the scheme; the error says why.
    pub fn parse(self, text: &str) -> Result<Release, ReleaseError> {
        match self {
            Scheme::Pep440 => Release::parse(text),
            Scheme::SemVer => parse_semver(text),
        }
    }

    /// The train that a release belongs to.
    #[must_use]
    pub fn train_of(self, release: &Release) -> Train {
        let (x, y) = release.leading();
        match self {
            Scheme::SemVer if x > 0 => Train::one(x),
            Scheme::Pep440 | Scheme::SemVer => Train::two(x, y),
        }
    }

    /// The train that a text names, where it names a train of this scheme: `24.09` under PEP 440, `3` or `0.4` under
    /// `SemVer`.
    #[must_use]
    pub fn train_named(self, text: &str) -> Option<Train> {
        let train = Train::parse(text).ok()?;
        let fits = match (self, train.numbers()) {
            (Scheme::Pep440, (_, second)) => second.is_some(),
            (Scheme::SemVer, (0, second)) => second.is_some(),
            (Scheme::SemVer, (_, second)) => second.is_none(),
        };
        fits.then_some(train)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scheme::Pep440 => "pep440",
            Scheme::SemVer => "semver",
        })
    }
}

fn parse_semver(text: &str) -> Result<Release, ReleaseError> {
    let error = |reason: String| ReleaseError { text: text.to_owned(), reason };
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let semver = semver::Version::from_str(digits)
        .map_err(|cause| error(format!("Semantic Versioning expects x.y.z, as in 1.4.0 or 1.4.0-rc.1: {cause}")))?;
    let version = Version::new([semver.major, semver.minor, semver.patch]);
    let version = match semver.pre.is_empty() {
        true => version,
        false => version.with_pre(Some(prerelease(semver.pre.as_str()).map_err(error)?)),
    };
    Ok(Release::spelled(text, version))
}

/// A pre-release that PEP 440 has too. `rc1` without a dot isn't taken: there, `SemVer` has `rc10` before `rc2`.
fn prerelease(text: &str) -> Result<Prerelease, String> {
    let unknown = || {
        format!(
            "the pre-release `{text}` can't be published as a Python package: write alpha, a, beta, b or rc, and a \
             number behind a dot, as in 1.4.0-rc.1"
        )
    };
    let (word, number) = match text.split_once('.') {
        None => (text, 0),
        Some((word, digits)) => (word, digits.parse().map_err(|_| unknown())?),
    };
    let kind = match word {
        "alpha" | "a" => PrereleaseKind::Alpha,
        "beta" | "b" => PrereleaseKind::Beta,
        "rc" => PrereleaseKind::Rc,
        _ => return Err(unknown()),
    };
    Ok(Prerelease { kind, number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.4.0-rc.1", "1.4.0rc1")]
    #[case("v1.4.0-alpha", "1.4.0a0")]
    #[case("1.4.0-a.3", "1.4.0a3")]
    #[case("1.4.0-beta.12+build.5", "1.4.0b12")]
    #[case("1.4.0+20130313", "1.4.0")]
    fn a_semver_release_is_the_version_that_it_is_published_under(#[case] written: &str, #[case] published: &str) {
        let release = Scheme::SemVer.parse(written).unwrap();
        assert_eq!(release.to_string(), written);
        assert_eq!(release.normalized(), published);
        assert_eq!(release, Release::parse(published).unwrap());
        assert_eq!(release.is_final(), !written.contains('-'));
    }

    #[rstest]
    #[case("1.4", "expects x.y.z")]
    #[case("1.04.0", "invalid leading zero")]
    #[case("1.4.0rc1", "expects x.y.z")]
    #[case("1.4.0-rc1", "write alpha, a, beta, b or rc, and a number behind a dot")]
    #[case("1.4.0-nightly", "can't be published as a Python package")]
    #[case("1.4.0-rc.1.2", "can't be published")]
    #[case("1.4.0-1", "can't be published")]
    #[case("", "expects x.y.z")]
    fn what_isnt_semver_or_has_no_counterpart_says_why(#[case] text: &str, #[case] part: &str) {
        let shown = Scheme::SemVer.parse(text).unwrap_err().to_string();
        assert!(shown.contains(part), "{shown}");
        assert!(shown.starts_with(&format!("{text:?} is not a release (")), "{shown}");
    }

    #[test]
    fn trains_follow_the_scheme() {
        let train = |scheme: Scheme, text| scheme.train_of(&scheme.parse(text).unwrap()).to_string();
        assert_eq!(train(Scheme::Pep440, "24.09.14"), "24.9");
        assert_eq!(train(Scheme::SemVer, "24.9.14"), "24");
        assert_eq!(train(Scheme::SemVer, "0.4.2"), "0.4");
        let named = |scheme: Scheme, text| scheme.train_named(text).map(|train| train.to_string());
        assert_eq!(named(Scheme::Pep440, "24.09").as_deref(), Some("24.9"));
        assert_eq!(named(Scheme::Pep440, "24"), None);
        assert_eq!(named(Scheme::Pep440, "24.9.1"), None);
        assert_eq!(named(Scheme::SemVer, "3").as_deref(), Some("3"));
        assert_eq!(named(Scheme::SemVer, "0.4").as_deref(), Some("0.4"));
        assert_eq!(named(Scheme::SemVer, "3.4"), None);
        assert_eq!(named(Scheme::SemVer, "0"), None);
    }

    /// A text that the scheme takes. `long` chooses between `alpha` and `a`: `SemVer` orders words by their letters, so
    /// a product that changed its spelling in between would not agree with itself; within one spelling all is well. A
    /// pre-release without a number counts as number 0, which `SemVer` puts just before `.0`: an index can't hold both.
    fn accepted(long: bool) -> impl Strategy<Value = String> {
        let words = if long { ["alpha", "beta", "rc"] } else { ["a", "b", "rc"] };
        let pre = prop_oneof![
            Just(String::new()),
            (prop::sample::select(words.to_vec()), 0u64..13).prop_map(|(word, number)| match number {
                0 => format!("-{word}"),
                number => format!("-{word}.{number}"),
            })
        ];
        let build = prop_oneof![Just(String::new()), (0u32..50).prop_map(|build| format!("+build.{build}"))];
        // Few numbers on purpose: equal ones must be common.
        (0u64..3, 0u64..12, 0u64..3, pre, build).prop_map(|(x, y, z, pre, build)| format!("{x}.{y}.{z}{pre}{build}"))
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_semver(pair in any::<bool>().prop_flat_map(|long| (accepted(long), accepted(long)))) {
            let (a, b) = pair;
            let ours = Scheme::SemVer.parse(&a).unwrap().cmp(&Scheme::SemVer.parse(&b).unwrap());
            let parse = |text: &str| semver::Version::parse(text).unwrap();
            // Precedence: build metadata doesn't count.
            prop_assert_eq!(ours, parse(&a).cmp_precedence(&parse(&b)), "{} {}", a, b);
            // What is saved reads back as the same release.
            let release = Scheme::SemVer.parse(&a).unwrap();
            let read: Release = serde_json::from_str(&serde_json::to_string(&release).unwrap()).unwrap();
            prop_assert_eq!(read, release);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}") {
            if let Ok(release) = Scheme::SemVer.parse(&text) {
                prop_assert_eq!(release.to_string(), text);
                prop_assert!(Release::parse(&release.normalized()).is_ok());
            }
        }
    }
}

//! Targets that are named by what they are rather than by their number.

use super::Obstacle;
use super::walk::{Releases, Succession};
use crate::release::catalogue::Product;
use crate::release::{PublishedRelease, Release, ReleaseError, Train};

/// The word for the newest patch of the train that is installed.
const LATEST_PATCH: &str = "latest-patch";

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is neither a release, a train nor a word.
    #[error("{0}; a target is a release, a train, or {LATEST_PATCH}")]
    NotARelease(#[from] ReleaseError),
    /// No release of the train can be used.
    #[error("no release of {train} that can be used is published where the packages come from{}", newest_text(.newest))]
    NothingUsable {
        /// The train.
        train: Train,
        /// The newest usable release of all.
        newest: Option<Release>,
    },
}

fn newest_text(newest: &Option<Release>) -> String {
    newest.as_ref().map(|newest| format!("; the newest of all is {newest}")).unwrap_or_default()
}

/// Finds the release that a text means: `latest-patch`, the newest usable release of the train that is installed (or
/// what is installed, where there is nothing newer); a train (`24.09`, under `SemVer` `3` or `0.4`), its newest usable
/// release; or else a release itself, published or not.
///
/// # Errors
/// When the text is none of these, or nothing of the train can be used.
pub fn resolve_target(
    text: &str,
    product: Option<&Product>,
    from: &Release,
    published: &[PublishedRelease],
) -> Result<Release, TargetError> {
    let releases = Releases::of(product, published, from.epoch());
    if text == LATEST_PATCH {
        let last = releases.usable(releases.train_of(from)).next_back();
        return Ok(last.filter(|last| *last > from).unwrap_or(from).clone());
    }
    let Some(train) = releases.scheme.train_named(text) else { return Ok(releases.scheme.parse(text)?) };
    // What is installed may be the newest of its train even where it isn't published or usable any more.
    let installed = (releases.train_of(from) == train).then_some(from);
    releases
        .usable(train)
        .next_back()
        .max(installed)
        .cloned()
        .ok_or_else(|| TargetError::NothingUsable { train, newest: releases.all_usable().next_back().cloned() })
}

/// The newest usable published patch of a train: the only one from which the next train may be entered. It
/// is looked for among releases without an epoch (`1!2.0`).
#[must_use]
pub fn last_patch(product: Option<&Product>, published: &[PublishedRelease], train: Train) -> Option<Release> {
    Releases::of(product, published, 0).usable(train).next_back().cloned()
}

/// The train that comes directly after `at`, among those that must not be skipped on the way from there.
///
/// # Errors
/// [`Obstacle::TrainNotPublished`], when a known train comes next and nothing of it is published.
pub fn successor(
    product: Option<&Product>,
    published: &[PublishedRelease],
    at: &Release,
) -> Result<Succession, Obstacle> {
    Releases::of(product, published, at.epoch()).succession(at)
}

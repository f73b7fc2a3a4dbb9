//! Targets that can be reached, for one that can't.

use serde::Serialize;

use super::walk::Releases;
use crate::release::Release;

/// Usable releases that there is a path to. They are newer than what is installed; there may be none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NearestTargets {
    /// The newest below the target.
    pub below: Option<Release>,
    /// The newest of the target's train.
    pub of_train: Option<Release>,
    /// The oldest above the target.
    pub above: Option<Release>,
}

pub(super) fn nearest_targets(releases: &Releases<'_>, from: &Release, to: &Release) -> NearestTargets {
    let reachable = |release: &&Release| **release > *from && releases.walk(from, release).is_ok();
    let train = releases.train_of(to);
    NearestTargets {
        below: releases.all_usable().rev().filter(|one| *one < to).find(reachable).cloned(),
        of_train: releases.usable(train).rev().find(reachable).cloned(),
        above: releases.all_usable().filter(|one| *one > to).find(reachable).cloned(),
    }
}

impl NearestTargets {
    /// All of them in order, each once.
    #[must_use]
    pub fn all(&self) -> Vec<&Release> {
        let mut all: Vec<&Release> = [&self.below, &self.of_train, &self.above].into_iter().flatten().collect();
        all.sort();
        all.dedup();
        all
    }
}

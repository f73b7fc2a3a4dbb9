//! The way of a component from what is installed to what is declared.

use super::assess::{Assessment, Installed};
use super::spec::Component;
use crate::facts::{HostFacts, Observed};
use crate::release::{PathRefusal, Release, patch_path};

/// The hops of a component, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedPath {
    /// The releases to install in turn; none where the declared one is there.
    Hops(Vec<Release>),
    /// There is no legal way.
    Refused {
        /// Where it would start.
        from: Release,
        /// Why.
        refusal: PathRefusal,
    },
    /// It depends on something that could not be observed.
    Unknown(String),
}

/// The releases that `component` goes through to the declared one.
#[must_use]
pub fn path_of(component: &Component, assessment: &Assessment, facts: &HostFacts) -> PlannedPath {
    let declared = &component.release;
    let whole = match &assessment.installed {
        Installed::Release(_) => true,
        Installed::Interrupted { .. } | Installed::Nothing => false,
        Installed::NoVenv => {
            return PlannedPath::Unknown(format!("there is no virtual environment {}", component.venv));
        }
        Installed::Unknown(reason) => return PlannedPath::Unknown(reason.clone()),
    };
    let Some(from) = assessment.installed.start_of_path() else {
        return PlannedPath::Hops(vec![declared.clone()]);
    };
    if from == declared {
        return PlannedPath::Hops(if whole { Vec::new() } else { vec![declared.clone()] });
    }
    if let Err(refusal @ PathRefusal::Downgrade) = patch_path(from, declared, &[]) {
        return PlannedPath::Refused { from: from.clone(), refusal };
    }
    match facts.published(&component.published_query()) {
        Observed::Known(published) => match patch_path(from, declared, &published.releases) {
            Ok(hops) => PlannedPath::Hops(hops),
            Err(refusal) => PlannedPath::Refused { from: from.clone(), refusal },
        },
        Observed::Absent => PlannedPath::Unknown("published releases were not looked for".into()),
        Observed::Unknown(reason) => PlannedPath::Unknown(format!("published releases: {reason}")),
    }
}

/// Whether the way of `component` depends on what is published: something else than the declared release is
/// installed, and a newer one is declared.
#[must_use]
pub fn wants_published(component: &Component, assessment: &Assessment) -> bool {
    assessment.installed.start_of_path().is_some_and(|from| *from < component.release)
}

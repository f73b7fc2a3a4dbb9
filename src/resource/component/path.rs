//! The way of a component from what is installed to what is declared.

use super::assess::{Assessment, Installed};
use super::spec::Component;
use crate::facts::{HostFacts, Observed, WorkQuery, normalize_name};
use crate::release::{Catalogue, HopKind, NoPath, PathRequest, Release, find_path};

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedHop {
    /// What is installed before it; `None` where nothing whole is.
    pub from: Option<Release>,
    /// What is installed on it.
    pub to: Release,
    /// Whether it leaves the train.
    pub major: bool,
}

/// The hops of a component, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedPath {
    /// The hops in turn; none where the declared release is there.
    Hops(Vec<PlannedHop>),
    /// There is no legal way.
    Refused(Box<NoPath>),
    /// It depends on something that could not be observed.
    Unknown(String),
}

/// The hops of `component` to the declared release.
#[must_use]
pub fn path_of(
    component: &Component,
    assessment: &Assessment,
    facts: &HostFacts,
    catalogue: &Catalogue,
) -> PlannedPath {
    let declared = &component.release;
    let straight = |from: Option<&Release>| {
        PlannedPath::Hops(vec![PlannedHop { from: from.cloned(), to: declared.clone(), major: false }])
    };
    let whole = match &assessment.installed {
        Installed::Release(_) => true,
        Installed::Interrupted { .. } | Installed::Nothing => false,
        Installed::NoVenv => {
            return PlannedPath::Unknown(format!("there is no virtual environment {}", component.venv));
        }
        Installed::Unknown(reason) => return PlannedPath::Unknown(reason.clone()),
    };
    let Some(from) = assessment.installed.start_of_path() else { return straight(None) };
    if from == declared {
        return if whole { PlannedPath::Hops(Vec::new()) } else { straight(None) };
    }
    let nothing = Vec::new();
    let published = match facts.published(&component.published_query()) {
        // Going back is refused whatever is published.
        _ if declared < from => &nothing,
        Observed::Known(published) => &published.releases,
        Observed::Absent => return PlannedPath::Unknown("published releases were not looked for".into()),
        Observed::Unknown(reason) => return PlannedPath::Unknown(format!("published releases: {reason}")),
    };
    let request = PathRequest {
        product: catalogue.product_of(&component.package),
        package: Some(&component.package),
        from,
        to: declared,
        published,
    };
    match find_path(&request) {
        Ok(path) => PlannedPath::Hops(
            path.hops
                .into_iter()
                .map(|hop| PlannedHop { from: Some(hop.from), to: hop.to, major: hop.kind == HopKind::Major })
                .collect(),
        ),
        Err(refusal) => PlannedPath::Refused(refusal),
    }
}

/// The hops that one run may take: a run makes at most one major upgrade, so none behind a second one.
#[must_use]
pub fn within_reach(hops: &[PlannedHop]) -> &[PlannedHop] {
    let second = hops.iter().enumerate().filter(|(_, hop)| hop.major).nth(1);
    second.map_or(hops, |(number, _)| hops.get(..number).unwrap_or(hops))
}

/// Whether the way of `component` depends on what is published: an older release than the declared one is installed, or
/// none.
#[must_use]
pub fn wants_published(component: &Component, assessment: &Assessment) -> bool {
    assessment.installed == Installed::Nothing
        || assessment.installed.start_of_path().is_some_and(|from| *from < component.release)
}

/// The question how much work runs, where the catalogue says that the database of this very component knows.
#[must_use]
pub fn work_query(component: &Component, catalogue: &Catalogue) -> Option<WorkQuery> {
    let table = catalogue.product_of(&component.package)?.work.as_ref()?;
    let database = component.schema_query()?;
    (normalize_name(&table.package) == normalize_name(&component.package)).then(|| WorkQuery {
        database,
        table: table.table.clone(),
        column: table.column.clone(),
        terminal: table.terminal.clone(),
    })
}

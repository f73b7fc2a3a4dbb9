//! What each hop of a component would do to its database, before anything is installed.

use std::borrow::Cow;

use super::path::{PlannedHop, within_reach};
use super::spec::Component;
use crate::facts::{HostFacts, MigrationsAt, Observed, WheelQuery};
use crate::release::{Release, RevisionGraph, SchemaPreview, preview};

/// One hop's effect on the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStep {
    /// The release that is installed on this hop.
    pub to: Release,
    /// What its migrations would do, and what they would leave out.
    pub preview: Observed<SchemaPreview>,
}

impl SchemaStep {
    /// Whether the schema is known to stay as it is.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.preview.known().is_some_and(|preview| preview.pending.is_empty() && preview.skipped.is_empty())
    }
}

impl Component {
    /// The question what the package of `release` holds.
    #[must_use]
    pub fn wheel_query(&self, release: &Release) -> Option<WheelQuery> {
        let schema = self.schema.as_ref()?;
        let migrations = MigrationsAt::Ini(schema.ini.clone());
        Some(WheelQuery::new(&self.venv, &self.package, release, &self.pip_args, migrations))
    }
}

/// What still has to run for the database of `component` to come to what is installed; `None` where that can't be told.
///
/// Where the environment that the installed one took the place of is still there, its package tells what was applied.
#[must_use]
pub fn waiting_revisions(component: &Component, facts: &HostFacts) -> Option<SchemaPreview> {
    let Some(Observed::Known(schema)) = component.schema_fact(facts) else { return None };
    let Observed::Known(installed) = &schema.graph else { return None };
    // The usual case, looked at in every survey: nothing was switched to, and the database is where it should be.
    if schema.previous.is_none() && installed.heads() == schema.rows {
        return None;
    }
    let knows = |graph: &&RevisionGraph| schema.rows.iter().all(|row| graph.revisions.contains_key(row));
    let old = schema.previous.as_ref().filter(knows).unwrap_or(installed);
    Some(preview(old, installed, &schema.rows))
}

/// The effect of each of `hops` on the database of `component`, as far as the packages were read; none where it has no
/// database. Hops that one run can't take are left out.
#[must_use]
pub fn schema_steps(component: &Component, hops: &[PlannedHop], facts: &HostFacts) -> Vec<SchemaStep> {
    let Some(observed) = component.schema_fact(facts) else { return Vec::new() };
    // What is wrong with the database as it is, other rules say.
    let Observed::Known(schema) = observed else { return Vec::new() };
    let Observed::Known(installed) = &schema.graph else { return Vec::new() };
    let mut steps = Vec::new();
    // A graph has hundreds of revisions, and most looks have no hop at all: nothing is copied before one needs it.
    let mut old = installed;
    let mut rows = Cow::Borrowed(&schema.rows);
    for hop in within_reach(hops) {
        let Some(query) = component.wheel_query(&hop.to) else { continue };
        let graph = match facts.wheel(&query) {
            Observed::Known(wheel) => wheel.revisions(),
            Observed::Absent => Err("the package was not found".to_owned()),
            Observed::Unknown(reason) => Err(reason),
        };
        match graph {
            Ok(new) => {
                // Where nothing whole is installed, what lies there of its revisions tells nothing.
                if hop.from.is_none() {
                    old = new;
                }
                // Another component of the database was moved first, and its package has migrated: what ran then
                // came from this very release.
                let foreign = rows.iter().any(|row| !old.revisions.contains_key(row));
                if foreign && rows.iter().all(|row| new.revisions.contains_key(row)) {
                    old = new;
                }
                let seen = preview(old, new, &rows);
                rows = Cow::Owned(new.heads());
                old = new;
                steps.push(SchemaStep { to: hop.to.clone(), preview: Observed::Known(seen) });
            }
            Err(reason) => {
                steps.push(SchemaStep { to: hop.to.clone(), preview: Observed::Unknown(reason) });
                break;
            }
        }
    }
    steps
}

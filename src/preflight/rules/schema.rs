//! A database that `alembic upgrade head` can't bring forward soundly.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::SchemaState;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "schema-unsound",
    severity: Severity::Mandatory,
    demands: "the database holds one revision, which the package knows, and the package has one head",
    source: "measured: `alembic current` hides rows, and a manager starts on a broken schema",
    explanation: "alembic brings a database forward from one revision that it knows to one head. Several rows in alembic_version are a \
                  half-done repair, which `alembic current` hides; a revision that the package doesn't know means that a newer package has \
                  migrated the database, or that it is another one; several heads or no migrations mean a broken package. The rule \
                  compares all rows of the table with the revision files of the installed package.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(Observed::Known(state)) = &subject.assessment.schema else { return Vec::new() };
    let (observed, next) = match state {
        SchemaState::AtHead { .. } | SchemaState::Behind { .. } | SchemaState::Incomplete { .. } => return Vec::new(),
        SchemaState::UnknownRevision { current } => {
            if known_to_next_hop(subject, current) {
                return Vec::new();
            }
            (
                format!("the database stands at {current}, which the installed package doesn't know"),
                "a newer package has migrated it: declare that release, or restore the backup from before",
            )
        }
        SchemaState::Empty => (
            "the database holds no revision".to_owned(),
            "initialise it with the installed release (mgr schema oneshot), or point alembic.ini at the right one",
        ),
        SchemaState::SeveralRows { rows } => (
            format!("alembic_version has {} rows: {}", rows.len(), rows.iter().cloned().collect::<Vec<_>>().join(", ")),
            "put the table right first; `alembic current` shows only one of them",
        ),
        SchemaState::SeveralHeads { heads } => (
            format!(
                "the installed package has {} heads: {}",
                heads.len(),
                heads.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
            "this release is broken: declare another",
        ),
        SchemaState::NoMigrations => {
            ("the installed package carries no migrations".to_owned(), "this release is broken: declare another")
        }
    };
    vec![Breach::new(observed, next)]
}

/// A database that another host's newer package has migrated is in order where this host's next hop is
/// exactly that package.
fn known_to_next_hop(subject: &Subject<'_>, current: &str) -> bool {
    let Some(next) = subject.hops().first().map(|hop| &hop.to) else { return false };
    subject.others.iter().any(|other| {
        other.instance.component.package == subject.instance.component.package
            && other.assessment.installed.start_of_path() == Some(next)
            && other.instance.component.schema_fact(&other.facts).is_some_and(|fact| {
                fact.known()
                    .and_then(|fact| fact.graph.known())
                    .is_some_and(|graph| graph.revisions.contains_key(current))
            })
    })
}

//! A release on the way whose migrations can not bring the database forward.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use std::collections::BTreeSet;

use crate::facts::Observed;
use crate::release::PreviewState;
use crate::resource::component::schema_steps;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "schema-target",
    severity: Severity::Mandatory,
    demands: "each release on the way carries migrations with one head, and knows the revision that the database stands at",
    source: "measured: a manager starts and answers beside a schema that its package does not know",
    explanation: "Before anything stops, the package of each release on the way is fetched and read, without being installed and \
                  without its files being run. The rule fires where a package carries no migrations or several heads, and where it does not \
                  know the revision that the database will stand at: alembic would fail there, after everything was stopped. Take another \
                  way (`converge path`), or declare the release as broken in the project's releases.yaml, so that it is avoided.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for step in schema_steps(&subject.instance.component, subject.hops(), &subject.facts) {
        let Observed::Known(preview) = &step.preview else { continue };
        let package = format!("{} {}", subject.instance.component.package, step.to);
        let observed = match &preview.state {
            PreviewState::NoMigrations => format!("{package} carries no migrations"),
            PreviewState::SeveralHeads => {
                format!("{package} has {} heads: {}", preview.to_heads.len(), listed(&preview.to_heads))
            }
            PreviewState::UnknownHead { current } => {
                format!("the database will stand at {current}, which {package} doesn't know")
            }
            PreviewState::Circle { revisions } => {
                format!("in {package}, revisions follow each other: {}", listed(revisions))
            }
            // What is left out, and what is wrong with the database as it is, other rules say.
            PreviewState::Sound
            | PreviewState::MergeAbove { .. }
            | PreviewState::Empty
            | PreviewState::UnknownToOld { .. }
            | PreviewState::SeveralRows => continue,
        };
        breaches.push(Breach::of_release(
            observed,
            format!("declare a release before {}; `converge path --schema` compares the packages", step.to),
        ));
        // What comes behind a hop that can't be made is not known.
        break;
    }
    breaches
}

fn listed(revisions: &BTreeSet<String>) -> String {
    revisions.iter().cloned().collect::<Vec<_>>().join(", ")
}

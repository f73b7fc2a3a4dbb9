//! A hop on which alembic would silently leave revisions out.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::PreviewState;
use crate::resource::component::schema_steps;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "schema-skips",
    severity: Severity::Mandatory,
    demands: "no revision is silently left out: what the new package has before the revision of the database was run from the old one",
    source: "measured: `alembic upgrade head` exits 0 and leaves tables and columns out where backports were spliced into the chain",
    explanation: "alembic takes every ancestor of the database's revision for applied. A release that splices a backported revision in \
                  below that point never runs it, exits 0, and the schema lacks what it would have made. The rule computes, from the \
                  revision files of the packages, the ancestors that only the new package has. A run does not yet carry such a hop out: \
                  bring the left-out revisions in by hand in one transaction with the upgrade, or take a way without them.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for step in schema_steps(&subject.instance.component, subject.hops(), &subject.facts) {
        let Observed::Known(preview) = &step.preview else { continue };
        let merges = match &preview.state {
            PreviewState::Sound => "",
            PreviewState::MergeAbove { .. } => {
                "; there are merges above them, so in which order is for a person to say"
            }
            _ => continue,
        };
        if preview.skipped.is_empty() {
            continue;
        }
        let named: Vec<String> = preview.skipped.iter().map(|revision| revision.to_string()).collect();
        breaches.push(
            Breach::of_release(
                format!(
                    "on the hop to {}, alembic would silently skip {} revision(s): {}{merges}",
                    step.to,
                    named.len(),
                    named.join("; ")
                ),
                format!(
                    "run their upgrade() before `alembic upgrade head` in one transaction, by hand; or stay before {}",
                    step.to
                ),
            )
            .about(step.to.to_string()),
        );
    }
    breaches
}

//! A hop on which alembic would silently leave revisions out.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::{PendingRevision, PreviewState};
use crate::resource::component::{schema_steps, waiting_revisions};

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "schema-skips",
    severity: Severity::Mandatory,
    demands: "no revision is silently left out: where the new package has some before the revision of the database, they can be run first",
    source: "measured: `alembic upgrade head` exits 0 and leaves tables and columns out where backports were spliced into the chain",
    explanation: "alembic takes every ancestor of the database's revision for applied. A release that splices a backported revision in \
                  below that point never runs it, exits 0, and the schema lacks what it would have made. From the revision files of \
                  the packages follow the ancestors that only the new package has; a run brings them in first, in one transaction with \
                  the upgrade, and has tried that on a copy. The rule fires where it can't: where there are merges above the common \
                  revisions, so that no order is known to be sound, and where the package is replaced in place, so that nobody could tell \
                  after an interruption what the old one had.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let mut breaches = Vec::new();
    if let Some(waiting) = waiting_revisions(component, &subject.facts)
        && let PreviewState::MergeAbove { .. } = &waiting.state
    {
        let installed = subject.installed().map_or_else(|| "what is installed".to_owned(), ToString::to_string);
        breaches.push(breach(&format!("for {installed}"), &waiting.skipped, MERGES, NO_ORDER));
    }
    let linked = component.venv_fact(&subject.facts).known().is_some_and(|venv| venv.link.is_some());
    let staged = component.staged_hops(linked, subject.hops());
    for step in schema_steps(component, subject.hops(), &subject.facts) {
        let Observed::Known(preview) = &step.preview else { continue };
        let beside = subject.hops().iter().zip(&staged).any(|(hop, staged)| hop.to == step.to && *staged);
        let (why, next) = match &preview.state {
            PreviewState::MergeAbove { .. } => (MERGES, NO_ORDER),
            PreviewState::Sound if !beside => (
                "; its environment is changed in place",
                "declare `layout: staged` for its environments, so that the old package stays beside the new one",
            ),
            _ => continue,
        };
        if preview.skipped.is_empty() {
            continue;
        }
        let hop = format!("on the hop to {}", step.to);
        breaches.push(breach(&hop, &preview.skipped, why, next).about(step.to.to_string()));
    }
    breaches
}

const MERGES: &str = "; there are merges above them, so in which order is for a person to say";
const NO_ORDER: &str = "take another way (`converge path --schema`), or bring them in by hand";

fn breach(when: &str, skipped: &[PendingRevision], why: &str, next: &str) -> Breach {
    let named: Vec<String> = skipped.iter().map(ToString::to_string).collect();
    let observed =
        format!("{when}, alembic would silently skip {} revision(s): {}{why}", named.len(), named.join("; "));
    Breach::of_release(observed, next)
}

//! A hop on which alembic would silently leave revisions out.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::{PendingRevision, PreviewState};
use crate::resource::component::{Component, LeftOut, schema_steps, upstream_version, waiting_revisions};

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
                  after an interruption what the old one had. Where the component declares `left_out: upstream`, it also fires where the \
                  new package has no command apply-missing-revisions, or no history of the release that is left.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let mut breaches = Vec::new();
    if let Some(waiting) = waiting_revisions(component, &subject.facts) {
        let installed = subject.installed().map_or_else(|| "what is installed".to_owned(), ToString::to_string);
        let when = format!("for {installed}");
        match &waiting.state {
            PreviewState::MergeAbove { .. } => breaches.push(breach(&when, &waiting.skipped, MERGES, NO_ORDER)),
            // A migration that was interrupted: what it went out from lies beside, and no wheel was asked for.
            PreviewState::Sound if !waiting.skipped.is_empty() && asks_upstream(component) => {
                breaches.push(breach(&when, &waiting.skipped, INTERRUPTED, LEAVE_IT));
            }
            // A run brings in what was left out, or another rule says why the package can't follow.
            PreviewState::Sound
            | PreviewState::Empty
            | PreviewState::UnknownHead { .. }
            | PreviewState::UnknownToOld { .. }
            | PreviewState::SeveralRows
            | PreviewState::SeveralHeads
            | PreviewState::NoMigrations
            | PreviewState::Circle { .. } => {}
        }
    }
    let linked = component.venv_fact(&subject.facts).known().is_some_and(|venv| venv.link.is_some());
    let staged = component.staged_hops(linked, subject.hops());
    for step in schema_steps(component, subject.hops(), &subject.facts) {
        let Observed::Known(preview) = &step.preview else { continue };
        if preview.skipped.is_empty() {
            continue;
        }
        let hop = subject.hops().iter().zip(&staged).find(|(hop, _)| hop.to == step.to);
        let beside = hop.is_some_and(|(_, staged)| *staged);
        let from = hop.and_then(|(hop, _)| hop.from.as_ref());
        let upstream = upstream_version(component, from, &step.to, &subject.facts);
        let (why, next) = match (&preview.state, upstream) {
            (PreviewState::MergeAbove { .. }, _) => (MERGES.to_owned(), NO_ORDER),
            (PreviewState::Sound, _) if !beside => (
                "; its environment is changed in place".to_owned(),
                "declare `layout: staged` for its environments, so that the old package stays beside the new one",
            ),
            (PreviewState::Sound, Some(Err(reason))) => {
                (format!("; `left_out: upstream` is declared, and {reason}"), LEAVE_IT)
            }
            // As above.
            (PreviewState::Sound, Some(Ok(_)) | None)
            | (
                PreviewState::Empty
                | PreviewState::UnknownHead { .. }
                | PreviewState::UnknownToOld { .. }
                | PreviewState::SeveralRows
                | PreviewState::SeveralHeads
                | PreviewState::NoMigrations
                | PreviewState::Circle { .. },
                _,
            ) => continue,
        };
        let when = format!("on the hop to {}", step.to);
        breaches.push(breach(&when, &preview.skipped, &why, next).about(step.to.to_string()));
    }
    breaches
}

fn asks_upstream(component: &Component) -> bool {
    component.schema.as_ref().is_some_and(|schema| schema.left_out == LeftOut::Upstream)
}

const INTERRUPTED: &str =
    "; `left_out: upstream` is declared, and which release an interrupted upgrade has left isn't known any more";
const LEAVE_IT: &str = "declare `left_out: converge`: it brings them in itself, from what is there";
const MERGES: &str = "; there are merges above them, so in which order is for a person to say";
const NO_ORDER: &str = "take another way (`converge path --schema`), or bring them in by hand";

fn breach(when: &str, skipped: &[PendingRevision], why: &str, next: &str) -> Breach {
    let named: Vec<String> = skipped.iter().map(ToString::to_string).collect();
    let observed =
        format!("{when}, alembic would silently skip {} revision(s): {}{why}", named.len(), named.join("; "));
    Breach::of_release(observed, next)
}

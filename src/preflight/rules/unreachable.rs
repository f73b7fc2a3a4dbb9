//! A host of the run that can't be asked.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "host-unreachable",
    severity: Severity::Mandatory,
    demands: "every host of the run answers before anything is changed: each release is complete on all hosts before the next",
    source: "upgrade document, \"maintain a consistent single version across all parts of the cluster\"",
    explanation: "Each release is complete on all hosts before the next begins, so a host that can't be reached would be left behind, and \
                  before a major upgrade it may still run the old release on the new database. Bring it back; for a patch it may also be \
                  left out by --limit '!HOST', which no major upgrade allows.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(reason) = &subject.facts.unreachable else { return Vec::new() };
    let host = &subject.instance.host;
    vec![Breach::new(
        format!("the host can't be asked: {reason}"),
        format!("bring {host} back, or leave it out with --limit '!{host}' (never for a major upgrade)"),
    )]
}

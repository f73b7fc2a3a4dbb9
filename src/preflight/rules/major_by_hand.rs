//! A major upgrade, which this version of converge does not carry out.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "major-by-hand",
    severity: Severity::Mandatory,
    demands: "a run carries out what it can carry out whole: a major upgrade is checked, and not yet carried out",
    source: "docs/declaring.md",
    explanation: "With --major every rule of a major upgrade is checked and the way is shown. Carrying it out (new interpreter and \
                  environment, full stop of all hosts, the left-out revisions) is not part of this version: do it by hand along the \
                  document, with the findings of this pre-flight as the list of what to mind, and run converge again afterwards.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let (Some(hop), true) = (subject.major(), subject.input.request.major) else { return Vec::new() };
    vec![Breach::of_release(
        format!("the hop to {} is a major upgrade", hop.to),
        format!("carry it out by hand up to {}, then run converge again", hop.to),
    )]
}

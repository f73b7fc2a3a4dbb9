//! A host of the run that can't be asked.

use super::{Breach, Rule, Subject};

pub(super) const RULE: Rule = Rule {
    code: "host-unreachable",
    demands: "every host of the run answers before anything is changed: each release is complete on all hosts before the next",
    source: "upgrade document, \"maintain a consistent single version across all parts of the cluster\"",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(reason) = &subject.facts.unreachable else { return Vec::new() };
    let host = &subject.instance.host;
    vec![Breach {
        observed: format!("the host can't be asked: {reason}"),
        next: format!("bring {host} back, or leave it out with --limit '!{host}'"),
    }]
}

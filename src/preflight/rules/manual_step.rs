//! A manual step of a hop that nobody has acknowledged.

use crate::preflight::finding::Severity;
use crate::preflight::known::{acknowledged, steps_of_hops};
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "manual-step",
    severity: Severity::Waivable,
    demands: "the manual steps that a hop needs have been done, or are known to be done on the way",
    source: "upgrade document, \"Additional Considerations\"; each step names its own source",
    explanation: "Some hops need hands: configuration that was restructured, a database server that must be replaced, a service that was \
                  renamed. The catalogue lists them with predicates over what is observed, so that only what concerns this cluster is \
                  shown; what could not be observed counts as concerning it. Each step is acknowledged by its own name.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    acknowledged(subject, steps_of_hops, RULE.code, "the manual step of", "when it is done,")
}

//! A known risk of a hop that nobody has acknowledged.

use crate::preflight::finding::Severity;
use crate::preflight::known::{acknowledged, risks_of_hops};
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "known-risk",
    severity: Severity::Waivable,
    demands: "the known risks of a hop have been weighed",
    source: "the catalogue of releases; each risk names its own source",
    explanation: "The catalogue also lists what went wrong for others on a hop, with predicates over what is observed. Weigh it, take \
                  the precaution that it names, and acknowledge it by its own name.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    acknowledged(subject, risks_of_hops, RULE.code, "a known risk of", "when it is weighed,")
}

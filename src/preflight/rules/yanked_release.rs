//! A declared release that was withdrawn.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Obstacle;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "yanked-release",
    severity: Severity::Mandatory,
    demands: "the declared release was not withdrawn from the package index",
    source: "PEP 592; upgrade document, \"Review Allowed Upgrade Paths\"",
    explanation: "Who publishes a release withdraws it when it does harm; pip still installs it when it is named exactly, as an upgrade \
                  does. The rule fires on the release that is declared; on the way to another one a withdrawn release is avoided.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(refused) = subject.no_path() else { return Vec::new() };
    let Obstacle::Yanked { reason } = &refused.obstacle else { return Vec::new() };
    let reason = if reason.trim().is_empty() { "no reason is given" } else { reason.trim() };
    vec![Breach::of_release(
        format!("{} {} was withdrawn: {reason}", subject.instance.component.package, refused.to),
        subject.nearest(refused, "declare another release"),
    )]
}

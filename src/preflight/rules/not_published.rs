//! A declared release that the host's pip can't get.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Obstacle;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "not-published",
    severity: Severity::Mandatory,
    demands: "the declared release is published where the host gets its packages",
    source: "upgrade document, \"Upgrade Sequentially\"",
    explanation: "Published is what the host's own pip can get: from its package index or wheelhouse, with its own configuration. A \
                  release that isn't there, a typing error in the inventory among them, is found before anything stops. \
                  `converge releases` lists what is published; `converge path` shows the way to what is.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(refused) = subject.no_path() else { return Vec::new() };
    let Obstacle::NotPublished { neighbours, .. } = &refused.obstacle else { return Vec::new() };
    let package = &subject.instance.component.package;
    let around: Vec<String> = neighbours.iter().map(ToString::to_string).collect();
    let around = if around.is_empty() { String::new() } else { format!(", the nearest are {}", around.join(" and ")) };
    vec![Breach::of_release(
        format!(
            "{package} {} is not published where the host gets its packages{around} ({} is installed)",
            refused.to, refused.from
        ),
        subject.nearest(refused, "publish it, or mend the host's package index"),
    )]
}

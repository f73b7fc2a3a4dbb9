//! A declared release that is older than the installed one.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::{NoPath, Obstacle};

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "downgrade",
    severity: Severity::Mandatory,
    demands: "no component goes back to an older release",
    source: "what must always hold, 6",
    explanation: "Going back is never done by accident: a database that was migrated forward can't be read by the older package, and \
                  pip would install it all the same. When a release has to be taken back, restore the backup from before it and the \
                  environment that belongs to it, by hand.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(NoPath { from, to, obstacle: Obstacle::Downgrade | Obstacle::OtherEpoch, .. }) = subject.no_path() else {
        return Vec::new();
    };
    vec![Breach::of_release(
        format!("{from} is installed, the older {to} is declared"),
        format!("{}, or a newer release", Subject::declare(from)),
    )]
}

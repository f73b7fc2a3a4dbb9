//! Work that runs before a patch upgrade.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::preflight::work::running_work;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "work-running-patch",
    severity: Severity::Waivable,
    demands: "before a patch upgrade no work runs that may be disrupted",
    source: "upgrade document, \"Terminate Critical Workloads\"",
    explanation: "A patch restarts components one after the other; running sessions mostly live through it, and mission-critical ones \
                  should not depend on that. Work is counted as for `work-running`: in the manager's database, and by a component's \
                  `workloads:` command. When the work bears a restart, waive the rule and say so.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let major = subject.family().any(|other| other.major().is_some());
    if major || !subject.family_moves() {
        return Vec::new();
    }
    running_work(subject)
}

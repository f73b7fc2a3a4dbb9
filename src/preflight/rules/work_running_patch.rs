//! Work that runs before a patch upgrade, or before a database is mended.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::preflight::work::running_work;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "work-running-patch",
    severity: Severity::Waivable,
    demands: "before a patch upgrade, or the mending of a database, no work runs that may be disrupted",
    source: "upgrade document, \"Terminate Critical Workloads\"",
    explanation: "A patch restarts components one after the other; running sessions mostly live through it, and mission-critical ones \
                  should not depend on that. Work is counted as for `work-running`: in the manager's database, and by a component's \
                  `workloads:` command. When the work bears a restart, waive the rule and say so. `converge schema mend` stops what uses \
                  the database, and asks for the same.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    // Whoever completes a database stops what uses it, and nothing else.
    if subject.input.request.mend {
        return if subject.family().any(Subject::would_mend) { running_work(subject) } else { Vec::new() };
    }
    let major = subject.family().any(|other| other.major().is_some());
    if major || !subject.family_moves() {
        return Vec::new();
    }
    running_work(subject)
}

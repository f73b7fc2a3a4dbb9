//! Work that runs before a major upgrade.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::preflight::work::running_work;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "work-running",
    severity: Severity::Mandatory,
    demands: "before a major upgrade no work runs on the cluster",
    source: "upgrade document, \"ensure that all workloads across the cluster are fully terminated\"",
    explanation: "A major upgrade stops everything, and sessions of the old release are not taken over by the new one. Work is counted \
                  in the manager's own database: every row whose status is not one of the terminal ones counts, statuses that nobody has \
                  heard of among them. What a component's `workloads:` command prints counts too, one piece of work a line. A count that \
                  fails is as good as running work. Terminate the work, or have the run wait for its end with --drain-timeout.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let major = subject.family().any(|other| other.major().is_some());
    // With --drain-timeout, the run itself waits for the end of the work, behind a freeze.
    if !major || subject.input.request.drain_timeout.is_some() {
        return Vec::new();
    }
    running_work(subject)
}

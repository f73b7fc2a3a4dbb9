//! What an earlier run began on a host and what is still at work there.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "job-running",
    severity: Severity::Mandatory,
    demands: "no job of an earlier run is at work on a host of the run",
    source: "the job's own directory on its host",
    explanation: "A job goes on when its controller is killed or cut off. What it is about to change can't be planned around: a migration \
                  that is half done looks like one that was never begun. A run (`converge`, `apply`, `resume`, `schema mend`) waits for its end, which \
                  the host forces by the job's own time-out, and looks again; what only looks says so and stops. A host that can't tell \
                  its jobs counts as one that has some. A job that was killed, or that a restart of the host ended, is no hindrance: what it left is seen as it is.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let host = &subject.instance.host;
    let first = subject.others.iter().find(|other| other.instance.host == *host);
    if subject.facts.unreachable.is_some() || first.is_none_or(|first| first.instance.id() != subject.instance.id()) {
        return Vec::new();
    }
    match subject.facts.jobs() {
        Observed::Absent => Vec::new(),
        Observed::Unknown(reason) => vec![Breach::new(
            format!("whether a job is at work on {host} is not known: {reason}"),
            format!("see why its jobs can't be listed: converge facts {host}"),
        )],
        Observed::Known(jobs) => jobs
            .at_work()
            .map(|job| {
                let since = job.since.map_or_else(String::new, |since| format!(" since {since}"));
                Breach::new(
                    format!("{} of run {} is at work on {host}{since}", job.action, job.run),
                    format!("wait for its end (after {} s its host ends it), or let `converge` wait for it", job.limit),
                )
            })
            .collect(),
    }
}

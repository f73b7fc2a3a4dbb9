//! State on disk that another release or Python may not be able to read.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "agent-state",
    severity: Severity::Waivable,
    demands: "state that a component keeps in files survives the hop, or is known to be expendable",
    source: "measured: the state of an agent is a pickle, which can break across Python or class changes and keeps it from starting",
    explanation: "Backend.AI agents write what they know of their containers to last_registry.*.dat as a Python pickle. A major upgrade \
                  changes Python and classes, and an agent that can't read the file doesn't start. The rule looks for the files that a \
                  component declares as `state_files` when a major hop is planned for it. With all work terminated they hold nothing: move \
                  them aside, or waive the rule.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(hop) = subject.major() else { return Vec::new() };
    let mut breaches = Vec::new();
    for query in subject.instance.component.state_queries() {
        let observed = match subject.facts.paths(&query) {
            Observed::Known(found) => format!("{} is there", found.paths.join(", ")),
            Observed::Unknown(reason) => format!("whether {} is there is unknown: {reason}", query.pattern),
            Observed::Absent => continue,
        };
        breaches.push(Breach::new(
            format!("{observed}, and may not survive the hop to {}", hop.to),
            "move it aside when no work runs any more, or --waive 'agent-state=REASON'",
        ));
    }
    breaches
}

//! A unit that would be stopped by another signal than the one that does no harm.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "stop-signal",
    severity: Severity::Mandatory,
    demands: "a component is stopped by the declared signal: SIGTERM makes an agent destroy its containers",
    source: "Backend.AI agents up to 24.09.11, 25.6.11 and 25.10.1",
    explanation: "Backend.AI agents take SIGTERM as the order to destroy every container of the host, up to 24.09.11, 25.6.11 and \
                  25.10.1. `systemctl stop` sends what the unit's KillSignal says, whatever the inventory declares: the rule compares the \
                  two. Set KillSignal in the unit, or declare the signal that it sends.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let (Some(query), true) = (component.unit_query(), subject.would_stop()) else { return Vec::new() };
    let wanted = component.process.stop_signal;
    match subject.facts.unit(&query) {
        Observed::Known(unit) if unit.kill_signal != wanted.number() => vec![Breach::new(
            format!("{} stops by signal {}, {wanted} ({}) is declared", query.name, unit.kill_signal, wanted.number()),
            format!("set KillSignal={wanted} in {}, then systemctl daemon-reload", query.name),
        )],
        Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => Vec::new(),
    }
}

//! A unit that would be stopped by another signal than the one that does no harm.

use super::{Breach, Rule, Subject};
use crate::facts::Observed;

pub(super) const RULE: Rule = Rule {
    code: "stop-signal",
    demands: "a component is stopped by the declared signal: SIGTERM makes an agent destroy its containers",
    source: "Backend.AI agents up to 24.09.11, 25.6.11 and 25.10.1",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let (Some(query), true) = (component.unit_query(), subject.would_stop()) else { return Vec::new() };
    let wanted = component.process.stop_signal;
    match subject.facts.unit(&query) {
        Observed::Known(unit) if unit.kill_signal != wanted.number() => vec![Breach {
            observed: format!(
                "{} stops by signal {}, {wanted} ({}) is declared",
                query.name,
                unit.kill_signal,
                wanted.number()
            ),
            next: format!("set KillSignal={wanted} in {}, then systemctl daemon-reload", query.name),
        }],
        Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => Vec::new(),
    }
}

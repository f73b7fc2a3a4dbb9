//! A unit that the host's systemd doesn't have or won't start.

use super::{Breach, Rule, Subject};
use crate::facts::Observed;

pub(super) const RULE: Rule = Rule {
    code: "unit-unusable",
    demands: "what is stopped can be started again: the declared unit is loaded and not masked",
    source: "systemd.unit(5)",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(query) = subject.instance.component.unit_query() else { return Vec::new() };
    match subject.facts.unit(&query) {
        Observed::Known(unit) if unit.load_state != "loaded" => vec![Breach {
            observed: format!("{} is {}", query.name, unit.load_state),
            next: format!("systemctl unmask {0}, or mend its file; systemctl cat {0} shows it", query.name),
        }],
        // Absent and unknown units make the process unknown, which its own rule reports.
        Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => Vec::new(),
    }
}

//! A unit that the host's systemd doesn't have or won't start.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "unit-unusable",
    severity: Severity::Mandatory,
    demands: "what is stopped can be started again: the declared unit is loaded and not masked",
    source: "systemd.unit(5)",
    explanation: "A masked or missing unit is stopped with its process and then can't be started again. The rule reads the unit's load \
                  state from the host's systemd.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(query) = subject.instance.component.unit_query() else { return Vec::new() };
    match subject.facts.unit(&query) {
        Observed::Known(unit) if unit.load_state != "loaded" => vec![Breach::new(
            format!("{} is {}", query.name, unit.load_state),
            format!("systemctl unmask {0}, or mend its file; systemctl cat {0} shows it", query.name),
        )],
        // Absent and unknown units make the process unknown, which its own rule reports.
        Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => Vec::new(),
    }
}

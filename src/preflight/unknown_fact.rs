//! Something that an instance depends on could not be observed.

use super::{Breach, Rule, Subject};
use crate::resource::component::{Installed, PlannedPath};

pub(super) const RULE: Rule = Rule {
    code: "unknown-fact",
    demands: "what could not be observed blocks what depends on it",
    source: "what must always hold, 3",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let host = &subject.instance.host;
    let mut breaches: Vec<Breach> = subject
        .assessment
        .unknown
        .iter()
        .map(|unknown| Breach {
            observed: format!("unknown: {unknown}"),
            next: format!("make it observable; `converge facts {host}` shows everything that was seen"),
        })
        .collect();
    if let (PlannedPath::Unknown(reason), true) = (&subject.path, breaches.is_empty()) {
        let next = match subject.assessment.installed {
            Installed::NoVenv => {
                format!("make the environment: python3 -m venv {}", subject.instance.component.venv)
            }
            Installed::Release(_) | Installed::Interrupted { .. } | Installed::Nothing | Installed::Unknown(_) => {
                format!("make sure that pip on {host} reaches its package index, and run again")
            }
        };
        breaches.push(Breach { observed: format!("unknown: {reason}"), next });
    }
    breaches
}

//! Something that an instance depends on could not be observed.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::resource::component::{Installed, PlannedPath, schema_steps};

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "unknown-fact",
    severity: Severity::Mandatory,
    demands: "what could not be observed blocks what depends on it",
    source: "what must always hold, 3",
    explanation: "A fact that could not be observed is not assumed. The finding names what could not be seen and why: a venv without \
                  pyvenv.cfg, a database that refuses the login, a package index that can't be reached, a package that could not be read. \
                  Make it observable; `converge facts HOST` shows everything that was seen.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let host = &subject.instance.host;
    let mut breaches: Vec<Breach> = subject
        .assessment
        .unknown
        .iter()
        .map(|unknown| {
            Breach::new(
                format!("unknown: {unknown}"),
                format!("make it observable; `converge facts {host}` shows everything that was seen"),
            )
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
        breaches.push(Breach::new(format!("unknown: {reason}"), next));
    }
    for step in schema_steps(&subject.instance.component, subject.hops(), &subject.facts) {
        if let Observed::Unknown(reason) = &step.preview {
            breaches.push(Breach::of_release(
                format!(
                    "unknown: what {} {} does to the schema: {reason}",
                    subject.instance.component.package, step.to
                ),
                format!("make sure that pip on {host} can download it; `converge path --schema` reads it from here"),
            ));
            // What comes behind it can't be known either.
            break;
        }
    }
    breaches
}

//! A release that the lock file doesn't know.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::series;
use crate::resource::component::choose;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "not-locked",
    severity: Severity::Mandatory,
    demands: "where the project has a lock file, each release on the way is in it",
    source: "hash-checked packages: pip's --require-hashes installs nothing that has no digest",
    explanation: "With a lock file, exactly the files that were resolved and written down are installed, by their digests. A release \
                  that isn't in it, or was resolved for another Python, could only be installed with whatever the index offers at that \
                  moment; so it isn't. Write the lock file anew with `converge lock`, and look at what changed in it.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let Some(locked) = &component.environments.locked else { return Vec::new() };
    let Observed::Known(venv) = component.venv_fact(&subject.facts) else { return Vec::new() };
    let interpreters = subject.facts.interpreters(&component.interpreters_query());
    let staged = component.staged_hops(venv.link.is_some(), subject.hops());
    let mut python = venv.python.as_str();
    let mut breaches = Vec::new();
    for (hop, staged) in subject.reach().iter().zip(staged) {
        if staged {
            let required = subject.required_python(&hop.to);
            // Where there is no interpreter, or none is known, wrong-python says so.
            let Some(known) = interpreters.known() else { return breaches };
            let Ok(chosen) = choose(known, required.as_deref(), &hop.to) else { return breaches };
            python = &chosen.version;
        }
        if locked.find(&component.package, &hop.to, python).is_none() {
            let breach = Breach::of_release(
                format!("{} {} on Python {} is not in {}", component.package, hop.to, series(python), locked.file),
                format!("converge lock -o {}", locked.file),
            );
            breaches.push(breach.about(hop.to.to_string()));
        }
    }
    breaches
}

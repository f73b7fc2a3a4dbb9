//! Components in one environment whose declared releases differ.

use super::{Breach, Rule, Subject};

pub(super) const RULE: Rule = Rule {
    code: "shared-environment",
    demands: "components that share a virtual environment move together: their packages pin each other exactly",
    source: "measured: pip exits 0 when it breaks the pins of a sibling",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let this = &subject.instance.component;
    subject
        .others
        .iter()
        .map(|other| other.instance)
        .chain(subject.out_of_scope)
        .filter(|other| other.host == subject.instance.host && other.component.venv == this.venv)
        .filter(|other| other.component.name != this.name && other.component.release != this.release)
        .map(|other| Breach {
            observed: format!(
                "{} is declared here, {} for {}, and both live in {}",
                this.release, other.component.release, other.component.name, this.venv
            ),
            next: "declare one release for both, or give each its own environment".into(),
        })
        .collect()
}

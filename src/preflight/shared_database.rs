//! A migration while a component that may share the database is left out of the run.

use super::{Breach, Rule, Subject};

pub(super) const RULE: Rule = Rule {
    code: "database-out-of-scope",
    demands: "no component of a database runs while it is migrated, so none that may share it is left out",
    source: "what must always hold, 4",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    if !subject.would_migrate() {
        return Vec::new();
    }
    let this = &subject.instance.component;
    let left_out: Vec<String> = subject
        .out_of_scope
        .iter()
        .filter(|other| other.component.package == this.package && other.component.schema.is_some())
        .map(|other| other.id().to_string())
        .collect();
    if left_out.is_empty() {
        return Vec::new();
    }
    vec![Breach {
        observed: format!("the database may be migrated, and {} is left out of this run", left_out.join(", ")),
        next: "widen --limit to all hosts of this component".into(),
    }]
}

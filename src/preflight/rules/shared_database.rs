//! Components of one database that would not move together, or a migration while a component that may share the database is left out of the run.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "shared-database",
    severity: Severity::Mandatory,
    demands: "components of one database move together: none runs while it is migrated, none stays behind its schema",
    source: "what must always hold, 4",
    explanation: "Components of one database, several managers for instance, meet one schema: while it is migrated none of them may run, \
                  and afterwards none may stay behind. The rule fires where they are declared at different releases, and where a migration \
                  is possible while --limit leaves one of them out.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let this = &subject.instance.component;
    let database = |subject: &Subject<'_>| {
        let fact = subject.instance.component.schema_fact(&subject.facts)?;
        fact.known().map(|known| known.database.clone())
    };
    let mine = database(subject);
    let mut breaches: Vec<Breach> = subject
        .others
        .iter()
        .filter(|other| mine.is_some() && database(other) == mine)
        .filter(|other| {
            other.instance.component.package == this.package && other.instance.component.release != this.release
        })
        .map(|other| {
            Breach::of_release(
                format!(
                    "{} is declared here, {} for {}, and both use one database",
                    this.release,
                    other.instance.component.release,
                    other.instance.id()
                ),
                "declare one release for all components of the database",
            )
        })
        .collect();
    if !subject.would_migrate() {
        return breaches;
    }
    let left_out: Vec<String> = subject
        .input
        .out_of_scope
        .iter()
        .filter(|other| other.component.package == this.package && other.component.schema.is_some())
        .map(|other| other.id().to_string())
        .collect();
    if left_out.is_empty() {
        return breaches;
    }
    breaches.push(Breach::new(
        format!("the database may be migrated, and {} is left out of this run", left_out.join(", ")),
        "widen --limit to all hosts of this component",
    ));
    breaches
}

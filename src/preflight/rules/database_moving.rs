//! A database that did not stand still while the hosts were looked at.

use crate::facts::SchemaFact;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "database-moving",
    severity: Severity::Mandatory,
    demands: "all hosts of one database see it at the same revisions",
    source: "simulated: a migration of an earlier run ended between the looks at two hosts",
    explanation: "Hosts are looked at side by side, each for itself. Where two of them use one database and don't see the same rows in \
                  alembic_version, something migrates it at this moment: a job of an earlier run, a colleague, a manager that was started \
                  with a newer package. What is planned on one of these looks is wrong by the other. Find out who is at work, wait for \
                  its end, and look again.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    fn seen<'a>(subject: &'a Subject<'_>) -> Option<&'a SchemaFact> {
        subject.instance.component.schema_fact(&subject.facts)?.known().copied()
    }
    let Some(mine) = seen(subject) else { return Vec::new() };
    let rows = |fact: &SchemaFact| match fact.rows.is_empty() {
        true => "no revision".to_owned(),
        false => fact.rows.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    // Said once for each two, at the later one.
    let before = subject.others.iter().take_while(|other| other.instance.id() != subject.instance.id());
    let other = before.filter_map(|other| Some((other, seen(other)?)));
    let moved = other.filter(|(_, fact)| fact.database == mine.database && fact.rows != mine.rows);
    moved
        .map(|(other, fact)| {
            Breach::new(
                format!(
                    "the database stands at {} as {} sees it, and at {} as {} does",
                    rows(fact),
                    other.instance.id(),
                    rows(mine),
                    subject.instance.id()
                ),
                "find out what migrates it (converge history; on the database's host: select * from pg_stat_activity), wait for its end, \
                 and run converge again",
            )
        })
        .collect()
}

//! A database that might be migrated and can't be backed up.

use crate::facts::{DatabaseKind, Observed};
use crate::preflight::finding::Severity;
use crate::preflight::room::{Lack, lack_of_room};
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "no-backup",
    severity: Severity::Mandatory,
    demands: "a database that may be migrated can be backed up first, to a directory with room for it",
    source: "upgrade document, \"Always back up your database before applying schema changes\"",
    explanation: "A migration that fails half-way, or works and was a mistake, is taken back by a backup or not at all. The rule wants a \
                  declared directory that can be written to, with room for the size of the database, and a pg_dump at least as new as the \
                  server. Declare `backup` in the component's schema.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    if !subject.would_migrate() {
        return Vec::new();
    }
    let component = &subject.instance.component;
    let Some(Observed::Known(schema)) = component.schema_fact(&subject.facts) else { return Vec::new() };
    let breach = |observed: String, next: &str| vec![Breach::new(observed, next)];
    let Some(query) = component.backup_disk_query() else {
        return breach("no directory for backups is declared".into(), "declare `backup` in the component's schema");
    };
    if schema.database.kind == DatabaseKind::Postgresql {
        match (schema.dump_tool, schema.server) {
            (None, _) => {
                return breach("the host has no pg_dump".into(), "install the PostgreSQL client on this host");
            }
            (Some(tool), Some(server)) if tool < server => {
                return breach(
                    format!("pg_dump {tool} can't dump a PostgreSQL {server}"),
                    "install the client of the server's version on this host",
                );
            }
            (Some(_), _) => {}
        }
    }
    let Some((lack, observed)) = lack_of_room(&subject.facts.disk(&query), &query.path, schema.bytes) else {
        return Vec::new();
    };
    breach(
        observed,
        match lack {
            Lack::Access => "declare another directory for backups, or give the user who logs in access to this one",
            Lack::Room => "make room, or declare another directory for backups",
            Lack::Directory => "make the directory",
            Lack::Answer => "mend what hinders df",
        },
    )
}

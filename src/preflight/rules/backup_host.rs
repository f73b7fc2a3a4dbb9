//! A host for backups that can't take them.

use crate::facts::{Observed, facts_of};
use crate::preflight::finding::Severity;
use crate::preflight::room::{Lack, lack_of_room};
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "no-backup-host",
    severity: Severity::Mandatory,
    demands: "where another host is declared for backups, it can take them before anything stops",
    source: "a backup that lies beside its database is lost with it",
    explanation: "Where `backup_host` is declared in the component's schema, no migration begins before its backup is on that host too, \
                  the same by its sha256. The rule wants the host to answer, to have the few programs that taking a copy needs (dd, stat, \
                  sha256sum, find), and a directory there that can be written to, with room for the size of the database. A host that \
                  can't do that now would leave a stopped cluster without its way on.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let (instance, component) = (subject.instance, &subject.instance.component);
    let Some(copies) = component.backup_copies(&instance.host).filter(|_| subject.would_migrate()) else {
        return Vec::new();
    };
    let Some(Observed::Known(schema)) = component.schema_fact(&subject.facts) else { return Vec::new() };
    let host = copies.host;
    let breach = |observed: String, next: String| vec![Breach::new(format!("{host}: {observed}"), next)];
    let facts = facts_of(subject.input.facts, host);
    if let Some(reason) = &facts.unreachable {
        return breach(
            format!("the host for backups can't be asked: {reason}"),
            format!("bring {host} back, or declare another `backup_host`"),
        );
    }
    match facts.command(&copies.tools_query()) {
        Observed::Known(answer) if answer.status == 0 => {}
        Observed::Known(answer) => {
            return breach(answer.output.clone(), format!("install it on {host}: a copy is taken and checked with it"));
        }
        Observed::Absent => return breach("it was not asked for its programs".into(), "run again".into()),
        Observed::Unknown(reason) => {
            return breach(format!("which programs it has is unknown: {reason}"), format!("see what hinders {host}"));
        }
    }
    let query = copies.disk_query();
    let Some((lack, observed)) = lack_of_room(&facts.disk(&query), &query.path, schema.bytes) else {
        return Vec::new();
    };
    breach(
        observed,
        match lack {
            Lack::Access => {
                "declare another directory there (`backup_host_directory`), or give the user who logs in access \
                             to this one"
                    .into()
            }
            Lack::Room => format!("make room on {host}, or declare another directory there (`backup_host_directory`)"),
            Lack::Directory => "make the directory".into(),
            Lack::Answer => "mend what hinders df".into(),
        },
    )
}

//! A major upgrade of which the users do not know.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "users-not-notified",
    severity: Severity::Waivable,
    demands: "the users know of the downtime of a major upgrade",
    source: "upgrade document, \"notify users in advance of the expected downtime\"",
    explanation: "A major upgrade stops the whole cluster for as long as its migration takes. A component may declare a `notice:` \
                  command that exits with 0 when the users have been notified (it asks, say, for the announcement that is shown to them; it \
                  changes nothing). Without one, or where it exits with something else, acknowledge by a waiver that they know.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    if subject.major().is_none() || !subject.is_first(|other| other.major().is_some()) {
        return Vec::new();
    }
    let asked: Vec<_> = subject
        .family()
        .filter_map(|other| other.instance.component.notice_query().map(|query| (other, query)))
        .collect();
    let mut said = Vec::new();
    for (other, query) in &asked {
        match other.facts.command(query) {
            Observed::Known(answer) if answer.status == 0 => return Vec::new(),
            Observed::Known(answer) => {
                said.push(format!(
                    "the notice command on {} exits with {}: {}",
                    other.instance.host, answer.status, answer.output
                ));
            }
            Observed::Absent => {}
            Observed::Unknown(reason) => said.push(format!("the notice command on {}: {reason}", other.instance.host)),
        }
    }
    let observed = if asked.is_empty() { "no `notice` command is declared".to_owned() } else { said.join("; ") };
    vec![Breach::of_release(
        format!("nothing shows that users were notified of the major upgrade: {observed}"),
        "notify them, then --waive 'users-not-notified=REASON'",
    )]
}

//! A major upgrade that nobody asked for on the command line.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "major-unasked",
    severity: Severity::Mandatory,
    demands: "a major upgrade is started by --major on the command line, never by an edited inventory alone",
    source: "upgrade document, \"Major Upgrades\"",
    explanation: "A release of another train is a major upgrade: everything stops, the database changes, users notice. An inventory \
                  that somebody edited, or a cron job, must not be enough to start one. The rule looks at the way from the installed to \
                  the declared release. Give --major when it is meant; otherwise declare a release of the train that is installed.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let (Some(hop), false) = (subject.major(), subject.input.request.major) else { return Vec::new() };
    let declared = &subject.instance.component.release;
    let (from, to) = (subject.installed().unwrap_or(&hop.to), &hop.to);
    let stay = subject.hops().iter().take_while(|hop| !hop.major).last().map(|hop| hop.to.clone());
    let stay = match stay {
        Some(patch) => format!("to stay in the train, {}", Subject::declare(&patch)),
        None => format!("to stay in the train, {}", Subject::declare(from)),
    };
    vec![Breach::of_release(
        format!(
            "{from} is installed, {declared} is declared: the hop to {to} is a major upgrade, and --major was not given"
        ),
        format!("{stay}; for the major upgrade, `converge path {from} {declared}` shows the way"),
    )]
}

//! A major upgrade from a release that is not the last of its train.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "not-last-patch",
    severity: Severity::Mandatory,
    demands: "a major upgrade starts from the last published patch of the installed train",
    source: "upgrade document, \"Upgrade to the Latest Minor Version\"",
    explanation: "The way into the next train is made for, and tried from, the last patch of the one before. \"Last\" is the newest \
                  release of the train that is published where the host gets its packages, withdrawn and known broken ones aside. The \
                  rule wants that patch to be installed and running before the run with --major begins, so that trouble with the patch and \
                  trouble with the upgrade don't come in one night.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let patches: Vec<_> = subject.hops().iter().take_while(|hop| !hop.major).collect();
    let (Some(from), Some(last), Some(_)) = (subject.installed(), patches.last(), subject.major()) else {
        return Vec::new();
    };
    let declared = &subject.instance.component.release;
    vec![Breach::of_release(
        format!(
            "{from} is installed, {declared} is declared: the last published patch before the major upgrade is {}",
            last.to
        ),
        format!("first {}; then declare \"{declared}\" again", Subject::declare(&last.to)),
    )]
}

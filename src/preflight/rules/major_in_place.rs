//! A major upgrade of an environment that may only be changed in place.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::resource::component::Layout;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "major-in-place",
    severity: Severity::Mandatory,
    demands: "a major upgrade builds a new environment beside the old one, which is the way back until the migration",
    source: "measured: trains cross versions of Python, and what pip has replaced is gone",
    explanation: "A new train mostly needs another Python, which no environment can be given; and an install in place destroys what \
                  the cluster would go back to when something fails before the migration. The rule fires where the component declares \
                  `layout: in-place` and its way leaves the train. Declare `auto` or `staged`: where the path of the environment is a \
                  directory, it is moved aside and a link takes its place.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(hop) = subject.reach().iter().find(|hop| hop.major) else { return Vec::new() };
    match subject.instance.component.environments.layout {
        Layout::Auto | Layout::Staged => Vec::new(),
        Layout::InPlace => vec![Breach::new(
            format!("the hop to {} is a major upgrade, and its environment is declared as in-place", hop.to),
            "declare `layout: auto` for its environments",
        )],
    }
}

//! A declared release that is older than the installed one.

use super::{Breach, Rule, Subject};
use crate::release::PathRefusal;
use crate::resource::component::PlannedPath;

pub(super) const RULE: Rule = Rule {
    code: "downgrade",
    demands: "no component goes back to an older release",
    source: "what must always hold, 6",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let PlannedPath::Refused { from, refusal: PathRefusal::Downgrade } = &subject.path else { return Vec::new() };
    let declared = &subject.instance.component.release;
    vec![Breach {
        observed: format!("{from} is installed, the older {declared} is declared"),
        next: format!("declare \"{from}\" or a newer release"),
    }]
}

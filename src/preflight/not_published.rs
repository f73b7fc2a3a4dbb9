//! A declared release that the host's pip can't get.

use super::{Breach, Rule, Subject};
use crate::release::PathRefusal;
use crate::resource::component::PlannedPath;

pub(super) const RULE: Rule = Rule {
    code: "not-published",
    demands: "the declared release is published where the host gets its packages, for the Python of its environment",
    source: "upgrade document, \"Upgrade Sequentially\"",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let PlannedPath::Refused { from, refusal: PathRefusal::NotPublished { newest } } = &subject.path else {
        return Vec::new();
    };
    let component = &subject.instance.component;
    vec![Breach {
        observed: format!(
            "pip finds no {} {} for {} ({from} is installed)",
            component.package, component.release, component.venv
        ),
        next: match newest {
            Some(newest) => format!("declare \"{newest}\", the newest that is published, or publish the other"),
            None => "publish it, or mend the host's package index".into(),
        },
    }]
}

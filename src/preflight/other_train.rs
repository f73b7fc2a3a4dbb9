//! A declared release of another train: a major upgrade.

use super::{Breach, Rule, Subject};
use crate::release::PathRefusal;
use crate::resource::component::PlannedPath;

pub(super) const RULE: Rule = Rule {
    code: "other-train",
    demands: "a run moves patches only; a major upgrade is never rolled and never started by an edited inventory",
    source: "upgrade document, \"Major Upgrades\"",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let PlannedPath::Refused { from, refusal: PathRefusal::OtherTrain { from: train, to, latest_patch } } =
        &subject.path
    else {
        return Vec::new();
    };
    let next = match latest_patch {
        Some(latest) => format!("declare \"{latest}\", the newest published patch of {train}, first"),
        None => format!("{from} is the newest published patch of {train}; carry the major upgrade to {to} out by hand"),
    };
    vec![Breach {
        observed: format!(
            "{from} is installed (train {train}), {} is declared (train {to})",
            subject.instance.component.release
        ),
        next,
    }]
}

//! A train that the catalogue does not know.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "unknown-train",
    severity: Severity::Waivable,
    demands: "the manual steps and risks of the way are known",
    source: "what must always hold, 3",
    explanation: "The catalogue that comes with converge, and the project's own releases.yaml, know trains with their manual steps, \
                  risks and broken releases. Of a newer train nothing of the kind is known. Read its release notes; then declare the train \
                  in releases.yaml, or waive the rule.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(product) = subject.product else { return Vec::new() };
    let unknown = |other: &Subject<'_>| {
        let hop = other.reach().iter().find(|hop| {
            let train = product.scheme.train_of(&hop.to);
            !product.trains.is_empty() && !product.trains.iter().any(|known| known.train == train)
        });
        hop.map(|hop| product.scheme.train_of(&hop.to))
    };
    let Some(train) = unknown(subject) else { return Vec::new() };
    if !subject.is_first(|other| unknown(other) == Some(train)) {
        return Vec::new();
    }
    vec![
        Breach::of_release(
            format!("the train {train} of {} is not in the catalogue", product.name),
            format!(
                "read its release notes, and declare it in releases.yaml, or --waive 'unknown-train@{train}=REASON'"
            ),
        )
        .about(train.to_string()),
    ]
}

//! A cluster that runs several releases.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use std::collections::BTreeMap;

use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "mixed-releases",
    severity: Severity::Waivable,
    demands: "before anything moves, all components of the product are at one release",
    source: "upgrade document, \"maintain a consistent single version across all parts of the cluster\"",
    explanation: "There is no handshake of versions between components: a mixture is not made on purpose, it is what an interrupted \
                  upgrade or a forgotten host left behind. The run will bring all to what is declared; waive the rule when you know where \
                  the mixture comes from, such as a run that was stopped half-way.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    if subject.product.is_none() || !subject.family_moves() || !subject.is_first(|other| other.installed().is_some()) {
        return Vec::new();
    }
    let mut by_release: BTreeMap<Release, Vec<String>> = BTreeMap::new();
    for other in subject.family() {
        if let Some(installed) = other.installed() {
            by_release.entry(installed.clone()).or_default().push(other.instance.id().to_string());
        }
    }
    if by_release.len() < 2 {
        return Vec::new();
    }
    const MOST: usize = 4;
    let shown: Vec<String> = by_release
        .iter()
        .map(|(release, on)| match on.len() {
            0..=MOST => format!("{release} on {}", on.join(", ")),
            all => format!("{release} on {} and {} more", on[..MOST].join(", "), all - MOST),
        })
        .collect();
    vec![Breach::new(
        format!("{} releases are installed: {}", by_release.len(), shown.join("; ")),
        "see why; if the run is to bring them together: --waive 'mixed-releases=REASON'",
    )]
}

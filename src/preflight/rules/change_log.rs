//! A release whose change log nobody has acknowledged.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "change-log",
    severity: Severity::Waivable,
    demands: "the release notes of each release on the way have been read",
    source: "upgrade document, \"Review the Release Changelog\"",
    explanation: "Release notes name what no rule can know. The rule fires once for each release on the way of a product whose catalogue \
                  entry has a `change_log`. Read it, then acknowledge it: --waive 'change-log@RELEASE=read by …' for one release, or \
                  'change-log=…' for all on the way.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some((product, _)) = subject.product.zip(subject.product.and_then(|product| product.change_log.as_ref()))
    else {
        return Vec::new();
    };
    let takes = |other: &Subject<'_>, release: &Release| other.reach().iter().any(|hop| hop.to == *release);
    let first = |release: &Release| subject.is_first(|other| takes(other, release));
    let releases = subject.reach().iter().map(|hop| &hop.to).filter(|release| first(release));
    releases
        .map(|release| {
            let link = product.change_log_of(release).unwrap_or_default();
            Breach::of_release(
                format!("the change log of {release} is not acknowledged: {link}"),
                format!("read it, then --waive 'change-log@{release}=REASON'"),
            )
            .about(release.to_string())
        })
        .collect()
}

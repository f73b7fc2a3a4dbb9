//! A declared release that is known to be broken.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Obstacle;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "broken-release",
    severity: Severity::Mandatory,
    demands: "the declared release is not known to be broken for the component",
    source: "the catalogue of releases; each entry names its own source",
    explanation: "Some published releases can't run, or destroy something: a wheel without its migrations, a module that was left out. \
                  The catalogue lists them with what was observed and where. On the way to another release a known broken one is \
                  avoided. A project corrects or adds to the list in its releases.yaml.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(refused) = subject.no_path() else { return Vec::new() };
    let Obstacle::Broken { reason, source, .. } = &refused.obstacle else { return Vec::new() };
    vec![Breach::of_release(
        format!("{} {} is broken: {reason} ({source})", subject.instance.component.package, refused.to),
        subject.nearest(refused, "declare another release"),
    )]
}

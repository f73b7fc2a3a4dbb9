//! A package on the way that imports modules of its own which it doesn't hold.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "missing-module",
    severity: Severity::Waivable,
    demands: "the package of each release on the way holds the modules of its own that it imports",
    source: "measured: backend.ai-manager 24.9.14 lacks a module and does not start",
    explanation: "The package of each release on the way of a component with a database is fetched and read before anything stops. One \
                  that imports a module of its own which it doesn't hold may not start: it depends on whether anything needs the \
                  importing file, and that is not told from outside. Try the release somewhere else, declare it as broken in \
                  releases.yaml, so that the way avoids it, or waive the rule when you know that it starts.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    subject.reach().iter().filter_map(|hop| lacking(subject, &hop.to)).collect()
}

fn lacking(subject: &Subject<'_>, release: &Release) -> Option<Breach> {
    let component = &subject.instance.component;
    let query = component.wheel_query(release)?;
    let Observed::Known(wheel) = subject.facts.wheel(&query) else { return None };
    let (module, importer) = wheel.missing_modules.iter().next()?;
    let breach = Breach::of_release(
        format!("{} {release} imports {module} (in {importer}), which it doesn't hold", component.package),
        format!(
            "try it elsewhere first, then --waive 'missing-module@{release}=REASON'; or declare it as broken in releases.yaml"
        ),
    );
    Some(breach.about(release.to_string()))
}

//! A change outside the maintenance window.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "outside-window",
    severity: Severity::Waivable,
    demands: "what is changed is changed inside the maintenance window that is declared for it",
    source: "docs/declaring.md",
    explanation: "A component may declare a `window`, such as \"Sat 01:00-05:00 Asia/Seoul\". The rule compares it with the controller's \
                  clock when something is to be done to the component: both ends are times of the wall clock there, so that daylight saving \
                  moves the window with the people.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(window) = &subject.instance.component.precautions.window else { return Vec::new() };
    let now = subject.input.now;
    if !subject.changes() || window.contains(now) {
        return Vec::new();
    }
    vec![Breach::new(
        format!("it is {}, the window is {window}", window.local(now)),
        "wait for the window, or --waive 'outside-window=REASON'",
    )]
}

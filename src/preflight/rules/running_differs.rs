//! A process of another release than the installed one, before its package moves on.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::resource::component::Running;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "running-differs",
    severity: Severity::Waivable,
    demands: "what runs is what is installed, before the next release comes",
    source: "measured: installed, running and recorded versions are three facts",
    explanation: "When a process was not restarted since its package changed, nobody has seen the installed release work; moving on from \
                  it takes two steps in the dark. The rule fires only where the package is to move: where nothing but the restart is \
                  missing, the run itself is the cure. To cure it first, declare the installed release and run.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Running::Running { stale: Some(stale), .. } = &subject.assessment.running else { return Vec::new() };
    let (true, Some(installed)) = (subject.moves(), subject.installed()) else { return Vec::new() };
    vec![Breach::new(
        stale.evidence.clone(),
        format!("restart it first: {}; or --waive 'running-differs=REASON'", Subject::declare(installed)),
    )]
}

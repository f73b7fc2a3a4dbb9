//! A condition that the playbook itself demands doesn't hold.

use crate::preflight::finding::Severity;
use crate::preflight::rule::Rule;

/// It looks at no instance: conditions are decided where the playbook is resolved.
pub(in crate::preflight) const RULE: Rule = Rule {
    code: "assertion",
    severity: Severity::Mandatory,
    demands: "what the playbook asserts holds, and nothing in it refuses the run",
    source: "the playbook's own `assert` and `fail` tasks",
    explanation: "A task with `assert` names conditions, and one with `fail` refuses a run under its `when`. Both are decided when the \
                  plan is made, for each host by its own variables and facts, so that nothing is changed where one doesn't hold. The \
                  finding shows the condition and the values of the names in it. Change what is declared, or the condition.",
    check: |_| Vec::new(),
};

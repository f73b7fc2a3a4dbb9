//! What lies where something is declared is of another type, or made by somebody else.

use crate::preflight::finding::Severity;
use crate::preflight::rule::Rule;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "in-the-way",
    severity: Severity::Mandatory,
    demands: "what somebody else has made is not replaced by something of another type",
    source: "what must always hold, 1",
    explanation: "A task declares a file, a directory, a link or a unit, and there is something else: a directory where a file is \
                  declared, a link where somebody has moved the file elsewhere, a masked unit, a file without one of the markers of a \
                  block. Converge doesn't guess who needs it. Look at what is there, and remove it or declare it as it is.",
    // It is about what tasks of the plain kinds declare, and not about components.
    check: |_| Vec::new(),
};

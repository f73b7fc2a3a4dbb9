//! Findings of the pre-flight as text.

use std::fmt::Write as _;

use super::style::{BAD, Styled};
use crate::preflight::Finding;

/// All findings, with what they mean for the run.
#[must_use]
pub fn findings_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let count = findings.len();
    let heading =
        format!("REFUSED: {count} finding{} of the pre-flight; nothing was changed", if count == 1 { "" } else { "s" });
    let _ = writeln!(text, "{}", Styled(BAD, heading));
    for finding in findings {
        let _ = writeln!(text, "\n{finding}");
    }
    text
}

//! The end of a run: failures with all that is known of them, and Ansible's recap.

use std::fmt::Write as _;

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::event::Failure;
use crate::model::HostName;

/// Failures in full: what was tried, expected, observed, left, and what to do next.
#[must_use]
pub fn failures_text(failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let Failure { host, tried, expected, observed, output, left, next, unreachable } = failure;
        let how = if *unreachable { "UNREACHABLE" } else { "FAILED" };
        let _ = writeln!(text, "\n{}", Styled(BAD, format!("{host}: {how}")));
        let _ = writeln!(text, "  tried:    {tried}");
        let _ = writeln!(text, "  expected: {expected}");
        let _ = writeln!(text, "  observed: {observed}");
        for line in left {
            let _ = writeln!(text, "  left as:  {line}");
        }
        if !output.is_empty() {
            let _ = writeln!(text, "  it said:");
            for line in output {
                let _ = writeln!(text, "    | {line}");
            }
        }
        let _ = writeln!(text, "  next:     {next}");
    }
    text
}

/// One host's line of the recap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecapLine {
    /// Actions that ended well, changed or not.
    pub ok: usize,
    /// Actions that changed something.
    pub changed: usize,
    /// 1 where the host could not be reached.
    pub unreachable: usize,
    /// Actions that failed.
    pub failed: usize,
    /// Actions that were not tried.
    pub skipped: usize,
}

/// Ansible's recap. Nothing is ever rescued or ignored here; the two words stay for what parses the line.
#[must_use]
pub fn recap_text<'a>(lines: impl IntoIterator<Item = (&'a HostName, RecapLine)>) -> String {
    let mut lines: Vec<(&HostName, RecapLine)> = lines.into_iter().collect();
    lines.sort_by(|a, b| a.0.cmp(b.0));
    let width = lines.iter().map(|(host, _)| host.as_str().chars().count()).max().unwrap_or(0).max(26);
    let mut text = format!("\n{}\n", Styled(HEAD, format!("{:*<78}", "PLAY RECAP ")));
    for (host, line) in lines {
        let RecapLine { ok, changed, unreachable, failed, skipped } = line;
        let style = if failed + unreachable > 0 {
            BAD
        } else if changed > 0 {
            CHANGED
        } else {
            GOOD
        };
        let _ = writeln!(
            text,
            "{} : ok={ok:<4} changed={changed:<4} unreachable={unreachable:<4} failed={failed:<4} skipped={skipped:<4} rescued=0    ignored=0",
            Styled(style, format!("{:<width$}", host.as_str()))
        );
    }
    text
}

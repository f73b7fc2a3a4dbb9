//! The end of a run: failures with all that is known of them, and Ansible's recap.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::desired::InstanceId;
use crate::event::{Failure, Handled};
use crate::model::{HostName, printable};

/// Failures in full: what was tried, expected, observed, left, and what to do next.
#[must_use]
pub fn failures_text(failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let Failure { host, tried, expected, observed, output, left, next, unreachable, handled: _ } = failure;
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

/// What failed and was ignored or rescued: it is not as declared, and the next run tries it again.
#[must_use]
pub fn handled_text(failures: &[Failure]) -> String {
    let head = "Not as declared, which the tasks themselves allow; the next run tries these again:";
    let mut text = format!("\n{}\n", Styled(CHANGED, head.to_owned()));
    for failure in failures {
        let how = match failure.handled {
            Some(Handled::Ignored) => "ignored",
            Some(Handled::Rescued) => "rescued",
            Some(Handled::Retried { .. }) | None => "failed",
        };
        let line = format!("{}: {how}: {}: {}", failure.host, failure.tried, failure.observed);
        let _ = writeln!(text, "  {}", printable(line));
    }
    text
}

/// That the run could not be recorded any more, which ended it.
#[must_use]
pub fn unrecorded_text(error: &str) -> String {
    let head = Styled(BAD, "The run can't be recorded any more, so nothing else was begun.".to_owned());
    format!(
        "\n{head}\n  observed: {}\n  left as:  what was running was finished, and each end is shown above; no way back was \
         begun after this\n  next:     make room for the journal, or name another directory with --state-dir, then run \
         converge again: it goes on from what is there\n",
        printable(error)
    )
}

/// What was done about a failure, and what is left for people to decide.
#[must_use]
pub fn recovery_text(title: &str, took_back: bool, failures: &[Failure], advice: &[String]) -> String {
    let mut text = String::new();
    if took_back {
        let head = Styled(GOOD, format!("Taken {title}: nothing is changed but what was built beside it."));
        let _ = writeln!(text, "\n{head}");
        return text;
    }
    if !failures.is_empty() {
        let _ = writeln!(text, "\n{}", Styled(BAD, format!("The recovery ({title}) is not whole:")));
        text.push_str(&failures_text(failures));
    }
    if !advice.is_empty() {
        let head = "The migration was begun, so nothing is taken back by itself. What to type is yours to choose:";
        let _ = writeln!(text, "\n{}", Styled(HEAD, head.to_owned()));
        for line in advice {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// How long each component was down, the longest first; empty where none was.
#[must_use]
pub fn downtime_text(downtime_ms: &BTreeMap<InstanceId, u64>) -> String {
    let mut all: Vec<(&InstanceId, u64)> = downtime_ms.iter().map(|(id, ms)| (id, *ms)).collect();
    if all.is_empty() {
        return String::new();
    }
    all.sort_by_key(|(id, ms)| (std::cmp::Reverse(*ms), *id));
    let mut text =
        format!("\n{}\n", Styled(HEAD, "DOWNTIME, from the order to stop to the proof that it serves".to_owned()));
    for (id, ms) in all {
        let _ = writeln!(text, "  {:<26} : {}.{} s", id.to_string(), ms / 1000, ms % 1000 / 100);
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
    /// Actions that failed and were rescued.
    pub rescued: usize,
    /// Actions that failed and were ignored; they count as `ok` as well.
    pub ignored: usize,
}

/// Ansible's recap.
#[must_use]
pub fn recap_text<'a>(lines: impl IntoIterator<Item = (&'a HostName, RecapLine)>) -> String {
    let mut lines: Vec<(&HostName, RecapLine)> = lines.into_iter().collect();
    lines.sort_by(|a, b| a.0.cmp(b.0));
    let width = lines.iter().map(|(host, _)| host.as_str().chars().count()).max().unwrap_or(0).max(26);
    let mut text = format!("\n{}\n", Styled(HEAD, format!("{:*<78}", "PLAY RECAP ")));
    for (host, line) in lines {
        let RecapLine { ok, changed, unreachable, failed, skipped, rescued, ignored } = line;
        let style = if failed + unreachable > 0 {
            BAD
        } else if changed > 0 {
            CHANGED
        } else {
            GOOD
        };
        let _ = writeln!(
            text,
            "{} : ok={ok:<4} changed={changed:<4} unreachable={unreachable:<4} failed={failed:<4} skipped={skipped:<4} rescued={rescued:<4} ignored={ignored}",
            Styled(style, format!("{:<width$}", host.as_str()))
        );
    }
    text
}

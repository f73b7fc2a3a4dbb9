//! Findings of the pre-flight as text and as an object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::style::{BAD, CHANGED, GOOD, Styled};
use crate::model::printable;
use crate::plan::Plan;
use crate::preflight::{Finding, Waiver, refused};

/// The version of the JSON format: the first number changes when a reader of the old one would misread.
const FORMAT: &str = "1.0";
/// So many hosts are named of those that share a finding.
const MOST_HOSTS: usize = 8;

/// What the pre-flight says of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreflightReport {
    /// The version of this format.
    pub format_version: String,
    /// Whether a run would be refused.
    pub refused: bool,
    /// All findings, the worst first, waived ones last.
    pub findings: Vec<Finding>,
    /// Waivers that would have been needed and no longer hold.
    pub expired_waivers: Vec<Waiver>,
    /// How many actions a run would carry out, if it is not refused.
    pub actions: usize,
}

impl PreflightReport {
    /// Draws the report.
    #[must_use]
    pub fn new(findings: &[Finding], expired: &[Waiver], plan: &Plan) -> Self {
        let refused = refused(findings);
        Self {
            format_version: FORMAT.into(),
            refused,
            findings: findings.to_vec(),
            expired_waivers: expired.to_vec(),
            actions: if refused { 0 } else { plan.actions().count() },
        }
    }
}

/// The report for people.
#[must_use]
pub fn preflight_text(report: &PreflightReport) -> String {
    let mut text = findings_text(&report.findings, &report.expired_waivers);
    if !report.refused {
        let line = match report.actions {
            0 => "The pre-flight finds nothing that stops a run, and there is nothing to do.".to_owned(),
            actions => {
                format!("The pre-flight finds nothing that stops a run; it would carry out {actions} action(s).")
            }
        };
        let _ = writeln!(text, "{}", Styled(GOOD, line));
    }
    text
}

/// Findings with what they mean for the run; nothing where there are none.
#[must_use]
pub fn findings_text(findings: &[Finding], expired: &[Waiver]) -> String {
    let mut text = String::new();
    let count = findings.iter().filter(|finding| finding.refuses()).count();
    if count > 0 {
        let plural = if count == 1 { "" } else { "s" };
        let heading = format!("REFUSED: {count} finding{plural} of the pre-flight; nothing was changed");
        let _ = writeln!(text, "{}", Styled(BAD, heading));
    }
    for group in grouped(findings.iter().filter(|finding| finding.refuses())) {
        let _ = write!(text, "\n{}", group_text(&group));
    }
    for waiver in expired {
        let line = format!(
            "the waiver of {} at {} has expired ({})",
            waiver.rule,
            waiver.origin,
            waiver.owner.as_deref().unwrap_or("no owner")
        );
        let _ = writeln!(text, "\n{}", Styled(CHANGED, printable(line)));
    }
    let waived: Vec<&Finding> = findings.iter().filter(|finding| !finding.refuses()).collect();
    if !waived.is_empty() {
        let _ = writeln!(text, "{}{}", if count > 0 { "\n" } else { "" }, Styled(CHANGED, "Waived:"));
        for finding in waived {
            let about = finding.about.as_ref().map_or_else(String::new, |about| format!(" {about}"));
            let reason = finding.waived.as_ref().map(ToString::to_string).unwrap_or_default();
            let line = format!("{}/{}: [{}]{about}: {reason}", finding.host, finding.component, finding.code);
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    text
}

/// Findings that say the same of several hosts, together, in the order of the first of each.
fn grouped<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Vec<&'a Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str, &str), usize> = BTreeMap::new();
    for finding in findings {
        let key =
            (finding.code.as_str(), finding.observed.as_str(), finding.next.as_str(), finding.declared_at.as_str());
        match places.get(&key).and_then(|place| groups.get_mut(*place)) {
            Some(group) => group.push(finding),
            None => {
                places.insert(key, groups.len());
                groups.push(vec![finding]);
            }
        }
    }
    groups
}

fn group_text(group: &[&Finding]) -> String {
    let Some((first, others)) = group.split_first() else { return String::new() };
    let mut text = format!("{first}\n");
    if !others.is_empty() {
        let named: Vec<String> =
            others.iter().take(MOST_HOSTS).map(|finding| format!("{}/{}", finding.host, finding.component)).collect();
        let more = others.len().saturating_sub(MOST_HOSTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "  also:     {}{more}", named.join(", "));
    }
    text
}

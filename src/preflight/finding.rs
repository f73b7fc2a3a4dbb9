//! What the pre-flight says: findings with their evidence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{HostName, Timestamp, printable};

/// Whether a rule may be waived. Ordered from the worst on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing waives it.
    Mandatory,
    /// An operator may waive it, by name and with a reason.
    Waivable,
}

/// What a rule says of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable code.
    pub code: String,
    /// The rule's severity.
    pub severity: Severity,
    /// The host.
    pub host: HostName,
    /// The component.
    pub component: String,
    /// What the finding is about, where a rule can be broken by several things at once: a release, a manual step.
    /// A waiver may be narrowed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What was observed.
    pub observed: String,
    /// When it was observed, by the host's clock; `None` where the host was not reached.
    pub observed_at: Option<Timestamp>,
    /// What the rule demands.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// What to do.
    pub next: String,
    /// `file:line:column` of what asked for it.
    pub declared_at: String,
    /// That line, where it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub declared_line: String,
    /// By whom it is waived, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
}

/// How a finding came to be waived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Waived {
    /// The reason that was given.
    pub reason: String,
    /// Who answers for it; `None` on the command line, where it is whoever typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where the waiver was written.
    pub origin: String,
}

impl Finding {
    /// Whether it stops a run.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.waived.is_none()
    }
}

/// Whether any of `findings` stops a run.
#[must_use]
pub fn refused(findings: &[Finding]) -> bool {
    findings.iter().any(Finding::refuses)
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Mandatory => "mandatory",
            Severity::Waivable => "waivable",
        })
    }
}

impl fmt::Display for Waived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, owner, origin } = self;
        match owner {
            Some(owner) => write!(f, "{reason} ({owner}, {origin})"),
            None => write!(f, "{reason} ({origin})"),
        }
    }
}

/// What hosts and packages say is data: it is made printable here, on its way to a terminal.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, host, component, observed, observed_at, rule, source, next, .. } = self;
        let when = observed_at.map_or_else(String::new, |time| format!(" (at {time})"));
        writeln!(f, "{host}/{component}: [{code}] {severity}")?;
        writeln!(f, "  observed: {}{when}", printable(observed))?;
        writeln!(f, "  rule:     {rule} ({source})")?;
        let line = if self.declared_line.is_empty() { String::new() } else { format!(": {}", self.declared_line) };
        writeln!(f, "  asked by: {}{}", self.declared_at, printable(&line))?;
        match &self.waived {
            Some(waived) => write!(f, "  waived:   {}", printable(waived.to_string())),
            None => write!(f, "  next:     {}", printable(next)),
        }
    }
}

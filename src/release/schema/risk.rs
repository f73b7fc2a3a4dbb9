//! What of a revision's text deserves a look before it runs. Pure.
//!
//! Signs, not proofs: each is a pattern in the code (never in strings or comments) with the line that shows it. Lines
//! of `downgrade` don't count, because nothing here runs it.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::python_source::LogicalLine;
use crate::model::printable;

/// A kind of risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskKind {
    /// It opens a connection of its own: what it does there is outside of alembic's transaction.
    OwnConnection,
    /// It commits, or leaves the transaction: a failure later on doesn't take it back.
    LeavesTransaction,
    /// It reads or writes etcd, which no database backup holds.
    Etcd,
    /// It reads configuration, the environment or files: it must run where and as the service does.
    Configuration,
    /// It asks for input, and hangs or fails where nobody answers.
    AsksForInput,
    /// It imports models of the application, which change with each release while the revision doesn't.
    LiveModels,
    /// It works through rows in batches: its time grows with the data.
    DataInBatches,
}

impl RiskKind {
    /// Whether a revision with this sign may do something that is not in the database alone, so that running it on a
    /// copy would meet the real cluster all the same.
    #[must_use]
    pub fn reaches_outside(self) -> bool {
        match self {
            RiskKind::OwnConnection | RiskKind::Etcd | RiskKind::Configuration => true,
            RiskKind::LeavesTransaction | RiskKind::AsksForInput | RiskKind::LiveModels | RiskKind::DataInBatches => {
                false
            }
        }
    }
}

/// One sign of a risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRisk {
    /// What it may mean.
    pub kind: RiskKind,
    /// The line of the file, from 1.
    pub line: usize,
    /// The code on that line.
    pub evidence: String,
}

/// Longest evidence in characters: a terminal's width.
const SHOWN: usize = 100;

/// The patterns, over the code of one logical line.
static PATTERNS: LazyLock<Vec<(RiskKind, Regex)>> = LazyLock::new(|| {
    [
        (
            RiskKind::OwnConnection,
            r"\b(create_engine|create_async_engine|engine_from_config|async_engine_from_config|connect_database|get_engine)\s*\(|\b(asyncpg|psycopg2?|sqlite3)\.connect\s*\(",
        ),
        (RiskKind::LeavesTransaction, r"\bautocommit_block\s*\(|\.commit\s*\(\)|\bisolation_level\s*="),
        (RiskKind::Etcd, r"\b(from|import)\b.*\betcd\w*|\b(Async)?Etcd\w*\s*\("),
        (
            RiskKind::Configuration,
            r"\bos\.(environ|getenv)\b|\bload_(shared_)?config\w*\s*\(|\bfrom\s+[\w.]*\bconfig\w*\s+import\b|(^|[^\w.])open\s*\(|\.open\s*\(|\.read_(text|bytes)\s*\(",
        ),
        (
            RiskKind::AsksForInput,
            r"(^|[^\w.])input\s*\(|\bsys\.stdin\b|\bclick\.(prompt|confirm)\s*\(|\bgetpass\b|\bprompt_toolkit\b",
        ),
        // `models.base` holds column types, and packages named `migration` hold copies that were frozen for this use.
        (RiskKind::LiveModels, r"^(from|import)\s+[\w.]+\.models\b"),
        (RiskKind::DataInBatches, r"(?i)\b\w*(batch|chunk|page)_?size\b|\.yield_per\s*\(|\.fetchmany\s*\("),
    ]
    .into_iter()
    .filter_map(|(kind, pattern)| Some((kind, Regex::new(pattern).ok()?)))
    .collect()
});

/// The first sign of each kind of risk.
pub(super) fn risks_of(lines: &[LogicalLine]) -> Vec<RevisionRisk> {
    let mut risks: Vec<RevisionRisk> = Vec::new();
    let mut in_downgrade = false;
    for line in lines {
        if line.indent == 0 {
            in_downgrade = line.code.starts_with("def downgrade");
        }
        if in_downgrade {
            continue;
        }
        for (kind, pattern) in PATTERNS.iter() {
            let known = risks.iter().any(|risk| risk.kind == *kind);
            if !known && pattern.is_match(&line.code) && !(*kind == RiskKind::LiveModels && is_frozen(&line.code)) {
                let evidence = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
                let evidence = printable(evidence.chars().take(SHOWN).collect::<String>());
                risks.push(RevisionRisk { kind: *kind, line: line.line, evidence });
            }
        }
    }
    risks.sort_by_key(|risk| risk.kind);
    risks
}

/// Whether an import from a package `models` takes only what doesn't change with the models.
fn is_frozen(import: &str) -> bool {
    let module = import.split_whitespace().nth(1).unwrap_or_default();
    let behind = module.split(".models").nth(1).unwrap_or_default();
    behind == ".base" || behind.starts_with(".alembic") || behind.split('.').any(|part| part == "migration")
}

impl RiskKind {
    /// What it is, in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            RiskKind::OwnConnection => "opens a connection of its own",
            RiskKind::LeavesTransaction => "leaves the transaction",
            RiskKind::Etcd => "uses etcd",
            RiskKind::Configuration => "reads configuration, environment or files",
            RiskKind::AsksForInput => "asks for input",
            RiskKind::LiveModels => "imports models of the application",
            RiskKind::DataInBatches => "works through rows in batches",
        }
    }
}

impl fmt::Display for RiskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_pattern() {
        // A pattern that isn't a regular expression would be left out in silence.
        let kinds: Vec<RiskKind> = PATTERNS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
    }
}

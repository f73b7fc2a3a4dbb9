//! Differences between what a component declares and what was observed: what drift reports and what
//! a plan's actions give as their reason.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::release::Release;

/// The class of a difference: what kind of thing drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The installed distribution.
    Package,
    /// The database's schema.
    Schema,
    /// The database's schema, although its row is right.
    SchemaIncomplete,
    /// Nothing runs.
    ProcessStopped,
    /// What runs is older than what is installed.
    ProcessStale,
    /// Something runs beside or instead of what the supervisor started.
    ProcessForeign,
    /// It runs, and doesn't answer as it should.
    Health,
    /// Users are kept out, and no run is at work.
    Frozen,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "difference", rename_all = "kebab-case")]
pub enum Difference {
    /// Another release is installed, or none.
    Package {
        /// The installed release.
        installed: Option<Release>,
        /// The declared release.
        declared: Release,
    },
    /// An install was left half done.
    PackageInterrupted {
        /// What shows it.
        evidence: String,
        /// The declared release.
        declared: Release,
    },
    /// The database is behind the installed package.
    SchemaBehind {
        /// The database's row.
        current: String,
        /// The package's head.
        head: String,
        /// Revisions in between.
        pending: usize,
    },
    /// The database is at the package's head, and lacks revisions below it.
    SchemaIncomplete {
        /// The head.
        head: String,
        /// The revisions that never ran.
        skipped: Vec<String>,
    },
    /// Nothing of the component runs.
    ProcessStopped {
        /// What the supervisor says of it; `None` where there is none to ask.
        state: Option<String>,
    },
    /// What runs was started from an older release.
    ProcessStale {
        /// How this is known.
        evidence: String,
    },
    /// Processes of the component run outside their unit, or were left behind by it.
    ProcessForeign {
        /// Their numbers.
        pids: Vec<u32>,
    },
    /// The process runs, and its endpoint doesn't answer as it should.
    Unhealthy {
        /// What was observed.
        observed: String,
    },
    /// A run that was killed left the cluster frozen.
    Frozen {
        /// The file that tells.
        marker: String,
    },
}

impl Difference {
    /// Its class.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Difference::Package { .. } | Difference::PackageInterrupted { .. } => Cause::Package,
            Difference::SchemaBehind { .. } => Cause::Schema,
            Difference::SchemaIncomplete { .. } => Cause::SchemaIncomplete,
            Difference::ProcessStopped { .. } => Cause::ProcessStopped,
            Difference::ProcessStale { .. } => Cause::ProcessStale,
            Difference::ProcessForeign { .. } => Cause::ProcessForeign,
            Difference::Unhealthy { .. } => Cause::Health,
            Difference::Frozen { .. } => Cause::Frozen,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cause::Package => "package",
            Cause::Schema => "schema",
            Cause::SchemaIncomplete => "schema-incomplete",
            Cause::ProcessStopped => "process-stopped",
            Cause::ProcessStale => "process-stale",
            Cause::ProcessForeign => "process-foreign",
            Cause::Health => "health",
            Cause::Frozen => "frozen",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Package { installed: Some(installed), declared } => {
                write!(f, "{installed} is installed, {declared} is declared")
            }
            Difference::Package { installed: None, declared } => {
                write!(f, "nothing is installed, {declared} is declared")
            }
            Difference::PackageInterrupted { evidence, declared } => {
                write!(f, "an install was interrupted ({evidence}), {declared} is declared")
            }
            Difference::SchemaBehind { current, head, pending } => {
                write!(f, "the database stands at {current}, {pending} revision(s) behind the package's head {head}")
            }
            Difference::SchemaIncomplete { head, skipped } => {
                write!(f, "the database stands at the head {head}, and these never ran: {}", skipped.join(", "))
            }
            Difference::ProcessStopped { state: Some(state) } => write!(f, "no process runs ({state})"),
            Difference::ProcessStopped { state: None } => write!(f, "no process runs"),
            Difference::ProcessStale { evidence } => write!(f, "an older release runs: {evidence}"),
            Difference::ProcessForeign { pids } => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                write!(f, "processes that no unit supervises: {}", pids.join(", "))
            }
            Difference::Unhealthy { observed } => write!(f, "its endpoint is not healthy: {observed}"),
            Difference::Frozen { marker } => write!(f, "an earlier run left the cluster frozen ({marker} is there)"),
        }
    }
}

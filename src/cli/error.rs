//! Errors of the command line: what ends a command before it has an answer.

use std::path::PathBuf;

use super::exit::Exit;
use crate::document::Diagnostics;
use crate::journal::JournalError;
use crate::packages::PackagesError;
use crate::plan::{SavedPlanError, Violation};
use crate::release::{LockError, SnapshotError};

/// Why a command can't give an answer.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was declared is wrong.
    #[error("{0}")]
    Declaration(Diagnostics),
    /// A file can't be read or written.
    #[error("can't {what} {}: {source}", path.display())]
    File {
        /// `read`, `write` or `enter`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A saved plan can't be used.
    #[error("{}: {source}", path.display())]
    SavedPlan {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: SavedPlanError,
    },
    /// A snapshot of published releases can't be used.
    #[error("{}: {source}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: SnapshotError,
    },
    /// A lock file can't be used.
    #[error("{}: {source}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: LockError,
    },
    /// What would be installed could not be found out, of the hosts and releases that are named.
    #[error("what would be installed could not be found out; no lock file was written:\n{}", .0.join("\n"))]
    Unresolved(Vec<String>),
    /// Files that can't be had.
    #[error("{} can't be had; what was fetched is whole and stays:\n{}", files(.0.len()), .0.join("\n"))]
    Fetch(Vec<String>),
    /// A package index or a directory of wheels did not answer.
    #[error("what is published could not be found out: {0}")]
    Packages(#[from] PackagesError),
    /// A list of published releases that can't be given as asked for.
    #[error("{0}")]
    Releases(String),
    /// The planner made a plan that the checker refuses.
    #[error("the plan breaks what must always hold; this is a defect of converge, please report it:\n{}", listed(.0))]
    UnsoundPlan(Vec<Violation>),
    /// What was asked for on the command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// An inventory is needed. One is named elsewhere, perhaps, and isn't taken from there.
    #[error(
        "no inventory: name one with --inventory FILE (nothing else ever chooses hosts){}",
        .0.as_ref().map_or_else(String::new, |named| format!("; next: converge {named}"))
    )]
    NoInventory(Option<String>),
    /// A journal can't be kept or read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The environment lacks something.
    #[error("{0}")]
    Environment(String),
    /// Stopped by a signal before anything was changed.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// Stopped by a signal behind the last action.
    #[error("interrupted while the result was looked at; what was carried out stands, and `converge drift` shows it")]
    InterruptedProof,
}

fn files(count: usize) -> String {
    if count == 1 { "a file".to_owned() } else { format!("{count} files") }
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("  {violation}")).collect::<Vec<_>>().join("\n")
}

impl CliError {
    /// The error as it is printed, with a line break at its end.
    #[must_use]
    pub fn in_full(&self) -> String {
        match self {
            CliError::Declaration(mistakes) => {
                let count = mistakes.len();
                format!(
                    "{mistakes}\nerror: {count} mistake{} in what is declared; nothing was changed\n",
                    if count == 1 { "" } else { "s" }
                )
            }
            other => format!("error: {other}\n"),
        }
    }

    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            CliError::NoInventory(_) | CliError::Usage(_) => Exit::Usage,
            CliError::Interrupted | CliError::InterruptedProof => Exit::Interrupted,
            CliError::Declaration(_)
            | CliError::File { .. }
            | CliError::SavedPlan { .. }
            | CliError::Snapshot { .. }
            | CliError::Lock { .. }
            | CliError::Unresolved(_)
            | CliError::Fetch(_)
            | CliError::Packages(_)
            | CliError::Journal(_)
            | CliError::Releases(_)
            | CliError::UnsoundPlan(_)
            | CliError::Environment(_) => Exit::Error,
        }
    }
}

impl From<Diagnostics> for CliError {
    fn from(mistakes: Diagnostics) -> Self {
        CliError::Declaration(mistakes)
    }
}

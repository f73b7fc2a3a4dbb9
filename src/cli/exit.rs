//! Exit codes, in one table.

use std::process::ExitCode;

/// How the program ends. `docs/exit-codes.md` says what to do about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; in sync; nothing to do.
    Ok,
    /// Something could not be read, understood or written. Nothing was changed.
    Error,
    /// There is something to do (`drift`, `plan`, `--check`). Nothing was changed.
    Drift,
    /// The pre-flight refused. Nothing was changed.
    Refused,
    /// A host could not be reached.
    Unreachable,
    /// An action failed on a host, or the cluster isn't as declared after the run.
    Failed,
    /// A saved plan no longer fits what is there. Nothing was changed.
    Stale,
    /// The question before the run was answered by no. Nothing was changed.
    Declined,
    /// Another run has the lock, or took it over.
    Locked,
    /// A mistake on the command line.
    Usage,
    /// Stopped by a signal.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Error => 1,
            Exit::Drift => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
            Exit::Failed => 5,
            Exit::Stale => 6,
            Exit::Declined => 7,
            Exit::Locked => 8,
            // EX_USAGE of sysexits(3): 2, the usual one, means drift here.
            Exit::Usage => 64,
            // 128 and the number of SIGINT.
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

//! What is run on a host and what came of it.

use std::time::Duration;

/// A script for `/bin/sh`, fed to it on standard input, so that it works whatever the login shell is.
///
/// The shell reads the script as it goes: a command in it that reads standard input would swallow the rest. Give
/// such commands `</dev/null`. A script that needs input of its own brings it along as a here-document, or has
/// [`Command::input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The script.
    pub script: Vec<u8>,
    /// What the script itself reads from standard input, any bytes; where there is none, that is the script's rest.
    pub input: Vec<u8>,
    /// How long it may take, opening its channel included.
    pub limit: Duration,
    /// How many bytes of standard output and standard error together are kept; the rest is counted.
    pub output_limit: usize,
}

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output as it arrived; it may end in the middle of a line or of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputChunk<'a> {
    /// Where it was written to.
    pub stream: Stream,
    /// The bytes, those beyond the output limit left out.
    pub bytes: &'a [u8],
}

/// A script that was started, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// How it ended, as far as is known.
    pub outcome: Outcome,
    /// What it wrote to standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// Bytes of output that arrived but were beyond the limit, and so are in neither.
    pub dropped: u64,
    /// Whether all output had arrived.
    pub end: OutputEnd,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(u32),
    /// A signal ended it; the name is without `SIG`, and printable.
    Signaled(String),
    /// Nobody knows; its effects may be none, some or all. Never to be retried blindly.
    Unknown(UnknownCause),
}

/// Why nobody knows how a script ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCause {
    /// The time was up first.
    #[error("it had not ended after {limit:?}{process}")]
    TimedOut {
        /// The command's limit.
        limit: Duration,
        /// What became of the process.
        process: AfterTimeout,
    },
    /// It printed so much beyond the limit that nobody listened any longer.
    #[error("it printed more than {heard} bytes, and nobody listened any longer{process}")]
    Flooded {
        /// How many bytes had arrived.
        heard: u64,
        /// What became of the process.
        process: AfterTimeout,
    },
    /// The connection ended first.
    #[error("the connection was lost while it ran ({reason}); it may still be running")]
    Lost {
        /// What was seen of it, printable.
        reason: String,
    },
    /// The other side closed the channel without saying how the script ended.
    #[error("the other side did not say how it ended; it may still be running")]
    NoStatus,
}

/// What becomes of a script whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterTimeout {
    /// Over SSH: closing a channel kills nothing.
    MayBeRunning,
    /// Locally: its process group was killed.
    Killed,
}

impl std::fmt::Display for AfterTimeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MayBeRunning => " and may still be running",
            Self::Killed => " and was killed",
        })
    }
}

/// Whether the output is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputEnd {
    /// Both streams ended.
    Complete,
    /// The script ended, but something that it left behind still holds a stream open; what was written until
    /// shortly after the end is there.
    HeldOpen,
    /// The outcome is unknown, so there may have been more.
    CutOff,
}

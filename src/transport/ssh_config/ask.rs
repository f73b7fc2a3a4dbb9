//! Asks `ssh -G`. The only place that starts it.

#![expect(clippy::disallowed_methods, reason = "asking ssh is a process")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::dump::Dump;
use crate::model::printable;

/// An answer takes 5 ms; `Match exec` and looking names up in the DNS (5 s a try) may take longer.
const ASK_LIMIT: Duration = Duration::from_secs(20);

/// An answer has 5 KB; thousands of IdentityFile lines would still fit.
const ANSWER_LIMIT: u64 = 1024 * 1024;

/// Complaints are shown up to this many lines: the first one says it.
const COMPLAINTS_SHOWN: usize = 3;

/// Why `ssh -G` gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It couldn't be started.
    #[error("can't start {}: {reason}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        reason: String,
    },
    /// It refused: mostly a mistake in a file, which it names.
    #[error("ssh can't make sense of its configuration: {complaints}")]
    Refused {
        /// What it said, printable.
        complaints: String,
    },
    /// It took too long.
    #[error("ssh did not say within {limit:?} what its configuration means")]
    Timeout {
        /// How long it was waited for.
        limit: Duration,
    },
}

/// What `ssh -G` says with these options about a name.
pub(super) async fn ask(program: &Path, options: &[String], name: &str) -> Result<Dump, AskError> {
    let start_error = |error: std::io::Error| AskError::Start { program: program.into(), reason: error.to_string() };
    // Without -T it complains that there is no terminal.
    let mut child = tokio::process::Command::new(program)
        .args(["-T", "-G"])
        .args(options)
        .arg("--")
        .arg(name)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(start_error)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut answer, mut complaints) = (Vec::new(), Vec::new());
    let reading = async {
        let read_answer = async {
            match stdout {
                Some(stdout) => stdout.take(ANSWER_LIMIT).read_to_end(&mut answer).await.map(|_| ()),
                None => Ok(()),
            }
        };
        let read_complaints = async {
            match stderr {
                Some(stderr) => stderr.take(ANSWER_LIMIT).read_to_end(&mut complaints).await.map(|_| ()),
                None => Ok(()),
            }
        };
        tokio::try_join!(read_answer, read_complaints)?;
        child.wait().await
    };
    let status = match timeout(ASK_LIMIT, reading).await {
        Ok(status) => status.map_err(start_error)?,
        Err(_) => return Err(AskError::Timeout { limit: ASK_LIMIT }),
    };
    if !status.success() {
        let text = String::from_utf8_lossy(&complaints);
        let lines: Vec<String> = text.lines().take(COMPLAINTS_SHOWN).map(printable).collect();
        let complaints = if lines.is_empty() { status.to_string() } else { lines.join("; ") };
        return Err(AskError::Refused { complaints });
    }
    Ok(Dump::parse(&String::from_utf8_lossy(&answer)))
}

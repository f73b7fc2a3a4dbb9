//! What is printed. Standard output carries the answer, standard error everything that is said beside it; styles are
//! stripped where there is no terminal.
//!
//! Secrets are taken out of all of it. Nobody has to listen: whoever reads may go away at any time, and a run that changes hosts goes on all the same.

use std::io::{ErrorKind, Write as _};

use super::error::CliError;
use super::secrets;

/// Prints a part of the answer.
///
/// # Errors
/// When it can't be written, as on a full disk. A reader who has gone away has read enough: that is no error.
pub(super) fn answer(text: &str) -> Result<(), CliError> {
    let mut stream = anstream::stdout().lock();
    match stream.write_all(secrets::cleaned(text).as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::Environment(format!("can't write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints an answer for programs.
///
/// # Errors
/// As [`answer`].
pub(super) fn answer_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Environment(error.to_string()))?;
    answer(&format!("{text}\n"))
}

/// Prints a line on the course of a run. What can't be written is lost, and the run goes on.
pub(super) fn progress(line: &str) {
    let mut stream = anstream::stdout().lock();
    let _ = writeln!(stream, "{}", secrets::cleaned(line)).and_then(|()| stream.flush());
}

/// Says something beside the answer.
pub(super) fn say(text: &str) {
    let _ = anstream::stderr().lock().write_all(secrets::cleaned(text).as_bytes());
}

//! What a command of the operator says: whether work runs, whether users know. It is run on the host as the user who
//! logs in; it is the operator's promise that it changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandQuery {
    /// Run by `/bin/sh -c`, without standard input.
    pub command: String,
    /// Its environment, beside what the session has. Values may be secrets: they travel in the probe's text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

impl CommandQuery {
    /// A command in the session's own environment.
    #[must_use]
    pub fn of(command: impl Into<String>) -> Self {
        Self { command: command.into(), environment: BTreeMap::new() }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// Its exit status.
    pub status: u8,
    /// Its standard output and error in one line, cut off behind 2000 bytes.
    pub output: String,
}

/// Seconds that a question may take: the probe as a whole has a minute.
const TIMEOUT_SECONDS: u32 = 20;
/// More than this is for a log.
const OUTPUT_BYTES: u32 = 2000;

/// 124 is what timeout(1) exits with when time ran out, 137 when it had to kill.
pub(super) const FUNCTION: &str = r#"x() {
o=$(eval "${4-}"; timeout -k 2 "$2" /bin/sh /dev/fd/8 2>&1 </dev/null 8<<E
$1
E
); r=$?
case $r in 124|137) e unknown "it gave no answer in $2 s"; return;; esac
e status "$r"; e output "$(printf %s "$o" | head -c "$3" | tr '\n\t' '  ')"
}
"#;

pub(super) fn call(query: &CommandQuery) -> String {
    let call = format!("x {} {TIMEOUT_SECONDS} {OUTPUT_BYTES}", quote(&query.command));
    if query.environment.is_empty() {
        return call;
    }
    // Set in the shell that runs the command and nowhere else.
    let exports = query.environment.iter().map(|(name, value)| format!("export {name}={}; ", quote(value)));
    format!("{call} {}", quote(&exports.collect::<String>()))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<CommandAnswer> {
    match answer.get("status").map(str::parse) {
        // 126 and 127: the shell found no such command, or may not run it.
        Some(Ok(status @ (126 | 127))) => Observed::Unknown(format!(
            "it can't be run (status {status}): {}",
            answer.get("output").unwrap_or_default().trim()
        )),
        Some(Ok(status)) => Observed::Known(CommandAnswer {
            status,
            output: answer.get("output").unwrap_or_default().trim().to_owned(),
        }),
        Some(Err(_)) | None => Observed::Unknown("it gave no exit status".into()),
    }
}

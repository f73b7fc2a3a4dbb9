//! Runs a program that is an inventory. I/O.

#![expect(clippy::disallowed_methods, reason = "starts the programs that are inventories")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::document::{Diagnostic, Diagnostics, Source};
use crate::inventory::hosts_to_ask;

/// How long a program may take for one answer. Those that ask a cloud take seconds; what takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Most that is read of one answer, in bytes: as much as of a file.
const ANSWER: u64 = 16 * 1024 * 1024;

/// Most that is shown of what a program says beside its answer, in bytes.
const SAID: usize = 2000;

/// What a program printed: its list, and what it said of each host, where it was asked.
pub(super) type Answers = (Arc<Source>, BTreeMap<String, Arc<Source>>);

/// Asks a program for its list, and for each host where the list doesn't hold what hosts have. Messages call it `name`.
///
/// # Errors
/// When it can't be run, fails, takes too long, or prints something else.
pub(super) fn run(program: &Path, name: &str) -> Result<Answers, Diagnostics> {
    // A thread and a runtime of its own, so that reading declarations stays an ordinary function call.
    let asked = std::thread::scope(|scope| scope.spawn(|| ask_all(program, name)).join());
    asked.unwrap_or_else(|_| Err(Diagnostic::nowhere(format!("{name} could not be asked")).into()))
}

fn ask_all(program: &Path, name: &str) -> Result<Answers, Diagnostics> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Diagnostic::nowhere(format!("{name} can't be run: {error}")))?;
    runtime.block_on(async {
        let list = ask(program, name, &["--list"]).await?;
        let mut hosts = BTreeMap::new();
        for host in hosts_to_ask(&list)? {
            let answer = ask(program, name, &["--host", &host]).await?;
            if !answer.text.trim().is_empty() {
                hosts.insert(host, answer);
            }
        }
        Ok((list, hosts))
    })
}

/// One answer.
async fn ask(program: &Path, name: &str, arguments: &[&str]) -> Result<Arc<Source>, Diagnostic> {
    let shown = format!("{name} {}", arguments.join(" "));
    let cant = |error: std::io::Error| Diagnostic::nowhere(format!("{shown} can't be run: {error}"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(cant)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let all = async {
        let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
        Ok::<_, std::io::Error>((stdout?, stderr?, child.wait().await?))
    };
    let Ok(ended) = tokio::time::timeout(LIMIT, all).await else {
        let message = format!("{shown} gave no answer in {} s, and was stopped", LIMIT.as_secs());
        return Err(Diagnostic::nowhere(message).hint("run it yourself to see what it waits for"));
    };
    let (stdout, stderr, status) = ended.map_err(cant)?;
    let said = said(&stderr);
    if !status.success() {
        let how = status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"));
        let diagnostic = Diagnostic::nowhere(format!("{shown} ended with {how}"));
        return Err(diagnostic.maybe_hint((!said.is_empty()).then(|| format!("it said: {said}"))));
    }
    if stdout.len() as u64 > ANSWER {
        return Err(Diagnostic::nowhere(format!("{shown} printed more than {ANSWER} bytes")));
    }
    match String::from_utf8(stdout) {
        Ok(text) => Ok(Source::new(shown, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(Diagnostic::nowhere(format!("what {shown} printed isn't UTF-8 (byte {at})")))
        }
    }
}

async fn read(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(ANSWER + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The end of what it said, in one line.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(SAID)..]).into_owned();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}

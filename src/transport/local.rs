//! The same on the controller itself: a shell per script, in a process group of its own.
//!
//! It runs as the user, in the directory and with the environment of converge. What becomes another user gets a session of
//! its own, so that it has no terminal to ask on: a person who runs converge isn't asked behind its back.

#![expect(clippy::disallowed_methods, reason = "a local session is a process")]

use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Session;
use super::capture::{Capture, Ran};
use super::command::{AfterTimeout, Command, Completed, Outcome, OutputChunk, OutputEnd, Stream, UnknownCause};
use super::error::TransportError;
use super::nonce::nonce;
use super::start::{Shell, Start};
use crate::model::HostName;

const SHELL: &str = "/bin/sh";

/// Starts a program in a session of its own (util-linux, busybox).
const SETSID: &str = "setsid";

/// How long to wait for more output after the script has ended. What it wrote is in the pipes by then, so this only
/// has to let a busy machine schedule us.
const GRACE: Duration = Duration::from_millis(200);

/// How long killing a process group may take; the kill itself is one system call.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// As much as a pipe holds on Linux.
const READ_SIZE: usize = 64 * 1024;

/// Opens local sessions.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalConnector;

impl LocalConnector {
    /// A session; nothing is started yet.
    #[must_use]
    pub fn connect(self, host: &HostName) -> LocalSession {
        LocalSession { host: host.clone() }
    }
}

/// A session on the controller.
#[derive(Debug, Clone)]
pub struct LocalSession {
    host: HostName,
}

impl LocalSession {
    /// Starts a shell and feeds it, within the limits of `command`, whose script is in `start` already.
    ///
    /// # Errors
    /// When no shell was started. Whether it came to its script is in the answer.
    pub(super) async fn run_shell(
        &self,
        start: &Start,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Ran, TransportError> {
        let Command { script: _, input: _, limit, output_limit } = command;
        let (program, mut process, process_after) = match start.shell {
            Shell::Script => {
                let mut process = tokio::process::Command::new(SHELL);
                process.process_group(0);
                (SHELL, process, AfterTimeout::Killed)
            }
            // It leads no group yet, so it becomes the leader of a session, and of a group, under its own number. What runs
            // as another user can't be killed from here.
            Shell::FirstLine => {
                let mut process = tokio::process::Command::new(SETSID);
                process.arg(SHELL);
                (SETSID, process, AfterTimeout::MayBeRunning)
            }
        };
        let mut child = process
            .args(start.shell.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| TransportError::Spawn { host: self.host.clone(), program, source })?;
        let mut capture = Capture::new(*output_limit, &start.cue, output);
        let deadline = pin!(sleep(*limit));
        let (outcome, end) = match drain(&mut child, &start.input, &mut capture, deadline).await {
            Ended::Exited { status, end } => (outcome(status), end),
            Ended::TimedOut => {
                kill_group(&mut child).await;
                let cause = UnknownCause::TimedOut { limit: *limit, process: process_after };
                (Outcome::Unknown(cause), OutputEnd::CutOff)
            }
            Ended::Flooded => {
                kill_group(&mut child).await;
                (capture.flooded(process_after), OutputEnd::CutOff)
            }
        };
        Ok(capture.complete(outcome, end))
    }
}

impl Session for LocalSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, TransportError> {
        let start = Start::plain(&nonce(), command);
        self.run_shell(&start, command, output).await.map(|ran| ran.completed)
    }

    async fn close(self) {}
}

enum Ended {
    Exited { status: ExitStatus, end: OutputEnd },
    TimedOut,
    Flooded,
}

/// Feeds the script, drains both streams and waits for the end, all at once.
async fn drain(
    child: &mut Child,
    script: &[u8],
    capture: &mut Capture<'_>,
    mut deadline: std::pin::Pin<&mut Sleep>,
) -> Ended {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut writing = pin!(feed(child.stdin.take(), script));
    let mut grace = pin!(sleep(GRACE));
    let (mut out_buffer, mut err_buffer) = (Vec::with_capacity(READ_SIZE), Vec::with_capacity(READ_SIZE));
    let (mut fed, mut exited) = (false, None);
    loop {
        if let (Some(status), None, None) = (exited, &stdout, &stderr) {
            return Ended::Exited { status, end: OutputEnd::Complete };
        }
        tokio::select! {
            open = read(&mut stdout, &mut out_buffer), if stdout.is_some() => {
                capture.push(Stream::Stdout, &out_buffer);
                if !open { stdout = None; }
            }
            open = read(&mut stderr, &mut err_buffer), if stderr.is_some() => {
                capture.push(Stream::Stderr, &err_buffer);
                if !open { stderr = None; }
            }
            () = &mut writing, if !fed => fed = true,
            status = child.wait(), if exited.is_none() => match status {
                Ok(status) => exited = Some(status),
                // Can't happen to a child of ours; treated as one that never ends.
                Err(_) => return Ended::TimedOut,
            },
            () = &mut grace, if exited.is_some() => {
                if let Some(status) = exited { return Ended::Exited { status, end: OutputEnd::HeldOpen } }
            }
            () = &mut deadline => return exited
                .map_or(Ended::TimedOut, |status| Ended::Exited { status, end: OutputEnd::HeldOpen }),
        }
        if capture.is_flooded() {
            return Ended::Flooded;
        }
        grace.as_mut().reset(Instant::now() + GRACE);
    }
}

/// Reads a piece; whether the stream is still open.
async fn read(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    match stream {
        Some(stream) => stream.read_buf(buffer).await.is_ok_and(|read| read > 0),
        None => false,
    }
}

async fn feed(stdin: Option<ChildStdin>, script: &[u8]) {
    if let Some(mut stdin) = stdin {
        // A shell that ended early closes its end: that is no error of ours.
        let _ = stdin.write_all(script).await;
    }
}

/// Kills the script and all of its descendants that stayed in its group. The group's number can't have been
/// reused, as its leader is only reaped afterwards.
async fn kill_group(child: &mut Child) {
    if let Some(group) = child.id() {
        let kill = tokio::process::Command::new(SHELL)
            .args(["-c", "kill -s KILL -- \"-$0\" 2>/dev/null", &group.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = timeout(KILL_LIMIT, kill).await;
    }
    let _ = timeout(KILL_LIMIT, child.kill()).await;
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code().and_then(|code| u32::try_from(code).ok()), status.signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, Some(signal)) => Outcome::Signaled(signal_name(signal)),
        (None, None) => Outcome::Unknown(UnknownCause::NoStatus),
    }
}

/// The names of RFC 4254 for Linux's numbers, so that both transports speak alike.
fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        10 => "USR1",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return other.to_string(),
    };
    name.to_owned()
}

//! A script on a terminal of the server's: only where a program that makes another user insists on one.
//!
//! A terminal is no pipe: it has one stream out, no end of what is sent, it echoes and edits lines, and a program that asks
//! for a password may throw away what was sent before. So it is asked for without all editing, the script is sent by its
//! length, and everything is sent only when the other side is ready for it, which takes a few round trips more.

use std::pin::pin;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf, Pty};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::capture::{Capture, Ran};
use super::command::{AfterTimeout, Command, Outcome, OutputChunk, OutputEnd, Stream, UnknownCause};
use super::error::{Stage, TransportError};
use super::ssh_session::{Ended, Exchange, GRACE, SshSession, give_up};
use super::start::{Shell, TerminalStart};

/// No echo, no editing, no signals, no translation, in either direction.
const RAW: [(Pty, u32); 15] = [
    (Pty::ECHO, 0),
    (Pty::ECHOE, 0),
    (Pty::ECHOK, 0),
    (Pty::ECHONL, 0),
    (Pty::ICANON, 0),
    (Pty::ISIG, 0),
    (Pty::IEXTEN, 0),
    (Pty::ICRNL, 0),
    (Pty::INLCR, 0),
    (Pty::IGNCR, 0),
    (Pty::ISTRIP, 0),
    (Pty::IXON, 0),
    (Pty::IXOFF, 0),
    (Pty::OPOST, 0),
    (Pty::ONLCR, 0),
];

/// How a script on a terminal ended.
enum EndedThere {
    Ended(Ended),
    /// The password was asked for once more, or asked for and there is none.
    AskedAgain,
}

impl SshSession {
    /// Starts a shell on a terminal, answers its question for a password, and sends it the script.
    ///
    /// # Errors
    /// When no terminal was had. Whether the script began is in the answer.
    pub(super) async fn run_in_terminal(
        &self,
        start: &TerminalStart,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Ran, TransportError> {
        let deadline = Instant::now() + command.limit;
        let Ok(channel) = tokio::time::timeout(command.limit, self.open()).await else {
            let (endpoint, limit) = (self.endpoint_shared(), command.limit);
            return Err(TransportError::Timeout { endpoint, stage: Stage::OpenChannel, limit });
        };
        let channel = channel?;
        let asked = channel.request_pty(false, "dumb", 80, 24, 0, 0, &RAW).await.is_ok()
            && channel.exec(true, Shell::FirstLine.request()).await.is_ok();
        if !asked {
            return Err(self.lost());
        }
        let (mut reader, writer) = channel.split();
        let mut capture = Capture::new(command.output_limit, &start.cue, output);
        let talked = talk(start, [&command.script, &command.input], &mut capture, &mut reader, &writer, deadline).await;
        let (outcome, end) = match talked {
            EndedThere::Ended(Ended::Refused) => {
                return Err(TransportError::ExecRefused { endpoint: self.endpoint_shared() });
            }
            EndedThere::Ended(Ended::Closed { status: Some(outcome) }) => (outcome, OutputEnd::Complete),
            EndedThere::Ended(Ended::Closed { status: None }) => {
                (Outcome::Unknown(self.no_status()), OutputEnd::CutOff)
            }
            EndedThere::Ended(Ended::HeldOpen { outcome, eof: _ }) => (outcome, OutputEnd::HeldOpen),
            EndedThere::Ended(Ended::TimedOut) => {
                let cause = UnknownCause::TimedOut { limit: command.limit, process: AfterTimeout::MayBeRunning };
                (Outcome::Unknown(cause), OutputEnd::CutOff)
            }
            EndedThere::Ended(Ended::Flooded) => (capture.flooded(AfterTimeout::MayBeRunning), OutputEnd::CutOff),
            EndedThere::AskedAgain => {
                let gate = capture.gate(Stream::Stdout);
                gate.forget();
                let said: &[u8] =
                    if start.password.is_some() { b"no password was provided" } else { b"a password is required" };
                gate.pass(said);
                // Not its own status: it is hung up on in the middle of its question.
                (Outcome::Exited(1), OutputEnd::Complete)
            }
        };
        give_up(&writer).await;
        Ok(capture.complete(outcome, end))
    }
}

/// Says what is due, drains what comes, and waits for the end, all at once.
async fn talk(
    start: &TerminalStart,
    said: [&[u8]; 2],
    capture: &mut Capture<'_>,
    reader: &mut ChannelReadHalf,
    writer: &ChannelWriteHalf<Msg>,
    deadline: Instant,
) -> EndedThere {
    let (say, due) = mpsc::unbounded_channel();
    let _ = say.send(Zeroizing::new(start.line.clone().into_bytes()));
    let mut writing = pin!(write(writer, due));
    let mut deadline = pin!(tokio::time::sleep_until(deadline));
    let mut grace = pin!(sleep(Duration::ZERO));
    let mut exchange = Exchange { capture, status: None, eof: false };
    let (mut answered, mut sent, mut written) = (false, false, false);
    loop {
        tokio::select! {
            message = reader.wait() => {
                let Some(message) = message else {
                    return EndedThere::Ended(Ended::Closed { status: exchange.status.take() });
                };
                if let Some(ended) = exchange.take(message) {
                    return EndedThere::Ended(ended);
                }
                if exchange.status.is_some() {
                    grace.as_mut().reset(Instant::now() + GRACE);
                }
                let gate = exchange.capture.gate(Stream::Stdout);
                if gate.is_open() {
                    if !sent {
                        sent = true;
                        let _ = say.send(Zeroizing::new(said.concat()));
                    }
                } else if asks(start, gate.before()) {
                    match &start.password {
                        Some(password) if !answered => {
                            answered = true;
                            gate.forget();
                            let _ = say.send(password.clone());
                        }
                        Some(_) | None => return EndedThere::AskedAgain,
                    }
                }
            }
            () = &mut writing, if !written => written = true,
            () = &mut grace, if exchange.status.is_some() => return EndedThere::Ended(exchange.held_open()),
            () = &mut deadline => return EndedThere::Ended(
                if exchange.status.is_some() { exchange.held_open() } else { Ended::TimedOut }
            ),
        }
    }
}

/// Whether what came last is the question for a password.
fn asks(start: &TerminalStart, before: &[u8]) -> bool {
    let text = String::from_utf8_lossy(before);
    start.prompts.iter().any(|prompt| text.trim_end().ends_with(prompt.as_str()))
}

/// Writes what is due, one after the other, for as long as somebody reads it.
async fn write(writer: &ChannelWriteHalf<Msg>, mut due: mpsc::UnboundedReceiver<Zeroizing<Vec<u8>>>) {
    while let Some(bytes) = due.recv().await {
        if bytes.is_empty() || writer.data_bytes(bytes.to_vec()).await.is_err() {
            return;
        }
    }
}

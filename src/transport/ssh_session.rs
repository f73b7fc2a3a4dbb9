//! Running scripts on an SSH connection.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, Sig};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Session;
use super::capture::{Capture, Ran};
use super::command::{AfterTimeout, Command, Completed, Outcome, OutputChunk, OutputEnd, Stream, UnknownCause};
use super::error::{Endpoint, Stage, TransportError};
use super::jump::Jump;
use super::leash::Leash;
use super::nonce::nonce;
use super::ssh::Connection;
use super::ssh_handler::{ClientHandler, Ending};
use super::ssh_route::Opened;
use super::start::Start;
use crate::model::printable;

/// How long to wait for more after a script has ended, when something that it left behind still holds its output
/// open. Output written before the end arrives right behind the exit status; only a lost segment delays it, by
/// Linux's least time-out of 200 ms and a round trip.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// How long the last words may take. They only have to leave this machine.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// An open SSH connection, logged in.
pub struct SshSession {
    endpoint: Arc<Endpoint>,
    handle: Handle<ClientHandler>,
    ending: Arc<Ending>,
    leash: Leash,
    environment: Vec<(String, String)>,
    /// Held for as long as the session goes through it.
    jump: Option<Arc<Jump>>,
}

impl fmt::Debug for SshSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshSession").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl SshSession {
    pub(super) fn new(opened: Opened) -> Self {
        let Opened { endpoint, settings, connection, jump } = opened;
        let Connection { handle, leash, ending, is_unsafe: _ } = connection;
        Self { endpoint, handle, ending, leash, environment: settings.environment.clone(), jump }
    }

    /// Where the session leads.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn endpoint_shared(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    pub(super) async fn open(&self) -> Result<Channel<Msg>, TransportError> {
        match self.handle.channel_open_session().await {
            Ok(channel) => {
                // Unasked: a server takes what its AcceptEnv names and passes the rest over.
                for (name, value) in &self.environment {
                    if channel.set_env(false, name.as_str(), value.as_str()).await.is_err() {
                        return Err(self.lost());
                    }
                }
                Ok(channel)
            }
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                let reason = printable(format!("{reason:?}"));
                Err(TransportError::SessionRefused { endpoint: self.endpoint.clone(), reason })
            }
            Err(_) => Err(self.lost()),
        }
    }

    pub(super) fn lost(&self) -> TransportError {
        let (endpoint, reason) = (self.endpoint.clone(), self.ending.reason());
        TransportError::Lost { endpoint, stage: Stage::OpenChannel, reason, tried: Vec::new() }
    }

    /// Why there is no exit status.
    pub(super) fn no_status(&self) -> UnknownCause {
        if self.ending.is_known() || self.handle.is_closed() {
            UnknownCause::Lost { reason: self.ending.reason() }
        } else {
            UnknownCause::NoStatus
        }
    }

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
        let mut deadline = pin!(sleep(*limit));
        let channel = tokio::select! {
            opened = self.open() => opened?,
            () = &mut deadline => {
                let (endpoint, limit) = (self.endpoint.clone(), *limit);
                return Err(TransportError::Timeout { endpoint, stage: Stage::OpenChannel, limit });
            }
        };
        // The request, the script and its end are sent together, without waiting for the answer to the first.
        if channel.exec(true, start.shell.request()).await.is_err() {
            return Err(self.lost());
        }
        let (mut reader, writer) = channel.split();
        let mut capture = Capture::new(*output_limit, &start.cue, output);
        let ended = {
            let mut writing = pin!(feed(&writer, &start.input));
            let mut exchange = Exchange { capture: &mut capture, status: None, eof: false };
            exchange.run(&mut reader, writing.as_mut(), deadline).await
        };
        match ended {
            Ended::Refused => Err(TransportError::ExecRefused { endpoint: self.endpoint.clone() }),
            Ended::Closed { status: Some(outcome) } => Ok(capture.complete(outcome, OutputEnd::Complete)),
            Ended::Closed { status: None } => {
                Ok(capture.complete(Outcome::Unknown(self.no_status()), OutputEnd::CutOff))
            }
            Ended::HeldOpen { outcome, eof } => {
                give_up(&writer).await;
                let end = if eof { OutputEnd::Complete } else { OutputEnd::HeldOpen };
                Ok(capture.complete(outcome, end))
            }
            Ended::TimedOut => {
                give_up(&writer).await;
                let cause = UnknownCause::TimedOut { limit: *limit, process: AfterTimeout::MayBeRunning };
                Ok(capture.complete(Outcome::Unknown(cause), OutputEnd::CutOff))
            }
            Ended::Flooded => {
                give_up(&writer).await;
                let outcome = capture.flooded(AfterTimeout::MayBeRunning);
                Ok(capture.complete(outcome, OutputEnd::CutOff))
            }
        }
    }
}

impl Session for SshSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, TransportError> {
        let ran = self.run_shell(&Start::plain(&nonce(), command), command, output).await?;
        if ran.never_began() {
            let (endpoint, said) = (self.endpoint.clone(), ran.last_words());
            return Err(TransportError::LoginShell { endpoint, said: said.unwrap_or_else(|| "nothing".to_owned()) });
        }
        Ok(ran.completed)
    }

    async fn close(self) {
        let Self { endpoint: _, handle, ending: _, leash, environment: _, jump } = self;
        let take_leave = async {
            if handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                // Resolves when the connection's task has written it out and ended.
                let _ = handle.await;
            }
        };
        let _ = timeout(CLOSE_LIMIT, take_leave).await;
        drop((leash, jump));
    }
}

/// Sends the script and its end. Waits as long as the other side doesn't read, so it must never be waited for
/// alone: a script that ends early leaves the rest unread.
async fn feed(writer: &ChannelWriteHalf<Msg>, script: &[u8]) {
    if writer.data_bytes(script.to_vec()).await.is_ok() {
        let _ = writer.eof().await;
    }
}

/// Closes a channel that the other side keeps open. Its process isn't ended by that.
pub(super) async fn give_up(writer: &ChannelWriteHalf<Msg>) {
    let _ = timeout(CLOSE_LIMIT, writer.close()).await;
}

/// How the conversation on a channel ended.
pub(super) enum Ended {
    /// The request was refused, so nothing ran.
    Refused,
    /// The other side closed the channel, or the connection is gone.
    Closed { status: Option<Outcome> },
    /// The script ended, but its channel stayed open.
    HeldOpen { outcome: Outcome, eof: bool },
    /// The time was up first.
    TimedOut,
    /// It said so much that it was no longer listened to.
    Flooded,
}

/// One script's conversation: feeds it and drains both of its streams, as an undrained channel would stop the
/// whole connection.
pub(super) struct Exchange<'a, 'b> {
    pub(super) capture: &'a mut Capture<'b>,
    pub(super) status: Option<Outcome>,
    pub(super) eof: bool,
}

impl Exchange<'_, '_> {
    async fn run(
        &mut self,
        reader: &mut ChannelReadHalf,
        mut writing: std::pin::Pin<&mut impl Future<Output = ()>>,
        mut deadline: std::pin::Pin<&mut Sleep>,
    ) -> Ended {
        let mut fed = false;
        let mut grace = pin!(sleep(GRACE));
        loop {
            tokio::select! {
                message = reader.wait() => {
                    let Some(message) = message else { return Ended::Closed { status: self.status.take() } };
                    if let Some(ended) = self.take(message) {
                        return ended;
                    }
                    if self.status.is_some() {
                        grace.as_mut().reset(Instant::now() + GRACE);
                    }
                }
                () = &mut writing, if !fed => fed = true,
                () = &mut grace, if self.status.is_some() => return self.held_open(),
                () = &mut deadline => return if self.status.is_some() { self.held_open() } else { Ended::TimedOut },
            }
        }
    }

    pub(super) fn held_open(&mut self) -> Ended {
        match self.status.take() {
            Some(outcome) => Ended::HeldOpen { outcome, eof: self.eof },
            None => Ended::TimedOut,
        }
    }

    pub(super) fn take(&mut self, message: ChannelMsg) -> Option<Ended> {
        match message {
            ChannelMsg::Data { data } => self.capture.push(Stream::Stdout, &data),
            // RFC 4254 names one kind of extended data, 1 for standard error; any other is kept with it.
            ChannelMsg::ExtendedData { data, .. } => self.capture.push(Stream::Stderr, &data),
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(Outcome::Exited(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.status = Some(Outcome::Signaled(signal_text(&signal_name)));
            }
            ChannelMsg::Eof => self.eof = true,
            ChannelMsg::Failure if self.status.is_none() => return Some(Ended::Refused),
            ChannelMsg::Close => return Some(Ended::Closed { status: self.status.take() }),
            // Window adjustments and the answer "success" need nothing; the rest no server sends here.
            _ => {}
        }
        self.capture.is_flooded().then_some(Ended::Flooded)
    }
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => printable(name),
        known => format!("{known:?}"),
    }
}

//! Scripts as another user than the one who logs in: one wrapper for whatever way leads to the host.
//!
//! 1. A script that could not be started is an error, whatever sudo, su or doas exit with.
//! 2. A wrong password is tried once, over all sessions of a run with a host: accounts are locked after a few failures.
//! 3. Without a password, or where none is asked for, it costs no round trip more than a script of the login's own user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::any::Way;
use super::become_failure::{BecomeFailure, read_failure};
use super::capture::Ran;
use super::nonce::nonce;
use super::start::{Start, TerminalStart};
use super::{Command, Completed, Outcome, OutputChunk, TransportError};
use crate::model::{BecomeMethod, BecomeUser, HostName};

/// What is known of a host's password.
#[derive(Debug, Default)]
pub(super) struct PasswordState {
    verdict: AtomicU8,
    /// Held by the first script, until it is known whether its password is right.
    first: Mutex<()>,
}

const RIGHT: u8 = 1;
const WRONG: u8 = 2;

/// The user to become on one session.
#[derive(Debug)]
pub(super) struct Becomer {
    host: HostName,
    become_user: BecomeUser,
    state: Arc<PasswordState>,
    /// Whether it was found to work on a terminal only.
    needs_terminal: AtomicBool,
}

impl Becomer {
    pub(super) fn new(host: HostName, become_user: BecomeUser, state: Arc<PasswordState>) -> Self {
        Self { host, become_user, state, needs_terminal: AtomicBool::new(false) }
    }

    /// # Errors
    /// When the password is known to be wrong.
    pub(super) fn check_password(&self) -> Result<(), TransportError> {
        match self.state.verdict.load(Ordering::SeqCst) {
            WRONG => Err(self.error(BecomeFailure::WrongPassword)),
            _ => Ok(()),
        }
    }

    /// Runs a script as the user.
    ///
    /// # Errors
    /// When it was not started.
    pub(super) async fn run(
        &self,
        way: &Way,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, TransportError> {
        let _alone = self.alone_until_proven().await;
        self.check_password()?;
        let began = Instant::now();
        if !self.needs_terminal.load(Ordering::SeqCst) {
            let start = Start::becoming(&nonce(), &self.become_user, command);
            let failure = match self.judge(way.run_shell(&start, command, output).await?) {
                Ok(completed) => return Ok(completed),
                Err(failure) => failure,
            };
            if !self.wants_terminal(&failure) {
                return Err(self.error(failure));
            }
            self.needs_terminal.store(true, Ordering::SeqCst);
        }
        let Way::Ssh(session) = way else { return Err(self.error(BecomeFailure::NeedsTerminal)) };
        let start = TerminalStart::becoming(&nonce(), &self.become_user, command);
        let rest = Command { limit: command.limit.saturating_sub(began.elapsed()), ..command.clone() };
        let ran = session.run_in_terminal(&start, &rest, output).await?;
        self.judge(ran).map_err(|failure| self.error(failure))
    }

    async fn alone_until_proven(&self) -> Option<MutexGuard<'_, ()>> {
        if self.become_user.password.is_none() || self.state.verdict.load(Ordering::SeqCst) == RIGHT {
            return None;
        }
        Some(self.state.first.lock().await)
    }

    /// Whether the script began; if not, why.
    fn judge(&self, ran: Ran) -> Result<Completed, BecomeFailure> {
        if !ran.never_began() {
            if ran.begun {
                self.state.verdict.store(RIGHT, Ordering::SeqCst);
            }
            return Ok(ran.completed);
        }
        let status = match ran.completed.outcome {
            Outcome::Exited(status) => Some(status),
            Outcome::Signaled(_) | Outcome::Unknown(_) => None,
        };
        let failure = read_failure(&self.become_user, status, &ran.before);
        if failure == BecomeFailure::WrongPassword {
            self.state.verdict.store(WRONG, Ordering::SeqCst);
        }
        Err(failure)
    }

    fn wants_terminal(&self, failure: &BecomeFailure) -> bool {
        match failure {
            BecomeFailure::NeedsTerminal => true,
            BecomeFailure::PasswordNeeded => {
                self.become_user.method == BecomeMethod::Doas && self.become_user.password.is_some()
            }
            BecomeFailure::WrongPassword
            | BecomeFailure::NotAllowed { .. }
            | BecomeFailure::NoSuchUser
            | BecomeFailure::NotInstalled
            | BecomeFailure::Other { .. } => false,
        }
    }

    fn error(&self, failure: BecomeFailure) -> TransportError {
        let BecomeUser { method, user, password: _ } = &self.become_user;
        TransportError::Become { host: self.host.clone(), method: *method, user: user.clone(), failure }
    }
}

//! One connector for every kind of target.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::become_session::{Becomer, PasswordState};
use super::capture::Ran;
use super::nonce::some_of;
use super::start::Start;
use super::{
    Command, Completed, Connector, LocalConnector, LocalSession, OutputChunk, Session, SshConnector, SshOptions,
    SshSession, SshTarget, Target, TargetKind, TransportError,
};
use crate::model::HostName;

/// Waits before a server that turned us away is tried again; half as long again at most, at random. sshd's MaxStartups
/// (10 logins under way, by default) lets somebody in each time that a login ends, which takes a tenth of a second or two. After
/// eight to twelve seconds it has another reason.
const TURNED_AWAY: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Connects to any target in the way that it says, and becomes whom it says there.
#[derive(Debug)]
pub struct AnyConnector {
    ssh: SshConnector,
    local: LocalConnector,
    /// What became of each host's password: over all sessions with it, so that a wrong one is tried once.
    passwords: Mutex<BTreeMap<HostName, Arc<PasswordState>>>,
}

impl AnyConnector {
    /// A connector that goes by these options where it uses SSH.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        Self { ssh: SshConnector::new(options), local: LocalConnector, passwords: Mutex::default() }
    }

    async fn connect_by_ssh(&self, host: &HostName, target: &SshTarget) -> Result<SshSession, TransportError> {
        for wait in TURNED_AWAY {
            match self.ssh.connect(host, target).await {
                Err(error) if error.is_turned_away() => {
                    tracing::info!(%host, %error, "turned away, trying again");
                    sleep(wait + some_of(wait / 2)).await;
                }
                connected => return connected,
            }
        }
        self.ssh.connect(host, target).await
    }

    fn becomer(&self, target: &Target) -> Option<Becomer> {
        let become_user = target.become_user.clone()?;
        let mut passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        let state = Arc::clone(passwords.entry(target.name.clone()).or_default());
        Some(Becomer::new(target.name.clone(), become_user, state))
    }
}

/// A session of any kind.
#[derive(Debug)]
pub struct AnySession {
    way: Way,
    becomer: Option<Becomer>,
}

/// The way to the host.
#[derive(Debug)]
pub(super) enum Way {
    Ssh(SshSession),
    Local(LocalSession),
}

impl Way {
    /// Starts a shell and feeds it, within the command's limits.
    pub(super) async fn run_shell(
        &self,
        start: &Start,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Ran, TransportError> {
        match self {
            Self::Ssh(session) => session.run_shell(start, command, output).await,
            Self::Local(session) => session.run_shell(start, command, output).await,
        }
    }
}

impl Connector for AnyConnector {
    type Session = AnySession;

    async fn connect(&self, target: &Target) -> Result<AnySession, TransportError> {
        let becomer = self.becomer(target);
        // A password that is known to be wrong isn't worth a connection.
        if let Some(becomer) = &becomer {
            becomer.check_password()?;
        }
        let way = match &target.kind {
            TargetKind::Ssh(ssh) => Way::Ssh(self.connect_by_ssh(&target.name, ssh).await?),
            TargetKind::Local => Way::Local(self.local.connect(&target.name)),
        };
        Ok(AnySession { way, becomer })
    }
}

impl Session for AnySession {
    async fn run(
        &self,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, TransportError> {
        match (&self.becomer, &self.way) {
            (Some(becomer), way) => becomer.run(way, command, output).await,
            (None, Way::Ssh(session)) => session.run(command, output).await,
            (None, Way::Local(session)) => session.run(command, output).await,
        }
    }

    async fn close(self) {
        match self.way {
            Way::Ssh(session) => session.close().await,
            Way::Local(session) => session.close().await,
        }
    }
}

//! One connector for every kind of target.

use super::{
    Command, Completed, Connector, LocalConnector, LocalSession, OutputChunk, Session, SshConnector, SshOptions,
    SshSession, Target, TargetKind, TransportError,
};

/// Connects to any target in the way that it says.
#[derive(Debug)]
pub struct AnyConnector {
    ssh: SshConnector,
    local: LocalConnector,
}

impl AnyConnector {
    /// A connector that goes by these options where it uses SSH.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        Self { ssh: SshConnector::new(options), local: LocalConnector }
    }
}

/// A session of any kind.
#[derive(Debug)]
pub enum AnySession {
    /// Over SSH.
    Ssh(SshSession),
    /// A local shell.
    Local(LocalSession),
}

impl Connector for AnyConnector {
    type Session = AnySession;

    async fn connect(&self, target: &Target) -> Result<AnySession, TransportError> {
        match &target.kind {
            TargetKind::Ssh(ssh) => self.ssh.connect(&target.name, ssh).await.map(AnySession::Ssh),
            TargetKind::Local => Ok(AnySession::Local(self.local.connect(&target.name))),
        }
    }
}

impl Session for AnySession {
    async fn run(
        &self,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, TransportError> {
        match self {
            Self::Ssh(session) => session.run(command, output).await,
            Self::Local(session) => session.run(command, output).await,
        }
    }

    async fn close(self) {
        match self {
            Self::Ssh(session) => session.close().await,
            Self::Local(session) => session.close().await,
        }
    }
}

//! A session on a host: over SSH, or a local shell. I/O, behind two traits so that everything above can be run
//! against a fake. Reads no environment and no configuration of its own: whoever wires it passes paths and names.
//!
//! What callers may rely on, whatever the implementation:
//!
//! 1. An `Err` from [`Session::run`] means that the script never started; only an `Ok` may have had effects.
//! 2. A lost connection and a time-out are [`Outcome::Unknown`], never an exit status.
//! 3. Output beyond the command's limit is counted in [`Completed::dropped`], never silently lost.
//! 4. Every wait is bounded, by the options when connecting and by [`Command::limit`] when running.
//! 5. Text from the other side reaches messages only through [`crate::model::printable`].

mod any;
mod asker;
mod become_failure;
mod become_session;
mod capture;
mod command;
mod error;
mod gate;
mod host_key;
mod identity;
mod jump;
mod key_file;
mod key_signer;
mod known_hosts;
mod known_hosts_store;
mod leash;
mod local;
mod nonce;
mod notices;
mod proxy_command;
mod shared;
mod ssh;
mod ssh_auth;
mod ssh_client;
mod ssh_config;
mod ssh_handler;
mod ssh_route;
mod ssh_session;
mod ssh_stream;
mod ssh_terminal;
mod start;
mod target;

use std::future::Future;

pub use any::{AnyConnector, AnySession};
pub use asker::{Asker, Prompt};
pub use become_failure::BecomeFailure;
pub use command::{AfterTimeout, Command, Completed, Outcome, OutputChunk, OutputEnd, Stream, UnknownCause};
pub use error::{Endpoint, IdentityTried, Stage, TransportError, Tried};
pub use known_hosts::{FileLine, HostKeys, KnownHosts, KnownKey, Verdict, lookup_name};
pub use local::{LocalConnector, LocalSession};
pub(crate) use nonce::nonce;
pub use notices::Notices;
pub use ssh::{SshConnector, SshOptions};
pub use ssh_config::{AskError, ConfigError, ConfigText, LocalFacts, SettingsError, SshConfig, SshSettings};
pub use ssh_session::SshSession;
pub use target::{SshTarget, Target, TargetKind};

/// Opens sessions. One connector serves a whole run: it shares keys and known hosts among all of them.
pub trait Connector: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens a session on a host, within the connector's time-outs.
    ///
    /// # Errors
    /// When the host can't be reached, isn't who it should be, or doesn't let us in. Nothing ran on it.
    fn connect(&self, target: &Target) -> impl Future<Output = Result<Self::Session, TransportError>> + Send;
}

/// An open session: runs scripts, one after the other or a few at a time.
pub trait Session: Send + Sync {
    /// Runs a script and collects what it prints; `output` sees each piece that is kept as it arrives.
    ///
    /// OpenSSH allows ten commands at a time on one connection (`MaxSessions`), of which one more is refused with
    /// [`TransportError::SessionRefused`].
    ///
    /// Dropping the future gives up waiting and nothing else: over SSH the script goes on, locally only its shell is
    /// killed.
    ///
    /// # Errors
    /// When the script was not started. As soon as it may have been, the answer is a [`Completed`].
    fn run(
        &self,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> impl Future<Output = Result<Completed, TransportError>> + Send;

    /// Ends the session in good order. Dropping a session also ends it, without taking leave.
    fn close(self) -> impl Future<Output = ()> + Send;
}

//! Connecting over SSH: settings, TCP, key exchange with a strict host key check, login. Each stage has its own time-out.

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::{self, Handle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::asker::Asker;
use super::error::{Endpoint, Stage, TransportError};
use super::identity::Identities;
use super::jump::{Jump, JumpKey};
use super::known_hosts_store::KnownHostsFiles;
use super::leash::{Leash, leash};
use super::notices::Notices;
use super::shared::Shared;
use super::ssh_auth::Login;
use super::ssh_client::client_config;
use super::ssh_config::{LocalFacts, LoginMethod, Request, Resolver, SshConfig, SshSettings};
use super::ssh_handler::{ClientHandler, Ending, handshake_error};
use super::ssh_route::Hop;
use super::ssh_session::SshSession;
use super::target::SshTarget;
use crate::model::{HostName, Secret};

/// How to connect. The caller fills in what depends on its user and environment.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// The user to log in as where neither the target nor SSH configuration names one: who runs converge.
    pub user: String,
    /// The user to log in as where a target names none, whatever SSH configuration says (`--user`).
    pub named_user: Option<String>,
    /// The private key where a target names none, whatever SSH configuration says (`--private-key`).
    pub named_identity: Option<PathBuf>,
    /// Seconds for connecting, whatever SSH configuration says (`--timeout`).
    pub named_connect_timeout: Option<u64>,
    /// Known-hosts files, the user's own first: hints name it. Missing ones are fine, unreadable ones are not. SSH
    /// configuration may name others.
    pub known_hosts: Vec<PathBuf>,
    /// Private keys to try where nothing names any.
    pub identities: Vec<PathBuf>,
    /// Socket of the ssh-agent (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
    /// For resolving the name and connecting by TCP, shared among all addresses of a host.
    pub connect_timeout: Duration,
    /// For greeting and key exchange.
    pub handshake_timeout: Duration,
    /// For logging in.
    pub auth_timeout: Duration,
    /// How long the other side may be silent before it is asked whether it still lives.
    pub keepalive_interval: Duration,
    /// SSH configuration to go by; without it, targets and these options are all there is.
    pub config: Option<SshConfig>,
    /// What configuration may refer to.
    pub local: LocalFacts,
    /// The password of hosts of which the inventory has none (`--ask-pass`).
    pub password: Option<Secret>,
    /// Who is asked for passphrases.
    pub asker: Asker,
    /// Who is told what deserves a word.
    pub notices: Notices,
}

impl SshOptions {
    /// The defaults for a user with this home directory, without SSH configuration.
    ///
    /// 10 s to connect: a lost SYN is sent again after 1, 3 and 7 s, so three may be lost. 30 s for the handshake and
    /// 30 s for the login: a loaded server starts a process per connection and may look the client's name up in the
    /// DNS (5 s per try); sshd itself gives up after 120 s. A silent host is asked every 15 s and given up after three
    /// unanswered questions: within a minute, as with OpenSSH's `ServerAliveInterval 15`.
    #[must_use]
    pub fn for_home(user: impl Into<String>, home: &std::path::Path) -> Self {
        let ssh = home.join(".ssh");
        let user = user.into();
        let system = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from);
        // In OpenSSH's order. Keys of hardware (`_sk`) sign through the agent only.
        let identities = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];
        Self {
            named_user: None,
            named_identity: None,
            named_connect_timeout: None,
            known_hosts: ["known_hosts", "known_hosts2"].map(|name| ssh.join(name)).into_iter().chain(system).collect(),
            identities: identities.iter().map(|name| ssh.join(name)).collect(),
            agent: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(30),
            auth_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(15),
            config: None,
            local: LocalFacts { home: home.to_owned(), user: user.clone(), ..LocalFacts::default() },
            password: None,
            asker: Asker::default(),
            notices: Notices::default(),
            user,
        }
    }
}

/// Opens SSH sessions. Settings, known hosts and keys are read when the first host needs them, and shared.
#[derive(Debug)]
pub struct SshConnector {
    pub(super) options: SshOptions,
    pub(super) resolver: Resolver,
    pub(super) jumps: Shared<JumpKey, Result<Arc<Jump>, Arc<TransportError>>>,
    identities: Identities,
    known_hosts: KnownHostsFiles,
}

/// A connection whose server has proved who it is.
pub(super) struct Connection {
    pub(super) handle: Handle<ClientHandler>,
    pub(super) leash: Leash,
    pub(super) ending: Arc<Ending>,
    /// Whether the host may be anybody: then nothing goes there that could be used elsewhere.
    pub(super) is_unsafe: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("ending", &self.ending).finish_non_exhaustive()
    }
}

impl SshConnector {
    /// A connector that goes by these options. Reads nothing yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        Self {
            options,
            resolver: Resolver::new(),
            jumps: Shared::default(),
            identities: Identities::default(),
            known_hosts: KnownHostsFiles::default(),
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// As [`super::Connector::connect`].
    pub async fn connect(&self, host: &HostName, target: &SshTarget) -> Result<SshSession, TransportError> {
        let hop =
            Hop { host: host.clone(), request: self.request(target), chain: None, password: self.password(target) };
        self.open(hop).await.map(SshSession::new)
    }

    fn password(&self, target: &SshTarget) -> Option<Secret> {
        target.password.clone().or_else(|| self.options.password.clone())
    }

    fn request(&self, target: &SshTarget) -> Request {
        Request {
            name: target.address.clone(),
            port: target.port,
            user: target.user.clone().or_else(|| self.options.named_user.clone()),
            identity_file: target.identity_file.clone().or_else(|| self.options.named_identity.clone()),
            connect_timeout: self.options.named_connect_timeout,
            config: target.config.clone(),
            options: target.options.clone(),
        }
    }

    pub(super) async fn log_in(
        &self,
        endpoint: &Arc<Endpoint>,
        settings: &SshSettings,
        password: Option<&Secret>,
        connection: &mut Connection,
    ) -> Result<(), TransportError> {
        let limit = self.options.auth_timeout;
        let asker = Some(&self.options.asker).filter(|asker| asker.is_there() && !settings.login.batch);
        let mut settings = settings.login.clone();
        if connection.is_unsafe {
            settings.methods.retain(|method| *method == LoginMethod::PublicKey);
        }
        let password = password.filter(|_| !connection.is_unsafe);
        let mut login = pin!(async {
            let offer = self.identities.offer(&settings.identities, asker).await;
            let Connection { handle, leash: _, ending, is_unsafe: _ } = connection;
            Login { handle, endpoint, settings: &settings, ending, asker, password }.run(offer).await
        });
        // Whoever is asked for a passphrase may take the time that the server gives.
        for _ in 0..ASKING_LIMITS {
            match timeout(limit, &mut login).await {
                Ok(result) => return result,
                Err(_) if self.options.asker.is_asking() => {}
                Err(_) => break,
            }
        }
        Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Authenticate, limit })
    }

    pub(super) async fn shake_hands<S>(
        &self,
        endpoint: &Arc<Endpoint>,
        settings: &Arc<SshSettings>,
        stream: S,
    ) -> Result<Connection, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let known_hosts = self.known_hosts.of(endpoint, &settings.host_keys).await?;
        let host_keys = known_hosts.of(endpoint);
        let config = Arc::new(client_config(settings, &host_keys));
        let ending = Arc::<Ending>::default();
        let is_unsafe = Arc::<AtomicBool>::default();
        let handler = ClientHandler {
            endpoint: endpoint.clone(),
            settings: Arc::clone(settings),
            known_hosts,
            host_keys: host_keys.clone(),
            notices: self.options.notices.clone(),
            ending: Arc::clone(&ending),
            is_unsafe: Arc::clone(&is_unsafe),
        };
        let (leash, stream) = leash(stream);
        let limit = self.options.handshake_timeout;
        match timeout(limit, client::connect_stream(config, stream, handler)).await {
            Ok(Ok(handle)) => Ok(Connection { handle, leash, ending, is_unsafe: is_unsafe.load(Ordering::Relaxed) }),
            Ok(Err(error)) => Err(handshake_error(endpoint.clone(), &host_keys, error)),
            Err(_) => Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Handshake, limit }),
        }
    }
}

/// As long as somebody is asked, the limit for logging in is granted so often: with 30 s that is sshd's own patience of two
/// minutes (`LoginGraceTime`).
const ASKING_LIMITS: usize = 4;

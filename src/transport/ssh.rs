//! Connecting over SSH: TCP, key exchange with a strict host key check, login. Each stage has its own time-out.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::error::{Endpoint, Stage, TransportError};
use super::identity::Identities;
use super::known_hosts::{HostKeys, KnownHosts};
use super::leash::{Leash, leash};
use super::ssh_auth::Login;
use super::ssh_handler::{ClientHandler, Ending, handshake_error};
use super::ssh_session::SshSession;
use super::target::SshTarget;
use crate::model::HostName;

/// How to connect. The caller fills in what depends on its user and environment.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// The user to log in as where a target names none: who runs converge.
    pub user: String,
    /// Known-hosts files, the user's own first: hints name it. Missing ones are fine, unreadable ones are not.
    pub known_hosts: Vec<PathBuf>,
    /// Private keys to try where a target names none.
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
}

impl SshOptions {
    /// The defaults for a user with this home directory.
    ///
    /// 10 s to connect: a lost SYN is sent again after 1, 3 and 7 s, so three may be lost. 30 s for the handshake and
    /// 30 s for the login: a loaded server starts a process per connection and may look the client's name up in the
    /// DNS (5 s per try); sshd itself gives up after 120 s. A silent host is asked every 15 s and given up after three
    /// unanswered questions: within a minute, as with OpenSSH's `ServerAliveInterval 15`.
    #[must_use]
    pub fn for_home(user: impl Into<String>, home: &std::path::Path) -> Self {
        let ssh = home.join(".ssh");
        Self {
            user: user.into(),
            known_hosts: vec![ssh.join("known_hosts"), PathBuf::from("/etc/ssh/ssh_known_hosts")],
            identities: ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| ssh.join(name)).collect(),
            agent: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(30),
            auth_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(15),
        }
    }
}

/// Opens SSH sessions. Known hosts and keys are read when the first host needs them, and shared.
#[derive(Debug)]
pub struct SshConnector {
    options: SshOptions,
    identities: Identities,
    known_hosts: OnceCell<Arc<KnownHosts>>,
    /// For hosts of which nothing is known: they are refused, but with the fingerprint of the key they show.
    unrestricted: Arc<client::Config>,
}

impl SshConnector {
    /// A connector that goes by these options. Reads nothing yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        let identities = Identities::new(options.agent.clone(), options.identities.clone());
        let unrestricted = Arc::new(client_config(&options, Cow::Borrowed(HOST_KEY_ALGORITHMS)));
        Self { options, identities, known_hosts: OnceCell::new(), unrestricted }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// As [`super::Connector::connect`].
    pub async fn connect(&self, host: &HostName, target: &SshTarget) -> Result<SshSession, TransportError> {
        let endpoint = Arc::new(Endpoint {
            host: host.clone(),
            user: target.user.clone().unwrap_or_else(|| self.options.user.clone()),
            address: target.address.clone(),
            port: target.port,
        });
        let known_hosts = self.known_hosts.get_or_try_init(|| self.read_known_hosts(&endpoint)).await?;
        let stream = self.connect_tcp(&endpoint).await?;
        let (mut handle, leash, ending) = self.shake_hands(&endpoint, stream, known_hosts).await?;

        let limit = self.options.auth_timeout;
        let login = async {
            let offer = self.identities.offer(target.identity_file.as_deref()).await;
            let identities = &self.identities;
            Login { handle: &mut handle, endpoint: &endpoint, identities, ending: &ending }.run(offer).await
        };
        match timeout(limit, login).await {
            Ok(result) => result?,
            Err(_) => return Err(TransportError::Timeout { endpoint, stage: Stage::Authenticate, limit }),
        }
        Ok(SshSession::new(endpoint, handle, leash, ending))
    }

    async fn read_known_hosts(&self, endpoint: &Arc<Endpoint>) -> Result<Arc<KnownHosts>, TransportError> {
        let mut known_hosts = KnownHosts::default();
        for path in &self.options.known_hosts {
            match tokio::fs::read(path).await {
                Ok(content) => known_hosts.add_file(path, &content),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => known_hosts.add_file(path, b""),
                Err(source) => {
                    let (endpoint, path) = (endpoint.clone(), path.clone());
                    return Err(TransportError::KnownHostsUnreadable { endpoint, path, source });
                }
            }
        }
        Ok(Arc::new(known_hosts))
    }

    async fn connect_tcp(&self, endpoint: &Arc<Endpoint>) -> Result<TcpStream, TransportError> {
        let limit = self.options.connect_timeout;
        let connect = async {
            let resolved = tokio::net::lookup_host((endpoint.address.as_str(), endpoint.port)).await;
            let addresses: Vec<SocketAddr> = match resolved {
                Ok(addresses) => addresses.collect(),
                Err(source) => return Err(TransportError::Resolve { endpoint: endpoint.clone(), source }),
            };
            connect_first(endpoint, addresses, limit).await
        };
        match timeout(limit, connect).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Connect, limit }),
        }
    }

    async fn shake_hands(
        &self,
        endpoint: &Arc<Endpoint>,
        stream: TcpStream,
        known_hosts: &Arc<KnownHosts>,
    ) -> Result<(Handle<ClientHandler>, Leash, Arc<Ending>), TransportError> {
        let host_keys = known_hosts.lookup(&endpoint.address, endpoint.port);
        let config = self.config_for(&host_keys);
        let ending = Arc::<Ending>::default();
        let handler = ClientHandler {
            endpoint: endpoint.clone(),
            known_hosts: Arc::clone(known_hosts),
            host_keys: host_keys.clone(),
            ending: Arc::clone(&ending),
        };
        let (leash, stream) = leash(stream);
        let limit = self.options.handshake_timeout;
        match timeout(limit, client::connect_stream(config, stream, handler)).await {
            Ok(Ok(handle)) => Ok((handle, leash, ending)),
            Ok(Err(error)) => Err(handshake_error(endpoint.clone(), &host_keys, error)),
            Err(_) => Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Handshake, limit }),
        }
    }

    /// A host of which keys are known is only offered their algorithms, so that it presents one of those rather
    /// than another that we don't know.
    fn config_for(&self, host_keys: &HostKeys) -> Arc<client::Config> {
        let algorithms = host_keys.algorithms();
        if algorithms.is_empty() {
            return Arc::clone(&self.unrestricted);
        }
        Arc::new(client_config(&self.options, Cow::Owned(algorithms)))
    }
}

/// Connects to the first address that answers; each gets its share of what is left of the time, so that one that
/// swallows packets doesn't use up all of it.
async fn connect_first(
    endpoint: &Arc<Endpoint>,
    addresses: Vec<SocketAddr>,
    limit: Duration,
) -> Result<TcpStream, TransportError> {
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in &addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it each small packet waits for the one before to be acknowledged: 40 to 80 ms a login.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    match last.kind() {
        std::io::ErrorKind::TimedOut => {
            Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Connect, limit })
        }
        _ => Err(TransportError::Connect { endpoint: endpoint.clone(), tried: addresses, source: last }),
    }
}

/// Unanswered keepalives before a connection is given up: one may be lost, two unlikely, three mean it's gone.
const KEEPALIVE_MAX: usize = 3;

/// Messages that wait for their reader before the connection stops reading, at up to 32 KB each: enough to keep a
/// fast connection busy, and half a megabyte at most for a session.
const CHANNEL_BUFFER: usize = 16;

fn client_config(options: &SshOptions, host_key_algorithms: Cow<'static, [Algorithm]>) -> client::Config {
    client::Config {
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: host_key_algorithms,
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: Some(options.keepalive_interval),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Key exchange. The hybrid first: it also holds against a quantum computer, for 0.2 ms more than curve25519 alone.
/// Fixed groups last, for servers that have nothing else. Nothing with SHA-1.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Ciphers. AES-GCM first: by measurement the cheapest, on both sides. No CBC.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// MACs, for the ciphers that need one. SHA-2 only.
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// Host keys. RSA signs with SHA-2 only; no DSA.
const HOST_KEY_ALGORITHMS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

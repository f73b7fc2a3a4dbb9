//! How one host is reached, as SSH configuration and inventory have it. Plain data.

use std::path::PathBuf;
use std::time::Duration;

use russh::keys::Algorithm;
use russh::{cipher, kex, mac};

/// Everything that is set for one host.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// `HostName`: name or address to connect to.
    pub(crate) address: String,
    /// `Port`.
    pub(crate) port: u16,
    /// `User`.
    pub(crate) user: String,
    /// How the way there begins.
    pub(crate) way: Way,
    /// Which host keys are accepted.
    pub(crate) host_keys: HostKeySettings,
    /// How to log in.
    pub(crate) login: LoginSettings,
    /// What is offered to the server.
    pub(crate) algorithms: AlgorithmSettings,
    /// TCP and liveness.
    pub(crate) network: NetworkSettings,
    /// What is sent to the host's environment, in order: `SetEnv`, then what `SendEnv` picks.
    pub(crate) environment: Vec<(String, String)>,
}

impl SshSettings {
    /// Name or address to connect to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port; never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The names of the jump hosts on the way, in turn.
    pub fn jump_hosts(&self) -> impl Iterator<Item = &str> {
        let hosts = match &self.way {
            Way::Jump(hosts) => hosts.as_slice(),
            Way::Direct | Way::Command(_) => &[],
        };
        hosts.iter().map(|host| host.name.as_str())
    }

    /// The files of known hosts, each from the root on.
    #[must_use]
    pub fn known_hosts_files(&self) -> &[PathBuf] {
        &self.host_keys.files
    }
}

/// How the way to a host begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// By TCP.
    Direct,
    /// `ProxyJump`: through these, in turn.
    Jump(Vec<JumpHost>),
    /// `ProxyCommand`: through the standard input and output of this command, tokens replaced.
    Command(String),
}

/// One host of a `ProxyJump`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JumpHost {
    /// The user, where one is named.
    pub(crate) user: Option<String>,
    /// The name to ask SSH configuration about.
    pub(crate) name: String,
    /// The port, where one is named.
    pub(crate) port: Option<u16>,
}

/// Which host keys are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKeySettings {
    /// `HostKeyAlias`: the name to look keys up by, without a port.
    pub(crate) alias: Option<String>,
    /// `StrictHostKeyChecking`.
    pub(crate) checking: HostKeyChecking,
    /// `UserKnownHostsFile`, then `GlobalKnownHostsFile`.
    pub(crate) files: Vec<PathBuf>,
    /// Where accepted keys are written to: the first of `UserKnownHostsFile`, if there is one.
    pub(crate) own_file: Option<PathBuf>,
    /// `HashKnownHosts`.
    pub(crate) hash: bool,
    /// `CASignatureAlgorithms`, where set.
    pub(crate) ca_signatures: Option<Vec<String>>,
    /// `RequiredRSASize`: bits.
    pub(crate) least_rsa_bits: u32,
}

/// What becomes of a host key that isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostKeyChecking {
    /// It is refused (`yes`, and `ask`, as nobody can be asked while hundreds are connected).
    Strict,
    /// It is written down and trusted from then on; one that has changed is refused.
    AcceptNew,
    /// Any key is accepted, also one that has changed.
    Off,
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginSettings {
    /// `IdentityFile`, `CertificateFile` and what goes with them.
    pub(crate) identities: IdentitySettings,
    /// Ways to log in, best first: `PreferredAuthentications`, without what is switched off or unknown here.
    pub(crate) methods: Vec<LoginMethod>,
    /// `BatchMode`: nobody is asked for anything.
    pub(crate) batch: bool,
}

/// Keys to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentitySettings {
    /// Key files, in order.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the files were named, by configuration or inventory, and are not just the usual ones.
    pub(crate) named: bool,
    /// Whether the first file comes before all keys of the agent: the inventory or the command line names it.
    pub(crate) file_first: bool,
    /// `CertificateFile`, in order.
    pub(crate) certificates: Vec<PathBuf>,
    /// `IdentitiesOnly`: of the agent's keys only those of named files.
    pub(crate) only: bool,
    /// Socket of the agent.
    pub(crate) agent: Option<PathBuf>,
    /// `PubkeyAcceptedAlgorithms`, where set.
    pub(crate) accepted: Option<Vec<String>>,
    /// `RequiredRSASize`: bits.
    pub(crate) least_rsa_bits: u32,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginMethod {
    /// A key or a certificate.
    PublicKey,
    /// Questions of the server, answered with the password.
    KeyboardInteractive,
    /// A password.
    Password,
}

/// What is offered to the server; `None` is our own choice.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlgorithmSettings {
    /// `KexAlgorithms`.
    pub(crate) kex: Option<Vec<kex::Name>>,
    /// `Ciphers`.
    pub(crate) ciphers: Option<Vec<cipher::Name>>,
    /// `MACs`.
    pub(crate) macs: Option<Vec<mac::Name>>,
    /// `HostKeyAlgorithms` that are plain keys.
    pub(crate) host_keys: Option<Vec<Algorithm>>,
    /// `HostKeyAlgorithms` that are certificates, by the algorithm of the key in them.
    pub(crate) host_certificates: Option<Vec<Algorithm>>,
    /// `Compression`.
    pub(crate) compression: bool,
}

/// TCP and liveness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkSettings {
    /// `AddressFamily`.
    pub(crate) family: AddressFamily,
    /// `BindAddress`: the address to connect from.
    pub(crate) bind_address: Option<String>,
    /// `ConnectTimeout`: for resolving the name and connecting by TCP, shared among all addresses of a host.
    pub(crate) connect_timeout: Duration,
    /// `ConnectionAttempts`: how often connecting is tried, a second apart.
    pub(crate) attempts: u32,
    /// `ServerAliveInterval`: how long the server may be silent before it is asked whether it still lives.
    pub(crate) keepalive_interval: Duration,
    /// `ServerAliveCountMax`: how many such questions may go unanswered.
    pub(crate) keepalive_max: usize,
    /// `RekeyLimit`: bytes, where set.
    pub(crate) rekey_bytes: Option<usize>,
    /// `RekeyLimit`: time, where set.
    pub(crate) rekey_time: Option<Duration>,
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    /// All.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

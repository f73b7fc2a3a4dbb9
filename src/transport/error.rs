//! What can go wrong before a script has started, by stage. Hints on what to type next are apart, in
//! [`TransportError::hint`].

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::become_failure::{self, BecomeFailure};
use super::known_hosts::{FileLine, KnownKey, lookup_name};
use super::ssh_config::ConfigError;
use crate::model::{BecomeMethod, HostName};

/// A host and how it was to be reached; printed as `gpu07 (deploy@10.0.0.7:22)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host's name in the inventory.
    pub host: HostName,
    /// The user to log in as.
    pub user: String,
    /// The name or address to connect to.
    pub address: String,
    /// The TCP port.
    pub port: u16,
    /// The name that its keys are looked up by, where that isn't its address (`HostKeyAlias`).
    pub alias: Option<String>,
    /// What the way leads through, where it isn't direct.
    pub via: Option<String>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, user, address, port, alias: _, via } = self;
        if address.contains(':') {
            write!(f, "{host} ({user}@[{address}]:{port}")?;
        } else {
            write!(f, "{host} ({user}@{address}:{port}")?;
        }
        match via {
            Some(via) => write!(f, " via {via})"),
            None => f.write_str(")"),
        }
    }
}

/// How far a session had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Resolving the name and connecting by TCP.
    Connect,
    /// Greeting and key exchange.
    Handshake,
    /// Logging in.
    Authenticate,
    /// Opening a channel for a command on a session that was established.
    OpenChannel,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "exchanging keys",
            Self::Authenticate => "logging in",
            Self::OpenChannel => "starting a command",
        })
    }
}

/// An identity (key) and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTried {
    /// Where it is from: a file, or the agent and the key's comment; printable.
    pub identity: String,
    /// What came of it.
    pub tried: Tried,
}

/// What came of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The server turned it down.
    Rejected,
    /// The file isn't there.
    Missing,
    /// The file is encrypted and the agent doesn't hold its key.
    Encrypted,
    /// The key is in a device (FIDO), and the agent doesn't hold it.
    Hardware,
    /// The file couldn't be read or isn't a private key; or the agent couldn't be asked or wouldn't sign.
    Failed {
        /// Why, printable.
        reason: String,
    },
    /// The server takes signatures of this key only with SHA-1, which we don't make.
    WeakOnly,
    /// A certificate whose key is neither in a file nor in the agent.
    NoKey,
    /// The server took it, but wants something more that we don't do.
    NotEnough,
    /// SSH configuration doesn't allow it.
    NotAllowed {
        /// The keyword.
        reason: &'static str,
    },
    /// Not offered, because the bound on attempts had been reached.
    NotOffered,
}

impl fmt::Display for IdentityTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, tried } = self;
        match tried {
            Tried::Rejected => write!(f, "{identity}: refused by the server"),
            Tried::Missing => write!(f, "{identity}: no such file"),
            Tried::Encrypted => write!(f, "{identity}: encrypted, not in the agent, and nobody gave its passphrase"),
            Tried::Hardware => write!(f, "{identity}: in a security device, and not in the agent"),
            Tried::Failed { reason } => write!(f, "{identity}: {reason}"),
            Tried::WeakOnly => write!(f, "{identity}: the server takes RSA only with SHA-1"),
            Tried::NoKey => write!(f, "{identity}: its key is neither in a file nor in the agent"),
            Tried::NotEnough => write!(f, "{identity}: accepted, but the server wants more"),
            Tried::NotAllowed { reason } => write!(f, "{identity}: not allowed by SSH configuration ({reason})"),
            Tried::NotOffered => write!(f, "{identity}: not offered, too many before it"),
        }
    }
}

/// Why there is no session, or why a script was not started on one.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum TransportError {
    /// SSH configuration can't be used.
    #[error("{host}: how it is reached could not be found out")]
    Configuration { host: HostName, source: Arc<ConfigError> },

    /// The jump host before it can't be used.
    #[error("{endpoint}: the way there is closed")]
    Jump { endpoint: Arc<Endpoint>, source: Arc<TransportError> },

    /// The jump host doesn't connect on.
    #[error("{endpoint}: the jump host {jump} doesn't connect there: {reason}")]
    JumpRefused { endpoint: Arc<Endpoint>, jump: Arc<Endpoint>, reason: &'static str },

    /// Jump hosts lead to each other.
    #[error(
        "{endpoint}: by ProxyJump more than {hops} hosts would have to be gone through: do they lead to each other?"
    )]
    JumpCircle { endpoint: Arc<Endpoint>, hops: usize },

    /// A ProxyCommand couldn't be started.
    #[error("{endpoint}: can't start {} for its ProxyCommand", shell.display())]
    ProxyCommand { endpoint: Arc<Endpoint>, shell: PathBuf, source: std::io::Error },

    /// The name has no address.
    #[error("{endpoint}: can't resolve the name {name:?}")]
    Resolve { endpoint: Arc<Endpoint>, name: String, source: std::io::Error },

    /// No address of the host takes a connection; the cause is that of the last one tried.
    #[error("{endpoint}: can't connect, tried {}", list(tried))]
    Connect { endpoint: Arc<Endpoint>, tried: Vec<SocketAddr>, source: std::io::Error },

    /// A stage took too long.
    #[error("{endpoint}: no answer within {limit:?} while {stage}")]
    Timeout { endpoint: Arc<Endpoint>, stage: Stage, limit: Duration },

    /// Whoever answered doesn't speak SSH as we do, or broke off.
    #[error("{endpoint}: the SSH handshake failed: {reason}")]
    Handshake { endpoint: Arc<Endpoint>, reason: String, closed: bool },

    /// We have no algorithm in common.
    #[error("{endpoint}: no {kind} algorithm in common: we offer {}, the server {}", ours.join(", "), theirs.join(", "))]
    NoCommonAlgorithm { endpoint: Arc<Endpoint>, kind: &'static str, ours: Vec<String>, theirs: Vec<String> },

    /// Keys are known for the host, but it has none of their types.
    #[error("{endpoint}: the host key is known as {}, but the server offers only {}", known_list(known), offered.join(", "))]
    HostKeyTypes { endpoint: Arc<Endpoint>, known: Vec<KnownKey>, offered: Vec<String> },

    /// No file knows the host.
    #[error("{endpoint}: host key {algorithm} {fingerprint} is not known, looked for {:?} in {}{}", known_hosts_name(endpoint), path_list(files), authority_note(authority.as_ref()))]
    HostKeyUnknown {
        endpoint: Arc<Endpoint>,
        algorithm: String,
        fingerprint: String,
        files: Vec<PathBuf>,
        authority: Option<FileLine>,
    },

    /// The host presents another key than the one that is known.
    #[error(
        "{endpoint}: HOST KEY HAS CHANGED: the server presents {algorithm} {fingerprint}, known is {}",
        known_list(known)
    )]
    HostKeyChanged { endpoint: Arc<Endpoint>, algorithm: String, fingerprint: String, known: Vec<KnownKey> },

    /// The key that the host presents is marked as revoked.
    #[error("{endpoint}: host key {algorithm} {fingerprint} is REVOKED by {at}")]
    HostKeyRevoked { endpoint: Arc<Endpoint>, algorithm: String, fingerprint: String, at: FileLine },

    /// The host's key is shorter than configuration allows.
    #[error("{endpoint}: its RSA host key has {bits} bits, and RequiredRSASize is {least}")]
    HostKeyShort { endpoint: Arc<Endpoint>, bits: u32, least: u32 },

    /// An authority is known for the host, but its certificate doesn't hold.
    #[error("{endpoint}: the host's certificate by the authority at {authority} doesn't hold: {reason}")]
    HostCertificate { endpoint: Arc<Endpoint>, authority: FileLine, reason: String },

    /// A known-hosts file exists but can't be read, so a revocation in it would be missed.
    #[error("{endpoint}: can't read {}, so no host key can be checked", path.display())]
    KnownHostsUnreadable { endpoint: Arc<Endpoint>, path: PathBuf, source: std::io::Error },

    /// There is no key to log in with.
    #[error("{endpoint}: no key to log in with{}", tried_list(tried))]
    NoIdentity { endpoint: Arc<Endpoint>, tried: Vec<IdentityTried> },

    /// The server didn't let us in.
    #[error("{endpoint}: not allowed in; the server accepts {}{}", methods(accepts), tried_list(tried))]
    AuthRejected { endpoint: Arc<Endpoint>, tried: Vec<IdentityTried>, accepts: Vec<String> },

    /// The connection ended before the script was started.
    #[error("{endpoint}: connection lost while {stage}: {reason}{}", tried_list(tried))]
    Lost { endpoint: Arc<Endpoint>, stage: Stage, reason: String, tried: Vec<IdentityTried> },

    /// The server doesn't open a channel for one more command (`MaxSessions`, or no sessions allowed at all).
    #[error("{endpoint}: the server refused to open a session for a command: {reason}")]
    SessionRefused { endpoint: Arc<Endpoint>, reason: String },

    /// The server opened a channel and then refused to run a command in it.
    #[error("{endpoint}: the server refused to run a command")]
    ExecRefused { endpoint: Arc<Endpoint> },

    /// The user's login shell runs no commands.
    #[error("{endpoint}: logged in, but the login shell of {} did not start /bin/sh; it said: {said}", endpoint.user)]
    LoginShell { endpoint: Arc<Endpoint>, said: String },

    /// Another user couldn't be become, so nothing was started.
    #[error("{host}: can't become {user} by {method}: {failure}")]
    Become { host: HostName, method: BecomeMethod, user: String, failure: BecomeFailure },

    /// The local shell couldn't be started.
    #[error("{host}: can't start {program} here")]
    Spawn { host: HostName, program: &'static str, source: std::io::Error },
}

impl TransportError {
    /// Whether the host was not reached or gave us no session. When false, the mistake is on this side (a file
    /// that can't be read, a shell that can't be started), or the session exists and refused one command.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        match self {
            Self::Jump { .. }
            | Self::JumpRefused { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Handshake { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::HostKeyTypes { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::HostKeyShort { .. }
            | Self::HostCertificate { .. }
            | Self::NoIdentity { .. }
            | Self::AuthRejected { .. }
            | Self::Lost { .. } => true,
            Self::Configuration { .. }
            | Self::JumpCircle { .. }
            | Self::ProxyCommand { .. }
            | Self::KnownHostsUnreadable { .. }
            | Self::SessionRefused { .. }
            | Self::ExecRefused { .. }
            | Self::LoginShell { .. }
            | Self::Become { .. }
            | Self::Spawn { .. } => false,
        }
    }

    /// Whether the server closed the connection before it had introduced itself, as one does that has too many of them.
    #[must_use]
    pub const fn is_turned_away(&self) -> bool {
        matches!(self, Self::Handshake { closed: true, .. })
    }

    /// What the operator can do about it: mostly a command to type.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Configuration { source, .. } => Some(configuration_hint(source)),
            Self::Jump { source, .. } => source.hint(),
            Self::JumpRefused { endpoint, jump, .. } => Some(format!(
                "see what is possible from there: {} (and AllowTcpForwarding, PermitOpen in its sshd_config)",
                ssh_command(jump, "-v", &format!("nc -zv {} {}", shell_word(&endpoint.address), endpoint.port))
            )),
            Self::JumpCircle { .. } => {
                Some("exempt the jump host where all hosts are sent through it: Host * !bastion".into())
            }
            Self::ProxyCommand { .. } => None,
            Self::Resolve { .. } => Some("set ansible_host to a name or address that resolves here".into()),
            Self::Connect { endpoint, .. } | Self::Timeout { endpoint, .. } | Self::Lost { endpoint, .. } => {
                Some(format!("try by hand: {}", ssh_command(endpoint, "-v", "true")))
            }
            Self::Handshake { endpoint, closed: true, .. } => Some(format!(
                "see what answers there: {}; sshd turns away whoever comes when many are logging in at once (MaxStartups): \
                 lower --forks",
                ssh_command(endpoint, "-vv", "true")
            )),
            Self::Handshake { endpoint, .. } | Self::NoCommonAlgorithm { endpoint, .. } => {
                Some(format!("see what answers there: {}", ssh_command(endpoint, "-vv", "true")))
            }
            Self::HostKeyUnknown { endpoint, files, .. } => Some(learn_hint(endpoint, files)),
            Self::HostKeyTypes { endpoint, known, .. } | Self::HostKeyChanged { endpoint, known, .. } => {
                Some(forget_hint(endpoint, known))
            }
            Self::HostKeyRevoked { at, .. } => Some(format!(
                "this key must not be used any more: find out who runs it; {at} may only go if the revocation was a mistake"
            )),
            Self::HostKeyShort { .. } => Some("have the host show another key: see HostKey in its sshd_config".into()),
            Self::HostCertificate { endpoint, .. } => Some(format!(
                "have the authority sign the host's key anew (ssh-keygen -s CA -h -n {}), or look who answers there",
                shell_word(endpoint.alias.as_deref().unwrap_or(&endpoint.address))
            )),
            Self::KnownHostsUnreadable { path, .. } => {
                Some(format!("make it readable: ls -l {}", shell_word(&path.display().to_string())))
            }
            Self::NoIdentity { endpoint, tried } => Some(auth_hint(endpoint, tried, &[])),
            Self::AuthRejected { endpoint, tried, accepts } => Some(auth_hint(endpoint, tried, accepts)),
            Self::SessionRefused { .. } => Some("see MaxSessions in the server's sshd_config".into()),
            Self::ExecRefused { .. } => Some("see ForceCommand and the user's login shell on the server".into()),
            Self::LoginShell { endpoint, .. } => Some(format!(
                "give {} a login shell there that runs commands (chsh), or log in as another user (ansible_user) and \
                 become this one",
                endpoint.user
            )),
            Self::Become { method, user, failure, .. } => become_failure::hint(*method, user, failure),
            Self::Spawn { .. } => None,
        }
    }
}

/// How to get to know a host that isn't known.
fn learn_hint(endpoint: &Endpoint, files: &[PathBuf]) -> String {
    let compare = "compare the fingerprint with what the host's console shows (ssh-keygen -lf \
                   /etc/ssh/ssh_host_<type>_key.pub), then:";
    // ssh-keyscan knows no way through other hosts, and no aliases.
    if endpoint.via.is_some() || endpoint.alias.is_some() {
        return format!("{compare} {}", ssh_command(endpoint, "-o StrictHostKeyChecking=ask", "true"));
    }
    let file =
        files.first().map_or_else(|| "~/.ssh/known_hosts".into(), |file| shell_word(&file.display().to_string()));
    format!("{compare} ssh-keyscan -p {} {} >> {file}", endpoint.port, shell_word(&endpoint.address))
}

/// Where the wrong key stands and how to forget it, once it is clear why it changed.
fn forget_hint(endpoint: &Endpoint, known: &[KnownKey]) -> String {
    let name = known_hosts_name(endpoint);
    let file =
        known.first().map_or_else(String::new, |key| format!(" -f {}", shell_word(&key.at.path.display().to_string())));
    format!(
        "someone may be listening in; if the host was really reinstalled: ssh-keygen -R {}{file}, then learn the new key",
        shell_word(&name)
    )
}

fn configuration_hint(error: &ConfigError) -> String {
    match error {
        ConfigError::Ask(_) => "see what it says by hand: ssh -G HOST, with the inventory's options".into(),
        ConfigError::Settings(_) => {
            "set it otherwise for this host alone by ansible_ssh_common_args: '-o KEYWORD=VALUE'".into()
        }
        ConfigError::NoProgram { .. } => "install it: apt-get install openssh-client".into(),
    }
}

fn auth_hint(endpoint: &Endpoint, tried: &[IdentityTried], accepts: &[String]) -> String {
    let by_password = |method: &String| matches!(method.as_str(), "password" | "keyboard-interactive");
    if !accepts.is_empty() && accepts.iter().all(by_password) {
        let given = tried.iter().any(|identity| by_password(&identity.identity));
        let hint =
            if given { "is the password right, and meant for this user?" } else { "give a password: --ask-pass" };
        return hint.into();
    }
    let needs_agent = |identity: &&IdentityTried| matches!(identity.tried, Tried::Encrypted | Tried::Hardware);
    if let Some(encrypted) = tried.iter().find(needs_agent) {
        return format!("ssh-add {}", shell_word(&encrypted.identity));
    }
    if tried.iter().any(|identity| identity.tried == Tried::NotOffered) {
        return "name the right key: set ansible_ssh_private_key_file".into();
    }
    format!("try by hand: {}", ssh_command(endpoint, "-v", "true"))
}

fn ssh_command(endpoint: &Endpoint, verbosity: &str, command: &str) -> String {
    let Endpoint { host, user, address, port, alias: _, via } = endpoint;
    // Behind another host only its name leads there.
    let name = if via.is_some() { host.as_str() } else { address };
    format!("ssh {verbosity} -p {port} -l {} {} {command}", shell_word(user), shell_word(name))
}

/// The text as one word for a shell, quoted only where it has to be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn known_hosts_name(endpoint: &Endpoint) -> String {
    endpoint.alias.clone().unwrap_or_else(|| lookup_name(&endpoint.address, endpoint.port))
}

fn path_list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn known_list(known: &[KnownKey]) -> String {
    let describe = |KnownKey { key, at }: &KnownKey| {
        format!("{} {} ({at})", key.algorithm(), key.fingerprint(russh::keys::HashAlg::Sha256))
    };
    known.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn authority_note(authority: Option<&FileLine>) -> String {
    authority.map_or_else(String::new, |at| {
        format!(" ({at} names a certificate authority, but the host shows no certificate by it)")
    })
}

fn tried_list(tried: &[IdentityTried]) -> String {
    if tried.is_empty() { String::new() } else { format!("; tried {}", list(tried)) }
}

fn methods(accepts: &[String]) -> String {
    if accepts.is_empty() { "nothing more".to_owned() } else { accepts.join(", ") }
}

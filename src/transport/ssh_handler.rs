//! What russh asks us during a connection: is this the right host key, and nothing else is welcome.

#![expect(
    clippy::disallowed_methods,
    reason = "certificates are valid for a time, and which time it is only the clock knows"
)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Channel};

use super::error::{Endpoint, TransportError};
use super::host_key::{Judgement, Refusal, Standard};
use super::known_hosts::{HostKeys, lookup_name};
use super::known_hosts_store::KnownHostsStore;
use super::notices::Notices;
use super::ssh_config::SshSettings;
use crate::model::printable;

/// How a connection ended, told by its task to whoever waits for an answer on it.
#[derive(Debug, Default)]
pub(super) struct Ending(Mutex<Option<String>>);

impl Ending {
    /// What was seen of the end.
    pub(super) fn reason(&self) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone().unwrap_or_else(|| "the server closed the connection".to_owned())
    }

    /// Whether the connection ended.
    pub(super) fn is_known(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }
}

/// Why the connection's task stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandlerError {
    #[error(transparent)]
    HostKey(Box<TransportError>),
    #[error(transparent)]
    Protocol(#[from] russh::Error),
}

/// The callbacks of one connection.
pub(super) struct ClientHandler {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) settings: Arc<SshSettings>,
    pub(super) known_hosts: Arc<KnownHostsStore>,
    pub(super) host_keys: HostKeys,
    pub(super) notices: Notices,
    pub(super) ending: Arc<Ending>,
    /// Set where the host may be anybody, and configuration wants it to be accepted.
    pub(super) is_unsafe: Arc<AtomicBool>,
}

impl ClientHandler {
    fn check(&self, shown: &PublicKeyOrCertificate) -> Result<(), TransportError> {
        let Endpoint { address, port, alias, .. } = &*self.endpoint;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let name = alias.as_deref().unwrap_or(address);
        let standard = Standard { known: &self.host_keys, settings: &self.settings.host_keys, name, now };
        match standard.judge(shown) {
            Judgement::Trusted => Ok(()),
            Judgement::Learn(key) => {
                self.learn(
                    alias.as_ref().map_or_else(|| lookup_name(address, *port), |alias| alias.to_lowercase()),
                    &key,
                );
                Ok(())
            }
            Judgement::Unsafe(key, refusal) => {
                self.is_unsafe.store(true, Ordering::Relaxed);
                let error = self.error(&key, refusal);
                self.notices
                    .say(&format!("{error}; accepted, as StrictHostKeyChecking is no, but no password is sent there"));
                Ok(())
            }
            Judgement::Refused(key, refusal) => Err(self.error(&key, refusal)),
        }
    }

    /// A key that is to be trusted from now on.
    fn learn(&self, name: String, key: &PublicKey) {
        let settings = &self.settings.host_keys;
        let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        let learned = self.known_hosts.learn(&name, key, settings);
        // Who keeps known hosts in /dev/null doesn't want to hear of each.
        let file = settings.own_file.as_deref().filter(|file| *file != Path::new("/dev/null"));
        match (learned, file) {
            (Ok(()), Some(file)) => self.notices.say(&format!(
                "{}: host key {shown} was not known; it is trusted from now on, and stands in {}",
                self.endpoint,
                file.display()
            )),
            (Ok(()), None) => {}
            (Err(error), _) => self.notices.say(&format!(
                "{}: host key {shown} was not known; it is trusted for this run, but can't be written down: {error}",
                self.endpoint
            )),
        }
    }

    fn error(&self, key: &PublicKey, refusal: Refusal) -> TransportError {
        let endpoint = Arc::clone(&self.endpoint);
        let algorithm = key.algorithm().to_string();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        match refusal {
            Refusal::Unknown => TransportError::HostKeyUnknown {
                endpoint,
                algorithm,
                fingerprint,
                files: self.known_hosts.files(),
                authority: self.host_keys.authorities().first().map(|known| known.at.clone()),
            },
            Refusal::Changed => {
                let known = self.host_keys.trusted().to_vec();
                TransportError::HostKeyChanged { endpoint, algorithm, fingerprint, known }
            }
            Refusal::Revoked(at) => TransportError::HostKeyRevoked { endpoint, algorithm, fingerprint, at },
            Refusal::Short(bits) => {
                let least = self.settings.host_keys.least_rsa_bits;
                TransportError::HostKeyShort { endpoint, bits, least }
            }
            Refusal::Certificate { authority, reason } => {
                TransportError::HostCertificate { endpoint, authority, reason }
            }
        }
    }
}

/// Turns down a channel that the server wants to open: russh would accept most of them. Dropping the handle
/// refuses.
macro_rules! refuse {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(async fn $name(
            &mut self, channel: Channel<Msg>, $($argument: $type,)* reply: ChannelOpenHandle, _: &mut Session,
        ) -> Result<(), HandlerError> {
            drop((channel, reply, $($argument),*));
            Ok(())
        })*
    };
}

impl Handler for ClientHandler {
    type Error = HandlerError;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, HandlerError> {
        self.check(presented).map(|()| true).map_err(|error| HandlerError::HostKey(Box::new(error)))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<HandlerError>) -> Result<(), HandlerError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.ending.set(format!("the server said: {}", shorten(&printable(info.message))));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                self.ending.set(describe(&error));
                Err(error)
            }
        }
    }

    refuse! {
        server_channel_open_forwarded_tcpip(a: &str, b: u32, c: &str, d: u32);
        server_channel_open_forwarded_streamlocal(a: &str);
        server_channel_open_agent_forward();
        server_channel_open_session();
        server_channel_open_direct_tcpip(a: &str, b: u32, c: &str, d: u32);
        server_channel_open_direct_streamlocal(a: &str);
        server_channel_open_x11(a: &str, b: u32);
    }
}

/// The error in words, printable and short.
pub(super) fn describe(error: &HandlerError) -> String {
    match error {
        closed if is_closed(closed) => "the server closed the connection".into(),
        HandlerError::Protocol(error) => shorten(&printable(error.to_string())),
        HandlerError::HostKey(error) => error.to_string(),
    }
}

/// Whether the server went away, whatever it may have thought of us.
fn is_closed(error: &HandlerError) -> bool {
    use std::io::ErrorKind;
    match error {
        HandlerError::Protocol(russh::Error::Disconnect | russh::Error::HUP) => true,
        HandlerError::Protocol(russh::Error::IO(error)) => {
            matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        }
        HandlerError::Protocol(_) | HandlerError::HostKey(_) => false,
    }
}

/// A message from the server is shown up to this many characters: two lines of a terminal say enough, and a
/// hostile one could be as long as a packet.
const MESSAGE_LIMIT: usize = 160;

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The error of a handshake that failed.
pub(super) fn handshake_error(endpoint: Arc<Endpoint>, host_keys: &HostKeys, error: HandlerError) -> TransportError {
    match error {
        HandlerError::HostKey(error) => *error,
        HandlerError::Protocol(russh::Error::NoCommonAlgo { kind, ours, theirs }) => {
            let theirs: Vec<String> =
                theirs.iter().take(ALGORITHMS_SHOWN).map(|name| shorten(&printable(name))).collect();
            // A key that is known and is shown may still be refused: for signatures with SHA-1.
            let known = host_keys.trusted();
            let is_weak =
                known.iter().any(|known| theirs.iter().any(|name| *name == known.key.algorithm().to_string()));
            match kind {
                AlgorithmKind::Key if !known.is_empty() && !is_weak => {
                    TransportError::HostKeyTypes { endpoint, known: host_keys.trusted().to_vec(), offered: theirs }
                }
                AlgorithmKind::Key => TransportError::NoCommonAlgorithm { endpoint, kind: "host key", ours, theirs },
                AlgorithmKind::Kex => {
                    TransportError::NoCommonAlgorithm { endpoint, kind: "key exchange", ours, theirs }
                }
                AlgorithmKind::Cipher => TransportError::NoCommonAlgorithm { endpoint, kind: "cipher", ours, theirs },
                AlgorithmKind::Mac => TransportError::NoCommonAlgorithm { endpoint, kind: "MAC", ours, theirs },
                AlgorithmKind::Compression => {
                    TransportError::NoCommonAlgorithm { endpoint, kind: "compression", ours, theirs }
                }
            }
        }
        error @ HandlerError::Protocol(_) => {
            TransportError::Handshake { endpoint, reason: describe(&error), closed: is_closed(&error) }
        }
    }
}

/// OpenSSH offers about ten names of a kind; a list that is longer than twice that helps nobody.
const ALGORITHMS_SHOWN: usize = 20;

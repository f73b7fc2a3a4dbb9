//! The keys to log in with: read from files and asked of the agent once per run, shared among all hosts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PublicKey, decode_secret_key, load_public_key};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use super::error::{IdentityTried, Tried};
use crate::model::printable;

/// How long the agent may take to list its keys. It is a local process that looks into its memory; one that
/// needs longer is stopped or stuck, and must not hold up hosts that have other keys.
const AGENT_LIST_LIMIT: Duration = Duration::from_secs(5);

/// A key file never is larger than a few KB (RSA with 16,384 bits: 13 KB); what is larger isn't one.
const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// All identities of a run.
#[derive(Debug)]
pub(super) struct Identities {
    agent: Option<PathBuf>,
    defaults: Vec<PathBuf>,
    files: Mutex<HashMap<PathBuf, Arc<OnceCell<KeyFile>>>>,
    agent_keys: OnceCell<Result<Vec<AgentKey>, String>>,
}

/// What is in a key file.
#[derive(Debug, Clone)]
enum KeyFile {
    Usable(Arc<PrivateKey>),
    Encrypted(Option<PublicKey>),
    Missing,
    Failed(String),
}

#[derive(Debug, Clone)]
struct AgentKey {
    key: PublicKey,
    label: String,
}

/// A key that can be offered.
#[derive(Debug)]
pub(super) enum Candidate {
    File { key: Arc<PrivateKey>, label: String },
    Agent { key: PublicKey, label: String },
}

impl Candidate {
    pub(super) fn label(&self) -> &str {
        match self {
            Self::File { label, .. } | Self::Agent { label, .. } => label,
        }
    }

    fn public_key(&self) -> &PublicKey {
        match self {
            Self::File { key, .. } => key.public_key(),
            Self::Agent { key, .. } => key,
        }
    }
}

/// The keys to offer to a host, in order, and why others can't be.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) candidates: Vec<Candidate>,
    pub(super) unusable: Vec<IdentityTried>,
}

impl Offer {
    /// Takes a key unless it is there already: offering it twice would waste one of the server's attempts.
    fn add(&mut self, candidate: Candidate) {
        let same = |other: &Candidate| other.public_key().key_data() == candidate.public_key().key_data();
        if !self.candidates.iter().any(same) {
            self.candidates.push(candidate);
        }
    }

    fn add_unusable(&mut self, identity: String, tried: Tried) {
        self.unusable.push(IdentityTried { identity, tried });
    }
}

impl Identities {
    pub(super) fn new(agent: Option<PathBuf>, defaults: Vec<PathBuf>) -> Self {
        Self { agent, defaults, files: Mutex::default(), agent_keys: OnceCell::new() }
    }

    /// The keys for a host. With a named file: that, then the agent's. Without: the agent's, those first that are
    /// also among the default files, then the default files.
    pub(super) async fn offer(&self, named: Option<&Path>) -> Offer {
        let mut offer = Offer::default();
        let agent_keys = self.agent_keys(&mut offer).await;
        let paths = named.map_or(&self.defaults[..], |_| &[]);
        let mut files = Vec::with_capacity(paths.len() + 1);
        for path in named.into_iter().chain(paths.iter().map(PathBuf::as_path)) {
            files.push((path, self.file(path).await));
        }

        if named.is_some() {
            add_files(&mut offer, &files, &agent_keys);
            agent_keys.into_iter().for_each(|key| offer.add(key.into()));
        } else {
            let (preferred, others): (Vec<_>, Vec<_>) =
                agent_keys.iter().cloned().partition(|key| files.iter().any(|(_, file)| file.holds(&key.key)));
            preferred.into_iter().chain(others).for_each(|key| offer.add(key.into()));
            add_files(&mut offer, &files, &agent_keys);
        }
        offer
    }

    /// A new conversation with the agent, to sign with.
    pub(super) async fn agent(&self) -> Result<AgentClient<UnixStream>, String> {
        match &self.agent {
            Some(path) => AgentClient::connect_uds(path).await.map_err(|error| printable(error.to_string())),
            None => Err("no agent".to_owned()),
        }
    }

    async fn agent_keys(&self, offer: &mut Offer) -> Vec<AgentKey> {
        let Some(path) = &self.agent else { return Vec::new() };
        match self.agent_keys.get_or_init(|| self.list_agent_keys()).await {
            Ok(keys) => keys.clone(),
            Err(reason) => {
                offer.add_unusable(format!("agent {}", path.display()), Tried::Failed { reason: reason.clone() });
                Vec::new()
            }
        }
    }

    async fn list_agent_keys(&self) -> Result<Vec<AgentKey>, String> {
        let list = async {
            let mut agent = self.agent().await?;
            agent.request_identities().await.map_err(|error| printable(error.to_string()))
        };
        let identities = tokio::time::timeout(AGENT_LIST_LIMIT, list)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {AGENT_LIST_LIMIT:?}")))?;
        let plain = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, comment } => {
                Some(AgentKey { key, label: format!("agent key {}", printable(comment)) })
            }
            // A user certificate: this release logs in with plain keys only.
            AgentIdentity::Certificate { .. } => None,
        });
        Ok(plain.collect())
    }

    async fn file(&self, path: &Path) -> KeyFile {
        let cell = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.entry(path.to_owned()).or_default().clone()
        };
        cell.get_or_init(|| read_key_file(path)).await.clone()
    }
}

impl KeyFile {
    fn holds(&self, wanted: &PublicKey) -> bool {
        match self {
            Self::Usable(key) => key.public_key().key_data() == wanted.key_data(),
            Self::Encrypted(Some(key)) => key.key_data() == wanted.key_data(),
            Self::Encrypted(None) | Self::Missing | Self::Failed(_) => false,
        }
    }
}

impl From<AgentKey> for Candidate {
    fn from(AgentKey { key, label }: AgentKey) -> Self {
        Self::Agent { key, label }
    }
}

/// Adds the keys of files; an encrypted one through the agent, if that holds it.
fn add_files(offer: &mut Offer, files: &[(&Path, KeyFile)], agent_keys: &[AgentKey]) {
    for (path, file) in files {
        let label = path.display().to_string();
        match file {
            KeyFile::Usable(key) => offer.add(Candidate::File { key: key.clone(), label }),
            KeyFile::Encrypted(_) => match agent_keys.iter().find(|agent| file.holds(&agent.key)) {
                Some(agent) => offer.add(agent.clone().into()),
                None => offer.add_unusable(label, Tried::Encrypted),
            },
            KeyFile::Missing => offer.add_unusable(label, Tried::Missing),
            KeyFile::Failed(reason) => offer.add_unusable(label, Tried::Failed { reason: reason.clone() }),
        }
    }
}

async fn read_key_file(path: &Path) -> KeyFile {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() > KEY_FILE_LIMIT => {
            return KeyFile::Failed(format!("{} bytes are too many for a key", metadata.len()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return KeyFile::Missing,
        Err(error) => return KeyFile::Failed(printable(error.to_string())),
    }
    match tokio::fs::read_to_string(path).await {
        Ok(text) => decode_key(path, &text),
        Err(error) => KeyFile::Failed(printable(error.to_string())),
    }
}

fn decode_key(path: &Path, text: &str) -> KeyFile {
    match decode_secret_key(text, None) {
        Ok(key) => KeyFile::Usable(Arc::new(key)),
        Err(_) if is_encrypted(text) => KeyFile::Encrypted(public_half(path, text)),
        Err(error) => KeyFile::Failed(format!("not a usable private key ({})", printable(error.to_string()))),
    }
}

fn is_encrypted(text: &str) -> bool {
    PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
        || text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// OpenSSH's own format leaves the public half readable; for the others it stands in a file beside.
fn public_half(path: &Path, text: &str) -> Option<PublicKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    PrivateKey::from_openssh(text).ok().map(|key| key.public_key().clone()).or_else(|| load_public_key(beside).ok())
}

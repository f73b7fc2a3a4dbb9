//! The keys to log in with: read from files and asked of the agent once per run, shared among all hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use tokio::net::UnixStream;

use super::error::{IdentityTried, Tried};
use super::key_file::{KeyFile, Private, read_key_file};
use super::shared::Shared;
use super::ssh_config::IdentitySettings;
use crate::model::printable;

/// How long the agent may take to list its keys. It is a local process that looks into its memory; one that
/// needs longer is stopped or stuck, and must not hold up hosts that have other keys.
const AGENT_LIST_LIMIT: Duration = Duration::from_secs(5);

/// All identities of a run.
#[derive(Debug, Default)]
pub(super) struct Identities {
    files: Shared<PathBuf, KeyFile>,
    agents: Shared<PathBuf, Result<Vec<AgentKey>, String>>,
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

    /// Leaves out what SSH configuration doesn't allow.
    fn keep_allowed(&mut self, settings: &IdentitySettings) {
        for candidate in std::mem::take(&mut self.candidates) {
            match not_allowed(candidate.public_key(), settings) {
                None => self.candidates.push(candidate),
                Some(reason) => self.add_unusable(candidate.label().to_owned(), Tried::NotAllowed { reason }),
            }
        }
    }

    fn add_unusable(&mut self, identity: String, tried: Tried) {
        self.unusable.push(IdentityTried { identity, tried });
    }
}

/// Why SSH configuration doesn't allow a key.
fn not_allowed(key: &PublicKey, settings: &IdentitySettings) -> Option<&'static str> {
    let is_accepted = |accepted: &Vec<String>| match key.algorithm() {
        Algorithm::Rsa { .. } => accepted.iter().any(|name| name.starts_with("rsa-sha2-")),
        other => accepted.contains(&other.to_string()),
    };
    if !settings.accepted.as_ref().is_none_or(is_accepted) {
        return Some("PubkeyAcceptedAlgorithms");
    }
    let is_short = key.key_data().rsa().is_some_and(|rsa| rsa.key_size() < settings.least_rsa_bits);
    is_short.then_some("RequiredRSASize")
}

impl Identities {
    /// The keys for a host, in OpenSSH's order: the agent's that are also among the files, the agent's others, the files.
    /// A file that the inventory names comes before all of them.
    pub(super) async fn offer(&self, settings: &IdentitySettings) -> Offer {
        let mut offer = Offer::default();
        let agent_keys = match &settings.agent {
            Some(socket) => self.agent_keys(socket, &mut offer).await,
            None => Vec::new(),
        };
        let mut files = Vec::with_capacity(settings.files.len());
        for path in &settings.files {
            files.push((path.as_path(), self.file(path).await));
        }
        if settings.file_first {
            add_files(&mut offer, &files[..1], &agent_keys);
        }
        for (_, file) in &files {
            agent_keys.iter().filter(|key| file.holds(&key.key)).for_each(|key| offer.add(key.clone().into()));
        }
        if !settings.only {
            agent_keys.iter().for_each(|key| offer.add(key.clone().into()));
        }
        add_files(&mut offer, &files[usize::from(settings.file_first)..], &agent_keys);
        offer.keep_allowed(settings);
        offer
    }

    async fn agent_keys(&self, socket: &Path, offer: &mut Offer) -> Vec<AgentKey> {
        match self.agents.cell(socket.to_owned()).get_or_init(|| list_agent_keys(socket)).await {
            Ok(keys) => keys.clone(),
            Err(reason) => {
                offer.add_unusable(format!("agent {}", socket.display()), Tried::Failed { reason: reason.clone() });
                Vec::new()
            }
        }
    }

    async fn file(&self, path: &Path) -> KeyFile {
        self.files.cell(path.to_owned()).get_or_init(|| read_key_file(path)).await.clone()
    }
}

/// A new conversation with the agent, to sign with.
pub(super) async fn open_agent(socket: Option<&Path>) -> Result<AgentClient<UnixStream>, String> {
    match socket {
        Some(path) => AgentClient::connect_uds(path).await.map_err(|error| printable(error.to_string())),
        None => Err("no agent".to_owned()),
    }
}

async fn list_agent_keys(socket: &Path) -> Result<Vec<AgentKey>, String> {
    let list = async {
        let mut agent = open_agent(Some(socket)).await?;
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

impl From<AgentKey> for Candidate {
    fn from(AgentKey { key, label }: AgentKey) -> Self {
        Self::Agent { key, label }
    }
}

/// Adds the keys of files; one that can't sign by itself through the agent, if that holds it.
fn add_files(offer: &mut Offer, files: &[(&Path, KeyFile)], agent_keys: &[AgentKey]) {
    for (path, file) in files {
        let label = path.display().to_string();
        let agent = agent_keys.iter().find(|agent| file.holds(&agent.key));
        match (&file.private, agent) {
            (Private::Usable(key), _) => offer.add(Candidate::File { key: key.clone(), label }),
            (_, Some(agent)) => offer.add(agent.clone().into()),
            (Private::Encrypted, None) => offer.add_unusable(label, Tried::Encrypted),
            (Private::Missing, None) => offer.add_unusable(label, Tried::Missing),
            (Private::Hardware, None) => offer.add_unusable(label, Tried::Hardware),
            (Private::Failed(reason), None) => offer.add_unusable(label, Tried::Failed { reason: reason.clone() }),
        }
    }
}

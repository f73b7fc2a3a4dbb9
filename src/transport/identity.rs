//! The keys to log in with: read from files and asked of the agent once per run, shared among all hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey};
use tokio::net::UnixStream;

use super::asker::Asker;
use super::error::{IdentityTried, Tried};
use super::key_file::{KeyFile, LockedKey, Private, read_certificate, read_key_file};
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
    certificates: Shared<PathBuf, Result<Certificate, Private>>,
    agents: Shared<PathBuf, Result<Vec<AgentKey>, String>>,
}

#[derive(Debug, Clone)]
struct AgentKey {
    key: PublicKey,
    certificate: Option<Certificate>,
    label: String,
}

/// A key that can be offered, perhaps by a certificate of it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) key: PublicKey,
    pub(super) certificate: Option<Certificate>,
    pub(super) signer: Signer,
    pub(super) label: String,
}

/// Who signs with it.
#[derive(Debug, Clone)]
pub(super) enum Signer {
    /// The key from a file.
    File(Arc<PrivateKey>),
    /// The key from a file, once its passphrase is known.
    Locked(Arc<LockedKey>),
    /// The agent.
    Agent,
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
        let same = |other: &Candidate| {
            other.key.key_data() == candidate.key.key_data() && other.certificate == candidate.certificate
        };
        if !self.candidates.iter().any(same) {
            self.candidates.push(candidate);
        }
    }

    /// Leaves out what SSH configuration doesn't allow.
    fn keep_allowed(&mut self, settings: &IdentitySettings) {
        for candidate in std::mem::take(&mut self.candidates) {
            match not_allowed(&candidate, settings) {
                None => self.candidates.push(candidate),
                Some(reason) => self.add_unusable(candidate.label, Tried::NotAllowed { reason }),
            }
        }
    }

    fn add_unusable(&mut self, identity: String, tried: Tried) {
        self.unusable.push(IdentityTried { identity, tried });
    }
}

/// Why SSH configuration doesn't allow a key.
fn not_allowed(candidate: &Candidate, settings: &IdentitySettings) -> Option<&'static str> {
    let ending = if candidate.certificate.is_some() { "-cert-v01@openssh.com" } else { "" };
    let is_accepted = |accepted: &Vec<String>| match candidate.key.algorithm() {
        Algorithm::Rsa { .. } => {
            accepted.iter().any(|name| name.starts_with("rsa-sha2-") && name.contains("-cert-") != ending.is_empty())
        }
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 if !ending.is_empty() => {
            let certified = candidate.certificate.as_ref().map(|known| known.algorithm().to_certificate_type());
            certified.is_some_and(|name| accepted.contains(&name))
        }
        other => accepted.contains(&format!("{other}{ending}")),
    };
    if !settings.accepted.as_ref().is_none_or(is_accepted) {
        return Some("PubkeyAcceptedAlgorithms");
    }
    let is_short = candidate.key.key_data().rsa().is_some_and(|rsa| rsa.key_size() < settings.least_rsa_bits);
    is_short.then_some("RequiredRSASize")
}

/// What is known of the keys of one host before they are put in order.
struct Found<'a> {
    files: Vec<(&'a Path, KeyFile)>,
    agent: Vec<AgentKey>,
    /// Whether somebody can be asked for passphrases.
    can_ask: bool,
}

impl Identities {
    /// The keys for a host, in OpenSSH's order: certificates that are named or lie beside files, the agent's keys that are
    /// also among the files, the agent's others, the files. A file that the inventory names comes before all of them.
    pub(super) async fn offer(&self, settings: &IdentitySettings, asker: Option<&Asker>) -> Offer {
        let mut offer = Offer::default();
        let agent = match &settings.agent {
            Some(socket) => self.agent_keys(socket, &mut offer).await,
            None => Vec::new(),
        };
        let mut files = Vec::with_capacity(settings.files.len());
        for path in &settings.files {
            let file = self.files.cell(path.clone()).get_or_init(|| read_key_file(path)).await.clone();
            files.push((path.as_path(), told_apart(file, asker).await));
        }
        let found = Found { files, agent, can_ask: asker.is_some() };
        if settings.file_first
            && let Some((path, file)) = found.files.first()
        {
            found.add_certificate(&mut offer, path, file.certificate.as_ref());
            found.add_file(&mut offer, path, file);
        }
        for path in &settings.certificates {
            let cell = self.certificates.cell(path.clone());
            match cell.get_or_init(|| read_certificate(path)).await {
                Ok(certificate) => found.add_certificate(&mut offer, path, Some(certificate)),
                Err(Private::Failed(reason)) => {
                    offer.add_unusable(path.display().to_string(), Tried::Failed { reason: reason.clone() });
                }
                Err(_) => offer.add_unusable(path.display().to_string(), Tried::Missing),
            }
        }
        for (path, file) in &found.files {
            found.add_certificate(&mut offer, path, file.certificate.as_ref());
        }
        for (_, file) in &found.files {
            found.agent.iter().filter(|key| file.holds(&key.key)).for_each(|key| offer.add(key.clone().into()));
        }
        if !settings.only {
            found.agent.iter().for_each(|key| offer.add(key.clone().into()));
        }
        for (path, file) in found.files.iter().skip(usize::from(settings.file_first)) {
            found.add_file(&mut offer, path, file);
        }
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
}

impl Found<'_> {
    /// Who can sign with a key: a file of it, or else the agent.
    fn signer(&self, key: &PublicKey) -> Option<Signer> {
        let of_file = |(_, file): &(&Path, KeyFile)| match &file.private {
            Private::Usable(private) if file.holds(key) => Some(Signer::File(Arc::clone(private))),
            _ => None,
        };
        let locked = |(_, file): &(&Path, KeyFile)| match &file.private {
            Private::Locked(locked) if file.holds(key) && self.can_ask => Some(Signer::Locked(Arc::clone(locked))),
            _ => None,
        };
        let in_agent = self.agent.iter().any(|agent| agent.key.key_data() == key.key_data());
        let of_agent = in_agent.then_some(Signer::Agent);
        self.files.iter().find_map(of_file).or(of_agent).or_else(|| self.files.iter().find_map(locked))
    }

    fn add_certificate(&self, offer: &mut Offer, path: &Path, certificate: Option<&Certificate>) {
        let Some(certificate) = certificate else { return };
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let label = format!("certificate {:?} of {}", certificate.key_id(), path.display());
        let label = printable(label);
        match self.signer(&key) {
            Some(signer) => offer.add(Candidate { key, certificate: Some(certificate.clone()), signer, label }),
            None => offer.add_unusable(label, Tried::NoKey),
        }
    }

    /// The key of a file; one that can't sign by itself through the agent, if that holds it.
    fn add_file(&self, offer: &mut Offer, path: &Path, file: &KeyFile) {
        let label = path.display().to_string();
        if let Some((key, signer)) = file.public.as_ref().and_then(|key| Some((key, self.signer(key)?))) {
            if let Signer::Agent = signer {
                let of_agent = self.agent.iter().filter(|agent| agent.key.key_data() == key.key_data());
                of_agent.for_each(|agent| offer.add(agent.clone().into()));
            } else {
                offer.add(Candidate { key: key.clone(), certificate: None, signer, label });
            }
            return;
        }
        match &file.private {
            Private::Locked(_) => offer.add_unusable(label, Tried::Encrypted),
            Private::Usable(_) | Private::Missing => offer.add_unusable(label, Tried::Missing),
            Private::Hardware => offer.add_unusable(label, Tried::Hardware),
            Private::Failed(reason) => offer.add_unusable(label, Tried::Failed { reason: reason.clone() }),
        }
    }
}

impl From<AgentKey> for Candidate {
    fn from(AgentKey { key, certificate, label }: AgentKey) -> Self {
        Self { key, certificate, signer: Signer::Agent, label }
    }
}

/// A key of which not even the public half can be read (PEM) has to be opened before it can be offered.
async fn told_apart(file: KeyFile, asker: Option<&Asker>) -> KeyFile {
    match (&file.public, &file.private, asker) {
        (None, Private::Locked(locked), Some(asker)) => match locked.open(asker).await {
            Some(key) => KeyFile { public: Some(key.public_key().clone()), private: Private::Usable(key), ..file },
            None => file,
        },
        _ => file,
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
    let keys = identities.into_iter().map(|identity| match identity {
        AgentIdentity::PublicKey { key, comment } => {
            AgentKey { key, certificate: None, label: format!("agent key {}", printable(comment)) }
        }
        AgentIdentity::Certificate { certificate, comment } => AgentKey {
            key: PublicKey::new(certificate.public_key().clone(), ""),
            label: format!("agent certificate {}", printable(comment)),
            certificate: Some(certificate),
        },
    });
    Ok(keys.collect())
}

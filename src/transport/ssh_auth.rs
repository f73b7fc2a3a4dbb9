//! Logging in with public keys.
//!
//! Round trips: the service request, then per key the question whether the server would take it and the
//! signature. russh 0.65 always asks before it signs; there is no `none` request.

use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use super::error::{Endpoint, IdentityTried, Stage, TransportError, Tried};
use super::identity::{Candidate, Offer, open_agent};
use super::ssh_config::IdentitySettings;
use super::ssh_handler::{ClientHandler, Ending};
use crate::model::printable;

/// How many keys are offered at most. OpenSSH's `MaxAuthTries` is six and the sixth failure ends the connection,
/// without our learning which methods would be left; five stays below.
const MAX_ATTEMPTS: usize = 5;

/// One login.
pub(super) struct Login<'a> {
    pub(super) handle: &'a mut Handle<ClientHandler>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) settings: &'a IdentitySettings,
    pub(super) ending: &'a Ending,
}

/// What the server says to a key.
enum Answer {
    Accepted,
    Refused {
        accepts: MethodSet,
    },
    Partly {
        accepts: MethodSet,
    },
    /// The key wasn't offered or couldn't sign; the next one can be tried.
    Skipped(Tried),
}

impl Login<'_> {
    /// Offers one key after the other until the server accepts one.
    pub(super) async fn run(mut self, offer: Offer) -> Result<(), TransportError> {
        let Offer { candidates, unusable: mut tried } = offer;
        if candidates.is_empty() {
            return Err(TransportError::NoIdentity { endpoint: self.endpoint.clone(), tried });
        }
        // A default file that isn't there explains nothing once there are keys to offer.
        tried.retain(|identity| identity.tried != Tried::Missing);
        let mut accepts = MethodSet::empty();
        let mut attempts = 0;
        let mut publickey_accepted = true;
        for candidate in &candidates {
            if attempts == MAX_ATTEMPTS || !publickey_accepted {
                tried.push(IdentityTried { identity: candidate.label().to_owned(), tried: Tried::NotOffered });
                continue;
            }
            let outcome = match self.offer(candidate).await {
                Answer::Accepted => return Ok(()),
                Answer::Skipped(outcome) => outcome,
                Answer::Refused { accepts: remaining } => {
                    attempts += 1;
                    accepts = remaining;
                    Tried::Rejected
                }
                Answer::Partly { accepts: remaining } => {
                    attempts += 1;
                    accepts = remaining;
                    Tried::NotEnough
                }
            };
            tried.push(IdentityTried { identity: candidate.label().to_owned(), tried: outcome });
            if self.ending.is_known() || self.handle.is_closed() {
                let (endpoint, reason) = (self.endpoint.clone(), self.ending.reason());
                return Err(TransportError::Lost { endpoint, stage: Stage::Authenticate, reason, tried });
            }
            publickey_accepted = attempts == 0 || accepts.contains(&MethodKind::PublicKey);
        }
        let accepts = accepts.iter().map(|method| <&str>::from(method).to_owned()).collect();
        Err(TransportError::AuthRejected { endpoint: self.endpoint.clone(), tried, accepts })
    }

    async fn offer(&mut self, candidate: &Candidate) -> Answer {
        match candidate {
            Candidate::File { key, .. } => match self.hash(&key.algorithm()).await {
                Ok(hash) => {
                    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                    answer(self.handle.authenticate_publickey(&self.endpoint.user, key).await)
                }
                Err(weak) => Answer::Skipped(weak),
            },
            Candidate::Agent { key, .. } => match self.hash(&key.algorithm()).await {
                Ok(hash) => self.offer_agent_key(key, hash).await,
                Err(weak) => Answer::Skipped(weak),
            },
        }
    }

    async fn offer_agent_key(&mut self, key: &PublicKey, hash: Option<HashAlg>) -> Answer {
        let mut agent = match open_agent(self.settings.agent.as_deref()).await {
            Ok(agent) => agent,
            Err(reason) => return Answer::Skipped(Tried::Failed { reason }),
        };
        let user = &self.endpoint.user;
        answer(self.handle.authenticate_publickey_with(user, key.clone(), hash, &mut agent).await)
    }

    /// The hash to sign with: for RSA the best of SHA-2 that the server names, SHA-512 if it names none.
    async fn hash(&self, algorithm: &Algorithm) -> Result<Option<HashAlg>, Tried> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        let only_sha256 = self.settings.accepted.as_ref().is_some_and(|names| !names.contains(&"rsa-sha2-512".into()));
        match self.handle.best_supported_rsa_hash().await {
            Ok(_) | Err(_) if only_sha256 => Ok(Some(HashAlg::Sha256)),
            Ok(Some(Some(hash))) => Ok(Some(hash)),
            Ok(Some(None)) => Err(Tried::WeakOnly),
            Ok(None) | Err(_) => Ok(Some(HashAlg::Sha512)),
        }
    }
}

fn answer<E: std::fmt::Display>(result: Result<AuthResult, E>) -> Answer {
    match result {
        Ok(AuthResult::Success) => Answer::Accepted,
        Ok(AuthResult::Failure { remaining_methods, partial_success: false }) => {
            Answer::Refused { accepts: remaining_methods }
        }
        Ok(AuthResult::Failure { remaining_methods, partial_success: true }) => {
            Answer::Partly { accepts: remaining_methods }
        }
        Err(error) => Answer::Skipped(Tried::Failed { reason: printable(error.to_string()) }),
    }
}

//! Logging in: by keys and certificates, by answering the server's questions, by a password.
//!
//! Round trips: the service request, then per key the question whether the server would take it and the signature.
//! russh 0.65 always asks before it signs. A server that wants several proofs, one after the other, gets them in the order
//! in which it asks.

use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Questions, Prompt};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::asker::Asker;
use super::error::{Endpoint, IdentityTried, Stage, TransportError, Tried};
use super::identity::{Candidate, Offer, Signer, open_agent};
use super::key_signer::{CertificateSigner, Opened, opens};
use super::ssh_config::{LoginMethod, LoginSettings};
use super::ssh_handler::{ClientHandler, Ending};
use crate::model::{Secret, printable};

/// How many proofs are offered at most. OpenSSH's `MaxAuthTries` is six and the sixth failure ends the connection,
/// without our learning which methods would be left; five stays below.
const MAX_ATTEMPTS: usize = 5;

/// What is left of them for a password, which two methods may want.
const FOR_PASSWORD: usize = 2;

/// Rounds of questions from a server: a password, a code and a change of password are three.
const MAX_ROUNDS: usize = 10;

/// One login.
pub(super) struct Login<'a> {
    pub(super) handle: &'a mut Handle<ClientHandler>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) settings: &'a LoginSettings,
    pub(super) ending: &'a Ending,
    /// Whom to ask what only a person knows.
    pub(super) asker: Option<&'a Asker>,
    pub(super) password: Option<&'a Secret>,
}

/// What the server says to a proof.
enum Answer {
    Accepted,
    Refused {
        accepts: MethodSet,
    },
    Partly {
        accepts: MethodSet,
    },
    /// It wasn't offered or couldn't be made; the next one can be tried.
    Skipped(Tried),
}

/// How a login stands.
struct Standing {
    /// What the server would take next, as far as it has said.
    accepts: Option<MethodSet>,
    attempts: usize,
    /// Whether it has taken something and wants more.
    partly: bool,
    tried: Vec<IdentityTried>,
    candidates: std::vec::IntoIter<Candidate>,
    /// A key that was offered while the server took no key at all: it may do later.
    too_early: Option<Candidate>,
    /// The methods that a password was tried by.
    spent: Vec<LoginMethod>,
}

impl Standing {
    fn has_keys(&self) -> bool {
        self.too_early.is_some() || self.candidates.len() > 0
    }

    fn takes(&self, method: MethodKind) -> bool {
        self.accepts.as_ref().is_none_or(|accepts| accepts.contains(&method))
    }

    fn note(&mut self, identity: String, tried: Tried) {
        self.tried.push(IdentityTried { identity, tried });
    }
}

impl Login<'_> {
    /// Offers one proof after the other until the server lets us in.
    pub(super) async fn run(mut self, offer: Offer) -> Result<(), TransportError> {
        let Offer { candidates, unusable: mut tried } = offer;
        let by_keys = self.settings.methods.contains(&LoginMethod::PublicKey);
        if candidates.is_empty() && self.password.is_none() {
            return Err(TransportError::NoIdentity { endpoint: self.endpoint.clone(), tried });
        }
        // A default file that isn't there explains nothing once there are keys to offer.
        tried.retain(|identity| identity.tried != Tried::Missing);
        let candidates = if by_keys { candidates } else { Vec::new() }.into_iter();
        let (accepts, too_early, spent) = (None, None, Vec::new());
        let mut standing = Standing { accepts, attempts: 0, partly: false, tried, candidates, too_early, spent };
        if !standing.has_keys() {
            // Nothing else tells what the server takes.
            let none = self.handle.authenticate_none(&self.endpoint.user).await;
            if self.take(&mut standing, None, answer(none))? {
                return Ok(());
            }
            standing.attempts = 0;
        }
        while let Some(method) = self.next_method(&standing) {
            let let_in = match method {
                LoginMethod::PublicKey => self.try_key(&mut standing).await?,
                LoginMethod::KeyboardInteractive => self.try_questions(&mut standing).await?,
                LoginMethod::Password => self.try_password(&mut standing).await?,
            };
            if let_in {
                return Ok(());
            }
        }
        let Standing { accepts, mut tried, candidates, too_early, .. } = standing;
        tried.extend(too_early.map(|early| IdentityTried { identity: early.label, tried: Tried::Rejected }));
        tried.extend(candidates.map(|left| IdentityTried { identity: left.label, tried: Tried::NotOffered }));
        let accepts = accepts.iter().flat_map(|methods| methods.iter());
        let accepts = accepts.map(|method| <&str>::from(method).to_owned()).collect();
        Err(TransportError::AuthRejected { endpoint: self.endpoint.clone(), tried, accepts })
    }

    /// The best method that the server would take and that there still is something for.
    fn next_method(&self, standing: &Standing) -> Option<LoginMethod> {
        let left = MAX_ATTEMPTS.saturating_sub(standing.attempts);
        let reserved = if self.password.is_some() { FOR_PASSWORD } else { 0 };
        let is_fresh = |method: &LoginMethod| !standing.spent.contains(method);
        self.settings.methods.iter().copied().find(|method| match method {
            LoginMethod::PublicKey => left > reserved && standing.has_keys() && standing.takes(MethodKind::PublicKey),
            // Nobody is asked for the passwords of a whole fleet; what a server wants beside a key is another matter.
            LoginMethod::KeyboardInteractive => {
                let has_answers = self.password.is_some() || (standing.partly && self.asker.is_some());
                left > 0 && has_answers && is_fresh(method) && standing.takes(MethodKind::KeyboardInteractive)
            }
            LoginMethod::Password => {
                left > 0 && self.password.is_some() && is_fresh(method) && standing.takes(MethodKind::Password)
            }
        })
    }

    /// Takes an answer into account; whether we are in.
    fn take(&self, standing: &mut Standing, identity: Option<String>, answer: Answer) -> Result<bool, TransportError> {
        let tried = match answer {
            Answer::Accepted => return Ok(true),
            Answer::Skipped(tried) => tried,
            Answer::Refused { accepts } => {
                standing.attempts += 1;
                standing.accepts = Some(accepts);
                Tried::Rejected
            }
            Answer::Partly { accepts } => {
                standing.attempts += 1;
                standing.accepts = Some(accepts);
                standing.partly = true;
                Tried::NotEnough
            }
        };
        if let Some(identity) = identity {
            standing.note(identity, tried);
        }
        if self.ending.is_known() || self.handle.is_closed() {
            let (endpoint, reason) = (self.endpoint.clone(), self.ending.reason());
            let tried = std::mem::take(&mut standing.tried);
            return Err(TransportError::Lost { endpoint, stage: Stage::Authenticate, reason, tried });
        }
        Ok(false)
    }

    async fn try_key(&mut self, standing: &mut Standing) -> Result<bool, TransportError> {
        let Some(candidate) = standing.too_early.take().or_else(|| standing.candidates.next()) else {
            return Ok(false);
        };
        let answer = match self.hash(&candidate).await {
            Ok(hash) => self.offer(&candidate, hash).await,
            Err(weak) => Answer::Skipped(weak),
        };
        if let Answer::Refused { accepts } = &answer
            && !accepts.contains(&MethodKind::PublicKey)
        {
            standing.too_early = Some(candidate);
            return self.take(standing, None, answer);
        }
        self.take(standing, Some(candidate.label), answer)
    }

    async fn offer(&mut self, candidate: &Candidate, hash: Option<HashAlg>) -> Answer {
        let user = &self.endpoint.user;
        let private = match &candidate.signer {
            Signer::File(private) => Arc::clone(private),
            Signer::Locked(locked) => {
                // The server is asked first: nobody shall type a passphrase for a key that it doesn't want.
                let mut opening = Opened { locked, asker: self.asker, key: None };
                let asked = opens(self.handle, user, candidate, hash, &mut opening).await;
                match (opening.key, asked) {
                    (Some(key), _) => key,
                    (None, Some(result)) => return answer::<russh::Error>(Ok(result)),
                    (None, None) => return Answer::Skipped(Tried::Encrypted),
                }
            }
            Signer::Agent => return self.offer_agent_key(candidate, hash).await,
        };
        match &candidate.certificate {
            None => {
                let key = PrivateKeyWithHashAlg::new(private, hash);
                answer(self.handle.authenticate_publickey(user, key).await)
            }
            Some(certificate) => {
                let mut signer = CertificateSigner { key: private };
                let certificate = certificate.clone();
                answer(self.handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await)
            }
        }
    }

    async fn offer_agent_key(&mut self, candidate: &Candidate, hash: Option<HashAlg>) -> Answer {
        let mut agent = match open_agent(self.settings.identities.agent.as_deref()).await {
            Ok(agent) => agent,
            Err(reason) => return Answer::Skipped(Tried::Failed { reason }),
        };
        let user = &self.endpoint.user;
        match &candidate.certificate {
            None => {
                let key = candidate.key.clone();
                answer(self.handle.authenticate_publickey_with(user, key, hash, &mut agent).await)
            }
            Some(certificate) => {
                let certificate = certificate.clone();
                answer(self.handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await)
            }
        }
    }

    /// The hash to sign with: for RSA the best of SHA-2 that the server names, SHA-512 if it names none.
    async fn hash(&self, candidate: &Candidate) -> Result<Option<HashAlg>, Tried> {
        if !matches!(candidate.key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        let accepted = self.settings.identities.accepted.as_ref();
        let only_sha256 = accepted.is_some_and(|names| !names.iter().any(|name| name.starts_with("rsa-sha2-512")));
        match self.handle.best_supported_rsa_hash().await {
            Ok(_) | Err(_) if only_sha256 => Ok(Some(HashAlg::Sha256)),
            Ok(Some(Some(hash))) => Ok(Some(hash)),
            Ok(Some(None)) => Err(Tried::WeakOnly),
            Ok(None) | Err(_) => Ok(Some(HashAlg::Sha512)),
        }
    }

    async fn try_password(&mut self, standing: &mut Standing) -> Result<bool, TransportError> {
        standing.spent.push(LoginMethod::Password);
        let Some(password) = self.password else { return Ok(false) };
        let result = self.handle.authenticate_password(&self.endpoint.user, password.expose()).await;
        self.take(standing, Some("password".into()), answer(result))
    }

    /// Lets the server ask. The first question that isn't echoed is taken for that of the password.
    async fn try_questions(&mut self, standing: &mut Standing) -> Result<bool, TransportError> {
        standing.spent.push(LoginMethod::KeyboardInteractive);
        let mut password = self.password;
        let mut reply = self.handle.authenticate_keyboard_interactive_start(&self.endpoint.user, None).await;
        for _ in 0..MAX_ROUNDS {
            let prompts = match reply {
                Ok(Questions::InfoRequest { prompts, .. }) => prompts,
                Ok(Questions::Success) => return Ok(true),
                Ok(Questions::Failure { remaining_methods, partial_success }) => {
                    let refused = AuthResult::Failure { remaining_methods, partial_success };
                    return self.take(
                        standing,
                        Some("keyboard-interactive".into()),
                        answer::<russh::Error>(Ok(refused)),
                    );
                }
                Err(error) => {
                    return self.take(standing, Some("keyboard-interactive".into()), answer(Err(error)));
                }
            };
            let mut answers = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                answers.push(self.answer_to(&prompt, &mut password).await);
            }
            reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
        let reason = format!("the server asked more than {MAX_ROUNDS} times");
        self.take(standing, Some("keyboard-interactive".into()), Answer::Skipped(Tried::Failed { reason }))
    }

    /// What nobody answers is answered by nothing, which the server refuses.
    async fn answer_to(&self, prompt: &Prompt, password: &mut Option<&Secret>) -> String {
        if let Some(password) = password.take_if(|_| !prompt.echo) {
            return password.expose().to_owned();
        }
        let Some(asker) = self.asker else { return String::new() };
        // Their words, but ours say whose they are.
        let text = printable(&prompt.prompt);
        let text: String = text.chars().take(PROMPT_LIMIT).collect();
        let answer = asker.ask(format!("{} asks: {text}", self.endpoint), prompt.echo).await;
        answer.map(|answer| answer.expose().to_owned()).unwrap_or_default()
    }
}

/// A question of a server is shown up to this many characters: two lines of a terminal.
const PROMPT_LIMIT: usize = 160;

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

//! Signatures that the SSH library leaves to us: those of certificates by a key from a file (with SHA-2 for RSA, which
//! the library's own way doesn't do), and the moment in which a locked key is needed.

use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};

use super::asker::Asker;
use super::identity::Candidate;
use super::key_file::LockedKey;
use super::ssh_handler::ClientHandler;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    #[error("the key can't sign")]
    Key(#[from] russh::keys::signature::Error),
    #[error("the signature can't be written")]
    Encode(#[from] russh::keys::ssh_encoding::Error),
    #[error("the connection is gone")]
    Gone(#[from] russh::SendError),
    /// Nothing was to be signed yet.
    #[error("the key isn't open")]
    Locked,
}

/// Signs for a certificate with the key in it.
pub(super) struct CertificateSigner {
    pub(super) key: Arc<PrivateKey>,
}

impl russh::Signer for CertificateSigner {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signature: Signature = match self.key.key_data() {
            KeypairData::Rsa(key) => (key, Some(hash.unwrap_or(HashAlg::Sha512))).try_sign(&data)?,
            key => key.try_sign(&data)?,
        };
        // What was signed, followed by the signature as one string (RFC 4252, section 7).
        let mut blob = Vec::new();
        signature.encode(&mut blob)?;
        blob.encode(&mut data)?;
        Ok(data)
    }
}

/// Opens a locked key when the server asks for its signature, and gives none: the key is then offered like any other.
pub(super) struct Opened<'a> {
    pub(super) locked: &'a Arc<LockedKey>,
    pub(super) asker: Option<&'a Asker>,
    pub(super) key: Option<Arc<PrivateKey>>,
}

impl russh::Signer for Opened<'_> {
    type Error = SignError;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, SignError> {
        if let Some(asker) = self.asker {
            self.key = self.locked.open(asker).await;
        }
        Err(SignError::Locked)
    }
}

/// Asks the server whether it would take a key, and has it opened if so. What the server says otherwise is returned.
pub(super) async fn opens(
    handle: &mut Handle<ClientHandler>,
    user: &str,
    candidate: &Candidate,
    hash: Option<HashAlg>,
    opening: &mut Opened<'_>,
) -> Option<AuthResult> {
    let asked = match &candidate.certificate {
        None => handle.authenticate_publickey_with(user, candidate.key.clone(), hash, opening).await,
        Some(certificate) => handle.authenticate_certificate_with(user, certificate.clone(), hash, opening).await,
    };
    asked.ok()
}

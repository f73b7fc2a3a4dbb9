//! A file with a private key, or with the public half of one that somebody else holds.

use std::path::Path;
use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key, load_public_key};

use crate::model::printable;

/// A key file never is larger than a few KB (RSA with 16,384 bits: 13 KB); what is larger isn't one.
const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// What is in a key file, or beside it.
#[derive(Debug, Clone)]
pub(super) struct KeyFile {
    /// The public half, if it could be found: in the file, or in one beside it that ends in `.pub`.
    pub(super) public: Option<PublicKey>,
    pub(super) private: Private,
}

/// What is known of the private half.
#[derive(Debug, Clone)]
pub(super) enum Private {
    /// It can sign.
    Usable(Arc<PrivateKey>),
    /// It needs a passphrase.
    Encrypted,
    /// There is no such file.
    Missing,
    /// It is in a device (FIDO), which the agent talks to.
    Hardware,
    /// The file can't be read or holds something else.
    Failed(String),
}

impl KeyFile {
    /// Whether this is the file of that key.
    pub(super) fn holds(&self, wanted: &PublicKey) -> bool {
        self.public.as_ref().is_some_and(|key| key.key_data() == wanted.key_data())
    }
}

/// Reads a key file. A file of a public key, or one beside, tells which key of the agent is meant.
pub(super) async fn read_key_file(path: &Path) -> KeyFile {
    let private = match read_text(path).await {
        Ok(text) => {
            if let Some(key) = decode_key(&text) {
                return key;
            }
            if let Ok(key) = PublicKey::from_openssh(text.trim()) {
                return KeyFile { public: Some(key), private: Private::Missing };
            }
            let public = PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone());
            if public.is_some() || is_encrypted(&text) {
                let public = public.or_else(|| beside(path));
                return KeyFile { public, private: Private::Encrypted };
            }
            Private::Failed("not a usable private key".into())
        }
        Err(private) => private,
    };
    KeyFile { public: beside(path), private }
}

async fn read_text(path: &Path) -> Result<String, Private> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() > KEY_FILE_LIMIT => {
            return Err(Private::Failed(format!("{} bytes are too many for a key", metadata.len())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Private::Missing),
        Err(error) => return Err(Private::Failed(printable(error.to_string()))),
    }
    tokio::fs::read_to_string(path).await.map_err(|error| Private::Failed(printable(error.to_string())))
}

fn decode_key(text: &str) -> Option<KeyFile> {
    let key = decode_secret_key(text, None).ok()?;
    let public = Some(key.public_key().clone());
    let in_a_device = matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
    Some(KeyFile { public, private: if in_a_device { Private::Hardware } else { Private::Usable(Arc::new(key)) } })
}

fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// The public half in a file of its own.
fn beside(path: &Path) -> Option<PublicKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    load_public_key(beside).ok()
}

//! A file with a private key, or with the public half of one that somebody else holds; and certificates beside.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey, decode_secret_key, load_public_key};
use tokio::sync::OnceCell;

use super::asker::Asker;
use crate::model::{Secret, printable};

/// A key file never is larger than a few KB (RSA with 16,384 bits: 13 KB); what is larger isn't one.
const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// How often a passphrase is asked for, as OpenSSH does (`NumberOfPasswordPrompts`).
const PASSPHRASES: usize = 3;

/// What is in a key file, or beside it.
#[derive(Debug, Clone)]
pub(super) struct KeyFile {
    /// The public half, if it could be found: in the file, or in one beside it that ends in `.pub`.
    pub(super) public: Option<PublicKey>,
    pub(super) private: Private,
    /// The certificate in the file beside it that ends in `-cert.pub`.
    pub(super) certificate: Option<Certificate>,
}

/// What is known of the private half.
#[derive(Debug, Clone)]
pub(super) enum Private {
    /// It can sign.
    Usable(Arc<PrivateKey>),
    /// It needs a passphrase.
    Locked(Arc<LockedKey>),
    /// There is no such file.
    Missing,
    /// It is in a device (FIDO), which the agent talks to.
    Hardware,
    /// The file can't be read or holds something else.
    Failed(String),
}

/// A private key behind a passphrase, which is asked for once, when a server would take the key.
pub(super) struct LockedKey {
    path: PathBuf,
    text: Secret,
    opened: OnceCell<Option<Arc<PrivateKey>>>,
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl LockedKey {
    /// The key, once somebody has given its passphrase; `None` if nobody has, and then for good.
    pub(super) async fn open(self: &Arc<Self>, asker: &Asker) -> Option<Arc<PrivateKey>> {
        self.opened.get_or_init(|| self.ask(asker)).await.clone()
    }

    async fn ask(self: &Arc<Self>, asker: &Asker) -> Option<Arc<PrivateKey>> {
        let path = printable(self.path.display().to_string());
        for attempt in 0..PASSPHRASES {
            let again = if attempt == 0 { "" } else { "That was not it. " };
            let passphrase = asker.ask(format!("{again}Passphrase for {path}: "), false).await?;
            let this = Arc::clone(self);
            // Made slow on purpose: a tenth of a second, during which others shall go on.
            let opened = tokio::task::spawn_blocking(move || {
                decode_secret_key(this.text.expose(), Some(passphrase.expose())).ok()
            });
            if let Ok(Some(key)) = opened.await {
                return Some(Arc::new(key));
            }
        }
        None
    }
}

impl KeyFile {
    /// Whether this is the file of that key.
    pub(super) fn holds(&self, wanted: &PublicKey) -> bool {
        self.public.as_ref().is_some_and(|key| key.key_data() == wanted.key_data())
    }
}

/// Reads a key file. A file of a public key, or one beside, tells which key of the agent is meant.
pub(super) async fn read_key_file(path: &Path) -> KeyFile {
    let certificate = read_certificate(&with_ending(path, "-cert.pub")).await.ok();
    let (public, private) = match read_text(path).await {
        Ok(text) => understand(path, text),
        Err(private) => (None, private),
    };
    KeyFile { public: public.or_else(|| load_public_key(with_ending(path, ".pub")).ok()), private, certificate }
}

/// Reads a certificate; the reason where there is none.
pub(super) async fn read_certificate(path: &Path) -> Result<Certificate, Private> {
    let text = read_text(path).await?;
    Certificate::from_openssh(text.expose().trim())
        .map_err(|error| Private::Failed(format!("not a certificate ({})", printable(error.to_string()))))
}

async fn read_text(path: &Path) -> Result<Secret, Private> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() > KEY_FILE_LIMIT => {
            return Err(Private::Failed(format!("{} bytes are too many for a key", metadata.len())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Private::Missing),
        Err(error) => return Err(Private::Failed(printable(error.to_string()))),
    }
    let text = tokio::fs::read_to_string(path).await;
    text.map(Secret::new).map_err(|error| Private::Failed(printable(error.to_string())))
}

/// Both halves of what a key file holds.
fn understand(path: &Path, text: Secret) -> (Option<PublicKey>, Private) {
    if let Ok(key) = decode_secret_key(text.expose(), None) {
        let public = Some(key.public_key().clone());
        let in_a_device = matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
        return (public, if in_a_device { Private::Hardware } else { Private::Usable(Arc::new(key)) });
    }
    if let Ok(key) = PublicKey::from_openssh(text.expose().trim()) {
        return (Some(key), Private::Missing);
    }
    // OpenSSH's own format leaves the public half readable.
    let public = PrivateKey::from_openssh(text.expose()).ok().map(|key| key.public_key().clone());
    if public.is_none() && !is_encrypted(text.expose()) {
        return (None, Private::Failed("not a usable private key".into()));
    }
    (public, Private::Locked(Arc::new(LockedKey { path: path.to_owned(), text, opened: OnceCell::new() })))
}

fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

//! Encrypting and decrypting: PBKDF2-HMAC-SHA256, AES-256-CTR with PKCS7 padding, HMAC-SHA256 over the ciphertext, as
//! Ansible has it.

use aes::Aes256;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use ctr::Ctr128BE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::envelope::{Envelope, EnvelopeError};
use super::{DEFAULT_LABEL, Identity};

/// Rounds of the key derivation: the format's, not ours to choose.
const ROUNDS: u32 = 10_000;

/// Bytes of a fresh salt.
pub const SALT: usize = 32;

/// Bytes of an AES block, to which texts are padded.
const BLOCK: usize = 16;

/// Why a text can't be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It is torn, or of another kind.
    #[error(transparent)]
    Damaged(#[from] EnvelopeError),
    /// No password is there to try.
    #[error("it is encrypted{}, and no vault password was given", labelled(.label.as_ref()))]
    NoPassword {
        /// The label that the text names.
        label: Option<String>,
    },
    /// None of the passwords is the right one, or the text was changed: its checksum can't tell the two apart.
    #[error(
        "it is encrypted{}, and no password that was given opens it (tried: {}); or somebody has changed it",
        labelled(.label.as_ref()),
        .tried.join(", ")
    )]
    WrongPassword {
        /// The label that the text names.
        label: Option<String>,
        /// The passwords that were tried, by label and origin.
        tried: Vec<String>,
    },
}

fn labelled(label: Option<&String>) -> String {
    label.map_or_else(String::new, |label| format!(" (vault id {label})"))
}

/// A text that was decrypted.
pub struct Opened<'i> {
    /// The text; overwritten when it is dropped.
    pub plain: Zeroizing<Vec<u8>>,
    /// What opened it.
    pub by: &'i Identity,
}

/// Decrypts `text`. A password whose label is that of the text is tried first, then the others in their order, as
/// `ansible-vault` does.
///
/// # Errors
/// See [`VaultError`].
pub fn open<'i>(text: &str, identities: &'i [Identity]) -> Result<Opened<'i>, VaultError> {
    let envelope = Envelope::parse(text)?;
    let fits = |identity: &&Identity| envelope.label.as_deref() == Some(identity.label.as_str());
    let first = identities.iter().filter(fits);
    let others = identities.iter().filter(|identity| !fits(identity));
    let mut tried = Vec::new();
    for identity in first.chain(others) {
        if let Some(plain) = decrypt(&envelope, identity.password.expose().as_bytes()) {
            return Ok(Opened { plain, by: identity });
        }
        tried.push(format!("{} from {}", identity.label, identity.origin));
    }
    let label = envelope.label;
    Err(if tried.is_empty() { VaultError::NoPassword { label } } else { VaultError::WrongPassword { label, tried } })
}

/// Encrypts `plain` under a password. The salt must be fresh and random, [`SALT`] bytes; the format is 1.2 where the identity
/// has a label of its own.
#[must_use]
pub fn seal(plain: &[u8], identity: &Identity, salt: &[u8; SALT]) -> String {
    let keys = Keys::derive(identity.password.expose().as_bytes(), salt);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut text = Zeroizing::new(Vec::with_capacity(plain.len() + padding));
    text.extend_from_slice(plain);
    text.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or_default(), padding));
    keys.apply(&mut text);
    let ciphertext = text.to_vec();
    let mac = keys.mac(&ciphertext);
    let label = Some(identity.label.clone()).filter(|label| label != DEFAULT_LABEL);
    Envelope { label, salt: salt.to_vec(), mac, ciphertext }.to_text()
}

fn decrypt(envelope: &Envelope, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let keys = Keys::derive(password, &envelope.salt);
    // Before anything is made of it, and in a time that tells nothing.
    if !bool::from(keys.mac(&envelope.ciphertext).ct_eq(&envelope.mac)) {
        return None;
    }
    let mut text = Zeroizing::new(envelope.ciphertext.clone());
    keys.apply(&mut text);
    let padding = text.last().map(|byte| usize::from(*byte)).filter(|count| (1..=BLOCK).contains(count))?;
    let rest = text.len().checked_sub(padding)?;
    text.get(rest..)?.iter().all(|byte| usize::from(*byte) == padding).then(|| text.truncate(rest))?;
    Some(text)
}

/// What a password and a salt give: 32 bytes for the cipher, 32 for the HMAC, 16 where the counter begins.
struct Keys(Zeroizing<[u8; 80]>);

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut keys = Zeroizing::new([0; 80]);
        // An HMAC takes keys of any length, so that there is no error to be had.
        let _ = pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, ROUNDS, keys.as_mut());
        Self(keys)
    }

    fn apply(&self, text: &mut [u8]) {
        let (key, rest) = self.0.split_at(32);
        if let Ok(mut cipher) = Ctr128BE::<Aes256>::new_from_slices(key, &rest[32..]) {
            cipher.apply_keystream(text);
        }
    }

    fn mac(&self, ciphertext: &[u8]) -> Vec<u8> {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.0[32..64]).expect("an HMAC takes keys of any length");
        mac.update(ciphertext);
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn identity(label: &str, password: &str) -> Identity {
        Identity { label: label.into(), origin: "a test".into(), password: Secret::new(password) }
    }

    #[test]
    fn what_is_encrypted_is_decrypted_by_its_password_alone() {
        let (right, wrong) = (identity("default", "correct horse"), identity("prod", "wrong"));
        for plain in ["", "x", "0123456789abcdef", "hunter2\n", &"long ".repeat(100)] {
            let text = seal(plain.as_bytes(), &right, &[9; SALT]);
            assert!(text.starts_with("$ANSIBLE_VAULT;1.1;AES256\n"), "{text}");
            let both = [wrong.clone(), right.clone()];
            let opened = open(&text, &both).unwrap();
            assert_eq!((opened.plain.as_slice(), opened.by), (plain.as_bytes(), &right));
            let Err(VaultError::WrongPassword { tried, .. }) = open(&text, std::slice::from_ref(&wrong)) else {
                panic!("{plain}")
            };
            assert_eq!(tried, ["prod from a test"]);
        }
    }

    #[test]
    fn a_label_says_which_password_is_tried_first() {
        let (dev, prod) = (identity("dev", "a"), identity("prod", "b"));
        let text = seal(b"x", &prod, &[1; SALT]);
        assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"), "{text}");
        let known = [dev.clone(), prod.clone()];
        assert_eq!(open(&text, &known).unwrap().by.label, "prod");
        // The same password under another label opens it too.
        let other = [dev, identity("other", "b")];
        assert_eq!(open(&text, &other).unwrap().by.label, "other");
        let missing = open(&text, &[]).err().unwrap();
        assert_eq!(missing.to_string(), "it is encrypted (vault id prod), and no vault password was given");
    }

    #[test]
    fn every_changed_digit_of_the_ciphertext_shows() {
        let right = [identity("default", "pw")];
        let envelope = Envelope::parse(&seal(b"hunter2", &right[0], &[3; SALT])).unwrap();
        for at in 0..envelope.ciphertext.len() {
            let mut changed = envelope.clone();
            changed.ciphertext[at] ^= 1;
            assert!(matches!(open(&changed.to_text(), &right), Err(VaultError::WrongPassword { .. })));
        }
    }
}

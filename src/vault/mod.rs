//! Ansible's vault: texts that are encrypted under a password, as whole files and as single values. Pure: whoever calls
//! brings passwords and salts.
//!
//! The format is Ansible's, 1.1 and 1.2 (which adds a label): `ansible-vault` reads what is written here, and the other
//! way round. Nothing in here prints a password or a decrypted text; errors name places in the encrypted one.

mod cipher;
mod envelope;

pub use cipher::{Opened, SALT, VaultError, open, seal};
pub use envelope::{Envelope, EnvelopeError, HEADER, is_encrypted};

use crate::model::Secret;

/// The label of a password that has none of its own.
pub const DEFAULT_LABEL: &str = "default";

/// A password, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The vault id's label, such as `prod`.
    pub label: String,
    /// Where the password comes from, for messages: a path, or `prompt`.
    pub origin: String,
    /// The password.
    pub password: Secret,
}

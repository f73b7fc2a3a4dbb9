//! Digests that tell nothing to who doesn't have the key. Pure.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Digest;

/// A key for digests of secrets. A plain digest of a password can be guessed by trying passwords; a keyed one (HMAC-SHA256)
/// only with the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey(Zeroizing<Vec<u8>>);

impl SealingKey {
    /// Takes over the bytes of a key, of any length.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Zeroizing::new(key.to_vec()))
    }

    /// The keyed digest of some bytes.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.0).expect("an HMAC takes keys of any length");
        mac.update(bytes);
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Digest::parse(&digits).unwrap_or_else(|| Digest::of(b""))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_published_example() {
        // RFC 4231, test case 2.
        let digest = SealingKey::new(b"Jefe").digest(b"what do ya want for nothing?");
        assert_eq!(digest.as_str(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_ne!(SealingKey::new(b"other").digest(b"x"), SealingKey::new(b"key").digest(b"x"));
    }
}

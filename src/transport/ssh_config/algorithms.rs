//! OpenSSH's names of algorithms as those of the SSH library. Pure.
//!
//! What a list names and the library lacks (sntrup761, UMAC, SHA-1 signatures, …) is left out; what is weak is used only
//! where configuration names it.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{cipher, kex, mac};

/// Key exchange. The hybrid first: it also holds against a quantum computer, for 0.2 ms more than curve25519 alone.
/// Fixed groups last, for servers that have nothing else. Nothing with SHA-1.
pub(in crate::transport) const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
];

/// What belongs to every key exchange, whatever is chosen: it isn't an algorithm.
pub(in crate::transport) const KEX_EXTENSIONS: [kex::Name; 2] =
    [kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];

/// Ciphers. AES-GCM first: by measurement the cheapest, on both sides. No CBC.
pub(in crate::transport) const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// MACs, for the ciphers that need one. SHA-2 only.
pub(in crate::transport) const MACS: &[mac::Name] =
    &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// Host keys. RSA signs with SHA-2 only; no DSA.
pub(in crate::transport) const HOST_KEY_ALGORITHMS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Beside our own choice, what the library has for servers that need it.
const OTHER_KEX: &[kex::Name] = &[
    kex::DH_GEX_SHA256,
    kex::DH_G18_SHA512,
    kex::DH_G17_SHA512,
    kex::DH_G15_SHA512,
    kex::DH_G14_SHA1,
    kex::DH_GEX_SHA1,
    kex::DH_G1_SHA1,
];
const OTHER_CIPHERS: &[cipher::Name] = &[cipher::AES_256_CBC, cipher::AES_192_CBC, cipher::AES_128_CBC];
const OTHER_MACS: &[mac::Name] = &[mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

pub(super) fn kex_names(list: &str) -> Vec<kex::Name> {
    chosen(list, |name| [KEX, OTHER_KEX].concat().into_iter().find(|known| known.as_ref() == name))
}

pub(super) fn cipher_names(list: &str) -> Vec<cipher::Name> {
    chosen(list, |name| [CIPHERS, OTHER_CIPHERS].concat().into_iter().find(|known| known.as_ref() == name))
}

pub(super) fn mac_names(list: &str) -> Vec<mac::Name> {
    chosen(list, |name| [MACS, OTHER_MACS].concat().into_iter().find(|known| known.as_ref() == name))
}

pub(super) fn host_key_algorithms(list: &str) -> Vec<Algorithm> {
    chosen(list, host_key_algorithm)
}

/// The keys in host certificates.
pub(super) fn host_certificate_algorithms(list: &str) -> Vec<Algorithm> {
    chosen(list, |name| host_key_algorithm(name.strip_suffix("-cert-v01@openssh.com")?))
}

fn host_key_algorithm(name: &str) -> Option<Algorithm> {
    HOST_KEY_ALGORITHMS.iter().find(|known| known.to_string() == name).cloned()
}

fn chosen<T>(list: &str, find: impl Fn(&str) -> Option<T>) -> Vec<T> {
    list.split(',').filter_map(|name| find(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_openssh_s_and_what_the_library_lacks_is_left_out() {
        let names = |list: &str| kex_names(list).iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            names("sntrup761x25519-sha512,curve25519-sha256,diffie-hellman-group14-sha1"),
            ["curve25519-sha256", "diffie-hellman-group14-sha1"]
        );
        assert_eq!(cipher_names("aes256-ctr,3des-cbc,aes128-gcm@openssh.com").len(), 2);
        assert_eq!(mac_names("umac-64-etm@openssh.com,hmac-sha1"), [mac::HMAC_SHA1]);
        let list = "ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512,ssh-rsa,ssh-dss,ecdsa-sha2-nistp256";
        let rsa = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
        assert_eq!(host_key_algorithms(list), [rsa, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }]);
        assert_eq!(host_certificate_algorithms(list), [Algorithm::Ed25519]);
        assert!(kex_names("sntrup761x25519-sha512").is_empty());
    }
}

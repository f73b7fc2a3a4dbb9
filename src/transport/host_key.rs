//! Is this the host? Judges what a server shows by what is known of it and by what configuration asks for. Pure.

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::known_hosts::{FileLine, HostKeys, KnownKey, Verdict};
use super::ssh_config::{HostKeyChecking, HostKeySettings};
use crate::model::printable;

/// What becomes of the connection.
#[derive(Debug)]
pub(super) enum Judgement {
    /// It is the host.
    Trusted,
    /// Nothing is known of the host, and configuration wants its key to be trusted from now on.
    Learn(PublicKey),
    /// It may be anybody, and configuration wants it to be taken for the host: no password may go there.
    Unsafe(PublicKey, Refusal),
    /// It is not, or may not be, the host.
    Refused(PublicKey, Refusal),
}

/// Why something isn't taken for the host.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing is known of the host.
    Unknown,
    /// Other keys are known.
    Changed,
    /// The key, or that of the authority, is marked as revoked.
    Revoked(FileLine),
    /// The key is shorter than `RequiredRSASize`.
    Short(u32),
    /// The certificate doesn't hold.
    Certificate {
        /// The authority that signed it.
        authority: FileLine,
        /// What is wrong with it, printable.
        reason: String,
    },
}

/// Algorithms that an authority may sign with unless configuration says otherwise: OpenSSH's, none with SHA-1.
const CA_SIGNATURES: [&str; 8] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// What a host is judged by.
pub(super) struct Standard<'a> {
    pub(super) known: &'a HostKeys,
    pub(super) settings: &'a HostKeySettings,
    /// The name that certificates have to be for: the host's address, or its alias.
    pub(super) name: &'a str,
    /// Seconds since 1970 in UTC.
    pub(super) now: u64,
}

impl Standard<'_> {
    /// Judges what a server shows.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate) -> Judgement {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key),
            PublicKeyOrCertificate::Certificate(certificate) => self.judge_certificate(certificate),
        }
    }

    fn judge_key(&self, key: &PublicKey) -> Judgement {
        if let Some(bits) = self.too_short(key) {
            return Judgement::Refused(key.clone(), Refusal::Short(bits));
        }
        let refusal = match self.known.check(key) {
            Verdict::Trusted => return Judgement::Trusted,
            // However lax configuration is: somebody has said so on purpose.
            Verdict::Revoked(at) => return Judgement::Refused(key.clone(), Refusal::Revoked(at)),
            Verdict::Unknown => Refusal::Unknown,
            Verdict::Changed => Refusal::Changed,
        };
        match (self.settings.checking, &refusal) {
            (HostKeyChecking::AcceptNew | HostKeyChecking::Off, Refusal::Unknown) => Judgement::Learn(key.clone()),
            (HostKeyChecking::Off, _) => Judgement::Unsafe(key.clone(), refusal),
            (HostKeyChecking::Strict | HostKeyChecking::AcceptNew, _) => Judgement::Refused(key.clone(), refusal),
        }
    }

    /// A certificate by an authority that isn't known for the host counts for nothing: then its key is judged.
    fn judge_certificate(&self, certificate: &Certificate) -> Judgement {
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let same = |known: &&KnownKey| known.key.key_data() == authority.key_data();
        let Some(known) = self.known.authorities().iter().find(same) else { return self.judge_key(&key) };
        if let Some(bits) = self.too_short(&key).or_else(|| self.too_short(&authority)) {
            return Judgement::Refused(key, Refusal::Short(bits));
        }
        let is_revoked =
            |known: &&KnownKey| [&key, &authority].iter().any(|key| key.key_data() == known.key.key_data());
        if let Some(revoked) = self.known.revoked().iter().find(is_revoked) {
            return Judgement::Refused(key, Refusal::Revoked(revoked.at.clone()));
        }
        match self.fault(certificate, known) {
            None => Judgement::Trusted,
            Some(reason) => Judgement::Refused(key, Refusal::Certificate { authority: known.at.clone(), reason }),
        }
    }

    fn too_short(&self, key: &PublicKey) -> Option<u32> {
        key.key_data()
            .rsa()
            .map(russh::keys::ssh_key::public::RsaPublicKey::key_size)
            .filter(|bits| *bits < self.settings.least_rsa_bits)
    }

    /// What is wrong with a certificate, as PROTOCOL.certkeys of OpenSSH has it.
    fn fault(&self, certificate: &Certificate, authority: &KnownKey) -> Option<String> {
        if certificate.cert_type() != CertType::Host {
            return Some("it is a user's".into());
        }
        let signature = certificate.signature().algorithm().to_string();
        let accepted = self.settings.ca_signatures.as_ref();
        if !accepted.map_or(CA_SIGNATURES.contains(&signature.as_str()), |names| names.contains(&signature)) {
            return Some(format!("it is signed by {signature} (CASignatureAlgorithms)"));
        }
        if self.now < certificate.valid_after() {
            return Some(format!("it isn't valid yet, until {}", time(certificate.valid_after())));
        }
        if self.now >= certificate.valid_before() {
            return Some(format!("it ran out at {}", time(certificate.valid_before())));
        }
        if certificate.validate_at(self.now, [&authority.key.fingerprint(HashAlg::Sha256)]).is_err() {
            return Some("its signature is wrong".into());
        }
        let principals = certificate.valid_principals();
        // OpenSSH 9.2 takes such a one for a certificate of every host: that is what nobody means.
        if principals.is_empty() {
            return Some("it isn't for any host".into());
        }
        let name = self.name.to_lowercase();
        if !principals.contains(&name) {
            let shown: Vec<String> = principals.iter().take(PRINCIPALS_SHOWN).map(printable).collect();
            return Some(format!("it is for {}, not for {name}", shown.join(", ")));
        }
        let unknown = certificate.critical_options().iter().next();
        unknown.map(|(name, _)| format!("it has an option that isn't known: {}", printable(name)))
    }
}

/// A list that is longer helps nobody.
const PRINCIPALS_SHOWN: usize = 5;

fn time(seconds: u64) -> String {
    i64::try_from(seconds)
        .map_or_else(|_| "the end of time".into(), |seconds| crate::model::Timestamp(seconds).to_string())
}

//! Which host keys are known: parser and matcher of OpenSSH's `known_hosts`. Pure: it is given the files' bytes.
//!
//! The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". As with `ssh`, a host on another port than 22 is looked up
//! as `[address]:port`, and if nothing is known of that, a key that is known for `address` will do.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

/// The port that `known_hosts` leaves out.
const DEFAULT_PORT: u16 = 22;

/// A line of a file, printed as `path:line`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// The file, as it was named.
    pub path: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// A host key that a file knows, and where.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// The key.
    pub key: PublicKey,
    /// Where it stands.
    pub at: FileLine,
}

/// What the files say about one address and port.
#[derive(Debug, Clone, Default)]
pub struct HostKeys {
    trusted: Vec<KnownKey>,
    /// Keys of the same address whatever its port, where nothing is known of the very port.
    elsewhere: Vec<KnownKey>,
    revoked: Vec<KnownKey>,
    authorities: Vec<KnownKey>,
}

/// What the files say about a key that a host presented.
#[derive(Debug)]
pub enum Verdict {
    /// The key is known for the host.
    Trusted,
    /// Nothing is known for the host.
    Unknown,
    /// Other keys are known for the host, but not this one.
    Changed,
    /// The key is marked `@revoked` there.
    Revoked(FileLine),
}

impl HostKeys {
    /// Judges a key; a revocation outweighs everything else.
    #[must_use]
    pub fn check(&self, presented: &PublicKey) -> Verdict {
        let same = |known: &&KnownKey| known.key.key_data() == presented.key_data();
        if let Some(revoked) = self.revoked.iter().find(same) {
            return Verdict::Revoked(revoked.at.clone());
        }
        if self.trusted.iter().chain(&self.elsewhere).any(|known| same(&known)) {
            return Verdict::Trusted;
        }
        if self.trusted.is_empty() { Verdict::Unknown } else { Verdict::Changed }
    }

    /// The keys known for the host, in the order of the files.
    #[must_use]
    pub fn trusted(&self) -> &[KnownKey] {
        &self.trusted
    }

    /// The keys that are marked as revoked for the host, in the order of the files.
    #[must_use]
    pub fn revoked(&self) -> &[KnownKey] {
        &self.revoked
    }

    /// The authorities whose certificates are trusted for the host, in the order of the files.
    #[must_use]
    pub fn authorities(&self) -> &[KnownKey] {
        &self.authorities
    }

    /// The signature algorithms to offer in the key exchange so that the host presents a key that is known;
    /// empty when none is known. RSA keys sign with SHA-2 only, and DSA keys not at all.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for known in self.trusted.iter().chain(&self.elsewhere) {
            let offered = match known.key.algorithm() {
                Algorithm::Rsa { .. } => {
                    vec![Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, Algorithm::Rsa { hash: Some(HashAlg::Sha256) }]
                }
                Algorithm::Dsa => Vec::new(),
                other => vec![other],
            };
            for algorithm in offered {
                if !algorithms.contains(&algorithm) {
                    algorithms.push(algorithm);
                }
            }
        }
        algorithms
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    CertAuthority,
}

#[derive(Debug)]
enum HostsField {
    /// `|1|salt|hash`: HMAC-SHA1 of the host's name.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Comma-separated patterns, in lower case.
    Patterns(String),
}

#[derive(Debug)]
struct Entry {
    marker: Marker,
    hosts: HostsField,
    /// Type and base64 as written; decoded only when the host matches.
    key: String,
    at: FileLine,
}

/// The lines of all known-hosts files, ready to be asked. Parse once per run and share.
#[derive(Debug, Default)]
pub struct KnownHosts {
    files: Vec<PathBuf>,
    /// How many lines of each file there are.
    lines: HashMap<Arc<Path>, usize>,
    entries: Vec<Entry>,
    /// Lines that are a plain list of names, by name: with thousands of hosts, most lookups end here.
    by_name: HashMap<String, Vec<usize>>,
    /// Lines that have to be tried one by one: hashed names, wildcards, negations.
    to_try: Vec<usize>,
}

impl KnownHosts {
    /// Adds a file's lines. Lines that can't be understood are passed over, as OpenSSH does: they trust nobody.
    pub fn add_file(&mut self, path: &Path, content: &[u8]) {
        self.files.push(path.to_owned());
        let path: Arc<Path> = path.into();
        for line in content.split_inclusive(|&byte| byte == b'\n') {
            self.add_line(&path, &String::from_utf8_lossy(line));
        }
    }

    /// Adds a line behind those of its file that were added before.
    pub fn add_line(&mut self, path: &Arc<Path>, line: &str) {
        let lines = self.lines.entry(Arc::clone(path)).or_default();
        *lines += 1;
        let at = FileLine { path: Arc::clone(path), line: *lines };
        if let Some((marker, hosts, key)) = parse_line(line.trim_end_matches('\n')) {
            self.add_entry(Entry { marker, hosts, key, at });
        }
    }

    /// The files that were added, whether or not they held anything.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Everything that the files say about an address and port.
    #[must_use]
    pub fn lookup(&self, address: &str, port: u16) -> HostKeys {
        self.lookup_name(&lookup_name(address, port))
    }

    /// The same, with what is known of the address on whatever port where nothing is known of this one.
    #[must_use]
    pub fn lookup_host(&self, address: &str, port: u16) -> HostKeys {
        let mut keys = self.lookup(address, port);
        if port != DEFAULT_PORT && keys.trusted.is_empty() && keys.authorities.is_empty() {
            let HostKeys { trusted, elsewhere: _, revoked, authorities } = self.lookup(address, DEFAULT_PORT);
            keys.elsewhere = trusted;
            keys.authorities = authorities;
            keys.revoked.extend(revoked);
        }
        keys
    }

    /// Everything that the files say about a name as it stands in them, such as a `HostKeyAlias`.
    #[must_use]
    pub fn lookup_name(&self, name: &str) -> HostKeys {
        let name = name.to_lowercase();
        let by_name = self.by_name.get(&name).map_or(&[][..], Vec::as_slice);
        let mut matching: Vec<usize> = by_name.to_vec();
        matching.extend(self.to_try.iter().filter(|&&index| self.entries[index].hosts.matches(&name)));
        matching.sort_unstable();

        let mut keys = HostKeys::default();
        for entry in matching.into_iter().map(|index| &self.entries[index]) {
            let known = || Some(KnownKey { key: PublicKey::from_openssh(&entry.key).ok()?, at: entry.at.clone() });
            match entry.marker {
                Marker::None => keys.trusted.extend(known()),
                Marker::Revoked => keys.revoked.extend(known()),
                Marker::CertAuthority => keys.authorities.extend(known()),
            }
        }
        keys
    }

    fn add_entry(&mut self, entry: Entry) {
        let index = self.entries.len();
        match &entry.hosts {
            HostsField::Patterns(patterns) if !patterns.contains(['*', '?', '!']) => {
                for name in patterns.split(',').filter(|name| !name.is_empty()) {
                    let lines = self.by_name.entry(name.to_owned()).or_default();
                    if lines.last() != Some(&index) {
                        lines.push(index);
                    }
                }
            }
            HostsField::Patterns(_) | HostsField::Hashed { .. } => self.to_try.push(index),
        }
        self.entries.push(entry);
    }
}

/// The name under which an address and port stand in the files, in lower case: `address`, or
/// `[address]:port` when the port isn't 22.
#[must_use]
pub fn lookup_name(address: &str, port: u16) -> String {
    let address = address.to_lowercase();
    if port == DEFAULT_PORT { address } else { format!("[{address}]:{port}") }
}

/// Markers, hosts, key type, base64 and comment, separated by blanks or tabs.
fn parse_line(line: &str) -> Option<(Marker, HostsField, String)> {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let mut word = words.next()?;
    if word.starts_with('#') {
        return None;
    }
    let marker = match word {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::CertAuthority,
        unknown if unknown.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        word = words.next()?;
    }
    let (kind, blob) = (words.next()?, words.next()?);
    Some((marker, HostsField::parse(word)?, format!("{kind} {blob}")))
}

impl HostsField {
    fn parse(text: &str) -> Option<Self> {
        let Some(hashed) = text.strip_prefix('|') else {
            return Some(Self::Patterns(text.to_lowercase()));
        };
        let (salt, hash) = hashed.strip_prefix("1|")?.split_once('|')?;
        Some(Self::Hashed { salt: decode_base64(salt)?, hash: decode_base64(hash)? })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
            Self::Patterns(patterns) => matches_list(patterns, name),
        }
    }
}

/// Whether a comma list matches: some pattern does and no negated one does.
fn matches_list(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(negated.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches_pattern(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `*` stands for any run of characters, `?` for one. On a mismatch only the last `*` is tried further, so the
/// time is at most the product of the lengths, whatever the pattern.
pub(super) fn matches_pattern(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, n) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Standard base64 with padding; `None` for anything else.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | base64_value(digit)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn base64_value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_like_shell_patterns_without_classes() {
        let cases = [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.example.org", "gpu.example.org", true),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("[ab]", "a", false),
            ("", "a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches_pattern(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "*a".repeat(400);
        assert!(!matches_pattern(pattern.as_bytes(), "a".repeat(399).as_bytes()));
    }

    #[test]
    fn base64_is_decoded_and_anything_else_refused() {
        assert_eq!(decode_base64("Zm9vYmFy").unwrap(), b"foobar");
        assert_eq!(decode_base64("Zm9vYg==").unwrap(), b"foob");
        assert_eq!(decode_base64("Zm9vYmE=").unwrap(), b"fooba");
        for bad in ["", "Zg", "Zg=", "Z===", "====", "Zm9v!mFy", "Zm=v"] {
            assert!(decode_base64(bad).is_none_or(|bytes| bytes.is_empty()), "{bad}");
        }
    }
}

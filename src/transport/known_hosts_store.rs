//! The known-hosts files of a run: read once for each set of files, and written to where a key is to be trusted from now on.

#![expect(clippy::disallowed_methods, reason = "appends to known_hosts, with fresh salts")]

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use sha1::Sha1;

use super::error::{Endpoint, TransportError};
use super::known_hosts::{HostKeys, KnownHosts};
use super::shared::Shared;
use super::ssh_config::HostKeySettings;

/// All sets of files that were asked for.
#[derive(Debug, Default)]
pub(super) struct KnownHostsFiles(Shared<Vec<PathBuf>, Arc<KnownHostsStore>>);

/// One set of files.
#[derive(Debug)]
pub(super) struct KnownHostsStore {
    known: RwLock<KnownHosts>,
    /// One line is written at a time.
    writing: Mutex<()>,
}

impl KnownHostsFiles {
    /// The files of these settings, read if nobody has yet.
    pub(super) async fn of(
        &self,
        endpoint: &Arc<Endpoint>,
        settings: &HostKeySettings,
    ) -> Result<Arc<KnownHostsStore>, TransportError> {
        let cell = self.0.cell(settings.files.clone());
        cell.get_or_try_init(|| read(endpoint, &settings.files)).await.cloned()
    }
}

impl KnownHostsStore {
    /// What is known of a host.
    pub(super) fn of(&self, endpoint: &Endpoint) -> HostKeys {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match &endpoint.alias {
            Some(alias) => known.lookup_name(alias),
            None => known.lookup_host(&endpoint.address, endpoint.port),
        }
    }

    /// The files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).files().to_vec()
    }

    /// Trusts a key from now on, and writes it down for later runs. What can't be written still holds for this run.
    pub(super) fn learn(&self, name: &str, key: &PublicKey, settings: &HostKeySettings) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = if settings.hash { hashed(name) } else { name.to_owned() };
        let key = key.to_openssh().map_err(io::Error::other)?;
        // Without the comment, which is empty.
        let line = format!("{shown} {}\n", key.trim());
        let file = settings.own_file.as_deref();
        let place: Arc<Path> = file.unwrap_or(Path::new("(kept for this run)")).into();
        self.known.write().unwrap_or_else(PoisonError::into_inner).add_line(&place, &line);
        file.map_or(Ok(()), |file| append(file, &line))
    }
}

async fn read(endpoint: &Arc<Endpoint>, files: &[PathBuf]) -> Result<Arc<KnownHostsStore>, TransportError> {
    let mut known = KnownHosts::default();
    for path in files {
        match tokio::fs::read(path).await {
            Ok(content) => known.add_file(path, &content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => known.add_file(path, b""),
            Err(source) => {
                let (endpoint, path) = (endpoint.clone(), path.clone());
                return Err(TransportError::KnownHostsUnreadable { endpoint, path, source });
            }
        }
    }
    Ok(Arc::new(KnownHostsStore { known: RwLock::new(known), writing: Mutex::new(()) }))
}

/// Adds a line in one write, so that it is there whole or not at all, whoever else adds one. A file whose last line has no end
/// gets that first, or both lines would be lost.
fn append(file: &Path, line: &str) -> io::Result<()> {
    if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut opened = OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(file)?;
    let line = if is_torn(&mut opened)? { format!("\n{line}") } else { line.to_owned() };
    opened.write_all(line.as_bytes())
}

fn is_torn(file: &mut File) -> io::Result<bool> {
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The name as `HashKnownHosts` wants it: `|1|salt|HMAC-SHA1 of the name`.
fn hashed(name: &str) -> String {
    // As many bytes as the hash has, and only to be different each time.
    let salt: Vec<u8> =
        (0..3).flat_map(|_| RandomState::new().build_hasher().finish().to_ne_bytes()).take(20).collect();
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else { unreachable!("any length of key will do") };
    let hash = mac.chain_update(name.as_bytes()).finalize().into_bytes();
    format!("|1|{}|{}", STANDARD.encode(&salt), STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_behind_whatever_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/known_hosts");
        append(&file, "a 1\n").unwrap();
        append(&file, "b 2\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a 1\nb 2\n");
        fs::write(&file, "torn").unwrap();
        append(&file, "c 3\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "torn\nc 3\n");
        append(Path::new("/dev/null"), "d 4\n").unwrap();
    }

    #[test]
    fn names_are_hashed_with_another_salt_each_time() {
        let (one, other) = (hashed("gpu07"), hashed("gpu07"));
        assert_ne!(one, other);
        let mut known = KnownHosts::default();
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4VZrl7KrE0r5oyr2SNYhS6AKf6b6VvfHVWhzo8cvYK";
        known.add_line(&Path::new("x").into(), &format!("{one} {key}\n"));
        assert_eq!(known.lookup_name("gpu07").trusted().len(), 1);
        assert!(known.lookup_name("gpu08").trusted().is_empty());
    }
}

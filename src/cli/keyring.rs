//! Vault passwords: where the command line and the configuration say that they are, and what they open. I/O.
//!
//! Nobody is asked and no program is run before something encrypted is met.

#![expect(clippy::disallowed_methods, reason = "reads files of passwords, and runs programs that print one")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::CliError;
use super::options::Options;
use super::{machine, secrets};
use crate::document::{Diagnostic, Node, Position, Source, Span};
use crate::model::Secret;
use crate::vault::{self, DEFAULT_LABEL, Envelope, HEADER, Identity, SALT, VaultError};

/// What to type where a password is missing.
const HOW: &str =
    "give the password with --vault-password-file FILE, --vault-id LABEL@FILE (or LABEL@prompt), or --ask-vault-pass";

/// Where a password is to be had from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// A person is asked.
    Prompt,
    /// A file, or a program that prints it.
    File(PathBuf),
}

/// What was said on the command line, and what came of it once somebody needed it.
#[derive(Default)]
struct Keyring {
    sources: Vec<(String, Origin)>,
    loaded: Option<Result<Arc<Vec<Identity>>, String>>,
}

static KEYRING: Mutex<Keyring> = Mutex::new(Keyring { sources: Vec::new(), loaded: None });

/// Takes note of where passwords are.
pub(super) fn set(options: &Options) {
    let mut sources: Vec<(String, Origin)> = options.vault_id.iter().map(|id| source_of(id)).collect();
    let files = options.vault_password_file.iter().map(|file| (DEFAULT_LABEL.to_owned(), Origin::File(file.clone())));
    sources.extend(files);
    if options.ask_vault_pass {
        sources.push((DEFAULT_LABEL.to_owned(), Origin::Prompt));
    }
    *KEYRING.lock().unwrap_or_else(PoisonError::into_inner) = Keyring { sources, loaded: None };
}

/// Reads `label@source`, or a source alone.
fn source_of(id: &str) -> (String, Origin) {
    let (label, source) = id.split_once('@').unwrap_or((DEFAULT_LABEL, id));
    let label = if label.is_empty() { DEFAULT_LABEL } else { label };
    let origin = match source {
        "prompt" | "prompt_ask_vault_pass" => Origin::Prompt,
        path => Origin::File(machine::expand_home(Path::new(path))),
    };
    (label.to_owned(), origin)
}

/// All passwords, in the order in which they are tried.
///
/// # Errors
/// What is wrong with the first that can't be had.
pub(super) fn identities() -> Result<Arc<Vec<Identity>>, String> {
    let mut keyring = KEYRING.lock().unwrap_or_else(PoisonError::into_inner);
    if keyring.loaded.is_none() {
        let read = keyring.sources.iter().map(|(label, origin)| read(label, origin, "Vault password"));
        let read: Result<Vec<Identity>, String> = read.collect();
        keyring.loaded = Some(read.map(Arc::new));
    }
    keyring.loaded.clone().unwrap_or_else(|| Ok(Arc::default()))
}

/// The password of `label@source`, for writing.
pub(super) fn identity_of(id: &str) -> Result<Identity, CliError> {
    let (label, origin) = source_of(id);
    match origin {
        Origin::Prompt => ask_new(&label),
        Origin::File(_) => read(&label, &origin, "Vault password").map_err(CliError::Environment),
    }
}

fn read(label: &str, origin: &Origin, what: &str) -> Result<Identity, String> {
    let (origin, password) = match origin {
        Origin::Prompt => {
            let of = if label == DEFAULT_LABEL { String::new() } else { format!(" ({label})") };
            let password = machine::ask_password(&format!("{what}{of}: ")).map_err(|error| error.to_string())?;
            ("prompt".to_owned(), password)
        }
        Origin::File(path) => (path.display().to_string(), read_file(path, label)?),
    };
    // A password of the vault is a secret like those in it.
    secrets::note(password.expose());
    Ok(Identity { label: label.to_owned(), origin, password })
}

/// Asks twice for a password that is to be used from now on.
pub(super) fn ask_new(label: &str) -> Result<Identity, CliError> {
    let of = if label == DEFAULT_LABEL { String::new() } else { format!(" ({label})") };
    let password = machine::ask_password(&format!("New vault password{of}: "))?;
    if machine::ask_password(&format!("Confirm new vault password{of}: "))? != password {
        return Err(CliError::Environment("the two passwords differ; nothing was written".into()));
    }
    Ok(Identity { label: label.to_owned(), origin: "prompt".into(), password })
}

/// A file is read; one that may be executed is run, and told the label where its name ends in `-client`.
fn read_file(path: &Path, label: &str) -> Result<Secret, String> {
    let shown = path.display();
    let metadata =
        fs::metadata(path).map_err(|error| format!("can't read the vault password file {shown}: {error}"))?;
    let bytes = if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let mut command = Command::new(full);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem.ends_with("-client") {
            command.args(["--vault-id", label]);
        }
        let output = command.stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| {
            format!("can't run the vault password file {shown}: {error}; if it is none to be run: chmod 600 {shown}")
        })?;
        if !output.status.success() {
            return Err(format!(
                "{shown} was asked for the vault password of {label}, and ended with {}",
                output.status
            ));
        }
        zeroize::Zeroizing::new(output.stdout)
    } else {
        zeroize::Zeroizing::new(
            fs::read(path).map_err(|error| format!("can't read the vault password file {shown}: {error}"))?,
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("the vault password in {shown} isn't UTF-8"))?.trim();
    match text {
        "" => Err(format!("the vault password in {shown} is empty")),
        encrypted if encrypted.starts_with(HEADER) => {
            Err(format!("the vault password file {shown} is itself encrypted: decrypt it, or name one that isn't"))
        }
        password => Ok(Secret::new(password)),
    }
}

/// Random bytes for a salt.
pub(super) fn fresh_salt() -> Result<[u8; SALT], CliError> {
    use std::io::Read as _;
    let path = PathBuf::from("/dev/urandom");
    let mut salt = [0; SALT];
    let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut salt));
    read.map(|()| salt).map_err(|source| CliError::File { what: "read", path, source })
}

/// The text of a file, with everything in it decrypted that is encrypted and that a password is there for.
///
/// # Errors
/// When it is encrypted as a whole and can't be decrypted, or a single value of it can't by the passwords that are there.
pub(super) fn revealed(path: String, text: String) -> Result<Arc<Source>, Diagnostic> {
    if text.starts_with(HEADER) {
        let plain = open_whole(&path, text.as_bytes())?;
        let plain = std::str::from_utf8(&plain)
            .map_err(|_| Diagnostic::nowhere(format!("{path}: what is encrypted there isn't UTF-8")))?;
        let source = Source::decrypted(path, plain);
        match Node::parse(&source) {
            Ok(node) => node.texts().into_iter().for_each(secrets::note),
            Err(_) => secrets::note(plain),
        }
        return Ok(source);
    }
    let source = Source::new(path, text);
    if !(source.text.contains("!vault") && source.text.contains(HEADER)) {
        return Ok(source);
    }
    // What is wrong with it otherwise is told by whoever reads it.
    let Ok(node) = Node::parse(&source) else { return Ok(source) };
    let mut revealed = BTreeMap::new();
    for value in node.encrypted() {
        let Some(text) = value.texts().first().map(|text| (*text).to_owned()) else { continue };
        let at = |message: String| Diagnostic::at(&value.span, message);
        let known = identities().map_err(at)?;
        match vault::open(&text, &known) {
            Ok(opened) => {
                let plain =
                    std::str::from_utf8(&opened.plain).map_err(|_| at("this encrypted value isn't UTF-8".into()))?;
                secrets::note(plain);
                revealed.insert(text, Secret::new(plain));
            }
            // An error only where it is used.
            Err(VaultError::NoPassword { .. }) => {}
            Err(error @ VaultError::WrongPassword { .. }) => {
                return Err(at(format!("this value can't be decrypted: {error}")).hint(HOW));
            }
            Err(VaultError::Damaged(damaged)) => {
                return Err(at(format!("this value can't be decrypted: {damaged} (line {} of it)", damaged.line)));
            }
        }
    }
    Ok(source.with_revealed(revealed))
}

/// Decrypts a whole file.
///
/// # Errors
/// With what to type, where the password is missing or wrong; with the place, where the file is torn.
pub(super) fn open_whole(path: &str, bytes: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, Diagnostic> {
    let text = String::from_utf8_lossy(bytes);
    let source = Source::new(path, text.as_ref());
    // Only the header is shown; the rest says nothing to anybody.
    let at_header = |message: String| Diagnostic::at(&Span::whole(&source), message);
    // A torn file is told as such without anybody being asked for a password.
    Envelope::parse(&source.text).map_err(|damaged| {
        let start = Position { line: damaged.line, column: damaged.column };
        let end = Position { line: damaged.line, column: damaged.column + 1 };
        Diagnostic::at(&Span { source: source.clone(), start, end, bytes: None }, damaged.what)
    })?;
    let known = identities().map_err(at_header)?;
    match vault::open(&source.text, &known) {
        Ok(opened) => Ok(opened.plain),
        Err(error) => Err(at_header(format!("this file can't be decrypted: {error}")).hint(HOW)),
    }
}

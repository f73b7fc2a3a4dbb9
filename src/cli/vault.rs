//! `converge vault …`: what `ansible-vault` does, in its format and with its words. I/O.
//!
//! Files are replaced whole, with their mode, and what is decrypted lies on the disk only where that was asked for, but for
//! `edit`, whose copy is wiped on every way out.

#![expect(clippy::disallowed_methods, reason = "reads and replaces the files that it is about, and starts the editor")]

use std::fs;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::error::CliError;
use super::exit::Exit;
use super::options::{
    EncryptStringArguments, Options, VaultEditArguments, VaultEncryptArguments, VaultFilesArguments,
    VaultOutputArguments, VaultRekeyArguments, VaultVerb,
};
use super::{keyring, machine, output};
use crate::vault::{self, DEFAULT_LABEL, HEADER, Identity, is_encrypted, seal};

type Bytes = Zeroizing<Vec<u8>>;

/// Carries one of the commands out.
pub(super) async fn run(options: &Options, verb: &VaultVerb) -> Result<Exit, CliError> {
    match verb {
        VaultVerb::Encrypt(arguments) => encrypt(options, arguments),
        VaultVerb::Decrypt(arguments) => decrypt(options, arguments),
        VaultVerb::View(arguments) => view(options, arguments),
        VaultVerb::Edit(arguments) => edit(options, arguments).await,
        VaultVerb::Rekey(arguments) => rekey(options, arguments),
        VaultVerb::EncryptString(arguments) => encrypt_string(options, arguments),
    }?;
    Ok(Exit::Ok)
}

fn wrong(path: &Path, what: &str) -> CliError {
    CliError::Environment(format!("{}: {what}", path.display()))
}

/// The passwords for reading. Where none is named, somebody is asked for one.
fn known(options: &Options) -> Result<Vec<Identity>, CliError> {
    if options.vault_id.is_empty() && options.vault_password_file.is_empty() && !options.ask_vault_pass {
        let password = machine::ask_password("Vault password: ")?;
        return Ok(vec![Identity { label: DEFAULT_LABEL.into(), origin: "prompt".into(), password }]);
    }
    keyring::identities().map(|known| known.to_vec()).map_err(CliError::Environment)
}

/// The password for writing: the one of the label that is asked for, or the only one.
fn to_encrypt(options: &Options, label: Option<&str>) -> Result<Identity, CliError> {
    let is_named = !options.vault_id.is_empty() || !options.vault_password_file.is_empty();
    if !is_named {
        return keyring::ask_new(label.unwrap_or(DEFAULT_LABEL));
    }
    let known = keyring::identities().map_err(CliError::Environment)?;
    let labels = || known.iter().map(|identity| identity.label.as_str()).collect::<Vec<_>>().join(", ");
    match label {
        Some(label) => known.iter().find(|identity| identity.label == label).cloned().ok_or_else(|| {
            CliError::Usage(format!(
                "--encrypt-vault-id {label}: there is no password of that label (there are: {})",
                labels()
            ))
        }),
        None => match known.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(CliError::Usage(format!(
                "there are several vault passwords ({}): say which one is to be used with --encrypt-vault-id LABEL",
                labels()
            ))),
        },
    }
}

fn read(path: &Path) -> Result<Bytes, CliError> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map(Zeroizing::new).map_err(|source| CliError::File { what: "read", path: path.to_path_buf(), source })
}

/// Standard input where no file is named.
fn files(named: &[PathBuf]) -> Vec<PathBuf> {
    if named.is_empty() { vec![PathBuf::from("-")] } else { named.to_vec() }
}

fn target(path: &Path, output: Option<&PathBuf>, several: bool) -> Result<PathBuf, CliError> {
    match output {
        Some(_) if several => Err(CliError::Usage("--output is for one file at a time".into())),
        Some(output) => Ok(output.clone()),
        None => Ok(path.to_path_buf()),
    }
}

fn open(path: &Path, bytes: &[u8], known: &[Identity]) -> Result<(Bytes, Identity), CliError> {
    if !bytes.starts_with(HEADER.as_bytes()) {
        return Err(wrong(path, "it is not encrypted"));
    }
    match vault::open(&String::from_utf8_lossy(bytes), known) {
        Ok(opened) => Ok((opened.plain, opened.by.clone())),
        Err(vault::VaultError::Damaged(damaged)) => {
            Err(wrong(path, &format!("line {}, column {}: {damaged}", damaged.line, damaged.column)))
        }
        Err(error) => Err(wrong(path, &format!("it can't be decrypted: {error}"))),
    }
}

fn encrypt(options: &Options, arguments: &VaultEncryptArguments) -> Result<(), CliError> {
    let VaultEncryptArguments { files: VaultOutputArguments { files: named, output }, encrypt_vault_id } = arguments;
    let named = files(named);
    let mut plain = Vec::new();
    for path in &named {
        let bytes = read(path)?;
        if bytes.starts_with(HEADER.as_bytes()) {
            return Err(wrong(path, "it is encrypted already"));
        }
        plain.push((target(path, output.as_ref(), named.len() > 1)?, bytes));
    }
    let identity = to_encrypt(options, encrypt_vault_id.as_deref())?;
    for (target, bytes) in plain {
        let text = seal(&bytes, &identity, &keyring::fresh_salt()?);
        replace(&target, text.as_bytes())?;
    }
    output::say("Encryption successful\n");
    Ok(())
}

fn decrypt(options: &Options, arguments: &VaultOutputArguments) -> Result<(), CliError> {
    let VaultOutputArguments { files: named, output } = arguments;
    let known = known(options)?;
    let named = files(named);
    // All are decrypted before any is replaced.
    let mut opened = Vec::new();
    for path in &named {
        let (plain, _) = open(path, &read(path)?, &known)?;
        opened.push((target(path, output.as_ref(), named.len() > 1)?, plain));
    }
    for (target, plain) in opened {
        replace(&target, &plain)?;
    }
    output::say("Decryption successful\n");
    Ok(())
}

fn view(options: &Options, arguments: &VaultFilesArguments) -> Result<(), CliError> {
    let known = known(options)?;
    for path in files(&arguments.files) {
        let (plain, _) = open(&path, &read(&path)?, &known)?;
        show(&plain)?;
    }
    Ok(())
}

fn rekey(options: &Options, arguments: &VaultRekeyArguments) -> Result<(), CliError> {
    let VaultRekeyArguments { files: named, new_vault_id, new_vault_password_file } = arguments;
    let known = known(options)?;
    let mut opened = Vec::new();
    for path in named {
        opened.push((path, open(path, &read(path)?, &known)?.0));
    }
    let new = match (new_vault_id, new_vault_password_file) {
        (Some(id), _) => keyring::identity_of(id)?,
        (None, Some(file)) => keyring::identity_of(&file.display().to_string())?,
        (None, None) => keyring::ask_new(DEFAULT_LABEL)?,
    };
    for (path, plain) in opened {
        replace(path, seal(&plain, &new, &keyring::fresh_salt()?).as_bytes())?;
    }
    output::say("Rekey successful\n");
    Ok(())
}

fn encrypt_string(options: &Options, arguments: &EncryptStringArguments) -> Result<(), CliError> {
    let EncryptStringArguments { strings, name, stdin_name, prompt, output, encrypt_vault_id } = arguments;
    let mut texts: Vec<(Option<&str>, Bytes)> = Vec::new();
    for (at, text) in strings.iter().enumerate().filter(|(_, text)| *text != "-") {
        texts.push((name.get(at).map(String::as_str), Zeroizing::new(text.clone().into_bytes())));
    }
    if *prompt {
        let text = machine::ask_password("String to encrypt: ")?;
        texts.push((name.get(texts.len()).map(String::as_str), Zeroizing::new(text.expose().as_bytes().to_vec())));
    }
    if stdin_name.is_some() || texts.is_empty() {
        texts.push((stdin_name.as_deref().or(name.first().map(String::as_str)), read(Path::new("-"))?));
    }
    if name.len() > texts.len() {
        return Err(CliError::Usage(format!("there are {} --name for {} texts", name.len(), texts.len())));
    }
    let identity = to_encrypt(options, encrypt_vault_id.as_deref())?;
    let mut yaml = String::new();
    for (name, text) in texts {
        if is_encrypted(&String::from_utf8_lossy(&text)) {
            return Err(CliError::Usage("the text is encrypted already".into()));
        }
        let sealed = seal(&text, &identity, &keyring::fresh_salt()?);
        let name = name.map_or_else(String::new, |name| format!("{name}: "));
        yaml.push_str(&format!("{name}!vault |\n"));
        sealed.lines().for_each(|line| yaml.push_str(&format!("          {line}\n")));
    }
    match output {
        Some(path) => replace(path, yaml.as_bytes())?,
        None => show(yaml.as_bytes())?,
    }
    output::say("Encryption successful\n");
    Ok(())
}

/// Has the editor change a copy that nobody else can read; what comes of it is encrypted by the same password.
async fn edit(options: &Options, arguments: &VaultEditArguments) -> Result<(), CliError> {
    let path = &arguments.file;
    let (plain, identity) = open(path, &read(path)?, &known(options)?)?;
    let copy = Copy::of(path, &plain)?;
    // A signal drops this future, and with it first the editor and then the copy.
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| CliError::Environment(error.to_string()))?;
    let mut editor = tokio::process::Command::new("/bin/sh");
    editor.args(["-c", "exec ${EDITOR:-vi} \"$1\"", "sh"]).arg(&copy.file).kill_on_drop(true);
    let started = editor.spawn();
    let mut editor = started.map_err(|error| wrong(path, &format!("the editor can't be started: {error}")))?;
    let ended = tokio::select! {
        ended = editor.wait() => ended.map_err(|error| wrong(path, &format!("the editor: {error}")))?,
        _ = hangup.recv() => {
            let _ = editor.kill().await;
            return Err(CliError::Interrupted);
        }
    };
    if !ended.success() {
        return Err(wrong(path, &format!("the editor ended with {ended}; the file is as it was")));
    }
    let changed = read(&copy.file)?;
    if *changed == *plain {
        return Ok(());
    }
    replace(path, seal(&changed, &identity, &keyring::fresh_salt()?).as_bytes())
}

/// A decrypted copy in a directory of its own, wiped when it is dropped.
struct Copy {
    directory: PathBuf,
    file: PathBuf,
}

impl Copy {
    fn of(path: &Path, plain: &[u8]) -> Result<Self, CliError> {
        let name = format!("converge-{}-{}", std::process::id(), crate::gather::nonce());
        let directory = std::env::temp_dir().join(name);
        let file = directory.join(path.file_name().unwrap_or(path.as_os_str()));
        let cant = |source| CliError::File { what: "write", path: directory.clone(), source };
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(cant)?;
        let copy = Self { directory: directory.clone(), file };
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy.file);
        written.and_then(|mut file| file.write_all(plain)).map_err(cant)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Editors leave copies beside the file: all of it goes.
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            if let (Ok(length), Ok(mut file)) =
                (usize::try_from(length), fs::OpenOptions::new().write(true).open(entry.path()))
            {
                let _ = file.write_all(&vec![0; length]);
                let _ = file.sync_all();
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Writes to standard output as it is: what was asked for is what is secret.
fn show(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(bytes)
        .and_then(|()| if stdout.is_terminal() && !bytes.ends_with(b"\n") { stdout.write_all(b"\n") } else { Ok(()) });
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| CliError::Environment(format!("can't write to standard output: {error}")))
}

/// Replaces a file at once, with the mode and the owner that it has; a new one is for its owner alone. `-` is standard output.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if path == Path::new("-") {
        return show(bytes);
    }
    // A link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let before = fs::metadata(&path).ok();
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        if let Some(before) = &before {
            let mine = file.metadata()?;
            if (mine.uid(), mine.gid()) != (before.uid(), before.gid()) {
                std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
        }
        file.sync_all()?;
        fs::rename(&part, &path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&part);
        CliError::File { what: "write", path: path.clone(), source }
    })
}

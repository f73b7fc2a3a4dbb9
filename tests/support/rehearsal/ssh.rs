//! An SSH server per host: OpenSSH's where it is installed, else a small one in this process; and a client for tests.

mod builtin;
mod client;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey, ssh_key::LineEnding};

use super::sweep::{processes_under, signal};
use super::{host_environment, text};

/// How long a server may take until it answers; OpenSSH's takes 20 ms.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Which SSH server to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// OpenSSH's where it is installed and lets the current user in, else the built-in one.
    OpenSshIfPresent,
    /// The one in this process.
    BuiltIn,
}

/// How a command on a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its exit status; `None` when a signal ended it or the connection was lost.
    pub(crate) status: Option<u32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// The user that logs in, the key to do it with, and the keys of the hosts that are known.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    user: String,
    directory: PathBuf,
    private: Arc<PrivateKey>,
}

impl Keys {
    /// Makes a key for the current user in `<home>/.ssh`.
    pub(super) fn generate(home: &Path) -> Self {
        let directory = home.join(".ssh");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("a directory for keys can be made");
        let private = Arc::new(generate_key(&directory.join("id_ed25519")));
        Self { user: user(), directory, private }
    }

    /// Who logs in: the current user.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The private key's file.
    pub(crate) fn private_key(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    /// The file of known hosts.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    /// Writes the keys of all hosts to the file of known hosts.
    pub(super) fn write_known_hosts<'a>(&self, servers: impl Iterator<Item = &'a Server>) {
        let lines: String = servers
            .map(|server| format!("[127.0.0.1]:{} {}\n", server.port, line(server.host_key.public_key())))
            .collect();
        fs::write(self.known_hosts(), lines).expect("the known hosts can be written");
    }
}

/// The SSH server of one host. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    directory: PathBuf,
    port: u16,
    host_key: PrivateKey,
    keys: Keys,
    running: Running,
}

#[derive(Debug)]
enum Running {
    OpenSsh(Child),
    BuiltIn { _stop: builtin::Stop },
    Stopped,
}

impl Server {
    /// Starts a server for the host in `directory`, and sees that it lets the user in.
    pub(super) fn start(kind: ServerKind, directory: &Path, port: u16, keys: &Keys) -> Self {
        let host_directory = directory.join("ssh");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&host_directory)
            .expect("a directory for keys can be made");
        let host_key = generate_key(&host_directory.join("host_key"));
        let mut server =
            Self { directory: directory.to_owned(), port, host_key, keys: keys.clone(), running: Running::Stopped };
        if kind == ServerKind::OpenSshIfPresent && server.start_openssh() {
            return server;
        }
        server.start_builtin();
        let tried = server.run("true").expect("the built-in SSH server lets the user in");
        assert_eq!(tried.status, Some(0), "the built-in SSH server runs commands: {tried:?}");
        server
    }

    /// Whether OpenSSH's server now lets the user in. It may refuse a locked account, or miss a directory of the system's.
    fn start_openssh(&mut self) -> bool {
        let host_directory = self.directory.join("ssh");
        let Some(child) = start_openssh(&self.directory, &host_directory, self.port, &self.keys) else { return false };
        self.running = Running::OpenSsh(child);
        let answers = wait_for_banner(self.port) && self.run("true").is_ok_and(|output| output.status == Some(0));
        if !answers {
            self.stop();
        }
        answers
    }

    fn start_builtin(&mut self) {
        let client_key = self.keys.private.public_key().clone();
        let stop = builtin::start(self.port, self.host_key.clone(), client_key, &self.directory);
        self.running = Running::BuiltIn { _stop: stop };
    }

    /// Ends the server and every connection to it, as when the host is cut off. What it started goes on.
    pub(crate) fn stop(&mut self) {
        match std::mem::replace(&mut self.running, Running::Stopped) {
            Running::OpenSsh(mut child) => {
                let sessions = processes_under(&self.directory);
                // The listener and its sessions call themselves `sshd: …`, `sshd-session: …`.
                let sshd = sessions.iter().filter(|process| process.command_line.starts_with("sshd"));
                signal("KILL", sshd.map(|process| process.pid));
                // Already gone is as well; what it started is found by the sweep.
                let _ = child.kill();
                let _ = child.wait();
            }
            Running::BuiltIn { .. } | Running::Stopped => {}
        }
    }

    /// Starts the server again, of the same kind and with the same key.
    pub(crate) fn start_again(&mut self, kind: ServerKind) {
        if kind == ServerKind::BuiltIn || !self.start_openssh() {
            self.start_builtin();
        }
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether OpenSSH's server answers, and not the built-in one.
    pub(crate) fn is_openssh(&self) -> bool {
        matches!(self.running, Running::OpenSsh(_))
    }

    /// Runs a command line on the host as the user, and waits for its end.
    pub(crate) fn run(&self, command: &str) -> Result<Output, russh::Error> {
        client::run(self.port, self.host_key.public_key(), &self.keys, command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The current user's name.
pub(super) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("the program `id` is on every machine");
    String::from_utf8(output.stdout).expect("the user's name is UTF-8").trim().to_owned()
}

/// Starts OpenSSH's server as the current user; `None` when it is not installed.
fn start_openssh(directory: &Path, host_directory: &Path, port: u16, keys: &Keys) -> Option<Child> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin:/sbin";
    let program = std::env::split_paths(&path).map(|directory| directory.join("sshd")).find(|path| path.is_file())?;
    if user() == "root" {
        // Where it shuts in what talks to the network; its service would have made the directory.
        let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
    }
    let authorized = host_directory.join("authorized_keys");
    fs::write(&authorized, line(keys.private.public_key()) + "\n").expect("the authorized keys can be written");
    // Commands get the host's directory as their home, so that hosts don't share one.
    let environment =
        host_environment(directory).into_iter().map(|(name, value)| format!(" \"{name}={value}\"")).collect::<String>();
    // Of two settings the first counts.
    let more = fs::read_to_string(host_directory.join("more")).unwrap_or_default();
    let config = format!(
        "{more}Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host_key\nAuthorizedKeysFile {authorized}\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         PrintMotd no\nUseDNS no\nMaxStartups 100\nSetEnv{environment}\n",
        keys = text(host_directory),
        authorized = text(&authorized),
    );
    let file = host_directory.join("sshd_config");
    fs::write(&file, config).expect("the configuration of sshd can be written");
    let log = File::create(host_directory.join("sshd.log")).expect("the log of sshd can be written");
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().ok()
}

/// Waits until something on the port introduces itself as an SSH server.
fn wait_for_banner(port: u16) -> bool {
    let deadline = Instant::now() + ANSWERS_WITHIN;
    while Instant::now() < deadline {
        let mut banner = [0; 4];
        let answered = TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok() && stream.read_exact(&mut banner).is_ok()
        });
        if answered {
            return &banner == b"SSH-";
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Makes a key and writes its private part to `path`.
fn generate_key(path: &Path) -> PrivateKey {
    let mut seed = [0; 32];
    let mut random = File::open("/dev/urandom").expect("/dev/urandom is on every machine");
    random.read_exact(&mut seed).expect("/dev/urandom can be read");
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key.to_openssh(LineEnding::LF).expect("an Ed25519 key can be encoded");
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a key can be written");
    file.write_all(text.as_bytes()).expect("a key can be written");
    key
}

/// A public key as OpenSSH writes it on one line.
fn line(key: &PublicKey) -> String {
    key.to_openssh().expect("an Ed25519 key can be encoded")
}

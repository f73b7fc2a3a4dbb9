//! Real sshd on loopback for tests, benchmarks and the demo: own keys, own configuration, a free port, in a directory
//! of its own; works as root and as any user. Everything it started is killed when it is dropped, also on a panic.
//!
//! It is this machine's OpenSSH. Root may have others: trixie's, and Dropbear.
//!
//! Taken in with `#[path = "support/sshd.rs"] mod sshd;`.
#![allow(dead_code, unreachable_pub, reason = "each user needs a part of it")]

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use converge::transport::SshOptions;

/// How long sshd may take to listen. It takes 10 ms; a loaded machine that starts fifty of them needs more.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Another process can take a free port between our finding it and sshd's binding it; not ten times in a row.
const PORT_ATTEMPTS: usize = 10;

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Server {
    /// The OpenSSH of this machine.
    #[default]
    Installed,
    /// The OpenSSH of Debian 13, with its libraries, shells and utilities, as `tests/lab/install` unpacks them. For root.
    Trixie,
    /// Dropbear, which takes no configuration and finds authorized keys in the user's home. For root.
    Dropbear,
}

impl Server {
    /// Whether it can be started here; says so if not.
    pub fn can_start(self) -> bool {
        let can = self == Self::Installed || is_root();
        if !can {
            eprintln!("SKIPPED: {self:?} needs a mount namespace of its own, which takes root");
        }
        can
    }

    /// Shell commands that make its mount namespace, where it needs one.
    fn inside(self, dir: &Path) -> String {
        match self {
            Self::Installed => String::new(),
            Self::Trixie => {
                let cache = std::env::var_os("CONVERGE_LAB_CACHE").unwrap_or_else(|| "/var/tmp/converge-lab".into());
                let usr = Path::new(&cache).join("trixie/usr");
                assert!(usr.is_dir(), "{} isn't there: run tests/lab/install", usr.display());
                format!("mount --bind {} /usr", usr.display())
            }
            Self::Dropbear => {
                let home = format!("s|^({}:[^:]*:[0-9]+:[0-9]+:[^:]*):[^:]*:|\\1:{}:|", user(), dir.display());
                format!("{}; sed -E -i '{home}' /etc/passwd", own_etc(&dir.join("etc"), None))
            }
        }
    }
}

/// Shell commands that give a mount namespace an /etc of its own, made at `place`, with the files below `with` put into it.
/// All of it: a mount over a single file goes as soon as anybody renames another one to its place, as useradd does.
pub fn own_etc(place: &Path, with: Option<&Path>) -> String {
    let place = place.display();
    let with = with.map_or_else(String::new, |with| format!("cp -a {}/. {place}/; ", with.display()));
    format!(
        "mkdir -p {place}; mount -t tmpfs none {place}; cp -a /etc/. {place}/ 2>/dev/null || :; {with}mount --bind {place} /etc"
    )
}

/// What a server is to be like.
#[derive(Debug, Clone)]
pub struct SshdOptions {
    /// Which program serves.
    pub server: Server,
    /// Types of its host keys, as `ssh-keygen -t` takes them.
    pub host_keys: Vec<&'static str>,
    /// Further lines of sshd_config. As the first value of a keyword counts, these come first. Of these, Dropbear only
    /// understands `PasswordAuthentication yes`.
    pub config: String,
    /// Shell commands that prepare a mount namespace of the server's own, for root only: without any, it has none.
    pub inside: String,
    /// The home of whoever logs in; the server's own directory unless another is named.
    pub home: Option<PathBuf>,
    /// The address that it listens at.
    pub address: String,
    /// The network namespace that it is in, as `ip netns` names it; for root.
    pub network: Option<String>,
}

impl Default for SshdOptions {
    fn default() -> Self {
        Self {
            server: Server::Installed,
            host_keys: vec!["ed25519"],
            config: String::new(),
            inside: String::new(),
            home: None,
            address: "127.0.0.1".into(),
            network: None,
        }
    }
}

/// A key of a client, and a server that lets its holder in; both lie in `dir`, which everybody may read.
pub fn serve(dir: &Path, key_type: &str, options: &SshdOptions) -> (PathBuf, Sshd) {
    let (key, server) = (dir.join("id"), dir.join("sshd"));
    // sshd reads authorized keys as the user that logs in.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("permissions can be set");
    keygen(&key, key_type, "");
    fs::create_dir(&server).expect("a directory can be made");
    let sshd = Sshd::start(&server, &public_key(&key), options);
    (key, sshd)
}

/// How a client that logs in as `login`, with its home in `dir`, speaks SSH to servers that it knows.
pub fn knowing<'a>(login: &str, dir: &Path, servers: impl IntoIterator<Item = &'a Sshd>) -> SshOptions {
    let mut options = SshOptions::for_home(login, dir);
    options.known_hosts = vec![dir.join("known_hosts")];
    let known: String = servers.into_iter().map(Sshd::known_hosts).collect();
    fs::write(&options.known_hosts[0], known).expect("a file can be written");
    options
}

/// A running server.
#[derive(Debug)]
pub struct Sshd {
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    dir: PathBuf,
    command: Vec<String>,
    host_keys: Vec<&'static str>,
    child: Child,
    tag: String,
}

impl Sshd {
    /// Starts a server and waits until it listens.
    ///
    /// `dir` must exist, be used by no other server and be readable by the user that logs in, who is the current
    /// one. `authorized` is the content of `authorized_keys`.
    pub fn start(dir: &Path, authorized: &str, options: &SshdOptions) -> Self {
        let mut server = Self::spawn(dir, authorized, options);
        server.wait(authorized, options);
        server
    }

    /// Starts many servers, each with its own key and port, side by side: `dir/0`, `dir/1`, …
    pub fn start_many(dir: &Path, count: usize, authorized: &str, options: &SshdOptions) -> Vec<Self> {
        let mut servers: Vec<_> = (0..count)
            .map(|index| {
                let dir = dir.join(index.to_string());
                fs::DirBuilder::new().mode(0o755).create(&dir).expect("a directory per server");
                Self::spawn(&dir, authorized, options)
            })
            .collect();
        servers.iter_mut().for_each(|server| server.wait(authorized, options));
        servers
    }

    /// Kills the server and all connections, as when the host is cut off. What its sessions detached goes on.
    pub fn stop(&mut self) {
        let connections = self.connections();
        let _ = self.child.kill();
        let _ = self.child.wait();
        kill(&connections);
    }

    /// Starts it again on the same port, with the same keys.
    pub fn start_again(&mut self) {
        self.child = launch(&self.dir, &self.command, &self.tag);
        assert!(self.listens(), "its port was taken meanwhile: {}", self.log());
    }

    /// The home of whoever logs in.
    pub fn home(&self) -> &Path {
        &self.dir
    }

    fn spawn(dir: &Path, authorized: &str, options: &SshdOptions) -> Self {
        for kind in &options.host_keys {
            let path = dir.join(format!("host_{kind}"));
            if !path.exists() {
                keygen(&path, kind, "");
            }
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("sshd-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let port = free_port();
        fs::write(dir.join("authorized_keys"), authorized).expect("authorized_keys");
        fs::write(dir.join("sshd_config"), config(dir, port, &tag, options)).expect("sshd_config");
        let command = command(dir, port, options);
        if is_root() {
            // Where sshd puts its unprivileged part; packages create it at boot, which a container never does.
            let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        }
        let child = launch(dir, &command, &tag);
        let address = options.address.clone();
        Self { address, port, dir: dir.to_owned(), command, host_keys: options.host_keys.clone(), child, tag }
    }

    fn wait(&mut self, authorized: &str, options: &SshdOptions) {
        for _ in 0..PORT_ATTEMPTS {
            if self.listens() {
                return;
            }
            *self = Self::spawn(&self.dir.clone(), authorized, options);
        }
        panic!("sshd doesn't start: {}", self.log());
    }

    /// False when the port was taken. Looks into the log, as a connection would cost a process.
    fn listens(&mut self) -> bool {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.contains("Server listening on") || log.contains("Not backgrounding") {
                return true;
            }
            if self.child.try_wait().expect("sshd is our child").is_some() {
                assert!(self.log().contains("in use"), "sshd ended: {}", self.log());
                return false;
            }
            assert!(start.elapsed() < START_LIMIT, "sshd doesn't listen: {log}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }

    /// How many have logged in with a key.
    pub fn logins(&self) -> usize {
        let log = self.log();
        log.matches("Accepted publickey").count() + log.matches("Pubkey auth succeeded").count()
    }

    /// A host key's public half, as `type base64`.
    pub fn host_key(&self, kind: &str) -> String {
        public_key(&self.dir.join(format!("host_{kind}")))
    }

    /// The server's lines for a known_hosts file.
    pub fn known_hosts(&self) -> String {
        let line = |kind: &&str| format!("[{}]:{} {}\n", self.address, self.port, self.host_key(kind));
        self.host_keys.iter().map(line).collect()
    }

    /// The processes that serve connections, and all that those started.
    pub fn connections(&self) -> Vec<u32> {
        descendants(self.child.id())
    }

    /// Kills the processes that serve connections, as a crash of the host would.
    pub fn kill_connections(&self) {
        kill(&self.connections());
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let connections = self.connections();
        let _ = self.child.kill();
        let _ = self.child.wait();
        kill(&connections);
        // What a session left behind belongs to nobody any more, but has the mark in its environment.
        kill(&tagged(&self.tag));
    }
}

/// What starts the server whose files are in `dir`.
fn command(dir: &Path, port: u16, options: &SshdOptions) -> Vec<String> {
    let mut command = Vec::new();
    if let Some(network) = &options.network {
        command.extend(["nsenter".to_owned(), format!("--net=/run/netns/{network}")]);
    }
    let inside = [options.server.inside(dir), options.inside.clone()].map(|text| text + "\n").concat();
    if !inside.trim().is_empty() {
        let script = format!("set -e\n{inside}exec \"$0\" \"$@\"");
        command.extend(["unshare", "--mount", "sh", "-c", &script].map(str::to_owned));
    }
    let file = |name: &str| dir.join(name).display().to_string();
    if options.server != Server::Dropbear {
        command.push(program("sshd").display().to_string());
        command.extend(["-D".into(), "-e".into(), "-f".into(), file("sshd_config")]);
        return command;
    }
    command.push(program("dropbear").display().to_string());
    command.extend(["-F", "-E", "-m", "-e", "-P"].map(str::to_owned));
    command.extend([file("pid"), "-p".into(), format!("{}:{port}", options.address)]);
    if !options.config.contains("PasswordAuthentication yes") {
        command.push("-s".into());
    }
    for kind in &options.host_keys {
        let (ours, its) = (file(&format!("host_{kind}")), file(&format!("dropbear_{kind}")));
        let converted = Command::new(program("dropbearconvert"))
            .args(["openssh", "dropbear", &ours, &its])
            .output()
            .expect("dropbearconvert runs");
        assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
        command.extend(["-r".into(), its]);
    }
    let home = dir.join(".ssh");
    if !home.exists() {
        fs::create_dir(&home).expect("a directory");
        std::os::unix::fs::symlink("../authorized_keys", home.join("authorized_keys")).expect("a link");
    }
    command
}

/// Starts a server. What it is to pass on to its sessions also stands in its configuration, where it has one.
fn launch(dir: &Path, command: &[String], tag: &str) -> Child {
    let log = fs::File::create(dir.join("log")).expect("log");
    Command::new(&command[0])
        .args(&command[1..])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CONVERGE_TEST_SSHD", tag)
        .env("CONVERGE_COMMON", common(dir))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the server starts: is openssh-server installed?")
}

/// A real ssh-agent, killed when dropped.
#[derive(Debug)]
pub struct SshAgent {
    /// Its socket.
    pub socket: PathBuf,
    child: Child,
}

impl SshAgent {
    /// Starts an agent with its socket in `dir`.
    pub fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child = Command::new(program("ssh-agent"))
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh-agent starts: is openssh-client installed?");
        let agent = Self { socket, child };
        let start = Instant::now();
        // The file is there before anybody listens.
        while std::os::unix::net::UnixStream::connect(&agent.socket).is_err() {
            assert!(start.elapsed() < START_LIMIT, "ssh-agent doesn't listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        agent
    }

    /// Adds a key; an encrypted one has to be opened with `passphrase`.
    pub fn add(&self, key: &Path, passphrase: &str) {
        let askpass = self.socket.with_extension("askpass");
        fs::write(&askpass, format!("#!/bin/sh\necho '{passphrase}'\n")).expect("askpass");
        fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).expect("askpass");
        let added = Command::new(program("ssh-add"))
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .output()
            .expect("ssh-add runs");
        assert!(added.status.success(), "ssh-add: {}", String::from_utf8_lossy(&added.stderr));
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key pair: `path` and `path.pub`.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let made = Command::new(program("ssh-keygen"))
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "converge test", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("ssh-keygen runs: is openssh-client installed?");
    assert!(made.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&made.stderr));
}

/// The public half of a key, as `type base64`.
pub fn public_key(path: &Path) -> String {
    let text = fs::read_to_string(path.with_extension("pub")).expect("public key");
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The user that runs this, who is also the one that can log in.
pub fn user() -> String {
    let id = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(id.stdout).expect("a user name").trim().to_owned()
}

fn config(dir: &Path, port: u16, tag: &str, options: &SshdOptions) -> String {
    let keys: String = options
        .host_keys
        .iter()
        .map(|kind| format!("HostKey {}\n", dir.join(format!("host_{kind}")).display()))
        .collect();
    format!(
        "{extra}
ListenAddress {address}
Port {port}
{keys}AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
UseDNS no
{startups}
LogLevel INFO
SetEnv CONVERGE_TEST_SSHD={tag} CONVERGE_COMMON={common} HOME={home}
",
        extra = options.config,
        address = options.address,
        // Of this keyword the last counts.
        startups = if options.config.contains("MaxStartups") { "" } else { "MaxStartups 1000" },
        // What users of one host see of each other: each server is a host.
        common = common(dir).display(),
        // What the user's own shell start-up files do (and how long they take) is not what is tested.
        home = options.home.as_deref().unwrap_or(dir).display(),
        authorized = dir.join("authorized_keys").display(),
    )
}

fn common(dir: &Path) -> PathBuf {
    let common = dir.join("common");
    fs::create_dir_all(&common).expect("a directory for all users");
    fs::set_permissions(&common, fs::Permissions::from_mode(0o1777)).expect("a directory for all users");
    common
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// sshd insists on being started by its full path, and isn't in the path of ordinary users.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into(), "/sbin".into()]);
    let found = places.map(|place: PathBuf| place.join(name)).find(|candidate| candidate.is_file());
    found
        .unwrap_or_else(|| panic!("{name} isn't installed: apt-get install openssh-server openssh-client dropbear-bin"))
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// All descendants, parents before children: a parent that is killed first can't report its child's end.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the parent is the second field after it.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let parents: HashMap<u32, u32> = processes().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let children = parents.iter().filter(|&(_, parent)| *parent == found[next]).map(|(pid, _)| *pid);
        found.extend(children.collect::<Vec<_>>());
        next += 1;
    }
    found.split_off(1)
}

fn tagged(tag: &str) -> Vec<u32> {
    let wanted = format!("CONVERGE_TEST_SSHD={tag}");
    let has_tag = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    processes().into_iter().filter(has_tag).collect()
}

fn kill(pids: &[u32]) {
    if !pids.is_empty() {
        let _ = Command::new("kill").arg("-KILL").args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status();
    }
}

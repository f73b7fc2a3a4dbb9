//! A component on a host: its files, its process, what is installed and what answers.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::python::{self, Python};
use super::sweep::{Process, processes_under, signal};
use super::{INSTALLED, host_environment, text};

/// How long a service may take to start or stop; it takes a fifth of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What runs in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Component {
    /// The one with the database.
    Manager,
    /// A service without a schema.
    StorageProxy,
    /// A service without a schema.
    Webserver,
}

impl Component {
    /// The name of its group in the inventory, of its section in its configuration, and of its directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::StorageProxy => "storage-proxy",
            Self::Webserver => "webserver",
        }
    }

    /// Its distribution.
    pub(crate) fn package(self) -> String {
        format!("rehearsal-{}", self.name())
    }

    /// The module of its server.
    fn module(self) -> &'static str {
        match self {
            Self::Manager => "rehearsal.manager.server",
            Self::StorageProxy => "rehearsal.storage.server",
            Self::Webserver => "rehearsal.web.server",
        }
    }

    /// Where its health endpoint tells the running release: a path, and a JSON pointer into the answer.
    pub(crate) fn health(self) -> (&'static str, &'static str) {
        match self {
            Self::Manager => ("/", "/manager"),
            Self::StorageProxy => ("/", "/version"),
            Self::Webserver => ("/health", "/version"),
        }
    }
}

/// What a test can make a component do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process ends with 1 when it is started.
    RefusesToStart,
    /// The same, but only this release.
    ReleaseRefusesToStart(&'static str),
    /// The process listens only after this many seconds.
    StartsSlowly(u32),
    /// The process stays when it is asked to stop (SIGTERM, SIGINT).
    RefusesToStop,
    /// The health endpoint answers 503.
    Sick,
    /// The last migration of 25.6.4 waits half-way, for this many seconds at most.
    MigratesSlowly(u32),
    /// pip waits after it took the old release away, for this many seconds at most.
    InstallsSlowly(u32),
}

impl Fault {
    /// The file that switches it on, and what it holds.
    fn switch(self) -> (&'static str, String) {
        match self {
            Self::RefusesToStart => ("refuse-to-start", String::new()),
            Self::ReleaseRefusesToStart(release) => ("refuse-to-start", release.to_owned()),
            Self::StartsSlowly(seconds) => ("slow-start", seconds.to_string()),
            Self::RefusesToStop => ("refuse-to-stop", String::new()),
            Self::Sick => ("sick", String::new()),
            Self::MigratesSlowly(seconds) => ("slow-migration", seconds.to_string()),
            Self::InstallsSlowly(seconds) => ("slow-install", seconds.to_string()),
        }
    }
}

/// One component on one host.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    root: PathBuf,
    host: String,
    component: Component,
    port: u16,
    database: Option<PathBuf>,
}

impl Service {
    pub(super) fn new(root: &Path, host: &str, component: Component, port: u16, database: Option<PathBuf>) -> Self {
        Self { root: root.to_owned(), host: host.to_owned(), component, port, database }
    }

    /// The name of its host.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What it is.
    pub(crate) fn component(&self) -> Component {
        self.component
    }

    /// Its working directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join(&self.host).join(self.component.name())
    }

    /// Its virtual environment.
    pub(crate) fn venv(&self) -> PathBuf {
        self.directory().join(".venv")
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory().join("server.log")
    }

    /// The configuration of alembic, for a manager.
    pub(crate) fn alembic_ini(&self) -> PathBuf {
        self.directory().join("alembic.ini")
    }

    /// What starts it, from its directory. The whole path comes first, so that the title names host and cluster.
    pub(crate) fn command_line(&self) -> String {
        let python = self.venv().join("bin/python");
        format!("{} -m {} --name {} --config server.ini", text(&python), self.component.module(), self.host)
    }

    /// A POSIX extended regular expression that matches its command line and no other, not even a shell's that holds it.
    pub(crate) fn title(&self) -> String {
        let command_line = self.command_line();
        // The module's name and the host's end what is fixed: other options may follow in another order.
        let end = command_line.find(" --config").expect("the command line has this option");
        // The directory's name holds no other special character; see `Rehearsal::with`.
        format!("^{}( |$)", command_line[..end].replace('.', "[.]"))
    }

    /// Where it tells its health.
    pub(crate) fn health_url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.component.health().0)
    }

    /// Makes its directory, its configuration and its environment with [`INSTALLED`].
    pub(super) fn install(&self, python: &Python) {
        let directory = self.directory();
        fs::create_dir_all(&directory).expect("the directory of a component can be made");
        let server = format!("[{}]\nhost = 127.0.0.1\nport = {}\n", self.component.name(), self.port);
        fs::write(directory.join("server.ini"), server).expect("the configuration can be written");
        if let (Component::Manager, Some(database)) = (self.component, &self.database) {
            let database = text(database);
            let alembic = format!(
                "[alembic]\nscript_location = rehearsal.manager.models:alembic\nsqlalchemy.url = sqlite:///{database}\n"
            );
            fs::write(self.alembic_ini(), alembic).expect("the configuration can be written");
        }
        let requirement = format!("{}=={INSTALLED}", self.component.package());
        python::make_venv(python, &self.venv(), &self.root.join("wheelhouse"), &requirement);
    }

    /// Runs `alembic upgrade` as an operator does.
    pub(crate) fn migrate(&self, revision: &str) {
        let ini = self.alembic_ini();
        python::run(self.local("bin/alembic").arg("-c").arg(ini).args(["upgrade", revision]));
    }

    /// Starts it, detached from the caller. Does not wait for it.
    pub(crate) fn start(&self) {
        let mut shell = Command::new("/bin/sh");
        // The shell ends at once, so that the service is nobody's child here.
        shell.args(["-c", &format!("exec >>\"$1\" 2>&1 </dev/null; {} &", self.command_line()), "start"]);
        shell.arg(self.log()).env_clear().envs(host_environment(&self.root.join(&self.host)));
        let status = shell.current_dir(self.directory()).stdin(Stdio::null()).status().expect("/bin/sh runs");
        assert!(status.success(), "starting {} on {}: {status}", self.component.name(), self.host);
    }

    /// Waits until it answers with the release that is installed; panics with its log when it does not.
    pub(crate) fn wait_until_healthy(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.running_release().is_none() || self.running_release() != self.installed() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < deadline, "{} on {} does not answer:\n{log}", self.component.name(), self.host);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends its processes by SIGTERM and waits until they are gone; panics when they stay.
    pub(crate) fn stop(&self) {
        signal("TERM", self.processes().iter().map(|process| process.pid));
        let deadline = Instant::now() + PATIENCE;
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "{} on {} does not stop", self.component.name(), self.host);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills its processes outright.
    pub(crate) fn kill(&self) {
        signal("KILL", self.processes().iter().map(|process| process.pid));
    }

    /// Its processes.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let command_line = self.command_line();
        let mut processes = processes_under(&self.root);
        processes.retain(|process| process.command_line == command_line);
        processes
    }

    /// The installed release of its package; `None` when there is none or more than one.
    pub(crate) fn installed(&self) -> Option<String> {
        let package = self.component.package();
        let mut releases = self.distributions().into_iter().filter(|(name, _)| *name == package);
        releases.next().filter(|_| releases.next().is_none()).map(|(_, release)| release)
    }

    /// Every distribution of its environment by `dist-info` directory, with names normalised, in order.
    pub(crate) fn distributions(&self) -> Vec<(String, String)> {
        let names = fs::read_dir(self.site_packages()).expect("site-packages can be read");
        let mut found: Vec<(String, String)> = names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| {
                let (name, release) = name.strip_suffix(".dist-info")?.split_once('-')?;
                Some((name.to_lowercase().replace(['_', '.'], "-"), release.to_owned()))
            })
            .collect();
        found.sort();
        found
    }

    /// `site-packages` of its environment.
    pub(crate) fn site_packages(&self) -> PathBuf {
        let library = fs::read_dir(self.venv().join("lib")).expect("a virtual environment has lib");
        let mut versions = library.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
        versions.find(|path| path.is_dir()).expect("a virtual environment has site-packages")
    }

    /// The release that its health endpoint tells; `None` when it doesn't answer well.
    pub(crate) fn running_release(&self) -> Option<String> {
        let (path, pointer) = self.component.health();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let well = head.lines().next()?.contains(" 200 ");
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        body.pointer(pointer)?.as_str().filter(|_| well).map(str::to_owned)
    }

    /// Switches a fault on.
    pub(crate) fn set(&self, fault: Fault) {
        if matches!(fault, Fault::InstallsSlowly(_)) {
            python::put_faults_into(&self.site_packages(), &self.directory());
        }
        let (name, content) = fault.switch();
        fs::write(self.directory().join(name), content).expect("the switch can be written");
    }

    /// Switches a fault off.
    pub(crate) fn clear(&self, fault: Fault) {
        let name = fault.switch().0;
        for file in [name.to_owned(), format!("{name}.reached")] {
            match fs::remove_file(self.directory().join(file)) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "the switch can be removed"),
            }
        }
    }

    /// Waits until the process that a slow fault holds still has got there, and gives its number.
    pub(crate) fn wait_until_held(&self, fault: Fault) -> u32 {
        let file = self.directory().join(format!("{}.reached", fault.switch().0));
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(pid) = fs::read_to_string(&file).ok().and_then(|pid| pid.parse().ok()) {
                return pid;
            }
            assert!(Instant::now() < deadline, "{} was never reached", file.display());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The rows that a query gives, each value as text. Reads only: looking must not repair what a killed migration left.
    pub(super) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let script = "import json, sqlite3, sys; database = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True); \
                      rows = database.execute(sys.argv[2]); print(json.dumps([[str(value) for value in row] for row in rows]))";
        let database = self.database.as_ref().expect("the cluster has a manager");
        let rows = python::run(self.local("bin/python").args(["-c", script]).arg(database).arg(sql));
        serde_json::from_str(&rows).expect("Python prints JSON")
    }

    /// A program of its environment, run here with the environment that it has on its host.
    fn local(&self, program: &str) -> Command {
        let mut command = Command::new(self.venv().join(program));
        command.env_clear().envs(host_environment(&self.root.join(&self.host))).current_dir(self.directory());
        command
    }
}

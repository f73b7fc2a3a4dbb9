//! A small cluster that is made, used and taken away again within a minute, without root.
//!
//! Each host is a directory behind its own SSH server on loopback, with its own home, virtual environment, configuration
//! and processes; the managers share a SQLite database that real alembic migrates. Everything lives under one directory,
//! and whatever belongs to it is found and removed by that directory's name, on every way out.
//!
//! Used by `examples/demo.rs` and, through `#[path]`, by the integration tests.

#![allow(dead_code, reason = "every test uses a part of it")]

mod inventory;
pub(crate) mod python;
pub(crate) mod service;
pub(crate) mod ssh;
mod sweep;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

#[allow(unused_imports, reason = "every test uses a part of it")]
pub(crate) use {
    python::Python,
    service::{Component, Fault, Service},
    ssh::{Keys, Output, Server, ServerKind},
    sweep::{processes_under, signal, sweep},
};

/// The release that a new cluster runs.
pub(crate) const INSTALLED: &str = "25.6.1";
/// The release that its inventory declares: two patches further, because 25.6.3 was never published.
pub(crate) const DECLARED: &str = "25.6.4";
/// The revision at the head of each release's migrations.
pub(crate) const HEADS: [(&str, &str); 4] =
    [("25.6.1", "8c24e6b0d913"), ("25.6.2", "b5907f1e2c6a"), ("25.6.4", "e0c9163d7b48"), ("25.7.0", "f6183be5c27d")];

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Each host, and the component that it carries.
    pub(crate) hosts: Vec<(String, Component)>,
    /// The release that is declared in the inventory.
    pub(crate) declared: String,
    /// Which SSH server the hosts are reached by.
    pub(crate) server: ServerKind,
    /// The Python that the virtual environments are made with.
    pub(crate) python: Python,
    /// Told what is being done, in plain words.
    pub(crate) say: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        let hosts = [("mgr1", Component::Manager), ("sto1", Component::StorageProxy), ("web1", Component::Webserver)];
        Self {
            hosts: hosts.map(|(name, component)| (name.to_owned(), component)).to_vec(),
            declared: DECLARED.to_owned(),
            server: ServerKind::OpenSshIfPresent,
            python: Python::from_environment(),
            say: |_| {},
        }
    }
}

/// One host: a directory, its SSH server, and the one component that it carries.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    directory: PathBuf,
    server: Server,
    service: Service,
}

impl Host {
    /// The name in the inventory.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The directory that stands for the host, and that is the home of whoever logs in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The component that it carries.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Its SSH server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Runs a command line on the host over SSH, and waits for its end.
    pub(crate) fn run(&self, command: &str) -> Output {
        self.server.run(command).expect("the host answers over SSH")
    }
}

/// A running cluster. Dropping it ends its processes and removes its directory.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    hosts: Vec<Host>,
    keys: Keys,
    declared: String,
    server: ServerKind,
    // Last: the servers of the hosts go first.
    site: Site,
}

/// The directory of a cluster, swept when it is dropped, so that a cluster that was only half made goes as well.
#[derive(Debug)]
struct Site(PathBuf);

impl Drop for Site {
    fn drop(&mut self) {
        sweep(&self.0);
    }
}

impl Rehearsal {
    /// Makes the cluster of three hosts under `directory`, which must be absent or empty and is removed at the end.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::with(directory, Options::default())
    }

    /// Makes a cluster under `directory`.
    pub(crate) fn with(directory: &Path, options: Options) -> Self {
        fs::create_dir_all(directory).expect("the cluster's directory can be made");
        let root = directory.canonicalize().expect("the cluster's directory has a path");
        let occupied = fs::read_dir(&root).expect("the cluster's directory can be read").next().is_some();
        assert!(!occupied, "{} is not empty, and it would be removed at the end", root.display());
        // So that no path needs quoting in a shell, in YAML, in an INI file or in a regular expression.
        let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
        assert!(text(&root).chars().all(plain), "{}: only letters, digits and ._- are handled", root.display());
        let site = Site(root.clone());
        let Options { hosts, declared, server, python, say } = options;

        say("Building wheels of four releases, and fetching alembic and SQLAlchemy from the package index");
        python::fill_wheelhouse(&python, &root.join("wheelhouse"));
        let database = hosts
            .iter()
            .find(|(_, component)| *component == Component::Manager)
            .map(|(name, component)| root.join(name).join(component.name()).join("manager.db"));
        let services: Vec<Service> = hosts
            .into_iter()
            .map(|(host, component)| Service::new(&root, &host, component, free_port(), database.clone()))
            .collect();

        say(&format!(
            "Installing release {INSTALLED} on {} hosts, each in its own virtual environment",
            services.len()
        ));
        thread::scope(|scope| {
            let work = services.iter().map(|service| scope.spawn(|| service.install(&python))).collect::<Vec<_>>();
            work.into_iter().for_each(|each| each.join().expect("the release is installed"));
        });
        if let Some(manager) = services.iter().find(|service| service.component() == Component::Manager) {
            say("Making the managers' database with alembic");
            manager.migrate("head");
        }

        say("Starting the processes, and an SSH server for each host");
        let keys = Keys::generate(&root.join("operator"));
        let hosts: Vec<Host> = services
            .into_iter()
            .map(|service| {
                service.start();
                let directory = root.join(service.host());
                let server = Server::start(server, &directory, free_port(), &keys);
                Host { name: service.host().to_owned(), directory, server, service }
            })
            .collect();
        keys.write_known_hosts(hosts.iter().map(Host::server));
        hosts.iter().for_each(|host| host.service.wait_until_healthy());
        let cluster = Self { hosts, keys, declared, server, site };
        fs::write(cluster.inventory_path(), inventory::render(&cluster)).expect("the inventory is written");
        cluster
    }

    /// The directory that everything is in.
    pub(crate) fn root(&self) -> &Path {
        &self.site.0
    }

    /// The operator's own directory, with the inventory and `.ssh`.
    pub(crate) fn operator_directory(&self) -> PathBuf {
        self.root().join("operator")
    }

    /// The inventory, in [`Self::operator_directory`].
    pub(crate) fn inventory_path(&self) -> PathBuf {
        self.operator_directory().join("rehearsal.yaml")
    }

    /// The keys of all hosts, where OpenSSH's client looks for them.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.keys.known_hosts()
    }

    /// The operator's key and user.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The wheels that `pip` on the hosts installs from.
    pub(crate) fn wheelhouse(&self) -> PathBuf {
        self.root().join("wheelhouse")
    }

    /// The release that the inventory declares.
    pub(crate) fn declared(&self) -> &str {
        &self.declared
    }

    /// Declares another release in the inventory.
    pub(crate) fn declare(&mut self, release: &str) {
        release.clone_into(&mut self.declared);
        fs::write(self.inventory_path(), inventory::render(self)).expect("the inventory is written");
    }

    /// Cuts a host off: its SSH server and all connections to it end. What was started on it goes on.
    pub(crate) fn cut_off(&mut self, name: &str) {
        self.host_mut(name).server.stop();
    }

    /// Brings a host back that was cut off.
    pub(crate) fn bring_back(&mut self, name: &str) {
        let kind = self.server;
        self.host_mut(name).server.start_again(kind);
    }

    /// Starts the OpenSSH server of a host anew, with these lines ahead of its configuration.
    pub(crate) fn reconfigure(&mut self, name: &str, lines: &str) {
        let file = self.host(name).directory().join("ssh/more");
        fs::write(file, lines).expect("the configuration of sshd can be written");
        self.cut_off(name);
        self.bring_back(name);
        assert!(self.host(name).server().is_openssh(), "this takes OpenSSH's server: install openssh-server");
    }

    fn host_mut(&mut self, name: &str) -> &mut Host {
        self.hosts.iter_mut().find(|host| host.name == name).expect("the cluster has this host")
    }

    /// All hosts, in the order of the options.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host of this name; panics when there is none.
    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).expect("the cluster has this host")
    }

    /// The first service of a component; panics when there is none.
    pub(crate) fn service(&self, component: Component) -> &Service {
        let found = self.hosts.iter().find(|host| host.service.component() == component);
        &found.expect("the cluster has this component").service
    }

    /// Whether a process of the component runs on its first host.
    pub(crate) fn is_running(&self, component: Component) -> bool {
        !self.service(component).processes().is_empty()
    }

    /// The installed release of the component on its first host; `None` when there is none or more than one.
    pub(crate) fn installed(&self, component: Component) -> Option<String> {
        self.service(component).installed()
    }

    /// The release that the running process answers with, on the component's first host.
    pub(crate) fn running(&self, component: Component) -> Option<String> {
        self.service(component).running_release()
    }

    /// Ends the processes of the component on its first host.
    pub(crate) fn stop_process(&self, component: Component) {
        self.service(component).stop();
    }

    /// The rows of `alembic_version`.
    pub(crate) fn schema_rows(&self) -> Vec<String> {
        let rows = self.query("SELECT version_num FROM alembic_version ORDER BY version_num");
        rows.into_iter().flatten().collect()
    }

    /// The rows that a query on the managers' database gives, each value as text.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        self.service(Component::Manager).query(sql)
    }

    /// The environment in which the operator works: a home with `.ssh`, and nothing of the caller's own settings.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let mut environment = host_environment(&self.operator_directory());
        if let Ok(term) = std::env::var("TERM") {
            environment.insert("TERM".to_owned(), term);
        }
        environment
    }

    /// A command of the operator, in [`Self::operator_directory`] and with [`Self::env`] as its whole environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env()).current_dir(self.operator_directory());
        command
    }
}

/// The environment of a login whose home is `home`: nothing of the caller's but the paths, so that its settings of pip
/// and Python don't reach the hosts. Temporary files go there as well: what is killed leaves them behind.
fn host_environment(home: &Path) -> BTreeMap<String, String> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [
        ("HOME", text(home)),
        ("TMPDIR", text(home)),
        ("CONVERGE_COMMON", text(home)),
        ("PATH", path),
        ("USER", ssh::user()),
        ("LANG", "C.UTF-8".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A path as text: those of the cluster are made of names that are given here and of a directory that must be UTF-8.
fn text(path: &Path) -> String {
    path.to_str().expect("the path of the cluster is UTF-8").to_owned()
}

/// A port that nothing listens on. Taken from below the range of outgoing connections (32768 on Linux), because a
/// service lets go of its port for a while each time that it is restarted.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    // Tests that run at the same time are other processes: each begins elsewhere.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the range of ports ends below 65536");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback between {FIRST} and {}", FIRST + COUNT);
}

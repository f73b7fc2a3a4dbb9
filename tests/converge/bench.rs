//! A cluster, the binary, and what can be seen of the cluster from outside the binary.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::rehearsal::{Component, HEADS, Options, Rehearsal, Service, processes_under, python};

/// Steps of other processes take a second at most, many times that on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, and the operator beside it.
pub(crate) struct Bench {
    pub(crate) cluster: Rehearsal,
    _parent: tempfile::TempDir,
}

/// What can be seen of the cluster without the binary: everything that a command must leave alone that only looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The processes of each host's component.
    pub(crate) processes: BTreeMap<String, Vec<u32>>,
    /// The rows of `alembic_version`.
    schema: Vec<String>,
    /// Every file of every host but logs and caches, with its size and time.
    files: BTreeMap<String, (u64, SystemTime)>,
}

/// How a command ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl State {
    /// Nothing was changed.
    #[track_caller]
    pub(crate) fn is(&self, before: &State, by: &str) {
        let differs = |(path, seen): &(&String, &(u64, SystemTime))| before.files.get(*path) != Some(*seen);
        let new: Vec<&String> = self.files.iter().filter(differs).map(|(path, _)| path).collect();
        let gone: Vec<&String> = before.files.keys().filter(|path| !self.files.contains_key(*path)).collect();
        assert!(new.is_empty() && gone.is_empty(), "changed: {new:?}, gone: {gone:?}, by {by}");
        assert_eq!((&self.processes, &self.schema), (&before.processes, &before.schema), "changed by {by}");
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.exit, self.out, self.err)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
        Self { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        self
    }

    /// It said each of these, on either stream.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "not said: {part}\n{self}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(!self.out.contains(part) && !self.err.contains(part), "said: {part}\n{self}");
        }
        self
    }

    /// The texts of the actions that changed something, as `HOST TEXT`, in order.
    pub(crate) fn changed(&self) -> Vec<String> {
        let line = |line: &str| Some(line.strip_prefix("changed: [")?.replacen("] ", " ", 1));
        self.out.lines().filter_map(line).collect()
    }

    /// The verbs of the actions that changed something, as `HOST VERB`, in order.
    pub(crate) fn verbs(&self) -> Vec<String> {
        let two = |line: String| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        self.changed().into_iter().map(two).collect()
    }

    /// The counts of a host's line of the recap.
    #[track_caller]
    pub(crate) fn recap(&self, host: &str) -> String {
        let recap = self.out.split("PLAY RECAP").nth(1).unwrap_or_else(|| panic!("no recap\n{self}"));
        let line = recap.lines().find(|line| line.split_whitespace().next() == Some(host));
        let words = line.unwrap_or_else(|| panic!("no line for {host}\n{self}")).split_whitespace();
        words.skip(2).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl Bench {
    /// A manager, a storage proxy and a web server at 25.6.1, with 25.6.4 declared.
    pub(crate) fn three() -> Self {
        Self::make(Options::default())
    }

    /// These hosts at 25.6.1, with `declared` declared.
    pub(crate) fn of(hosts: &[(&str, Component)], declared: &str) -> Self {
        let hosts = hosts.iter().map(|(name, component)| ((*name).to_owned(), *component)).collect();
        Self::make(Options { hosts, declared: declared.to_owned(), ..Options::default() })
    }

    pub(crate) fn make(options: Options) -> Self {
        let parent = tempfile::Builder::new().prefix("converge").tempdir().expect("a temporary directory");
        let cluster = Rehearsal::with(&parent.path().join("cluster"), options);
        Self { cluster, _parent: parent }
    }

    /// Runs SQL on the managers' database, behind everybody's back.
    pub(crate) fn sql(&self, statement: &str) {
        let manager = self.on("mgr1");
        let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit()";
        let mut command = Command::new(manager.venv().join("bin/python"));
        python::run(command.args(["-c", script]).arg(manager.directory().join("manager.db")).arg(statement));
    }

    /// The service of a host.
    pub(crate) fn on(&self, host: &str) -> &Service {
        self.cluster.host(host).service()
    }

    /// The binary, where the operator works, without arguments.
    pub(crate) fn binary(&self) -> Command {
        let mut command = self.cluster.command(Path::new(env!("CARGO_BIN_EXE_converge")));
        command.stdin(Stdio::null());
        command
    }

    /// `converge --inventory rehearsal.yaml …`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.binary();
        command.args(["--inventory", "rehearsal.yaml"]).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn converge(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary starts").into()
    }

    /// Starts it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Waits for the end of one that was started.
    pub(crate) fn finish(&self, run: Child) -> Ran {
        run.wait_with_output().expect("the binary ends").into()
    }

    /// Runs a command that must change nothing.
    #[track_caller]
    pub(crate) fn looks(&self, arguments: &[&str]) -> Ran {
        let before = self.state();
        let ran = self.converge(arguments);
        self.state().is(&before, &format!("{arguments:?}: {ran}"));
        ran
    }

    /// The pre-flight refuses the run with this code, and only this one; nothing is changed.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], code: &str) -> Ran {
        let ran = self.looks(arguments).exits(3).says(&["REFUSED", "nothing was changed", &format!("[{code}]")]);
        let of_finding = |line: &str| Some(line.split_once(": [")?.1.split_once("] ")?.0.to_owned());
        let codes: Vec<String> = ran.err.lines().filter(|line| !line.starts_with(' ')).filter_map(of_finding).collect();
        assert!(!codes.is_empty() && codes.iter().all(|found| found == code), "{codes:?}\n{ran}");
        ran
    }

    pub(crate) fn state(&self) -> State {
        let mut files = BTreeMap::new();
        let mut processes = BTreeMap::new();
        for host in self.cluster.hosts() {
            collect(host.directory(), &mut files);
            let pids = host.service().processes().iter().map(|process| process.pid).collect();
            processes.insert(host.name().to_owned(), pids);
        }
        State { processes, schema: self.schema(), files }
    }

    fn has_manager(&self) -> bool {
        self.cluster.hosts().iter().any(|host| host.service().component() == Component::Manager)
    }

    fn schema(&self) -> Vec<String> {
        if self.has_manager() { self.cluster.schema_rows() } else { Vec::new() }
    }

    /// A plain run converges, and the one after it finds nothing to do.
    #[track_caller]
    pub(crate) fn converges(&self) -> Ran {
        let ran = self.converge(&[]).exits(0).says(&["Converged"]);
        self.is_converged();
        ran
    }

    /// Everything is as declared, seen from outside; a run does nothing, and says why.
    #[track_caller]
    pub(crate) fn is_converged(&self) {
        let declared = self.cluster.declared();
        for host in self.cluster.hosts() {
            let service = host.service();
            let seen = (service.installed(), service.running_release(), service.processes().len());
            assert_eq!(seen, (Some(declared.to_owned()), Some(declared.to_owned()), 1), "{}", host.name());
        }
        if self.has_manager() {
            let head = HEADS.iter().find(|(release, _)| *release == declared).map(|(_, head)| (*head).to_owned());
            assert_eq!(self.cluster.schema_rows(), Vec::from_iter(head));
            assert_eq!(self.cluster.query("SELECT count(*) FROM users"), [["3"]]);
        }
        let ran = self.looks(&[]).exits(0).says(&["Nothing to do", "are as declared"]);
        for host in self.cluster.hosts() {
            assert_eq!(ran.recap(host.name()), RECAP_OF_NOTHING, "{ran}");
        }
    }

    /// Whether something of the host's own works, other than its component: a pip or an alembic that was left alone.
    pub(crate) fn is_busy(&self, host: &str) -> bool {
        let venv = self.on(host).venv();
        let ours = |line: &str| line.contains(&format!("{}/bin/", venv.display()));
        let busy = |line: &str| ours(line) && (line.contains("-m pip") || line.contains("alembic"));
        processes_under(self.cluster.host(host).directory()).iter().any(|process| busy(&process.command_line))
    }

    /// The backups of a manager, in order of name.
    pub(crate) fn backups(&self, host: &str) -> Vec<String> {
        let directory = self.cluster.host(host).directory().join("backups");
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

pub(crate) const RECAP_OF_NOTHING: &str = "ok=1 changed=0 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0";

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not so after {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Logs grow and caches are filled by whoever looks.
fn collect(directory: &Path, files: &mut BTreeMap<String, (u64, SystemTime)>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let name = entry.file_name();
        // pip asks rustc for its version, for the sake of the index's statistics, and rustup then makes its directory.
        if ["__pycache__", ".cache", ".rustup", "sshd.log"].iter().any(|cache| name == *cache) {
            continue;
        }
        // What ends while it is looked at, such as a lock file of Python's, is no file.
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        if metadata.is_dir() {
            collect(&entry.path(), files);
        } else {
            let time = metadata.modified().expect("a file has a time");
            files.insert(entry.path().display().to_string(), (metadata.len(), time));
        }
    }
}

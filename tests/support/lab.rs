//! The real Backend.AI cluster of `tests/lab`: up while a [`Lab`] lives, gone when it is dropped.
//!
//! The script `tests/lab/up` makes and removes the cluster. It ends when its standard input does, so the cluster goes
//! away with this process, however that ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the script may take to remove the cluster: it takes a second, and gives up by itself after some 60.
const DOWN_TIMEOUT: Duration = Duration::from_secs(90);

/// Where each component tells the release that it runs: host, URL, JSON pointer.
const ENDPOINTS: [(&str, &str, &str); 5] = [
    ("mgr1", "http://127.0.0.1:8081/", "/manager"),
    ("mgr2", "http://127.0.0.1:8081/", "/manager"),
    ("edge1", "http://127.0.0.1:6021/", "/storage-proxy"),
    ("edge1", "http://127.0.0.1:6022/", "/storage-proxy"),
    ("edge1", "http://127.0.0.1:8090/func/ping", "/version"),
];

/// Lines of a command's output that a failed test shows: its end tells most, and a report of failed tests is cut where
/// it gets long.
const SHOWN: usize = 40;

/// What a converge command printed, and how it ended.
#[allow(dead_code, reason = "not every test looks at all of it")]
pub(crate) struct Ended {
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard output, and then standard error.
    pub(crate) text: String,
    /// The exit code.
    pub(crate) code: i32,
}

/// A running cluster.
pub(crate) struct Lab {
    script: Child,
    /// Held open: its end is the order to take the cluster down.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    progress: Option<JoinHandle<String>>,
    state: PathBuf,
}

impl Lab {
    /// Brings a cluster up, all of it at the old release and healthy, in some ten seconds: `patch` or another variant of
    /// `tests/lab/settings`. Waits its turn where another cluster is up on this machine.
    ///
    /// # Panics
    /// When it does not come up, with what the script said: it needs root, and `tests/lab/install` first.
    pub(crate) fn start(variant: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/up");
        let mut script = Command::new(&path)
            .arg(variant)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", path.display()));
        let input = script.stdin.take();
        let output = script.stdout.take().expect("standard output is piped");
        let errors = script.stderr.take().expect("standard error is piped");
        let progress = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = BufReader::new(errors).read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let read = output.read_line(&mut line);
        let mut lab = Self { script, input, output, progress: Some(progress), state: PathBuf::new() };
        match line.trim_end().strip_prefix("ready ") {
            Some(state) => lab.state = PathBuf::from(state),
            None => panic!("the cluster did not come up ({read:?}):\n{}", lab.down()),
        }
        lab
    }

    /// The inventory that declares the new release for it.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.state.join("inventory.yaml")
    }

    /// A home directory whose `.ssh/known_hosts` knows the cluster's hosts.
    pub(crate) fn home(&self) -> PathBuf {
        self.state.join("home")
    }

    /// The real binary with this inventory, as an operator calls it whose home holds the lab's known hosts.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
        command
            .arg("--inventory")
            .arg(self.inventory())
            .args(words)
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", self.home().join("cache"))
            .env_remove("XDG_STATE_HOME")
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs [`Self::command`] to its end.
    pub(crate) fn converge(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output().expect("converge runs");
        let code = output.status.code().expect("an exit code");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = format!("{stdout}{stderr}");
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        println!("$ converge {} # exit code {code}\n{shown}", words.join(" "));
        Ended { stdout, text, code }
    }

    /// The releases that run: both managers, the storage proxy at both of its ports, the web server.
    #[allow(dead_code, reason = "not every test that starts the cluster asks it")]
    pub(crate) fn running(&self) -> Vec<String> {
        let release = |(host, url, pointer): &(&str, &str, &str)| {
            let answer = self.get(host, url);
            let release = answer.pointer(pointer).and_then(|value| value.as_str());
            release.unwrap_or_else(|| panic!("no {pointer} at {url} on {host}: {answer}")).to_owned()
        };
        ENDPOINTS.iter().map(release).collect()
    }

    /// The processes of all components, with their numbers: equal means that nothing was restarted.
    #[allow(dead_code, reason = "not every test that starts the cluster asks it")]
    pub(crate) fn processes(&self) -> Vec<String> {
        ["mgr1", "mgr2", "edge1"].map(|host| self.ssh(host, "pgrep -u bai -a -f '^backend.ai:' | sort")).to_vec()
    }

    /// Runs a shell command as root on a host, through `ssh`.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub(crate) fn ssh(&self, host: &str, command: &str) -> String {
        let known_hosts = self.home().join(".ssh/known_hosts");
        let output = Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-i"])
            .arg(self.state.join("ssh_key"))
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
            .arg(format!("root@{}", self.address(host)))
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .expect("ssh runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "on {host}, `{command}` ended with {}:\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    #[allow(dead_code, reason = "not every test that starts the cluster asks it")]
    /// What an endpoint answers to a request from the host itself.
    pub(crate) fn get(&self, host: &str, url: &str) -> serde_json::Value {
        let body = self.ssh(
            host,
            &format!(
                "python3 -c 'import urllib.request as r; print(r.urlopen(\"{url}\", timeout=20).read().decode())'"
            ),
        );
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url} on {host} answers no JSON ({error}): {body}"))
    }

    #[allow(dead_code, reason = "not every test moves to another train")]
    /// Every line in which the cluster's schema differs from the one that it should have: the models of a
    /// first release and then the migrations of others alone, as `tests/lab/twin` takes them: `SEED RELEASE[@REVISION]…`.
    pub(crate) fn twin(&self, steps: &str) -> Vec<String> {
        // Exit status 1 says that there are differences; they are what is asked for.
        let command = format!("/opt/twin/twin {steps} backend || test $? = 1");
        let said = self.ssh("db1", &command);
        let mut lines = said.lines().map(str::to_owned);
        let count = lines.next().unwrap_or_default();
        let lines: Vec<String> = lines.collect();
        assert_eq!(count, format!("{} line(s) differ", lines.len()), "the twin broke off");
        lines
    }

    #[allow(dead_code, reason = "not every test moves to another train")]
    /// How many rows each table has: `table|count`, sorted; alembic's own is left out.
    pub(crate) fn rows(&self) -> Vec<String> {
        let counts = "select table_name || '|' || (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I', \
             table_name), false, true, '')))[1] from information_schema.tables where table_schema = 'public' \
             and table_type = 'BASE TABLE' and table_name <> 'alembic_version' order by 1";
        self.sql(counts)
    }

    /// The rows of a query to the cluster's database, columns parted by `|`.
    pub(crate) fn sql(&self, query: &str) -> Vec<String> {
        let command = format!("cd / && runuser -u postgres -- psql -At -c \"{query}\" backend");
        self.ssh("db1", &command).lines().map(str::to_owned).collect()
    }

    #[allow(dead_code, reason = "not every test that starts the cluster asks it")]
    /// The titles of all of Backend.AI's processes on a host, sorted.
    pub(crate) fn titles(&self, host: &str) -> Vec<String> {
        let command = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null";
        let mut titles: Vec<String> = self
            .ssh(host, command)
            .lines()
            .map(str::trim_end)
            .filter(|line| line.starts_with("backend.ai: "))
            .map(str::to_owned)
            .collect();
        titles.sort();
        titles
    }

    /// Waits until a host takes connections again.
    ///
    /// # Panics
    /// When it doesn't within three minutes.
    #[allow(dead_code, reason = "not every test that starts the cluster cuts a host off")]
    pub(crate) fn wait_for_ssh(&self, host: &str) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while std::net::TcpStream::connect((self.address(host).as_str(), 22)).is_err() {
            assert!(Instant::now() < deadline, "{host} takes no connections for three minutes");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Lets the power of a host fail: everything on it is gone at once, and what lies on its disk stays.
    #[allow(dead_code, reason = "not every test does that to a host")]
    pub(crate) fn power_off(&mut self, host: &str) {
        self.order("off", host);
    }

    /// Boots a host again, and waits until it takes connections.
    #[allow(dead_code, reason = "not every test does that to a host")]
    pub(crate) fn power_on(&mut self, host: &str) {
        self.order("on", host);
    }

    /// What `tests/lab/up` takes on its standard input.
    fn order(&mut self, order: &str, host: &str) {
        let input = self.input.as_mut().expect("the cluster is up");
        writeln!(input, "{order} {host}").and_then(|()| input.flush()).expect("the script takes orders");
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        assert_eq!(line.trim_end(), format!("done {order} {host}"), "{read:?}");
    }

    /// The root directory of a host as this machine sees it.
    #[allow(dead_code, reason = "not every test looks at it")]
    pub(crate) fn root(&self, host: &str) -> PathBuf {
        self.state.join(host).join("root")
    }

    fn address(&self, host: &str) -> String {
        let hosts = std::fs::read_to_string(self.state.join("hosts")).expect("the cluster's hosts file is readable");
        let line = hosts.lines().find(|line| line.ends_with(&format!(" {host}")));
        let line = line.unwrap_or_else(|| panic!("the cluster has no host {host}:\n{hosts}"));
        line.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Takes the cluster down and returns what the script said in all.
    fn down(&mut self) -> String {
        self.input = None;
        let deadline = Instant::now() + DOWN_TIMEOUT;
        while let Ok(None) = self.script.try_wait() {
            if Instant::now() > deadline {
                // Its hosts halt with it; what else it leaves behind is removed at the next start.
                let _ = self.script.kill();
                let _ = self.script.wait();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.progress.take().and_then(|progress| progress.join().ok()).unwrap_or_default()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        eprint!("{}", self.down());
    }
}

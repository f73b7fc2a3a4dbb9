//! A PostgreSQL server of the test's own, and two packages of migrations: an old one, and a new one in which revisions
//! were spliced in below the old one's head.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The password of the database's user; no output may hold it.
pub(crate) const PASSWORD: &str = "hunter2%40x";
const PLAIN_PASSWORD: &str = "hunter2@x";
const REQUIREMENTS: [&str; 3] = ["alembic>=1.13,<2", "SQLAlchemy[asyncio]>=2.0,<3", "asyncpg"];

/// A virtual environment with alembic, made once and kept below the build directory.
pub(crate) fn venv() -> &'static Path {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema-job");
        fs::create_dir_all(&place).unwrap();
        // Tests may be processes of their own.
        let lock = fs::File::create(place.join("lock")).unwrap();
        lock.lock().unwrap();
        let (venv, complete) = (place.join("venv"), place.join("complete"));
        if fs::read_to_string(&complete).ok().as_deref() != Some(REQUIREMENTS.join("\n").as_str()) {
            let _ = fs::remove_dir_all(&venv);
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(venv.join("bin/python")).args(pip).args(REQUIREMENTS));
            fs::write(&complete, REQUIREMENTS.join("\n")).unwrap();
        }
        venv
    })
}

/// Runs a command to its end; panics with what it said when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that a command said.
pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A server that lives as long as this does, on a socket in a directory of its own.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let bin = server_programs();
        let directory = tempfile::Builder::new().prefix("converge-pg-").tempdir().unwrap();
        run(Command::new("chmod").arg("755").arg(directory.path()));
        let (data, sockets) = (directory.path().join("data"), directory.path().join("s"));
        let password = directory.path().join("password");
        fs::write(&password, PLAIN_PASSWORD).unwrap();
        for made in [&data, &sockets] {
            fs::create_dir(made).unwrap();
            if is_root() {
                run(Command::new("chown").args(["-R", "postgres"]).arg(made).arg(&password));
            }
        }
        let mut init = as_owner(bin.join("initdb"));
        init.args(["--no-sync", "-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8"]);
        run(init.arg("--pwfile").arg(&password).arg("-D").arg(&data));
        let mut server = as_owner(bin.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&sockets).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let server = Self { directory, process };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.psql("postgres", "select 1").output().unwrap().status.success() {
            let log = fs::read_to_string(server.directory.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "PostgreSQL does not come up:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let role = format!("create role shop login createdb password '{PLAIN_PASSWORD}'");
        server.sql("postgres", &role);
        server
    }

    fn sockets(&self) -> String {
        self.directory.path().join("s").to_str().unwrap().to_owned()
    }

    /// The URL of a database, as the operator's alembic.ini has it; `%` is doubled there.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql+asyncpg://shop:{}@/{database}?host={}", PASSWORD.replace('%', "%%"), self.sockets())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PGHOST", self.sockets()).env("PGUSER", "postgres").env("PGPASSWORD", PLAIN_PASSWORD);
        command.stdin(Stdio::null());
        command
    }

    /// psql with one query, not yet run.
    pub(crate) fn psql(&self, database: &str, query: &str) -> Command {
        let mut command = self.client("psql");
        command.args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query]);
        command
    }

    /// The rows of a query.
    pub(crate) fn sql(&self, database: &str, query: &str) -> Vec<String> {
        run(&mut self.psql(database, query)).lines().map(str::to_owned).collect()
    }

    /// An empty database that belongs to the service's user.
    pub(crate) fn create(&self, database: &str) {
        self.sql("postgres", &format!("create database {database} owner shop"));
    }

    /// A second database that is as the first one is now.
    pub(crate) fn copy(&self, database: &str, copy: &str) {
        self.sql("postgres", &format!("create database {copy} owner shop template {database}"));
    }

    pub(crate) fn databases(&self) -> Vec<String> {
        self.sql("postgres", "select datname from pg_database where not datistemplate order by 1")
    }

    /// A backup in the format that converge's own have.
    pub(crate) fn dump(&self, database: &str, file: &Path) {
        run(self.client("pg_dump").args(["-Fc", "-f"]).arg(file).arg(database));
    }

    /// What a person types, with the server's address in the environment.
    pub(crate) fn typed(&self, command: &str) {
        run(self.client("sh").args(["-c", command]));
    }

    /// Restores a backup, with these words to pg_restore.
    pub(crate) fn restore(&self, words: &[&str], file: &Path) {
        run(self.client("pg_restore").args(words).arg(file));
    }

    /// Everything in a database, rows included, as sorted lines; the order of columns doesn't count, nor does the key
    /// that newer releases of pg_dump draw for each dump.
    pub(crate) fn truth(&self, database: &str) -> Vec<String> {
        let text = run(self.client("pg_dump").args(["--inserts", "--column-inserts"]).arg(database));
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with("--") && !line.is_empty() && !line.contains("restrict "))
            .map(|line| line.trim_end_matches(',').to_owned())
            .collect();
        // A row is named by its columns in their order, which differs where one was added late.
        for line in lines.iter_mut().filter(|line| line.starts_with("INSERT INTO")) {
            let mut words: Vec<&str> = line.split(['(', ')', ',', ' ']).collect();
            words.sort_unstable();
            *line = words.join(" ");
        }
        lines.sort();
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// PostgreSQL runs as anybody but root, and goes away with the test, however that ends.
fn as_owner(program: PathBuf) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--pdeathsig=QUIT").arg(program).current_dir("/");
    command
}

fn server_programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("Debian's package postgresql is installed (tests/run does that)")
}

/// One revision: identifier, message, the one before, and the body of its upgrade().
pub(crate) type Revision = (&'static str, &'static str, &'static str, &'static str);

const USERS: Revision = (
    "a1",
    "users",
    "",
    r#"
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)),
        sa.Column("role", sa.String(8), server_default="user"),
        sa.CheckConstraint("role in ('user', 'admin')", name="ck_role"))
    op.execute("insert into users (id, name) values (1, 'kim'), (2, 'lee')")
"#,
);
const EMAIL: Revision =
    ("b2", "add users.email", "a1", "\n    op.add_column(\"users\", sa.Column(\"email\", sa.String(80)))\n");
const EMAIL_LATER: Revision = ("b2", EMAIL.1, "s2", EMAIL.3);
const KIND: Revision = (
    "s1",
    "add `users.kind`",
    "a1",
    r#"
    op.add_column("users", sa.Column("kind", sa.String(8), server_default="person"))
"#,
);
/// Sleeps and fails as the environment says.
const KIND_INDEX: Revision = (
    "s2",
    "index users.kind",
    "s1",
    r#"
    op.create_index("ix_users_kind", "users", ["kind"])
    op.get_bind().execute(sa.text("update users set kind = 'robot' where id = 2"))
    time.sleep(float(os.environ.get("SHOP_SLEEP", "0")))
    if "SHOP_FAIL" in os.environ:
        value = "somebody's data"
        op.get_bind().execute(sa.text("insert into users (id, name) values (1, :name)"), {"name": value})
"#,
);
const ORDERS: Revision = (
    "c3",
    "orders",
    "b2",
    r#"
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id")))
"#,
);

/// Two packages of migrations in a directory.
pub(crate) struct Packages {
    pub(crate) directory: tempfile::TempDir,
}

impl Packages {
    pub(crate) fn new() -> Self {
        let packages = Self { directory: tempfile::tempdir().unwrap() };
        packages.package("old", &[USERS, EMAIL]);
        packages.package("new", &[USERS, KIND, KIND_INDEX, EMAIL_LATER, ORDERS]);
        packages
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a package of these revisions.
    pub(crate) fn package(&self, name: &str, revisions: &[Revision]) {
        let versions = self.path(name).join("versions");
        fs::create_dir_all(&versions).unwrap();
        fs::write(self.path(name).join("env.py"), include_str!("env.py")).unwrap();
        for (id, message, down, body) in revisions {
            let down = if down.is_empty() { "None".to_owned() } else { format!("{down:?}") };
            let text = format!(
                "\"\"\"{message}\n\"\"\"\nimport os, time\nimport sqlalchemy as sa\nfrom alembic import op\n\
                 revision = {id:?}\ndown_revision = {down}\n\n\ndef upgrade():{body}\n\ndef downgrade():\n    pass\n"
            );
            fs::write(versions.join(format!("{id}.py")), text).unwrap();
        }
    }

    /// An alembic.ini for one of the packages and a database.
    pub(crate) fn ini(&self, package: &str, name: &str, url: &str) -> String {
        let file = self.path(&format!("{package}-{name}.ini"));
        let location = self.path(package);
        fs::write(&file, format!("[alembic]\nscript_location = {}\nsqlalchemy.url = {url}\n", location.display()))
            .unwrap();
        file.to_str().unwrap().to_owned()
    }
}

/// What became of a script.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Ended {
    /// The line that begins so.
    #[track_caller]
    pub(crate) fn line(&self, start: &str) -> &str {
        let found = self.text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?} in:\n{}", self.text))
    }
}

/// A script at work, as a session runs it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(body: &str, environment: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("act() {{\n{body}}}\nact </dev/null 2>&1\n"));
        // A group of its own, to be killed as a whole.
        shell.process_group(0).envs(environment.iter().copied());
        Self(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a line that holds `word`.
    pub(crate) fn until(&mut self, word: &str) {
        use std::io::Read as _;
        let stdout = self.0.stdout.as_mut().unwrap();
        let (mut text, mut byte) = (String::new(), [0]);
        while stdout.read(&mut byte).unwrap() == 1 {
            text.push(char::from(byte[0]));
            if byte[0] == b'\n' && text.lines().last().is_some_and(|line| line.contains(word)) {
                return;
            }
        }
        panic!("it ended before it said {word:?}:\n{text}");
    }

    /// Sends a signal to the shell and all that it started.
    pub(crate) fn signal(&self, name: &str) {
        run(Command::new("kill").args([&format!("-{name}"), "--", &format!("-{}", self.0.id())]));
    }

    /// As if the machine had lost its power.
    pub(crate) fn kill(self) {
        self.signal("KILL");
        // To the end of its output: all that held it open is gone then, not the shell alone.
        self.0.wait_with_output().unwrap();
    }

    pub(crate) fn end(self) -> Ended {
        let output = self.0.wait_with_output().unwrap();
        let text = said(&output);
        for secret in [PASSWORD, PLAIN_PASSWORD, "somebody's data"] {
            assert!(!text.contains(secret), "{secret:?} was printed:\n{text}");
        }
        Ended { code: output.status.code(), text }
    }
}

/// Runs a script to its end.
pub(crate) fn act(body: &str, environment: &[(&str, &str)]) -> Ended {
    Running::start(body, environment).end()
}

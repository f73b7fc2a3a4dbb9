//! The probe against a real shell, real files, real processes and a real SQLite database.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use converge::facts::{
    CommandQuery, DiskQuery, EffectsQuery, FileQuery, Health, HealthQuery, HostFacts, InterpretersQuery, MigrationsAt,
    Observed, PackageSourceQuery, PathsQuery, PinsQuery, Probe, ProcessQuery, PublishedQuery, Query, SchemaQuery,
    UnitQuery, VenvQuery, WheelQuery, WorkQuery, read_answers,
};
use converge::model::HostName;
use converge::release::{Release, SchemaState};

/// Runs a probe as a session does: by `/bin/sh -s`, the script on standard input.
fn observe(queries: impl IntoIterator<Item = Query>) -> HostFacts {
    let probe = Probe::new("nonce1", queries);
    let mut shell = Command::new("/bin/sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(probe.script().as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    read_answers(&probe, &HostName::parse("here").unwrap(), &output.stdout, &output.stderr)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A child that is killed when the test ends, however it ends.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn everything(directory: &str) -> Vec<Query> {
    let venv = format!("{directory}/.venv");
    vec![
        Query::System,
        Query::Jobs,
        Query::Disk(DiskQuery { path: directory.into() }),
        Query::File(FileQuery { path: format!("{directory}/alembic.ini") }),
        Query::Venv(VenvQuery { path: venv.clone(), package: "backend.ai-manager".into() }),
        Query::Process(ProcessQuery {
            title: Some(r"^(backend\.ai: manager( |$)|[^ ]*python[^ ]* (-m ai\.backend\.manager\.server|[^ ]*/backend\.ai mgr start-server)( |$))".into()),
            user: Some("root".into()),
            pid_file: Some(format!("{directory}/manager.pid")),
        }),
        Query::Unit(UnitQuery { name: "backendai-manager.service".into() }),
        Query::Health(HealthQuery { url: "http://127.0.0.1:8081/".into(), version: None, venv: venv.clone() }),
        Query::Schema(SchemaQuery { ini: format!("{directory}/alembic.ini"), chdir: directory.into(), venv }),
    ]
}

#[test]
fn a_probe_that_asks_everything_stays_small() {
    let script = Probe::new("0123456789abcdef", everything("/home/bai/manager")).script().len();
    println!("the probe has {script} bytes");
    // One write on one channel; a packet of SSH carries 32 KB.
    assert!(script < 10 * 1024, "the probe has {script} bytes");
}

/// A probe carries the functions of all its questions at once: two of one name would be the later one.
#[test]
fn no_two_questions_share_a_function() {
    let mut queries = everything("/home/bai/manager");
    let (venv, schema) = ("/v".to_owned(), SchemaQuery { ini: "/i".into(), chdir: "/".into(), venv: "/v".into() });
    queries.extend([
        Query::Command(CommandQuery::of("true")),
        Query::Work(WorkQuery { database: schema.clone(), table: "t".into(), column: "c".into(), terminal: vec![] }),
        Query::Paths(PathsQuery { pattern: "/x*".into() }),
        Query::Pins(PinsQuery { venv: venv.clone() }),
        Query::PackageSource(PackageSourceQuery { venv: venv.clone() }),
        Query::Published(PublishedQuery::new("/v", "p", &[])),
        Query::Wheel(WheelQuery::new("/v", "p", &Release::parse("1.0").unwrap(), &[], MigrationsAt::Ini("/i".into()))),
        Query::Interpreters(InterpretersQuery { venv, paths: vec![], ensurepip: true }),
        Query::Effects(EffectsQuery { database: schema, revisions: Default::default() }),
    ]);
    let probe = Probe::new("n", queries);
    let defined = |line: &str| {
        let name = line.split_once("() {")?.0.to_owned();
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase())).then_some(name)
    };
    let mut names: Vec<String> = probe.script().lines().filter_map(defined).collect();
    let all = names.len();
    assert!(all > 15, "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

#[test]
fn a_probe_cut_short_runs_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let probe = Probe::new("n", everything(&text(scratch.path())));
    let script = probe.script().as_bytes();
    for length in [script.len() - 20, script.len() / 2, 40] {
        let mut shell = Command::new("/bin/sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(&script[..length]).unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(read_answers(&probe, &HostName::parse("h").unwrap(), &output.stdout, b"").is_err());
        assert_eq!(output.stdout, b"", "cut at {length}");
    }
}

#[test]
fn the_system_and_the_disk_are_observed() {
    let facts = observe([Query::System, Query::Disk(DiskQuery { path: "/var/no/such/directory".into() })]);
    let system = facts.system().known().cloned().unwrap();
    assert!(!system.kernel.is_empty());
    assert!(!system.os.contains('"'));
    assert!(facts.disk(&DiskQuery { path: "/var/no/such/directory".into() }).known().unwrap().available_kib > 0);
    assert!((facts.observed_at.0 - jiff::Timestamp::now().as_second()).abs() < 60);
}

#[test]
fn files_are_known_absent_or_unknown() {
    let scratch = tempfile::tempdir().unwrap();
    let query = |name: &str| FileQuery { path: text(&scratch.path().join(name)) };
    fs::write(scratch.path().join("it's a file"), "12345").unwrap();
    let [file, none, directory] = [query("it's a file"), query("none"), query("")];
    let facts = observe([&file, &none, &directory].map(|query| Query::File(query.clone())));
    assert_eq!(facts.file(&file).known().unwrap().bytes, 5);
    assert_eq!(facts.file(&none), Observed::Absent);
    assert!(facts.file(&directory).unknown().is_some());
}

#[test]
fn a_venv_is_read_from_its_directories() {
    let scratch = tempfile::tempdir().unwrap();
    let venv = scratch.path().join("a venv");
    let packages = venv.join("lib/python3.11/site-packages");
    for (name, record) in [
        ("backend.ai_manager-23.9.8.dist-info", true),
        ("aiohttp-3.8.5.dist-info", false),
        ("~ackend.ai_common-23.9.8.dist-info", true),
    ] {
        fs::create_dir_all(packages.join(name)).unwrap();
        if record {
            fs::write(packages.join(name).join("RECORD"), "").unwrap();
        }
    }
    fs::write(venv.join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n").unwrap();
    let query = VenvQuery { path: text(&venv), package: "backend.ai-manager".into() };
    let none = VenvQuery { path: text(&scratch.path().join("none")), package: "backend.ai-manager".into() };
    let facts = observe([Query::Venv(query.clone()), Query::Venv(none.clone())]);
    let observed = facts.venv(&query);
    let venv = observed.known().unwrap();
    assert_eq!((venv.python.as_str(), venv.base.as_str(), venv.executable), ("3.11.2", "/usr/bin", false));
    assert_eq!(venv.distributions["backend-ai-manager"][0].release, Release::parse("23.9.8").ok());
    assert!(!venv.distributions["aiohttp"][0].complete);
    assert_eq!(venv.moved_aside, [("ackend-ai-common".to_owned(), "23.9.8".to_owned())]);
    assert!(venv.installed_at.is_some());
    assert_eq!(facts.venv(&none), Observed::Absent);
}

#[test]
fn a_link_to_an_environment_is_told_with_what_it_leads_to() {
    let scratch = tempfile::tempdir().unwrap();
    let real = scratch.path().join("real place");
    for venv in ["manager/.venv-1.0", "elsewhere"] {
        fs::create_dir_all(real.join(venv)).unwrap();
        fs::write(real.join(venv).join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n").unwrap();
    }
    fs::write(real.join("manager/.venv-1.0/converge.json"), "{}").unwrap();
    // The declared directory is itself below a link: what lies beside it is told as it would be declared.
    std::os::unix::fs::symlink(&real, scratch.path().join("home")).unwrap();
    let home = scratch.path().join("home/manager");
    let links = [("beside", ".venv-1.0"), ("twice", "beside"), ("away", "../elsewhere"), ("dangling", "gone")];
    for (name, target) in links {
        std::os::unix::fs::symlink(target, home.join(name)).unwrap();
    }
    let query = |name: &str| VenvQuery { path: text(&home.join(name)), package: "p".into() };
    let names = ["beside", "twice", "away", "dangling", ".venv-1.0"];
    let facts = observe(names.map(|name| Query::Venv(query(name))));
    let link = |name: &str| facts.venv(&query(name)).known().map(|venv| (venv.link.clone(), venv.marker));
    let staged = text(&home.join(".venv-1.0"));
    assert_eq!(link("beside"), Some((Some(staged.clone()), true)));
    assert_eq!(link("twice"), Some((Some(staged), true)));
    let away = text(&fs::canonicalize(real.join("elsewhere")).unwrap());
    assert_eq!(link("away"), Some((Some(away), false)));
    assert_eq!(link(".venv-1.0"), Some((None, true)));
    assert!(facts.venv(&query("dangling")).unknown().is_some_and(|reason| reason.contains("/pyvenv.cfg")));
}

#[test]
fn interpreters_tell_their_version_and_what_they_lack() {
    let scratch = tempfile::tempdir().unwrap();
    let program = |name: &str, body: &str| {
        let path = scratch.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        text(&path)
    };
    let python = std::env::var("PATH").unwrap();
    let python = python.split(':').map(|directory| Path::new(directory).join("python3")).find(|path| path.exists());
    let python = text(&python.unwrap());
    // As Debian's without python3-venv, and as the shim of a version manager without that version.
    let split = program(
        "split python",
        "case $3 in *ensurepip*) echo 'No module named ensurepip' >&2; exit 1;; esac; echo 3.12.1",
    );
    let shim = program("shim", "echo 'shim: no such version' >&2; exit 127");
    let none = text(&scratch.path().join("none"));
    let ask = |venv: &str, paths: &[&String], ensurepip| InterpretersQuery {
        venv: venv.to_owned(),
        paths: paths.iter().map(|path| (*path).clone()).collect(),
        ensurepip,
    };
    let with_pip = ask("/v", &[&shim, &none, &split, &python, &python], true);
    let without = ask("/v", &[&split, &python], false);
    let facts = observe([&with_pip, &without].map(|query| Query::Interpreters(query.clone())));
    let told = facts.interpreters(&with_pip);
    let reasons: Vec<(&str, &str)> =
        told.known().unwrap().unfit.iter().map(|one| (one.path.as_str(), one.reason.as_str())).collect();
    assert_eq!(
        reasons[..3],
        [
            (shim.as_str(), "it doesn't start as a Python 3: shim: no such version"),
            (none.as_str(), "there is no such program"),
            (split.as_str(), "Python 3.12.1, No module named ensurepip"),
        ]
    );
    let told = facts.interpreters(&without);
    let found = &told.known().unwrap().found;
    assert_eq!((found[0].path.as_str(), found[0].version.as_str()), (split.as_str(), "3.12.1"));
    assert_eq!(found[1].path, python);
}

#[test]
fn the_environments_own_interpreter_comes_first_where_none_is_declared() {
    let scratch = tempfile::tempdir().unwrap();
    let bin = scratch.path().join("venv/bin");
    fs::create_dir_all(&bin).unwrap();
    let own = scratch.path().join("my python3.9");
    fs::write(&own, "#!/bin/sh\necho 3.9.18\n").unwrap();
    fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(&own, bin.join("python")).unwrap();
    let query = InterpretersQuery { venv: text(&scratch.path().join("venv")), paths: vec![], ensurepip: true };
    let facts = observe([Query::Interpreters(query.clone())]);
    let told = facts.interpreters(&query);
    let told = told.known().unwrap();
    assert_eq!((told.found[0].path.clone(), told.found[0].version.as_str()), (text(&own), "3.9.18"));
    // What PATH offers and doesn't start is nothing that anybody declared.
    assert!(told.unfit.iter().all(|one| one.reason.starts_with("Python 3.")), "{:?}", told.unfit);
}

#[test]
fn processes_are_found_by_title_or_pid_file() {
    let scratch = tempfile::tempdir().unwrap();
    let marker = format!("probe-{}", std::process::id());
    // The extra argument becomes part of the command line, as a title does.
    let child = Background(Command::new("/bin/sh").args(["-c", "sleep 60; :", &marker, "it's \\d"]).spawn().unwrap());
    let pid_file = scratch.path().join("x.pid");
    fs::write(&pid_file, format!("{}\n", child.0.id())).unwrap();
    let by = |title: Option<String>, pid_file: Option<String>| ProcessQuery { title, user: None, pid_file };
    let title = by(Some(format!(r"^/bin/sh -c .*; : {marker} it's \\d$")), None);
    let other = by(Some(format!("^{marker}$")), None);
    let file = by(None, Some(text(&pid_file)));
    let gone = by(None, Some(text(&scratch.path().join("none.pid"))));
    let facts = observe([&title, &other, &file, &gone].map(|query| Query::Process(query.clone())));
    for query in [&title, &file] {
        let observed = facts.processes(query);
        let found = observed.known().unwrap();
        assert_eq!(found.all.iter().map(|p| p.pid).collect::<Vec<_>>(), [child.0.id()], "{query}");
        assert!((found.all[0].started_at.0 - facts.observed_at.0).abs() <= 5);
        assert_eq!(found.all[0].parent, std::process::id());
    }
    assert_eq!(facts.processes(&other).known().unwrap().all.len(), 0);
    assert_eq!(facts.processes(&gone).known().unwrap().all.len(), 0);
}

#[test]
fn a_health_endpoint_answers_or_is_silent() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let mut stream = stream;
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            let body = "{\"manager\":\n \"23.09.8\"}";
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
    });
    let query = |port: u16| HealthQuery {
        url: format!("http://127.0.0.1:{port}/"),
        version: Some("/manager".into()),
        venv: "/nonexistent".into(),
    };
    let facts = observe([Query::Health(query(port)), Query::Health(query(1))]);
    let observed = facts.health(&query(port));
    let Some(Health::Answered { status: 200, release: Some(release), .. }) = observed.known() else {
        panic!("{observed:?}")
    };
    assert_eq!(release.to_string(), "23.09.8");
    assert!(matches!(facts.health(&query(1)).known(), Some(Health::Silent { .. })));
}

/// A directory with an `alembic.ini`, revision files and an SQLite database whose rows are `rows`.
fn schema(directory: &Path, rows: &[&str], url: &str) -> SchemaQuery {
    let versions = directory.join("migrations/versions");
    fs::create_dir_all(&versions).unwrap();
    fs::write(
        directory.join("alembic.ini"),
        format!("[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n"),
    )
    .unwrap();
    fs::write(versions.join("a.py"), "revision = 'aaaaaaaaaaaa'\ndown_revision = None\n").unwrap();
    fs::write(versions.join("b.py"), "revision: str = \"bbbbbbbbbbbb\"\ndown_revision: str | None = 'aaaaaaaaaaaa'\n")
        .unwrap();
    fs::write(versions.join("c.py"), "revision = 'cccccccccccc'\ndown_revision = (\n    'bbbbbbbbbbbb',\n)\n").unwrap();
    let inserts: String = rows.iter().map(|row| format!("insert into alembic_version values ('{row}');")).collect();
    let script = "import sqlite3,sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let status = Command::new("python3")
        .args(["-c", script, &text(&directory.join("db.sqlite"))])
        .arg(format!("create table alembic_version (version_num varchar(32)); {inserts}"))
        .status()
        .unwrap();
    assert!(status.success());
    SchemaQuery { ini: text(&directory.join("alembic.ini")), chdir: text(directory), venv: "/nonexistent".into() }
}

#[test]
fn rows_and_revisions_are_read_without_the_application() {
    let scratch = tempfile::tempdir().unwrap();
    let query = schema(scratch.path(), &["aaaaaaaaaaaa"], "sqlite:///db.sqlite");
    let facts = observe([Query::Schema(query.clone())]);
    let observed = facts.schema(&query);
    let fact = observed.known().unwrap_or_else(|| panic!("{observed:?}"));
    assert_eq!(fact.rows, BTreeSet::from(["aaaaaaaaaaaa".to_owned()]));
    assert_eq!(
        fact.graph.known().unwrap().locate(&fact.rows),
        SchemaState::Behind { current: "aaaaaaaaaaaa".into(), head: "cccccccccccc".into(), pending: 2 }
    );
    assert!(fact.database.identity.ends_with("/db.sqlite"));
    assert!(fact.bytes > 0);
}

#[test]
fn what_hinders_reading_a_database_is_said_without_its_password() {
    let scratch = tempfile::tempdir().unwrap();
    for (url, expected) in [
        ("mysql://bai:s3cr3t@127.0.0.1/x", "databases of kind mysql are not supported"),
        ("postgresql://bai:s3cr3t%40x@127.0.0.1/x", "InterpolationSyntaxError while reading"),
        ("postgresql+asyncpg://bai:s3cr3t@127.0.0.1:1/x", "127.0.0.1"),
        ("sqlite:////nonexistent/db", "/nonexistent/db"),
    ] {
        let directory = scratch.path().join(expected.replace('/', "_"));
        let query = schema(&directory, &[], url);
        let facts = observe([Query::Schema(query.clone())]);
        let reason = facts.schema(&query).unknown().unwrap_or_else(|| panic!("{url} was read")).to_owned();
        assert!(reason.contains(expected), "{url}: {reason}");
        assert!(!format!("{facts:?}").contains("s3cr3t"), "{facts:?}");
    }
    let none = SchemaQuery { ini: "/nonexistent.ini".into(), chdir: "/".into(), venv: "/nonexistent".into() };
    assert_eq!(observe([Query::Schema(none.clone())]).schema(&none), Observed::Absent);
}

#[test]
fn running_work_is_counted_by_what_is_not_over() {
    let scratch = tempfile::tempdir().unwrap();
    let database = schema(scratch.path(), &["b2"], "sqlite:///db.sqlite");
    let count = |table: &str| {
        let query = WorkQuery {
            database: database.clone(),
            table: table.into(),
            column: "status".into(),
            terminal: vec!["TERMINATED".into(), "CANCELLED".into(), "ERR'OR".into()],
        };
        observe([Query::Work(query.clone())]).work(&query).map_or_unknown()
    };
    assert!(count("sessions").unwrap_err().contains("no such table"), "{:?}", count("sessions"));
    let sql = "create table \"ses\"\"sions\" (status text); \
               insert into \"ses\"\"sions\" values ('RUNNING'),('RUNNING'),('ERR''OR'),('NEW-ONE'),('TERMINATED'),(null)";
    let python = format!("import sqlite3; c=sqlite3.connect('db.sqlite'); c.executescript({sql:?}); c.commit()");
    assert!(Command::new("python3").args(["-c", &python]).current_dir(scratch.path()).status().unwrap().success());
    let counted = count("ses\"sions").unwrap();
    let shown: Vec<String> = counted.by_status.iter().map(|(status, n)| format!("{n} {status}")).collect();
    assert_eq!(shown, ["1 (none)", "1 NEW-ONE", "2 RUNNING"]);
}

trait MapOrUnknown<T> {
    fn map_or_unknown(self) -> Result<T, String>;
}

impl<T: Clone> MapOrUnknown<T> for Observed<&T> {
    fn map_or_unknown(self) -> Result<T, String> {
        match self {
            Observed::Known(value) => Ok(value.clone()),
            Observed::Absent => Err("absent".into()),
            Observed::Unknown(reason) => Err(reason),
        }
    }
}

#[test]
fn the_operators_commands_are_run_and_their_words_kept() {
    let ask = |command: &str| {
        let query = CommandQuery::of(command);
        observe([Query::Command(query.clone())]).command(&query).map_or_unknown()
    };
    let answer = ask("cat; printf 'one\\ntwo'; echo three >&2; exit 3").unwrap();
    assert_eq!((answer.status, answer.output.as_str()), (3, "one twothree"));
    assert!(ask("no-such-command").unwrap_err().contains("status 127"));
    // Its environment is its own, whatever the words hold.
    let environment = [("WORD".to_owned(), "it's; $(x)".to_owned())].into();
    let query = CommandQuery { command: "printf %s \"$WORD\"".into(), environment };
    let other = CommandQuery::of("printf %s \"${WORD-unset}\"");
    let facts = observe([Query::Command(query.clone()), Query::Command(other.clone())]);
    assert_eq!(facts.command(&query).map_or_unknown().unwrap().output, "it's; $(x)");
    assert_eq!(facts.command(&other).map_or_unknown().unwrap().output, "unset");
    assert_eq!(ask("true").unwrap().output, "");
}

#[test]
fn paths_match_as_in_the_shell_and_nowhere_to_look_is_unknown() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("it's here");
    fs::create_dir(&directory).unwrap();
    for name in ["last_registry.1.dat", "last_registry.$(x).dat", "other"] {
        fs::write(directory.join(name), "").unwrap();
    }
    let find = |pattern: &str| {
        let query = PathsQuery { pattern: format!("{}/{pattern}", text(&directory)) };
        observe([Query::Paths(query.clone())]).paths(&query).map_or_unknown().map(|found| found.paths.len())
    };
    assert_eq!(find("last_registry.*.dat"), Ok(2));
    assert_eq!(find("last_registry.$(x).dat"), Ok(1));
    assert_eq!(find("none.*"), Err("absent".into()));
    assert_eq!(find("no/such/place/*"), Err("absent".into()));
    // Below the home of the user who logs in.
    let home = PathsQuery { pattern: "~/no-such-directory-here/*.dat".into() };
    assert_eq!(observe([Query::Paths(home.clone())]).paths(&home), Observed::Absent);
}

#[test]
fn exact_pins_are_read_from_the_environment() {
    let scratch = tempfile::tempdir().unwrap();
    let site = scratch.path().join("lib/python3.11/site-packages");
    for (name, requirement) in [("a_b-1.0", "c.d==2.0"), ("e-1.0", "f>=1"), ("g-1.0", "h (==3.0)")] {
        let directory = site.join(format!("{name}.dist-info"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("METADATA"), format!("Name: x\nRequires-Dist: {requirement}\n")).unwrap();
    }
    let query = PinsQuery { venv: text(scratch.path()) };
    let pins = observe([Query::Pins(query.clone())]).pins(&query).map_or_unknown().unwrap();
    let shown: Vec<String> =
        pins.pins.iter().flat_map(|(from, on)| on.iter().map(move |(on, r)| format!("{from} {on} {r}"))).collect();
    assert_eq!(shown, ["a-b c-d 2.0", "g h 3.0"]);
    let nowhere = PinsQuery { venv: "/no/such/place".into() };
    assert_eq!(observe([Query::Pins(nowhere.clone())]).pins(&nowhere), Observed::Absent);
}

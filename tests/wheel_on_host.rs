//! Wheels fetched and read on a host: the probe against real pips of several Pythons, and wheelhouses made here. What
//! comes back must be what the controller reads from the same file. One test uses the network (PyPI, or the index of
//! pip's own configuration).

use std::fs;
use std::io::{Cursor, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use converge::facts::{HostFacts, MigrationsAt, Observed, Probe, Query, WheelQuery, read_answers};
use converge::model::HostName;
use converge::packages::{PackageIndex, Reach, Settings, WheelStore};
use converge::release::{Migrations, Release, Wheel};

/// The Pythons of this machine, oldest first: `python3`, those on the path by name, and pyenv's.
fn pythons() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("python3")];
    let pyenv = std::env::home_dir().unwrap_or_default().join(".pyenv/versions");
    for entry in fs::read_dir(pyenv).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if ["3.10.", "3.11.", "3.12.", "3.13."].iter().any(|wanted| name.starts_with(wanted)) {
            found.push(entry.path().join("bin/python"));
        }
    }
    found.sort();
    found
}

fn venv(directory: &Path, python: &Path) -> String {
    let status = Command::new(python).args(["-m", "venv"]).arg(directory).status().unwrap();
    assert!(status.success(), "{} makes no environment", python.display());
    directory.to_str().unwrap().to_owned()
}

fn start(probe: &Probe, temporary: &Path) -> Child {
    let mut shell = Command::new("/bin/sh")
        .arg("-s")
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(probe.script().as_bytes()).unwrap();
    shell
}

/// Asks for one wheel as a session does, and sees to it that nothing is left on the host.
fn ask(query: &WheelQuery) -> Observed<Wheel> {
    let temporary = tempfile::tempdir().unwrap();
    let probe = Probe::new("nonce1", [Query::Wheel(query.clone())]);
    let output = start(&probe, temporary.path()).wait_with_output().unwrap();
    let facts: HostFacts = read_answers(&probe, &HostName::parse("here").unwrap(), &output.stdout, &output.stderr)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left on the host");
    match facts.wheel(query) {
        Observed::Known(wheel) => Observed::Known(wheel.clone()),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

const METADATA: &str = "Metadata-Version: 2.1\nName: example-service\nVersion: 1.0\nRequires-Python: >=3.99\n\
                        Requires-Dist: example-common==1.0\n";

/// A wheel with migrations, one module missing, and a text that only looks like an import.
fn wheel_files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("example/service/__init__.py", b"__version__ = '1.0'\n".to_vec()),
        ("example/service/api.py", b"from example.service.gone import (\n    X,\n)\nfrom . import models\n".to_vec()),
        ("example/service/text.py", b"HELP = '''\nimport example.service.nothing\n'''\n".to_vec()),
        ("example/service/relative.py", b"from .api import X\nfrom .absent.deep import Y\n".to_vec()),
        ("example/service/models/__init__.py", Vec::new()),
        ("example/service/cli.py", b"def apply_missing_revisions(ctx):\n    pass\n".to_vec()),
        ("example/service/models/alembic/revision_history/0.09.1.json", b"{}".to_vec()),
        ("example/service/models/alembic/env.py", b"raise SystemExit('executed')\n".to_vec()),
        ("example/service/models/alembic/versions/__init__.py", Vec::new()),
        (
            "example/service/models/alembic/versions/a.py",
            b"\"\"\"first\"\"\"\nrevision = 'aaaa'\ndown_revision = None\n".to_vec(),
        ),
        (
            "example/service/models/alembic/versions/b.py",
            "\"\"\"zweite Änderung\"\"\"\nrevision: str = 'bbbb'\ndown_revision: str | None = 'aaaa'\n".into(),
        ),
        ("example_service-1.0.dist-info/METADATA", METADATA.into()),
        (
            "example_service-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
        ),
        ("example_service-1.0.dist-info/RECORD", Vec::new()),
    ]
}

fn write_wheel(directory: &Path, files: &[(&str, Vec<u8>)]) {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    fs::write(directory.join("example_service-1.0-py3-none-any.whl"), bytes).unwrap();
}

fn from(wheelhouse: &Path, venv: &str, migrations: MigrationsAt) -> WheelQuery {
    let args = ["--no-index".to_owned(), format!("--find-links={}", wheelhouse.display())];
    WheelQuery::new(venv, "example-service", &release("1.0"), &args, migrations)
}

fn on_the_controller(wheelhouse: &Path) -> Wheel {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings::read(&std::env::vars().collect()).unwrap().with_wheelhouse(wheelhouse);
    let store = WheelStore::new(PackageIndex::new(settings), None, Reach::Local);
    let mut wheels = runtime.block_on(store.wheels_for("example-service", &[release("1.0")], None));
    wheels.remove(&release("1.0")).unwrap().unwrap()
}

#[test]
fn every_pip_fetches_the_wheel_that_the_controller_reads() {
    let scratch = tempfile::tempdir().unwrap();
    write_wheel(scratch.path(), &wheel_files());
    let expected = on_the_controller(scratch.path());
    let missing: Vec<&str> = expected.missing_modules.keys().map(String::as_str).collect();
    assert_eq!(missing, ["example.service.absent.deep", "example.service.gone"]);
    assert!(expected.catch_up.command);
    assert_eq!(expected.catch_up.history_of(&release("0.9.1")), Some("0.09.1"));
    for (number, python) in pythons().iter().enumerate() {
        let venv = venv(&scratch.path().join(format!("venv{number}")), python);
        let observed = ask(&from(scratch.path(), &venv, MigrationsAt::Layout));
        assert_eq!(observed.known(), Some(&expected), "{}: {observed:?}", python.display());
    }
}

#[test]
fn migrations_are_where_the_ini_says() {
    let scratch = tempfile::tempdir().unwrap();
    write_wheel(scratch.path(), &wheel_files());
    let venv = venv(&scratch.path().join("venv"), Path::new("python3"));
    let ini = scratch.path().join("alembic.ini");
    let at = |location: &str| {
        fs::write(&ini, format!("[alembic]\nscript_location = {location}\nsqlalchemy.url = x://u:p%40w@h/d\n"))
            .unwrap();
        ask(&from(scratch.path(), &venv, MigrationsAt::Ini(ini.to_str().unwrap().into())))
    };
    let known = at("example.service.models:alembic");
    let Some(Wheel { migrations: Migrations::Known { directory, graph }, .. }) = known.known() else {
        panic!("{known:?}")
    };
    assert_eq!((directory.as_str(), graph.revisions.len()), ("example/service/models/alembic", 2));
    assert_eq!(graph.details["bbbb"].message, "zweite Änderung");
    let elsewhere = at("example.service:none");
    assert_eq!(elsewhere.known().unwrap().migrations, Migrations::None);
    let of_the_host = at("%(here)s/migrations");
    assert!(of_the_host.unknown().unwrap().contains("is a directory of the host"), "{of_the_host:?}");
    fs::remove_file(&ini).unwrap();
    let gone = ask(&from(scratch.path(), &venv, MigrationsAt::Ini(ini.to_str().unwrap().into())));
    assert!(gone.unknown().unwrap().contains("No such file"), "{gone:?}");
}

#[test]
fn what_can_not_be_read_is_unknown_with_the_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let venv = venv(&scratch.path().join("venv"), Path::new("python3"));
    let asked = || ask(&from(scratch.path(), &venv, MigrationsAt::Layout)).unknown().unwrap().to_owned();

    fs::write(scratch.path().join("example-service-1.0.tar.gz"), "").unwrap();
    let reason = asked();
    assert!(
        reason.contains("No matching distribution") && reason.contains("source distributions are not read"),
        "{reason}"
    );

    let mut files = wheel_files();
    files.push(("example/service/big.py", vec![b'\n'; 9 << 20]));
    write_wheel(scratch.path(), &files);
    assert!(asked().contains("big.py unpacks to more than is read"));

    files.pop();
    files.push(("example/service/models/alembic/versions/c.py", b"revision = '\xff'\n".to_vec()));
    write_wheel(scratch.path(), &files);
    let observed = ask(&from(scratch.path(), &venv, MigrationsAt::Layout));
    assert_eq!(
        observed.known().unwrap().revisions().unwrap_err(),
        "the migrations in example_service-1.0-py3-none-any.whl can't be understood: c.py:1: expected UTF-8, found other bytes"
    );

    files.pop();
    files.push(("../outside.py", Vec::new()));
    write_wheel(scratch.path(), &files);
    assert!(asked().contains("\"../outside.py\""), "{}", asked());

    let none = ask(&from(scratch.path(), "/nonexistent", MigrationsAt::Layout));
    assert!(none.unknown().unwrap().contains("/nonexistent/bin/python"), "{none:?}");
}

#[test]
fn a_probe_that_is_stopped_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let venv = venv(&scratch.path().join("venv"), Path::new("python3"));
    // An index that takes the connection and never answers.
    let index = TcpListener::bind("127.0.0.1:0").unwrap();
    let args = [format!("--index-url=http://{}/simple/", index.local_addr().unwrap())];
    let query = WheelQuery::new(&venv, "example-service", &release("1.0"), &args, MigrationsAt::Layout);
    let probe = Probe::new("nonce1", [Query::Wheel(query)]);
    let mut shell = start(&probe, temporary.path());
    // The connection shows that pip is at work.
    let _connection = index.accept().unwrap();
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    let mut programs: Vec<String> = Vec::new();
    for child in fs::read_to_string(&children).unwrap().split_whitespace() {
        programs.push(child.to_owned());
        let below = fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap_or_default();
        programs.extend(below.split_whitespace().map(str::to_owned));
    }
    assert!(!programs.is_empty());
    // What a session that ends sends to its processes. The program may have ended pip before its turn comes.
    let _ = Command::new("kill").arg("-TERM").args(&programs).stderr(Stdio::null()).status().unwrap();
    let started = Instant::now();
    while fs::read_dir(temporary.path()).unwrap().count() > 0 {
        // The program itself would give up after 280 s, pip after 15 s for each of its six tries.
        assert!(started.elapsed() < Duration::from_secs(10), "the directory is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = shell.wait();
}

#[test]
fn a_published_manager_is_read_through_an_older_python() {
    let scratch = tempfile::tempdir().unwrap();
    let venv = venv(&scratch.path().join("venv"), &pythons()[0]);
    let query = WheelQuery::new(&venv, "backend.ai-manager", &release("26.9.6"), &[], MigrationsAt::Layout);
    let started = Instant::now();
    let observed = ask(&query);
    println!("26.9.6 in {:.1} s", started.elapsed().as_secs_f64());
    let wheel = observed.known().unwrap_or_else(|| panic!("{observed:?}"));
    let heads = wheel.revisions().unwrap().heads();
    assert_eq!(heads.into_iter().collect::<Vec<_>>(), ["d1117da8d8bd"]);
    assert_eq!(wheel.requires_python.as_deref(), Some(">=3.13,<3.14"));
    assert_eq!(wheel.problems, Vec::<String>::new());
}

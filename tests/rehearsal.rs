//! The rehearsal cluster itself: it comes up, its parts are what they seem, and nothing of it stays behind.

#[path = "support/rehearsal/mod.rs"]
mod rehearsal;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rehearsal::{
    Component, Fault, Host, Options, Python, Rehearsal, ServerKind, Service, processes_under, python, sweep,
};

/// A directory for a cluster, gone with it.
fn scratch() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::Builder::new().prefix("rehearsal").tempdir().expect("a temporary directory");
    let directory = parent.path().canonicalize().expect("a path").join("cluster");
    (parent, directory)
}

/// What an operator types to move a component to a release, but for the stop before and the start after.
fn pip_install(service: &Service, release: &str) -> String {
    let python = service.venv().join("bin/python");
    let wheelhouse = service.directory().join("../../wheelhouse");
    let (package, python, wheelhouse) = (service.component().package(), python.display(), wheelhouse.display());
    format!("exec {python} -m pip install -q -U --no-index --find-links {wheelhouse} {package}=={release}")
}

/// What an operator types to migrate the database.
fn alembic_upgrade(service: &Service) -> String {
    format!(
        "cd {} && exec .venv/bin/alembic -c {} upgrade head",
        service.directory().display(),
        service.alembic_ini().display()
    )
}

#[track_caller]
fn assert_runs(host: &Host, command: &str) {
    let output = host.run(command);
    assert_eq!(output.status, Some(0), "`{command}` on {}: {output:?}", host.name());
}

#[test]
fn comes_up_and_leaves_nothing_behind() {
    let (_parent, directory) = scratch();
    let begun = Instant::now();
    let cluster = Rehearsal::start(&directory);
    eprintln!("up in {:.1} s", begun.elapsed().as_secs_f64());
    for component in [Component::Manager, Component::StorageProxy, Component::Webserver] {
        assert_eq!(cluster.installed(component).as_deref(), Some("25.6.1"));
        assert_eq!(cluster.running(component).as_deref(), Some("25.6.1"));
        assert!(cluster.is_running(component));
    }
    for host in cluster.hosts() {
        eprintln!(
            "{} behind {}",
            host.name(),
            if host.server().is_openssh() { "OpenSSH" } else { "the built-in server" }
        );
        let output = host.run("echo \"$HOME\"; cat; exit 7");
        assert_eq!((output.status, output.stdout.trim()), (Some(7), host.directory().to_str().expect("UTF-8")));
        // The title matches the service, and not the shell that has the whole command line in an argument.
        let (title, command_line) = (host.service().title(), host.service().command_line());
        let all = "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$each 2>/dev/null; echo; done";
        let output = host.run(&format!(": {command_line}; {all} | grep -E -c \"{title}\""));
        assert_eq!(output.stdout.trim(), "1", "{title}: {output:?}");
    }
    assert_eq!(cluster.schema_rows(), ["8c24e6b0d913"]);
    assert_eq!(cluster.query("SELECT count(*) FROM users"), [["3"]]);
    assert!(!processes_under(&directory).is_empty());

    // Something detached that outlives its connection goes with the cluster as well.
    assert_runs(&cluster.hosts()[0], "setsid sleep 600 >/dev/null 2>&1 </dev/null &");
    // The shell is done before what it left behind has become `sleep`.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !processes_under(&directory).iter().any(|process| process.command_line == "sleep 600") {
        assert!(Instant::now() < deadline, "{:?}", processes_under(&directory));
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    drop(cluster);
    eprintln!("down in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(processes_under(&directory), []);
    assert!(!directory.exists());
}

#[test]
fn works_behind_the_built_in_ssh_server() {
    let (_parent, directory) = scratch();
    let hosts = ["mgr1", "mgr2"].map(|name| (name.to_owned(), Component::Manager)).to_vec();
    let options = Options { server: ServerKind::BuiltIn, hosts, ..Options::default() };
    let cluster = Rehearsal::with(&directory, options);
    let host = cluster.host("mgr2");
    assert!(!host.server().is_openssh());
    let output = host.run("echo \"$HOME\"; echo problem >&2; exit 7");
    let home = host.directory().to_str().expect("UTF-8");
    assert_eq!((output.status, output.stdout.trim(), output.stderr.trim()), (Some(7), home, "problem"));
    assert_eq!(host.run("kill -9 $$").status, None, "a signal has no exit status");
    assert_eq!(host.run("head -c 3000000 /dev/zero").stdout.len(), 3_000_000);

    // With OpenSSH's own client, where there is one: what it checks, this server must get right.
    if Command::new("ssh").arg("-V").output().is_ok() {
        let output = cluster
            .command("ssh".as_ref())
            .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-p"])
            .arg(host.server().port().to_string())
            .arg("-i")
            .arg(cluster.keys().private_key())
            .args(["-o", &format!("UserKnownHostsFile={}", cluster.known_hosts().display())])
            .args(["127.0.0.1", "echo out; exit 3"])
            .output()
            .expect("ssh starts");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"out\n".as_slice()), "{output:?}");
    }
    // Both managers share one database.
    let current = host.run(&format!("cd {} && .venv/bin/alembic current", host.service().directory().display()));
    assert_eq!(current.stdout.trim(), "8c24e6b0d913 (head)", "{current:?}");
    drop(cluster);
    assert_eq!(processes_under(&directory), []);
}

#[test]
fn upgrades_by_hand_and_survives_what_is_killed() {
    let (_parent, directory) = scratch();
    let cluster = Rehearsal::start(&directory);
    let host = cluster.host("mgr1");
    let manager = host.service();

    // pip, killed when the old release is gone and the new one not whole: installed again, it is whole.
    let slow = Fault::InstallsSlowly(60);
    manager.set(slow);
    manager.stop();
    thread::scope(|scope| {
        let install = scope.spawn(|| host.run(&pip_install(manager, "25.6.2")));
        let pid = manager.wait_until_held(slow);
        assert_runs(host, &format!("kill -9 {pid}"));
        assert_ne!(install.join().expect("the client does not panic").status, Some(0));
    });
    assert_eq!(manager.installed(), None, "{:?}", manager.distributions());
    manager.clear(slow);
    assert_runs(host, &pip_install(manager, "25.6.2"));
    assert_eq!(manager.installed().as_deref(), Some("25.6.2"));
    assert_runs(host, &format!("{}/bin/python -m pip check", manager.venv().display()));
    assert_runs(host, &alembic_upgrade(manager));
    assert_eq!(cluster.schema_rows(), ["b5907f1e2c6a"]);

    // alembic, killed in the second of two migrations: the schema is what it was before the first.
    assert_runs(host, &pip_install(manager, "25.6.4"));
    let slow = Fault::MigratesSlowly(60);
    manager.set(slow);
    thread::scope(|scope| {
        let migration = scope.spawn(|| host.run(&alembic_upgrade(manager)));
        let pid = manager.wait_until_held(slow);
        assert_eq!(cluster.schema_rows(), ["b5907f1e2c6a"], "nothing is seen of it before it ends");
        assert_runs(host, &format!("kill -9 {pid}"));
        assert_ne!(migration.join().expect("the client does not panic").status, Some(0));
    });
    assert_eq!(cluster.schema_rows(), ["b5907f1e2c6a"]);
    let columns = cluster.query("SELECT name FROM pragma_table_info('sessions')");
    assert_eq!(columns, [["id"], ["user_id"], ["status"]], "the first migration is undone as well");
    assert_eq!(cluster.query("SELECT count(*) FROM sqlite_master WHERE name = 'audit_log'"), [["0"]]);
    manager.clear(slow);
    assert_runs(host, &alembic_upgrade(manager));
    assert_eq!(cluster.schema_rows(), ["e0c9163d7b48"]);
    assert_eq!(cluster.query("SELECT count(*) FROM audit_log"), [["3"]]);

    // A process that does not come up, and then does.
    manager.set(Fault::ReleaseRefusesToStart("25.6.4"));
    manager.start();
    let refusal = "manager 25.6.4 (mgr1): refuses to start";
    while !fs::read_to_string(manager.log()).expect("the log").contains(refusal) {
        thread::yield_now();
    }
    assert_eq!(manager.running_release(), None);
    manager.clear(Fault::RefusesToStart);
    manager.start();
    manager.wait_until_healthy();
    assert_eq!(manager.running_release().as_deref(), Some("25.6.4"));

    let storage = cluster.host("sto1");
    assert_runs(storage, &pip_install(storage.service(), "25.6.4"));
    assert_eq!(cluster.running(Component::StorageProxy).as_deref(), Some("25.6.1"), "installed, and not restarted");
    storage.service().stop();
    storage.service().start();
    storage.service().wait_until_healthy();
    assert_eq!(cluster.running(Component::StorageProxy).as_deref(), Some("25.6.4"));
}

/// Debian's Python comes without pip and ensurepip unless more is installed: the environment is made all the same.
#[test]
fn does_without_pip_and_ensurepip() {
    let (parent, directory) = scratch();
    let hidden = parent.path().join("hidden");
    fs::create_dir(&hidden).expect("a directory");
    for module in ["pip.py", "ensurepip.py"] {
        fs::write(hidden.join(module), "raise ImportError('not on this machine')\n").expect("a file");
    }
    let shim = parent.path().join("python3");
    fs::write(&shim, format!("#!/bin/sh\nPYTHONPATH={} exec python3 \"$@\"\n", hidden.display())).expect("a file");
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).expect("a file");
    let without_pip = Command::new(&shim).args(["-m", "pip", "--version"]).output().expect("it starts");
    assert!(!without_pip.status.success());

    let python = Python::at(&shim);
    assert_eq!(python.check(), Ok(()));
    let wheelhouse = directory.join("wheelhouse");
    python::fill_wheelhouse_through(&directory.join("cache"), &python, &wheelhouse);
    python::make_venv(&python, &directory.join("venv"), &wheelhouse, "rehearsal-manager==25.6.1");
    let pip = Command::new(directory.join("venv/bin/python")).args(["-m", "pip", "check"]).output().expect("it starts");
    assert!(pip.status.success(), "{pip:?}");
    sweep(&directory);
}

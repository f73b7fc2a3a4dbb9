//! What goes wrong in the middle, each time followed by a plain run that converges and another that does nothing.

use crate::bench::{Bench, Ran, wait_until};
use crate::rehearsal::{Component, Fault, signal};

const INSTALL: Fault = Fault::InstallsSlowly(120);
const MIGRATION: Fault = Fault::MigratesSlowly(120);

fn manager_and_webserver() -> Bench {
    Bench::of(&[("mgr1", Component::Manager), ("web1", Component::Webserver)], "25.6.2")
}

#[test]
fn pip_and_alembic_are_killed() {
    let mut bench = manager_and_webserver();
    let manager = bench.on("mgr1").clone();

    manager.set(INSTALL);
    let run = bench.start(&[]);
    signal("KILL", [manager.wait_until_held(INSTALL)]);
    let ran = bench.finish(run).exits(5).says(&[
        "mgr1: FAILED",
        "tried:    install rehearsal-manager 25.6.1 -> 25.6.2",
        "observed: exit status 137: ",
        "left as:  mgr1/manager: an interrupted install over 25.6.1, stopped",
        "next:     ",
    ]);
    assert_eq!(ran.recap("mgr1"), "ok=1 changed=1 unreachable=0 failed=1 skipped=3 rescued=0 ignored=0");
    assert_eq!(ran.recap("web1"), "ok=0 changed=0 unreachable=0 failed=0 skipped=3 rescued=0 ignored=0");
    assert_eq!(bench.on("web1").running_release().as_deref(), Some("25.6.1"), "no later stage starts");
    manager.clear(INSTALL);
    bench.looks(&["drift"]).exits(2).says(&["an install was interrupted"]);
    bench.converges();

    bench.cluster.declare("25.6.4");
    manager.set(MIGRATION);
    let run = bench.start(&[]);
    signal("KILL", [manager.wait_until_held(MIGRATION)]);
    let backup = format!("{}/backups/manager.db-before-25.6.4-", bench.cluster.host("mgr1").directory().display());
    bench.finish(run).exits(5).says(&[
        "mgr1: FAILED",
        "tried:    migrate the database of manager",
        "observed: exit status 137: ",
        "left as:  mgr1/manager: 25.6.4 installed, stopped, database at b5907f1e2c6a, behind e0c9163d7b48",
        "the backup from before is ",
        &backup,
    ]);
    assert_eq!(bench.cluster.schema_rows(), ["b5907f1e2c6a"]);
    manager.clear(MIGRATION);
    assert_eq!(bench.converges().verbs()[..3], ["mgr1 back", "mgr1 migrate", "mgr1 start"]);
    assert_eq!(bench.cluster.query("SELECT count(*) FROM audit_log"), [["3"]]);
}

#[test]
fn a_process_does_not_come_up_and_another_does_not_stop() {
    let storage = Component::StorageProxy;
    let hosts = [("sto1", storage), ("sto2", storage), ("web1", Component::Webserver)];
    let mut bench = Bench::of(&hosts, "25.6.2");
    let service = bench.on("sto1").clone();

    service.set(Fault::RefusesToStart);
    let ran = bench.converge(&["-e", "storage_proxy_start_timeout=3"]).exits(5).says(&[
        "sto1: FAILED",
        "tried:    start storage-proxy and wait until it answers as 25.6.2",
        "expected: storage-proxy running, answering as 25.6.2\n",
        "observed: after 3 s: no process runs",
        "left as:  sto1/storage-proxy: 25.6.2 installed, stopped",
        "| its log ends with:",
        "| storage-proxy 25.6.2 (sto1): refuses to start",
        "next:     find out from its log why it doesn't come up",
    ]);
    assert_eq!(bench.on("sto2").running_release().as_deref(), Some("25.6.2"), "the stage is finished elsewhere: {ran}");
    assert_eq!(bench.on("web1").installed().as_deref(), Some("25.6.1"), "no later stage starts: {ran}");
    assert_eq!(ran.recap("sto1"), "ok=2 changed=2 unreachable=0 failed=1 skipped=0 rescued=0 ignored=0");
    assert_eq!(ran.recap("sto2"), "ok=3 changed=3 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0");
    service.clear(Fault::RefusesToStart);
    let ran = bench.converges();
    assert_eq!(ran.verbs(), ["sto1 start", "web1 stop", "web1 install", "web1 start"], "{ran}");

    bench.cluster.declare("25.6.4");
    service.set(Fault::RefusesToStop);
    let pid = service.processes()[0].pid;
    bench.converge(&["-e", "storage_proxy_stop_timeout=2"]).exits(5).says(&[
        "sto1: FAILED",
        "tried:    stop storage-proxy",
        "expected: no process of it is left",
        &format!("observed: exit status 1: SIGTERM was sent, and after 2 s these are left: {pid}"),
        "left as:  sto1/storage-proxy: 25.6.2 installed, running 25.6.2",
        "next:     end what is left by hand",
    ]);
    assert_eq!(service.installed().as_deref(), Some("25.6.2"), "nothing is installed under a running process");
    assert_eq!(bench.on("sto2").running_release().as_deref(), Some("25.6.4"));
    service.clear(Fault::RefusesToStop);
    bench.converges();
}

#[test]
fn converge_itself_is_killed() {
    let mut bench = manager_and_webserver();
    let manager = bench.on("mgr1").clone();

    manager.set(INSTALL);
    let mut run = bench.start(&[]);
    manager.wait_until_held(INSTALL);
    run.kill().unwrap();
    run.wait().unwrap();
    // What it began lives on. Whoever only looks says so; the next run waits for it.
    bench.looks(&["drift"]).exits(2).says(&["[job-running]", "/mgr1/manager/install of run "]);
    bench.refuses(&["--check"], "job-running");
    let ran = waits_for_what_is_at_work(&bench, "mgr1: 25.6.2/mgr1/manager/install", || manager.clear(INSTALL));
    assert!(!ran.verbs().contains(&"mgr1 install".to_owned()), "what is done is not done again: {ran}");
    bench.is_converged();

    bench.cluster.declare("25.6.4");
    manager.set(MIGRATION);
    let mut run = bench.start(&[]);
    manager.wait_until_held(MIGRATION);
    run.kill().unwrap();
    run.wait().unwrap();
    let ran = waits_for_what_is_at_work(&bench, "mgr1: 25.6.4/mgr1/manager/migrate", || manager.clear(MIGRATION));
    assert_eq!(ran.verbs(), ["mgr1 start", "web1 stop", "web1 install", "web1 start"], "{ran}");
}

/// The next run says what is at work, changes nothing until that has ended, and then converges.
fn waits_for_what_is_at_work(bench: &Bench, job: &str, let_go: impl FnOnce()) -> Ran {
    let mut run = bench.start(&[]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(bench.on("mgr1").processes(), []);
    assert!(run.try_wait().unwrap().is_none(), "it waits");
    let_go();
    let (waiting, ended) = (format!("{job} of run "), format!("{job} has ended with exit status 0"));
    bench.finish(run).exits(0).says(&[&waiting, "is still at work since ", &ended, "Converged"])
}

#[test]
fn an_interrupted_run_finishes_what_runs_and_begins_nothing() {
    let mut bench = manager_and_webserver();
    let manager = bench.on("mgr1").clone();
    manager.set(INSTALL);
    let mut run = bench.start(&[]);
    manager.wait_until_held(INSTALL);
    signal("INT", [run.id()]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(run.try_wait().unwrap().is_none(), "it waits for what runs");
    manager.clear(INSTALL);
    let ran = bench.finish(run).exits(130).says(&["stopping: what runs is finished", "Stopped as asked"]);
    assert_eq!(ran.verbs(), ["mgr1 stop", "mgr1 install"], "{ran}");
    assert_eq!(ran.recap("mgr1"), "ok=2 changed=2 unreachable=0 failed=0 skipped=3 rescued=0 ignored=0");
    assert_eq!(manager.installed().as_deref(), Some("25.6.2"));
    assert_eq!(manager.processes(), []);
    bench.converges();

    // Once more means at once; what was begun on the host goes on there.
    bench.cluster.declare("25.6.4");
    manager.set(INSTALL);
    let run = bench.start(&[]);
    manager.wait_until_held(INSTALL);
    signal("INT", [run.id()]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal("INT", [run.id()]);
    bench.finish(run).exits(130).says(&["stopping: ", "Left at once", "`converge drift` shows how things stand"]);
    manager.clear(INSTALL);
    wait_until("pip ends on its own", || manager.installed().as_deref() == Some("25.6.4") && !bench.is_busy("mgr1"));
    bench.converges();
}

/// A host that takes the connection and then says nothing.
#[test]
fn a_host_that_hangs_is_given_up_and_waiting_can_be_interrupted() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.2");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("ansible_port={}", silent.local_addr().unwrap().port());
    bench.looks(&["-e", &port, "--timeout", "1"]).exits(4).says(&["[host-unreachable]", "web1"]);

    let before = bench.state();
    let run = bench.start(&["-e", &port, "--timeout", "600"]);
    // The first is the one that was given up. The other stays open, unread.
    let _held = [silent.accept().unwrap(), silent.accept().unwrap()];
    signal("INT", [run.id()]);
    bench.finish(run).exits(130).says(&["interrupted; nothing was changed"]);
    bench.state().is(&before, "an interrupted look");
}

#[test]
fn a_host_is_cut_off_before_the_run_and_during_it() {
    let mut bench = manager_and_webserver();
    bench.cluster.cut_off("web1");
    for arguments in [&[][..], &["plan"], &["--check"]] {
        let ran = bench.looks(arguments).exits(4).says(&["web1", "[host-unreachable]", "nothing was changed"]);
        assert!(!ran.err.contains("mgr1"), "{ran}");
    }
    bench.looks(&["drift"]).exits(4).says(&["web1: unreachable: "]).never_says(&["[host-unreachable]"]);
    bench.looks(&["facts"]).exits(4).says(&["web1: UNREACHABLE: ", "mgr1 at "]);
    bench.cluster.bring_back("web1");

    let manager = bench.on("mgr1").clone();
    manager.set(INSTALL);
    let run = bench.start(&["--reconnect", "1s"]);
    manager.wait_until_held(INSTALL);
    bench.cluster.cut_off("mgr1");
    let ran = bench.finish(run).exits(4).says(&[
        "mgr1: UNREACHABLE",
        "tried:    install rehearsal-manager 25.6.1 -> 25.6.2",
        "left as:  mgr1/manager: not known, the host does not answer",
        "expected: the release is installed whole",
        "next:     bring the host back",
    ]);
    assert_eq!(ran.recap("mgr1"), "ok=1 changed=1 unreachable=1 failed=0 skipped=3 rescued=0 ignored=0");
    assert_eq!(bench.on("web1").installed().as_deref(), Some("25.6.1"), "no later stage starts");
    manager.clear(INSTALL);
    bench.cluster.bring_back("mgr1");
    wait_until("pip ends on its own", || manager.installed().as_deref() == Some("25.6.2") && !bench.is_busy("mgr1"));
    bench.converges();
}

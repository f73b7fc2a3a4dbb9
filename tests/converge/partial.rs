//! Only what differs is done.

use crate::bench::Bench;
use crate::rehearsal::{Fault, Service};

/// What an operator types who is in a hurry.
fn install_by_hand(bench: &Bench, service: &Service, release: &str) {
    let host = bench.cluster.host(service.host());
    let output = host.run(&format!(
        "{}/bin/python -m pip install -q -U --no-index --find-links {} {}=={release}",
        service.venv().display(),
        bench.cluster.wheelhouse().display(),
        service.component().package(),
    ));
    assert_eq!(output.status, Some(0), "{output:?}");
}

#[test]
fn only_what_differs_is_done() {
    let mut bench = Bench::three();
    bench.cluster.declare("25.6.2");

    // Installed without a restart: only a restart.
    install_by_hand(&bench, bench.on("sto1"), "25.6.2");
    let limited = ["--limit", "sto1"];
    bench
        .looks(&["drift", "--limit", "sto1"])
        .exits(2)
        .says(&["process-stale", "answers as 25.6.1, 25.6.2 is installed"]);
    assert_eq!(bench.converge(&limited).exits(0).verbs(), ["sto1 stop", "sto1 start"]);
    assert_eq!(bench.on("sto1").running_release().as_deref(), Some("25.6.2"));

    // Installed and stopped: only a start.
    bench.on("web1").stop();
    install_by_hand(&bench, bench.on("web1"), "25.6.2");
    assert_eq!(bench.converge(&["--limit", "web1"]).exits(0).verbs(), ["web1 start"]);

    // Installed, restarted and not migrated: only the migration, with the backup, the stop and the start that it needs.
    bench.on("mgr1").stop();
    install_by_hand(&bench, bench.on("mgr1"), "25.6.2");
    bench.on("mgr1").start();
    bench.on("mgr1").wait_until_healthy();
    bench.looks(&["drift"]).exits(2).says(&["schema: the database stands at 8c24e6b0d913", "b5907f1e2c6a"]);
    let ran = bench.converge(&[]).exits(0);
    assert_eq!(ran.verbs(), ["mgr1 stop", "mgr1 back", "mgr1 migrate", "mgr1 start"], "{ran}");
    assert_eq!(ran.recap("web1"), crate::bench::RECAP_OF_NOTHING);
    bench.is_converged();

    // Migrated as well, and stopped: only a start, and it may take its time.
    bench.on("mgr1").kill();
    bench.on("mgr1").set(Fault::StartsSlowly(3));
    let ran = bench.converges().says(&["at work: [mgr1] start manager"]);
    assert_eq!(ran.verbs(), ["mgr1 start"]);

    // It runs, and answers badly: a restart is tried, and what it comes to is told.
    bench.on("web1").set(Fault::Sick);
    bench.looks(&["drift"]).exits(2).says(&["web1/webserver: health: its endpoint is not healthy: HTTP 503"]);
    let ran = bench.converge(&["-e", "webserver_start_timeout=2"]).exits(5).says(&[
        "observed: after 2 s: its endpoint is not healthy: HTTP 503",
        "left as:  web1/webserver: 25.6.2 installed, running",
    ]);
    assert_eq!(ran.verbs(), ["web1 stop"], "{ran}");
    bench.on("web1").clear(Fault::Sick);
    bench.is_converged();
}

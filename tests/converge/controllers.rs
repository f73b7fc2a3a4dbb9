//! Two controllers on one cluster: one at a time, and one that slept too long changes nothing any more.

use std::time::Duration;

use crate::bench::Bench;
use crate::rehearsal::{Component, Fault, signal};

const INSTALL: Fault = Fault::InstallsSlowly(120);

fn manager_and_webserver(declared: &str) -> Bench {
    Bench::of(&[("mgr1", Component::Manager), ("web1", Component::Webserver)], declared)
}

#[test]
fn one_runs_and_the_other_is_kept_out_until_the_lock_is_given_back_or_broken() {
    let mut bench = manager_and_webserver("25.6.2");
    bench.looks(&["lock", "show"]).exits(0).says(&["mgr1: cluster lock: never taken", "web1: host lock: never taken"]);
    let manager = bench.on("mgr1").clone();
    manager.set(INSTALL);
    let first = bench.start(&[]);
    manager.wait_until_held(INSTALL);
    let kept_out = bench.converge(&[]).exits(8);
    kept_out.says(&["LOCKED: another run changes mgr1", "last sign of life ", "nothing was changed", "--lock-wait"]);
    bench.converge(&["lock", "show"]).exits(0).says(&["mgr1: cluster lock: held: run ", "web1: host lock: held: run "]);
    // A second one that waits finds all done.
    let second = bench.start(&["--lock-wait", "5m"]);
    std::thread::sleep(Duration::from_secs(1));
    manager.clear(INSTALL);
    bench.finish(first).exits(0).says(&["Converged"]);
    bench.finish(second).exits(0).says(&["is still at work", "has ended with exit status 0"]);
    bench.looks(&["lock", "show"]).exits(0).says(&["mgr1: cluster lock: released", "mgr1: host lock: released"]);
    bench.is_converged();

    bench.cluster.declare("25.6.4");
    manager.set(INSTALL);
    let first = bench.start(&[]);
    manager.wait_until_held(INSTALL);
    let broken = bench.converge(&["lock", "break", "--reason", "it's gone home", "--yes"]).exits(0);
    broken.says(&["mgr1: cluster lock: broken", "mgr1: host lock: broken", "web1: host lock: broken"]);
    manager.clear(INSTALL);
    let ended = bench.finish(first).exits(8).says(&["TAKEN OVER: ", "it's gone home", "next: converge lock show"]);
    assert_eq!(
        ended.verbs(),
        ["mgr1 stop", "mgr1 install"],
        "what had begun is finished, and nothing else begun: {ended}"
    );
    bench.looks(&["lock", "break", "--reason", "again"]).exits(0).says(&["there is nothing to break"]);
    bench.converges().says(&["mgr1: the cluster lock of run ", " was broken by ", "it's gone home"]);
}

#[test]
fn a_controller_that_slept_past_its_lock_changes_nothing_when_it_wakes() {
    let bench = manager_and_webserver("25.6.4");
    let manager = bench.on("mgr1").clone();
    manager.set(INSTALL);
    let asleep = bench.start(&["--lock-ttl", "2s"]);
    manager.wait_until_held(INSTALL);
    signal("STOP", [asleep.id()]);
    std::thread::sleep(Duration::from_millis(3500));
    let awake = bench.start(&[]);
    std::thread::sleep(Duration::from_secs(1));
    manager.clear(INSTALL);
    bench.finish(awake).exits(0).says(&["is still at work", "is taken over from run ", "Converged"]);
    let before = bench.state();
    signal("CONT", [asleep.id()]);
    let woken = bench.finish(asleep);
    bench.state().is(&before, "the one that woke");
    // It either hears first that its lock is gone, or finds first that the release isn't the one that it installed.
    assert!(matches!(woken.exit, Some(5 | 8)), "{woken}");
    bench.is_converged();
}

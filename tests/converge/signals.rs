//! What asks a run to end, and what must not: signals, a terminal that goes away, a deadline.

use std::thread::sleep;
use std::time::Duration;

use crate::bench::Bench;
use crate::rehearsal::{Component, Fault, signal};

const INSTALL: Fault = Fault::InstallsSlowly(120);

fn bench() -> Bench {
    Bench::of(&[("sto1", Component::StorageProxy), ("web1", Component::Webserver)], "25.6.2")
}

/// Long enough for a signal to have been taken notice of.
const A_MOMENT: Duration = Duration::from_millis(500);

#[test]
fn a_supervisor_may_repeat_sigterm() {
    let bench = bench();
    let storage = bench.on("sto1").clone();
    storage.set(INSTALL);
    let mut run = bench.start(&[]);
    storage.wait_until_held(INSTALL);
    for _ in 0..3 {
        signal("TERM", [run.id()]);
        sleep(A_MOMENT);
        assert!(run.try_wait().unwrap().is_none(), "it waits for what runs");
    }
    storage.clear(INSTALL);
    let ran = bench.finish(run).exits(130).says(&["stopping: what runs is finished", "Stopped as asked"]);
    assert_eq!(ran.verbs(), ["sto1 stop", "sto1 install"], "{ran}");
    bench.converges();
}

#[test]
fn a_terminal_that_goes_away_ends_no_run() {
    let bench = bench();
    let storage = bench.on("sto1").clone();
    storage.set(INSTALL);
    let mut run = bench.start(&[]);
    storage.wait_until_held(INSTALL);
    // As a terminal does that is closed: it hangs up, and nobody reads any more.
    signal("HUP", [run.id()]);
    drop((run.stdout.take(), run.stderr.take()));
    sleep(A_MOMENT);
    assert!(run.try_wait().unwrap().is_none(), "it goes on");
    signal("HUP", [run.id()]);
    storage.clear(INSTALL);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(bench.on("web1").running_release().as_deref(), Some("25.6.2"));
    bench.is_converged();
}

#[test]
fn a_deadline_begins_nothing_new() {
    let bench = bench();
    let storage = bench.on("sto1").clone();
    storage.set(INSTALL);
    let run = bench.start(&["--deadline", "20s"]);
    storage.wait_until_held(INSTALL);
    sleep(Duration::from_secs(20));
    storage.clear(INSTALL);
    let ran = bench.finish(run).exits(130).says(&["the deadline of this run is over", "the rest was not begun"]);
    assert_eq!(ran.verbs(), ["sto1 stop", "sto1 install"], "{ran}");
    // One that is far away changes nothing.
    bench.converge(&["--deadline", "4h"]).exits(0);
    bench.is_converged();
}

//! A controller that may open few files.

use std::process::Command;

use crate::bench::{Bench, Ran};

/// `drift` behind a shell that sets limits.
fn drift(bench: &Bench, limits: &str) -> Ran {
    let mut shell: Command = bench.cluster.command("/bin/sh".as_ref());
    shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_converge")]);
    shell.args(["--inventory", "rehearsal.yaml", "drift"]).output().unwrap().into()
}

#[test]
fn it_raises_its_limit_or_works_on_fewer_hosts_and_says_so() {
    let bench = Bench::three();
    drift(&bench, "ulimit -Sn 32").exits(2).never_says(&["at a time"]);
    let few = drift(&bench, "ulimit -n 68").exits(2);
    few.says(&["note: only 2 of 3 hosts at a time", "next: ulimit -Hn 70"]);
}

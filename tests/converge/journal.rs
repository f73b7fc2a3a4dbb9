//! The journal: what a killed run leaves, who takes it up, and what happens where nothing can be recorded.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::{Bench, Ran, wait_until};
use crate::rehearsal::{Component, Fault};

const INSTALL: Fault = Fault::InstallsSlowly(120);

/// Runs the binary with its state in `state`.
fn with_state(bench: &Bench, state: &Path, arguments: &[&str]) -> Ran {
    let mut command = bench.command(arguments);
    command.env("CONVERGE_STATE_DIR", state).output().unwrap().into()
}

/// The same for a command that takes no inventory.
fn about_runs(bench: &Bench, state: &Path, arguments: &[&str]) -> Ran {
    let mut command = bench.binary();
    command.args(arguments).env("CONVERGE_STATE_DIR", state).output().unwrap().into()
}

fn journals(state: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(state.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Whether each job of a host has left its status there.
fn jobs_have_ended(bench: &Bench, host: &str) -> bool {
    let jobs = bench.cluster.host(host).directory().join(".local/state/converge/jobs");
    let mut jobs = fs::read_dir(jobs).unwrap().map(|entry| entry.unwrap().path());
    jobs.all(|job| job.join("status").exists())
}

#[test]
fn what_a_killed_run_leaves_in_doubt_is_asked_for_and_told() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.2");
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    about_runs(&bench, state, &["history"]).exits(0).says(&["No run is recorded here."]);
    about_runs(&bench, state, &["resume"]).exits(64).says(&["no run is recorded here"]);

    let web = bench.on("web1").clone();
    web.set(INSTALL);
    let mut command = bench.command(&["-e", "whatever=hunter2"]);
    command.env("CONVERGE_STATE_DIR", state).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut run = command.spawn().unwrap();
    web.wait_until_held(INSTALL);
    about_runs(&bench, state, &["history"]).exits(0).says(&["still going on"]).never_says(&["in doubt"]);
    about_runs(&bench, state, &["resume", "last"]).exits(1).says(&["still goes on"]);
    run.kill().unwrap();
    run.wait().unwrap();

    about_runs(&bench, state, &["history"]).exits(0).says(&["1 of 3 done on web1", "cut off", "1 in doubt"]);
    about_runs(&bench, state, &["show"]).exits(0).says(&[
        "web1: done: stop webserver",
        "web1: begins: install rehearsal-webserver 25.6.1 -> 25.6.2",
        "IN DOUBT",
        "and no end is recorded",
        "next: converge resume ",
        "converge --inventory rehearsal.yaml --extra-vars 'whatever=****'",
    ]);
    // It was about to write more.
    let file = journals(state).pop().unwrap();
    let mut text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hunter2"));
    text.push_str("{\"seq\":9,\"at\":\"20");
    fs::write(&file, text).unwrap();
    about_runs(&bench, state, &["history", "--verify"]).exits(0).says(&["the last record is torn: 17 bytes"]);

    web.clear(INSTALL);
    wait_until("the job ends", || jobs_have_ended(&bench, "web1"));
    assert_eq!(web.installed().as_deref(), Some("25.6.2"));
    about_runs(&bench, state, &["resume"]).exits(64).says(&["not recorded", "-e whatever=VALUE"]);
    about_runs(&bench, state, &["resume", "--limit", "web1"]).exits(64).says(&["takes its arguments from the run"]);
    let ran = about_runs(&bench, state, &["resume", "-e", "whatever=hunter2"]).exits(0).says(&[
        "Going on with run ",
        " left 1 action(s) in doubt; its journal ends torn at line ",
        "web1: install rehearsal-webserver 25.6.1 -> 25.6.2 into ",
        ": ended well\n",
        "Converged",
    ]);
    assert_eq!(ran.verbs(), ["web1 start"], "what is done is not done again: {ran}");
    let run = file.file_stem().unwrap().to_str().unwrap();
    about_runs(&bench, state, &["show", run, "--host", "web1"])
        .exits(0)
        .says(&["/webserver/install: ended well"])
        .never_says(&["IN DOUBT"]);
    about_runs(&bench, state, &["show", run]).says(&["taken up by ", "a torn record was cut off: {\"seq\":9"]);
    about_runs(&bench, state, &["show", "last"]).says(&[&format!("resumes:   {run}"), "run ended: converged"]);
    about_runs(&bench, state, &["history", "--verify"]).exits(0).says(&["2 journal(s)", "every digest fits"]);
    about_runs(&bench, state, &["resume", "-e", "whatever=x"])
        .exits(0)
        .says(&["It left nothing in doubt: this is an ordinary run", "Nothing to do"]);
    for file in journals(state) {
        assert!(!fs::read_to_string(&file).unwrap().contains("hunter2"));
    }
    bench.is_converged();
}

#[test]
fn a_plain_run_takes_up_what_is_in_doubt_too_and_damage_shows() {
    let mut bench = Bench::of(&[("web1", Component::Webserver)], "25.6.2");
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    with_state(&bench, state, &["--check"]).exits(2);
    assert!(!state.join("runs").exists(), "what only looks leaves no trace");
    let web = bench.on("web1").clone();
    web.set(INSTALL);
    let mut command = bench.command(&[]);
    command.env("CONVERGE_STATE_DIR", state).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut run = command.spawn().unwrap();
    web.wait_until_held(INSTALL);
    run.kill().unwrap();
    run.wait().unwrap();
    web.clear(INSTALL);
    wait_until("the job ends", || jobs_have_ended(&bench, "web1"));
    assert_eq!(web.installed().as_deref(), Some("25.6.2"));
    with_state(&bench, state, &[]).exits(0).says(&["left 1 action(s) in doubt", ": ended well\n", "Converged"]);
    with_state(&bench, state, &[]).exits(0).says(&["Nothing to do"]).never_says(&["in doubt"]);

    // Somebody changes what happened; somebody else's converge is newer.
    let file = journals(state).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("action-ended")).unwrap();
    fs::write(&file, text.replacen("nothing of it runs", "something of it runs", 1)).unwrap();
    about_runs(&bench, state, &["history", "--verify"])
        .exits(1)
        .says(&[&format!("{}: line {}: its digest fits neither", file.display(), at + 1), "can't be relied on"]);
    let newer = state.join("runs/20991125T033000Z-7f3a9c.jsonl");
    fs::write(&newer, "{\"seq\":1,\"record\":\"run-started\",\"format\":9,\"written_by\":\"converge 9.9\"}\n").unwrap();
    about_runs(&bench, state, &["history"]).exits(0).says(&["has format 9, written by converge 9.9", "or later"]);
    about_runs(&bench, state, &["show", "last"]).exits(1).says(&["reads formats up to 1"]);
    bench.cluster.declare("25.6.4");
    let ran = with_state(&bench, state, &[]).exits(0).says(&["Converged", "only known to the hosts"]);
    assert!(ran.err.contains(&newer.display().to_string()), "{ran}");
    bench.is_converged();
}

/// Runs the binary with its state on a file system of its own; `None` where none can be mounted.
fn on_a_disk(bench: &Bench, state: &Path, mount: &str, arguments: &[&str]) -> Option<Ran> {
    let script = format!("mount -t tmpfs -o {mount} none \"$1\" || exit 99; shift; exec \"$@\"");
    let mut command = bench.cluster.command("unshare".as_ref());
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(state).arg(env!("CARGO_BIN_EXE_converge"));
    command.args(["--inventory", "rehearsal.yaml", "--state-dir"]).arg(state).args(arguments);
    let output = command.stdin(std::process::Stdio::null()).output();
    match output {
        Ok(output) if output.status.code() != Some(99) && !output.stderr.starts_with(b"unshare:") => {
            Some(output.into())
        }
        Ok(_) | Err(_) => {
            eprintln!("no file system can be mounted here: tests with a full and a read-only disk are left out");
            None
        }
    }
}

#[test]
fn where_nothing_can_be_recorded_nothing_is_begun() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.4");
    let before = bench.on("web1").processes();
    // Locks are had by then, and given back; nothing else is touched.
    let untouched = || {
        assert_eq!(bench.on("web1").processes(), before);
        assert_eq!(bench.on("web1").installed().as_deref(), Some("25.6.1"));
        assert!(!bench.cluster.host("web1").directory().join(".local/state/converge/jobs").exists(), "no job began");
    };
    with_state(&bench, Path::new("/proc/nowhere"), &[])
        .exits(1)
        .says(&["error: the journal /proc/nowhere/runs can't be made: "]);
    untouched();

    let state = tempfile::tempdir().unwrap();
    if let Some(ran) = on_a_disk(&bench, state.path(), "ro", &[]) {
        ran.exits(1).says(&["/runs can't be made: Read-only file system"]);
        untouched();
    }
    // A page: the disk gets full in the middle.
    if let Some(ran) = on_a_disk(&bench, state.path(), "size=4k", &[]) {
        let ran = ran.exits(5).says(&[
            "The run can't be recorded any more, so nothing else was begun.",
            "No space left on device",
            "next:     make room for the journal",
        ]);
        assert!(!ran.verbs().is_empty() && ran.verbs().len() < 6, "{ran}");
        assert_ne!(bench.on("web1").running_release().as_deref(), Some("25.6.4"), "{ran}");
    }
    bench.converges();
}

//! Shows converge at work: makes a small cluster on this machine, moves it two releases forward, and cleans up.
//!
//! `cargo run --example demo`. It needs Rust, Python 3 and the package index, and no root.
//!
//! Cargo doesn't build the `converge` binary for an example, so this one is both: started by the name `converge` (a link
//! that it makes beside the inventory), it hands over to the same entry point as `src/main.rs` does.

#[path = "../tests/support/rehearsal/mod.rs"]
mod rehearsal;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rehearsal::{Component, DECLARED, HEADS, INSTALLED, Options, Rehearsal, Service, sweep};
use tokio::signal::unix::{SignalKind, signal};

const INVENTORY: &str = "rehearsal.yaml";
/// As a shell tells of a program that Ctrl-C ended.
const INTERRUPTED_STATUS: i32 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new("converge")) {
        return converge::cli::main();
    }
    let options = Options { say: |what| println!("· {what}"), ..Options::default() };
    if let Err(missing) = options.python.check() {
        eprintln!("The demo can't make its cluster: {missing}");
        return ExitCode::FAILURE;
    }
    let directory = std::env::temp_dir().join(format!("converge-demo-{}", std::process::id()));
    clean_up_when_interrupted(directory.clone());
    let begun = Instant::now();
    // What goes wrong in making the cluster is a panic; its message is told by the hook.
    let Ok(failures) = std::panic::catch_unwind(|| rehearse(&directory, options)) else {
        return ExitCode::FAILURE;
    };
    for failure in &failures {
        eprintln!("The demo did not do what it should: {failure}");
    }
    println!("\nRemoved the cluster. The demo took {} s.", begun.elapsed().as_secs());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes the cluster, goes through the commands, and gives what was not as it should be. The cluster is gone after it.
fn rehearse(directory: &Path, options: Options) -> Vec<String> {
    println!("A rehearsal: three hosts on this machine, each behind its own SSH server, run release {INSTALLED};");
    println!("their inventory declares {DECLARED}.\n");
    let cluster = Rehearsal::with(directory, options);
    let stage = Stage::set(&cluster);
    let openssh = cluster.hosts().iter().all(|host| host.server().is_openssh());
    println!("· Ready: {} (SSH by {})", hosts(&cluster), if openssh { "OpenSSH" } else { "the demo's own server" });

    let mut failures = Vec::new();
    stage.run(&mut failures, "What is there now, asked of every host over SSH:", &["facts"]);
    failures.extend(check(&cluster, INSTALLED, "before the run"));
    stage.run(&mut failures, "The main job: from what runs to what is declared.", &["--yes"]);
    failures.extend(check(&cluster, DECLARED, "after the run"));
    if !failures.is_empty() {
        return failures;
    }
    let before = processes(&cluster);
    stage.run(&mut failures, "The same again: nothing is left to do.", &["--yes"]);
    failures.extend(check(&cluster, DECLARED, "after the second run"));
    if processes(&cluster) != before {
        failures.push("the second run restarted a process".to_owned());
    }
    stage.run(&mut failures, "What a nightly cron job would ask: is anything not as declared?", &["drift"]);
    if failures.is_empty() {
        println!("\nSeen from outside: {}; {}.", hosts(&cluster), schema(&cluster));
    }
    failures
}

/// Where the commands are typed: the operator's directory, with the inventory and the program.
struct Stage<'a> {
    cluster: &'a Rehearsal,
    program: PathBuf,
}

impl<'a> Stage<'a> {
    fn set(cluster: &'a Rehearsal) -> Self {
        let program = cluster.operator_directory().join("converge");
        let own = std::env::current_exe().expect("a program knows its path");
        symlink(own, &program).expect("a link to this program can be made");
        Self { cluster, program }
    }

    /// Runs the program with its output on this terminal, after showing the command as it is typed.
    fn run(&self, failures: &mut Vec<String>, why: &str, arguments: &[&str]) {
        let (command, options): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| !word.starts_with('-'));
        let arguments = [command, vec!["--inventory", INVENTORY], options].concat();
        let typed = format!("converge {}", arguments.join(" "));
        println!("\n{why}\n$ {typed}");
        let status = self.cluster.command(&self.program).args(&arguments).status().expect("this program starts again");
        if !status.success() {
            wait_for_the_end_when_interrupted();
            failures.push(format!("`{typed}` ended with {status}"));
        }
    }
}

/// Looks at the cluster without the program: files, health endpoints and the database must all be of this release.
fn check(cluster: &Rehearsal, release: &str, when: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for service in cluster.hosts().iter().map(|host| host.service()) {
        let name = format!("{} on {}", service.component().name(), service.host());
        for (what, seen) in [("installed", service.installed()), ("running", service.running_release())] {
            if seen.as_deref() != Some(release) {
                failures.push(format!("{name}, {when}: {what} is {seen:?}, not {release}"));
            }
        }
    }
    let head = HEADS.into_iter().find(|(of, _)| *of == release).map(|(_, head)| head.to_owned());
    let rows = cluster.schema_rows();
    if head.as_ref() != rows.first() || rows.len() != 1 {
        failures.push(format!("the database, {when}: at {rows:?}, not {head:?}"));
    }
    let users = cluster.query("SELECT count(*) FROM users");
    if users != [["3"]] {
        failures.push(format!("the database, {when}: {users:?} users, not the 3 that were there"));
    }
    failures
}

/// The running processes of all hosts.
fn processes(cluster: &Rehearsal) -> Vec<u32> {
    cluster.hosts().iter().flat_map(|host| host.service().processes()).map(|process| process.pid).collect()
}

/// What runs on each host, in one line.
fn hosts(cluster: &Rehearsal) -> String {
    let describe = |service: &Service| {
        let release = service.running_release().unwrap_or_else(|| "nothing".to_owned());
        format!("{} runs {} {release}", service.host(), service.component().name())
    };
    cluster.hosts().iter().map(|host| describe(host.service())).collect::<Vec<_>>().join(", ")
}

/// Where the database stands, in a few words.
fn schema(cluster: &Rehearsal) -> String {
    let manager = cluster.service(Component::Manager).host();
    format!("the database of {manager} is at {}", cluster.schema_rows().join(", "))
}

/// After something failed: when that is because Ctrl-C reached the commands as well, there is nothing to tell, and the
/// other thread is about to end the demo. The signal may come here a moment later than to them.
fn wait_for_the_end_when_interrupted() {
    std::thread::sleep(Duration::from_millis(200));
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Takes the cluster away when the demo is stopped by Ctrl-C or asked to end, and ends it.
fn clean_up_when_interrupted(directory: PathBuf) {
    std::panic::set_hook(Box::new(|panic| {
        wait_for_the_end_when_interrupted();
        eprintln!("The demo can't go on: {}", panic.payload_as_str().unwrap_or("it doesn't know why"));
    }));
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [mut interrupt, mut terminate, mut hangup] =
                kinds.map(|kind| signal(kind).expect("a signal can be listened for"));
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        INTERRUPTED.store(true, Ordering::SeqCst);
        eprintln!("\nInterrupted: removing the cluster.");
        sweep(&directory);
        std::process::exit(INTERRUPTED_STATUS);
    });
}

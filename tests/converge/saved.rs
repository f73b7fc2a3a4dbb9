//! `converge plan -o` and `converge apply`, and the question on a terminal.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Ran};
use crate::rehearsal::Component;

/// A shell command line on a terminal of its own.
struct OnATerminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl OnATerminal {
    /// Starts it; `None` where there is no `script`.
    fn start(bench: &Bench, command_line: &str) -> Option<Self> {
        let mut command = bench.cluster.command("script".as_ref());
        command.args(["-qec", command_line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                eprintln!("no terminal to test with: script: {error}");
                return None;
            }
        };
        let (keyboard, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&screen);
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = shown.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Some(Self { child, keyboard, screen, reading })
    }

    fn types(&mut self, typed: &str) {
        self.keyboard.write_all(typed.as_bytes()).unwrap();
    }

    /// Waits until this has been shown so many times.
    fn shows(&self, text: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let screen = String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned();
            if screen.matches(text).count() >= times {
                return;
            }
            assert!(Instant::now() < deadline, "{text:?} was not shown {times} time(s): {screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The keyboard stays where it is until the command has ended.
    fn ends(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        self.reading.join().unwrap();
        let stdout = std::mem::take(&mut *self.screen.lock().unwrap());
        drop(self.keyboard);
        Output { status, stdout, stderr: Vec::new() }.into()
    }
}

/// Runs it to its end with this typed.
fn on_a_terminal(bench: &Bench, command_line: &str, typed: &str) -> Option<Ran> {
    let mut terminal = OnATerminal::start(bench, command_line)?;
    terminal.types(typed);
    Some(terminal.ends())
}

/// What was planned on is different when somebody at last says yes: it's planned again, and asked again.
#[test]
fn a_plan_that_is_outdated_before_it_begins_is_made_again() {
    const QUESTION: &str = "Carry this plan out? [y/N]";
    let mut bench = Bench::of(&[("web1", Component::Webserver)], "25.6.2");
    let program = env!("CARGO_BIN_EXE_converge");
    let run = format!("{program} --inventory rehearsal.yaml");
    let Some(mut terminal) = OnATerminal::start(&bench, &run) else { return };
    terminal.shows(QUESTION, 1);
    bench.on("web1").stop();
    terminal.types("y\n");
    terminal.shows(QUESTION, 2);
    bench.looks(&["history"]).exits(0).says(&["No run is recorded"]);
    terminal.types("y\n");
    terminal.ends().exits(0).says(&[
        "web1/webserver: planned on: 25.6.1 installed, running 25.6.1",
        "web1/webserver: found now:  25.6.1 installed, stopped",
        "nothing was done, and it is planned again",
        "Converged",
    ]);
    bench.is_converged();

    // Hosts that never hold still are nothing to begin on.
    bench.cluster.declare("25.6.4");
    let Some(mut terminal) = OnATerminal::start(&bench, &run) else { return };
    for plan in 1..=3 {
        terminal.shows(QUESTION, plan);
        match plan % 2 {
            1 => bench.on("web1").stop(),
            _ => {
                bench.on("web1").start();
                bench.on("web1").wait_until_healthy();
            }
        }
        terminal.types("y\n");
    }
    terminal.ends().exits(6).says(&["changed under each of 3 plans", "nothing was done", "run again"]);
    bench.converges();

    // What was saved is what somebody has agreed to, and nothing else.
    bench.on("web1").stop();
    bench.looks(&["plan", "-o", "plan.json"]).exits(2);
    let Some(mut terminal) = OnATerminal::start(&bench, &format!("{program} apply plan.json")) else { return };
    terminal.shows(QUESTION, 1);
    bench.on("web1").start();
    bench.on("web1").wait_until_healthy();
    terminal.types("y\n");
    terminal.ends().exits(0).says(&["Nothing to do any more"]);
}

#[test]
fn a_saved_plan_is_applied_only_if_it_still_fits() {
    let mut bench = Bench::of(&[("mgr1", Component::Manager), ("web1", Component::Webserver)], "25.6.2");
    let file = bench.cluster.operator_directory().join("plan.json");
    let apply = |bench: &Bench| {
        let output = bench.binary().args(["apply", "plan.json"]).output().unwrap();
        Ran::from(output)
    };

    // Not there, no plan, of another format.
    apply(&bench).exits(1).says(&["can't read plan.json"]);
    for garbage in ["", "{}", "hello", "[1]", "{\"format\": 6, \"written_by\": \"you\"}"] {
        fs::write(&file, garbage).unwrap();
        apply(&bench).exits(1).says(&["plan.json: it is no plan that converge has written"]);
    }
    fs::write(&file, "{\"format\": 99, \"written_by\": \"converge 9.9\"}").unwrap();
    apply(&bench).exits(1).says(&["it has the format 99", "converge 9.9"]);

    let ran = bench.looks(&["plan"]).exits(2).says(&["PLAN "]);
    assert!(!ran.err.contains("saved"), "{ran}");
    let ran =
        bench.converge(&["plan", "-o", "plan.json", "--output", "json"]).exits(2).says(&["converge apply plan.json"]);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(ran.json(), serde_json::from_str::<serde_json::Value>(&text).unwrap());
    assert_eq!(ran.json().pointer("/plan/stages").and_then(|stages| stages.as_array()).map(Vec::len), Some(2));

    // Changed after it was written.
    let before = bench.state();
    fs::write(&file, text.replace("25.6.2", "25.6.4")).unwrap();
    apply(&bench).exits(1).says(&["it was changed after it was written"]);
    fs::write(&file, &text).unwrap();
    bench.state().is(&before, "apply");

    // What it relies on is no longer so.
    bench.on("web1").stop();
    let before = bench.state();
    apply(&bench).exits(6).says(&[
        "what the plan relies on has changed",
        "web1/webserver: planned on: 25.6.1 installed, running 25.6.1",
        "web1/webserver: found now:  25.6.1 installed, stopped",
        "converge plan",
    ]);
    bench.state().is(&before, "apply");
    bench.on("web1").start();
    bench.on("web1").wait_until_healthy();

    // On a terminal it asks; whatever isn't yes is no.
    let program = env!("CARGO_BIN_EXE_converge");
    let before = bench.state();
    for typed in ["n\n", "\n"] {
        for what in ["--inventory rehearsal.yaml", "apply plan.json"] {
            if let Some(ran) = on_a_terminal(&bench, &format!("{program} {what}"), typed) {
                let ran = ran.exits(7).says(&["Carry this plan out? [y/N]", "Nothing was changed."]);
                bench.state().is(&before, &ran.to_string());
            }
        }
    }

    apply(&bench).exits(0).says(&["Converged"]);
    bench.is_converged();
    apply(&bench).exits(6);

    // A plan of nothing is a plan.
    bench.looks(&["plan", "-o", "plan.json"]).exits(0).says(&["Nothing to do"]);
    apply(&bench).exits(0).says(&["Nothing to do"]);

    bench.cluster.declare("25.6.4");
    match on_a_terminal(&bench, &format!("{program} --inventory rehearsal.yaml"), "y\n") {
        Some(ran) => ran.exits(0).says(&["Carry this plan out?", "Converged"]),
        None => bench.converges(),
    };
    bench.is_converged();
}

#[test]
fn a_plan_that_cannot_be_written_says_so() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.2");
    bench.looks(&["plan", "-o", "nowhere/plan.json"]).exits(1).says(&["can't write nowhere/plan.json: No such file"]);
    let directory = bench.cluster.operator_directory().join("locked");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    // Root writes wherever it likes.
    if fs::write(directory.join("probe"), "").is_err() {
        bench
            .looks(&["plan", "-o", "locked/plan.json"])
            .exits(1)
            .says(&["can't write locked/plan.json: Permission denied"]);
    }
    bench.looks(&["plan", "-o", "/proc/plan.json"]).exits(1).says(&["can't write /proc/plan.json"]);
}

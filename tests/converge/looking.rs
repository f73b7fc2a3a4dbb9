//! Commands that only look, mistakes in what is declared, and what is never printed.

use std::fs;
use std::process::Stdio;

use crate::bench::{Bench, Ran};
use crate::rehearsal::Component;

#[test]
fn facts_are_shown_and_mistakes_are_explained() {
    let bench = Bench::of(&[("mgr1", Component::Manager), ("web1", Component::Webserver)], "25.6.2");
    let ran = bench.looks(&["facts"]).exits(0);
    for part in
        ["mgr1 at ", "web1 at ", "rehearsal-manager 25.6.1", "1 running", "running release 25.6.1", "at 8c24e6b0d913"]
    {
        assert!(ran.out.contains(part), "{part}\n{ran}");
    }
    let facts = bench.looks(&["facts", "--output", "json"]).exits(0).json();
    let hosts: Vec<_> = facts.as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["mgr1", "web1"]);
    bench.looks(&["facts", "web1"]).exits(0).says(&["web1 at "]).never_says(&["mgr1"]);
    let one = bench.looks(&["facts", "web1", "--output", "json"]).exits(0).json();
    assert_eq!(one.as_array().map(Vec::len), Some(1));

    // Hosts that aren't there.
    for arguments in
        [&["facts", "web9"][..], &["--limit", "web9"], &["drift", "--limit", "gpu*"], &["plan", "-l", "!all"]]
    {
        let ran = bench.looks(arguments).exits(1);
        assert!(ran.err.contains(arguments[arguments.len() - 1]) && ran.out.is_empty(), "{ran}");
    }

    // Nothing else ever chooses hosts.
    for command in [&[][..], &["drift"], &["plan"], &["facts"]] {
        let ran = Ran::from(bench.binary().args(command).output().unwrap());
        ran.exits(64).says(&["--inventory FILE"]);
    }
    Ran::from(bench.binary().arg("--bogus").output().unwrap()).exits(64).says(&["--bogus"]);

    // Mistakes: all at once, each with its place and the line itself.
    let broken = "all:\n  vars:\n    release: 25.10\n  hosts:\n    mgr1:\n    mgr1:\n";
    fs::write(bench.cluster.operator_directory().join("broken.yaml"), broken).unwrap();
    let ran = Ran::from(bench.binary().args(["--inventory", "broken.yaml"]).output().unwrap()).exits(1);
    assert!(ran.err.contains("broken.yaml:6:5") && ran.err.contains("    mgr1:"), "{ran}");
    assert!(ran.err.contains("nothing was changed") && ran.out.is_empty(), "{ran}");
    let broken = "all:\n  vars:\n    release: 25.10\n  children:\n    manager: {hosts: {mgr1: }}\n";
    fs::write(bench.cluster.operator_directory().join("broken.yaml"), broken).unwrap();
    let ran = Ran::from(bench.binary().args(["--inventory", "broken.yaml"]).output().unwrap()).exits(1);
    assert!(ran.err.contains("broken.yaml:3:14") && ran.err.contains("    release: 25.10"), "{ran}");

    // A play of one's own that no host takes part in is told; those of the bundled playbook are not.
    bench.looks(&["drift"]).never_says(&["note:"]);
    let playbook =
        "- {name: Agents, hosts: agent, roles: [agent]}\n- {name: Managers, hosts: manager, roles: [manager]}\n";
    fs::write(bench.cluster.operator_directory().join("own.yaml"), playbook).unwrap();
    let ran = bench.looks(&["drift", "--playbook", "own.yaml"]).exits(2);
    assert!(ran.err.contains("note: the play \"Agents\" is skipped: no host of the inventory matches agent"), "{ran}");
    assert!(!ran.out.contains("note:") && !ran.err.contains("Managers"), "{ran}");

    // Whoever reads has had enough: no panic, and no other answer than without a pipe.
    for arguments in ["drift", "facts", "plan", "plan --output json", "facts --output json", "--check", "--help"] {
        let line = format!("'{}' -i rehearsal.yaml {arguments} | head -n 1", env!("CARGO_BIN_EXE_converge"));
        let ran = Ran::from(bench.cluster.command("sh".as_ref()).args(["-c", &line]).output().unwrap());
        assert!(ran.err.is_empty(), "{arguments}: {ran}");
        let mut closed = bench.command(&arguments.split(' ').collect::<Vec<_>>());
        let mut child = closed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        let expected = if arguments.starts_with("facts") || arguments == "--help" { 0 } else { 2 };
        assert!(!ran.err.contains("panicked"), "{arguments}: {ran}");
        assert_eq!(ran.exit, Some(expected), "{arguments}: {ran}");
    }
    // An answer that can't be given is an error, where the reader is still there.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::from(bench.command(&["drift"]).stdout(full).output().unwrap());
    ran.exits(1).says(&["standard output"]);

    // A run goes on without anybody who listens.
    let mut deaf = bench.command(&[]);
    let mut child = deaf.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    bench.is_converged();
}

#[test]
fn a_password_is_never_printed() {
    let bench = Bench::of(&[("mgr1", Component::Manager)], "25.6.2");
    let ini = bench.on("mgr1").alembic_ini();
    let known = fs::read_to_string(&ini).unwrap();
    let urls = [
        "postgresql://bai:hunter2@127.0.0.1:1/backend",
        "postgresql+asyncpg://bai:hunter2%%40x@127.0.0.1:1/backend",
        "postgresql://bai:hunter2@127.0.0.1:port/backend",
        "mysql://bai:hunter2@127.0.0.1/backend",
        "postgresql://bai:hunter2@[::1/backend",
    ];
    for url in urls {
        let text: Vec<&str> = known.lines().filter(|line| !line.starts_with("sqlalchemy.url")).collect();
        fs::write(&ini, format!("{}\nsqlalchemy.url = {url}\n", text.join("\n"))).unwrap();
        for arguments in [&["facts", "--output", "json"][..], &["-vvv"], &["drift", "--output", "json"]] {
            let ran = bench.looks(arguments).never_says(&["hunter2"]);
            let expected = if arguments[0] == "facts" { 0 } else { 3 };
            assert_eq!(ran.exit, Some(expected), "{url} {arguments:?} {ran}");
        }
    }
    fs::write(&ini, known).unwrap();
    bench.converges();
}

//! Secrets of a vault in every kind that can hold one: they reach the host, and nothing else ever shows them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bench::{Bench, Ran};
use crate::rehearsal::Component;

/// One for each place, so that a leak says where it is.
const NAMES: [&str; 8] = ["copied", "line", "block", "command", "guard", "url", "whole", "unlogged"];

fn secret(name: &str) -> String {
    format!("s3cr3t-{name}-zq")
}

const TASKS: &str = r#"
- name: site
  hosts: web1
  tasks:
  - file: { path: ROOT, state: directory }
  - name: settings
    copy: { dest: ROOT/app.conf, content: "user = x\npassword = {{copied}}\n", mode: "0600" }
  - copy: { dest: ROOT/whole, src: whole.txt, mode: "0600" }
  - line: { path: ROOT/lines, line: "token={{line}}", regexp: "^token=", create: yes, mode: "0600" }
  - block: { path: ROOT/lines, block: "key {{block}}\n", create: yes }
  - command: { cmd: "echo {{command}} >ROOT/made; chmod 600 ROOT/made; echo {{command}}; sleep 1", unless: "sleep 1; test {{guard}} && grep -q zq ROOT/made" }
  - http: { url: "http://127.0.0.1:PORT/?token={{url}}", timeout: 5 }
  - name: hidden
    copy: { dest: ROOT/hidden, content: "UNLOGGED", mode: "0600" }
    no_log: yes
  - debug: { msg: "it is {{copied}}" }
  - debug: { var: line }
"#;

/// Watches the command lines of all processes meanwhile; whatever holds one of the secrets.
fn watching<T>(secrets: &[String], run: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if secrets.iter().any(|secret| line.contains(secret.as_str())) {
                        seen.insert(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        let ran = run();
        over.store(true, Ordering::Relaxed);
        (ran, watch.join().unwrap())
    })
}

/// Every file below that holds the text.
fn holding(directory: &Path, text: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-raslF", "--", text]).arg(directory).output().unwrap();
    let mut files: Vec<String> = String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn secrets_reach_the_host_and_nothing_else_shows_them() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.1");
    let operator = bench.cluster.operator_directory();
    let root = bench.on("web1").directory().join("site");
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        port.to_string()
    };
    let tasks = TASKS.replace("ROOT", root.to_str().unwrap()).replace("PORT", &port);
    fs::write(operator.join("own.yaml"), tasks.replace("UNLOGGED", &secret("unlogged"))).unwrap();
    fs::write(operator.join("pw"), "vault-pass-w0rd\n").unwrap();
    let vault = |words: &[&str]| -> Ran {
        let mut command = bench.binary();
        Ran::from(command.arg("vault").args(words).args(["--vault-password-file", "pw"]).output().unwrap()).exits(0)
    };
    // A whole file of variables, single values, and a file that is copied.
    let mut inline = String::new();
    for name in ["copied", "guard"] {
        inline += &vault(&["encrypt-string", "--name", name, &secret(name)]).out;
    }
    fs::write(operator.join("inline.yaml"), inline).unwrap();
    let of_file = ["line", "block", "command", "url"].map(|name| format!("{name}: {}\n", secret(name))).concat();
    fs::write(operator.join("vaulted.yaml"), of_file).unwrap();
    fs::write(operator.join("whole.txt"), format!("{}\n", secret("whole"))).unwrap();
    vault(&["encrypt", "vaulted.yaml", "whole.txt"]);

    let secrets: Vec<String> = NAMES.iter().map(|name| secret(name)).chain(["vault-pass-w0rd".to_owned()]).collect();
    let words = |more: &[&str]| -> Vec<String> {
        let words = ["-vvv", "--playbook", "own.yaml", "-e", "@inline.yaml", "-e", "@vaulted.yaml"];
        more.iter().chain(&words).chain(&["--vault-password-file", "pw"]).map(|word| (*word).to_owned()).collect()
    };
    let run = |more: &[&str]| -> Ran {
        let mut command = bench.command(&[]);
        command.args(words(more)).env("CONVERGE_LOG", "trace").output().unwrap().into()
    };
    let (ran, seen) = watching(&secrets, || {
        vec![
            run(&["plan"]).exits(2),
            run(&["plan", "--output", "json"]).exits(2),
            run(&["--yes"]).exits(0).says(&["Converged", "(not shown: a secret)"]),
            run(&["drift"]).exits(0),
            run(&["drift", "--output", "json"]).exits(0),
            run(&["plan", "-o", "plan.json"]),
            run(&["show"]).exits(0),
            run(&["inventory", "list", "--export"]),
        ]
    });
    assert_eq!(seen, BTreeSet::new(), "in a list of processes");
    // It was brought about.
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(text("app.conf"), format!("user = x\npassword = {}\n", secret("copied")));
    assert_eq!(text("whole"), format!("{}\n", secret("whole")));
    assert!(text("lines").contains(&secret("line")) && text("lines").contains(&secret("block")));
    assert_eq!(text("made"), format!("{}\n", secret("command")));
    assert_eq!(text("hidden"), secret("unlogged"));
    for secret in &secrets {
        let encoded = STANDARD.encode(secret);
        let inside = &encoded[4..encoded.len() - 4];
        for ran in &ran {
            for form in [secret.as_str(), inside] {
                assert!(!ran.out.contains(form) && !ran.err.contains(form), "{form}\n{ran}");
            }
        }
    }
    // Nothing is left on either side but what is declared. (The playbook itself has what `no_log` is about.)
    for path in ["pw", "own.yaml"] {
        fs::remove_file(operator.join(path)).unwrap();
    }
    fs::remove_dir_all(&root).unwrap();
    for secret in &secrets {
        for place in [bench.cluster.root(), Path::new("/var/tmp")] {
            assert_eq!(holding(place, secret), Vec::<String>::new(), "{}", place.display());
        }
    }
}

#[test]
fn a_secret_that_everybody_could_read_on_the_host_is_refused() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.1");
    let operator = bench.cluster.operator_directory();
    fs::write(operator.join("pw"), "vault-pass-w0rd\n").unwrap();
    fs::write(operator.join("v.yaml"), "name: hunter2hunter2\nport: 8080\n").unwrap();
    let encrypt = ["vault", "encrypt", "v.yaml", "--vault-password-file", "pw"];
    Ran::from(bench.binary().args(encrypt).output().unwrap()).exits(0);
    let tasks = "- hosts: web1\n  tasks:\n  - file: { path: \"/srv/{{name}}\", state: directory }\n  \
                 - user: { name: x, comment: \"{{name}}\" }\n  - wait_for: { port: \"{{port}}\" }\n";
    fs::write(operator.join("own.yaml"), tasks).unwrap();
    let words = ["--playbook", "own.yaml", "-e", "@v.yaml"];
    let ran = bench.converge(&[&words[..], &["--vault-password-file", "pw"]].concat());
    let ran = ran.exits(1).says(&[
        "own.yaml:3:13: `path` of a `file` can't be a secret",
        "own.yaml:4:22: `comment` of a `user` can't be a secret",
        "own.yaml:5:17: `port` of a `wait_for` can't be a secret",
    ]);
    assert!(!ran.err.contains("hunter2"), "{ran}");
    let without = bench.converge(&words).exits(1).says(&["v.yaml:1:1: this file can't be decrypted"]);
    assert!(without.err.contains("--vault-password-file FILE"), "{without}");
}

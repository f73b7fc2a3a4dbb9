//! Inventories and playbooks of somebody else that are made to fill the memory, to take for ever, or to steer a terminal.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::measured::{Measured, measured, python};
use crate::scene::is_harmless;

const SOON: Duration = Duration::from_secs(20);
const MEBIBYTES: u64 = 500;

fn drift(files: &[(&str, String)]) -> Measured {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(home.path().join(name), text).unwrap();
    }
    let mut shell = Command::new(python());
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path()).current_dir(home.path());
    let ran = measured(shell, &["--inventory", "i.yaml", "drift"]);
    is_harmless(&ran.out, "stdout");
    is_harmless(&ran.err, "stderr");
    assert!(!ran.shown().contains("panicked") && ran.exit.is_some(), "{}", ran.shown());
    let all = fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.file_name());
    let new: Vec<_> = all.filter(|name| !files.iter().any(|(file, _)| name == file)).collect();
    assert!(new.iter().all(|name| name == ".cache" || name == ".local"), "{new:?}");
    ran.stays_below(MEBIBYTES, SOON)
}

/// Nine lists, each of nine times the one before.
fn laughs() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let before = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    text
}

#[test]
fn no_inventory_fills_the_memory_or_takes_for_ever() {
    let host = |name: &str, vars: &str| format!("all:\n  hosts:\n    {name}:\n{vars}");
    let manager = |vars: &str| format!("all:\n  children:\n    manager:\n      hosts:\n        m1:\n{vars}");
    let nested = |open: &str, inner: &str, close: &str, times: usize| open.repeat(times) + inner + &close.repeat(times);
    for (what, text, expected) in [
        ("aliases that double", laughs(), "aliases make this document too large"),
        ("an alias of itself", "a: &a [*a]\n".into(), "an alias can't stand inside what it refers to"),
        ("nested lists", nested("[", "", "]", 100_000), "recursion limit exceeded"),
        ("nested maps", nested("{a: ", "1", "}", 100_000), "recursion limit exceeded"),
        ("a range of hosts", host("\"gpu[1:999999999]\"", ""), "i.yaml:3"),
        ("ranges of ranges", host(&format!("\"{}\"", "h[0:99]".repeat(9)), ""), "i.yaml:3"),
        ("a word of megabytes", format!("{}\n", "x".repeat(8 << 20)), "i.yaml"),
        ("escapes", "\u{9b}31m: 1\n\"\\e]0;evil\\a\u{202e}\": 2\n".into(), "i.yaml"),
        ("a name that is a path", host("\"../../../etc/passwd\"", ""), "i.yaml:3"),
        ("a name that is an option", host("-oProxyCommand=touch pwned", ""), "i.yaml:3"),
        (
            "an address that is an option",
            manager("          ansible_host: -oProxyCommand=x\n"),
            "expected a host name or address",
        ),
        (
            "nested blocks of a template",
            manager(&format!("          release: \"{}\"\n", nested("{{#if release}}", "x", "{{/if}}", 20_000))),
            "i.yaml:6",
        ),
        (
            "nested expressions of a template",
            manager(&format!("          release: \"{{{{{}}}}}\"\n", nested("(a ", "b", ")", 20_000))),
            "i.yaml:6",
        ),
        ("a template of itself", manager("          release: \"{{x}}\"\n          x: \"{{release}}\"\n"), "i.yaml"),
        (
            "templates that double",
            manager(&format!(
                "          release: \"{{{{v40}}}}\"\n          v0: xxxxxxxxxx\n{}",
                (1..=40)
                    .map(|n| format!("          v{n}: \"{{{{v{m}}}}}{{{{v{m}}}}}\"\n", m = n - 1))
                    .collect::<String>()
            )),
            "i.yaml",
        ),
    ] {
        let ran = drift(&[("i.yaml", text)]);
        println!("{what}: {}", ran.shown());
        ran.exits(1).says(&[expected]);
    }
}

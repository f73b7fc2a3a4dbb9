//! known_hosts: each case is a file and what is expected of it, and OpenSSH's own `ssh-keygen -F` has to agree.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use converge::transport::{HostKeys, KnownHosts, KnownKey, Verdict, lookup_name};
use russh::keys::PublicKey;

/// The lines that match, as they stand in an `.expected` file.
fn describe(keys: &HostKeys) -> String {
    let lines = |title: &str, lines: Vec<usize>| {
        let numbers: String = lines.iter().map(|line| format!(" {line}")).collect();
        if lines.is_empty() { String::new() } else { format!(" {title}{numbers}") }
    };
    let numbers = |keys: &[KnownKey]| keys.iter().map(|key| key.at.line).collect();
    lines("trusted", numbers(keys.trusted()))
        + &lines("revoked", numbers(keys.revoked()))
        + &lines("authority", numbers(keys.authorities()))
}

/// Whether OpenSSH can read the key in a line; `ssh-keygen -F` alone doesn't look at it.
fn key_is_usable(file: &Path, line: &str) -> bool {
    let content = fs::read(file).unwrap();
    let line = content.split(|&byte| byte == b'\n').nth(line.parse::<usize>().unwrap() - 1).unwrap();
    let words = line.split(|byte| b" \t\r".contains(byte)).filter(|word| !word.is_empty() && !word.starts_with(b"@"));
    let key = words.skip(1).take(2).collect::<Vec<_>>().join(&b' ');
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), key).unwrap();
    let shown = Command::new("ssh-keygen").arg("-lf").arg(dir.path().join("key")).output().unwrap();
    shown.status.success()
}

/// What `ssh-keygen -F` finds, in the same words.
fn oracle(file: &Path, name: &str) -> String {
    let found = Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(file).env("LC_ALL", "C").output();
    let found = found.expect("ssh-keygen runs: is openssh-client installed?");
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let lines = |title: &str, marker: &str| {
        let numbers: String = found
            .lines()
            .filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line ").map(|(_, rest)| rest.trim()))
            .filter_map(|rest| match rest.split_once(' ') {
                Some((number, mark)) => (mark == marker).then_some(number),
                None => marker.is_empty().then_some(rest),
            })
            .filter(|number| key_is_usable(file, number))
            .map(|number| format!(" {number}"))
            .collect();
        if numbers.is_empty() { numbers } else { format!(" {title}{numbers}") }
    };
    lines("trusted", "") + &lines("revoked", "REVOKED") + &lines("authority", "CA")
}

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/known_hosts");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "known_hosts")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn each_case_is_as_expected_and_as_openssh_has_it() {
    let mut failures = Vec::new();
    for file in cases() {
        let mut known_hosts = KnownHosts::default();
        known_hosts.add_file(&file, &fs::read(&file).unwrap());
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap();
        for line in expected.lines().filter(|line| !line.starts_with('#')) {
            let (query, wanted) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            let (address, port) = query.split_once(' ').unwrap();
            let port = port.parse().unwrap();
            let ours = describe(&known_hosts.lookup(address, port));
            let theirs = oracle(&file, &lookup_name(address, port));
            if ours.trim() != wanted || theirs != ours {
                failures.push(format!("{}: {query}: expected {wanted}, ours{ours}, OpenSSH's{theirs}", file.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn key(index: usize) -> PublicKey {
    let text = fs::read_to_string(cases().into_iter().find(|path| path.ends_with("ecdsa-rsa.known_hosts")).unwrap());
    let text = text.unwrap();
    PublicKey::from_openssh(text.lines().nth(index).unwrap().split_once(' ').unwrap().1).unwrap()
}

fn verdict(content: &str, presented: &PublicKey) -> Verdict {
    let mut known_hosts = KnownHosts::default();
    known_hosts.add_file(Path::new("known_hosts"), content.as_bytes());
    known_hosts.lookup("gpu01", 22).check(presented)
}

#[test]
fn a_key_is_judged_by_what_is_known_of_its_host() {
    let (ed25519, ecdsa) = (key(0), key(1));
    let line = |marker: &str, key: &PublicKey| format!("{marker}gpu01 {}\n", key.to_openssh().unwrap());
    assert!(matches!(verdict("", &ed25519), Verdict::Unknown));
    assert!(matches!(verdict(&line("", &ed25519), &ed25519), Verdict::Trusted));
    assert!(matches!(verdict(&line("", &ecdsa), &ed25519), Verdict::Changed));
    assert!(matches!(verdict(&(line("", &ecdsa) + &line("", &ed25519)), &ed25519), Verdict::Trusted));
    assert!(matches!(verdict(&(line("", &ed25519) + &line("@revoked ", &ed25519)), &ed25519), Verdict::Revoked(_)));
    // OpenSSH overlooks a marker that is followed by a tab when a blank follows later; a revocation must not be.
    assert!(matches!(verdict(&line("@revoked\t", &ed25519), &ed25519), Verdict::Revoked(_)));
    assert!(matches!(verdict(&line("@revoked ", &ecdsa), &ed25519), Verdict::Unknown));
    assert!(matches!(verdict(&line("@cert-authority ", &ed25519), &ed25519), Verdict::Unknown));
}

#[test]
fn only_the_algorithms_of_known_keys_are_offered() {
    let mut known_hosts = KnownHosts::default();
    known_hosts.add_file(Path::new("a"), format!("gpu01 {}\n", key(2).to_openssh().unwrap()).as_bytes());
    known_hosts.add_file(Path::new("b"), format!("gpu01 {}\n", key(0).to_openssh().unwrap()).as_bytes());
    let offered: Vec<_> = known_hosts.lookup("gpu01", 22).algorithms().iter().map(ToString::to_string).collect();
    assert_eq!(offered, ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
    assert!(known_hosts.lookup("gpu02", 22).algorithms().is_empty());
}

/// Files are concatenated lines of anything: no input may panic or make a host trusted that isn't named.
#[test]
fn any_bytes_are_survived() {
    use proptest::prelude::*;
    proptest!(|(content in proptest::collection::vec(any::<u8>(), 0..400), text in "[@|!*?,a-z0-9 \\t\\n=+/\\[\\]:]{0,200}")| {
        let mut known_hosts = KnownHosts::default();
        known_hosts.add_file(Path::new("a"), &content);
        known_hosts.add_file(Path::new("b"), text.as_bytes());
        prop_assert!(known_hosts.lookup("gpu01.example.org", 2222).trusted().is_empty());
    });
}

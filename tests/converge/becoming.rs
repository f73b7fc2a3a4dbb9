//! A run whose login is an ordinary user without any rights of its own, and whose work is done by another one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::accounts::{Account, can_make};
use crate::bench::Bench;
use crate::rehearsal::{Component, Options, Python};

/// The words of every command: who logs in, and whom it becomes.
fn words<'w>(kim: &'w str, bai: &'w str, file: &'w str, rest: &[&'w str]) -> Vec<String> {
    let mut words: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
    for (name, value) in [("ansible_user", kim), ("webserver_process_user", bai)] {
        words.extend(["-e".to_owned(), format!("{name}={value}")]);
    }
    let become_words = ["--become", "--become-user", bai];
    words.extend(become_words.iter().map(|word| (*word).to_owned()));
    if !file.is_empty() {
        words.extend(["--become-password-file".to_owned(), file.to_owned()]);
    }
    words
}

/// Gives the host to a user, and lets the one who logs in get at its own keys and at the binary's wheels.
fn hand_over(bench: &Bench, bai: &Account) {
    let host = bench.cluster.host("web1");
    bench.cluster.stop_process(Component::Webserver);
    let chown = Command::new("chown").args(["-R", &bai.name]).arg(host.directory()).status().unwrap();
    assert!(chown.success());
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(bench.cluster.root().parent().unwrap());
    open(bench.cluster.root());
    open(host.directory());
    open(&host.directory().join("ssh"));
}

/// Every file below that holds the text.
fn holding(directory: &Path, text: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlF", "--", text]).arg(directory).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_ordinary_user_who_may_use_sudo_upgrades_what_belongs_to_another() {
    if !can_make(&["sudo"]) {
        return;
    }
    let (kim, bai) = (Account::new("/bin/bash"), Account::new("/bin/bash"));
    kim.may(&format!("NAME ALL=({}) ALL\nDefaults:NAME env_keep += CONVERGE_COMMON", bai.name));
    // The machine's own Python: that of whoever runs the tests may lie where bai can't go.
    let python = Python::at("/usr/bin/python3");
    if let Err(missing) = python.check() {
        eprintln!("SKIPPED: {missing}");
        return;
    }
    let hosts = vec![("web1".to_owned(), Component::Webserver)];
    let bench = Bench::make(Options { hosts, python, ..Options::default() });
    hand_over(&bench, &bai);
    let run = |file: &str, rest: &[&str]| {
        let words = words(&kim.name, &bai.name, file, rest);
        bench.converge(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let can_not = format!("web1: can't become {} by sudo: it asks for a password, and none was given", bai.name);
    run("", &["drift"]).exits(4).says(&[&can_not, "give the password of the user who logs in with -K"]);

    let file = bench.cluster.operator_directory().join("sudo-password");
    fs::write(&file, format!("{}\n", kim.password)).unwrap();
    let open = "others than its owner may use it (its mode is 644)";
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run("sudo-password", &["drift"]).exits(1).says(&[open]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    run("sudo-password", &["drift"]).exits(2).says(&["25.6.1 is installed, 25.6.4 is declared"]);
    // A saved plan knows whom to become, and no password.
    run("sudo-password", &["plan", "-o", "p"]).exits(2);
    let saved = fs::read_to_string(bench.cluster.operator_directory().join("p")).unwrap();
    assert!(saved.contains(&bai.name) && !saved.contains(&kim.password));
    let applied = bench.binary().args(["apply", "p", "--become-password-file", "sudo-password"]).output().unwrap();
    let applied = crate::bench::Ran::from(applied).exits(0).says(&["Converged"]);
    assert!(!applied.out.contains(&kim.password) && !applied.err.contains(&kim.password), "{applied}");

    let service = bench.on("web1");
    assert_eq!((service.installed(), service.running_release()), (Some("25.6.4".into()), Some("25.6.4".into())));
    run("sudo-password", &["--yes"]).exits(0).says(&["Nothing to do"]);
    run("sudo-password", &["lock", "show"]).exits(0);
    // The jobs and their process belong to whom the session became; nothing of it is the login's.
    assert!(bai.home().join(".local/state/converge/jobs").is_dir());
    assert!(!kim.home().join(".local").exists());
    fs::remove_file(&file).unwrap();
    for place in [bench.cluster.root(), &kim.home(), &bai.home()] {
        assert_eq!(holding(place, &kim.password), Vec::<String>::new());
    }
}

#[test]
fn what_has_no_effect_is_no_option() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.4");
    bench.converge(&["drift", "--become-user", "bai"]).exits(64).says(&["--become-user has no effect", "add --become"]);
    bench.converge(&["drift", "-b", "--become-method", "runas"]).exits(1).says(&["`runas` is no way to become a user"]);
    // Nobody is asked for a password that nobody needs.
    bench.converge(&["drift", "-K"]).exits(64).says(&["--ask-become-pass has no effect"]);
    bench.converge(&["drift", "-bK"]).exits(1).says(&["there is neither a terminal nor SSH_ASKPASS"]);
}

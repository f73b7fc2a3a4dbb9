//! Where secrets go: nowhere but to who needs them. And what a server with nothing but weak algorithms is told.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use converge::model::HostName;
use converge::transport::{AnyConnector, Connector as _, SshTarget, Target, TargetKind};

use crate::accounts::{Account, can_make};
use crate::bench::{Bench, Ran};
use crate::rehearsal::{Component, Options, Python};
use crate::sshd::{Sshd, SshdOptions, keygen, knowing, public_key, user};

const PASSPHRASE: &str = "correct horse passphrase";
const VARIABLE: &str = "staple-battery-variable";

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Watches the command lines of all processes of the machine while something runs; whatever holds one of the secrets.
fn watching<T>(secrets: &[&str], run: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if secrets.iter().any(|secret| line.contains(secret)) {
                        seen.insert(line);
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
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
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn no_secret_is_in_any_message_log_journal_cache_or_command_line() {
    if !can_make(&["sudo"]) {
        return;
    }
    // The machine's own Python: that of whoever runs the tests may lie where bai can't go.
    let python = Python::at("/usr/bin/python3");
    if let Err(missing) = python.check() {
        eprintln!("SKIPPED: {missing}");
        return;
    }
    let (kim, bai) = (Account::new("/bin/bash"), Account::new("/bin/bash"));
    kim.may(&format!("NAME ALL=({}) ALL\nDefaults:NAME env_keep += CONVERGE_COMMON", bai.name));
    let hosts = vec![("web1".to_owned(), Component::Webserver)];
    let mut bench = Bench::make(Options { hosts, python, ..Options::default() });
    let (home, host) = (bench.cluster.operator_directory(), bench.cluster.host("web1").directory().to_owned());
    bench.cluster.reconfigure("web1", "PasswordAuthentication yes\n");
    bench.cluster.stop_process(Component::Webserver);
    assert!(Command::new("chown").args(["-R", &bai.name]).arg(&host).status().unwrap().success());
    for open in [bench.cluster.root().parent().unwrap(), bench.cluster.root(), &host, &host.join("ssh")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let locked = home.join(".ssh/locked");
    keygen(&locked, "ed25519", PASSPHRASE);
    write(&host.join("ssh/authorized_keys"), &public_key(&locked), 0o644);
    let (askpass, sudo) = (home.join("askpass"), home.join("sudo-password"));
    write(&sudo, &format!("{}\n", kim.password), 0o600);
    let words = [
        "-vvv",
        "--become",
        "--become-user",
        &bai.name,
        "--become-password-file",
        "sudo-password",
        "-e",
        &format!("ansible_user={}", kim.name),
        "-e",
        &format!("webserver_process_user={}", bai.name),
        "-e",
        &format!("database_password={VARIABLE}"),
    ]
    .map(str::to_owned);
    let run = |answer: &str, arguments: &[&str]| -> Ran {
        write(&askpass, &format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n"), 0o700);
        let mut command = bench.command(arguments);
        command
            .args(&words)
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("CONVERGE_LOG", "trace");
        command.output().unwrap().into()
    };
    let secrets = [PASSPHRASE, VARIABLE, &kim.password];
    let key = format!("ansible_ssh_private_key_file={}", locked.display());
    let body = fs::read_to_string(&locked).unwrap().lines().nth(1).unwrap().to_owned();

    let ((with_key, with_password), seen) = watching(&secrets, || {
        let with_key = run(PASSPHRASE, &["--yes", "-e", &key]).exits(0).says(&["Converged"]);
        let with_password =
            run(&kim.password, &["drift", "--ask-pass", "-e", "ansible_ssh_private_key_file=/nonexistent"]);
        (with_key, with_password.exits(0))
    });
    // What was typed is in the command line of who was typed to, and of nobody else.
    let elsewhere: Vec<_> = seen.iter().filter(|line| !line.contains("--become-password-file")).collect();
    assert_eq!(elsewhere, Vec::<&String>::new());
    assert!(seen.iter().all(|line| !line.contains(PASSPHRASE) && !line.contains(&kim.password)), "{seen:?}");

    for ran in [&with_key, &with_password] {
        assert!(ran.err.contains("TRACE"), "nothing was tested: -vvv says nothing");
        for secret in secrets.iter().chain([&&*body]) {
            assert!(!ran.out.contains(*secret) && !ran.err.contains(*secret), "{secret}");
            let bytes = format!("{:?}", secret.as_bytes());
            assert!(!ran.err.contains(bytes.trim_matches(['[', ']'])), "{secret}, byte by byte");
        }
    }
    for given in [&askpass, &sudo, &locked] {
        fs::remove_file(given).unwrap();
    }
    for place in [bench.cluster.root(), &kim.home(), &bai.home()] {
        for secret in secrets.iter().chain([&&*body]) {
            assert_eq!(holding(place, secret), Vec::<String>::new(), "{}", place.display());
        }
    }
}

/// What a server offers, what it is told, and what of ours is named beside it.
const WEAK: [(&str, &str, &str, &str); 5] = [
    (
        "ed25519",
        "Ciphers aes128-cbc,aes256-cbc,3des-cbc",
        "no cipher algorithm in common",
        "aes128-cbc, aes256-cbc, 3des-cbc",
    ),
    (
        "ed25519",
        "KexAlgorithms diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1",
        "no key exchange algorithm in common",
        "diffie-hellman-group1-sha1",
    ),
    (
        "ed25519",
        "MACs hmac-sha1,hmac-md5,hmac-sha1-96\nCiphers aes128-ctr",
        "no MAC algorithm in common",
        "hmac-sha1, hmac-md5",
    ),
    ("rsa", "HostKeyAlgorithms ssh-rsa", "no host key algorithm in common", "the server ssh-rsa"),
    ("dsa", "HostKeyAlgorithms ssh-dss", "no host key algorithm in common", "the server ssh-dss"),
];

#[tokio::test]
async fn a_server_that_has_only_weak_algorithms_is_refused_and_they_are_named() {
    for (kind, config, kind_of, theirs) in WEAK {
        let dir = tempfile::tempdir().unwrap();
        let (key, place) = (dir.path().join("id"), dir.path().join("sshd"));
        fs::create_dir(&place).unwrap();
        keygen(&key, "ed25519", "");
        let options = SshdOptions { host_keys: vec![kind], config: config.to_owned(), ..SshdOptions::default() };
        let sshd = Sshd::start(&place, &public_key(&key), &options);
        let connector = AnyConnector::new(knowing(&user(), dir.path(), [&sshd]));
        let ssh = SshTarget {
            address: "127.0.0.1".into(),
            port: Some(sshd.port),
            identity_file: Some(key),
            ..SshTarget::default()
        };
        let target = Target { name: HostName::parse("gpu07").unwrap(), kind: TargetKind::Ssh(ssh), become_user: None };
        let Err(error) = connector.connect(&target).await else { panic!("{config}: it is let in") };
        let error = error.to_string();
        assert!(error.contains(kind_of) && error.contains(theirs), "{config}: {error}");
        for weak in ["cbc", "sha1", "md5", "ssh-dss", " ssh-rsa"] {
            let ours = error.split("the server").next().unwrap();
            assert!(!ours.contains(weak), "{error}");
        }
    }
}

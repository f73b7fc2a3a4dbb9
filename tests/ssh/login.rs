//! Ways to log in: passphrases, certificates, passwords, questions of the server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use converge::model::Secret;
use converge::transport::{Asker, Connector as _, TargetKind, TransportError, Tried};

use crate::site::{Site, output, target};
use crate::sshd::{Server, SshAgent, SshdOptions, is_root, keygen, own_etc, public_key, user};

const REACHED: &str = "Host gpu*\n  HostName 127.0.0.1\n  Port {port}\n";

/// Somebody who answers in turn, then no more; and what they were asked.
fn somebody(answers: &[&str]) -> (Asker, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (heard, next) = (Arc::clone(&asked), AtomicUsize::new(0));
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let asker = Asker::by(move |prompt| {
        heard.lock().unwrap().push(prompt.text.to_owned());
        answers.get(next.fetch_add(1, Ordering::Relaxed)).map(Secret::new)
    });
    (asker, asked)
}

/// A key of this kind, whose public half is all that the server knows.
pub(crate) fn only_key(site: &Site, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let key = site.path(name);
    keygen(&key, kind, passphrase);
    fs::write(site.path("sshd/authorized_keys"), public_key(&key)).unwrap();
    key
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once_and_only_if_the_server_would_take_the_key() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let mut site = Site::new();
        let key = only_key(&site, "locked", kind, "correct horse");
        site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
        let (asker, asked) = somebody(&["wrong", "correct horse"]);
        site.options.asker = asker;
        let connector = Arc::new(site.connector());
        let mut connecting = tokio::task::JoinSet::new();
        for n in 0..5 {
            let connector = Arc::clone(&connector);
            connecting.spawn(async move { connector.connect(&target(&format!("gpu{n}"))).await.map(|_| ()) });
        }
        connecting.join_all().await.into_iter().for_each(|ended| ended.unwrap());
        let path = key.display();
        assert_eq!(
            *asked.lock().unwrap(),
            [format!("Passphrase for {path}: "), format!("That was not it. Passphrase for {path}: ")]
        );

        fs::write(site.path("sshd/authorized_keys"), "").unwrap();
        let (asker, asked) = somebody(&["correct horse"]);
        site.options.asker = asker;
        let error = site.fails("gpu1").await;
        assert!(matches!(&error, TransportError::AuthRejected { tried, .. } if tried[0].tried == Tried::Rejected));
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn nobody_who_answers_and_batch_mode_leave_a_key_locked() {
    let mut site = Site::new();
    let key = only_key(&site, "locked", "ed25519", "correct horse");
    let (asker, asked) = somebody(&[]);
    site.options.asker = asker;
    site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
    let error = site.fails("gpu1").await;
    assert!(error.to_string().contains("nobody gave its passphrase"), "{error}");
    assert_eq!(error.hint().unwrap(), format!("ssh-add {}", key.display()));
    assert_eq!(asked.lock().unwrap().len(), 1);
    site.configure(&format!("{REACHED}  IdentityFile {}\n  BatchMode yes\n", key.display()));
    assert!(matches!(site.fails("gpu1").await, TransportError::NoIdentity { .. }));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

/// Signs a key for the user; `more` are options of ssh-keygen.
fn certify(site: &Site, key: &Path, more: &[&str]) {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(site.path("ca"))
        .args(["-I", "converge test", "-n", &user()])
        .args(more)
        .arg(key.with_extension("pub"))
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
}

/// A site whose server trusts an authority, and no key of its own.
fn certified_site() -> Site {
    let site = Site::new();
    keygen(&site.path("ca"), "ed25519", "");
    let dir = site.path("trusting");
    fs::create_dir(&dir).unwrap();
    let config = format!("TrustedUserCAKeys {}", site.path("ca.pub").display());
    let options = SshdOptions { config, ..SshdOptions::default() };
    let sshd = crate::sshd::Sshd::start(&dir, "", &options);
    site.knows(&sshd.known_hosts());
    Site { sshd, ..site }
}

#[tokio::test]
async fn certificates_log_in_from_files_and_from_the_agent() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let mut site = certified_site();
        let key = site.path("id");
        keygen(&key, kind, "");
        let identity = format!("{REACHED}  IdentityFile {}\n", key.display());
        site.configure(&identity);
        assert!(matches!(site.fails("gpu1").await, TransportError::AuthRejected { .. }));

        // Beside the key.
        certify(&site, &key, &[]);
        let session = site.connect("gpu1").await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(output(&session, "echo there").await, "there");

        // Somewhere else, by its name.
        fs::rename(site.path("id-cert.pub"), site.path("cert")).unwrap();
        assert!(matches!(site.fails("gpu1").await, TransportError::AuthRejected { .. }));
        site.configure(&format!("{identity}  CertificateFile {{dir}}/cert\n"));
        site.connect("gpu1").await.unwrap_or_else(|error| panic!("{kind}: {error}"));

        // In the agent, which takes a certificate beside a key along.
        fs::rename(site.path("cert"), site.path("id-cert.pub")).unwrap();
        let agent = SshAgent::start(site.dir.path());
        agent.add(&key, "");
        fs::remove_file(site.path("id-cert.pub")).unwrap();
        fs::remove_file(&key).unwrap();
        site.options.agent = Some(agent.socket.clone());
        site.configure(REACHED);
        site.connect("gpu1").await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_named_and_one_without_its_key_too() {
    let mut site = certified_site();
    let key = site.path("id");
    keygen(&key, "ed25519", "open sesame");
    site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
    certify(&site, &key, &["-V", "20200101:20200102"]);
    let (asker, asked) = somebody(&["open sesame"]);
    site.options.asker = asker;
    let error = site.fails("gpu1").await;
    assert!(error.to_string().contains("certificate \"converge test\" of "), "{error}");
    assert!(asked.lock().unwrap().is_empty());

    // A locked key is asked for when its certificate would do.
    certify(&site, &key, &[]);
    site.connect("gpu1").await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);

    fs::rename(site.path("id-cert.pub"), site.path("cert")).unwrap();
    site.configure(&format!("{REACHED}  IdentityFile none\n  CertificateFile {{dir}}/cert\n"));
    let error = site.fails("gpu1").await;
    assert!(error.to_string().contains("its key is neither in a file nor in the agent"), "{error}");
}

#[tokio::test]
async fn rsa_signs_with_the_hash_that_both_sides_allow() {
    for algorithm in ["rsa-sha2-256", "rsa-sha2-512"] {
        let config = format!("PubkeyAcceptedAlgorithms {algorithm}");
        let site = Site::with(&SshdOptions { config, ..SshdOptions::default() });
        let key = only_key(&site, "rsa", "rsa", "");
        let allowed = format!("  PubkeyAcceptedAlgorithms {algorithm}\n");
        site.configure(&format!("{REACHED}  IdentityFile {}\n{allowed}", key.display()));
        site.connect("gpu1").await.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
    }
}

/// The password of whoever runs this, on servers that have a list of passwords of their own: "correct horse", by
/// `openssl passwd -6 -salt converge`.
const HASH: &str = "$6$converge$un9MzGBUi/l7DUvlUp1agt4L45O/o7O66poV7i0tFDiqlNno.QNAjTvjUqv/A0hGTpomgqLDix5CnvuO1n.V8.";
const PASSWORD: &str = "correct horse";

/// A server that knows the password, by itself or by PAM. Only root can give it a list of its own.
pub(crate) fn with_password(config: &str) -> Option<Site> {
    password_of(Server::Installed, config)
}

pub(crate) fn password_of(server: Server, config: &str) -> Option<Site> {
    if !is_root() {
        eprintln!("not tested: a server with a list of passwords of its own needs root");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let with = dir.path().join("with");
    fs::create_dir_all(with.join("pam.d")).unwrap();
    fs::write(with.join("shadow"), format!("{}:{HASH}:19000:0:99999:7:::\n", user())).unwrap();
    let pam = "auth required pam_unix.so\naccount required pam_permit.so\nsession optional pam_permit.so\n";
    fs::write(with.join("pam.d/sshd"), pam).unwrap();
    let inside = own_etc(&dir.path().join("etc"), Some(&with));
    let site = Site::with(&SshdOptions { server, config: config.into(), inside, ..SshdOptions::default() });
    // The mounts hold on to the files.
    drop(dir);
    Some(site)
}

const ONLY_PASSWORD: &str = "UsePAM no\nPasswordAuthentication yes\nPubkeyAuthentication no";
const ONLY_QUESTIONS: &str =
    "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\nPubkeyAuthentication no";

#[tokio::test]
async fn a_password_logs_in_by_either_method_and_a_wrong_one_is_told() {
    for config in [ONLY_PASSWORD, ONLY_QUESTIONS] {
        let Some(mut site) = with_password(config) else { return };
        site.configure(REACHED);
        let error = site.fails("gpu1").await;
        assert!(matches!(error, TransportError::NoIdentity { .. } | TransportError::AuthRejected { .. }), "{error}");

        site.options.password = Some(Secret::new(PASSWORD));
        let session = site.connect("gpu1").await.unwrap_or_else(|error| panic!("{config}: {error}"));
        assert_eq!(output(&session, "echo there").await, "there");

        // The inventory's wins.
        let mut of_inventory = target("gpu1");
        let TargetKind::Ssh(ssh) = &mut of_inventory.kind else { unreachable!() };
        ssh.password = Some(Secret::new("wrong"));
        let Err(error) = site.connector().connect(&of_inventory).await else { panic!("it lets us in") };
        assert!(matches!(&error, TransportError::AuthRejected { .. }), "{error}");
        assert_eq!(error.hint().unwrap(), "is the password right, and meant for this user?");
        assert!(!format!("{error} {error:?} {of_inventory:?}").contains("wrong\""));

        site.configure(&format!("{REACHED}  PasswordAuthentication no\n  KbdInteractiveAuthentication no\n"));
        assert!(matches!(site.fails("gpu1").await, TransportError::AuthRejected { .. }));
    }
}

#[tokio::test]
async fn a_server_that_wants_a_key_and_something_more_gets_both() {
    for (config, order) in [
        ("UsePAM no\nPasswordAuthentication yes\nAuthenticationMethods publickey,password", "key first"),
        ("UsePAM no\nPasswordAuthentication yes\nAuthenticationMethods password,publickey", "password first"),
        (
            "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive",
            "key, then questions",
        ),
    ] {
        let Some(mut site) = with_password(config) else { return };
        site.configure(&format!("{REACHED}  IdentityFile {{key}}\n"));
        site.options.password = Some(Secret::new(PASSWORD));
        site.connect("gpu1").await.unwrap_or_else(|error| panic!("{order}: {error}"));

        // Without a password, what the server asks beside a key is asked of a person; never what it asks instead of one.
        site.options.password = None;
        let (asker, asked) = somebody(&[PASSWORD]);
        site.options.asker = asker;
        let ended = site.connect("gpu1").await;
        let questions = asked.lock().unwrap().clone();
        if order == "key, then questions" {
            ended.unwrap();
            assert!(questions[0].starts_with("gpu1 (") && questions[0].ends_with(" asks: Password: "), "{questions:?}");
        } else {
            assert!(ended.is_err() && questions.is_empty(), "{order}");
        }
    }
}

#[tokio::test]
async fn many_keys_leave_room_for_the_password() {
    let Some(mut site) = with_password("UsePAM no\nPasswordAuthentication yes") else { return };
    let agent = SshAgent::start(site.dir.path());
    for n in 0..8 {
        let key = site.path(&format!("other{n}"));
        keygen(&key, "ed25519", "");
        agent.add(&key, "");
    }
    fs::write(site.path("sshd/authorized_keys"), "").unwrap();
    site.options.agent = Some(agent.socket.clone());
    site.options.password = Some(Secret::new(PASSWORD));
    site.configure(REACHED);
    site.connect("gpu1").await.unwrap();
}

/// The program itself, asked by way of a program that asks.
pub(crate) fn converge(site: &Site, askpass: &str, words: &[&str]) -> (Option<i32>, String) {
    let program = site.path("askpass");
    fs::write(&program, format!("#!/bin/sh\necho \"$1\" >>'{}'\n{askpass}\n", site.path("asked").display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_converge"))
        .args(["--inventory", "inventory.yaml", "--state-dir", "state"])
        .args(words)
        .current_dir(site.dir.path())
        .env("HOME", site.dir.path())
        .env("XDG_CACHE_HOME", site.path("cache"))
        .env("SSH_ASKPASS", &program)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("CONVERGE_LOG", "trace")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), text)
}

pub(crate) fn inventory(site: &Site) {
    let text = "all:\n  vars: { release: \"25.6.5\" }\n  children:\n    agent: { hosts: { gpu1: } }\n";
    fs::write(site.path("inventory.yaml"), text).unwrap();
}

#[test]
fn the_program_asks_by_ssh_askpass_and_no_secret_is_in_its_log() {
    let site = Site::new();
    inventory(&site);
    let key = only_key(&site, "locked", "ed25519", "correct horse");
    site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
    let (code, text) = converge(&site, "echo 'correct horse'", &["facts"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(fs::read_to_string(site.path("asked")).unwrap(), format!("Passphrase for {}: \n", key.display()));
    assert!(text.contains("TRACE") && !text.contains("correct horse"), "{text}");
    let private = fs::read_to_string(&key).unwrap();
    assert!(!text.contains(private.lines().nth(1).unwrap()));
}

#[test]
fn the_program_asks_on_the_terminal_and_what_is_typed_is_not_shown() {
    let site = Site::new();
    inventory(&site);
    let key = only_key(&site, "locked", "ed25519", "correct horse");
    site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
    let line = format!("{} --inventory inventory.yaml --state-dir state facts", env!("CARGO_BIN_EXE_converge"));
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(site.dir.path())
        .env("HOME", site.dir.path())
        .env("XDG_CACHE_HOME", site.path("cache"))
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("SSH_ASKPASS")
        .env_remove("SSH_ASKPASS_REQUIRE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs: is bsdutils installed?");
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut shown, mut piece) = (String::new(), [0; 4096]);
    let mut typed = false;
    while let Ok(read @ 1..) = screen.read(&mut piece) {
        shown.push_str(&String::from_utf8_lossy(&piece[..read]));
        if !typed && shown.contains(&format!("Passphrase for {}: ", key.display())) {
            keyboard.write_all(b"correct horse\n").unwrap();
            typed = true;
        }
    }
    assert!(terminal.wait().unwrap().success() && typed, "{shown}");
    assert!(shown.contains("gpu1") && !shown.contains("correct horse"), "{shown}");
}

#[test]
fn ask_pass_asks_before_anything_is_connected_and_its_answer_is_in_no_log() {
    let Some(site) = with_password(ONLY_PASSWORD) else { return };
    inventory(&site);
    site.configure(REACHED);
    let (code, text) = converge(&site, "echo 'correct horse'", &["facts", "--ask-pass"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(fs::read_to_string(site.path("asked")).unwrap(), "SSH password: \n");
    assert!(text.contains("TRACE") && !text.contains("correct horse"), "{text}");
    let bytes = format!("{:?}", PASSWORD.as_bytes());
    assert!(!text.contains(bytes.trim_matches(['[', ']'])), "the password is in the log, byte by byte");

    let (code, text) = converge(&site, "exit 1", &["facts", "-k"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("a password is to be asked for, and nobody can be"), "{text}");
}

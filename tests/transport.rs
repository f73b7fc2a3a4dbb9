//! The transport against real sshd on loopback, and the local one under the same contracts.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/sshd.rs"]
mod sshd;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use converge::model::HostName;
use converge::transport::{
    AfterTimeout, AnyConnector, AnySession, Command, Completed, Connector as _, Outcome, OutputChunk, OutputEnd,
    Session, SshOptions, SshTarget, Stage, Target, TargetKind, TransportError, Tried, UnknownCause,
};
use sshd::{SshAgent, Sshd, SshdOptions, keygen, knowing, public_key, serve, user};

/// Longer than anything here takes, so that only what must time out does.
const PLENTY: Duration = Duration::from_secs(60);

fn command(script: &str) -> Command {
    Command { script: script.as_bytes().to_vec(), input: Vec::new(), limit: PLENTY, output_limit: 64 << 20 }
}

async fn run(session: &impl Session, command: &Command) -> Completed {
    session.run(command, &mut |_| ()).await.unwrap()
}

/// A server, a key that it accepts, and a client set up for both.
struct Bench {
    dir: tempfile::TempDir,
    key: PathBuf,
    sshd: Sshd,
    options: SshOptions,
}

impl Bench {
    fn new() -> Self {
        Self::with("ed25519", &SshdOptions::default())
    }

    fn with(key_type: &str, options: &SshdOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, sshd) = serve(dir.path(), key_type, options);
        let options = knowing(&user(), dir.path(), [&sshd]);
        Self { dir, key, sshd, options }
    }

    fn target(&self) -> Target {
        target(self.sshd.port, Some(&self.key))
    }

    async fn connect(&self) -> Result<AnySession, TransportError> {
        self.connect_to(self.target()).await
    }

    async fn connect_to(&self, target: Target) -> Result<AnySession, TransportError> {
        AnyConnector::new(self.options.clone()).connect(&target).await
    }

    /// Replaces the client's known_hosts.
    fn knows(&self, text: &str) {
        fs::write(&self.options.known_hosts[0], text).unwrap();
    }

    fn agent(&self) -> SshAgent {
        SshAgent::start(self.dir.path())
    }
}

fn target(port: u16, key: Option<&Path>) -> Target {
    Target {
        name: HostName::parse("gpu07").unwrap(),
        kind: TargetKind::Ssh(SshTarget {
            address: "127.0.0.1".into(),
            port: Some(port),
            identity_file: key.map(Path::to_owned),
            ..SshTarget::default()
        }),
        become_user: None,
    }
}

async fn local() -> AnySession {
    let target = Target { name: HostName::parse("here").unwrap(), kind: TargetKind::Local, become_user: None };
    AnyConnector::new(SshOptions::for_home("nobody", Path::new("/nonexistent"))).connect(&target).await.unwrap()
}

mod contract {
    //! What holds for every session.
    use super::*;

    pub(super) async fn several_commands_one_after_the_other(session: &impl Session) {
        for status in [0, 1, 7, 126, 255] {
            let completed = run(session, &command(&format!("echo out{status}; echo err >&2; exit {status}"))).await;
            assert_eq!(completed.outcome, Outcome::Exited(status));
            assert_eq!(completed.stdout, format!("out{status}\n").into_bytes());
            assert_eq!(completed.stderr, b"err\n");
            assert_eq!((completed.dropped, completed.end), (0, OutputEnd::Complete));
        }
    }

    pub(super) async fn a_few_commands_at_a_time(session: &impl Session) {
        let (a, b, c) = (command("sleep 0.3; echo a"), command("sleep 0.2; echo b"), command("echo c"));
        let start = Instant::now();
        let (a, b, c) = tokio::join!(run(session, &a), run(session, &b), run(session, &c));
        assert_eq!([a.stdout, b.stdout, c.stdout], [b"a\n", b"b\n", b"c\n"]);
        assert!(start.elapsed() < PLENTY / 2);
    }

    pub(super) async fn a_signal_is_no_exit_status(session: &impl Session) {
        assert_eq!(run(session, &command("kill -TERM $$")).await.outcome, Outcome::Signaled("TERM".into()));
        assert_eq!(run(session, &command("kill -KILL $$")).await.outcome, Outcome::Signaled("KILL".into()));
    }

    pub(super) async fn large_output_arrives_whole(session: &impl Session) {
        let script = "head -c 10000000 /dev/zero | tr '\\0' x; head -c 5000000 /dev/zero | tr '\\0' y >&2";
        let mut seen = 0;
        let completed = session.run(&command(script), &mut |chunk| seen += chunk.bytes.len()).await.unwrap();
        assert_eq!((completed.outcome, completed.end), (Outcome::Exited(0), OutputEnd::Complete));
        assert!(completed.stdout.len() == 10_000_000 && completed.stdout.iter().all(|&byte| byte == b'x'));
        assert!(completed.stderr.len() == 5_000_000 && completed.stderr.iter().all(|&byte| byte == b'y'));
        assert_eq!((seen, completed.dropped), (15_000_000, 0));
    }

    pub(super) async fn any_bytes_arrive_as_they_are(session: &impl Session) {
        let completed = run(session, &command(r"printf '\377\000\033[2J\351\n'")).await;
        assert_eq!(completed.stdout, b"\xff\x00\x1b[2J\xe9\n");
    }

    pub(super) async fn output_beyond_the_limit_is_counted(session: &impl Session) {
        let limited = Command { output_limit: 1000, ..command("head -c 300000 /dev/zero; echo end >&2") };
        let completed = run(session, &limited).await;
        assert_eq!(completed.outcome, Outcome::Exited(0));
        assert_eq!(completed.stdout.len() + completed.stderr.len(), 1000);
        assert_eq!(completed.dropped, 300_004 - 1000);
    }

    pub(super) async fn a_time_out_says_so(session: &impl Session, process: AfterTimeout) {
        // Long enough for a loaded machine to start the shell and print.
        let limit = Duration::from_secs(3);
        let start = Instant::now();
        let completed = run(session, &Command { limit, ..command("echo before; sleep 30; echo after") }).await;
        assert_eq!(completed.outcome, Outcome::Unknown(UnknownCause::TimedOut { limit, process }));
        assert_eq!((completed.stdout, completed.end), (b"before\n".to_vec(), OutputEnd::CutOff));
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(run(session, &command("echo still here")).await.stdout, b"still here\n");
    }

    pub(super) async fn a_background_child_that_holds_the_output_does_not_hold_us(session: &impl Session) {
        let start = Instant::now();
        let completed = run(session, &command("sleep 20 & echo started; exit 3")).await;
        assert_eq!((completed.outcome, completed.end), (Outcome::Exited(3), OutputEnd::HeldOpen));
        assert_eq!(completed.stdout, b"started\n");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(run(session, &command("exit 4")).await.outcome, Outcome::Exited(4));
    }

    pub(super) async fn a_detached_child_does_not_count(session: &impl Session) {
        let completed = run(session, &command("sleep 20 </dev/null >/dev/null 2>&1 & exit 0")).await;
        assert_eq!((completed.outcome, completed.end), (Outcome::Exited(0), OutputEnd::Complete));
    }

    pub(super) async fn a_long_script_is_fed_whole_and_one_that_ends_early_does_not_block(session: &impl Session) {
        let padding = format!("# {}\n", "x".repeat(100)).repeat(60_000);
        let completed = run(session, &command(&format!("{padding}echo read all\n"))).await;
        assert_eq!(completed.stdout, b"read all\n");
        let completed = run(session, &command(&format!("exit 5\n{padding}"))).await;
        assert_eq!(completed.outcome, Outcome::Exited(5));
        assert_eq!(run(session, &command("exit 6")).await.outcome, Outcome::Exited(6));
    }
}

macro_rules! contracts {
    ($($name:ident($($argument:expr, $argument_local:expr)?);)*) => {
        mod over_ssh {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let bench = Bench::new();
                let session = bench.connect().await.unwrap();
                contract::$name(&session $(, $argument)?).await;
                session.close().await;
            })*
        }
        mod locally {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let session = local().await;
                contract::$name(&session $(, $argument_local)?).await;
                session.close().await;
            })*
        }
    };
}

contracts! {
    several_commands_one_after_the_other();
    a_few_commands_at_a_time();
    a_signal_is_no_exit_status();
    large_output_arrives_whole();
    any_bytes_arrive_as_they_are();
    output_beyond_the_limit_is_counted();
    a_time_out_says_so(AfterTimeout::MayBeRunning, AfterTimeout::Killed);
    a_background_child_that_holds_the_output_does_not_hold_us();
    a_detached_child_does_not_count();
    a_long_script_is_fed_whole_and_one_that_ends_early_does_not_block();
}

#[tokio::test]
async fn each_type_of_key_logs_in() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let bench = Bench::with(kind, &SshdOptions::default());
        let session = bench.connect().await.unwrap();
        assert_eq!(run(&session, &command("echo $((6*7))")).await.stdout, b"42\n", "{kind}");
    }
}

#[tokio::test]
async fn each_type_of_host_key_is_accepted_when_it_is_the_one_that_is_known() {
    let options = SshdOptions { host_keys: vec!["ed25519", "ecdsa", "rsa"], ..SshdOptions::default() };
    let bench = Bench::with("ed25519", &options);
    for kind in options.host_keys {
        bench.knows(&format!("[127.0.0.1]:{} {}\n", bench.sshd.port, bench.sshd.host_key(kind)));
        bench.connect().await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn the_agent_logs_in_with_each_type_of_key() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let mut bench = Bench::with(kind, &SshdOptions::default());
        let agent = bench.agent();
        agent.add(&bench.key, "");
        bench.options.agent = Some(agent.socket.clone());
        let session = bench.connect_to(target(bench.sshd.port, None)).await.unwrap();
        assert_eq!(run(&session, &command("exit 9")).await.outcome, Outcome::Exited(9), "{kind}");
    }
}

#[tokio::test]
async fn the_default_files_log_in() {
    let mut bench = Bench::new();
    bench.options.identities = vec![bench.dir.path().join("missing"), bench.key.clone()];
    bench.connect_to(target(bench.sshd.port, None)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_server_does_not_know_is_refused_and_named() {
    let bench = Bench::new();
    let other = bench.dir.path().join("other");
    keygen(&other, "ed25519", "");
    let error = bench.connect_to(target(bench.sshd.port, Some(&other))).await.unwrap_err();
    let TransportError::AuthRejected { tried, accepts, .. } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 1);
    assert_eq!((&tried[0].identity, &tried[0].tried), (&other.display().to_string(), &Tried::Rejected));
    assert_eq!(accepts, &["publickey"]);
    assert!(error.is_unreachable());
    assert!(error.to_string().contains("gpu07"), "{error}");
    assert!(error.hint().unwrap().contains(&format!("-p {}", bench.sshd.port)));
}

#[tokio::test]
async fn a_full_agent_does_not_use_up_the_servers_patience() {
    let mut bench = Bench::new();
    let agent = bench.agent();
    for index in 0..8 {
        let path = bench.dir.path().join(format!("other{index}"));
        keygen(&path, "ed25519", "");
        agent.add(&path, "");
    }
    bench.options.agent = Some(agent.socket.clone());

    let error = bench.connect_to(target(bench.sshd.port, None)).await.unwrap_err();
    let TransportError::AuthRejected { tried, .. } = &error else { panic!("{error}") };
    let count = |wanted: &Tried| tried.iter().filter(|identity| identity.tried == *wanted).count();
    assert_eq!((count(&Tried::Rejected), count(&Tried::NotOffered)), (5, 3));
    assert!(error.hint().unwrap().contains("ansible_ssh_private_key_file"));

    // A file that is named comes before all of them, and so does an agent's key that is also a default file.
    bench.connect().await.unwrap();
    agent.add(&bench.key, "");
    bench.options.identities = vec![bench.key.clone()];
    bench.connect_to(target(bench.sshd.port, None)).await.unwrap();
}

#[tokio::test]
async fn an_encrypted_key_needs_the_agent() {
    let mut bench = Bench::new();
    let encrypted = bench.dir.path().join("encrypted");
    keygen(&encrypted, "ed25519", "correct horse");
    fs::write(bench.dir.path().join("sshd/authorized_keys"), public_key(&encrypted)).unwrap();

    let error = bench.connect_to(target(bench.sshd.port, Some(&encrypted))).await.unwrap_err();
    assert!(matches!(error, TransportError::NoIdentity { .. }), "{error}");
    assert!(error.to_string().contains("encrypted"), "{error}");
    assert_eq!(error.hint().unwrap(), format!("ssh-add {}", encrypted.display()));

    let agent = bench.agent();
    agent.add(&encrypted, "correct horse");
    bench.options.agent = Some(agent.socket.clone());
    bench.connect_to(target(bench.sshd.port, Some(&encrypted))).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_gone_does_not_stop_a_file() {
    let mut bench = Bench::new();
    bench.options.agent = Some(bench.dir.path().join("no such socket"));
    bench.connect().await.unwrap();
    let error = bench.connect_to(target(bench.sshd.port, None)).await.unwrap_err();
    assert!(error.to_string().contains("no such socket"), "{error}");
}

#[tokio::test]
async fn an_unknown_host_key_is_refused_with_its_fingerprint() {
    let bench = Bench::new();
    bench.knows("");
    let error = bench.connect().await.unwrap_err();
    let TransportError::HostKeyUnknown { fingerprint, algorithm, .. } = &error else { panic!("{error}") };
    assert!(fingerprint.starts_with("SHA256:"));
    assert_eq!(algorithm, "ssh-ed25519");
    let hint = error.hint().unwrap();
    assert!(hint.contains(&format!("ssh-keyscan -p {} 127.0.0.1 >> ", bench.sshd.port)), "{hint}");

    // A file that isn't there knows nobody.
    fs::remove_file(&bench.options.known_hosts[0]).unwrap();
    assert!(matches!(bench.connect().await.unwrap_err(), TransportError::HostKeyUnknown { .. }));
}

#[tokio::test]
async fn a_changed_host_key_is_refused_with_both_fingerprints_and_the_line() {
    let bench = Bench::new();
    let other = bench.dir.path().join("other");
    keygen(&other, "ed25519", "");
    bench.knows(&format!("# comment\n[127.0.0.1]:{} {}\n", bench.sshd.port, public_key(&other)));
    let error = bench.connect().await.unwrap_err();
    let TransportError::HostKeyChanged { known, .. } = &error else { panic!("{error}") };
    assert_eq!(known[0].at.line, 2);
    assert_eq!(error.to_string().matches("SHA256:").count(), 2, "{error}");
    assert!(error.to_string().contains("known_hosts:2"), "{error}");
    assert!(error.hint().unwrap().contains(&format!("ssh-keygen -R '[127.0.0.1]:{}'", bench.sshd.port)));
}

#[tokio::test]
async fn a_host_that_has_none_of_the_known_types_is_refused() {
    let bench = Bench::new();
    let other = bench.dir.path().join("other");
    keygen(&other, "rsa", "");
    bench.knows(&format!("[127.0.0.1]:{} {}\n", bench.sshd.port, public_key(&other)));
    let error = bench.connect().await.unwrap_err();
    assert!(matches!(error, TransportError::HostKeyTypes { .. }), "{error}");
    assert!(error.to_string().contains("ssh-ed25519"), "{error}");
}

#[tokio::test]
async fn a_revoked_host_key_is_refused_even_if_it_is_also_known() {
    let bench = Bench::new();
    bench.knows(&format!("{}@revoked * {}\n", bench.sshd.known_hosts(), bench.sshd.host_key("ed25519")));
    let error = bench.connect().await.unwrap_err();
    assert!(matches!(&error, TransportError::HostKeyRevoked { at, .. } if at.line == 2), "{error}");
}

#[tokio::test]
async fn a_certificate_authority_is_no_host_key() {
    let bench = Bench::new();
    bench.knows(&format!("@cert-authority * {}\n", bench.sshd.host_key("ed25519")));
    let error = bench.connect().await.unwrap_err();
    assert!(matches!(error, TransportError::HostKeyUnknown { authority: Some(_), .. }), "{error}");
}

#[tokio::test]
async fn known_hosts_that_can_not_be_read_stop_the_connection() {
    let mut bench = Bench::new();
    // A directory can't be read as a file by anybody, root included.
    bench.options.known_hosts.push(bench.dir.path().to_owned());
    let error = bench.connect().await.unwrap_err();
    assert!(matches!(error, TransportError::KnownHostsUnreadable { .. }), "{error}");
    assert!(!error.is_unreachable());
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_costs_its_own_time_out() {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut bench = Bench::new();
    bench.options.handshake_timeout = Duration::from_millis(300);
    let start = Instant::now();
    let connector = AnyConnector::new(bench.options.clone());
    let (hangs, works) = (target(silent.local_addr().unwrap().port(), Some(&bench.key)), bench.target());
    let (hangs, works) = tokio::join!(connector.connect(&hangs), connector.connect(&works));
    let error = hangs.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { stage: Stage::Handshake, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    works.unwrap();
}

#[tokio::test]
async fn a_handshake_that_is_given_up_leaves_no_connection_behind() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-Stuck\r\n").await.unwrap();
        let mut everything = Vec::new();
        stream.read_to_end(&mut everything).await.map(|_| everything)
    });
    let mut bench = Bench::new();
    bench.options.handshake_timeout = Duration::from_millis(300);
    let error = bench.connect_to(target(port, Some(&bench.key))).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { stage: Stage::Handshake, .. }), "{error}");
    let sent = tokio::time::timeout(Duration::from_secs(10), server).await.expect("the client hangs up").unwrap();
    assert!(sent.unwrap().starts_with(b"SSH-2.0-"));
}

#[tokio::test]
async fn nobody_there_says_what_was_tried() {
    let bench = Bench::new();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = bench.connect_to(target(free, None)).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{free}")), "{error}");
}

#[tokio::test]
async fn whatever_is_no_ssh_server_is_named_so() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 \x1b[2J\r\n\r\n").await;
        }
    });
    let error = Bench::new().connect_to(target(port, None)).await.unwrap_err();
    assert!(matches!(error, TransportError::Handshake { .. }), "{error}");
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

#[tokio::test]
async fn a_connection_that_dies_in_mid_command_leaves_the_outcome_unknown() {
    let bench = Bench::new();
    let session = bench.connect().await.unwrap();
    let mut killed = false;
    let completed = session
        .run(&command("echo started; sleep 30; echo done"), &mut |_| {
            killed = true;
            bench.sshd.kill_connections();
        })
        .await
        .unwrap();
    assert!(killed);
    assert!(matches!(completed.outcome, Outcome::Unknown(UnknownCause::Lost { .. })), "{:?}", completed.outcome);
    assert_eq!((completed.stdout, completed.end), (b"started\n".to_vec(), OutputEnd::CutOff));

    // From then on nothing starts any more, and that is an error.
    let error = session.run(&command("echo again"), &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, TransportError::Lost { stage: Stage::OpenChannel, .. }), "{error}");
}

#[tokio::test]
async fn a_login_shell_that_prints_does_not_stop_the_script() {
    let config = "ForceCommand echo noise; echo more noise >&2; eval \"$SSH_ORIGINAL_COMMAND\"".to_owned();
    let bench = Bench::with("ed25519", &SshdOptions { config, ..SshdOptions::default() });
    let session = bench.connect().await.unwrap();
    let completed = run(&session, &command("echo mine; exit 2")).await;
    assert_eq!(completed.outcome, Outcome::Exited(2));
    // What is said before the script begins isn't the script's.
    assert_eq!((completed.stdout, completed.stderr), (b"mine\n".to_vec(), Vec::new()));
}

#[tokio::test]
async fn one_command_more_than_the_server_allows_is_refused_and_the_others_go_on() {
    let config = "MaxSessions 2".to_owned();
    let bench = Bench::with("ed25519", &SshdOptions { config, ..SshdOptions::default() });
    let session = bench.connect().await.unwrap();
    let (long, short) = (command("echo started; sleep 3; echo long"), command("echo short"));
    let started = std::sync::atomic::AtomicUsize::new(0);
    let count = |chunk: OutputChunk<'_>| {
        if chunk.bytes.starts_with(b"started") {
            started.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (mut first, mut second) = (count, count);
    let (a, b, refused) = tokio::join!(session.run(&long, &mut first), session.run(&long, &mut second), async {
        while started.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        session.run(&short, &mut |_| ()).await
    });
    assert_eq!([a.unwrap().stdout, b.unwrap().stdout], [b"started\nlong\n", b"started\nlong\n"]);
    assert!(matches!(refused.unwrap_err(), TransportError::SessionRefused { .. }));
    assert_eq!(run(&session, &short).await.stdout, b"short\n");
}

#[tokio::test]
async fn closing_and_dropping_both_end_the_connection() {
    let bench = Bench::new();
    for close in [true, false] {
        let session = bench.connect().await.unwrap();
        run(&session, &command("true")).await;
        assert!(!bench.sshd.connections().is_empty());
        if close {
            session.close().await;
        } else {
            drop(session);
        }
        let start = Instant::now();
        while !bench.sshd.connections().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "the connection is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn many_servers_at_once_over_one_connector() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let servers = Sshd::start_many(dir.path(), 8, &public_key(&bench.key), &SshdOptions::default());
    bench.knows(&servers.iter().map(Sshd::known_hosts).collect::<String>());
    let connector = std::sync::Arc::new(AnyConnector::new(bench.options.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    for server in &servers {
        let (connector, target) = (connector.clone(), target(server.port, Some(&bench.key)));
        tasks.spawn(async move {
            let session = connector.connect(&target).await.unwrap();
            let completed = run(&session, &command("echo hello")).await;
            session.close().await;
            completed.stdout
        });
    }
    assert_eq!(tasks.join_all().await, vec![b"hello\n".to_vec(); servers.len()]);
}

/// A script of several lines, with quotes, that reads only what is its own; and bytes that would end any here-document.
async fn takes_input(session: &impl Session) {
    let script = "n='it'\\''s'\necho \"$n\"\nwc -c\necho \"$(true)end\"\n";
    for input in [b"\0\xff\r\nact\n'\"$(exit 3)\nEND\n".to_vec(), vec![b'x'; 5 << 20]] {
        let length = input.len();
        let completed = run(session, &Command { input, ..command(script) }).await;
        assert_eq!(completed.outcome, Outcome::Exited(0));
        let said = String::from_utf8(completed.stdout).unwrap();
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["it's", &length.to_string(), "end"]);
    }
    // Who reads nothing of it keeps nobody waiting.
    let completed = run(session, &Command { input: vec![b'x'; 5 << 20], ..command("echo done\n") }).await;
    assert_eq!((completed.outcome, completed.stdout), (Outcome::Exited(0), b"done\n".to_vec()));
}

#[tokio::test]
async fn input_reaches_the_script_whole_whatever_it_holds() {
    let bench = Bench::new();
    takes_input(&bench.connect().await.unwrap()).await;
    takes_input(&converge::transport::LocalConnector.connect(&HostName::parse("here").unwrap())).await;
}

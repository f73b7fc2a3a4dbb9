//! Servers that are set up strictly or break off, and what goes over them: a real sshd on loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/sshd.rs"]
mod sshd;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::{Account, can_make};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::HostName;
use converge::transport::{
    AnyConnector, AnySession, Command, Completed, Connector as _, Outcome, OutputEnd, Session, SshOptions, SshTarget,
    Target, TargetKind, UnknownCause,
};
use sshd::{Sshd, SshdOptions, knowing, serve, user};
use tokio::task::JoinSet;

/// Longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(120);

fn command(script: &str) -> Command {
    Command { script: script.as_bytes().to_vec(), input: Vec::new(), limit: PLENTY, output_limit: 128 << 20 }
}

struct Bench {
    _dir: tempfile::TempDir,
    key: PathBuf,
    sshd: Sshd,
    options: SshOptions,
}

impl Bench {
    fn new(config: &str) -> Self {
        Self::of(&user(), SshdOptions { config: config.to_owned(), ..SshdOptions::default() })
    }

    fn of(login: &str, options: SshdOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, sshd) = serve(dir.path(), "ed25519", &options);
        let options = knowing(login, dir.path(), [&sshd]);
        Self { _dir: dir, key, sshd, options }
    }

    fn target(&self, address: &str) -> Target {
        let ssh = SshTarget {
            address: address.into(),
            port: Some(self.sshd.port),
            identity_file: Some(self.key.clone()),
            ..SshTarget::default()
        };
        Target { name: HostName::parse("gpu07").unwrap(), kind: TargetKind::Ssh(ssh), become_user: None }
    }

    async fn connect(&self) -> AnySession {
        AnyConnector::new(self.options.clone()).connect(&self.target("127.0.0.1")).await.unwrap()
    }
}

async fn run(session: &impl Session, script: &str) -> Completed {
    session.run(&command(script), &mut |_| ()).await.unwrap()
}

/// 32 MB each way at the same time, through a pipe that holds 64 KB.
async fn much_goes_both_ways(session: &AnySession) {
    let line = format!("{}\n", "0123456789abcde".repeat(64));
    let text = line.repeat(32 * 1024 * 1024 / line.len());
    let completed = run(session, &format!("cat <<'END'\n{text}END\n")).await;
    assert_eq!((completed.outcome, completed.end), (Outcome::Exited(0), OutputEnd::Complete));
    assert!(completed.stdout == text.as_bytes(), "{} of {} bytes", completed.stdout.len(), text.len());
}

#[tokio::test]
async fn much_goes_both_ways_at_once() {
    much_goes_both_ways(&Bench::new("").connect().await).await;
}

#[tokio::test]
async fn keys_are_exchanged_anew_in_the_middle_of_it() {
    let bench = Bench::new("RekeyLimit 256K 1\nLogLevel DEBUG1");
    let session = bench.connect().await;
    much_goes_both_ways(&session).await;
    let after_a_while = run(&session, "echo before; sleep 3; echo after").await;
    assert_eq!(after_a_while.stdout, b"before\nafter\n");
    let exchanges = bench.sshd.log().matches("SSH2_MSG_NEWKEYS received").count();
    assert!(exchanges > 20, "{exchanges} exchanges");
}

#[tokio::test]
async fn who_is_turned_away_while_many_log_in_comes_again() {
    let bench = Bench::new("MaxStartups 2");
    let connector = Arc::new(AnyConnector::new(bench.options.clone()));
    let mut connecting = JoinSet::new();
    for _ in 0..10 {
        let (connector, target) = (Arc::clone(&connector), bench.target("127.0.0.1"));
        connecting.spawn(async move { run(&connector.connect(&target).await.unwrap(), "echo in").await.stdout });
    }
    while let Some(done) = connecting.join_next().await {
        assert_eq!(done.unwrap(), b"in\n");
    }
    let log = bench.sshd.log();
    assert!(log.contains("MaxStartups"), "nobody was turned away, so nothing was tested: {log}");
}

#[tokio::test]
async fn who_is_always_turned_away_is_told_so_in_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let counting = std::thread::spawn(move || (0..5).map(|_| drop(listener.accept().unwrap())).count());
    let bench = Bench::new("");
    let mut target = bench.target("127.0.0.1");
    if let TargetKind::Ssh(ssh) = &mut target.kind {
        ssh.port = Some(port);
    }
    let start = Instant::now();
    let error = AnyConnector::new(bench.options.clone()).connect(&target).await.unwrap_err();
    assert!(error.is_turned_away() && error.hint().unwrap().contains("lower --forks"), "{error}");
    assert_eq!(counting.join().unwrap(), 5);
    assert!(start.elapsed() >= Duration::from_millis(7500));
}

#[tokio::test]
async fn a_server_with_one_session_a_connection_gets_more_connections() {
    let bench = Bench::new("MaxSessions 1");
    let target = bench.target("127.0.0.1");
    let host = target.name.clone();
    let limits = Limits { forks: 4, probe: PLENTY };
    let fleet =
        Fleet::new(AnyConnector::new(bench.options.clone()), [(host.clone(), target)].into(), limits, Sessions::Kept);
    let long = tokio::spawn({
        let (fleet, host) = (Arc::clone(&fleet), host.clone());
        async move { fleet.run(&host, &command("echo a; sleep 2; echo b"), &mut |_| ()).await.unwrap().stdout }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        let short = fleet.run(&host, &command("echo c"), &mut |_| ()).await.unwrap();
        assert_eq!(short.stdout, b"c\n");
    }
    assert_eq!(long.await.unwrap(), b"a\nb\n");
}

#[tokio::test]
async fn a_host_has_an_address_of_the_new_kind() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let bench = Bench::new("ListenAddress ::1");
    let known = bench.sshd.known_hosts().replace("[127.0.0.1]", "[::1]");
    fs::write(&bench.options.known_hosts[0], known).unwrap();
    let session = AnyConnector::new(bench.options.clone()).connect(&bench.target("::1")).await.unwrap();
    assert_eq!(run(&session, "echo \"${SSH_CONNECTION%% *}\"").await.stdout, b"::1\n");
}

#[tokio::test]
async fn a_host_that_falls_silent_is_given_up() {
    let mut bench = Bench::new("");
    bench.options.keepalive_interval = Duration::from_millis(500);
    let session = bench.connect().await;
    let freeze = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let connections = bench.sshd.connections();
        let pids = connections.iter().map(u32::to_string);
        assert!(std::process::Command::new("kill").arg("-STOP").args(pids).status().unwrap().success());
    };
    let start = Instant::now();
    let ((), completed) = tokio::join!(freeze, run(&session, "echo here; sleep 60"));
    assert!(matches!(completed.outcome, Outcome::Unknown(UnknownCause::Lost { .. })), "{:?}", completed.outcome);
    assert_eq!(completed.stdout, b"here\n");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_user_without_a_home_is_no_worse_off() {
    if !can_make(&[]) {
        return;
    }
    let login = Account::new("/bin/bash");
    fs::remove_dir_all(login.home()).unwrap();
    let options = SshdOptions { home: Some(login.home()), ..SshdOptions::default() };
    let bench = Bench::of(&login.name, options);
    let completed = run(&bench.connect().await, "id -un; cd; pwd; exit 4").await;
    assert_eq!(completed.outcome, Outcome::Exited(4));
    assert_eq!(String::from_utf8(completed.stdout).unwrap(), format!("{}\n/\n", login.name));
}

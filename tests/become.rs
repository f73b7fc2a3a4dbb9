//! Becoming another user on a host: real sudo, su and doas behind a real sshd, and on this machine itself.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/sshd.rs"]
mod sshd;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use accounts::{Account, can_make};
use converge::execute::{Attempt, Jobs, Lease, Locks as _, NotLocked};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{BecomeMethod, BecomeUser, HostName, RunId, Secret, Timestamp};
use converge::plan::Script;
use converge::remote::{Claim, LockAnswer, LockAsk, LockKind, LockRecord};
use converge::transport::{
    AnyConnector, AnySession, BecomeFailure, Command, Completed, Connector as _, Outcome, OutputChunk, OutputEnd,
    Session, SshOptions, SshTarget, Target, TargetKind, TransportError,
};
use sshd::{Sshd, SshdOptions, knowing, serve};

/// Longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(60);

fn command(script: &str) -> Command {
    Command { script: script.as_bytes().to_vec(), input: Vec::new(), limit: PLENTY, output_limit: 64 << 20 }
}

/// A server that lets one user in, and a client that knows it.
struct Bench {
    login: Account,
    _dir: tempfile::TempDir,
    sshd: Sshd,
    options: SshOptions,
    connector: AnyConnector,
    target: Target,
}

impl Bench {
    fn new() -> Self {
        Self::of(Account::new("/bin/bash"))
    }

    fn of(login: Account) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = "LogLevel VERBOSE".to_owned();
        let options = SshdOptions { config, home: Some(login.home()), ..SshdOptions::default() };
        let (key, sshd) = serve(dir.path(), "ed25519", &options);
        let options = knowing(&login.name, dir.path(), [&sshd]);
        let ssh = SshTarget {
            address: "127.0.0.1".into(),
            port: Some(sshd.port),
            identity_file: Some(key),
            ..SshTarget::default()
        };
        let target = Target { name: HostName::parse("gpu07").unwrap(), kind: TargetKind::Ssh(ssh), become_user: None };
        Self { login, _dir: dir, sshd, connector: AnyConnector::new(options.clone()), options, target }
    }

    async fn connect(&self, method: BecomeMethod, user: &str, password: Option<&str>) -> AnySession {
        self.try_connect(method, user, password).await.unwrap()
    }

    async fn try_connect(
        &self,
        method: BecomeMethod,
        user: &str,
        password: Option<&str>,
    ) -> Result<AnySession, TransportError> {
        let become_user = Some(BecomeUser { method, user: user.to_owned(), password: password.map(Secret::new) });
        self.connector.connect(&Target { become_user, ..self.target.clone() }).await
    }

    /// A controller that does everything as this user.
    fn fleet(&self, user: &str) -> Arc<Fleet<AnyConnector>> {
        let become_user = Some(BecomeUser { method: BecomeMethod::Sudo, user: user.to_owned(), password: None });
        let target = Target { become_user, ..self.target.clone() };
        let limits = Limits { forks: 1, probe: PLENTY };
        Fleet::new(
            AnyConnector::new(self.options.clone()),
            [(target.name.clone(), target)].into(),
            limits,
            Sessions::Kept,
        )
    }

    /// How many commands the server was asked to run.
    fn commands(&self) -> usize {
        self.sshd.log().matches("Starting session: command").count()
    }
}

async fn run(session: &impl Session, script: &str) -> Completed {
    session.run(&command(script), &mut |_| ()).await.unwrap()
}

async fn failure(session: &impl Session) -> BecomeFailure {
    match session.run(&command("echo never >/tmp/converge-never-$$"), &mut |_| ()).await {
        Err(TransportError::Become { failure, .. }) => failure,
        other => panic!("{other:?}"),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What holds for a script of any user, whatever made it: the user and what is the user's, statuses, both streams, bytes as they
/// are, and a script of any length that reads to its end.
async fn holds(session: &AnySession, user: &str, streams: usize) {
    let script = "id -un; printf '%s\\n' \"$HOME\" \"$PWD\" \"${LC_ALL-none}\"; basename \"$(command -v useradd)\"; echo to err >&2; exit 7\n";
    let completed = run(session, script).await;
    assert_eq!(completed.outcome, Outcome::Exited(7), "{completed:?}");
    let home = format!("/home/{user}");
    let expected = format!("{user}\n{home}\n{home}\nnone\nuseradd\n");
    match streams {
        2 => assert_eq!((text(&completed.stdout), text(&completed.stderr)), (expected.as_str(), "to err\n")),
        _ => assert_eq!(text(&completed.stdout), format!("{expected}to err\n")),
    }
    assert_eq!(
        run(session, r"printf '\377\000\033[2J\351\004\003\r\n'").await.stdout,
        b"\xff\x00\x1b[2J\xe9\x04\x03\r\n"
    );
    let padding = format!("# {}\n", "x".repeat(97)).repeat(3000);
    let completed = run(session, &format!("{padding}read -r line; echo \"got $line\"\nthe next line\n")).await;
    assert!(text(&completed.stdout).starts_with("got"), "{completed:?}");
    let large = run(session, "head -c 3000000 /dev/zero | tr '\\0' x; cat /dev/null").await;
    assert_eq!((large.stdout.len(), large.outcome, large.end), (3_000_000, Outcome::Exited(0), OutputEnd::Complete));
    // Input of its own, behind the script, whatever it holds.
    let input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let fed = Command { input: input.clone(), ..command("l=mine\ncat\nexit 3\n") };
    let completed = session.run(&fed, &mut |_| ()).await.unwrap();
    assert_eq!((completed.stdout == input, completed.outcome), (true, Outcome::Exited(3)));
    assert_eq!(run(session, "exit 0").await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn sudo_without_a_password_costs_one_round_trip_and_no_more() {
    if !can_make(&["sudo"]) {
        return;
    }
    let (bench, bai) = (Bench::new(), Account::new("/bin/bash"));
    bench.login.may("NAME ALL=(ALL) NOPASSWD: ALL\nDefaults:NAME secure_path=/usr/bin, use_pty, lecture=always");
    for password in [None, Some("nobody asks for it")] {
        let session = bench.connect(BecomeMethod::Sudo, &bai.name, password).await;
        let before = bench.commands();
        assert_eq!(text(&run(&session, "id -un").await.stdout).trim(), bai.name);
        assert_eq!(bench.commands() - before, 1);
        holds(&session, &bai.name, 2).await;
    }
    let root = bench.connect(BecomeMethod::Sudo, "root", None).await;
    assert_eq!(text(&run(&root, "id -u; pwd").await.stdout), "0\n/root\n");
}

#[tokio::test]
async fn sudo_takes_a_password_on_standard_input_in_the_same_round_trip() {
    if !can_make(&["sudo"]) {
        return;
    }
    for extra in ["lecture=always", "timestamp_timeout=0", "use_pty, timestamp_type=global, passwd_tries=1"] {
        let (bench, bai) = (Bench::new(), Account::new("/bin/bash"));
        bench.login.may(&format!("NAME ALL=(ALL) ALL\nDefaults:NAME {extra}"));
        let session = bench.connect(BecomeMethod::Sudo, &bai.name, Some(&bench.login.password)).await;
        let seen = run(&session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; cat /proc/[0-9]*/environ 2>/dev/null").await;
        let password = bench.login.password.as_bytes();
        assert!(!seen.stdout.windows(password.len()).any(|window| window == password), "{extra}");
        assert_eq!(bench.commands(), 1, "{extra}");
        holds(&session, &bai.name, 2).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_over_all_sessions_and_scripts() {
    if !can_make(&["sudo"]) {
        return;
    }
    let bench = Bench::new();
    let log = bench.login.home().join("sudo.log");
    bench.login.may(&format!("NAME ALL=(ALL) ALL\nDefaults:NAME logfile={}, passwd_tries=5", log.display()));
    let session = bench.connect(BecomeMethod::Sudo, "root", Some("wrong")).await;
    let never = command("exit 0");
    let (mut one, mut other) = (|_: OutputChunk<'_>| (), |_: OutputChunk<'_>| ());
    let (a, b) = tokio::join!(session.run(&never, &mut one), session.run(&never, &mut other));
    for error in [a.unwrap_err(), b.unwrap_err(), session.run(&never, &mut |_| ()).await.unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "gpu07: can't become root by sudo: the password is wrong; it was tried once, and isn't tried again in this run"
        );
        assert!(error.hint().unwrap().contains("sudo -k -u root true"));
        assert!(!format!("{error:?}").contains("\"wrong\""));
    }
    let error = bench.try_connect(BecomeMethod::Sudo, "root", Some("wrong")).await.unwrap_err();
    assert!(error.to_string().contains("the password is wrong"), "{error}");
    let logged = fs::read_to_string(&log).unwrap();
    let attempts: String = logged.replace("\n    ", " ").lines().filter(|line| line.contains("attempt")).collect();
    assert!(attempts.matches("1 incorrect password attempt").count() == 1, "{logged}");
    assert!(!attempts.contains("2 incorrect"), "{logged}");
}

#[tokio::test]
async fn what_sudo_refuses_is_said_and_nothing_is_run() {
    if !can_make(&["sudo"]) {
        return;
    }
    let bench = Bench::new();
    let password = bench.login.password.clone();
    let fail = async |user: &str, password: Option<&str>| {
        failure(&bench.connect(BecomeMethod::Sudo, user, password).await).await
    };
    assert!(
        matches!(fail("root", Some(&password)).await, BecomeFailure::NotAllowed { said } if said.contains("sudoers"))
    );
    bench.login.may("NAME ALL=(ALL) ALL");
    assert_eq!(fail("root", None).await, BecomeFailure::PasswordNeeded);
    assert_eq!(fail("nosuchuser", None).await, BecomeFailure::NoSuchUser);
    bench.login.may("NAME ALL=(root) NOPASSWD: /bin/true");
    assert!(
        matches!(fail("root", Some(&password)).await, BecomeFailure::NotAllowed { said } if said.contains("/bin/sh"))
    );
    // None of that has spoilt the connector for what works.
    bench.login.may("NAME ALL=(ALL) NOPASSWD: ALL");
    assert_eq!(run(&bench.connect(BecomeMethod::Sudo, "root", None).await, "id -u").await.stdout, b"0\n");
    assert!(
        !fs::read_dir("/tmp")
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("converge-never-") })
    );
}

#[tokio::test]
async fn a_sudo_that_wants_a_terminal_gets_one() {
    if !can_make(&["sudo"]) {
        return;
    }
    for extra in ["requiretty", "requiretty, use_pty, lecture=always, timestamp_timeout=0"] {
        let (bench, bai) = (Bench::new(), Account::new("/bin/bash"));
        bench.login.may(&format!("NAME ALL=(ALL) NOPASSWD: ALL\nDefaults:NAME {extra}"));
        holds(&bench.connect(BecomeMethod::Sudo, &bai.name, None).await, &bai.name, 1).await;
        bench.login.may(&format!("NAME ALL=(ALL) ALL\nDefaults:NAME {extra}"));
        assert_eq!(
            failure(&bench.connect(BecomeMethod::Sudo, "root", None).await).await,
            BecomeFailure::PasswordNeeded,
            "{extra}"
        );
        let session = bench.connect(BecomeMethod::Sudo, &bai.name, Some(&bench.login.password)).await;
        holds(&session, &bai.name, 1).await;
    }
    let bench = Bench::new();
    let log = bench.login.home().join("sudo.log");
    bench.login.may(&format!("NAME ALL=(ALL) ALL\nDefaults:NAME requiretty, logfile={}", log.display()));
    let session = bench.connect(BecomeMethod::Sudo, "root", Some("wrong")).await;
    assert_eq!(failure(&session).await, BecomeFailure::WrongPassword);
    assert_eq!(failure(&session).await, BecomeFailure::WrongPassword);
}

#[tokio::test]
async fn su_takes_the_password_of_the_user_to_become() {
    if !can_make(&["su"]) {
        return;
    }
    let (bench, bai) = (Bench::new(), Account::new("/usr/bin/bash"));
    let session = bench.connect(BecomeMethod::Su, &bai.name, Some(&bai.password)).await;
    holds(&session, &bai.name, 2).await;
    let nobody = bench.connect(BecomeMethod::Su, "nosuchuser", None).await;
    assert_eq!(failure(&nobody).await, BecomeFailure::PasswordNeeded);
    let nobody = Bench::new();
    let session = nobody.connect(BecomeMethod::Su, "nosuchuser", Some("x")).await;
    assert_eq!(failure(&session).await, BecomeFailure::NoSuchUser);
    let wrong = Bench::new();
    let session = wrong.connect(BecomeMethod::Su, &bai.name, Some("wrong")).await;
    assert_eq!(failure(&session).await, BecomeFailure::WrongPassword);
    assert_eq!(failure(&session).await, BecomeFailure::WrongPassword);
}

/// doas has one file of rules, so this is one test; where somebody else's is there, it is left alone.
#[tokio::test]
async fn doas_needs_a_terminal_only_for_a_password() {
    let rules = Path::new("/etc/doas.conf");
    if !can_make(&["doas"]) {
        return;
    }
    if rules.exists() {
        eprintln!("SKIPPED: {} is there already", rules.display());
        return;
    }
    struct Rules(PathBuf);
    impl Drop for Rules {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }
    let (bench, bai) = (Bench::new(), Account::new("/bin/bash"));
    let _rules = Rules(rules.to_owned());
    let permit = |rule: &str| {
        fs::write(rules, format!("{rule}\n")).unwrap();
        fs::set_permissions(rules, fs::Permissions::from_mode(0o600)).unwrap();
    };
    permit(&format!("permit nopass {} as {}", bench.login.name, bai.name));
    holds(&bench.connect(BecomeMethod::Doas, &bai.name, None).await, &bai.name, 2).await;
    let root = bench.connect(BecomeMethod::Doas, "root", None).await;
    assert!(matches!(failure(&root).await, BecomeFailure::NotAllowed { .. }));
    let nobody = bench.connect(BecomeMethod::Doas, "nosuchuser", None).await;
    assert_eq!(failure(&nobody).await, BecomeFailure::NoSuchUser);
    permit(&format!("permit {} as {}", bench.login.name, bai.name));
    let asked = bench.connect(BecomeMethod::Doas, &bai.name, None).await;
    assert_eq!(failure(&asked).await, BecomeFailure::PasswordNeeded);
    holds(&bench.connect(BecomeMethod::Doas, &bai.name, Some(&bench.login.password)).await, &bai.name, 1).await;
    let wrong = Bench::of(Account::new("/bin/bash"));
    permit(&format!("permit {} as {}", wrong.login.name, bai.name));
    let session = wrong.connect(BecomeMethod::Doas, &bai.name, Some("wrong")).await;
    assert_eq!(failure(&session).await, BecomeFailure::WrongPassword);
}

#[tokio::test]
async fn whatever_the_login_shell_is_and_says() {
    if !can_make(&["sudo", "fish", "tcsh"]) {
        return;
    }
    for (shell, file) in [
        ("/usr/bin/fish", ".config/fish/config.fish"),
        ("/bin/tcsh", ".tcshrc"),
        ("/bin/bash", ".bashrc"),
        ("/bin/sh", ".profile"),
    ] {
        let bai = Account::new("/usr/sbin/nologin");
        let bench = Bench::of(Account::new(shell));
        bench.login.write(file, "echo Welcome to gpu07; printf 'no line end'; echo a warning 1>&2\n");
        bench.login.may("NAME ALL=(ALL) ALL");
        let session = bench.connect(BecomeMethod::Sudo, &bai.name, Some(&bench.login.password)).await;
        holds(&session, &bai.name, 2).await;
        let plain = bench.connector.connect(&bench.target).await.unwrap();
        let completed = run(&plain, "id -un; echo err >&2; exit 3").await;
        assert_eq!(completed.outcome, Outcome::Exited(3), "{shell}");
        assert_eq!(text(&completed.stdout).trim(), bench.login.name, "{shell}");
        assert_eq!(text(&completed.stderr), "err\n", "{shell}");
    }
    let bench = Bench::of(Account::new("/usr/sbin/nologin"));
    let error = bench.connector.connect(&bench.target).await.unwrap().run(&command("exit 0"), &mut |_| ()).await;
    let error = error.unwrap_err();
    assert!(
        error.to_string().contains("did not start /bin/sh; it said: This account is currently not available."),
        "{error}"
    );
    assert!(!error.is_unreachable());
}

#[tokio::test]
async fn on_this_machine_itself() {
    if !can_make(&["sudo", "su"]) {
        return;
    }
    let bai = Account::new("/bin/bash");
    let connector = AnyConnector::new(SshOptions::for_home("nobody", Path::new("/nonexistent")));
    let name = HostName::parse("localhost").unwrap();
    for method in [BecomeMethod::Sudo, BecomeMethod::Su] {
        for password in [None, Some("nobody asks root for it")] {
            let become_user = BecomeUser { method, user: bai.name.clone(), password: password.map(Secret::new) };
            let target = Target { name: name.clone(), kind: TargetKind::Local, become_user: Some(become_user) };
            holds(&connector.connect(&target).await.unwrap(), &bai.name, 2).await;
        }
        let become_user = Some(BecomeUser { method, user: "nosuchuser".into(), password: None });
        let target = Target { name: name.clone(), kind: TargetKind::Local, become_user };
        assert_eq!(failure(&connector.connect(&target).await.unwrap()).await, BecomeFailure::NoSuchUser);
    }
}

fn claim(name: &str, ttl: Duration) -> Claim {
    Claim {
        run: RunId::parse(&format!("20261125T033000Z-{name}")).unwrap(),
        holder: "kim@laptop".into(),
        pid: 4711,
        process: "another-boot pid:[1] 4711 99".into(),
        since: Timestamp(1_795_577_400),
        ttl,
    }
}

async fn acquire(fleet: &Arc<Fleet<AnyConnector>>, claim: &Claim) -> Result<Lease<Fleet<AnyConnector>>, NotLocked> {
    let hosts = [HostName::parse("gpu07").unwrap()];
    Lease::acquire(fleet, claim.clone(), &hosts, &hosts, &|_: &LockRecord| false).await.map(|(lease, _)| lease)
}

fn user_of(error: Option<NotLocked>) -> Option<u32> {
    match error {
        Some(NotLocked::Held(held)) => held.record.user,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn runs_as_two_users_meet_at_one_lock() {
    if !can_make(&["sudo"]) {
        return;
    }
    let (bench, bai) = (Bench::new(), Account::new("/bin/bash"));
    bench.login.may("NAME ALL=(ALL) NOPASSWD: ALL\nDefaults:NAME env_keep += CONVERGE_COMMON");
    let lee = Account::new("/bin/bash");
    let (as_bai, as_lee) = (bench.fleet(&bai.name), bench.fleet(&lee.name));
    let host = HostName::parse("gpu07").unwrap();
    let (one, two) = (claim("aaaaaa", PLENTY), claim("bbbbbb", PLENTY));
    let uid = |account: &Account| fs::metadata(account.home()).unwrap().uid();
    let (of_bai, of_lee) = (uid(&bai), uid(&lee));

    let lease = acquire(&as_bai, &one).await.unwrap();
    assert_eq!(user_of(acquire(&as_lee, &two).await.err()), Some(of_bai));
    let LockAnswer::Shown(Some(shown)) = as_lee.ask_lock(&host, LockKind::Host, LockAsk::Show).await.unwrap() else {
        panic!("lee sees none")
    };
    assert_eq!((shown.user, shown.run), (Some(of_bai), one.run.to_string()));
    lease.release().await;
    let lease = acquire(&as_lee, &two).await.unwrap();
    assert_eq!(user_of(acquire(&as_bai, &one).await.err()), Some(of_lee));
    lease.release().await;

    // What slept over its expiry is lost where somebody else has come, and begins nothing more.
    let short = claim("cccccc", Duration::from_secs(1));
    let slept = acquire(&as_bai, &short).await.unwrap();
    let jobs = Jobs::new(Arc::clone(&as_bai), short.run.clone(), PLENTY).fenced(slept.generations());
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let lease = acquire(&as_lee, &two).await.unwrap();
    let script = Script { text: "exit 0\n".into(), limit: PLENTY };
    let attempt = jobs.carry_out(&host, "a", &script, &mut |_| {}).await;
    assert!(
        matches!(&attempt, Attempt::Fenced { reason } if reason.contains(&format!("as user {of_lee} of the host"))),
        "{attempt:?}"
    );
    let (_, reason) = tokio::time::timeout(PLENTY, slept.keep()).await.unwrap();
    assert!(reason.contains(two.run.as_str()) && reason.contains(&format!("as user {of_lee} of the host")), "{reason}");
    let jobs = Jobs::new(Arc::clone(&as_lee), two.run.clone(), PLENTY).fenced(lease.generations());
    let attempt = jobs.carry_out(&host, "a", &script, &mut |_| {}).await;
    assert!(matches!(attempt, Attempt::Succeeded), "{attempt:?}");
    lease.release().await;
}

#[tokio::test]
async fn what_another_user_leaves_where_locks_are_shown_is_harmless() {
    if !can_make(&["sudo", "mkfifo"]) {
        return;
    }
    let (bench, eve, bai) = (Bench::new(), Account::new("/bin/bash"), Account::new("/bin/bash"));
    bench.login.may("NAME ALL=(ALL) NOPASSWD: ALL\nDefaults:NAME env_keep += CONVERGE_COMMON");
    let as_eve = bench.connect(BecomeMethod::Sudo, &eve.name, None).await;
    let script = r#"cd "$CONVERGE_COMMON"
mkdir converge-1 converge-2 converge-3 converge-4
mkfifo converge-1/held-lock; ln -s /dev/zero converge-2/held-lock
printf 'run r\nttl 9999999\nbeat a[$(touch "%s/caught")] x\n' "$HOME" >converge-3/held-lock
printf 'run r\nttl x;id\nbeat 1 %s\n' "$(cat /proc/sys/kernel/random/boot_id)" >converge-4/held-lock
"#;
    assert_eq!(run(&as_eve, script).await.outcome, Outcome::Exited(0));
    let claim = claim("aaaaaa", PLENTY);
    let lease = acquire(&bench.fleet(&bai.name), &claim).await.unwrap();
    lease.release().await;
    assert!(!eve.home().join("caught").exists());
}

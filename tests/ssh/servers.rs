//! The same tests against each server that a host may have: the OpenSSH of this machine (bookworm's, where CI runs), that of
//! trixie, and Dropbear.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use converge::execute::{Attempt, Jobs};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{RunId, Secret};
use converge::plan::Script;
use converge::transport::{AnySession, Command, Connector as _, Outcome, OutputEnd, Session as _, TransportError};

use crate::jumps::Network;
use crate::login::{converge, inventory, only_key, password_of};
use crate::site::{Site, output, target};
use crate::sshd::{Server, SshdOptions, keygen, public_key};

/// Longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(120);
const REACHED: &str = "Host gpu*\n  HostName 127.0.0.1\n  Port {port}\n";

fn options(server: Server, config: &str) -> SshdOptions {
    SshdOptions { server, config: config.into(), ..SshdOptions::default() }
}

/// An operator and such a server, where it can be started here.
fn site(server: Server, config: &str) -> Option<Site> {
    server.can_start().then(|| Site::with(&options(server, config)))
}

macro_rules! against_each_server {
    ($($name:ident),* $(,)?) => {
        against_each_server! { @ installed Installed $($name)* }
        against_each_server! { @ trixie Trixie $($name)* }
        against_each_server! { @ dropbear Dropbear $($name)* }
    };
    (@ $module:ident $server:ident $($name:ident)*) => {
        mod $module {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::sshd::Server::$server).await;
            })*
        }
    };
}

against_each_server! {
    each_type_of_key_logs_in,
    each_type_of_host_key_is_checked,
    a_password_logs_in,
    keys_are_exchanged_anew_by_our_limit,
    a_host_is_looked_at_and_a_job_survives_its_connection,
    it_is_a_jump_host_and_lies_behind_one,
}

async fn each_type_of_key_logs_in(server: Server) {
    let Some(site) = site(server, "") else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = only_key(&site, kind, kind, "");
        site.configure(&format!("{REACHED}  IdentityFile {}\n", key.display()));
        let session = site.connect("gpu1").await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(output(&session, "echo there").await, "there");
    }
    fs::write(site.path("sshd/authorized_keys"), "").unwrap();
    assert!(matches!(site.fails("gpu1").await, TransportError::AuthRejected { .. }));
}

async fn each_type_of_host_key_is_checked(server: Server) {
    if !server.can_start() {
        return;
    }
    let site = Site::with(&SshdOptions { host_keys: vec!["ed25519", "ecdsa", "rsa"], ..options(server, "") });
    site.configure(&format!("{REACHED}  IdentityFile {{key}}\n"));
    let known = |key: &str| format!("[127.0.0.1]:{} {key}\n", site.sshd.port);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        site.knows(&known(&site.sshd.host_key(kind)));
        site.connect("gpu1").await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let other = site.path(&format!("other-{kind}"));
        keygen(&other, kind, "");
        site.knows(&known(&public_key(&other)));
        assert!(matches!(site.fails("gpu1").await, TransportError::HostKeyChanged { .. }), "{kind}");
    }
    site.knows("");
    assert!(matches!(site.fails("gpu1").await, TransportError::HostKeyUnknown { .. }));
}

async fn a_password_logs_in(server: Server) {
    let config = "UsePAM no\nPasswordAuthentication yes\nPubkeyAuthentication no";
    let Some(mut site) = password_of(server, config) else { return };
    site.configure(REACHED);
    site.options.password = Some(Secret::new("wrong"));
    assert!(matches!(site.fails("gpu1").await, TransportError::AuthRejected { .. }));
    site.options.password = Some(Secret::new("correct horse"));
    assert_eq!(output(&site.connect("gpu1").await.unwrap(), "echo there").await, "there");
}

/// 32 MB each way at the same time.
async fn much_goes_both_ways(session: &AnySession) {
    let line = format!("{}\n", "0123456789abcde".repeat(64));
    let text = line.repeat(32 * 1024 * 1024 / line.len());
    let script = format!("cat <<'END'\n{text}END\n").into_bytes();
    let command = Command { script, input: Vec::new(), limit: PLENTY, output_limit: 128 << 20 };
    let completed = session.run(&command, &mut |_| ()).await.unwrap();
    assert_eq!((completed.outcome, completed.end), (Outcome::Exited(0), OutputEnd::Complete));
    assert!(completed.stdout == text.as_bytes(), "{} of {} bytes", completed.stdout.len(), text.len());
}

/// How often the server has taken new keys, as far as it logs that: Dropbear doesn't.
fn exchanges(site: &Site) -> usize {
    site.sshd.log().matches("SSH2_MSG_NEWKEYS received").count()
}

async fn keys_are_exchanged_anew_by_our_limit(server: Server) {
    // The server's own limit is a gigabyte or more, and no time.
    let Some(site) = site(server, "LogLevel DEBUG1") else { return };
    site.configure(&format!("{REACHED}  IdentityFile {{key}}\n  RekeyLimit 1M 1s\n"));
    let session = site.connect("gpu1").await.unwrap();
    much_goes_both_ways(&session).await;
    let by_amount = exchanges(&site);
    assert_eq!(output(&session, "echo before; sleep 3.5; echo after").await, "before\nafter");
    let by_time = exchanges(&site) - by_amount;
    if server != Server::Dropbear {
        assert!(by_amount > 20, "{by_amount} exchanges");
        assert!(by_time >= 2, "{by_time} exchanges");
    }
}

async fn a_host_is_looked_at_and_a_job_survives_its_connection(server: Server) {
    let Some(site) = site(server, "") else { return };
    inventory(&site);
    site.configure(&format!("{REACHED}  IdentityFile {{key}}\n"));
    let (code, text) = converge(&site, "exit 1", &["facts"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(server != Server::Trixie || text.contains("Debian GNU/Linux 13 (trixie)"), "{text}");

    let (host, count) = (target("gpu1"), site.sshd.home().join("count"));
    let (name, limits) = (host.name.clone(), Limits { forks: 4, probe: PLENTY });
    let fleet = Fleet::new(site.connector(), BTreeMap::from([(name.clone(), host)]), limits, Sessions::Kept);
    let jobs = Jobs::new(fleet, RunId::parse("20261125T033000Z-7f3a9c").unwrap(), PLENTY);
    let text = format!("act() {{\necho x >>{}; echo begun; sleep 2; echo end\n}}\nact </dev/null\n", count.display());
    let (script, mut lines) = (Script { text, limit: PLENTY }, Vec::new());
    let mut hear = |line| lines.push(line);
    let cut = async {
        while !count.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        site.sshd.kill_connections();
    };
    let (attempt, ()) = tokio::join!(jobs.carry_out(&name, "act", &script, &mut hear), cut);
    assert_eq!((attempt, lines), (Attempt::Succeeded, vec!["begun".to_owned(), "end".to_owned()]));
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n", "it ran once");
}

async fn it_is_a_jump_host_and_lies_behind_one(server: Server) {
    if !server.can_start() {
        return;
    }
    let network = Network::of(4, &options(server, ""), &options(server, ""));
    let connector = Arc::new(network.site.connector());
    let mut connecting = tokio::task::JoinSet::new();
    for n in 0..4 {
        let connector = Arc::clone(&connector);
        connecting.spawn(async move { connector.connect(&target(&format!("gpu{n}"))).await.unwrap() });
    }
    for session in connecting.join_all().await {
        assert_eq!(output(&session, "head -c 3000000 /dev/zero | wc -c").await, "3000000");
    }
    assert_eq!(network.site.sshd.logins(), 1);
}

/// As trixie's sshd does it; of Dropbear's limit, a gigabyte, nothing can be set.
#[tokio::test]
async fn keys_are_exchanged_anew_by_the_server_s_limit() {
    let Some(site) = site(Server::Trixie, "RekeyLimit 1M\nLogLevel DEBUG1") else { return };
    site.configure(&format!("{REACHED}  IdentityFile {{key}}\n"));
    let session = site.connect("gpu1").await.unwrap();
    much_goes_both_ways(&session).await;
    let exchanges = exchanges(&site);
    assert!(exchanges > 20, "{exchanges} exchanges");
}

#[tokio::test]
async fn who_dropbear_turns_away_while_many_log_in_comes_again() {
    // Of one address it lets five at a time try.
    let Some(site) = site(Server::Dropbear, "") else { return };
    site.configure(&format!("{REACHED}  IdentityFile {{key}}\n"));
    let connector = Arc::new(site.connector());
    let mut connecting = tokio::task::JoinSet::new();
    for n in 0..12 {
        let connector = Arc::clone(&connector);
        connecting.spawn(async move { connector.connect(&target(&format!("gpu{n}"))).await.unwrap() });
    }
    for session in connecting.join_all().await {
        assert_eq!(output(&session, "echo in").await, "in");
    }
    assert_eq!(site.sshd.logins(), 12);
}

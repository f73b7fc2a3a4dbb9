//! Ways through other hosts: jump hosts that share a connection, chains of them, and commands.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use converge::transport::{Connector as _, Session as _, TransportError};

use crate::site::{Site, in_full, output, server, target};
use crate::sshd::{Sshd, SshdOptions, public_key};

/// A site whose server is the jump host `bastion`, and hosts behind it.
pub(crate) struct Network {
    pub(crate) site: Site,
    pub(crate) behind: Vec<Sshd>,
}

impl Network {
    /// `bastion` is like this; `gpu0`, `gpu1`, … are only reached through it, as far as the configuration knows.
    fn new(behind: usize, bastion: &str) -> Self {
        let bastion = SshdOptions { config: bastion.into(), ..SshdOptions::default() };
        Self::of(behind, &bastion, &SshdOptions::default())
    }

    /// The same with other servers: the jump host's, and that of each host behind it.
    pub(crate) fn of(behind: usize, bastion: &SshdOptions, each: &SshdOptions) -> Self {
        let site = Site::with(bastion);
        let authorized = public_key(&site.key);
        let behind: Vec<Sshd> =
            (0..behind).map(|n| server(site.dir.path(), &format!("gpu{n}"), &authorized, each)).collect();
        let known: String = behind.iter().map(Sshd::known_hosts).collect();
        site.knows(&(known + &site.sshd.known_hosts()));
        let network = Self { site, behind };
        network.configure("Host gpu*\n  ProxyJump bastion\n");
        network
    }

    fn configure(&self, more: &str) {
        let mut text = "Host bastion\n  HostName 127.0.0.1\n  Port {port}\n".to_owned();
        for (n, server) in self.behind.iter().enumerate() {
            text.push_str(&format!("Host gpu{n}\n  HostName 127.0.0.1\n  Port {}\n", server.port));
        }
        self.site.configure(&format!("{text}{more}Host *\n  IdentityFile {{key}}\n"));
    }

    /// How many have logged in to the jump host.
    fn logins(&self) -> usize {
        self.site.sshd.logins()
    }
}

#[tokio::test]
async fn all_hosts_behind_a_jump_host_share_one_connection_to_it() {
    // One session at most: channels to other hosts are none.
    let network = Network::new(4, "MaxSessions 1");
    let connector = Arc::new(network.site.connector());
    let mut connecting = tokio::task::JoinSet::new();
    for n in (0..4).chain(0..4) {
        let connector = Arc::clone(&connector);
        connecting.spawn(async move { connector.connect(&target(&format!("gpu{n}"))).await });
    }
    let sessions = connecting.join_all().await;
    for session in &sessions {
        assert_eq!(output(session.as_ref().unwrap(), "head -c 3000000 /dev/zero | wc -c").await, "3000000");
    }
    assert_eq!(network.logins(), 1);
    assert_eq!(network.behind[2].logins(), 2);

    // The way stays open for those who come later, and goes with the connector.
    drop(sessions);
    connector.connect(&target("gpu3")).await.unwrap();
    assert_eq!(network.logins(), 1);
    drop(connector);
    let start = Instant::now();
    while !network.site.sshd.connections().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "the connection to the jump host is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_chain_is_gone_through_in_turn_each_with_its_own_settings() {
    let network = Network::new(2, "");
    // gpu1 is behind gpu0, which is behind the bastion: by one chain, and by each host's own configuration.
    for way in
        ["Host gpu1\n  ProxyJump bastion,gpu0\n", "Host gpu1\n  ProxyJump gpu0\nHost gpu0\n  ProxyJump bastion\n"]
    {
        network.configure(way);
        let (before, middle) = (network.logins(), network.behind[0].logins());
        let session = network.site.connect("gpu1").await.unwrap();
        assert_eq!(output(&session, "echo there").await, "there");
        assert_eq!(network.logins() - before, 1);
        assert_eq!(network.behind[0].logins() - middle, 1);
        session.close().await;
    }
}

#[tokio::test]
async fn a_lost_connection_to_a_jump_host_is_made_anew() {
    let network = Network::new(2, "");
    let connector = network.site.connector();
    let session = connector.connect(&target("gpu0")).await.unwrap();
    network.site.sshd.kill_connections();
    let again = connector.connect(&target("gpu1")).await.unwrap();
    assert_eq!(output(&again, "echo there").await, "there");
    assert_eq!(network.logins(), 2);
    // What went through the lost one is lost, and says so.
    let command = converge::transport::Command {
        script: b"true".to_vec(),
        input: Vec::new(),
        limit: Duration::from_secs(10),
        output_limit: 1000,
    };
    let error = session.run(&command, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, TransportError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_jump_host_is_checked_like_any_other_and_named_when_it_fails() {
    let network = Network::new(2, "");
    network.site.knows(&network.behind.iter().map(Sshd::known_hosts).collect::<String>());
    let connector = network.site.connector();
    let (one, other) = (target("gpu0"), target("gpu1"));
    let (one, other) = tokio::join!(connector.connect(&one), connector.connect(&other));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        let TransportError::Jump { source, .. } = &error else { panic!("{error}") };
        assert!(matches!(**source, TransportError::HostKeyUnknown { .. }), "{source}");
        assert!(error.is_unreachable());
        assert!(in_full(&error).contains("via bastion): the way there is closed: bastion ("), "{}", in_full(&error));
        assert!(error.hint().unwrap().contains("compare the fingerprint"), "{:?}", error.hint());
    }
    // It is tried again by whoever comes later; by another operator, as host keys are read once.
    network
        .site
        .knows(&(network.behind.iter().map(Sshd::known_hosts).collect::<String>() + &network.site.sshd.known_hosts()));
    network.site.connect("gpu0").await.unwrap();
}

#[tokio::test]
async fn the_key_of_the_host_behind_is_checked_by_its_own_name() {
    let network = Network::new(1, "");
    network.site.knows(&network.site.sshd.known_hosts());
    let error = network.site.fails("gpu0").await;
    assert!(matches!(error, TransportError::HostKeyUnknown { .. }), "{error}");
    assert!(error.to_string().starts_with("gpu0 ("), "{error}");
}

#[tokio::test]
async fn what_a_jump_host_refuses_is_told_with_its_name() {
    let network = Network::new(1, "AllowTcpForwarding no");
    let error = network.site.fails("gpu0").await;
    let TransportError::JumpRefused { reason, .. } = &error else { panic!("{error}") };
    assert_eq!(*reason, "it isn't allowed to");
    assert!(error.hint().unwrap().contains("AllowTcpForwarding"), "{:?}", error.hint());

    let mut network = Network::new(1, "");
    network.behind[0].stop();
    let error = network.site.fails("gpu0").await;
    assert!(
        matches!(&error, TransportError::JumpRefused { reason, .. } if reason.contains("can't connect")),
        "{error}"
    );
}

#[tokio::test]
async fn jump_hosts_that_lead_to_each_other_are_a_mistake() {
    let network = Network::new(2, "");
    network.configure("Host gpu0\n  ProxyJump gpu1\nHost gpu1\n  ProxyJump gpu0\n");
    let error = network.site.fails("gpu0").await;
    assert!(in_full(&error).contains("do they lead to each other?"), "{}", in_full(&error));
    assert_eq!(network.logins(), 0);
}

fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn ends(pid: &str) {
    let start = Instant::now();
    while is_running(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "{pid} goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_is_the_way_and_ends_with_the_connection() {
    let site = Site::new();
    // A server that speaks over its standard input and output, beside a process that would outlive it.
    let command = "sh -c 'echo %h:%p:%r >{dir}/way; sleep 100 & echo $! >{dir}/beside; echo $$ >{dir}/pid; \
                   exec /usr/sbin/sshd -i -f {dir}/sshd/sshd_config'";
    site.configure(&format!(
        "Host gpu07\n  HostName 10.255.255.1\n  IdentityFile {{key}}\n  HostKeyAlias [127.0.0.1]:{{port}}\n  ProxyCommand {command}\n"
    ));
    for close in [true, false] {
        let session = site.connect("gpu07").await.unwrap();
        assert_eq!(output(&session, "echo there").await, "there");
        let user = crate::sshd::user();
        assert_eq!(fs::read_to_string(site.path("way")).unwrap().trim(), format!("10.255.255.1:22:{user}"));
        let pids = ["pid", "beside"].map(|file| fs::read_to_string(site.path(file)).unwrap().trim().to_owned());
        assert!(pids.iter().all(|pid| is_running(pid)));
        if close {
            session.close().await
        } else {
            drop(session)
        }
        for pid in &pids {
            ends(pid).await;
        }
    }
}

#[tokio::test]
async fn a_command_that_leads_nowhere_is_told_with_what_it_said() {
    let site = Site::new();
    for (command, about) in [
        ("sh -c 'echo no route to %h >&2; exit 1'", "its ProxyCommand said \"no route to 127.0.0.1\""),
        ("/nonexistent/nc %h %p", "its ProxyCommand said"),
    ] {
        site.configure(&format!("Host gpu07\n  HostName 127.0.0.1\n  ProxyCommand {command}\n"));
        let error = site.fails("gpu07").await;
        assert!(error.is_unreachable() && error.to_string().contains(about), "{error}");
    }
    assert!(Path::new("/bin/sh").exists());
}

//! Jump hosts as they are in earnest: networks that the controller has no route into. For root, which may make network
//! namespaces: the test itself moves into the controller's, so nothing of this machine's own network changes.
//!
//! ```text
//! controller ── 10.77.1.0/24 ── bastion ── 10.77.2.0/24 ── gate, near0, near1, near2 ── 10.77.3.0/24 ── far
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use converge::execute::{Attempt, Jobs};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{HostName, RunId};
use converge::plan::Script;
use converge::transport::{AnyConnector, Connector as _, TransportError};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::login::converge;
use crate::site::{Site, in_full, output, server, target};
use crate::sshd::{Sshd, SshdOptions, is_root, public_key};

/// Longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(60);
/// The namespaces in their order, each linked with the next: its address is 1 in that network, the next one's is 2.
const SPACES: [&str; 4] = ["controller", "bastion", "gate", "far"];
const NEAR: [&str; 3] = ["near0", "near1", "near2"];

/// Namespaces with links between them, removed when dropped.
struct Spaces(String);

impl Spaces {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let spaces = Self(format!("cvg{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        for space in SPACES {
            ip(&format!("netns add {}", spaces.name(space)));
            ip(&format!("-n {} link set lo up", spaces.name(space)));
        }
        for (n, pair) in (1..).zip(SPACES.windows(2)) {
            let [here, there] = [spaces.name(pair[0]), spaces.name(pair[1])];
            ip(&format!("-n {here} link add out type veth peer name in netns {there}"));
            for (space, link, end) in [(&here, "out", 1), (&there, "in", 2)] {
                ip(&format!("-n {space} address add 10.77.{n}.{end}/24 dev {link}"));
                ip(&format!("-n {space} link set {link} up"));
            }
        }
        spaces
    }

    fn name(&self, space: &str) -> String {
        format!("{}-{space}", self.0)
    }

    /// From now on this thread, and what it starts, is in the controller's network.
    fn enter(&self) {
        let space = fs::File::open(format!("/run/netns/{}", self.name("controller"))).unwrap();
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// The bastion's end of the link to the controller, which shows no sign of it but silence.
    fn link(&self, state: &str) {
        ip(&format!("-n {} link set in {state}", self.name("bastion")));
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for space in SPACES {
            let name = self.name(space);
            let _ = Command::new("ip").args(["netns", "delete", &name]).stderr(Stdio::null()).status();
        }
    }
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().expect("ip runs: is iproute2 installed?");
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

/// An operator in the controller's network, and all the servers.
struct Networks {
    // Ends before the namespaces do.
    site: Site,
    servers: BTreeMap<&'static str, Sshd>,
    spaces: Spaces,
}

impl Networks {
    fn new() -> Option<Self> {
        if !is_root() {
            eprintln!("SKIPPED: network namespaces need root");
            return None;
        }
        let spaces = Spaces::new();
        spaces.enter();
        let listening = |space: &str, network: u32| SshdOptions {
            address: format!("10.77.{network}.2"),
            network: Some(spaces.name(space)),
            ..SshdOptions::default()
        };
        let site = Site::with(&listening("bastion", 1));
        let authorized = public_key(&site.key);
        let in_gate = ["gate", NEAR[0], NEAR[1], NEAR[2]].map(|name| (name, listening("gate", 2)));
        let servers: BTreeMap<_, _> = in_gate
            .into_iter()
            .chain([("far", listening("far", 3))])
            .map(|(name, options)| (name, server(site.dir.path(), name, &authorized, &options)))
            .collect();
        site.knows(&servers.values().chain([&site.sshd]).map(Sshd::known_hosts).collect::<String>());
        let networks = Self { site, servers, spaces };
        networks.configure("Host gate near*\n  ProxyJump bastion\nHost far\n  ProxyJump bastion,gate\n");
        Some(networks)
    }

    fn configure(&self, more: &str) {
        let reached = |(name, server): (&&str, &Sshd)| {
            format!("Host {name}\n  HostName {}\n  Port {}\n", server.address, server.port)
        };
        let mut text: String = self.servers.iter().map(reached).collect();
        text += &reached((&"bastion", &self.site.sshd));
        let all =
            "Host *\n  IdentityFile {key}\n  ConnectTimeout 3\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n";
        self.site.configure(&format!("{text}{more}{all}"));
    }

    fn jobs(&self, reconnect: Duration) -> Jobs<AnyConnector> {
        let targets = NEAR.map(|name| (HostName::parse(name).unwrap(), target(name)));
        let limits = Limits { forks: 4, probe: PLENTY };
        let fleet = Fleet::new(self.site.connector(), BTreeMap::from(targets), limits, Sessions::Kept);
        Jobs::new(fleet, RunId::parse("20261125T033000Z-7f3a9c").unwrap(), reconnect)
    }
}

/// What a job on each near host comes to, and what it says.
async fn work(jobs: &Jobs<AnyConnector>, action: &str) -> Vec<(Attempt, Vec<String>)> {
    let text = "act() {\nfor n in 1 2 3 4 5 6; do echo line $n; sleep 1; done\n}\nact </dev/null\n".to_owned();
    let script = &Script { text, limit: PLENTY };
    let one = async |name: &str| {
        let mut lines = Vec::new();
        let host = HostName::parse(name).unwrap();
        let attempt = jobs.carry_out(&host, action, script, &mut |line| lines.push(line)).await;
        (attempt, lines)
    };
    let (a, b, c) = tokio::join!(one(NEAR[0]), one(NEAR[1]), one(NEAR[2]));
    vec![a, b, c]
}

#[tokio::test]
async fn hosts_without_a_route_are_reached_by_one_connection_to_each_jump_host() {
    let Some(networks) = Networks::new() else { return };
    let Networks { site, servers, .. } = &networks;
    networks.configure("");
    let error = site.fails("near0").await;
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(in_full(&error).contains("unreachable"), "{}", in_full(&error));

    networks.configure("Host gate near*\n  ProxyJump bastion\nHost far\n  ProxyJump bastion,gate\n");
    let connector = Arc::new(site.connector());
    let mut connecting = tokio::task::JoinSet::new();
    for name in ["near0", "near1", "near2", "far", "gate"] {
        let connector = Arc::clone(&connector);
        connecting.spawn(async move { (name, connector.connect(&target(name)).await) });
    }
    for (name, session) in connecting.join_all().await {
        let from = output(&session.unwrap(), "echo \"${SSH_CONNECTION%% *}\"").await;
        assert_eq!(from, if name == "far" { "10.77.3.1" } else { "10.77.2.1" }, "{name}");
    }
    // The gate is a jump host once and a host once.
    assert_eq!((site.sshd.logins(), servers["gate"].logins(), servers["far"].logins()), (1, 2, 1));

    // The whole program, in a session of its own.
    let hosts = "near0: , near1: , near2: , far: ";
    let inventory =
        format!("all:\n  vars: {{ release: \"25.6.5\" }}\n  children:\n    agent: {{ hosts: {{ {hosts} }} }}\n");
    fs::write(site.path("inventory.yaml"), inventory).unwrap();
    let (code, text) = converge(site, "exit 1", &["facts"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!((site.sshd.logins(), servers["gate"].logins(), servers["far"].logins()), (2, 3, 2));
}

#[tokio::test]
async fn the_link_to_a_jump_host_dies_in_the_middle_and_comes_back() {
    let Some(networks) = Networks::new() else { return };
    let jobs = networks.jobs(PLENTY);
    let cut = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        networks.spaces.link("down");
        tokio::time::sleep(Duration::from_secs(6)).await;
        networks.spaces.link("up");
    };
    let (ended, ()) = tokio::join!(work(&jobs, "back"), cut);
    let lines: Vec<String> = (1..=6).map(|n| format!("line {n}")).collect();
    for (attempt, said) in ended {
        assert_eq!((attempt, said), (Attempt::Succeeded, lines.clone()));
    }
    assert_eq!(networks.site.sshd.logins(), 2, "one connection before, and one for all hosts after it");
}

#[tokio::test]
async fn the_link_to_a_jump_host_stays_dead_and_that_is_said_of_each_host_behind_it() {
    let Some(networks) = Networks::new() else { return };
    let jobs = networks.jobs(Duration::from_secs(1));
    let cut = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        networks.spaces.link("down");
    };
    let (ended, ()) = tokio::join!(work(&jobs, "gone"), cut);
    for (name, (attempt, _)) in NEAR.iter().zip(ended) {
        let Attempt::Unknown { cause } = attempt else { panic!("{attempt:?}") };
        assert!(cause.contains(&format!("{name} (")) && cause.contains(" via bastion)"), "{cause}");
        assert!(cause.contains("the way there is closed: bastion ("), "{cause}");
    }
    let error = networks.site.fails("near1").await;
    assert!(in_full(&error).contains("near1 (") && in_full(&error).contains(": bastion ("), "{}", in_full(&error));
    networks.spaces.link("up");
    // The kernel takes its time to look for a neighbour again that didn't answer.
    let deadline = Instant::now() + Duration::from_secs(30);
    let session = loop {
        match networks.site.connect("near1").await {
            Ok(session) => break session,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(output(&session, "echo there").await, "there");
}

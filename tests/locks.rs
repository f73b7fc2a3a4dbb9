//! Locks and fences on real hosts: two controllers, one that sleeps too long, a lock that is broken.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/sshd.rs"]
mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use converge::execute::{Attempt, Jobs, Lease, Locks, NotLocked};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{HostName, RunId, Timestamp};
use converge::plan::Script;
use converge::remote::{Claim, LockAnswer, LockAsk, LockKind, LockRecord};
use converge::transport::{AnyConnector, SshOptions, SshTarget, Target, TargetKind};
use sshd::{Sshd, SshdOptions, keygen, knowing, public_key, user};

const PLENTY: Duration = Duration::from_secs(60);

/// Some hosts, and any number of controllers.
struct Bench {
    servers: Vec<Sshd>,
    options: SshOptions,
    key: PathBuf,
    _dir: tempfile::TempDir,
}

type Controller = Arc<Fleet<AnyConnector>>;

impl Bench {
    fn of(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("id");
        keygen(&key, "ed25519", "");
        let servers = Sshd::start_many(dir.path(), count, &public_key(&key), &SshdOptions::default());
        let options = knowing(&user(), dir.path(), &servers);
        Self { servers, options, key, _dir: dir }
    }

    fn hosts(&self) -> Vec<HostName> {
        (0..self.servers.len()).map(host).collect()
    }

    fn controller(&self) -> Controller {
        let target = |(n, server): (usize, &Sshd)| {
            let ssh = SshTarget {
                address: "127.0.0.1".into(),
                port: Some(server.port),
                identity_file: Some(self.key.clone()),
                ..SshTarget::default()
            };
            (host(n), Target { name: host(n), kind: TargetKind::Ssh(ssh), become_user: None })
        };
        let targets: BTreeMap<_, _> = self.servers.iter().enumerate().map(target).collect();
        let limits = Limits { forks: 4, probe: PLENTY };
        Fleet::new(AnyConnector::new(self.options.clone()), targets, limits, Sessions::Kept)
    }

    fn state(&self, n: usize) -> PathBuf {
        self.servers[n].home().join(".local/state/converge")
    }
}

fn host(n: usize) -> HostName {
    HostName::parse(&format!("h{n}")).unwrap()
}

fn claim(name: &str, ttl: Duration) -> Claim {
    Claim {
        run: RunId::parse(&format!("20261125T033000Z-{name}")).unwrap(),
        holder: "kim o'hara@laptop".into(),
        pid: 4711,
        process: "another-boot pid:[1] 4711 99".into(),
        since: Timestamp(1_795_577_400),
        ttl,
    }
}

/// Whether a holder is gone, as another machine sees it.
fn never(_: &LockRecord) -> bool {
    false
}

async fn acquire(
    controller: &Controller,
    claim: &Claim,
    hosts: &[HostName],
) -> Result<Lease<Fleet<AnyConnector>>, NotLocked> {
    Lease::acquire(controller, claim.clone(), hosts, hosts, &never).await.map(|(lease, _)| lease)
}

async fn shown(controller: &Controller, host: &HostName) -> LockRecord {
    match controller.ask_lock(host, LockKind::Host, LockAsk::Show).await.unwrap() {
        LockAnswer::Shown(Some(record)) => record,
        other => panic!("{other:?}"),
    }
}

fn jobs(controller: &Controller, claim: &Claim, lease: &Lease<Fleet<AnyConnector>>) -> Jobs<AnyConnector> {
    Jobs::new(Arc::clone(controller), claim.run.clone(), PLENTY).fenced(lease.generations())
}

async fn touch(jobs: &Jobs<AnyConnector>, action: &str, file: &std::path::Path) -> Attempt {
    let script = Script { text: format!("echo x >>'{}'\n", file.display()), limit: PLENTY };
    jobs.carry_out(&host(0), action, &script, &mut |_| {}).await
}

#[tokio::test]
async fn of_two_controllers_one_has_all_locks_and_the_other_none() {
    let bench = Bench::of(3);
    let (one, two) = (bench.controller(), bench.controller());
    let (first, second) = (claim("aaaaaa", PLENTY), claim("bbbbbb", PLENTY));
    let all = bench.hosts();
    for round in 0..3 {
        let (a, b) = tokio::join!(acquire(&one, &first, &all), acquire(&two, &second, &all));
        assert!(a.is_ok() != b.is_ok(), "round {round}");
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        let Err(NotLocked::Held(held)) = lost else { panic!("round {round}") };
        assert_eq!((held.kind, held.host), (LockKind::Cluster, host(0)));
        assert_eq!(held.record.holder, "kim o'hara@laptop");
        assert_eq!((held.record.pid.as_str(), held.record.since.as_str()), ("4711", "2026-11-25T03:30:00Z"));
        won.ok().unwrap().release().await;
        assert!(shown(&one, &host(2)).await.released);
    }
    // Without the anchor in common, the host that both change keeps them apart, and nothing is kept by whoever loses.
    let a = acquire(&one, &first, &[host(0), host(2)]).await.ok().unwrap();
    let lost = acquire(&two, &second, &[host(1), host(2)]).await;
    assert!(matches!(lost, Err(NotLocked::Held(held)) if held.kind == LockKind::Host && held.host == host(2)));
    assert!(shown(&two, &host(1)).await.released);
    a.release().await;
}

#[tokio::test]
async fn generations_only_grow_and_an_acquisition_whose_answer_was_lost_is_not_repeated() {
    let bench = Bench::of(1);
    let controller = bench.controller();
    let mut last = 0;
    for name in ["aaaaaa", "bbbbbb", "cccccc"] {
        let claim = claim(name, PLENTY);
        let lease = acquire(&controller, &claim, &[host(0)]).await.ok().unwrap();
        let generation = lease.generations()[&host(0)];
        assert!(generation > last);
        let again = acquire(&controller, &claim, &[host(0)]).await.ok().unwrap();
        assert_eq!(again.generations()[&host(0)], generation);
        last = generation;
        lease.release().await;
    }
}

#[tokio::test]
async fn an_expired_lock_is_taken_over_and_its_former_holder_can_start_nothing_more() {
    let bench = Bench::of(1);
    let (asleep, awake) = (bench.controller(), bench.controller());
    let (old, new) = (claim("aaaaaa", Duration::from_secs(2)), claim("bbbbbb", PLENTY));
    let file = bench.servers[0].home().join("file");
    let lease = acquire(&asleep, &old, &[host(0)]).await.ok().unwrap();
    let old_jobs = jobs(&asleep, &old, &lease);
    assert_eq!(touch(&old_jobs, "one", &file).await, Attempt::Succeeded);
    // Not yet: its last sign of life is young.
    assert!(matches!(acquire(&awake, &new, &[host(0)]).await, Err(NotLocked::Held(_))));
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let (taken, notes) = Lease::acquire(&awake, new.clone(), &[host(0)], &[host(0)], &never).await.ok().unwrap();
    assert_eq!(notes.before.len(), 2, "the cluster's and the host's: {notes:?}");
    assert_eq!(notes.before[0].record.run, old.run.as_str());

    let refused = touch(&old_jobs, "two", &file).await;
    assert!(matches!(&refused, Attempt::Fenced { reason } if reason.contains(new.run.as_str())), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "x\n");
    // What it has carried out it may still learn of.
    assert_eq!(touch(&old_jobs, "one", &file).await, Attempt::Succeeded);
    let (lost_on, why) = tokio::time::timeout(PLENTY, lease.keep()).await.unwrap();
    assert!(lost_on == host(0) && why.contains(new.run.as_str()), "{why}");
    // Giving back what isn't its own any more harms nobody.
    lease.release().await;
    assert_eq!(touch(&jobs(&awake, &new, &taken), "three", &file).await, Attempt::Succeeded);
    assert_eq!(fs::read_to_string(&file).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn signs_of_life_keep_a_lock_and_a_clock_that_is_set_does_not_matter() {
    let bench = Bench::of(1);
    let (one, two) = (bench.controller(), bench.controller());
    let (first, second) = (claim("aaaaaa", Duration::from_secs(2)), claim("bbbbbb", PLENTY));
    let lease = acquire(&one, &first, &[host(0)]).await.ok().unwrap();
    let outcome = tokio::select! {
        lost = lease.keep() => Some(lost),
        () = tokio::time::sleep(Duration::from_secs(5)) => None,
    };
    assert_eq!(outcome, None);
    assert!(matches!(acquire(&two, &second, &[host(0)]).await, Err(NotLocked::Held(_))));
    // Files of the year 2000 are no older for it.
    let lock = bench.state(0).join("lock");
    for entry in fs::read_dir(&lock).unwrap() {
        Command::new("touch").args(["-d", "2000-01-01"]).arg(entry.unwrap().path()).status().unwrap();
    }
    assert!(matches!(acquire(&two, &second, &[host(0)]).await, Err(NotLocked::Held(_))));
}

#[tokio::test]
async fn after_a_restart_of_the_host_nothing_more_is_started_and_the_lock_expires_by_uptime() {
    let bench = Bench::of(1);
    let controller = bench.controller();
    let old = claim("aaaaaa", PLENTY);
    let lease = acquire(&controller, &old, &[host(0)]).await.ok().unwrap();
    let lock = bench.state(0).join("lock");
    // As a restart leaves it: every sign of life is of another boot.
    for kind in ["lock", "cluster"] {
        let generation = lease.generations()[&host(0)];
        fs::write(bench.state(0).join(kind).join(format!("{generation}.beat")), "999999 another-boot\n").unwrap();
    }
    let file = bench.servers[0].home().join("file");
    let refused = touch(&jobs(&controller, &old, &lease), "one", &file).await;
    assert!(matches!(&refused, Attempt::Fenced { reason } if reason.contains("restarted")), "{refused:?}");
    assert!(!file.exists() && lock.exists());
    // This machine has been up for longer than a second, and not for a day.
    let new = claim("bbbbbb", PLENTY);
    let uptime: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let taken = acquire(&controller, &new, &[host(0)]).await;
    assert_eq!(taken.is_ok(), uptime > PLENTY.as_secs_f64() + 1.0);
}

#[tokio::test]
async fn a_broken_lock_says_by_whom_and_why_to_its_holder_and_to_the_next() {
    let bench = Bench::of(1);
    let controller = bench.controller();
    let (old, new) = (claim("aaaaaa", PLENTY), claim("bbbbbb", PLENTY));
    let lease = acquire(&controller, &old, &[host(0)]).await.ok().unwrap();
    let generation = lease.generations()[&host(0)];
    for kind in [LockKind::Host, LockKind::Cluster] {
        let stale = controller.ask_lock(&host(0), kind, LockAsk::Break("lee: it's $HOME", generation + 1)).await;
        assert_eq!(stale, Ok(LockAnswer::Free), "another generation is left alone");
        let broke = controller.ask_lock(&host(0), kind, LockAsk::Break("lee: it's $HOME", generation)).await.unwrap();
        assert!(matches!(broke, LockAnswer::Broke(record) if record.run == old.run.as_str()));
    }
    let file = bench.servers[0].home().join("file");
    let refused = touch(&jobs(&controller, &old, &lease), "one", &file).await;
    assert!(matches!(&refused, Attempt::Fenced { reason } if reason.contains("lee: it's $HOME")), "{refused:?}");
    let (_, notes) = Lease::acquire(&controller, new, &[host(0)], &[host(0)], &never).await.ok().unwrap();
    assert_eq!(notes.before[1].record.broken.as_deref(), Some("lee: it's $HOME"));
    assert!(!file.exists());
}

#[tokio::test]
async fn the_lock_of_a_process_that_is_gone_is_not_waited_for() {
    let bench = Bench::of(1);
    let controller = bench.controller();
    let (old, new) = (claim("aaaaaa", PLENTY), claim("bbbbbb", PLENTY));
    let _killed = acquire(&controller, &old, &[host(0)]).await.ok().unwrap();
    let is_gone = |record: &LockRecord| record.process == "another-boot pid:[1] 4711 99";
    let (lease, notes) = Lease::acquire(&controller, new, &[host(0)], &[host(0)], &is_gone).await.ok().unwrap();
    assert_eq!(notes.before.len(), 2);
    assert!(notes.before[0].record.broken.as_ref().unwrap().contains("its process is gone"), "{notes:?}");
    assert_eq!(lease.generations()[&host(0)], 2);
}

#[tokio::test]
async fn an_anchor_that_is_away_is_passed_over_and_a_host_that_is_away_ends_it() {
    let mut bench = Bench::of(3);
    bench.servers[0].stop();
    let controller = bench.controller();
    let claim = claim("aaaaaa", PLENTY);
    let (lease, notes) =
        Lease::acquire(&controller, claim.clone(), &bench.hosts(), &[host(2)], &never).await.ok().unwrap();
    assert_eq!((notes.anchor, notes.anchors_away.len()), (Some(host(1)), 1));
    lease.release().await;
    let failed = Lease::acquire(&controller, claim, &bench.hosts(), &bench.hosts(), &never).await;
    assert!(matches!(failed, Err(NotLocked::Unreachable { host: away, .. }) if away == host(0)));
    let LockAnswer::Shown(Some(record)) =
        controller.ask_lock(&host(1), LockKind::Cluster, LockAsk::Show).await.unwrap()
    else {
        panic!()
    };
    assert!(record.released, "what was got is given back");
}

#[tokio::test]
async fn old_jobs_go_when_a_lock_is_taken_and_those_at_work_stay() {
    let bench = Bench::of(1);
    let controller = bench.controller();
    let (first, second) = (claim("aaaaaa", PLENTY), claim("bbbbbb", PLENTY));
    let lease = acquire(&controller, &first, &[host(0)]).await.ok().unwrap();
    let file = bench.servers[0].home().join("file");
    assert_eq!(touch(&jobs(&controller, &first, &lease), "one", &file).await, Attempt::Succeeded);
    let directory = bench.state(0).join("jobs");
    let pid = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
    let mine = format!("{} {ticks} {pid}", std::process::id());
    let make = |name: &str, pid: &str, ended: bool| {
        let job = directory.join(name);
        fs::create_dir(&job).unwrap();
        fs::write(job.join("pid"), pid).unwrap();
        if ended {
            fs::write(job.join("status"), "exit 0\n").unwrap();
        }
    };
    make("20261101T000000Z-000001.old.x", "1 1 boot\n", true);
    make("20261101T000000Z-000001.lost.x", "1 1 boot\n", false);
    make("20261101T000000Z-000001.alive.x", &mine, false);
    for n in 0..220 {
        make(&format!("20261124T000000Z-{n:06x}.a.x"), "1 1 boot\n", true);
    }
    lease.release().await;
    let _held = acquire(&controller, &second, &[host(0)]).await.ok().unwrap();
    let mut names: Vec<String> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 201, "200, and one that is at work");
    assert_eq!(names[0], "20261101T000000Z-000001.alive.x");
    assert!(names.last().unwrap().starts_with("20261125T033000Z-aaaaaa.one."), "the newest stay");
}

//! Answers without an end, and none at all.

use std::path::Path;
use std::time::{Duration, Instant};

use converge::facts::Query;
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::HostName;
use converge::transport::{AnyConnector, SshOptions, SshTarget, Target, TargetKind};

use crate::rehearsal::Rehearsal;
use crate::scene::{EVIL, HONEST, Scene};

/// A debug build reads 17 MB in a second; a bound that didn't hold would be the minute of a probe.
const SOON: Duration = Duration::from_secs(30);
/// How long a whole run takes is up to the hosts; without an end would be the half hour of an install.
const NEVER: Duration = Duration::from_secs(300);
/// A run holds 40 MB, and of each of two streams a few more.
const MEBIBYTES: u64 = 160;

#[test]
fn an_endless_answer_is_given_up_wherever_it_comes_and_nobody_else_notices() {
    let scene = Scene::new();
    for place in ["before-err", "cue", "out", "records"] {
        scene.mode(&format!("flood {place}"));
        let ran = scene.converge(&["drift"]).exits(4).stays_below(MEBIBYTES, SOON);
        ran.says(&[
            "mgr1: unreachable",
            "and nobody listened any longer",
            "web1/webserver: package: 25.6.1 is installed",
        ]);
    }
    scene.converge(&["--limit", HONEST]).exits(0).says(&["Converged"]).stays_below(MEBIBYTES, NEVER);
}

#[test]
fn an_endless_job_is_given_up_as_well() {
    let scene = Scene::new();
    scene.mode("flood job");
    let ran = scene.converge(&["--yes"]).exits(5).stays_below(MEBIBYTES, NEVER);
    ran.says(&["nobody listened any longer", "may still be running"]);
    scene.what_is_kept_is_harmless();
}

fn target(cluster: &Rehearsal, name: &str) -> (HostName, Target) {
    let host = HostName::parse(name).unwrap();
    let ssh = SshTarget {
        address: "127.0.0.1".into(),
        port: Some(cluster.host(name).server().port()),
        identity_file: Some(cluster.keys().private_key()),
        ..SshTarget::default()
    };
    (host.clone(), Target { name: host, kind: TargetKind::Ssh(ssh), become_user: None })
}

/// The binary waits a minute for a probe; here it is two seconds.
#[tokio::test]
async fn a_host_that_never_answers_costs_its_own_time_out_and_nobody_else_s() {
    let scene = Scene::new();
    scene.mode("silent");
    let cluster = &scene.bench.cluster;
    let home: &Path = &cluster.operator_directory();
    let mut options = SshOptions::for_home(cluster.keys().user(), home);
    options.known_hosts = vec![cluster.known_hosts()];
    let targets = [EVIL, HONEST].map(|name| target(cluster, name));
    let questions = targets.iter().map(|(host, _)| (host.clone(), vec![Query::System])).collect();
    let limits = Limits { forks: 2, probe: Duration::from_secs(2) };
    let fleet = Fleet::new(AnyConnector::new(options), targets.into(), limits, Sessions::Closed);
    let start = Instant::now();
    let facts = fleet.gather(questions).await;
    assert!(start.elapsed() < SOON);
    let seen = |name: &str| facts[&HostName::parse(name).unwrap()].clone();
    let reason = seen(EVIL).unreachable.unwrap();
    assert!(reason.contains("had not ended after 2s"), "{reason}");
    assert!(seen(HONEST).system().known().is_some());
}

//! The main job, on three hosts and with two managers on one database.

use std::fs;

use crate::bench::Bench;
use crate::rehearsal::{Component, Fault};

#[test]
fn the_cluster_moves_two_releases_forward_and_stays() {
    let bench = Bench::three();
    let text = bench.looks(&["drift"]).exits(2);
    for host in ["mgr1/manager", "sto1/storage-proxy", "web1/webserver"] {
        assert!(text.out.contains(&format!("{host}: package: 25.6.1 is installed, 25.6.4 is declared")), "{text}");
    }
    let drift = bench.looks(&["drift", "--output", "json"]).exits(2).json();
    assert_eq!(drift["in_sync"], false);
    let causes: Vec<_> = drift
        .pointer("/hosts/0/components/0/differences")
        .and_then(|all| all.as_array())
        .unwrap()
        .iter()
        .map(|difference| difference["cause"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["package"], "{drift}");
    assert_eq!(drift["actions"].as_array().map(Vec::len), Some(22), "{drift}");
    bench.looks(&["--check"]).exits(2).says(&["22 actions in 6 stages on 3 hosts"]);

    // Without a terminal it goes ahead.
    let users = bench.cluster.query("SELECT id, name FROM users");
    let ran = bench.converge(&[]).exits(0).says(&["Converged"]).never_says(&["[y/N]"]);
    assert_eq!(bench.cluster.query("SELECT id, name FROM users"), users);
    let step = |host: &str, migrates: bool| -> Vec<String> {
        let verbs = if migrates {
            vec!["stop", "install", "back", "migrate", "start"]
        } else {
            vec!["stop", "install", "start"]
        };
        verbs.into_iter().map(|verb| format!("{host} {verb}")).collect()
    };
    let once = [step("mgr1", true), step("sto1", false), step("web1", false)].concat();
    assert_eq!(ran.verbs(), [once.clone(), once].concat(), "25.6.2 is complete before 25.6.4 begins: {ran}");
    assert_eq!(ran.recap("mgr1"), "ok=10 changed=10 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0");
    assert_eq!(ran.recap("web1"), "ok=6 changed=6 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0");
    // Each release ran in turn: the processes' own word for it.
    for host in bench.cluster.hosts() {
        let log = fs::read_to_string(host.service().log()).unwrap();
        let served: Vec<&str> =
            log.lines().filter(|line| line.contains("serves")).map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(served, ["25.6.1", "25.6.2", "25.6.4"], "{}", host.name());
    }
    let backups = bench.backups("mgr1");
    assert_eq!(backups.len(), 2, "{backups:?}");
    for (name, (before, revision)) in backups.iter().zip([("25.6.2", "8c24e6b0d913"), ("25.6.4", "b5907f1e2c6a")]) {
        assert!(name.starts_with(&format!("manager.db-before-{before}-")), "{name}");
        let host = bench.cluster.host("mgr1");
        let file = host.directory().join("backups").join(name);
        let script = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(\"select version_num from alembic_version\").fetchone())";
        let read = host.run(&format!("python3 -c '{script}' {}", file.display()));
        assert_eq!(read.stdout.trim(), revision, "{read:?}");
    }

    bench.is_converged();
    bench.looks(&["--yes"]).exits(0);
    bench.looks(&["--check"]).exits(0);
    bench.looks(&["drift"]).exits(0).says(&["In sync: 3 component(s) on 3 host(s) are as declared."]);
    assert_eq!(bench.looks(&["drift", "--output", "json"]).exits(0).json()["in_sync"], true);
}

#[test]
fn two_managers_of_one_database_migrate_once_a_release_with_both_stopped() {
    let bench = Bench::of(&[("mgr1", Component::Manager), ("mgr2", Component::Manager)], "25.6.4");
    let refused = bench.refuses(&["--limit", "mgr2"], "shared-database");
    assert!(refused.err.contains("mgr1/manager"), "{refused}");

    let slow = Fault::MigratesSlowly(60);
    bench.on("mgr1").set(slow);
    let run = bench.start(&[]);
    bench.on("mgr1").wait_until_held(slow);
    assert_eq!(bench.state().processes.into_values().flatten().count(), 0, "no manager runs while the schema changes");
    bench.on("mgr1").clear(slow);
    let ran = bench.finish(run).exits(0);
    let migrations: Vec<String> = ran.verbs().into_iter().filter(|verb| verb.ends_with("migrate")).collect();
    assert_eq!(migrations, ["mgr1 migrate", "mgr1 migrate"], "{ran}");
    assert_eq!((bench.backups("mgr1").len(), bench.backups("mgr2").len()), (2, 0));
    // Both have 25.6.2 before either gets 25.6.4.
    let started: Vec<String> = ran.changed().into_iter().filter(|line| line.contains("start manager")).collect();
    let releases: Vec<bool> = started.iter().map(|line| line.contains("answers as 25.6.4")).collect();
    assert_eq!(releases, [false, false, true, true], "{ran}");
    bench.is_converged();
}

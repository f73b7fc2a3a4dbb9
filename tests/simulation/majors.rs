//! Major upgrades: what is planned, carried out, and taken back.

use std::collections::BTreeMap;

use converge::plan::{Action, ActionKind, Migration};

use crate::clusters::before_a_major;
use crate::simulated::{Fault, Simulated, release};
use crate::turns::{Asked, Turn, converge_as, plan_as, turn};

#[test]
fn a_major_upgrade_stops_everything_and_leaves_no_revision_out() {
    let simulated = Simulated::new(before_a_major(2, 2, false));
    let asked = Asked { drain_timeout: None, ..Asked::major() };
    let plan = plan_as(&asked, &simulated);
    let titles: Vec<&str> = plan.stages.iter().map(|stage| stage.title.as_str()).collect();
    assert_eq!(
        titles[..12],
        [
            "25.7.0: build the new environments",
            "25.7.0: rehearse the migration on a copy",
            "25.7.0: freeze the cluster",
            "25.7.0: stop agent",
            "25.7.0: stop manager",
            "25.7.0: back up",
            "25.7.0: switch every environment",
            "25.7.0: migrate",
            "25.7.0: start manager",
            "25.7.0: start agent",
            "25.7.0: unfreeze the cluster",
            "25.7.0: tidy up",
        ]
    );
    let migrations: Vec<&Migration> = plan
        .actions()
        .filter_map(|action| match &action.kind {
            ActionKind::Migrate { migration, .. } => Some(migration),
            _ => None,
        })
        .collect();
    assert_eq!(migrations.len(), 2);
    assert_eq!(migrations[0].skipped, ["spliced1", "spliced2"]);
    // The head stays: no row would ever tell.
    assert_eq!((migrations[0].pending.len(), migrations[0].head.as_str()), (0, "rev04"));
    assert_eq!((migrations[1].skipped.len(), migrations[1].head.as_str()), (0, "next01"));
    // The patches that follow find links, so that nothing is stopped while they are built.
    let patch: Vec<&str> = plan.stages[12..].iter().map(|stage| stage.title.as_str()).collect();
    assert_eq!(patch[0], "25.7.1: manager on mgr1");
    let first: Vec<&str> = plan.stages[12].actions().map(Action::verb).collect();
    assert_eq!(first, ["stage", "stop", "switch", "start", "prune"]);

    assert_eq!(converge_as(&asked, &simulated), 1);
    let cluster = simulated.lock();
    assert_eq!(cluster.violations, Vec::<String>::new());
    assert_eq!((cluster.databases["main"].as_str(), cluster.frozen), ("next01", false));
    assert!(cluster.applied["main"].contains("spliced1"));
}

#[test]
fn a_failure_before_the_migration_takes_the_cluster_back() {
    for verb in ["freeze", "stop", "backup", "switch"] {
        for fault in [Fault::FailsAtOnce, Fault::FailsHalfWay] {
            let mut cluster = before_a_major(2, 2, false);
            let asked = Asked::major();
            let plan = plan_as(&asked, &Simulated::new(cluster.clone()));
            // Drain finds nothing to wait for, so it isn't carried out and doesn't count.
            let carried_out = plan.actions().filter(|action| action.verb() != "drain");
            let number = carried_out.take_while(|action| !action.id.ends_with(&format!("/{verb}"))).count();
            cluster.faults = BTreeMap::from([(number, fault)]);
            let simulated = Simulated::new(cluster);
            let Turn::Ran(plan, outcome) = turn(&asked, &simulated) else { panic!("the run did not end") };
            let recovered = outcome.recovered.clone().unwrap_or_else(|| panic!("{verb}: no recovery"));
            assert!(recovered.took_back, "{verb}: {recovered:?}");
            let cluster = simulated.lock().clone();
            assert_eq!(cluster.violations, Vec::<String>::new(), "{verb}");
            for instance in &plan.instances {
                assert_eq!(cluster.installed(&instance.id()), Some(release("25.6.8")), "{verb}");
                let process = &cluster.hosts[&instance.host].processes[&instance.component.name];
                assert_eq!(process.release, release("25.6.8"), "{verb}");
            }
            assert_eq!((cluster.databases["main"].as_str(), cluster.frozen), ("rev04", false), "{verb}");
            converge_as(&asked, &simulated);
            assert_eq!(simulated.lock().violations, Vec::<String>::new(), "{verb}");
        }
    }
}

#[test]
fn a_failure_in_the_migration_names_the_restore() {
    let mut cluster = before_a_major(2, 1, false);
    let asked = Asked::major();
    let plan = plan_as(&asked, &Simulated::new(cluster.clone()));
    let carried_out = plan.actions().filter(|action| action.verb() != "drain");
    let number = carried_out.take_while(|action| action.verb() != "migrate").count();
    cluster.faults = BTreeMap::from([(number, Fault::FailsHalfWay)]);
    let simulated = Simulated::new(cluster);
    let Turn::Ran(plan, outcome) = turn(&asked, &simulated) else { panic!("the run did not end") };
    let ActionKind::Migrate { backup, .. } =
        plan.actions().find(|action| action.verb() == "migrate").unwrap().kind.clone()
    else {
        panic!()
    };
    let recovered = outcome.recovered.unwrap();
    assert!(!recovered.took_back && recovered.failures.is_empty());
    assert!(recovered.advice.iter().any(|line| line.contains("pg_restore") && line.contains(&backup)));
    assert!(recovered.advice.iter().any(|line| line == "back, on mgr1: ln -sfn /manager-25.6.8 /manager"));
    {
        let cluster = simulated.lock();
        assert!(!cluster.frozen && cluster.hosts.values().all(|host| host.processes.is_empty()));
        assert_eq!(cluster.databases["main"], "rev04");
    }
    // Going on brings in what alembic would have left out, although the old package is no longer the installed one.
    assert_eq!(converge_as(&asked, &simulated), 1);
    let cluster = simulated.lock();
    assert_eq!(cluster.violations, Vec::<String>::new());
    assert!(cluster.applied["main"].contains("spliced2"));
}

#[test]
fn running_work_refuses_a_major_upgrade_or_is_waited_for() {
    let busy = |sessions| {
        let mut cluster = before_a_major(1, 1, false);
        cluster.sessions = sessions;
        cluster
    };
    let at_once = Asked { drain_timeout: None, ..Asked::major() };
    let Turn::Refused(codes) = turn(&at_once, &Simulated::new(busy(5))) else { panic!("it was not refused") };
    assert_eq!(codes, ["work-running"]);

    let simulated = Simulated::new(busy(5));
    converge_as(&Asked::major(), &simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());

    // It does not end in time: nothing was stopped, and the freeze is undone.
    let simulated = Simulated::new(busy(1_000_000));
    let Turn::Ran(_, outcome) = turn(&Asked::major(), &simulated) else { panic!("the run did not end") };
    assert!(outcome.failures[0].observed.contains("RUNNING") || outcome.failures[0].observed.contains("run"));
    assert!(outcome.recovered.unwrap().took_back);
    let cluster = simulated.lock();
    assert!(!cluster.frozen && cluster.hosts.values().all(|host| !host.processes.is_empty()));
    assert_eq!(cluster.violations, Vec::<String>::new());
}

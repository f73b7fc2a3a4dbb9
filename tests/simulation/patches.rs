//! Patch releases: what is planned, and that it is carried out and converges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use converge::desired::Serial;
use converge::event::Event;
use converge::execute::Executor;
use converge::model::Share;
use converge::plan::{ActionKind, StageKind};
use tokio::sync::watch;

use crate::clusters::{at, cluster};
use crate::recorder::Memory;
use crate::simulated::{Fault, Simulated, head_of, host, release};
use crate::turns::{Asked, Turn, converge, plan_of, turn, verbs};

#[test]
fn two_managers_stop_together_and_migrate_once_a_release() {
    let simulated = Simulated::new(at(cluster(2, 1, false, "25.6.4"), "25.6.1"));
    let plan = plan_of(&simulated);
    let titles: Vec<&str> = plan.stages.iter().map(|stage| stage.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "25.6.2: stop manager",
            "25.6.2: install manager",
            "25.6.2: migrate the database of manager",
            "25.6.2: start manager",
            "25.6.2: agent",
            "25.6.4: stop manager",
            "25.6.4: install manager",
            "25.6.4: migrate the database of manager",
            "25.6.4: start manager",
            "25.6.4: agent",
        ]
    );
    assert!(plan.stages[..4].iter().all(|stage| stage.kind == StageKind::FullStop));
    let migrations = plan.actions().filter(|action| matches!(action.kind, ActionKind::Migrate { .. })).count();
    assert_eq!(migrations, 2);
    assert_eq!(converge(&simulated), 1);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn only_what_differs_is_done() {
    let (old, new) = (release("25.6.1"), release("25.6.2"));
    let fresh = || at(cluster(1, 1, false, "25.6.2"), "25.6.2");
    let stopped = {
        let mut cluster = fresh();
        cluster.hosts.get_mut(&host("gpu1")).unwrap().processes.clear();
        cluster
    };
    let stale = {
        let mut cluster = at(cluster(1, 1, false, "25.6.2"), "25.6.1");
        cluster.install(0, &new);
        cluster.start(0, None);
        cluster.databases.insert("main".into(), head_of(&new));
        cluster.install(1, &new);
        cluster
    };
    let lied = {
        let mut cluster = fresh();
        cluster.start(1, Some(&old));
        cluster
    };
    let behind = {
        let mut cluster = fresh();
        cluster.databases.insert("main".into(), head_of(&old));
        cluster
    };
    for (name, cluster, expected) in [
        ("nothing", fresh(), vec![]),
        ("stopped", stopped, vec!["25.6.2/gpu1/agent/start"]),
        ("stale", stale, vec!["25.6.2/gpu1/agent/stop", "25.6.2/gpu1/agent/start"]),
        ("an older release answers", lied, vec!["25.6.2/gpu1/agent/stop", "25.6.2/gpu1/agent/start"]),
        (
            "schema behind",
            behind,
            vec![
                "25.6.2/mgr1/manager/stop",
                "25.6.2/mgr1/manager/backup",
                "25.6.2/mgr1/manager/migrate",
                "25.6.2/mgr1/manager/start",
            ],
        ),
    ] {
        let simulated = Simulated::new(cluster);
        assert_eq!(verbs(&plan_of(&simulated)), expected, "{name}");
        converge(&simulated);
        assert_eq!(simulated.lock().violations, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_shares_an_environment_moves_together() {
    let simulated = Simulated::new(at(cluster(1, 0, true, "25.6.2"), "25.6.1"));
    let plan = plan_of(&simulated);
    assert_eq!(
        verbs(&plan),
        [
            "25.6.2/mgr1/webserver/stop",
            "25.6.2/mgr1/manager/stop",
            "25.6.2/mgr1/manager/install",
            "25.6.2/mgr1/manager/backup",
            "25.6.2/mgr1/manager/migrate",
            "25.6.2/mgr1/manager/start",
            "25.6.2/mgr1/webserver/start",
        ]
    );
    let ActionKind::Install { packages, .. } = &plan.actions().nth(2).unwrap().kind else { panic!() };
    assert_eq!(packages.len(), 2);
    assert_eq!(converge(&simulated), 1);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn a_host_that_fails_stops_there_and_the_others_of_its_stage_finish() {
    let mut broken = at(cluster(0, 3, false, "25.6.4"), "25.6.1");
    broken.faults = BTreeMap::from([(0, Fault::FailsAtOnce)]);
    let simulated = Simulated::new(broken);
    let Turn::Ran(_, outcome) = turn(&Asked::patches(), &simulated) else { panic!("the run did not end") };
    let failed = &outcome.failures[0];
    assert_eq!(outcome.failures.len(), 1);
    assert!(failed.left[0].contains("25.6.1 installed, running 25.6.1"), "{:?}", failed.left);
    assert!(!failed.next.is_empty());
    let instances = simulated.lock().instances.clone();
    for instance in instances {
        let expected = if instance.host == failed.host { "25.6.1" } else { "25.6.2" };
        assert_eq!(simulated.lock().installed(&instance.id()), Some(release(expected)), "{}", instance.host);
    }
    let skipped: usize = outcome.hosts.values().map(|count| count.skipped).sum();
    // Two actions of the failed track, and the later stage's nine.
    assert_eq!(skipped, 11);
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn a_request_to_stop_finishes_what_runs_and_begins_nothing() {
    let simulated = Simulated::new(at(cluster(1, 2, false, "25.6.4"), "25.6.1"));
    let plan = plan_of(&simulated);
    let actions = plan.actions().count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(async {
        let (stop, stopping) = watch::channel(false);
        let ended = Arc::new(Mutex::new(0));
        let events = Arc::clone(&ended);
        let on_event = move |event: Event| {
            if matches!(event, Event::ActionEnded { .. }) {
                *events.lock().unwrap() += 1;
                let _ = stop.send(true);
            }
        };
        let (hosts, recorder) = (Arc::new(simulated.clone()), Arc::new(Memory::default()));
        let executor = Executor::new(Arc::new(plan), hosts, recorder, 64, stopping, Arc::new(on_event));
        let outcome = executor.run().await;
        assert_eq!(*ended.lock().unwrap(), 1);
        outcome
    });
    assert!(outcome.stopped && outcome.failures.is_empty());
    assert_eq!(outcome.hosts.values().map(|count| count.ok + count.skipped).sum::<usize>(), actions);
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn equal_input_gives_equal_bytes() {
    let simulated = Simulated::new(at(cluster(2, 3, true, "25.6.8"), "25.6.1"));
    let (a, b) = (plan_of(&simulated), plan_of(&simulated));
    assert_eq!(serde_json::to_vec(&a).unwrap(), serde_json::to_vec(&b).unwrap());
    assert_eq!(a.digest(), b.digest());
}

#[test]
fn unknown_facts_refuse_the_run() {
    let mut away = at(cluster(1, 2, false, "25.6.2"), "25.6.1");
    away.hosts.get_mut(&host("gpu2")).unwrap().away = true;
    let simulated = Simulated::new(away);
    let Turn::Refused(codes) = turn(&Asked::patches(), &simulated) else { panic!("it was not refused") };
    assert_eq!(codes, ["host-unreachable"]);
    assert_eq!(simulated.lock().acts, 0);
}

/// One manager was upgraded by hand, database and all: the other one's package doesn't know the row, and its next hop does.
#[test]
fn a_manager_that_fell_behind_its_database_catches_up() {
    let mut uneven = at(cluster(2, 0, false, "25.6.4"), "25.6.1");
    uneven.install(0, &release("25.6.2"));
    uneven.start(0, None);
    uneven.databases.insert("main".into(), head_of(&release("25.6.2")));
    let simulated = Simulated::new(uneven.clone());
    assert_eq!(verbs(&plan_of(&simulated))[1], "25.6.2/mgr2/manager/install");
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());

    uneven.install(0, &release("25.6.4"));
    uneven.databases.insert("main".into(), head_of(&release("25.6.4")));
    let simulated = Simulated::new(uneven);
    let Turn::Refused(codes) = turn(&Asked::patches(), &simulated) else {
        panic!("a database two hops ahead was not refused")
    };
    assert_eq!(codes, ["schema-unsound"]);
}

/// What a hop does to the schema is read from its package: without anything pending, the managers take turns.
#[test]
fn managers_take_turns_where_the_schema_stays_as_it_is() {
    let simulated = Simulated::new(at(cluster(2, 0, false, "25.6.5"), "25.6.4"));
    assert_eq!(
        verbs(&plan_of(&simulated)),
        [
            "25.6.5/mgr1/manager/stop",
            "25.6.5/mgr1/manager/install",
            "25.6.5/mgr1/manager/start",
            "25.6.5/mgr2/manager/stop",
            "25.6.5/mgr2/manager/install",
            "25.6.5/mgr2/manager/start",
        ]
    );
    assert_eq!(plan_of(&simulated).stages.len(), 2);
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
    // The next hop brings a revision: they stop together.
    let plan = plan_of(&Simulated::new(at(cluster(2, 0, false, "25.6.7"), "25.6.5")));
    assert_eq!(plan.stages[0].kind, StageKind::FullStop);
    assert_eq!(verbs(&plan)[..2], ["25.6.7/mgr1/manager/stop", "25.6.7/mgr2/manager/stop"]);
}

/// `serial` of a play: so many hosts at a time, each batch complete before the next.
#[test]
fn hosts_of_a_play_with_serial_change_in_batches() {
    let mut cluster = at(cluster(1, 5, false, "25.6.2"), "25.6.1");
    for instance in cluster.instances.iter_mut().filter(|instance| instance.component.name == "agent") {
        instance.rolling.serial = Some(Serial { sizes: vec![Share::Count(2)], declared_at: "site.yaml:3:11".into() });
    }
    let simulated = Simulated::new(cluster);
    let plan = plan_of(&simulated);
    let agents: Vec<(String, usize)> = plan
        .stages
        .iter()
        .filter(|stage| stage.title.contains("agent"))
        .map(|stage| (stage.title.clone(), stage.tracks.len()))
        .collect();
    let expected = [("25.6.2: agent (1 of 3)", 2), ("25.6.2: agent (2 of 3)", 2), ("25.6.2: agent (3 of 3)", 1)];
    assert_eq!(agents, expected.map(|(title, hosts)| (title.to_owned(), hosts)));
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn one_database_and_two_declared_releases_are_refused() {
    let mut uneven = at(cluster(2, 0, false, "25.6.4"), "25.6.1");
    uneven.instances[1].component.release = release("25.6.2");
    let Turn::Refused(codes) = turn(&Asked::patches(), &Simulated::new(uneven)) else { panic!("it was not refused") };
    assert_eq!(codes, ["shared-database", "shared-database"]);
}

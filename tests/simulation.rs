//! The planner, its checker and the executor against a simulated cluster: plan, carry out, gather, plan again, until
//! the plan is empty, with faults on the way and the safety rules checked after every action.

#[path = "support/simulated.rs"]
mod simulated;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use converge::desired::{Batch, Instance};
use converge::event::Event;
use converge::execute::{Executor, RunOutcome};
use converge::facts::HostFacts;
use converge::model::{HostName, Timestamp};
use converge::plan::{Action, ActionKind, Input, Migration, Plan, StageKind, check, plan};
use converge::preflight;
use converge::release::{Catalogue, Release};
use proptest::prelude::*;
use simulated::{Cluster, Fault, Simulated, component, head_of, host, release};
use tokio::sync::watch;

/// How one look and one attempt ended.
enum Turn {
    Empty,
    Refused(Vec<String>),
    Ran(Box<Plan>, Box<RunOutcome>),
    ControllerDied,
}

/// What the operator asks for.
struct Asked {
    major: bool,
    drain_timeout: Option<u32>,
    catalogue: Catalogue,
}

impl Asked {
    fn patches() -> Self {
        Self { major: false, drain_timeout: None, catalogue: Catalogue::default() }
    }

    fn major() -> Self {
        Self { major: true, drain_timeout: Some(600), catalogue: Catalogue::bundled() }
    }

    fn plan(&self, instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>) -> Plan {
        plan(&Input { drain_timeout: self.drain_timeout, ..Input::new(instances, facts, &self.catalogue) })
    }
}

/// The codes of what stops a run whose operator answers for all that can be answered for.
fn refusing(asked: &Asked, instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>) -> Vec<String> {
    let waivable = preflight::rules().into_iter().filter(|rule| rule.severity == preflight::Severity::Waivable);
    let waivers = waivable.map(|rule| preflight::parse_waiver(&format!("{}=simulated", rule.code)).unwrap()).collect();
    let findings = preflight::check(&preflight::Input {
        instances,
        out_of_scope: &[],
        facts,
        catalogue: &asked.catalogue,
        request: &preflight::Request { major: asked.major, waivers, drain_timeout: asked.drain_timeout, mend: false },
        now: Timestamp(0),
    });
    findings.into_iter().filter(preflight::Finding::refuses).map(|finding| finding.code).collect()
}

/// Looks, plans, checks the plan, carries it out.
fn turn(asked: &Asked, simulated: &Simulated) -> Turn {
    let instances = simulated.lock().instances.clone();
    let facts = simulated.observe_all();
    let refusing = refusing(asked, &instances, &facts);
    if !refusing.is_empty() {
        return Turn::Refused(refusing);
    }
    let plan = asked.plan(&instances, &facts);
    let violations = check(&plan, &facts);
    assert!(violations.is_empty(), "{violations:?}\n{plan:#?}");
    if plan.is_empty() {
        return Turn::Empty;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_stop, stopping) = watch::channel(false);
        let (shared, hosts) = (Arc::new(plan.clone()), Arc::new(simulated.clone()));
        let executor = Executor::new(shared, hosts, 64, stopping, Arc::new(|_| {}));
        tokio::select! {
            outcome = executor.run() => Turn::Ran(Box::new(plan), Box::new(outcome)),
            () = simulated.controller_dies() => Turn::ControllerDied,
        }
    })
}

/// Takes turns until the plan is empty. A fault costs at most one turn, and each turn without one must end well.
fn converge(simulated: &Simulated) -> usize {
    converge_as(&Asked::patches(), simulated)
}

fn converge_as(asked: &Asked, simulated: &Simulated) -> usize {
    let allowed = simulated.lock().faults.len() + 2;
    for turns in 0..allowed {
        for state in simulated.lock().hosts.values_mut() {
            state.away = false;
        }
        let faults_before = simulated.lock().faults.len();
        match turn(asked, simulated) {
            Turn::Empty => return turns,
            Turn::Refused(codes) => panic!("refused by {codes:?}\n{:#?}", simulated.lock().log),
            Turn::ControllerDied => {}
            Turn::Ran(plan, outcome) => {
                let faults_after = simulated.lock().faults.len();
                assert!(
                    outcome.is_complete() || faults_after < faults_before,
                    "failed without a fault: {:?}\n{plan:#?}",
                    outcome.failures
                );
            }
        }
    }
    panic!("no empty plan after {allowed} turns:\n{:#?}", simulated.lock().log);
}

const PATCHES: [&str; 6] = ["25.6.1", "25.6.2", "25.6.4", "25.6.5", "25.6.7", "25.6.8"];

fn published() -> Vec<Release> {
    PATCHES.iter().chain(&["25.7.0", "25.7.1", "25.7.2"]).map(|text| release(text)).collect()
}

/// Managers `mgr*` on one database, agents `gpu*`, and a web server in the environment of the first manager if asked.
fn cluster(managers: usize, agents: usize, web: bool, declared: &str) -> Cluster {
    let declared = release(declared);
    let mut instances = Vec::new();
    let mut add = |play: usize, on: &str, name: &str, package: &str, venv: &str, database: bool| {
        let component = component(name, package, venv, &declared, database);
        instances.push(Instance { host: host(on), play, batch: None, component });
    };
    for n in 1..=managers {
        add(0, &format!("mgr{n}"), "manager", "backend.ai-manager", "/manager", true);
    }
    if web {
        add(1, "mgr1", "webserver", "backend.ai-webserver", "/manager", false);
    }
    for n in 1..=agents {
        add(2, &format!("gpu{n}"), "agent", "backend.ai-agent", "/agent", false);
    }
    let mut cluster = Cluster::new(instances.clone(), published());
    for instance in instances.iter().filter(|instance| instance.component.schema.is_some()) {
        cluster.uses.insert(instance.id(), "main".into());
    }
    cluster
}

fn at(mut cluster: Cluster, installed: &str) -> Cluster {
    let installed = release(installed);
    for number in 0..cluster.instances.len() {
        cluster.install(number, &installed);
        cluster.start(number, None);
    }
    cluster.databases.insert("main".into(), head_of(&installed));
    cluster
}

fn verbs(plan: &Plan) -> Vec<String> {
    plan.actions().map(|action| action.id.clone()).collect()
}

fn plan_of(simulated: &Simulated) -> Plan {
    plan_as(&Asked::patches(), simulated)
}

fn plan_as(asked: &Asked, simulated: &Simulated) -> Plan {
    let instances = simulated.lock().instances.clone();
    let facts = simulated.observe_all();
    assert_eq!(refusing(asked, &instances, &facts), [""; 0]);
    asked.plan(&instances, &facts)
}

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
        let executor = Executor::new(Arc::new(plan), Arc::new(simulated.clone()), 64, stopping, Arc::new(on_event));
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

/// Each rule of the independent checker catches a plan that breaks it.
#[test]
fn the_checker_catches_broken_plans() {
    type Breakage = fn(&mut Plan);
    fn remove(plan: &mut Plan, verb: &str) {
        for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
            track.actions.retain(|action| action.verb() != verb);
        }
    }
    let breakages: [(&str, Breakage); 8] = [
        ("may run while its package or schema changes", |plan| remove(plan, "stop")),
        ("no backup was made", |plan| remove(plan, "backup")),
        ("is stopped and never started again", |plan| remove(plan, "start")),
        ("not what is declared", |plan| plan.stages.truncate(1)),
        ("after a newer one", |plan| plan.stages.reverse()),
        ("two actions have this name", |plan| {
            let track = &mut plan.stages[0].tracks[0];
            let twice = track.actions[0].clone();
            track.actions.insert(1, twice);
        }),
        ("is a downgrade", |plan| {
            for action in plan.stages.iter_mut().flat_map(|s| &mut s.tracks).flat_map(|t| &mut t.actions) {
                if let ActionKind::Install { packages, .. } = &mut action.kind {
                    packages.iter_mut().for_each(|moved| moved.to = release("25.6.0"));
                }
            }
        }),
        ("isn't among those that must be stopped", |plan| {
            for action in plan.stages.iter_mut().flat_map(|s| &mut s.tracks).flat_map(|t| &mut t.actions) {
                if let ActionKind::Install { stopped, .. } = &mut action.kind {
                    stopped.clear();
                }
            }
        }),
    ];
    let simulated = Simulated::new(at(cluster(1, 1, false, "25.6.4"), "25.6.1"));
    let sound = plan_of(&simulated);
    let facts = simulated.observe_all();
    assert_eq!(check(&sound, &facts), []);
    for (expected, breakage) in breakages {
        let mut broken = sound.clone();
        breakage(&mut broken);
        let violations: Vec<String> = check(&broken, &facts).iter().map(ToString::to_string).collect();
        assert!(violations.iter().any(|rule| rule.contains(expected)), "{expected:?} is not in {violations:#?}");
    }
}

/// The simulator's own rules catch actions that break them, so a silent simulator means something.
#[test]
fn the_simulator_catches_broken_rules() {
    let mut unsound = at(cluster(2, 1, false, "25.6.4"), "25.6.1");
    // A manager that the planner is not told of runs on the same database and in the same environment.
    let hidden = unsound.instances.remove(1);
    let simulated = Simulated::new(unsound);
    let plan = plan_of(&simulated);
    simulated.lock().instances.push(hidden);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_stop, stopping) = watch::channel(false);
        Executor::new(Arc::new(plan), Arc::new(simulated.clone()), 64, stopping, Arc::new(|_| {})).run().await
    });
    let violations = simulated.lock().violations.clone();
    assert!(violations.iter().any(|rule| rule.contains("runs while its database is at work")), "{violations:?}");
}

/// `PROPTEST_CASES`, or as many as take some seconds.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500)
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
        instance.batch = Some(Batch { hosts: 2.try_into().unwrap(), declared_at: "site.yaml:3:11".into() });
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

/// A plan that leaves a migration out where a package may bring one is refused by the checker.
#[test]
fn a_migration_that_is_left_out_is_noticed() {
    let simulated = Simulated::new(at(cluster(1, 0, false, "25.6.7"), "25.6.5"));
    let (mut plan, facts) = (plan_of(&simulated), simulated.observe_all());
    assert_eq!(check(&plan, &facts), []);
    for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
        track.actions.retain(|action| !matches!(action.kind, ActionKind::Migrate { .. } | ActionKind::Backup { .. }));
    }
    let violations = check(&plan, &facts);
    assert!(violations.iter().any(|violation| violation.rule.contains("no migration follows")), "{violations:?}");
}

#[test]
fn one_database_and_two_declared_releases_are_refused() {
    let mut uneven = at(cluster(2, 0, false, "25.6.4"), "25.6.1");
    uneven.instances[1].component.release = release("25.6.2");
    let Turn::Refused(codes) = turn(&Asked::patches(), &Simulated::new(uneven)) else { panic!("it was not refused") };
    assert_eq!(codes, ["shared-database", "shared-database"]);
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::FailsAtOnce),
        Just(Fault::FailsHalfWay),
        Just(Fault::AnswerLost),
        Just(Fault::OrderLost),
        Just(Fault::ControllerDiesHalfWay),
        Just(Fault::ControllerDiesAfter),
        Just(Fault::HostGoesAway),
    ]
}

/// How an instance is found: which patch is installed, and whether nothing, the installed or an older release runs.
#[derive(Debug, Clone)]
struct Found {
    patch: usize,
    process: u8,
}

fn found() -> impl Strategy<Value = Found> {
    (0..PATCHES.len(), 0u8..4).prop_map(|(patch, process)| Found { patch, process })
}

/// A cluster at the last patch of its train, with the next one declared.
fn before_a_major(managers: usize, agents: usize, web: bool) -> Cluster {
    let mut cluster = at(cluster(managers, agents, web, "25.7.2"), "25.6.8");
    for schema in cluster.instances.iter_mut().filter_map(|instance| instance.component.schema.as_mut()) {
        schema.snapshots.insert("etcd".into(), "print-etcd".into());
    }
    cluster
}

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

#[test]
fn the_checker_catches_broken_major_plans() {
    type Breakage = fn(&mut Plan);
    fn remove(plan: &mut Plan, verb: &str) {
        for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
            track.actions.retain(|action| action.verb() != verb);
        }
    }
    fn each(plan: &mut Plan, change: impl Fn(&mut ActionKind)) {
        let tracks = plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks);
        tracks.flat_map(|track| &mut track.actions).for_each(|action| change(&mut action.kind));
    }
    let breakages: [(&str, Breakage); 9] = [
        ("never built and checked", |plan| remove(plan, "stage")),
        ("may run during a major upgrade", |plan| {
            for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
                track.actions.retain(|action| action.verb() != "stop" || action.component != "agent");
            }
        }),
        ("never unfrozen", |plan| remove(plan, "unfreeze")),
        ("no backup was made", |plan| remove(plan, "backup")),
        ("no migration runs it", |plan| {
            each(plan, |kind| {
                if let ActionKind::Migrate { migration, .. } = kind {
                    migration.skipped.clear();
                }
            });
        }),
        ("another migration was rehearsed", |plan| {
            each(plan, |kind| {
                if let ActionKind::Rehearse { migration, .. } = kind {
                    migration.skipped.clear();
                }
            });
        }),
        ("elsewhere than where it stands", |plan| {
            each(plan, |kind| {
                if let ActionKind::Migrate { migration, .. } = kind {
                    migration.rows = ["rev03".to_owned()].into();
                }
            });
        }),
        ("its recovery never starts", |plan| {
            plan.recoveries[0].stages.retain(|stage| !stage.title.contains("start"));
        }),
        ("names the restore", |plan| plan.recoveries[1].advice.clear()),
    ];
    let simulated = Simulated::new(before_a_major(1, 1, false));
    let sound = plan_as(&Asked::major(), &simulated);
    let facts = simulated.observe_all();
    assert_eq!(check(&sound, &facts), []);
    for (expected, breakage) in breakages {
        let mut broken = sound.clone();
        breakage(&mut broken);
        let violations: Vec<String> = check(&broken, &facts).iter().map(ToString::to_string).collect();
        assert!(violations.iter().any(|rule| rule.contains(expected)), "{expected:?} is not in {violations:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// From any state that the pre-flight lets pass, with any faults on the way, runs lead to the empty plan, and no
    /// action breaks a rule.
    #[test]
    fn runs_converge_whatever_happens_on_the_way(
        managers in 0usize..3, agents in 0usize..4, web in any::<bool>(),
        found in prop::collection::vec(found(), 8), schema in 0usize..PATCHES.len(),
        faults in prop::collection::btree_map(0usize..40, fault(), 0..4),
    ) {
        let (web, agents) = (web && managers > 0, if managers == 0 { agents.max(1) } else { agents });
        let mut cluster = cluster(managers, agents, web, PATCHES[PATCHES.len() - 1]);
        let mut oldest_manager = PATCHES.len() - 1;
        let instances = cluster.instances.len();
        for (number, Found { patch, process }) in found.into_iter().enumerate().take(instances) {
            cluster.install(number, &release(PATCHES[patch]));
            match process {
                0 => {}
                1 => cluster.start(number, Some(&release(PATCHES[patch.saturating_sub(1)]))),
                _ => cluster.start(number, None),
            }
            if cluster.instances[number].component.schema.is_some() {
                oldest_manager = oldest_manager.min(patch);
            }
        }
        // A database that an older package doesn't know is refused; that has a test of its own.
        cluster.databases.insert("main".into(), head_of(&release(PATCHES[schema.min(oldest_manager)])));
        cluster.faults = faults;
        let simulated = Simulated::new(cluster);
        converge(&simulated);
        let cluster = simulated.lock();
        prop_assert_eq!(&cluster.violations, &Vec::<String>::new(), "{:#?}", cluster.log);
        let declared = release(PATCHES[PATCHES.len() - 1]);
        for instance in &cluster.instances {
            prop_assert_eq!(cluster.installed(&instance.id()), Some(declared.clone()));
        }
        if managers > 0 {
            prop_assert_eq!(&cluster.databases["main"], &head_of(&declared));
        }
    }
}

proptest! {
    // A way of three releases is some sixty actions: a case costs four times what one of the patches does.
    #![proptest_config(ProptestConfig { cases: cases() / 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same over a major upgrade and the patches after it: whatever fails or dies, turns lead to the empty plan, nothing
    /// runs twice, nothing is left out, nothing stays frozen.
    #[test]
    fn major_upgrades_converge_whatever_happens_on_the_way(
        managers in 1usize..3, agents in 0usize..3, web in any::<bool>(), sessions in 0u64..4, brings in any::<bool>(),
        faults in prop::collection::btree_map(0usize..60, fault(), 0..4),
    ) {
        let mut cluster = before_a_major(managers, agents, web);
        cluster.sessions = sessions;
        cluster.faults = faults;
        if brings {
            // The train is entered at a release that also brings a revision above the head.
            cluster.published.retain(|published| !["25.7.0", "25.7.1"].contains(&published.to_string().as_str()));
        }
        let simulated = Simulated::new(cluster);
        converge_as(&Asked::major(), &simulated);
        let cluster = simulated.lock();
        prop_assert_eq!(&cluster.violations, &Vec::<String>::new(), "{:#?}", cluster.log);
        for instance in &cluster.instances {
            prop_assert_eq!(cluster.installed(&instance.id()), Some(release("25.7.2")));
        }
        prop_assert!(!cluster.frozen);
        prop_assert_eq!(cluster.databases["main"].as_str(), "next01");
        prop_assert!(cluster.applied["main"].contains("spliced1") && cluster.applied["main"].contains("spliced2"));
    }
}

//! `converge schema mend`: a database that an earlier upgrade left at head without revisions
//! is completed, whatever fails on the way, and no rule is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use converge::desired::Instance;
use converge::execute::{Executor, RunOutcome};
use converge::facts::HostFacts;
use converge::model::{HostName, Timestamp};
use converge::plan::{ActionKind, Input, Plan, check, mend, plan};
use converge::preflight;
use converge::release::Catalogue;

use crate::clusters::{at, cluster};
use crate::recorder::Memory;
use crate::simulated::{Cluster, Fault, Simulated};

/// Two managers on one database, a web server in the environment of the first, an agent, all of them at 25.7.0; somebody
/// has typed `alembic upgrade head`, and what 25.7.0 put below the head never ran.
fn careless() -> Cluster {
    let mut cluster = at(cluster(2, 1, true, "25.7.0"), "25.7.0");
    // What shares an environment was started behind its last install.
    (0..cluster.instances.len()).for_each(|number| cluster.start(number, None));
    cluster
}

/// As the command does: only what has a schema is looked at.
fn with_schema(simulated: &Simulated) -> Vec<Instance> {
    let mut instances = simulated.lock().instances.clone();
    instances.retain(|instance| instance.component.schema.is_some());
    instances
}

fn refusing(instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>) -> Vec<String> {
    let findings = preflight::check(&preflight::Input {
        instances,
        resources: &[],
        out_of_scope: &[],
        facts,
        catalogue: &Catalogue::default(),
        request: &preflight::Request { mend: true, ..preflight::Request::default() },
        now: Timestamp(0),
    });
    findings.into_iter().filter(preflight::Finding::refuses).map(|finding| finding.code).collect()
}

fn plan_of(simulated: &Simulated) -> (Plan, BTreeMap<HostName, HostFacts>) {
    let (instances, facts) = (with_schema(simulated), simulated.observe_all());
    assert_eq!(refusing(&instances, &facts), [""; 0]);
    let plan = mend(&Input::new(&instances, &facts, &Catalogue::default()));
    assert_eq!(check(&plan, &facts), [], "{plan:#?}");
    (plan, facts)
}

/// Carries a plan out; `None` where the controller died.
fn carry_out(simulated: &Simulated, plan: Plan) -> Option<RunOutcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stopping = simulated.begin(Some(&plan));
        let (hosts, recorder) = (Arc::new(simulated.clone()), Arc::new(Memory::default()));
        let executor = Executor::new(Arc::new(plan), hosts, recorder, 64, stopping, Arc::new(|_| {}));
        tokio::select! {
            outcome = executor.run() => Some(outcome),
            () = simulated.controller_dies() => None,
        }
    })
}

#[test]
fn what_was_left_out_runs_with_nobody_on_the_database_and_a_backup_before() {
    let simulated = Simulated::new(careless());
    let (plan, _) = plan_of(&simulated);
    let titles: Vec<&str> = plan.stages.iter().map(|stage| stage.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "25.7.0: rehearse the mending of manager",
            "25.7.0: stop manager",
            "25.7.0: back up the database of manager",
            "25.7.0: mend the database of manager",
            "25.7.0: start manager",
        ]
    );
    let migrations: Vec<&ActionKind> =
        plan.actions().map(|action| &action.kind).filter(|kind| matches!(kind, ActionKind::Migrate { .. })).collect();
    let [ActionKind::Migrate { migration, .. }] = migrations[..] else { panic!("{migrations:?}") };
    assert_eq!(migration.skipped, ["spliced1", "spliced2"]);
    assert_eq!((migration.pending.len(), migration.head.as_str()), (0, "rev04"));
    assert_eq!(migration.rows, BTreeSet::from(["rev04".to_owned()]));

    assert!(carry_out(&simulated, plan).unwrap().is_complete());
    assert!(plan_of(&simulated).0.is_empty());
    let cluster = simulated.lock();
    assert_eq!(cluster.violations, Vec::<String>::new());
    assert!(cluster.applied["main"].contains("spliced1") && cluster.applied["main"].contains("spliced2"));
    assert!(cluster.hosts.values().all(|host| !host.processes.is_empty()));
}

/// Nothing that an ordinary run would do but to start what was left stopped.
fn only_starts_are_left(simulated: &Simulated) {
    let instances = simulated.lock().instances.clone();
    let rest = plan(&Input::new(&instances, &simulated.observe_all(), &Catalogue::default()));
    assert!(rest.actions().all(|action| action.verb() == "start"), "{rest:#?}");
}

#[test]
fn whatever_fails_on_the_way_it_is_completed_in_the_end_and_nothing_runs_twice() {
    let actions = plan_of(&Simulated::new(careless())).0.actions().count();
    let faults = [
        Fault::FailsAtOnce,
        Fault::FailsHalfWay,
        Fault::AnswerLost,
        Fault::OrderLost,
        Fault::ControllerDiesHalfWay,
        Fault::ControllerDiesAfter,
        Fault::HostGoesAway,
    ];
    for (number, fault) in (0..actions).flat_map(|number| faults.map(|fault| (number, fault))) {
        let mut cluster = careless();
        cluster.faults = BTreeMap::from([(number, fault)]);
        let simulated = Simulated::new(cluster);
        let (plan, _) = plan_of(&simulated);
        let before_the_migration = plan.actions().take(number + 1).all(|action| action.verb() != "migrate");
        if let Some(outcome) = carry_out(&simulated, plan) {
            let recovered = outcome.recovered.clone();
            match (outcome.failures.is_empty(), before_the_migration) {
                (true, _) => {}
                // The rehearsal stops nothing, so nothing is to be taken back.
                (false, true) if number < 2 => assert_eq!(recovered, None, "{number} {fault:?}"),
                (false, true) if fault == Fault::HostGoesAway => {}
                (false, true) => {
                    assert!(recovered.unwrap().took_back, "{number} {fault:?}");
                    let cluster = simulated.lock();
                    assert!(cluster.hosts.values().all(|host| !host.processes.is_empty()), "{number} {fault:?}");
                }
                (false, false) => {
                    let advice = recovered.unwrap().advice;
                    assert!(advice[0].contains("run converge schema mend again"), "{advice:?}");
                    assert!(advice.iter().any(|line| line.contains("pg_restore")), "{advice:?}");
                }
            }
            assert!(outcome.failures.iter().all(|failure| failure.next.contains("converge schema mend")
                || failure.next.starts_with("nothing was stopped")));
        }
        for turn in 0.. {
            assert!(turn < 3, "{number} {fault:?}: {:#?}", simulated.lock().log);
            simulated.between_runs();
            let (plan, _) = plan_of(&simulated);
            if plan.is_empty() {
                break;
            }
            only_starts_are_left(&simulated);
            carry_out(&simulated, plan);
        }
        only_starts_are_left(&simulated);
        let cluster = simulated.lock();
        assert_eq!(cluster.violations, Vec::<String>::new(), "{number} {fault:?}");
        assert!(cluster.applied["main"].contains("spliced2"), "{number} {fault:?}");
    }
}

#[test]
fn what_is_not_at_its_head_or_was_mended_meanwhile_is_left_alone() {
    let mut behind = careless();
    behind.databases.insert("main".into(), "rev03".into());
    let simulated = Simulated::new(behind);
    let (instances, facts) = (with_schema(&simulated), simulated.observe_all());
    let refused = refusing(&instances, &facts);
    assert!(!refused.is_empty() && refused.iter().all(|code| code == "schema-unmendable"), "{refused:?}");
    assert!(mend(&Input::new(&instances, &facts, &Catalogue::default())).is_empty());

    // Somebody was faster.
    let simulated = Simulated::new(careless());
    let (plan, _) = plan_of(&simulated);
    simulated.lock().applied.get_mut("main").unwrap().extend(["spliced1".to_owned(), "spliced2".to_owned()]);
    assert!(carry_out(&simulated, plan.clone()).unwrap().is_complete());
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
    assert!(!simulated.lock().log.iter().any(|line| line.contains("/migrate")));

    // Somebody is at it, half-way.
    let simulated = Simulated::new(careless());
    simulated.lock().applied.get_mut("main").unwrap().insert("spliced1".to_owned());
    let outcome = carry_out(&simulated, plan).unwrap();
    assert!(outcome.failures[0].observed.contains("1 of the 1 things of spliced1 are there"), "{:?}", outcome.failures);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn the_checker_catches_broken_mendings() {
    type Breakage = fn(&mut Plan);
    fn remove(plan: &mut Plan, verb: &str) {
        for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
            track.actions.retain(|action| action.verb() != verb);
        }
    }
    fn migration(plan: &mut Plan, change: fn(&mut converge::plan::Migration)) {
        let tracks = plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks);
        for action in tracks.flat_map(|track| &mut track.actions) {
            if let ActionKind::Migrate { migration, .. } = &mut action.kind {
                change(migration);
            }
        }
    }
    let breakages: [(&str, Breakage); 8] = [
        ("may run while its package or schema changes", |plan| remove(plan, "stop")),
        ("no backup was made", |plan| remove(plan, "backup")),
        ("is stopped and never started again", |plan| remove(plan, "start")),
        ("names the restore", |plan| plan.recoveries[1].advice.clear()),
        ("its recovery never starts", |plan| plan.recoveries[0].stages.clear()),
        ("this moves it", |plan| migration(plan, |migration| migration.pending.push("next01".into()))),
        ("runs no revision", |plan| migration(plan, |migration| migration.skipped.clear())),
        ("does nothing else", |plan| {
            let mut prune = plan.stages[0].tracks[0].actions[0].clone();
            prune.id.push_str("-prune");
            prune.kind = ActionKind::Prune { venv: "/manager".into(), keep: 0 };
            plan.stages[0].tracks[0].actions.push(prune);
        }),
    ];
    let (sound, facts) = plan_of(&Simulated::new(careless()));
    for (expected, breakage) in breakages {
        let mut broken = sound.clone();
        breakage(&mut broken);
        let violations: Vec<String> = check(&broken, &facts).iter().map(ToString::to_string).collect();
        assert!(violations.iter().any(|rule| rule.contains(expected)), "{expected:?} is not in {violations:#?}");
    }
}

//! Batches, settling, failure budgets and quorums, and what hosts that hang cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use converge::desired::{InstanceId, Serial};
use converge::event::Event;
use converge::execute::{Executor, RunOutcome};
use converge::model::{HostName, Share};
use converge::plan::{ActionKind, Plan, StageKind, check};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clusters::{at, cluster};
use crate::recorder::Memory;
use crate::simulated::{Cluster, Fault, LookFault, Simulated, host, release};
use crate::turns::{converge, plan_of};

fn agents(count: usize, declared: &str, installed: &str) -> Cluster {
    at(cluster(0, count, false, declared), installed)
}

fn serial(sizes: &[&str]) -> Option<Serial> {
    let sizes = sizes.iter().map(|text| Share::parse(text).unwrap()).collect();
    Some(Serial { sizes, declared_at: "site.yaml:3:11".into() })
}

/// Carries a plan out; with when each action ended, in seconds.
fn run(simulated: &Simulated, plan: &Plan, forks: usize) -> (RunOutcome, BTreeMap<String, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_stop, stopping) = watch::channel(false);
        let ended = Arc::new(Mutex::new(BTreeMap::new()));
        let (begun, events) = (Instant::now(), Arc::clone(&ended));
        let on_event = move |event: Event| {
            if let Event::ActionEnded { id, .. } = event {
                events.lock().unwrap().insert(id, begun.elapsed().as_secs());
            }
        };
        let (shared, hosts) = (Arc::new(plan.clone()), Arc::new(simulated.clone()));
        let recorder = Arc::new(Memory::default());
        let outcome = Executor::new(shared, hosts, recorder, forks, stopping, Arc::new(on_event)).run().await;
        let ended = ended.lock().unwrap().clone();
        (outcome, ended)
    })
}

fn stages(plan: &Plan) -> Vec<(String, usize)> {
    plan.stages.iter().map(|stage| (stage.title.clone(), stage.tracks.len())).collect()
}

fn at_release(simulated: &Simulated, number: &str) -> Vec<String> {
    let cluster = simulated.lock();
    let there = |id: &InstanceId| cluster.installed(id) == Some(release(number));
    cluster.instances.iter().map(|instance| instance.id()).filter(there).map(|id| id.host.to_string()).collect()
}

#[test]
fn batches_grow_as_declared_and_each_settles() {
    let mut rolling = agents(8, "25.6.2", "25.6.1");
    for instance in &mut rolling.instances {
        instance.rolling.serial = serial(&["1", "25%", "100%"]);
        instance.rolling.settle = Some(30);
    }
    let simulated = Simulated::new(rolling);
    let plan = plan_of(&simulated);
    let expected = [
        ("25.6.2: agent (1 of 3)", 1),
        ("25.6.2: agent (1 of 3): settle for 30 s", 1),
        ("25.6.2: agent (2 of 3)", 2),
        ("25.6.2: agent (2 of 3): settle for 30 s", 2),
        ("25.6.2: agent (3 of 3)", 5),
        ("25.6.2: agent (3 of 3): settle for 30 s", 5),
    ];
    assert_eq!(stages(&plan), expected.map(|(title, hosts)| (title.to_owned(), hosts)));
    let (outcome, ended) = run(&simulated, &plan, 64);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!(ended["25.6.2/gpu1/agent/settle"] >= 30 && ended["25.6.2/gpu8/agent/settle"] >= 90, "{ended:?}");
    // To look is to change nothing.
    assert_eq!((outcome.hosts["gpu1"].ok, outcome.hosts["gpu1"].changed), (4, 3));
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn what_dies_while_it_settles_ends_the_run_before_the_next_batch() {
    let mut rolling = agents(3, "25.6.2", "25.6.1");
    for instance in &mut rolling.instances {
        instance.rolling.serial = serial(&["1"]);
        instance.rolling.settle = Some(60);
    }
    let simulated = Simulated::new(rolling);
    let plan = plan_of(&simulated);
    let looks = simulated.lock().looks;
    // Two looks each at a stop, an install, a start; then it is watched for some time.
    simulated.lock().deaths = BTreeMap::from([(looks + 12, plan.actions().next().unwrap().instance())]);
    let (outcome, ended) = run(&simulated, &plan, 64);
    let failed = &outcome.failures[0];
    assert_eq!(failed.tried, "watch agent for 60 s");
    assert!(failed.observed.contains("no process runs") && failed.observed.starts_with("after "), "{failed:?}");
    assert!(failed.next.contains("why it doesn't stay up"), "{failed:?}");
    assert_eq!(at_release(&simulated, "25.6.2"), ["gpu1"]);
    assert!(ended.keys().all(|id| id.contains("/gpu1/")), "{ended:?}");
}

#[test]
fn a_host_that_fails_within_the_budget_is_left_out() {
    let mut rolling = agents(4, "25.6.4", "25.6.1");
    for instance in &mut rolling.instances {
        instance.rolling.serial = serial(&["1"]);
        instance.rolling.max_fail_percentage = Some(50);
    }
    // The second action is the first host's install.
    rolling.faults = BTreeMap::from([(1, Fault::FailsAtOnce)]);
    let simulated = Simulated::new(rolling.clone());
    let plan = plan_of(&simulated);
    simulated.begin(Some(&plan));
    let (outcome, _) = run(&simulated, &plan, 64);
    // The others reach the hop, and nobody begins the next: it would not be complete.
    assert_eq!(at_release(&simulated, "25.6.2"), ["gpu2", "gpu3", "gpu4"]);
    assert_eq!(outcome.left_out, BTreeSet::from([host("gpu1")]));
    let why = outcome.ended_early.unwrap();
    assert_eq!(why, "25.6.2 is not complete on gpu1, and no later release begins before it is");
    assert_eq!(outcome.failures.len(), 1);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
    converge(&simulated);

    // A second one uses it up: half of four.
    rolling.faults = BTreeMap::from([(1, Fault::FailsAtOnce), (3, Fault::FailsAtOnce)]);
    let simulated = Simulated::new(rolling);
    let plan = plan_of(&simulated);
    simulated.begin(Some(&plan));
    let (outcome, _) = run(&simulated, &plan, 64);
    assert_eq!(at_release(&simulated, "25.6.2"), [""; 0]);
    let why = outcome.ended_early.unwrap();
    assert_eq!(why, "2 of 4 hosts of a play failed, and max_fail_percentage is 50");
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
    converge(&simulated);
}

#[test]
fn the_run_as_a_whole_has_a_budget_too() {
    let mut rolling = agents(6, "25.6.2", "25.6.1");
    for (number, instance) in rolling.instances.iter_mut().enumerate() {
        // Two plays, each of which could go on.
        instance.play += number % 2;
        instance.rolling.serial = serial(&["1"]);
        instance.rolling.max_fail_percentage = Some(100);
    }
    rolling.faults = BTreeMap::from([(1, Fault::FailsAtOnce), (3, Fault::FailsAtOnce)]);
    let at_most = |hosts: Option<u32>| {
        let simulated = Simulated::new(rolling.clone());
        let plan = plan_of(&simulated);
        let stopping = simulated.begin(Some(&plan));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (hosts_of_it, recorder) = (Arc::new(simulated.clone()), Arc::new(Memory::default()));
        let executor = Executor::new(Arc::new(plan), hosts_of_it, recorder, 64, stopping, Arc::new(|_| {}));
        let outcome = runtime.block_on(executor.with_max_failures(hosts).run());
        assert_eq!(outcome.failures.len(), 2);
        (at_release(&simulated, "25.6.2").len(), outcome.ended_early)
    };
    assert_eq!(at_most(None), (4, None));
    assert_eq!(at_most(Some(3)), (4, None));
    let why = "2 host(s) of the run failed, and --max-failures is 2";
    assert_eq!(at_most(Some(2)), (0, Some(why.to_owned())));
}

/// A budget that is used up also keeps hosts of the same batch from beginning that still wait for a fork.
#[test]
fn the_first_failure_is_fatal_where_it_is_declared_to_be() {
    let mut rolling = agents(5, "25.6.2", "25.6.1");
    rolling.faults = BTreeMap::from([(0, Fault::FailsAtOnce)]);
    let all_but_one = |fatal: bool| {
        let mut rolling = rolling.clone();
        for instance in rolling.instances.iter_mut().filter(|_| fatal) {
            instance.rolling.max_fail_percentage = Some(0);
        }
        let simulated = Simulated::new(rolling);
        let plan = plan_of(&simulated);
        let (outcome, _) = run(&simulated, &plan, 1);
        assert_eq!(outcome.failures.len(), 1);
        at_release(&simulated, "25.6.2").len()
    };
    assert_eq!((all_but_one(false), all_but_one(true)), (4, 0));
}

#[test]
fn a_quorum_bounds_batches_and_what_is_down_comes_first() {
    let mut rolling = agents(4, "25.6.2", "25.6.1");
    for instance in &mut rolling.instances {
        instance.component.quorum = Some(Share::Percent(50));
    }
    rolling.hosts.get_mut(&host("gpu3")).unwrap().processes.clear();
    let simulated = Simulated::new(rolling);
    let plan = plan_of(&simulated);
    let hosts = |number: usize| plan.stages[number].tracks.iter().map(|t| t.host.to_string()).collect::<Vec<_>>();
    // gpu3 is down until it is through, so one more may go with it.
    assert_eq!(plan.stages.len(), 2);
    assert_eq!((hosts(0), hosts(1)), (vec!["gpu3".to_owned(), "gpu1".into()], vec!["gpu2".to_owned(), "gpu4".into()]));
    assert_eq!(check(&plan, &simulated.observe_all()), []);
    converge(&simulated);
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

/// Whatever the plan says, the executor begins no stop that leaves too few.
#[test]
fn no_stop_begins_that_would_break_a_quorum() {
    let mut rolling = agents(3, "25.6.2", "25.6.1");
    for instance in &mut rolling.instances {
        instance.component.quorum = Some(Share::Count(2));
    }
    let simulated = Simulated::new(rolling);
    let mut plan = plan_of(&simulated);
    let tracks = plan.stages.iter().flat_map(|stage| stage.tracks.clone()).collect();
    plan.stages[0].tracks = tracks;
    plan.stages.truncate(1);
    let broken: Vec<String> = check(&plan, &simulated.observe_all()).iter().map(ToString::to_string).collect();
    assert!(broken[0].contains("3 of 3 agent may be down at a time, and 2 must serve"), "{broken:?}");
    let (outcome, _) = run(&simulated, &plan, 64);
    assert_eq!(outcome.failures.len(), 2);
    for failed in &outcome.failures {
        assert_eq!(failed.expected, "2 of 3 agent serving without it");
        assert!(failed.observed.starts_with("down, failed or lost already: gpu"), "{failed:?}");
        assert!(failed.left[0].contains("running 25.6.1"), "{failed:?}");
    }
    assert_eq!(simulated.lock().violations, Vec::<String>::new());
}

#[test]
fn the_checker_wants_time_to_settle() {
    let mut rolling = agents(2, "25.6.2", "25.6.1");
    for instance in &mut rolling.instances {
        instance.rolling.serial = serial(&["1"]);
        instance.rolling.settle = Some(5);
    }
    let simulated = Simulated::new(rolling);
    let (sound, facts) = (plan_of(&simulated), simulated.observe_all());
    assert_eq!(check(&sound, &facts), []);
    let broken = |change: &dyn Fn(&mut Plan)| {
        let mut plan = sound.clone();
        change(&mut plan);
        check(&plan, &facts).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let without = broken(&|plan| plan.stages.retain(|stage| !stage.title.contains("settle")));
    assert!(without.contains("it begins before gpu1/agent has settled"), "{without}");
    assert!(without.contains("gpu2/agent: it is started and has no time to settle"), "{without}");
    let early = broken(&|plan| plan.stages.swap(0, 1));
    assert!(early.contains("it watches gpu1/agent, which does not run 25.6.2 by then"), "{early}");
}

/// A host that takes what it is given and then says nothing costs its own time-out and nobody else's.
#[test]
fn a_host_that_hangs_holds_up_nobody_else() {
    for hangs_in_act in [true, false] {
        let mut slow = agents(3, "25.6.2", "25.6.1");
        if hangs_in_act {
            slow.faults = BTreeMap::from([(0, Fault::Hangs)]);
        }
        let simulated = Simulated::new(slow);
        let plan = plan_of(&simulated);
        if !hangs_in_act {
            let looks = simulated.lock().looks;
            simulated.lock().look_faults = BTreeMap::from([(looks, LookFault::Hangs)]);
        }
        let (_, ended) = run(&simulated, &plan, 64);
        let of = |name: &str| ended.iter().filter(|(id, _)| id.contains(name)).map(|(_, at)| *at).max().unwrap();
        let mut all = ["/gpu1/", "/gpu2/", "/gpu3/"].map(of);
        all.sort_unstable();
        // The stop's own time-out is its ten seconds and half a minute; a look has a minute.
        assert!(all[2] >= if hangs_in_act { 40 } else { 60 }, "{ended:?}");
        assert!(all[1] < 5, "{ended:?}");
    }
}

/// What is dead isn't waited for until the time for its start is up.
#[test]
fn a_start_that_is_dead_fails_after_a_short_grace() {
    let mut dead = agents(1, "25.6.2", "25.6.1");
    dead.instances[0].component.process.start_timeout = 600;
    dead.faults = BTreeMap::from([(2, Fault::Lies)]);
    let simulated = Simulated::new(dead);
    let plan = plan_of(&simulated);
    assert!(matches!(plan.actions().nth(2).unwrap().kind, ActionKind::Start { .. }));
    assert_eq!(plan.stages[0].kind, StageKind::Independent);
    let (outcome, ended) = run(&simulated, &plan, 64);
    let failed = &outcome.failures[0];
    assert_eq!(failed.observed, "it was started and is dead, seen for 15 s: no process runs");
    assert!((15..20).contains(&ended["25.6.2/gpu1/agent/start"]), "{ended:?}");
    let hosts: Vec<&HostName> = outcome.hosts.keys().collect();
    assert_eq!(hosts, [&host("gpu1")]);
    converge(&simulated);
}

//! Bugs planted on purpose: each breaks one rule once, behind the checker's back, and the simulation has to notice. A
//! silent simulation means something only because of this.

use std::sync::Arc;

use converge::desired::Instance;
use converge::event::{Event, Failure};
use converge::execute::{Attempt, Hosts, Recorder, RunOutcome};
use converge::model::Share;
use converge::plan::{Action, ActionKind, Plan, Stage, StageKind, Track};
use tokio::task::JoinSet;

use crate::scenario::Scenario;
use crate::seeds::play;
use crate::simulated::{Fault, LookFault, SimJournal, Simulated, WriteFault, release};

/// One bug.
pub(crate) struct Bug {
    name: &'static str,
    /// What the simulation says of it.
    caught_by: &'static str,
    /// What makes it matter.
    prepare: fn(&mut Scenario),
    /// What becomes of the plan after it was checked.
    pub(crate) spoil: fn(&mut Plan),
    /// Who carries it out in the executor's place.
    pub(crate) habits: Option<Habits>,
}

impl Bug {
    pub(crate) fn none() -> Self {
        Self { name: "none", caught_by: "", prepare: |_| {}, spoil: |_| {}, habits: None }
    }
}

/// An executor that does what its plan says, without looking, whatever the plan, the facts or the operator say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// It does again what it got no answer to.
    tries_again: bool,
    /// It takes failures lightly.
    goes_on: bool,
    /// It begins without having written that down.
    forgets_the_journal: bool,
    /// It sends no generation with its orders.
    forgets_the_generation: bool,
}

const CARELESS: Option<Habits> =
    Some(Habits { tries_again: false, goes_on: false, forgets_the_journal: false, forgets_the_generation: false });

pub(crate) async fn careless(plan: &Plan, simulated: &Simulated, habits: Habits) -> RunOutcome {
    let plan = Arc::new(plan.clone());
    let (mut outcome, journal) = (RunOutcome::default(), simulated.journal());
    if habits.forgets_the_generation {
        simulated.lock().unfenced = true;
    }
    for stage in &plan.stages {
        let mut tracks = JoinSet::new();
        for track in stage.tracks.clone() {
            tracks.spawn(careless_track(Arc::clone(&plan), simulated.clone(), journal.clone(), track, habits));
        }
        while let Some(ended) = tracks.join_next().await {
            outcome.failures.extend(ended.unwrap());
        }
        if !outcome.failures.is_empty() && !habits.goes_on {
            break;
        }
    }
    outcome
}

async fn careless_track(
    plan: Arc<Plan>,
    hosts: Simulated,
    journal: SimJournal,
    track: Track,
    habits: Habits,
) -> Option<Failure> {
    for action in &track.actions {
        let questions = plan.questions(action).remove(&action.host).unwrap_or_default();
        let facts = hosts.observe(action.host.clone(), questions).await;
        if !habits.forgets_the_journal {
            let (host, id, text) = (action.host.clone(), action.id.clone(), action.to_string());
            let _ = journal.record(&Event::ActionStarted { host, id, text }).await;
        }
        let mut attempt = hosts.act(&plan, action, &facts, &mut |_| {}).await;
        if habits.tries_again && matches!(attempt, Attempt::Unknown { .. }) {
            attempt = hosts.act(&plan, action, &facts, &mut |_| {}).await;
        }
        if attempt != Attempt::Succeeded && !habits.goes_on {
            return Some(Failure {
                host: action.host.clone(),
                tried: action.to_string(),
                expected: action.ensures.clone(),
                observed: format!("{attempt:?}"),
                output: vec![],
                left: vec![],
                next: String::new(),
                unreachable: false,
                handled: None,
            });
        }
    }
    None
}

fn tracks(plan: &mut Plan) -> impl Iterator<Item = &mut Track> {
    plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks)
}

fn remove(plan: &mut Plan, is_removed: impl Fn(&Action) -> bool) {
    tracks(plan).for_each(|track| track.actions.retain(|action| !is_removed(action)));
}

fn release_of(action: &Action) -> &str {
    action.id.split('/').next().unwrap_or_default()
}

/// Every release but the last one is left out.
fn skip_hops(plan: &mut Plan) {
    let last = plan.actions().last().map(|action| release_of(action).to_owned()).unwrap_or_default();
    remove(plan, |action| release_of(action) != last);
}

/// One host of the first release is forgotten.
fn forget_a_host(plan: &mut Plan) {
    let Some((first, host)) = plan
        .actions()
        .filter(|action| action.verb() == "install")
        .map(|action| (release_of(action).to_owned(), action.host.clone()))
        .next()
    else {
        return;
    };
    remove(plan, |action| release_of(action) == first && action.host == host);
}

fn migrate_twice_at_once(plan: &mut Plan) {
    for stage in &mut plan.stages {
        let is_migration = |action: &&Action| action.verb() == "migrate";
        let Some(mut twin) = stage.actions().find(is_migration).cloned() else { continue };
        twin.id.push_str("-twin");
        stage.tracks.push(Track { host: twin.host.clone(), actions: vec![twin] });
    }
}

fn downgrade(plan: &mut Plan) {
    for action in tracks(plan).flat_map(|track| &mut track.actions) {
        if let ActionKind::Install { packages, .. } = &mut action.kind {
            packages.iter_mut().for_each(|moved| moved.to = release("25.6.0"));
        }
    }
}

/// The answers to all of the first actions are lost, whoever gives them.
fn lose_answers(scenario: &mut Scenario) {
    scenario.cluster.faults.extend((0..40).map(|number| (number, Fault::AnswerLost)));
}

fn fail_at_once(scenario: &mut Scenario) {
    scenario.cluster.faults.extend((0..40).step_by(3).map(|number| (number, Fault::FailsAtOnce)));
}

/// The survey sees everything, and then many a host answers nothing that can be read.
fn blind(scenario: &mut Scenario) {
    let hosts = scenario.cluster.hosts.len();
    scenario.cluster.look_faults.extend((hosts..200).step_by(2).map(|number| (number, LookFault::Garbage)));
}

/// All agents but one must serve, and do.
fn require_all_but_one(scenario: &mut Scenario) {
    let cluster = &mut scenario.cluster;
    let is_agent = |instance: &Instance| instance.component.name == "agent";
    let agents = cluster.instances.iter().filter(|instance| is_agent(instance)).count();
    if agents < 2 || scenario.asked.major {
        return;
    }
    for number in 0..cluster.instances.len() {
        if is_agent(&cluster.instances[number]) {
            cluster.start(number, None);
            cluster.instances[number].component.quorum = Some(Share::Count(u32::try_from(agents - 1).expect("small")));
        }
    }
}

/// What rolls in batches goes all at once.
fn all_at_once(plan: &mut Plan) {
    let stages = std::mem::take(&mut plan.stages);
    for stage in stages {
        match plan.stages.last_mut() {
            Some(last) if last.kind == StageKind::Independent && last.release() == stage.release() => {
                let new = |track: &Track| !last.tracks.iter().any(|known| known.host == track.host);
                let (new, rest): (Vec<Track>, Vec<Track>) = stage.tracks.into_iter().partition(new);
                last.tracks.extend(new);
                if !rest.is_empty() {
                    plan.stages.push(Stage { tracks: rest, ..stage });
                }
            }
            Some(_) | None => plan.stages.push(stage),
        }
    }
}

fn keep_busy(scenario: &mut Scenario) {
    scenario.cluster.sessions = 1000;
}

fn fill_the_disk(scenario: &mut Scenario) {
    scenario.cluster.write_faults.insert(2, WriteFault::Full);
}

fn send_another_controller(scenario: &mut Scenario) {
    scenario.cluster.takeovers.extend(0..40);
}

fn press_ctrl_c(scenario: &mut Scenario) {
    scenario.cluster.interrupts.insert(1);
}

fn bugs() -> Vec<Bug> {
    let plain =
        |name, caught_by, spoil: fn(&mut Plan)| Bug { name, caught_by, prepare: |_| {}, spoil, habits: CARELESS };
    let provoked = |name, caught_by, prepare: fn(&mut Scenario), habits: Habits| Bug {
        name,
        caught_by,
        prepare,
        spoil: |_| {},
        habits: Some(habits),
    };
    let hasty = Habits::default();
    vec![
        plain("a migration without a backup", "a migration without a backup", |plan| {
            remove(plan, |action| action.verb() == "backup");
        }),
        plain("a migration whose backup stays where it is", "a migration whose backup was not copied", |plan| {
            remove(plan, |action| action.verb() == "copy");
        }),
        plain("an install without a stop", "runs while its package changes", |plan| {
            remove(plan, |action| action.verb() == "stop");
        }),
        plain("a start without its migration", "beside a schema that is not its own", |plan| {
            remove(plan, |action| action.verb() == "migrate");
        }),
        plain("a patch that is left out", "a published patch is skipped", skip_hops),
        plain("a release that begins too early", "has not reached", forget_a_host),
        plain("two migrations at once", "is being migrated at the same time", migrate_twice_at_once),
        plain("a downgrade", "a downgrade", downgrade),
        plain("a major upgrade that rolls", "runs during a major upgrade", |plan| {
            remove(plan, |action| action.verb() == "stop" && action.component == "agent");
        }),
        Bug {
            prepare: keep_busy,
            ..plain("a major upgrade while work runs", "work runs during a major upgrade", |plan| {
                remove(plan, |action| action.verb() == "drain");
            })
        },
        Bug {
            habits: None,
            ..plain("an action that no checked plan has", "in no plan that was checked", |plan| {
                tracks(plan).flat_map(|track| &mut track.actions).for_each(|action| action.limit_seconds += 1);
            })
        },
        provoked(
            "an action that is done again because its answer was lost",
            "it is done twice",
            lose_answers,
            Habits { tries_again: true, ..hasty },
        ),
        provoked(
            "a failure that stops nobody",
            "runs while its package changes",
            fail_at_once,
            Habits { goes_on: true, ..hasty },
        ),
        Bug {
            prepare: require_all_but_one,
            ..plain("batches that are larger than a quorum allows", "a quorum is broken", all_at_once)
        },
        provoked(
            "a host that failed and is not left out",
            "its host has failed in this run",
            fail_at_once,
            Habits { goes_on: true, ..hasty },
        ),
        provoked(
            "a failure that ends no run",
            "although a failure has ended the run",
            fail_at_once,
            Habits { goes_on: true, ..hasty },
        ),
        provoked(
            "a beginning that is written down nowhere",
            "it begins without a durable record",
            |_| {},
            Habits { forgets_the_journal: true, ..hasty },
        ),
        provoked("a full disk that stops nobody", "it begins without a durable record", fill_the_disk, hasty),
        provoked(
            "a controller that was paused, and goes on",
            "it begins after another run has taken over",
            send_another_controller,
            Habits { forgets_the_generation: true, ..hasty },
        ),
        provoked("an unknown fact that is taken for good", "could not be seen, and is acted upon", blind, hasty),
        provoked("a request to stop that nobody hears", "begins after the run was asked to stop", press_ctrl_c, hasty),
    ]
}

/// How many seeds a bug may live through.
const PATIENCE: u64 = 200;

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for bug in bugs() {
        let caught = (0..PATIENCE).find(|seed| {
            let mut scenario = Scenario::undisturbed(*seed);
            (bug.prepare)(&mut scenario);
            play(scenario, &bug).violations.iter().any(|rule| rule.contains(bug.caught_by))
        });
        match caught {
            Some(seed) => eprintln!("{}: caught by seed {seed}", bug.name),
            None => missed.push(bug.name),
        }
    }
    assert_eq!(missed, [""; 0], "bugs that {PATIENCE} seeds did not catch");
}

/// What is planted is what is caught: where nothing is planted, the same scenarios break no rule.
#[test]
fn where_nothing_is_planted_nothing_is_caught() {
    for bug in bugs() {
        for seed in 0..6 {
            let mut scenario = Scenario::undisturbed(seed);
            (bug.prepare)(&mut scenario);
            let violations = play(scenario, &Bug::none()).violations;
            let caught = violations.iter().find(|rule| rule.contains(bug.caught_by) && !bug.caught_by.is_empty());
            assert_eq!(caught, None, "{} without its bug, seed {seed}", bug.name);
        }
    }
}

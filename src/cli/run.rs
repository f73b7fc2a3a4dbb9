//! The main job: plan, ask, carry out, prove.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::error::CliError;
use super::exit::Exit;
use super::interrupt::Why;
use super::options::Options;
use super::progress::Progress;
use super::recording::Begun;
use super::survey::{Subject, Survey, survey};
use super::{context, interrupt, jobs, locks, machine, output, take_up};
use crate::desired::Resource;
use crate::event::Event;
use crate::execute::{Ask, Executor, Jobs, Recovered, RunOutcome};
use crate::gather::{Fleet, Sessions};
use crate::journal::{Ending, Record};
use crate::model::{HostName, RunId};
use crate::plan::{Action, Plan};
use crate::preflight::{self, Finding, Waiver};
use crate::report::{
    RecapLine, downtime_text, failures_text, findings_text, handled_text, plan_text, recap_text, recovery_text,
    unrecorded_text,
};
use crate::resource::plain::Plain;
use crate::transport::{AnyConnector, Target};

/// `converge --inventory FILE`.
pub(super) async fn run(options: &Options) -> Result<Exit, CliError> {
    go_on(options, None).await
}

/// The same, going on with an earlier run where one is named.
pub(super) async fn go_on(options: &Options, resumes: Option<RunId>) -> Result<Exit, CliError> {
    if options.step && !machine::is_interactive() {
        return Err(CliError::Usage("--step asks before each stage, and there is no terminal to ask at".into()));
    }
    let mut context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Kept)?;
    // What only looks is no run, and leaves no trace.
    let mut begun = if options.check { None } else { Some(Begun::new(options, resumes)?) };
    let mut round = 0;
    loop {
        round += 1;
        let mut seen = match look(options, &fleet, &context.subject(options)).await? {
            Ok(seen) => seen,
            Err(exit) => return Ok(exit),
        };
        if let Some(begun) = begun.as_ref().filter(|_| round == 1) {
            take_up::ask_hosts(begun, &fleet, &context.targets, options).await;
        }
        let acknowledged = acknowledged(options, &seen);
        if !acknowledged.is_empty() {
            if let Some(begun) = &mut begun {
                begun.acknowledge(&acknowledged);
            }
            context.request.waivers.extend(acknowledged);
            seen = survey(&fleet, &context.subject(options)).await?;
        }
        if seen.refused() {
            return Ok(refused(&seen));
        }
        say_waived(&seen);
        output::answer(&plan_text(&seen.plan))?;
        if seen.plan.is_empty() {
            output::answer(&recap_text(lines_of(&seen.plan.hosts(), &RunOutcome::default(), &seen.plan)))?;
            return Ok(Exit::Ok);
        }
        let Some(named) = begun else { return Ok(Exit::Drift) };
        let Survey { plan, findings, .. } = seen;
        let ready = Ready { begun: named, plan, findings, targets: &context.targets };
        match carry_out(options, &fleet, ready, &context.subject(options)).await? {
            CarriedOut::Ended(exit) => return Ok(exit),
            CarriedOut::Outdated(named) if round < PLANS => {
                output::say(
                    "\nWhat the plan relies on has changed since it was made: nothing was done, and it is planned again\n",
                );
                begun = Some(*named);
            }
            CarriedOut::Outdated(_) => break,
            // Each time, something is there that wasn't: this comes to an end.
            CarriedOut::Prepared => {
                output::say("\nPrepared: what could not be judged before is looked at and planned now.\n");
                begun = Some(Begun::new(options, None)?);
                round = 0;
            }
        }
    }
    output::say(&format!(
        "\nThe hosts changed under each of {PLANS} plans before it could begin; nothing was done\n  next: find out who or what \
         changes them (`converge drift` twice shows what), then run again\n"
    ));
    Ok(Exit::Stale)
}

/// How often it is looked whether what was restarted answers, and the time between two looks.
const LOOKS_AFTER_A_RESTART: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// How often a run plans before it gives up: a host that is just starting up changes once or twice while it is looked at.
const PLANS: usize = 3;

/// With --check nothing is waited for: what is at work refuses the run.
async fn look(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    subject: &Subject<'_>,
) -> Result<Result<Survey, Exit>, CliError> {
    if options.check {
        Ok(Ok(survey(fleet, subject).await?))
    } else {
        jobs::survey_when_idle(options, fleet, subject).await
    }
}

/// Asks whoever sits at the terminal for the manual steps that are all that stops the run.
fn acknowledged(options: &Options, seen: &Survey) -> Vec<Waiver> {
    let steps = preflight::to_acknowledge(&seen.findings);
    if steps.is_empty() || options.yes || options.check || !machine::is_interactive() {
        return Vec::new();
    }
    let done = |step: &&Finding| machine::ask(&format!("\nBy hand: {}\nIs it done?", step.observed));
    // One that isn't done is enough to stop: what comes behind it need not be asked.
    steps.into_iter().take_while(done).map(preflight::acknowledgement).collect()
}

/// Prints findings, and says how a refused command ends.
pub(super) fn refused(seen: &Survey) -> Exit {
    output::say(&findings_text(&seen.findings, &seen.expired));
    exit_of_findings(seen)
}

/// What somebody answers for is said before it is relied on.
pub(super) fn say_waived(seen: &Survey) {
    output::say(&findings_text(&seen.findings, &seen.expired));
}

/// Unreachable hosts have an exit code of their own, so that a monitor can tell them from refusals.
pub(super) fn exit_of_findings(seen: &Survey) -> Exit {
    let unreachable: BTreeSet<&HostName> =
        seen.facts.values().filter(|facts| facts.unreachable.is_some()).map(|facts| &facts.host).collect();
    let only_unreachable = |finding: &Finding| unreachable.contains(&finding.host);
    match seen.findings.iter().filter(|finding| finding.refuses()).all(only_unreachable) {
        true => Exit::Unreachable,
        false => Exit::Refused,
    }
}

/// A plan that may be carried out.
pub(super) struct Ready<'a> {
    /// The run that does it.
    pub(super) begun: Begun,
    /// The plan.
    pub(super) plan: Plan,
    /// What was found, all of it waived.
    pub(super) findings: Vec<Finding>,
    /// How hosts are reached.
    pub(super) targets: &'a BTreeMap<HostName, Target>,
}

/// What came of a plan.
pub(super) enum CarriedOut {
    /// The command ends so; all is said.
    Ended(Exit),
    /// Nothing was begun: what the plan relies on was different when it was looked at behind the locks.
    Outdated(Box<Begun>),
    /// It prepared, and what waited for that can be planned now.
    Prepared,
}

/// Asks, gets the locks, carries the plan out while they are kept, and gives them back.
pub(super) async fn carry_out(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    ready: Ready<'_>,
    subject: &Subject<'_>,
) -> Result<CarriedOut, CliError> {
    if !options.yes && machine::is_interactive() && !machine::ask("\nCarry this plan out?") {
        output::progress("Nothing was changed.");
        return Ok(CarriedOut::Ended(Exit::Declined));
    }
    let lease = match locks::acquire(options, fleet, &ready.begun.id, &ready.plan, subject).await {
        Ok(lease) => lease,
        Err(exit) => return Ok(CarriedOut::Ended(exit)),
    };
    let (stop, stopping) = watch::channel(false);
    let lost = OnceLock::new();
    let held = Held { fences: lease.generations(), stop: stop.clone(), stopping, lost: &lost };
    let keeping = async {
        let _ = lost.set(lease.keep().await);
        let _ = stop.send(true);
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = carry_out_locked(options, fleet, ready, subject, held) => ended,
        () = keeping => Ok(CarriedOut::Ended(Exit::Locked)),
    };
    lease.release().await;
    ended
}

/// What a run has while it holds its locks.
struct Held<'a> {
    /// The generation of each host's lock.
    fences: BTreeMap<HostName, u64>,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
    /// The lock that was lost, and why.
    lost: &'a OnceLock<(HostName, String)>,
}

/// Looks once more, records that the run begins, carries the plan out, and plans again: success is the empty plan.
async fn carry_out_locked(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    Ready { begun, plan, findings, targets }: Ready<'_>,
    subject: &Subject<'_>,
    Held { fences, stop, stopping, lost }: Held<'_>,
) -> Result<CarriedOut, CliError> {
    match interrupt::or_stopped(locks::still_holds(fleet, &plan)).await {
        None => return Err(CliError::Interrupted),
        Some(false) => return Ok(CarriedOut::Outdated(Box::new(begun))),
        Some(true) => {}
    }
    let recording = Arc::new(begun.record(&plan, targets, &findings).await?);
    let (id, plan) = (begun.id, Arc::new(plan));
    let verbose = options.verbose > 0;
    let progress = Arc::new(Progress::new(verbose));
    let print = {
        let progress = Arc::clone(&progress);
        move |event: Event| progress.show(&event)
    };
    let jobs = Arc::new(Jobs::new(Arc::clone(fleet), id, options.reconnect).fenced(fences));
    let (shared, recorder) = (Arc::clone(&plan), Arc::clone(&recording));
    let executor = Executor::new(shared, jobs, recorder, machine::forks(options), stopping, Arc::new(print))
        .with_max_failures(options.max_failures)
        .with_step(options.step.then(asker));
    let deadline = options.deadline.map(interrupt::after_start);
    let on_stop = |why: Why| {
        if why == Why::Deadline {
            output::progress("the deadline of this run is over");
        }
        progress.show(&Event::Stopping);
        let recording = Arc::clone(&recording);
        tokio::spawn(async move { recording.note(Record::Stopping).await });
    };
    let ended = interrupt::finishing_what_runs(executor.run(), stop, deadline, on_stop).await;
    let Some(outcome) = ended else {
        recording.end(Ending::Left, Exit::Interrupted.code()).await;
        output::say(
            "\nLeft at once. What was begun on the hosts may still be running there; `converge drift` shows how things \
             stand. To go on: `converge resume`, or run again; both ask the hosts for what was begun.\n",
        );
        return Ok(CarriedOut::Ended(Exit::Interrupted));
    };
    let proven = prove(fleet, &plan, &outcome, subject, lost.get()).await;
    if outcome.unrecorded.is_none() {
        let (how, code) = ending(&proven);
        recording.end(how, code).await;
    }
    let exit = proven?;
    // The run has ended as it has ended, whoever still listens.
    let _ = output::answer(&recap_text(lines_of(&plan.hosts(), &outcome, &plan)));
    match exit {
        Exit::Ok if !plan.waiting.is_empty() => Ok(CarriedOut::Prepared),
        exit => Ok(CarriedOut::Ended(exit)),
    }
}

/// Puts the question before a stage, beside everything else that goes on.
fn asker() -> Ask {
    Arc::new(|title| {
        let (tell, told) = oneshot::channel();
        tokio::task::spawn_blocking(move || tell.send(machine::ask_step(&title)));
        told
    })
}

fn ending(proven: &Result<Exit, CliError>) -> (Ending, u8) {
    match proven {
        Ok(Exit::Ok) => (Ending::Converged, Exit::Ok.code()),
        Ok(Exit::Interrupted) => (Ending::Stopped, Exit::Interrupted.code()),
        Ok(other) => (Ending::Failed, other.code()),
        Err(error) => (Ending::Failed, error.exit().code()),
    }
}

/// Says that another run took over, where that is so.
fn taken_over(outcome: &RunOutcome, lost: Option<&(HostName, String)>) -> Option<Exit> {
    let lost = lost.map(|(host, reason)| format!("the lock on {host} is lost: {reason}"));
    let why = outcome.fenced.clone().or(lost)?;
    output::say(&format!(
        "\nTAKEN OVER: {why}\n  what this run had begun was finished; the hosts let nothing more of it begin\n  next: converge lock show\n"
    ));
    Some(Exit::Locked)
}

/// After the last action: gather again, plan again. A plan that only prepared has done so when nothing waits any more.
async fn prove(
    fleet: &Arc<Fleet<AnyConnector>>,
    plan: &Plan,
    outcome: &RunOutcome,
    subject: &Subject<'_>,
    lost: Option<&(HostName, String)>,
) -> Result<Exit, CliError> {
    output::say(&downtime_text(&outcome.downtime_ms));
    if let Some(error) = &outcome.unrecorded {
        output::say(&unrecorded_text(&error.to_string()));
    }
    if !outcome.failures.is_empty() {
        output::say(&failures_text(&outcome.failures));
        if let Some(Recovered { title, took_back, failures, advice }) = &outcome.recovered {
            output::say(&recovery_text(title, *took_back, failures, advice));
        }
        if let Some(exit) = taken_over(outcome, lost) {
            return Ok(exit);
        }
        if let Some(why) = &outcome.ended_early {
            output::say(&format!("\nThe rest was not begun: {why}.\n"));
        }
        if !outcome.left_out.is_empty() {
            let hosts: Vec<&str> = outcome.left_out.iter().map(HostName::as_str).collect();
            output::say(&format!(
                "\nThe run went on without {}: within the failure budget of its play. Run converge again when it is mended.\n",
                hosts.join(", ")
            ));
        }
        let all_unreachable = outcome.failures.iter().all(|failure| failure.unreachable);
        return Ok(if all_unreachable { Exit::Unreachable } else { Exit::Failed });
    }
    if outcome.unrecorded.is_some() {
        return Ok(Exit::Failed);
    }
    if let Some(exit) = taken_over(outcome, lost) {
        return Ok(exit);
    }
    if outcome.stopped {
        output::say("\nStopped as asked: what ran was finished, the rest was not begun. Run again to go on.\n");
        return Ok(Exit::Interrupted);
    }
    // What failed and may stay as it is keeps nothing else from being proven; what still waits for it does wait.
    let prepares = !plan.waiting.is_empty();
    let counts = |resource: &&Resource| prepares || !outcome.excused.contains(&resource.id());
    let counted: Vec<Resource> = subject.resources.iter().filter(counts).cloned().collect();
    let counted = Subject { resources: &counted, ..*subject };
    let mut after = survey(fleet, &counted).await?;
    // A service that a task has just restarted may be a component's own, whose endpoint takes a moment.
    let restarts = |action: &Action| plan.resource(action).is_some_and(|one| matches!(one.plain, Plain::Service(_)));
    if plan.actions().any(restarts) {
        for _ in 0..LOOKS_AFTER_A_RESTART {
            if !after.refused() && after.plan.is_empty() {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            after = survey(fleet, &counted).await?;
        }
    }
    // What the pre-flight says of what isn't waiting any more is said by the plan for it.
    if prepares && after.plan.waiting.is_empty() {
        return Ok(Exit::Ok);
    }
    if !after.refused() && after.plan.is_empty() {
        output::progress("\nConverged: gathered and planned again, and nothing is left to do.");
        if !outcome.handled.is_empty() {
            output::say(&handled_text(&outcome.handled));
        }
        for (id, state) in &after.plan.basis {
            output::progress(&format!("  {id}: {state}"));
        }
        return Ok(Exit::Ok);
    }
    output::say("\nEvery action ended well, and yet the cluster is not as declared:\n");
    output::say(&if after.refused() { findings_text(&after.findings, &after.expired) } else { plan_text(&after.plan) });
    Ok(Exit::Failed)
}

fn lines_of<'a>(hosts: &'a BTreeSet<HostName>, outcome: &RunOutcome, plan: &Plan) -> Vec<(&'a HostName, RecapLine)> {
    let mut checked: BTreeMap<&HostName, usize> = BTreeMap::new();
    for instance in &plan.instances {
        *checked.entry(&instance.host).or_default() += 1;
    }
    let line = |host: &'a HostName| {
        let count = outcome.hosts.get(host).cloned().unwrap_or_default();
        // A host with nothing to do was still looked at: each of its components is in order.
        let idle = count.ok + count.failed + count.unreachable + count.skipped == 0;
        let ok = if idle { checked.get(host).copied().unwrap_or_default() } else { count.ok };
        let line = RecapLine {
            ok,
            changed: count.changed,
            unreachable: count.unreachable,
            failed: count.failed,
            skipped: count.skipped,
            rescued: count.rescued,
            ignored: count.ignored,
        };
        (host, line)
    };
    hosts.iter().map(line).collect()
}

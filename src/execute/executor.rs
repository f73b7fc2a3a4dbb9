//! The loop over stages, tracks and actions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::blocks::{Blocks, Turn};
use super::rehearsed::Rehearsed;
use super::scheduler::Scheduler;
use super::step::{Ask, Step};
use super::{Attempt, Hosts, Recorder, Unrecorded};
use crate::event::{ActionResult, Event, Failure, Handled};
use crate::model::HostName;
use crate::plan::{
    Action, ActionKind, Confirmation, InstanceId, Part, Plan, Readiness, Recovery, Resource, Stage, StageKind, Track,
    World, confirm, dead_after_start, ready, resource_state, state_of,
};

/// How often a start that isn't healthy yet is looked at: a component takes seconds to come up.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);
/// How often work that runs is counted while it is waited for: it ends in minutes, and each count is a query.
const WORK_INTERVAL: Duration = Duration::from_secs(5);
/// How often what has to settle is looked at.
const SETTLE_INTERVAL: Duration = Duration::from_secs(2);
/// How long nothing of a start may be seen before it counts as dead: a script around it may read its settings first, and a
/// unit be started again by its supervisor. The rest of `start_timeout` is for what lives and isn't healthy yet.
const DEAD_GRACE: Duration = Duration::from_secs(15);
/// How long an action whose outcome is unknown is looked for: what it began may be about to end.
const UNKNOWN_GRACE: Duration = Duration::from_secs(20);
/// What to do when nothing can be recorded any more.
const MEND_THE_JOURNAL: &str = "make room for the journal, or name another directory with --state-dir, then run converge \
     again: it goes on from what is there";
/// Lines of an action's output that a failure shows.
const TAIL: usize = 20;

/// Carries out one plan.
pub struct Executor<H, R> {
    plan: Arc<Plan>,
    hosts: Arc<H>,
    recorder: Arc<R>,
    events: Arc<dyn Fn(Event) + Send + Sync>,
    stop: watch::Receiver<bool>,
    scheduler: Scheduler,
    downtime: Mutex<Downtime>,
    rehearsed: Mutex<Rehearsed>,
    /// The way back is gone to its end, also by a run that was asked to stop.
    recovering: AtomicBool,
    /// Something could not be recorded: nothing begins any more.
    halted: OnceLock<Unrecorded>,
    /// Once a host is another run's, nothing begins any more, also on the way back.
    fenced: OnceLock<String>,
    step: Step,
}

/// What is down, and how long what is up again was down.
#[derive(Default)]
struct Downtime {
    since: BTreeMap<InstanceId, Instant>,
    over: BTreeMap<InstanceId, u64>,
}

/// What was done on one host, in the words of Ansible's recap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostCount {
    /// Actions that ended well, changed or not.
    pub ok: usize,
    /// Actions that changed something.
    pub changed: usize,
    /// Whether it could not be reached.
    pub unreachable: usize,
    /// Actions that failed.
    pub failed: usize,
    /// Actions that were not tried, because one before them failed or the run was stopped.
    pub skipped: usize,
    /// Actions that failed and whose block's rescue went on.
    pub rescued: usize,
    /// Actions that failed and were ignored; they count as `ok` as well.
    pub ignored: usize,
}

impl HostCount {
    fn add(&mut self, other: &Self) {
        let HostCount { ok, changed, unreachable, failed, skipped, rescued, ignored } = other;
        self.ok += ok;
        self.changed += changed;
        self.unreachable += unreachable;
        self.failed += failed;
        self.skipped += skipped;
        self.rescued += rescued;
        self.ignored += ignored;
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// Counts for every host of the plan.
    pub hosts: BTreeMap<HostName, HostCount>,
    /// What failed, in order.
    pub failures: Vec<Failure>,
    /// What failed, and was ignored or rescued, in order.
    pub handled: Vec<Failure>,
    /// What may be left as it is therefore: what failed so, and what its block's rescue stood in for.
    pub excused: BTreeSet<InstanceId>,
    /// Hosts that failed within the failure budget: the run went on without them.
    pub left_out: BTreeSet<HostName>,
    /// Why some stages were not begun, where a failure is the reason.
    pub ended_early: Option<String>,
    /// Whether it was asked to stop before its end.
    pub stopped: bool,
    /// Why the hosts are another run's now, so that nothing else was begun.
    pub fenced: Option<String>,
    /// Why the run could not be recorded any more, so that nothing else was begun.
    pub unrecorded: Option<Unrecorded>,
    /// What was done about the failure, where the plan says what.
    pub recovered: Option<Recovered>,
    /// How long each instance was down that was stopped and started again, in milliseconds: from the order to stop to
    /// the proof that it serves.
    pub downtime_ms: BTreeMap<InstanceId, u64>,
}

/// How a recovery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What it is: `back to 23.9.10`.
    pub title: String,
    /// Whether it took everything back to where the plan began.
    pub took_back: bool,
    /// What failed on the way back.
    pub failures: Vec<Failure>,
    /// What only people can decide.
    pub advice: Vec<String>,
}

impl RunOutcome {
    /// Whether every action ended well.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty() && !self.stopped && self.unrecorded.is_none() && self.fenced.is_none()
    }
}

impl RunOutcome {
    /// Counts the actions of a stage that was not begun.
    fn skip(&mut self, stage: &Stage) {
        for action in stage.actions() {
            self.hosts.entry(action.host.clone()).or_default().skipped += 1;
        }
    }
}

fn stage_started(stage: &Stage, index: usize, of: usize) -> Event {
    Event::StageStarted {
        number: index + 1,
        of,
        title: stage.title.clone(),
        hosts: stage.tracks.iter().map(|track| track.host.clone()).collect(),
    }
}

enum TrackEnd {
    Finished,
    /// Its host was lost before, or the failure budget is used up.
    LeftOut,
    /// What failed, and what failed in the ends of its blocks.
    Failed(Vec<Failure>),
    Stopped,
}

/// What came of a track.
#[derive(Default)]
struct Went {
    count: HostCount,
    /// What failed, and was ignored or rescued.
    handled: Vec<Failure>,
    excused: BTreeSet<InstanceId>,
}

impl<H: Hosts, R: Recorder> Executor<H, R> {
    /// An executor of `plan`. When `stop` becomes true, what runs is finished and nothing new begins.
    pub fn new(
        plan: Arc<Plan>,
        hosts: Arc<H>,
        recorder: Arc<R>,
        forks: usize,
        stop: watch::Receiver<bool>,
        events: Arc<dyn Fn(Event) + Send + Sync>,
    ) -> Self {
        let scheduler = Scheduler::new(&plan, forks);
        Self {
            plan,
            hosts,
            recorder,
            events,
            stop,
            scheduler,
            downtime: Mutex::default(),
            rehearsed: Mutex::default(),
            recovering: AtomicBool::new(false),
            halted: OnceLock::new(),
            fenced: OnceLock::new(),
            step: Step::default(),
        }
    }

    /// The same, asking before each stage.
    #[must_use]
    pub fn with_step(self, ask: Option<Ask>) -> Self {
        Self { step: Step::by(ask), ..self }
    }

    /// The same, beginning nothing more once so many hosts have failed, whatever the failure budgets of plays still allow.
    #[must_use]
    pub fn with_max_failures(self, hosts: Option<u32>) -> Self {
        Self { scheduler: self.scheduler.with_max_failures(hosts), ..self }
    }

    /// Runs the plan. A host whose action fails stops there; the others of the stage finish. Whether a later stage starts
    /// then is the failure budget's to say; without one, none does.
    pub async fn run(self) -> RunOutcome {
        let mut outcome = RunOutcome::default();
        for host in self.plan.hosts() {
            outcome.hosts.insert(host, HostCount::default());
        }
        let this = Arc::new(self);
        let of = this.plan.stages.len();
        for (index, stage) in this.plan.stages.iter().enumerate() {
            if *this.stop.borrow() {
                outcome.stopped = true;
            }
            let barred = this.scheduler.bars(stage);
            let lost = outcome.unrecorded.is_some() || outcome.fenced.is_some();
            let mut ended = outcome.stopped || lost || barred.is_some();
            outcome.ended_early = outcome.ended_early.or(barred);
            if !ended && !this.step.agrees(&stage.title, this.stop.clone()).await {
                (outcome.stopped, ended) = (true, true);
            }
            if ended || this.announce(stage_started(stage, index, of)).await.is_err() {
                outcome.skip(stage);
            } else {
                let failed = Self::run_stage(&this, stage, &mut outcome).await;
                let next = this.plan.stages.get(index + 1);
                let goes_on = next.is_some_and(|next| this.scheduler.bars(next).is_none());
                this.tell(Event::StageEnded { number: index + 1, failed, goes_on }).await;
                let recovery = stage.recovery.and_then(|number| this.plan.recoveries.get(number));
                if let (true, Some(recovery), None) = (failed > 0, recovery, this.fenced.get()) {
                    outcome.recovered = Self::recover(&this, recovery, &mut outcome).await;
                }
            }
            outcome.unrecorded = this.halted.get().cloned();
            outcome.fenced = this.fenced.get().cloned();
        }
        outcome.left_out = this.scheduler.left_out();
        outcome.downtime_ms = this.downtime.lock().map(|downtime| downtime.over.clone()).unwrap_or_default();
        outcome
    }

    /// Goes the way back as far as it leads: a host that fails on it must not keep the others from it. What can't be
    /// recorded is not begun on the way back either; `None` where that is true of its first step.
    async fn recover(this: &Arc<Self>, recovery: &Recovery, outcome: &mut RunOutcome) -> Option<Recovered> {
        this.recovering.store(true, Ordering::Relaxed);
        this.announce(Event::RecoveryStarted { title: recovery.title.clone() }).await.ok()?;
        let before = outcome.failures.len();
        let of = recovery.stages.len();
        for (index, stage) in recovery.stages.iter().enumerate() {
            if this.announce(stage_started(stage, index, of)).await.is_err() {
                break;
            }
            let failed = Self::run_stage(this, stage, outcome).await;
            this.tell(Event::StageEnded { number: index + 1, failed, goes_on: true }).await;
        }
        let failures = outcome.failures.split_off(before);
        this.tell(Event::RecoveryEnded { title: recovery.title.clone(), failed: failures.len() }).await;
        Some(Recovered {
            title: recovery.title.clone(),
            took_back: recovery.takes_back && failures.is_empty() && this.halted.get().is_none(),
            failures,
            advice: recovery.advice.clone(),
        })
    }

    /// Announces what is about to begin: recorded first, then shown. What can't be recorded must not begin.
    async fn announce(&self, event: Event) -> Result<(), Unrecorded> {
        let recorded = match self.halted.get() {
            Some(halted) => Err(halted.clone()),
            None => self.recorder.record(&event).await,
        };
        match recorded {
            Ok(()) => (self.events)(event),
            Err(ref error) => drop(self.halted.set(error.clone())),
        }
        recorded
    }

    /// Tells what has ended, also where that can't be recorded; then nothing else begins.
    async fn tell(&self, event: Event) {
        if self.halted.get().is_none()
            && let Err(error) = self.recorder.record(&event).await
        {
            drop(self.halted.set(error));
        }
        (self.events)(event);
    }

    async fn run_stage(this: &Arc<Self>, stage: &Stage, outcome: &mut RunOutcome) -> usize {
        let whole = Arc::new(stage.clone());
        let mut running: JoinSet<(HostName, Went, TrackEnd)> = JoinSet::new();
        for track in &stage.tracks {
            let (this, track, stage) = (Arc::clone(this), track.clone(), Arc::clone(&whole));
            running.spawn(async move { this.run_track(&stage, track).await });
        }
        let mut failures = Vec::new();
        let mut lost = 0;
        let mut seen = BTreeSet::new();
        while let Some(joined) = running.join_next().await {
            let Ok((host, went, end)) = joined else { continue };
            outcome.hosts.entry(host.clone()).or_default().add(&went.count);
            outcome.handled.extend(went.handled);
            outcome.excused.extend(went.excused);
            seen.insert(host);
            match end {
                TrackEnd::Finished | TrackEnd::LeftOut => {}
                TrackEnd::Stopped => outcome.stopped |= this.halted.get().is_none() && this.fenced.get().is_none(),
                TrackEnd::Failed(all) => {
                    lost += 1;
                    failures.extend(all);
                }
            }
        }
        // A track whose task ended abnormally left its host in an unknown state: that is a failure, not a success.
        for track in stage.tracks.iter().filter(|track| !seen.contains(&track.host)) {
            let text = track.actions.first().map(ToString::to_string).unwrap_or_default();
            lost += 1;
            failures.push(abnormal(&track.host, &text));
            if let Some(action) = track.actions.first() {
                this.scheduler.lose(&this.plan, stage, action);
            }
            outcome.hosts.entry(track.host.clone()).or_default().failed += 1;
        }
        failures.sort_by(|a, b| a.host.cmp(&b.host));
        outcome.failures.extend(failures);
        outcome.handled.sort_by(|a, b| a.host.cmp(&b.host));
        lost
    }

    async fn run_track(&self, stage: &Stage, track: Track) -> (HostName, Went, TrackEnd) {
        let mut went = Went::default();
        let Some(_permit) = self.scheduler.permit(&track, self.recovering.load(Ordering::Relaxed)).await else {
            went.count.skipped = track.actions.len();
            return (track.host, went, TrackEnd::LeftOut);
        };
        let mut blocks = Blocks::default();
        let mut failures: Vec<Failure> = Vec::new();
        for (index, action) in track.actions.iter().enumerate() {
            let resource = self.plan.resource(action);
            let path = resource.map(|resource| resource.manner.blocks.as_slice()).unwrap_or_default();
            match blocks.turn(path) {
                Turn::Comes => {}
                Turn::NotCalledFor => continue,
                Turn::Dropped { caught } => {
                    went.count.skipped += 1;
                    went.excused.extend(caught.then(|| action.instance()));
                    continue;
                }
            }
            let Some(result) = self.attempts(stage, action, resource, &mut blocks).await else {
                went.count.skipped += track.actions.len() - index;
                let end = if failures.is_empty() { TrackEnd::Stopped } else { TrackEnd::Failed(failures) };
                return (track.host, went, end);
            };
            match result {
                ActionResult::Done { .. } => {
                    went.count.ok += 1;
                    went.count.changed += usize::from(!matches!(action.kind, ActionKind::Settle { .. }));
                }
                ActionResult::AlreadyDone { .. } => went.count.ok += 1,
                ActionResult::Failed(failure) => match failure.handled {
                    Some(Handled::Ignored) => {
                        went.count.ok += 1;
                        went.count.ignored += 1;
                        went.excused.insert(action.instance());
                        went.handled.push(failure);
                    }
                    Some(Handled::Rescued) => {
                        went.count.rescued += 1;
                        went.excused.insert(action.instance());
                        went.handled.push(failure);
                    }
                    Some(Handled::Retried { .. }) | None if failure.unreachable => {
                        went.count.unreachable += 1;
                        went.count.skipped += track.actions.len() - index - 1;
                        failures.push(failure);
                        break;
                    }
                    Some(Handled::Retried { .. }) | None => {
                        went.count.failed += 1;
                        failures.push(failure);
                    }
                },
            }
        }
        let end = if failures.is_empty() { TrackEnd::Finished } else { TrackEnd::Failed(failures) };
        (track.host, went, end)
    }

    /// Carries an action out, again and again where its task says so, and tells how each attempt ended. `None` where nothing
    /// may begin any more.
    async fn attempts(
        &self,
        stage: &Stage,
        action: &Action,
        resource: Option<&Resource>,
        blocks: &mut Blocks,
    ) -> Option<ActionResult> {
        let retry = resource.and_then(|resource| resource.manner.retry);
        let mut left = retry.map_or(0, |retry| retry.retries);
        let mut tried = action.clone();
        for attempt in 2u32.. {
            let begun = Instant::now();
            let mut result = self.run_action(stage.kind, &tried).await?;
            if let ActionResult::Failed(failure) = &mut result {
                failure.handled = self.handled(failure, resource, left, blocks);
            }
            self.note_downtime(action, begun, &result);
            self.note_standing(stage, action, &result);
            let again = matches!(&result, ActionResult::Failed(Failure { handled: Some(Handled::Retried { .. }), .. }));
            self.tell(Event::ActionEnded {
                host: tried.host.clone(),
                id: tried.id.clone(),
                text: tried.to_string(),
                result: result.clone(),
                took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            })
            .await;
            if !again {
                return Some(result);
            }
            left -= 1;
            let seconds = retry.map_or(0, |retry| retry.delay);
            let mut stop = self.stop.clone();
            tokio::select! {
                () = sleep(Duration::from_secs(u64::from(seconds))) => {}
                Ok(_) = stop.wait_for(|stop| *stop) => {}
            }
            // A job of its own: that of the attempt before has ended.
            tried.id = format!("{}/{attempt}", action.id);
        }
        None
    }

    /// Why the host goes on behind a failure, where it does. What is known of a host that is gone is nothing, so nothing
    /// makes up for that.
    fn handled(
        &self,
        failure: &Failure,
        resource: Option<&Resource>,
        left: u32,
        blocks: &mut Blocks,
    ) -> Option<Handled> {
        let Some(resource) = resource.filter(|_| !failure.unreachable && !self.is_lost()) else {
            blocks.fails(&[], |_| false);
            return None;
        };
        if left > 0 {
            return Some(Handled::Retried { left });
        }
        if resource.manner.ignore_errors {
            return Some(Handled::Ignored);
        }
        let has_rescue = |block: usize| {
            self.plan.resources.iter().any(|other| {
                other.host == resource.host
                    && other.manner.blocks.iter().any(|part| part.block == block && part.part == Part::Rescue)
            })
        };
        blocks.fails(&resource.manner.blocks, has_rescue).then_some(Handled::Rescued)
    }

    /// Whether the run can begin nothing any more, whatever it was asked.
    fn is_lost(&self) -> bool {
        self.halted.get().is_some() || self.fenced.get().is_some()
    }

    fn note_downtime(&self, action: &Action, begun: Instant, result: &ActionResult) {
        let Ok(mut downtime) = self.downtime.lock() else { return };
        match (&action.kind, result) {
            (ActionKind::Stop, ActionResult::Done { .. } | ActionResult::Failed(_)) => {
                downtime.since.entry(action.instance()).or_insert(begun);
            }
            (ActionKind::Start { .. }, ActionResult::Done { .. } | ActionResult::AlreadyDone { .. }) => {
                if let Some(since) = downtime.since.remove(&action.instance()) {
                    let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    *downtime.over.entry(action.instance()).or_default() += ms;
                }
            }
            (_, ActionResult::Done { .. } | ActionResult::AlreadyDone { .. } | ActionResult::Failed(_)) => {}
        }
    }

    /// What serves, what is down, and what is lost decides what may follow.
    fn note_standing(&self, stage: &Stage, action: &Action, result: &ActionResult) {
        match (&action.kind, result) {
            (_, ActionResult::Failed(failure)) if failure.handled.is_some() => {}
            (_, ActionResult::Failed(_)) => self.scheduler.lose(&self.plan, stage, action),
            (ActionKind::Stop, _) => self.scheduler.goes_down(action.instance()),
            (ActionKind::Start { .. }, _) => self.scheduler.serves(&action.instance()),
            (_, ActionResult::Done { .. } | ActionResult::AlreadyDone { .. }) => {}
        }
    }

    /// Whether nothing may begin any more. The way back is gone to its end all the same, as far as it can be recorded.
    fn is_stopping(&self) -> bool {
        let asked_to_stop = *self.stop.borrow() && !self.recovering.load(Ordering::Relaxed);
        asked_to_stop || self.is_lost()
    }

    /// What the action relies on is read again, and judged; that it begins is recorded; then it is carried out, and its
    /// effect is looked for. `None` where it was not begun, because nothing may begin any more.
    async fn run_action(&self, kind: StageKind, action: &Action) -> Option<ActionResult> {
        if self.is_stopping() {
            return None;
        }
        let world = self.observe(action).await;
        match ready(&self.plan, action, &world) {
            Readiness::AlreadyDone(evidence) => return Some(ActionResult::AlreadyDone { evidence }),
            Readiness::Mismatch { expected, observed } => {
                return Some(self.fail(action, world, expected, observed, Vec::new()).await);
            }
            Readiness::Ready => {}
        }
        // Looking takes its time, in which somebody may have asked to stop.
        if self.is_stopping() {
            return None;
        }
        // Where everything stops together, nothing serves by design.
        if let (ActionKind::Stop, StageKind::Independent) = (&action.kind, kind)
            && let Err((expected, observed)) = self.scheduler.take_down(&self.plan, action.instance())
        {
            let result = self.fail(action, world, expected, observed, Vec::new()).await;
            return Some(advised(
                result,
                "bring those back first, then run converge again: it goes on from what is there",
            ));
        }
        let (host, id) = (action.host.clone(), action.id.clone());
        let Some(facts) = world.get(&action.host) else {
            let (expected, observed) = ("facts of its host".into(), "there are none".into());
            return Some(self.fail(action, world, expected, observed, Vec::new()).await);
        };
        let started = Event::ActionStarted { host: host.clone(), id: id.clone(), text: action.to_string() };
        if let Err(error) = self.announce(started).await {
            let observed = format!("{error}; so it was not begun");
            let result = self.fail(action, world, "a record of what is about to begin".into(), observed, vec![]).await;
            return Some(advised(result, MEND_THE_JOURNAL));
        }
        if let ActionKind::Settle { seconds, .. } = &action.kind {
            return Some(self.settle(action, Duration::from_secs(u64::from(*seconds))).await);
        }
        let mut tail: VecDeque<String> = VecDeque::new();
        let attempt = self
            .hosts
            .act(&self.plan, action, facts, &mut |line| {
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
                (self.events)(Event::ActionOutput { host: host.clone(), id: id.clone(), line });
            })
            .await;
        let said: Vec<String> = tail.into();
        let result = self.judge(action, attempt, said.clone()).await;
        Some(match self.rehearsed.lock() {
            Ok(mut rehearsed) => rehearsed.judged(action, result, &said),
            Err(_) => result,
        })
    }

    /// Looks again and again until the time is over, and fails with the first look that finds something wrong. Whoever asks
    /// to stop meanwhile need not wait for the rest.
    async fn settle(&self, action: &Action, time: Duration) -> ActionResult {
        let begun = Instant::now();
        loop {
            sleep(SETTLE_INTERVAL.min(time.saturating_sub(begun.elapsed()))).await;
            let world = self.observe(action).await;
            let seconds = begun.elapsed().as_secs();
            match confirm(&self.plan, action, &world) {
                Confirmation::NotYet { expected, observed } => {
                    let observed = format!("after {seconds} s: {observed}");
                    return self.fail(action, world, expected, observed, Vec::new()).await;
                }
                Confirmation::Done(evidence) if begun.elapsed() >= time || self.is_stopping() => {
                    return ActionResult::Done { evidence: format!("healthy for {seconds} s: {evidence}") };
                }
                Confirmation::Done(_) => {}
            }
        }
    }

    async fn judge(&self, action: &Action, attempt: Attempt, tail: Vec<String>) -> ActionResult {
        let patience = match (&attempt, &action.kind) {
            (Attempt::Failed { how }, _) => {
                let world = self.observe(action).await;
                let observed = match tail.last() {
                    Some(last) => format!("{how}: {last}"),
                    None => how.clone(),
                };
                return self.fail(action, world, action.ensures.clone(), observed, tail).await;
            }
            (Attempt::Busy, _) => {
                let world = self.observe(action).await;
                let observed = tail.last().cloned().unwrap_or_else(|| "something is still at work there".into());
                let result = self.fail(action, world, "nobody else at work there".into(), observed, Vec::new()).await;
                let next = format!("wait until that has ended, then run {} again", self.plan.command());
                return advised(result, &next);
            }
            (Attempt::Fenced { reason }, _) => {
                drop(self.fenced.set(reason.clone()));
                let world = self.observe(action).await;
                let observed = format!("another run took over: {reason}");
                let result = self.fail(action, world, "this run's lock on the host".into(), observed, tail).await;
                return advised(result, "nothing more of this run is begun anywhere; see what the other run does");
            }
            (Attempt::NotStarted { reason }, _) => {
                let world = self.observe(action).await;
                return self.fail(action, world, "it to begin".into(), reason.clone(), tail).await;
            }
            // It leaves nothing behind that could be looked for.
            (Attempt::Unknown { cause }, ActionKind::Rehearse { .. }) => {
                let world = self.observe(action).await;
                return self.fail(action, world, action.ensures.clone(), cause.clone(), tail).await;
            }
            (_, ActionKind::Drain { timeout, .. }) => Duration::from_secs(u64::from(*timeout)),
            (Attempt::Succeeded, ActionKind::Apply { .. }) => self.patience(action),
            (Attempt::Unknown { .. }, _) => UNKNOWN_GRACE,
            (Attempt::Succeeded, ActionKind::Start { .. }) => self.start_timeout(action),
            (Attempt::Succeeded, _) => Duration::ZERO,
        };
        let deadline = Instant::now() + patience;
        let interval = if matches!(action.kind, ActionKind::Drain { .. }) { WORK_INTERVAL } else { HEALTH_INTERVAL };
        let mut dead_since: Option<Instant> = None;
        loop {
            let world = self.observe(action).await;
            match confirm(&self.plan, action, &world) {
                Confirmation::Done(evidence) => return ActionResult::Done { evidence },
                Confirmation::NotYet { expected, .. } if self.is_dead(action, &world, &mut dead_since) => {
                    let how = dead_after_start(&self.plan, action, &world).unwrap_or_default();
                    let observed = format!("it was started and is dead, seen for {} s: {how}", DEAD_GRACE.as_secs());
                    return self.fail(action, world, expected, observed, tail).await;
                }
                Confirmation::NotYet { expected, observed } if Instant::now() >= deadline => {
                    let observed = match &attempt {
                        Attempt::Unknown { cause } => {
                            format!("{cause}; looked for it for {} s: {observed}", patience.as_secs())
                        }
                        Attempt::Succeeded
                        | Attempt::Failed { .. }
                        | Attempt::Busy
                        | Attempt::Fenced { .. }
                        | Attempt::NotStarted { .. } => {
                            if patience.is_zero() {
                                observed
                            } else {
                                format!("after {} s: {observed}", patience.as_secs())
                            }
                        }
                    };
                    return self.fail(action, world, expected, observed, tail).await;
                }
                Confirmation::NotYet { .. } => sleep(interval).await,
            }
        }
    }

    /// Whether a start has been dead for as long as it takes to be sure.
    fn is_dead(&self, action: &Action, world: &World, since: &mut Option<Instant>) -> bool {
        if !matches!(action.kind, ActionKind::Start { .. }) || dead_after_start(&self.plan, action, world).is_none() {
            *since = None;
            return false;
        }
        since.get_or_insert_with(Instant::now).elapsed() >= DEAD_GRACE
    }

    fn patience(&self, action: &Action) -> Duration {
        let seconds = self.plan.resource(action).map_or(0, |resource| resource.plain.patience());
        Duration::from_secs(u64::from(seconds))
    }

    fn start_timeout(&self, action: &Action) -> Duration {
        let seconds = self.plan.instance(&action.instance()).map_or(0, |i| i.component.process.start_timeout);
        Duration::from_secs(u64::from(seconds))
    }

    async fn observe(&self, action: &Action) -> World {
        let mut asking = JoinSet::new();
        for (host, queries) in self.plan.questions(action) {
            let hosts = Arc::clone(&self.hosts);
            asking.spawn(async move { hosts.observe(host, queries).await });
        }
        let mut world = World::new();
        while let Some(joined) = asking.join_next().await {
            if let Ok(facts) = joined {
                world.insert(facts.host.clone(), facts);
            }
        }
        world
    }

    async fn fail(
        &self,
        action: &Action,
        world: World,
        expected: String,
        observed: String,
        mut output: Vec<String>,
    ) -> ActionResult {
        // A copy is about two hosts: either may be the one that is gone.
        let own = action.instance();
        let unreachable = [&action.host, &own.host]
            .into_iter()
            .find_map(|host| world.get(host).and_then(|facts| facts.unreachable.clone()));
        if matches!(action.kind, ActionKind::Start { .. }) && unreachable.is_none() {
            let log = self.hosts.last_words(&self.plan, action).await;
            if !log.is_empty() {
                output.push("its log ends with:".to_owned());
                output.extend(log);
            }
        }
        let left = match world.get(&own.host) {
            Some(facts) if facts.unreachable.is_none() => self
                .plan
                .instance(&action.instance())
                .map(|instance| format!("{}: {}", instance.id(), state_of(instance, facts)))
                .or_else(|| {
                    let resource = self.plan.resource(action)?;
                    Some(format!("{}: {}", resource.id(), resource_state(resource, facts)))
                })
                .into_iter()
                .collect(),
            Some(_) | None => {
                vec![format!("{own}: not known, the host does not answer; {}", action.if_interrupted)]
            }
        };
        let (expected, observed, next) = match &unreachable {
            None => (expected, observed, next_step(&self.plan, action)),
            Some(reason) => (
                action.ensures.clone(),
                if observed.contains(reason) { observed } else { format!("{observed}; {reason}") },
                format!("bring the host back, then run {} again: it goes on from what is there", self.plan.command()),
            ),
        };
        ActionResult::Failed(Failure {
            host: action.host.clone(),
            tried: action.to_string(),
            expected,
            observed,
            output,
            left,
            next,
            unreachable: unreachable.is_some(),
            handled: None,
        })
    }
}

/// The same failure with another word on what to do next, unless the host can't be reached.
fn advised(result: ActionResult, next: &str) -> ActionResult {
    match result {
        ActionResult::Failed(failure) if !failure.unreachable => {
            ActionResult::Failed(Failure { next: next.to_owned(), ..failure })
        }
        other => other,
    }
}

fn next_step(plan: &Plan, action: &Action) -> String {
    let again = format!("then run {} again: it goes on from what is there", plan.command());
    match &action.kind {
        ActionKind::Stop => format!("end what is left by hand, {again}"),
        ActionKind::Install { .. } => format!("mend what pip complains about, {again}"),
        ActionKind::Backup { .. } => format!("make room or access for the backup, {again}"),
        ActionKind::Copy { from, file, .. } => {
            format!(
                "mend the way from {from} to {}, or make room there, {again}; the backup itself is on {from}: {file}",
                action.host
            )
        }
        ActionKind::Migrate { backup, copy, migration, .. } => {
            let copy = copy.as_ref().map_or_else(String::new, |copy| format!(", a copy of it is {copy}"));
            if migration.upstream.is_some() {
                return format!(
                    "only where its output says \"rolled back\" or \"refused\": declare `left_out: converge`, {again}; \
                     anywhere else restore the backup from before, {backup}{copy}"
                );
            }
            format!("find out why alembic failed, {again}; the backup from before is {backup}{copy}")
        }
        ActionKind::Start { .. } => format!("find out from its log why it doesn't come up, {again}"),
        ActionKind::Stage { target, .. } => format!("mend what hinders {target} from being built, {again}"),
        ActionKind::Switch { venv, .. } => format!("see where {venv} leads and what hinders a change of it, {again}"),
        ActionKind::Prune { venv, .. } => format!("remove old environments of {venv} by hand, {again}"),
        ActionKind::Freeze | ActionKind::Unfreeze => format!("try the declared command by hand, {again}"),
        ActionKind::Drain { .. } => {
            "terminate the work, or give it longer with --drain-timeout, then run converge again".to_owned()
        }
        ActionKind::Rehearse { .. } => {
            "nothing was stopped: find out from its output why the migration fails on a copy".to_owned()
        }
        ActionKind::Snapshot { .. } => format!("try the declared command by hand, {again}"),
        ActionKind::Apply { .. } => format!("find out from its output what hinders it, {again}"),
        ActionKind::Settle { .. } => format!("find out from its log why it doesn't stay up, {again}"),
    }
}

fn abnormal(host: &HostName, tried: &str) -> Failure {
    Failure {
        host: host.clone(),
        tried: tried.to_owned(),
        expected: "the track to end in good order".into(),
        observed: "it ended abnormally: a defect of converge".into(),
        output: Vec::new(),
        left: vec![format!("{host}: not known")],
        next: "run `converge drift` to see what is there".into(),
        unreachable: false,
        handled: None,
    }
}

//! The cluster as the executor sees it, with the faults on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use converge::desired::Instance;
use converge::execute::{Attempt, Hosts};
use converge::facts::{HostFacts, Query};
use converge::model::HostName;
use converge::plan::{Action, ActionKind, Plan};
use converge::release::Catalogue;
use converge::resource::component::{Running, assess, work_query};
use tokio::sync::{Notify, watch};

use super::{Cluster, Fault, Lingering, LookFault, graph_of, release};

/// The bundled catalogue, read once: a case looks at every host many times.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::bundled);

/// How long `gather` gives a host to answer a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// The cluster as the executor sees it.
#[derive(Debug, Clone)]
pub struct Simulated {
    cluster: Arc<Mutex<Cluster>>,
    died: Arc<Notify>,
    stop: Arc<watch::Sender<bool>>,
}

/// What comes of an order that has reached its host.
enum Fate {
    /// The answer that the executor gets.
    Answer(Attempt),
    /// As much time passes, and then this is the answer.
    AnswerAfter(Duration, Attempt),
    /// Nobody is left to be answered.
    ControllerDies,
}

impl Simulated {
    pub fn new(mut cluster: Cluster) -> Self {
        // A database that nothing was said of came to where it stands by the revisions of 25.6.
        for (database, head) in cluster.databases.clone() {
            let graph = graph_of(&release("25.6.8"));
            cluster.applied.entry(database).or_insert_with(|| graph.ancestors(&head));
        }
        Self { cluster: Arc::new(Mutex::new(cluster)), died: Arc::default(), stop: Arc::new(watch::channel(false).0) }
    }

    pub fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("no panic while the cluster was held")
    }

    /// Completes when a fault kills the controller.
    pub async fn controller_dies(&self) {
        self.died.notified().await;
    }

    /// From here on nobody waits for an answer.
    pub(super) fn kill_controller(&self) {
        self.died.notify_one();
    }

    /// A new run, made of a plan that was checked: hosts that were away are back, nobody has asked to stop, and what the run
    /// before had under way when its controller died has come to some end.
    pub fn begin(&self, checked: Option<&Plan>) -> watch::Receiver<bool> {
        self.stop.send_replace(false);
        let mut cluster = self.lock();
        (cluster.stopping, cluster.taken_over, cluster.unfenced, cluster.barred_from) = (false, false, false, None);
        cluster.lost.clear();
        cluster.done.clear();
        cluster.waiting.clear();
        cluster.disturbances_before = cluster.disturbances;
        if let Some(plan) = checked {
            let recoveries = plan.recoveries.iter().flat_map(|recovery| &recovery.stages);
            let actions = plan.stages.iter().chain(recoveries).flat_map(|stage| stage.actions());
            let texts: BTreeSet<String> = actions.map(|action| serde_json::to_string(action).expect("JSON")).collect();
            cluster.approved = texts;
        }
        self.stop.subscribe()
    }

    /// What the world does between two runs.
    pub fn between_runs(&self) {
        let mut cluster = self.lock();
        for (plan, action) in std::mem::take(&mut cluster.under_way) {
            match cluster.pace.as_mut().map_or(0, |pace| pace.below(3)) {
                0 => {}
                1 => cluster.carry_out_half(&action),
                _ => cluster.carry_out(&plan, &action),
            }
        }
        cluster.hosts.values_mut().for_each(|state| state.away = false);
    }

    /// A survey.
    pub fn observe_all(&self) -> BTreeMap<HostName, HostFacts> {
        let mut cluster = self.lock();
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        for instance in &cluster.instances {
            let queries = questions.entry(instance.host.clone()).or_default();
            queries.extend(instance.component.queries());
            queries.push(Query::Published(instance.component.published_query()));
            queries.push(Query::Pins(instance.component.pins_query()));
            queries.push(Query::Interpreters(instance.component.interpreters_query()));
            queries.extend(instance.component.whole_schema_query().map(Query::Effects));
            queries.extend(work_query(&instance.component, &CATALOGUE).map(Query::Work));
            let copies = instance.component.backup_copies(&instance.host);
            queries.extend(
                cluster
                    .published
                    .iter()
                    .filter_map(|release| instance.component.wheel_query(release))
                    .map(Query::Wheel),
            );
            if let Some(copies) = copies {
                questions.entry(copies.host.clone()).or_default().extend(copies.queries());
            }
        }
        questions.iter().map(|(host, queries)| (host.clone(), cluster.look(host, queries).0)).collect()
    }

    /// Lets time pass as the scenario says; at least the others get their turn.
    async fn pass_time(&self) {
        let milliseconds = self.lock().pace.as_mut().map_or(0, |pace| match pace.below(4) {
            0 => pace.below(3000),
            _ => 0,
        });
        match milliseconds {
            0 => tokio::task::yield_now().await,
            some => tokio::time::sleep(Duration::from_millis(u64::try_from(some).expect("small"))).await,
        }
    }
}

impl Cluster {
    /// One look at a host, with what goes wrong with it, and how long it takes.
    fn look(&mut self, host: &HostName, queries: &[Query]) -> (HostFacts, Duration) {
        let number = self.looks;
        self.looks += 1;
        if let Some(id) = self.deaths.remove(&number) {
            self.disturbances += 1;
            self.hosts.get_mut(&id.host).expect("host").processes.remove(&id.component);
        }
        self.let_linger(host);
        let mut facts = self.observe(host, queries);
        let fault = self.look_faults.remove(&number);
        self.disturbances += usize::from(fault.is_some());
        let mut took = Duration::ZERO;
        match fault {
            None => {}
            Some(LookFault::Garbage) => facts = HostFacts::unreachable(host.clone(), "no answer of a probe".into()),
            Some(LookFault::Hangs) => {
                facts = HostFacts::unreachable(host.clone(), "it had not ended after 60s".into());
                took = PROBE_LIMIT;
            }
            // What wasn't answered reads as unknown.
            Some(LookFault::OneUnknown(which)) => {
                let key = facts.answers.keys().nth(which % facts.answers.len().max(1)).cloned();
                key.map(|key| facts.answers.remove(&key));
            }
        }
        if let Some(fault) = fault {
            self.log.push(format!("look {number} at {host}: {fault:?}"));
        }
        (facts, took)
    }

    /// What was begun on a host by an earlier connection comes nearer to its end with each look.
    fn let_linger(&mut self, host: &HostName) {
        let state = self.hosts.get_mut(host).expect("host");
        let Some(mut lingering) = state.lingering.take() else { return };
        if lingering.looks_left > 0 {
            lingering.looks_left -= 1;
            state.lingering = Some(lingering);
            return;
        }
        self.log.push(format!("{} ends on its own", lingering.action.id));
        // It may end between the looks at two hosts, which then don't see the same.
        self.disturbances += 1;
        // A backup that ends when its users run again is none that counts: what it does says so.
        if !matches!(lingering.action.kind, ActionKind::Backup { .. }) {
            self.check_before(&lingering.action);
        }
        self.carry_out(&lingering.plan, &lingering.action);
    }

    /// The order reaches its host: what is at work there already may keep it out.
    fn receive(&mut self, plan: &Plan, action: &Action, facts: &HostFacts) -> Result<Option<Fault>, Attempt> {
        if self.hosts[&action.host].away {
            return Err(Attempt::NotStarted { reason: "no route to host".into() });
        }
        let number = self.acts;
        self.acts += 1;
        self.now += 10;
        if let Some(seconds) = self.clock_jumps.remove(&number) {
            self.jump(seconds);
        }
        if self.takeovers.remove(&number) {
            self.take_over(plan, action);
        }
        if self.taken_over && !self.unfenced {
            self.disturbances += 1;
            self.log.push(format!("{}: fenced", action.id));
            return Err(Attempt::Fenced { reason: "the lock is another run's".into() });
        }
        if matches!(action.kind, ActionKind::Start { .. })
            && plan.instance(&action.instance()).is_some_and(|own| seen_running(own, facts))
        {
            self.waiting.insert(action.id.clone());
        }
        self.check_permitted(plan, action, facts);
        if self.hosts[&action.host].lingering.is_some() && holds_lock(action) {
            self.disturbances += 1;
            self.log.push(format!("{}: busy", action.id));
            return Err(Attempt::Busy);
        }
        let fault = self.faults.remove(&number);
        self.disturbances += usize::from(fault.is_some());
        self.log.push(format!("{} {fault:?}", action.id));
        if fault != Some(Fault::FailsAtOnce) && fault != Some(Fault::OrderLost) {
            self.check_before(action);
            self.under_way.push((plan.clone(), action.clone()));
        }
        Ok(fault)
    }

    /// It comes to its end, or to what the fault makes of it.
    fn end(&mut self, plan: &Plan, action: &Action, fault: Option<Fault>) -> Fate {
        let lost = |cause: &str| Fate::Answer(Attempt::Unknown { cause: cause.into() });
        if let Some(place) = self.under_way.iter().position(|(_, other)| other.id == action.id) {
            self.under_way.remove(place);
            // What must not run may have been started in the meantime.
            if fault != Some(Fault::FailsHalfWay) {
                self.check_at_end(action);
            }
        }
        if matches!(fault, Some(Fault::FailsAtOnce | Fault::FailsHalfWay)) {
            self.note_failure(plan, action);
        }
        match fault {
            None => {
                self.done.insert(action.id.clone());
                self.carry_out(plan, action);
                Fate::Answer(Attempt::Succeeded)
            }
            Some(Fault::FailsAtOnce) => Fate::Answer(Attempt::Failed { how: "exit status 1".into() }),
            Some(Fault::Lies) => Fate::Answer(Attempt::Succeeded),
            Some(Fault::FailsHalfWay) => {
                self.carry_out_half(action);
                Fate::Answer(Attempt::Failed { how: "ended by SIGKILL".into() })
            }
            Some(Fault::AnswerLost) => {
                self.carry_out(plan, action);
                lost("the connection was lost")
            }
            Some(Fault::OrderLost) => lost("the connection was lost"),
            Some(Fault::HostGoesAway) => {
                self.carry_out_half(action);
                self.hosts.get_mut(&action.host).expect("host").away = true;
                lost("the connection was lost")
            }
            Some(Fault::Hangs) => {
                self.carry_out(plan, action);
                let limit = Duration::from_secs(u64::from(action.limit_seconds));
                Fate::AnswerAfter(limit, Attempt::Unknown { cause: format!("it had not ended after {limit:?}") })
            }
            Some(Fault::RunsOn(looks)) => {
                self.leave(plan, action, looks);
                lost("the connection was lost")
            }
            Some(Fault::ControllerDiesHalfWay) => {
                self.carry_out_half(action);
                Fate::ControllerDies
            }
            Some(Fault::ControllerDiesAfter) => {
                self.carry_out(plan, action);
                Fate::ControllerDies
            }
            Some(Fault::ControllerDiesRunsOn(looks)) => {
                self.leave(plan, action, looks);
                Fate::ControllerDies
            }
        }
    }

    /// What takes its time goes on without the connection; all else is over in a moment.
    fn leave(&mut self, plan: &Plan, action: &Action, looks_left: u32) {
        if !holds_lock(action) {
            return self.carry_out(plan, action);
        }
        self.carry_out_half(action);
        let lingering = Lingering { plan: plan.clone(), action: action.clone(), looks_left };
        self.hosts.get_mut(&action.host).expect("host").lingering = Some(lingering);
    }

    /// Another controller, which sees nothing at work and declares the same, breaks the locks and goes some of the way that is
    /// left; then it ends. Where anything is at work it waits, and where anything went wrong its plan would be another one.
    fn take_over(&mut self, plan: &Plan, at: &Action) {
        let is_quiet = self.under_way.is_empty() && self.hosts.values().all(|host| host.lingering.is_none());
        if !is_quiet || !self.lost.is_empty() || self.disturbances > self.disturbances_before {
            return;
        }
        self.disturbances += 1;
        self.taken_over = true;
        let stages = plan.stages.iter().skip_while(|stage| stage.actions().all(|action| action.id != at.id));
        let actions = stages.flat_map(|stage| stage.actions());
        let left: Vec<Action> = actions.filter(|action| !self.done.contains(&action.id)).cloned().collect();
        let how_far = self.pace.as_mut().map_or(0, |pace| pace.below(left.len() + 1));
        for action in left.iter().take(how_far) {
            if self.holds_already(action) {
                continue;
            }
            self.log.push(format!("{} by another controller", action.id));
            if matches!(action.kind, ActionKind::Drain { .. }) {
                self.sessions = 0;
            }
            self.now += 10;
            self.check_before(action);
            self.carry_out(plan, action);
        }
    }

    /// The clock of every host is set. The start of a process is told from the time since the system came up, so it
    /// moves along; the times of files stay.
    fn jump(&mut self, seconds: i64) {
        self.log.push(format!("the clocks jump by {seconds} s"));
        self.now += seconds;
        // A start behind an install then shows an earlier time, until the clock has caught up: it is made again. That costs
        // a turn, or the few that this little takes; a day is more than any run.
        if (-60..0).contains(&seconds) {
            self.disturbances += 1;
            self.repeated_until = self.now - seconds;
        }
        for process in self.hosts.values_mut().flat_map(|host| host.processes.values_mut()) {
            process.started_at += seconds;
        }
    }
}

/// Whether a look has shown that a component runs.
fn seen_running(instance: &Instance, facts: &HostFacts) -> bool {
    matches!(assess(&instance.component, facts).running, Running::Running { .. })
}

/// Those of which the host lets one at a time be at work.
fn holds_lock(action: &Action) -> bool {
    match &action.kind {
        ActionKind::Install { .. } | ActionKind::Stage { .. } => true,
        ActionKind::Backup { .. } | ActionKind::Migrate { .. } | ActionKind::Rehearse { .. } => true,
        ActionKind::Stop | ActionKind::Start { .. } | ActionKind::Switch { .. } | ActionKind::Prune { .. } => false,
        ActionKind::Freeze | ActionKind::Unfreeze | ActionKind::Drain { .. } | ActionKind::Snapshot { .. } => false,
        ActionKind::Settle { .. } | ActionKind::Copy { .. } | ActionKind::Apply { .. } => false,
    }
}

impl Hosts for Simulated {
    async fn observe(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        self.pass_time().await;
        let (facts, took) = {
            let mut cluster = self.lock();
            let looked = cluster.look(&host, &queries);
            if queries.iter().any(|query| matches!(query, Query::Work(_))) {
                cluster.sessions = cluster.sessions.saturating_sub(1);
            }
            looked
        };
        tokio::time::sleep(took).await;
        facts
    }

    async fn act(
        &self,
        plan: &Plan,
        action: &Action,
        facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        let fault = {
            let mut cluster = self.lock();
            if cluster.interrupts.contains(&cluster.acts) {
                let number = cluster.acts;
                cluster.interrupts.remove(&number);
                cluster.disturbances += 1;
                // This one had begun when it was pressed; none does from here on.
                self.stop.send_replace(true);
            }
            let received = cluster.receive(plan, action, facts);
            cluster.stopping = *self.stop.borrow();
            match received {
                Ok(fault) => fault,
                Err(attempt) => return attempt,
            }
        };
        output(action.id.clone());
        self.pass_time().await;
        let fate = self.lock().end(plan, action, fault);
        match fate {
            Fate::Answer(attempt) => attempt,
            Fate::AnswerAfter(time, attempt) => {
                tokio::time::sleep(time).await;
                attempt
            }
            Fate::ControllerDies => {
                self.kill_controller();
                std::future::pending().await
            }
        }
    }

    async fn last_words(&self, _plan: &Plan, _action: &Action) -> Vec<String> {
        vec!["log of the component".into()]
    }
}

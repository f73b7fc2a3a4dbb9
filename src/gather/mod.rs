//! Asks hosts: one session and one round trip for everything, all hosts side by side up to a bound.
//!
//! A host that can't be asked yields facts that say why; nothing here decides what that means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::facts::{HostFacts, Probe, Query, read_answers};
use crate::model::HostName;
pub(crate) use crate::transport::nonce;
use crate::transport::{Command, Completed, Connector, Outcome, OutputChunk, Session, Target, TransportError};

/// Answers of one host: 170 revisions and 200 distributions make 20 KB. A megabyte is no honest answer.
const OUTPUT_LIMIT: usize = 1024 * 1024;

/// What bounds the asking.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many hosts are asked at the same time.
    pub forks: usize,
    /// How long a host may take to answer a probe.
    pub probe: Duration,
}

/// Whether sessions are kept for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Ended after one question: a drift check of many hosts holds few connections.
    Closed,
    /// Kept open: a run asks again before and after every action.
    Kept,
}

/// Why a script was not started on a host.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Nobody said how the host is reached.
    #[error("{host}: it is not among the hosts of this run")]
    NoTarget {
        /// The host.
        host: HostName,
    },
    /// There is no session with it.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl FleetError {
    /// The error with its causes and what to do about it, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(&format!(": {cause_text}"));
            }
            source = cause.source();
        }
        if let FleetError::Transport(error) = self
            && let Some(hint) = error.hint()
        {
            text.push_str(&format!("; {hint}"));
        }
        text
    }
}

/// The hosts of a run, with the sessions to them.
pub struct Fleet<C: Connector> {
    connector: C,
    targets: BTreeMap<HostName, Target>,
    sessions: Mutex<BTreeMap<HostName, Arc<C::Session>>>,
    limits: Limits,
    policy: Sessions,
    permits: Arc<Semaphore>,
}

impl<C: Connector> Fleet<C>
where
    C::Session: 'static,
{
    /// A fleet of these hosts. Nothing is connected yet.
    pub fn new(connector: C, targets: BTreeMap<HostName, Target>, limits: Limits, policy: Sessions) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(limits.forks.max(1)));
        Arc::new(Self { connector, targets, sessions: Mutex::default(), limits, policy, permits })
    }

    /// Asks every host its questions. Hosts are asked side by side, and only as many tasks exist as may run.
    pub async fn gather(self: &Arc<Self>, questions: BTreeMap<HostName, Vec<Query>>) -> BTreeMap<HostName, HostFacts> {
        let mut facts = BTreeMap::new();
        let mut asking: JoinSet<HostFacts> = JoinSet::new();
        let mut questions = questions.into_iter();
        loop {
            while asking.len() < self.limits.forks.max(1) {
                let Some((host, queries)) = questions.next() else { break };
                let fleet = Arc::clone(self);
                asking.spawn(async move { fleet.ask(host, queries).await });
            }
            match asking.join_next().await {
                None => return facts,
                Some(Ok(answer)) => {
                    facts.insert(answer.host.clone(), answer);
                }
                // A task that panicked loses one host's answer; the planner takes what is missing for unreachable.
                Some(Err(error)) => tracing::error!(%error, "asking a host ended abnormally"),
            }
        }
    }

    /// Asks one host.
    pub async fn ask(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        let probe = Probe::new(&nonce(), queries);
        let command = Command {
            script: probe.script().as_bytes().to_vec(),
            input: Vec::new(),
            limit: self.limits.probe.max(slowest(probe.queries())),
            output_limit: OUTPUT_LIMIT + packed(probe.queries()) * WHEEL_OUTPUT_LIMIT,
        };
        match self.run(&host, &command, &mut |_| {}).await {
            Err(error) => HostFacts::unreachable(host, error.in_full()),
            Ok(completed) => match read_answers(&probe, &host, &completed.stdout, &completed.stderr) {
                Ok(facts) => facts,
                Err(error) => {
                    let reason = match completed.outcome {
                        Outcome::Unknown(cause) => cause.to_string(),
                        Outcome::Exited(_) | Outcome::Signaled(_) => error.to_string(),
                    };
                    HostFacts::unreachable(host, crate::model::printable(&reason))
                }
            },
        }
    }

    /// Runs a script on a host, over the session that there is, or over a new one when that has ended.
    ///
    /// # Errors
    /// When the script was not started.
    pub async fn run(
        &self,
        host: &HostName,
        command: &Command,
        output: &mut (dyn FnMut(OutputChunk<'_>) + Send),
    ) -> Result<Completed, FleetError> {
        let kept = self.sessions.lock().await.get(host).cloned();
        if let Some(session) = kept {
            match session.run(command, output).await {
                Ok(completed) => {
                    self.forget_if_lost(host, &completed).await;
                    return Ok(completed);
                }
                // Whoever can't be become over this session can't be over another.
                Err(error @ TransportError::Become { .. }) => return Err(error.into()),
                // Not started: the session ended in the meantime. A new one is tried, once.
                Err(error) => {
                    tracing::debug!(%host, %error, "session ended, connecting anew");
                    self.sessions.lock().await.remove(host);
                }
            }
        }
        let Some(target) = self.targets.get(host) else {
            return Err(FleetError::NoTarget { host: host.clone() });
        };
        let _permit = self.permits.acquire().await;
        let session = self.connector.connect(target).await?;
        let completed = session.run(command, output).await?;
        match self.policy {
            Sessions::Closed => session.close().await,
            Sessions::Kept => {
                self.sessions.lock().await.insert(host.clone(), Arc::new(session));
                self.forget_if_lost(host, &completed).await;
            }
        }
        Ok(completed)
    }

    async fn forget_if_lost(&self, host: &HostName, completed: &Completed) {
        if matches!(completed.outcome, Outcome::Unknown(_)) {
            self.sessions.lock().await.remove(host);
        }
    }
}

/// pip asks an index over the network: the program that drives it gives up after 240 seconds, and its other way takes
/// as long again at worst. Everything else is local.
const PUBLISHED_LIMIT: Duration = Duration::from_secs(300);

/// One wheel: 50 MB on a line of 2 Mbit/s. The host's own limit is a little lower.
const WHEEL_LIMIT: Duration = Duration::from_secs(300);

/// What comes back of one wheel: 557 revisions, packed, make 1 MB.
const WHEEL_OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

/// Wheels, and what would be installed: both answers are packed, and of like size.
fn packed(queries: &[Query]) -> usize {
    queries.iter().filter(|query| matches!(query, Query::Wheel(_) | Query::Resolution(_))).count()
}

/// 190 MB of distributions, some of which pip must fetch to know what they need. The host's own limit is a little lower.
const RESOLUTION_LIMIT: Duration = Duration::from_secs(900);

/// The longest that the questions may take, where that is longer than usual. Wheels are fetched one after the other.
fn slowest(queries: &[Query]) -> Duration {
    let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let published = queries.iter().filter(|query| matches!(query, Query::Published(_))).count();
    let resolutions = queries.iter().filter(|query| matches!(query, Query::Resolution(_))).count();
    let wheels = packed(queries) - resolutions;
    PUBLISHED_LIMIT.saturating_mul(times(published))
        + WHEEL_LIMIT.saturating_mul(times(wheels))
        + RESOLUTION_LIMIT.saturating_mul(times(resolutions))
}

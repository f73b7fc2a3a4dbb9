//! Real hosts: actions as jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::copy::Copying;
use super::job::{Followed, Job, JobState, attempt, state};
use super::{Attempt, Hosts};
use crate::facts::{HostFacts, Observed, Query, SumQuery};
use crate::gather::Fleet;
use crate::model::{HostName, RunId, printable};
use crate::plan::{Action, ActionKind, Plan, Script, log_script, script};
use crate::remote::Ask;
use crate::transport::{Command, Connector, Session};

/// Reading the end of a log is a matter of moments.
const LOG_LIMIT: Duration = Duration::from_secs(15);
/// As is looking at a job.
const LOOK_LIMIT: Duration = Duration::from_secs(15);

/// What reading a copy back may take at least, however long its bytes were on their way: it was just written.
const LEAST_TO_FINISH: Duration = Duration::from_secs(600);

/// The hosts of one run: whatever changes something is a job there, named by the run and the action.
pub struct Jobs<C: Connector> {
    fleet: Arc<Fleet<C>>,
    run: RunId,
    reconnect: Duration,
    fences: Option<BTreeMap<HostName, u64>>,
}

impl<C: Connector> Jobs<C>
where
    C::Session: Session + 'static,
{
    /// The hosts of `fleet` for `run`. A connection that is lost while a job runs is tried to be had again for
    /// `reconnect`; the job goes on meanwhile.
    pub fn new(fleet: Arc<Fleet<C>>, run: RunId, reconnect: Duration) -> Self {
        Self { fleet, run, reconnect, fences: None }
    }

    /// The same behind locks: a host starts nothing where the generation of its lock isn't the one that is named here, nor
    /// where none is.
    #[must_use]
    pub fn fenced(self, generations: BTreeMap<HostName, u64>) -> Self {
        Self { fences: Some(generations), ..self }
    }

    /// Carries a script out as the job of `action`, or takes that job up where it stands; `output` takes each line that
    /// it prints.
    pub async fn carry_out(
        &self,
        host: &HostName,
        action: &str,
        script: &Script,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        let fence = match self.fence(host) {
            Ok(fence) => fence,
            Err(attempt) => return attempt,
        };
        let ask = Ask::Start { command: &script.text, limit: script.limit };
        let job = Job { host, run: &self.run, action, ask, fence, limit: script.limit, reconnect: self.reconnect };
        attempt(self.told(job, output).await)
    }

    /// The generation of this run's lock on a host, where it locks.
    fn fence(&self, host: &HostName) -> Result<Option<u64>, Attempt> {
        let Some(generations) = &self.fences else { return Ok(None) };
        match generations.get(host) {
            Some(generation) => Ok(Some(*generation)),
            None => Err(Attempt::NotStarted { reason: format!("this run has no lock on {host}") }),
        }
    }

    /// Brings a file from one host to another, and ends that there by `finish`, the job of `action`, which is given the
    /// size and the sha256 that the file must have.
    pub async fn copy(
        &self,
        [from, host]: [&HostName; 2],
        [file, to]: [&str; 2],
        action: &str,
        finish: &Script,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        let fence = match self.fence(host) {
            Ok(fence) => fence,
            Err(attempt) => return attempt,
        };
        let query = SumQuery { path: file.to_owned() };
        let seen = self.fleet.ask(from.clone(), vec![Query::Sum(query.clone())]).await;
        let sum = match seen.sum(&query) {
            Observed::Known(sum) => sum,
            Observed::Absent => return Attempt::NotStarted { reason: format!("{from}: {file} isn't there") },
            Observed::Unknown(why) => return Attempt::NotStarted { reason: format!("{from}: {file}: {why}") },
        };
        let (run, reconnect, end) = (&self.run, self.reconnect, Instant::now() + finish.limit);
        let copying = Copying { run, from, file, sum, host, to, fence, reconnect, end };
        if let Err(attempt) = copying.bring(&self.fleet, output).await {
            return attempt;
        }
        let text = format!("B={}; H={}\n{}", sum.bytes, sum.sha256, finish.text);
        let limit = end.saturating_duration_since(Instant::now()).max(LEAST_TO_FINISH);
        self.carry_out(host, action, &Script { text, limit }, output).await
    }

    /// How the job of an action of any run stands.
    pub async fn look(&self, host: &HostName, run: &RunId, action: &str) -> JobState {
        let job = Job { host, run, action, ask: Ask::Look, fence: None, limit: LOOK_LIMIT, reconnect: Duration::ZERO };
        state(self.told(job, &mut |_| {}).await)
    }

    /// Waits for the end of a job of any run, for `limit` at most; its host ends it by its own time-out.
    pub async fn follow(
        &self,
        host: &HostName,
        run: &RunId,
        action: &str,
        limit: Duration,
        output: &mut (dyn FnMut(String) + Send),
    ) -> JobState {
        let job = Job { host, run, action, ask: Ask::Follow, fence: None, limit, reconnect: self.reconnect };
        state(self.told(job, output).await)
    }

    async fn told(&self, job: Job<'_>, output: &mut (dyn FnMut(String) + Send)) -> Followed {
        let mut lines = Lines::default();
        let followed = job.follow(&self.fleet, &mut |bytes| lines.take(bytes, output)).await;
        lines.finish(output);
        followed
    }
}

impl<C: Connector> Hosts for Jobs<C>
where
    C::Session: Session + 'static,
{
    async fn observe(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        self.fleet.ask(host, queries).await
    }

    async fn act(
        &self,
        plan: &Plan,
        action: &Action,
        facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        // Waiting is looking, and that is done from here.
        let looks = plan.resource(action).is_some_and(|resource| resource.plain.only_looks());
        if looks || matches!(action.kind, ActionKind::Drain { .. } | ActionKind::Settle { .. }) {
            return Attempt::Succeeded;
        }
        match (script(plan, action, facts), &action.kind) {
            (Some(finish), ActionKind::Copy { from, file, to, .. }) => {
                self.copy([from, &action.host], [file, to], &action.id, &finish, output).await
            }
            (Some(script), _) => self.carry_out(&action.host, &action.id, &script, output).await,
            (None, _) => Attempt::NotStarted { reason: "the plan lacks what the action needs".into() },
        }
    }

    async fn last_words(&self, plan: &Plan, action: &Action) -> Vec<String> {
        let Some(text) = plan.instance(&action.instance()).and_then(|instance| log_script(&instance.component)) else {
            return Vec::new();
        };
        let command =
            Command { script: text.into_bytes(), input: Vec::new(), limit: LOG_LIMIT, output_limit: 64 * 1024 };
        match self.fleet.run(&action.host, &command, &mut |_| {}).await {
            Ok(completed) => {
                completed.stdout.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).map(printable).collect()
            }
            Err(error) => vec![format!("(its log could not be read: {error})")],
        }
    }
}

/// Cuts output into lines.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

/// A line longer than this is shown in pieces, so that output without line breaks doesn't pile up.
const LINE_LIMIT: usize = 4096;

impl Lines {
    fn take(&mut self, bytes: &[u8], output: &mut (dyn FnMut(String) + Send)) {
        for byte in bytes {
            if *byte == b'\n' || self.open.len() >= LINE_LIMIT {
                self.finish(output);
            }
            if *byte != b'\n' && *byte != b'\r' {
                self.open.push(*byte);
            }
        }
    }

    fn finish(&mut self, output: &mut (dyn FnMut(String) + Send)) {
        if !self.open.is_empty() {
            output(printable(std::mem::take(&mut self.open)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_lines_however_they_are_cut() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for bytes in ["Collecting a", "iohttp\nInst", "alled\r\n\n", "end \u{1b}[31m"] {
            lines.take(bytes.as_bytes(), &mut |line| seen.push(line));
        }
        lines.finish(&mut |line| seen.push(line));
        assert_eq!(seen, ["Collecting aiohttp", "Installed", "end \\x1b[31m"]);
    }
}

//! What earlier runs left at work on the hosts: waited for, never planned around.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::CliError;
use super::exit::Exit;
use super::options::Options;
use super::survey::{Subject, Survey, survey};
use super::{locks, output};
use crate::execute::{JobEnd, JobState, Jobs};
use crate::facts::{HostFacts, Observed, UnfinishedJob};
use crate::gather::Fleet;
use crate::model::{HostName, printable};
use crate::remote::{Before, LockKind};
use crate::report::held_text;
use crate::transport::AnyConnector;

/// How often is looked again. Two runs in a row may be killed behind each other, and not three while one waits.
const ROUNDS: usize = 3;
/// How much longer than its limit a job may take until its host has killed it.
const MARGIN: Duration = Duration::from_secs(60);

/// Looks, waits for what earlier runs began, and looks again. `Err` is how the command ends where another run is at work
/// behind its lock; all is said.
pub(super) async fn survey_when_idle(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    subject: &Subject<'_>,
) -> Result<Result<Survey, Exit>, CliError> {
    let mut seen = survey(fleet, subject).await?;
    let end = Instant::now() + options.lock_wait;
    for round in 0.. {
        // Whoever waits for a run that is at work waits for as many of its jobs as it has.
        if round >= ROUNDS && Instant::now() >= end {
            break;
        }
        let at_work: Vec<(HostName, UnfinishedJob)> = seen.facts.values().flat_map(at_work_on).collect();
        if at_work.is_empty() {
            break;
        }
        for (host, job) in &at_work {
            // What the holder of a lock is doing isn't waited for: it goes on behind it.
            if let Some(record) = locks::held_by(fleet, host).await
                && record.run == job.run.as_str()
                && options.lock_wait.is_zero()
            {
                output::say(&held_text(&Before { host: host.clone(), kind: LockKind::Host, record }));
                return Ok(Err(Exit::Locked));
            }
            wait_for(options, fleet, host, job).await;
        }
        seen = survey(fleet, subject).await?;
    }
    Ok(Ok(seen))
}

fn at_work_on(facts: &HostFacts) -> Vec<(HostName, UnfinishedJob)> {
    match facts.jobs() {
        Observed::Known(jobs) => jobs.at_work().map(|job| (facts.host.clone(), job.clone())).collect(),
        // The rule job-running says so.
        Observed::Absent | Observed::Unknown(_) => Vec::new(),
    }
}

async fn wait_for(options: &Options, fleet: &Arc<Fleet<AnyConnector>>, host: &HostName, job: &UnfinishedJob) {
    let UnfinishedJob { run, action, since, limit, alive: _ } = job;
    let action_text = printable(action);
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    output::say(&format!(
        "{host}: {action_text} of run {run} is still at work{since}; waiting for its end, which its host forces {limit} s after its start\n"
    ));
    let jobs = Jobs::new(Arc::clone(fleet), run.clone(), options.reconnect);
    let longest = Duration::from_secs(u64::from(*limit)) + MARGIN;
    let verbose = options.verbose > 0;
    let mut show = |line: String| {
        if verbose {
            output::say(&format!("  {host}| {line}\n"));
        }
    };
    let state = jobs.follow(host, run, action, longest, &mut show).await;
    output::say(&format!("{host}: {action_text} {}\n", ended(&state)));
}

fn ended(state: &JobState) -> String {
    match state {
        JobState::Finished(JobEnd::Exited(status)) => format!("has ended with exit status {status}"),
        JobState::Finished(JobEnd::TimedOut(limit)) => format!("was ended by its host after {limit} s"),
        JobState::Finished(JobEnd::Fenced) | JobState::NeverStarted => "never began".into(),
        JobState::Lost => "has ended without a status: it was killed, or the host was restarted".into(),
        JobState::Running => "is still at work".into(),
        JobState::NotTold(reason) => format!("can't be followed: {reason}"),
    }
}

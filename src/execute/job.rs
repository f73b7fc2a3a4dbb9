//! Following a job on a host to its end, over connections that may break.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Attempt;
use crate::gather::{Fleet, nonce};
use crate::model::{HostName, RunId};
use crate::plan::BUSY;
use crate::remote::{Ask, JobEnd, Launch, REPLY_LIMIT, Reply, Told};
use crate::transport::{Command, Connector, Outcome, OutputChunk, Session, Stream, UnknownCause};

/// How long a lost connection is tried to be had again, unless the operator says otherwise: a VPN comes back within a
/// minute, a switch restarts within two.
pub const RECONNECT: Duration = Duration::from_secs(120);
/// The first wait before connecting again; each further one is twice as long, up to [`LONGEST_WAIT`].
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A host that is back is noticed within this time.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Answers in a row that a host that is reached may give without sense: a shell can be killed once, not for ever.
pub(super) const SENSELESS: u32 = 3;

/// One job, named by run and action.
pub(super) struct Job<'a> {
    pub(super) host: &'a HostName,
    pub(super) run: &'a RunId,
    pub(super) action: &'a str,
    pub(super) ask: Ask<'a>,
    /// The generation of the run's lock there.
    pub(super) fence: Option<u64>,
    /// How long the job may take on its host.
    pub(super) limit: Duration,
    /// How long a lost connection is tried to be had again.
    pub(super) reconnect: Duration,
}

/// What came of following a job.
pub(super) enum Followed {
    /// The host told.
    Told(Told),
    /// The first script that asked was not started.
    NotAsked(String),
    /// The connection was lost and could not be had again, or the host made no sense.
    LostSight(String),
}

impl Job<'_> {
    /// Asks, and follows the job to its end. `output` gets what it prints, each byte once, whatever breaks in between.
    pub(super) async fn follow<C: Connector>(
        &self,
        fleet: &Fleet<C>,
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Followed
    where
        C::Session: Session + 'static,
    {
        let end = Instant::now() + self.limit + Launch::margin() + self.reconnect;
        let (mut have, mut begun, mut senseless) = (0, false, 0);
        let mut lost: Option<(Instant, Duration)> = None;
        loop {
            let nonce = nonce();
            let launch =
                Launch { nonce: &nonce, run: self.run, action: self.action, ask: self.ask, fence: self.fence, have };
            let command = Command {
                script: launch.script().into_bytes(),
                input: Vec::new(),
                limit: end.saturating_duration_since(Instant::now()),
                output_limit: REPLY_LIMIT,
            };
            let mut reply = Reply::new(&nonce);
            let mut hear = |chunk: OutputChunk<'_>| {
                // The job's own streams are one file; what the launcher's shell says beside is no output.
                if chunk.stream == Stream::Stdout {
                    reply.take(chunk.bytes, output);
                }
            };
            let ran = fleet.run(self.host, &command, &mut hear).await;
            let told = reply.finish(output);
            have += reply.passed();
            if let Some(told) = told {
                if reply.omitted() > 0 {
                    output(
                        format!("\n({} bytes of output are left out before the last lines)\n", reply.omitted())
                            .as_bytes(),
                    );
                }
                return Followed::Told(told);
            }
            if reply.begun() {
                (lost, senseless) = (None, 0);
            }
            let cause = match ran {
                Err(error) if !begun => return Followed::NotAsked(error.in_full()),
                Err(error) => error.in_full(),
                Ok(completed) => match completed.outcome {
                    // It would only do so again.
                    Outcome::Unknown(cause @ UnknownCause::Flooded { .. }) => {
                        return Followed::LostSight(cause.to_string());
                    }
                    Outcome::Unknown(cause) => cause.to_string(),
                    Outcome::Exited(_) | Outcome::Signaled(_) => {
                        senseless += 1;
                        let said = String::from_utf8_lossy(&completed.stderr).trim().to_owned();
                        format!("the host did not say how its job stands: {}", crate::model::printable(said))
                    }
                },
            };
            begun = true;
            let (since, wait) = lost.unwrap_or((Instant::now(), FIRST_WAIT));
            let tried = since.elapsed();
            if tried >= self.reconnect || Instant::now() >= end || senseless >= SENSELESS {
                return Followed::LostSight(format!("{cause}; tried for {} s to take it up again", tried.as_secs()));
            }
            tracing::info!(host = %self.host, action = self.action, %cause, "taking the job up again");
            sleep(wait.min(self.reconnect.saturating_sub(tried))).await;
            lost = Some((since, (wait * 2).min(LONGEST_WAIT)));
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It is at work.
    Running,
    /// It has ended.
    Finished(JobEnd),
    /// It never began.
    NeverStarted,
    /// It began, and nobody knows how it ended: it was killed, or its host was restarted.
    Lost,
    /// Its host could not be asked, for this reason.
    NotTold(String),
}

/// What was told about a job, as its state.
pub(super) fn state(followed: Followed) -> JobState {
    match followed {
        Followed::NotAsked(reason) | Followed::LostSight(reason) => JobState::NotTold(reason),
        Followed::Told(told) => match told {
            Told::Ended(end) => JobState::Finished(end),
            Told::Running => JobState::Running,
            Told::Never => JobState::NeverStarted,
            Told::Lost => JobState::Lost,
            Told::Refused(reason) | Told::Fenced(reason) | Told::Unsure(reason) => JobState::NotTold(reason),
        },
    }
}

/// What a job's end means for its action.
pub(super) fn attempt(followed: Followed) -> Attempt {
    match followed {
        Followed::NotAsked(reason) => Attempt::NotStarted { reason },
        Followed::LostSight(cause) => Attempt::Unknown { cause },
        Followed::Told(told) => match told {
            Told::Ended(JobEnd::Exited(0)) => Attempt::Succeeded,
            Told::Ended(JobEnd::Exited(BUSY)) => Attempt::Busy,
            Told::Ended(JobEnd::Exited(status)) => Attempt::Failed { how: format!("exit status {status}") },
            Told::Ended(JobEnd::TimedOut(limit)) => {
                Attempt::Failed { how: format!("it had not ended after {limit} s, and was killed on the host") }
            }
            Told::Ended(JobEnd::Fenced) => {
                Attempt::Fenced { reason: "another run took over as it was to begin".into() }
            }
            Told::Fenced(reason) => Attempt::Fenced { reason },
            Told::Refused(reason) => Attempt::NotStarted { reason },
            Told::Lost => Attempt::Unknown {
                cause: "its job ended without a status: it was killed, or the host was restarted".into(),
            },
            Told::Unsure(reason) => Attempt::Unknown { cause: reason },
            Told::Running | Told::Never => Attempt::Unknown { cause: "the host contradicts itself".into() },
        },
    }
}

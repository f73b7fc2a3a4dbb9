//! Brings the bytes of a file from one host to another, through the controller: read over one session, written over the
//! other, in pieces of which two are held at a time, over connections that may break. No host needs to know the other.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Attempt;
use super::job::{FIRST_WAIT, LONGEST_WAIT, SENSELESS};
use crate::facts::Sum;
use crate::gather::{Fleet, nonce};
use crate::model::{HostName, RunId};
use crate::remote::{CopyAnswer, CopyAsk, CopyStep, PIECE, read_copy_answer, read_piece};
use crate::transport::{Command, Connector, Outcome, Session};

/// How long a piece may take: on a line of 1 Mbit/s half a minute.
const PIECE_LIMIT: Duration = Duration::from_secs(120);
/// What an answer may have beside a piece: its marks, and what a noisy login shell says.
const BESIDE: u64 = 64 * 1024;
/// How often is said how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// One file on its way.
pub(super) struct Copying<'a> {
    pub(super) run: &'a RunId,
    /// Where it lies.
    pub(super) from: &'a HostName,
    pub(super) file: &'a str,
    /// What it is.
    pub(super) sum: &'a Sum,
    /// Where it goes, and the generation of the run's lock there.
    pub(super) host: &'a HostName,
    pub(super) to: &'a str,
    pub(super) fence: Option<u64>,
    /// How long a lost connection is tried to be had again.
    pub(super) reconnect: Duration,
    /// When it is over.
    pub(super) end: Instant,
}

impl Copying<'_> {
    /// Brings all bytes to `TO.part` on the other host.
    ///
    /// # Errors
    /// How the attempt ended. Where the host that is written to could still be asked, it keeps nothing of it.
    pub(super) async fn bring<C: Connector>(
        &self,
        fleet: &Fleet<C>,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Attempt>
    where
        C::Session: Session + 'static,
    {
        match self.tell(fleet, CopyAsk::Begin, Vec::new()).await {
            Err(reason) | Ok(CopyAnswer::Refused(reason)) => {
                return Err(Attempt::NotStarted { reason: format!("{}: {reason}", self.host) });
            }
            Ok(CopyAnswer::Fenced(reason)) => return Err(Attempt::Fenced { reason }),
            Ok(CopyAnswer::Held(_)) => {}
        }
        let ended = self.pieces(fleet, output).await;
        if let Err(Attempt::Failed { .. }) = &ended {
            // A disk that is full serves nobody; where the host can't be asked, a part that is a day old goes with a later copy.
            let _ = self.once(fleet, self.host, &self.command(CopyAsk::Discard, Vec::new()).0).await;
        }
        ended
    }

    async fn pieces<C: Connector>(
        &self,
        fleet: &Fleet<C>,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Attempt>
    where
        C::Session: Session + 'static,
    {
        let total = self.sum.bytes;
        let (mut have, mut said) = (0, Instant::now());
        let mut piece = self.read(fleet, have).await?;
        while have < total {
            let next = have + PIECE.min(total - have);
            // The next one is read while this one is written.
            let (written, following) =
                tokio::join!(self.tell(fleet, CopyAsk::Write { offset: have }, piece), self.read(fleet, next));
            let far = |reason: String| Attempt::Failed {
                how: format!("{}: behind {have} of {total} bytes: {reason}", self.host),
            };
            match written {
                Ok(CopyAnswer::Held(bytes)) if bytes == next => {}
                Ok(CopyAnswer::Held(bytes)) => {
                    return Err(far(format!("{}.part has {bytes} bytes, and should have {next}", self.to)));
                }
                Ok(CopyAnswer::Fenced(reason)) => return Err(Attempt::Fenced { reason }),
                Ok(CopyAnswer::Refused(reason)) | Err(reason) => return Err(far(reason)),
            }
            piece = following?;
            have = next;
            if said.elapsed() >= SAY_EVERY {
                output(format!("{have} of {total} bytes are there"));
                said = Instant::now();
            }
        }
        Ok(())
    }

    /// The bytes from `offset` on; none behind the end.
    async fn read<C: Connector>(&self, fleet: &Fleet<C>, offset: u64) -> Result<Vec<u8>, Attempt>
    where
        C::Session: Session + 'static,
    {
        let bytes = PIECE.min(self.sum.bytes - offset);
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let failed = |reason: String| Attempt::Failed {
            how: format!("{}: {} can't be read from byte {offset} on: {reason}", self.from, self.file),
        };
        let (command, nonce) = self.command(CopyAsk::Read { offset, bytes }, Vec::new());
        let read = |stdout| read_piece(&nonce, stdout);
        let piece = self.asked(fleet, self.from, &command, read).await.map_err(failed)?;
        match u64::try_from(piece.len()) == Ok(bytes) {
            true => Ok(piece),
            false => Err(failed(format!("it gives {} bytes, and should give {bytes}", piece.len()))),
        }
    }

    async fn tell<C: Connector>(&self, fleet: &Fleet<C>, ask: CopyAsk, input: Vec<u8>) -> Result<CopyAnswer, String>
    where
        C::Session: Session + 'static,
    {
        let (command, nonce) = self.command(ask, input);
        let read = |stdout: Vec<u8>| read_copy_answer(&nonce, &stdout);
        // A piece of which a lost connection brought a part is written again as a whole, at the same place.
        self.asked(fleet, self.host, &command, read).await
    }

    fn command(&self, ask: CopyAsk, input: Vec<u8>) -> (Command, String) {
        let nonce = nonce();
        let (file, fence, answer) = match ask {
            CopyAsk::Read { bytes, .. } => (self.file, None, bytes),
            CopyAsk::Begin | CopyAsk::Write { .. } | CopyAsk::Discard => (self.to, self.fence, 0),
        };
        let step = CopyStep { nonce: &nonce, run: self.run, fence, file, ask };
        let output_limit = usize::try_from(answer + BESIDE).unwrap_or(usize::MAX);
        (Command { script: step.script().into_bytes(), input, limit: PIECE_LIMIT, output_limit }, nonce)
    }

    /// Asks until there is an answer, as long as a lost connection is worth waiting for. All that is asked may be asked again.
    async fn asked<C: Connector, T>(
        &self,
        fleet: &Fleet<C>,
        host: &HostName,
        command: &Command,
        read: impl Fn(Vec<u8>) -> Option<T>,
    ) -> Result<T, String>
    where
        C::Session: Session + 'static,
    {
        let (mut senseless, mut wait) = (0, FIRST_WAIT);
        let begun = Instant::now();
        loop {
            let cause = match self.once(fleet, host, command).await {
                Ok((stdout, said)) => match (read(stdout), said) {
                    (Some(answer), _) => return Ok(answer),
                    (None, said) => {
                        senseless += u32::from(said.is_some());
                        said.unwrap_or_else(|| "the connection was lost".into())
                    }
                },
                Err(cause) => cause,
            };
            let tried = begun.elapsed();
            if tried >= self.reconnect || Instant::now() >= self.end || senseless >= SENSELESS {
                return Err(format!("{cause}; tried for {} s", tried.as_secs()));
            }
            tracing::info!(%host, %cause, "asking again for a piece of a copy");
            sleep(wait.min(self.reconnect.saturating_sub(tried))).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// What the host printed, and, where its shell came to an end, what it complained about.
    async fn once<C: Connector>(
        &self,
        fleet: &Fleet<C>,
        host: &HostName,
        command: &Command,
    ) -> Result<(Vec<u8>, Option<String>), String>
    where
        C::Session: Session + 'static,
    {
        let completed = fleet.run(host, command, &mut |_| {}).await.map_err(|error| error.in_full())?;
        let said = match completed.outcome {
            Outcome::Unknown(_) => None,
            Outcome::Exited(_) | Outcome::Signaled(_) => {
                let said = crate::model::printable(completed.stderr.trim_ascii());
                Some(format!("the host made no sense: {said}"))
            }
        };
        Ok((completed.stdout, said))
    }
}

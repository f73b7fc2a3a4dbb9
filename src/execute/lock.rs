//! A run's locks: on the anchor of its cluster and on every host that it changes. All or none are got, in one order;
//! signs of life go out while the run lasts, and everything is given back on every way out that is left to us.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::gather::{Fleet, nonce};
use crate::model::{HostName, printable};
use crate::remote::{Before, Claim, LockAnswer, LockAsk, LockKind, LockRecord, read_lock_answer};
use crate::transport::{Command, Connector, Outcome, Session};

/// A question to a lock takes a few milliseconds on the host; a disk that has to sync may take seconds.
const ASK_LIMIT: Duration = Duration::from_secs(20);
/// Answers are a dozen short lines.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Signs of life within one time to live: three may be lost.
const BEATS: u32 = 4;
/// How many hosts are tried as the anchor. A site where three hosts in a row are away isn't going to be changed.
const ANCHORS: usize = 3;
/// Giving back is a courtesy: what isn't given back expires.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// Locks as a run sees them.
pub trait Locks: Send + Sync + 'static {
    /// Asks the lock of this kind on `host`; an error says why the host could not be asked.
    fn ask_lock(
        &self,
        host: &HostName,
        kind: LockKind,
        ask: LockAsk<'_>,
    ) -> impl Future<Output = Result<LockAnswer, String>> + Send;
}

impl<C: Connector> Locks for Fleet<C>
where
    C::Session: Session + 'static,
{
    async fn ask_lock(&self, host: &HostName, kind: LockKind, ask: LockAsk<'_>) -> Result<LockAnswer, String> {
        let nonce = nonce();
        let script = ask.script(&nonce, kind).into_bytes();
        let command = Command { script, input: Vec::new(), limit: ASK_LIMIT, output_limit: ANSWER_LIMIT };
        let completed = self.run(host, &command, &mut |_| {}).await.map_err(|error| error.in_full())?;
        read_lock_answer(&nonce, &completed.stdout).ok_or_else(|| match completed.outcome {
            Outcome::Unknown(cause) => cause.to_string(),
            Outcome::Exited(_) | Outcome::Signaled(_) => {
                format!("the host did not say how its lock stands: {}", printable(completed.stderr.trim_ascii()))
            }
        })
    }
}

/// Why a run did not get its locks. What it had got was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLocked {
    /// Another run has one of them.
    Held(Before),
    /// A host could not be asked.
    Unreachable {
        /// The host.
        host: HostName,
        /// Why.
        reason: String,
    },
    /// A host could not give the lock.
    Refused {
        /// The host.
        host: HostName,
        /// Why.
        reason: String,
    },
}

/// What is worth saying about how the locks were got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockNotes {
    /// Locks that somebody left behind or that were broken.
    pub before: Vec<Before>,
    /// Hosts that should have been the anchor and could not be asked.
    pub anchors_away: Vec<(HostName, String)>,
    /// Where the cluster's lock lies; none where no host could be the anchor.
    pub anchor: Option<HostName>,
}

/// The locks of a run.
pub struct Lease<L> {
    locks: Arc<L>,
    claim: Claim,
    held: Vec<(LockKind, HostName, u64)>,
}

impl<L: Locks> Lease<L> {
    /// Gets the cluster's lock on the first of `anchors` that answers, then that of each host, in their order. Nobody waits
    /// while holding some: all or none. Where `is_gone` tells that the holder is no more, its lock is broken: a killed
    /// run need not expire for one on the same machine.
    ///
    /// # Errors
    /// When another run has one of them, or a host can't be asked.
    pub async fn acquire(
        locks: &Arc<L>,
        claim: Claim,
        anchors: &[HostName],
        hosts: &[HostName],
        is_gone: &(dyn Fn(&LockRecord) -> bool + Sync),
    ) -> Result<(Self, LockNotes), NotLocked> {
        let mut lease = Self { locks: Arc::clone(locks), claim, held: Vec::new() };
        let mut notes = LockNotes::default();
        for anchor in anchors.iter().take(ANCHORS) {
            match lease.get(LockKind::Cluster, anchor, is_gone, &mut notes).await {
                Ok(()) => {
                    notes.anchor = Some(anchor.clone());
                    break;
                }
                Err(NotLocked::Unreachable { host, reason } | NotLocked::Refused { host, reason }) => {
                    notes.anchors_away.push((host, reason))
                }
                Err(held @ NotLocked::Held(_)) => return Err(held),
            }
        }
        for host in hosts {
            if let Err(error) = lease.get(LockKind::Host, host, is_gone, &mut notes).await {
                lease.release().await;
                return Err(error);
            }
        }
        Ok((lease, notes))
    }

    async fn get(
        &mut self,
        kind: LockKind,
        host: &HostName,
        is_gone: &(dyn Fn(&LockRecord) -> bool + Sync),
        notes: &mut LockNotes,
    ) -> Result<(), NotLocked> {
        let refused = |reason: String| NotLocked::Refused { host: host.clone(), reason };
        let before = |record: LockRecord| Before { host: host.clone(), kind, record };
        let mut answer = self.locks.ask_lock(host, kind, LockAsk::Acquire(&self.claim)).await;
        if let Ok(LockAnswer::Held(record)) = &answer
            && is_gone(record)
        {
            let by = format!("{}: its process is gone from this machine", self.claim.holder);
            let _ = self.locks.ask_lock(host, kind, LockAsk::Break(&by, record.generation)).await;
            answer = self.locks.ask_lock(host, kind, LockAsk::Acquire(&self.claim)).await;
        }
        match answer {
            Ok(LockAnswer::Got { generation, before: had }) => {
                self.held.push((kind, host.clone(), generation));
                notes.before.extend(had.map(before));
                Ok(())
            }
            Ok(LockAnswer::Held(record)) => Err(NotLocked::Held(before(record))),
            Err(reason) => Err(NotLocked::Unreachable { host: host.clone(), reason }),
            Ok(LockAnswer::Refused(reason) | LockAnswer::Lost(reason)) => Err(refused(reason)),
            Ok(
                LockAnswer::Renewed
                | LockAnswer::Released
                | LockAnswer::Shown(_)
                | LockAnswer::Broke(_)
                | LockAnswer::Free,
            ) => Err(refused("the host answered something else than it was asked".into())),
        }
    }

    /// The generation of each host's own lock: what a job must name to get through its fence.
    #[must_use]
    pub fn generations(&self) -> BTreeMap<HostName, u64> {
        let of_host = |(kind, host, generation): &(LockKind, HostName, u64)| {
            (*kind == LockKind::Host).then(|| (host.clone(), *generation))
        };
        self.held.iter().filter_map(of_host).collect()
    }

    /// Sends signs of life until a lock turns out to be lost, and then says which and why. A host that can't be asked for a
    /// while is no loss yet: it refuses whatever comes too late by itself.
    pub async fn keep(&self) -> (HostName, String) {
        let mut beat = interval((self.claim.ttl / BEATS).max(Duration::from_millis(200)));
        beat.tick().await;
        loop {
            beat.tick().await;
            let mut asking = JoinSet::new();
            for (kind, host, generation) in self.held.iter().cloned() {
                let (locks, run) = (Arc::clone(&self.locks), self.claim.run.clone());
                asking.spawn(async move {
                    let answer = locks.ask_lock(&host, kind, LockAsk::Renew(&run, generation)).await;
                    (host, answer)
                });
            }
            while let Some(joined) = asking.join_next().await {
                match joined {
                    Ok((host, Ok(LockAnswer::Lost(reason)))) => return (host, reason),
                    Ok((host, Ok(LockAnswer::Refused(reason)) | Err(reason))) => {
                        tracing::warn!(%host, %reason, "no sign of life could be left on its lock");
                    }
                    Ok((_, Ok(_))) | Err(_) => {}
                }
            }
        }
    }

    /// Gives everything back, side by side and within seconds.
    pub async fn release(self) {
        let mut asking = JoinSet::new();
        for (kind, host, generation) in self.held {
            let (locks, run) = (Arc::clone(&self.locks), self.claim.run.clone());
            asking.spawn(async move {
                if let Err(reason) = locks.ask_lock(&host, kind, LockAsk::Release(&run, generation)).await {
                    tracing::warn!(%host, %reason, "its lock could not be given back and will expire");
                }
            });
        }
        let _ = timeout(RELEASE_LIMIT, async { while asking.join_next().await.is_some() {} }).await;
    }
}

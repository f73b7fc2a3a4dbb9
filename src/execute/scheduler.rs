//! Hands out permits: so many hosts at a time, and none to a track that where the run stands keeps out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::standing::Standing;
use crate::model::HostName;
use crate::plan::{Action, InstanceId, Plan, Stage, Track};

/// One for each run.
pub(super) struct Scheduler {
    forks: Semaphore,
    standing: Mutex<Standing>,
}

/// A track goes on as long as this is held.
pub(super) struct Permit<'a> {
    _fork: SemaphorePermit<'a>,
}

impl Scheduler {
    /// `forks` hosts may be at work at the same time.
    pub(super) fn new(plan: &Plan, forks: usize) -> Self {
        Self { forks: Semaphore::new(forks.max(1)), standing: Mutex::new(Standing::new(plan)) }
    }

    /// The same with a failure budget for the run as a whole.
    pub(super) fn with_max_failures(self, hosts: Option<u32>) -> Self {
        self.standing().max_failures = hosts;
        self
    }

    /// A decision is made whole or not at all, so one that a panic interrupted leaves what was there.
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. `None`: nothing of the track may begin any more. The way back is open to every track.
    pub(super) async fn permit(&self, track: &Track, goes_back: bool) -> Option<Permit<'_>> {
        let fork = self.forks.acquire().await.ok()?;
        // Asked when the turn has come: what failed while it was waited for counts.
        (goes_back || self.standing().admits(track)).then_some(Permit { _fork: fork })
    }

    /// Why `stage` may not begin.
    pub(super) fn bars(&self, stage: &Stage) -> Option<String> {
        self.standing().bars(stage).map(str::to_owned)
    }

    /// Takes notice that an action failed.
    pub(super) fn lose(&self, plan: &Plan, stage: &Stage, action: &Action) {
        self.standing().lose(plan, stage, action);
    }

    /// Lets something be stopped if enough serves without it.
    ///
    /// # Errors
    /// What must serve, and what is down already.
    pub(super) fn take_down(&self, plan: &Plan, id: InstanceId) -> Result<(), (String, String)> {
        self.standing().take_down(plan, id)
    }

    /// Takes notice that something is stopped by design.
    pub(super) fn goes_down(&self, id: InstanceId) {
        self.standing().goes_down(id);
    }

    /// Takes notice that something serves.
    pub(super) fn serves(&self, id: &InstanceId) {
        self.standing().serves(id);
    }

    /// Hosts that the run went on without.
    pub(super) fn left_out(&self) -> BTreeSet<HostName> {
        self.standing().left_out()
    }
}

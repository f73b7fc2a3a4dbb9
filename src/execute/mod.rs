//! Carries a checked plan out: re-read, record, act, verify, record, tell. Everything that was to be decided lies in
//! the plan and in its judgements; the hosts lie behind [`Hosts`], the journal behind [`Recorder`], and so both can be
//! simulated.

mod blocks;
mod copy;
mod executor;
mod fleet;
mod job;
mod lock;
mod recorder;
mod rehearsed;
mod scheduler;
mod standing;
mod step;

use std::future::Future;

use crate::facts::{HostFacts, Query};
use crate::model::HostName;
use crate::plan::{Action, Plan};

pub use executor::{Executor, HostCount, Recovered, RunOutcome};
pub use fleet::Jobs;
pub use job::{JobState, RECONNECT};
pub use lock::{Lease, LockNotes, Locks, NotLocked};
pub use recorder::{Recorder, Unrecorded};
pub use step::{Answer, Ask};

pub use crate::remote::JobEnd;

/// How an attempt to carry an action out ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Its command ended well.
    Succeeded,
    /// Its command ended badly.
    Failed {
        /// How it ended.
        how: String,
    },
    /// What an earlier run began is still at work there, so it did nothing.
    Busy,
    /// It never began, because its host has been another run's meanwhile: this run must not go on anywhere.
    Fenced {
        /// Whose it is.
        reason: String,
    },
    /// It never began.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// Nobody knows how it ended; only looking tells.
    Unknown {
        /// Why.
        cause: String,
    },
}

/// The hosts as the executor sees them.
pub trait Hosts: Send + Sync + 'static {
    /// Asks a host questions.
    fn observe(&self, host: HostName, queries: Vec<Query>) -> impl Future<Output = HostFacts> + Send;

    /// Carries `action` out. `facts` are those of its host, read just before; `output` takes each line printed.
    fn act(
        &self,
        plan: &Plan,
        action: &Action,
        facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> impl Future<Output = Attempt> + Send;

    /// The last lines that the action's component logged, for the report of a start that failed.
    fn last_words(&self, plan: &Plan, action: &Action) -> impl Future<Output = Vec<String>> + Send;
}

//! What happens in a run, made durable: behind a trait, so that a full disk and a crash can be simulated.

use std::future::Future;

use crate::event::Event;

/// Why something could not be recorded: where, and what the system said. It holds for the rest of the run: what was
/// refused once may be half written, and a later success would hide that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unrecorded(pub String);

/// Where a run is recorded.
pub trait Recorder: Send + Sync + 'static {
    /// Makes `event` durable: when this returns well, it is there also after a loss of power.
    fn record(&self, event: &Event) -> impl Future<Output = Result<(), Unrecorded>> + Send;
}

//! What happened in each run, kept so that the next one knows what may have been begun: a file a run, of JSON lines, each
//! durable before the action that it announces starts.
//!
//! `record`, `line`, `doubt` and `named` are pure: what is recorded, how a line is written and read, what is in doubt, which
//! run is meant. Only `store` and `writer` touch files.

mod doubt;
mod line;
mod named;
mod record;
mod store;
mod writer;

pub use doubt::{Doubt, WhyInDoubt, in_doubt};
pub use line::{Chain, Fault, Journal, ReadError, What, read};
pub use named::{NamedError, named};
pub use record::{Ending, Entry, FORMAT, Found, PlannedAction, Record, RecordedWaiver, RunStarted};
pub use store::{JournalError, Kept, Limits, Reach, Store};
pub use writer::Writer;

#[cfg(test)]
mod fixture;

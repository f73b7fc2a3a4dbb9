//! What happened in each run, kept so that the next one knows what may have been begun: a file a run, of JSON lines, each
//! durable before the action that it announces starts.
//!
//! `record`, `line` and `doubt` are pure: what is recorded, how a line is written and read, and what is in doubt. Only
//! `store` and `writer` touch files.

mod doubt;
mod line;
mod record;
mod store;
mod writer;

pub use doubt::{Doubt, WhyInDoubt, in_doubt};
pub use line::{Chain, Fault, Journal, ReadError, What, read};
pub use record::{Ending, Entry, FORMAT, Found, PlannedAction, Record, RecordedWaiver, RunStarted};
pub use store::{JournalError, Kept, Limits, Reach, Store};
pub use writer::Writer;

#[cfg(test)]
mod fixture;

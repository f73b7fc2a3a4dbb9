//! The `component` kind: one service of a cluster with its package, its schema, its process and its
//! health endpoint.

mod assess;
mod decode;
mod difference;
mod path;
mod spec;

pub use assess::{Assessment, Installed, Running, Staleness, assess};
pub use decode::decode;
pub use difference::{Cause, Difference};
pub use path::{PlannedPath, path_of, wants_published};
pub use spec::{Component, HealthSpec, ProcessSpec, SchemaSpec, Signal, Supervisor};

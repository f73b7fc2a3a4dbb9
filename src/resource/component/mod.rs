//! The `component` kind: one service of a cluster with its package, its schema, its process and its
//! health endpoint.

mod assess;
mod backup_host;
mod catch_up;
mod decode;
mod difference;
mod environment;
mod freeze;
mod mending;
mod path;
mod preview;
mod spec;

pub use assess::{Assessment, Installed, Running, Staleness, assess};
pub use backup_host::{BackupCopies, BackupHost};
pub use catch_up::upstream_version;
pub use decode::decode;
pub use difference::{Cause, Difference};
pub use environment::{
    Carried, Constraint, EnvironmentSpec, Installer, KEEP, Layout, RELEASE, TRAIN, choose, interpreter_of,
    required_python,
};
pub use freeze::FreezeSpec;
pub use mending::{mending_of, presence_of};
pub use path::{PlannedHop, PlannedPath, path_of, wants_published, within_reach, work_query};
pub use preview::{SchemaStep, schema_steps, waiting_revisions};
pub use spec::{
    Asked, Component, HealthSpec, LeftOut, Precautions, ProcessSpec, Rehearsal, SchemaSpec, Signal, Supervisor,
};

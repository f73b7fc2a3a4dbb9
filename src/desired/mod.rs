//! Inventory × playbook → what each host should have. Pure.
//!
//! [`resolve`] brings an inventory, a playbook and its roles together: it chooses the hosts of each play, layers the
//! variables of every task as Ansible does, renders all templates, and reports all mistakes of all hosts at once,
//! each only once however many hosts share it. What comes out has no templates left; every value still knows the
//! line that it was written on, so whoever decodes it further can point there too.

mod becoming;
mod checks;
mod facts;
mod handlers;
mod instance;
mod magic;
mod mistakes;
mod outside;
mod provenance;
mod resolve;
mod resource;
mod scope;
mod task;
mod walk;

pub use facts::Facts;
pub use instance::{Instance, InstanceId, Rolling, Serial};
pub use provenance::{FieldOrigin, VariableOrigin, origins_of, task_at};
pub use resolve::{Declaration, Desired, SkippedPlay, resolve, resolve_connections};
pub use resource::{Phase, Resource, Turn, files_that_change, turns};
pub use scope::Scope;
pub use task::{BlockPart, Blocked, Message, Part, Refusal, ResolvedRetry, ResolvedTask, Section};

#[cfg(test)]
pub(crate) mod fixture;

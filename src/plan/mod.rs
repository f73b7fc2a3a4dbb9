//! From differences to stages of actions: the planner, what each action is and must find and leave, the
//! commands that carry it out, and an independent checker. Pure: equal input, equal bytes.

mod action;
mod acts;
mod backup;
mod checker;
mod copy;
mod databases;
mod full_stop;
mod group;
mod installer;
mod judge;
mod member;
mod mend;
mod planner;
mod proof;
mod resources;
mod rolling;
mod saved;
mod schema_job;
mod script;
mod staging;

pub use crate::desired::{BlockPart, InstanceId, Part, Resource};
pub use action::{
    Action, ActionKind, CopyAt, Migration, PackageMove, Plan, Quorum, Recovery, Stage, StageKind, Track, Undo,
};
pub use backup::{BackupJob, backup, restore_command};
pub use checker::{Violation, check};
pub use copy::finish_copy;
pub use judge::{
    Confirmation, Readiness, World, confirm, dead_after_start, describe as schema_in_words, ready, state_of,
};
pub use mend::mend;
pub use planner::{Input, plan};
pub use resources::resource_state;
pub use saved::{SavedPlan, SavedPlanError, StalePlan};
pub use schema_job::{SchemaJob, migrate, rehearse};
pub use script::{BUSY, Script, log_script, script};
pub use staging::{Staging, locked_for, prune, stage, switch};

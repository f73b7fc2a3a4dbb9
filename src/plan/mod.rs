//! From differences to stages of actions: the planner, what each action is and must find and leave, the
//! commands that carry it out, and an independent checker. Pure: equal input, equal bytes.

mod action;
mod checker;
mod group;
mod installer;
mod judge;
mod planner;
mod saved;
mod script;
mod staging;

pub use action::{Action, ActionKind, PackageMove, Plan, Stage, StageKind, Track, Undo};
pub use checker::{Violation, check};
pub use judge::{Confirmation, Readiness, World, confirm, ready, state_of};
pub use planner::{Input, plan};
pub use saved::{SavedPlan, SavedPlanError, StalePlan};
pub use script::{BUSY, Script, log_script, script};
pub use staging::{Staging, locked_for, prune, stage, switch};

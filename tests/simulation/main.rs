//! The planner, its checker and the executor against a simulated cluster: plan, carry out, gather, plan again, until
//! the plan is empty, with faults on the way and the safety rules checked after every action.

#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/simulated/mod.rs"]
mod simulated;

mod any_state;
mod checker;
mod clusters;
mod majors;
mod mending;
mod patches;
mod planted;
mod recording;
mod rolling;
mod scenario;
mod seeds;
mod turns;

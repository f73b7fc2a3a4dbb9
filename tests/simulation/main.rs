//! The planner, its checker and the executor against a simulated cluster: plan, carry out, gather, plan again, until
//! the plan is empty, with faults on the way and the safety rules checked after every action.

#[path = "../support/simulated/mod.rs"]
mod simulated;

mod any_state;
mod checker;
mod clusters;
mod majors;
mod patches;
mod planted;
mod scenario;
mod seeds;
mod turns;

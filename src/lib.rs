//! converge moves clusters of Python services from the release that they run to the release that
//! their operators declared, over plain SSH, without an agent, and only as far as is safe.
//!
//! The modules read as a pipeline; imports run one way, and only [`cli`] wires them together.
//! `docs/architecture.md` has the picture and the rules.

pub mod cli;
pub mod desired;
pub mod document;
pub mod event;
pub mod execute;
pub mod facts;
pub mod gather;
pub mod inventory;
pub mod journal;
pub mod lint;
pub mod model;
pub mod packages;
pub mod plan;
pub mod playbook;
pub mod preflight;
pub mod release;
pub mod remote;
pub mod report;
pub mod resource;
pub mod transport;
pub mod vault;
pub mod vocabulary;

//! What happens in a run, typed: the executor emits events, reports read them, and neither knows the
//! other. Pure.

use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage begins.
    StageStarted {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Its title.
        title: String,
        /// Its hosts.
        hosts: Vec<HostName>,
    },
    /// An action is about to begin: what it relies on was read again and holds.
    ActionStarted {
        /// Where.
        host: HostName,
        /// The action's name in the plan.
        id: String,
        /// What it does.
        text: String,
    },
    /// An action printed a line.
    ActionOutput {
        /// Where.
        host: HostName,
        /// The action's name in the plan.
        id: String,
        /// The line, printable.
        line: String,
    },
    /// An action ended.
    ActionEnded {
        /// Where.
        host: HostName,
        /// The action's name in the plan.
        id: String,
        /// What it does.
        text: String,
        /// How it ended.
        result: ActionResult,
        /// Milliseconds that it took, with what was read before and after.
        took_ms: u64,
    },
    /// A stage ended.
    StageEnded {
        /// Its number, from 1.
        number: usize,
        /// How many hosts failed in it.
        failed: usize,
        /// Whether another one begins.
        goes_on: bool,
    },
    /// A stage failed, and what the plan says for that begins. Its stages follow, numbered from 1 again.
    RecoveryStarted {
        /// What it is: `back to 23.9.10`.
        title: String,
    },
    /// A recovery ended.
    RecoveryEnded {
        /// What it is.
        title: String,
        /// How many hosts failed in it.
        failed: usize,
    },
    /// The run was asked to stop: what runs is finished, nothing new begins.
    Stopping,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ActionResult {
    /// It was carried out, and its effect was seen.
    Done {
        /// How the effect shows.
        evidence: String,
    },
    /// Its effect was there already.
    AlreadyDone {
        /// How the effect shows.
        evidence: String,
    },
    /// It failed, or what it relies on didn't hold.
    Failed(Failure),
}

/// An action that failed, with all that a person on call needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The host.
    pub host: HostName,
    /// What was tried.
    pub tried: String,
    /// What should have come of it.
    pub expected: String,
    /// What was observed instead.
    pub observed: String,
    /// The last lines that it printed, and what the component logged.
    pub output: Vec<String>,
    /// The state that the host is left in, a line per component.
    pub left: Vec<String>,
    /// What to do next.
    pub next: String,
    /// Whether the host could not be reached.
    pub unreachable: bool,
    /// Why its host goes on all the same; `None` where it doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}

/// Why a host goes on behind a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handled {
    /// `ignore_errors`.
    Ignored,
    /// The `rescue` of its block.
    Rescued,
    /// It is tried again.
    Retried {
        /// How often it may still be tried.
        left: u32,
    },
}

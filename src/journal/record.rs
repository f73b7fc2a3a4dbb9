//! What is recorded. Pure.
//!
//! These types are the format of a file. Whatever an older converge could not read, also a new kind of record, makes a new
//! [`FORMAT`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{ActionResult, Event};
use crate::model::{Digest, HostName, RunId, Timestamp};

/// The format that this converge writes. The first record of a file names it.
pub const FORMAT: u32 = 1;

/// One record, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the file, from 1.
    pub seq: u64,
    /// When it was written, by the controller's clock.
    pub at: Timestamp,
    /// What it says.
    pub record: Record,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The run starts: always the first record.
    RunStarted(Box<RunStarted>),
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
    /// An action is about to begin.
    ActionIntended {
        /// Where.
        host: HostName,
        /// Its name in the plan.
        id: String,
        /// What it does.
        text: String,
    },
    /// An action ended, or was found to need nothing; then there is no intent before it.
    ActionEnded {
        /// Where.
        host: HostName,
        /// Its name in the plan.
        id: String,
        /// What it does.
        text: String,
        /// How it ended.
        how: ActionResult,
        /// Milliseconds that it took, with what was read before and after.
        took_ms: u64,
    },
    /// A stage ended.
    StageEnded {
        /// Its number, from 1.
        number: usize,
        /// How many hosts failed in it.
        failed: usize,
    },
    /// What the plan says for a failure begins.
    RecoveryStarted {
        /// What it is.
        title: String,
    },
    /// That ended.
    RecoveryEnded {
        /// What it is.
        title: String,
        /// How many hosts failed in it.
        failed: usize,
    },
    /// The run was asked to stop.
    Stopping,
    /// The run ended.
    RunEnded {
        /// How.
        how: Ending,
        /// The program's exit code.
        exit_code: u8,
    },
    /// A later run asks what came of the actions in doubt.
    TakenUp {
        /// The later run.
        by: RunId,
        /// Who started it, as `user@machine`.
        who: String,
        /// What stood at the end of this file that was no whole record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        torn: Option<String>,
    },
    /// What the host said of an action in doubt.
    Found {
        /// Where.
        host: HostName,
        /// Its name in the plan.
        id: String,
        /// What it said.
        found: Found,
    },
}

/// How a run started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The format of the file.
    pub format: u32,
    /// The version of converge that wrote it.
    pub written_by: String,
    /// The run.
    pub run: RunId,
    /// Who started it, as `user@machine`.
    pub who: String,
    /// Its process on that machine.
    pub pid: u32,
    /// The directory in which it was started.
    pub directory: String,
    /// The words of the command line behind the program's name, without secrets.
    pub command: Vec<String>,
    /// The inventories' paths, in full, with a blank between them; none where a saved plan was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// A digest of the names and addresses of all hosts that the run knew.
    pub cluster: Digest,
    /// How each host of the plan is reached.
    pub hosts: BTreeMap<HostName, String>,
    /// The plan's digest.
    pub plan: Digest,
    /// Its actions, in order.
    pub actions: Vec<PlannedAction>,
    /// What was found and waived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<RecordedWaiver>,
    /// The run that `converge resume` goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<RunId>,
}

/// An action of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAction {
    /// Where.
    pub host: HostName,
    /// Its name in the plan.
    pub id: String,
    /// What it does.
    pub text: String,
}

/// A finding that somebody answered for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedWaiver {
    /// The rule's code.
    pub rule: String,
    /// What was found.
    pub observed: String,
    /// Why it was waived.
    pub reason: String,
    /// Who answers for it, where a file of waivers says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything is as declared.
    Converged,
    /// Something failed, or the cluster is not as declared.
    Failed,
    /// Asked to stop, it finished what ran.
    Stopped,
    /// Asked twice, it left what ran to the hosts.
    Left,
}

/// What a host said of an action in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Found {
    /// Its command is at work.
    Running,
    /// Its command ended.
    Finished {
        /// The exit status.
        status: u32,
    },
    /// Its host ended it, because it took too long.
    TimedOut {
        /// Seconds that it was given.
        after: u32,
    },
    /// Its command was never started.
    NeverStarted,
    /// Its command was started, and is gone without a status.
    Lost {
        /// How that shows.
        why: String,
    },
    /// The host could not be asked.
    NotAsked {
        /// Why.
        why: String,
    },
}

impl Found {
    /// Whether nothing more can come of the action.
    #[must_use]
    pub fn settles(&self) -> bool {
        match self {
            Found::Finished { .. } | Found::TimedOut { .. } | Found::NeverStarted | Found::Lost { .. } => true,
            Found::Running | Found::NotAsked { .. } => false,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Running => f.write_str("still at work"),
            Found::Finished { status: 0 } => f.write_str("ended well"),
            Found::Finished { status } => write!(f, "ended with status {status}"),
            Found::TimedOut { after } => write!(f, "had not ended after {after} s, and was ended by its host"),
            Found::NeverStarted => f.write_str("never started"),
            Found::Lost { why } => write!(f, "started, and gone without a status: {why}"),
            Found::NotAsked { why } => write!(f, "could not be asked: {why}"),
        }
    }
}

impl Record {
    /// What is kept of an event; nothing of the lines that an action prints, but for the end of those of a failure, which
    /// the failure holds.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event.clone() {
            Event::StageStarted { number, of, title, hosts } => Record::StageStarted { number, of, title, hosts },
            Event::ActionStarted { host, id, text } => Record::ActionIntended { host, id, text },
            Event::ActionOutput { .. } => return None,
            Event::ActionEnded { host, id, text, result, took_ms } => {
                Record::ActionEnded { host, id, text, how: result, took_ms }
            }
            Event::StageEnded { number, failed, goes_on: _ } => Record::StageEnded { number, failed },
            Event::RecoveryStarted { title } => Record::RecoveryStarted { title },
            Event::RecoveryEnded { title, failed } => Record::RecoveryEnded { title, failed },
            Event::Stopping => Record::Stopping,
        })
    }

    /// The host that it is about, where it is about one.
    #[must_use]
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Record::ActionIntended { host, .. } | Record::ActionEnded { host, .. } | Record::Found { host, .. } => {
                Some(host)
            }
            Record::RunStarted(_)
            | Record::StageStarted { .. }
            | Record::StageEnded { .. }
            | Record::RecoveryStarted { .. }
            | Record::RecoveryEnded { .. }
            | Record::Stopping
            | Record::RunEnded { .. }
            | Record::TakenUp { .. } => None,
        }
    }
}

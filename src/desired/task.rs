//! What resolving gives: tasks with nothing left to render, and what is known of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::{Node, Span};
use crate::inventory::Variables;
use crate::model::{BecomeUser, HostName};
use crate::playbook::{Rolling, Tags, TaskKind};

/// One task on one host, with nothing left to render. A task with a `loop` is one of these for each item.
#[derive(Debug, Clone)]
pub struct ResolvedTask {
    /// The name of the play.
    pub play: String,
    /// Its number in the playbook, from 0.
    pub play_index: usize,
    /// How the play goes over its hosts.
    pub rolling: Rolling,
    /// Which part of the play it belongs to.
    pub section: Section,
    /// The role that the task belongs to, if any.
    pub role: Option<String>,
    /// The directory of that role; empty for a task of the play itself.
    pub role_directory: String,
    /// The name of the task, or the word of its kind.
    pub task: String,
    /// What is shown of the item, in a `loop`.
    pub item: Option<String>,
    /// Where the task stands.
    pub span: Span,
    /// The host.
    pub host: HostName,
    /// What it is about.
    pub kind: TaskKind,
    /// What stands below the word of its kind, all templates rendered. Each scalar keeps the place where its text was
    /// written, be it the task or a variable.
    pub body: Node,
    /// What the file that a `template` names comes to.
    pub content: Option<String>,
    /// The variables that it saw, as given, with what lost against them.
    pub variables: Arc<Variables>,
    /// All tags, with those of its blocks, its role and its play.
    pub tags: Tags,
    /// The handlers that it notifies, as written.
    pub notify: Vec<String>,
    /// The same handlers, and those that listen to the names, as places in [`super::Desired::handlers`].
    pub handlers: Vec<usize>,
    /// The environment of what it runs; inner words win over outer ones.
    pub environment: BTreeMap<String, String>,
    /// Whom its host is to become for it.
    pub become_user: Option<BecomeUser>,
    /// Whether none of its values may be shown.
    pub no_log: bool,
    /// Whether its failure doesn't stop its host.
    pub ignore_errors: bool,
    /// Whether it is done once in the play, on the play's first host.
    pub run_once: bool,
    /// The host that does it instead of its own.
    pub delegate_to: Option<HostName>,
    /// How often it is tried.
    pub retry: Option<ResolvedRetry>,
    /// The blocks that it belongs to, outermost first.
    pub blocks: Vec<BlockPart>,
}

/// The parts of a play, in the order in which they are done. What a part has notified is done at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `pre_tasks`
    Pre,
    /// `roles` and `tasks`
    Main,
    /// `post_tasks`
    Post,
    /// `handlers`, of the play or of its roles.
    Handlers,
}

/// A block, and the part of it that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockPart {
    /// A number that tells the blocks of one resolution apart.
    pub block: usize,
    /// The part.
    pub part: Part,
}

/// The parts of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// `block`
    Tasks,
    /// `rescue`: done when one of the block's tasks failed on the host.
    Rescue,
    /// `always`: done afterwards, however the block ended there.
    Always,
}

/// `until`, `retries` and `delay` of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRetry {
    /// Conditions that end it; without one it ends with the first success.
    pub until: Vec<Node>,
    /// How often it is tried again.
    pub retries: u32,
    /// Seconds between two attempts.
    pub delay: u32,
}

/// A condition that was declared, by `assert` or `fail`, and that keeps a run from beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The host.
    pub host: HostName,
    /// The name of the task.
    pub task: String,
    /// The expression that doesn't hold, with the values of its names; or that `fail` was reached.
    pub observed: String,
    /// The task's own words: `fail_msg`, `msg`.
    pub message: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// Something that a task says to whoever reads the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The host.
    pub host: HostName,
    /// The role and the name of the task, as in `web : say hello`.
    pub task: String,
    /// What is shown of the item, in a `loop`.
    pub item: Option<String>,
    /// What it says.
    pub text: String,
}

/// A task that could not be resolved, because a fact that it uses isn't known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The host.
    pub host: HostName,
    /// The name of the task, as far as it is known.
    pub task: String,
    /// Where it stands.
    pub span: Span,
    /// Why the facts aren't known.
    pub reason: String,
}

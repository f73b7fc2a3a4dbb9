//! The plain kinds: files, services, accounts and what else a component needs around it. A file a kind: what it
//! declares, the questions that follow, its diff, and the commands that bring it about.
//!
//! Each is judged by facts alone ([`Plain::judge`]): before a plan, again before it is acted on, and again afterwards. So
//! every kind can be previewed, none runs twice, and none is believed.

mod account;
mod attributes;
mod command;
mod content;
mod cron;
mod edit;
mod file;
mod package;
mod preview;
mod service;
mod wait;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use account::{GroupSpec, UserSpec};
pub use attributes::Attributes;
pub use command::CommandSpec;
pub use content::{Bytes, ContentSpec};
pub use cron::CronSpec;
pub use edit::{BlockSpec, LineSpec};
pub use file::{FileSpec, FileState};
pub use package::PackageSpec;
pub use service::{ServiceSpec, ServiceState};
pub use wait::{HttpSpec, WaitSpec};

use crate::document::{Diagnostic, Diagnostics, Node};
use crate::facts::{HostFacts, Query};

/// One thing that should be so on a host, other than a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Plain {
    /// A directory, a link, a file's mode and owners, or nothing at a path.
    File(FileSpec),
    /// A file with a given content: `copy` and `template`.
    Content(ContentSpec),
    /// A line in a file.
    Line(LineSpec),
    /// A block of lines in a file, between two markers.
    Block(BlockSpec),
    /// A command that runs where a guard says that its effect is missing.
    Command(CommandSpec),
    /// A systemd unit.
    Service(ServiceSpec),
    /// Packages of the operating system.
    Package(PackageSpec),
    /// A user.
    User(UserSpec),
    /// A group.
    Group(GroupSpec),
    /// An entry of a crontab.
    Cron(CronSpec),
    /// Something that comes by itself and is waited for.
    WaitFor(WaitSpec),
    /// An HTTP endpoint that must answer.
    Http(HttpSpec),
}

/// What came of comparing what is declared with what was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    InSync {
        /// How that shows, in a line.
        state: String,
    },
    /// It isn't, and can be made so.
    Differs(Differs),
    /// It could not be observed, for this reason.
    Unknown(String),
    /// What is there is something that converge doesn't replace.
    Refused {
        /// What is there.
        observed: String,
        /// What to do.
        next: String,
    },
}

/// How something differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// What is there, in a line without numbers that change from look to look: what a plan relies on.
    pub state: String,
    /// What is to change, each in words.
    pub changes: Vec<String>,
    /// The change of a content as a unified diff.
    pub preview: Option<String>,
}

impl Differs {
    fn new(state: impl Into<String>, changes: Vec<String>) -> Self {
        Self { state: state.into(), changes, preview: None }
    }
}

impl Verdict {
    /// The state in words, where it is known.
    #[must_use]
    pub fn state(&self) -> String {
        match self {
            Verdict::InSync { state } | Verdict::Differs(Differs { state, .. }) => state.clone(),
            Verdict::Unknown(reason) => format!("unknown ({reason})"),
            Verdict::Refused { observed, .. } => observed.clone(),
        }
    }

    /// In sync where nothing is to change.
    fn of(state: impl Into<String>, changes: Vec<String>) -> Self {
        match changes.is_empty() {
            true => Verdict::InSync { state: state.into() },
            false => Verdict::Differs(Differs::new(state, changes)),
        }
    }
}

macro_rules! each {
    ($self:ident, $spec:ident => $what:expr) => {
        match $self {
            Plain::File($spec) => $what,
            Plain::Content($spec) => $what,
            Plain::Line($spec) => $what,
            Plain::Block($spec) => $what,
            Plain::Command($spec) => $what,
            Plain::Service($spec) => $what,
            Plain::Package($spec) => $what,
            Plain::User($spec) => $what,
            Plain::Group($spec) => $what,
            Plain::Cron($spec) => $what,
            Plain::WaitFor($spec) => $what,
            Plain::Http($spec) => $what,
        }
    };
}

impl Plain {
    /// Reads the body of a task of one of the plain kinds, but for `copy` and `template`, whose content comes from a file
    /// of the project: [`ContentSpec::read`].
    ///
    /// # Errors
    /// Every mistake in it; `None` where the word is no plain kind.
    pub fn read(kind: &str, node: &Node) -> Option<Result<Self, Diagnostics>> {
        Some(match kind {
            "file" => FileSpec::read(node).map(Plain::File),
            "line" => LineSpec::read(node).map(Plain::Line),
            "block" => BlockSpec::read(node).map(Plain::Block),
            "command" => CommandSpec::read(node).map(Plain::Command),
            "service" => ServiceSpec::read(node).map(Plain::Service),
            "package" => PackageSpec::read(node).map(Plain::Package),
            "user" => UserSpec::read(node).map(Plain::User),
            "group" => GroupSpec::read(node).map(Plain::Group),
            "cron" => CronSpec::read(node).map(Plain::Cron),
            "wait_for" => WaitSpec::read(node).map(Plain::WaitFor),
            "http" => HttpSpec::read(node).map(Plain::Http),
            _ => return None,
        })
    }

    /// What is asked of its host.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        each!(self, spec => spec.queries())
    }

    /// Compares it with what was observed.
    #[must_use]
    pub fn judge(&self, facts: &HostFacts) -> Verdict {
        each!(self, spec => spec.judge(facts))
    }

    /// The commands that bring it about, in POSIX sh: the inside of a function that may `exit`. `facts` are as fresh as
    /// can be. Safe to run again after an interruption.
    #[must_use]
    pub fn script(&self, facts: &HostFacts) -> String {
        each!(self, spec => spec.script(facts))
    }

    /// The file whose time tells when it last changed, for `restart_on`.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        match self {
            Plain::File(spec) => (spec.state == FileState::Link).then(|| spec.path.clone()),
            Plain::Content(spec) => Some(spec.path.clone()),
            Plain::Line(spec) => Some(spec.path.clone()),
            Plain::Block(spec) => Some(spec.path.clone()),
            // dpkg writes this list anew whenever it installs the package.
            Plain::Package(spec) => spec.names.first().map(|name| format!("/var/lib/dpkg/info/{name}.list")),
            Plain::Command(_)
            | Plain::Service(_)
            | Plain::User(_)
            | Plain::Group(_)
            | Plain::Cron(_)
            | Plain::WaitFor(_)
            | Plain::Http(_) => None,
        }
    }

    /// Seconds that it may take to show once its commands have ended well.
    #[must_use]
    pub fn patience(&self) -> u32 {
        match self {
            Plain::WaitFor(spec) => spec.timeout,
            Plain::Http(spec) => spec.timeout,
            Plain::Service(_) => service::PATIENCE,
            Plain::File(_)
            | Plain::Content(_)
            | Plain::Line(_)
            | Plain::Block(_)
            | Plain::Command(_)
            | Plain::Package(_)
            | Plain::User(_)
            | Plain::Group(_)
            | Plain::Cron(_) => 0,
        }
    }

    /// Whether it changes nothing on its host.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(self, Plain::WaitFor(_) | Plain::Http(_))
    }

    /// Seconds that its commands may take.
    #[must_use]
    pub fn limit_seconds(&self) -> u32 {
        match self {
            Plain::Command(spec) => spec.timeout,
            Plain::Package(_) => package::LIMIT,
            Plain::WaitFor(spec) => spec.timeout.saturating_add(60),
            Plain::Http(spec) => spec.timeout.saturating_add(60),
            Plain::File(_)
            | Plain::Content(_)
            | Plain::Line(_)
            | Plain::Block(_)
            | Plain::Service(_)
            | Plain::User(_)
            | Plain::Group(_)
            | Plain::Cron(_) => 300,
        }
    }
}

/// The kind and what tells it from others of its kind on a host: `service nginx.service`.
impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::File(spec) => write!(f, "file {}", spec.path),
            Plain::Content(spec) => write!(f, "{} {}", spec.word, spec.path),
            Plain::Line(spec) => write!(f, "line in {}", spec.path),
            Plain::Block(spec) => write!(f, "block in {}", spec.path),
            Plain::Command(spec) => write!(f, "command {}", spec.command),
            Plain::Service(spec) => write!(f, "service {}", spec.name),
            Plain::Package(spec) => write!(f, "package {}", spec.names.join(", ")),
            Plain::User(spec) => write!(f, "user {}", spec.name),
            Plain::Group(spec) => write!(f, "group {}", spec.name),
            Plain::Cron(spec) => write!(f, "cron {}", spec.name),
            Plain::WaitFor(spec) => write!(f, "wait for {spec}"),
            Plain::Http(spec) => write!(f, "http {}", spec.url),
        }
    }
}

/// A text that isn't empty.
fn filled(node: &Node) -> Result<String, Diagnostic> {
    node.as_filled_text()
}

/// An absolute path without `..`, and not the root: what is written there is replaced.
fn path(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let trimmed = text.trim_end_matches('/');
    if !text.starts_with('/') || trimmed.is_empty() || text.split('/').any(|part| part == "..") {
        return Err(Diagnostic::at(&node.span, format!("\"{text}\" is no absolute path below /"))
            .hint("hosts have no working directory that could be relied on: write /etc/…, without `..`"));
    }
    if text.contains(['\n', '\0']) {
        return Err(Diagnostic::at(&node.span, "a path can't hold line breaks"));
    }
    Ok(trimmed.to_owned())
}

/// One text, or a list of them, none empty.
fn texts(node: &Node) -> Result<Vec<String>, Diagnostics> {
    match node.as_list() {
        Ok(items) => {
            let mut mistakes = Diagnostics::new();
            let read = items.iter().filter_map(|item| mistakes.keep(filled(item))).collect();
            mistakes.or_ok(read)
        }
        Err(_) => Ok(vec![filled(node)?]),
    }
}

/// Seconds, from one on.
fn seconds(node: &Node) -> Result<u32, Diagnostic> {
    let time = node.as_duration()?;
    match u32::try_from(time.as_secs()) {
        Ok(seconds @ 1..) => Ok(seconds),
        Ok(0) | Err(_) => Err(node.unexpected("a time of a second or more")),
    }
}

/// One of some words.
fn one_of<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, Diagnostic> {
    let text = node.as_text()?;
    let found = words.iter().find(|(word, _)| *word == text.trim()).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Diagnostic::at(&node.span, format!("\"{text}\" is none of {}", all.join(", ")))
            .maybe_hint(crate::document::did_you_mean(&text, all.iter().copied()))
    })
}

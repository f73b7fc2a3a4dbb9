//! Tasks: one thing that should be so, of one of a closed set of kinds.

use std::fmt;

use super::repeat::{self, Repeat};
use super::shared::{self, Shared};
use super::{group, keywords};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, did_you_mean};
use crate::inventory::Level;

/// What a task is about. The set is closed: every kind can be previewed, so there is no check mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// Conditions that must hold before anything is changed.
    Assert,
    /// One component: its package, its schema, its process.
    Component,
    /// A line for whoever reads the plan.
    Debug,
    /// A refusal, under whatever condition the task has.
    Fail,
    /// Something about the run itself: `flush_handlers`, `noop`.
    Meta,
    /// One of the plain kinds, by its word.
    Plain(&'static str),
}

/// The words of the plain kinds.
const PLAIN: [&str; 12] =
    ["block", "command", "copy", "cron", "file", "group", "http", "line", "package", "service", "user", "wait_for"];

impl TaskKind {
    /// All kinds, those that need no resource first, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Assert, Self::Component, Self::Debug, Self::Fail, Self::Meta];
        others.into_iter().chain(PLAIN.map(Self::Plain))
    }

    /// The word that tasks use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Assert => "assert",
            Self::Component => "component",
            Self::Debug => "debug",
            Self::Fail => "fail",
            Self::Meta => "meta",
            Self::Plain(word) => word,
        }
    }

    /// Whether it needs nothing of a host, and is decided when the plan is made.
    #[must_use]
    pub fn is_decided_early(self) -> bool {
        matches!(self, Self::Assert | Self::Debug | Self::Fail | Self::Meta)
    }

    /// The kind of a word, also with the name of Ansible's own collection before it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let word = word.strip_prefix("ansible.builtin.").unwrap_or(word);
        Self::all().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A task as written, templates not rendered.
#[derive(Debug, Clone)]
pub struct Task {
    /// Where it starts.
    pub span: Span,
    /// `name`, if it has one.
    pub name: Option<Node>,
    /// What it is about.
    pub kind: TaskKind,
    /// What stands below the word of its kind.
    pub body: Node,
    /// What blocks, roles and plays can say as well.
    pub shared: Shared,
    /// `loop` and `loop_control`.
    pub repeat: Option<Repeat>,
    /// `until`, `retries` and `delay`.
    pub retry: Option<Retry>,
    /// `listen` of a handler: other names that notify it.
    pub listen: Vec<Node>,
}

/// How often something is tried before it counts as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// `until`: conditions that end it, all of which must hold. Without one it is tried until it succeeds.
    pub until: Vec<Node>,
    /// `retries`: how often it is tried again, 1 to 1000.
    pub retries: u32,
    /// `delay`: seconds between two attempts, up to a day.
    pub delay: u32,
}

/// What Ansible retries where only `until` is said.
const RETRIES: u32 = 3;
/// What Ansible waits between attempts, in seconds.
const DELAY: u32 = 5;

/// The words of all kinds, for messages.
pub(super) fn kinds() -> String {
    TaskKind::all().map(TaskKind::word).collect::<Vec<_>>().join(", ")
}

/// Words of a task beside its kind and what it shares with others.
const FIELDS: [&str; 7] = ["name", "loop", "loop_control", "until", "retries", "delay", "listen"];

/// Reads one task. `handler` says whether it is one.
pub(super) fn read_task(node: &Node, handler: bool) -> Result<Task, Diagnostics> {
    let mut fields = Fields::of(node, "a task")?;
    let name = fields.optional("name", |node| node.as_str().map(|_| node.clone()));
    let shared = shared::read(&mut fields, Level::Task, "task");
    let repeat = repeat::read(&mut fields);
    let retry = read_retry(&mut fields);
    let listen = if handler { fields.given("listen", shared::texts).unwrap_or_default() } else { Vec::new() };
    let mut found: Option<(TaskKind, Node)> = None;
    let mut problems = Diagnostics::new();
    for (key, value) in fields.rest() {
        match (TaskKind::of(key.key_text()), &found) {
            (Some(kind), None) => {
                if handler && kind.is_decided_early() {
                    let message = format!("`{kind}` can't be a handler: it is decided before anything is done");
                    problems.push(Diagnostic::at(&key.span, message).hint("write it under `tasks`"));
                }
                found = Some((kind, value.clone()));
            }
            (Some(kind), Some((first, _))) => {
                let message = format!("a task is of one kind: this one is `{first}` already and can't be `{kind}` too");
                problems.push(Diagnostic::at(&key.span, message).hint("make it two tasks"));
            }
            (None, _) => problems.push(keywords::refuse(key, &kinds()).unwrap_or_else(|| unknown(key))),
        }
    }
    if found.is_none() && problems.is_empty() {
        let message = "this task doesn't say what it is about";
        problems.push(Diagnostic::at(&head(node), message).hint(format!("the kinds are: {}", kinds())));
    }
    if handler && name.is_none() && listen.is_empty() {
        problems.push(Diagnostic::at(&head(node), "a handler has a `name` or `listen`, or nothing can notify it"));
    }
    fields.mistake(problems);
    let span = head(node);
    fields.build(|| {
        let (kind, body) = found?;
        Some(Task { span, name, kind, body, shared, repeat, retry, listen })
    })
}

fn read_retry(fields: &mut Fields<'_>) -> Option<Retry> {
    let until = fields.given("until", shared::conditions);
    let bounded = |node: &Node, most: u32| {
        let number = node.as_i64().ok().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| *number <= most).ok_or_else(|| node.unexpected(&format!("a number up to {most}")))
    };
    let retries = fields.given("retries", |node| bounded(node, 1000));
    let delay = fields.given("delay", |node| match node.as_duration() {
        Ok(time) if time.as_secs() <= 86_400 => Ok(u32::try_from(time.as_secs()).unwrap_or(DELAY)),
        Ok(_) | Err(_) => Err(node.unexpected("seconds, up to a day")),
    });
    if let (None, None, Some(_)) = (&until, retries, delay)
        && let Some((key, _)) =
            fields.whole().as_mapping().unwrap_or_default().iter().find(|(k, _)| k.key_text() == "delay")
    {
        fields.mistake(Diagnostic::at(&key.span, "`delay` has no effect without `until` or `retries`"));
    }
    (until.is_some() || retries.is_some()).then(|| Retry {
        until: until.unwrap_or_default(),
        retries: retries.unwrap_or(RETRIES),
        delay: delay.unwrap_or(DELAY),
    })
}

/// The first key of a mapping: a marker under a whole block would point nowhere.
pub(super) fn head(node: &Node) -> Span {
    match node.as_mapping() {
        Ok([(key, _), ..]) => key.span.clone(),
        Ok([]) | Err(_) => node.span.clone(),
    }
}

fn unknown(key: &Node) -> Diagnostic {
    let word = key.key_text();
    let known = TaskKind::all().map(TaskKind::word).chain(FIELDS).chain(shared::FIELDS).chain(group::WORDS);
    let hint = did_you_mean(word, known).unwrap_or_else(|| format!("the kinds are: {}", kinds()));
    Diagnostic::at(&key.span, format!("`{word}` is neither a kind of task nor a field of one")).hint(hint)
}

/// The words of a task beside its kind.
#[cfg(test)]
pub(crate) fn task_words() -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().chain(shared::FIELDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::playbook::KnownFiles;
    use crate::playbook::entry::{Entry, Reader};

    fn read(text: &str) -> Result<Vec<Task>, String> {
        let node = Node::parse(&Source::new("t.yaml", text)).unwrap();
        let entries = Reader::new(&KnownFiles::default(), "").entries(&node).map_err(|d| d.to_string())?;
        let task = |entry| match entry {
            Entry::Task(task) => *task,
            Entry::Group(group) => panic!("{group:?}"),
        };
        Ok(entries.into_iter().map(task).collect())
    }

    #[test]
    fn a_task_has_a_name_one_kind_and_variables() {
        let tasks = read("- name: x\n  component: {package: p}\n  vars: {a: 1}\n- component: {}\n").unwrap();
        assert_eq!((tasks.len(), tasks[0].kind, tasks[0].shared.variables.len()), (2, TaskKind::Component, 1));
        assert!(tasks[1].name.is_none());
        assert!(read("").unwrap().is_empty());
        assert_eq!(read("- ansible.builtin.debug: {msg: x}").unwrap()[0].kind, TaskKind::Debug);
    }

    #[test]
    fn a_task_says_how_often_it_is_tried() {
        let retry = |text: &str| read(&format!("- component: {{}}\n  {text}\n")).map(|mut tasks| tasks.remove(0).retry);
        assert_eq!(retry("name: x").unwrap(), None);
        let until = retry("until: a == 1").unwrap().unwrap();
        assert_eq!((until.until.len(), until.retries, until.delay), (1, 3, 5));
        let bare = retry("retries: 7\n  delay: 1m").unwrap().unwrap();
        assert_eq!((bare.until.len(), bare.retries, bare.delay), (0, 7, 60));
        assert!(retry("retries: 1001").unwrap_err().contains("t.yaml:2:12: expected a number up to 1000"));
        assert!(retry("delay: 5").unwrap_err().contains("t.yaml:2:3: `delay` has no effect without"));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let shown = read(
            "- component: {}\n  register: x\n  with_items: []\n  compnent: {}\n- shell: ls\n- community.general.pip: {}\n- name: only\n- 5\n- component: {}\n  debug: {}\n  listen: a\n",
        )
        .unwrap_err();
        for part in [
            "t.yaml:2:3: `register` isn't supported in this release\n    2 |   register: x\n      |   ^^^^^^^^\nhint: ",
            "t.yaml:3:3: `with_items` isn't supported",
            "t.yaml:4:3: `compnent` is neither a kind of task nor a field of one",
            "did you mean `component`?",
            "t.yaml:5:3: `shell` isn't a kind of task in this release",
            "t.yaml:6:3: `community.general.pip` isn't a kind",
            "t.yaml:7:3: this task doesn't say what it is about",
            "t.yaml:8:3: expected a mapping for a task, found `5`",
            "t.yaml:10:3: a task is of one kind: this one is `component` already and can't be `debug` too",
            "t.yaml:11:3: `listen` isn't supported",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(read("a: b").unwrap_err().contains("expected a list of tasks"));
    }
}

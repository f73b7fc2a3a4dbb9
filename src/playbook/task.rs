//! Tasks: one thing that should be so, of one of a closed set of kinds.

use std::fmt;

use super::{becoming, keywords};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, did_you_mean};
use crate::inventory::{Becoming, GivenVariables, Level, read_variables};

/// What a task is about. The set is closed: every kind can be previewed, so there is no check mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// One component: its package, its schema, its process.
    Component,
    /// One of the plain kinds, by its word.
    Plain(&'static str),
}

/// The words of the plain kinds, in alphabetical order.
const PLAIN: [&str; 12] =
    ["block", "command", "copy", "cron", "file", "group", "http", "line", "package", "service", "user", "wait_for"];

impl TaskKind {
    /// All kinds, in alphabetical order but for the component.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Component).chain(PLAIN.map(Self::Plain))
    }

    /// The word that tasks use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Plain(word) => word,
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
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
    /// `vars`.
    pub variables: GivenVariables,
    /// Whom it becomes.
    pub becoming: Becoming,
}

/// The words of all kinds, for messages.
pub(super) fn kinds() -> String {
    TaskKind::all().map(TaskKind::word).collect::<Vec<_>>().join(", ")
}

/// Reads a list of tasks; nothing stands for none.
pub(super) fn read_tasks(node: &Node) -> Result<Vec<Task>, Diagnostics> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let items = node.as_list().map_err(|_| node.unexpected("a list of tasks"))?;
    let mut mistakes = Diagnostics::new();
    let tasks = items.iter().filter_map(|item| mistakes.keep(read_task(item))).collect();
    mistakes.or_ok(tasks)
}

fn read_task(node: &Node) -> Result<Task, Diagnostics> {
    let mut fields = Fields::of(node, "a task")?;
    let name = fields.optional("name", |node| node.as_str().map(|_| node.clone()));
    let variables = fields.optional("vars", |node| read_variables(node, Level::Task, "task"));
    let becoming = becoming::read(&mut fields);
    let mut found: Option<(TaskKind, Node)> = None;
    let mut problems = Diagnostics::new();
    for (key, value) in fields.rest() {
        match (TaskKind::of(key.key_text()), &found) {
            (Some(kind), None) => found = Some((kind, value.clone())),
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
    fields.mistake(problems);
    let span = head(node);
    fields.build(|| {
        let (kind, body) = found?;
        Some(Task { span, name, kind, body, variables: variables.unwrap_or_default(), becoming })
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
    let known = TaskKind::all().map(TaskKind::word).chain(["name", "vars"]).chain(becoming::FIELDS);
    let hint = did_you_mean(word, known).unwrap_or_else(|| format!("the kinds are: {}", kinds()));
    Diagnostic::at(&key.span, format!("`{word}` is neither a kind of task nor a field of one")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn read(text: &str) -> Result<Vec<Task>, String> {
        read_tasks(&Node::parse(&Source::new("t.yaml", text)).unwrap()).map_err(|d| d.to_string())
    }

    #[test]
    fn a_task_has_a_name_one_kind_and_variables() {
        let tasks = read("- name: x\n  component: {package: p}\n  vars: {a: 1}\n- component: {}\n").unwrap();
        assert_eq!((tasks.len(), tasks[0].kind, tasks[0].variables.len()), (2, TaskKind::Component, 1));
        assert!(tasks[1].name.is_none());
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let shown = read(
            "- component: {}\n  when: x\n  with_items: []\n  compnent: {}\n- shell: ls\n- ansible.builtin.pip: {}\n- name: only\n- 5\n",
        )
        .unwrap_err();
        for part in [
            "t.yaml:2:3: `when` isn't supported in this release\n    2 |   when: x\n      |   ^^^^\nhint: make a group",
            "t.yaml:3:3: `with_items` isn't supported",
            "t.yaml:4:3: `compnent` is neither a kind of task nor a field of one",
            "did you mean `component`?",
            "t.yaml:5:3: `shell` isn't a kind of task in this release",
            "t.yaml:6:3: `ansible.builtin.pip` isn't a kind",
            "t.yaml:7:3: this task doesn't say what it is about",
            "t.yaml:8:3: expected a mapping for a task, found `5`",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(read("a: b").unwrap_err().contains("expected a list of tasks"));
    }
}

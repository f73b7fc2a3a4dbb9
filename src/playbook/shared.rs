//! What tasks, blocks, entries of roles and (most of it) plays can say alike, and inherit from each other.

use super::tags::{self, Tags};
use super::{becoming, condition};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Value};
use crate::inventory::{Becoming, GivenVariables, Level, read_variables};

/// What tasks, blocks and entries of roles share. Templates are not rendered.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// `when`: conditions that must all hold.
    pub when: Vec<Node>,
    /// `tags`.
    pub tags: Tags,
    /// `vars`.
    pub variables: GivenVariables,
    /// Whom it becomes.
    pub becoming: Becoming,
    /// `environment`: a mapping, or a list of them of which later ones win.
    pub environment: Vec<Node>,
    /// `no_log`.
    pub no_log: Option<Node>,
    /// `ignore_errors`.
    pub ignore_errors: Option<Node>,
    /// `run_once`.
    pub run_once: Option<Node>,
    /// `delegate_to`.
    pub delegate_to: Option<Node>,
    /// `notify`: names of handlers.
    pub notify: Vec<Node>,
}

/// The words.
pub(super) const FIELDS: [&str; 12] = [
    "when",
    "tags",
    "vars",
    "become",
    "become_user",
    "become_method",
    "environment",
    "no_log",
    "ignore_errors",
    "run_once",
    "delegate_to",
    "notify",
];

/// Reads them; `level` and `giver` are those of `vars`.
pub(super) fn read(fields: &mut Fields<'_>, level: Level, giver: &str) -> Shared {
    Shared {
        when: fields.given("when", conditions).unwrap_or_default(),
        tags: fields.given("tags", tags::read).unwrap_or_default(),
        variables: fields.optional("vars", |node| read_variables(node, level, giver)).unwrap_or_default(),
        becoming: becoming::read(fields),
        environment: fields.given("environment", environment).unwrap_or_default(),
        no_log: truth(fields, "no_log"),
        ignore_errors: truth(fields, "ignore_errors"),
        run_once: truth(fields, "run_once"),
        delegate_to: fields.given("delegate_to", |node| node.as_str().map(|_| node.clone())),
        notify: fields.given("notify", texts).unwrap_or_default(),
    }
}

/// A truth value or a template of one; what it comes to is told where it is rendered.
pub(super) fn truth(fields: &mut Fields<'_>, key: &'static str) -> Option<Node> {
    fields.given(key, |node| {
        let text = node.as_str().map_err(|_| node.unexpected("yes or no"))?;
        if text.contains("{{") { Ok(node.clone()) } else { node.as_bool().map(|_| node.clone()) }
    })
}

/// One condition, or a list of them; each is parsed to see that it is one.
pub(super) fn conditions(node: &Node) -> Result<Vec<Node>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let conditions = listed(node).iter().filter_map(|item| {
        mistakes.keep(condition::check(item))?;
        Some(item.clone())
    });
    let conditions = conditions.collect();
    mistakes.or_ok(conditions)
}

/// One text, or a list of them.
pub(super) fn texts(node: &Node) -> Result<Vec<Node>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let texts = listed(node).iter().filter_map(|item| {
        let text = item.as_filled_text().map_err(|_| item.unexpected("a name, or a list of them"));
        mistakes.keep(text).map(|_| item.clone())
    });
    let texts = texts.collect();
    mistakes.or_ok(texts)
}

pub(super) fn environment(node: &Node) -> Result<Vec<Node>, Diagnostic> {
    let one = |item: &Node| match (&item.value, item.as_str()) {
        (Value::Mapping(_), _) => Ok(item.clone()),
        (_, Ok(text)) if text.contains("{{") => Ok(item.clone()),
        (_, _) => Err(item.unexpected("a mapping of names to values")),
    };
    listed(node).iter().map(one).collect()
}

fn listed(node: &Node) -> &[Node] {
    match &node.value {
        Value::Sequence(items) => items,
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(node),
    }
}

//! What is declared for one host, where each value came from, what is there and what follows, as text and JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::desired::{FieldOrigin, VariableOrigin};
use crate::document::{Node, Value, place_of};
use crate::inventory::Given;
use crate::model::{HostName, is_secret_name, printable, redacted};

/// What stands for a value that isn't shown.
const HIDDEN: &str = "****";

/// Longest value that is shown in text, in characters.
const SHOWN: usize = 100;

/// Everything that is declared for one host.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedHost {
    /// The host.
    pub host: HostName,
    /// Components and everything else, in the order of the plan.
    pub resources: Vec<ExplainedResource>,
}

/// One component or resource.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedResource {
    /// Its name, as plans call it.
    pub name: String,
    /// The task's name.
    pub task: String,
    /// `file:line:column` of the task.
    pub declared_at: String,
    /// Its fields.
    pub fields: Vec<ExplainedField>,
    /// What is there, in a line.
    pub observed: String,
    /// The findings of rules about it.
    pub rules: Vec<ExplainedRule>,
    /// What a run would do about it, in order.
    pub actions: Vec<ExplainedAction>,
}

/// One field.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedField {
    field: String,
    value: serde_json::Value,
    written_at: String,
    variables: Vec<ExplainedVariable>,
}

/// A variable that a field uses.
#[derive(Debug, Clone, Serialize)]
struct ExplainedVariable {
    name: String,
    #[serde(flatten)]
    given: ExplainedValue,
    lost: Vec<ExplainedValue>,
}

/// A value that was given somewhere.
#[derive(Debug, Clone, Serialize)]
struct ExplainedValue {
    value: serde_json::Value,
    level: String,
    giver: String,
    at: String,
}

/// What a rule says.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedRule {
    /// Its code.
    pub code: String,
    /// What was observed.
    pub observed: String,
    /// What to do.
    pub next: String,
    /// Whether it is waived.
    pub waived: bool,
}

/// One action.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedAction {
    /// The stage's title.
    pub stage: String,
    /// What it does.
    pub text: String,
    /// Why.
    pub why: String,
}

impl ExplainedField {
    /// A field as it may be shown: `hidden` where its task shows none of its values.
    #[must_use]
    pub fn of(origin: &FieldOrigin, hidden: bool) -> Self {
        let FieldOrigin { field, value, written, variables } = origin;
        let is_secret =
            |variable: &VariableOrigin| is_secret_name(&variable.name) || holds_secret(&variable.given.value);
        let secret = hidden || is_secret_name(field) || variables.iter().any(is_secret);
        Self {
            field: field.clone(),
            value: shown(value, secret),
            written_at: place_of(written),
            variables: variables.iter().map(|variable| ExplainedVariable::of(variable, hidden)).collect(),
        }
    }
}

impl ExplainedVariable {
    fn of(origin: &VariableOrigin, hidden: bool) -> Self {
        let VariableOrigin { name, given, lost } = origin;
        let secret = hidden || is_secret_name(name);
        let value = |given: &Given| ExplainedValue {
            value: shown(&given.value, secret),
            level: given.level.to_string(),
            giver: given.giver.to_string(),
            at: place_of(&given.value.span),
        };
        Self { name: name.clone(), given: value(given), lost: lost.iter().map(value).collect() }
    }
}

fn shown(node: &Node, secret: bool) -> serde_json::Value {
    // A tagged value is an encrypted one.
    match (secret, node.to_json()) {
        (false, Ok(value)) => harmless(node, value),
        (true, _) | (false, Err(_)) => HIDDEN.into(),
    }
}

/// Fields of mappings that speak of secrets are hidden as well, and so are credentials in addresses.
fn harmless(node: &Node, value: serde_json::Value) -> serde_json::Value {
    match (&node.value, value) {
        (Value::Mapping(entries), _) => entries
            .iter()
            .map(|(key, value)| (key.key_text().to_owned(), shown(value, is_secret_name(key.key_text()))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        (Value::Sequence(items), _) => items.iter().map(|item| shown(item, false)).collect::<Vec<_>>().into(),
        (_, serde_json::Value::String(text)) => redacted(&text).into(),
        (_, other) => other,
    }
}

/// Whether a field inside a value speaks of a secret: a text may have been made of all of it.
fn holds_secret(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Scalar(_) => false,
        Value::Sequence(items) => items.iter().any(holds_secret),
        Value::Mapping(entries) => {
            entries.iter().any(|(key, value)| is_secret_name(key.key_text()) || holds_secret(value))
        }
    }
}

/// All of it for people.
#[must_use]
pub fn explained_text(explained: &ExplainedHost) -> String {
    let ExplainedHost { host, resources } = explained;
    let mut text = String::new();
    for ExplainedResource { name, task, declared_at, fields, observed, rules, actions } in resources {
        let title = printable(format!("{host}: {name}"));
        let _ = writeln!(text, "{}", Styled(HEAD, title));
        let _ = writeln!(text, "  declared by {} at {declared_at}", printable(task));
        for field in fields {
            describe_field(&mut text, field);
        }
        let _ = writeln!(text, "  observed: {}", printable(observed));
        for ExplainedRule { code, observed, next, waived } in rules {
            let style = if *waived { CHANGED } else { BAD };
            let waived = if *waived { " (waived)" } else { "" };
            let line = printable(format!("rule {code}{waived}: {observed}"));
            let _ = writeln!(text, "  {}", Styled(style, line));
            let _ = writeln!(text, "    next: {}", printable(next));
        }
        if rules.is_empty() {
            text.push_str("  rules: none has anything to say\n");
        }
        for ExplainedAction { stage, text: what, why } in actions {
            let line = printable(format!("action: {what}"));
            let _ = writeln!(text, "  {} ({})", Styled(CHANGED, line), printable(stage));
            let _ = writeln!(text, "    because {}", printable(why));
        }
        if actions.is_empty() {
            let _ = writeln!(text, "  {}", Styled(GOOD, "action: none".to_owned()));
        }
        text.push('\n');
    }
    text
}

fn describe_field(text: &mut String, field: &ExplainedField) {
    let ExplainedField { field, value, written_at, variables } = field;
    let _ = writeln!(text, "  {field} = {}  ({written_at})", one_line(value));
    for ExplainedVariable { name, given, lost } in variables {
        let _ = writeln!(text, "    {name} = {}", place(given));
        for lost in lost {
            let _ = writeln!(text, "      over {}", place(lost));
        }
    }
}

fn place(given: &ExplainedValue) -> String {
    let ExplainedValue { value, level, giver, at } = given;
    let giver = if giver == level || giver.is_empty() { String::new() } else { format!(" ({})", printable(giver)) };
    format!("{} from {level}{giver} at {at}", one_line(value))
}

fn one_line(value: &serde_json::Value) -> String {
    let text = printable(value.to_string());
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

//! Where the values of a task came from: its fields as written, the variables that each uses, and what lost against them. Pure.

use std::collections::BTreeSet;

use super::task::ResolvedTask;
use crate::document::{Node, Span, Value};
use crate::inventory::{Given, Variable};
use crate::playbook::{Contents, Entry, Playbook, Roles, Task, Templates, is_template};

/// One field of a task.
#[derive(Debug, Clone)]
pub struct FieldOrigin {
    /// Its name, with those of the fields that it is in: `process.systemd`.
    pub field: String,
    /// The finished value.
    pub value: Node,
    /// Where it is written in the task.
    pub written: Span,
    /// The variables that it uses, those that these use among them, in the order in which they are met.
    pub variables: Vec<VariableOrigin>,
}

/// A variable that a field uses.
#[derive(Debug, Clone)]
pub struct VariableOrigin {
    /// Its name.
    pub name: String,
    /// The value that holds, as written.
    pub given: Given,
    /// What lost against it, strongest first.
    pub lost: Vec<Given>,
}

/// So many variables that use variables are followed: a person loses track far sooner.
const CHAIN: usize = 64;

/// The fields of a task, in the order written; `written` is the task before anything was rendered.
#[must_use]
pub fn origins_of(resolved: &ResolvedTask, written: &Task) -> Vec<FieldOrigin> {
    let mut origins = Vec::new();
    let templates = Templates::new();
    fields("", &resolved.body, &written.body, &mut |field, value, raw| {
        let mut variables = Vec::new();
        follow(raw, resolved, &templates, &mut BTreeSet::new(), &mut variables);
        origins.push(FieldOrigin {
            field: field.to_owned(),
            value: value.clone(),
            written: raw.span.clone(),
            variables,
        });
    });
    origins
}

/// The task at a place, among all of a playbook and its roles.
#[must_use]
pub fn task_at<'p>(playbook: &'p Playbook, roles: &'p Roles, span: &Span) -> Option<&'p Task> {
    let of_plays = playbook
        .plays
        .iter()
        .flat_map(|play| [&play.pre_tasks, &play.tasks, &play.post_tasks, &play.handlers])
        .map(Vec::as_slice);
    let of_roles = roles.names().filter_map(|name| roles.get(name)).flat_map(|role| role.all_tasks());
    of_plays.chain(of_roles).find_map(|entries| in_entries(entries, span))
}

fn in_entries<'p>(entries: &'p [Entry], span: &Span) -> Option<&'p Task> {
    entries.iter().find_map(|entry| match entry {
        Entry::Task(task) => (task.span == *span).then_some(&**task),
        Entry::Group(group) => match &group.contents {
            Contents::Block { tasks, rescue, always } => {
                [tasks, rescue, always].into_iter().find_map(|list| in_entries(list, span))
            }
            Contents::File { tasks, .. } => in_entries(tasks, span),
            Contents::Role(_) => None,
        },
    })
}

/// Every field that holds no further ones, with its value as written. Below a value that is a template as a whole, fields
/// have no other place than that template.
fn fields(name: &str, value: &Node, written: &Node, found: &mut impl FnMut(&str, &Node, &Node)) {
    match &value.value {
        Value::Mapping(entries) if !entries.is_empty() => {
            for (key, inner) in entries {
                let name =
                    if name.is_empty() { key.key_text().to_owned() } else { format!("{name}.{}", key.key_text()) };
                fields(&name, inner, written.get(key.key_text()).unwrap_or(written), found);
            }
        }
        Value::Null | Value::Scalar(_) | Value::Sequence(_) | Value::Mapping(_) => found(name, value, written),
    }
}

/// The variables that the templates in a value use, and those that these use.
fn follow(
    node: &Node,
    task: &ResolvedTask,
    templates: &Templates,
    seen: &mut BTreeSet<String>,
    found: &mut Vec<VariableOrigin>,
) {
    match &node.value {
        Value::Null => {}
        Value::Sequence(items) => items.iter().for_each(|item| follow(item, task, templates, seen, found)),
        Value::Mapping(entries) => entries.iter().for_each(|(_, item)| follow(item, task, templates, seen, found)),
        Value::Scalar(scalar) if is_template(&scalar.text) => {
            let Ok(template) = templates.parse(&scalar.text) else { return };
            for name in template.required.iter().chain(&template.possible) {
                let Some(Variable { given, lost }) = task.variables.get(name) else { continue };
                if found.len() >= CHAIN || !seen.insert(name.clone()) {
                    continue;
                }
                found.push(VariableOrigin { name: name.clone(), given: given.clone(), lost: lost.clone() });
                follow(&given.value.clone(), task, templates, seen, found);
            }
        }
        Value::Scalar(_) => {}
    }
}

//! The kinds that need nothing of a host: `assert`, `fail`, `debug`, `meta`. They are decided when a plan is made.

use super::scope::Scope;
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Value, did_you_mean};
use crate::playbook::TaskKind;

/// What such a task comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing to say.
    Silent,
    /// A line for whoever reads the plan.
    Says(String),
    /// A run must not begin: what was observed, and the task's own words.
    Refuses(String, Option<String>),
    /// Handlers that were notified are done here.
    Flush,
}

/// Decides a task; `None` for a kind that needs something of a host.
pub(super) fn decide(
    kind: TaskKind,
    body: &Node,
    scope: &Scope<'_>,
    no_log: bool,
) -> Option<Result<Outcome, Diagnostics>> {
    match kind {
        TaskKind::Assert => Some(assert(body, scope, no_log)),
        TaskKind::Debug => Some(debug(body, scope, no_log)),
        TaskKind::Fail => Some(fail(body, scope)),
        TaskKind::Meta => Some(meta(body)),
        _ => None,
    }
}

/// Longest value that a message shows, in characters.
const SHOWN: usize = 200;

/// Reads the fields of a body; a text there is Ansible's old way of writing them.
fn fields<'n>(body: &'n Node, what: &str) -> Result<Fields<'n>, Diagnostics> {
    if body.as_str().is_ok() {
        return Err(body
            .unexpected(&format!("a mapping for {what}"))
            .hint("write the fields below it, as in `msg: \"…\"` on a line of its own")
            .into());
    }
    Fields::of(body, what)
}

fn rendered_text(scope: &Scope<'_>, node: &Node) -> Result<String, Diagnostics> {
    let rendered = scope.render(node)?;
    match &rendered.value {
        Value::Sequence(items) => {
            let lines: Result<Vec<String>, Diagnostic> = items.iter().map(Node::as_text).collect();
            Ok(lines?.join("\n"))
        }
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => Ok(rendered.as_text()?),
    }
}

fn assert(body: &Node, scope: &Scope<'_>, no_log: bool) -> Result<Outcome, Diagnostics> {
    let mut fields = fields(body, "`assert`")?;
    let that: Option<Vec<Node>> = fields.required("that", |node| match &node.value {
        Value::Sequence(items) if items.is_empty() => Err(node.unexpected("at least one condition")),
        Value::Sequence(items) => Ok(items.clone()),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => Ok(vec![node.clone()]),
    });
    let text = |node| rendered_text(scope, node);
    let message = fields.given("fail_msg", text);
    let message = fields.given("msg", text).or(message);
    let success = fields.given("success_msg", text);
    let quiet = fields.given("quiet", |node| scope.render(node).and_then(|node| Ok(node.as_bool()?))).unwrap_or(false);
    let that = fields.build(|| that)?;
    let mut mistakes = Diagnostics::new();
    let mut broken = None;
    for condition in &that {
        match mistakes.keep(scope.holds([condition])) {
            Some(false) if broken.is_none() => broken = Some(condition),
            Some(_) | None => {}
        }
    }
    mistakes.or_ok(())?;
    match broken {
        Some(condition) => Ok(Outcome::Refuses(observed(condition, scope, no_log)?, message)),
        None if quiet => Ok(Outcome::Silent),
        None => Ok(success.map_or(Outcome::Silent, Outcome::Says)),
    }
}

/// A condition that doesn't hold, with what its names are.
fn observed(condition: &Node, scope: &Scope<'_>, no_log: bool) -> Result<String, Diagnostics> {
    let text = condition.as_str()?.trim();
    let values = scope.values_of(condition)?;
    if values.is_empty() || no_log {
        return Ok(format!("`{text}` doesn't hold"));
    }
    let shown: Vec<String> = values
        .iter()
        .map(|(name, value)| match scope.looks_at_secret(name) {
            true => format!("{name} is a secret"),
            false => format!("{name} is {}", short(&value.to_string())),
        })
        .collect();
    Ok(format!("`{text}` doesn't hold: {}", shown.join(", ")))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn fail(body: &Node, scope: &Scope<'_>) -> Result<Outcome, Diagnostics> {
    let mut fields = fields(body, "`fail`")?;
    let message = fields.given("msg", |node| rendered_text(scope, node));
    fields.finish()?;
    Ok(Outcome::Refuses("a task that refuses the run is reached".to_owned(), message))
}

fn debug(body: &Node, scope: &Scope<'_>, no_log: bool) -> Result<Outcome, Diagnostics> {
    let mut fields = fields(body, "`debug`")?;
    let message = fields.given("msg", |node| scope.render(node));
    let variable = fields.given("var", |node| {
        let text = node.as_filled_text()?;
        let bare = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        let expression = Node::text(node.span.clone(), format!("{{{{{bare}}}}}"));
        scope.render(&expression).map(|value| (bare.to_owned(), value))
    });
    // How much is said isn't a matter of this task.
    fields.given("verbosity", Node::as_i64);
    if let (Some(_), Some(_)) = (&message, &variable) {
        fields.mistake(Diagnostic::at(&body.span, "`debug` has `msg` or `var`, not both"));
    }
    fields.finish()?;
    if no_log {
        return Ok(Outcome::Says("(not shown: no_log)".to_owned()));
    }
    let shown = |value: &Node| -> Result<String, Diagnostics> {
        match value.as_str() {
            _ if value.holds_secret() => Ok("(not shown: a secret)".to_owned()),
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Ok(value.to_json()?.to_string()),
        }
    };
    match (message, variable) {
        (Some(message), _) => shown(&message).map(Outcome::Says),
        (None, Some((name, value))) if value.holds_secret() => {
            Ok(Outcome::Says(format!("{name}: (not shown: a secret)")))
        }
        (None, Some((name, value))) => Ok(Outcome::Says(format!("{name}: {}", value.to_json()?))),
        (None, None) => Ok(Outcome::Says("Hello world!".to_owned())),
    }
}

/// What Ansible can be told about its own run, and what to write instead.
const NOT_HERE: [(&str, &str); 9] = [
    ("end_play", "give the tasks that follow a `when`"),
    ("end_host", "give the tasks that follow a `when`, or leave the host out with --limit"),
    ("end_batch", "give the tasks that follow a `when`"),
    ("end_role", "give the tasks that follow a `when`"),
    ("clear_facts", "remove it: facts are gathered for every plan"),
    ("refresh_inventory", "remove it: the inventory is read for every plan"),
    ("clear_host_errors", "remove it: run again when the host is mended"),
    ("reset_connection", "remove it: each run logs in anew"),
    ("role_complete", "remove it"),
];

fn meta(body: &Node) -> Result<Outcome, Diagnostics> {
    let word = body.as_str()?;
    match word {
        "flush_handlers" => Ok(Outcome::Flush),
        "noop" => Ok(Outcome::Silent),
        other => {
            let message = format!("`meta: {other}` isn't supported in this release");
            let known = ["flush_handlers", "noop"];
            let hint = NOT_HERE.iter().find(|(word, _)| *word == other).map(|(_, instead)| (*instead).to_owned());
            let hint =
                hint.or_else(|| did_you_mean(other, known)).unwrap_or_else(|| format!("it is {}", known.join(" or ")));
            Err(Diagnostic::at(&body.span, message).hint(hint).into())
        }
    }
}

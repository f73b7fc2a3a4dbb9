//! How a play goes over its hosts: `serial`, `settle`, `max_fail_percentage` and `any_errors_fatal`.

use std::time::Duration;

use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, Value};
use crate::model::Share;

/// What a play says of it.
#[derive(Debug, Clone, Default)]
pub struct Rolling {
    /// `serial`: how many hosts at a time, batch by batch, the last for all that follow; and where that is said.
    pub serial: Option<(Vec<Share>, Span)>,
    /// `settle`: seconds for which a batch must stay healthy before the next begins.
    pub settle: Option<u32>,
    /// `max_fail_percentage`, or 0 for `any_errors_fatal`: at how many failed hosts of a hundred nothing more begins.
    pub max_fail_percentage: Option<u32>,
}

/// A day: what is to settle for longer is watched by something else than a run.
const LONGEST_SETTLE: Duration = Duration::from_secs(24 * 3600);

/// Reads the fields of a play.
pub(super) fn read(fields: &mut Fields<'_>) -> Rolling {
    let serial = fields.given("serial", |node| serial(node).map(|sizes| (sizes, node.span.clone())));
    let settle = fields.given("settle", settle);
    let percentage = fields.given("max_fail_percentage", |node| percentage(node).map(|number| (number, node.clone())));
    let fatal = fields.given("any_errors_fatal", Node::as_bool).unwrap_or(false);
    if let (Some((_, node)), true) = (&percentage, fatal) {
        let message = "`max_fail_percentage` and `any_errors_fatal` exclude each other";
        fields.mistake(Diagnostic::at(&node.span, message).hint("any_errors_fatal is max_fail_percentage: 0"));
    }
    let max_fail_percentage = percentage.map(|(number, _)| number).or(fatal.then_some(0));
    Rolling { serial, settle, max_fail_percentage }
}

/// A number, a percentage, or a list of them.
fn serial(node: &Node) -> Result<Vec<Share>, Diagnostics> {
    let items = match &node.value {
        Value::Sequence(items) if items.is_empty() => {
            return Err(Diagnostic::at(&node.span, "`serial` is an empty list of batches").into());
        }
        Value::Sequence(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(node),
    };
    let mut mistakes = Diagnostics::new();
    let sizes = items.iter().filter_map(|item| mistakes.keep(share(item))).collect();
    mistakes.or_ok(sizes)
}

fn share(node: &Node) -> Result<Share, Diagnostic> {
    let expected = "a number of hosts, or a percentage of them";
    let text = node.as_text().map_err(|_| node.unexpected(expected))?;
    Share::parse(text.trim()).map_err(|error| {
        let hint = "as in `serial: 2`, `serial: \"25%\"` or `serial: [1, \"25%\", \"100%\"]`";
        Diagnostic::at(&node.span, error.to_string()).hint(hint)
    })
}

fn settle(node: &Node) -> Result<u32, Diagnostic> {
    let time = node.as_duration()?;
    if time < Duration::from_secs(1) || time > LONGEST_SETTLE {
        return Err(Diagnostic::at(&node.span, "a time to settle lies between one second and a day"));
    }
    u32::try_from(time.as_secs()).map_err(|_| node.unexpected("a time in seconds"))
}

fn percentage(node: &Node) -> Result<u32, Diagnostic> {
    let text = node.as_text()?;
    match text.trim().trim_end_matches('%').parse::<u32>() {
        Ok(number) if number <= 100 => Ok(number),
        Ok(_) | Err(_) => Err(Diagnostic::at(&node.span, format!("{text:?} is no percentage from 0 to 100"))
            .hint("0 stops at the first host that fails; Ansible's own 30 is reached here at 30, not beyond it")),
    }
}

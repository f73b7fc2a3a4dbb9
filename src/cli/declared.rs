//! What a declaration says and finds by itself: `debug`, `assert`, `fail`, and tasks that depend on unknown facts.

use std::fmt::Write as _;

use super::options::{Options, Verb};
use super::output;
use crate::desired::{Blocked, Desired, Message, Refusal};
use crate::document::place_of;
use crate::model::{HostName, printable};
use crate::preflight::{Finding, of_declaration, of_unknown_facts};

/// The findings, of hosts that the run is about.
pub(super) fn findings(desired: &Desired, is_within: impl Fn(&HostName) -> bool) -> Vec<Finding> {
    let line = |span: &crate::document::Span| span.source.shown_line(span.start.line).trim().to_owned();
    let refused = desired.refusals.iter().filter(|refusal| is_within(&refusal.host)).map(|refusal| {
        let Refusal { host, task, observed, message, span } = refusal;
        of_declaration(host, task, observed, message.as_deref(), (place_of(span), line(span)))
    });
    let blocked = desired.blocked.iter().filter(|blocked| is_within(&blocked.host)).map(|blocked| {
        let Blocked { host, task, span, reason } = blocked;
        of_unknown_facts(host, task, reason, (place_of(span), line(span)))
    });
    refused.chain(blocked).collect()
}

/// Prints what tasks say, where a plan is made. Standard output is for the answer.
pub(super) fn say(desired: &Desired, options: &Options, is_within: impl Fn(&HostName) -> bool) {
    match options.verb {
        None | Some(Verb::Plan(_) | Verb::Drift(_) | Verb::Preflight(_)) => {
            output::say(&messages_text(desired.messages.iter().filter(|message| is_within(&message.host))));
        }
        Some(_) => {}
    }
}

fn messages_text<'m>(messages: impl Iterator<Item = &'m Message>) -> String {
    let (mut text, mut heading) = (String::new(), None);
    for Message { host, task, item, text: said } in messages {
        if heading != Some(task) {
            let title = format!("TASK [{task}] ");
            let _ = writeln!(text, "{}{}", printable(&title), "*".repeat(WIDTH.saturating_sub(title.chars().count())));
            heading = Some(task);
        }
        let item = item.as_ref().map_or_else(String::new, |item| format!(" (item={item})"));
        let lines: Vec<String> = said.lines().map(printable).collect();
        let _ = writeln!(text, "ok: [{host}]{} => {}", printable(&item), lines.join("\n    "));
    }
    text
}

/// As wide as Ansible's headings.
const WIDTH: usize = 79;

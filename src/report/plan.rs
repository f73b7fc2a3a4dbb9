//! A plan as text.

use std::fmt::Write as _;

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::desired::Waiting;
use crate::model::printable;
use crate::plan::{ActionKind, Plan, StageKind, Undo};

/// The plan for people: stages, hosts, actions and why; or why there is nothing to do.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    let hosts = plan.hosts().len();
    if plan.is_empty() {
        let _ = writeln!(text, "{}", Styled(GOOD, nothing_to_do(plan, hosts)));
        for (id, state) in &plan.basis {
            let _ = writeln!(text, "  {id}: {state}");
        }
        return text;
    }
    let actions = plan.actions().count();
    let _ = writeln!(
        text,
        "{}",
        Styled(
            HEAD,
            format!(
                "PLAN {}: {} in {} on {}",
                plan.digest().short(),
                counted(actions, "action"),
                counted(plan.stages.len(), "stage"),
                counted(hosts, "host")
            )
        )
    );
    for (number, stage) in plan.stages.iter().enumerate() {
        let kind = match stage.kind {
            StageKind::Independent => "",
            StageKind::FullStop => "  (together: they share a database)",
            StageKind::Major => "  (a barrier: all hosts)",
        };
        let _ = writeln!(text, "\n{}{kind}", Styled(HEAD, format!("{}. {}", number + 1, stage.title)));
        for note in &stage.notes {
            let _ = writeln!(text, "  {}", Styled(CHANGED, printable(note)));
        }
        for action in stage.tracks.iter().flat_map(|track| &track.actions) {
            let _ = writeln!(text, "  {} {action}", Styled(CHANGED, format!("{}:", action.host)));
            let _ = writeln!(text, "      because {}", printable(&action.why));
            if let ActionKind::Apply { preview, .. } = &action.kind {
                text.push_str(&preview_text(preview.as_deref()));
            }
            if let Undo::Restore(command) = &action.undo {
                let _ = writeln!(text, "      only a restore takes it back: {command}");
            }
        }
    }
    text.push_str(&waiting_text(&plan.waiting));
    text
}

/// What is planned behind a plan that only prepares.
fn waiting_text(waiting: &[Waiting]) -> String {
    let mut text = String::new();
    if !waiting.is_empty() {
        let _ = writeln!(text, "\n{}", Styled(HEAD, "Then looked at and planned again, with all rules, for"));
    }
    for Waiting { instance, release, lacks } in waiting {
        let lacks = printable(lacks.join(", "));
        let _ = writeln!(text, "  {instance}: {release} is to be installed and started; now {lacks}");
    }
    text
}

fn nothing_to_do(plan: &Plan, hosts: usize) -> String {
    let components = plan.instances.len();
    match plan.resources.len() {
        0 if components == 0 => "Nothing to do: the playbook declares nothing for these hosts.".to_owned(),
        0 => format!("Nothing to do: {components} component(s) on {hosts} host(s) are as declared."),
        others => format!(
            "Nothing to do: {components} component(s) and {others} other resource(s) on {hosts} host(s) are as declared."
        ),
    }
}

/// A unified diff, indented; what it shows comes from hosts and files, and steers no terminal.
pub(super) fn preview_text(preview: Option<&str>) -> String {
    let mut text = String::new();
    for line in preview.into_iter().flat_map(str::lines) {
        let shown = printable(line);
        let _ = match line.as_bytes().first() {
            Some(b'+') => writeln!(text, "      {}", Styled(GOOD, shown)),
            Some(b'-') => writeln!(text, "      {}", Styled(BAD, shown)),
            Some(_) | None => writeln!(text, "      {shown}"),
        };
    }
    text
}

/// `1 host`, `2 hosts`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

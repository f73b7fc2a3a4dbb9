//! Plays, tasks and tags as `--list-tasks` and `--list-tags` show them: as Ansible does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::printable;
use crate::playbook::{ListedPlay, ListedTask, Tags};

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Whether tasks are.
    pub tasks: bool,
    /// Whether tags are.
    pub tags: bool,
}

/// The listing of a playbook.
#[must_use]
pub fn listing_text(path: &str, plays: &[ListedPlay], listed: Listed) -> String {
    let mut text = format!("\nplaybook: {}\n", printable(path));
    for (number, ListedPlay { name, pattern, tags, tasks }) in plays.iter().enumerate() {
        let _ = writeln!(
            text,
            "\n  play #{} ({}): {}\tTAGS: [{}]",
            number + 1,
            printable(pattern),
            printable(name),
            joined(tags)
        );
        if listed.tasks {
            let _ = writeln!(text, "    tasks:");
            for ListedTask { name, tags } in tasks {
                let _ = writeln!(text, "      {}\tTAGS: [{}]", printable(name), joined(tags));
            }
        }
        if listed.tags {
            let all: BTreeSet<String> = tasks.iter().flat_map(|task| task.tags.iter().cloned()).collect();
            let _ = writeln!(text, "      TASK TAGS: [{}]", joined(&all));
        }
    }
    text
}

fn joined(tags: &Tags) -> String {
    printable(tags.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}

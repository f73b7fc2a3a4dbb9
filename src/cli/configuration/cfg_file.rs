//! `ansible.cfg`: sections of `key = value`, as Python's `configparser` reads them for Ansible: comment lines begin with `#`
//! or `;`, a `;` behind a blank begins one within a line, an indented line goes on with the value before it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Diagnostic, Diagnostics, Node, Position, Source, Span, place_of};

/// Values by section and key.
pub(super) type Entries = BTreeMap<(String, String), Node>;

/// Reads a whole file.
///
/// # Errors
/// Every line that is none of such a file, and every key that stands twice in a section.
pub(super) fn parse(source: &Arc<Source>) -> Result<Entries, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut entries = Entries::new();
    let (mut section, mut last): (Option<String>, Option<(String, String)>) = (None, None);
    for (index, raw) in source.text.lines().enumerate() {
        let line = without_comment(raw);
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let span = |text: &str| {
            let before = raw.find(text).map_or(0, |at| raw[..at].chars().count());
            let start = Position { line: index + 1, column: before + 1 };
            let end = Position { column: start.column + text.chars().count(), ..start };
            Span { source: source.clone(), start, end, bytes: None }
        };
        if line.starts_with(char::is_whitespace)
            && let Some(known) = last.as_ref().and_then(|key| entries.get_mut(key))
        {
            let joined = format!("{}\n{text}", known.key_text());
            *known = Node::text(known.span.clone(), joined.trim_start());
        } else if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, last) = (Some(name.to_owned()), None);
        } else if let (Some(section), Some((key, value))) = (&section, text.split_once(['=', ':'])) {
            let (key, value) = (key.trim(), value.trim());
            let name = (section.clone(), key.to_lowercase());
            if let Some(first) = entries.get(&name) {
                let message = format!("`{key}` stands here for the second time; first at {}", place_of(&first.span));
                mistakes.push(Diagnostic::at(&span(key), message));
            }
            let place = if value.is_empty() { span(key) } else { span(value) };
            entries.insert(name.clone(), Node::text(place, value));
            last = Some(name);
        } else {
            let hint = "it is `[section]` or `key = value` below one";
            mistakes.push(Diagnostic::at(&span(text), "not a line of an ansible.cfg").hint(hint));
        }
    }
    mistakes.or_ok(entries)
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    let comment = line.match_indices(';').find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
    comment.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let entries = parse(&Source::new("ansible.cfg", text)).map_err(|wrong| wrong.to_string())?;
        Ok(entries.iter().map(|((section, key), node)| format!("{section}.{key}={}", node.key_text())).collect())
    }

    #[test]
    fn files_are_read_as_by_configparser() {
        let text = "# c\n; c\n[defaults]\nForks = 20 ; many\nroles_path: a;b:\n    c\n    d\nempty =\n[ssh_connection]\nssh_args = -C -o A=b # x\n";
        assert_eq!(
            read(text).unwrap(),
            [
                "defaults.empty=",
                "defaults.forks=20",
                "defaults.roles_path=a;b:\nc\nd",
                "ssh_connection.ssh_args=-C -o A=b # x"
            ]
        );
    }

    #[test]
    fn mistakes_are_shown_with_their_lines() {
        let shown = read("forks = 3\n[defaults]\nforks\na = 1\n A = 2\nA=3\n").unwrap_err();
        for part in [
            "ansible.cfg:1:1: not a line",
            "ansible.cfg:3:1: not a line",
            "ansible.cfg:6:1: `A` stands here for the second",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}

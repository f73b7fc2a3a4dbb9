//! `--limit`: a pattern, parts of which may be files of hosts (`@FILE`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inventory;
use super::pattern::{Part, select, split};
use crate::document::{Diagnostic, Diagnostics, Position, Source, Span, nearest};
use crate::model::{GroupName, HostName};

/// The files that a limit names; they are to be read before it can be applied.
#[must_use]
pub fn limit_files(text: &str) -> Vec<String> {
    let parts = split(text).unwrap_or_default();
    parts.iter().filter_map(|part| part.strip_prefix('@')).map(str::to_owned).collect()
}

impl Inventory {
    /// The hosts that `--limit TEXT` chooses.
    ///
    /// # Errors
    /// When the pattern can't be read, when a part of it matches no host (with the nearest names), or when nothing
    /// is left.
    pub fn limit(&self, text: &str) -> Result<Vec<HostName>, Diagnostics> {
        self.limit_with(text, &BTreeMap::new())
    }

    /// The same, with the files that the limit names. Each line of a file is a part of the pattern; those that are empty
    /// or begin with `#` are passed over.
    ///
    /// # Errors
    /// As [`Inventory::limit`], with the lines of the files.
    pub fn limit_with(&self, text: &str, files: &BTreeMap<String, Arc<Source>>) -> Result<Vec<HostName>, Diagnostics> {
        let source = Source::command_line(format!("--limit {text}"));
        let mut whole = Span::whole(&source);
        whole.bytes = Some(0..source.text.len());
        let wrong = |error: super::PatternError| Diagnostic::at(&whole, error.to_string());
        let mut mistakes = Diagnostics::new();
        let mut parts: Vec<(Part, Span)> = Vec::new();
        for text in split(text).map_err(wrong)? {
            let span = whole.narrowed_to(&text);
            let given = match text.strip_prefix('@') {
                None => vec![(text, span)],
                Some(name) => match files.get(name) {
                    Some(file) => lines(file),
                    None => {
                        mistakes.push(Diagnostic::at(&span, format!("`{text}`: a file can't be named here")));
                        Vec::new()
                    }
                },
            };
            for (text, span) in given {
                let part = Part::parse(&text).map_err(|error| Diagnostic::at(&span, error.to_string()));
                parts.extend(mistakes.keep(part).map(|part| (part, span)));
            }
        }
        if parts.is_empty() && mistakes.is_empty() {
            mistakes.push(Diagnostic::at(&whole, "the limit names no host"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let selection = select(&parts.iter().map(|(part, _)| part).collect::<Vec<_>>(), self);
        for (part, span) in parts.iter().filter(|(part, _)| selection.unmatched.contains(&part.text)) {
            mistakes.push(self.unmatched(&part.text, span));
        }
        if selection.hosts.is_empty() && mistakes.is_empty() {
            mistakes.push(Diagnostic::at(&whole, "the limit leaves no host"));
        }
        mistakes.or_ok(selection.hosts)
    }

    /// The mistake that a part of a pattern matches no host, with the nearest names as a hint.
    #[must_use]
    pub fn unmatched(&self, part: &str, span: &Span) -> Diagnostic {
        let bare = part.trim_start_matches(['&', '!']);
        let name = bare.split('[').next().unwrap_or(bare);
        if self.group_hosts(name).is_some_and(<[_]>::is_empty) {
            return Diagnostic::at(span, format!("the group `{name}` has no hosts"));
        }
        let diagnostic = Diagnostic::at(span, format!("`{part}` matches no host of {}", self.name()));
        if name == "localhost" {
            return diagnostic
                .hint("`localhost` isn't implicit; put it into the inventory with `ansible_connection: local`");
        }
        if let Some(count) = self.group_hosts(name).map(<[_]>::len).filter(|_| name != bare) {
            return diagnostic.hint(format!("the group `{name}` has {count} hosts, counted from 0"));
        }
        let known = self.hosts().iter().map(HostName::as_str).chain(self.groups().map(GroupName::as_str));
        let near: Vec<String> = nearest(name, known).into_iter().map(|name| format!("`{name}`")).collect();
        if near.is_empty() {
            return diagnostic
                .hint("`converge` matches names of hosts and groups, `*` globs and `~` regular expressions");
        }
        diagnostic.hint(format!("did you mean {}?", near.join(" or ")))
    }
}

/// The lines of a file that say something, with their places.
fn lines(file: &Arc<Source>) -> Vec<(String, Span)> {
    let lines =
        file.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
    let placed = lines.map(|(index, line)| {
        let text = line.trim();
        let column = 1 + line.chars().count() - line.trim_start().chars().count();
        let start = Position { line: index + 1, column };
        let end = Position { column: column + text.chars().count(), ..start };
        (text.to_owned(), Span { source: file.clone(), start, end, bytes: None })
    });
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::InventorySources;

    fn inventory() -> Inventory {
        let text = "manager: {hosts: {'mgr[1:2]': }}\nagent: {hosts: {'gpu[01:05]': }}\nempty: {}\n";
        Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap()
    }

    #[test]
    fn a_limit_that_matches_nothing_is_a_mistake_with_the_nearest_names() {
        let limit = |text: &str| inventory().limit(text).map(|hosts| hosts.len()).map_err(|d| d.to_string());
        assert_eq!(limit("agent:mgr1"), Ok(6));
        assert_eq!(
            limit("mgr1,gpu0").unwrap_err(),
            "command line:1:14: `gpu0` matches no host of inv.yaml\n    1 | --limit mgr1,gpu0\n      |              ^^^^\n\
             hint: did you mean `gpu01` or `gpu02` or `gpu03`?"
        );
        assert!(limit("empty").unwrap_err().contains("the group `empty` has no hosts"));
        assert!(limit("agent:!agent").unwrap_err().contains("leaves no host"));
        assert!(limit("localhost").unwrap_err().contains("isn't implicit"));
        assert!(limit("agent[7]").unwrap_err().contains("has 5 hosts"));
    }

    #[test]
    fn a_file_is_parts_of_the_pattern_line_by_line() {
        let limit = |text: &str, file: &str| {
            let files = BTreeMap::from([("last.retry".to_owned(), Source::new("last.retry", file))]);
            let hosts = inventory().limit_with(text, &files).map_err(|wrong| wrong.to_string())?;
            Ok::<_, String>(hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(limit_files("a,@b.retry,!@c"), ["b.retry"]);
        assert_eq!(limit("@last.retry", "mgr2\n\n# left out\n  gpu03 \r\n"), Ok("mgr2 gpu03".to_owned()));
        assert_eq!(limit("agent,@last.retry", "!gpu0[1:3]\n&agent\n").unwrap_err().lines().count(), 4);
        assert_eq!(limit("agent,@last.retry", "!gpu*3\n!gpu04"), Ok("gpu01 gpu02 gpu05".to_owned()));
        assert_eq!(
            limit("@last.retry", "mgr1\n mrg2\n").unwrap_err(),
            "last.retry:2:2: `mrg2` matches no host of inv.yaml\n    2 |  mrg2\n      |  ^^^^\nhint: did you mean `mgr2`?"
        );
        assert!(limit("@last.retry", "\n").unwrap_err().contains("names no host"));
        assert!(inventory().limit("@x").unwrap_err().to_string().contains("a file can't be named here"));
    }
}

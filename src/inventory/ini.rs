//! An inventory in Ansible's INI format: sections of hosts, of variables and of children, a line each.
//!
//! On a line of hosts a `#` begins a comment and quotes are the line's ([`ini_words`](super::ini_words)); in a section of
//! variables a value goes to the end of its line. Either way what is left is read as a literal of Python.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ini_words::{self, Word};
use super::literal;
use super::tree::RawTree;
use super::variables::{GivenVariables, Level, is_release, read_pairs};
use crate::document::{Diagnostic, Node, Position, Source, Span, did_you_mean};
use crate::model::GroupName;

/// What the lines of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Vars,
    Children,
}

/// A line without the blanks around it.
#[derive(Clone, Copy)]
struct Line<'s> {
    source: &'s Arc<Source>,
    number: usize,
    /// Where in the whole text it begins, in bytes.
    start: usize,
    /// Characters of the indentation.
    indent: usize,
    text: &'s str,
}

impl Line<'_> {
    /// Bytes of the line as a place.
    fn span(&self, from: usize, to: usize) -> Span {
        let column = |at: usize| 1 + self.indent + self.text.get(..at).map_or(0, |before| before.chars().count());
        Span {
            source: self.source.clone(),
            start: Position { line: self.number, column: column(from) },
            end: Position { line: self.number, column: column(to) },
            bytes: Some(self.start + from..self.start + to),
        }
    }

    fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }
}

/// Reads a whole inventory.
pub(super) fn read(source: &Arc<Source>, tree: &mut RawTree) {
    let built_in = ["all", "ungrouped"].iter().filter_map(|name| GroupName::parse(name).ok());
    let declared = tree.groups.keys().cloned().chain(built_in).collect();
    let mut reader = Reader { tree, group: None, kind: Kind::Hosts, declared, waiting: BTreeMap::new() };
    let mut start = 0;
    for (index, raw) in source.text.split('\n').enumerate() {
        let text = raw.trim();
        let indent = raw.len() - raw.trim_start().len();
        if !text.is_empty() && !text.starts_with(['#', ';']) {
            let characters = raw.get(..indent).map_or(0, |blanks| blanks.chars().count());
            reader.line(Line { source, number: index + 1, start: start + indent, indent: characters, text });
        }
        start += raw.len() + 1;
    }
    reader.finish();
}

struct Reader<'t> {
    tree: &'t mut RawTree,
    /// The group of the section; hosts above all sections are in none.
    group: Option<GroupName>,
    kind: Kind,
    /// Groups with a section of their own, or of an inventory before this one.
    declared: BTreeSet<GroupName>,
    /// Groups that are mentioned and have no section yet: where first, and the groups that they belong below.
    waiting: BTreeMap<GroupName, (Span, Vec<(GroupName, Span)>)>,
}

impl Reader<'_> {
    fn line(&mut self, line: Line<'_>) {
        if let Some(title) = section_title(line.text) {
            return self.section(line, title);
        }
        if line.text.starts_with('[') && line.text.ends_with(']') {
            let hint = "sections are [group], [group:vars] and [group:children], without blanks";
            return self.wrong(&line.whole(), format!("`{}` doesn't begin a section", line.text), hint);
        }
        match self.kind {
            Kind::Hosts => self.hosts(line),
            Kind::Vars => self.variable(line),
            Kind::Children => self.child(line),
        }
    }

    fn wrong(&mut self, span: &Span, message: impl Into<String>, hint: &str) {
        self.tree.mistakes.push(Diagnostic::at(span, message).hint(hint));
    }

    /// `[group]`, `[group:vars]`, `[group:children]`.
    fn section(&mut self, line: Line<'_>, title: &str) {
        let span = line.span(1, 1 + title.len());
        let (name, kind) = match title.split_once(':') {
            None => (title, Kind::Hosts),
            Some((name, "hosts")) => (name, Kind::Hosts),
            Some((name, "vars")) => (name, Kind::Vars),
            Some((name, "children")) => (name, Kind::Children),
            Some((name, other)) => {
                let near = did_you_mean(other, ["hosts", "vars", "children"]);
                let hint = near.unwrap_or_else(|| "sections are [group], [group:vars] and [group:children]".to_owned());
                self.wrong(&span, format!("there are no sections of the kind `{other}`"), &hint);
                (name, Kind::Hosts)
            }
        };
        self.kind = kind;
        self.group = self.tree.group(name, &span);
        let Some(group) = self.group.clone() else { return };
        if kind == Kind::Vars {
            if !self.declared.contains(&group) {
                self.waiting.entry(group).or_insert_with(|| (span, Vec::new()));
            }
            return;
        }
        self.declared.insert(group.clone());
        for (parent, span) in self.waiting.remove(&group).map(|(_, parents)| parents).unwrap_or_default() {
            self.tree.child(&parent, group.clone(), &span);
        }
    }

    fn hosts(&mut self, line: Line<'_>) {
        let words = match ini_words::split(line.text) {
            Ok(words) => words,
            Err((message, at)) => {
                let span = line.span(at, line.text.len());
                return self.wrong(
                    &span,
                    message,
                    "a value with blanks or quotes stands in quotes of the other kind: a=\"it's\"",
                );
            }
        };
        let Some((host, assignments)) = words.split_first() else { return };
        let span = line.span(host.start, host.end);
        if host.text == "---" {
            return self.wrong(
                &span,
                "`---` begins a YAML document, and this is read as INI",
                "name the file `….yaml`",
            );
        }
        let mut pairs = Vec::with_capacity(assignments.len());
        for word in assignments {
            let Some((name, value)) = word.text.split_once('=') else {
                let hint = "a line is a host and its variables: mgr1 ansible_host=10.0.0.1; another host has a line of its own";
                self.wrong(&line.span(word.start, word.end), format!("`{}` isn't name=value", word.text), hint);
                continue;
            };
            let (name_span, value_span) = assignment_spans(line, word, name);
            let key = Node::text(name_span, name);
            pairs.push((key, literal::read(value, &value_span)));
        }
        let variables =
            self.read(&pairs, Level::InventoryHost, &host.text, |name, text| format!("{name}='\"{text}\"'"));
        let group = self.group.clone().or_else(|| self.tree.group("ungrouped", &span));
        if let Some(group) = group {
            self.tree.hosts(&group, &host.text, &span, &variables);
        }
    }

    fn variable(&mut self, line: Line<'_>) {
        let Some(group) = self.group.clone() else { return };
        let Some((name, value)) = line.text.split_once('=') else {
            let hint = "a line below `vars` is name=value";
            return self.wrong(&line.whole(), format!("`{}` isn't name=value", line.text), hint);
        };
        let at = line.text.len() - value.trim_start().len();
        let value_span = line.span(at, line.text.len());
        let key = Node::text(line.span(0, name.trim_end().len()), name.trim_end());
        let pair = [(key, literal::read(value.trim(), &value_span))];
        let variables =
            self.read(&pair, Level::InventoryGroup, group.as_str(), |name, text| format!("{name}=\"{text}\""));
        self.tree.group_variables(&group, variables);
    }

    /// Variables of one place; `quoted` shows how a release is written there.
    fn read(
        &mut self,
        pairs: &[(Node, Node)],
        level: Level,
        giver: &str,
        quoted: impl Fn(&str, &str) -> String,
    ) -> GivenVariables {
        let (releases, pairs): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(key, value)| {
            is_release(key.key_text())
                && value.as_str().is_ok()
                && value.as_release_text().is_err()
                && !value.is_blank()
        });
        for (key, value) in releases {
            let text = value.as_str().unwrap_or_default();
            let message = format!("a release must be a text: Ansible reads {text} as a number and may lose digits");
            self.wrong(&value.span, message, &format!("write {}", quoted(key.key_text(), text)));
        }
        self.tree.mistakes.keep(read_pairs(&pairs, level, giver)).unwrap_or_default()
    }

    fn child(&mut self, line: Line<'_>) {
        let Some(parent) = self.group.clone() else { return };
        let name = line.text.split('#').next().unwrap_or_default().trim_end();
        let span = line.span(0, name.len());
        if name.is_empty() || name.contains([':', ']']) || name.contains(char::is_whitespace) {
            return self.wrong(
                &line.whole(),
                format!("`{}` isn't the name of a group", line.text),
                "a line below `children` is one group",
            );
        }
        let Ok(child) = GroupName::parse(name) else {
            // Says what is wrong with it.
            self.tree.group(name, &span);
            return;
        };
        if self.declared.contains(&child) {
            self.tree.child(&parent, child, &span);
        } else {
            let waiting = self.waiting.entry(child).or_insert_with(|| (span.clone(), Vec::new()));
            waiting.1.push((parent, span));
        }
    }

    /// What still waits for its section is a mistake.
    fn finish(self) {
        for (group, (span, _)) in &self.waiting {
            let hint = did_you_mean(group.as_str(), self.declared.iter().map(GroupName::as_str));
            let hint = hint.unwrap_or_else(|| format!("begin a section [{group}], which may be empty"));
            let message = format!("the group `{group}` has no section of its own");
            self.tree.mistakes.push(Diagnostic::at(span, message).hint(hint));
        }
    }
}

/// The title of a section, where the line begins one; a comment may follow.
fn section_title(text: &str) -> Option<&str> {
    let (title, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (name, kind) = title.split_once(':').unwrap_or((title, "hosts"));
    let is_title = !name.is_empty()
        && !title.contains(char::is_whitespace)
        && !kind.is_empty()
        && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let rest = rest.trim_start();
    (is_title && (rest.is_empty() || rest.starts_with('#'))).then_some(title)
}

/// Where the name and the value of a word stand. Quotes before the `=` make that a guess at the whole word.
fn assignment_spans(line: Line<'_>, word: &Word, name: &str) -> (Span, Span) {
    let written = line.text.get(word.start..word.end).unwrap_or_default();
    if written.starts_with(name) && written.get(name.len()..).is_some_and(|rest| rest.starts_with('=')) {
        let middle = word.start + name.len();
        return (line.span(word.start, middle), line.span(middle + 1, word.end));
    }
    let whole = line.span(word.start, word.end);
    (whole.clone(), whole)
}

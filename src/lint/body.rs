//! The bodies of tasks, by the decoders of their kinds.
//!
//! A decoder expects that no templates are left. What it says of fields (unknown, refused, missing) holds all the same; what
//! it says of a value holds where no template stands in that value.

use super::{Linter, Place, WantedFile};
use crate::document::{Diagnostic, Diagnostics, Node, Span, Value, did_you_mean};
use crate::playbook::{TaskKind, has_template, is_template};
use crate::resource::component;
use crate::resource::plain::{ContentSpec, Plain};
use crate::vocabulary::body_words;

impl Linter {
    pub(super) fn body(&mut self, kind: TaskKind, body: &Node, place: Place<'_>) {
        if body.as_mapping().is_ok() {
            self.decoded(kind, body, place);
        }
        match kind {
            TaskKind::Assert => {
                for (key, value) in body.as_mapping().unwrap_or_default() {
                    if key.key_text() == "that" { self.condition(value) } else { self.values(value) }
                }
            }
            TaskKind::Debug => {
                let name = body.get("var").map(|var| var.key_text().trim_matches(['{', '}', ' ']).to_owned());
                self.used.extend(name.map(|name| name.split(['.', '[']).next().unwrap_or_default().to_owned()));
                self.values(body);
            }
            TaskKind::Component | TaskKind::Fail | TaskKind::Meta | TaskKind::Plain(_) => {
                self.mode(body);
                self.values(body);
            }
        }
    }

    fn decoded(&mut self, kind: TaskKind, body: &Node, place: Place<'_>) {
        let mistakes = match kind {
            TaskKind::Component => component::decode(body).err(),
            TaskKind::Plain(word) => match Plain::read(word, body) {
                Some(read) => read.err(),
                None => {
                    let mut wanted = None;
                    let read = ContentSpec::read(word, body, |source| {
                        wanted = Some(source.clone());
                        Ok(Vec::new())
                    });
                    let literal = wanted.filter(|name| !is_template(name.key_text()));
                    self.files.extend(literal.map(|name| WantedFile { name, role: place.role.to_owned() }));
                    read.err()
                }
            },
            TaskKind::Assert | TaskKind::Debug | TaskKind::Fail | TaskKind::Meta => {
                self.mistakes.append(unknown_words(kind, body));
                None
            }
        };
        for mistake in &mistakes.unwrap_or_default() {
            if holds(mistake, body) {
                self.mistakes.push(mistake.clone());
            }
        }
    }
}

/// Fields that a kind without a decoder of its own doesn't have.
fn unknown_words(kind: TaskKind, body: &Node) -> Diagnostics {
    let Some(words) = body_words(kind) else { return Diagnostics::new() };
    let known = || words.iter().map(|word| word.name);
    let unknown =
        body.as_mapping().unwrap_or_default().iter().filter(|(key, _)| !known().any(|word| word == key.key_text()));
    unknown
        .map(|(key, _)| {
            let word = key.key_text();
            let all: Vec<String> = known().map(|word| format!("`{word}`")).collect();
            let hint = did_you_mean(word, known()).unwrap_or_else(|| format!("it has {}", all.join(", ")));
            Diagnostic::at(&key.span, format!("`{kind}` has no field `{word}`")).hint(hint)
        })
        .collect()
}

/// Whether what a decoder says holds, whatever the templates of a body come to.
fn holds(mistake: &Diagnostic, body: &Node) -> bool {
    match &mistake.span {
        None => false,
        Some(span) if *span == body.span => !has_template(body),
        Some(span) => told_of(span, body).unwrap_or(false),
    }
}

/// Whether a place inside a value is a key, or a value without a template; `None` where it is neither.
fn told_of(span: &Span, node: &Node) -> Option<bool> {
    match &node.value {
        _ if node.span == *span => Some(!has_template(node)),
        Value::Null | Value::Scalar(_) => None,
        Value::Sequence(items) => items.iter().find_map(|item| told_of(span, item)),
        Value::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let is_key = (key.span == *span).then_some(true);
            is_key.or_else(|| told_of(span, value))
        }),
    }
}

//! Where in a file a template is wrong.

use std::sync::Arc;

use super::template::TemplateError;
use crate::document::{Diagnostic, Node, Position, Source, Span, Value};

impl TemplateError {
    /// The mistake at its place, `span` being where the text of the template stands.
    #[must_use]
    pub fn told(self, span: &Span) -> Diagnostic {
        let place = match (self.word.as_deref(), self.at) {
            (Some(word), _) => named_in(span, word),
            (None, Some(at)) if span.bytes.as_ref().is_some_and(|range| range.start == 0) => line_of(span, at),
            (None, Some(_) | None) => span.clone(),
        };
        Diagnostic::at(&place, self.message).maybe_hint(self.hint)
    }
}

/// All of a file, with its offsets.
pub(crate) fn whole_file(source: &Arc<Source>) -> Span {
    let lines = source.text.lines().count().max(1);
    let end = Position { line: lines, column: 1 + source.line(lines).chars().count() };
    let start = Position { line: 1, column: 1 };
    Span { source: source.clone(), start, end, bytes: Some(0..source.text.len()) }
}

/// The place of a word inside an expression: it may stand in the text around as well.
pub(crate) fn named_in(span: &Span, word: &str) -> Span {
    let Some(text) = span.text() else { return span.clone() };
    for (open, _) in text.match_indices("{{") {
        let close = text[open..].find("}}").map_or(text.len(), |at| open + at);
        let part = span.part(open..close);
        let found = part.narrowed_to(word);
        if found != part {
            return found;
        }
    }
    span.narrowed_to(word)
}

/// A line of a whole file.
fn line_of(span: &Span, (line, column): (usize, usize)) -> Span {
    let start = Position { line, column };
    Span { source: span.source.clone(), start, end: Position { line, column: column + 1 }, bytes: None }
}

/// Whether a text is to be rendered at all.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Whether a template stands anywhere in a value.
pub(crate) fn has_template(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => is_template(&scalar.text),
        Value::Sequence(items) => items.iter().any(has_template),
        Value::Mapping(entries) => {
            entries.iter().any(|(key, value)| key.key_text().contains("{{") || has_template(value))
        }
    }
}

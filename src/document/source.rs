//! A text with a name, and places in it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::model::Secret;

/// A text and the name that messages give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the operator wrote or would write it, or a description such as `command line`.
    pub path: String,
    /// The whole text, without a byte order mark.
    pub text: String,
    /// Whether the whole text was encrypted: then none of it may be shown, and each of its values is a secret.
    pub is_secret: bool,
    /// What its single encrypted values (`!vault`) hold, by the text as it stands there.
    pub revealed: BTreeMap<String, Secret>,
}

impl Source {
    /// Takes over a text; a byte order mark at its start is dropped.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text: String = text.into();
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Arc::new(Self { path: path.into(), text, is_secret: false, revealed: BTreeMap::new() })
    }

    /// A text that was encrypted as a whole.
    #[must_use]
    pub fn decrypted(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut source = Self::clone(&Self::new(path, text));
        source.is_secret = true;
        Arc::new(source)
    }

    /// The same text with what its single encrypted values hold.
    #[must_use]
    pub fn with_revealed(&self, revealed: BTreeMap<String, Secret>) -> Arc<Self> {
        Arc::new(Self { revealed, ..self.clone() })
    }

    /// One line as a message may show it.
    #[must_use]
    pub fn shown_line(&self, number: usize) -> &str {
        if self.is_secret { "(not shown: the file is encrypted)" } else { self.line(number) }
    }

    /// A text that comes from an argument rather than a file; messages call it `command line`.
    #[must_use]
    pub fn command_line(text: impl Into<String>) -> Arc<Self> {
        Self::new("command line", text)
    }

    /// One line (counted from 1) without its line break; empty past the end.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or("")
    }
}

/// A place between two characters: line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A stretch of a [`Source`].
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The text that it lies in.
    pub source: Arc<Source>,
    /// Its first character.
    pub start: Position,
    /// The place just after its last character.
    pub end: Position,
    /// The same as byte offsets into [`Source::text`], where they are known.
    pub bytes: Option<Range<usize>>,
}

impl Span {
    /// The whole of a source, for what has no better place.
    #[must_use]
    pub fn whole(source: &Arc<Source>) -> Self {
        let start = Position { line: 1, column: 1 };
        let end = Position { line: 1, column: 1 + source.line(1).chars().count() };
        Self { source: source.clone(), start, end, bytes: None }
    }

    /// The text that the span covers, where its byte offsets are known.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.bytes.clone().and_then(|range| self.source.text.get(range))
    }

    /// The first place inside this span where `word` stands as a whole word on the span's text; the span itself
    /// when it doesn't or when offsets are unknown. Used to point at one name inside a longer value.
    #[must_use]
    pub fn narrowed_to(&self, word: &str) -> Self {
        let Some(text) = self.text() else { return self.clone() };
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
        let hit = text.match_indices(word).map(|(at, _)| at).find(|&at| {
            !text[..at].chars().next_back().is_some_and(is_word)
                && !text[at + word.len()..].chars().next().is_some_and(is_word)
        });
        match hit.filter(|_| !word.is_empty()) {
            Some(at) => self.part(at..at + word.len()),
            None => self.clone(),
        }
    }

    /// A part of this span, by byte offsets into its [`text`](Self::text); the span itself where they don't fit.
    #[must_use]
    pub fn part(&self, part: Range<usize>) -> Self {
        let (Some(range), Some(text)) = (self.bytes.clone(), self.text()) else { return self.clone() };
        let (Some(before), Some(inside)) = (text.get(..part.start), text.get(part.clone())) else {
            return self.clone();
        };
        let after = |from: Position, text: &str| match text.rfind('\n') {
            None => Position { line: from.line, column: from.column + text.chars().count() },
            Some(newline) => Position {
                line: from.line + text.matches('\n').count(),
                column: 1 + text[newline + 1..].chars().count(),
            },
        };
        let start = after(self.start, before);
        let end = after(start, inside);
        let bytes = Some(range.start + part.start..range.start + part.end);
        Self { source: self.source.clone(), start, end, bytes }
    }
}

impl fmt::Display for Span {
    /// `path:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", super::printable(&self.source.path), self.start.line, self.start.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_dropped_and_lines_lose_their_carriage_return() {
        let source = Source::new("a.yaml", "\u{feff}one\r\ntwo\r\n");
        assert_eq!((source.line(1), source.line(2), source.line(3)), ("one", "two", ""));
    }

    #[test]
    fn a_span_narrows_to_a_whole_word() {
        let source = Source::new("a.yaml", "x: \"{{homes}} {{home}}\"");
        let start = Position { line: 1, column: 4 };
        let span = Span { end: Position { line: 1, column: 24 }, start, bytes: Some(3..23), source };
        assert_eq!(span.narrowed_to("home").to_string(), "a.yaml:1:17");
        assert_eq!(span.narrowed_to("nothing"), span);
    }
}

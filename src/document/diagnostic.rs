//! Mistakes, with the line that they are on.

use std::fmt::{self, Write as _};

use super::{Position, Span};

/// Longest part of a source line that is shown, in characters: a terminal's width, so that a minified file
/// doesn't fill the screen.
const SHOWN: usize = 160;

/// One mistake in what an operator wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, without the place.
    pub message: String,
    /// Where, if it has a place.
    pub span: Option<Span>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place.
    #[must_use]
    pub fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span.clone()), hint: None }
    }

    /// A mistake that has no place in any text.
    #[must_use]
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a hint if there is one, such as the answer of [`super::did_you_mean`].
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, span, hint } = self;
        match span {
            None => f.write_str(&printable(message))?,
            Some(span) => {
                write!(f, "{span}: {}", printable(message))?;
                show_line(f, span)?;
            }
        }
        match hint {
            None => Ok(()),
            Some(hint) => write!(f, "\nhint: {}", printable(hint)),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// The source line with its number, and below it a marker under the part that is meant.
fn show_line(f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
    let Position { line, column } = span.start;
    if span.source.is_secret {
        return write!(f, "\n{line:>5} | {}", span.source.shown_line(line));
    }
    let text = span.source.line(line);
    // A long line is shown from a little before the place.
    let skipped = if column > SHOWN { column - SHOWN / 2 } else { 0 };
    let shown: String = text.chars().skip(skipped).take(SHOWN).collect();
    let before: String = shown.chars().take(column - 1 - skipped.min(column - 1)).collect();
    let rest = shown.chars().count().saturating_sub(before.chars().count());
    let wide = if span.end.line > line { rest } else { span.end.column.saturating_sub(column) };
    let marked: String = shown.chars().skip(before.chars().count()).take(wide).collect();
    let marks = printable(marked.trim_end()).chars().count().max(1);
    let (number, pad) = (line.to_string(), printable(&before).chars().count());
    write!(f, "\n{number:>5} | {}", printable(&shown))?;
    write!(f, "\n{:>5} | {}{}", "", " ".repeat(pad), "^".repeat(marks))
}

/// The text with everything that a terminal would interpret written as an escape: control characters, and the
/// marks that change the direction of writing. Tabs become one space so that markers stay under their column.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => safe.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String can't fail.
                let _ = write!(safe, "{}", c.escape_unicode());
            }
            c if c.is_control() => {
                let _ = write!(safe, "{}", c.escape_default());
            }
            c => safe.push(c),
        }
    }
    safe
}

/// `path:line:column`, for naming a second place inside a message.
#[must_use]
pub fn place_of(span: &Span) -> String {
    span.to_string()
}

/// All the mistakes of one reading, in the order in which they were met, each only once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No mistakes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake unless the same one is known already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Adds all mistakes of another reading.
    pub fn append(&mut self, others: impl Into<Self>) {
        for diagnostic in others.into().0 {
            self.push(diagnostic);
        }
    }

    /// Keeps a success and collects a failure.
    pub fn keep<T>(&mut self, result: Result<T, impl Into<Self>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(mistakes) => {
                self.append(mistakes);
                None
            }
        }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many different mistakes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The mistakes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The value, unless something was wrong.
    ///
    /// # Errors
    /// These diagnostics, when there are any.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(iter: I) -> Self {
        let mut all = Self::new();
        iter.into_iter().for_each(|diagnostic| all.push(diagnostic));
        all
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn span(text: &str, line: usize, column: usize, width: usize) -> Span {
        let start = Position { line, column };
        Span { source: Source::new("a.yaml", text), start, end: Position { line, column: column + width }, bytes: None }
    }

    #[test]
    fn a_diagnostic_shows_place_line_marker_and_hint() {
        let shown = Diagnostic::at(&span("x:\n  release: 25.10\n", 2, 12, 5), "not quoted").hint("write \"25.10\"");
        assert_eq!(
            shown.to_string(),
            "a.yaml:2:12: not quoted\n    2 |   release: 25.10\n      |            ^^^^^\nhint: write \"25.10\""
        );
    }

    #[test]
    fn control_characters_of_the_source_never_reach_the_terminal() {
        let shown = Diagnostic::at(&span("a\u{1b}[2J: \u{202e}b", 1, 8, 1), "bad \u{7}").to_string();
        assert_eq!(shown, "a.yaml:1:8: bad \\u{7}\n    1 | a\\u{1b}[2J: \\u{202e}b\n      |             ^^^^^^^^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let shown = Diagnostic::at(&span(&"x".repeat(1000), 1, 900, 3), "here").to_string();
        assert!(shown.lines().all(|line| line.len() < 200), "{shown}");
        assert!(shown.ends_with("^^^"));
    }

    #[test]
    fn the_same_mistake_is_kept_once() {
        let one = Diagnostic::at(&span("x", 1, 1, 1), "wrong");
        let all: Diagnostics = [one.clone(), one, Diagnostic::nowhere("other")].into_iter().collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all.to_string(), "a.yaml:1:1: wrong\n    1 | x\n      | ^\n\nother");
    }
}

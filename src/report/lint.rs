//! What is wrong with a project, as text and JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{BAD, CHANGED, GOOD, Styled};
use crate::document::{Diagnostic, Diagnostics, Span};
use crate::lint::Warning;

/// Mistakes and warnings for programs. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Serialize)]
pub struct LintReport {
    /// What a run would refuse.
    pub mistakes: Vec<Finding>,
    /// What is hardly meant.
    pub warnings: Vec<Finding>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    code: &'static str,
    message: String,
    hint: Option<String>,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    text: Option<String>,
}

impl Finding {
    fn of(code: &'static str, diagnostic: &Diagnostic) -> Self {
        let Diagnostic { message, span, hint } = diagnostic;
        let of = |read: fn(&Span) -> usize| span.as_ref().map(read);
        Self {
            code,
            message: message.clone(),
            hint: hint.clone(),
            file: span.as_ref().map(|span| span.source.path.clone()),
            line: of(|span| span.start.line),
            column: of(|span| span.start.column),
            end_line: of(|span| span.end.line),
            end_column: of(|span| span.end.column),
            text: span.as_ref().map(|span| span.source.line(span.start.line).to_owned()),
        }
    }
}

impl LintReport {
    /// The report of what was found.
    #[must_use]
    pub fn of(mistakes: &Diagnostics, warnings: &[Warning]) -> Self {
        Self {
            mistakes: mistakes.iter().map(|mistake| Finding::of("mistake", mistake)).collect(),
            warnings: warnings.iter().map(|warning| Finding::of(warning.kind.code(), &warning.diagnostic)).collect(),
        }
    }
}

/// Mistakes, then warnings, each with its place, the line and what to write instead; the count last.
#[must_use]
pub fn lint_text(files: usize, mistakes: &Diagnostics, warnings: &[Warning]) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        let _ = writeln!(text, "{mistake}\n");
    }
    for Warning { kind, diagnostic } in warnings {
        let shown = Diagnostic { message: format!("warning: {} [{kind}]", diagnostic.message), ..diagnostic.clone() };
        let _ = writeln!(text, "{shown}\n");
    }
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let style = match (mistakes.is_empty(), warnings.is_empty()) {
        (true, true) => GOOD,
        (true, false) => CHANGED,
        (false, _) => BAD,
    };
    let summary =
        [counted(files, "file"), counted(mistakes.len(), "mistake"), counted(warnings.len(), "warning")].join(", ");
    let _ = writeln!(text, "{}", Styled(style, summary));
    text
}

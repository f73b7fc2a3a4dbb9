//! One revision file of alembic, read from its text. Nothing of it is executed. Pure.
//!
//! What counts is what alembic takes from the module: `revision`, `down_revision`, `depends_on`, `branch_labels` and
//! the docstring. What can't be read plainly is an error and never left out: a revision that is missing from a graph
//! would make an incomplete database look complete.

use std::fmt;

use super::graph::RevisionId;
use super::python_source::{Literal, LogicalLine, logical_lines, string_at, string_literal};
use super::risk::{RevisionRisk, risks_of};
use crate::model::printable;

/// One revision, as its file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionFile {
    /// `revision`.
    pub id: RevisionId,
    /// `down_revision`: what it comes after. The order matters to alembic where a merge is run.
    pub down: Vec<RevisionId>,
    /// `depends_on`: revisions or branch labels that have to run before.
    pub depends_on: Vec<String>,
    /// `branch_labels`: names under which others may depend on it.
    pub branch_labels: Vec<String>,
    /// The first line of the docstring; empty where the author gave no message.
    pub message: String,
    /// What of it deserves a look before it runs.
    pub risks: Vec<RevisionRisk>,
}

/// A revision file that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionFileError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
    /// The line itself.
    pub shown: String,
}

/// Longest part of a line that is quoted: a terminal's width.
const SHOWN: usize = 120;

impl RevisionFileError {
    fn new(file: &str, line: usize, problem: impl Into<String>, shown: &str) -> Self {
        Self { file: file.into(), line, problem: problem.into(), shown: shown.chars().take(SHOWN).collect() }
    }
}

impl fmt::Display for RevisionFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, problem, shown } = self;
        write!(f, "{}:{line}: {}", printable(file), printable(problem))?;
        if shown.is_empty() { Ok(()) } else { write!(f, ": {}", printable(shown)) }
    }
}

impl std::error::Error for RevisionFileError {}

/// The variables that alembic reads from the module.
const VARIABLES: [&str; 4] = ["revision", "down_revision", "depends_on", "branch_labels"];

/// Reads one file of a `versions` directory. `Ok(None)` is a file that declares no `revision`.
///
/// # Errors
/// When the bytes aren't UTF-8, a string isn't closed, or one of the variables has a value that only an interpreter
/// could know.
pub fn parse_revision_file(file: &str, bytes: &[u8]) -> Result<Option<RevisionFile>, RevisionFileError> {
    let text = decode(file, bytes)?;
    let lines = logical_lines(text).map_err(|unclosed| {
        let shown = text.lines().nth(unclosed.line - 1).unwrap_or_default();
        RevisionFileError::new(file, unclosed.line, "a string that starts here is not closed", shown)
    })?;
    let [mut id, mut down, mut depends_on, mut branch_labels] = [None, None, None, None];
    let mut in_definition = false;
    for line in &lines {
        if line.indent == 0 {
            in_definition = starts_definition(&line.code);
        }
        let Some((variable, value)) = assigned(file, line, in_definition)? else { continue };
        let slot = match variable {
            "revision" => &mut id,
            "down_revision" => &mut down,
            "depends_on" => &mut depends_on,
            _ => &mut branch_labels,
        };
        // As in the module itself, the last assignment counts.
        *slot = Some((line, value));
    }
    let Some((line, id)) = id else {
        return match down {
            None => Ok(None),
            Some((line, _)) => {
                Err(RevisionFileError::new(file, line.line, "it has a down_revision but no revision", &line.text))
            }
        };
    };
    let [id] =
        id.try_into().map_err(|_| RevisionFileError::new(file, line.line, "expected one revision", &line.text))?;
    let Some((_, down)) = down else {
        return Err(RevisionFileError::new(file, line.line, "it has no down_revision", &line.text));
    };
    let rest = |slot: Option<(&LogicalLine, Vec<String>)>| slot.map(|(_, value)| value).unwrap_or_default();
    Ok(Some(RevisionFile {
        id,
        down,
        depends_on: rest(depends_on),
        branch_labels: rest(branch_labels),
        message: message_of(&lines),
        risks: risks_of(&lines),
    }))
}

fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, RevisionFileError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        RevisionFileError::new(file, line, "expected UTF-8, found other bytes", "")
    })
}

/// What the line assigns to one of the variables, if it does.
fn assigned<'a>(
    file: &str,
    line: &'a LogicalLine,
    in_definition: bool,
) -> Result<Option<(&'a str, Vec<String>)>, RevisionFileError> {
    if in_definition {
        return Ok(None);
    }
    let error = |problem: String| Err(RevisionFileError::new(file, line.line, problem, &line.text));
    let name: &str = line.code.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    if line.indent > 0 || !VARIABLES.contains(&name) {
        // `if …: revision = …`, `a = revision = …`, `x, revision = …`: what it comes to is the interpreter's to say.
        return match VARIABLES.into_iter().find(|variable| assigns(&line.code, variable)) {
            Some(variable) => error(format!("{variable} is not assigned plainly at the top of the module")),
            None => Ok(None),
        };
    }
    let Some(value) = value_of(&line.text[name.len()..]) else {
        // `down_revision.append(…)`, a tuple of targets, or an annotation without a value.
        return error(format!("expected `{name} = …` with a string, strings or None"));
    };
    match string_literal(value) {
        Some(Literal::Nothing) => Ok(Some((name, Vec::new()))),
        Some(Literal::Strings(strings)) => {
            let mut unique: Vec<String> = Vec::new();
            for string in strings {
                if !unique.contains(&string) {
                    unique.push(string);
                }
            }
            match unique.iter().find(|one| !is_identifier(one)) {
                Some(odd) => error(format!("{odd:?} is no identifier of a revision")),
                None => Ok(Some((name, unique))),
            }
        }
        None => error(format!("the value of {name} is not a plain string, a sequence of strings or None")),
    }
}

/// Longest identifier: the column `version_num` of alembic's table is `VARCHAR(32)`; labels may be longer.
const LONGEST_IDENTIFIER: usize = 128;

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_IDENTIFIER
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// What stands behind the `=` of an assignment, with or without an annotation before it.
fn value_of(after_name: &str) -> Option<&str> {
    let after_name = after_name.trim_start();
    if let Some(value) = after_name.strip_prefix('=') {
        return (!value.starts_with('=')).then_some(value);
    }
    // The `=` behind an annotation: one outside of its brackets and strings.
    let annotation = after_name.strip_prefix(':')?;
    let (mut depth, mut quote) = (0usize, None);
    for (at, character) in annotation.char_indices() {
        match (quote, character) {
            (Some(open), _) => quote = (character != open).then_some(open),
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '=') if depth == 0 => return Some(&annotation[at + 1..]),
            (None, _) => {}
        }
    }
    None
}

/// Whether somewhere in the line the variable stands before a single `=` that isn't a keyword argument.
fn assigns(code: &str, variable: &str) -> bool {
    code.match_indices(variable).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + variable.len()..]);
        let whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        let opened = before.matches(['(', '[', '{']).count() > before.matches([')', ']', '}']).count();
        let after = after.trim_start();
        whole && !opened && (after.starts_with('=') && !after.starts_with("==") || is_target_of_several(after))
    })
}

/// `, b = …` behind a name: it is one of several targets.
fn is_target_of_several(after: &str) -> bool {
    after.starts_with(',')
        && after.split_once('=').is_some_and(|(names, value)| {
            !value.starts_with('=')
                && names.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || ",_".contains(c))
        })
}

fn starts_definition(code: &str) -> bool {
    ["def ", "async def ", "class ", "@"].iter().any(|word| code.starts_with(word))
}

/// The first line of the docstring that isn't empty; alembic's own template puts the message there. Where it starts
/// with the template's next words, there is no message.
fn message_of(lines: &[LogicalLine]) -> String {
    let docstring = lines.first().filter(|line| line.indent == 0).and_then(|line| string_at(&line.text));
    let first =
        docstring.and_then(|(text, _)| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned));
    first.filter(|line| !line.starts_with("Revision ID")).map(|line| printable(&line)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a hostile wheel holds, reading it ends, with a revision, without one, or with an error.
        #[test]
        fn no_text_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_revision_file("x.py", &bytes);
        }

        #[test]
        fn no_almost_python_makes_the_reader_panic(text in r#"(revision|down_revision|[rfb]?['"]{1,3}|[\[\]{}(),:;=#\\]|\\\n|é|\r?\n| |None|def f\(\):|if x:){0,40}"#) {
            let _ = parse_revision_file("x.py", text.as_bytes());
        }

        #[test]
        fn what_was_written_is_read(
            id in "[0-9a-z]{12}", downs in prop::collection::btree_set("[0-9a-z]{12}", 0..4),
            quote in "['\"]", annotated in any::<bool>(), list in any::<bool>()
        ) {
            let (open, close) = if list { ('[', ']') } else { ('(', ')') };
            let written: String = downs.iter().map(|down| format!("\n    {quote}{down}{quote},")).collect();
            let kind = if annotated { ": str | Sequence[str] | None" } else { "" };
            let text = format!(
                "\"\"\"message\"\"\"\nrevision{kind} = {quote}{id}{quote}\ndown_revision{kind} = {open}{written}\n{close}\n"
            );
            let file = parse_revision_file("x.py", text.as_bytes()).unwrap().unwrap();
            prop_assert_eq!(file.id, id);
            prop_assert_eq!(file.down, downs.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(file.message, "message");
        }
    }
}

//! Python source cut into logical lines, so that a few plain facts can be read from it without executing it. Pure.
//!
//! It knows only what is needed to tell code from strings and comments: the lexical rules of the language reference
//! (strings with their prefixes, nested strings in f-strings as of PEP 701, brackets that join lines, `\` and `;`).

/// One statement or head of a compound statement, as the tokenizer of Python joins physical lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::release) struct LogicalLine {
    /// The physical line on which it starts, from 1.
    pub(in crate::release) line: usize,
    /// How many blanks stand before it; 0 is the level of the module.
    pub(in crate::release) indent: usize,
    /// Its text without comments; line breaks inside brackets are blanks.
    pub(in crate::release) text: String,
    /// The same with every string emptied (`""`), so that words in strings aren't taken for code.
    pub(in crate::release) code: String,
}

/// A string that isn't closed: the text isn't Python, or is of a kind that this reader doesn't know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::release) struct Unclosed {
    /// The line on which the string starts, from 1.
    pub(in crate::release) line: usize,
}

/// Cuts `source` into logical lines.
///
/// # Errors
/// When a string isn't closed.
pub(in crate::release) fn logical_lines(source: &str) -> Result<Vec<LogicalLine>, Unclosed> {
    let mut lines = Vec::new();
    let mut reader = Reader { source: source.strip_prefix('\u{feff}').unwrap_or(source), at: 0, line: 1 };
    while let Some(indent) = reader.skip_to_code() {
        loop {
            let (line, more) = reader.logical_line(indent)?;
            if !line.text.is_empty() {
                lines.push(line);
            }
            if !more {
                break;
            }
        }
    }
    Ok(lines)
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// Goes to the next line that holds more than blanks and a comment; says how far it is indented.
    fn skip_to_code(&mut self) -> Option<usize> {
        let mut indent = 0;
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\x0c' => indent += 1,
                b'\n' => {
                    self.line += 1;
                    indent = 0;
                }
                b'\r' => {}
                b'#' => {
                    self.skip_comment();
                    continue;
                }
                _ => return Some(indent),
            }
            self.at += 1;
        }
    }

    fn skip_comment(&mut self) {
        self.at = self.source[self.at..].find('\n').map_or(self.source.len(), |length| self.at + length);
    }

    /// Reads up to the end of the logical line, and says whether another one follows it behind a `;`.
    fn logical_line(&mut self, indent: usize) -> Result<(LogicalLine, bool), Unclosed> {
        let (line, mut text, mut code) = (self.line, String::new(), String::new());
        let (mut depth, mut more) = (0usize, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => {
                    self.skip_comment();
                    continue;
                }
                b'"' | b'\'' => {
                    let start = self.at;
                    self.skip_string(is_formatted(&code))?;
                    text.push_str(&self.source[start..self.at]);
                    code.push_str("\"\"");
                    continue;
                }
                b'\n' => {
                    self.line += 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                    push(&mut text, &mut code, ' ');
                }
                b'\\' if matches!(self.source.as_bytes().get(self.at + 1), Some(b'\n' | b'\r')) => {
                    // The line break itself comes next; at depth 0 it must not end the line.
                    self.at += if self.source[self.at + 1..].starts_with("\r\n") { 2 } else { 1 };
                    self.line += 1;
                    push(&mut text, &mut code, ' ');
                }
                b'\r' => {}
                b';' if depth == 0 => {
                    self.at += 1;
                    more = true;
                    break;
                }
                _ => {
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    let character = self.source[self.at..].chars().next().unwrap_or_default();
                    push(&mut text, &mut code, character);
                    self.at += character.len_utf8();
                    continue;
                }
            }
            self.at += 1;
        }
        let (text, code) = (text.trim().to_owned(), code.trim().to_owned());
        Ok((LogicalLine { line, indent, text, code }, more))
    }

    /// Goes behind the string that starts here. In an f-string, what stands in braces is code with strings of its own.
    fn skip_string(&mut self, formatted: bool) -> Result<(), Unclosed> {
        let (start, first_line, bytes) = (self.at, self.line, self.source.as_bytes());
        let quote = bytes[start];
        let triple = bytes[start..].starts_with(&[quote; 3]);
        let closing: &[u8] = if triple { &[quote; 3] } else { &[quote] };
        self.at += closing.len();
        let mut braces = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if braces == 0 => {
                    self.at += usize::from(bytes[self.at + 1..].starts_with(b"\r\n")) + 1;
                    self.line += usize::from(bytes.get(self.at) == Some(&b'\n'));
                }
                _ if braces == 0 && bytes[self.at..].starts_with(closing) => {
                    self.at += closing.len();
                    return Ok(());
                }
                b'\n' if triple => self.line += 1,
                b'\n' if braces == 0 => break,
                b'\n' => self.line += 1,
                b'"' | b'\'' if braces > 0 => {
                    let inner = is_formatted(&self.source[start..self.at]);
                    self.skip_string(inner)?;
                    continue;
                }
                b'{' if formatted && braces == 0 && bytes.get(self.at + 1) == Some(&b'{') => self.at += 1,
                b'{' if formatted => braces += 1,
                b'}' if formatted => braces = braces.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
        Err(Unclosed { line: first_line })
    }
}

fn push(text: &mut String, code: &mut String, character: char) {
    text.push(character);
    code.push(character);
}

/// Whether the letters before a quote, at the end of `before`, make it an f-string (or a template string, PEP 750).
fn is_formatted(before: &str) -> bool {
    let prefix: String = before.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    prefix.len() <= 2 && !prefix.is_empty() && prefix.chars().all(|c| "rRbBuUfFtT".contains(c)) && {
        prefix.contains(['f', 'F', 't', 'T'])
    }
}

/// The value of a literal that holds only strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::release) enum Literal {
    /// `None`, or an empty sequence.
    Nothing,
    /// One string, or a tuple, list or set of strings, as written.
    Strings(Vec<String>),
}

/// Reads an expression that is `None`, a string, or a sequence of strings. Anything else is `None`: what it gives
/// would take an interpreter to know.
pub(in crate::release) fn string_literal(expression: &str) -> Option<Literal> {
    let mut strings: Vec<String> = Vec::new();
    let (mut rest, mut opened, mut separated) = (expression.trim(), Vec::new(), true);
    if rest == "None" {
        return Some(Literal::Nothing);
    }
    while let Some(first) = rest.chars().next() {
        match first {
            '(' | '[' | '{' => opened.push(first),
            ')' if opened.pop() == Some('(') => {}
            ']' if opened.pop() == Some('[') => {}
            '}' if opened.pop() == Some('{') => {}
            ',' if !separated => separated = true,
            _ if first.is_whitespace() => {}
            _ => {
                let (string, after) = string_at(rest)?;
                match strings.last_mut() {
                    // Strings side by side are one.
                    Some(last) if !separated => last.push_str(&string),
                    Some(_) | None => strings.push(string),
                }
                separated = false;
                rest = after;
                continue;
            }
        }
        rest = &rest[first.len_utf8()..];
    }
    let closed = opened.is_empty() && !expression.trim().is_empty();
    closed.then_some(if strings.is_empty() { Literal::Nothing } else { Literal::Strings(strings) })
}

/// The string that a text starts with, and what follows it. Bytes and f-strings are none.
pub(in crate::release) fn string_at(text: &str) -> Option<(String, &str)> {
    let prefix = text.len() - text.trim_start_matches(['r', 'R', 'u', 'U']).len();
    let (raw, body) = (text[..prefix].contains(['r', 'R']), text.get(prefix..)?);
    let quote = body.chars().next().filter(|c| (*c == '"' || *c == '\'') && prefix <= 1)?;
    let triple: String = [quote; 3].iter().collect();
    let closing = if body.starts_with(&triple) { triple } else { quote.to_string() };
    let mut value = String::new();
    let mut rest = &body[closing.len()..];
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(&closing) {
            return Some((value, after));
        }
        rest = &rest[first.len_utf8()..];
        if first != '\\' {
            value.push(first);
            continue;
        }
        let escaped = rest.chars().next()?;
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            _ if raw => value.extend(['\\', escaped]),
            '\n' => {}
            'n' => value.push('\n'),
            't' => value.push('\t'),
            '\\' | '\'' | '"' => value.push(escaped),
            // Numeric escapes don't occur in what is read here; they are kept as written.
            _ => value.extend(['\\', escaped]),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(usize, usize, String)> {
        logical_lines(source).unwrap().into_iter().map(|line| (line.line, line.indent, line.text)).collect()
    }

    #[test]
    fn lines_are_joined_and_cut_as_python_does() {
        let source = "a = (1,  # one\n     2)\nif x:\n    b = 1; c = 2\n\n# nothing\nd = \\\n  3\n";
        assert_eq!(
            texts(source),
            [
                (1, 0, "a = (1,        2)".to_owned()),
                (3, 0, "if x:".to_owned()),
                (4, 4, "b = 1".to_owned()),
                (4, 4, "c = 2".to_owned()),
                (7, 0, "d =    3".to_owned()),
            ]
        );
    }

    #[test]
    fn strings_hide_comments_brackets_and_statements() {
        let source = "s = \"# no (comment\"\nt = '''\nrevision = \"no\"\n'''\nu = f\"{d[\"k\"]} {{ # {x:>{w}}\"\nv = rb'\\''\nw = 1\n";
        let codes: Vec<String> = logical_lines(source).unwrap().into_iter().map(|line| line.code).collect();
        assert_eq!(codes, ["s = \"\"", "t = \"\"", "u = f\"\"", "v = rb\"\"", "w = 1"]);
    }

    #[test]
    fn a_string_that_is_not_closed_is_no_python() {
        assert_eq!(logical_lines("a = 1\nb = 'x\n"), Err(Unclosed { line: 2 }));
        assert_eq!(logical_lines("'''\n\n"), Err(Unclosed { line: 1 }));
    }

    #[test]
    fn only_plain_strings_are_read() {
        let strings = |items: &[&str]| Some(Literal::Strings(items.iter().map(|item| (*item).to_owned()).collect()));
        assert_eq!(string_literal("'a'"), strings(&["a"]));
        assert_eq!(string_literal("( \"a\", 'b', )"), strings(&["a", "b"]));
        assert_eq!(string_literal("'a', 'b'"), strings(&["a", "b"]));
        assert_eq!(string_literal("['a' 'b']"), strings(&["ab"]));
        assert_eq!(string_literal("r'a\\d'"), strings(&["a\\d"]));
        assert_eq!(string_literal("None"), Some(Literal::Nothing));
        assert_eq!(string_literal("()"), Some(Literal::Nothing));
        for unknown in ["", "other", "f'a'", "b'a'", "'a' + x", "('a'", "'a']", "down()", "'a',, 'b'"] {
            assert_eq!(string_literal(unknown), None, "{unknown}");
        }
    }
}

//! Values of INI inventories: literals of Python, by `ast.literal_eval`, as Ansible reads them:
//! <https://docs.python.org/3/library/ast.html#ast.literal_eval>. What is no literal is a text.

use crate::document::{Node, Scalar, ScalarStyle, Span, Value};

/// Deepest nesting of lists and mappings: far beyond what stands in one line, and safe for recursion.
const DEPTH: usize = 32;

/// The value that a text stands for, as nodes at one place. Numbers keep their digits where reading them as numbers would
/// lose some: `25.10` stays `25.10`.
pub(super) fn read(text: &str, span: &Span) -> Node {
    let mut reader = Reader { text, at: 0, span };
    reader.whole().unwrap_or_else(|| Node::text(span.clone(), text))
}

/// Reads from a text; `None` is "no literal".
struct Reader<'t> {
    text: &'t str,
    at: usize,
    span: &'t Span,
}

impl Reader<'_> {
    /// Everything; several values with commas between them are a list.
    fn whole(&mut self) -> Option<Node> {
        self.blanks();
        let first = self.value(0)?;
        let value = if self.next_is(',') { self.items(first, None, 0)? } else { first };
        self.blanks();
        (self.rest().is_empty() || self.rest().starts_with('#')).then_some(value)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\u{c}']).len();
    }

    /// Passes over blanks and this character, if it comes next.
    fn next_is(&mut self, c: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn node(&self, value: Value) -> Node {
        Node { span: self.span.clone(), tag: None, value }
    }

    fn plain(&self, text: impl Into<String>) -> Node {
        self.node(Value::Scalar(Scalar { text: text.into(), style: ScalarStyle::Plain, secret: false }))
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        match self.peek()? {
            '[' => self.list(']', depth),
            '(' => self.bracketed(depth),
            '{' => self.mapping(depth),
            '+' | '-' | '.' | '0'..='9' if !self.rest().starts_with("...") => self.number(),
            _ => self.word().or_else(|| self.texts()),
        }
    }

    /// `True`, `None` and their likes.
    fn word(&mut self) -> Option<Node> {
        let rest = self.rest();
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if rest[word.len()..].starts_with(['"', '\'']) {
            return None;
        }
        let (length, node) = match word.as_str() {
            "True" | "False" => (word.len(), self.plain(word.to_lowercase())),
            "None" => (word.len(), self.node(Value::Null)),
            "set" if rest.starts_with("set()") => ("set()".len(), self.node(Value::Sequence(Vec::new()))),
            "" if rest.starts_with("...") => ("...".len(), Node::text(self.span.clone(), "...")),
            _ => return None,
        };
        self.at += length;
        Some(node)
    }

    /// Behind the first of several items, up to the bracket that closes them.
    fn items(&mut self, first: Node, close: Option<char>, depth: usize) -> Option<Node> {
        let mut items = vec![first];
        let mut comma = true;
        loop {
            self.blanks();
            let ended = match close {
                Some(close) => self.next_is(close),
                None => self.rest().is_empty() || self.rest().starts_with('#'),
            };
            if ended {
                return Some(self.node(Value::Sequence(items)));
            }
            if !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.next_is(',');
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Option<Node> {
        self.at += 1;
        if self.next_is(close) {
            return Some(self.node(Value::Sequence(Vec::new())));
        }
        let first = self.value(depth + 1)?;
        if !self.next_is(',') {
            return self.next_is(close).then(|| self.node(Value::Sequence(vec![first])));
        }
        self.items(first, Some(close), depth)
    }

    /// A tuple, which becomes a list, or one value in brackets.
    fn bracketed(&mut self, depth: usize) -> Option<Node> {
        self.at += 1;
        if self.next_is(')') {
            return Some(self.node(Value::Sequence(Vec::new())));
        }
        let first = self.value(depth + 1)?;
        if self.next_is(')') {
            return Some(first);
        }
        if self.next_is(',') { self.items(first, Some(')'), depth) } else { None }
    }

    /// A mapping; or a set, which becomes a list.
    fn mapping(&mut self, depth: usize) -> Option<Node> {
        self.at += 1;
        if self.next_is('}') {
            return Some(self.node(Value::Mapping(Vec::new())));
        }
        let first = self.value(depth + 1)?;
        if !self.next_is(':') {
            if self.next_is('}') {
                return Some(self.node(Value::Sequence(vec![first])));
            }
            return if self.next_is(',') { self.items(first, Some('}'), depth) } else { None };
        }
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut key = first;
        loop {
            let value = self.value(depth + 1)?;
            // Keys are texts here; of two that are the same the later one holds, as in Python.
            let name = Node::text(self.span.clone(), key_text(&key)?);
            entries.retain(|(known, _)| known.key_text() != name.key_text());
            entries.push((name, value));
            let comma = self.next_is(',');
            if self.next_is('}') {
                return Some(self.node(Value::Mapping(entries)));
            }
            if !comma {
                return None;
            }
            key = self.value(depth + 1)?;
            if !self.next_is(':') {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Node> {
        let negative = self.rest().starts_with('-');
        if self.next_is('-') || self.next_is('+') {
            self.blanks();
        }
        let start = self.at;
        let mut before = ' ';
        for c in self.rest().to_owned().chars() {
            let in_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !is_based(&self.text[start..]);
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || in_exponent) {
                break;
            }
            self.at += c.len_utf8();
            before = c;
        }
        let digits = &self.text[start..self.at];
        let text = integer(digits).or_else(|| float(digits).then(|| digits.to_owned()))?;
        let is_zero = text == "0";
        Some(self.plain(if negative && !is_zero { format!("-{text}") } else { text }))
    }

    /// One text, or several right behind each other, which are one.
    fn texts(&mut self) -> Option<Node> {
        let mut whole = self.one_text()?;
        loop {
            self.blanks();
            match self.one_text() {
                Some(more) => whole.push_str(&more),
                None => return Some(Node::text(self.span.clone(), whole)),
            }
        }
    }

    fn one_text(&mut self) -> Option<String> {
        let rest = self.rest();
        let prefix: String = rest.chars().take_while(char::is_ascii_alphabetic).take(3).collect();
        let (raw, bytes) = match prefix.to_ascii_lowercase().as_str() {
            "" | "u" => (false, false),
            "r" => (true, false),
            "b" => (false, true),
            "br" | "rb" => (true, true),
            _ => return None,
        };
        let body = &rest[prefix.len()..];
        let mark = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|mark| body.starts_with(mark))?;
        let inside = &body[mark.len()..];
        let mut text = String::new();
        let mut chars = inside.char_indices().peekable();
        loop {
            let (at, c) = chars.next()?;
            if inside[at..].starts_with(mark) {
                self.at += prefix.len() + 2 * mark.len() + at;
                return (!bytes || text.is_ascii()).then_some(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let (_, escaped) = chars.next()?;
            if raw {
                text.extend([c, escaped]);
                continue;
            }
            match escaped {
                '\\' | '\'' | '"' => text.push(escaped),
                'a' => text.push('\u{7}'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'v' => text.push('\u{b}'),
                'x' => text.push(hexadecimal(&mut chars, 2)?),
                'u' if !bytes => text.push(hexadecimal(&mut chars, 4)?),
                'U' if !bytes => text.push(hexadecimal(&mut chars, 8)?),
                // Names of characters would need a table of all of them.
                'N' if !bytes => return None,
                '0'..='7' => {
                    let mut code = escaped.to_digit(8)?;
                    for _ in 0..2 {
                        let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(8)) else { break };
                        code = code * 8 + digit;
                        chars.next();
                    }
                    text.push(char::from_u32(code)?);
                }
                other => text.extend(['\\', other]),
            }
        }
    }
}

/// A key of a mapping as a text.
fn key_text(key: &Node) -> Option<String> {
    match &key.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::Null => Some("null".to_owned()),
        Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn hexadecimal(chars: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<char> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + chars.next()?.1.to_digit(16)?;
    }
    char::from_u32(code)
}

fn is_based(digits: &str) -> bool {
    digits.get(..2).is_some_and(|start| ["0x", "0X", "0b", "0B", "0o", "0O"].contains(&start))
}

/// Digits with single underscores between them.
fn is_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.split('_').all(|part| !part.is_empty() && part.chars().all(|c| c.is_digit(radix)))
}

/// An integer of Python in its decimal form; the sign isn't part of it.
fn integer(text: &str) -> Option<String> {
    if is_based(text) {
        let radix = match &text[1..2] {
            "x" | "X" => 16,
            "o" | "O" => 8,
            _ => 2,
        };
        let digits = text[2..].strip_prefix('_').unwrap_or(&text[2..]);
        let value = u128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
        return is_digits(digits, radix).then(|| value.to_string());
    }
    if !is_digits(text, 10) {
        return None;
    }
    let digits = text.replace('_', "");
    let significant = digits.trim_start_matches('0');
    match (significant.is_empty(), digits.starts_with('0')) {
        (true, _) => Some("0".to_owned()),
        // `007` is no number in Python.
        (false, true) => None,
        (false, false) => Some(digits),
    }
}

/// Whether it is a float of Python, without sign.
fn float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_is_fine =
        exponent.is_none_or(|digits| is_digits(digits.strip_prefix(['+', '-']).unwrap_or(digits), 10));
    let mantissa_is_fine = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            let part = |digits: &str| digits.is_empty() || is_digits(digits, 10);
            part(whole) && part(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => exponent.is_some() && is_digits(mantissa, 10),
    };
    exponent_is_fine && mantissa_is_fine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn json(text: &str) -> String {
        read(text, &Span::whole(&Source::new("t", text))).to_json().unwrap().to_string()
    }

    /// What `ast.literal_eval` of Python 3.11 gives, tuples and sets as lists; a text where it gives an error.
    #[test]
    fn literals_mean_what_they_mean_to_python() {
        for (text, expected) in [
            ("5", "5"),
            ("-5", "-5"),
            ("+ 5", "5"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0b_101", "5"),
            ("1_000", "1000"),
            ("00", "0"),
            ("1.5", "1.5"),
            ("-0.25", "-0.25"),
            ("True", "true"),
            ("False", "false"),
            ("None", "null"),
            ("...", r#""...""#),
            (r#""25.10""#, r#""25.10""#),
            (r#"'it' "'s""#, r#""it's""#),
            (r"'a\tb\x41\u00e9\101\q'", r#""a\tbAéA\\q""#),
            (r"r'a\tb'", r#""a\\tb""#),
            ("b'x'", r#""x""#),
            ("'''a'b'''", r#""a'b""#),
            ("[1, 'a', [True], {}]", r#"[1,"a",[true],{}]"#),
            ("[1, 2,]", "[1,2]"),
            ("(1, 2)", "[1,2]"),
            ("(1,)", "[1]"),
            ("(1)", "1"),
            ("()", "[]"),
            ("1, 2", "[1,2]"),
            ("1,", "[1]"),
            ("{'a': 1, 2: [3], 'a': 4}", r#"{"2":[3],"a":4}"#),
            ("{1}", "[1]"),
            ("set()", "[]"),
            ("5 # five", "5"),
            (" 5", "5"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_a_text() {
        for text in [
            "",
            "yes",
            "true",
            "no",
            "007",
            "1e",
            "1__0",
            "0x",
            "web1",
            "a,b",
            "1 + 2",
            "[1",
            "[1 2]",
            "{'a'}x",
            "{1: 2, 3}",
            "'open",
            "f'x'",
            "1 2",
            "'a' b",
            "{[1]: 2}",
            "x # y",
            "/srv/bai",
            "25.6.1",
            "-",
            "not True",
            "lambda: 0",
            "a=b",
            "1if",
            "[,]",
            "(,)",
            "{,}",
            "10.0.0.1",
            "\"a\"\"",
            "True1",
            "None.x",
            "{**{}}",
            "0b2",
            "--1",
            "1, 2 3",
        ] {
            assert_eq!(json(text), serde_json::json!(text).to_string(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["25.10", "1e3", "1.", ".5", "99999999999999999999"] {
            assert_eq!(json(text), serde_json::json!(text).to_string(), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(json(&deep).len(), deep.len() + 2);
    }
}

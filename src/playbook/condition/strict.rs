//! Makes an expression strict: the library takes an undefined name for false where it is compared. So each name (with its
//! fields) is wrapped in a call that fails when it isn't defined, except where the expression itself asks: before
//! `is defined`, `is undefined` and `default`.

use std::ops::Range;

/// Internal: `checked(value, "name")` fails when the value isn't defined.
pub(super) const CHECKED: &str = "__checked";

/// Internal: `reached(value, "field", …)` is undefined where any field is missing.
pub(super) const REACHED: &str = "__reached";

const KEYWORDS: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// A strict expression, and where its parts were in the original.
#[derive(Debug)]
pub(super) struct Strict {
    pub(super) text: String,
    /// Where something was put in: the place in the strict text, and how many bytes.
    inserted: Vec<(usize, usize)>,
}

impl Strict {
    /// The place in the original of a place in the strict text.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let back = |at: usize| {
            let before = self.inserted.iter().take_while(|(place, _)| *place < at);
            at - before.map(|(place, length)| (*length).min(at - *place)).sum::<usize>()
        };
        let start = back(range.start);
        start..back(range.end).max(start)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word,
    Number,
    Text,
    Sign(char),
}

fn tokens(text: &str) -> Vec<(Token, Range<usize>)> {
    let mut found = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let mut end = start + c.len_utf8();
        let token = if c == '\'' || c == '"' {
            let mut escaped = false;
            for (at, next) in rest.by_ref() {
                end = at + next.len_utf8();
                match next {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    _ if next == c => break,
                    _ => {}
                }
            }
            Token::Text
        } else if c.is_alphanumeric() || c == '_' {
            let is_part = |next: char| next.is_alphanumeric() || next == '_' || (c.is_ascii_digit() && next == '.');
            while let Some((at, next)) = rest.next_if(|(_, next)| is_part(*next)) {
                end = at + next.len_utf8();
            }
            if c.is_ascii_digit() { Token::Number } else { Token::Word }
        } else if c.is_whitespace() {
            continue;
        } else {
            Token::Sign(c)
        };
        found.push((token, start..end));
    }
    found
}

/// What an expression calls by name, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Filter,
    Test,
    Function,
}

/// The filters, tests and functions of an expression. The library looks them up only where it comes to them.
pub(super) fn calls(text: &str) -> Vec<(Called, Range<usize>)> {
    let tokens = tokens(text);
    let sign = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some((Token::Sign(c), _)) => Some(*c),
        Some(_) | None => None,
    };
    let word = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some((Token::Word, range)) => text.get(range.clone()),
        Some(_) | None => None,
    };
    let mut found = Vec::new();
    for (at, (token, range)) in tokens.iter().enumerate() {
        let (before, earlier) = (at.checked_sub(1), at.checked_sub(2));
        let name = text.get(range.clone()).unwrap_or_default();
        if *token != Token::Word || sign(before) == Some('.') {
            continue;
        }
        let after_is = word(before) == Some("is") && name != "not";
        let after_is_not = word(before) == Some("not") && word(earlier) == Some("is");
        if sign(before) == Some('|') {
            found.push((Called::Filter, range.clone()));
        } else if after_is || after_is_not {
            found.push((Called::Test, range.clone()));
        } else if sign(Some(at + 1)) == Some('(') && !KEYWORDS.contains(&name) {
            found.push((Called::Function, range.clone()));
        }
    }
    found
}

/// Rewrites an expression.
pub(super) fn strict(text: &str) -> Strict {
    let tokens = tokens(text);
    let sign = |at: usize| match tokens.get(at) {
        Some((Token::Sign(c), _)) => Some(*c),
        Some(_) | None => None,
    };
    let word = |at: usize| match tokens.get(at) {
        Some((Token::Word, range)) => text.get(range.clone()),
        Some(_) | None => None,
    };
    // What is put in, and what of the original it stands for.
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for at in 0..tokens.len() {
        let Some(name) = word(at) else { continue };
        let before = at.checked_sub(1);
        let follows = |c: char| before.and_then(sign) == Some(c);
        let names_test = before.and_then(word).is_some_and(|before| {
            before == "is" || (before == "not" && at.checked_sub(2).and_then(word) == Some("is"))
        });
        let names_argument = sign(at + 1) == Some('=') && sign(at + 2) != Some('=');
        if KEYWORDS.contains(&name) || follows('.') || follows('|') || names_test || names_argument {
            continue;
        }
        if sign(at + 1) == Some('(') {
            continue;
        }
        let Some((_, first)) = tokens.get(at) else { continue };
        let (last, fields) = chain(&tokens, at, &word, &sign);
        let Some((_, end)) = tokens.get(last) else { continue };
        let shown = text.get(first.start..end.end).unwrap_or(name);
        if is_tolerated(last, &word, &sign) {
            if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                let listed: String = fields.iter().map(|field| format!(", \"{field}\"")).collect();
                edits.push((first.start..end.end, format!("{REACHED}({name}{listed})")));
            }
        } else {
            let quoted = shown.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
            edits.push((first.start..first.start, format!("{CHECKED}(")));
            edits.push((end.end..end.end, format!(", \"{quoted}\")")));
        }
    }
    apply(text, edits)
}

/// The last token of a name with its fields, and the fields where all of them are plain.
fn chain<'t>(
    tokens: &[(Token, Range<usize>)],
    start: usize,
    word: &impl Fn(usize) -> Option<&'t str>,
    sign: &impl Fn(usize) -> Option<char>,
) -> (usize, Option<Vec<&'t str>>) {
    let (mut last, mut fields) = (start, Some(Vec::new()));
    loop {
        if sign(last + 1) == Some('.') && sign(last + 3) != Some('(') && word(last + 2).is_some() {
            if let (Some(fields), Some(field)) = (&mut fields, word(last + 2)) {
                fields.push(field);
            }
            last += 2;
        } else if sign(last + 1) == Some('[') {
            let mut open = 0;
            let closing = (last + 1..tokens.len()).find(|at| {
                match sign(*at) {
                    Some('[') => open += 1,
                    Some(']') => open -= 1,
                    Some(_) | None => {}
                }
                open == 0
            });
            let Some(closing) = closing else { return (last, fields) };
            (last, fields) = (closing, None);
        } else {
            return (last, fields);
        }
    }
}

/// Whether the expression itself asks if what ends here is defined.
fn is_tolerated<'t>(
    last: usize,
    word: &impl Fn(usize) -> Option<&'t str>,
    sign: &impl Fn(usize) -> Option<char>,
) -> bool {
    let asks = |at: usize| matches!(word(at), Some("defined" | "undefined"));
    match (word(last + 1), sign(last + 1)) {
        (Some("is"), _) => asks(last + 2) || (word(last + 2) == Some("not") && asks(last + 3)),
        (_, Some('|')) => matches!(word(last + 2), Some("default" | "d")),
        (_, _) => false,
    }
}

fn apply(text: &str, mut edits: Vec<(Range<usize>, String)>) -> Strict {
    edits.sort_by_key(|(at, _)| at.start);
    let (mut made, mut inserted, mut from) = (String::with_capacity(text.len() * 2), Vec::new(), 0);
    for (at, what) in edits {
        made.push_str(text.get(from..at.start).unwrap_or_default());
        inserted.push((made.len(), what.len().saturating_sub(at.len())));
        made.push_str(&what);
        from = at.end;
    }
    made.push_str(text.get(from..).unwrap_or_default());
    Strict { text: made, inserted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_but_where_the_expression_asks_itself() {
        for (text, expected) in [
            ("a == 1", "__checked(a, \"a\") == 1"),
            ("a.b['c'].d", "__checked(a.b['c'].d, \"a.b['c'].d\")"),
            ("a[b.c]", "__checked(a[__checked(b.c, \"b.c\")], \"a[b.c]\")"),
            ("a is defined and a.b is not undefined", "a is defined and __reached(a, \"b\") is not undefined"),
            ("a | default('x') == b|lower", "a | default('x') == __checked(b, \"b\")|lower"),
            ("not a in ['b', \"c\"]", "not __checked(a, \"a\") in ['b', \"c\"]"),
            ("a.startswith('w')", "__checked(a, \"a\").startswith('w')"),
            (
                "a is version('1.2', '>=', strict=b)",
                "__checked(a, \"a\") is version('1.2', '>=', strict=__checked(b, \"b\"))",
            ),
            ("range(a) | map(attribute='x')", "range(__checked(a, \"a\")) | map(attribute='x')"),
            ("true if a is none else 1.5e3", "true if __checked(a, \"a\") is none else 1.5e3"),
            ("'a is \\' b'", "'a is \\' b'"),
        ] {
            assert_eq!(strict(text).text, expected, "{text}");
        }
    }

    #[test]
    fn places_lead_back_to_the_original() {
        let text = "aa == bb | nosuch";
        let made = strict(text);
        let at = made.text.find("nosuch").unwrap();
        assert_eq!(&text[made.original(at..at + 6)], "nosuch");
        let at = made.text.find("==").unwrap();
        assert_eq!(&text[made.original(at..at + 2)], "==");
    }
}

//! Values given as arguments: `-e key=value`.

use std::sync::Arc;

use super::{Diagnostic, Diagnostics, Node, Source, Span};

/// Reads one `-e` argument: either a YAML or JSON mapping (`{"a": 1}`), or words `key=value` separated by blanks,
/// with quotes around values that hold blanks. Values of `key=value` are text, as if quoted in YAML.
///
/// # Errors
/// When a word has no `=`, a quote isn't closed, or the mapping isn't one.
pub fn parse_assignments(source: &Arc<Source>) -> Result<Vec<(Node, Node)>, Diagnostics> {
    let text = source.text.trim_start();
    if text.starts_with('{') || text.starts_with("---") || text.contains(": ") && !text.contains('=') {
        return Ok(Node::parse(source)?.as_mapping()?.to_vec());
    }
    let span = Span::whole(source);
    let words = split_words(&source.text).ok_or_else(|| Diagnostic::at(&span, "a quote isn't closed"))?;
    let mut mistakes = Diagnostics::new();
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                pairs.push((Node::text(span.clone(), key), Node::text(span.clone(), value)));
            }
            Some(_) | None => mistakes.push(
                Diagnostic::at(&span, format!("`{word}` isn't key=value"))
                    .hint("write -e 'key=value other=\"two words\"'"),
            ),
        }
    }
    mistakes.or_ok(pairs)
}

/// Words as a shell would split them, without expansions; `None` when a quote stays open.
#[must_use]
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let pairs = parse_assignments(&Source::command_line(text)).unwrap();
        pairs.iter().map(|(k, v)| (k.key_text().to_owned(), v.to_json().unwrap().to_string())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn assignments_are_texts_and_mappings_keep_their_types() {
        assert_eq!(
            read("release=25.10 b='two words' c="),
            [pair("release", "\"25.10\""), pair("b", "\"two words\""), pair("c", "\"\"")]
        );
        assert_eq!(read("{\"a\": 1, \"b\": [true]}"), [pair("a", "1"), pair("b", "[true]")]);
    }

    #[test]
    fn mistakes_show_the_argument() {
        let shown = parse_assignments(&Source::command_line("a=1 nonsense")).unwrap_err().to_string();
        assert!(shown.starts_with("command line:1:1: `nonsense` isn't key=value\n    1 | a=1 nonsense"), "{shown}");
        assert!(parse_assignments(&Source::command_line("a='x")).unwrap_err().to_string().contains("quote"));
    }
}

//! Events of the YAML parser → a tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_yaml::granit_parser::{self as yaml, Event, Parser, Tag};

use super::scalar;
use super::{Diagnostic, Diagnostics, Node, Position, Scalar, ScalarStyle, Source, Span, Value, place_of};

/// Most nodes that aliases may add to a document. A real inventory of thousands of hosts stays far below; a
/// document that doubles itself by aliases ("billion laughs") doesn't fit.
const ALIASED_NODES: usize = 500_000;

/// Deepest nesting, aliases expanded: far beyond what a person writes, and safe for recursion.
const DEPTH: usize = 128;

/// What a finished anchor stands for.
struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

/// A collection that isn't closed yet.
enum Open {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// An [`Open`] collection with what belongs to its node.
struct Frame {
    open: Open,
    start: yaml::Span,
    tag: Option<String>,
    anchor: usize,
    size: usize,
    depth: usize,
}

struct Builder {
    source: Arc<Source>,
    anchors: BTreeMap<usize, Anchored>,
    stack: Vec<Frame>,
    document: Option<Node>,
    aliased: usize,
    mistakes: Diagnostics,
}

pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    let options = yaml::options! { emit_comments: false };
    let mut builder = Builder {
        source: source.clone(),
        anchors: BTreeMap::new(),
        stack: Vec::new(),
        document: None,
        aliased: 0,
        mistakes: Diagnostics::new(),
    };
    for event in Parser::new_from_str_with_options(&source.text, options) {
        match event {
            Ok((event, span)) => {
                if let Err(mistake) = builder.take(event, span) {
                    builder.mistakes.push(mistake);
                    return Err(builder.mistakes);
                }
            }
            Err(error) => {
                let span = builder.span(&yaml::Span::empty(*error.marker()));
                let span = tab_after(&span, &error.info()).unwrap_or(span);
                let mistake = Diagnostic::at(&span, format!("not valid YAML: {}", error.info()));
                builder.mistakes.push(mistake.maybe_hint(syntax_hint(&span)));
                return Err(builder.mistakes);
            }
        }
    }
    let empty = || Node { span: Span::whole(source), tag: None, value: Value::Null };
    let document = builder.document.take().unwrap_or_else(empty);
    builder.mistakes.or_ok(document)
}

/// Where a line is indented with a tab: what the parser calls the place is the start of the value before it.
fn tab_after(span: &Span, reason: &str) -> Option<Span> {
    let lines = span.source.text.lines().enumerate().skip(span.start.line - 1);
    let mut tabs = lines.filter(|(_, line)| reason.contains("tab") && line.trim_start_matches(' ').starts_with('\t'));
    let (number, line) = tabs.next()?;
    let start = Position { line: number + 1, column: 1 + line.chars().take_while(|c| *c == ' ').count() };
    let end = Position { column: start.column + 1, ..start };
    Some(Span { source: span.source.clone(), start, end, bytes: None })
}

/// What people most often get wrong on a line that isn't YAML.
fn syntax_hint(span: &Span) -> Option<String> {
    let line = span.source.line(span.start.line);
    if line.contains(": {{") || line.contains("- {{") {
        Some(QUOTE_TEMPLATES.to_owned())
    } else if line.contains("{%") {
        Some("Jinja statements aren't supported; templates are Handlebars: {{#if x}}…{{/if}}".to_owned())
    } else if line.trim_start().starts_with('\t') || line.starts_with('\t') {
        Some("indent with spaces; YAML doesn't allow tabs".to_owned())
    } else {
        None
    }
}

const QUOTE_TEMPLATES: &str = "a value that starts with a template must be quoted: \"{{name}}\"";

impl Builder {
    fn take(&mut self, event: Event<'_>, span: yaml::Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), &span);
                self.finish(node, anchor, 1, 1)
            }
            Event::SequenceStart(_, anchor, tag) => self.open(Open::Sequence(Vec::new()), span, anchor, tag.as_deref()),
            Event::MappingStart(_, anchor, tag) => {
                self.open(Open::Mapping { entries: Vec::new(), key: None }, span, anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => self.alias(anchor, &span),
            Event::DocumentStart(..) if self.document.is_some() => {
                Err(Diagnostic::at(&self.span(&span), "a second document starts here; a file holds one")
                    .hint("remove the `---` line and what follows, or make it a file of its own"))
            }
            // Stream and document marks carry nothing; comments, anchor names and unresolved aliases aren't asked for.
            _ => Ok(()),
        }
    }

    fn span(&self, span: &yaml::Span) -> Span {
        let position = |mark: &yaml::Marker| Position { line: mark.line().max(1), column: mark.col() + 1 };
        Span {
            source: self.source.clone(),
            start: position(&span.start),
            end: position(&span.end),
            bytes: span.byte_range(),
        }
    }

    fn scalar(&mut self, text: &str, style: yaml::ScalarStyle, tag: Option<&Tag>, span: &yaml::Span) -> Node {
        let secret = self.source.is_secret;
        if let Some(revealed) = tag.filter(|tag| tag.original() == "!vault").and(self.source.revealed.get(text)) {
            let scalar = Scalar { text: revealed.expose().to_owned(), style: ScalarStyle::Quoted, secret: true };
            let span = self.span(&span.tag_span().unwrap_or(*span));
            return Node { span, tag: None, value: Value::Scalar(scalar) };
        }
        let core = tag.and_then(Tag::core_suffix);
        let style = match (style, core) {
            (_, Some("str")) => ScalarStyle::Quoted,
            (_, Some(_)) | (yaml::ScalarStyle::Plain, None) => ScalarStyle::Plain,
            (_, None) => ScalarStyle::Quoted,
        };
        let value = match style {
            ScalarStyle::Plain if scalar::is_null(text) => Value::Null,
            ScalarStyle::Plain | ScalarStyle::Quoted => Value::Scalar(Scalar { text: text.to_owned(), style, secret }),
        };
        let tag = foreign(tag);
        // A tagged node is one that messages are about because of its tag: they point at the tag.
        let span = tag.as_ref().and_then(|_| span.tag_span()).unwrap_or(*span);
        Node { span: self.span(&span), tag, value }
    }

    fn open(&mut self, open: Open, start: yaml::Span, anchor: usize, tag: Option<&Tag>) -> Result<(), Diagnostic> {
        if self.stack.len() >= DEPTH {
            return Err(Diagnostic::at(&self.span(&start), format!("nested more than {DEPTH} deep")));
        }
        self.stack.push(Frame { open, start, tag: foreign(tag), anchor, size: 1, depth: 1 });
        Ok(())
    }

    fn close(&mut self, end: &yaml::Span) -> Result<(), Diagnostic> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let mut whole = frame.start;
        // The end of a block collection is where the next thing starts; only flow collections end at a bracket.
        whole.end = end.end;
        let value = match frame.open {
            Open::Sequence(items) => Value::Sequence(items),
            Open::Mapping { entries, .. } => Value::Mapping(self.merged(entries)),
        };
        let node = Node { span: self.span(&whole), tag: frame.tag, value };
        self.finish(node, frame.anchor, frame.size, frame.depth)
    }

    fn alias(&mut self, anchor: usize, span: &yaml::Span) -> Result<(), Diagnostic> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::at(&self.span(span), "an alias can't stand inside what it refers to"));
        };
        let (node, size, depth) = (anchored.node.clone(), anchored.size, anchored.depth);
        self.aliased += size;
        if self.aliased > ALIASED_NODES || self.stack.len() + depth > DEPTH {
            return Err(Diagnostic::at(&self.span(span), "aliases make this document too large"));
        }
        self.finish(node, 0, size, depth)
    }

    /// Puts a finished node where it belongs: under its anchor, and into the collection that is open.
    fn finish(&mut self, node: Node, anchor: usize, size: usize, depth: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        let Some(frame) = self.stack.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        frame.size += size;
        frame.depth = frame.depth.max(depth + 1);
        match &mut frame.open {
            Open::Sequence(items) => items.push(node),
            Open::Mapping { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(checked_key(node)?),
            },
        }
        Ok(())
    }

    /// Reports duplicate keys and expands merge keys: what is written out wins over what is merged, and of
    /// several merged mappings the first.
    fn merged(&mut self, entries: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
        let mut first: BTreeMap<&str, &Span> = BTreeMap::new();
        for (key, _) in &entries {
            match first.get(key.key_text()) {
                Some(before) => {
                    let message = format!(
                        "the key `{}` stands here for the second time; first at {}",
                        key.key_text(),
                        place_of(before)
                    );
                    self.mistakes.push(Diagnostic::at(&key.span, message).maybe_hint(merge_twice(key)));
                }
                None => {
                    first.insert(key.key_text(), &key.span);
                }
            }
        }
        if !entries.iter().any(|(key, _)| is_merge(key)) {
            return entries;
        }
        let mut taken: Vec<String> = first.into_keys().map(str::to_owned).collect();
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if !is_merge(&key) {
                all.push((key, value));
                continue;
            }
            for (name, inherited) in self.merge_sources(value) {
                if !taken.iter().any(|known| known == name.key_text()) {
                    taken.push(name.key_text().to_owned());
                    all.push((name, inherited));
                }
            }
        }
        all
    }

    fn merge_sources(&mut self, value: Node) -> Vec<(Node, Node)> {
        match value.value {
            Value::Mapping(entries) => entries,
            Value::Sequence(items) => items.into_iter().flat_map(|item| self.merge_sources(item)).collect(),
            Value::Null | Value::Scalar(_) => {
                self.mistakes.push(value.unexpected("a mapping or a list of mappings to merge"));
                Vec::new()
            }
        }
    }
}

fn is_merge(key: &Node) -> bool {
    match &key.value {
        Value::Scalar(Scalar { text, style: ScalarStyle::Plain, secret: _ }) => text == "<<",
        Value::Scalar(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_) => false,
    }
}

fn merge_twice(key: &Node) -> Option<String> {
    is_merge(key).then(|| "merge several with one key: <<: [*a, *b]".to_owned())
}

/// Tags of YAML's own (`!!str`) are resolved here; others are kept as written.
fn foreign(tag: Option<&Tag>) -> Option<String> {
    tag.filter(|tag| !tag.is_yaml_core_schema() && tag.original() != "!").map(Tag::original)
}

fn checked_key(key: Node) -> Result<Node, Diagnostic> {
    match &key.value {
        Value::Scalar(_) => Ok(key),
        Value::Mapping(_) => Err(Diagnostic::at(&key.span, "a key must be a text").hint(QUOTE_TEMPLATES)),
        Value::Null => {
            Err(Diagnostic::at(&key.span, "a key must be a text, and this reads as nothing").hint("quote it"))
        }
        Value::Sequence(_) => Err(Diagnostic::at(&key.span, "a key must be a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Node, Diagnostics> {
        parse(&Source::new("t.yaml", text))
    }

    fn json(text: &str) -> String {
        parse_text(text).unwrap().to_json().unwrap().to_string()
    }

    fn wrong(text: &str) -> String {
        parse_text(text).unwrap_err().to_string()
    }

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let node = parse_text("# é\na:\n  - b: \"é\" \n  - ü: x\n").unwrap();
        let items = node.get("a").unwrap().as_list().unwrap();
        assert_eq!(items[0].get("b").unwrap().span.to_string(), "t.yaml:3:8");
        assert_eq!(items[0].get("b").unwrap().span.text(), Some("\"é\""));
        assert_eq!(items[1].get("ü").unwrap().span.to_string(), "t.yaml:4:8");
        assert_eq!(node.as_mapping().unwrap()[0].0.span.to_string(), "t.yaml:2:1");
    }

    #[test]
    fn empty_documents_are_nothing() {
        for text in ["", "---\n", "# only a comment\n", "\u{feff}", "---\n...\n", "~"] {
            assert!(parse_text(text).unwrap().is_null(), "{text:?}");
        }
    }

    #[test]
    fn marks_of_windows_editors_are_accepted() {
        assert_eq!(json("\u{feff}a: 1\r\nb:\r\n  - x\r\n"), r#"{"a":1,"b":["x"]}"#);
    }

    #[test]
    fn merge_keys_are_expanded_and_lose_against_what_is_written() {
        let text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\n";
        assert_eq!(json(text), r#"{"x":{"a":1,"b":2},"y":{"b":3,"c":4},"z":{"a":0,"b":2,"c":4}}"#);
        assert!(wrong("a:\n  <<: 5\n").starts_with("t.yaml:2:7: expected a mapping or a list of mappings to merge"));
        assert_eq!(json("'<<': 5"), r#"{"<<":5}"#);
    }

    #[test]
    fn duplicate_keys_name_both_places_and_are_all_reported() {
        assert_eq!(
            wrong("a: 1\nb: 2\na: 3\n'b': 4\n"),
            "t.yaml:3:1: the key `a` stands here for the second time; first at t.yaml:1:1\n    3 | a: 3\n      | ^\n\n\
             t.yaml:4:1: the key `b` stands here for the second time; first at t.yaml:2:1\n    4 | 'b': 4\n      | ^^^"
        );
    }

    #[test]
    fn an_unquoted_template_is_explained() {
        for text in ["release: {{ release }}\n", "release: {{ release }}.1\n"] {
            assert!(wrong(text).contains("must be quoted: \"{{name}}\""), "{}", wrong(text));
        }
    }

    #[test]
    fn what_isnt_one_document_of_yaml_is_refused_with_its_place() {
        assert!(wrong("a: 1\n---\nb: 2\n").starts_with("t.yaml:2:1: a second document"));
        assert!(wrong("a: [1, 2\nb: 3\n").starts_with("t.yaml:"));
        assert!(wrong("a: *nowhere\n").starts_with("t.yaml:1:4: not valid YAML"));
        assert!(wrong("a: &a [*a]\n").contains("inside what it refers to"));
        assert!(wrong("a:\n\tb: 1\n").contains("indent with spaces"));
        assert!(wrong("? [a]\n: b\n").contains("a key must be a text"));
    }

    #[test]
    fn aliases_cant_blow_a_document_up() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let before = format!("*a{}", i - 1);
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", ")));
        }
        assert!(wrong(&bomb).contains("too large"));
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(wrong(&deep).contains("nested more than"));
    }

    #[test]
    fn yaml_s_own_tags_are_resolved_and_others_kept() {
        assert_eq!(json("[!!str 5, !!int '5', !!str ~]"), r#"["5",5,"~"]"#);
        assert_eq!(parse_text("!mine x").unwrap().tag.as_deref(), Some("!mine"));
    }
}

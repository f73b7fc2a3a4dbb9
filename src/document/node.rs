//! The tree: values with the place where they were written, and typed readings of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::scalar;
use super::{Diagnostic, Source, Span};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// A tag that isn't one of YAML's own, as written (`!vault`). The typed readings refuse tagged nodes.
    pub tag: Option<String>,
    /// What.
    pub value: Value,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    /// A single text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order written; keys are scalars and no two of them have the same text.
    Mapping(Vec<(Node, Node)>),
}

/// A text as it was written; only [`Node`]'s typed readings give it a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes and with escapes resolved.
    pub text: String,
    /// How it was written.
    pub style: ScalarStyle,
    /// Whether it comes from a vault, or was made of something that does.
    pub secret: bool,
}

/// Whether a scalar could be anything but text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes: YAML 1.1 may read it as a number or a boolean.
    Plain,
    /// In quotes, as a block (`|`, `>`), or tagged `!!str`: text.
    Quoted,
}

impl Node {
    /// A quoted text at a place.
    #[must_use]
    pub fn text(span: Span, text: impl Into<String>) -> Self {
        let scalar = Scalar { text: text.into(), style: ScalarStyle::Quoted, secret: false };
        Self { span, tag: None, value: Value::Scalar(scalar) }
    }

    /// A text that the program itself supplies; messages call its place by `origin` (such as `command line`).
    #[must_use]
    pub fn text_from(origin: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::text(Span::whole(&Source::new(origin, text.clone())), text)
    }

    /// A list of texts that the program itself supplies.
    #[must_use]
    pub fn texts_from(origin: &str, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let nodes: Vec<Node> = texts.into_iter().map(|text| Self::text_from(origin, text)).collect();
        let span = Span::whole(&Source::new(origin, ""));
        Self { span, tag: None, value: Value::Sequence(nodes) }
    }

    /// A value that was computed; all of it stands at `span`.
    #[must_use]
    pub fn from_json(span: &Span, json: &Json) -> Self {
        let plain = |text: String| Value::Scalar(Scalar { text, style: ScalarStyle::Plain, secret: false });
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => plain(truth.to_string()),
            Json::Number(number) => plain(number.to_string()),
            Json::String(text) => return Self::text(span.clone(), text),
            Json::Array(items) => Value::Sequence(items.iter().map(|item| Self::from_json(span, item)).collect()),
            Json::Object(fields) => Value::Mapping(
                fields
                    .iter()
                    .map(|(key, value)| (Self::text(span.clone(), key), Self::from_json(span, value)))
                    .collect(),
            ),
        };
        Self { span: span.clone(), tag: None, value }
    }

    /// Reads a whole YAML document; see [`crate::document`].
    ///
    /// # Errors
    /// Everything that is wrong with the text as YAML: syntax (the first mistake only, the rest can't be
    /// trusted), duplicate keys (all of them), unknown aliases, more than one document.
    pub fn parse(source: &Arc<Source>) -> Result<Self, super::Diagnostics> {
        super::parse::parse(source)
    }

    /// What the node is, for messages: `a mapping`, `nothing`, ….
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Whether it is a secret, or something in it is.
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Scalar(scalar) => scalar.secret,
            Value::Sequence(items) => items.iter().any(Self::holds_secret),
            Value::Mapping(entries) => entries.iter().any(|(key, value)| key.holds_secret() || value.holds_secret()),
        }
    }

    /// The same, with every text in it a secret.
    #[must_use]
    pub fn as_secret(mut self) -> Self {
        match &mut self.value {
            Value::Null => {}
            Value::Scalar(scalar) => scalar.secret = true,
            Value::Sequence(items) => {
                *items = std::mem::take(items).into_iter().map(Self::as_secret).collect();
            }
            Value::Mapping(entries) => {
                *entries = std::mem::take(entries).into_iter().map(|(key, value)| (key, value.as_secret())).collect();
            }
        }
        self
    }

    /// Every text in it that is no key.
    pub fn texts(&self) -> Vec<&str> {
        match &self.value {
            Value::Null => Vec::new(),
            Value::Scalar(scalar) => vec![&scalar.text],
            Value::Sequence(items) => items.iter().flat_map(Self::texts).collect(),
            Value::Mapping(entries) => entries.iter().flat_map(|(_, value)| value.texts()).collect(),
        }
    }

    /// Every encrypted value in it that was not decrypted.
    pub fn encrypted(&self) -> Vec<&Self> {
        match &self.value {
            Value::Scalar(_) if self.tag.as_deref() == Some("!vault") => vec![self],
            Value::Null | Value::Scalar(_) => Vec::new(),
            Value::Sequence(items) => items.iter().flat_map(Self::encrypted).collect(),
            Value::Mapping(entries) => entries.iter().flat_map(|(_, value)| value.encrypted()).collect(),
        }
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Whether nothing or an empty text was given.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(scalar) => scalar.text.is_empty(),
            Value::Sequence(_) | Value::Mapping(_) => false,
        }
    }

    /// The mistake that this node isn't what was expected.
    #[must_use]
    pub fn unexpected(&self, expected: &str) -> Diagnostic {
        if let Some(tag) = &self.tag {
            if tag == "!vault" && matches!(self.value, Value::Scalar(_)) {
                return Diagnostic::at(&self.span, "this value is encrypted, and no vault password was given")
                    .hint("give it with --vault-password-file FILE, --vault-id LABEL@FILE, or --ask-vault-pass");
            }
            return Diagnostic::at(&self.span, format!("the tag `{tag}` isn't supported here")).hint("remove the tag");
        }
        let found = match &self.value {
            Value::Scalar(scalar) if scalar.secret => "a secret that is none".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", scalar.text),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => self.kind().to_owned(),
        };
        Diagnostic::at(&self.span, format!("expected {expected}, found {found}"))
    }

    fn scalar(&self, expected: &str) -> Result<&Scalar, Diagnostic> {
        match (&self.value, &self.tag) {
            (Value::Scalar(scalar), None) => Ok(scalar),
            (Value::Scalar(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_), _) => {
                Err(self.unexpected(expected))
            }
        }
    }

    /// The raw text of any scalar, quoted or not.
    ///
    /// # Errors
    /// When it is nothing, a list, a mapping, or tagged.
    pub fn as_str(&self) -> Result<&str, Diagnostic> {
        self.scalar("a text").map(|scalar| scalar.text.as_str())
    }

    /// [`Node::as_str`], owned.
    ///
    /// # Errors
    /// As [`Node::as_str`].
    pub fn as_text(&self) -> Result<String, Diagnostic> {
        self.as_str().map(str::to_owned)
    }

    /// [`Node::as_text`] that isn't empty, for what a role can't leave out.
    ///
    /// # Errors
    /// As [`Node::as_str`], and when the text is empty.
    pub fn as_filled_text(&self) -> Result<String, Diagnostic> {
        match self.as_str()? {
            "" => Err(Diagnostic::at(&self.span, "expected a text, found an empty one")),
            text => Ok(text.to_owned()),
        }
    }

    /// A boolean in any of YAML 1.1's spellings, quoted or not (a template's result counts as quoted).
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_bool(&self) -> Result<bool, Diagnostic> {
        let scalar = self.scalar("yes or no")?;
        scalar::boolean(&scalar.text).ok_or_else(|| self.unexpected("yes or no"))
    }

    /// A decimal integer. Other spellings (`0x10`, `007`, `1_000`) are refused because readers disagree on them.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_i64(&self) -> Result<i64, Diagnostic> {
        let scalar = self.scalar("a whole number")?;
        scalar::integer(&scalar.text).ok_or_else(|| self.unexpected("a whole number"))
    }

    /// A TCP port, 1 to 65535.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_port(&self) -> Result<u16, Diagnostic> {
        let port = self.as_i64().ok().and_then(|port| u16::try_from(port).ok());
        port.filter(|port| *port > 0).ok_or_else(|| self.unexpected("a port from 1 to 65535"))
    }

    /// A time: whole seconds (`90`) or with units (`1h30m`, `500ms`).
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_duration(&self) -> Result<Duration, Diagnostic> {
        let expected = "a time such as 90 (seconds), 30s, 5m or 1h30m";
        let scalar = self.scalar(expected)?;
        scalar::duration(&scalar.text).ok_or_else(|| self.unexpected(expected))
    }

    /// A release as the operator wrote it. Unquoted text that YAML reads as a number is refused, because other
    /// tools that read the same file lose its digits (`25.10` becomes 25.1); `25.6.1` can't be a number and is
    /// fine without quotes.
    ///
    /// # Errors
    /// When it is an unquoted number, nothing, empty, a list or a mapping.
    pub fn as_release_text(&self) -> Result<&str, Diagnostic> {
        let scalar = self.scalar("a release such as \"25.6.5\"")?;
        if scalar.text.trim().is_empty() {
            return Err(Diagnostic::at(&self.span, "the release is empty"));
        }
        match scalar.style {
            ScalarStyle::Quoted => Ok(&scalar.text),
            ScalarStyle::Plain if !scalar::is_number(&scalar.text) => Ok(&scalar.text),
            ScalarStyle::Plain => {
                let text = &scalar.text;
                let message = format!("a release must be quoted: YAML reads {text} as a number and may lose digits");
                Err(Diagnostic::at(&self.span, message).hint(format!("write \"{text}\"")))
            }
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_list(&self) -> Result<&[Node], Diagnostic> {
        match (&self.value, &self.tag) {
            (Value::Sequence(items), None) => Ok(items),
            (Value::Sequence(_) | Value::Null | Value::Scalar(_) | Value::Mapping(_), _) => {
                Err(self.unexpected("a list"))
            }
        }
    }

    /// The keys and values of a mapping, in the order written.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn as_mapping(&self) -> Result<&[(Node, Node)], Diagnostic> {
        match (&self.value, &self.tag) {
            (Value::Mapping(entries), None) => Ok(entries),
            (Value::Mapping(_) | Value::Null | Value::Scalar(_) | Value::Sequence(_), _) => {
                Err(self.unexpected("a mapping"))
            }
        }
    }

    /// The text of a key of a [`Value::Mapping`]; keys are scalars by construction.
    #[must_use]
    pub fn key_text(&self) -> &str {
        match &self.value {
            Value::Scalar(scalar) => &scalar.text,
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => "",
        }
    }

    /// The value under a key, when this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(name, _)| name.key_text() == key).map(|(_, value)| value),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The value as templates see it. Plain booleans become booleans and plain integers numbers; a float becomes
    /// a number only if it prints as it was written, so that `25.10` stays the text `25.10`.
    ///
    /// # Errors
    /// When the node or one inside it is tagged.
    pub fn to_json(&self) -> Result<Json, Diagnostic> {
        if self.tag.is_some() {
            return Err(self.unexpected("an untagged value"));
        }
        Ok(match &self.value {
            Value::Null => Json::Null,
            Value::Scalar(scalar) => scalar.to_json(),
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?),
            Value::Mapping(entries) => {
                let pairs = entries.iter().map(|(key, value)| Ok((key.key_text().to_owned(), value.to_json()?)));
                Json::Object(pairs.collect::<Result<_, Diagnostic>>()?)
            }
        })
    }
}

impl Scalar {
    fn to_json(&self) -> Json {
        let text = || Json::String(self.text.clone());
        match self.style {
            ScalarStyle::Quoted => text(),
            ScalarStyle::Plain => match (scalar::boolean(&self.text), scalar::integer(&self.text)) {
                (Some(boolean), _) => Json::Bool(boolean),
                (None, Some(integer)) => Json::from(integer),
                (None, None) => scalar::exact_float(&self.text).map_or_else(text, Json::from),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::parse(&Source::new("t.yaml", text)).unwrap()
    }

    #[test]
    fn scalars_mean_what_is_asked_of_them_and_are_never_lost() {
        assert!(node("yes").as_bool().unwrap());
        assert_eq!(node("yes").as_str().unwrap(), "yes");
        assert_eq!(node("25.10").as_str().unwrap(), "25.10");
        assert_eq!(node("22").as_port().unwrap(), 22);
        assert_eq!(node("1h").as_duration().unwrap(), Duration::from_secs(3600));
        for bad in ["0", "70000", "ssh", "[22]", ""] {
            assert!(node(bad).as_port().is_err(), "{bad}");
        }
        assert_eq!(
            node("a: [1, 2]").get("a").unwrap().as_str().unwrap_err().to_string(),
            "t.yaml:1:4: expected a text, found a list\n    1 | a: [1, 2]\n      |    ^^^^^^"
        );
    }

    #[test]
    fn a_release_that_yaml_reads_as_a_number_must_be_quoted() {
        for good in ["\"25.10\"", "25.6.1", "'26'", "!!str 25.10"] {
            assert!(node(good).as_release_text().is_ok(), "{good}");
        }
        for bad in ["25.10", "26", "1e3", "''", "~", "[25.6.1]"] {
            assert!(node(bad).as_release_text().is_err(), "{bad}");
        }
        let shown = node("release: 25.10").get("release").unwrap().as_release_text().unwrap_err().to_string();
        assert_eq!(
            shown,
            "t.yaml:1:10: a release must be quoted: YAML reads 25.10 as a number and may lose digits\n    \
             1 | release: 25.10\n      |          ^^^^^\nhint: write \"25.10\""
        );
    }

    #[test]
    fn templates_see_typed_values_but_never_changed_digits() {
        let json = node("{a: yes, b: 5, c: 25.10, d: 0.5, e: '5', f: [~, 0644]}").to_json().unwrap();
        assert_eq!(json, serde_json::json!({"a": true, "b": 5, "c": "25.10", "d": 0.5, "e": "5", "f": [null, "0644"]}));
    }

    #[test]
    fn a_vaulted_value_is_kept_but_not_read() {
        let vaulted = node("p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n");
        let value = vaulted.get("p").unwrap();
        assert_eq!(value.tag.as_deref(), Some("!vault"));
        assert!(value.as_str().unwrap_err().message.contains("no vault password was given"));
        assert!(vaulted.to_json().is_err());
    }
}

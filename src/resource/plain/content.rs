//! `copy` and `template`: a file with a given content.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::attributes::in_words;
use super::write::Writing;
use super::{Differs, Verdict, preview};
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{Contents, HostFacts, Observed, Query, StatKind, StatQuery};
use crate::model::Digest;

/// The content of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, sha256 {}", self.0.len(), Digest::of(&self.0).short())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// A longer file isn't configuration: it belongs into a package.
const LONGEST: usize = 8 * 1024 * 1024;

/// A file with a given content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentSpec {
    /// `copy` or `template`.
    pub word: String,
    /// Where it goes.
    pub path: String,
    /// What it holds.
    pub content: Bytes,
    /// How it gets there.
    #[serde(flatten)]
    pub writing: Writing,
    /// Whether a file that is there already is left as it is.
    pub only_if_absent: bool,
}

impl ContentSpec {
    /// Reads the body of a `copy` or `template` task. `fetch` gets the content of a file of the project, by the node that
    /// names it.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(
        word: &str,
        node: &Node,
        fetch: impl FnOnce(&Node) -> Result<Vec<u8>, Diagnostics>,
    ) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, word)?;
        let path = fields.required("dest", super::path);
        let inline = if word == "copy" { fields.optional("content", Node::as_text) } else { None };
        let source = fields.node("src").filter(|node| !node.is_blank());
        let content = match (inline, source) {
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(source)) => match fetch(source) {
                Ok(content) => Some(content),
                Err(mistakes) => {
                    fields.mistake(mistakes);
                    None
                }
            },
            (Some(_), Some(source)) => {
                fields.mistake(Diagnostic::at(&source.span, "`src` and `content` exclude each other"));
                None
            }
            (None, None) => {
                let hint = if word == "copy" { "`src` or `content`" } else { "`src`" };
                fields.mistake(
                    Diagnostic::at(&node.span, format!("`{word}` doesn't say what the file holds")).hint(hint),
                );
                None
            }
        };
        if let (Some(content), Some(path)) = (&content, &path)
            && content.len() > LONGEST
        {
            let message = format!("{path} would hold {} bytes, and {LONGEST} are the most", content.len());
            fields.mistake(Diagnostic::at(&node.span, message).hint("deliver it by a package"));
        }
        let writing = Writing::read(&mut fields);
        let only_if_absent = !fields.given("force", Node::as_bool).unwrap_or(true);
        let content = content.map(Bytes);
        fields.build(|| Some(Self { word: word.to_owned(), path: path?, content: content?, writing, only_if_absent }))
    }

    fn query(&self) -> StatQuery {
        StatQuery { path: self.path.clone(), content: Contents::Unless(Digest::of(&self.content.0)) }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Stat(self.query())]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let wanted = Digest::of(&self.content.0);
        let stat = match facts.stat(&self.query()) {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Absent => {
                let preview = Some(preview::unified(&self.path, None, Some(&self.content.0)));
                let changes = vec![format!("absent -> {} bytes", self.content.0.len())];
                return Verdict::Differs(Differs { state: "absent".into(), changes, preview });
            }
            Observed::Known(stat) => stat,
        };
        let StatKind::File { sha256, content } = &stat.kind else {
            return super::file::in_the_way(&self.path, &stat.kind);
        };
        let Some(found) = sha256 else { return Verdict::Unknown(format!("the sum of {} was not told", self.path)) };
        let state = format!("{} {}", found.short(), in_words(stat));
        if self.only_if_absent {
            return Verdict::InSync { state };
        }
        let mut changes = self.writing.attributes.changes(stat);
        if *found == wanted {
            return Verdict::of(state, changes);
        }
        changes.insert(0, format!("content {} -> {}", found.short(), wanted.short()));
        let preview = match content {
            Some(content) => preview::unified(&self.path, Some(content), Some(&self.content.0)),
            None => format!("content of {}: {} -> {} bytes\n", self.path, stat.bytes, self.content.0.len()),
        };
        Verdict::Differs(Differs { state, changes, preview: Some(preview) })
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        self.writing.script(&self.path, &self.content.0)
    }
}

//! `file`: a directory, a link, the mode and owners of what is there, or nothing at all.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::attributes::{Attributes, in_words};
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{Contents, HostFacts, Observed, Query, StatKind, StatQuery};
use crate::model::shell_quote as q;

/// What should lie at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// What is there, with this mode and these owners.
    File,
    /// A directory, made with those above it.
    Directory,
    /// A symbolic link.
    Link,
    /// Nothing.
    Absent,
}

/// The body of a `file` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// Where.
    pub path: String,
    /// What should be there.
    pub state: FileState,
    /// Where a link leads.
    pub target: Option<String>,
    /// Mode and owners.
    #[serde(flatten)]
    pub attributes: Attributes,
}

const STATES: [(&str, FileState); 4] = [
    ("file", FileState::File),
    ("directory", FileState::Directory),
    ("link", FileState::Link),
    ("absent", FileState::Absent),
];

impl FileSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "file")?;
        fields.refuse(
            "recurse",
            || "`recurse` isn't a field of `file`".into(),
            "declare each directory, or chown -R in a guarded `command`",
        );
        let path = match node.get("dest") {
            Some(_) => fields.required("dest", super::path),
            None => fields.required("path", super::path),
        };
        let state = fields.given("state", |node| super::one_of(node, &STATES)).unwrap_or(FileState::File);
        let target = fields.given("src", super::filled);
        let attributes = Attributes::read(&mut fields);
        match (state, &target) {
            (FileState::Link, None) => {
                fields.mistake(Diagnostic::at(&node.span, "a link leads somewhere").hint("say where with `src`"));
            }
            (FileState::File | FileState::Directory | FileState::Absent, Some(_)) => {
                fields
                    .mistake(Diagnostic::at(&node.span, "only a link has `src`").hint("`copy` brings files to a host"));
            }
            (FileState::Link, Some(_)) | (FileState::File | FileState::Directory | FileState::Absent, None) => {}
        }
        // Nobody means to remove /etc.
        if let (FileState::Absent, Some(path)) = (state, &path)
            && path.matches('/').count() < 2
        {
            let message = format!("{path} lies right below the root, and is never removed");
            fields.mistake(Diagnostic::at(&node.span, message));
        }
        fields.build(|| Some(Self { path: path?, state, target, attributes }))
    }

    fn query(&self) -> StatQuery {
        StatQuery { path: self.path.clone(), content: Contents::Skipped }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Stat(self.query())]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let stat = match (facts.stat(&self.query()), self.state) {
            (Observed::Unknown(reason), _) => return Verdict::Unknown(reason),
            (Observed::Absent, FileState::Absent) => return Verdict::InSync { state: "absent".into() },
            (Observed::Absent, FileState::Directory) => {
                return Verdict::of("absent", vec!["absent -> a directory".into()]);
            }
            (Observed::Absent, FileState::Link) => {
                return Verdict::of("absent", vec![format!("absent -> a link to {}", self.leads_to())]);
            }
            (Observed::Absent, FileState::File) => {
                return Verdict::Refused {
                    observed: format!("{} isn't there", self.path),
                    next: "`copy` or `template` make files; `file` makes directories and links".into(),
                };
            }
            (Observed::Known(stat), _) => stat,
        };
        let state = format!("{} {}", in_a_word(&stat.kind), in_words(stat));
        match (self.state, &stat.kind) {
            (FileState::Absent, kind) => Verdict::of(state, vec![format!("{} -> absent", in_a_word(kind))]),
            (FileState::Link, StatKind::Link(target)) if target == self.leads_to() => Verdict::InSync { state },
            (FileState::Link, StatKind::Link(target)) => {
                Verdict::of(state, vec![format!("a link to {target} -> a link to {}", self.leads_to())])
            }
            (FileState::Directory, StatKind::Directory) | (FileState::File, StatKind::File { .. }) => {
                Verdict::of(state, self.attributes.changes(stat))
            }
            (FileState::Link | FileState::Directory | FileState::File, kind) => in_the_way(&self.path, kind),
        }
    }

    fn leads_to(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        let path = q(&self.path);
        match self.state {
            FileState::Absent => format!("rm -rf --one-file-system -- {path} || exit\n"),
            FileState::Directory => format!("mkdir -p -- {path} || exit\n{}", self.attributes.script(&path)),
            FileState::File => self.attributes.script(&path),
            // By rename, so that at no time nothing is there.
            FileState::Link => format!(
                "p={path}; t=\"${{p%/*}}/.${{p##*/}}.converge.$$\"; rm -f -- \"$t\"; ln -s -- {} \"$t\" || exit\n\
                 mv -f -T -- \"$t\" \"$p\" || {{ rm -f -- \"$t\"; exit 1; }}\n",
                q(self.leads_to())
            ),
        }
    }
}

fn in_a_word(kind: &StatKind) -> String {
    match kind {
        StatKind::File { .. } => "a file".into(),
        StatKind::Directory => "a directory".into(),
        StatKind::Link(target) => format!("a link to {target}"),
        StatKind::Other(word) => format!("a {word}"),
    }
}

/// What isn't of the type that is declared is somebody's, and stays.
pub(super) fn in_the_way(path: &str, kind: &StatKind) -> Verdict {
    Verdict::Refused {
        observed: format!("{path} is {}", in_a_word(kind)),
        next: "remove it by hand if nobody needs it, or declare what is there".into(),
    }
}

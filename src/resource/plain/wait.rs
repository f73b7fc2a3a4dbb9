//! `wait_for` and `http`: what comes by itself, or doesn't.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{Contents, Health, HealthQuery, HostFacts, ListeningQuery, Observed, Query, StatQuery};

/// How long is waited unless declared.
const TIMEOUT: u32 = 300;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// Something that listens on a TCP port of the host.
    Port(u16),
    /// Something at a path.
    Path(String),
}

/// The body of a `wait_for` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitSpec {
    /// What is waited for.
    pub awaited: Awaited,
    /// Whether it is to come, or to go.
    pub present: bool,
    /// Seconds that are waited at most.
    pub timeout: u32,
}

impl fmt::Display for WaitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.awaited {
            Awaited::Port(port) => write!(f, "port {port}")?,
            Awaited::Path(path) => f.write_str(path)?,
        }
        if self.present { Ok(()) } else { f.write_str(" to go") }
    }
}

impl WaitSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "wait_for")?;
        fields.refuse(
            "host",
            || "`host` isn't a field of `wait_for`".into(),
            "only the host itself is looked at; `http` asks other hosts",
        );
        let port = fields.given("port", Node::as_port);
        let path = fields.given("path", super::path);
        let present = fields.given("state", |node| {
            super::one_of(node, &[("started", true), ("present", true), ("stopped", false), ("absent", false)])
        });
        let timeout = fields.given("timeout", super::seconds).unwrap_or(TIMEOUT);
        let awaited = match (port, path) {
            (Some(port), None) => Some(Awaited::Port(port)),
            (None, Some(path)) => Some(Awaited::Path(path)),
            (Some(_), Some(_)) | (None, None) => {
                fields.mistake(Diagnostic::at(&node.span, "a `wait_for` waits for one thing: `port` or `path`"));
                None
            }
        };
        fields.build(|| Some(Self { awaited: awaited?, present: present.unwrap_or(true), timeout }))
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![match &self.awaited {
            Awaited::Port(port) => Query::Listening(ListeningQuery { port: *port }),
            Awaited::Path(path) => Query::Stat(StatQuery { path: path.clone(), content: Contents::Skipped }),
        }]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let there = match &self.awaited {
            Awaited::Port(port) => facts.listening(&ListeningQuery { port: *port }).and_then(|_| Observed::Known(())),
            Awaited::Path(path) => {
                let query = StatQuery { path: path.clone(), content: Contents::Skipped };
                facts.stat(&query).and_then(|_| Observed::Known(()))
            }
        };
        let (state, there) = match there {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Known(()) => ("there", true),
            Observed::Absent => ("not there", false),
        };
        let wait =
            format!("wait {} s at most until it {}", self.timeout, if self.present { "is there" } else { "is gone" });
        Verdict::of(state, if there == self.present { Vec::new() } else { vec![wait] })
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        // Waiting is looking, and that is done from outside.
        "true\n".to_owned()
    }
}

/// The body of an `http` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// What the host asks.
    pub url: String,
    /// The status that it must answer with.
    pub status: u16,
    /// Seconds that are waited at most.
    pub timeout: u32,
}

impl HttpSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "http")?;
        let url = fields.required("url", url);
        let status = fields.given("status", Node::as_port).unwrap_or(200);
        let timeout = fields.given("timeout", super::seconds).unwrap_or(TIMEOUT);
        fields.build(|| Some(Self { url: url?, status, timeout }))
    }

    fn query(&self) -> HealthQuery {
        HealthQuery { url: self.url.clone(), version: None, venv: "/nonexistent".into() }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Health(self.query())]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let state = match facts.health(&self.query()) {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Absent => "no answer".to_owned(),
            Observed::Known(Health::Silent { .. }) => "no answer".to_owned(),
            Observed::Known(Health::Answered { status, .. }) => format!("status {status}"),
        };
        let wanted = format!("status {}", self.status);
        let wait = format!("wait {} s at most until it answers with {}", self.timeout, self.status);
        let changes = if state == wanted { Vec::new() } else { vec![wait] };
        Verdict::of(state, changes)
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        "true\n".to_owned()
    }
}

fn url(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text),
        false => Err(Diagnostic::at(&node.span, format!("\"{text}\" is no http or https URL"))),
    }
}

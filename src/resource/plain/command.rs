//! `command`: something that only a command of the operator's can bring about, with a guard that tells whether it has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{CommandQuery, Contents, HostFacts, Observed, Query, StatQuery};
use crate::model::shell_quote as q;

/// The body of a `command` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Run by `/bin/sh`.
    pub command: String,
    /// Where it runs.
    pub chdir: Option<String>,
    /// A path that it makes.
    pub creates: Option<String>,
    /// A path that it removes.
    pub removes: Option<String>,
    /// A command that exits with 0 once nothing is to be done.
    pub unless: Option<String>,
    /// A command that exits with 0 only while something is to be done.
    pub onlyif: Option<String>,
    /// Seconds that it may take.
    pub timeout: u32,
    /// The environment of its guards, as of itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// Half an hour: a build, a large download.
const TIMEOUT: u32 = 1800;

impl CommandSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "command")?;
        let command = fields.required("cmd", super::filled);
        let chdir = fields.given("chdir", super::path);
        let creates = fields.given("creates", super::path);
        let removes = fields.given("removes", super::path);
        let unless = fields.given("unless", super::filled);
        let onlyif = fields.given("onlyif", super::filled);
        let timeout = fields.given("timeout", super::seconds).unwrap_or(TIMEOUT);
        if creates.is_none() && removes.is_none() && unless.is_none() && onlyif.is_none() {
            let message = "nothing tells whether this command is still to be run";
            fields.mistake(Diagnostic::at(&node.span, message).hint(
                "say it with `creates` or `removes` (a path), or `unless` or `onlyif` (a command that only looks): what runs \
                 on every run is never converged",
            ));
        }
        let environment = BTreeMap::new();
        fields.build(|| Some(Self { command: command?, chdir, creates, removes, unless, onlyif, timeout, environment }))
    }

    fn stat(path: &str) -> StatQuery {
        StatQuery { path: path.to_owned(), content: Contents::Skipped }
    }

    fn guard(&self, command: &str) -> CommandQuery {
        let command = match &self.chdir {
            Some(directory) => format!("cd {} && {{ {command}\n}}", q(directory)),
            None => command.to_owned(),
        };
        CommandQuery { command, environment: self.environment.clone() }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        let paths = self.creates.iter().chain(&self.removes).map(|path| Query::Stat(Self::stat(path)));
        let guards = self.unless.iter().chain(&self.onlyif).map(|command| Query::Command(self.guard(command)));
        paths.chain(guards).collect()
    }

    /// Any guard that says so makes it needless.
    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let mut unknown = None;
        let mut note = |reason: String| {
            unknown.get_or_insert(reason);
        };
        for (path, there) in
            self.creates.iter().map(|path| (path, true)).chain(self.removes.iter().map(|path| (path, false)))
        {
            match facts.stat(&Self::stat(path)) {
                Observed::Known(_) if there => return Verdict::InSync { state: format!("{path} is there") },
                Observed::Absent if !there => return Verdict::InSync { state: format!("{path} is gone") },
                Observed::Known(_) | Observed::Absent => {}
                Observed::Unknown(reason) => note(reason),
            }
        }
        for (command, needless) in
            self.unless.iter().map(|command| (command, true)).chain(self.onlyif.iter().map(|command| (command, false)))
        {
            match facts.command(&self.guard(command)) {
                Observed::Known(answer) if (answer.status == 0) == needless => {
                    return Verdict::InSync { state: format!("`{command}` exits with {}", answer.status) };
                }
                Observed::Known(_) => {}
                Observed::Absent => note(format!("`{command}` gave no answer")),
                Observed::Unknown(reason) => note(format!("`{command}`: {reason}")),
            }
        }
        match unknown {
            Some(reason) => Verdict::Unknown(reason),
            None => Verdict::of("its effect is missing", vec!["it will run".into()]),
        }
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        let directory = self.chdir.as_ref().map_or_else(String::new, |path| format!("cd {} || exit\n", q(path)));
        // Not as a word of a program: those are in the list of processes, for everybody to read.
        format!("{directory}( eval {} ) || exit\n", q(&self.command))
    }
}

//! `service`: a systemd unit, running or not, enabled or not, and no older than what it reads.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::attributes::name;
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{Contents, HostFacts, Observed, Query, Started, StatQuery, UnitQuery};
use crate::model::shell_quote as q;

/// A unit that is being started counts as running; so long it may take until it is active.
pub(super) const PATIENCE: u32 = 30;

/// Whether a unit should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It should.
    Started,
    /// It should not.
    Stopped,
    /// Where it runs, it should be younger than what it depends on.
    Restarted,
}

const STATES: [(&str, ServiceState); 3] =
    [("started", ServiceState::Started), ("stopped", ServiceState::Stopped), ("restarted", ServiceState::Restarted)];

/// The body of a `service` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The unit.
    pub name: String,
    /// Whether it should run; `None` leaves that as it is.
    pub state: Option<ServiceState>,
    /// Whether it should be started with its host.
    pub enabled: Option<bool>,
    /// Files that it reads when it starts: it is out of date when its start is older than one of them, whoever changed it.
    pub restart_on: Vec<String>,
}

impl ServiceSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "service")?;
        let named = fields.required("name", name);
        let state = fields.given("state", state);
        let enabled = fields.given("enabled", Node::as_bool);
        let restart_on = fields.given("restart_on", paths).unwrap_or_default();
        // systemd reads unit files anew whenever they have changed: nothing has to be asked for.
        fields.given("daemon_reload", Node::as_bool);
        if state.is_none() && enabled.is_none() && restart_on.is_empty() {
            let hint = "`state: started`, `enabled: yes`, or `restart_on` with the files that it reads";
            fields.mistake(Diagnostic::at(&node.span, "nothing is said of the service but its name").hint(hint));
        }
        fields.build(|| {
            let name = named?;
            // As systemctl does.
            let name = if name.contains('.') { name } else { format!("{name}.service") };
            Some(Self { name, state, enabled, restart_on })
        })
    }

    /// Whether it is restarted where something that it reads is younger.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.state != Some(ServiceState::Stopped)
    }

    fn unit(&self) -> UnitQuery {
        UnitQuery { name: self.name.clone() }
    }

    fn stat(path: &str) -> StatQuery {
        StatQuery { path: path.to_owned(), content: Contents::Skipped }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        let files = self.restart_on.iter().map(|path| Query::Stat(Self::stat(path)));
        [Query::Unit(self.unit()), Query::Started(self.unit())].into_iter().chain(files).collect()
    }

    /// The file that is younger than the start.
    fn outdated(&self, started: &Started, facts: &HostFacts) -> Result<Option<&str>, String> {
        for path in &self.restart_on {
            match facts.stat(&Self::stat(path)) {
                Observed::Known(stat) if stat.modified > started.at => return Ok(Some(path)),
                Observed::Known(_) | Observed::Absent => {}
                Observed::Unknown(reason) => return Err(reason),
            }
        }
        Ok(None)
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let unit = match facts.unit(&self.unit()) {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Absent if self.state == Some(ServiceState::Stopped) && self.enabled != Some(true) => {
                return Verdict::InSync { state: "there is no such unit".into() };
            }
            Observed::Absent => return Verdict::Unknown(format!("systemd has no unit {}", self.name)),
            Observed::Known(unit) => unit,
        };
        if unit.load_state != "loaded" {
            return Verdict::Refused {
                observed: format!("{} is {}", self.name, unit.load_state),
                next: format!("see `systemctl status {}`; a masked unit is unmasked by hand", self.name),
            };
        }
        let state = format!("{} ({}), {}", unit.active_state, unit.sub_state, unit.unit_file_state);
        let mut changes = Vec::new();
        match (self.enabled, unit.unit_file_state.as_str()) {
            (Some(true), "disabled") => changes.push("disabled -> enabled".to_owned()),
            (Some(false), "enabled" | "enabled-runtime") => {
                changes.push(format!("{} -> disabled", unit.unit_file_state))
            }
            (Some(_) | None, _) => {}
        }
        let runs = matches!(unit.active_state.as_str(), "active" | "reloading" | "refreshing");
        match (self.state, runs) {
            (Some(ServiceState::Started), false) => changes.push(format!("{} -> started", unit.active_state)),
            (Some(ServiceState::Stopped), _) if unit.active_state != "inactive" && unit.active_state != "failed" => {
                changes.push(format!("{} -> stopped", unit.active_state));
            }
            (Some(ServiceState::Started | ServiceState::Restarted) | None, true) => match facts.started(&self.unit()) {
                Observed::Unknown(reason) if !self.restart_on.is_empty() => return Verdict::Unknown(reason),
                Observed::Known(started) => match self.outdated(started, facts) {
                    Ok(None) => {}
                    Ok(Some(path)) => changes.push(format!("restart: it was started before {path} changed")),
                    Err(reason) => return Verdict::Unknown(reason),
                },
                Observed::Absent | Observed::Unknown(_) => {}
            },
            (Some(ServiceState::Stopped | ServiceState::Restarted) | None, _) => {}
        }
        Verdict::of(state, changes)
    }

    pub(super) fn script(&self, facts: &HostFacts) -> String {
        let name = q(&self.name);
        // A unit that was made or changed a moment ago isn't known yet as it is.
        let mut text = "systemctl daemon-reload || exit\n".to_owned();
        match self.enabled {
            Some(true) => text.push_str(&format!("systemctl enable -- {name} || exit\n")),
            Some(false) => text.push_str(&format!("systemctl disable -- {name} || exit\n")),
            None => {}
        }
        let runs = matches!(facts.unit(&self.unit()), Observed::Known(unit) if unit.active_state == "active");
        let outdated = matches!(facts.started(&self.unit()),
            Observed::Known(started) if matches!(self.outdated(started, facts), Ok(Some(_))));
        match self.state {
            Some(ServiceState::Stopped) => text.push_str(&format!("systemctl stop -- {name} || exit\n")),
            Some(ServiceState::Started) if !runs => text.push_str(&format!("systemctl start -- {name} || exit\n")),
            Some(ServiceState::Started | ServiceState::Restarted) | None if runs && outdated => {
                text.push_str(&format!("systemctl restart -- {name} || exit\n"));
            }
            Some(ServiceState::Started | ServiceState::Restarted) | None => {}
        }
        text
    }
}

fn state(node: &Node) -> Result<ServiceState, Diagnostic> {
    match node.as_text()?.trim() {
        "reloaded" => Err(Diagnostic::at(&node.span, "nothing on a host tells whether a service was reloaded")
            .hint("write `state: restarted`, or a `command` with a guard")),
        _ => super::one_of(node, &STATES),
    }
}

fn paths(node: &Node) -> Result<Vec<String>, Diagnostics> {
    match node.as_list() {
        Ok(items) => {
            let mut mistakes = Diagnostics::new();
            let read = items.iter().filter_map(|item| mistakes.keep(super::path(item))).collect();
            mistakes.or_ok(read)
        }
        Err(_) => Ok(vec![super::path(node)?]),
    }
}

//! Handlers: what is done once at the end of a part of a play, on the hosts where something notified it.

use std::collections::BTreeSet;

use super::resolve::{Members, Resolver};
use super::walk::{Way, name_of};
use crate::document::{Diagnostic, Diagnostics, Span, did_you_mean};
use crate::model::HostName;
use crate::playbook::{Role, Task};

/// Handlers that notify handlers that notify …: a person loses track far sooner.
const ROUNDS: usize = 16;

/// What is known of the play that is being resolved.
#[derive(Default)]
pub(super) struct PlayState<'d> {
    /// The host that `run_once` takes.
    pub(super) first: Option<HostName>,
    /// Roles that came, with their parameters.
    pub(super) done: BTreeSet<String>,
    /// Roles with handlers, and who plays them.
    roles: Vec<(&'d Role, Way<'d>, Members<'d>)>,
    /// Who notifies what.
    notifications: Vec<Notification>,
    /// Handlers that were found in this round.
    found: Vec<Found>,
    /// All names that can be notified.
    known: BTreeSet<String>,
    /// What handlers notify, found in this round and before.
    chained: BTreeSet<(HostName, String)>,
}

/// What one task on one host notifies.
struct Notification {
    /// Its place in the resolved tasks or, of a handler, among the handlers.
    place: usize,
    of_handler: bool,
    host: HostName,
    names: Vec<(String, Span)>,
}

struct Found {
    place: usize,
    host: HostName,
    /// Its name, with and without its role.
    names: Vec<String>,
    listen: Vec<String>,
}

impl<'d> PlayState<'d> {
    pub(super) fn use_role(&mut self, role: &'d Role, way: &Way<'d>, members: &Members<'d>) {
        if !role.handlers.is_empty() {
            self.roles.push((role, way.clone(), members.clone()));
        }
    }

    pub(super) fn notify(&mut self, place: usize, host: &HostName, names: Vec<(String, Span)>) {
        if !names.is_empty() {
            self.notifications.push(Notification { place, of_handler: false, host: host.clone(), names });
        }
    }

    fn is_notified(&self, host: &HostName, names: &[String]) -> bool {
        let by = |notification: &Notification| {
            notification.host == *host && notification.names.iter().any(|(name, _)| names.contains(name))
        };
        self.notifications.iter().any(by)
            || names.iter().any(|name| self.chained.contains(&(host.clone(), name.clone())))
    }
}

impl<'d> Resolver<'d> {
    /// Resolves the handlers that were notified in a play, and those that these notify.
    pub(super) fn handlers(&mut self, way: &Way<'d>, members: &Members<'d>) {
        let start = self.desired.handlers.len();
        let play = way.play();
        if self.state.notifications.is_empty() && play.handlers.is_empty() && self.state.roles.is_empty() {
            return;
        }
        for _ in 0..ROUNDS {
            let before = self.state.chained.len();
            self.state.notifications.retain(|notification| !notification.of_handler);
            self.desired.handlers.truncate(start);
            self.state.found.clear();
            let roles: Vec<_> =
                self.state.roles.iter().map(|(role, way, members)| (*role, way.clone(), members.clone())).collect();
            let mut seen: BTreeSet<(String, HostName)> = BTreeSet::new();
            for (role, role_way, members) in roles {
                // A role that came twice has its handlers once a host.
                let fresh = members.into_iter().filter(|scope| seen.insert((role.name.clone(), scope.host().clone())));
                let fresh = fresh.collect();
                self.entries(&role.handlers, &role_way.of(way.section), &fresh);
            }
            self.entries(&play.handlers, way, members);
            if self.state.chained.len() == before {
                break;
            }
        }
        self.link();
    }

    /// One handler, on the hosts where it is notified.
    pub(super) fn handler(&mut self, task: &'d Task, way: &Way<'d>, members: &Members<'d>) {
        let way = &way.as_handler(task);
        for scope in members {
            let read = || -> Result<(Vec<String>, Vec<String>), Diagnostics> {
                let name = task.name.as_ref().map(|_| name_of(task, scope)).transpose()?;
                let names = name.into_iter().flat_map(|name| [way.shown(&name), name]).collect();
                let listen = task.listen.iter().map(|node| Ok(scope.render(node)?.as_text()?));
                Ok((names, listen.collect::<Result<_, Diagnostics>>()?))
            };
            let Some((names, listen)) = self.keep(scope, task.kind.word(), &task.span, read()) else { continue };
            self.state.known.extend(names.iter().chain(&listen).cloned());
            let all: Vec<String> = names.iter().chain(&listen).cloned().collect();
            if !self.state.is_notified(scope.host(), &all) {
                continue;
            }
            for (item, scope) in self.items(task.repeat.as_ref(), &task.shared.variables, scope, &task.span) {
                let holds = scope.holds(&task.shared.when);
                if !self.keep(&scope, task.kind.word(), &task.span, holds).unwrap_or(false) {
                    continue;
                }
                let Some((resolved, notifications)) = self.resolved(task, way, &scope, item, false) else { continue };
                let (place, host) = (self.desired.handlers.len(), scope.host().clone());
                self.desired.handlers.push(resolved);
                self.state.chained.extend(notifications.iter().map(|(name, _)| (host.clone(), name.clone())));
                if !notifications.is_empty() {
                    self.state.notifications.push(Notification {
                        place,
                        of_handler: true,
                        host: host.clone(),
                        names: notifications,
                    });
                }
                self.state.found.push(Found { place, host, names: names.clone(), listen: listen.clone() });
            }
        }
    }

    /// Writes to each task which handlers it notifies.
    fn link(&mut self) {
        let mut unknown: Vec<(String, Span)> = Vec::new();
        for notification in &self.state.notifications {
            let mut places = BTreeSet::new();
            for (name, span) in &notification.names {
                let of_host = || self.state.found.iter().filter(|found| found.host == notification.host);
                // Of several with one name the last holds; all that listen to a name are done.
                let named = of_host().filter(|found| found.names.contains(name));
                let last = named.clone().next_back().and_then(|last| last.names.first());
                places.extend(named.filter(|found| found.names.first() == last).map(|found| found.place));
                places.extend(of_host().filter(|found| found.listen.contains(name)).map(|found| found.place));
                if !self.state.known.contains(name) {
                    unknown.push((name.clone(), span.clone()));
                }
            }
            let tasks = if notification.of_handler { &mut self.desired.handlers } else { &mut self.desired.tasks };
            if let Some(task) = tasks.get_mut(notification.place) {
                task.handlers = places.into_iter().collect();
            }
        }
        for (name, span) in unknown {
            let hint = did_you_mean(&name, self.state.known.iter().map(String::as_str)).unwrap_or_else(|| {
                "write it under `handlers` of the play or in handlers/main.yaml of a role".to_owned()
            });
            self.mistakes.push(Diagnostic::at(&span, format!("no handler of this play is called `{name}`")).hint(hint));
        }
    }
}

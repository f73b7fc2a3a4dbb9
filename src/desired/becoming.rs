//! Whom everything on a host is done as: one user a host, for it is looked at in one round trip and changed by one session.

use std::collections::BTreeMap;

use super::scope::Scope;
use crate::document::{Diagnostic, Diagnostics, Span, place_of};
use crate::inventory::{Becoming, Connection, read_becoming};
use crate::model::{BecomeUser, HostName};

/// The user of each host, with the task that said it first.
#[derive(Debug, Default)]
pub(super) struct Becomers(BTreeMap<HostName, (Option<BecomeUser>, Span)>);

impl Becomers {
    /// Takes note of whom the task at `span` becomes on a host.
    ///
    /// # Errors
    /// When another task becomes somebody else there.
    pub(super) fn note(
        &mut self,
        host: &HostName,
        span: &Span,
        become_user: Option<BecomeUser>,
    ) -> Result<(), Diagnostics> {
        let (first, place) = self.0.entry(host.clone()).or_insert_with(|| (become_user.clone(), span.clone()));
        if *first == become_user {
            return Ok(());
        }
        let message = format!(
            "this task would be done {}, the one at {} {}",
            shown(become_user.as_ref()),
            place_of(place),
            shown(first.as_ref())
        );
        Err(Diagnostic::at(span, message)
            .hint(
                "in this release all of a host is looked at and changed as one user: say become for the host or the \
                 play (root can do both), or give each user a host name of its own with ansible_host",
            )
            .into())
    }

    /// Writes the users to where hosts are reached.
    pub(super) fn into_connections(self, connections: &mut BTreeMap<HostName, Connection>) {
        for (host, (become_user, _)) in self.0 {
            if let Some(connection) = connections.get_mut(&host) {
                connection.become_user = become_user;
            }
        }
    }
}

fn shown(become_user: Option<&BecomeUser>) -> String {
    match become_user {
        None => "as the user who logs in".to_owned(),
        Some(BecomeUser { method, user, password: None }) => format!("as {user} by {method}"),
        Some(BecomeUser { method, user, password: Some(_) }) => {
            format!("as {user} by {method} with a password of its own")
        }
    }
}

/// Whom a task becomes. `places` are those with a say in it, the innermost first.
pub(super) fn becoming_of(places: &[&Becoming], scope: &Scope<'_>) -> Result<Option<BecomeUser>, Diagnostics> {
    read_becoming(
        places,
        |name| scope.value(name).map(|value| value.map(|node| node.as_ref().clone())),
        |node| scope.render(node),
    )
}

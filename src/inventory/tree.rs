//! Groups and hosts as the inventories have them, before anything is inherited. Whatever the format, its reader adds them
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::range::expand_range;
use super::sources::InventoryPlace;
use super::variables::{Given, GivenVariables, Level};
use crate::document::{Diagnostic, Diagnostics, Node, Scalar, ScalarStyle, Span, Value};
use crate::model::{GroupName, HostName};

/// Most hosts in one inventory: the ceiling of one controller, far above the clusters that are known.
const HOSTS: usize = 20_000;

/// A group as it is written; one that is mentioned at several places is one group.
#[derive(Debug, Clone)]
pub(super) struct RawGroup {
    /// Where it is mentioned first.
    pub(super) first: Span,
    /// Hosts of its own, in order.
    pub(super) hosts: Vec<HostName>,
    /// The same as a set, so that large groups are read in proportion to their size.
    seen: BTreeSet<HostName>,
    /// Groups below it, in order, and where that is said.
    pub(super) children: Vec<(GroupName, Span)>,
    /// Its variables, later ones last.
    pub(super) variables: GivenVariables,
    /// `ansible_group_priority`.
    pub(super) priority: i64,
}

/// A host as it is written.
#[derive(Debug, Clone)]
pub(super) struct RawHost {
    /// Where it is mentioned first.
    pub(super) first: Span,
    /// The inventory that mentions it first.
    pub(super) place: Option<Arc<InventoryPlace>>,
    /// Its variables, later ones last.
    pub(super) variables: GivenVariables,
}

/// Everything that the inventories say.
#[derive(Debug, Default)]
pub(super) struct RawTree {
    pub(super) groups: BTreeMap<GroupName, RawGroup>,
    pub(super) hosts: BTreeMap<HostName, RawHost>,
    /// Hosts in the order of their first mention.
    pub(super) host_order: Vec<HostName>,
    /// Groups in the order of their first mention.
    pub(super) group_order: Vec<GroupName>,
    /// Where the inventory that is being read lies.
    pub(super) place: Option<Arc<InventoryPlace>>,
    pub(super) mistakes: Diagnostics,
}

impl RawTree {
    /// Adds a group, unless it is there, and gives its name.
    pub(super) fn group(&mut self, name: &str, span: &Span) -> Option<GroupName> {
        let name = match GroupName::parse(name) {
            Ok(name) => name,
            Err(error) => {
                self.mistakes.push(Diagnostic::at(span, error.to_string()));
                return None;
            }
        };
        if !self.groups.contains_key(&name) {
            self.group_order.push(name.clone());
            let (hosts, seen, children, variables) = Default::default();
            let raw = RawGroup { first: span.clone(), hosts, seen, children, variables, priority: 1 };
            self.groups.insert(name.clone(), raw);
        }
        Some(name)
    }

    /// Adds variables to a group that is there. Its priority is no variable: it only orders groups.
    pub(super) fn group_variables(&mut self, name: &GroupName, mut variables: GivenVariables) {
        let mut priority = None;
        variables.retain(|(name, given)| {
            let is_priority = &**name == "ansible_group_priority";
            if is_priority {
                priority = self.mistakes.keep(given.value.as_i64()).or(priority);
            }
            !is_priority
        });
        if let Some(group) = self.groups.get_mut(name) {
            group.variables.extend(variables);
            group.priority = priority.unwrap_or(group.priority);
        }
    }

    /// Puts a group below another one; both are there.
    pub(super) fn child(&mut self, parent: &GroupName, child: GroupName, span: &Span) {
        if child.as_str() == "all" {
            self.mistakes.push(Diagnostic::at(span, "`all` holds every group and can't be below one"));
        } else if let Some(group) = self.groups.get_mut(parent)
            && !group.children.iter().any(|(known, _)| *known == child)
        {
            group.children.push((child, span.clone()));
        }
    }

    /// Adds the hosts that an entry stands for (`gpu[01:16]`, `mgr1:2222`) to a group that is there, with variables.
    pub(super) fn hosts(&mut self, group: &GroupName, entry: &str, span: &Span, variables: &[(Arc<str>, Given)]) {
        let (pattern, port) = match split_port(entry) {
            Ok(split) => split,
            Err(port) => {
                self.mistakes.push(Diagnostic::at(span, format!("expected a port from 1 to 65535, found `{port}`")));
                return;
            }
        };
        let names = match expand_range(pattern) {
            Ok(names) => names,
            Err(error) => {
                self.mistakes.push(Diagnostic::at(span, error.to_string()));
                return;
            }
        };
        for name in names {
            match HostName::parse(&name) {
                Ok(host) => self.host(group, host, port, span, variables),
                Err(error) => {
                    let hint = name.contains(':').then(|| "write an IPv6 address as ansible_host".to_owned());
                    self.mistakes.push(Diagnostic::at(span, error.to_string()).maybe_hint(hint));
                    break;
                }
            }
        }
    }

    fn host(
        &mut self,
        group: &GroupName,
        host: HostName,
        port: Option<u16>,
        span: &Span,
        variables: &[(Arc<str>, Given)],
    ) {
        if !self.hosts.contains_key(&host) {
            if self.host_order.len() == HOSTS {
                self.mistakes.push(Diagnostic::at(span, format!("more than {HOSTS} hosts in one inventory")));
            }
            if self.host_order.len() >= HOSTS {
                return;
            }
            self.host_order.push(host.clone());
            let variables = port.map(|port| port_variable(&host, port, span)).into_iter().collect();
            self.hosts.insert(host.clone(), RawHost { first: span.clone(), place: self.place.clone(), variables });
        }
        if let Some(known) = self.hosts.get_mut(&host) {
            known.variables.extend_from_slice(variables);
        }
        if let Some(group) = self.groups.get_mut(group)
            && group.seen.insert(host.clone())
        {
            group.hosts.push(host);
        }
    }
}

/// The port behind a host's name. As in Ansible it counts where the host is mentioned first, and any `ansible_port` of the
/// host wins over it.
fn port_variable(host: &HostName, port: u16, span: &Span) -> (Arc<str>, Given) {
    let scalar = Scalar { text: port.to_string(), style: ScalarStyle::Plain, secret: false };
    let node = Node { span: span.clone(), tag: None, value: Value::Scalar(scalar) };
    let given = Given { value: Arc::new(node), level: Level::InventoryHost, giver: host.as_str().into() };
    ("ansible_port".into(), given)
}

/// An entry without the port behind it. Colons in brackets are a range's; with several others it is no name and port.
fn split_port(entry: &str) -> Result<(&str, Option<u16>), &str> {
    let Some((name, port)) = entry.rsplit_once(':') else { return Ok((entry, None)) };
    let in_range = name.matches('[').count() > name.matches(']').count();
    let outside = name.split('[').map(|part| part.rsplit(']').next().unwrap_or(part)).any(|part| part.contains(':'));
    if in_range || outside || name.is_empty() {
        return Ok((entry, None));
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok((name, Some(port))),
        Ok(_) | Err(_) => Err(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stands_behind_the_last_colon_outside_of_brackets() {
        for (entry, expected) in [
            ("mgr1", Ok(("mgr1", None))),
            ("mgr1:2222", Ok(("mgr1", Some(2222)))),
            ("gpu[01:16]", Ok(("gpu[01:16]", None))),
            ("gpu[01:16:2]:22", Ok(("gpu[01:16:2]", Some(22)))),
            ("r[1:2]n[a:b]", Ok(("r[1:2]n[a:b]", None))),
            ("::1", Ok(("::1", None))),
            ("fe80::1:22", Ok(("fe80::1:22", None))),
            ("mgr1:", Err("")),
            ("mgr1:0", Err("0")),
            ("mgr1:ssh", Err("ssh")),
            ("mgr1:70000", Err("70000")),
        ] {
            assert_eq!(split_port(entry), expected, "{entry}");
        }
    }
}

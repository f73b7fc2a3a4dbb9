//! The inventory file → groups and hosts as written, before anything is inherited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::range::expand_range;
use super::variables::{Given, GivenVariables, Level, read_variables};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, did_you_mean};
use crate::model::{GroupName, HostName};

/// Most hosts in one inventory: the ceiling of one controller, far above the clusters that are known.
const HOSTS: usize = 20_000;

/// For files that are no YAML inventories.
pub(super) const YAML_ONLY: &str =
    "inventories are YAML (`all: { hosts: { host1: {} } }`); the INI format isn't supported in this release";

/// A group as the file has it; one that is mentioned at several places is one group.
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
    /// Its variables in the file.
    pub(super) variables: GivenVariables,
    /// `ansible_group_priority`.
    pub(super) priority: i64,
}

/// A host as the file has it.
#[derive(Debug, Clone)]
pub(super) struct RawHost {
    /// Where it is mentioned first.
    pub(super) first: Span,
    /// Its variables in the file, later ones last.
    pub(super) variables: GivenVariables,
}

/// Everything that the file says.
#[derive(Debug, Default)]
pub(super) struct RawTree {
    pub(super) groups: BTreeMap<GroupName, RawGroup>,
    pub(super) hosts: BTreeMap<HostName, RawHost>,
    /// Hosts in the order of their first mention.
    pub(super) host_order: Vec<HostName>,
    /// Groups in the order of their first mention.
    pub(super) group_order: Vec<GroupName>,
    pub(super) mistakes: Diagnostics,
}

/// Reads a whole inventory document.
pub(super) fn read(document: &Node) -> RawTree {
    let mut tree = RawTree::default();
    let entries = match document.as_mapping() {
        Ok(entries) => entries,
        Err(_) if document.is_null() => &[],
        Err(_) => {
            let mistake = document.unexpected("groups, such as `all:` with `hosts:` below it");
            tree.mistakes.push(mistake.hint(YAML_ONLY));
            return tree;
        }
    };
    for (key, value) in entries {
        tree.group(key, value);
    }
    tree
}

impl RawTree {
    /// Reads one group with everything below it, and gives its name.
    fn group(&mut self, key: &Node, node: &Node) -> Option<GroupName> {
        let name = match GroupName::parse(key.key_text()) {
            Ok(name) => name,
            Err(error) => {
                self.mistakes.push(Diagnostic::at(&key.span, error.to_string()));
                return None;
            }
        };
        if !self.groups.contains_key(&name) {
            self.group_order.push(name.clone());
            let (hosts, children, variables) = (Vec::new(), Vec::new(), Vec::new());
            let seen = BTreeSet::new();
            let raw = RawGroup { first: key.span.clone(), hosts, seen, children, variables, priority: 1 };
            self.groups.insert(name.clone(), raw);
        }
        let fields = match Fields::of(node, format!("group `{name}`")) {
            Ok(fields) => fields,
            Err(mistakes) => {
                self.mistakes.append(mistakes);
                return Some(name);
            }
        };
        self.sections(&name, fields);
        Some(name)
    }

    /// Reads `hosts`, `children` and `vars` in the order in which they are written, because of two values for one
    /// host the later one holds.
    fn sections(&mut self, name: &GroupName, fields: Fields<'_>) {
        let whole = fields.whole();
        for (key, section) in whole.as_mapping().unwrap_or(&[]) {
            match key.key_text() {
                "hosts" => self.hosts(name, section),
                "children" => self.children(name, section),
                "vars" => self.variables(name, section),
                other => {
                    let hint = did_you_mean(other, ["hosts", "children", "vars"]);
                    let hint = hint.unwrap_or_else(|| {
                        "a group has `hosts`, `children` and `vars`; variables go below `vars`, groups below `children`".to_owned()
                    });
                    let message = format!("group `{name}` has no field `{other}`");
                    self.mistakes.push(Diagnostic::at(&key.span, message).hint(hint));
                }
            }
        }
    }

    fn variables(&mut self, name: &GroupName, section: &Node) {
        let read = read_variables(section, Level::InventoryGroup, name.as_str());
        let Some(read) = self.mistakes.keep(read) else { return };
        let priority = section.get("ansible_group_priority").map(Node::as_i64);
        let priority = priority.and_then(|priority| self.mistakes.keep(priority));
        if let Some(group) = self.groups.get_mut(name) {
            group.variables.extend(read);
            group.priority = priority.unwrap_or(group.priority);
        }
    }

    fn children(&mut self, parent: &GroupName, section: &Node) {
        for (key, node) in self.entries(section, "groups") {
            if key.key_text() == "all" {
                self.mistakes.push(Diagnostic::at(&key.span, "`all` holds every group and can't be below one"));
                continue;
            }
            let Some(child) = self.group(&key, &node) else { continue };
            if let Some(group) = self.groups.get_mut(parent)
                && !group.children.iter().any(|(known, _)| *known == child)
            {
                group.children.push((child, key.span.clone()));
            }
        }
    }

    fn hosts(&mut self, group: &GroupName, section: &Node) {
        for (key, node) in self.entries(section, "hosts") {
            let names = match expand_range(key.key_text()) {
                Ok(names) => names,
                Err(error) => {
                    self.mistakes.push(Diagnostic::at(&key.span, error.to_string()));
                    continue;
                }
            };
            let variables = read_variables(&node, Level::InventoryHost, key.key_text());
            let variables = self.mistakes.keep(variables).unwrap_or_default();
            for name in names {
                match HostName::parse(&name) {
                    Ok(host) => self.host(group, host, &key.span, &variables),
                    Err(error) => {
                        let mistake = Diagnostic::at(&key.span, error.to_string());
                        let hint = name
                            .contains(':')
                            .then(|| "write the port as ansible_port, an IPv6 address as ansible_host".to_owned());
                        self.mistakes.push(mistake.maybe_hint(hint));
                        break;
                    }
                }
            }
        }
    }

    fn host(&mut self, group: &GroupName, host: HostName, span: &Span, variables: &[(Arc<str>, Given)]) {
        if !self.hosts.contains_key(&host) {
            if self.host_order.len() == HOSTS {
                self.mistakes.push(Diagnostic::at(span, format!("more than {HOSTS} hosts in one inventory")));
            }
            if self.host_order.len() >= HOSTS {
                return;
            }
            self.host_order.push(host.clone());
            self.hosts.insert(host.clone(), RawHost { first: span.clone(), variables: Vec::new() });
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

    /// The entries of a `hosts` or `children` section: a mapping, a single name, or nothing.
    fn entries(&mut self, section: &Node, what: &str) -> Vec<(Node, Node)> {
        if section.is_null() {
            return Vec::new();
        }
        if section.as_str().is_ok() {
            let nothing = Node { span: section.span.clone(), tag: None, value: crate::document::Value::Null };
            return vec![(section.clone(), nothing)];
        }
        match section.as_mapping() {
            Ok(entries) => entries.to_vec(),
            Err(_) => {
                let mistake = section.unexpected(&format!("a mapping of {what}"));
                self.mistakes
                    .push(mistake.hint("write each name as a key: `name:` (Ansible's YAML has no lists here)"));
                Vec::new()
            }
        }
    }
}

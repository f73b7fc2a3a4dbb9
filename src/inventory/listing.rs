//! An inventory as `ansible-inventory` shows it: all of it, one host, or the tree of groups. Values are shown as they are
//! written, templates not rendered, encrypted ones encrypted.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::variables::{Level, Variables};
use super::{GivenVariables, Inventory};
use crate::document::{Node, Value};
use crate::model::HostName;

/// What of an inventory is listed, and how.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'i> {
    /// The inventory.
    pub inventory: &'i Inventory,
    /// Variables of the command line: they win, where hosts are shown with all that they have.
    pub extra: &'i GivenVariables,
    /// The hosts within the limit.
    pub hosts: &'i [HostName],
    /// Show each variable where it is given, rather than all that a host has at the host.
    pub export: bool,
}

impl Listing<'_> {
    /// The inventory as a program that is one prints it for `--list`: groups, and the variables of hosts below `_meta`.
    #[must_use]
    pub fn list(&self) -> Json {
        let mut groups = Map::new();
        self.list_group("all", &mut groups, &mut BTreeSet::new());
        let variables = self.hosts.iter().map(|host| (host.to_string(), self.host(host)));
        let variables: Map<String, Json> = variables.filter(|(_, all)| all != &json!({})).collect();
        groups.insert("_meta".into(), json!({ "hostvars": variables }));
        Json::Object(groups)
    }

    fn list_group(&self, name: &str, groups: &mut Map<String, Json>, seen: &mut BTreeSet<String>) {
        let mut group = Map::new();
        let hosts = self.own_hosts(name);
        if !hosts.is_empty() && name != "all" {
            group.insert("hosts".into(), json!(hosts));
        }
        let children = self.inventory.children(name);
        if !children.is_empty() {
            group.insert("children".into(), json!(children));
        }
        for child in children {
            if seen.insert(child.to_string()) {
                self.list_group(child.as_str(), groups, seen);
            }
        }
        self.add_variables(name, &mut group);
        if !group.is_empty() {
            groups.insert(name.to_owned(), Json::Object(group));
        }
    }

    /// The inventory as a tree that can be an inventory in YAML.
    #[must_use]
    pub fn tree(&self) -> Json {
        let (mut seen_groups, mut seen_hosts) = (BTreeSet::new(), BTreeSet::new());
        Json::Object(self.tree_group("all", &mut seen_groups, &mut seen_hosts))
    }

    fn tree_group<'s>(
        &'s self,
        name: &str,
        seen_groups: &mut BTreeSet<String>,
        seen_hosts: &mut BTreeSet<&'s HostName>,
    ) -> Map<String, Json> {
        let mut children = Map::new();
        for child in self.inventory.children(name) {
            if seen_groups.insert(child.to_string()) {
                children.extend(self.tree_group(child.as_str(), seen_groups, seen_hosts));
            } else {
                children.insert(child.to_string(), json!({}));
            }
        }
        let mut hosts = Map::new();
        for host in self.own_hosts(name).into_iter().filter(|_| name != "all") {
            // The variables of a host stand where it is first.
            let variables = if seen_hosts.insert(host) { self.host(host) } else { json!({}) };
            hosts.insert(host.to_string(), variables);
        }
        let mut group = Map::new();
        for (section, entries) in [("children", children), ("hosts", hosts)] {
            if !entries.is_empty() {
                group.insert(section.to_owned(), Json::Object(entries));
            }
        }
        self.add_variables(name, &mut group);
        match group.is_empty() {
            true => Map::new(),
            false => Map::from_iter([(name.to_owned(), Json::Object(group))]),
        }
    }

    fn own_hosts(&self, group: &str) -> Vec<&HostName> {
        let within: BTreeSet<&HostName> = self.hosts.iter().collect();
        self.inventory.own_hosts(group).iter().filter(|host| within.contains(host)).collect()
    }

    fn add_variables(&self, name: &str, group: &mut Map<String, Json>) {
        let variables = if self.export { self.group(name) } else { json!({}) };
        if variables != json!({}) {
            group.insert("vars".into(), variables);
        }
    }

    /// What is given to a group itself.
    fn group(&self, name: &str) -> Json {
        let mut variables = values(&self.inventory.group_variables(name));
        if let Some(priority) = self.inventory.priority(name).filter(|priority| *priority != 1) {
            variables.insert("ansible_group_priority".into(), json!(priority));
        }
        Json::Object(variables)
    }

    /// The variables of one host: all that it has, or, for an export, those that are given to it itself.
    #[must_use]
    pub fn host(&self, host: &HostName) -> Json {
        if self.export {
            return Json::Object(values(&self.inventory.host_variables(host)));
        }
        let mut variables = self.inventory.variables(host);
        variables.give_all(self.extra.iter());
        Json::Object(values(&variables))
    }

    /// The tree of groups below a group, with hosts and, if asked for, their variables.
    #[must_use]
    pub fn graph(&self, group: &str, with_variables: bool) -> String {
        let mut lines = Vec::new();
        self.graph_group(group, 0, with_variables, &mut lines);
        lines.join("\n") + "\n"
    }

    fn graph_group(&self, group: &str, depth: usize, with_variables: bool, lines: &mut Vec<String>) {
        lines.push(graph_line(&format!("@{group}:"), depth));
        for child in self.inventory.children(group) {
            self.graph_group(child.as_str(), depth + 1, with_variables, lines);
        }
        for host in self.inventory.own_hosts(group).iter().filter(|_| group != "all") {
            lines.push(graph_line(host.as_str(), depth + 1));
            if with_variables {
                graph_variables(&self.host(host), depth + 2, lines);
            }
        }
        if with_variables {
            graph_variables(&self.group(group), depth + 1, lines);
        }
    }
}

fn graph_variables(variables: &Json, depth: usize, lines: &mut Vec<String>) {
    for (name, value) in variables.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push(graph_line(&format!("{{{name} = {value}}}"), depth));
    }
}

fn graph_line(text: &str, depth: usize) -> String {
    if depth == 0 { text.to_owned() } else { format!("{}--{text}", "  |".repeat(depth)) }
}

fn values(variables: &Variables) -> Map<String, Json> {
    // What the configuration says of all hosts is none of theirs.
    let given = variables.iter().filter(|(_, variable)| variable.given.level != Level::Configuration);
    given.map(|(name, variable)| (name.to_owned(), as_written(&variable.given.value))).collect()
}

/// A value with what is tagged in it in the form in which Ansible prints it.
fn as_written(node: &Node) -> Json {
    let text = || node.key_text().to_owned();
    match (&node.tag, &node.value) {
        (Some(tag), Value::Scalar(_)) if tag == "!vault" => json!({ "__ansible_vault": text() }),
        (Some(tag), Value::Scalar(_)) if tag == "!unsafe" => json!({ "__ansible_unsafe": text() }),
        (_, Value::Null) => Json::Null,
        (None, Value::Scalar(_)) => node.to_json().unwrap_or_else(|_| json!(text())),
        (Some(_), Value::Scalar(_)) => json!(text()),
        (_, Value::Sequence(items)) => Json::Array(items.iter().map(as_written).collect()),
        (_, Value::Mapping(entries)) => {
            Json::Object(entries.iter().map(|(key, value)| (key.key_text().to_owned(), as_written(value))).collect())
        }
    }
}

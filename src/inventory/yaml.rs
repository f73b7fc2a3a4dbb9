//! An inventory in YAML: a tree of groups.

use super::tree::RawTree;
use super::variables::{Level, read_variables};
use crate::document::{Diagnostic, Diagnostics, Node, Source, Value, did_you_mean};
use crate::model::GroupName;

/// For texts that are no trees of groups.
const A_TREE: &str = "in YAML an inventory is groups (`all: { hosts: { host1: {} } }`); one in the INI format is named without \
                      an extension or with `.ini`";

/// Reads a whole inventory.
pub(super) fn read(source: &std::sync::Arc<Source>, tree: &mut RawTree) {
    let document = match Node::parse(source) {
        Ok(document) => document,
        Err(mistakes) => return tree.mistakes.append(with_format_hint(source, &mistakes)),
    };
    let entries = match document.as_mapping() {
        Ok(entries) => entries,
        Err(_) if document.is_null() => &[],
        Err(_) => {
            let mistake = document.unexpected("groups, such as `all:` with `hosts:` below it");
            return tree.mistakes.push(mistake.hint(A_TREE));
        }
    };
    if let Some((key, plugin)) =
        entries.iter().find(|(key, value)| key.key_text() == "plugin" && value.as_str().is_ok())
    {
        let name = plugin.as_str().unwrap_or_default();
        let message = format!("this configures the inventory plugin `{name}`, and Ansible's plugins don't run here");
        let hint =
            "let Ansible write what it gives: ansible-inventory -i THIS_FILE --list --export --yaml --output FILE.yaml";
        return tree.mistakes.push(Diagnostic::at(&key.span, message).hint(hint));
    }
    for (key, value) in entries {
        group(tree, key, value);
    }
}

/// An INI inventory isn't valid YAML; the reason that a YAML parser gives for that helps nobody.
fn with_format_hint(source: &Source, mistakes: &Diagnostics) -> Diagnostics {
    let first = source.text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let looks_like_ini = first.is_some_and(|line| line.starts_with('[') && line.ends_with(']'));
    let hint = looks_like_ini.then(|| A_TREE.to_owned());
    mistakes.iter().map(|mistake| mistake.clone().maybe_hint(hint.clone())).collect()
}

/// Reads one group with everything below it, and gives its name.
fn group(tree: &mut RawTree, key: &Node, node: &Node) -> Option<GroupName> {
    let name = tree.group(key.key_text(), &key.span)?;
    if node.is_null() && node.tag.is_none() {
        return Some(name);
    }
    let Ok(entries) = node.as_mapping() else {
        tree.mistakes.push(node.unexpected(&format!("a mapping for group `{name}`")));
        return Some(name);
    };
    // In the order in which they are written, because of two values for one host the later one holds.
    for (key, section) in entries {
        match key.key_text() {
            "hosts" => hosts(tree, &name, section),
            "children" => children(tree, &name, section),
            "vars" => {
                let read = read_variables(section, Level::InventoryGroup, name.as_str());
                if let Some(read) = tree.mistakes.keep(read) {
                    tree.group_variables(&name, read);
                }
            }
            other => {
                let hint = did_you_mean(other, ["hosts", "children", "vars"]);
                let hint = hint.unwrap_or_else(|| {
                    "a group has `hosts`, `children` and `vars`; variables go below `vars`, groups below `children`"
                        .to_owned()
                });
                let message = format!("group `{name}` has no field `{other}`");
                tree.mistakes.push(Diagnostic::at(&key.span, message).hint(hint));
            }
        }
    }
    Some(name)
}

fn children(tree: &mut RawTree, parent: &GroupName, section: &Node) {
    for (key, node) in entries(tree, section, "groups") {
        // What is below `all` there would be read as if it were at the top.
        let child = if key.key_text() == "all" { GroupName::parse("all").ok() } else { group(tree, &key, &node) };
        if let Some(child) = child {
            tree.child(parent, child, &key.span);
        }
    }
}

fn hosts(tree: &mut RawTree, group: &GroupName, section: &Node) {
    for (key, node) in entries(tree, section, "hosts") {
        let variables = read_variables(&node, Level::InventoryHost, key.key_text());
        let variables = tree.mistakes.keep(variables).unwrap_or_default();
        tree.hosts(group, key.key_text(), &key.span, &variables);
    }
}

/// The entries of a `hosts` or `children` section: a mapping, a single name, or nothing.
fn entries(tree: &mut RawTree, section: &Node, what: &str) -> Vec<(Node, Node)> {
    if section.is_null() {
        return Vec::new();
    }
    if section.as_str().is_ok() {
        let nothing = Node { span: section.span.clone(), tag: None, value: Value::Null };
        return vec![(section.clone(), nothing)];
    }
    match section.as_mapping() {
        Ok(entries) => entries.to_vec(),
        Err(_) => {
            let mistake = section.unexpected(&format!("a mapping of {what}"));
            tree.mistakes.push(mistake.hint("write each name as a key: `name:` (Ansible's YAML has no lists here)"));
            Vec::new()
        }
    }
}

//! What an inventory program prints: for `--list` groups, and perhaps the variables of all hosts below `_meta`; for
//! `--host NAME` those of one. Both are JSON:
//! <https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#developing-inventory-scripts>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::RawTree;
use super::variables::{Level, read_variables};
use crate::document::{Diagnostic, Diagnostics, Node, Position, Source, Span, did_you_mean};
use crate::model::GroupName;

/// The hosts whose variables have to be asked for one by one; none where the list holds them.
///
/// # Errors
/// When it isn't such a list, with all that is wrong with it.
pub fn hosts_to_ask(list: &Arc<Source>) -> Result<Vec<String>, Diagnostics> {
    let document = parse(list)?;
    if document.get("_meta").is_some_and(|meta| meta.get("hostvars").is_some()) {
        return Ok(Vec::new());
    }
    let mut tree = RawTree::default();
    groups(&document, &mut tree);
    let hosts = tree.host_order.iter().map(ToString::to_string).collect();
    tree.mistakes.or_ok(hosts)
}

/// Reads what a program printed.
pub(super) fn read(list: &Arc<Source>, hosts: &BTreeMap<String, Arc<Source>>, tree: &mut RawTree) {
    let Some(document) = tree.mistakes.keep(parse(list)) else { return };
    groups(&document, tree);
    match document.get("_meta").and_then(|meta| meta.get("hostvars")) {
        Some(all) => {
            for (key, node) in tree.mistakes.keep(all.as_mapping()).unwrap_or_default() {
                host_variables(key.key_text(), node, tree);
            }
        }
        None => {
            for (name, answer) in hosts {
                if let Some(node) = tree.mistakes.keep(parse(answer)) {
                    host_variables(name, &node, tree);
                }
            }
        }
    }
}

/// Variables of a host that no group mentions are nobody's.
fn host_variables(name: &str, node: &Node, tree: &mut RawTree) {
    let Some(variables) = tree.mistakes.keep(read_variables(node, Level::InventoryHost, name)) else { return };
    if let Some((_, host)) = tree.hosts.iter_mut().find(|(known, _)| known.as_str() == name) {
        host.variables.extend(variables);
    }
}

fn groups(document: &Node, tree: &mut RawTree) {
    let Some(entries) = tree.mistakes.keep(document.as_mapping().map_err(|_| document.unexpected("groups by name")))
    else {
        return;
    };
    for (key, node) in entries.iter().filter(|(key, _)| key.key_text() != "_meta") {
        if let Some(name) = tree.group(key.key_text(), &key.span) {
            group(&name, node, tree);
        }
    }
}

/// `{"hosts": […], "vars": {…}, "children": […]}`, or a bare list of hosts.
fn group(name: &GroupName, node: &Node, tree: &mut RawTree) {
    if node.as_list().is_ok() {
        return hosts(name, node, tree);
    }
    let Ok(entries) = node.as_mapping() else {
        tree.mistakes.push(node.unexpected(&format!("a mapping or a list of hosts for group `{name}`")));
        return;
    };
    for (key, section) in entries {
        match key.key_text() {
            "hosts" => hosts(name, section, tree),
            "vars" => {
                if let Some(read) = tree.mistakes.keep(read_variables(section, Level::InventoryGroup, name.as_str())) {
                    tree.group_variables(name, read);
                }
            }
            "children" => {
                for child in tree.mistakes.keep(section.as_list()).unwrap_or_default() {
                    let text = tree.mistakes.keep(child.as_str());
                    if let Some(group) = text.and_then(|text| tree.group(text, &child.span)) {
                        tree.child(name, group, &child.span);
                    }
                }
            }
            other => {
                let hint = did_you_mean(other, ["hosts", "children", "vars"]);
                let hint = hint.unwrap_or_else(|| "a group has `hosts`, `children` and `vars`".to_owned());
                let message = format!("group `{name}` has no field `{other}`");
                tree.mistakes.push(Diagnostic::at(&key.span, message).hint(hint));
            }
        }
    }
}

fn hosts(group: &GroupName, section: &Node, tree: &mut RawTree) {
    for host in tree.mistakes.keep(section.as_list()).unwrap_or_default() {
        match host.as_str() {
            // A program names its hosts one by one: brackets and colons would be part of a name.
            Ok(name) if !name.contains(['[', ':']) => tree.hosts(group, name, &host.span, &[]),
            Ok(_) | Err(_) => tree.mistakes.push(host.unexpected("the name of a host")),
        }
    }
}

/// JSON as a tree that knows its lines. JSON is YAML but for tabs and for characters that it writes in two halves.
fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&source.text) {
        let start = Position { line: error.line().max(1), column: error.column().max(1) };
        let end = Position { column: start.column + 1, ..start };
        let span = Span { source: source.clone(), start, end, bytes: None };
        let reason = error.to_string();
        let reason = reason.split(" at line").next().unwrap_or_default();
        return Err(Diagnostic::at(&span, format!("not valid JSON: {reason}")).into());
    }
    let text = with_whole_characters(&source.text.replace('\t', " ")).into_owned();
    Node::parse(&Source::new(source.path.clone(), text))
}

/// `\ud83d\ude00` as the one character that it stands for.
fn with_whole_characters(text: &str) -> Cow<'_, str> {
    let unit = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut whole = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        let pair = unit(escape).zip(unit(escape + 6)).and_then(|(high, low)| {
            char::decode_utf16([high, low]).next().and_then(Result::ok).filter(|_| (0xd800..0xdc00).contains(&high))
        });
        at = escape + 2;
        if let Some(character) = pair {
            whole.push_str(&text[copied..escape]);
            whole.push(character);
            (copied, at) = (escape + 12, escape + 12);
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    whole.push_str(&text[copied..]);
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(list: &str, hosts: &[(&str, &str)]) -> RawTree {
        let hosts = hosts.iter().map(|(name, text)| ((*name).to_owned(), Source::new("--host", *text))).collect();
        let mut tree = RawTree::default();
        read(&Source::new("./list", list), &hosts, &mut tree);
        tree
    }

    fn shown(tree: &RawTree) -> String {
        let groups = tree.group_order.iter().map(|name| {
            let group = &tree.groups[name];
            let hosts: Vec<String> = group.hosts.iter().map(ToString::to_string).collect();
            let children: Vec<String> = group.children.iter().map(|(name, _)| format!("@{name}")).collect();
            format!("{name}({})", [hosts, children].concat().join(" "))
        });
        let hosts = tree.host_order.iter().map(|name| {
            let given = tree.hosts[name].variables.iter();
            let given = given.map(|(key, given)| format!("{key}={}", given.value.to_json().unwrap()));
            format!("{name}[{}]", given.collect::<Vec<_>>().join(" "))
        });
        groups.chain(hosts).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn groups_hosts_and_variables_are_taken() {
        let list = "{\n\t\"web\": {\"hosts\": [\"w1\", \"w2\"], \"vars\": {\"a\": 1}, \"children\": [\"edge\"]},\n\t\"db\": [\"d1\"],\n\
                    \t\"_meta\": {\"hostvars\": {\"w1\": {\"x\": \"\\ud83d\\ude00 \\\\ud83d \\/\"}, \"nobody\": {\"y\": 1}}}}";
        assert_eq!(shown(&tree(list, &[])), "web(w1 w2 @edge) edge() db(d1) w1[x=\"😀 \\\\ud83d /\"] w2[] d1[]");
        assert_eq!(hosts_to_ask(&Source::new("l", list)).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn without_meta_every_host_is_asked() {
        let list = "{\"web\": [\"w1\", \"w2\"]}";
        assert_eq!(hosts_to_ask(&Source::new("l", list)).unwrap(), ["w1", "w2"]);
        assert_eq!(shown(&tree(list, &[("w2", "{\"a\": [true]}")])), "web(w1 w2) w1[] w2[a=[true]]");
    }

    #[test]
    fn what_is_no_such_answer_is_shown_with_its_place() {
        let wrong = |list: &str| tree(list, &[]).mistakes.to_string();
        assert!(wrong("Traceback").starts_with("./list:1:1: not valid JSON"), "{}", wrong("Traceback"));
        assert!(wrong("[1]").contains("./list:1:1: expected groups by name"), "{}", wrong("[1]"));
        let shown = wrong(
            "{\"a\": {\"host\": []},\n \"b\": {\"hosts\": \"x\", \"children\": [1, []]}, \"c\": 5, \"d\": [\"w[1:2]\"]}",
        );
        for part in [
            "./list:1:8: group `a` has no field `host`",
            "did you mean `hosts`?",
            "./list:2:17: expected a list, found `x`",
            "expected a text, found a list",
            "expected a mapping or a list of hosts for group `c`",
            "expected the name of a host, found `w[1:2]`",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}

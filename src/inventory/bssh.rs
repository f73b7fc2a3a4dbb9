//! A cluster file of bssh, as an inventory. It is read only where somebody asks for it.
//!
//! Its fields: <https://github.com/lablup/bssh>. What says how a host is reached is taken over: defaults to all hosts, those
//! of a cluster to a group of its name, those of a node to a host.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, Span, place_of};
use crate::model::{GroupName, HostName};

/// An inventory that was made from something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its text, in YAML.
    pub text: String,
    /// What was not taken over, and why; a sentence each.
    pub notes: Vec<String>,
}

/// A tree that keeps its order.
enum Tree {
    Text(String),
    Number(u16),
    Map(Vec<(String, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u16(*number),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// How hosts are reached, as far as one place says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reach {
    user: Option<String>,
    port: Option<u16>,
    key: Option<String>,
    /// Empty: by no jump host.
    jump: Option<String>,
}

impl Reach {
    /// This, and what it doesn't say as `other` says it.
    fn or(&self, other: &Self) -> Self {
        let Self { user, port, key, jump } = self.clone();
        Self {
            user: user.or_else(|| other.user.clone()),
            port: port.or(other.port),
            key: key.or_else(|| other.key.clone()),
            jump: jump.or_else(|| other.jump.clone()),
        }
    }

    fn variables(&self) -> Vec<(String, Tree)> {
        let text = |name: &str, value: &Option<String>| Some((name.to_owned(), Tree::Text(value.clone()?)));
        let jump = self.jump.as_ref().map(|jump| if jump.is_empty() { String::new() } else { format!("-J {jump}") });
        let all = [
            text("ansible_user", &self.user),
            self.port.map(|port| ("ansible_port".to_owned(), Tree::Number(port))),
            text("ansible_ssh_private_key_file", &self.key),
            text("ansible_ssh_common_args", &jump),
        ];
        all.into_iter().flatten().collect()
    }
}

/// One node of a cluster.
struct BsshNode {
    address: String,
    reach: Reach,
    span: Span,
}

struct Cluster {
    name: GroupName,
    reach: Reach,
    nodes: Vec<BsshNode>,
}

/// Makes an inventory from a cluster file.
///
/// # Errors
/// All that can't be read or taken over.
pub fn import_bssh(source: &Arc<Source>) -> Result<Imported, Diagnostics> {
    let document = Node::parse(source)?;
    let mut notes = Vec::new();
    let mut fields = Fields::of(&document, "the cluster file")?;
    let defaults = fields.optional("defaults", |node| reach_of(node, "defaults", &mut notes)).unwrap_or_default();
    let clusters = fields.required("clusters", |node| clusters(node, &mut notes));
    for (word, why) in [
        ("interactive", "it concerns bssh's own terminal"),
        ("default_cluster", "hosts are named where a command is given"),
        ("ssh_config", "SSH configuration counts as it does for ssh"),
    ] {
        if fields.node(word).is_some() {
            notes.push(format!("`{word}` isn't taken over: {why}"));
        }
    }
    let clusters = fields.build(|| clusters)?;
    let tree = inventory_of(&defaults, &clusters)?;
    let text = serde_yaml::to_string(&tree).map_err(|error| Diagnostic::nowhere(error.to_string()))?;
    Ok(Imported { text, notes })
}

/// What is said of reaching hosts in a mapping that may say more.
fn reach_of(node: &Node, what: &str, notes: &mut Vec<String>) -> Result<Reach, Diagnostics> {
    let mut fields = Fields::of(node, what)?;
    let reach = read_reach(&mut fields, what, notes);
    fields.build(|| Some(reach))
}

fn read_reach(fields: &mut Fields<'_>, what: &str, notes: &mut Vec<String>) -> Reach {
    for word in ["parallel", "timeout", "server_alive_interval", "server_alive_count_max"] {
        if fields.node(word).is_some() {
            notes.push(format!(
                "`{word}` of {what} isn't taken over: options of converge, or SSH configuration, say it"
            ));
        }
    }
    Reach {
        user: fields.given("user", plain_text),
        port: fields.given("port", Node::as_port),
        key: fields.given("ssh_key", plain_text),
        jump: fields.optional("jump_host", |node| jump_of(node, what, notes)),
    }
}

/// A text without variables of the environment: what is around when a file is imported may not choose hosts.
fn plain_text(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_text()?;
    if text.contains('$') {
        let message = format!("`{text}` names a variable of the environment, which isn't asked");
        return Err(Diagnostic::at(&node.span, message).hint("write its value"));
    }
    Ok(text)
}

/// `[user@]host[:port]`, or the same as a mapping.
fn jump_of(node: &Node, what: &str, notes: &mut Vec<String>) -> Result<String, Diagnostics> {
    if node.as_str().is_ok() {
        return Ok(plain_text(node)?);
    }
    let mut fields = Fields::of(node, "jump_host")?;
    let host = fields.required("host", plain_text);
    let (user, port) = (fields.given("user", plain_text), fields.given("port", Node::as_port));
    if fields.node("ssh_key").is_some() {
        notes.push(format!(
            "the key of the jump host of {what} isn't taken over: ~/.ssh/config names it by IdentityFile"
        ));
    }
    fields.build(|| {
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{user}{}{port}", host?))
    })
}

fn clusters(node: &Node, notes: &mut Vec<String>) -> Result<Vec<Cluster>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut clusters = Vec::new();
    for (key, node) in node.as_mapping()? {
        let what = format!("the cluster `{}`", key.key_text());
        let name = GroupName::parse(key.key_text()).map_err(|error| Diagnostic::at(&key.span, error.to_string()));
        let name = mistakes.keep(name);
        let read = Fields::of(node, what.clone()).and_then(|mut fields| {
            let reach = read_reach(&mut fields, &what, notes);
            let nodes = fields.required("nodes", nodes);
            // What it says of bssh's own terminal.
            fields.node("interactive");
            fields.build(|| Some((reach, nodes?)))
        });
        if let (Some(name), Some((reach, nodes))) = (name, mistakes.keep(read)) {
            clusters.push(Cluster { name, reach, nodes });
        }
    }
    mistakes.or_ok(clusters)
}

fn nodes(node: &Node) -> Result<Vec<BsshNode>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let nodes = node.as_list()?.iter().filter_map(|node| mistakes.keep(one_node(node))).collect();
    mistakes.or_ok(nodes)
}

/// `[user@]host[:port]`, or a mapping.
fn one_node(node: &Node) -> Result<BsshNode, Diagnostics> {
    let span = node.span.clone();
    if node.as_str().is_err() {
        let mut fields = Fields::of(node, "node")?;
        let address = fields.required("host", plain_text);
        let user = fields.given("user", plain_text);
        let port = fields.given("port", Node::as_port);
        let jump = fields.optional("jump_host", |node| jump_of(node, "a node", &mut Vec::new()));
        let reach = Reach { user, port, key: None, jump };
        return fields.build(|| Some(BsshNode { address: address?, reach, span }));
    }
    let text = plain_text(node)?;
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, text.as_str()),
    };
    let bare = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port) = match bare {
        Some((address, port)) => (address, port.strip_prefix(':')),
        // More than one colon is an address without a port.
        None if rest.matches(':').count() == 1 => {
            rest.split_once(':').map_or((rest, None), |(a, port)| (a, Some(port)))
        }
        None => (rest, None),
    };
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            Ok(_) | Err(_) => return Err(node.unexpected("[user@]host[:port]").into()),
        },
    };
    Ok(BsshNode { address: address.to_owned(), reach: Reach { user, port, ..Reach::default() }, span })
}

fn inventory_of(defaults: &Reach, clusters: &[Cluster]) -> Result<Tree, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut ports: BTreeMap<&str, Vec<Option<u16>>> = BTreeMap::new();
    for (cluster, node) in clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node))) {
        let port = node.reach.or(&cluster.reach).or(defaults).port;
        let known = ports.entry(&node.address).or_default();
        if !known.contains(&port) {
            known.push(port);
        }
    }
    let mut known: BTreeMap<String, (Reach, &Span)> = BTreeMap::new();
    let mut groups = Vec::new();
    for cluster in clusters {
        let mut hosts: Vec<(String, Tree)> = Vec::new();
        for node in &cluster.nodes {
            let reach = node.reach.or(&cluster.reach).or(defaults);
            // One address with several ports is several hosts.
            let several = ports.get(node.address.as_str()).is_some_and(|ports| ports.len() > 1);
            let port = reach.port.filter(|_| several).map_or_else(String::new, |port| format!("-{port}"));
            let name = format!("{}{port}", node.address.replace(':', "-"));
            if let Err(error) = HostName::parse(&name) {
                mistakes.push(Diagnostic::at(&node.span, error.to_string()));
            }
            match known.get(&name) {
                Some((other, first)) if *other != reach => {
                    let message = format!(
                        "`{name}` is reached in another way here than at {}; a host has one way in an inventory",
                        place_of(first)
                    );
                    mistakes.push(
                        Diagnostic::at(&node.span, message).hint("let both say the same user, key and jump host"),
                    );
                }
                Some(_) => {}
                None => {
                    known.insert(name.clone(), (reach, &node.span));
                }
            }
            let mut variables = node.reach.variables();
            if name != node.address {
                variables.insert(0, ("ansible_host".to_owned(), Tree::Text(node.address.clone())));
            }
            if !hosts.iter().any(|(known, _)| *known == name) {
                hosts.push((name, Tree::Map(variables)));
            }
        }
        let mut group = vec![("hosts".to_owned(), Tree::Map(hosts))];
        let variables = cluster.reach.variables();
        if !variables.is_empty() {
            group.push(("vars".to_owned(), Tree::Map(variables)));
        }
        groups.push((cluster.name.to_string(), Tree::Map(group)));
    }
    let mut all = Vec::new();
    let variables = defaults.variables();
    if !variables.is_empty() {
        all.push(("vars".to_owned(), Tree::Map(variables)));
    }
    all.push(("children".to_owned(), Tree::Map(groups)));
    mistakes.or_ok(Tree::Map(vec![("all".to_owned(), Tree::Map(all))]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Inventory, InventorySources};

    fn import(text: &str) -> Result<Imported, String> {
        import_bssh(&Source::new("config.yaml", text)).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn clusters_become_groups_and_say_what_they_said() {
        let text = "defaults: {user: admin, port: 22, ssh_key: ~/.ssh/id, parallel: 10, jump_host: bastion}\n\
                    clusters:\n  production:\n    nodes: [web2.example.org, 'root@web1.example.org:2222', {host: db1, user: 'yes'}]\n    \
                    jump_host: {host: gate, user: kim, port: 2022, ssh_key: k}\n  direct:\n    nodes: [{host: 'fe80::1'}, 'x:1', 'x:2']\n    \
                    jump_host: ''\n    interactive: {}\ninteractive: {}\n";
        let imported = import(text).unwrap();
        assert_eq!(imported.notes.len(), 3, "{:?}", imported.notes);
        let inventory = Inventory::parse(&InventorySources::of(Source::new("i.yaml", imported.text.as_str()))).unwrap();
        let shown: Vec<String> = inventory
            .hosts()
            .iter()
            .map(|host| {
                let variables = inventory.variables(host);
                let shown =
                    variables.iter().map(|(name, v)| format!(" {}={}", &name[8..], v.given.value.as_str().unwrap()));
                format!("{host}:{}", shown.collect::<String>())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "web2.example.org: port=22 ssh_common_args=-J kim@gate:2022 ssh_private_key_file=~/.ssh/id user=admin",
                "web1.example.org: port=2222 ssh_common_args=-J kim@gate:2022 ssh_private_key_file=~/.ssh/id user=root",
                "db1: port=22 ssh_common_args=-J kim@gate:2022 ssh_private_key_file=~/.ssh/id user=yes",
                "fe80--1: host=fe80::1 port=22 ssh_common_args= ssh_private_key_file=~/.ssh/id user=admin",
                "x-1: host=x port=1 ssh_common_args= ssh_private_key_file=~/.ssh/id user=admin",
                "x-2: host=x port=2 ssh_common_args= ssh_private_key_file=~/.ssh/id user=admin",
            ]
        );
    }

    #[test]
    fn what_cant_be_taken_over_is_shown_with_its_place() {
        let shown = import(
            "clusters:\n  a:\n    nodes: ['${HOST}', 'h:port', {hots: x}]\n  b: {nodes: [n], user: u}\n  c: {nodes: [n]}\n  x y: {nodes: []}\n",
        )
        .unwrap_err();
        for part in [
            "config.yaml:3:13: `${HOST}` names a variable of the environment",
            "config.yaml:3:24: expected [user@]host[:port], found `h:port`",
            "did you mean `host`?",
            "config.yaml:6:3: group name \"x y\" holds ' '",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let shown = import("clusters:\n  b: {nodes: [n], user: u}\n  c: {nodes: [n]}\n").unwrap_err();
        assert!(
            shown.contains("config.yaml:3:15: `n` is reached in another way here than at config.yaml:2:15"),
            "{shown}"
        );
        assert!(import("cluster: {}").unwrap_err().contains("lacks `clusters`"));
    }
}

//! Variables that every template can use without anybody setting them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Node, Source, Span, Value};
use crate::inventory::Inventory;
use crate::model::HostName;

/// What messages call the place of these values.
const ORIGIN: &str = "magic variable";

/// Magic variables by name.
pub(super) type Magic = BTreeMap<&'static str, Arc<Node>>;

/// `groups`: every group with its hosts; the same for all hosts.
pub(super) fn groups(inventory: &Inventory) -> Arc<Node> {
    let entries = inventory.groups().map(|group| {
        let hosts = inventory.group_hosts(group.as_str()).unwrap_or_default();
        let hosts = Node::texts_from(ORIGIN, hosts.iter().map(HostName::as_str));
        (Node::text_from(ORIGIN, group.as_str()), hosts)
    });
    let span = Span::whole(&Source::new(ORIGIN, ""));
    Arc::new(Node { span, tag: None, value: Value::Mapping(entries.collect()) })
}

/// All magic variables of one host.
pub(super) fn of_host(inventory: &Inventory, groups: &Arc<Node>, host: &HostName) -> Magic {
    let short = host.as_str().split('.').next().unwrap_or(host.as_str());
    let names = inventory.groups_of(host);
    BTreeMap::from([
        ("inventory_hostname", Arc::new(Node::text_from(ORIGIN, host.as_str()))),
        ("inventory_hostname_short", Arc::new(Node::text_from(ORIGIN, short))),
        ("group_names", Arc::new(Node::texts_from(ORIGIN, names.iter().map(|name| name.as_str())))),
        ("groups", groups.clone()),
    ])
}

/// `ansible_play_hosts`: the hosts that a play acts on, in order.
pub(super) fn play_hosts(hosts: &[HostName]) -> Arc<Node> {
    Arc::new(Node::texts_from(ORIGIN, hosts.iter().map(HostName::as_str)))
}

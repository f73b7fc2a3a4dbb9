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
    let names = inventory.groups_of(host);
    let mut magic = BTreeMap::from([
        ("inventory_hostname", Arc::new(Node::text_from(ORIGIN, host.as_str()))),
        ("inventory_hostname_short", Arc::new(Node::text_from(ORIGIN, short_name(host)))),
        ("group_names", Arc::new(Node::texts_from(ORIGIN, names.iter().map(|name| name.as_str())))),
        ("groups", groups.clone()),
    ]);
    let place = inventory.place_of_inventory(host);
    for (name, value) in [
        ("inventory_file", place.map(|place| place.file.as_str())),
        ("inventory_dir", place.map(|place| place.directory.as_str())),
        ("playbook_dir", inventory.playbook_directory()),
    ] {
        magic.extend(value.map(|value| (name, Arc::new(Node::text_from(ORIGIN, value)))));
    }
    magic
}

/// A name up to its first dot; an address is whole.
fn short_name(host: &HostName) -> &str {
    let name = host.as_str();
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    if is_address { name } else { name.split('.').next().unwrap_or(name) }
}

/// `ansible_play_hosts`: the hosts that a play acts on, in order.
pub(super) fn play_hosts(hosts: &[HostName]) -> Arc<Node> {
    Arc::new(Node::texts_from(ORIGIN, hosts.iter().map(HostName::as_str)))
}

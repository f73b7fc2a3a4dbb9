//! `order`: in which order a play takes its hosts.

use std::fmt;

use crate::document::{Diagnostic, Node, did_you_mean};
use crate::model::HostName;

/// In which order a play takes its hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As the inventory has them.
    #[default]
    Inventory,
    /// The other way round.
    ReverseInventory,
    /// By name.
    Sorted,
    /// By name, the other way round.
    ReverseSorted,
}

impl Order {
    const ALL: [Self; 4] = [Self::Inventory, Self::ReverseInventory, Self::Sorted, Self::ReverseSorted];

    fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::ReverseInventory => "reverse_inventory",
            Self::Sorted => "sorted",
            Self::ReverseSorted => "reverse_sorted",
        }
    }

    /// Puts hosts that are in the order of the inventory into this one.
    pub fn apply(self, hosts: &mut [HostName]) {
        match self {
            Self::Inventory => {}
            Self::ReverseInventory => hosts.reverse(),
            Self::Sorted => hosts.sort(),
            Self::ReverseSorted => hosts.sort_by(|a, b| b.cmp(a)),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

pub(super) fn read(node: &Node) -> Result<Order, Diagnostic> {
    let word = node.as_str()?;
    let known = || Order::ALL.map(Order::word).join(", ");
    match Order::ALL.into_iter().find(|order| order.word() == word) {
        Some(order) => Ok(order),
        None if word == "shuffle" => {
            Err(Diagnostic::at(&node.span, "`shuffle` isn't supported: a plan is the same each time")
                .hint(format!("it is one of {}", known())))
        }
        None => Err(Diagnostic::at(&node.span, format!("`{word}` is no order of hosts")).hint(
            did_you_mean(word, Order::ALL.map(Order::word)).unwrap_or_else(|| format!("it is one of {}", known())),
        )),
    }
}

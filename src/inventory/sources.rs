//! The texts that make up an inventory.

use std::sync::Arc;

use crate::document::Source;

/// What a vars file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `group_vars/NAME…`
    Group(String),
    /// `host_vars/NAME…`
    Host(String),
}

/// Which `group_vars/` or `host_vars/` a file was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Beside the inventory file.
    Inventory,
    /// Beside the playbook; wins over the same file beside the inventory.
    Playbook,
}

/// One file under `group_vars/` or `host_vars/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarsFile {
    /// The group or host that it is for; it need not be in the inventory.
    pub scope: Scope,
    /// Where it was found.
    pub beside: Beside,
    /// Its text.
    pub source: Arc<Source>,
}

/// All the texts that make up an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventorySources {
    /// The inventory file.
    pub inventory: Arc<Source>,
    /// The vars files. Of several for one group or host in one directory, later ones win: in ASCII order.
    pub vars: Vec<VarsFile>,
}

impl InventorySources {
    /// An inventory file without vars files.
    #[must_use]
    pub fn of(inventory: Arc<Source>) -> Self {
        Self { inventory, vars: Vec::new() }
    }
}

//! The texts that make up an inventory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GivenVariables;
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
    /// Beside an inventory. Several inventories may lie in several directories: the number of this one, in the order in
    /// which they are read; a later one wins, whatever the group.
    Inventory(usize),
    /// Beside the playbook; wins over the same file beside an inventory.
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

/// How the text of an inventory is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InventoryFormat {
    /// A tree of groups.
    Yaml,
    /// Sections of lines.
    Ini,
    /// `host1,host2,` on the command line.
    HostList,
    /// What a program printed for `--list`.
    Program {
        /// What it printed for `--host NAME`, by the host's name; empty where the list holds the variables of all hosts.
        hosts: BTreeMap<String, Arc<Source>>,
    },
}

impl InventoryFormat {
    /// How a file is written. Its extension says it; where that says nothing, its first line does.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("yaml" | "yml" | "json") => Self::Yaml,
            None if looks_like_yaml(&source.text) => Self::Yaml,
            None | Some(_) => Self::Ini,
        }
    }
}

/// Whether the first line that says something could be one of YAML. No line of an INI inventory is.
fn looks_like_yaml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines.next().is_some_and(|line| {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        line.starts_with(['{', '%']) || line.starts_with("---") || line.ends_with(':') || line.contains(": ")
    })
}

/// Where an inventory lies, as the magic variables tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPlace {
    /// `inventory_file`: its whole path.
    pub file: String,
    /// `inventory_dir`: the directory that it lies in.
    pub directory: String,
}

/// One inventory, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryText {
    /// Its text.
    pub source: Arc<Source>,
    /// How that is written.
    pub format: InventoryFormat,
    /// Where it lies; a list of hosts lies nowhere.
    pub place: Option<InventoryPlace>,
}

impl InventoryText {
    /// The text of a file, in the format that it shows.
    #[must_use]
    pub fn of(source: Arc<Source>) -> Self {
        Self { format: InventoryFormat::of(&source), source, place: None }
    }
}

/// All the texts that make up an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventorySources {
    /// The inventories, in order: of two values for one group or host, the later one holds.
    pub inventories: Vec<InventoryText>,
    /// The vars files. Of several for one group or host in one directory, later ones win: in ASCII order.
    pub vars: Vec<VarsFile>,
    /// The whole path of the directory that the playbook lies in, where there is one (`playbook_dir`).
    pub playbook_directory: Option<String>,
    /// Connection variables of all hosts, weaker than all others: those of the configuration.
    pub defaults: GivenVariables,
}

impl InventorySources {
    /// An inventory file without vars files.
    #[must_use]
    pub fn of(inventory: Arc<Source>) -> Self {
        Self {
            inventories: vec![InventoryText::of(inventory)],
            vars: Vec::new(),
            playbook_directory: None,
            defaults: Vec::new(),
        }
    }

    /// What messages call the whole: the names of the inventories.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.inventories.iter().map(|text| text.source.path.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_how_a_file_is_written_and_else_its_first_line() {
        for (path, text, format) in [
            ("prod.yaml", "[web]\n", InventoryFormat::Yaml),
            ("a/prod.yml", "", InventoryFormat::Yaml),
            ("prod.json", "{}", InventoryFormat::Yaml),
            ("prod.ini", "all:\n", InventoryFormat::Ini),
            ("prod.d/hosts", "# all:\n\n[web]\nmgr1\n", InventoryFormat::Ini),
            ("hosts", "mgr1 ansible_host=::1 # a: b\n", InventoryFormat::Ini),
            ("hosts", "mgr1:2222\n", InventoryFormat::Ini),
            ("hosts", "", InventoryFormat::Ini),
            ("hosts", "---\nall:\n", InventoryFormat::Yaml),
            ("hosts", "# x\nall:  # y\n  hosts:\n", InventoryFormat::Yaml),
            ("hosts", "web: {hosts: a}\n", InventoryFormat::Yaml),
            ("hosts", "{\"web\": []}", InventoryFormat::Yaml),
        ] {
            assert_eq!(InventoryFormat::of(&Source::new(path, text)), format, "{path} {text}");
        }
    }
}

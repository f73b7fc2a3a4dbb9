//! Text → hosts, groups, variables, patterns. Pure.
//!
//! Inventories keep Ansible's files and words, in YAML, in INI, as a list of hosts or as what a program prints: nested
//! groups, ranges, variables in the file and in `group_vars/` and `host_vars/`, connection variables, precedence, host
//! patterns. What Ansible only warns about (unknown and duplicate keys, patterns that match nothing) or silently ignores
//! is a mistake with a place here.
//!
//! [`Inventory::parse`] takes texts that somebody else has read and gives an [`Inventory`]; values of variables
//! may still hold templates, which `desired` resolves. It must not read files or render templates.

mod becoming;
mod bssh;
mod connection;
mod cycles;
mod glob;
mod groups;
mod host_list;
mod ini;
mod ini_words;
mod limit;
mod listing;
mod literal;
mod pattern;
mod program;
mod range;
mod reserved;
mod sources;
mod ssh_arguments;
mod tree;
mod variables;
mod yaml;

pub use becoming::{Becoming, read_becoming};
pub use bssh::{Imported, import_bssh};
pub use connection::{Connection, ConnectionKind};
pub use groups::Inventory;
pub use limit::limit_files;
pub use listing::Listing;
pub use pattern::{Pattern, PatternError, Selection};
pub use program::hosts_to_ask;
pub use range::{RangeError, expand_range};
pub use reserved::{MAGIC, check_name, is_connection_variable};
pub use sources::{Beside, InventoryFormat, InventoryPlace, InventorySources, InventoryText, Scope, VarsFile};
pub use ssh_arguments::SshArguments;
pub use variables::{ExtraVars, Given, GivenVariables, Level, Variable, Variables, read_extra_vars, read_variables};

#[cfg(test)]
pub(crate) use reserved::connection_variables;

//! Variables, where each came from, and what lost against it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::reserved;
use crate::document::{Diagnostic, Diagnostics, Node, Source, Value, parse_assignments};

/// Where a value was given, from the weakest place to the strongest (Ansible's order; places that this release
/// doesn't have are left out).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `roles/NAME/defaults/main.yaml`
    RoleDefaults,
    /// `vars:` of a group in the inventory file, `all` included.
    InventoryGroup,
    /// `group_vars/all` beside the inventory.
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/GROUP` beside the inventory.
    InventoryGroupVars,
    /// `group_vars/GROUP` beside the playbook.
    PlaybookGroupVars,
    /// A host's variables in the inventory file.
    InventoryHost,
    /// `host_vars/HOST` beside the inventory.
    InventoryHostVars,
    /// `host_vars/HOST` beside the playbook.
    PlaybookHostVars,
    /// `vars:` of a play.
    Play,
    /// `vars_files:` of a play.
    VarsFiles,
    /// `roles/NAME/vars/main.yaml`
    RoleVars,
    /// `vars:` of a role's entry in a play.
    RoleEntry,
    /// `vars:` of a block, or of what includes tasks or a role.
    Block,
    /// `vars:` of a task.
    Task,
    /// `-e` on the command line: always wins.
    CommandLine,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RoleDefaults => "role defaults",
            Self::InventoryGroup => "group in the inventory file",
            Self::InventoryGroupVarsAll => "group_vars/all beside the inventory",
            Self::PlaybookGroupVarsAll => "group_vars/all beside the playbook",
            Self::InventoryGroupVars => "group_vars beside the inventory",
            Self::PlaybookGroupVars => "group_vars beside the playbook",
            Self::InventoryHost => "host in the inventory file",
            Self::InventoryHostVars => "host_vars beside the inventory",
            Self::PlaybookHostVars => "host_vars beside the playbook",
            Self::Play => "vars of the play",
            Self::VarsFiles => "vars_files of the play",
            Self::RoleVars => "role vars",
            Self::RoleEntry => "vars of the role's entry in the play",
            Self::Block => "vars of the block",
            Self::Task => "vars of the task",
            Self::CommandLine => "command line",
        })
    }
}

/// A value given at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The value, templates not rendered; its span says where it stands.
    pub value: Arc<Node>,
    /// How strong the place is.
    pub level: Level,
    /// The group, host, play or role that it was given for.
    pub giver: Arc<str>,
}

/// Values given at one place, by name, in the order written.
pub type GivenVariables = Vec<(Arc<str>, Given)>;

/// The value that holds, and the ones that lost against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What holds.
    pub given: Given,
    /// What lost, strongest first.
    pub lost: Vec<Given>,
}

/// Variables by name, as one host or one task sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<Arc<str>, Variable>);

impl Variables {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value. A stronger or equally strong one replaces (never merges) what is there, so that of values at
    /// one level the last one added holds.
    pub fn give(&mut self, name: &Arc<str>, given: &Given) {
        let Some(known) = self.0.get_mut(name) else {
            self.0.insert(name.clone(), Variable { given: given.clone(), lost: Vec::new() });
            return;
        };
        if given.level >= known.given.level {
            let lost = std::mem::replace(&mut known.given, given.clone());
            known.lost.insert(0, lost);
        } else {
            let at = known.lost.iter().position(|lost| lost.level <= given.level).unwrap_or(known.lost.len());
            known.lost.insert(at, given.clone());
        }
    }

    /// Adds values in order.
    pub fn give_all<'a>(&mut self, all: impl IntoIterator<Item = &'a (Arc<str>, Given)>) {
        for (name, given) in all {
            self.give(name, given);
        }
    }

    /// The variable of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }

    /// The value that holds.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Arc<Node>> {
        self.0.get(name).map(|variable| &variable.given.value)
    }

    /// All variables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.0.iter().map(|(name, variable)| (&**name, variable))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

/// Reads a mapping of variables that are given at one place; nothing stands for no variables. Names that can't be
/// used and releases written as bare numbers are mistakes.
///
/// # Errors
/// When the node isn't a mapping, or a name or value can't be taken.
pub fn read_variables(node: &Node, level: Level, giver: &str) -> Result<GivenVariables, Diagnostics> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let entries = node.as_mapping().map_err(|_| node.unexpected("a mapping of variables"))?;
    read_pairs(entries, level, giver)
}

/// [`read_variables`] for pairs that were read otherwise, such as `-e` arguments.
fn read_pairs(entries: &[(Node, Node)], level: Level, giver: &str) -> Result<GivenVariables, Diagnostics> {
    let giver: Arc<str> = giver.into();
    let mut mistakes = Diagnostics::new();
    let mut all = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if let (Some(name), Some(())) =
            (mistakes.keep(reserved::check_name(key)), mistakes.keep(check_place(key, level, &giver)))
        {
            mistakes.keep(check_release(name, value));
            let given = Given { value: Arc::new(value.clone()), level, giver: giver.clone() };
            all.push((name.into(), given));
        }
    }
    mistakes.or_ok(all)
}

/// One `-e` argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraVars {
    /// `-e key=value` or `-e '{…}'`: the argument itself.
    Argument(Arc<Source>),
    /// `-e @file`: the file's text.
    File(Arc<Source>),
}

/// Reads all `-e` arguments in order; of several values for one name the last holds.
///
/// # Errors
/// All mistakes of all of them.
pub fn read_extra_vars(all: &[ExtraVars]) -> Result<GivenVariables, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut variables = Vec::new();
    for one in all {
        let read = match one {
            ExtraVars::Argument(source) => {
                parse_assignments(source).and_then(|pairs| read_pairs(&pairs, Level::CommandLine, "command line"))
            }
            ExtraVars::File(source) => {
                Node::parse(source).and_then(|node| read_variables(&node, Level::CommandLine, &source.path))
            }
        };
        variables.extend(mistakes.keep(read).unwrap_or_default());
    }
    mistakes.or_ok(variables)
}

/// Connection variables decide how a host is reached, once for all plays: they belong to hosts and groups. And
/// the priority of a group must be known before its `group_vars/` are ordered.
fn check_place(key: &Node, level: Level, giver: &str) -> Result<(), Diagnostic> {
    let name = key.key_text();
    let wrong =
        |hint: &str| Err(Diagnostic::at(&key.span, format!("`{name}` has no effect here ({giver})")).hint(hint));
    match level {
        Level::InventoryGroup => Ok(()),
        _ if name == "ansible_group_priority" => wrong("set it in `vars:` of the group in the inventory file"),
        Level::InventoryGroupVarsAll
        | Level::PlaybookGroupVarsAll
        | Level::InventoryGroupVars
        | Level::PlaybookGroupVars
        | Level::InventoryHost
        | Level::InventoryHostVars
        | Level::PlaybookHostVars
        | Level::CommandLine => Ok(()),
        Level::RoleDefaults
        | Level::Play
        | Level::VarsFiles
        | Level::RoleVars
        | Level::RoleEntry
        | Level::Block
        | Level::Task => {
            if reserved::is_connection_variable(name) {
                wrong("connection variables belong in the inventory, its group_vars or host_vars, or -e")
            } else {
                Ok(())
            }
        }
    }
}

/// A variable that holds a release must not be a bare number.
fn check_release(name: &str, value: &Node) -> Result<(), Diagnostic> {
    let is_release = name == "release" || name.ends_with("_release");
    match (&value.value, is_release) {
        (Value::Scalar(scalar), true) if !scalar.text.trim().is_empty() => value.as_release_text().map(|_| ()),
        (Value::Scalar(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, level: Level) -> Result<GivenVariables, Diagnostics> {
        read_variables(&Node::parse(&Source::new("t.yaml", text)).unwrap(), level, "x")
    }

    #[test]
    fn the_strongest_place_holds_and_the_others_are_remembered() {
        let mut variables = Variables::new();
        for (text, level) in [
            ("a: 1", Level::InventoryGroup),
            ("a: 5", Level::Task),
            ("a: 3", Level::Play),
            ("a: 2", Level::InventoryGroup),
        ] {
            variables.give_all(&read(text, level).unwrap());
        }
        let a = variables.get("a").unwrap();
        let texts = |all: &[Given]| all.iter().map(|g| g.value.as_text().unwrap()).collect::<Vec<_>>().join(" ");
        assert_eq!(texts(std::slice::from_ref(&a.given)), "5");
        assert_eq!(texts(&a.lost), "3 2 1");
    }

    #[test]
    fn releases_written_as_numbers_are_refused_wherever_they_are_given() {
        let shown = read("manager_release: 25.10\nrelease: '26'\nother: 25.10\n", Level::Play).unwrap_err();
        assert_eq!(shown.len(), 1);
        assert!(shown.to_string().starts_with("t.yaml:1:18: a release must be quoted"), "{shown}");
        assert!(read("release: \"{{r}}\"", Level::Play).is_ok());
    }

    #[test]
    fn connection_variables_belong_to_hosts() {
        assert!(read("ansible_user: root", Level::CommandLine).is_ok());
        assert!(read("ansible_user: root", Level::Play).unwrap_err().to_string().contains("belong in the inventory"));
        assert!(read("ansible_group_priority: 2", Level::InventoryGroupVars).is_err());
        assert!(read("[a]", Level::Play).unwrap_err().to_string().contains("expected a mapping of variables"));
    }
}

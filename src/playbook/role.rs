//! Roles: variables and tasks that plays refer to by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::task::{self, Task};
use super::{Origin, keywords};
use crate::document::{Diagnostic, Diagnostics, Node, Source};
use crate::inventory::{GivenVariables, Level, read_variables};

/// The texts of one role; each file may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSources {
    /// The name that plays use.
    pub name: String,
    /// Whether it comes with the program or from the project.
    pub origin: Origin,
    /// `defaults/main.yaml`
    pub defaults: Option<Arc<Source>>,
    /// `vars/main.yaml`
    pub vars: Option<Arc<Source>>,
    /// `tasks/main.yaml`
    pub tasks: Option<Arc<Source>>,
    /// `meta/main.yaml`; only checked for what would be ignored.
    pub meta: Option<Arc<Source>>,
    /// `handlers/main.yaml`; refused.
    pub handlers: Option<Arc<Source>>,
}

/// One role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it comes with the program or from the project.
    pub origin: Origin,
    /// Its defaults, the weakest variables of all.
    pub defaults: GivenVariables,
    /// Its variables, stronger than the inventory's and the play's.
    pub variables: GivenVariables,
    /// Its tasks.
    pub tasks: Vec<Task>,
}

/// Roles by name.
#[derive(Debug, Clone, Default)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Reads roles.
    ///
    /// # Errors
    /// All mistakes of all roles.
    pub fn parse(sources: &[RoleSources]) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut roles = BTreeMap::new();
        for source in sources {
            if let Some(role) = mistakes.keep(Role::parse(source)) {
                roles.insert(source.name.clone(), role);
            }
        }
        mistakes.or_ok(Self(roles))
    }

    /// The role of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Role {
    /// Reads one role.
    ///
    /// # Errors
    /// All mistakes of its files.
    pub fn parse(sources: &RoleSources) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut variables = |source: &Option<Arc<Source>>, level| -> GivenVariables {
            let read = source
                .as_ref()
                .map(|source| Node::parse(source).and_then(|node| read_variables(&node, level, &sources.name)));
            read.and_then(|read| mistakes.keep(read)).unwrap_or_default()
        };
        let defaults = variables(&sources.defaults, Level::RoleDefaults);
        let own = variables(&sources.vars, Level::RoleVars);
        let tasks = match &sources.tasks {
            None => None,
            Some(source) => mistakes.keep(Node::parse(source).and_then(|node| task::read_tasks(&node))),
        };
        if let Some(meta) = &sources.meta {
            mistakes.keep(check_meta(meta));
        }
        if let Some(handlers) = &sources.handlers {
            let word = Node::text(crate::document::Span::whole(handlers), "handlers");
            mistakes.append(keywords::refuse(&word, &task::kinds()).into_iter().collect::<Diagnostics>());
        }
        let (name, origin) = (sources.name.clone(), sources.origin);
        mistakes.or_ok(Self { name, origin, defaults, variables: own, tasks: tasks.unwrap_or_default() })
    }
}

/// Nothing of a role's description changes what is done, except roles that it depends on.
fn check_meta(source: &Arc<Source>) -> Result<(), Diagnostics> {
    let node = Node::parse(source)?;
    match node.get("dependencies") {
        Some(list) if !list.is_blank() && list.as_list().map_or(true, |items| !items.is_empty()) => {
            Err(Diagnostic::at(&list.span, "dependencies of roles aren't supported in this release")
                .hint("name all roles in the play, in order")
                .into())
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_s_files_are_read_and_what_would_be_ignored_is_refused() {
        let source = |path: &str, text: &str| Some(Source::new(path, text));
        let mut sources = RoleSources {
            name: "web".into(),
            origin: Origin::Project,
            defaults: source("roles/web/defaults/main.yaml", "a: 1"),
            vars: source("roles/web/vars/main.yaml", "b: 2"),
            tasks: source("roles/web/tasks/main.yaml", "- component: {}"),
            meta: source("roles/web/meta/main.yaml", "galaxy_info: {}\ndependencies: []\n"),
            handlers: None,
        };
        let role = Role::parse(&sources).unwrap();
        assert_eq!((role.defaults.len(), role.variables.len(), role.tasks.len()), (1, 1, 1));
        assert_eq!(role.variables[0].1.level, Level::RoleVars);
        sources.meta = source("roles/web/meta/main.yaml", "dependencies: [common]");
        sources.handlers = source("roles/web/handlers/main.yaml", "- name: restart\n");
        sources.defaults = source("roles/web/defaults/main.yaml", "web_release: 26.1");
        let shown = Roles::parse(&[sources]).unwrap_err().to_string();
        for part in [
            "meta/main.yaml:1:15: dependencies",
            "handlers/main.yaml:1:1: `handlers` isn't",
            "defaults/main.yaml:1:14: a release",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}

//! The playbook and roles that are compiled into the program, so that an inventory is all that a site needs.

use std::sync::Arc;

use super::{Origin, RoleRest, RoleSources};
use crate::document::Source;

/// A role's name, defaults and tasks.
type Bundled = (&'static str, &'static str, &'static str);

macro_rules! role {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../roles/", $name, "/defaults/main.yaml")),
            include_str!(concat!("../../roles/", $name, "/tasks/main.yaml")),
        )
    };
}

const ROLES: [Bundled; 7] = [
    role!("agent"),
    role!("appproxy-coordinator"),
    role!("appproxy-worker"),
    role!("manager"),
    role!("storage-proxy"),
    role!("watcher"),
    role!("webserver"),
];

/// The bundled `playbooks/site.yaml`; messages call it `bundled:playbooks/site.yaml`.
#[must_use]
pub fn bundled_playbook() -> Arc<Source> {
    Source::new("bundled:playbooks/site.yaml", include_str!("../../playbooks/site.yaml"))
}

/// The bundled role of a name.
#[must_use]
pub fn bundled_role(name: &str) -> Option<RoleSources> {
    let (name, defaults, tasks) = ROLES.iter().find(|(known, ..)| *known == name)?;
    let source = |part: &str, text: &str| Some(Source::new(format!("bundled:roles/{name}/{part}/main.yaml"), text));
    Some(RoleSources {
        name: (*name).to_owned(),
        origin: Origin::Bundled,
        defaults: source("defaults", defaults),
        vars: None,
        tasks: source("tasks", tasks),
        meta: None,
        handlers: None,
        rest: RoleRest { directory: format!("bundled:roles/{name}"), ..RoleRest::default() },
    })
}

/// The names of all bundled roles, in alphabetical order.
#[must_use]
pub fn bundled_role_names() -> Vec<&'static str> {
    ROLES.iter().map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::{Playbook, Role};

    #[test]
    fn everything_bundled_parses_and_every_role_is_played() {
        let playbook = Playbook::parse(&bundled_playbook(), Origin::Bundled).unwrap();
        let mut played = playbook.role_names();
        assert_eq!(played[0], "manager", "the manager comes first: its schema must be there before others start");
        played.sort_unstable();
        assert_eq!(played, bundled_role_names());
        for name in bundled_role_names() {
            let role = Role::parse(&bundled_role(name).unwrap()).unwrap();
            assert_eq!(role.tasks.len(), 1, "{name}");
        }
        assert!(bundled_role("nosuch").is_none());
    }
}

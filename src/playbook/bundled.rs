//! The playbook and roles that are compiled into the program, so that an inventory is all that a site needs.

use std::sync::Arc;

use super::files::KnownFiles;
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

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../", $path)))
    };
}

/// What roles have beside defaults and tasks, by their path in the repository.
const FILES: [(&str, &str); 6] = [
    file!("roles/storage-proxy/tasks/deploy.yaml"),
    file!("roles/storage-proxy/templates/storage-proxy.service"),
    file!("roles/storage-proxy/templates/storage-proxy.toml"),
    file!("roles/webserver/tasks/deploy.yaml"),
    file!("roles/webserver/templates/webserver.conf"),
    file!("roles/webserver/templates/webserver.service"),
];

/// The bundled file that messages and `role_path` call by this path, such as `bundled:roles/webserver/templates/…`.
#[must_use]
pub fn bundled_file(path: &str) -> Option<Arc<Source>> {
    let inside = path.strip_prefix("bundled:")?;
    FILES.iter().find(|(known, _)| *known == inside).map(|(_, text)| Source::new(path, *text))
}

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
    let directory = format!("bundled:roles/{name}");
    let below = FILES.iter().filter_map(|(path, text)| {
        let inside = path.strip_prefix("roles/")?.strip_prefix(name)?.strip_prefix('/')?;
        let is_task = inside.starts_with("tasks/");
        is_task.then(|| (inside.to_owned(), Source::new(format!("bundled:{path}"), *text)))
    });
    let files = KnownFiles(below.collect());
    Some(RoleSources {
        name: (*name).to_owned(),
        origin: Origin::Bundled,
        defaults: source("defaults", defaults),
        vars: None,
        tasks: source("tasks", tasks),
        meta: None,
        handlers: None,
        rest: RoleRest { directory, files, ..RoleRest::default() },
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
            assert!(!role.tasks.is_empty(), "{name}");
        }
        assert!(bundled_role("nosuch").is_none());
    }
}

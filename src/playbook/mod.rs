//! Text → plays, roles, tasks, templates. Pure.
//!
//! Playbooks and roles keep Ansible's files and words for what this release has: plays with `name`, `hosts`, `serial`, `settle`,
//! `max_fail_percentage`, `any_errors_fatal`, `become` and its like, `vars`, `roles` and `tasks`; roles with `defaults`, `vars` and `tasks`; tasks that name one [`TaskKind`]. Every other
//! word of Ansible's language is refused by name with what to write instead, never ignored. Templates in values
//! are Handlebars, stricter than that library's strict mode: see [`Template`].
//!
//! It must not read files, and it doesn't know the hosts: `desired` brings both together.

mod becoming;
mod bundled;
mod helpers;
mod keywords;
mod play;
mod role;
mod rolling;
mod task;
mod template;

pub use bundled::{bundled_playbook, bundled_role, bundled_role_names};
pub use play::{Origin, Play, Playbook, RoleEntry};
pub use role::{Role, RoleSources, Roles};
pub use rolling::Rolling;
pub use task::{Task, TaskKind};
pub use template::{Template, TemplateError, Templates, whole_path};

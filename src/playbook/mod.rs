//! Text → plays, roles, tasks, templates, conditions. Pure.
//!
//! Playbooks and roles keep Ansible's files and words; `docs/playbooks.md` lists them. What of Ansible's language isn't done
//! here is refused by name with what to write instead, never ignored. Templates in values are Handlebars, stricter than that
//! library's strict mode: see [`Template`]. Conditions are expressions in Jinja's syntax: see [`Conditions`].
//!
//! It must not read files (whoever can is asked through [`Files`]), and it doesn't know the hosts: `desired` brings both
//! together.

mod argument_spec;
mod becoming;
mod bundled;
mod condition;
mod entry;
mod files;
mod group;
mod helpers;
mod keywords;
mod listing;
mod order;
mod play;
mod repeat;
mod role;
mod rolling;
mod shared;
mod tags;
mod task;
mod template;
mod template_place;
mod version;

pub use argument_spec::{Argument, ArgumentKind, ArgumentSpec, check_arguments};
pub use bundled::{bundled_playbook, bundled_role, bundled_role_names};
pub use condition::Conditions;
pub use entry::{Entry, read_tasks};
pub use files::{Files, KnownFiles};
pub use group::{Contents, Group};
pub use listing::{ListedPlay, ListedTask, list_plays};
pub use order::Order;
pub use play::{Origin, Play, Playbook, RoleCall, RoleEntry};
pub use repeat::Repeat;
pub use role::{Role, RoleRest, RoleSources, Roles};
pub use rolling::Rolling;
pub use shared::Shared;
pub use tags::{TagSelection, Tags};
pub use task::{Retry, Task, TaskKind};
pub use template::{Template, TemplateError, Templates, whole_call, whole_path};

pub(crate) use files::{join, near_file, no_such_file};
pub(crate) use template_place::{has_template, is_template, named_in, whole_file};

#[cfg(test)]
pub(crate) use task::task_words;

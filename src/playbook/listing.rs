//! What a playbook would do, by name: for `--list-tasks` and `--list-tags`. No host is needed for it.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::group::Contents;
use super::play::{Play, Playbook, RoleEntry};
use super::role::{Role, Roles};
use super::tags::{TagSelection, Tags};

/// A play as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlay {
    /// Its name.
    pub name: String,
    /// Its pattern.
    pub pattern: String,
    /// Its own tags.
    pub tags: Tags,
    /// The tasks that are taken, in order. A loop is one.
    pub tasks: Vec<ListedTask>,
}

/// A task as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTask {
    /// Its name, behind that of its role; templates in it are not rendered.
    pub name: String,
    /// All of its tags.
    pub tags: Tags,
}

/// So deep may roles call each other.
const DEPTH: usize = 16;

struct Lister<'p> {
    roles: &'p Roles,
    selection: &'p TagSelection,
    done: BTreeSet<String>,
    tasks: Vec<ListedTask>,
}

/// Lists the tasks of all plays that the tags choose.
#[must_use]
pub fn list_plays(playbook: &Playbook, roles: &Roles, selection: &TagSelection) -> Vec<ListedPlay> {
    let listed = |play: &Play| {
        let mut lister = Lister { roles, selection, done: BTreeSet::new(), tasks: Vec::new() };
        let tags = &play.shared.tags;
        lister.entries(&play.pre_tasks, None, tags, 0);
        for entry in &play.roles {
            lister.role_entry(entry, tags, 0);
        }
        lister.entries(&play.tasks, None, tags, 0);
        lister.entries(&play.post_tasks, None, tags, 0);
        let (name, pattern) = (play.name.clone(), play.pattern.text().to_owned());
        ListedPlay { name, pattern, tags: tags.clone(), tasks: lister.tasks }
    };
    playbook.plays.iter().map(listed).collect()
}

impl<'p> Lister<'p> {
    fn entries(&mut self, entries: &'p [Entry], role: Option<&'p Role>, tags: &Tags, depth: usize) {
        for entry in entries {
            match entry {
                Entry::Task(task) => {
                    let tags: Tags = tags.union(&task.shared.tags).cloned().collect();
                    if self.selection.takes(&tags) {
                        let own = task.name.as_ref().map_or(task.kind.word(), |name| name.key_text());
                        let name = role.map_or_else(|| own.to_owned(), |role| format!("{} : {own}", role.name));
                        self.tasks.push(ListedTask { name, tags });
                    }
                }
                Entry::Group(group) => {
                    let tags: Tags = tags.union(&group.shared.tags).cloned().collect();
                    match &group.contents {
                        Contents::Block { tasks, rescue, always } => {
                            for list in [tasks, rescue, always] {
                                self.entries(list, role, &tags, depth);
                            }
                        }
                        Contents::File { tasks, .. } => self.entries(tasks, role, &tags, depth),
                        Contents::Role(call) => {
                            if let (Some(role), true) = (self.roles.get(&call.name), depth < DEPTH) {
                                self.role(role, call.tasks_from.as_ref(), &tags, depth + 1);
                            }
                        }
                    }
                }
            }
        }
    }

    fn role_entry(&mut self, entry: &'p RoleEntry, tags: &Tags, depth: usize) {
        let Some(role) = self.roles.get(&entry.call.name).filter(|_| depth < DEPTH) else { return };
        let tags: Tags = tags.union(&entry.shared.tags).cloned().collect();
        let values = entry.shared.variables.iter().map(|(name, given)| format!("{name}={:?}", given.value.to_json()));
        let key = format!("{} {:?} {tags:?}", role.name, values.collect::<Vec<_>>());
        if role.allow_duplicates || self.done.insert(key) {
            self.role(role, None, &tags, depth + 1);
        }
    }

    fn role(&mut self, role: &'p Role, from: Option<&crate::document::Node>, tags: &Tags, depth: usize) {
        for entry in &role.dependencies {
            self.role_entry(entry, tags, depth);
        }
        // A file that isn't there is a mistake of the run itself.
        if let Ok(tasks) = role.tasks_of(from) {
            self.entries(tasks, Some(role), tags, depth);
        }
    }
}

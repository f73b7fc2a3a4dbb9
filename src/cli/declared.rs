//! From resolved tasks to what is declared: components and everything else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::desired::{Desired, Instance, Phase, ResolvedTask, Resource, Rolling, Serial};
use crate::document::{Diagnostic, Diagnostics, Node, did_you_mean, place_of};
use crate::inventory::Inventory;
use crate::model::HostName;
use crate::playbook::TaskKind;
use crate::resource::component;
use crate::resource::plain::{ContentSpec, Plain};

/// Everything that the tasks of all hosts declare.
#[derive(Default)]
pub(super) struct Declared {
    /// Components, in the order of plays, tasks and hosts.
    pub(super) instances: Vec<Instance>,
    /// Everything else, in the same order.
    pub(super) resources: Vec<Resource>,
}

/// Where files of the project lie.
pub(super) struct Places {
    /// The project.
    pub(super) root: PathBuf,
    /// The directory of the playbook.
    pub(super) playbook: PathBuf,
}

/// Decodes every task of every host.
pub(super) fn decode(desired: &Desired, inventory: &Inventory, places: &Places) -> Result<Declared, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut seen: BTreeMap<(HostName, String), String> = BTreeMap::new();
    let mut declared = Declared::default();
    // Per host and play: whether its first component has been met.
    let mut met: BTreeMap<(usize, HostName), ()> = BTreeMap::new();
    for task in &desired.tasks {
        match task.kind {
            TaskKind::Component => {
                met.insert((task.play_index, task.host.clone()), ());
                let Some(component) = mistakes.keep(component::decode(&task.body)) else { continue };
                mistakes.keep(check_backup_host(&task.body, inventory));
                let key = (task.host.clone(), component.name.clone());
                if let Some(first) = seen.insert(key, component.declared_at.clone()) {
                    let message = format!("{}/{} is declared twice, first at {first}", task.host, component.name);
                    mistakes.push(Diagnostic::at(&task.span, message).hint("give one of them another `name`"));
                }
                let rolling = rolling_of(task);
                declared.instances.push(Instance {
                    host: task.host.clone(),
                    play: task.play_index,
                    rolling,
                    component,
                });
            }
            TaskKind::Plain(word) => {
                let Some(plain) = mistakes.keep(plain(word, task, places)) else { continue };
                let behind = met.contains_key(&(task.play_index, task.host.clone()));
                let phase = if behind { Phase::After } else { Phase::Before };
                let name = plain.to_string();
                // Two lines in one file are two resources.
                let same = |count: &usize| {
                    let name = numbered(&name, *count);
                    declared.resources.iter().any(|other| other.host == task.host && other.name == name)
                };
                let count = (1..).take_while(same).count();
                declared.resources.push(Resource {
                    host: task.host.clone(),
                    name: numbered(&name, count + 1),
                    play: task.play_index,
                    rolling: rolling_of(task),
                    phase,
                    task: task.task.clone(),
                    plain,
                    declared_at: place_of(&task.span),
                });
            }
        }
    }
    mistakes.or_ok(declared)
}

fn numbered(name: &str, count: usize) -> String {
    if count == 1 { name.to_owned() } else { format!("{name} ({count})") }
}

fn rolling_of(task: &ResolvedTask) -> Rolling {
    let crate::playbook::Rolling { serial, settle, max_fail_percentage } = task.rolling.clone();
    let serial = serial.map(|(sizes, span)| Serial { sizes, declared_at: place_of(&span) });
    Rolling { serial, settle, max_fail_percentage }
}

fn plain(word: &str, task: &ResolvedTask, places: &Places) -> Result<Plain, Diagnostics> {
    if let Some(read) = Plain::read(word, &task.body) {
        return read;
    }
    let fetch = |source: &Node| fetch(source, task.role.as_deref(), places);
    ContentSpec::read(word, &task.body, fetch).map(Plain::Content)
}

/// The content of a file of the project: an absolute path, or one in `files/` of the role, or beside the playbook.
fn fetch(source: &Node, role: Option<&str>, places: &Places) -> Result<Vec<u8>, Diagnostics> {
    let name = source.as_filled_text()?;
    let of_role = role.map(|role| places.root.join("roles").join(role).join("files"));
    let candidates: Vec<PathBuf> = match Path::new(&name).is_absolute() {
        true => vec![PathBuf::from(&name)],
        false => of_role
            .into_iter()
            .chain([places.playbook.join("files"), places.playbook.clone()])
            .map(|directory| directory.join(&name))
            .collect(),
    };
    for path in &candidates {
        #[expect(clippy::disallowed_methods, reason = "files of the project are read here")]
        match std::fs::read(path) {
            Ok(content) => return Ok(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Diagnostic::at(&source.span, format!("can't read {}: {error}", path.display())).into());
            }
        }
    }
    let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    Err(Diagnostic::at(&source.span, format!("there is no file {name}"))
        .hint(format!("looked for {}", looked.join(", ")))
        .into())
}

/// A host for backups is one of the inventory: that says how it is reached.
fn check_backup_host(task: &Node, inventory: &Inventory) -> Result<(), Diagnostic> {
    let Some(node) = task.get("schema").and_then(|schema| schema.get("backup_host")) else { return Ok(()) };
    let name = node.as_text()?;
    if name.trim().is_empty() || inventory.host(&name).is_some() {
        return Ok(());
    }
    let known = inventory.hosts().iter().map(HostName::as_str);
    let message = format!("`backup_host` is a host of the inventory, and there is no {name}");
    Err(Diagnostic::at(&node.span, message).maybe_hint(did_you_mean(&name, known)))
}

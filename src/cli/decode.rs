//! From resolved tasks to what is declared: components and everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::project::ProjectFiles;
use super::{keyring, secrets};
use crate::desired::{Desired, Instance, Manner, Part, Phase, ResolvedTask, Resource, Retry, Rolling, Section, Serial};
use crate::document::{Diagnostic, Diagnostics, Node, did_you_mean, place_of};
use crate::inventory::Inventory;
use crate::model::{HostName, SealingKey};
use crate::playbook::{Files as _, TaskKind, near_file};
use crate::resource::component;
use crate::resource::plain::{ContentSpec, Plain};
use crate::vault::HEADER;

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

/// Decodes every task of every host, and the handlers that any of them notifies.
/// What holds a secret, or isn't to be shown, goes behind a veil with this key.
pub(super) fn decode(
    desired: &Desired,
    inventory: &Inventory,
    places: &Places,
    key: &SealingKey,
) -> Result<Declared, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut seen: BTreeMap<(HostName, String), String> = BTreeMap::new();
    let mut declared = Declared::default();
    // Whether the first component of a play has been met on a host.
    let mut met: BTreeSet<(usize, HostName)> = BTreeSet::new();
    // The files that change before a handler, by its place.
    let mut notifying: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let handlers = desired.handlers.iter().enumerate().map(|(place, task)| (Some(place), task));
    for (handler, task) in desired.tasks.iter().map(|task| (None, task)).chain(handlers) {
        match task.kind {
            TaskKind::Component => {
                met.insert((task.play_index, task.host.clone()));
                mistakes.append(check_words(task));
                let Some(component) = mistakes.keep(component::decode(&task.body)) else { continue };
                mistakes.keep(check_backup_host(&task.body, inventory));
                let key = (task.host.clone(), component.name.clone());
                if let Some(first) = seen.insert(key, component.declared_at.clone()) {
                    let message = format!("{}/{} is declared twice, first at {first}", task.host, component.name);
                    mistakes.push(Diagnostic::at(&task.span, message).hint("give one of them another `name`"));
                }
                mistakes.append(check_block(task, desired));
                let rolling = rolling_of(task);
                let host = task.host.clone();
                declared.instances.push(Instance { host, play: task.play_index, rolling, component });
            }
            TaskKind::Plain(word) => {
                mistakes.append(check_words(task));
                let Some(mut plain) = mistakes.keep(plain(word, task, places)) else { continue };
                let notified = handler.and_then(|place| notifying.remove(&place));
                if let (Some(files), Plain::Service(service)) = (notified, &mut plain) {
                    service.restart_on.extend(files);
                }
                if let Plain::Command(command) = &mut plain {
                    command.environment.clone_from(&task.environment);
                }
                for place in &task.handlers {
                    match plain.path() {
                        Some(path) => notifying.entry(*place).or_default().push(path),
                        None => mistakes.push(
                            Diagnostic::at(
                                &task.span,
                                format!("`{word}` changes no file, so that nothing shows that it notified anybody"),
                            )
                            .hint("restart what depends on it by `restart_on` with a file that it changes"),
                        ),
                    }
                }
                let behind = handler.is_some() || met.contains(&(task.play_index, task.host.clone()));
                let phase = if behind { Phase::After } else { Phase::Before };
                let veil = veil_of(task, &plain, key);
                mistakes.append(check_secrets(word, task));
                let name = match (&veil, word) {
                    (Some(_), "command" | "http") => format!("{word} (not shown)"),
                    (Some(_), _) if task.no_log => format!("{word} (not shown)"),
                    (Some(_) | None, _) => plain.to_string(),
                };
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
                    manner: manner_of(task),
                    declared_at: place_of(&task.span),
                    veil,
                });
            }
            // Decided when the playbook was resolved.
            TaskKind::Assert | TaskKind::Debug | TaskKind::Fail | TaskKind::Meta => {}
        }
    }
    mistakes.or_ok(declared)
}

/// What a task can say and its kind can't honour: to ignore it would be to do something else than was meant.
fn check_words(task: &ResolvedTask) -> Diagnostics {
    let ResolvedTask { environment, ignore_errors, run_once, delegate_to, retry, notify, blocks, section, .. } = task;
    let is_component = task.kind == TaskKind::Component;
    let is_service = task.kind == TaskKind::Plain("service");
    let own_way = "it has its own time-outs, and a rerun goes on from where it stopped";
    let has = |part: Part| is_component && blocks.iter().any(|block| block.part == part);
    let until = retry.as_ref().is_some_and(|retry| !retry.until.is_empty());
    let said = [
        (
            "environment",
            is_component && !environment.is_empty(),
            "set it in the service's own unit or script, or in the command itself",
        ),
        ("ignore_errors", is_component && *ignore_errors, "what comes behind it relies on it"),
        (
            "run_once",
            is_component && *run_once,
            "name the hosts that have it in the play's `hosts`; what is done once per cluster (a migration) is planned once",
        ),
        ("delegate_to", delegate_to.is_some(), "write a play for the hosts that have it"),
        ("retries", is_component && retry.is_some(), own_way),
        (
            "until",
            !is_component && until,
            "leave it away: it is tried again until it is found to be as declared; what else must hold is a task of its own, \
             such as `http` or `wait_for`",
        ),
        ("notify", is_component && !notify.is_empty(), "processes restart because of what they run"),
        (
            "no_log",
            is_component && task.no_log,
            "what is planned for it could not be told; keep its secrets in a vault",
        ),
        ("rescue", has(Part::Rescue), own_way),
        ("always", has(Part::Always), own_way),
        (
            "handlers",
            *section == Section::Handlers && !is_service,
            "a handler is a `service` with `state: restarted`; write anything else under `tasks`",
        ),
    ];
    let what = task.kind.word();
    let wrong = said.into_iter().filter(|(_, is_said, _)| *is_said);
    wrong
        .map(|(word, _, hint)| Diagnostic::at(&task.span, format!("a `{what}` can't have `{word}`")).hint(hint))
        .collect()
}

/// A component moves in stages of its own, so nothing could stand in for it, or follow on it, on its host alone.
fn check_block(task: &ResolvedTask, desired: &Desired) -> Diagnostics {
    if task.blocks.is_empty() {
        return Diagnostics::new();
    }
    let has = |part: Part| {
        let of_it = |other: &ResolvedTask| {
            other.blocks.iter().any(|one| one.part == part && task.blocks.iter().any(|block| block.block == one.block))
        };
        desired.tasks.iter().any(of_it) && !task.blocks.iter().any(|block| block.part == part)
    };
    let words = [("rescue", Part::Rescue), ("always", Part::Always)].into_iter().filter(|(_, part)| has(*part));
    let what = task.kind.word();
    let wrong = |(word, _)| {
        Diagnostic::at(&task.span, format!("a `{what}` can't stand in a block with `{word}`"))
            .hint("put it in front of the block or behind it; a rerun goes on from where it stopped")
    };
    words.map(wrong).collect()
}

fn manner_of(task: &ResolvedTask) -> Manner {
    Manner {
        ignore_errors: task.ignore_errors,
        retry: task.retry.as_ref().map(|retry| Retry { retries: retry.retries, delay: retry.delay }),
        environment: task.environment.clone(),
        // A handler of a role is done long after the block that the role stands in.
        blocks: if task.section == Section::Handlers { Vec::new() } else { task.blocks.clone() },
    }
}

/// A veil, where anything of a resource is a secret, or its task says that nothing of it may be shown.
fn veil_of(task: &ResolvedTask, plain: &Plain, key: &SealingKey) -> Option<SealingKey> {
    let content = match plain {
        Plain::Content(spec) => secrets::are_in(&String::from_utf8_lossy(&spec.content.0)),
        _ => false,
    };
    let environment = task.environment.values().any(|value| secrets::are_in(value));
    (task.no_log || content || environment || is_secret(&task.body)).then(|| key.clone())
}

fn is_secret(node: &Node) -> bool {
    node.holds_secret() || node.texts().into_iter().any(secrets::are_in)
}

/// A secret goes where it can be sent without a word of it being shown: never into names, paths and what programs of the
/// host take on their command lines, which everybody there can read.
fn check_secrets(word: &str, task: &ResolvedTask) -> Diagnostics {
    let fit: &[&str] = match word {
        "copy" => &["content", "src"],
        "line" => &["line", "regexp"],
        "block" => &["block"],
        "command" => &["cmd", "unless", "onlyif"],
        "cron" => &["job"],
        "http" => &["url"],
        _ => &[],
    };
    let fields = task.body.as_mapping().unwrap_or_default();
    let wrong = fields.iter().filter(|(key, value)| !fit.contains(&key.key_text()) && is_secret(value));
    let told = wrong.map(|(key, _)| {
        let message =
            format!("`{}` of a `{word}` can't be a secret: everybody on the host could read it", key.key_text());
        let hint = match fit {
            [] => format!("no field of a `{word}` can be one"),
            fit => format!("what can be one: {}", fit.join(", ")),
        };
        Diagnostic::at(&key.span, message).hint(hint)
    });
    told.collect()
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
    // A template was rendered with the task's other values.
    let fetch = |source: &Node| match &task.content {
        Some(content) => Ok(content.clone().into_bytes()),
        None => fetch(source, &task.role_directory, places),
    };
    ContentSpec::read(word, &task.body, fetch).map(Plain::Content)
}

/// The content of a file of the project: an absolute path, or one in `files/` of the role, or beside the playbook.
pub(super) fn fetch(source: &Node, role: &str, places: &Places) -> Result<Vec<u8>, Diagnostics> {
    let name = source.as_filled_text()?;
    let of_role = (!role.is_empty()).then(|| places.root.join(role).join("files"));
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
            Ok(content) if content.starts_with(HEADER.as_bytes()) => {
                let plain = keyring::open_whole(&path.display().to_string(), &content)?;
                secrets::note(&String::from_utf8_lossy(&plain));
                return Ok(plain.to_vec());
            }
            Ok(content) => return Ok(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Diagnostic::at(&source.span, format!("can't read {}: {error}", path.display())).into());
            }
        }
    }
    let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    let near: Vec<String> = candidates
        .iter()
        .filter_map(|path| path.parent())
        .flat_map(|directory| ProjectFiles.names_in(&directory.display().to_string()))
        .collect();
    let wanted = name.rsplit('/').next().unwrap_or_default();
    let meant = near_file(wanted, &near).map_or_else(String::new, |meant| format!("{meant} "));
    Err(Diagnostic::at(&source.span, format!("there is no file {name}"))
        .hint(format!("{meant}looked for {}", looked.join(", ")))
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

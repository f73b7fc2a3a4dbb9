//! What a command works on: declared instances, and the way to their hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::catalogue;
use super::error::CliError;
use super::options::Options;
use super::project::ProjectFiles;
use super::survey::{Subject, backup_hosts};
use super::{asked, becoming, declared, lock, machine, output, project};
use crate::desired::{
    Declaration, Desired, Facts, Instance, Part, ResolvedTask, Rolling, Section, Serial, SkippedPlay, resolve,
    resolve_connections,
};
use crate::document::{Diagnostic, Diagnostics, Node, did_you_mean, place_of};
use crate::gather::{Fleet, Limits, Sessions};
use crate::inventory::{Connection, ConnectionKind, Inventory, read_extra_vars};
use crate::model::HostName;
use crate::playbook::{Origin, TagSelection, TaskKind};
use crate::preflight::{Finding, Request, Waiver, parse_waiver, parse_waivers};
use crate::release::Catalogue;
use crate::resource::component;
use crate::transport::{AnyConnector, SshTarget, Target, TargetKind};

/// How long a host may take to answer a probe: what it asks takes milliseconds, a database that is slow to answer
/// seconds. A minute is a host that hangs.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// Everything that was declared, within the run's limit and outside it.
pub(super) struct Context {
    /// Within the limit, in the order of plays and hosts.
    pub(super) instances: Vec<Instance>,
    /// Left out by the limit.
    pub(super) out_of_scope: Vec<Instance>,
    /// How each host is reached.
    pub(super) targets: BTreeMap<HostName, Target>,
    /// What is known of products and their releases.
    pub(super) catalogue: Catalogue,
    /// What the operator asks for and answers for.
    pub(super) request: Request,
    /// What the declaration itself finds: conditions that don't hold, and tasks that depend on unknown facts.
    pub(super) declared: Vec<Finding>,
}

impl Context {
    /// What a survey looks at.
    pub(super) fn subject<'a>(&'a self, options: &'a Options) -> Subject<'a> {
        Subject {
            instances: &self.instances,
            out_of_scope: &self.out_of_scope,
            catalogue: &self.catalogue,
            request: &self.request,
            declared: &self.declared,
            options,
        }
    }
}

/// What the operator asks for and answers for, from the command line and the file of waivers.
fn request(options: &Options) -> Result<Request, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut waivers: Vec<Waiver> =
        options.waive.iter().filter_map(|argument| mistakes.keep(parse_waiver(argument))).collect();
    let source = match &options.waivers {
        Some(file) => mistakes.keep(project::read_source(file)),
        None => mistakes.keep(project::read_either(Path::new("."), "waivers")).flatten(),
    };
    waivers.extend(source.and_then(|source| mistakes.keep(parse_waivers(&source))).unwrap_or_default());
    let drain_timeout = options.drain_timeout.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
    mistakes.or_ok(Request { major: options.major, drain_timeout, waivers, mend: false })
}

/// Reads inventory, playbook and roles, and decodes every task: all mistakes of all files in one go.
pub(super) async fn load(options: &Options) -> Result<Context, CliError> {
    load_limited(options, options.limit.as_deref()).await
}

/// The same within another limit.
pub(super) async fn load_limited(options: &Options, limit: Option<&str>) -> Result<Context, CliError> {
    let mut context = read(options, limit).await?;
    lock::attach(&mut context.instances)?;
    lock::attach(&mut context.out_of_scope)?;
    Ok(context)
}

/// The same without the lock file, which is about to be written.
pub(super) async fn load_to_lock(options: &Options) -> Result<Context, CliError> {
    read(options, options.limit.as_deref()).await
}

async fn read(options: &Options, limit: Option<&str>) -> Result<Context, CliError> {
    let path = options.inventory.as_deref().ok_or(CliError::NoInventory)?;
    let root = Path::new(".");
    let playbook_path = options.playbook.as_deref();
    let mut mistakes = Diagnostics::new();
    let sources = mistakes.keep(project::read_inventory(path, Some(&project::playbook_directory(root, playbook_path))));
    let inventory = sources.and_then(|sources| mistakes.keep(Inventory::parse(&sources)));
    let playbook = mistakes.keep(project::read_playbook(root, playbook_path));
    let extra = mistakes.keep(project::read_extra_arguments(&options.extra));
    let extra = extra.and_then(|extra| mistakes.keep(read_extra_vars(&extra)));
    let request = mistakes.keep(request(options));
    let (Some(inventory), Some((playbook, roles)), Some(extra), Some(request)) = (inventory, playbook, extra, request)
    else {
        return Err(mistakes.into());
    };
    // Everything is resolved, also what the limit leaves out: a migration concerns it all the same.
    let becoming = &becoming::of_command_line(options);
    let within: Option<BTreeSet<HostName>> = match limit {
        None => None,
        Some(limit) => mistakes.keep(inventory.limit(limit)).map(|hosts| hosts.into_iter().collect()),
    };
    let tags = TagSelection::of(&options.tags, &options.skip_tags);
    let declaration = Declaration {
        inventory: &inventory,
        playbook: &playbook,
        roles: &roles,
        files: &ProjectFiles,
        extra: &extra,
        becoming,
        limit: None,
        within: within.as_ref(),
        tags: &tags,
        facts: Facts::Unasked,
    };
    let mut desired = mistakes.keep(resolve(&declaration));
    if let Some(first) = desired.take_if(|desired| mistakes.is_empty() && !desired.wanting.is_empty()) {
        let asked = asked::systems(options, &inventory, &extra, &first).await?;
        desired = mistakes.keep(resolve(&Declaration { facts: Facts::Asked(&asked), ..declaration }));
    }
    let Some(desired) = desired else { return Err(mistakes.into()) };
    // The bundled playbook names every component there is; a project's own names what somebody meant to have.
    if playbook.origin == Origin::Project {
        for SkippedPlay { play, pattern } in &desired.skipped {
            output::say(&format!("note: the play \"{play}\" is skipped: no host of the inventory matches {pattern}\n"));
        }
    }
    let all = mistakes.keep(decode(&desired, &inventory));
    let Some(all) = all.filter(|_| mistakes.is_empty()) else { return Err(mistakes.into()) };
    let (instances, out_of_scope): (Vec<Instance>, Vec<Instance>) =
        all.into_iter().partition(|instance| within.as_ref().is_none_or(|hosts| hosts.contains(&instance.host)));
    let is_within = |host: &HostName| within.as_ref().is_none_or(|hosts| hosts.contains(host));
    let declared = declared::findings(&desired, is_within);
    declared::say(&desired, options, is_within);
    if instances.is_empty() && declared.is_empty() {
        if !tags.is_everything() {
            let nothing = Diagnostic::nowhere("the tags that are chosen leave nothing to do");
            let hint = "`--list-tags` shows the tags of each play";
            return Err(CliError::Declaration(nothing.hint(hint).into()));
        }
        let limit = limit.unwrap_or_default();
        let nothing = Diagnostic::nowhere(format!("--limit {limit} leaves no host that any play is about"));
        return Err(CliError::Declaration(nothing.into()));
    }
    let mut targets: BTreeMap<HostName, Target> =
        desired.connections.iter().map(|(host, connection)| (host.clone(), target(host, connection))).collect();
    // A host that takes copies of backups need not be in any play.
    for host in backup_hosts(&instances).into_iter().chain(backup_hosts(&out_of_scope)) {
        if !targets.contains_key(&host) {
            let connections = resolve_connections(&inventory, &extra, Some(host.as_str()))?;
            targets.extend(connections.iter().map(|(host, connection)| (host.clone(), target(host, connection))));
        }
    }
    becoming::check_effect(options, &targets)?;
    let catalogue = catalogue(options)?;
    Ok(Context { instances, out_of_scope, targets, catalogue, request, declared })
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

fn decode(desired: &Desired, inventory: &Inventory) -> Result<Vec<Instance>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut seen: BTreeMap<(HostName, String), String> = BTreeMap::new();
    let mut instances = Vec::new();
    for task in desired.tasks.iter().chain(&desired.handlers) {
        match task.kind {
            TaskKind::Component => {
                mistakes.append(check_component(task));
                let Some(component) = mistakes.keep(component::decode(&task.body)) else { continue };
                mistakes.keep(check_backup_host(&task.body, inventory));
                let key = (task.host.clone(), component.name.clone());
                if let Some(first) = seen.insert(key, component.declared_at.clone()) {
                    let message = format!("{}/{} is declared twice, first at {first}", task.host, component.name);
                    mistakes.push(Diagnostic::at(&task.span, message).hint("give one of them another `name`"));
                }
                let crate::playbook::Rolling { serial, settle, max_fail_percentage } = task.rolling.clone();
                let serial = serial.map(|(sizes, span)| Serial { sizes, declared_at: place_of(&span) });
                let rolling = Rolling { serial, settle, max_fail_percentage };
                instances.push(Instance { host: task.host.clone(), play: task.play_index, rolling, component });
            }
            // Decided when the playbook was resolved.
            TaskKind::Assert | TaskKind::Debug | TaskKind::Fail | TaskKind::Meta => {}
        }
    }
    mistakes.or_ok(instances)
}

/// What a task can say and a component can't honour: to ignore it would be to do something else than was meant.
fn check_component(task: &ResolvedTask) -> Diagnostics {
    let ResolvedTask { environment, ignore_errors, run_once, delegate_to, retry, notify, blocks, section, .. } = task;
    let own_way = "it has its own time-outs, and a rerun goes on from where it stopped";
    let said = [
        ("environment", !environment.is_empty(), "set it in the service's own unit or script"),
        ("ignore_errors", *ignore_errors, "what comes behind a component relies on it"),
        (
            "run_once",
            *run_once,
            "name the hosts that have it in the play's `hosts`; what is done once per cluster (a migration) is planned once",
        ),
        ("delegate_to", delegate_to.is_some(), "write a play for the hosts that have it"),
        ("retries", retry.is_some(), own_way),
        ("notify", !notify.is_empty(), "processes restart because of what they run"),
        ("rescue", blocks.iter().any(|block| block.part == Part::Rescue), own_way),
        ("always", blocks.iter().any(|block| block.part == Part::Always), own_way),
        (
            "handlers",
            *section == Section::Handlers,
            "write it under `tasks`: it restarts when what it runs has changed",
        ),
    ];
    let wrong = said.into_iter().filter(|(_, is_said, _)| *is_said);
    wrong
        .map(|(word, _, hint)| Diagnostic::at(&task.span, format!("a component can't have `{word}`")).hint(hint))
        .collect()
}

pub(super) fn target(host: &HostName, connection: &Connection) -> Target {
    let kind = match connection.kind {
        ConnectionKind::Local => TargetKind::Local,
        ConnectionKind::Ssh => {
            let file = |name: &String| machine::expand_home(Path::new(name));
            TargetKind::Ssh(SshTarget {
                address: connection.host.clone(),
                port: connection.port,
                user: connection.user.clone(),
                identity_file: connection.private_key_file.as_ref().map(file),
                password: connection.password.clone(),
                config: connection.ssh_arguments.config.as_ref().map(file),
                options: connection.ssh_arguments.options.clone(),
            })
        }
    };
    Target { name: host.clone(), kind, become_user: connection.become_user.clone() }
}

/// The hosts behind `targets`.
pub(super) fn fleet(
    options: &Options,
    mut targets: BTreeMap<HostName, Target>,
    sessions: Sessions,
) -> Result<Arc<Fleet<AnyConnector>>, CliError> {
    becoming::add_password(options, &mut targets)?;
    if let Some(note) = machine::note_few_forks(options, targets.len()) {
        output::say(&format!("note: {note}\n"));
    }
    let connector = AnyConnector::new(machine::ssh_options(options)?);
    let limits = Limits { forks: machine::forks(options), probe: PROBE_LIMIT };
    Ok(Fleet::new(connector, targets, limits, sessions))
}

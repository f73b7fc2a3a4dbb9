//! What a command works on: declared instances, and the way to their hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::{catalogue, catalogue_of};
use super::decode::Places;
use super::error::CliError;
use super::inventories::{read_inventories, read_limit_files};
use super::options::Options;
use super::project::ProjectFiles;
use super::survey::{Subject, backup_hosts};
use super::{asked, becoming, declared, decode, keyring, lock, machine, output, project};
use crate::desired::{Declaration, Desired, Facts, Instance, Resource, SkippedPlay, resolve, resolve_connections};
use crate::document::{Diagnostic, Diagnostics, Source, did_you_mean};
use crate::gather::{Fleet, Limits, Sessions};
use crate::inventory::{Connection, ConnectionKind, GivenVariables, Inventory, InventorySources, read_extra_vars};
use crate::model::{HostName, SealingKey};
use crate::playbook::{Origin, Playbook, Roles, TagSelection, list_plays};
use crate::preflight::{Finding, Request, Waiver, parse_waiver, parse_waivers};
use crate::release::Catalogue;
use crate::transport::{AnyConnector, SshTarget, Target, TargetKind};

/// How long a host may take to answer a probe: what it asks takes milliseconds, a database that is slow to answer
/// seconds. A minute is a host that hangs.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// Everything that was declared, within the run's limit and outside it.
pub(super) struct Context {
    /// Whom plays are about, within the limit; something need not be declared for each.
    pub(super) hosts: BTreeSet<HostName>,
    /// Within the limit, in the order of plays and hosts.
    pub(super) instances: Vec<Instance>,
    /// What else is declared within the limit, in the order of plays, tasks and hosts.
    pub(super) resources: Vec<Resource>,
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
            resources: &self.resources,
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
    load_limited(options, options.limit.as_deref().as_slice()).await
}

/// The same within other limits, all of which hold.
pub(super) async fn load_limited(options: &Options, limits: &[&str]) -> Result<Context, CliError> {
    load_with_origins(options, limits).await.map(|(context, _)| context)
}

/// What was declared, for who asks where each value came from.
pub(super) struct Origins {
    pub(super) playbook: Playbook,
    pub(super) roles: Roles,
    pub(super) desired: Desired,
}

/// The same with where it comes from.
pub(super) async fn load_with_origins(options: &Options, limits: &[&str]) -> Result<(Context, Origins), CliError> {
    let (mut context, origins) = read(options, limits).await?;
    lock::attach(&mut context.instances)?;
    lock::attach(&mut context.out_of_scope)?;
    Ok((context, origins))
}

/// The same without the lock file, which is about to be written.
pub(super) async fn load_to_lock(options: &Options) -> Result<Context, CliError> {
    read(options, options.limit.as_deref().as_slice()).await.map(|(context, _)| context)
}

/// What a run reads before any host is asked.
struct Inputs {
    inventory: Inventory,
    playbook: Playbook,
    roles: Roles,
    extra: GivenVariables,
    request: Request,
    limit_files: BTreeMap<String, Arc<Source>>,
}

impl Inputs {
    fn read(options: &Options, limits: &[&str]) -> Result<Self, Diagnostics> {
        let root = Path::new(".");
        let playbook_path = options.playbook.as_deref();
        let mut mistakes = Diagnostics::new();
        let playbook_directory = project::playbook_directory(root, playbook_path);
        let sources = mistakes.keep(read_inventories(&options.inventory, Some(&playbook_directory)));
        let sources =
            sources.map(|sources| InventorySources { defaults: options.configuration.connection.clone(), ..sources });
        let inventory = sources.and_then(|sources| mistakes.keep(Inventory::parse(&sources)));
        let playbook = mistakes.keep(project::read_playbook(root, playbook_path, &options.configuration.roles_path));
        let extra = mistakes.keep(project::read_extra_arguments(&options.extra));
        let extra = extra.and_then(|extra| mistakes.keep(read_extra_vars(&extra)));
        let request = mistakes.keep(request(options));
        let limit_files = mistakes.keep(read_limit_files(limits));
        match (inventory, playbook, extra, request, limit_files) {
            (Some(inventory), Some((playbook, roles)), Some(extra), Some(request), Some(limit_files)) => {
                Ok(Self { inventory, playbook, roles, extra, request, limit_files })
            }
            _ => Err(mistakes),
        }
    }
}

/// Whatever is wrong with what a run would read, for all hosts, and how many hosts have tasks that depend on their facts:
/// those are left out, for no host is asked.
pub(super) fn check(options: &Options) -> (Diagnostics, usize) {
    let limits = options.limit.as_deref();
    let limits = limits.as_slice();
    let mut mistakes = Diagnostics::new();
    mistakes.append(catalogue_of(options).err().unwrap_or_default());
    let Some(inputs) = mistakes.keep(Inputs::read(options, limits)) else { return (mistakes, 0) };
    let Inputs { inventory, playbook, roles, extra, request: _, limit_files } = &inputs;
    mistakes.keep(within(inventory, limits, limit_files));
    let declaration = Declaration {
        inventory,
        playbook,
        roles,
        files: &ProjectFiles,
        extra,
        becoming: &becoming::of_command_line(options),
        limit: None,
        within: None,
        tags: &TagSelection::of(&options.tags, &options.skip_tags),
        facts: Facts::Unasked,
    };
    let Some(desired) = mistakes.keep(resolve(&declaration)) else { return (mistakes, 0) };
    // Nothing of it is shown, so that any key will do.
    mistakes.keep(decode::decode(&desired, inventory, &places(options), &SealingKey::new(b"check")));
    (mistakes, desired.wanting.len())
}

fn places(options: &Options) -> Places {
    let root = Path::new(".");
    Places { root: root.to_owned(), playbook: project::playbook_directory(root, options.playbook.as_deref()) }
}

async fn read(options: &Options, limits: &[&str]) -> Result<(Context, Origins), CliError> {
    if options.inventory.is_empty() {
        return Err(CliError::NoInventory(options.configuration.named_inventory.clone()));
    }
    let Inputs { inventory, playbook, roles, extra, request, limit_files } = Inputs::read(options, limits)?;
    let mut mistakes = Diagnostics::new();
    // Everything is resolved, also what the limit leaves out: a migration concerns it all the same.
    let becoming = &becoming::of_command_line(options);
    let within = mistakes.keep(within(&inventory, limits, &limit_files)).flatten();
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
    // Of this process alone: nothing behind a veil outlives it.
    let key = SealingKey::new(&keyring::fresh_salt()?);
    let all = mistakes.keep(decode::decode(&desired, &inventory, &places(options), &key));
    let Some(all) = all.filter(|_| mistakes.is_empty()) else { return Err(mistakes.into()) };
    let is_within = |host: &HostName| within.as_ref().is_none_or(|hosts| hosts.contains(host));
    let (instances, out_of_scope): (Vec<Instance>, Vec<Instance>) =
        all.instances.into_iter().partition(|instance| is_within(&instance.host));
    let resources: Vec<Resource> = all.resources.into_iter().filter(|resource| is_within(&resource.host)).collect();
    let declared = declared::findings(&desired, is_within);
    declared::say(&desired, options, is_within);
    let hosts: BTreeSet<HostName> = desired.connections.keys().filter(|host| is_within(host)).cloned().collect();
    if instances.is_empty() && resources.is_empty() && declared.is_empty() {
        let known: BTreeSet<String> =
            list_plays(&playbook, &roles, &TagSelection::of(&["all".into(), "never".into()], &[]))
                .into_iter()
                .flat_map(|play| play.tasks)
                .flat_map(|task| task.tags)
                .collect();
        nothing_left(limits, &hosts, &tags, &known)?;
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
    let context = Context { hosts, instances, resources, out_of_scope, targets, catalogue, request, declared };
    Ok((context, Origins { playbook, roles, desired }))
}

/// Nothing is declared for what was asked about. A playbook may only say something, so that alone is no mistake; a limit
/// or tags that leave nothing over are: a run that looked at nothing would call it converged.
fn nothing_left(
    limits: &[&str],
    hosts: &BTreeSet<HostName>,
    tags: &TagSelection,
    known: &BTreeSet<String>,
) -> Result<(), CliError> {
    let nothing = if !tags.is_everything() {
        let unknown = tags.only.iter().filter(|tag| !known.contains(*tag));
        let meant = unknown.filter_map(|tag| did_you_mean(tag, known.iter().map(String::as_str)));
        let hint: Vec<String> = meant.chain(["`--list-tags` shows the tags of each play".to_owned()]).collect();
        Diagnostic::nowhere("the tags that are chosen leave nothing to do").hint(hint.join(" "))
    } else if !limits.is_empty() && hosts.is_empty() {
        Diagnostic::nowhere(format!("--limit {} leaves no host that any play is about", limits.join(" and ")))
            .hint("`--list-hosts` shows the hosts of each play")
    } else {
        return Ok(());
    };
    Err(CliError::Declaration(nothing.into()))
}

/// The hosts that all limits choose; nothing where there is no limit.
fn within(
    inventory: &Inventory,
    limits: &[&str],
    files: &BTreeMap<String, Arc<Source>>,
) -> Result<Option<BTreeSet<HostName>>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut hosts: BTreeSet<HostName> = inventory.hosts().iter().cloned().collect();
    for limit in limits {
        let chosen = mistakes.keep(inventory.limit_with(limit, files)).unwrap_or_default();
        let chosen: BTreeSet<HostName> = chosen.into_iter().collect();
        hosts.retain(|host| chosen.contains(host));
    }
    mistakes.or_ok((!limits.is_empty()).then_some(hosts))
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

//! A cluster in memory behind the executor's trait: hosts with environments, processes and databases that change
//! only by actions, with faults, and with a check after every action that no safety rule is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use converge::desired::{Instance, InstanceId};
use converge::execute::{Attempt, Hosts};
use converge::facts::{
    CommandAnswer, Database, DatabaseKind, Disk, Distribution, Effect, EffectKind, Effects, EffectsQuery, Fact, File,
    Health, HostFacts, Interpreter, Interpreters, Observed, Pins, Process, ProcessQuery, Processes, Published, Query,
    RevisionEffects, SchemaFact, System, Unit, Venv, Work, normalize_name,
};
use converge::model::{Digest, HostName, Timestamp};
use converge::plan::{Action, ActionKind, PackageMove, Plan};
use converge::release::{Catalogue, Migrations, PublishedRelease, Release, RevisionGraph, Wheel};
use converge::resource::component::{
    Asked, Component, EnvironmentSpec, FreezeSpec, HealthSpec, Precautions, ProcessSpec, Rehearsal, SchemaSpec, Signal,
    Supervisor, work_query,
};

/// What goes wrong with one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails before it changes anything.
    FailsAtOnce,
    /// It fails half-way, as a killed pip, alembic or start does.
    FailsHalfWay,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is not carried out, and the answer is lost.
    OrderLost,
    /// The controller dies when it is half-way.
    ControllerDiesHalfWay,
    /// The controller dies when it is done.
    ControllerDiesAfter,
    /// The host is cut off when it is half-way, until the next run.
    HostGoesAway,
}

/// One environment.
#[derive(Debug, Clone, Default)]
pub struct SimVenv {
    /// Releases by package.
    pub installed: BTreeMap<String, Release>,
    /// Packages whose install was killed, with the release before.
    pub interrupted: BTreeMap<String, Option<Release>>,
    pub installed_at: i64,
    /// Whether it was built beside another one, whole; and which one.
    pub built_from: Option<String>,
    /// Whether a note says that its migration has not succeeded.
    pub noted: bool,
}

/// One running component.
#[derive(Debug, Clone)]
pub struct SimProcess {
    pub release: Release,
    pub started_at: i64,
    pub pid: u32,
}

/// One host.
#[derive(Debug, Clone, Default)]
pub struct SimHost {
    /// Environments by path.
    pub venvs: BTreeMap<String, SimVenv>,
    /// Links to environments.
    pub links: BTreeMap<String, String>,
    pub processes: BTreeMap<String, SimProcess>,
    pub files: BTreeSet<String>,
    pub away: bool,
}

impl SimHost {
    /// The environment that a path leads to.
    pub fn venv(&self, path: &str) -> Option<&SimVenv> {
        self.venvs.get(self.links.get(path).map_or(path, String::as_str))
    }

    pub fn venv_mut(&mut self, path: &str) -> Option<&mut SimVenv> {
        let path = self.links.get(path).cloned().unwrap_or_else(|| path.to_owned());
        self.venvs.get_mut(&path)
    }
}

/// The whole cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub instances: Vec<Instance>,
    pub hosts: BTreeMap<HostName, SimHost>,
    /// Revision by database.
    pub databases: BTreeMap<String, String>,
    /// The revisions that really ran, by database.
    pub applied: BTreeMap<String, BTreeSet<String>>,
    /// What the cluster says of itself.
    pub frozen: bool,
    /// Sessions that run; one ends each time they are counted.
    pub sessions: u64,
    /// Which database each instance uses.
    pub uses: BTreeMap<InstanceId, String>,
    pub published: Vec<Release>,
    pub now: i64,
    next_pid: u32,
    /// Actions carried out so far.
    pub acts: usize,
    /// Faults by number of action.
    pub faults: BTreeMap<usize, Fault>,
    /// Databases with a backup since their last migration, and since their users stopped.
    backed_up: BTreeSet<String>,
    pub violations: Vec<String>,
    pub log: Vec<String>,
}

pub fn release(text: &str) -> Release {
    Release::parse(text).expect("a release")
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a host name")
}

fn patch_of(release: &Release) -> u64 {
    release.normalized().rsplit('.').next().and_then(|z| z.parse().ok()).expect("a patch number")
}

/// Whether it belongs to the train after 25.6.
fn is_next_train(release: &Release) -> bool {
    release.normalized().starts_with("25.7.")
}

/// The revision that is the head of a release: every release brings one, the odd ones the same as before.
pub fn head_of(release: &Release) -> String {
    match (is_next_train(release), patch_of(release) / 2) {
        (false, number) => format!("rev{number:02}"),
        // It brings nothing but what it puts below the head of the train before.
        (true, 0) => "rev04".to_owned(),
        (true, number) => format!("next{number:02}"),
    }
}

/// The next train puts two revisions below the one that databases of 25.6.4 and later stand at; its first releases bring
/// nothing else, so that only a comparison of packages shows it.
pub fn graph_of(release: &Release) -> RevisionGraph {
    let mut chain: Vec<String> = Vec::new();
    match is_next_train(release) {
        false => chain.extend((0..=patch_of(release) / 2).map(|n| format!("rev{n:02}"))),
        true => {
            chain.extend(["rev00", "rev01", "spliced1", "spliced2", "rev02", "rev03", "rev04"].map(str::to_owned));
            chain.extend((1..=patch_of(release) / 2).map(|n| format!("next{n:02}")));
        }
    }
    let before = std::iter::once(BTreeSet::new()).chain(chain.iter().map(|one| BTreeSet::from([one.clone()])));
    RevisionGraph::of_edges(chain.iter().cloned().zip(before).collect())
}

fn wheel_of(package: &str, release: &Release) -> Wheel {
    Wheel {
        package: package.into(),
        release: release.clone(),
        file: format!("{package}-{release}-py3-none-any.whl"),
        bytes: 1 << 20,
        sha256: Digest::of(release.normalized().as_bytes()),
        requires_python: None,
        pins: BTreeMap::new(),
        migrations: Migrations::Known { directory: "alembic".into(), graph: graph_of(release) },
        missing_modules: BTreeMap::new(),
        problems: vec![],
    }
}

/// A component as the bundled roles declare it; `database` gives it a schema, and with it a unit.
pub fn component(name: &str, package: &str, venv: &str, declared: &Release, database: bool) -> Component {
    let supervisor = if database {
        Supervisor::Systemd { unit: format!("{name}.service") }
    } else {
        Supervisor::Command { command: format!("run-{name}"), chdir: None, log: "/dev/null".into() }
    };
    Component {
        name: name.into(),
        package: package.into(),
        release: declared.clone(),
        venv: venv.into(),
        pip_args: vec![],
        environments: EnvironmentSpec::default(),
        process: ProcessSpec {
            supervisor,
            title: Some(format!("^{name}$")),
            user: None,
            pid_file: None,
            stop_signal: Signal::Term,
            stop_timeout: 10,
            start_timeout: 10,
        },
        schema: database.then(|| SchemaSpec {
            ini: format!("/{name}/alembic.ini"),
            chdir: format!("/{name}"),
            backup: Some("/backup".into()),
            timeout: 60,
            keep_backups: 3,
            snapshots: BTreeMap::new(),
            rehearsal: Rehearsal::Major,
            scratch: None,
        }),
        health: Some(HealthSpec { http: format!("http://{name}/"), version: Some("/version".into()) }),
        freeze: database.then(|| FreezeSpec {
            freeze: "freeze".into(),
            unfreeze: "unfreeze".into(),
            status: "status".into(),
            frozen: "frozen".into(),
            marker: format!("{venv}.frozen"),
        }),
        precautions: Precautions::default(),
        declared_at: "site.yaml:1".into(),
        release_at: Asked { place: "site.yaml:1:1".into(), line: String::new() },
    }
}

impl Cluster {
    pub fn new(instances: Vec<Instance>, published: Vec<Release>) -> Self {
        let mut hosts: BTreeMap<HostName, SimHost> = BTreeMap::new();
        for instance in &instances {
            hosts.entry(instance.host.clone()).or_default().venvs.entry(instance.component.venv.clone()).or_default();
        }
        Self {
            instances,
            hosts,
            databases: BTreeMap::new(),
            applied: BTreeMap::new(),
            frozen: false,
            sessions: 0,
            uses: BTreeMap::new(),
            published,
            now: 1_000_000,
            next_pid: 100,
            acts: 0,
            faults: BTreeMap::new(),
            backed_up: BTreeSet::new(),
            violations: Vec::new(),
            log: Vec::new(),
        }
    }

    pub fn install(&mut self, number: usize, release: &Release) {
        let instance = self.instances[number].clone();
        let venv = self.hosts.get_mut(&instance.host).expect("host").venv_mut(&instance.component.venv).expect("venv");
        venv.installed.insert(instance.component.package, release.clone());
        venv.installed_at = self.now;
        self.now += 10;
    }

    /// Starts what is installed; `as_release` makes it a process of another release.
    pub fn start(&mut self, number: usize, as_release: Option<&Release>) {
        let instance = self.instances[number].clone();
        let host = self.hosts.get_mut(&instance.host).expect("host");
        let venv = host.venv(&instance.component.venv).expect("venv");
        let installed = venv.installed.get(&instance.component.package).cloned();
        if let Some(release) = as_release.cloned().or(installed) {
            self.next_pid += 1;
            let process = SimProcess { release, started_at: self.now, pid: self.next_pid };
            host.processes.insert(instance.component.name, process);
            self.now += 10;
        }
    }

    fn running(&self, id: &InstanceId) -> bool {
        self.hosts.get(&id.host).is_some_and(|host| host.processes.contains_key(&id.component))
    }

    fn violate(&mut self, action: &Action, rule: &str) {
        self.violations.push(format!("{}: {rule}", action.id));
    }

    /// The rules of "what must always hold", looked at when an action reaches a host.
    fn check_before(&mut self, action: &Action) {
        match &action.kind {
            ActionKind::Stop => {}
            ActionKind::Install { venv, packages, .. } => {
                let sharing: Vec<InstanceId> = self
                    .instances
                    .iter()
                    .filter(|i| i.host == action.host && i.component.venv == *venv)
                    .map(Instance::id)
                    .collect();
                for id in sharing {
                    if self.running(&id) {
                        self.violate(action, &format!("{id} runs while its package changes"));
                    }
                }
                for moved in packages {
                    let before =
                        self.hosts[&action.host].venv(venv).expect("venv").installed.get(&moved.package).cloned();
                    if let Some(before) = before {
                        if moved.to < before {
                            self.violate(action, "a downgrade");
                        }
                        if moved.to.train() != before.train() {
                            self.violate(action, "a major hop");
                        }
                        let skipped = self
                            .published
                            .iter()
                            .any(|r| *r > before && *r < moved.to && r.train() == moved.to.train());
                        if skipped {
                            self.violate(action, "a published patch is skipped");
                        }
                    }
                    self.check_order(action, &moved.to);
                }
            }
            ActionKind::Stage { target, .. } => {
                let used = self.hosts[&action.host].links.values().any(|used| used == target);
                if used {
                    self.violate(action, "it builds over an environment that is used");
                }
            }
            ActionKind::Switch { packages, target, .. } => self.check_switch(action, packages, target),
            ActionKind::Prune { .. } | ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } => {}
            ActionKind::Freeze | ActionKind::Unfreeze | ActionKind::Drain { .. } => {}
            ActionKind::Backup { stopped, .. } if stopped.is_empty() => {}
            ActionKind::Backup { .. } | ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                let users: Vec<InstanceId> =
                    self.uses.iter().filter(|(_, used)| **used == database).map(|(id, _)| id.clone()).collect();
                for id in users {
                    if self.running(&id) {
                        self.violate(action, &format!("{id} runs while its database is at work"));
                    }
                }
                if let ActionKind::Migrate { migration, .. } = &action.kind {
                    if migration.rows != BTreeSet::from([self.databases[&database].clone()]) {
                        self.violate(action, "a migration from elsewhere than where the database stands");
                    }
                    if !self.backed_up.contains(&database) {
                        self.violate(action, "a migration without a backup");
                    }
                    let installed = self.installed(&action.instance());
                    let at_head = installed.is_some_and(|release| head_of(&release) == self.databases[&database]);
                    if at_head && migration.skipped.is_empty() {
                        self.violate(action, "a migration of a database that is at head");
                    }
                }
            }
            ActionKind::Start { .. } => {
                if self.running(&action.instance()) {
                    self.violate(action, "it is started while it runs");
                }
                if let (Some(database), Some(installed)) =
                    (self.uses.get(&action.instance()).cloned(), self.installed(&action.instance()))
                    && head_of(&installed) != self.databases[&database]
                {
                    self.violate(action, "it is started beside a schema that is not its own");
                }
            }
        }
    }

    /// Nothing of the cluster runs while a train is left, and only from its last patch, with no work.
    fn check_switch(&mut self, action: &Action, packages: &[PackageMove], target: &str) {
        let host = &self.hosts[&action.host];
        let built = host.venvs.get(target).cloned();
        let back = action.id.ends_with("-back");
        for moved in packages {
            if built.as_ref().and_then(|venv| venv.installed.get(&moved.package)) != Some(&moved.to) {
                self.violate(action, "what it switches to is not built");
            }
            let Some(from) = moved.from.clone() else { continue };
            if moved.to < from && !back {
                self.violate(action, "a downgrade");
            }
            if moved.to.train() == from.train() {
                continue;
            }
            let ids: Vec<InstanceId> = self.instances.iter().map(Instance::id).collect();
            let running: Vec<InstanceId> = ids.into_iter().filter(|id| self.running(id)).collect();
            for id in running {
                self.violate(action, &format!("{id} runs during a major upgrade"));
            }
            if self.sessions > 0 && !back {
                self.violate(action, "work runs during a major upgrade");
            }
            let last = self.published.iter().filter(|r| r.train() == from.train()).max();
            if !back && last != Some(&from) {
                self.violate(action, "a major upgrade from something else than the last patch");
            }
        }
    }

    /// A release is complete on all hosts before the next begins.
    fn check_order(&mut self, action: &Action, to: &Release) {
        let before = self.published.iter().filter(|r| *r < to && r.train() == to.train()).max().cloned();
        let Some(before) = before else { return };
        let late: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|i| i.component.release >= *to)
            .filter(|i| self.installed(&i.id()).is_some_and(|installed| installed < before))
            .map(Instance::id)
            .collect();
        for id in late {
            self.violate(action, &format!("{id} has not reached {before} yet"));
        }
    }

    pub fn installed(&self, id: &InstanceId) -> Option<Release> {
        let instance = self.instances.iter().find(|i| i.id() == *id)?;
        self.hosts.get(&id.host)?.venv(&instance.component.venv)?.installed.get(&instance.component.package).cloned()
    }

    /// The whole effect of an action.
    fn carry_out(&mut self, plan: &Plan, action: &Action) {
        let component = plan.instance(&action.instance()).expect("an instance of the plan").component.clone();
        match &action.kind {
            ActionKind::Stop => {
                self.hosts.get_mut(&action.host).expect("host").processes.remove(&component.name);
            }
            ActionKind::Install { venv, packages, .. } => {
                let now = self.now;
                let venv = self.hosts.get_mut(&action.host).expect("host").venv_mut(venv).expect("venv");
                for moved in packages {
                    venv.installed.insert(moved.package.clone(), moved.to.clone());
                    venv.interrupted.remove(&moved.package);
                }
                venv.installed_at = now;
            }
            ActionKind::Stage { venv, target, packages, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                let from = host.links.get(venv).unwrap_or(venv).clone();
                let installed = packages.iter().map(|moved| (moved.package.clone(), moved.to.clone())).collect();
                let installed_at = self.now;
                let built = SimVenv {
                    installed,
                    installed_at,
                    built_from: Some(from),
                    noted: false,
                    interrupted: BTreeMap::new(),
                };
                host.venvs.insert(target.clone(), built);
            }
            ActionKind::Switch { venv, target, packages, migrates, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                if let Some(directory) = host.venvs.remove(venv) {
                    // It is moved aside under the name of what it holds.
                    let from = packages.iter().find_map(|moved| moved.from.clone()).expect("a release");
                    let aside = format!("{venv}-{}", from.normalized());
                    if let Some(new) = host.venvs.get_mut(target) {
                        new.built_from = Some(aside.clone());
                    }
                    host.venvs.insert(aside, directory);
                }
                host.venvs.get_mut(target).expect("an environment").noted |= migrates;
                host.links.insert(venv.clone(), target.clone());
            }
            ActionKind::Prune { .. } | ActionKind::Drain { .. } | ActionKind::Rehearse { .. } => {}
            ActionKind::Freeze => {
                self.frozen = true;
                let marker = component.freeze.expect("a freeze").marker;
                self.hosts.get_mut(&action.host).expect("host").files.insert(marker);
            }
            ActionKind::Unfreeze => {
                self.frozen = false;
                let marker = component.freeze.expect("a freeze").marker;
                self.hosts.get_mut(&action.host).expect("host").files.remove(&marker);
            }
            ActionKind::Snapshot { file, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
            }
            ActionKind::Backup { file, stopped, .. } if stopped.is_empty() => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
            }
            ActionKind::Backup { file, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
                let database = self.uses[&action.instance()].clone();
                self.backed_up.insert(database);
            }
            ActionKind::Migrate { migration, .. } => {
                let database = self.uses[&action.instance()].clone();
                let installed = self.installed(&action.instance()).expect("an installed release");
                self.backed_up.remove(&database);
                let applied = self.applied.entry(database.clone()).or_default();
                if let Some(twice) = migration.skipped.iter().chain(&migration.pending).find(|id| applied.contains(*id))
                {
                    self.violations.push(format!("{}: {twice} runs twice", action.id));
                }
                applied.extend(migration.skipped.iter().chain(&migration.pending).cloned());
                let head = head_of(&installed);
                let missing: Vec<String> = graph_of(&installed).ancestors(&head).difference(applied).cloned().collect();
                if !missing.is_empty() || migration.head != head {
                    self.violations.push(format!("{}: the schema lacks {missing:?}", action.id));
                }
                self.databases.insert(database, head);
                let host = self.hosts.get_mut(&action.host).expect("host");
                host.venv_mut(&component.venv).expect("an environment").noted = false;
            }
            ActionKind::Start { .. } => {
                let number = self.instances.iter().position(|i| i.id() == action.instance()).expect("an instance");
                self.start(number, None);
            }
        }
    }

    /// What an interruption leaves behind.
    fn carry_out_half(&mut self, action: &Action) {
        match &action.kind {
            // Signals are sent at once or not at all; a transaction is rolled back; a part of a backup is no backup.
            ActionKind::Stop | ActionKind::Backup { .. } | ActionKind::Migrate { .. } | ActionKind::Start { .. } => {}
            ActionKind::Switch { .. } | ActionKind::Prune { .. } | ActionKind::Drain { .. } => {}
            ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } => {}
            ActionKind::Stage { target, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                host.venvs.insert(target.clone(), SimVenv::default());
            }
            ActionKind::Freeze => {
                let instance = self.instances.iter().find(|i| i.id() == action.instance()).expect("an instance");
                let marker = instance.component.freeze.as_ref().expect("a freeze").marker.clone();
                self.hosts.get_mut(&action.host).expect("host").files.insert(marker);
            }
            ActionKind::Unfreeze => self.frozen = false,
            ActionKind::Install { venv, packages, .. } => {
                let venv = self.hosts.get_mut(&action.host).expect("host").venv_mut(venv).expect("venv");
                for moved in packages {
                    let before = venv.installed.remove(&moved.package);
                    let before = before.or_else(|| venv.interrupted.get(&moved.package).cloned().flatten());
                    venv.interrupted.insert(moved.package.clone(), before);
                }
            }
        }
    }

    fn observe(&self, host: &HostName, queries: &[Query]) -> HostFacts {
        let state = &self.hosts[host];
        if state.away {
            return HostFacts::unreachable(host.clone(), "no route to host".into());
        }
        let answers = queries.iter().map(|query| (query.clone(), self.answer(host, state, query))).collect();
        HostFacts { host: host.clone(), observed_at: Timestamp(self.now), unreachable: None, answers }
    }

    fn answer(&self, name: &HostName, host: &SimHost, query: &Query) -> Fact {
        match query {
            Query::System => {
                Fact::System(Observed::Known(System { os: "Simulated".into(), kernel: "6".into(), uid: 0 }))
            }
            Query::Disk(query) => Fact::Disk(Observed::Known(Disk {
                available_kib: 1 << 30,
                mounted_on: "/".into(),
                existing: query.path.clone(),
                writable: true,
            })),
            Query::File(query) => Fact::File(if host.files.contains(&query.path) {
                Observed::Known(File { bytes: 4096, modified: Timestamp(self.now) })
            } else {
                Observed::Absent
            }),
            Query::Venv(query) => Fact::Venv(host.venv(&query.path).map_or(Observed::Absent, |venv| {
                Observed::Known(Venv { link: host.links.get(&query.path).cloned(), ..venv_fact(venv) })
            })),
            Query::Process(query) => Fact::Process(Observed::Known(self.processes(host, query))),
            Query::Unit(query) => {
                let component = query.name.trim_end_matches(".service");
                let all =
                    host.processes.get(component).map(|p| self.process(component, p)).into_iter().collect::<Vec<_>>();
                Fact::Unit(Observed::Known(Unit {
                    load_state: "loaded".into(),
                    active_state: if all.is_empty() { "inactive" } else { "active" }.into(),
                    sub_state: "?".into(),
                    unit_file_state: "enabled".into(),
                    kill_signal: 15,
                    result: "success".into(),
                    processes: Processes { all },
                }))
            }
            Query::Health(query) => {
                let component = query.url.trim_start_matches("http://").trim_end_matches('/');
                Fact::Health(Observed::Known(match host.processes.get(component) {
                    Some(process) => {
                        Health::Answered { status: 200, release: Some(process.release.clone()), body: "{}".into() }
                    }
                    None => Health::Silent { reason: "connection refused".into() },
                }))
            }
            Query::Schema(query) => {
                let component = query.ini.trim_start_matches('/').trim_end_matches("/alembic.ini");
                let id = InstanceId { host: name.clone(), component: component.into() };
                let graph = match self.installed(&id) {
                    Some(release) => Observed::Known(graph_of(&release)),
                    None => Observed::Unknown("no migrations".into()),
                };
                let database = &self.uses[&id];
                Fact::Schema(Observed::Known(SchemaFact {
                    database: Database { kind: DatabaseKind::Postgresql, identity: database.clone() },
                    name: "backend".into(),
                    rows: BTreeSet::from([self.databases[database].clone()]),
                    bytes: 1 << 20,
                    graph,
                    previous: self.previous_graph(&id),
                    dump_tool: Some(15),
                    server: Some(15),
                }))
            }
            Query::Wheel(query) => Fact::Wheel(Observed::Known(wheel_of(&query.package, &query.release))),
            Query::Work(_) => Fact::Work(Observed::Known(Work {
                by_status: BTreeMap::from_iter((self.sessions > 0).then(|| ("RUNNING".to_owned(), self.sessions))),
            })),
            Query::Command(query) if query.command == "status" => Fact::Command(Observed::Known(CommandAnswer {
                status: 0,
                output: if self.frozen { "frozen" } else { "running" }.into(),
            })),
            Query::Command(_) => Fact::Command(Observed::Unknown("no shell in here".into())),
            Query::Paths(_) => Fact::Paths(Observed::Absent),
            Query::Pins(_) => Fact::Pins(Observed::Known(Pins::default())),
            Query::Interpreters(_) => Fact::Interpreters(Observed::Known(Interpreters {
                found: vec![Interpreter { path: "/usr/bin/python3.13".into(), version: "3.13.1".into() }],
                unfit: vec![],
                machine: "x86_64".into(),
            })),
            Query::Effects(query) => {
                let component = query.database.ini.trim_start_matches('/').trim_end_matches("/alembic.ini");
                let id = InstanceId { host: name.clone(), component: component.into() };
                Fact::Effects(self.effects(&id, query))
            }
            Query::Resolution(_) => Fact::Resolution(Observed::Unknown("no pip in here".into())),
            Query::Published(_) => Fact::Published(Observed::Known(Published::new(
                self.published.iter().cloned().map(PublishedRelease::plain).collect(),
            ))),
            Query::PackageSource(_) => Fact::PackageSource(Observed::Unknown("it was not asked".into())),
        }
    }

    /// Each revision brings one table.
    fn effects(&self, id: &InstanceId, query: &EffectsQuery) -> Observed<Effects> {
        let database = &self.uses[id];
        let Some(installed) = self.installed(id) else { return Observed::Unknown("no migrations".into()) };
        let below = graph_of(&installed).ancestors(&self.databases[database]);
        let asked = if query.revisions.is_empty() { &below } else { &query.revisions };
        let mut effects = Effects::default();
        for revision in asked {
            let is_missing = !self.applied[database].contains(revision);
            let told = RevisionEffects {
                expected: 1,
                missing: usize::from(is_missing),
                risks: Some(Vec::new()),
                ..RevisionEffects::default()
            };
            effects.revisions.insert(revision.clone(), told);
            if is_missing {
                let (kind, name) = (EffectKind::Table, format!("table_of_{revision}"));
                effects.missing.insert(Effect { revision: revision.clone(), kind, name, left: false });
            }
        }
        Observed::Known(effects)
    }

    /// The revisions of the package in the environment that the one in use was built beside.
    fn previous_graph(&self, id: &InstanceId) -> Option<RevisionGraph> {
        let instance = self.instances.iter().find(|i| i.id() == *id)?;
        let host = self.hosts.get(&id.host)?;
        let used = host.venv(&instance.component.venv).filter(|venv| venv.noted)?;
        let before = host.venvs.get(used.built_from.as_ref()?)?;
        Some(graph_of(before.installed.get(&instance.component.package)?))
    }

    fn processes(&self, host: &SimHost, query: &ProcessQuery) -> Processes {
        let title = query.title.as_deref().unwrap_or_default();
        let component = title.trim_start_matches('^').trim_end_matches('$');
        Processes { all: host.processes.get(component).map(|p| self.process(component, p)).into_iter().collect() }
    }

    fn process(&self, component: &str, process: &SimProcess) -> Process {
        Process {
            pid: process.pid,
            parent: 1,
            start_ticks: process.started_at * 100,
            started_at: Timestamp(process.started_at),
            uid: 0,
            title: component.into(),
        }
    }
}

fn venv_fact(venv: &SimVenv) -> Venv {
    let whole = venv.installed.iter().map(|(package, release)| {
        let distribution =
            Distribution { release: Some(release.clone()), spelled: release.to_string(), complete: true };
        (normalize_name(package), vec![distribution])
    });
    let moved = venv.interrupted.iter().filter_map(|(package, before)| {
        before.as_ref().map(|release| (normalize_name(package)[1..].to_owned(), release.to_string()))
    });
    Venv {
        python: "3.13.1".into(),
        base: "/usr/bin".into(),
        executable: true,
        link: None,
        marker: venv.built_from.is_some(),
        distributions: whole.collect(),
        moved_aside: moved.collect(),
        installed_at: Some(Timestamp(venv.installed_at)),
    }
}

/// The cluster as the executor sees it.
#[derive(Debug, Clone)]
pub struct Simulated {
    cluster: Arc<Mutex<Cluster>>,
    died: Arc<tokio::sync::Notify>,
}

impl Simulated {
    pub fn new(mut cluster: Cluster) -> Self {
        // A database that nothing was said of came to where it stands by the revisions of 25.6.
        for (database, head) in cluster.databases.clone() {
            let graph = graph_of(&release("25.6.8"));
            cluster.applied.entry(database).or_insert_with(|| graph.ancestors(&head));
        }
        Self { cluster: Arc::new(Mutex::new(cluster)), died: Arc::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("no panic while the cluster was held")
    }

    /// Completes when a fault kills the controller.
    pub async fn controller_dies(&self) {
        self.died.notified().await;
    }

    pub fn observe_all(&self) -> BTreeMap<HostName, HostFacts> {
        let cluster = self.lock();
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        for instance in &cluster.instances {
            let queries = questions.entry(instance.host.clone()).or_default();
            queries.extend(instance.component.queries());
            queries.push(Query::Published(instance.component.published_query()));
            queries.push(Query::Pins(instance.component.pins_query()));
            queries.push(Query::Interpreters(instance.component.interpreters_query()));
            queries.extend(instance.component.whole_schema_query().map(Query::Effects));
            queries.extend(work_query(&instance.component, &Catalogue::bundled()).map(Query::Work));
            queries.extend(
                cluster
                    .published
                    .iter()
                    .filter_map(|release| instance.component.wheel_query(release))
                    .map(Query::Wheel),
            );
        }
        questions.iter().map(|(host, queries)| (host.clone(), cluster.observe(host, queries))).collect()
    }
}

impl Hosts for Simulated {
    async fn observe(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        tokio::task::yield_now().await;
        let mut cluster = self.lock();
        let facts = cluster.observe(&host, &queries);
        if queries.iter().any(|query| matches!(query, Query::Work(_))) {
            cluster.sessions = cluster.sessions.saturating_sub(1);
        }
        facts
    }

    async fn act(
        &self,
        plan: &Plan,
        action: &Action,
        _facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        tokio::task::yield_now().await;
        let dies = {
            let mut cluster = self.lock();
            if cluster.hosts[&action.host].away {
                return Attempt::NotStarted { reason: "no route to host".into() };
            }
            let number = cluster.acts;
            cluster.acts += 1;
            cluster.now += 10;
            let fault = cluster.faults.remove(&number);
            cluster.log.push(format!("{} {fault:?}", action.id));
            output(format!("act {number}"));
            if fault != Some(Fault::FailsAtOnce) && fault != Some(Fault::OrderLost) {
                cluster.check_before(action);
            }
            match fault {
                None => {
                    cluster.carry_out(plan, action);
                    return Attempt::Succeeded;
                }
                Some(Fault::FailsAtOnce) => return Attempt::Failed { how: "exit status 1".into() },
                Some(Fault::FailsHalfWay) => {
                    cluster.carry_out_half(action);
                    return Attempt::Failed { how: "ended by SIGKILL".into() };
                }
                Some(Fault::AnswerLost) => {
                    cluster.carry_out(plan, action);
                    return Attempt::Unknown { cause: "the connection was lost".into() };
                }
                Some(Fault::OrderLost) => return Attempt::Unknown { cause: "the connection was lost".into() },
                Some(Fault::HostGoesAway) => {
                    cluster.carry_out_half(action);
                    cluster.hosts.get_mut(&action.host).expect("host").away = true;
                    return Attempt::Unknown { cause: "the connection was lost".into() };
                }
                Some(Fault::ControllerDiesHalfWay) => cluster.carry_out_half(action),
                Some(Fault::ControllerDiesAfter) => cluster.carry_out(plan, action),
            }
            true
        };
        assert!(dies);
        self.died.notify_one();
        std::future::pending().await
    }

    async fn last_words(&self, _plan: &Plan, _action: &Action) -> Vec<String> {
        vec!["log of the component".into()]
    }
}

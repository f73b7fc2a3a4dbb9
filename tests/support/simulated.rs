//! A cluster in memory behind the executor's trait: hosts with environments, processes and databases that change
//! only by actions, with faults, and with a check after every action that no safety rule is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use converge::desired::{Instance, InstanceId};
use converge::execute::{Attempt, Hosts};
use converge::facts::{
    Database, DatabaseKind, Disk, Distribution, Fact, File, Health, HostFacts, Interpreter, Interpreters, Observed,
    Pins, Process, ProcessQuery, Processes, Published, Query, SchemaFact, System, Unit, Venv, Work, normalize_name,
};
use converge::model::{Digest, HostName, Timestamp};
use converge::plan::{Action, ActionKind, Plan};
use converge::release::{Migrations, PublishedRelease, Release, RevisionGraph, Wheel};
use converge::resource::component::{
    Asked, Component, EnvironmentSpec, HealthSpec, Precautions, ProcessSpec, SchemaSpec, Signal, Supervisor,
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
    pub venvs: BTreeMap<String, SimVenv>,
    pub processes: BTreeMap<String, SimProcess>,
    pub files: BTreeSet<String>,
    pub away: bool,
}

/// The whole cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub instances: Vec<Instance>,
    pub hosts: BTreeMap<HostName, SimHost>,
    /// Revision by database.
    pub databases: BTreeMap<String, String>,
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

/// The revision that is the head of a release: every release brings one, the odd ones the same as before.
pub fn head_of(release: &Release) -> String {
    let patch: u64 = release.normalized().rsplit('.').next().and_then(|z| z.parse().ok()).expect("a patch number");
    format!("rev{:02}", patch / 2)
}

fn graph_of(release: &Release) -> RevisionGraph {
    let last: u64 = head_of(release).trim_start_matches("rev").parse().expect("a number");
    let revisions = (0..=last).map(|n| {
        let downs = if n == 0 { BTreeSet::new() } else { BTreeSet::from([format!("rev{:02}", n - 1)]) };
        (format!("rev{n:02}"), downs)
    });
    RevisionGraph::of_edges(revisions.collect())
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
        }),
        health: Some(HealthSpec { http: format!("http://{name}/"), version: Some("/version".into()) }),
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
        let venv =
            self.hosts.get_mut(&instance.host).expect("host").venvs.get_mut(&instance.component.venv).expect("venv");
        venv.installed.insert(instance.component.package, release.clone());
        venv.installed_at = self.now;
        self.now += 10;
    }

    /// Starts what is installed; `as_release` makes it a process of another release.
    pub fn start(&mut self, number: usize, as_release: Option<&Release>) {
        let instance = self.instances[number].clone();
        let host = self.hosts.get_mut(&instance.host).expect("host");
        let installed = host.venvs[&instance.component.venv].installed.get(&instance.component.package).cloned();
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
                    let before = self.hosts[&action.host].venvs[venv].installed.get(&moved.package).cloned();
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
            ActionKind::Backup { .. } | ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                let users: Vec<InstanceId> =
                    self.uses.iter().filter(|(_, used)| **used == database).map(|(id, _)| id.clone()).collect();
                for id in users {
                    if self.running(&id) {
                        self.violate(action, &format!("{id} runs while its database is at work"));
                    }
                }
                if matches!(action.kind, ActionKind::Migrate { .. }) {
                    if !self.backed_up.contains(&database) {
                        self.violate(action, "a migration without a backup");
                    }
                    let installed = self.installed(&action.instance());
                    if installed.is_some_and(|release| head_of(&release) == self.databases[&database]) {
                        self.violate(action, "a migration of a database that is at head");
                    }
                }
            }
            ActionKind::Start { .. } => {
                if self.running(&action.instance()) {
                    self.violate(action, "it is started while it runs");
                }
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
        self.hosts
            .get(&id.host)?
            .venvs
            .get(&instance.component.venv)?
            .installed
            .get(&instance.component.package)
            .cloned()
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
                let venv = self.hosts.get_mut(&action.host).expect("host").venvs.get_mut(venv).expect("venv");
                for moved in packages {
                    venv.installed.insert(moved.package.clone(), moved.to.clone());
                    venv.interrupted.remove(&moved.package);
                }
                venv.installed_at = now;
            }
            ActionKind::Backup { file, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
                let database = self.uses[&action.instance()].clone();
                self.backed_up.insert(database);
            }
            ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                let head = head_of(&self.installed(&action.instance()).expect("an installed release"));
                self.backed_up.remove(&database);
                self.databases.insert(database, head);
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
            ActionKind::Install { venv, packages, .. } => {
                let venv = self.hosts.get_mut(&action.host).expect("host").venvs.get_mut(venv).expect("venv");
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
            Query::Venv(query) => Fact::Venv(
                host.venvs.get(&query.path).map_or(Observed::Absent, |venv| Observed::Known(venv_fact(venv))),
            ),
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
                    dump_tool: Some(15),
                    server: Some(15),
                }))
            }
            Query::Wheel(query) => Fact::Wheel(Observed::Known(wheel_of(&query.package, &query.release))),
            Query::Work(_) => Fact::Work(Observed::Known(Work { by_status: BTreeMap::new() })),
            Query::Command(_) => Fact::Command(Observed::Unknown("no shell in here".into())),
            Query::Paths(_) => Fact::Paths(Observed::Absent),
            Query::Pins(_) => Fact::Pins(Observed::Known(Pins::default())),
            Query::Resolution(_) => Fact::Resolution(Observed::Unknown("no pip in here".into())),
            Query::Interpreters(_) => Fact::Interpreters(Observed::Known(Interpreters {
                machine: "x86_64".into(),
                found: vec![Interpreter { path: "/usr/bin/python3.11".into(), version: "3.11.2".into() }],
                unfit: Vec::new(),
            })),
            Query::Published(_) => Fact::Published(Observed::Known(Published::new(
                self.published.iter().cloned().map(PublishedRelease::plain).collect(),
            ))),
            Query::PackageSource(_) => Fact::PackageSource(Observed::Unknown("it was not asked".into())),
        }
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
        python: "3.11".into(),
        base: "/usr/bin".into(),
        executable: true,
        link: None,
        marker: false,
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
    pub fn new(cluster: Cluster) -> Self {
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
        self.lock().observe(&host, &queries)
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

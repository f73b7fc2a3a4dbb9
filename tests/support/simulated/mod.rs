//! A cluster in memory behind the executor's trait: hosts with environments, processes and databases that change
//! only by actions, with faults, and with a check after every action that no safety rule is broken.

mod answers;
mod effects;
mod hosts;
mod journal;
mod packages;
mod random;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use converge::desired::{Instance, InstanceId};
use converge::model::HostName;
use converge::plan::{Action, Plan};
use converge::release::Release;
use converge::resource::component::{
    Asked, BackupHost, Component, EnvironmentSpec, FreezeSpec, HealthSpec, LeftOut, Precautions, ProcessSpec,
    Rehearsal, SchemaSpec, Signal, Supervisor,
};

pub use hosts::{CATALOGUE, Simulated};
pub use journal::{SimJournal, WriteFault};
pub use packages::{graph_of, head_of};
pub use random::Random;

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
    /// The connection is lost, and what was begun ends on its own, so many looks later.
    RunsOn(u32),
    /// The controller dies, and what was begun ends on its own, so many looks later.
    ControllerDiesRunsOn(u32),
    /// The host takes the order, carries it out and says nothing until the time is up.
    Hangs,
    /// The command ends well, and has done nothing.
    Lies,
}

impl Fault {
    /// How many looks what was begun outlives its connection.
    pub fn looks(&self) -> u32 {
        match self {
            Self::RunsOn(looks) | Self::ControllerDiesRunsOn(looks) => *looks,
            _ => 0,
        }
    }
}

/// What goes wrong with one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookFault {
    /// What comes back is no answer.
    Garbage,
    /// The host takes the question and says nothing until the time is up.
    Hangs,
    /// One of the answers, by number, is that it can't be found out.
    OneUnknown(usize),
}

/// What was begun on a host and ends on its own.
#[derive(Debug, Clone)]
pub struct Lingering {
    plan: Plan,
    action: Action,
    looks_left: u32,
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
    /// What an earlier connection began here and is still at work.
    pub lingering: Option<Lingering>,
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
    /// Looks so far, by hosts.
    pub looks: usize,
    /// Faults by number of look.
    pub look_faults: BTreeMap<usize, LookFault>,
    /// Writes to the journal so far.
    pub writes: usize,
    /// Faults by number of write.
    pub write_faults: BTreeMap<usize, WriteFault>,
    /// Actions whose beginning is durable; `None` where nobody keeps a journal.
    intended: Option<BTreeSet<String>>,
    disk_is_full: bool,
    /// By number of action: how many seconds the clock of all hosts jumps.
    pub clock_jumps: BTreeMap<usize, i64>,
    /// The numbers of the actions at which the operator presses Ctrl-C.
    pub interrupts: BTreeSet<usize>,
    /// The numbers of the actions at which another controller breaks this run's locks and goes on in its place.
    pub takeovers: BTreeSet<usize>,
    /// Whether another controller has gone on in this run's place.
    taken_over: bool,
    /// Whether the run's orders come without the generation of its locks, so that no host can tell that they are late.
    pub unfenced: bool,
    /// Starts of this run whose host was seen to run the component already: there is only to wait for its answer.
    waiting: BTreeSet<String>,
    /// The clocks were set back, and show this time for the second time only later.
    pub repeated_until: i64,
    /// The actions of this run that were carried out.
    done: BTreeSet<String>,
    /// `disturbances` when this run began.
    disturbances_before: usize,
    /// How long each look and action takes, where that is to vary.
    pub pace: Option<Random>,
    /// How often something that is no fault of converge's got into its way.
    pub disturbances: usize,
    /// By number of look: what dies at that moment.
    pub deaths: BTreeMap<usize, InstanceId>,
    /// Hosts that have failed for certain in this run.
    lost: BTreeSet<HostName>,
    /// The first stage of the plan that must not begin any more.
    barred_from: Option<usize>,
    /// Actions that have reached their hosts and not ended yet.
    pub under_way: Vec<(Plan, Action)>,
    /// Whether the operator has asked the run to stop.
    pub stopping: bool,
    /// The actions of the plan that was checked, as JSON.
    pub approved: BTreeSet<String>,
    /// Databases with a backup since their last migration, and since their users stopped.
    backed_up: BTreeSet<String>,
    /// Those of which that backup is on the host that is declared for it, too.
    copied: BTreeSet<String>,
    pub violations: Vec<String>,
    pub log: Vec<String>,
}

pub fn release(text: &str) -> Release {
    Release::parse(text).expect("a release")
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a host name")
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
            backup_host: None,
            timeout: 60,
            keep_backups: 3,
            snapshots: BTreeMap::new(),
            left_out: LeftOut::Converge,
            rehearsal: Rehearsal::Major,
            scratch: None,
        }),
        health: Some(HealthSpec { http: format!("http://{name}/"), version: Some("/version".into()) }),
        quorum: None,
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
            looks: 0,
            look_faults: BTreeMap::new(),
            writes: 0,
            write_faults: BTreeMap::new(),
            intended: None,
            disk_is_full: false,
            clock_jumps: BTreeMap::new(),
            interrupts: BTreeSet::new(),
            takeovers: BTreeSet::new(),
            taken_over: false,
            unfenced: false,
            waiting: BTreeSet::new(),
            repeated_until: 0,
            done: BTreeSet::new(),
            disturbances_before: 0,
            pace: None,
            disturbances: 0,
            deaths: BTreeMap::new(),
            lost: BTreeSet::new(),
            barred_from: None,
            under_way: Vec::new(),
            stopping: false,
            approved: BTreeSet::new(),
            backed_up: BTreeSet::new(),
            copied: BTreeSet::new(),
            violations: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Declares a host of its own for copies of all backups.
    pub fn keep_copies_on(&mut self, name: &str) {
        self.hosts.entry(host(name)).or_default();
        for schema in self.instances.iter_mut().filter_map(|instance| instance.component.schema.as_mut()) {
            schema.backup_host = Some(BackupHost { name: host(name), directory: Some("/copies".into()) });
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

    pub fn installed(&self, id: &InstanceId) -> Option<Release> {
        let instance = self.instances.iter().find(|i| i.id() == *id)?;
        self.hosts.get(&id.host)?.venv(&instance.component.venv)?.installed.get(&instance.component.package).cloned()
    }
}

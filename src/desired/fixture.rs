//! A declared manager and agent, and facts of their hosts, for the tests of whatever judges them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Instance, Rolling};
use crate::facts::{
    Database, DatabaseKind, Disk, Distribution, Fact, Health, HostFacts, Interpreter, Interpreters, Jobs, Observed,
    Pins, Process, Processes, Published, Query, SchemaFact, System, Unit, Venv,
};
use crate::model::{Digest, HostName, Timestamp};
use crate::release::{CatchUp, Migrations, PublishedRelease, Release, RevisionGraph, Wheel};
use crate::resource::component::{
    Asked, Component, EnvironmentSpec, FreezeSpec, HealthSpec, LeftOut, Precautions, ProcessSpec, Rehearsal,
    SchemaSpec, Signal, Supervisor,
};

/// The head of the revisions in [`Seen::default`].
pub(crate) const HEAD: &str = "b2";

pub(crate) fn release(text: &str) -> Release {
    Release::parse(text).expect("a release")
}

/// A manager with a database, started by a command.
pub(crate) fn manager(host: &str, declared: &str) -> Instance {
    let supervisor = Supervisor::Command {
        command: "exec /srv/it's/run".into(),
        chdir: Some("/srv/manager dir".into()),
        log: "/srv/manager dir/log".into(),
    };
    let schema = SchemaSpec {
        ini: "/srv/manager dir/alembic.ini".into(),
        chdir: "/srv/manager dir".into(),
        backup: Some("/srv/backup".into()),
        backup_host: None,
        timeout: 600,
        keep_backups: 10,
        snapshots: BTreeMap::new(),
        left_out: LeftOut::Converge,
        rehearsal: Rehearsal::Major,
        scratch: None,
    };
    instance(host, "manager", declared, supervisor, Signal::Term, Some(schema))
}

/// A manager that a major upgrade moves, with all that can be declared for it.
pub(crate) fn frozen_manager(host: &str, declared: &str) -> Instance {
    let mut instance = manager(host, declared);
    let component = &mut instance.component;
    component.freeze = Some(FreezeSpec {
        freeze: "/srv/it's gate/close \"$HOME\"".into(),
        unfreeze: "/srv/it's gate/open".into(),
        status: "/srv/it's gate/state".into(),
        frozen: "it's-closed".into(),
        marker: "/srv/manager/.venv.frozen".into(),
    });
    component.precautions.workloads = Some("/srv/it's work".into());
    if let Some(schema) = &mut component.schema {
        schema.snapshots = BTreeMap::from([("etcd".to_owned(), "echo \"it's etcd\"".to_owned())]);
    }
    instance
}

/// A healthy 25.6.4, the last patch of its train, with the next train and its interpreter at hand.
pub(crate) fn before_a_major() -> Seen {
    Seen {
        installed: Observed::Known("25.6.4"),
        running: Some("25.6.4"),
        interpreters: Observed::Known(&["3.11.2", "3.13.7"]),
        ..Seen::default()
    }
}

/// An agent under systemd.
pub(crate) fn agent(host: &str, declared: &str) -> Instance {
    instance(host, "agent", declared, Supervisor::Systemd { unit: "agent.service".into() }, Signal::Int, None)
}

fn instance(
    host: &str,
    name: &str,
    declared: &str,
    supervisor: Supervisor,
    stop_signal: Signal,
    schema: Option<SchemaSpec>,
) -> Instance {
    let process = ProcessSpec {
        supervisor,
        title: Some(format!("^{name} ")),
        user: None,
        pid_file: None,
        stop_signal,
        stop_timeout: 10,
        start_timeout: 20,
    };
    let component = Component {
        name: name.into(),
        package: format!("backend.ai-{name}"),
        release: release(declared),
        venv: format!("/srv/{name}/.venv"),
        pip_args: vec!["--find-links".into(), "/srv/it's wheels".into()],
        environments: EnvironmentSpec::default(),
        process,
        schema,
        health: Some(HealthSpec { http: "http://127.0.0.1:1/".into(), version: Some("/version".into()) }),
        freeze: None,
        quorum: None,
        precautions: Precautions::default(),
        declared_at: format!("roles/{name}/tasks/main.yaml:3"),
        release_at: Asked { place: "inventories/prod.yaml:4:14".into(), line: format!("release: \"{declared}\"") },
    };
    Instance { host: HostName::parse(host).expect("a host"), play: 0, rolling: Rolling::default(), component }
}

/// What is seen of an instance. The default is a healthy 25.6.1, its database at the package's head.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) installed: Observed<&'static str>,
    /// The release that answers; `None` where nothing runs.
    pub(crate) running: Option<&'static str>,
    pub(crate) rows: &'static [&'static str],
    /// Revisions of the installed package, each with the one before.
    pub(crate) revisions: &'static [(&'static str, &'static str)],
    pub(crate) published: Observed<&'static [&'static str]>,
    pub(crate) database: DatabaseKind,
    pub(crate) dump_tool: Option<u32>,
    pub(crate) available_kib: u64,
    /// Whether the directory for backups can be written to.
    pub(crate) writable: bool,
    /// Whether the environment can be written to.
    pub(crate) venv_writable: bool,
    /// The user who logs in; processes belong to user 1000.
    pub(crate) uid: u32,
    pub(crate) load_state: &'static str,
    pub(crate) kill_signal: u32,
    /// Versions of the interpreters that an environment can be made with.
    pub(crate) interpreters: Observed<&'static [&'static str]>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            installed: Observed::Known("25.6.1"),
            running: Some("25.6.1"),
            rows: &[HEAD],
            revisions: &[("a1", ""), (HEAD, "a1")],
            published: Observed::Known(&["25.6.1", "25.6.2", "25.6.4", "25.7.0"]),
            database: DatabaseKind::Postgresql,
            dump_tool: Some(16),
            available_kib: 1_000_000,
            writable: true,
            venv_writable: true,
            uid: 1000,
            load_state: "loaded",
            kill_signal: 2,
            interpreters: Observed::Known(&["3.11.2"]),
        }
    }
}

/// Turns what is seen of an instance into facts of its host.
pub(crate) fn facts(instance: &Instance, seen: &Seen) -> HostFacts {
    let component = &instance.component;
    let mut answers = BTreeMap::new();
    answers.insert(Query::Venv(component.venv_query()), Fact::Venv(venv(component, &seen.installed)));
    let process = Process {
        pid: 4711,
        parent: 1,
        start_ticks: 815,
        started_at: Timestamp(2_000),
        uid: 1000,
        title: format!("{} main", component.name),
    };
    let processes = Processes { all: seen.running.iter().map(|_| process.clone()).collect() };
    if let Some(query) = component.unit_query() {
        let active = if seen.running.is_some() { ("active", "running") } else { ("inactive", "dead") };
        let unit = Unit {
            load_state: seen.load_state.into(),
            active_state: active.0.into(),
            sub_state: active.1.into(),
            unit_file_state: "enabled".into(),
            kill_signal: seen.kill_signal,
            result: "success".into(),
            processes: processes.clone(),
        };
        answers.insert(Query::Unit(query), Fact::Unit(Observed::Known(unit)));
    }
    if let Some(query) = component.process_query() {
        answers.insert(Query::Process(query), Fact::Process(Observed::Known(processes)));
    }
    if let Some(query) = component.health_query() {
        let health = match seen.running {
            Some(running) => Health::Answered { status: 200, release: Some(release(running)), body: "{}".into() },
            None => Health::Silent { reason: "connection refused".into() },
        };
        answers.insert(Query::Health(query), Fact::Health(Observed::Known(health)));
    }
    if let Some(query) = component.schema_query() {
        answers.insert(Query::Schema(query), Fact::Schema(Observed::Known(schema(seen))));
    }
    let disks =
        [(Some(component.venv_disk_query()), seen.venv_writable), (component.backup_disk_query(), seen.writable)];
    for (query, writable) in disks {
        let Some(query) = query else { continue };
        let existing = query.path.clone();
        let disk = Disk { available_kib: seen.available_kib, mounted_on: "/".into(), existing, writable };
        answers.insert(Query::Disk(query), Fact::Disk(Observed::Known(disk)));
    }
    let system = System { os: "Debian GNU/Linux 12".into(), kernel: "6.1".into(), uid: seen.uid, ..System::default() };
    answers.insert(Query::System, Fact::System(Observed::Known(system)));
    answers.insert(Query::Jobs, Fact::Jobs(Observed::Known(Jobs::default())));
    let published = match &seen.published {
        Observed::Known(releases) => Observed::Known(Published::new(
            releases.iter().map(|text| PublishedRelease::plain(release(text))).collect(),
        )),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
    };
    answers.insert(Query::Published(component.published_query()), Fact::Published(published));
    answers.insert(Query::Pins(component.pins_query()), Fact::Pins(Observed::Known(Pins::default())));
    let interpreters = match &seen.interpreters {
        Observed::Known(versions) => Observed::Known(Interpreters {
            found: versions.iter().map(|version| interpreter(version)).collect(),
            unfit: Vec::new(),
            machine: "x86_64".into(),
        }),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
    };
    answers.insert(Query::Interpreters(component.interpreters_query()), Fact::Interpreters(interpreters));
    if let Observed::Known(releases) = &seen.published {
        let queries = releases.iter().filter_map(|text| component.wheel_query(&release(text)));
        answers.extend(queries.map(|query| {
            let wheel = Observed::Known(wheel(component, &query.release, seen));
            (Query::Wheel(query), Fact::Wheel(wheel))
        }));
    }
    HostFacts { host: instance.host.clone(), observed_at: Timestamp(3_000), unreachable: None, answers }
}

fn interpreter(version: &str) -> Interpreter {
    Interpreter { path: format!("/opt/{version}/bin/python3"), version: version.to_owned() }
}

/// The package of a release: each brings one revision more than the one before, as far as its number tells.
fn wheel(component: &Component, release: &Release, seen: &Seen) -> Wheel {
    let mut graph = graph(seen);
    let installed = match seen.installed {
        Observed::Known(text) => Some(self::release(text)),
        Observed::Absent | Observed::Unknown(_) => None,
    };
    let mut published: Vec<Release> =
        seen.published.known().into_iter().flat_map(|all| all.iter()).map(|text| self::release(text)).collect();
    published.sort();
    for earlier in published.iter().filter(|one| *one <= release && installed.as_ref().is_none_or(|i| *one > i)) {
        if let Some(head) = graph.heads().into_iter().next() {
            graph.revisions.insert(format!("of-{earlier}"), BTreeSet::from([head]));
        }
    }
    Wheel {
        package: component.package.clone(),
        release: release.clone(),
        file: "a.whl".into(),
        bytes: 1 << 20,
        sha256: Digest::of(b""),
        requires_python: None,
        pins: BTreeMap::new(),
        migrations: Migrations::Known { directory: "alembic".into(), graph },
        missing_modules: BTreeMap::new(),
        catch_up: CatchUp::default(),
        problems: Vec::new(),
    }
}

fn graph(seen: &Seen) -> RevisionGraph {
    let before = |down: &str| -> BTreeSet<String> { (!down.is_empty()).then(|| down.to_owned()).into_iter().collect() };
    RevisionGraph::of_edges(seen.revisions.iter().map(|(id, down)| ((*id).to_owned(), before(down))).collect())
}

fn venv(component: &Component, installed: &Observed<&str>) -> Observed<Venv> {
    let distributions = match installed {
        Observed::Unknown(reason) => return Observed::Unknown(reason.clone()),
        Observed::Absent => return Observed::Absent,
        Observed::Known(text) => {
            let whole = Distribution { release: Some(release(text)), spelled: (*text).into(), complete: true };
            BTreeMap::from([(crate::facts::normalize_name(&component.package), vec![whole])])
        }
    };
    Observed::Known(Venv {
        python: "3.11.2".into(),
        base: "/usr/bin".into(),
        executable: true,
        link: None,
        marker: false,
        distributions,
        moved_aside: Vec::new(),
        installed_at: Some(Timestamp(1_000)),
    })
}

fn schema(seen: &Seen) -> SchemaFact {
    SchemaFact {
        database: Database { kind: seen.database, identity: "7:16384".into() },
        name: "backend".into(),
        rows: seen.rows.iter().map(|row| (*row).to_owned()).collect(),
        bytes: 1_048_576,
        graph: Observed::Known(graph(seen)),
        previous: None,
        dump_tool: seen.dump_tool,
        server: (seen.database == DatabaseKind::Postgresql).then_some(16),
    }
}

/// Facts of several hosts, by host; components of one host are merged.
pub(crate) fn world<'a>(all: impl IntoIterator<Item = (&'a Instance, Seen)>) -> BTreeMap<HostName, HostFacts> {
    let mut world: BTreeMap<HostName, HostFacts> = BTreeMap::new();
    for (instance, seen) in all {
        let facts = facts(instance, &seen);
        world.entry(instance.host.clone()).or_insert_with(|| facts.clone()).answers.extend(facts.answers);
    }
    world
}

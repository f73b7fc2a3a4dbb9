//! What the hosts of the cluster answer.

use std::collections::{BTreeMap, BTreeSet};

use converge::desired::InstanceId;
use converge::facts::{
    CommandAnswer, Database, DatabaseKind, Disk, Distribution, Effect, EffectKind, Effects, EffectsQuery, Fact, File,
    Health, HostFacts, Interpreter, Interpreters, Jobs, Observed, Pins, Process, ProcessQuery, Processes, Published,
    Query, RevisionEffects, SchemaFact, Sum, System, Unit, Venv, Work, normalize_name,
};
use converge::model::{Digest, HostName, Timestamp};
use converge::release::{PublishedRelease, RevisionGraph};

use super::packages::wheel_of;
use super::{Cluster, SimHost, SimProcess, SimVenv, graph_of};

impl Cluster {
    pub(super) fn observe(&self, host: &HostName, queries: &[Query]) -> HostFacts {
        let state = &self.hosts[host];
        if state.away {
            return HostFacts::unreachable(host.clone(), "no route to host".into());
        }
        // A survey always asks for jobs.
        let queries = queries.iter().chain([&Query::Jobs]);
        let answers = queries.map(|query| (query.clone(), self.answer(host, state, query))).collect();
        HostFacts { host: host.clone(), observed_at: Timestamp(self.now), unreachable: None, answers }
    }

    fn answer(&self, name: &HostName, host: &SimHost, query: &Query) -> Fact {
        match query {
            Query::System => Fact::System(Observed::Known(System {
                os: "Simulated".into(),
                kernel: "6".into(),
                ..System::default()
            })),
            Query::Jobs => Fact::Jobs(Observed::Known(Jobs::default())),
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
            // The same name is the same file: what is damaged on its way never gets it.
            Query::Sum(query) => Fact::Sum(if host.files.contains(&query.path) {
                let name = query.path.rsplit('/').next().unwrap_or_default();
                Observed::Known(Sum { bytes: 4096, sha256: Digest::of(name.as_bytes()) })
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
            Query::Command(query) if query.command.contains("sha256sum") => {
                Fact::Command(Observed::Known(CommandAnswer { status: 0, output: String::new() }))
            }
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
            // What tasks of the plain kinds declare has hosts of its own to be tried on.
            Query::Stat(_) => Fact::Stat(Observed::Unknown("it is not simulated".into())),
            Query::Account(_) => Fact::Account(Observed::Unknown("it is not simulated".into())),
            Query::OsPackage(_) => Fact::OsPackage(Observed::Unknown("it is not simulated".into())),
            Query::Crontab(_) => Fact::Crontab(Observed::Unknown("it is not simulated".into())),
            Query::Listening(_) => Fact::Listening(Observed::Unknown("it is not simulated".into())),
            Query::Started(_) => Fact::Started(Observed::Unknown("it is not simulated".into())),
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

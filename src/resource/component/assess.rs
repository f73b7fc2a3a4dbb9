//! The diff: facts of a host against one declared component. Never trusts one witness: what is
//! installed, what runs and what the database recorded are three facts.

use serde::{Deserialize, Serialize};

use super::difference::Difference;
use super::preview::waiting_revisions;
use super::spec::Component;
use crate::facts::{Health, HostFacts, Observed, Process, Venv, normalize_name};
use crate::model::Timestamp;
use crate::release::{Release, SchemaState};

/// What is installed of a component's package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Installed {
    /// One complete release.
    Release(Release),
    /// An install that was left half done.
    Interrupted {
        /// The oldest release that shows in the remains: the one to go on from.
        from: Option<Release>,
        /// The package's own release, where it is whole itself and something else in the environment isn't.
        whole: Option<Release>,
        /// What shows it.
        evidence: String,
    },
    /// The environment is there, the package isn't.
    Nothing,
    /// There is no virtual environment at the declared place.
    NoVenv,
    /// It could not be found out.
    Unknown(String),
}

impl Installed {
    /// The release that an upgrade path starts from.
    #[must_use]
    pub fn start_of_path(&self) -> Option<&Release> {
        match self {
            Installed::Release(release) => Some(release),
            Installed::Interrupted { from, .. } => from.as_ref(),
            Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => None,
        }
    }
}

/// How it is known that what runs is older than what is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// For people.
    pub evidence: String,
}

/// What runs of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Running {
    /// Nothing.
    Stopped {
        /// What the supervisor says; `None` where there is none to ask.
        state: Option<String>,
    },
    /// Something.
    Running {
        /// Every process, in the order of their numbers.
        processes: Vec<Process>,
        /// Those outside the unit's control group, where a unit supervises it.
        foreign: Vec<u32>,
        /// Set where an older release runs.
        stale: Option<Staleness>,
    },
    /// It could not be found out.
    Unknown(String),
}

impl Running {
    /// Whether it is known that nothing of the component runs.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        match self {
            Running::Stopped { .. } => true,
            Running::Running { .. } | Running::Unknown(_) => false,
        }
    }
}

/// A component measured against the facts of its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// What is installed.
    pub installed: Installed,
    /// What runs.
    pub running: Running,
    /// The running release as the endpoint says it.
    pub running_release: Option<Release>,
    /// Where the database stands; `None` without a schema.
    pub schema: Option<Observed<SchemaState>>,
    /// What could not be observed: each blocks.
    pub unknown: Vec<String>,
    /// What differs from the declaration.
    pub differences: Vec<Difference>,
}

/// Measures `component` against `facts`.
#[must_use]
pub fn assess(component: &Component, facts: &HostFacts) -> Assessment {
    let mut unknown = Vec::new();
    let mut differences = Vec::new();

    let venv = component.venv_fact(facts);
    let installed = assess_installed(component, &venv);
    match &installed {
        Installed::Release(release) if *release == component.release => {}
        Installed::Release(release) => differences
            .push(Difference::Package { installed: Some(release.clone()), declared: component.release.clone() }),
        Installed::Interrupted { evidence, .. } => differences
            .push(Difference::PackageInterrupted { evidence: evidence.clone(), declared: component.release.clone() }),
        Installed::Nothing | Installed::NoVenv => {
            differences.push(Difference::Package { installed: None, declared: component.release.clone() });
        }
        Installed::Unknown(reason) => unknown.push(format!("the environment {}: {reason}", component.venv)),
    }

    let schema = assess_schema(component, facts, &installed);
    match &schema {
        Some(Observed::Known(SchemaState::Behind { current, head, pending })) => {
            differences.push(Difference::SchemaBehind {
                current: current.clone(),
                head: head.clone(),
                pending: *pending,
            });
        }
        Some(Observed::Known(SchemaState::Incomplete { head, skipped })) => {
            differences.push(Difference::SchemaIncomplete { head: head.clone(), skipped: skipped.clone() });
        }
        Some(Observed::Unknown(reason)) => unknown.push(format!("the schema: {reason}")),
        Some(Observed::Absent) => unknown.push("the schema: there is no alembic.ini at the declared place".into()),
        Some(Observed::Known(_)) | None => {}
    }

    let health = component.health_query().map(|query| facts.health(&query));
    let running_release = match &health {
        Some(Observed::Known(Health::Answered { release, .. })) => release.clone(),
        Some(_) | None => None,
    };
    let running = assess_running(component, facts, &venv, &installed, running_release.as_ref());
    match &running {
        Running::Stopped { state } => differences.push(Difference::ProcessStopped { state: state.clone() }),
        Running::Running { foreign, stale, .. } => {
            if !foreign.is_empty() {
                differences.push(Difference::ProcessForeign { pids: foreign.clone() });
            }
            if let Some(stale) = stale {
                differences.push(Difference::ProcessStale { evidence: stale.evidence.clone() });
            } else {
                differences.extend(assess_health(component, health.as_ref(), &mut unknown));
            }
        }
        Running::Unknown(reason) => unknown.push(format!("the process: {reason}")),
    }
    if let Some(freeze) = &component.freeze {
        match facts.file(&freeze.marker_query()) {
            Observed::Known(_) => differences.push(Difference::Frozen { marker: freeze.marker.clone() }),
            Observed::Absent => {}
            Observed::Unknown(reason) => unknown.push(format!("whether the cluster was left frozen: {reason}")),
        }
    }
    Assessment { installed, running, running_release, schema, unknown, differences }
}

fn assess_installed(component: &Component, venv: &Observed<&Venv>) -> Installed {
    let venv = match venv {
        Observed::Known(venv) => venv,
        Observed::Absent => return Installed::NoVenv,
        Observed::Unknown(reason) => return Installed::Unknown(reason.clone()),
    };
    if !venv.executable {
        return Installed::Unknown(format!(
            "bin/python can't be executed (its base is {}); the environment must be made anew",
            if venv.base.is_empty() { "not named" } else { &venv.base }
        ));
    }
    let package = normalize_name(&component.package);
    let here = venv.distributions.get(&package).map(Vec::as_slice).unwrap_or_default();
    // pip renames what it replaces to `~` plus the name without its first letters, `~ackend.ai_manager`.
    let moved: Vec<&(String, String)> = venv
        .moved_aside
        .iter()
        .filter(|(name, _)| package.ends_with(name.trim_start_matches(|c: char| !c.is_alphabetic())))
        .collect();
    let incomplete: Vec<&String> = venv
        .distributions
        .iter()
        .filter(|(_, all)| all.iter().any(|distribution| !distribution.complete))
        .map(|(name, _)| name)
        .collect();
    let evidence = if let Some(name) = incomplete.first() {
        Some(format!("{name} has no RECORD"))
    } else if let Some((name, version)) = venv.moved_aside.first() {
        Some(format!("pip left ~{name}-{version} behind"))
    } else if here.len() > 1 {
        let versions: Vec<&str> = here.iter().map(|distribution| distribution.spelled.as_str()).collect();
        Some(format!("{} releases of {package} lie side by side: {}", here.len(), versions.join(", ")))
    } else {
        None
    };
    if let Some(evidence) = evidence {
        let remains = here.iter().filter_map(|distribution| distribution.release.clone());
        let from = remains.chain(moved.iter().filter_map(|(_, version)| Release::parse(version).ok())).min();
        let whole = match here {
            [only] if only.complete && moved.is_empty() => only.release.clone(),
            [] | [_, ..] => None,
        };
        return Installed::Interrupted { from, whole, evidence };
    }
    match here.first() {
        None => Installed::Nothing,
        Some(distribution) => match &distribution.release {
            Some(release) => Installed::Release(release.clone()),
            None => Installed::Unknown(format!("{package} has the version {:?}, which is none", distribution.spelled)),
        },
    }
}

fn assess_schema(component: &Component, facts: &HostFacts, installed: &Installed) -> Option<Observed<SchemaState>> {
    let fact = component.schema_fact(facts)?;
    Some(match fact {
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
        Observed::Known(schema) => match (&schema.graph, installed) {
            // A half-done install may have left half of the revision files: only the rows can be trusted.
            (_, Installed::Interrupted { whole: None, .. }) => match schema.rows.first() {
                Some(_) if schema.rows.len() > 1 => {
                    Observed::Known(SchemaState::SeveralRows { rows: schema.rows.clone() })
                }
                Some(current) => Observed::Known(SchemaState::Behind {
                    current: current.clone(),
                    head: "(known once the package is whole)".into(),
                    pending: 0,
                }),
                None => Observed::Known(SchemaState::Empty),
            },
            (Observed::Known(graph), _) => match (graph.locate(&schema.rows), waiting_revisions(component, facts)) {
                (SchemaState::AtHead { head }, Some(waiting)) if !waiting.skipped.is_empty() => {
                    let skipped = waiting.skipped.into_iter().map(|revision| revision.id).collect();
                    Observed::Known(SchemaState::Incomplete { head, skipped })
                }
                (state, _) => Observed::Known(state),
            },
            (Observed::Unknown(reason), _) => Observed::Unknown(reason.clone()),
            (Observed::Absent, _) => Observed::Unknown("the package's revisions are absent".into()),
        },
    })
}

fn assess_running(
    component: &Component,
    facts: &HostFacts,
    venv: &Observed<&Venv>,
    installed: &Installed,
    running_release: Option<&Release>,
) -> Running {
    let mut processes: Vec<Process> = Vec::new();
    let mut foreign = Vec::new();
    let mut state = None;
    if let Some(query) = component.process_query() {
        match facts.processes(&query) {
            Observed::Known(found) => processes.extend(found.all.iter().cloned()),
            Observed::Absent => {}
            Observed::Unknown(reason) => return Running::Unknown(reason),
        }
    }
    if let Some(query) = component.unit_query() {
        match facts.unit(&query) {
            Observed::Known(unit) => {
                state = Some(format!("{} is {} ({})", query.name, unit.active_state, unit.sub_state));
                processes.extend(unit.processes.all.iter().cloned());
                // A unit that isn't active supervises nothing: what is left of it (a worker whose main process died,
                // under KillMode=process) goes on answering, and nobody restarts it.
                let active = matches!(unit.active_state.as_str(), "active" | "reloading" | "deactivating");
                let supervised = |pid: u32| active && unit.processes.all.iter().any(|process| process.pid == pid);
                foreign.extend(processes.iter().map(|process| process.pid).filter(|pid| !supervised(*pid)));
                foreign.sort_unstable();
                foreign.dedup();
            }
            Observed::Absent => return Running::Unknown(format!("the host has no unit {}", query.name)),
            Observed::Unknown(reason) => return Running::Unknown(reason),
        }
    }
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    if processes.is_empty() {
        return Running::Stopped { state };
    }
    let stale = staleness(&processes, venv, installed, running_release, facts.observed_at);
    Running::Running { processes, foreign, stale }
}

/// Start times are whole seconds from two clocks (`date` and `/proc/uptime`): a difference of up to two
/// seconds proves nothing.
const CLOCK_SLACK_SECONDS: i64 = 2;

fn staleness(
    processes: &[Process],
    venv: &Observed<&Venv>,
    installed: &Installed,
    running_release: Option<&Release>,
    now: Timestamp,
) -> Option<Staleness> {
    if let (Some(running), Installed::Release(installed)) = (running_release, installed)
        && running != installed
    {
        return Some(Staleness { evidence: format!("it answers as {running}, {installed} is installed") });
    }
    let installed_at = venv.known()?.installed_at?;
    // A clock that was set back puts the install into the future, and each start since then before it. Where the endpoint
    // names the release, its word stands.
    if running_release.is_some() && installed_at.0 > now.0 + CLOCK_SLACK_SECONDS {
        return None;
    }
    let oldest = processes.iter().min_by_key(|process| process.started_at)?;
    (oldest.started_at.0 + CLOCK_SLACK_SECONDS < installed_at.0).then(|| Staleness {
        evidence: format!(
            "process {} started at {}, the package was installed at {installed_at}",
            oldest.pid, oldest.started_at
        ),
    })
}

fn assess_health(
    component: &Component,
    health: Option<&Observed<&Health>>,
    unknown: &mut Vec<String>,
) -> Option<Difference> {
    let wants_release = component.health.as_ref().is_some_and(|spec| spec.version.is_some());
    match health? {
        Observed::Known(Health::Answered { status, release, body }) => {
            if !(200..300).contains(status) {
                Some(Difference::Unhealthy { observed: format!("HTTP {status}: {body}") })
            } else if wants_release && release.is_none() {
                let pointer = component.health.as_ref().and_then(|spec| spec.version.as_deref()).unwrap_or_default();
                unknown.push(format!("the running release: the answer has none at {pointer}: {body}"));
                None
            } else {
                None
            }
        }
        Observed::Known(Health::Silent { reason }) => Some(Difference::Unhealthy { observed: reason.clone() }),
        Observed::Absent => None,
        Observed::Unknown(reason) => {
            unknown.push(format!("the health endpoint: {reason}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Distribution, Fact, Processes, Query, Unit};
    use crate::model::{HostName, Timestamp};
    use crate::resource::component::{
        Asked, EnvironmentSpec, HealthSpec, Precautions, ProcessSpec, Signal, Supervisor,
    };

    fn release(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    fn component() -> Component {
        Component {
            name: "web".into(),
            package: "backend.ai-webserver".into(),
            release: release("23.9.10"),
            venv: "/v".into(),
            pip_args: vec![],
            environments: EnvironmentSpec::default(),
            process: ProcessSpec {
                supervisor: Supervisor::Systemd { unit: "web.service".into() },
                title: Some("^web".into()),
                user: None,
                pid_file: None,
                stop_signal: Signal::Term,
                stop_timeout: 30,
                start_timeout: 30,
            },
            schema: None,
            health: Some(HealthSpec { http: "http://h/".into(), version: Some("/v".into()) }),
            freeze: None,
            quorum: None,
            precautions: Precautions::default(),
            declared_at: "t.yaml:1".into(),
            release_at: Asked { place: "t.yaml:1:1".into(), line: "".into() },
        }
    }

    fn venv(names: &[(&str, &str, bool)], aside: &[(&str, &str)], installed_at: i64) -> Venv {
        let mut distributions: BTreeMap<String, Vec<Distribution>> = BTreeMap::new();
        for (name, version, complete) in names {
            distributions.entry((*name).into()).or_default().push(Distribution {
                release: Release::parse(version).ok(),
                spelled: (*version).into(),
                complete: *complete,
            });
        }
        Venv {
            python: "3.11.2".into(),
            base: "/usr/bin".into(),
            executable: true,
            link: None,
            marker: false,
            distributions,
            moved_aside: aside.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect(),
            installed_at: Some(Timestamp(installed_at)),
        }
    }

    fn process(pid: u32, started_at: i64) -> Process {
        Process { pid, parent: 1, start_ticks: 0, started_at: Timestamp(started_at), uid: 0, title: "web".into() }
    }

    fn facts(venv: Venv, unit: &[Process], titled: &[Process], health: Health) -> HostFacts {
        let component = component();
        let active = if unit.is_empty() { "inactive" } else { "active" };
        let unit = Unit {
            load_state: "loaded".into(),
            active_state: active.into(),
            sub_state: "running".into(),
            unit_file_state: "enabled".into(),
            kill_signal: 15,
            result: "success".into(),
            processes: Processes { all: unit.to_vec() },
        };
        let titled = Processes { all: titled.to_vec() };
        HostFacts {
            host: HostName::parse("h").unwrap(),
            observed_at: Timestamp(2_000),
            unreachable: None,
            answers: BTreeMap::from([
                (Query::Venv(component.venv_query()), Fact::Venv(Observed::Known(venv))),
                (Query::Unit(component.unit_query().unwrap()), Fact::Unit(Observed::Known(unit))),
                (Query::Process(component.process_query().unwrap()), Fact::Process(Observed::Known(titled))),
                (Query::Health(component.health_query().unwrap()), Fact::Health(Observed::Known(health))),
            ]),
        }
    }

    fn answered(text: &str) -> Health {
        Health::Answered { status: 200, release: Release::parse(text).ok(), body: String::new() }
    }

    const PACKAGE: &str = "backend-ai-webserver";

    #[test]
    fn what_is_installed_running_and_healthy_does_not_differ() {
        let web = process(7, 1_000);
        let facts = facts(
            venv(&[(PACKAGE, "23.9.10", true)], &[], 900),
            std::slice::from_ref(&web),
            std::slice::from_ref(&web),
            answered("23.09.10"),
        );
        let assessment = assess(&component(), &facts);
        assert_eq!((assessment.differences, assessment.unknown), (vec![], vec![]));
        assert_eq!(assessment.running_release, Some(release("23.9.10")));
    }

    #[test]
    fn nothing_asked_is_all_unknown() {
        let nothing = HostFacts::unreachable(HostName::parse("h").unwrap(), "connection refused".into());
        let assessment = assess(&component(), &nothing);
        assert_eq!(assessment.differences, vec![]);
        assert_eq!(assessment.unknown.len(), 2, "{:?}", assessment.unknown);
        assert!(assessment.unknown.iter().all(|reason| reason.contains("connection refused")));
    }

    #[test]
    fn an_older_process_is_stale_by_either_witness() {
        let current = venv(&[(PACKAGE, "23.9.10", true)], &[], 1_000);
        for (started_at, answers, stale) in [(1_001, "23.9.8", true), (900, "23.9.10", true), (999, "23.9.10", false)] {
            let web = process(7, started_at);
            let facts = facts(current.clone(), std::slice::from_ref(&web), &[], answered(answers));
            let causes: Vec<_> = assess(&component(), &facts).differences.iter().map(Difference::cause).collect();
            let expected = if stale { vec![super::super::Cause::ProcessStale] } else { vec![] };
            assert_eq!(causes, expected, "{started_at} {answers}");
        }
    }

    /// Set back by an hour after the install: every start since then seems older than what it runs from.
    #[test]
    fn a_clock_that_was_set_back_makes_no_process_stale() {
        let from_the_future = venv(&[(PACKAGE, "23.9.10", true)], &[], 5_000);
        for (now, answers, stale) in [(1_400, "23.9.10", false), (1_400, "23.9.8", true), (5_100, "23.9.10", true)] {
            let web = process(7, 1_390);
            let mut facts = facts(from_the_future.clone(), std::slice::from_ref(&web), &[], answered(answers));
            facts.observed_at = Timestamp(now);
            let causes: Vec<_> = assess(&component(), &facts).differences.iter().map(Difference::cause).collect();
            let expected = if stale { vec![super::super::Cause::ProcessStale] } else { vec![] };
            assert_eq!(causes, expected, "{now} {answers}");
        }
    }

    #[test]
    fn a_process_outside_its_unit_is_foreign() {
        let current = venv(&[(PACKAGE, "23.9.10", true)], &[], 900);
        let (supervised, stray) = (process(7, 1_000), process(8, 1_000));
        let facts =
            facts(current, std::slice::from_ref(&supervised), &[supervised.clone(), stray], answered("23.9.10"));
        assert_eq!(assess(&component(), &facts).differences, [Difference::ProcessForeign { pids: vec![8] }]);
    }

    #[test]
    fn a_worker_that_outlived_its_unit_is_foreign_though_it_answers() {
        let current = venv(&[(PACKAGE, "23.9.10", true)], &[], 900);
        let worker = process(8, 1_000);
        let mut facts =
            facts(current, std::slice::from_ref(&worker), std::slice::from_ref(&worker), answered("23.9.10"));
        let query = Query::Unit(component().unit_query().unwrap());
        let Some(Fact::Unit(Observed::Known(unit))) = facts.answers.get_mut(&query) else { panic!() };
        unit.active_state = "failed".into();
        assert_eq!(assess(&component(), &facts).differences, [Difference::ProcessForeign { pids: vec![8] }]);
    }

    #[test]
    fn silence_and_errors_are_unhealthy() {
        let current = venv(&[(PACKAGE, "23.9.10", true)], &[], 900);
        let broken = Health::Answered { status: 503, release: None, body: "not ready".into() };
        for health in [Health::Silent { reason: "refused".into() }, broken] {
            let facts = facts(current.clone(), &[process(7, 1_000)], &[], health);
            assert!(matches!(assess(&component(), &facts).differences[..], [Difference::Unhealthy { .. }]));
        }
        let no_version = Health::Answered { status: 200, release: None, body: "{}".into() };
        let facts = facts(current, &[process(7, 1_000)], &[], no_version);
        assert!(assess(&component(), &facts).unknown[0].contains("the running release"));
    }

    #[test]
    fn a_killed_install_goes_on_from_the_oldest_release_that_shows() {
        for (names, aside, from) in [
            // Killed after the old one was moved aside.
            (vec![], vec![("ackend-ai-webserver", "23.9.8")], Some("23.9.8")),
            // Killed while the new one was unpacked.
            (vec![(PACKAGE, "23.9.9", false)], vec![("-ckend-ai-webserver", "23.9.8")], Some("23.9.8")),
            // Killed while a dependency was unpacked.
            (vec![(PACKAGE, "23.9.8", true), ("aiohttp", "3.8", false)], vec![], Some("23.9.8")),
            // Two releases side by side.
            (vec![(PACKAGE, "23.9.9", true), (PACKAGE, "23.9.8", true)], vec![], Some("23.9.8")),
            // Only something else was moved aside.
            (vec![(PACKAGE, "23.9.9", true)], vec![("iohttp", "3.8")], Some("23.9.9")),
        ] {
            let facts = facts(venv(&names, &aside, 900), &[], &[], Health::Silent { reason: "refused".into() });
            let Installed::Interrupted { from: found, .. } = assess(&component(), &facts).installed else {
                panic!("{names:?} {aside:?} did not count as interrupted")
            };
            assert_eq!(found, from.map(release), "{names:?} {aside:?}");
        }
    }
}

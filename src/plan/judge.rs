//! What an action must find before it acts, and what it must leave: judged from fresh facts, never
//! from an exit status or from what was done before.

use std::collections::BTreeMap;

use super::action::{Action, ActionKind, PackageMove, Plan};
use crate::desired::{Instance, InstanceId};
use crate::facts::{FileQuery, HostFacts, Observed, facts_of};
use crate::model::HostName;
use crate::release::SchemaState;
use crate::resource::component::{Assessment, Installed, Running, assess};

/// Fresh facts of the hosts that an action concerns.
pub type World = BTreeMap<HostName, HostFacts>;

/// Whether an action may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// What it relies on holds.
    Ready,
    /// What it would bring about holds already, and this is how that shows.
    AlreadyDone(String),
    /// What it relies on does not hold.
    Mismatch {
        /// What it needs.
        expected: String,
        /// What is there.
        observed: String,
    },
}

/// Whether an action has brought about what it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// It has, and this is how that shows.
    Done(String),
    /// Not yet; it may come with time.
    NotYet {
        /// What must hold.
        expected: String,
        /// What holds.
        observed: String,
    },
}

fn assess_in(world: &World, instance: &Instance) -> Assessment {
    assess(&instance.component, &facts_of(world, &instance.host))
}

/// The state of an instance in one line, without numbers that change from look to look: what people are
/// told that a run left behind, and what a saved plan relies on.
#[must_use]
pub fn state_of(instance: &Instance, facts: &HostFacts) -> String {
    let assessment = assess(&instance.component, facts);
    let mut parts = vec![match &assessment.installed {
        Installed::Release(release) => format!("{release} installed"),
        Installed::Interrupted { from: Some(from), .. } => format!("an interrupted install over {from}"),
        Installed::Interrupted { from: None, .. } => "an interrupted install".to_owned(),
        Installed::Nothing => "nothing installed".to_owned(),
        Installed::NoVenv => "no virtual environment".to_owned(),
        Installed::Unknown(reason) => format!("installed release unknown ({reason})"),
    }];
    parts.push(match (&assessment.running, &assessment.running_release) {
        (Running::Stopped { .. }, _) => "stopped".to_owned(),
        (Running::Running { stale: Some(_), .. }, Some(release)) => format!("running {release}, which is older"),
        (Running::Running { stale: Some(_), .. }, None) => "running an older release".to_owned(),
        (Running::Running { stale: None, .. }, Some(release)) => format!("running {release}"),
        (Running::Running { stale: None, .. }, None) => "running".to_owned(),
        (Running::Unknown(reason), _) => format!("process unknown ({reason})"),
    });
    match &assessment.schema {
        None => {}
        Some(Observed::Known(state)) => parts.push(format!("database {}", describe(state))),
        Some(Observed::Absent) => parts.push("no alembic.ini".to_owned()),
        Some(Observed::Unknown(reason)) => parts.push(format!("schema unknown ({reason})")),
    }
    parts.join(", ")
}

/// A schema state in words.
#[must_use]
pub fn describe(state: &SchemaState) -> String {
    match state {
        SchemaState::AtHead { head } => format!("at head {head}"),
        SchemaState::Behind { current, head, .. } => format!("at {current}, behind {head}"),
        SchemaState::Empty => "without any revision".to_owned(),
        SchemaState::SeveralRows { rows } => {
            format!("with several rows ({})", rows.iter().cloned().collect::<Vec<_>>().join(", "))
        }
        SchemaState::UnknownRevision { current } => format!("at {current}, which the package doesn't know"),
        SchemaState::SeveralHeads { heads } => {
            format!("beside a package with several heads ({})", heads.iter().cloned().collect::<Vec<_>>().join(", "))
        }
        SchemaState::NoMigrations => "beside a package without migrations".to_owned(),
    }
}

/// Judges whether `action` may begin in `world`.
#[must_use]
pub fn ready(plan: &Plan, action: &Action, world: &World) -> Readiness {
    let Some(instance) = plan.instance(&action.instance()) else {
        return mismatch("an instance of the plan", "none of that name");
    };
    for id in action.must_be_stopped() {
        if let Some(readiness) = not_stopped(plan, id, world) {
            return readiness;
        }
    }
    let assessment = assess_in(world, instance);
    match &action.kind {
        ActionKind::Stop => match &assessment.running {
            Running::Stopped { .. } => Readiness::AlreadyDone("nothing of it runs".into()),
            Running::Running { .. } => Readiness::Ready,
            Running::Unknown(reason) => mismatch("to see what runs", reason),
        },
        ActionKind::Install { venv, packages, .. } => ready_to_install(instance, venv, packages, world),
        ActionKind::Backup { rows, .. } => {
            match at_head(&assessment) {
                Ok(head) => {
                    return Readiness::AlreadyDone(format!(
                        "the database is at head {head}: no migration, no backup needed"
                    ));
                }
                Err(Some(reason)) => return mismatch("a known schema", &reason),
                Err(None) => {}
            }
            let facts = facts_of(world, &instance.host);
            let found =
                instance.component.schema_fact(&facts).and_then(|fact| fact.known().map(|known| known.rows.clone()));
            match (rows, found) {
                (_, None) => mismatch("a known schema", "the database could not be read"),
                (Some(rows), Some(found)) if *rows != found => {
                    mismatch(&format!("the database at {}", joined(rows)), &format!("it is at {}", joined(&found)))
                }
                (Some(_) | None, Some(_)) => Readiness::Ready,
            }
        }
        ActionKind::Migrate { backup, .. } => {
            match at_head(&assessment) {
                Ok(head) => return Readiness::AlreadyDone(format!("the database is at head {head}")),
                Err(Some(reason)) => return mismatch("a schema that `upgrade head` can bring forward", &reason),
                Err(None) => {}
            }
            match backup_bytes(backup, instance, world) {
                Ok(_) => Readiness::Ready,
                Err(observed) => mismatch(&format!("the backup {backup}"), &observed),
            }
        }
        ActionKind::Start { .. } => match confirm(plan, action, world) {
            Confirmation::Done(evidence) => Readiness::AlreadyDone(evidence),
            Confirmation::NotYet { .. } => match &assessment.running {
                Running::Stopped { .. } => Readiness::Ready,
                // Started by its supervisor or by the run before, and not yet healthy: starting is waiting.
                Running::Running { stale: None, .. } => Readiness::Ready,
                Running::Running { stale: Some(stale), .. } => mismatch("nothing running", &stale.evidence),
                Running::Unknown(reason) => mismatch("to see what runs", reason),
            },
        },
    }
}

fn ready_to_install(instance: &Instance, venv: &str, packages: &[PackageMove], world: &World) -> Readiness {
    let facts = facts_of(world, &instance.host);
    let mut done = true;
    for moved in packages {
        let mut component = instance.component.clone();
        component.package.clone_from(&moved.package);
        component.venv = venv.to_owned();
        let installed = assess(&component, &facts).installed;
        match &installed {
            Installed::Release(release) if *release == moved.to => {}
            Installed::Release(release) if Some(release) == moved.from.as_ref() => done = false,
            Installed::Interrupted { .. } => done = false,
            Installed::Nothing if moved.from.is_none() => done = false,
            Installed::Release(_) | Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => {
                let expected = match &moved.from {
                    Some(from) => format!("{} {from} in {venv}", moved.package),
                    None => format!("no whole {} in {venv}", moved.package),
                };
                return mismatch(&expected, &installed_in_words(&installed));
            }
        }
    }
    if done { Readiness::AlreadyDone("the release is installed".into()) } else { Readiness::Ready }
}

fn installed_in_words(installed: &Installed) -> String {
    match installed {
        Installed::Release(release) => format!("{release}"),
        Installed::Interrupted { evidence, .. } => format!("an interrupted install: {evidence}"),
        Installed::Nothing => "nothing of it".into(),
        Installed::NoVenv => "no virtual environment".into(),
        Installed::Unknown(reason) => reason.clone(),
    }
}

fn mismatch(expected: &str, observed: &str) -> Readiness {
    Readiness::Mismatch { expected: expected.to_owned(), observed: observed.to_owned() }
}

fn joined(rows: &std::collections::BTreeSet<String>) -> String {
    if rows.is_empty() { "no revision".into() } else { rows.iter().cloned().collect::<Vec<_>>().join(", ") }
}

fn not_stopped(plan: &Plan, id: &InstanceId, world: &World) -> Option<Readiness> {
    let Some(instance) = plan.instance(id) else {
        return Some(mismatch(&format!("{id} in the plan"), "no such instance"));
    };
    match assess_in(world, instance).running {
        Running::Stopped { .. } => None,
        Running::Running { processes, .. } => {
            let pids: Vec<String> = processes.iter().map(|process| process.pid.to_string()).collect();
            Some(mismatch(&format!("{id} stopped"), &format!("it runs (process {})", pids.join(", "))))
        }
        Running::Unknown(reason) => Some(mismatch(&format!("{id} stopped"), &format!("unknown: {reason}"))),
    }
}

/// The head where the database is at it; else the reason why a migration can't get there, if there is one.
fn at_head(assessment: &Assessment) -> Result<String, Option<String>> {
    match &assessment.schema {
        Some(Observed::Known(SchemaState::AtHead { head })) => Ok(head.clone()),
        Some(Observed::Known(SchemaState::Behind { .. })) => Err(None),
        Some(Observed::Known(state)) => Err(Some(format!("the database is {}", describe(state)))),
        Some(Observed::Unknown(reason)) => Err(Some(reason.clone())),
        Some(Observed::Absent) => Err(Some("there is no alembic.ini at the declared place".into())),
        None => Err(Some("the component declares no schema".into())),
    }
}

fn backup_bytes(file: &str, instance: &Instance, world: &World) -> Result<u64, String> {
    match facts_of(world, &instance.host).file(&FileQuery { path: file.to_owned() }) {
        Observed::Known(found) if found.bytes > 0 => Ok(found.bytes),
        Observed::Known(_) => Err("the file is empty".into()),
        Observed::Absent => Err("there is no such file".into()),
        Observed::Unknown(reason) => Err(reason),
    }
}

/// Judges whether `action` has brought about in `world` what it must.
#[must_use]
pub fn confirm(plan: &Plan, action: &Action, world: &World) -> Confirmation {
    let not_yet = |expected: String, observed: String| Confirmation::NotYet { expected, observed };
    let Some(instance) = plan.instance(&action.instance()) else {
        return not_yet("an instance of the plan".into(), "none of that name".into());
    };
    let assessment = assess_in(world, instance);
    match &action.kind {
        ActionKind::Stop => match &assessment.running {
            Running::Stopped { state: Some(state) } => Confirmation::Done(format!("nothing of it runs ({state})")),
            Running::Stopped { state: None } => Confirmation::Done("nothing of it runs".into()),
            Running::Running { processes, .. } => {
                let left: Vec<String> = processes.iter().map(|p| format!("{} ({})", p.pid, p.title)).collect();
                not_yet("no process left".into(), format!("still running: {}", left.join(", ")))
            }
            Running::Unknown(reason) => not_yet("no process left".into(), reason.clone()),
        },
        ActionKind::Install { venv, packages, .. } => match ready_to_install(instance, venv, packages, world) {
            Readiness::AlreadyDone(evidence) => Confirmation::Done(evidence),
            Readiness::Ready => {
                not_yet("the release whole in the environment".into(), installed_in_words(&assessment.installed))
            }
            Readiness::Mismatch { expected, observed } => not_yet(expected, observed),
        },
        ActionKind::Backup { file, .. } => match backup_bytes(file, instance, world) {
            Ok(bytes) => Confirmation::Done(format!("{bytes} bytes, and they can be read back")),
            Err(observed) => not_yet(format!("the backup {file}"), observed),
        },
        ActionKind::Migrate { .. } => match at_head(&assessment) {
            Ok(head) => Confirmation::Done(format!("the database is at head {head}")),
            Err(Some(reason)) => not_yet("the database at the package's head".into(), reason),
            Err(None) => not_yet(
                "the database at the package's head".into(),
                assessment.differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            ),
        },
        ActionKind::Start { release } => confirm_start(instance, &assessment, release),
    }
}

fn confirm_start(instance: &Instance, assessment: &Assessment, release: &crate::release::Release) -> Confirmation {
    let component = &instance.component;
    let schema = if component.schema.is_some() { ", its schema at head" } else { "" };
    let answering = if component.health.is_some() { format!(", answering as {release}") } else { String::new() };
    let expected = format!("{} running{answering}{schema}", component.name);
    let observed = |text: String| Confirmation::NotYet { expected: expected.clone(), observed: text };
    if !assessment.unknown.is_empty() {
        return observed(assessment.unknown.join("; "));
    }
    if let Installed::Release(installed) = &assessment.installed
        && installed != release
    {
        return observed(format!("{installed} is installed"));
    }
    // The declared release may be a later hop; everything else that differs speaks against.
    let wrong: Vec<String> = assessment
        .differences
        .iter()
        .filter(|difference| !matches!(difference, crate::resource::component::Difference::Package { .. }))
        .map(ToString::to_string)
        .collect();
    if !wrong.is_empty() {
        return observed(wrong.join("; "));
    }
    match &assessment.schema {
        None | Some(Observed::Known(SchemaState::AtHead { .. })) => {}
        Some(Observed::Known(state)) => return observed(format!("the database is {}", describe(state))),
        Some(Observed::Unknown(reason)) => return observed(reason.clone()),
        Some(Observed::Absent) => return observed("there is no alembic.ini".into()),
    }
    match (&assessment.running_release, &instance.component.health) {
        (Some(running), _) => Confirmation::Done(format!("it answers as {running}")),
        (None, Some(_)) => Confirmation::Done("it answers".into()),
        (None, None) => Confirmation::Done("it runs".into()),
    }
}

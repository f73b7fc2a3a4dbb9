//! What an action must find before it acts, and what it must leave: judged from fresh facts, never
//! from an exit status or from what was done before.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, ActionKind, PackageMove, Plan};
use super::copy::{confirm_copy, lacks_copy, ready_to_copy};
use super::proof::{effects, mended_meanwhile, ran_already};
use super::resources;
use crate::desired::{Instance, InstanceId};
use crate::facts::{CommandQuery, FileQuery, HostFacts, Observed, VenvQuery, WorkQuery, facts_of};
use crate::model::HostName;
use crate::release::{Release, SchemaState};
use crate::resource::component::{Assessment, Cause, Installed, Running, assess};

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
        SchemaState::Incomplete { head, skipped } => format!("at {head}, without {}", skipped.join(", ")),
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
    if let (ActionKind::Apply { relies_on, .. }, Some(resource)) = (&action.kind, plan.resource(action)) {
        return resources::ready(resource, relies_on.as_deref(), world);
    }
    let Some(instance) = plan.instance(&action.instance()) else {
        return mismatch("an instance of the plan", "none of that name");
    };
    for host in [&action.host, &instance.host] {
        if let Some(reason) = &facts_of(world, host).unreachable {
            return mismatch(&format!("to see {host}"), reason);
        }
    }
    // What leads there already needs nobody to be stopped: on the way back, most of it was never switched.
    if let ActionKind::Switch { venv, target, packages, .. } = &action.kind
        && let done @ Readiness::AlreadyDone(_) = ready_to_switch(instance, venv, target, packages, world)
    {
        return done;
    }
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
        ActionKind::Stage { target, packages, .. } => ready_to_stage(instance, target, packages, world),
        ActionKind::Switch { venv, target, packages, .. } => ready_to_switch(instance, venv, target, packages, world),
        ActionKind::Prune { .. } => Readiness::Ready,
        ActionKind::Freeze => match frozen(instance, world) {
            Ok((true, true)) => Readiness::AlreadyDone("the cluster is frozen".into()),
            Ok(_) => Readiness::Ready,
            Err(reason) => mismatch("to see whether the cluster is frozen", &reason),
        },
        ActionKind::Unfreeze => match frozen(instance, world) {
            Ok((false, false)) => Readiness::AlreadyDone("the cluster is not frozen".into()),
            Ok(_) => Readiness::Ready,
            Err(reason) => mismatch("to see whether the cluster is frozen", &reason),
        },
        ActionKind::Drain { counts, lists, .. } => match work_left(counts, lists, world) {
            None => Readiness::AlreadyDone("no work runs".into()),
            Some(_) => Readiness::Ready,
        },
        ActionKind::Rehearse { backup, .. } => match file_bytes(backup, instance, world) {
            Ok(_) => Readiness::Ready,
            Err(observed) => mismatch(&format!("the backup {backup}"), &observed),
        },
        ActionKind::Snapshot { .. } => Readiness::Ready,
        ActionKind::Backup { rows, head, .. } => match database_rows(instance, world) {
            Ok(found) if found == *rows => Readiness::Ready,
            Ok(found) if found == BTreeSet::from([head.clone()]) => {
                Readiness::AlreadyDone(format!("the database is at {head}: no migration, no backup needed"))
            }
            Ok(found) => {
                mismatch(&format!("the database at {}", joined(rows)), &format!("it is at {}", joined(&found)))
            }
            Err(reason) => mismatch("a known schema", &reason),
        },
        ActionKind::Migrate { migration, .. }
            if plan.mends
                && database_rows(instance, world).is_ok_and(|found| found == migration.rows)
                && let Some(found) = mended_meanwhile(instance, migration, world) =>
        {
            found
        }
        ActionKind::Copy { from, file, to, head, .. } => match database_rows(instance, world) {
            // What brought it there meanwhile left nothing to be saved, so there is nothing to copy either.
            Ok(found)
                if !plan.mends
                    && found == BTreeSet::from([head.clone()])
                    && file_bytes(file, instance, world).is_err() =>
            {
                Readiness::AlreadyDone(format!("the database is at {head}: no migration, no copy needed"))
            }
            Ok(_) | Err(_) => ready_to_copy(action, from, file, to, world),
        },
        ActionKind::Migrate { backup, copy, migration, .. } => match database_rows(instance, world) {
            Ok(found) if found == migration.rows => match ran_already(instance, migration, world) {
                Some(evidence) => Readiness::AlreadyDone(evidence),
                None => match file_bytes(backup, instance, world) {
                    Ok(_) => copy
                        .as_ref()
                        .and_then(|copy| lacks_copy(&action.host, backup, copy, world))
                        .unwrap_or(Readiness::Ready),
                    Err(observed) => mismatch(&format!("the backup {backup}"), &observed),
                },
            },
            Ok(found) if found == BTreeSet::from([migration.head.clone()]) => {
                Readiness::AlreadyDone(format!("the database is at head {}", migration.head))
            }
            Ok(found) => {
                let expected = format!("the database at {}", joined(&migration.rows));
                mismatch(&expected, &format!("it is at {}", joined(&found)))
            }
            Err(reason) => mismatch("a known schema", &reason),
        },
        ActionKind::Apply { .. } => mismatch("a resource of the plan", "none of that name"),
        ActionKind::Settle { watched, .. } => match settled(plan, action, watched, world) {
            Confirmation::Done(_) => Readiness::Ready,
            Confirmation::NotYet { expected, observed } => Readiness::Mismatch { expected, observed },
        },
        ActionKind::Start { release } if !holds_release(&assessment, release) => {
            mismatch(&format!("{release} installed"), &installed_in_words(&assessment.installed))
        }
        ActionKind::Start { .. } => match confirm(plan, action, world) {
            Confirmation::Done(evidence) => Readiness::AlreadyDone(evidence),
            Confirmation::NotYet { .. } => match &assessment.running {
                Running::Stopped { .. } => match &assessment.schema {
                    // It would start all the same, and answer: beside a schema that it doesn't fit.
                    Some(Observed::Known(SchemaState::AtHead { .. })) | None => Readiness::Ready,
                    Some(Observed::Known(state)) => {
                        mismatch("the database at the package's head", &format!("the database is {}", describe(state)))
                    }
                    Some(Observed::Unknown(reason)) => mismatch("a known schema", reason),
                    Some(Observed::Absent) => mismatch("a known schema", "there is no alembic.ini"),
                },
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

fn ready_to_stage(instance: &Instance, target: &str, packages: &[PackageMove], world: &World) -> Readiness {
    let facts = facts_of(world, &instance.host);
    let mut whole = true;
    for moved in packages {
        match facts.venv(&VenvQuery { path: target.to_owned(), package: moved.package.clone() }) {
            Observed::Known(venv) => whole &= venv.marker && holds_at(instance, target, moved, &facts),
            Observed::Absent => whole = false,
            Observed::Unknown(reason) => return mismatch(&format!("to see {target}"), &reason),
        }
    }
    match whole {
        true => Readiness::AlreadyDone(format!("{target} is built, and was checked")),
        false => Readiness::Ready,
    }
}

fn ready_to_switch(
    instance: &Instance,
    venv: &str,
    target: &str,
    packages: &[PackageMove],
    world: &World,
) -> Readiness {
    let facts = facts_of(world, &instance.host);
    let all_at = |path: &str| packages.iter().all(|moved| holds_at(instance, path, moved, &facts));
    let leads_to = packages.first().and_then(|moved| {
        let query = VenvQuery { path: venv.to_owned(), package: moved.package.clone() };
        facts.venv(&query).known().and_then(|found| found.link.clone())
    });
    // A directory that was never moved aside is what a switch back would make.
    if all_at(venv) && leads_to.as_deref().is_none_or(|link| link == target) {
        return Readiness::AlreadyDone(format!("{venv} holds {}", releases_of(packages)));
    }
    match all_at(target) {
        true => Readiness::Ready,
        false => mismatch(&format!("{target} with {}", releases_of(packages)), "it lacks them, or can't be read"),
    }
}

/// Whether the environment at `path` holds the release that a package is moved to.
fn holds_at(instance: &Instance, path: &str, moved: &PackageMove, facts: &HostFacts) -> bool {
    let mut component = instance.component.clone();
    component.package.clone_from(&moved.package);
    component.venv = path.to_owned();
    assess(&component, facts).installed == Installed::Release(moved.to.clone())
}

fn releases_of(packages: &[PackageMove]) -> String {
    packages.iter().map(|moved| format!("{} {}", moved.package, moved.to)).collect::<Vec<_>>().join(", ")
}

/// Whether the cluster says that it is frozen, and whether a run has noted that it froze it.
fn frozen(instance: &Instance, world: &World) -> Result<(bool, bool), String> {
    let Some(freeze) = &instance.component.freeze else { return Err("no freeze is declared".into()) };
    let facts = facts_of(world, &instance.host);
    let noted = match facts.file(&freeze.marker_query()) {
        Observed::Known(_) => true,
        Observed::Absent => false,
        Observed::Unknown(reason) => return Err(reason),
    };
    match facts.command(&freeze.status_query()) {
        Observed::Known(answer) if answer.status == 0 => {
            // Programs of this kind log to the same stream before they answer.
            Ok((answer.output.split_whitespace().last() == Some(freeze.frozen.as_str()), noted))
        }
        Observed::Known(answer) => Err(format!("{} exits with {}: {}", freeze.status, answer.status, answer.output)),
        Observed::Absent => Err("the command for its status was not run".into()),
        Observed::Unknown(reason) => Err(reason),
    }
}

/// What still runs, in words; a count that fails is as good as running work.
fn work_left(counts: &[(HostName, WorkQuery)], lists: &[(HostName, CommandQuery)], world: &World) -> Option<String> {
    let mut left = Vec::new();
    for (host, query) in counts {
        match facts_of(world, host).work(query) {
            Observed::Known(work) if work.count() == 0 => {}
            Observed::Known(work) => left.push(format!("{} of {} run", work.count(), query.table)),
            Observed::Absent => left.push(format!("there is no {} to count", query.table)),
            Observed::Unknown(reason) => left.push(format!("how many {} run is unknown: {reason}", query.table)),
        }
    }
    for (host, query) in lists {
        match facts_of(world, host).command(query) {
            Observed::Known(answer) if answer.status == 0 && answer.output.is_empty() => {}
            Observed::Known(answer) => left.push(format!("{host} lists: {}", answer.output)),
            Observed::Absent => left.push(format!("{host} was not asked for its work")),
            Observed::Unknown(reason) => left.push(format!("the work of {host} is unknown: {reason}")),
        }
    }
    (!left.is_empty()).then(|| left.join("; "))
}

fn database_rows(instance: &Instance, world: &World) -> Result<BTreeSet<String>, String> {
    let facts = facts_of(world, &instance.host);
    match instance.component.schema_fact(&facts) {
        Some(Observed::Known(fact)) => Ok(fact.rows.clone()),
        Some(Observed::Absent) => Err("there is no alembic.ini at the declared place".into()),
        Some(Observed::Unknown(reason)) => Err(reason),
        None => Err("the component declares no schema".into()),
    }
}

/// Whether what would be started is what is meant.
fn holds_release(assessment: &Assessment, release: &Release) -> bool {
    match &assessment.installed {
        Installed::Release(installed) => installed == release,
        Installed::Interrupted { whole, .. } => whole.as_ref() == Some(release),
        Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => false,
    }
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

pub(super) fn mismatch(expected: &str, observed: &str) -> Readiness {
    Readiness::Mismatch { expected: expected.to_owned(), observed: observed.to_owned() }
}

fn joined(rows: &BTreeSet<String>) -> String {
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
        Some(Observed::Known(SchemaState::Behind { .. } | SchemaState::Incomplete { .. })) => Err(None),
        Some(Observed::Known(state)) => Err(Some(format!("the database is {}", describe(state)))),
        Some(Observed::Unknown(reason)) => Err(Some(reason.clone())),
        Some(Observed::Absent) => Err(Some("there is no alembic.ini at the declared place".into())),
        None => Err(Some("the component declares no schema".into())),
    }
}

fn file_bytes(file: &str, instance: &Instance, world: &World) -> Result<u64, String> {
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
    if let Some(resource) = plan.resource(action) {
        return resources::confirm(resource, world);
    }
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
        ActionKind::Stage { target, packages, .. } => {
            done_if_already(ready_to_stage(instance, target, packages, world), "the environment whole")
        }
        ActionKind::Switch { venv, target, packages, .. } => {
            let found = ready_to_switch(instance, venv, target, packages, world);
            done_if_already(found, &format!("{venv} leading to {target}"))
        }
        ActionKind::Prune { keep, .. } => Confirmation::Done(format!("at most {keep} of them are left")),
        ActionKind::Freeze => match frozen(instance, world) {
            Ok((true, true)) => Confirmation::Done("the cluster is frozen".into()),
            Ok((said, noted)) => not_yet("a frozen cluster".into(), frozen_in_words(said, noted)),
            Err(reason) => not_yet("a frozen cluster".into(), reason),
        },
        ActionKind::Unfreeze => match frozen(instance, world) {
            Ok((false, false)) => Confirmation::Done("the cluster is not frozen".into()),
            Ok((said, noted)) => not_yet("a cluster that is not frozen".into(), frozen_in_words(said, noted)),
            Err(reason) => not_yet("a cluster that is not frozen".into(), reason),
        },
        ActionKind::Drain { counts, lists, .. } => match work_left(counts, lists, world) {
            None => Confirmation::Done("no work runs".into()),
            Some(left) => not_yet("no work".into(), left),
        },
        // Its command says how it ended, and it leaves nothing behind that could be looked at.
        ActionKind::Rehearse { .. } => Confirmation::Done("the same migration succeeds on a copy".into()),
        ActionKind::Snapshot { file, .. } => match file_bytes(file, instance, world) {
            Ok(bytes) => Confirmation::Done(format!("{bytes} bytes")),
            Err(observed) => not_yet(format!("the file {file}"), observed),
        },
        ActionKind::Backup { file, .. } => match file_bytes(file, instance, world) {
            Ok(bytes) => Confirmation::Done(format!("{bytes} bytes, and they can be read back")),
            Err(observed) => not_yet(format!("the backup {file}"), observed),
        },
        ActionKind::Copy { from, file, to, .. } => confirm_copy(action, from, file, to, world),
        ActionKind::Migrate { migration, .. } => match at_head(&assessment) {
            Ok(head) if head == migration.head => match effects(instance, migration, world) {
                Ok(evidence) => Confirmation::Done(format!("the database is at head {head}{evidence}")),
                Err(observed) => not_yet("a schema with all that its revisions bring".into(), observed),
            },
            Ok(head) => not_yet(format!("the database at head {}", migration.head), format!("it is at head {head}")),
            Err(Some(reason)) => not_yet("the database at the package's head".into(), reason),
            Err(None) => not_yet(
                "the database at the package's head".into(),
                assessment.differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            ),
        },
        ActionKind::Start { release } => confirm_start(instance, &assessment, release),
        ActionKind::Apply { .. } => not_yet("a resource of the plan".into(), "none of that name".into()),
        ActionKind::Settle { watched, .. } => settled(plan, action, watched, world),
    }
}

/// Whether all that is watched is as a start must leave it.
fn settled(plan: &Plan, action: &Action, watched: &BTreeMap<String, Release>, world: &World) -> Confirmation {
    let mut healthy = Vec::new();
    for (component, release) in watched {
        let id = InstanceId { host: action.host.clone(), component: component.clone() };
        let Some(instance) = plan.instance(&id) else {
            let (expected, observed) = (format!("{id} in the plan"), "no such instance".into());
            return Confirmation::NotYet { expected, observed };
        };
        match confirm_start(instance, &assess_in(world, instance), release) {
            Confirmation::Done(evidence) => healthy.push(format!("{component}: {evidence}")),
            unhealthy @ Confirmation::NotYet { .. } => return unhealthy,
        }
    }
    Confirmation::Done(healthy.join("; "))
}

/// How it shows that what was started is dead already, so that waiting for its health is in vain: its unit has failed or is
/// inactive, or no process of it is there. A unit that its supervisor is about to start again isn't dead.
#[must_use]
pub fn dead_after_start(plan: &Plan, action: &Action, world: &World) -> Option<String> {
    let instance = plan.instance(&action.instance())?;
    let facts = facts_of(world, &instance.host);
    let Running::Stopped { .. } = assess(&instance.component, &facts).running else { return None };
    match instance.component.unit_query() {
        None => Some("no process runs".into()),
        Some(query) => match facts.unit(&query) {
            Observed::Known(unit) if matches!(unit.active_state.as_str(), "failed" | "inactive") => {
                Some(format!("{} is {} ({})", query.name, unit.active_state, unit.result))
            }
            Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => None,
        },
    }
}

/// What an action would find already done is what it must leave.
fn done_if_already(found: Readiness, expected: &str) -> Confirmation {
    match found {
        Readiness::AlreadyDone(evidence) => Confirmation::Done(evidence),
        Readiness::Ready => {
            Confirmation::NotYet { expected: expected.to_owned(), observed: "it is as it was before".into() }
        }
        Readiness::Mismatch { expected, observed } => Confirmation::NotYet { expected, observed },
    }
}

fn frozen_in_words(said: bool, noted: bool) -> String {
    let said = if said { "it says that it is frozen" } else { "it says that it is not frozen" };
    let noted = if noted { "a file notes a freeze" } else { "no file notes a freeze" };
    format!("{said}, and {noted}")
}

fn confirm_start(instance: &Instance, assessment: &Assessment, release: &Release) -> Confirmation {
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
        .filter(|difference| !matches!(difference.cause(), Cause::Package | Cause::Frozen))
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

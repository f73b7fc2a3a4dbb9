//! `converge lock`: what exactly would be installed for each release on the way, as the hosts' own pips resolve it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::access::Access;
use super::error::CliError;
use super::exit::Exit;
use super::options::{LockArguments, Options};
use super::published::add_published;
use super::survey::{gather_into, questions_of};
use super::{context, machine, output};
use crate::desired::Instance;
use crate::facts::{HostFacts, Observed, Query, ResolutionQuery, facts_of};
use crate::gather::{Fleet, Sessions};
use crate::model::HostName;
use crate::release::{Catalogue, Lock, LockedEnvironment, LockedSet, Release, normalize_name, series};
use crate::resource::component::{Component, PlannedPath, assess, choose, path_of, wants_published, within_reach};
use crate::transport::AnyConnector;

/// The lock file of a project that declares none.
pub(super) const DEFAULT_FILE: &str = "converge.lock";

/// Gives each instance its part of the lock file that it declares, or of [`DEFAULT_FILE`] where there is one.
///
/// # Errors
/// When a declared file is missing, or one can't be used.
pub(super) fn attach(instances: &mut [Instance]) -> Result<(), CliError> {
    let mut read: BTreeMap<PathBuf, Option<Lock>> = BTreeMap::new();
    for instance in instances {
        let component = &mut instance.component;
        let declared = component.environments.lock.as_deref();
        let file = PathBuf::from(declared.unwrap_or(DEFAULT_FILE));
        if !read.contains_key(&file) {
            let there = declared.is_some() || machine::is_file(&file);
            let lock = if there { Some(read_lock(&file)?) } else { None };
            read.insert(file.clone(), lock);
        }
        let lock = read.get(&file).and_then(Option::as_ref);
        component.environments.locked =
            lock.map(|lock| lock.of_package(&component.package, &file.display().to_string()));
    }
    Ok(())
}

/// Reads a lock file.
///
/// # Errors
/// When it can't be read or used.
pub(super) fn read_lock(path: &Path) -> Result<Lock, CliError> {
    let text = machine::read_file(path)?;
    Lock::parse(&text).map_err(|source| CliError::Lock { path: path.to_path_buf(), source })
}

/// One thing to ask a host.
struct Wanted<'a> {
    host: &'a HostName,
    component: &'a Component,
    release: Release,
    /// The Python that it is for, as `x.y`.
    python: String,
    query: ResolutionQuery,
}

pub(super) async fn run(options: &Options, arguments: &LockArguments) -> Result<Exit, CliError> {
    let context = context::load_to_lock(options).await?;
    let file = arguments.out.clone().map_or_else(|| declared_file(&context.instances), Ok)?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Kept)?;
    let facts = look(options, &fleet, &context.instances).await?;
    let mut problems = Vec::new();
    let mut wanted = Vec::new();
    for instance in &context.instances {
        match wanted_of(instance, &facts, &context.catalogue) {
            Ok(found) => wanted.extend(found),
            Err(reason) => problems.push(format!("  {}: {reason}", instance.id())),
        }
    }
    // Hosts of one kind resolve alike: what one of them was asked, no other is.
    let mut asked = BTreeSet::new();
    wanted.retain(|one| {
        let machine = machine_of(&facts, one);
        let ResolutionQuery { requirements, same, constraints, args, .. } = &one.query;
        let what = (requirements.clone(), same.clone(), constraints.clone(), args.clone());
        asked.insert((normalize_name(&one.component.package), one.python.clone(), machine, what))
    });
    let answers = ask(&fleet, &facts, &wanted).await;
    let mut lock = Lock::new(concat!("converge ", env!("CARGO_PKG_VERSION")), machine::now());
    for one in &wanted {
        let what = format!("{} {} on Python {} of {}", one.component.package, one.release, one.python, one.host);
        match resolved(one, &answers) {
            Ok((machine, set)) => {
                output::say(&format!("{what}: {} distributions\n", set.distributions.len()));
                let environment = LockedEnvironment {
                    package: one.component.package.clone(),
                    release: one.release.clone(),
                    python: one.python.clone(),
                    machines: vec![machine],
                    set,
                };
                if let Err(error) = lock.insert(environment) {
                    problems.push(format!("  {}: {error}", one.host));
                }
            }
            Err(reason) => problems.push(format!("  {what}: {reason}")),
        }
    }
    if !problems.is_empty() {
        return Err(CliError::Unresolved(problems));
    }
    machine::write_file(&file, &lock.to_text())?;
    output::say(&format!("{} holds {} environments\n", file.display(), lock.environments().len()));
    Ok(Exit::Ok)
}

/// The one file that the components declare.
fn declared_file(instances: &[Instance]) -> Result<PathBuf, CliError> {
    let declared: BTreeSet<&str> =
        instances.iter().map(|one| one.component.environments.lock.as_deref().unwrap_or(DEFAULT_FILE)).collect();
    let mut files = declared.iter();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(PathBuf::from(file)),
        (Some(_) | None, _) => Err(CliError::Usage(format!(
            "components declare several lock files ({}): lock those of one by --limit, and name it with -o",
            declared.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Facts, what is published, and interpreters.
async fn look(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    instances: &[Instance],
) -> Result<BTreeMap<HostName, HostFacts>, CliError> {
    let mut facts = fleet.gather(questions_of(instances, &[])).await;
    let moving = |instance: &&Instance| {
        let seen = facts_of(&facts, &instance.host);
        wants_published(&instance.component, &assess(&instance.component, &seen))
    };
    let moving: Vec<&Instance> = instances.iter().filter(moving).collect();
    if !moving.is_empty() {
        add_published(&Access::of(options)?, fleet, &moving, &mut facts).await;
    }
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        let query = Query::Interpreters(instance.component.interpreters_query());
        questions.entry(instance.host.clone()).or_default().push(query);
    }
    gather_into(fleet, &mut facts, questions).await;
    Ok(facts)
}

/// The releases on the way of an instance, each with the Python that it will run on; the declared one where it is there.
fn wanted_of<'a>(
    instance: &'a Instance,
    facts: &BTreeMap<HostName, HostFacts>,
    catalogue: &Catalogue,
) -> Result<Vec<Wanted<'a>>, String> {
    let component = &instance.component;
    let seen = facts_of(facts, &instance.host);
    if let Some(reason) = &seen.unreachable {
        return Err(reason.clone());
    }
    let hops = match path_of(component, &assess(component, &seen), &seen, catalogue) {
        PlannedPath::Hops(hops) => hops,
        PlannedPath::Refused(refused) => return Err(refused.to_string()),
        PlannedPath::Unknown(reason) => return Err(reason),
    };
    let venv = match component.venv_fact(&seen) {
        Observed::Known(venv) => venv,
        Observed::Absent => return Err(format!("there is no virtual environment {}", component.venv)),
        Observed::Unknown(reason) => return Err(reason),
    };
    let one = |release: &Release, interpreter: Option<&str>, python: &str| Wanted {
        host: &instance.host,
        component,
        release: release.clone(),
        python: series(python).to_owned(),
        query: component.resolution_query(release, interpreter),
    };
    if hops.is_empty() {
        return Ok(vec![one(&component.release, None, &venv.python)]);
    }
    let published = seen.published(&component.published_query());
    let product = catalogue.product_of(&component.package);
    let staged = component.staged_hops(venv.link.is_some(), &hops);
    let mut python: (Option<&str>, &str) = (None, &venv.python);
    let interpreters = seen.interpreters(&component.interpreters_query());
    let mut wanted = Vec::new();
    for (hop, staged) in within_reach(&hops).iter().zip(staged) {
        if staged {
            let told = published.known().and_then(|published| published.release(&hop.to)?.requires_python.clone());
            let train = product.map_or_else(|| hop.to.train(), |product| product.scheme.train_of(&hop.to));
            let required = told.or_else(|| product.and_then(|product| product.train(train)?.python.clone()));
            let chosen = match interpreters {
                Observed::Known(known) => choose(known, required.as_deref(), &hop.to)?,
                Observed::Absent => return Err("nobody looked for interpreters".into()),
                Observed::Unknown(ref reason) => return Err(format!("interpreters: {reason}")),
            };
            python = (Some(&chosen.path), &chosen.version);
        }
        wanted.push(one(&hop.to, python.0, python.1));
    }
    Ok(wanted)
}

/// The kind of a component's machine; where that is unknown, it is like no other's.
fn machine_of(facts: &BTreeMap<HostName, HostFacts>, one: &Wanted<'_>) -> String {
    let seen = facts_of(facts, one.host);
    let interpreters = seen.interpreters(&one.component.interpreters_query());
    interpreters.known().map_or_else(|| one.host.to_string(), |known| known.machine.clone())
}

/// Asks each host for its share, one thing after the other.
async fn ask(
    fleet: &Arc<Fleet<AnyConnector>>,
    facts: &BTreeMap<HostName, HostFacts>,
    wanted: &[Wanted<'_>],
) -> BTreeMap<HostName, HostFacts> {
    let mut answers = facts.clone();
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for one in wanted {
        questions.entry(one.host.clone()).or_default().push(Query::Resolution(one.query.clone()));
    }
    gather_into(fleet, &mut answers, questions).await;
    answers
}

fn resolved(one: &Wanted<'_>, answers: &BTreeMap<HostName, HostFacts>) -> Result<(String, LockedSet), String> {
    let seen = facts_of(answers, one.host);
    match seen.resolution(&one.query) {
        Observed::Known(resolution) if resolution.python == one.python => {
            Ok((resolution.machine.clone(), resolution.set.clone()))
        }
        Observed::Known(resolution) => {
            Err(format!("it was resolved for Python {} (expected {})", resolution.python, one.python))
        }
        Observed::Absent => Err("the host told nothing".into()),
        Observed::Unknown(reason) => Err(reason),
    }
}

//! `converge releases`: what is published, by train, and a snapshot of it for places without a network.

use std::collections::BTreeMap;

use super::access::{Access, answer_of, package_of};
use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, ReleasesArguments, SourceArguments};
use super::published::{Listing, add_published, listings};
use super::{context, machine, output};
use crate::desired::Instance;
use crate::facts::{HostFacts, Published};
use crate::gather::Sessions;
use crate::model::{Digest, Timestamp};
use crate::packages::{PackageIndex, Settings};
use crate::release::{PublishedRelease, Snapshot, SnapshotPackage, normalize_name};
use crate::report::{PackageReleases, releases_json, releases_text};

/// What is listed where neither a package nor an inventory is named.
const DEFAULT_PACKAGE: &str = "backend.ai-manager";

pub(super) async fn run(options: &Options, arguments: &ReleasesArguments) -> Result<Exit, CliError> {
    if arguments.save.is_some() && options.offline.is_some() {
        return Err(CliError::Releases(
            "--save would give an old list a new date: leave --offline out, or copy the file".to_owned(),
        ));
    }
    refuse_unused(options, &arguments.source)?;
    let access = Access::of(options)?;
    let listed = match &options.inventory {
        Some(_) if !arguments.source.is_named() => of_inventory(options, &access, &arguments.packages).await?,
        Some(_) | None => of_controller(&access, arguments).await?,
    };
    let reports: Vec<PackageReleases<'_>> = listed
        .iter()
        .map(|one| PackageReleases { package: &one.package, hosts: &one.hosts, published: &one.published })
        .collect();
    match arguments.output {
        Format::Text => output::answer(&releases_text(&reports, access.now))?,
        Format::Json => output::answer(&releases_json(&reports))?,
    }
    if let Some(file) = &arguments.save {
        let snapshot = snapshot_of(&listed, access.now)?;
        machine::write_file(file, &snapshot.to_text())?;
        output::say(&format!("saved; to plan without any index: converge --offline {}\n", file.display()));
    }
    Ok(Exit::Ok)
}

/// The published releases of `package`, oldest first: of the snapshot that `--offline` names, or else of `index`.
///
/// # Errors
/// When there is no answer. A package that no index has is an empty list.
pub(super) async fn published_releases(
    options: &Options,
    index: &PackageIndex,
    package: &str,
) -> Result<Vec<PublishedRelease>, CliError> {
    let access = Access::of(options)?;
    Ok(list(&access, index, package).await?.releases)
}

/// The places that are named, or else those that this machine's pip is set to.
///
/// # Errors
/// When pip's settings can't be read.
pub(super) fn index_of(source: &SourceArguments) -> Result<PackageIndex, CliError> {
    let settings = Settings::read(&machine::environment())?;
    Ok(PackageIndex::new(match (&source.index, &source.wheelhouse) {
        (Some(url), _) => settings.with_index(url),
        (None, Some(directory)) => settings.with_wheelhouse(directory),
        (None, None) => settings,
    }))
}

/// A place that would not be looked in.
///
/// # Errors
/// Always where there is one.
pub(super) fn refuse_unused(options: &Options, source: &SourceArguments) -> Result<(), CliError> {
    if options.offline.is_some() && source.is_named() {
        let named = if source.index.is_some() { "--index" } else { "--wheelhouse" };
        return Err(CliError::Usage(format!(
            "{named} would not be looked in: --offline takes what is published from its file; leave one of the two out"
        )));
    }
    Ok(())
}

/// One package of one source: from the snapshot, from what was kept, or asked.
async fn list(access: &Access, index: &PackageIndex, package: &str) -> Result<Published, CliError> {
    if let Some(offline) = &access.offline {
        let package = package_of(offline, package).map_err(CliError::Releases)?;
        return Ok(answer_of(offline, package));
    }
    // What lies in a directory is read in no time, and may change at any time.
    let key = (!index.is_local())
        .then(|| Digest::of(format!("controller {:?}", (index.digest().as_str(), normalize_name(package))).as_bytes()));
    if let Some(fresh) = key.as_ref().and_then(|key| access.fresh(key)) {
        return Ok(fresh);
    }
    match index.published(package).await {
        Ok(published) => {
            if let Some(key) = &key {
                access.keep(key, package, &published);
            }
            Ok(published)
        }
        Err(error) => {
            let stale = key.filter(|_| error.is_transient());
            let stale = stale.and_then(|key| access.stale(&key, package, &error.to_string()));
            stale.ok_or_else(|| error.into())
        }
    }
}

async fn of_controller(access: &Access, arguments: &ReleasesArguments) -> Result<Vec<Listing>, CliError> {
    let index = index_of(&arguments.source)?;
    let packages: Vec<String> = match (&access.offline, arguments.packages.is_empty()) {
        (Some((_, snapshot)), true) => snapshot.names().map(str::to_owned).collect(),
        (None, true) => vec![DEFAULT_PACKAGE.to_owned()],
        (_, false) => arguments.packages.clone(),
    };
    let mut listed = Vec::new();
    for package in packages {
        let published = list(access, &index, &package).await?;
        if published.releases.is_empty() {
            let places = published.sources.join(", ");
            return Err(CliError::Releases(format!("{package} is not published in {places}: check its name")));
        }
        listed.push(Listing { package, hosts: Default::default(), published });
    }
    Ok(listed)
}

/// The declared packages, each as the hosts that declare it get it.
async fn of_inventory(options: &Options, access: &Access, only: &[String]) -> Result<Vec<Listing>, CliError> {
    let context = context::load(options).await?;
    let wanted = |package: &str| only.iter().any(|one| normalize_name(one) == normalize_name(package));
    let instances: Vec<&Instance> =
        context.instances.iter().filter(|instance| only.is_empty() || wanted(&instance.component.package)).collect();
    for name in only {
        if !instances.iter().any(|instance| normalize_name(&instance.component.package) == normalize_name(name)) {
            return Err(CliError::Releases(format!("no host declares {name}: leave --inventory out to list it")));
        }
    }
    let fleet = context::fleet(options, context.targets, Sessions::Closed)?;
    let mut facts = instances.iter().map(|instance| (instance.host.clone(), nothing_asked(instance))).collect();
    add_published(access, &fleet, &instances, &mut facts).await;
    let listed = listings(&instances, &facts);
    let missing = instances.iter().find(|one| !listed.iter().any(|list| list.package == one.component.package));
    match missing {
        Some(instance) => Err(CliError::Releases(format!(
            "no host could say what is published of {}; nothing was listed",
            instance.component.package
        ))),
        None => Ok(listed),
    }
}

fn nothing_asked(instance: &Instance) -> HostFacts {
    HostFacts { host: instance.host.clone(), observed_at: Timestamp(0), unreachable: None, answers: BTreeMap::new() }
}

/// A snapshot of lists, dated by the oldest of them.
fn snapshot_of(listed: &[Listing], now: Timestamp) -> Result<Snapshot, CliError> {
    let oldest = listed.iter().map(|one| one.published.asked_at.unwrap_or(now)).min().unwrap_or(now);
    let mut snapshot = Snapshot::new(concat!("converge ", env!("CARGO_PKG_VERSION")), oldest);
    for one in listed {
        if snapshot.package(&one.package).is_some() {
            let hosts = |listing: &Listing| {
                listing.hosts.iter().map(|host| host.as_str().to_owned()).collect::<Vec<_>>().join(", ")
            };
            let others: Vec<String> = listed.iter().filter(|other| other.package == one.package).map(hosts).collect();
            return Err(CliError::Releases(format!(
                "{} differs between hosts ({}), and a snapshot holds one list for all: save one for each by --limit",
                one.package,
                others.join(" | ")
            )));
        }
        let kept =
            SnapshotPackage { source: one.published.sources.join(", "), releases: one.published.releases.clone() };
        snapshot.insert(&one.package, kept);
    }
    Ok(snapshot)
}

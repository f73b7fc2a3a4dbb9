//! `converge path … --schema`: the wheels on the way, fetched (never installed) on this machine, and what they would do to
//! the schema.

use std::collections::BTreeMap;

use super::access::note;
use super::error::CliError;
use super::machine;
use super::options::Options;
use crate::model::printable;
use crate::packages::{NoWheel, PackageIndex, Reach, WheelCache, WheelStore};
use crate::release::{NoPath, PathRequest, Release, SchemaPath, UpgradePath, Wheel, WheelOf, schema_of_path};

/// More wheels than this take long enough to wonder.
const WORTH_A_NOTE: usize = 8;
/// Most releases that a message names.
const NAMED: usize = 8;

/// Where wheels are got from in this run.
pub(super) struct Wheels {
    store: WheelStore,
    reach: Reach,
}

impl Wheels {
    /// Those of `index`; with `--offline`, only those that lie on this machine or were read before.
    pub(super) fn of(options: &Options, index: PackageIndex) -> Self {
        let reach = if options.offline.is_some() { Reach::Local } else { Reach::Everywhere };
        let cache = WheelCache::of(&machine::environment());
        Self { store: WheelStore::new(index, cache, reach), reach }
    }

    /// What the hops of a path do to the schema of `package`; where there is no path, what the jump would do.
    ///
    /// # Errors
    /// When nobody may be asked, and wheels of published releases are not at hand.
    pub(super) async fn schema(
        &self,
        request: &PathRequest<'_>,
        package: &str,
        found: &Result<UpgradePath, Box<NoPath>>,
    ) -> Result<SchemaPath, CliError> {
        let then: Vec<Release> = match found {
            Ok(path) => path.hops.iter().map(|hop| hop.to.clone()).collect(),
            Err(_) => vec![request.to.clone()],
        };
        let releases: Vec<Release> = std::iter::once(request.from).chain(&then).cloned().collect();
        if self.reach == Reach::Everywhere && releases.len() > WORTH_A_NOTE {
            let count = releases.len();
            note(&format!("{count} wheels of {package} are looked at; those not read before are fetched"));
        }
        let migrations = request.product.and_then(|product| product.migrations_of(package));
        let wheels = self.store.wheels_for(package, &releases, migrations).await;
        refuse_what_is_not_at_hand(request, &wheels)?;
        let reasons: BTreeMap<&Release, String> =
            wheels.iter().filter_map(|(release, wheel)| Some((release, wheel.as_ref().err()?.to_string()))).collect();
        let of = |release: &'_ Release| -> Result<&Wheel, &str> {
            match wheels.get(release) {
                Some(Ok(wheel)) => Ok(wheel),
                Some(Err(_)) | None => Err(reasons.get(release).map_or("it was not looked at", String::as_str)),
            }
        };
        let targets: Vec<WheelOf<'_>> = then.iter().map(|release| (release, of(release))).collect();
        Ok(schema_of_path(package, (request.from, of(request.from)), &targets, migrations.is_some()))
    }
}

/// Where nobody may be asked, wheels of published releases must be on this machine.
fn refuse_what_is_not_at_hand(
    request: &PathRequest<'_>,
    wheels: &BTreeMap<Release, Result<Wheel, NoWheel>>,
) -> Result<(), CliError> {
    let published = |release: &Release| request.published.iter().any(|one| one.release == *release);
    let missing: Vec<String> = wheels
        .iter()
        .filter(|(release, _)| published(release))
        .filter_map(|(_, wheel)| match wheel {
            Err(NoWheel::NotAtHand { reason }) => Some(format!("  {}", printable(reason))),
            Err(NoWheel::Unreadable { .. }) | Ok(_) => None,
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut named = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n");
    if missing.len() > NAMED {
        named.push_str(&format!("\n  … and {} more", missing.len() - NAMED));
    }
    Err(CliError::Usage(format!(
        "--schema needs wheels that are not at hand, and with --offline nobody is asked for them:\n{named}\n\
         next: the same command once without --offline where there is a network (what it reads is kept), or \
         --wheelhouse DIR with the wheels in it"
    )))
}

//! Wheels read on the controller: from the places that packages come from, through the cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::PackageIndex;
use super::source::{Offered, Reach};
use super::wheel_archive::read_archive;
use super::wheel_cache::WheelCache;
use crate::model::Digest;
use crate::release::{FileKind, Release, Wheel, release_of_file};

/// How many wheels are fetched and read at a time: more than one hides the waiting, many would only hold memory.
const AT_ONCE: usize = 4;

/// Why there is no wheel to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWheel {
    /// Nobody may be asked, and what is on this machine doesn't do.
    #[error("{reason}")]
    NotAtHand {
        /// What there is instead.
        reason: String,
    },
    /// It can't be had or read.
    #[error("{reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl NoWheel {
    fn unreadable(error: impl std::fmt::Display) -> Self {
        NoWheel::Unreadable { reason: error.to_string() }
    }
}

/// Reads wheels, and remembers what it read.
#[derive(Debug, Clone)]
pub struct WheelStore {
    index: PackageIndex,
    cache: Option<WheelCache>,
    reach: Reach,
}

/// One package that wheels are wanted of, with everything that there is to choose from.
struct Wanted {
    package: String,
    migrations: Option<String>,
    offered: Vec<Offered>,
}

impl WheelStore {
    /// Wheels of `index`, as far as `reach` allows; without a cache, each is fetched and read anew.
    #[must_use]
    pub fn new(index: PackageIndex, cache: Option<WheelCache>, reach: Reach) -> Self {
        Self { index, cache, reach }
    }

    /// Reads the wheels of several releases of a package, side by side. Each that can't be read comes with the reason;
    /// none is left out. `migrations` names the directory with the migrations inside the wheel; without it, it is found
    /// by alembic's layout.
    pub async fn wheels_for(
        &self,
        package: &str,
        releases: &[Release],
        migrations: Option<&str>,
    ) -> BTreeMap<Release, Result<Wheel, NoWheel>> {
        let offered = match self.index.offered(package, self.reach).await {
            Ok(offered) => offered,
            Err(error) => {
                let reason = NoWheel::unreadable(error);
                return releases.iter().map(|release| (release.clone(), Err(reason.clone()))).collect();
            }
        };
        let wanted =
            Arc::new(Wanted { package: package.to_owned(), migrations: migrations.map(str::to_owned), offered });
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut reading = JoinSet::new();
        for release in releases {
            let (store, wanted, permits, release) =
                (self.clone(), Arc::clone(&wanted), Arc::clone(&permits), release.clone());
            reading.spawn(async move {
                let _permit = permits.acquire().await;
                let wheel = store.wheel(&wanted, &release).await;
                (release, wheel)
            });
        }
        let lost = || Err(NoWheel::unreadable("reading it ended abnormally; this is a defect of converge"));
        let mut wheels: BTreeMap<Release, Result<Wheel, NoWheel>> =
            releases.iter().map(|release| (release.clone(), lost())).collect();
        while let Some(read) = reading.join_next().await {
            match read {
                Ok((release, wheel)) => {
                    wheels.insert(release, wheel);
                }
                Err(error) => tracing::error!(%error, "reading a wheel ended abnormally"),
            }
        }
        wheels
    }

    async fn wheel(&self, wanted: &Wanted, release: &Release) -> Result<Wheel, NoWheel> {
        let Wanted { package, migrations, offered } = wanted;
        let kept = |sha256: &Digest| self.cache.as_ref()?.find(package, release, sha256, migrations.as_deref());
        let Some(offered) = choose(offered, package, release, self.reach) else {
            return self.kept_alone(wanted, release);
        };
        if let Some(wheel) = offered.file.sha256.as_ref().and_then(&kept) {
            return Ok(wheel);
        }
        let bytes = self.index.bytes_of(offered).await.map_err(NoWheel::unreadable)?;
        // A directory tells no digest, and neither do all pages.
        if offered.file.sha256.is_none()
            && let Some(wheel) = kept(&Digest::of(&bytes))
        {
            return Ok(wheel);
        }
        let (file, package, release, migrations) =
            (offered.file.name.clone(), package.clone(), release.clone(), migrations.clone());
        let cache = self.cache.clone();
        let read = tokio::task::spawn_blocking(move || {
            let contents = read_archive(&file, &bytes, migrations.as_deref()).map_err(NoWheel::unreadable)?;
            let wheel = Wheel::read(&contents, &package, &release, migrations.as_deref())
                .map_err(|error| NoWheel::unreadable(format!("{file}: {error}")))?;
            if let Some(cache) = cache {
                cache.keep(&wheel, migrations.as_deref());
            }
            Ok(wheel)
        });
        let lost = |error| {
            Err(NoWheel::unreadable(format!("reading it ended abnormally: {error}; this is a defect of converge")))
        };
        read.await.unwrap_or_else(lost)
    }

    /// The wheel of a release that no place offers: where nobody may be asked, what is kept of it stands in, if that is
    /// one and the same.
    fn kept_alone(&self, wanted: &Wanted, release: &Release) -> Result<Wheel, NoWheel> {
        let Wanted { package, migrations, offered } = wanted;
        match self.reach {
            Reach::Everywhere => {
                Err(NoWheel::unreadable(no_wheel(offered, package, release, &self.index.places().join(", "))))
            }
            Reach::Local => {
                let kept = self.cache.as_ref().map(|cache| cache.all_of(package, release, migrations.as_deref()));
                let mut kept = kept.unwrap_or_default();
                let others = kept.len().saturating_sub(1);
                let reason = match kept.pop() {
                    Some(wheel) if others == 0 => return Ok(wheel),
                    Some(_) => format!(
                        "{} different wheels of {package} {release} are kept, and which one would be installed isn't \
                         known",
                        others + 1
                    ),
                    None => format!("{package} {release} is neither kept nor in a directory of wheels"),
                };
                Err(NoWheel::NotAtHand { reason })
            }
        }
    }
}

/// The wheel of a release. Where it is published for several machines, one of them stands for all: its metadata and
/// migrations are the same text. As with pip, one that was not withdrawn goes first, then one on this machine, then the
/// order of the places.
fn choose<'a>(offered: &'a [Offered], package: &str, release: &Release, reach: Reach) -> Option<&'a Offered> {
    offered
        .iter()
        .filter(|one| reach == Reach::Everywhere || one.is_local())
        .filter(|one| is_of(one, package, release, FileKind::Wheel))
        .min_by_key(|one| {
            let any = one.file.name.ends_with("-none-any.whl");
            (one.file.yanked.is_some(), !one.is_local(), !any)
        })
}

fn is_of(offered: &Offered, package: &str, release: &Release, kind: FileKind) -> bool {
    release_of_file(package, &offered.file.name).is_some_and(|(found, of)| found == kind && of == *release)
}

/// What to say where nothing offered is a wheel of the release.
fn no_wheel(offered: &[Offered], package: &str, release: &Release, places: &str) -> String {
    match offered.iter().any(|one| is_of(one, package, release, FileKind::Sdist)) {
        true => format!(
            "{package} {release} is published as a source distribution only: it can't be read without building it"
        ),
        false => format!("{package} {release} is not published in {places}"),
    }
}

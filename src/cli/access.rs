//! What is at hand of published releases without asking: a snapshot that replaces every index (`--offline`), and what
//! was kept of earlier answers.

use std::path::PathBuf;

use super::error::CliError;
use super::options::Options;
use super::{machine, output};
use crate::facts::Published;
use crate::model::{Digest, Timestamp, printable};
use crate::packages::Cache;
use crate::release::{Age, AgeLimits, Snapshot, SnapshotPackage, judge_age};
use crate::report::age_text;

/// How published releases are come by in this run.
pub(super) struct Access {
    /// The snapshot that stands in for everything, with its file.
    pub(super) offline: Option<(PathBuf, Snapshot)>,
    /// The controller's clock when it began.
    pub(super) now: Timestamp,
    cache: Cache,
    limits: AgeLimits,
}

impl Access {
    /// As the options say. The age of a snapshot is said, once a command.
    pub(super) fn of(options: &Options) -> Result<Self, CliError> {
        let now = machine::now();
        let offline = match &options.offline {
            None => None,
            Some(path) => {
                let snapshot = Snapshot::parse(&machine::read_file(path)?)
                    .map_err(|source| CliError::Snapshot { path: path.clone(), source })?;
                note(&format!(
                    "nobody is asked what is published: {} was taken {} ({})",
                    path.display(),
                    age_text(snapshot.taken_at, now),
                    snapshot.taken_at
                ));
                Some((path.clone(), snapshot))
            }
        };
        let limits = AgeLimits::of(options.max_age);
        let cache = if options.max_age.is_zero() { Cache::none() } else { Cache::of(&machine::environment()) };
        Ok(Self { offline, now, cache, limits })
    }

    /// An earlier answer that needs no asking.
    pub(super) fn fresh(&self, key: &Digest) -> Option<Published> {
        self.kept(key, Age::Fresh)
    }

    /// An earlier answer that stands in where nobody could be asked, for `reason`; that is said.
    pub(super) fn stale(&self, key: &Digest, package: &str, reason: &str) -> Option<Published> {
        let published = self.kept(key, Age::Stale)?;
        let asked_at = published.asked_at.unwrap_or(Timestamp(0));
        note(&format!(
            "what is published of {package} could not be asked ({reason}); taken is the answer of {} ({asked_at}), which \
             may lack what is newer",
            age_text(asked_at, self.now)
        ));
        Some(published)
    }

    fn kept(&self, key: &Digest, wanted: Age) -> Option<Published> {
        let published = self.cache.read(key, |text| note(&text))?;
        let age = judge_age(published.asked_at?, self.now, self.limits);
        (age == wanted).then_some(published)
    }

    /// Keeps an answer for later.
    pub(super) fn keep(&self, key: &Digest, package: &str, published: &Published) {
        self.cache.write(key, package, published, self.now, |text| note(&text));
    }
}

/// The list of a package in a snapshot.
///
/// # Errors
/// What it lacks, and how it gets there.
pub(super) fn package_of<'a>(
    (path, snapshot): &'a (PathBuf, Snapshot),
    package: &str,
) -> Result<&'a SnapshotPackage, String> {
    snapshot.package(package).ok_or_else(|| {
        let names: Vec<String> = snapshot.names().map(printable).collect();
        let held = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let file = path.display();
        format!(
            "{file} holds nothing about {package}, only {held}; next: where there is a network, `converge releases \
             {package} --save {file}`"
        )
    })
}

/// A list of a snapshot as an answer.
pub(super) fn answer_of((_, snapshot): &(PathBuf, Snapshot), package: &SnapshotPackage) -> Published {
    Published {
        sources: vec![package.source.clone()],
        asked_at: Some(snapshot.taken_at),
        ..Published::new(package.releases.clone())
    }
}

/// Says something beside the answer.
pub(super) fn note(text: &str) {
    output::say(&format!("note: {}\n", printable(text)));
}

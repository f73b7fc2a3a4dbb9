//! What was read of wheels, kept on the controller's disk. A wheel never changes (its digest is part of the key), so an
//! entry has no age; the oldest go when there are too many.
//!
//! A cache that can't be read or written costs time and nothing else.

#![expect(clippy::disallowed_methods, reason = "the cache of wheels is read and written here alone")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Environment;
use super::cache::replace;
use crate::model::Digest;
use crate::release::{Release, Wheel, normalize_name};

/// Raised with every change to what is read from a wheel: entries of another reader aren't used.
const READER: u32 = 2;

/// Most entries that are kept. One has up to 200 KB (557 revisions with messages), so all of them stay below 50 MB.
const MOST_ENTRIES: usize = 256;

/// A directory with what was read of wheels.
#[derive(Debug, Clone)]
pub struct WheelCache {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    reader: u32,
    /// The directory that was named for the migrations, because another one gives another result.
    migrations: Option<String>,
    wheel: Wheel,
}

/// The directory for converge's caches: `$XDG_CACHE_HOME/converge`, or `~/.cache/converge`, given the two variables.
/// A relative `XDG_CACHE_HOME` counts as not set, as the XDG Base Directory Specification demands.
#[must_use]
pub fn cache_directory(xdg_cache_home: Option<&OsStr>, home: Option<&Path>) -> Option<PathBuf> {
    let xdg = xdg_cache_home.map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| home.map(|home| home.join(".cache"))).map(|cache| cache.join("converge"))
}

/// Where this environment has converge's caches. A home that is no absolute path is none.
#[must_use]
pub fn caches_of(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| environment.get(name).map(Path::new).filter(|path| path.is_absolute());
    cache_directory(absolute("XDG_CACHE_HOME").map(Path::as_os_str), absolute("HOME"))
}

impl WheelCache {
    /// The cache of this environment; without a home, nothing is kept.
    #[must_use]
    pub fn of(environment: &Environment) -> Option<Self> {
        caches_of(environment).map(|caches| Self::below(&caches))
    }

    /// A cache below converge's directory for caches ([`cache_directory`]). Nothing is made before something is kept.
    #[must_use]
    pub fn below(caches: &Path) -> Self {
        Self { directory: caches.join("wheels") }
    }

    /// What was read of the wheel with this digest, if it is known.
    #[must_use]
    pub fn find(&self, package: &str, release: &Release, sha256: &Digest, migrations: Option<&str>) -> Option<Wheel> {
        let path = self.path(package, release, sha256, migrations);
        read(&path, package, release, migrations).filter(|wheel| wheel.sha256 == *sha256)
    }

    /// Everything that is known of wheels of a release, whatever their digests, each once.
    #[must_use]
    pub fn all_of(&self, package: &str, release: &Release, migrations: Option<&str>) -> Vec<Wheel> {
        let start = format!("{}-", Self::stem(package, release));
        // What can't be listed is as good as empty.
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&start)));
        let mut wheels: Vec<Wheel> =
            named.filter_map(|entry| read(&entry.path(), package, release, migrations)).collect();
        wheels.sort_by(|one, other| one.sha256.as_str().cmp(other.sha256.as_str()));
        wheels.dedup_by(|one, other| one.sha256 == other.sha256);
        wheels
    }

    /// Keeps what was read of a wheel, and lets the oldest entries go.
    pub fn keep(&self, wheel: &Wheel, migrations: Option<&str>) {
        let path = self.path(&wheel.package, &wheel.release, &wheel.sha256, migrations);
        let entry = Entry { reader: READER, migrations: migrations.map(str::to_owned), wheel: wheel.clone() };
        let written = serde_json::to_vec(&entry).map_err(std::io::Error::other).and_then(|text| replace(&path, &text));
        if let Err(error) = written {
            tracing::debug!(path = %path.display(), %error, "what was read of a wheel can't be kept");
            return;
        }
        if let Err(error) = self.prune() {
            tracing::debug!(directory = %self.directory.display(), %error, "the cache can't be made smaller");
        }
    }

    fn path(&self, package: &str, release: &Release, sha256: &Digest, migrations: Option<&str>) -> PathBuf {
        let key = Digest::of(format!("{}\n{}", sha256.as_str(), migrations.unwrap_or_default()).as_bytes());
        self.directory.join(format!("{}-{}.json", Self::stem(package, release), key.short()))
    }

    /// How the names of all entries of a release begin.
    fn stem(package: &str, release: &Release) -> String {
        // The name comes from a declaration; what isn't plain in it must not lead elsewhere.
        let name: String =
            normalize_name(package).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{name}-{}", release.normalized().replace(['!', '+'], "-"))
    }

    fn prune(&self) -> std::io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let changed = entry.metadata()?.modified()?;
            entries.push((changed, entry.path()));
        }
        entries.sort();
        for (_, path) in entries.iter().take(entries.len().saturating_sub(MOST_ENTRIES)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// An entry, if it is one of this reader's about this release.
fn read(path: &Path, package: &str, release: &Release, migrations: Option<&str>) -> Option<Wheel> {
    let text = fs::read(path).ok()?;
    let entry: Entry = match serde_json::from_slice(&text) {
        Ok(entry) => entry,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "an entry of the cache is damaged and not used");
            return None;
        }
    };
    let same = entry.reader == READER
        && entry.migrations.as_deref() == migrations
        && entry.wheel.release == *release
        && normalize_name(&entry.wheel.package) == normalize_name(package);
    same.then_some(entry.wheel)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::release::{CatchUp, Migrations};

    fn wheel(release: &str) -> Wheel {
        Wheel {
            package: "backend.ai-manager".into(),
            release: Release::parse(release).unwrap(),
            file: "x.whl".into(),
            bytes: 1,
            sha256: Digest::of(release.as_bytes()),
            requires_python: None,
            pins: BTreeMap::new(),
            migrations: Migrations::None,
            missing_modules: BTreeMap::new(),
            catch_up: CatchUp::default(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_was_kept_is_found_by_its_digest_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = WheelCache::below(scratch.path());
        let wheel = wheel("25.6.1");
        let find =
            |package: &str, migrations: Option<&str>| cache.find(package, &wheel.release, &wheel.sha256, migrations);
        assert_eq!(find("backend.ai-manager", None), None);
        cache.keep(&wheel, None);
        assert_eq!(find("Backend_AI.manager", None), Some(wheel.clone()));
        assert_eq!(find("backend.ai-manager", Some("elsewhere")), None);
        assert_eq!(cache.find("backend.ai-manager", &wheel.release, &Digest::of(b"other"), None), None);
        let all = |text: &str| cache.all_of("Backend_AI.manager", &Release::parse(text).unwrap(), None);
        assert_eq!((all("25.06.1"), all("25.6")), (vec![wheel.clone()], vec![]));
        let rebuilt = Wheel { sha256: Digest::of(b"rebuilt"), ..wheel.clone() };
        cache.keep(&rebuilt, None);
        cache.keep(&wheel, Some("elsewhere"));
        assert_eq!(all("25.6.1").len(), 2);
    }

    #[test]
    fn damaged_entries_and_a_missing_disk_are_no_errors() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = WheelCache::below(scratch.path());
        let wheel = wheel("25.6.1");
        cache.keep(&wheel, None);
        let path = cache.path("backend.ai-manager", &wheel.release, &wheel.sha256, None);
        fs::write(&path, "{\"reader\":1").unwrap();
        assert_eq!(cache.find("backend.ai-manager", &wheel.release, &wheel.sha256, None), None);
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        let nowhere = WheelCache::below(&file);
        nowhere.keep(&wheel, None);
        assert_eq!(nowhere.find("backend.ai-manager", &wheel.release, &wheel.sha256, None), None);
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = WheelCache::below(scratch.path());
        for patch in 0..MOST_ENTRIES + 3 {
            cache.keep(&wheel(&format!("1.0.{patch}")), None);
        }
        assert_eq!(fs::read_dir(scratch.path().join("wheels")).unwrap().count(), MOST_ENTRIES);
    }

    #[test]
    fn caches_lie_where_the_specification_says() {
        let home = Path::new("/home/bai");
        let directory = |xdg: Option<&str>| cache_directory(xdg.map(OsStr::new), Some(home));
        assert_eq!(directory(None), Some("/home/bai/.cache/converge".into()));
        assert_eq!(directory(Some("/var/cache/bai")), Some("/var/cache/bai/converge".into()));
        assert_eq!(directory(Some("cache")), Some("/home/bai/.cache/converge".into()));
        assert_eq!(cache_directory(None, None), None);
    }
}

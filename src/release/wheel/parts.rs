//! What is read of a wheel, and how much of it at most. Pure: whoever opens the archive asks here first.

use std::collections::BTreeSet;

use super::catch_up;
use super::error::WheelError;
use super::imports::{OwnModules, missing_imports, suspect_imports};

/// Largest wheel that is fetched: the webserver of Backend.AI, with its user interface, has 50 MB.
pub const WHEEL_BYTES: u64 = 256 * 1024 * 1024;
/// Most files in a wheel: the largest of Backend.AI has 4,098.
pub const WHEEL_FILES: usize = 50_000;
/// Largest single file that is read. Revision files have up to 60 KB, generated sources up to 2 MB.
pub const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Most that is unpacked of all files together: the sources of the largest wheel have 16 MB. A few megabytes of an
/// archive can pretend to be gigabytes.
pub const UNPACKED_BYTES: u64 = 128 * 1024 * 1024;
/// Most revision files: the largest chain has 557.
const REVISION_FILES: usize = 10_000;

/// Which files of a wheel are needed, by the list of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelParts {
    /// The path of its `METADATA`.
    pub metadata: String,
    /// The directories with alembic's `env.py` and `versions`. A wheel with migrations has one.
    pub migrations: Vec<String>,
    /// The files right in `versions` of those directories.
    pub revisions: Vec<String>,
    /// The other Python sources, to be shown to [`Self::is_suspect`].
    pub sources: Vec<String>,
    own: OwnModules,
}

impl WheelParts {
    /// Picks the parts. `migrations` names the directory with the migrations inside the wheel; without it, it is found
    /// by alembic's own layout.
    ///
    /// # Errors
    /// When there are too many files, names that no wheel may hold, or not one `METADATA`.
    pub fn of(names: &[String], migrations: Option<&str>) -> Result<Self, WheelError> {
        too_much("files", names.len() as u64, WHEEL_FILES as u64)?;
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().find(|name| !is_honest(name) || !seen.insert(name.as_str())) {
            return Err(WheelError::Name(name.clone()));
        }
        let metadata: Vec<&String> = names.iter().filter(|name| is_metadata(name)).collect();
        let [metadata] = metadata[..] else { return Err(WheelError::MetadataFiles(metadata.len())) };
        let migrations = match migrations {
            Some(directory) => {
                let directory = directory.trim_matches('/').to_owned();
                let held =
                    names.iter().any(|name| name.strip_prefix(&directory).is_some_and(|rest| rest.starts_with('/')));
                if held { vec![directory] } else { Vec::new() }
            }
            None => environments(&seen),
        };
        let (revisions, sources): (Vec<String>, Vec<String>) = names
            .iter()
            .filter(|name| name.ends_with(".py"))
            .cloned()
            .partition(|name| migrations.iter().any(|directory| is_version(name, directory)));
        too_much("revision files", revisions.len() as u64, REVISION_FILES as u64)?;
        let own = OwnModules::of(names.iter().map(String::as_str));
        Ok(Self { metadata: metadata.clone(), migrations, revisions, sources, own })
    }

    /// Whether a source seems to import what the wheel doesn't hold, by a look at single lines: quick, and never
    /// missing what the look for missing modules would find at the start of a line. One that declares upstream's command
    /// for revisions that were left out is wanted as well.
    #[must_use]
    pub fn is_suspect(&self, name: &str, bytes: &[u8]) -> bool {
        suspect_imports(&self.own, name, bytes) || catch_up::declares(bytes)
    }

    /// The modules of the wheel's own packages that a source imports although the wheel doesn't hold them.
    pub(super) fn missing_modules(&self, name: &str, bytes: &[u8]) -> Result<BTreeSet<String>, WheelError> {
        missing_imports(&self.own, name, bytes)
    }
}

pub(super) fn too_much(what: &'static str, found: u64, limit: u64) -> Result<(), WheelError> {
    if found > limit { Err(WheelError::TooMuch { what, found, limit }) } else { Ok(()) }
}

/// A relative path with forward slashes that stays inside the wheel.
fn is_honest(name: &str) -> bool {
    let inside = !name.starts_with('/') && name.split('/').all(|part| part != ".." && part != ".");
    !name.is_empty() && inside && !name.contains(['\\', ':']) && !name.chars().any(char::is_control)
}

fn is_metadata(name: &str) -> bool {
    name.split_once('/').is_some_and(|(directory, file)| directory.ends_with(".dist-info") && file == "METADATA")
}

fn is_version(name: &str, directory: &str) -> bool {
    let inside = name.strip_prefix(directory).and_then(|rest| rest.strip_prefix("/versions/"));
    inside.is_some_and(|file| !file.contains('/'))
}

/// Directories laid out as `alembic init` does: `env.py` beside `versions` or the template of revisions.
fn environments(names: &BTreeSet<&str>) -> Vec<String> {
    let holds = |directory: &str| {
        names.contains(format!("{directory}/script.py.mako").as_str())
            || names
                .range(format!("{directory}/versions/").as_str()..)
                .next()
                .is_some_and(|name| name.strip_prefix(directory).is_some_and(|rest| rest.starts_with("/versions/")))
    };
    let directories = names.iter().filter_map(|name| name.strip_suffix("/env.py"));
    directories.filter(|directory| holds(directory)).map(str::to_owned).collect()
}

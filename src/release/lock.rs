//! A lock file: for each package and release what exactly is installed with it, as distributions with their versions and
//! the digests of their files.
//!
//! ```json
//! {"format": 1, "written_by": "converge 0.1.0", "locked_at": "2026-11-23T09:00:00Z",
//!  "environments": [
//!   {"package": "backend-ai-manager", "release": "24.3.11", "python": "3.12", "machines": ["x86_64"],
//!    "distributions": [
//!     {"name": "aiohttp", "version": "3.9.5", "files": [{"name": "aiohttp-3.9.5-….whl", "sha256": "…"}]}]}]}
//! ```

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::numbering::Release;
use super::published::normalize_name;
use crate::model::{Digest, Timestamp, printable};

/// The format that this version writes, and the only one there has been.
const FORMAT: u64 = 1;

/// One file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Its name, as indexes and wheelhouses have it.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedDistribution {
    /// Its name, normalised (PEP 503).
    pub name: String,
    /// Its version.
    pub version: Release,
    /// The files that may be installed for it, in the order of their names: one a kind of machine.
    pub files: Vec<LockedFile>,
}

/// Everything that an environment of one release holds, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockedSet {
    /// The distributions.
    pub distributions: Vec<LockedDistribution>,
}

/// What is locked for one release of a package on one Python.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedEnvironment {
    /// The package, normalised.
    pub package: String,
    /// Its release.
    pub release: Release,
    /// The Python that it was resolved for, as `x.y`.
    pub python: String,
    /// The kinds of machines that it was resolved on, as `uname -m` names them.
    pub machines: Vec<String>,
    /// What is installed.
    #[serde(rename = "distributions")]
    pub set: LockedSet,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Which program wrote it.
    pub written_by: String,
    /// When.
    pub locked_at: Timestamp,
    /// In the order of packages, releases and Pythons; none is there twice.
    environments: Vec<LockedEnvironment>,
}

/// The part of a lock file that concerns one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The file.
    pub file: String,
    /// What is locked of the component's package.
    pub environments: Vec<LockedEnvironment>,
}

/// A lock file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It can't be read.
    #[error("line {line}, column {column}: {reason}\n  {shown}\nnext: write it anew with `converge lock`")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
        /// The line itself.
        shown: String,
    },
    /// Another format.
    #[error(
        "it has format {found}, and this converge reads format {FORMAT}; next: use the converge that wrote it ({written_by})"
    )]
    Format {
        /// The format that it says it has.
        found: u64,
        /// Who wrote it.
        written_by: String,
    },
    /// Its time is none.
    #[error("locked_at is {found:?}, which is no time in RFC 3339 (as in 2026-11-23T09:00:00Z)")]
    LockedAt {
        /// What stands there.
        found: String,
    },
    /// What stands in it can't be meant.
    #[error("{what}: {reason}; next: write it anew with `converge lock`")]
    Senseless {
        /// The environment or distribution.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two hosts need two things.
    #[error("{what}: {reason}")]
    Differs {
        /// The environment.
        what: String,
        /// What differs.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default)]
    written_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u64,
    written_by: String,
    locked_at: String,
    environments: Vec<LockedEnvironment>,
}

impl LockedSet {
    /// A requirements file for pip's `--require-hashes`: a line for each distribution with all digests that will do.
    #[must_use]
    pub fn requirements(&self) -> String {
        let mut text = String::new();
        for LockedDistribution { name, version, files } in &self.distributions {
            let _ = write!(text, "{name}=={}", version.normalized());
            for file in files {
                let _ = write!(text, " --hash=sha256:{}", file.sha256);
            }
            text.push('\n');
        }
        text
    }

    /// Takes in what else is to be in one environment, or what another kind of machine needs: files of one version add up.
    ///
    /// # Errors
    /// When both have a distribution at two versions.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        for distribution in other.distributions {
            let found = self.distributions.binary_search_by(|one| one.name.cmp(&distribution.name));
            match found.ok().and_then(|at| self.distributions.get_mut(at)) {
                Some(known) if known.version != distribution.version => {
                    return Err(format!(
                        "{} {} in one and {} in the other",
                        known.name, known.version, distribution.version
                    ));
                }
                Some(known) => {
                    known.files.extend(distribution.files);
                    known.files.sort();
                    known.files.dedup();
                }
                None => self.distributions.insert(found.unwrap_or_else(|at| at), distribution),
            }
        }
        Ok(())
    }
}

impl LockedEnvironment {
    fn what(&self) -> String {
        format!("{} {} on Python {}", self.package, self.release, self.python)
    }

    fn key(&self) -> (&str, &Release, Vec<u64>) {
        (&self.package, &self.release, self.python.split('.').filter_map(|part| part.parse().ok()).collect())
    }
}

impl Locked {
    /// What is locked for `release` of `package` on a Python of version `x.y.z`.
    #[must_use]
    pub fn find(&self, package: &str, release: &Release, python: &str) -> Option<&LockedEnvironment> {
        let package = normalize_name(package);
        self.environments
            .iter()
            .find(|one| one.package == package && one.release == *release && one.python == series(python))
    }
}

/// `x.y` of `x.y.z`.
#[must_use]
pub fn series(python: &str) -> &str {
    let dots = python.match_indices('.').nth(1);
    dots.and_then(|(end, _)| python.get(..end)).unwrap_or(python)
}

impl Lock {
    /// An empty lock.
    #[must_use]
    pub fn new(written_by: &str, locked_at: Timestamp) -> Self {
        Self { written_by: written_by.to_owned(), locked_at, environments: Vec::new() }
    }

    /// Takes an environment in. One that is there already, from a host of another kind, must hold the same versions.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn insert(&mut self, mut environment: LockedEnvironment) -> Result<(), LockError> {
        environment.package = normalize_name(&environment.package);
        environment.set.distributions.sort_by(|one, other| one.name.cmp(&other.name));
        let found = self.environments.binary_search_by(|one| one.key().cmp(&environment.key()));
        let Some(known) = found.ok().and_then(|at| self.environments.get_mut(at)) else {
            self.environments.insert(found.unwrap_or_else(|at| at), environment);
            return Ok(());
        };
        let names = |set: &LockedSet| set.distributions.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let what = known.what();
        let differs = |reason: String| LockError::Differs { what: what.clone(), reason };
        if names(&known.set) != names(&environment.set) {
            return Err(differs(
                "hosts need different distributions; write a lock file for each kind by --limit".into(),
            ));
        }
        known.set.join(environment.set).map_err(differs)?;
        known.machines.extend(environment.machines);
        known.machines.sort();
        known.machines.dedup();
        Ok(())
    }

    /// Everything that is locked.
    #[must_use]
    pub fn environments(&self) -> &[LockedEnvironment] {
        &self.environments
    }

    /// The part that concerns a component with this package; `file` is where it stands.
    #[must_use]
    pub fn of_package(&self, package: &str, file: &str) -> Locked {
        let package = normalize_name(package);
        let environments = self.environments.iter().filter(|one| one.package == package).cloned().collect();
        Locked { file: file.to_owned(), environments }
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// When it is malformed, of another format, or says something that can't be meant.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        // The format first: another one may have other fields.
        let head: Head = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
        if head.format != FORMAT {
            return Err(LockError::Format { found: head.format, written_by: printable(head.written_by) });
        }
        let written: Written = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
        let Some(locked_at) = Timestamp::parse(&written.locked_at) else {
            return Err(LockError::LockedAt { found: written.locked_at });
        };
        let mut lock = Self::new(&written.written_by, locked_at);
        for environment in written.environments {
            let what = printable(environment.what());
            let senseless = |reason: String| LockError::Senseless { what: what.clone(), reason };
            if let Some(reason) = nonsense(&environment.set) {
                return Err(senseless(reason));
            }
            if lock.environments.iter().any(|one| one.key() == environment.key()) {
                return Err(senseless("it stands there twice".into()));
            }
            lock.insert(environment)?;
        }
        Ok(lock)
    }

    /// The lock as text, equal for equal locks.
    #[must_use]
    pub fn to_text(&self) -> String {
        let written = Written {
            format: FORMAT,
            written_by: self.written_by.clone(),
            locked_at: self.locked_at.to_string(),
            environments: self.environments.clone(),
        };
        // Texts, numbers and lists under text keys: there is nothing in it that JSON can't hold.
        serde_json::to_string_pretty(&written).map(|text| text + "\n").unwrap_or_default()
    }
}

/// Each line of it becomes one of a requirements file, and each file one of a directory: nothing in it may be more.
fn nonsense(set: &LockedSet) -> Option<String> {
    for LockedDistribution { name, version, files } in &set.distributions {
        if name.is_empty()
            || normalize_name(name) != *name
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Some(format!("{:?} is no normalised name", printable(name)));
        }
        if files.is_empty() {
            return Some(format!("{name} {version} has no file"));
        }
        for file in files {
            let plain = file.name.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'\\');
            if !plain || file.name.is_empty() || file.name.starts_with(['.', '-']) {
                return Some(format!("{:?} of {name} is no file name", printable(&file.name)));
            }
            if Digest::parse(file.sha256.as_str()).is_none() {
                return Some(format!("the SHA-256 of {} is none", file.name));
            }
        }
    }
    let mut names: Vec<&str> = set.distributions.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|pair| pair.first() == pair.last())
        .map(|pair| format!("{} stands there twice", pair.concat()))
}

fn malformed(text: &str, error: &serde_json::Error) -> LockError {
    let shown = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    LockError::Malformed {
        line: error.line(),
        column: error.column(),
        reason: printable(error.to_string().split(" at line ").next().unwrap_or_default()),
        shown: printable(shown.chars().take(120).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(python: &str, machine: &str, distributions: &[(&str, &str, &str)]) -> LockedEnvironment {
        let one = |(name, version, file): &(&str, &str, &str)| LockedDistribution {
            name: (*name).into(),
            version: Release::parse(version).unwrap(),
            files: vec![LockedFile { name: (*file).into(), sha256: Digest::of(file.as_bytes()) }],
        };
        LockedEnvironment {
            package: "Demo_Service".into(),
            release: Release::parse("24.03.11").unwrap(),
            python: python.into(),
            machines: vec![machine.into()],
            set: LockedSet { distributions: distributions.iter().map(one).collect() },
        }
    }

    fn lock(environments: &[LockedEnvironment]) -> Lock {
        let mut lock = Lock::new("converge 0.1.0", Timestamp(1_700_000_000));
        for environment in environments {
            lock.insert(environment.clone()).unwrap();
        }
        lock
    }

    const SERVICE: (&str, &str, &str) = ("demo-service", "24.3.11", "demo.whl");

    #[test]
    fn what_is_written_is_read_back_and_found() {
        let written = lock(&[
            environment("3.12", "x86_64", &[SERVICE, ("a", "1.0", "a.whl")]),
            environment("3.9", "x86_64", &[SERVICE]),
        ]);
        let text = written.to_text();
        let read = Lock::parse(&text).unwrap();
        assert_eq!((read.to_text(), &read), (text, &written));
        let locked = read.of_package("demo.service", "converge.lock");
        let found = locked.find("Demo-Service", &Release::parse("24.3.11").unwrap(), "3.12.1").unwrap();
        let requirements = found.set.requirements();
        assert_eq!(
            requirements,
            format!(
                "a==1.0 --hash=sha256:{}\ndemo-service==24.3.11 --hash=sha256:{}\n",
                Digest::of(b"a.whl"),
                Digest::of(b"demo.whl")
            )
        );
        assert!(locked.find("demo-service", &Release::parse("24.3.12").unwrap(), "3.12.1").is_none());
        assert!(locked.find("demo-service", &Release::parse("24.3.11").unwrap(), "3.1.2").is_none());
    }

    #[test]
    fn kinds_of_machines_add_up_and_must_agree_on_versions() {
        let mut both = lock(&[environment("3.12", "x86_64", &[SERVICE, ("a", "1.0", "a-x86.whl")])]);
        both.insert(environment("3.12", "aarch64", &[SERVICE, ("a", "1.0", "a-arm.whl")])).unwrap();
        let only = &both.environments()[0];
        assert_eq!(only.machines, ["aarch64", "x86_64"]);
        assert_eq!(only.set.distributions[0].files.len(), 2);
        assert_eq!(only.set.distributions[1].files.len(), 1);
        for (other, expected) in [
            (environment("3.12", "arm", &[SERVICE, ("a", "1.1", "a.whl")]), "a 1.0 in one and 1.1 in the other"),
            (environment("3.12", "arm", &[SERVICE]), "different distributions"),
        ] {
            let error = both.clone().insert(other).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("demo-service 24.03.11 on Python 3.12"), "{error}");
        }
    }

    #[test]
    fn what_can_t_be_used_says_why_and_where() {
        let whole = lock(&[environment("3.12", "x86_64", &[SERVICE])]).to_text();
        let digest = Digest::of(b"demo.whl").to_string();
        for (from, to, expected) in [
            ("\"format\": 1", "\"format\": 2", "it has format 2, and this converge reads format 1"),
            ("\"24.03.11\"", "\"latest\"", "line 8, column "),
            ("\"files\"", "\"flies\"", "unknown field `flies`"),
            ("2023-11-14T22:13:20Z", "yesterday", "locked_at is \"yesterday\""),
            ("demo.whl", "../demo.whl", "is no file name"),
            (
                "\"demo-service\",\n          \"version",
                "\"demo_service\",\n          \"version",
                "is no normalised name",
            ),
            (digest.as_str(), "abc", "the SHA-256 of demo.whl is none"),
            ("\"environments\": [", "\"environments\": [,", "line 5, column "),
        ] {
            let damaged = whole.replacen(from, to, 1);
            assert_ne!(damaged, whole, "{from}");
            let error = Lock::parse(&damaged).unwrap_err().to_string();
            assert!(error.contains(expected), "{from}: {error}");
        }
    }
}
